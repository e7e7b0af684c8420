//! `_load_unlocked` where `PYCDSGC=pause` is set.

use std::ptr;

use super::give;
use crate::active::Active;
use crate::py::{self, Py_ssize_t, PyObject};

/// The function.
pub unsafe extern "C" fn load_unlocked(
    original: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the function's `self`, which lives as long as the function.
    let Some(original) = (unsafe { py::borrow(original) }) else { return ptr::null_mut() };
    // SAFETY: passed on as the interpreter gave them.
    let given = unsafe { py::arguments("_load_unlocked", ["spec"], arguments, count, keywords) };
    let Ok([Some(spec)]) = given else {
        if given.is_ok() {
            py::raise_type_error("_load_unlocked() needs the argument 'spec'");
        }
        return ptr::null_mut();
    };
    // For other modules than the image's, nothing is paused.
    let pause = Active::get().and_then(|active| active.pause.as_ref().filter(|_| active.has_found(&spec)));
    py::clear();
    give(match pause {
        Some(pause) => pause.during(|| original.call(&[&spec])),
        None => original.call(&[&spec]),
    })
}
