//! New Python objects of built-in types.

use std::ffi::{CStr, c_char};

use pyo3_ffi as ffi;

use super::error::{Result, status};
use super::object::{Object, borrow, length, steal};

/// A new `str`.
pub fn string(text: &str) -> Result<Object> {
    // SAFETY: the bytes are valid UTF-8; a new reference comes back.
    unsafe { steal(ffi::PyUnicode_FromStringAndSize(text.as_ptr().cast(), length(text.len()))) }
}

/// An interned `str`.
pub fn interned(text: &CStr) -> Result<Object> {
    // SAFETY: a C string; a new reference comes back.
    unsafe { steal(ffi::PyUnicode_InternFromString(text.as_ptr())) }
}

/// The one-character string of a latin-1 character.
pub fn latin1(character: u8) -> Result<Object> {
    let character = [character];
    // SAFETY: one byte is read; a new reference comes back.
    unsafe { steal(ffi::PyUnicode_DecodeLatin1(character.as_ptr().cast(), 1, std::ptr::null())) }
}

/// The `str` for a path, as `os.fsdecode`.
pub fn path_string(path: &[u8]) -> Result<Object> {
    // SAFETY: the length is that of the buffer; a new reference comes back.
    unsafe { steal(ffi::PyUnicode_DecodeFSDefaultAndSize(path.as_ptr().cast::<c_char>(), length(path.len()))) }
}

/// The `bytes` for a path, as `os.fsencode`; raises `ValueError` for a zero character.
pub fn path_bytes(path: &Object) -> Result<Object> {
    // SAFETY: a live object, checked to be a `str`; a new reference comes back.
    unsafe { steal(ffi::PyUnicode_EncodeFSDefault(path.as_ptr())) }
}

/// A new `int`.
pub fn integer(value: i64) -> Result<Object> {
    // SAFETY: a new reference comes back.
    unsafe { steal(ffi::PyLong_FromLongLong(value)) }
}

/// A new tuple.
pub fn tuple(items: &[&Object]) -> Result<Object> {
    // SAFETY: a new reference comes back.
    let tuple = unsafe { steal(ffi::PyTuple_New(length(items.len()))) }?;
    for (i, item) in items.iter().enumerate() {
        // SAFETY: the tuple is new and nobody else has seen it; the index is below its length; the reference
        // to the item is given away.
        status(unsafe { ffi::PyTuple_SetItem(tuple.as_ptr(), length(i), (*item).clone().into_ptr()) })?;
    }
    Ok(tuple)
}

/// A new list of the items.
pub fn list(items: &[&Object]) -> Result<Object> {
    // SAFETY: a new reference comes back.
    let list = unsafe { steal(ffi::PyList_New(0)) }?;
    for item in items {
        // SAFETY: live objects.
        status(unsafe { ffi::PyList_Append(list.as_ptr(), item.as_ptr()) })?;
    }
    Ok(list)
}

/// `list.append(item)`
pub fn append(list: &Object, item: &Object) -> Result<()> {
    // SAFETY: live objects; the type is checked.
    status(unsafe { ffi::PyList_Append(list.as_ptr(), item.as_ptr()) })
}

/// A new dict.
pub fn dict() -> Result<Object> {
    // SAFETY: a new reference comes back.
    unsafe { steal(ffi::PyDict_New()) }
}

/// `None`
pub fn none() -> Object {
    // SAFETY: a static object.
    unsafe { borrow(ffi::Py_None()) }.map(|none| none.clone()).unwrap_or_else(|| unreachable!("None has an address"))
}

/// `True` or `False`
pub fn boolean(value: bool) -> Object {
    // SAFETY: static objects.
    let pointer = unsafe { if value { ffi::Py_True() } else { ffi::Py_False() } };
    // SAFETY: as above.
    unsafe { borrow(pointer) }.map(|b| b.clone()).unwrap_or_else(|| unreachable!("True and False have addresses"))
}
