//! Functions and finders that stand for others where code of importlib runs once more, for the sake of its frames.

use std::ptr;

use crate::importlib::Importlib;
use crate::py::{self, Exception, Object, Py_ssize_t, PyMethodDef, PyObject, Result};

static METHODS: py::Methods<4> = py::Methods([
    py::method(c"given", given, c"given(*arguments)\n--\n\nThe value that the function was made with."),
    py::method(c"raised", raised, c"raised(*arguments)\n--\n\nRaise what the function was made with."),
    py::method(c"swapped", swapped, c"swapped(*arguments)\n--\n\nFill a dict with the contents of another one."),
    PyMethodDef::zeroed(),
]);

/// A function that gives `value`, whatever it is called with.
pub fn giving(value: &Object) -> Result<Object> {
    py::function_of(&METHODS.0[0], value)
}

/// A function that raises `exception` with its traceback, whatever it is called with.
pub fn raising(exception: Exception) -> Result<Object> {
    py::function_of(&METHODS.0[1], &exception.into_tuple()?)
}

/// A function that makes `dict` equal to `other`.
pub fn swapping(dict: &Object, other: &Object) -> Result<Object> {
    py::function_of(&METHODS.0[2], &py::tuple(&[dict, other])?)
}

/// A finder that raises `exception` with its traceback, whatever it is asked.
pub fn raising_finder(importlib: &Importlib, exception: Exception) -> Result<Object> {
    path_finder(importlib, &importlib.names.find_spec, &raising(exception)?)
}

/// Raises the exception that is set again where `PathFinder` would raise what the finder of `entry` raises, or the hook for
/// it: with the frames of its methods.
pub fn raise_from_entry(importlib: &Importlib, fullname: &Object, entry: &Object, in_hook: bool) {
    let exception = py::take_exception();
    let raise = || {
        let importer = match in_hook {
            true => raising(exception)?,
            false => giving(&raising_finder(importlib, exception)?)?,
        };
        let search = path_finder(importlib, &importlib.names.path_importer_cache_method, &importer)?;
        search.attr(&importlib.names.find_spec)?.call(&[fullname, &py::list(&[entry])?])
    };
    // One exception or another is set.
    let _: Result<Object> = raise();
}

/// `PathFinder` with another attribute.
fn path_finder(importlib: &Importlib, name: &Object, value: &Object) -> Result<Object> {
    let namespace = py::dict()?;
    namespace.set_item(name, value)?;
    py::subclass("PathFinder", &importlib.path_finder, &namespace)
}

unsafe extern "C" fn given(
    value: *mut PyObject,
    _arguments: *const *mut PyObject,
    _count: Py_ssize_t,
    _keywords: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the function's `self`, which lives as long as the function.
    unsafe { py::borrow(value) }.map_or(ptr::null_mut(), |value| value.clone().into_ptr())
}

unsafe extern "C" fn raised(
    exception: *mut PyObject,
    _arguments: *const *mut PyObject,
    _count: Py_ssize_t,
    _keywords: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the function's `self`, which lives as long as the function.
    if let Some(exception) = unsafe { py::borrow(exception) } {
        Exception::restore_tuple(&exception);
    }
    ptr::null_mut()
}

unsafe extern "C" fn swapped(
    dicts: *mut PyObject,
    _arguments: *const *mut PyObject,
    _count: Py_ssize_t,
    _keywords: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the function's `self`, which lives as long as the function.
    let Some(dicts) = (unsafe { py::borrow(dicts) }) else { return ptr::null_mut() };
    let swapped = || dicts.tuple_item(0)?.become_copy_of(&dicts.tuple_item(1)?);
    swapped().map_or(ptr::null_mut(), |()| py::none().into_ptr())
}
