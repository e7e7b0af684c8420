//! References to Python objects.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use pyo3_ffi::{self as ffi, PyObject};

use super::call;
use super::error::{Raised, Result, raised, status};
use super::make::{dict, tuple};

/// An owned reference. Not `Send`: it lives and dies under the GIL.
#[derive(Debug)]
pub struct Object(NonNull<PyObject>);

/// A reference that somebody else owns for the lifetime `'a`: an argument, an entry of a container.
pub struct Borrowed<'a>(ManuallyDrop<Object>, PhantomData<&'a PyObject>);

impl std::ops::Deref for Borrowed<'_> {
    type Target = Object;
    fn deref(&self) -> &Object {
        &self.0
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: this is the one reference that `self` owns.
        unsafe { call::Py_DecRef(self.0.as_ptr()) }
    }
}

impl Clone for Object {
    fn clone(&self) -> Self {
        // SAFETY: a live object.
        unsafe { ffi::Py_IncRef(self.0.as_ptr()) };
        Object(self.0)
    }
}

/// What a C API function returned: a new reference, or null with an exception set.
///
/// # Safety
///
/// * `pointer` is null or a reference that the caller owns and gives away.
pub unsafe fn steal(pointer: *mut PyObject) -> Result<Object> {
    NonNull::new(pointer).map(Object).ok_or(Raised)
}

/// A reference that stays with its owner.
///
/// # Safety
///
/// * `pointer` is null or a live object, and its owner keeps it alive during `'a`.
pub unsafe fn borrow<'a>(pointer: *mut PyObject) -> Option<Borrowed<'a>> {
    NonNull::new(pointer).map(|p| Borrowed(ManuallyDrop::new(Object(p)), PhantomData))
}

pub(super) fn length(n: usize) -> ffi::Py_ssize_t {
    // Lengths of Rust slices never exceed `isize::MAX`.
    n as ffi::Py_ssize_t
}

impl Object {
    /// The object's address.
    pub fn as_ptr(&self) -> *mut PyObject {
        self.0.as_ptr()
    }
    /// Gives the reference away: to a caller in C, or for ever.
    pub fn into_ptr(self) -> *mut PyObject {
        ManuallyDrop::new(self).0.as_ptr()
    }
    /// `self is other`
    pub fn is(&self, other: &Object) -> bool {
        self.0 == other.0
    }
    /// `type(self) is type_`
    pub fn is_exactly(&self, type_: &Object) -> bool {
        self.type_address() == type_.as_ptr()
    }
    fn type_address(&self) -> *mut PyObject {
        // SAFETY: a live object.
        unsafe { ffi::Py_TYPE(self.as_ptr()).cast() }
    }
    /// `self is None`
    pub fn is_none(&self) -> bool {
        // SAFETY: the address of a static object.
        self.as_ptr() == unsafe { ffi::Py_None() }
    }
    /// `type(self) is str`
    pub fn is_str(&self) -> bool {
        self.type_address() == (&raw mut ffi::PyUnicode_Type).cast()
    }
    /// `isinstance(self, str)`
    pub fn is_str_instance(&self) -> bool {
        // SAFETY: a live object.
        unsafe { ffi::PyUnicode_Check(self.as_ptr()) != 0 }
    }
    /// `type(self) is list`
    pub fn is_list(&self) -> bool {
        self.type_address() == (&raw mut ffi::PyList_Type).cast()
    }
    /// `type(self) is dict`
    pub fn is_dict(&self) -> bool {
        self.type_address() == (&raw mut ffi::PyDict_Type).cast()
    }
    /// `type(self) is set`
    pub fn is_set(&self) -> bool {
        self.type_address() == (&raw mut ffi::PySet_Type).cast()
    }

    /// `type(self) is types.ModuleType`
    pub fn is_module(&self) -> bool {
        self.type_address() == (&raw mut ffi::PyModule_Type).cast()
    }

    /// `isinstance(self, class)`
    pub fn is_instance(&self, class: &Object) -> Result<bool> {
        // SAFETY: live objects.
        match unsafe { call::PyObject_IsInstance(self.as_ptr(), class.as_ptr()) } {
            -1 => Err(Raised),
            n => Ok(n != 0),
        }
    }

    /// `self.name`
    pub fn attr(&self, name: &Object) -> Result<Object> {
        // SAFETY: live objects; a new reference comes back.
        unsafe { steal(call::PyObject_GetAttr(self.as_ptr(), name.as_ptr())) }
    }
    /// `self.name`
    pub fn get(&self, name: &CStr) -> Result<Object> {
        // SAFETY: a live object and a C string; a new reference comes back.
        unsafe { steal(call::PyObject_GetAttrString(self.as_ptr(), name.as_ptr())) }
    }
    /// `self.name = value`
    pub fn set_attr(&self, name: &Object, value: &Object) -> Result<()> {
        // SAFETY: live objects.
        status(unsafe { call::PyObject_SetAttr(self.as_ptr(), name.as_ptr(), value.as_ptr()) })
    }
    /// `self(*arguments)`
    pub fn call(&self, arguments: &[&Object]) -> Result<Object> {
        if arguments.len() <= 3 {
            let of = |i: usize| arguments.get(i).map_or(ptr::null_mut(), |argument: &&Object| argument.as_ptr());
            // Without a tuple. SAFETY: live objects; a new reference comes back.
            return unsafe { steal(call::call_objects(self.as_ptr(), of(0), of(1), of(2))) };
        }
        let arguments = tuple(arguments)?;
        // SAFETY: live objects; a new reference comes back.
        unsafe { steal(call::PyObject_Call(self.as_ptr(), arguments.as_ptr(), ptr::null_mut())) }
    }
    /// `self(*arguments, name=value)`
    pub fn call_with(&self, arguments: &[&Object], name: &Object, value: &Object) -> Result<Object> {
        let arguments = tuple(arguments)?;
        let keywords = dict()?;
        keywords.set_item(name, value)?;
        // SAFETY: live objects; a new reference comes back.
        unsafe { steal(call::PyObject_Call(self.as_ptr(), arguments.as_ptr(), keywords.as_ptr())) }
    }
    /// `self(*arguments, **keywords)`
    pub fn call_keywords(&self, arguments: &[&Object], keywords: &Object) -> Result<Object> {
        let arguments = tuple(arguments)?;
        // SAFETY: live objects; a new reference comes back.
        unsafe { steal(call::PyObject_Call(self.as_ptr(), arguments.as_ptr(), keywords.as_ptr())) }
    }
    /// `self == other` as a truth value
    pub fn equals(&self, other: &Object) -> Result<bool> {
        // SAFETY: live objects.
        match unsafe { call::PyObject_RichCompareBool(self.as_ptr(), other.as_ptr(), ffi::Py_EQ) } {
            -1 => Err(Raised),
            n => Ok(n != 0),
        }
    }
    /// `bool(self)`
    pub fn is_true(&self) -> Result<bool> {
        // SAFETY: a live object.
        match unsafe { call::PyObject_IsTrue(self.as_ptr()) } {
            -1 => Err(Raised),
            n => Ok(n != 0),
        }
    }
    /// `int(self)` for an `int` that fits
    pub fn to_i64(&self) -> Result<i64> {
        // SAFETY: a live object.
        let value = unsafe { ffi::PyLong_AsLongLong(self.as_ptr()) };
        if value == -1 && raised() { Err(Raised) } else { Ok(value) }
    }
    /// `float(self)` for a `float` or an `int`
    pub fn to_f64(&self) -> Result<f64> {
        // SAFETY: a live object.
        let value = unsafe { ffi::PyFloat_AsDouble(self.as_ptr()) };
        if value == -1.0 && raised() { Err(Raised) } else { Ok(value) }
    }
    /// `iter(self)`
    pub fn iter(&self) -> Result<Object> {
        // SAFETY: a live object; a new reference comes back.
        unsafe { steal(call::PyObject_GetIter(self.as_ptr())) }
    }
    /// `next(self)`; `None` at the end. `self` is an iterator.
    pub fn next(&self) -> Result<Option<Object>> {
        // SAFETY: what `PyObject_GetIter` returned; a new reference or null comes back.
        match unsafe { steal(call::PyIter_Next(self.as_ptr())) } {
            Ok(item) => Ok(Some(item)),
            Err(raised_) => {
                if raised() {
                    Err(raised_)
                } else {
                    Ok(None)
                }
            }
        }
    }

    /// The characters as UTF-8. Raises for anything but a `str`, and for lone surrogates.
    pub fn text(&self) -> Result<&str> {
        let mut size = 0;
        // SAFETY: a live object; it is checked to be a `str`.
        let start = unsafe { ffi::PyUnicode_AsUTF8AndSize(self.as_ptr(), &mut size) };
        if start.is_null() {
            return Err(Raised);
        }
        // SAFETY: the buffer belongs to the object, which `self` keeps alive, and never changes. The
        // interpreter wrote valid UTF-8 into it.
        Ok(unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(start.cast(), size as usize)) })
    }
    /// The contents of a `bytes` object.
    pub fn bytes(&self) -> Result<&[u8]> {
        let mut start = ptr::null_mut();
        let mut size = 0;
        // SAFETY: a live object; it is checked to be `bytes`.
        status(unsafe { ffi::PyBytes_AsStringAndSize(self.as_ptr(), &mut start, &mut size) })?;
        // SAFETY: the buffer belongs to the object, which `self` keeps alive, and never changes.
        Ok(unsafe { std::slice::from_raw_parts(start.cast_const().cast(), size as usize) })
    }

    /// Number of items of a list.
    pub fn list_len(&self) -> usize {
        // SAFETY: a live object; anything but a list gives −1 and an exception, which `is_list` rules out.
        usize::try_from(unsafe { ffi::PyList_Size(self.as_ptr()) }).unwrap_or(0)
    }
    /// An item of a list.
    pub fn list_item(&self, index: usize) -> Result<Object> {
        // SAFETY: a live object; type and index are checked. The borrowed result is made an owned one at
        // once: nothing runs between.
        unsafe { borrow(ffi::PyList_GetItem(self.as_ptr(), length(index))) }.map(|item| item.clone()).ok_or(Raised)
    }
    /// Number of items of a tuple.
    pub fn tuple_len(&self) -> usize {
        // SAFETY: a live object, which the caller knows to be a tuple; anything else gives −1 and an exception.
        usize::try_from(unsafe { ffi::PyTuple_Size(self.as_ptr()) }).unwrap_or(0)
    }
    /// An item of a tuple.
    pub fn tuple_item(&self, index: usize) -> Result<Object> {
        // SAFETY: a live object; type and index are checked. The tuple keeps the item alive.
        unsafe { borrow(ffi::PyTuple_GetItem(self.as_ptr(), length(index))) }.map(|item| item.clone()).ok_or(Raised)
    }
    /// `len(self)` for a dict
    pub fn dict_len(&self) -> usize {
        // SAFETY: a live object; anything but a dict gives −1 and an exception, which callers rule out.
        usize::try_from(unsafe { ffi::PyDict_Size(self.as_ptr()) }).unwrap_or(0)
    }
    /// `self[:]` for a list
    pub fn list_copy(&self) -> Result<Object> {
        // SAFETY: a live object; the type is checked. A new reference comes back.
        unsafe { steal(call::PyList_GetSlice(self.as_ptr(), 0, ffi::Py_ssize_t::MAX)) }
    }
    /// `self.insert(index, item)` for a list
    pub fn list_insert(&self, index: usize, item: &Object) -> Result<()> {
        // SAFETY: live objects; the type is checked.
        status(unsafe { ffi::PyList_Insert(self.as_ptr(), length(index), item.as_ptr()) })
    }

    /// `self.get(key)` for a dict
    pub fn item(&self, key: &Object) -> Result<Option<Object>> {
        // SAFETY: live objects; the type is checked. The borrowed result is made an owned one at once.
        let item = unsafe { borrow(call::PyDict_GetItemWithError(self.as_ptr(), key.as_ptr())) };
        match item {
            Some(item) => Ok(Some(item.clone())),
            None if raised() => Err(Raised),
            None => Ok(None),
        }
    }
    /// `self.get(key) is value` for a dict, without taking a reference.
    pub fn item_is(&self, key: &Object, value: &Object) -> Result<bool> {
        // SAFETY: live objects; the type is checked. The result is compared at once.
        let item = unsafe { call::PyDict_GetItemWithError(self.as_ptr(), key.as_ptr()) };
        if item.is_null() && raised() { Err(Raised) } else { Ok(item == value.as_ptr()) }
    }
    /// `key in self` for a dict
    pub fn has_item(&self, key: &Object) -> Result<bool> {
        // SAFETY: live objects; the type is checked.
        match unsafe { call::PyDict_Contains(self.as_ptr(), key.as_ptr()) } {
            -1 => Err(Raised),
            n => Ok(n != 0),
        }
    }
    /// `self[key] = value` for a dict
    pub fn set_item(&self, key: &Object, value: &Object) -> Result<()> {
        // SAFETY: live objects; the type is checked.
        status(unsafe { call::PyDict_SetItem(self.as_ptr(), key.as_ptr(), value.as_ptr()) })
    }
    /// `self[key]`
    pub fn subscript(&self, key: &Object) -> Result<Object> {
        // SAFETY: live objects; a new reference comes back.
        unsafe { steal(call::PyObject_GetItem(self.as_ptr(), key.as_ptr())) }
    }
    /// `self[key] = value`
    pub fn set_subscript(&self, key: &Object, value: &Object) -> Result<()> {
        // SAFETY: live objects.
        status(unsafe { call::PyObject_SetItem(self.as_ptr(), key.as_ptr(), value.as_ptr()) })
    }
    /// `del self[key]`
    pub fn delete(&self, key: &Object) -> Result<()> {
        // SAFETY: live objects.
        status(unsafe { call::PyObject_DelItem(self.as_ptr(), key.as_ptr()) })
    }
    /// `self.pop()` for a list; nothing for an empty one.
    pub fn list_pop(&self) -> Result<()> {
        match self.list_len() {
            0 => Ok(()),
            // SAFETY: a live object; the index is below its length.
            n => status(unsafe { call::PySequence_DelItem(self.as_ptr(), length(n - 1)) }),
        }
    }
    /// `self.clear(); self.update(other)` for dicts
    pub fn become_copy_of(&self, other: &Object) -> Result<()> {
        // SAFETY: live objects; the types are checked.
        unsafe {
            call::PyDict_Clear(self.as_ptr());
            status(call::PyDict_Update(self.as_ptr(), other.as_ptr()))
        }
    }
    /// `self.copy()` for a dict
    pub fn dict_copy(&self) -> Result<Object> {
        // SAFETY: a live object; the type is checked. A new reference comes back.
        unsafe { steal(call::PyDict_Copy(self.as_ptr())) }
    }
    /// `list(self)` for a dict
    pub fn keys(&self) -> Result<Object> {
        // SAFETY: a live object; the type is checked. A new reference comes back.
        unsafe { steal(call::PyDict_Keys(self.as_ptr())) }
    }
}
