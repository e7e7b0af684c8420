//! What a node is.

use crate::graph::{Int, ObjId, Str};
use cds_layout::format::Extern;

/// Index of a node in [`super::Constants`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// An object of the image, or one outside it that image objects point to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Node {
    /// A singleton of the interpreter.
    Extern(Extern),
    /// A string; `interned` says whether the interpreter will intern it.
    Str(Str),
    /// Bytes.
    Bytes(Box<[u8]>),
    /// An int that is not a singleton.
    Int(Int),
    /// A float by its bits, and which NaN it is.
    Float(u64, Nan),
    /// A complex by the bits of its parts, and which NaN it is.
    Complex(u64, u64, Nan),
    /// A tuple that is not empty.
    Tuple(Box<[NodeId]>),
    /// The tuple that a frozenset is made from at load; possibly empty.
    Items(Box<[NodeId]>),
    /// A frozenset made from these items at load. It has no place in the image.
    FrozenSet(NodeId),
    /// A slice: start, stop, step.
    Slice([NodeId; 3]),
    /// A code object, by its index in [`super::Constants::codes`].
    Code(u32),
    /// A module's `co_filename`, by module number: one string per module whose text depends on where the tree lies.
    Filename(u32, Str),
}

/// Tells NaNs apart: two of them are never equal, so that sets and dicts know them by identity only, and merging two would
/// make one member of two. `None` for numbers, otherwise module and object.
pub type Nan = Option<(u32, ObjId)>;

impl Node {
    /// Whether the object has a place in the image.
    pub fn is_placed(&self) -> bool {
        !matches!(self, Node::Extern(_) | Node::FrozenSet(_))
    }

    /// Whether the object is a string that the interpreter interns.
    pub fn is_interned(&self) -> bool {
        matches!(self, Node::Str(s) if s.interned)
    }

    /// The string, if it is one; not that of a module's file name.
    pub fn as_str(&self) -> Option<&Str> {
        match self {
            Node::Str(s) => Some(s),
            _ => None,
        }
    }

    /// Whether the object is made of others and has a place in the image: a tuple or a slice.
    pub fn is_container(&self) -> bool {
        matches!(self, Node::Tuple(_) | Node::Items(_) | Node::Slice(_))
    }

    /// The objects that a container is made of; none for other objects.
    pub fn items(&self) -> &[NodeId] {
        match self {
            Node::Tuple(items) | Node::Items(items) => items,
            Node::Slice(parts) => parts,
            _ => &[],
        }
    }
}

/// `co_filename` of a code object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilenameRef {
    /// The module's own file name ([`Node::Filename`]).
    Module(NodeId),
    /// Some other string, which importlib leaves alone.
    Other(NodeId),
}

/// A code object with its children as nodes.
#[derive(Debug, Clone)]
pub struct CodeNode {
    /// `co_argcount`
    pub argcount: i32,
    /// `co_posonlyargcount`
    pub posonlyargcount: i32,
    /// `co_kwonlyargcount`
    pub kwonlyargcount: i32,
    /// `co_stacksize`
    pub stacksize: i32,
    /// `co_flags`
    pub flags: i32,
    /// `co_firstlineno`
    pub firstlineno: i32,
    /// `co_code` as marshalled
    pub bytecode: Box<[u8]>,
    /// The kind byte of each entry of `co_localsplusnames`
    pub kinds: Box<[u8]>,
    /// `co_consts`
    pub consts: NodeId,
    /// `co_names`
    pub names: NodeId,
    /// `co_localsplusnames`
    pub localsplusnames: NodeId,
    /// `co_localspluskinds`
    pub localspluskinds: NodeId,
    /// `co_filename`
    pub filename: FilenameRef,
    /// `co_name`
    pub name: NodeId,
    /// `co_qualname`
    pub qualname: NodeId,
    /// `co_linetable`
    pub linetable: NodeId,
    /// `co_exceptiontable`
    pub exceptiontable: NodeId,
}
