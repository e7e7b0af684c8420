//! New Python objects of built-in types.

use std::ffi::{CStr, c_char};

use pyo3_ffi as ffi;

use super::call;
use super::error::{Result, status};
use super::object::{Object, borrow, length, steal};

/// A new `str`.
pub fn string(text: &str) -> Result<Object> {
    // SAFETY: the bytes are valid UTF-8; a new reference comes back.
    unsafe { steal(ffi::PyUnicode_FromStringAndSize(text.as_ptr().cast(), length(text.len()))) }
}

/// A `str` of these code points, which may be surrogates. No codec is asked, which could be a program's own.
pub fn string_of_code_points(points: &[libc::wchar_t]) -> Result<Object> {
    // SAFETY: so many characters are read; a new reference comes back.
    unsafe { steal(ffi::PyUnicode_FromWideChar(points.as_ptr(), length(points.len()))) }
}

/// A new `bytes`.
pub fn bytes(bytes: &[u8]) -> Result<Object> {
    // SAFETY: so many bytes are read; a new reference comes back.
    unsafe { steal(ffi::PyBytes_FromStringAndSize(bytes.as_ptr().cast(), length(bytes.len()))) }
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
    unsafe { steal(call::PyUnicode_DecodeFSDefaultAndSize(path.as_ptr().cast::<c_char>(), length(path.len()))) }
}

/// The `bytes` for a path, as `os.fsencode`; raises `ValueError` for a zero character.
pub fn path_bytes(path: &Object) -> Result<Object> {
    // SAFETY: a live object, checked to be a `str`; a new reference comes back.
    unsafe { steal(call::PyUnicode_EncodeFSDefault(path.as_ptr())) }
}

/// `os.fspath`, encoded: for a `str`, `bytes` or path object.
pub fn fs_path(path: &Object) -> Result<std::path::PathBuf> {
    let mut bytes: *mut ffi::PyObject = std::ptr::null_mut();
    // SAFETY: a live object; a new reference is stored on success, for which the function returns 1.
    if unsafe { call::PyUnicode_FSConverter(path.as_ptr(), (&raw mut bytes).cast()) } == 0 {
        return Err(super::error::Raised);
    }
    // SAFETY: the reference that was just stored.
    let bytes = unsafe { steal(bytes) }?;
    Ok(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes.bytes()?).into())
}

/// A new `int`.
pub fn integer(value: i64) -> Result<Object> {
    // SAFETY: a new reference comes back.
    unsafe { steal(ffi::PyLong_FromLongLong(value)) }
}

/// A new tuple.
pub fn tuple(items: &[&Object]) -> Result<Object> {
    // SAFETY: a new reference comes back.
    let tuple = unsafe { steal(call::PyTuple_New(length(items.len()))) }?;
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
    let list = unsafe { steal(call::PyList_New(0)) }?;
    for item in items {
        // SAFETY: live objects.
        status(unsafe { ffi::PyList_Append(list.as_ptr(), item.as_ptr()) })?;
    }
    Ok(list)
}

/// A tuple of objects that are given away.
pub fn tuple_of(items: impl ExactSizeIterator<Item = Object>) -> Result<Object> {
    // SAFETY: a new reference comes back.
    let tuple = unsafe { steal(call::PyTuple_New(length(items.len()))) }?;
    for (i, item) in items.enumerate() {
        // SAFETY: the tuple is new and nobody else has seen it; the index is below its length; the reference is given away.
        status(unsafe { ffi::PyTuple_SetItem(tuple.as_ptr(), length(i), item.into_ptr()) })?;
    }
    Ok(tuple)
}

/// A tuple that is being filled, and that nobody else has seen.
pub struct Tuple(Object);

impl Tuple {
    /// Of so many items.
    pub fn new(count: usize) -> Result<Tuple> {
        // SAFETY: a new reference comes back.
        unsafe { steal(call::PyTuple_New(length(count))) }.map(Tuple)
    }

    /// Gives away an item, the one with this index, which had none yet.
    ///
    /// # Safety
    ///
    /// * The items of a tuple begin `items` bytes from its start, and it has more than `index`.
    pub unsafe fn set(&self, items: u32, index: usize, item: Object) {
        // SAFETY: as this function says; nobody else has seen the tuple.
        unsafe {
            let items = self.0.as_ptr().byte_add(items as usize).cast::<*mut ffi::PyObject>();
            items.add(index).write(item.into_ptr());
        }
    }

    /// The tuple, at which the collector does not look: nothing in it refers to it.
    pub fn untracked(self) -> Object {
        // SAFETY: a live object of a type with a collector's head.
        unsafe { ffi::PyObject_GC_UnTrack(self.0.as_ptr().cast()) };
        self.0
    }
}

/// A new object of a type whose objects have `count` items of the type's size. Its head is filled in, and nothing else.
///
/// # Safety
///
/// * `type_` is a type without a collector's head, whose objects are made by `PyObject_NewVar`.
/// * Before anything else gets to see the object, or it is freed, it is filled.
pub unsafe fn new_variable(type_: *mut ffi::PyObject, count: usize) -> Result<Object> {
    // SAFETY: as this function says; a new reference comes back.
    unsafe { steal(ffi::PyObject_NewVar(type_.cast(), length(count))) }
}

/// A list of objects that are given away.
pub fn list_of(items: impl ExactSizeIterator<Item = Object>) -> Result<Object> {
    // SAFETY: a new reference comes back.
    let list = unsafe { steal(call::PyList_New(length(items.len()))) }?;
    for (i, item) in items.enumerate() {
        // SAFETY: as for tuples. Nothing runs until the list has all its items.
        status(unsafe { ffi::PyList_SetItem(list.as_ptr(), length(i), item.into_ptr()) })?;
    }
    Ok(list)
}

/// A set of the objects, entered one after the other as `marshal.loads` does.
pub fn set_of(items: impl Iterator<Item = Object>) -> Result<Object> {
    // SAFETY: a new reference comes back.
    let set = unsafe { steal(call::PySet_New(std::ptr::null_mut())) }?;
    for item in items {
        // SAFETY: live objects; the type is checked.
        status(unsafe { call::PySet_Add(set.as_ptr(), item.as_ptr()) })?;
    }
    Ok(set)
}

/// A dict of keys and values in turns, entered one after the other.
pub fn dict_of(mut items: impl Iterator<Item = Object>) -> Result<Object> {
    let dict = dict()?;
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        dict.set_item(&key, &value)?;
    }
    Ok(dict)
}

/// `slice(start, stop, step)`
pub fn slice(start: &Object, stop: &Object, step: &Object) -> Result<Object> {
    // SAFETY: live objects; a new reference comes back.
    unsafe { steal(call::PySlice_New(start.as_ptr(), stop.as_ptr(), step.as_ptr())) }
}

/// `list.append(item)`
pub fn append(list: &Object, item: &Object) -> Result<()> {
    // SAFETY: live objects; the type is checked.
    status(unsafe { ffi::PyList_Append(list.as_ptr(), item.as_ptr()) })
}

/// A new dict.
pub fn dict() -> Result<Object> {
    // SAFETY: a new reference comes back.
    unsafe { steal(call::PyDict_New()) }
}

/// A new module of this name, as `types.ModuleType(name)`.
pub fn new_module(name: &Object) -> Result<Object> {
    // SAFETY: a live object; a new reference comes back.
    unsafe { steal(call::PyModule_NewObject(name.as_ptr())) }
}

/// `None`
pub fn none() -> Object {
    // SAFETY: a static object.
    unsafe { borrow(ffi::Py_None()) }.map(|none| none.clone()).unwrap_or_else(|| unreachable!("None has an address"))
}

/// `NotImplemented`
pub fn not_implemented() -> Object {
    // SAFETY: a static object.
    let pointer = unsafe { borrow(ffi::Py_NotImplemented()) };
    pointer.map(|object| object.clone()).unwrap_or_else(|| unreachable!("NotImplemented has an address"))
}

/// `True` or `False`
pub fn boolean(value: bool) -> Object {
    // SAFETY: static objects.
    let pointer = unsafe { if value { ffi::Py_True() } else { ffi::Py_False() } };
    // SAFETY: as above.
    unsafe { borrow(pointer) }.map(|b| b.clone()).unwrap_or_else(|| unreachable!("True and False have addresses"))
}
