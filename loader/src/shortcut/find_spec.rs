//! `_find_spec` for a module that the original `_find_and_load_unlocked` imports.

use std::ptr;

use cds_layout::format::{ModuleKind, ModuleRecord};

use super::way::{Answer, Way};
use super::{Found, give, quietly};
use crate::py::{self, Object, Py_ssize_t, PyObject};
use crate::search::Aside;
use crate::spec;

/// A module that the image may serve.
struct Candidate {
    fullname: Object,
    number: u32,
    module: ModuleRecord,
    finders: Object,
}

/// The function.
pub unsafe extern "C" fn find_spec(
    original: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the function's `self`, which lives as long as the function.
    let Some(original) = (unsafe { py::borrow(original) }) else { return ptr::null_mut() };
    // SAFETY: passed on as the interpreter gave them.
    let given = unsafe { py::arguments("_find_spec", ["name", "path", "target"], arguments, count, keywords) };
    let Ok([Some(name), Some(path), target]) = given else {
        if given.is_ok() {
            py::raise_type_error("_find_spec() needs the arguments 'name' and 'path'");
        }
        return ptr::null_mut();
    };
    if let Some(way) = Way::get().filter(|_| target.is_none()) {
        match quietly(|| candidate(&way, &name)) {
            Ok(Some(candidate)) => return give(search(&way, candidate, &path)),
            Ok(None) => {}
            Err(py::Raised) => return ptr::null_mut(),
        }
    }
    give(match target {
        Some(target) => original.call(&[&name, &path, &target]),
        None => original.call(&[&name, &path]),
    })
}

/// Whether the short way is open, and leads to a module that the image may serve. Any error leads to the ordinary way.
fn candidate(way: &Way, fullname: &Object) -> Result<Candidate, Aside> {
    if !fullname.is_str() || !py::in_main_interpreter() {
        return Err(Aside::Replaced);
    }
    let (number, module) = way.active.image.find(fullname.text()?).ok_or(Aside::NotOnPath)?;
    let usual = module.kind == ModuleKind::Source
        && !way.active.was_handed_out(number)
        && way.bootstrap.is_in_search()
        && way.bootstrap.is_original()?
        && !way.modules()?.has_item(fullname)?;
    if !usual {
        return Err(Aside::Replaced);
    }
    Ok(Candidate { fullname: fullname.clone(), number, module, finders: way.finders()? })
}

fn search(way: &Way, candidate: Candidate, path: &Object) -> py::Result<Object> {
    let Candidate { fullname, number, module, finders } = candidate;
    let found = || {
        let name = fullname.text()?;
        let tail = name.rsplit('.').next().unwrap_or(name);
        let file = way.find(&fullname, tail, number, &module, path)?;
        let (spec, loader) = spec::of_file(way.active, &module, &fullname, &file.text, &file.path)?;
        let found = Found { loader, fullname: fullname.clone(), number, module, path: file.path };
        way.active.set_found(Some(found));
        Ok(spec)
    };
    match way.walk(&fullname, &finders, path, found)? {
        Answer::Ours(spec) | Answer::Other(spec) => Ok(spec),
    }
}
