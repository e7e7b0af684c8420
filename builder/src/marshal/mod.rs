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
//! The values of named objects may hold lists, dicts and sets and be as deep as they like ([`read_value`]).
//!
//! Reading never recurses, and never allocates for a length that the rest of the data cannot hold.

mod cursor;
mod error;
mod number;
mod open;
mod path;
mod reader;
#[cfg(test)]
mod tests;
mod text;
mod validate;
mod value;

pub use error::{MarshalError, Problem};
pub use path::ValueError;

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

/// Reads the one value that `bytes` hold: immutable or not, of any depth.
///
/// # Errors
/// As [`read`], but for mutable types; besides, values that contain themselves, items of sets and keys of dicts that cannot be
/// hashed, and bytes after the value.
pub fn read_value(bytes: &[u8], minor: u8) -> Result<(Graph, ObjId), ValueError> {
    let limits = Limits { max_depth: usize::MAX };
    let mut reader = reader::Reader::new(bytes, minor, limits).map_err(ValueError::at_root)?;
    match reader.value() {
        Ok(root) => Ok((reader.into_graph(), root)),
        Err(error) => Err(path::explain(&reader, error)),
    }
}
