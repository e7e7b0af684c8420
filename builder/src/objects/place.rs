//! Gives every object its place: the pool of shared objects, then the units' own. Of each unit, what an import writes to
//! comes first, then what it reads, then the rest.
//!
//! Offsets count from the start of the objects.

use super::likely::{level, likely};
use super::part::{Known, Part, parts};
use super::pool;
use crate::graph::Str;
use crate::share::{CodeNode, Constants, Node, NodeId};
use cds_layout::cpython::{Layout, SliceLayout};
use cds_layout::format::{CHUNK, MAX_SPAN, Range, SLOT, UnitUse};
use std::cmp::Reverse;

/// Where the objects lie.
#[derive(Debug)]
pub struct Placement {
    /// By node id: offset of the object (not of the collector's head before it), or [`Placement::NOWHERE`].
    offsets: Vec<u32>,
    /// By unit: what an import writes to, what it reads, and the rest.
    units: Vec<[Range; 3]>,
    /// The pool of objects that several units use: it comes first.
    pub pool: Range,
    /// Placed nodes in the order of their offsets.
    pub order: Vec<NodeId>,
    /// Bytes of all objects.
    pub size: u32,
}

/// The objects do not fit into 32-bit positions.
#[derive(Debug, thiserror::Error)]
#[error("the objects need more than 4 GiB; build several images or exclude modules with `--exclude`")]
pub struct TooLarge;

impl Placement {
    /// Offset of objects that have no place.
    pub const NOWHERE: u32 = u32::MAX;

    /// The ranges of a unit: what an import writes to, what it reads, and the rest.
    pub fn ranges(&self, unit: usize) -> [Range; 3] {
        self.units[unit]
    }

    /// Bytes of each kind of range, of all units.
    pub fn sizes(&self) -> [u64; 3] {
        [0, 1, 2].map(|kind| self.units.iter().map(|ranges| u64::from(ranges[kind].size)).sum())
    }

    /// Bytes that belong to a unit alone.
    pub fn unit_size(&self, unit: usize) -> u32 {
        self.ranges(unit).iter().map(|range| range.size).sum()
    }

    /// Offset of a placed object.
    pub fn offset(&self, id: NodeId) -> u32 {
        let offset = self.offsets[id.0 as usize];
        debug_assert_ne!(offset, Self::NOWHERE);
        offset
    }
}

/// Places all nodes for units that are used in this way. `names` are those of the units; `known` is about interned strings.
pub fn place(
    constants: &Constants,
    layout: &Layout,
    units_are: UnitUse,
    names: &[String],
    known: impl Fn(NodeId) -> Known,
) -> Result<Placement, TooLarge> {
    let (parts, likely) = (parts(constants, &known), likely(constants, &layout.opcodes, names));
    let mut at = Cursor {
        constants,
        layout,
        offsets: vec![Placement::NOWHERE; constants.len()],
        order: Vec::with_capacity(constants.len()),
        end: 0,
    };
    let pool = at.put_all(&pool::order(constants, &parts, &likely, &known))?;

    // The likely ones first, so that their neighbours are likely, too.
    let mut units: Vec<usize> = (0..constants.modules.len()).collect();
    units.sort_by_key(|&unit| Reverse(level(likely[unit])));
    let mut ranges = vec![[Range::default(); 3]; units.len()];
    let mut own: Vec<[Vec<NodeId>; 3]> = Vec::with_capacity(units.len());
    for &unit in &units {
        // Parents before children: the root leads its range.
        let used = constants.modules[unit].used.iter().rev().copied();
        let mut ids: Vec<NodeId> = used.filter(|&id| constants.owner(id) == Some(unit as u32)).collect();
        let part = |id: &NodeId| parts[id.0 as usize];
        ids.sort_by_key(part);
        let cold = ids.split_off(ids.partition_point(|id| part(id) < Part::Cold));
        let read = ids.split_off(ids.partition_point(|id| part(id).is_written()));
        own.push([ids, read, cold]);
    }
    match units_are {
        // Pages that are written to are not shared by processes: they hold nothing else.
        UnitUse::InPlace => {
            for kind in 0..3 {
                at.align();
                for (&unit, own) in units.iter().zip(&own) {
                    ranges[unit][kind] = at.put_all(&own[kind])?;
                }
            }
        }
        UnitUse::Copied => {
            for (&unit, own) in units.iter().zip(&own) {
                for (range, ids) in ranges[unit].iter_mut().zip(own) {
                    *range = at.put_all(ids)?;
                }
            }
        }
    }
    Ok(Placement { offsets: at.offsets, units: ranges, pool, order: at.order, size: at.end as u32 })
}

struct Cursor<'a> {
    constants: &'a Constants,
    layout: &'a Layout,
    offsets: Vec<u32>,
    order: Vec<NodeId>,
    end: u64,
}

impl Cursor<'_> {
    fn put(&mut self, id: NodeId) -> Result<(), TooLarge> {
        let node = self.constants.node(id);
        if !node.is_placed() {
            return Ok(());
        }
        let head = gc_head(node, self.layout);
        let size = object_size(node, &self.constants.codes, self.layout);
        self.offsets[id.0 as usize] = (self.end + u64::from(head)) as u32;
        self.order.push(id);
        self.end = (self.end + u64::from(head) + size).next_multiple_of(u64::from(SLOT));
        if self.end > MAX_SPAN { Err(TooLarge) } else { Ok(()) }
    }

    /// What is written to lies on other pages than what is not.
    fn align(&mut self) {
        self.end = self.end.next_multiple_of(u64::from(CHUNK));
    }

    fn put_all(&mut self, ids: &[NodeId]) -> Result<Range, TooLarge> {
        let start = self.end;
        ids.iter().try_for_each(|&id| self.put(id))?;
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
