//! Numbers about an image, for people: kept in its notes and printed by `inspect`.

use crate::objects::Placement;
use crate::objects::place::{gc_head, object_size};
use crate::share::{Constants, Node};
use cds_layout::cpython::Layout;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Count and bytes of one kind of object, collector's heads included, padding not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindStats {
    /// Number of objects.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What the notes of an image say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// Version of the builder.
    pub builder: String,
    /// Version of the target: `3.12.1`.
    pub python: String,
    /// `sys.version` of the target.
    pub python_text: String,
    /// `SOABI` of the target.
    pub soabi: String,
    /// Whether the target's addresses are known at build time.
    pub fixed_addresses: bool,
    /// Sizes by kind of object.
    pub objects: BTreeMap<String, KindStats>,
    /// Bytes of objects that several modules share.
    pub pool_bytes: u64,
    /// Bytes of objects that are used where they are mapped, although what belongs to the same module is copied.
    pub mapped_bytes: u64,
    /// Bytes of what runs once: code of modules and classes with its constants and names.
    pub bodies_bytes: u64,
    /// Bytes of what imports write to of the modules' own objects.
    pub written_bytes: u64,
    /// Bytes of what they read.
    pub read_bytes: u64,
    /// Bytes of the rest of them.
    pub cold_bytes: u64,
    /// Bytes of the marshal data that the image replaces.
    pub marshal_bytes: u64,
}

/// Counts objects by kind.
pub fn by_kind(constants: &Constants, placement: &Placement, layout: &Layout) -> BTreeMap<String, KindStats> {
    let mut kinds: BTreeMap<String, KindStats> = BTreeMap::new();
    for placed in &placement.order {
        let node = constants.node(placed.id);
        let name = match node {
            Node::Code(_) => "code",
            Node::Str(s) if s.interned => "str (interned)",
            Node::Str(_) => "str",
            Node::Filename(..) => "str (file name)",
            Node::Bytes(_) => "bytes",
            Node::Int(_) => "int",
            Node::Float(..) => "float",
            Node::Complex(..) => "complex",
            Node::Tuple(_) => "tuple",
            Node::Items(_) => "tuple (frozenset items)",
            Node::Slice(_) => "slice",
            Node::Extern(_) | Node::FrozenSet(_) => continue,
        };
        let entry = kinds.entry(name.to_owned()).or_default();
        entry.count += 1;
        entry.bytes += u64::from(gc_head(node, layout)) + object_size(node, &constants.codes, layout);
    }
    kinds
}
