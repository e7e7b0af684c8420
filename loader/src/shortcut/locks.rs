//! `_get_module_lock` and `_lock_unlock_module`, for modules that are being loaded natively.
//!
//! A native load holds no lock. Whoever asks for the lock of its module gets the ordinary one, in the state in which the
//! loading thread would have left it: so others wait for it, and deadlocks are noticed, as ever.

use super::known::Known;
use super::standing_for;
use super::way::Way;
use crate::py::{self, Object, Py_ssize_t, PyObject};

fn known() -> Option<&'static Known> {
    Way::get()?.bootstrap.known.as_ref()
}

/// `_get_module_lock`
pub unsafe extern "C" fn get_module_lock(
    original: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    let body = |original: &Object| {
        // SAFETY: passed on as the interpreter gave them.
        let [name] = unsafe { py::arguments("_get_module_lock", ["name"], arguments, count, keywords) }?;
        let name = name.ok_or_else(|| py::raise_type_error("_get_module_lock() needs the argument 'name'"))?;
        let lock = original.call(&[&name])?;
        // The original runs Python code: a load may begin or end meanwhile. From here on nothing does.
        if let Some(known) = known() {
            hold(known, &name, &lock)?;
        }
        Ok(lock)
    };
    // SAFETY: the function's `self`.
    unsafe { standing_for(original, body) }
}

/// Puts the lock of a module that is being loaded into the state in which the loading thread holds it. Nobody has seen the lock
/// without that: a load begins only where there is no lock yet.
fn hold(known: &Known, name: &Object, lock: &Object) -> py::Result<()> {
    let text = if name.is_str() { name.text().ok() } else { None };
    let Some(text) = text else {
        // Not a name that the image could have.
        py::clear();
        return Ok(());
    };
    match known.loads.note_lock(text, lock) {
        Some(thread) => known.hold_lock(lock, thread),
        None => Ok(()),
    }
}

/// `_lock_unlock_module`
pub unsafe extern "C" fn lock_unlock_module(
    original: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    let body = |original: &Object| {
        // SAFETY: passed on as the interpreter gave them.
        let [name] = unsafe { py::arguments("_lock_unlock_module", ["name"], arguments, count, keywords) }?;
        let name = name.ok_or_else(|| py::raise_type_error("_lock_unlock_module() needs the argument 'name'"))?;
        // The lock of a thread's own is taken and given back at once.
        let own = name.is_str() && known().is_some_and(|known| name.text().is_ok_and(|text| known.loads.is_own(text)));
        py::clear();
        if own { Ok(py::none()) } else { original.call(&[&name]) }
    };
    // SAFETY: the function's `self`.
    unsafe { standing_for(original, body) }
}
