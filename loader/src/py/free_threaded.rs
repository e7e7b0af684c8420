//! Free-threaded builds: objects have other heads there, so only functions of the interpreter may touch one.
//!
//! CPython 3.13 does load extension modules of the stable ABI into such a build. This file is what the loader may
//! use to notice it: no macro of the C API that is compiled into this crate, so no [`Object`](super::Object).

use std::ffi::{CStr, CString};
use std::ptr;

use pyo3_ffi as ffi;

/// Whether the running interpreter is such a build.
pub fn free_threaded() -> bool {
    // SAFETY: the GIL is held; borrowed references come back, or null.
    let flags = unsafe {
        let flags = ffi::PySys_GetObject(c"abiflags".as_ptr());
        if flags.is_null() { ptr::null() } else { ffi::PyUnicode_AsUTF8AndSize(flags, ptr::null_mut()) }
    };
    if flags.is_null() {
        // SAFETY: the GIL is held.
        unsafe { ffi::PyErr_Clear() };
        return false;
    }
    // SAFETY: a C string that lives as long as the `sys` module.
    unsafe { CStr::from_ptr(flags) }.to_bytes().contains(&b't')
}

/// `sys.flags.ignore_environment`, in any build.
pub fn ignores_environment() -> bool {
    // SAFETY: the GIL is held. The attribute's reference is given back by a function.
    let ignores = unsafe {
        let flags = ffi::PySys_GetObject(c"flags".as_ptr());
        if flags.is_null() {
            return true;
        }
        let flag = ffi::PyObject_GetAttrString(flags, c"ignore_environment".as_ptr());
        if flag.is_null() {
            -1
        } else {
            let is_true = ffi::PyObject_IsTrue(flag);
            ffi::Py_DecRef(flag);
            is_true
        }
    };
    if ignores < 0 {
        // SAFETY: the GIL is held.
        unsafe { ffi::PyErr_Clear() };
    }
    ignores != 0
}

/// Sets an `ImportError`, in any build.
pub fn raise_import_error(text: &str) {
    let text = CString::new(text).unwrap_or_default();
    // SAFETY: an exception type of the interpreter and a C string.
    unsafe { ffi::PyErr_SetString(ffi::PyExc_ImportError, text.as_ptr()) };
}
