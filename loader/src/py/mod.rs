//! Python objects behind safe functions.
//!
//! # Invariant
//!
//! Code of this crate runs only inside functions that the interpreter calls, starts no threads and never
//! releases the GIL itself. So the GIL is held in every function here, and that is the argument behind
//! every `unsafe` block of this module that calls the C API. A call that may run Python code may let other
//! threads run before it returns: callers keep no exclusive borrow across it.

mod arenas;
mod builtin;
mod call;
mod error;
mod free_threaded;
mod interpreter;
mod make;
mod object;
mod types;

pub use arenas::*;
pub use builtin::{Builtin, builtin_of};
pub use error::*;
pub use free_threaded::*;
pub use interpreter::*;
pub use make::*;
pub use object::{Borrowed, Object, borrow, steal};
pub use pyo3_ffi::{Py_ssize_t, PyMethodDef, PyObject};
pub use types::*;
