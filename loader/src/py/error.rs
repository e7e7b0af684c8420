//! Python exceptions.

use std::mem::ManuallyDrop;
use std::ptr;

use pyo3_ffi as ffi;

use super::call;
use super::make::{none, string, tuple};
use super::object::{Object, borrow, steal};

/// A Python exception is set.
#[derive(Debug, Clone, Copy)]
pub struct Raised;

/// Result of an operation that may raise.
pub type Result<T> = std::result::Result<T, Raised>;

/// `Ok` unless a C API function returned a negative status.
pub fn status(code: i32) -> Result<()> {
    if code < 0 { Err(Raised) } else { Ok(()) }
}

/// Whether an exception is set.
pub fn raised() -> bool {
    // SAFETY: the GIL is held.
    !unsafe { ffi::PyErr_Occurred() }.is_null()
}

/// Drops the exception that is set, if any.
pub fn clear() {
    // SAFETY: the GIL is held.
    unsafe { call::PyErr_Clear() }
}

/// Drops the exception that is set and returns its text.
pub fn take_error_text() -> String {
    let (mut kind, mut value, mut traceback) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: the three references become ours.
    #[allow(deprecated)]
    let (kind, value, _traceback) = unsafe {
        ffi::PyErr_Fetch(&mut kind, &mut value, &mut traceback);
        call::PyErr_NormalizeException(&mut kind, &mut value, &mut traceback);
        (steal(kind), steal(value), steal(traceback))
    };
    let text = |object: &Result<Object>| {
        let object = object.as_ref().ok()?;
        // SAFETY: a live object; a new reference comes back.
        let text = unsafe { steal(call::PyObject_Str(object.as_ptr())) }.ok()?;
        text.text().ok().map(str::to_owned)
    };
    let text = text(&value).or_else(|| text(&kind)).unwrap_or_else(|| "unknown exception".to_owned());
    clear();
    text
}

/// An exception that was set.
#[derive(Debug)]
pub struct Exception([*mut ffi::PyObject; 3]);

/// Takes the exception that is set, with its traceback, to set it again later.
pub fn take_exception() -> Exception {
    let (mut kind, mut value, mut traceback) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: the three references become ours, and `restore` gives them away.
    #[allow(deprecated)]
    unsafe {
        ffi::PyErr_Fetch(&mut kind, &mut value, &mut traceback);
    }
    Exception([kind, value, traceback])
}

impl Exception {
    /// Sets it again.
    pub fn restore(self) {
        let [kind, value, traceback] = ManuallyDrop::new(self).0;
        // SAFETY: the references that were taken; they are given away.
        #[allow(deprecated)]
        unsafe {
            call::PyErr_Restore(kind, value, traceback);
        }
    }

    /// A tuple of its type, value and traceback, for [`Exception::restore_tuple`].
    pub fn into_tuple(self) -> Result<Object> {
        // SAFETY: null or live objects, which this keeps alive.
        let part = |pointer: *mut ffi::PyObject| unsafe { borrow(pointer) }.map_or_else(none, |part| part.clone());
        let [kind, value, traceback] = self.0.map(part);
        tuple(&[&kind, &value, &traceback])
    }

    /// Sets the exception that a tuple was made of.
    pub fn restore_tuple(parts: &Object) {
        let part =
            |i| parts.tuple_item(i).ok().filter(|part| !part.is_none()).map_or(ptr::null_mut(), Object::into_ptr);
        Exception([part(0), part(1), part(2)]).restore();
    }

    /// The name of the file whose code has raised it, if Python code has.
    fn file(&self) -> Option<String> {
        let [_, _, traceback] = self.0;
        let innermost = || -> Result<String> {
            // SAFETY: null, or a live object that this value owns.
            let mut traceback = unsafe { borrow(traceback) }.ok_or(Raised)?.clone();
            loop {
                let next = traceback.get(c"tb_next")?;
                if next.is_none() {
                    break;
                }
                traceback = next;
            }
            Ok(traceback.get(c"tb_frame")?.get(c"f_code")?.get(c"co_filename")?.text()?.to_owned())
        };
        let found = innermost();
        if raised() {
            clear();
        }
        found.ok()
    }
}

/// Does a `finally`: with an exception set aside, which comes back unless the step raises another one.
pub fn finally<T>(result: Result<T>, step: impl FnOnce() -> Result<()>) -> Result<T> {
    let exception = result.is_err().then(take_exception);
    step()?;
    exception.into_iter().for_each(Exception::restore);
    result
}

impl Drop for Exception {
    fn drop(&mut self) {
        for pointer in self.0 {
            // SAFETY: null, or a reference that was taken and not given away.
            drop(unsafe { steal(pointer) });
        }
    }
}

/// Whether the exception that is set is a `KeyboardInterrupt`.
pub fn interrupted() -> bool {
    // SAFETY: an exception is set, or the answer is no.
    raised() && unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_Exception) == 0 }
}

/// Whether the exception that is set was raised by Python code whose file's name does not begin like this.
pub fn is_raised_outside(files: &str) -> bool {
    let exception = take_exception();
    let outside = exception.file().is_some_and(|file| !file.starts_with(files));
    exception.restore();
    outside
}

/// Whether the exception that is set is an `AttributeError`.
pub fn is_attribute_error() -> bool {
    // SAFETY: an exception is set, or the answer is no.
    raised() && unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_AttributeError) != 0 }
}

/// Whether the exception that is set is a `KeyError`.
pub fn is_key_error() -> bool {
    // SAFETY: an exception is set, or the answer is no.
    raised() && unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_KeyError) != 0 }
}

/// Whether an exception is set that says that there is no memory.
pub fn is_memory_error() -> bool {
    // SAFETY: an exception is set, or the answer is no.
    raised() && unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_MemoryError) != 0 }
}

/// Sets a `MemoryError`, which takes no memory.
pub fn raise_memory_error() -> Raised {
    // SAFETY: the GIL is held.
    unsafe { ffi::PyErr_NoMemory() };
    Raised
}

/// Sets a `RuntimeError`.
pub fn raise_runtime_error(text: &str) -> Raised {
    if let Ok(text) = string(text) {
        // SAFETY: live objects.
        unsafe { call::PyErr_SetObject(ffi::PyExc_RuntimeError, text.as_ptr()) };
    }
    Raised
}

/// Sets the `OSError` for an error number and a path: a `FileNotFoundError` or the like.
pub fn raise_os_error(number: i32, path: &Object) -> Raised {
    // SAFETY: the address of this thread's `errno`; then live objects.
    unsafe {
        *libc::__errno_location() = number;
        call::PyErr_SetFromErrnoWithFilenameObject(ffi::PyExc_OSError, path.as_ptr());
    }
    Raised
}

/// Sets a `TypeError`.
pub fn raise_type_error(text: &str) -> Raised {
    if let Ok(text) = string(text) {
        // SAFETY: live objects.
        unsafe { call::PyErr_SetObject(ffi::PyExc_TypeError, text.as_ptr()) };
    }
    Raised
}

/// Sets a `KeyError` with `key`.
pub fn raise_key_error(key: &Object) -> Raised {
    // SAFETY: live objects.
    unsafe { call::PyErr_SetObject(ffi::PyExc_KeyError, key.as_ptr()) };
    Raised
}
