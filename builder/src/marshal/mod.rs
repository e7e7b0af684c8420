//! Reads marshal data, the body of a `.pyc`, into a [`Graph`].
//!
//! Every type that CPython 3.11 to 3.15 write for immutable values and code objects is understood, as `r_object`
//! (`Python/marshal.c`) reads it. What identifies an object in the data is kept: a back reference gives the same
//! [`ObjId`]; `None`, the booleans and `...` are one object each. [`Str::interned`](crate::graph::Str::interned) is
//! the flag found in the data, and nothing more.
//!
//! Which objects are shared inside the data, and for one-character strings the interned flag too, depend on the
//! history of the process that wrote it (`w_ref`, same file). Passes that come later use values and structure only.
//!
//! Reading never recurses, and never allocates for a length that the rest of the data cannot hold.

mod cursor;
mod error;
mod number;
mod reader;
#[cfg(test)]
mod tests;
mod text;
mod validate;

pub use error::{MarshalError, Problem};

use crate::graph::{Graph, ObjId};

/// What is refused although it could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Deepest nesting, counted as CPython does: the root object has depth 1, its items depth 2.
    pub max_depth: usize,
}

impl Default for Limits {
    /// `MAX_MARSHAL_STACK_DEPTH` (`Python/marshal.c`): what is deeper, the interpreter would refuse too.
    fn default() -> Self {
        Limits { max_depth: 2000 }
    }
}

/// Reads the object at the start of `bytes`, as written by CPython `3.minor`.
///
/// Bytes after the object are ignored, as `marshal.loads` ignores them.
///
/// # Errors
/// Anything that `marshal.loads` refuses, and values that an image cannot hold: mutable types, exceptions,
/// and tuples that contain themselves.
pub fn read(bytes: &[u8], minor: u8) -> Result<(Graph, ObjId), MarshalError> {
    read_with(bytes, minor, Limits::default())
}

/// [`read`] with other limits.
///
/// # Errors
/// As [`read`].
pub fn read_with(bytes: &[u8], minor: u8, limits: Limits) -> Result<(Graph, ObjId), MarshalError> {
    reader::Reader::new(bytes, minor, limits)?.read()
}
