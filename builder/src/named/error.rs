//! Why a file does not become a named object.

use crate::marshal::{Problem, ValueError};
use std::path::PathBuf;
use thiserror::Error;

/// What is wrong with an `--object`.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum ObjectError {
    #[error("`--object {0}` is not `NAME=FILE`")]
    Syntax(String),
    #[error("two objects are named `{0}`")]
    Twice(String),
    #[error("cannot read the object `{name}` from `{}`", file.display())]
    Unreadable { name: String, file: PathBuf, source: std::io::Error },
    #[error("cannot read the object `{name}` from `{}`", file.display())]
    Value { name: String, file: PathBuf, source: Box<Fault> },
}

/// What is wrong with the data, and where in the value.
#[derive(Debug, Error)]
#[error("{}", error.describe(name))]
pub struct Fault {
    /// The object's name.
    pub name: String,
    /// The fault.
    pub error: ValueError,
}

impl ObjectError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ObjectError::Syntax(_) => Some("for example `--object prices=prices.marshal`"),
            ObjectError::Twice(_) => Some("every object of an image has a name of its own"),
            ObjectError::Unreadable { .. } => None,
            ObjectError::Value { source, .. } => Some(match &source.error.error.problem {
                Problem::UnsupportedType(_) | Problem::Recursive(_) | Problem::InCode(_) => {
                    "an object may hold None, bool, Ellipsis, int, float, complex, str, bytes, tuple, frozenset, code \
                     objects, list, dict, set and (from CPython 3.14 on) slice"
                }
                Problem::Unhashable(_) | Problem::HashTooDeep(_) => {
                    "the interpreter would not accept it in a set or as a key of a dict either"
                }
                Problem::Trailing(_) => "one file holds one value: put several into a tuple or into several files",
                _ => "write the file with `marshal.dump(value, file)` in the interpreter that the image is for",
            }),
        }
    }
}
