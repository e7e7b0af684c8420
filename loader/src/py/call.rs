//! Calls of Python objects, from which a thread may never come back.
//!
//! Until CPython 3.13 a daemon thread that wants the GIL once finalisation has begun is ended by `pthread_exit`
//! (`take_gil`, Python/ceval_gil.c), which unwinds its stack. Frames of Rust cannot be unwound that way: the process would abort. So
//! such a thread is made to wait for ever instead, as CPython itself does from 3.14 on; the process ends without it.

use std::ffi::c_int;
use std::ptr;

use pyo3_ffi::PyObject;

/// Stops a thread that is being unwound; forgotten when a call returns as calls do.
pub(super) struct HangThread;

impl Drop for HangThread {
    fn drop(&mut self) {
        loop {
            // SAFETY: waits for a signal, whose handler runs in this thread without unwinding it further.
            unsafe { libc::pause() };
        }
    }
}

#[allow(clashing_extern_declarations, reason = "the same functions, known to unwind")]
mod ffi {
    use std::ffi::c_int;

    use pyo3_ffi::PyObject;

    unsafe extern "C-unwind" {
        pub fn PyObject_Call(
            callable: *mut PyObject,
            arguments: *mut PyObject,
            keywords: *mut PyObject,
        ) -> *mut PyObject;
        pub fn PyObject_CallFunctionObjArgs(callable: *mut PyObject, ...) -> *mut PyObject;
        pub fn PyObject_SetAttr(object: *mut PyObject, name: *mut PyObject, value: *mut PyObject) -> c_int;
        pub fn PyObject_SetItem(object: *mut PyObject, key: *mut PyObject, value: *mut PyObject) -> c_int;
        pub fn PyObject_DelItem(object: *mut PyObject, key: *mut PyObject) -> c_int;
    }
}

/// `PyObject_CallFunctionObjArgs` with up to three arguments: those before the first null.
///
/// # Safety
///
/// * The GIL is held, and the pointers are null or live objects; `callable` is not null.
#[inline(never)]
pub unsafe fn call_objects(callable: *mut PyObject, arguments: [*mut PyObject; 3]) -> *mut PyObject {
    let end = ptr::null_mut::<PyObject>();
    let [first, second, third] = arguments;
    let hang = HangThread;
    // SAFETY: the caller's promise; a null ends the arguments.
    let result = unsafe { ffi::PyObject_CallFunctionObjArgs(callable, first, second, third, end) };
    std::mem::forget(hang);
    result
}

/// `PyObject_Call`
///
/// # Safety
///
/// * The GIL is held; `callable` is a live object, `arguments` a tuple, `keywords` a dict or null.
#[inline(never)]
pub unsafe fn call(callable: *mut PyObject, arguments: *mut PyObject, keywords: *mut PyObject) -> *mut PyObject {
    let hang = HangThread;
    // SAFETY: the caller's promise.
    let result = unsafe { ffi::PyObject_Call(callable, arguments, keywords) };
    std::mem::forget(hang);
    result
}

/// `PyObject_SetAttr`, which may free what was there.
///
/// # Safety
///
/// * The GIL is held, and the pointers are live objects.
pub unsafe fn set_attr(object: *mut PyObject, name: *mut PyObject, value: *mut PyObject) -> c_int {
    let hang = HangThread;
    // SAFETY: the caller's promise.
    let status = unsafe { ffi::PyObject_SetAttr(object, name, value) };
    std::mem::forget(hang);
    status
}

/// `PyObject_SetItem`, which may free what was there.
///
/// # Safety
///
/// * The GIL is held, and the pointers are live objects.
pub unsafe fn set_item(object: *mut PyObject, key: *mut PyObject, value: *mut PyObject) -> c_int {
    let hang = HangThread;
    // SAFETY: the caller's promise.
    let status = unsafe { ffi::PyObject_SetItem(object, key, value) };
    std::mem::forget(hang);
    status
}

/// `PyObject_DelItem`, which may free what was there.
///
/// # Safety
///
/// * The GIL is held, and the pointers are live objects.
pub unsafe fn delete_item(object: *mut PyObject, key: *mut PyObject) -> c_int {
    let hang = HangThread;
    // SAFETY: the caller's promise.
    let status = unsafe { ffi::PyObject_DelItem(object, key) };
    std::mem::forget(hang);
    status
}
