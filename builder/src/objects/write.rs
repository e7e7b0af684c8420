//! Writes the objects' bytes, with predictions in every slot.

use super::derive::derive;
use super::place::{Placement, str_data};
use super::quicken::quicken;
use super::slots::{Target, for_each_slot};
use crate::graph::{Int, Str};
use crate::share::{CodeNode, Constants, Node, NodeId};
use cds_layout::cpython::{CodeSource, Layout, LongTag, Repr};
use cds_layout::format::Extern;
use std::collections::BTreeMap;

/// The objects, and which of their slots hold addresses of the image.
#[derive(Debug)]
pub struct Objects {
    /// The bytes; addresses of the image are offsets from the start of the objects until [`Objects::rebase`].
    pub bytes: Vec<u8>,
    /// Offsets of the slots that hold addresses of the image, ascending per object.
    pub internal: Vec<u32>,
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

/// Addresses of the interpreter's own objects.
#[derive(Debug, Default)]
pub struct Predictions {
    /// The externs; 0 where there is none.
    pub externs: BTreeMap<Extern, u64>,
    /// Interned strings that the interpreter has a static copy of.
    pub strings: BTreeMap<NodeId, u64>,
}

impl Predictions {
    fn of_extern(&self, object: Extern) -> u64 {
        self.externs.get(&object).copied().unwrap_or(0)
    }
}

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
    let mut out = Objects { bytes: vec![0; placement.size as usize], internal: Vec::new() };
    for &id in &placement.order {
        let start = placement.offset(id) as usize;
        let mut object = Object { bytes: &mut out.bytes[start..], layout };
        object.u64(layout.head.refcnt, layout.refcount.initial);
        object.value(constants.node(id), &constants.codes);
        for_each_slot(id, constants, layout, |at, target| {
            let (word, internal) = match target {
                Target::Type(t) => (predictions.of_extern(Extern::Type(t)), false),
                Target::Inside(inside) => ((start as u64) + u64::from(inside), true),
                Target::Node(child) => pointer(child, constants, placement, predictions),
            };
            object.u64(at, word);
            if internal {
                out.internal.push(start as u32 + at);
            }
        });
    }
    Ok(out)
}

/// What a pointer to `child` is predicted to be, and whether it is an address of the image.
fn pointer(child: NodeId, constants: &Constants, placement: &Placement, predictions: &Predictions) -> (u64, bool) {
    if let Some(&address) = predictions.strings.get(&child) {
        return (address, false);
    }
    match constants.node(child) {
        Node::Extern(e) => (predictions.of_extern(*e), false),
        // Made at load; the slot is never read before.
        Node::FrozenSet(_) => (0, false),
        _ => (u64::from(placement.offset(child)), true),
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
        let bits = &rows.bits;
        let mut state = u32::from(s.width) << bits.kind_shift | bits.compact | bits.ready;
        if s.ascii {
            state |= bits.ascii;
        }
        if rows.marked_static {
            state |= bits.statically_allocated;
        }
        self.u64(rows.length, s.len() as u64);
        self.u64(rows.hash, u64::MAX);
        self.u32(rows.state, state);
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
