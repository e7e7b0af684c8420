//! The finder on `sys.meta_path`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use cds_layout::format::ModuleKind;

use crate::active::{Active, Counters};
use crate::aside::Aside;
use crate::py::{self, Methods, Object, Py_ssize_t, PyMethodDef, PyObject};
use crate::search::Search;
use crate::spec;
use crate::talk::say;

static METHODS: Methods<3> = Methods([
    py::method(
        c"find_spec",
        find_spec,
        c"find_spec($self, fullname, path=None, target=None)\n--\n\nThe spec of a module of the image, or None.",
    ),
    py::method_without_arguments(
        c"invalidate_caches",
        invalidate_caches,
        c"invalidate_caches($self, /)\n--\n\nForget what directories contain.",
    ),
    PyMethodDef::zeroed(),
]);

/// A new finder.
pub fn finder() -> py::Result<Object> {
    let doc = c"Finds modules of an image where the ordinary search would find the same file.";
    py::singleton(c"cds_loader.ImageFinder", doc, METHODS.as_ptr())
}

unsafe extern "C" fn find_spec(
    self_: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: passed on as the interpreter gave them.
    let arguments = unsafe { py::arguments("find_spec", ["fullname", "path", "target"], arguments, count, keywords) };
    let Ok([Some(fullname), path, _target]) = arguments else {
        if arguments.is_ok() {
            py::raise_type_error("find_spec() needs the argument 'fullname'");
        }
        return ptr::null_mut();
    };
    let path = path.as_deref().filter(|path| !path.is_none());
    // SAFETY: the interpreter keeps `self_` alive during the call.
    let Some(finder) = (unsafe { py::borrow(self_) }) else { return ptr::null_mut() };
    let spec = catch_unwind(AssertUnwindSafe(|| find(&finder, &fullname, path)));
    if py::interrupted() || matches!(spec, Ok(Err(py::Raised))) && py::raised() {
        return ptr::null_mut();
    }
    py::clear();
    spec.ok().and_then(Result::ok).flatten().unwrap_or_else(py::none).into_ptr()
}

/// The spec, or `None` where the ordinary search is to run. Exceptions are those that others have raised.
fn find(finder: &Object, fullname: &Object, path: Option<&Object>) -> py::Result<Option<Object>> {
    let Some(active) = Active::get() else { return Ok(None) };
    if !fullname.is_str() || !py::in_main_interpreter() {
        return Ok(None);
    }
    let Ok(name) = fullname.text() else { return Ok(None) };
    let Some((number, module)) = active.image.find(name) else {
        Counters::count(&active.counters.unknown);
        if active.verbosity > 1 {
            say(format_args!("{name}: not in the image"));
        }
        return Ok(None);
    };
    let search = Search { active, module: &module, fullname };
    let spec = if let Err(aside) = active.may_begin(number, &module) {
        Err(aside)
    } else if !active.importlib.is_original(Some(finder)).unwrap_or(false) {
        Err(Aside::Replaced)
    } else if module.kind == ModuleKind::Source && !active.importlib.has_same_caches().unwrap_or(false) {
        Err(Aside::OtherCaches)
    } else {
        search.agrees(path).and_then(|()| spec::make(active, &module, fullname))
    };
    match spec {
        Ok(spec) => {
            if module.kind != ModuleKind::Source {
                Counters::count(&active.counters.located);
                if active.verbosity > 1 {
                    say(format_args!("{name}: located"));
                }
            }
            Ok(Some(spec))
        }
        Err(aside) => {
            stepped_aside(active, name, &aside);
            if matches!(aside, Aside::Raised) { Err(py::Raised) } else { Ok(None) }
        }
    }
}

/// Notes that the ordinary import runs for a module of the image.
pub fn stepped_aside(active: &Active, name: &str, aside: &Aside) {
    Counters::count(&active.counters.aside);
    if active.verbosity > 1 {
        say(format_args!("{name}: {aside}"));
    }
}

unsafe extern "C" fn invalidate_caches(_self: *mut PyObject, _none: *mut PyObject) -> *mut PyObject {
    if let Some(active) = Active::get() {
        active.listings.clear();
    }
    py::none().into_ptr()
}
