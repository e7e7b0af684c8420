//! The running interpreter.

use std::ffi::CStr;

use pyo3_ffi as ffi;

use super::call;
use super::error::{Raised, Result, clear};
use super::make::interned;
use super::object::{Object, borrow, steal};

/// `import name`; without calling anything if it is in `sys.modules`, as most modules are that are asked for.
pub fn import(name: &CStr) -> Result<Object> {
    let known = interned(name)?;
    // SAFETY: a live string; a new reference comes back, or null, with or without an exception.
    match unsafe { steal(call::PyImport_GetModule(known.as_ptr())) } {
        Ok(module) if !module.is_none() => Ok(module),
        _ => {
            clear();
            // SAFETY: a C string; a new reference comes back.
            unsafe { steal(call::PyImport_ImportModule(name.as_ptr())) }
        }
    }
}

/// `module.__dict__`
pub fn module_dict(module: &Object) -> Result<Object> {
    // SAFETY: a live object, checked to be a module; a borrowed reference comes back and is made an owned one.
    unsafe { borrow(ffi::PyModule_GetDict(module.as_ptr())) }.map(|dict| dict.clone()).ok_or(Raised)
}

/// `sys._xoptions`
pub fn x_options() -> Option<Object> {
    // SAFETY: a borrowed reference comes back and is made an owned one.
    unsafe { borrow(ffi::PySys_GetXOptions()) }.map(|options| options.clone())
}

/// Whether this is the main interpreter.
pub fn in_main_interpreter() -> bool {
    // SAFETY: the GIL is held, so there is a current interpreter.
    unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) == 0 }
}

/// The dict that extensions keep their state of the current interpreter in; gone with the interpreter.
pub fn interpreter_dict() -> Option<Object> {
    // SAFETY: the GIL is held, so there is a current interpreter; a borrowed reference or null comes back.
    unsafe { borrow(ffi::PyInterpreterState_GetDict(ffi::PyInterpreterState_Get())) }.map(|dict| dict.clone())
}

/// Runs `body` without collections of garbage in between, whose finalizers may run any Python code and let other threads run.
pub fn without_collections<T>(body: impl FnOnce() -> T) -> T {
    /// Also if `body` panics.
    struct Enable;
    impl Drop for Enable {
        fn drop(&mut self) {
            // SAFETY: the GIL is held: nothing gives it up without collections.
            unsafe { ffi::PyGC_Enable() };
        }
    }
    // SAFETY: the GIL is held.
    let was_enabled = unsafe { ffi::PyGC_Disable() } != 0;
    let _again = was_enabled.then_some(Enable);
    body()
}

/// The code of the innermost Python function that runs.
pub fn running_code() -> Option<Object> {
    // SAFETY: the GIL is held; the frame is borrowed from the running thread, or null.
    let frame = unsafe { ffi::PyEval_GetFrame() };
    if frame.is_null() {
        return None;
    }
    // SAFETY: a live frame; a new reference comes back.
    unsafe { steal(ffi::PyFrame_GetCode(frame).cast()) }.ok()
}

/// `PY_VERSION_HEX` of the running interpreter.
pub fn hexversion() -> u32 {
    // SAFETY: a constant of the interpreter.
    unsafe { ffi::Py_Version as u32 }
}

/// `sys.version`
pub fn version_text() -> &'static str {
    // SAFETY: a static C string.
    unsafe { CStr::from_ptr(ffi::Py_GetVersion()) }.to_str().unwrap_or_default()
}
