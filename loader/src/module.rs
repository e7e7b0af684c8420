//! The functions of the module `cds_loader`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use cds_layout::format::NONE;

use crate::activate;
use crate::active::Active;
use crate::data;
use crate::entry::{self, Entry};
use crate::guard::guarded;
use crate::opened;
use crate::py::{self, Borrowed, Methods, Py_ssize_t, PyMethodDef, PyObject};
use crate::settings;
use crate::status;

/// All functions.
pub static METHODS: Methods<8> = Methods([
    py::method_without_arguments(
        c"activate",
        activate_,
        c"activate()\n--\n\nUse the image that the environment names, or the one beside this module. Never raises.",
    ),
    py::method_without_arguments(
        c"status",
        status_,
        c"status()\n--\n\nA dict with state, image, reason, modules, served, base and patched_slots.",
    ),
    py::method(c"owns", owns, c"owns(obj)\n--\n\nWhether the object lies in an image."),
    py::method(
        c"load",
        load,
        c"load(path)\n--\n\nThe named objects of an image: a read-only mapping of names to values.",
    ),
    py::method(
        c"_code",
        code,
        c"_code(name)\n--\n\nThe code object of a module of the image, without looking at its source.",
    ),
    py::method_without_arguments(
        c"_modules",
        modules,
        c"_modules()\n--\n\nThe names of the modules that the image has code of.",
    ),
    py::method(c"_open", open, c"_open(path)\n--\n\nUse this image, whatever the environment says."),
    PyMethodDef::zeroed(),
]);

/// The one argument of a function.
///
/// # Safety
///
/// * As for [`py::arguments`].
unsafe fn one_argument<'a>(
    function: &str,
    parameter: &str,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> py::Result<Borrowed<'a>> {
    // SAFETY: the caller's promise.
    let [argument] = unsafe { py::arguments(function, [parameter], arguments, count, keywords) }?;
    argument.ok_or_else(|| py::raise_type_error(&format!("{function}() needs the argument '{parameter}'")))
}

/// The image, if this interpreter is the one that uses it.
fn current() -> Option<&'static Active> {
    Active::get().filter(|_| entry::look() == Entry::Again)
}

fn current_or_raise() -> py::Result<&'static Active> {
    current().ok_or_else(|| py::raise_runtime_error("no image is in use"))
}

unsafe extern "C" fn activate_(self_: *mut PyObject, _none: *mut PyObject) -> *mut PyObject {
    // SAFETY: the module, which the interpreter keeps alive during the call.
    if let Some(module) = unsafe { py::borrow(self_) } {
        let _ = catch_unwind(AssertUnwindSafe(|| activate::activate(&module)));
    }
    py::clear();
    py::none().into_ptr()
}

unsafe extern "C" fn status_(_self: *mut PyObject, _none: *mut PyObject) -> *mut PyObject {
    guarded(status::status)
}

unsafe extern "C" fn owns(
    _self: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    guarded(|| {
        // SAFETY: passed on as the interpreter gave them.
        let object = unsafe { one_argument("owns", "obj", arguments, count, keywords) }?;
        Ok(py::boolean(opened::owns(object.as_ptr() as usize)))
    })
}

unsafe extern "C" fn load(
    _self: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    guarded(|| {
        // SAFETY: passed on as the interpreter gave them.
        let path = unsafe { one_argument("load", "path", arguments, count, keywords) }?;
        data::load(&path)
    })
}

unsafe extern "C" fn code(
    _self: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    guarded(|| {
        // SAFETY: passed on as the interpreter gave them.
        let name = unsafe { one_argument("_code", "name", arguments, count, keywords) }?;
        let active = current_or_raise()?;
        let Some((number, module)) = active.image.find(name.text()?).filter(|(_, module)| module.code != NONE) else {
            return Err(py::raise_key_error(&name));
        };
        let code = active.file(&module).and_then(|file| active.code(number, &module, &py::string(&file)?));
        code.map_err(|aside| {
            py::clear();
            py::raise_runtime_error(&aside.to_string())
        })
    })
}

unsafe extern "C" fn modules(_self: *mut PyObject, _none: *mut PyObject) -> *mut PyObject {
    guarded(|| {
        let image = &current_or_raise()?.image;
        let list = py::list(&[])?;
        for module in image.modules().filter(|module| module.code != NONE) {
            py::append(&list, &py::string(module.name)?)?;
        }
        Ok(list)
    })
}

unsafe extern "C" fn open(
    self_: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    guarded(|| {
        // SAFETY: passed on as the interpreter gave them; it keeps the module alive during the call.
        let (module, path) = unsafe { (py::borrow(self_), one_argument("_open", "path", arguments, count, keywords)?) };
        let module = module.ok_or_else(|| py::raise_runtime_error("no module"))?;
        let path = PathBuf::from(path.text()?);
        let path = std::path::absolute(path).map_err(|error| py::raise_runtime_error(&error.to_string()))?;
        activate::open(&path, &module, settings::verbosity())
            .map_err(|reason| py::raise_runtime_error(&reason.to_string()))?;
        Ok(py::none())
    })
}
