//! Containers that the reader has begun and not ended.

/// A container whose items are being read.
pub(super) struct Open {
    pub(super) kind: Kind,
    /// Offset of the type code.
    pub(super) at: usize,
    /// Where the container's items start in the items of all open ones.
    pub(super) first: usize,
    /// Number of items.
    pub(super) count: usize,
    /// Its number, if it has one.
    pub(super) number: Option<usize>,
}

/// What it is.
pub(super) enum Kind {
    Tuple,
    FrozenSet,
    Slice,
    Code(Box<Scalars>),
    List,
    Set,
    Dict,
}

/// The integers of a code object; its objects come in between.
pub(super) struct Scalars {
    pub(super) argcount: i32,
    pub(super) posonlyargcount: i32,
    pub(super) kwonlyargcount: i32,
    pub(super) stacksize: i32,
    pub(super) flags: i32,
    pub(super) firstlineno: i32,
}
