//! Gives every object its position: one region per module, then the pool of shared objects.
//!
//! Offsets here count from the start of the objects; the position in the image is known once
//! the tables before them have their size.

use crate::graph::Str;
use crate::share::{CodeNode, Constants, Node, NodeId};
use cds_layout::cpython::{Layout, SliceLayout};
use cds_layout::format::{MAX_SPAN, SLOT};

/// Where the objects lie.
#[derive(Debug)]
pub struct Placement {
    /// By node id: offset of the object (not of the collector's head before it), or [`Placement::NOWHERE`].
    offsets: Vec<u32>,
    /// By module: offset and size of its region.
    pub regions: Vec<Region>,
    /// The pool of objects that several modules use.
    pub pool: Region,
    /// Placed nodes in the order of their offsets.
    pub order: Vec<NodeId>,
    /// Bytes of all objects.
    pub size: u32,
}

/// A range of offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Region {
    /// First byte.
    pub start: u32,
    /// Number of bytes.
    pub size: u32,
}

/// The objects do not fit into 32-bit positions.
#[derive(Debug, thiserror::Error)]
#[error("the objects need more than 4 GiB; build several images or exclude modules with `--exclude`")]
pub struct TooLarge;

impl Placement {
    /// Offset of objects that have no place.
    pub const NOWHERE: u32 = u32::MAX;

    /// Offset of a placed object.
    pub fn offset(&self, id: NodeId) -> u32 {
        let offset = self.offsets[id.0 as usize];
        debug_assert_ne!(offset, Self::NOWHERE);
        offset
    }
}

/// Places all nodes.
pub fn place(constants: &Constants, layout: &Layout) -> Result<Placement, TooLarge> {
    let mut at = Cursor {
        constants,
        layout,
        offsets: vec![Placement::NOWHERE; constants.len()],
        order: Vec::with_capacity(constants.len()),
        end: 0,
    };
    let mut regions = Vec::with_capacity(constants.modules.len());
    for (number, module) in constants.modules.iter().enumerate() {
        let start = at.end;
        // Parents before children: the root code object, which import touches first, leads its region.
        for &id in module.used.iter().rev() {
            if constants.owner(id) == Some(number as u32) {
                at.put(id)?;
            }
        }
        regions.push(Region { start: start as u32, size: (at.end - start) as u32 });
    }
    let start = at.end;
    for id in (0..constants.len() as u32).map(NodeId) {
        if constants.owner(id).is_none() {
            at.put(id)?;
        }
    }
    let pool = Region { start: start as u32, size: (at.end - start) as u32 };
    Ok(Placement { offsets: at.offsets, regions, pool, order: at.order, size: at.end as u32 })
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
