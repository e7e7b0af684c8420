//! Named objects: values that were written with `marshal.dump`, for an image to hold beside modules or instead of them.

mod error;
mod split;

pub use error::{Fault, ObjectError};
pub use split::{Split, split};

use crate::file;
use crate::graph::{Graph, ObjId, Object};
use crate::marshal;
use cds_layout::format::ValueKind;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// `NAME=FILE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectSource {
    /// The name in the image.
    pub name: String,
    /// The file with the marshal data.
    pub file: PathBuf,
}

impl ObjectSource {
    /// Reads `NAME=FILE`. The file's name may have a `=` in it.
    pub fn parse(text: &OsStr) -> Result<Self, ObjectError> {
        let bytes = text.as_bytes();
        let syntax = || ObjectError::Syntax(text.to_string_lossy().into_owned());
        let at = bytes.iter().position(|&b| b == b'=').ok_or_else(syntax)?;
        let name = std::str::from_utf8(&bytes[..at]).map_err(|_| syntax())?;
        let file = &bytes[at + 1..];
        if name.is_empty() || file.is_empty() {
            return Err(syntax());
        }
        Ok(ObjectSource { name: name.to_owned(), file: OsStr::from_bytes(file).into() })
    }

    /// Reads several; no name may occur twice.
    pub fn parse_all<S: AsRef<OsStr>>(texts: &[S]) -> Result<Vec<Self>, ObjectError> {
        let mut names = BTreeSet::new();
        let mut all = Vec::with_capacity(texts.len());
        for text in texts {
            let source = Self::parse(text.as_ref())?;
            if !names.insert(source.name.clone()) {
                return Err(ObjectError::Twice(source.name));
            }
            all.push(source);
        }
        Ok(all)
    }
}

/// A named object, ready to become a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedObject {
    /// Its name.
    pub name: String,
    /// Type of the value.
    pub kind: ValueKind,
    /// The value's objects and the tuple of its leaves.
    pub graph: Graph,
    /// The tuple of the leaves in `graph`; empty if there are none.
    pub leaves: ObjId,
    /// How the value is made of the leaves: see [`cds_layout::format::Step`].
    pub recipe: Vec<u8>,
    /// Size of the marshal data.
    pub marshal_size: u64,
}

/// Reads the file of one object as CPython `3.minor` wrote it.
pub fn read(source: &ObjectSource, minor: u8) -> Result<NamedObject, ObjectError> {
    let bytes = file::read(&source.file).map_err(|error| ObjectError::Unreadable {
        name: source.name.clone(),
        file: source.file.clone(),
        source: error,
    })?;
    from_marshal(&source.name, &bytes, minor).map_err(|error| ObjectError::Value {
        name: source.name.clone(),
        file: source.file.clone(),
        source: Box::new(error),
    })
}

/// Makes a named object of marshal data.
pub fn from_marshal(name: &str, bytes: &[u8], minor: u8) -> Result<NamedObject, Fault> {
    let (mut graph, root) =
        marshal::read_value(bytes, minor).map_err(|error| Fault { name: name.to_owned(), error })?;
    let kind = kind(graph.get(root));
    let Split { leaves, recipe } = split(&graph, root);
    let leaves = graph.push(Object::Tuple(leaves.into()));
    Ok(NamedObject { name: name.to_owned(), kind, graph, leaves, recipe, marshal_size: bytes.len() as u64 })
}

fn kind(object: &Object) -> ValueKind {
    match object {
        Object::None => ValueKind::None,
        Object::Bool(_) => ValueKind::Bool,
        Object::Ellipsis => ValueKind::Ellipsis,
        Object::Int(_) => ValueKind::Int,
        Object::Float(_) => ValueKind::Float,
        Object::Complex(..) => ValueKind::Complex,
        Object::Bytes(_) => ValueKind::Bytes,
        Object::Str(_) => ValueKind::Str,
        Object::Tuple(_) => ValueKind::Tuple,
        Object::FrozenSet(_) => ValueKind::FrozenSet,
        Object::Slice(_) => ValueKind::Slice,
        Object::Code(_) => ValueKind::Code,
        Object::List(_) => ValueKind::List,
        Object::Dict(_) => ValueKind::Dict,
        Object::Set(_) => ValueKind::Set,
    }
}
