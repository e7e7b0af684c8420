//! The short way through importlib: native functions in the place of some of `importlib._bootstrap`.
//!
//! * [`find_and_load`]: the whole import of a module of the image, for `import` statements and `__import__`. No function of importlib
//!   runs; what it does for the module is done here in the same order.
//! * [`find_spec`]: the walk over `sys.meta_path` without the two finders that only know modules inside the interpreter. For
//!   `importlib.import_module`, where the functions of importlib stay on the stack and in tracebacks, and for whatever else comes
//!   through the original `_find_and_load`.
//! * [`locks`]: the locks of modules that are loaded natively, for those who ask for them.
//! * [`load_unlocked`]: no collections of garbage while a module executes.
//!
//! Where anything is unusual (a function of importlib was replaced, something traces) the original functions run, and come to
//! the finder by themselves. Each native function knows the one that it stands for: without an image it does nothing but
//! call it.

mod execute;
mod find_and_load;
mod find_spec;
mod inside;
mod known;
mod likeness;
mod load_unlocked;
mod loads;
mod locks;
mod parent;
mod replay;
mod way;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use crate::active::Active;
use crate::aside::Aside;
use crate::py::{self, Object, PyMethodDef, PyObject};
use crate::talk::say;

pub use inside::Inside;
pub use known::Known;

static METHODS: py::Methods<6> = py::Methods([
    py::method(
        c"_find_spec",
        find_spec::find_spec,
        c"_find_spec($module, name, path, target=None)\n--\n\nimportlib's _find_spec, shorter for modules of an image.",
    ),
    py::method(
        c"_load_unlocked",
        load_unlocked::load_unlocked,
        c"_load_unlocked($module, spec)\n--\n\nimportlib's _load_unlocked, without collections of garbage meanwhile.",
    ),
    py::method(
        c"_find_and_load",
        find_and_load::find_and_load,
        c"_find_and_load($module, name, import_)\n--\n\nimportlib's _find_and_load, native for modules of an image.",
    ),
    py::method(
        c"_get_module_lock",
        locks::get_module_lock,
        c"_get_module_lock($module, name)\n--\n\nimportlib's _get_module_lock, which knows what is loaded natively.",
    ),
    py::method(
        c"_lock_unlock_module",
        locks::lock_unlock_module,
        c"_lock_unlock_module($module, name)\n--\n\nimportlib's _lock_unlock_module, which knows what is loaded natively.",
    ),
    PyMethodDef::zeroed(),
]);

/// Puts the functions in their places.
pub fn install(active: &Active) -> py::Result<()> {
    let [find_spec, load_unlocked, find_and_load, get_module_lock, lock_unlock_module, _] = &METHODS.0;
    let Some(bootstrap) = &active.bootstrap else {
        if active.pause.is_some() && active.verbosity > 0 {
            say("PYCDSGC=pause: nothing is paused with -v, or where importlib is not as known");
        }
        return Ok(());
    };
    if let Some(pause) = &active.pause {
        pause.survive_forks()?;
        bootstrap.replace(c"_load_unlocked", load_unlocked)?;
    }
    bootstrap.replace(c"_find_spec", find_spec)?;
    if let Some(known) = &bootstrap.known {
        bootstrap.replace(c"_get_module_lock", get_module_lock)?;
        bootstrap.replace(c"_lock_unlock_module", lock_unlock_module)?;
        bootstrap.replace(c"_find_and_load", find_and_load)?;
        known.watch(bootstrap)?;
    }
    // A hook may refuse it: then whoever asks first tries again.
    bootstrap.get_ready_to_ask().unwrap_or_else(|_| py::clear());
    Ok(())
}

/// Runs the body of a native function with the function that it stands for, and gives the result to the interpreter.
///
/// # Safety
///
/// * `original` is the native function's `self`.
unsafe fn standing_for(original: *mut PyObject, body: impl FnOnce(&Object) -> py::Result<Object>) -> *mut PyObject {
    // SAFETY: the caller's promise; it lives as long as the native function, whose call is running.
    let original = unsafe { py::borrow(original) }.ok_or(py::Raised);
    original.and_then(|original| body(&original)).map_or(ptr::null_mut(), Object::into_ptr)
}

/// Whatever goes wrong leads to the ordinary way; but an interrupt of the user is passed on, and so is what others have raised.
fn quietly<T>(step: impl FnOnce() -> Result<T, Aside>) -> py::Result<Option<T>> {
    let result = catch_unwind(AssertUnwindSafe(step));
    if !matches!(result, Ok(Ok(_))) {
        if py::interrupted() || matches!(result, Ok(Err(Aside::Raised))) && py::raised() {
            return Err(py::Raised);
        }
        py::clear();
    }
    Ok(result.ok().and_then(Result::ok))
}
