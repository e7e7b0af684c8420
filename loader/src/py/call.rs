//! Calls of Python objects, from which a thread may never come back.
//!
//! Until CPython 3.13 a daemon thread that wants the GIL once finalisation has begun is ended by `pthread_exit`
//! (`take_gil`, Python/ceval_gil.c), which unwinds its stack. Frames of Rust cannot be unwound that way: the process would abort. So
//! such a thread is made to wait for ever instead, as CPython itself does from 3.14 on; the process ends without it.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use pyo3_ffi::{Py_ssize_t, PyMethodDef, PyObject, PyType_Spec, PyTypeObject};

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

/// A function of which the compiler knows no more than its type: `pyo3_ffi` declares the same ones as such that do not unwind, and of two
/// declarations in one program the compiler may believe either.
use std::hint::black_box as unknown;

/// Functions of the interpreter that may run Python code or let other threads run: because they call something, free what has a
/// finaliser, compare keys, or make objects of which many are reason enough for a collection (until CPython 3.11). Each is here once more under
/// its own name, for callers that are not to know of any of that.
macro_rules! that_may_run {
    ($($name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        #[allow(clashing_extern_declarations, reason = "the same functions, known to unwind")]
        mod ffi {
            use super::*;

            unsafe extern "C-unwind" {
                $(pub fn $name($($argument: $type),*) $(-> $result)?;)*
                pub fn PyObject_CallFunctionObjArgs(callable: *mut PyObject, ...) -> *mut PyObject;
            }
        }

        $(
            /// The interpreter's function of this name.
            ///
            /// # Safety
            ///
            /// * As for that function: the GIL is held, and pointers are what it wants them to be.
            // To callers a function that does not unwind, and it does not.
            #[inline(never)]
            #[allow(non_snake_case, reason = "the interpreter's names")]
            pub unsafe extern "C" fn $name($($argument: $type),*) $(-> $result)? {
                let function: unsafe extern "C-unwind" fn($($type),*) $(-> $result)? = ffi::$name;
                let hang = HangThread;
                // SAFETY: the caller's promise.
                let result = unsafe { unknown(function)($($argument),*) };
                std::mem::forget(hang);
                result
            }
        )*
    };
}

that_may_run! {
    PyObject_Call(callable: *mut PyObject, arguments: *mut PyObject, keywords: *mut PyObject) -> *mut PyObject;
    PyObject_Str(object: *mut PyObject) -> *mut PyObject;
    PyObject_IsTrue(object: *mut PyObject) -> c_int;
    PyObject_IsInstance(object: *mut PyObject, class: *mut PyObject) -> c_int;
    PyObject_RichCompareBool(one: *mut PyObject, other: *mut PyObject, operator: c_int) -> c_int;
    PyObject_GetAttr(object: *mut PyObject, name: *mut PyObject) -> *mut PyObject;
    PyObject_GetAttrString(object: *mut PyObject, name: *const c_char) -> *mut PyObject;
    PyObject_SetAttr(object: *mut PyObject, name: *mut PyObject, value: *mut PyObject) -> c_int;
    PyObject_GetItem(object: *mut PyObject, key: *mut PyObject) -> *mut PyObject;
    PyObject_SetItem(object: *mut PyObject, key: *mut PyObject, value: *mut PyObject) -> c_int;
    PyObject_DelItem(object: *mut PyObject, key: *mut PyObject) -> c_int;
    PySequence_DelItem(sequence: *mut PyObject, index: Py_ssize_t) -> c_int;
    PyObject_GetIter(object: *mut PyObject) -> *mut PyObject;
    PyIter_Next(iterator: *mut PyObject) -> *mut PyObject;
    Py_DecRef(object: *mut PyObject);
    PyDict_New() -> *mut PyObject;
    PyDict_Copy(dict: *mut PyObject) -> *mut PyObject;
    PyDict_Keys(dict: *mut PyObject) -> *mut PyObject;
    PyDict_GetItemWithError(dict: *mut PyObject, key: *mut PyObject) -> *mut PyObject;
    PyDict_Contains(dict: *mut PyObject, key: *mut PyObject) -> c_int;
    PyDict_SetItem(dict: *mut PyObject, key: *mut PyObject, value: *mut PyObject) -> c_int;
    PyDict_Update(dict: *mut PyObject, other: *mut PyObject) -> c_int;
    PyDict_Clear(dict: *mut PyObject);
    PyList_New(count: Py_ssize_t) -> *mut PyObject;
    PyList_GetSlice(list: *mut PyObject, low: Py_ssize_t, high: Py_ssize_t) -> *mut PyObject;
    PyTuple_New(count: Py_ssize_t) -> *mut PyObject;
    PySet_New(items: *mut PyObject) -> *mut PyObject;
    PySet_Add(set: *mut PyObject, item: *mut PyObject) -> c_int;
    PyCFunction_NewEx(method: *mut PyMethodDef, own: *mut PyObject, module: *mut PyObject) -> *mut PyObject;
    PySlice_New(start: *mut PyObject, stop: *mut PyObject, step: *mut PyObject) -> *mut PyObject;
    PyModule_NewObject(name: *mut PyObject) -> *mut PyObject;
    PyType_GenericAlloc(class: *mut PyTypeObject, count: Py_ssize_t) -> *mut PyObject;
    PyType_FromSpec(specification: *mut PyType_Spec) -> *mut PyObject;
    PyDescr_NewMethod(class: *mut PyTypeObject, method: *mut PyMethodDef) -> *mut PyObject;
    PyImport_ImportModule(name: *const c_char) -> *mut PyObject;
    PyImport_GetModule(name: *mut PyObject) -> *mut PyObject;
    PyUnicode_EncodeFSDefault(string: *mut PyObject) -> *mut PyObject;
    PyUnicode_DecodeFSDefaultAndSize(text: *const c_char, size: Py_ssize_t) -> *mut PyObject;
    PyUnicode_FSConverter(object: *mut PyObject, result: *mut c_void) -> c_int;
    PyErr_Clear();
    PyErr_SetObject(class: *mut PyObject, value: *mut PyObject);
    PyErr_SetFromErrnoWithFilenameObject(class: *mut PyObject, name: *mut PyObject) -> *mut PyObject;
    PyErr_Restore(class: *mut PyObject, value: *mut PyObject, traceback: *mut PyObject);
    PyErr_NormalizeException(class: *mut *mut PyObject, value: *mut *mut PyObject, traceback: *mut *mut PyObject);
}

/// `PyObject_CallFunctionObjArgs` with up to three arguments: those before the first null.
///
/// # Safety
///
/// * The GIL is held, and the pointers are null or live objects; `callable` is not null.
#[inline(never)]
pub unsafe extern "C" fn call_objects(
    callable: *mut PyObject,
    first: *mut PyObject,
    second: *mut PyObject,
    third: *mut PyObject,
) -> *mut PyObject {
    let end = ptr::null_mut::<PyObject>();
    let function: unsafe extern "C-unwind" fn(*mut PyObject, ...) -> *mut PyObject = ffi::PyObject_CallFunctionObjArgs;
    let hang = HangThread;
    // SAFETY: the caller's promise; a null ends the arguments.
    let result = unsafe { unknown(function)(callable, first, second, third, end) };
    std::mem::forget(hang);
    result
}
