//! Gives every object its place: the pool of what is shared, or used where it is mapped in any case, then the units' own. Of
//! each unit, the bodies come first, then what an import writes to, then what it reads, then the rest.
//!
//! Offsets count from the start of the objects.

use super::copies::{copied, mapped};
use super::likely::{expected_users, likely, probability_level};
use super::numbers::Numbers;
use super::part::{Known, Part, parts};
use super::pool;
use crate::graph::Str;
use crate::share::{CodeNode, Constants, ModuleNodes, Node, NodeId};
use cds_layout::cpython::{Layout, SliceLayout};
use cds_layout::format::{CHUNK, MAX_SPAN, Range, SLOT, UnitUse};
use std::cmp::Reverse;

/// Where the objects lie.
#[derive(Debug)]
pub struct Placement {
    /// By node id: offset of the object (not of the collector's head before it), [`Placement::NOWHERE`],
    /// [`Placement::IN_UNITS`], or [`Placement::IN_TEXTS`].
    offsets: Vec<u32>,
    /// By unit: its own ones of objects that other units have, too, in the order of their ids.
    copies: Vec<Vec<(NodeId, u32)>>,
    /// By unit: strings of which it has the text, in the order of their ids.
    texts: Vec<Vec<NodeId>>,
    /// Objects for the static strings among those, in the order of their ids.
    statics: Vec<(NodeId, u32)>,
    /// By unit: the name of its file, if that is no object of the image.
    filenames: Vec<Option<NodeId>>,
    /// By unit: its bodies, what an import writes to, what it reads, and the rest.
    units: Vec<[Range; 4]>,
    /// The units, those first that are most likely to be used.
    pub likely: Vec<u32>,
    /// The pool comes first: what several units use, and what is used where it is mapped although its unit is copied.
    pub pool: Range,
    /// By unit: its own part of the pool.
    mapped: Vec<Range>,
    /// Whether the interpreter's addresses are those in its file.
    pub fixed_addresses: bool,
    /// What is placed, in the order of the offsets.
    pub order: Vec<Placed>,
    /// Bytes of all objects.
    pub size: u32,
    /// Numbers of the strings that have no place.
    pub numbers: Numbers,
}

/// An object with its place.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    /// Which one.
    pub id: NodeId,
    /// The unit that it belongs to, or [`Placement::POOL`].
    pub unit: u32,
    /// Where it lies.
    pub offset: u32,
}

/// What there is of a node, as one unit sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// An object at this offset.
    Object(u32),
    /// A string of which the unit has the text, with this number.
    Text(u32),
    /// Nothing: it is made at load.
    Nowhere,
}

/// The objects do not fit into 32-bit positions.
#[derive(Debug, thiserror::Error)]
#[error("the objects need more than 4 GiB; build several images or exclude modules with `--exclude`")]
pub struct TooLarge;

impl Placement {
    /// Offset of objects that have no place.
    const NOWHERE: u32 = u32::MAX;

    /// Offset of objects of which each unit has its own.
    const IN_UNITS: u32 = u32::MAX - 1;

    /// Offset of strings of which each unit has the text.
    const IN_TEXTS: u32 = u32::MAX - 2;

    /// What the pool belongs to.
    pub const POOL: u32 = u32::MAX;

    /// The ranges of a unit: its bodies, what an import writes to, what it reads, and the rest.
    pub fn ranges(&self, unit: usize) -> [Range; 4] {
        self.units[unit]
    }

    /// Bytes of each kind of range, of all units.
    pub fn sizes(&self) -> [u64; 4] {
        [0, 1, 2, 3].map(|kind| self.units.iter().map(|ranges| u64::from(ranges[kind].size)).sum())
    }

    /// What a unit has of the pool for itself.
    pub fn mapped(&self, unit: usize) -> Range {
        self.mapped[unit]
    }

    /// Bytes of the pool that belong to single units.
    pub fn mapped_size(&self) -> u64 {
        self.mapped.iter().map(|range| u64::from(range.size)).sum()
    }

    /// Bytes that belong to a unit alone.
    pub fn unit_size(&self, unit: usize) -> u32 {
        let own: u32 = self.ranges(unit).iter().map(|range| range.size).sum();
        own + self.mapped[unit].size
    }

    /// What a unit has of a node that it uses.
    pub fn place(&self, unit: u32, id: NodeId) -> Place {
        match self.offsets[id.0 as usize] {
            Self::NOWHERE => Place::Nowhere,
            Self::IN_TEXTS => {
                let texts = self.texts(unit);
                let number = match self.filenames.get(unit as usize) {
                    Some(filename) if *filename == Some(id) => texts.len(),
                    _ => texts.binary_search(&id).expect("the unit uses it"),
                };
                Place::Text(number as u32)
            }
            Self::IN_UNITS => {
                let copies = self.copies.get(unit as usize).map_or(&[][..], |copies| copies);
                let copy = copies.binary_search_by_key(&id, |&(id, _)| id);
                Place::Object(copies[copy.expect("the unit uses it")].1)
            }
            offset => Place::Object(offset),
        }
    }

    /// Offset of an object that a unit uses.
    pub fn offset(&self, unit: u32, id: NodeId) -> u32 {
        match self.place(unit, id) {
            Place::Object(offset) => offset,
            other => unreachable!("{id:?} has no place but {other:?}"),
        }
    }

    /// Offset of the image's own copy of a static string.
    pub fn offset_of_static(&self, id: NodeId) -> u32 {
        match self.statics.binary_search_by_key(&id, |&(id, _)| id) {
            Ok(found) => self.statics[found].1,
            Err(_) => self.offset(Self::POOL, id),
        }
    }

    /// Whether the object is in the pool: all that use it use the same.
    pub fn is_in_pool(&self, id: NodeId) -> bool {
        self.offsets[id.0 as usize] < self.pool.size
    }

    /// The strings of which a unit has the text, by their numbers.
    pub fn texts(&self, unit: u32) -> &[NodeId] {
        self.texts.get(unit as usize).map_or(&[], |texts| texts)
    }
}

/// How objects are going to be used.
#[derive(Debug, Clone, Copy)]
pub struct Use<'a> {
    /// How units are.
    pub units: UnitUse,
    /// Whether the interpreter's addresses are those in its file.
    pub fixed_addresses: bool,
    /// Names of the units.
    pub names: &'a [String],
}

/// Places all nodes. `known` is about interned strings.
pub fn place(
    constants: &Constants,
    layout: &Layout,
    used: Use<'_>,
    known: impl Fn(NodeId) -> Known,
) -> Result<Placement, TooLarge> {
    let Use { units: units_are, fixed_addresses, names } = used;
    // Half of all bytes that run once are classes', in many small pieces. Where line tables are not copied in any case, to make and to free
    // those takes longer than their memory is worth.
    let with_classes = units_are == UnitUse::InPlace || !fixed_addresses;
    let (parts, likely) = (parts(constants, with_classes, &known), likely(constants, &layout.opcodes, names));
    let users = expected_users(constants, &likely);
    // Units that are copied have the text of their interned strings in their tables.
    let is_static = |id| known(id) == Known::Static;
    let is_text = |id| units_are == UnitUse::Copied && (constants.node(id).is_interned() || is_static(id));
    let none = || vec![false; constants.len()];
    let mapped = match units_are {
        UnitUse::Copied if fixed_addresses => mapped(constants, layout, &parts, is_text),
        UnitUse::InPlace | UnitUse::Copied => none(),
    };
    let copied = match units_are {
        UnitUse::InPlace => none(),
        UnitUse::Copied => copied(constants, &mapped, is_text),
    };
    let is_mapped = |id: NodeId| mapped[id.0 as usize];
    let is_copied = |id: NodeId| copied[id.0 as usize];
    // Nor has such a unit the name of its file: the loader has that.
    let is_filename = |id| units_are == UnitUse::Copied && matches!(constants.node(id), Node::Filename(..));
    let offset = |id: NodeId| match constants.node(id) {
        _ if is_text(id) || is_filename(id) => Placement::IN_TEXTS,
        node if is_copied(id) && node.is_placed() => Placement::IN_UNITS,
        _ => Placement::NOWHERE,
    };
    let mut at = Cursor {
        constants,
        layout,
        offsets: (0..constants.len() as u32).map(NodeId).map(offset).collect(),
        copies: vec![Vec::new(); constants.modules.len()],
        statics: Vec::new(),
        order: Vec::with_capacity(constants.len()),
        end: 0,
    };
    let mut shared = pool::order(constants, &parts, &likely, &users, &known);
    shared.retain(|&id| !is_text(id) && !is_copied(id));
    // Of static strings there is an object all the same, to be compared with the interpreter's.
    let mut statics: Vec<NodeId> = (0..constants.len() as u32).map(NodeId).filter(|&id| is_static(id)).collect();
    statics.retain(|&id| is_text(id) && constants.node(id).is_placed());
    let shared = at.put_all(&[statics, shared].concat(), Placement::POOL)?;

    // The likely ones first, so that their neighbours are likely, too.
    let mut units: Vec<u32> = (0..constants.modules.len() as u32).collect();
    units.sort_by_key(|&unit| Reverse(probability_level(likely[unit as usize])));
    let used_by = |unit: u32| constants.modules[unit as usize].used.iter().copied();
    let of_unit = |&unit: &u32| used_by(unit).filter(move |&id| is_mapped(id) && constants.owner(id) == Some(unit));
    let mut mapped = vec![Range::default(); units.len()];
    for unit in &units {
        mapped[*unit as usize] = at.put_all(&of_unit(unit).collect::<Vec<NodeId>>(), Placement::POOL)?;
    }
    let pool = Range { start: shared.start, size: at.end as u32 - shared.start };
    let mut ranges = vec![[Range::default(); 4]; units.len()];
    let mut own: Vec<[Vec<NodeId>; 4]> = Vec::with_capacity(units.len());
    for &unit in &units {
        // Parents before children: the root leads its range.
        let is_own = |&id: &NodeId| {
            let belongs = constants.owner(id) == Some(unit) && !is_mapped(id);
            (belongs || is_copied(id)) && !is_text(id) && !is_filename(id)
        };
        let mut ids: Vec<NodeId> = used_by(unit).rev().filter(is_own).collect();
        let part = |id: &NodeId| parts[id.0 as usize];
        ids.sort_by_key(part);
        let cold = ids.split_off(ids.partition_point(|id| part(id) < Part::Cold));
        let read = ids.split_off(ids.partition_point(|id| part(id) <= Part::Patched));
        let written = ids.split_off(ids.partition_point(|id| part(id) == Part::Bodies));
        own.push([ids, written, read, cold]);
    }
    match units_are {
        // Pages that are written to are not shared by processes: they hold nothing else.
        UnitUse::InPlace => {
            for kind in 0..4 {
                at.align();
                for (&unit, own) in units.iter().zip(&own) {
                    ranges[unit as usize][kind] = at.put_all(&own[kind], unit)?;
                }
            }
        }
        UnitUse::Copied => {
            for (&unit, own) in units.iter().zip(&own) {
                for (range, ids) in ranges[unit as usize].iter_mut().zip(own) {
                    *range = at.put_all(ids, unit)?;
                }
                at.copies[unit as usize].sort_unstable();
            }
        }
    }
    let texts_of = |module: &ModuleNodes| {
        let mut texts: Vec<NodeId> = module.used.iter().copied().filter(|&id| is_text(id)).collect();
        texts.sort_unstable();
        texts
    };
    Ok(Placement {
        offsets: at.offsets,
        copies: at.copies,
        statics: at.statics,
        texts: constants.modules.iter().map(texts_of).collect(),
        filenames: constants
            .modules
            .iter()
            .map(|module| module.used.iter().copied().find(|&id| is_filename(id)))
            .collect(),
        units: ranges,
        likely: units,
        pool,
        mapped,
        fixed_addresses,
        order: at.order,
        size: at.end as u32,
        numbers: Numbers::of_texts(constants, &likely, &users, |id| is_text(id) && !is_static(id)),
    })
}

struct Cursor<'a> {
    constants: &'a Constants,
    layout: &'a Layout,
    offsets: Vec<u32>,
    copies: Vec<Vec<(NodeId, u32)>>,
    statics: Vec<(NodeId, u32)>,
    order: Vec<Placed>,
    end: u64,
}

impl Cursor<'_> {
    fn put(&mut self, id: NodeId, unit: u32) -> Result<(), TooLarge> {
        let node = self.constants.node(id);
        if !node.is_placed() {
            return Ok(());
        }
        let head = gc_head(node, self.layout);
        let size = object_size(node, &self.constants.codes, self.layout);
        let offset = (self.end + u64::from(head)) as u32;
        match &mut self.offsets[id.0 as usize] {
            &mut Placement::IN_UNITS => self.copies[unit as usize].push((id, offset)),
            &mut Placement::IN_TEXTS => self.statics.push((id, offset)),
            place => *place = offset,
        }
        self.order.push(Placed { id, unit, offset });
        self.end = (self.end + u64::from(head) + size).next_multiple_of(u64::from(SLOT));
        if self.end > MAX_SPAN { Err(TooLarge) } else { Ok(()) }
    }

    /// What is written to lies on other pages than what is not.
    fn align(&mut self) {
        self.end = self.end.next_multiple_of(u64::from(CHUNK));
    }

    fn put_all(&mut self, ids: &[NodeId], unit: u32) -> Result<Range, TooLarge> {
        let start = self.end;
        ids.iter().try_for_each(|&id| self.put(id, unit))?;
        Ok(Range { start: start as u32, size: (self.end - start) as u32 })
    }
}

/// Size of the collector's head before an object: tuples and slices have one even when they are untracked.
pub fn gc_head(node: &Node, layout: &Layout) -> u32 {
    if node.is_container() { layout.head.gc_head } else { 0 }
}

/// Size of an object in bytes, as `tp_basicsize + n * tp_itemsize`.
pub fn object_size(node: &Node, codes: &[CodeNode], layout: &Layout) -> u64 {
    match node {
        Node::Extern(_) | Node::FrozenSet(_) => 0,
        Node::Str(s) | Node::Filename(_, s) => {
            u64::from(str_data(s, layout)) + ((s.len() + 1) * usize::from(s.width)) as u64
        }
        Node::Bytes(b) => u64::from(layout.bytes_data) + b.len() as u64 + 1,
        Node::Int(int) => {
            u64::from(layout.long.digits) + int.digits.len().max(1) as u64 * u64::from(layout.long.digit_size)
        }
        Node::Float(..) => u64::from(layout.float_value) + 8,
        Node::Complex(..) => u64::from(layout.complex_value) + 16,
        Node::Tuple(items) | Node::Items(items) => u64::from(layout.tuple_items) + 8 * items.len() as u64,
        Node::Slice(_) => u64::from(slice(layout).step) + 8,
        Node::Code(index) => u64::from(layout.code.bytecode) + codes[*index as usize].bytecode.len() as u64,
    }
}

/// Offset of a string's characters.
pub fn str_data(s: &Str, layout: &Layout) -> u32 {
    if s.ascii { layout.str_.ascii_data } else { layout.str_.compact_data }
}

/// The slice rows of a version: only those versions have slices that the marshal reader lets through.
pub fn slice(layout: &Layout) -> SliceLayout {
    layout.slice.expect("the marshal reader refuses slices where there are no rows for them")
}
