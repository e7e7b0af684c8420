//! `_load_unlocked` where `PYCDSGC=pause` is set.

use super::standing_for;
use crate::active::Active;
use crate::py::{self, Object, Py_ssize_t, PyObject};

/// The function.
pub unsafe extern "C" fn load_unlocked(
    original: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    let body = |original: &Object| {
        // SAFETY: passed on as the interpreter gave them.
        let [spec] = unsafe { py::arguments("_load_unlocked", ["spec"], arguments, count, keywords) }?;
        let spec = spec.ok_or_else(|| py::raise_type_error("_load_unlocked() needs the argument 'spec'"))?;
        // For other modules than the image's, nothing is paused.
        let pause = Active::get().and_then(|active| active.pause.as_ref().filter(|_| active.has_found(&spec)));
        py::clear();
        match pause {
            Some(pause) => pause.during(|| original.call(&[&spec])),
            None => original.call(&[&spec]),
        }
    };
    // SAFETY: the function's `self`.
    unsafe { standing_for(original, body) }
}
