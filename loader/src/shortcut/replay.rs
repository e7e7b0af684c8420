//! The original functions once more, for an ending of a native import that they have frames in: the same code, but with globals
//! in which what was done already is done at once.

use std::ffi::CStr;
use std::ptr;

use super::known::Known;
use crate::bootstrap::Bootstrap;
use crate::py::{self, Exception, Object, Py_ssize_t, PyMethodDef, PyObject, Result};

static METHODS: py::Methods<4> = py::Methods([
    py::method(c"given", given, c"given(*arguments)\n--\n\nThe value that the function was made with."),
    py::method(c"raised", raised, c"raised(*arguments)\n--\n\nRaise what the function was made with."),
    py::method(c"swapped", swapped, c"swapped(*arguments)\n--\n\nFill a dict with the contents of another one."),
    PyMethodDef::zeroed(),
]);

/// What makes functions and fake modules.
pub struct Replay<'a> {
    /// The module that the functions are of.
    pub bootstrap: &'a Bootstrap,
    /// What is known of them.
    pub known: &'a Known,
    /// The name of the module that is imported.
    pub name: &'a Object,
}

/// A function that gives `value`, whatever it is called with.
pub fn giving(value: &Object) -> Result<Object> {
    py::function_of(&METHODS.0[0], value)
}

/// A function that raises `exception` with its traceback, whatever it is called with.
pub fn raising(exception: Exception) -> Result<Object> {
    py::function_of(&METHODS.0[1], &exception.into_tuple()?)
}

/// A function that makes `dict` equal to `other`.
fn swapping(dict: &Object, other: &Object) -> Result<Object> {
    py::function_of(&METHODS.0[2], &py::tuple(&[dict, other])?)
}

impl Replay<'_> {
    /// From the lock on, with this `sys.modules`: `find_spec` is the walk over the finders, or the one that there is.
    pub fn search(&self, modules: &Object, find_spec: Option<&Object>) -> Result<Object> {
        let [first, second, _] = &self.known.originals;
        let mut replaced = Vec::new();
        replaced.extend(find_spec.map(|function| (c"_find_spec", function.clone())));
        self.run(modules, &replaced, &[first, second])
    }

    /// From the end of the module's execution on, where `after` is what the functions are to see as `sys.modules`.
    pub fn ending(&self, parent: Option<&Object>, module: &Object, after: &Object) -> Result<Object> {
        let none = py::none();
        let before = py::dict()?;
        if let Some(parent) = parent {
            before.set_item(parent, &self.namespace(&[(c"__path__", &none), (c"__spec__", &none)])?)?;
        }
        let loader = self.namespace(&[(c"exec_module", &swapping(&before, after)?)])?;
        let spec =
            self.namespace(&[(c"name", self.name), (c"loader", &loader), (c"submodule_search_locations", &none)])?;
        let replaced = [(c"_find_spec", giving(&spec)?), (c"module_from_spec", giving(module)?)];
        let [first, second, third] = &self.known.originals;
        self.run(&before, &replaced, &[first, second, third])
    }

    fn run(&self, modules: &Object, replaced: &[(&CStr, Object)], functions: &[&Object]) -> Result<Object> {
        let nothing = giving(&py::none())?;
        let globals = self.bootstrap.dict.dict_copy()?;
        let sys = self.namespace(&[(c"modules", modules), (c"audit", &nothing)])?;
        globals.set_item(&py::interned(c"sys")?, &sys)?;
        for (name, value) in replaced {
            globals.set_item(&py::interned(name)?, value)?;
        }
        for function in functions {
            let copy = self.bootstrap.function(&function.get(c"__code__")?, &globals)?;
            for attribute in [c"__defaults__", c"__kwdefaults__"] {
                copy.set_attr(&py::interned(attribute)?, &function.get(attribute)?)?;
            }
            globals.set_item(&function.get(c"__name__")?, &copy)?;
        }
        // The parent was imported before, as far as that goes.
        globals.subscript(&py::interned(c"_find_and_load")?)?.call(&[self.name, &nothing])
    }

    fn namespace(&self, attributes: &[(&CStr, &Object)]) -> Result<Object> {
        let namespace = self.bootstrap.namespace()?;
        for (name, value) in attributes {
            namespace.set_attr(&py::interned(name)?, value)?;
        }
        Ok(namespace)
    }
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
