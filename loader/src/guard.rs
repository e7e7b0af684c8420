//! Bodies of functions that the interpreter calls.

use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::ptr;

use crate::py::{self, Object, Py_ssize_t, PyObject};
use crate::settings;
use crate::talk::say;

/// Has a panic, which would be a bug, say nothing in processes that did not ask: it becomes an exception, or importlib's turn. The hook is this
/// library's alone, as its copy of the standard library is.
pub fn quiet_panics() {
    panic::set_hook(Box::new(|panic| {
        if settings::verbosity() > 0 {
            say(panic);
        }
    }));
}

/// Runs `body`; a panic, which would be a bug, becomes an exception.
pub fn guarded(body: impl FnOnce() -> py::Result<Object>) -> *mut PyObject {
    caught(body).map_or(ptr::null_mut(), Object::into_ptr)
}

/// [`guarded`] for slots that return a number, -1 with an exception.
pub fn guarded_number(body: impl FnOnce() -> py::Result<Py_ssize_t>) -> Py_ssize_t {
    caught(body).unwrap_or(-1)
}

fn caught<T>(body: impl FnOnce() -> py::Result<T>) -> py::Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err(py::raise_runtime_error("internal error")))
}
