//! Writes the objects' bytes, with predictions in every slot.

use super::derive::derive;
use super::place::{Place, Placed, Placement, gc_head, str_data};
use super::quicken::quicken;
use super::slots::{Target, for_each_slot};
use crate::graph::{Int, Str};
use crate::share::{CodeNode, Constants, Node, NodeId};
use cds_layout::cpython::{CodeSource, Layout, LongTag, Repr};
use cds_layout::format::{SLOT, TypeId};
use rayon::prelude::*;

/// The objects, and which of their slots hold addresses of the image.
#[derive(Debug)]
pub struct Objects {
    /// The bytes; addresses of the image are offsets from the start of the objects until [`Objects::rebase`].
    pub bytes: Vec<u8>,
    /// Offsets of the slots that hold addresses of the image, ascending per object.
    pub internal: Vec<u32>,
    /// How many slots hold words for objects of the interpreter.
    pub external: usize,
}

impl Objects {
    /// Turns offsets into addresses: `start` is the predicted address of the first object.
    pub fn rebase(&mut self, start: u64) {
        for &slot in &self.internal {
            let slot = slot as usize;
            let word: [u8; 8] = self.bytes[slot..slot + 8].try_into().expect("a slot has eight bytes");
            let address = u64::from_le_bytes(word) + start;
            self.bytes[slot..slot + 8].copy_from_slice(&address.to_le_bytes());
        }
    }
}

/// More code objects than the private range of versions has numbers.
#[derive(Debug, thiserror::Error)]
#[error(
    "the image would hold {0} code objects, more than there are private code versions; exclude modules with `--exclude`"
)]
pub struct TooManyCodes(usize);

/// What slots that point to objects of the interpreter are to hold.
#[derive(Debug)]
pub struct Predictions {
    /// By node id: the word for an extern or a static string; 0 for other nodes.
    pub nodes: Vec<u64>,
    /// By number of the type.
    pub types: [u64; TypeId::ALL.len()],
}

/// Objects in one task.
const TASK: usize = 1 << 15;

/// Writes all objects.
pub fn write(
    constants: &Constants,
    placement: &Placement,
    layout: &Layout,
    predictions: &Predictions,
) -> Result<Objects, TooManyCodes> {
    if let Some(first) = layout.code.first_version
        && constants.codes.len() as u64 > u64::from(u32::MAX - first)
    {
        return Err(TooManyCodes(constants.codes.len()));
    }
    let mut bytes = vec![0; placement.size as usize];
    let mut tasks = Vec::with_capacity(placement.order.len() / TASK + 1);
    let (mut rest, mut start) = (&mut bytes[..], 0);
    for (number, placed) in placement.order.chunks(TASK).enumerate() {
        // Up to the start of what the next task writes: that has at most its collector's head before it.
        let next = placement.order.get((number + 1) * TASK);
        let end = next.map_or(placement.size, |next| next.offset - gc_head(constants.node(next.id), layout));
        let (part, others) = rest.split_at_mut((end - start) as usize);
        tasks.push((placed, part, start));
        (rest, start) = (others, end);
    }
    let writer = Writer { constants, placement, layout, predictions };
    let tasks = tasks.into_par_iter().map(|(placed, part, start)| writer.objects(placed, part, start));
    let (internal, external): (Vec<Vec<u32>>, Vec<usize>) = tasks.unzip();
    Ok(Objects { bytes, internal: internal.concat(), external: external.iter().sum() })
}

struct Writer<'a> {
    constants: &'a Constants,
    placement: &'a Placement,
    layout: &'a Layout,
    predictions: &'a Predictions,
}

impl Writer<'_> {
    /// Writes some objects into the part of the bytes from offset `part_start` on.
    fn objects(&self, placed: &[Placed], part: &mut [u8], part_start: u32) -> (Vec<u32>, usize) {
        let (constants, layout) = (self.constants, self.layout);
        let (mut internals, mut external) = (Vec::new(), 0);
        for &Placed { id, unit, offset: start } in placed {
            let mut object = Object { bytes: &mut part[(start - part_start) as usize..], layout };
            object.u64(layout.head.refcnt, layout.refcount.initial);
            object.value(constants.node(id), &constants.codes);
            for_each_slot(id, constants, layout, |at, target| {
                let (word, internal) = match target {
                    Target::Type(t) => (self.predictions.types[t as usize], false),
                    Target::Inside(inside) => (u64::from(start + inside), true),
                    Target::Node(child) => self.pointer(unit, child),
                };
                object.u64(at, word);
                if internal {
                    internals.push(start + at);
                } else if word != 0 {
                    external += 1;
                }
            });
        }
        (internals, external)
    }

    /// What a pointer of a unit's object to `child` is predicted to be, and whether it is an address of the image.
    fn pointer(&self, unit: u32, child: NodeId) -> (u64, bool) {
        match (self.placement.place(unit, child), self.predictions.nodes[child.0 as usize]) {
            // Addresses that follow on the last object.
            (Place::Text(number), _) => (u64::from(self.placement.size) + u64::from(number) * u64::from(SLOT), true),
            (Place::Object(offset), 0) => (u64::from(offset), true),
            // Of the interpreter; or 0: made at load, and the slot is never read before.
            (_, word) => (word, false),
        }
    }
}

/// The bytes from the start of one object on.
struct Object<'a> {
    bytes: &'a mut [u8],
    layout: &'a Layout,
}

impl Object<'_> {
    fn raw(&mut self, at: u32, data: &[u8]) {
        self.bytes[at as usize..at as usize + data.len()].copy_from_slice(data);
    }

    fn u32(&mut self, at: u32, v: u32) {
        self.raw(at, &v.to_le_bytes());
    }

    fn u64(&mut self, at: u32, v: u64) {
        self.raw(at, &v.to_le_bytes());
    }

    fn value(&mut self, node: &Node, codes: &[CodeNode]) {
        let layout = self.layout;
        match node {
            Node::Extern(_) | Node::FrozenSet(_) => {}
            Node::Str(s) | Node::Filename(_, s) => self.str(s),
            Node::Bytes(b) => {
                self.u64(layout.head.size, b.len() as u64);
                self.u64(layout.bytes_hash, u64::MAX);
                self.raw(layout.bytes_data, b);
            }
            Node::Int(int) => self.int(int),
            Node::Float(bits, _) => self.u64(layout.float_value, *bits),
            Node::Complex(re, im, _) => {
                self.u64(layout.complex_value, *re);
                self.u64(layout.complex_value + 8, *im);
            }
            Node::Tuple(items) | Node::Items(items) => {
                self.u64(layout.head.size, items.len() as u64);
                if let Some(hash) = layout.tuple_hash {
                    self.u64(hash, u64::MAX);
                }
            }
            // Nothing but pointers.
            Node::Slice(_) => {}
            Node::Code(index) => self.code(*index, &codes[*index as usize]),
        }
    }

    fn str(&mut self, s: &Str) {
        let rows = &self.layout.str_;
        self.u64(rows.length, s.len() as u64);
        self.u64(rows.hash, u64::MAX);
        self.u32(rows.state, rows.new_state(s.width, s.ascii));
        if let (Some((_, wstr_length)), 4) = (rows.wstr, s.width) {
            self.u64(wstr_length, s.len() as u64);
        }
        self.raw(str_data(s, self.layout), &s.data);
    }

    fn int(&mut self, int: &Int) {
        let rows = &self.layout.long;
        let count = int.digits.len() as u64;
        let tag = match rows.tag {
            LongTag::SignedSize if int.negative => count.wrapping_neg(),
            LongTag::SignedSize => count,
            LongTag::SignBits => count << 3 | if int.negative { 2 } else { u64::from(count == 0) },
        };
        self.u64(rows.tag_offset, tag);
        for (i, digit) in int.digits.iter().enumerate() {
            self.u32(rows.digits + i as u32 * rows.digit_size, *digit);
        }
    }

    fn code(&mut self, number: u32, code: &CodeNode) {
        let rows = &self.layout.code;
        let derived = derive(code, self.layout);
        self.u64(self.layout.head.size, code.bytecode.len() as u64 / 2);
        for field in rows.fields {
            let value = match field.source {
                CodeSource::Flags => i64::from(code.flags),
                CodeSource::ArgCount => i64::from(code.argcount),
                CodeSource::PosOnlyArgCount => i64::from(code.posonlyargcount),
                CodeSource::KwOnlyArgCount => i64::from(code.kwonlyargcount),
                CodeSource::StackSize => i64::from(derived.stacksize),
                CodeSource::FirstLineNo => i64::from(code.firstlineno),
                CodeSource::NLocalsPlus => i64::from(derived.nlocalsplus),
                CodeSource::NLocals => i64::from(derived.nlocals),
                CodeSource::NPlainCellVars => i64::from(derived.nplaincellvars),
                CodeSource::NCellVars => i64::from(derived.ncellvars),
                CodeSource::NFreeVars => i64::from(derived.nfreevars),
                CodeSource::FrameSize => i64::from(derived.framesize),
                CodeSource::FirstTraceable => i64::from(derived.firsttraceable),
                CodeSource::Version => rows.first_version.map_or(0, |first| i64::from(first + number)),
                CodeSource::Constant(value) => value,
                CodeSource::Unset => 0,
                CodeSource::Consts
                | CodeSource::Names
                | CodeSource::ExceptionTable
                | CodeSource::LocalsPlusNames
                | CodeSource::LocalsPlusKinds
                | CodeSource::Filename
                | CodeSource::Name
                | CodeSource::QualName
                | CodeSource::LineTable => continue,
            };
            let bytes = value.to_le_bytes();
            self.raw(field.offset, &bytes[..field.repr.size() as usize]);
            debug_assert!(field.repr != Repr::Ptr || value == 0);
        }
        let end = rows.bytecode as usize + code.bytecode.len();
        let bytecode = &mut self.bytes[rows.bytecode as usize..end];
        bytecode.copy_from_slice(&code.bytecode);
        quicken(bytecode, &self.layout.opcodes);
    }
}
