//! `_find_spec` for a module that the original `_find_and_load_unlocked` imports.

use cds_layout::format::{ModuleKind, ModuleRecord};

use super::way::{Answer, Way};
use super::{quietly, standing_for};
use crate::aside::Aside;
use crate::found::Found;
use crate::py::{self, Object, Py_ssize_t, PyObject};
use crate::spec;

/// A module that the image may serve.
struct Candidate {
    fullname: Object,
    number: u32,
    module: ModuleRecord<'static>,
    finders: Object,
}

/// The function.
pub unsafe extern "C" fn find_spec(
    original: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    let body = |original: &Object| {
        // SAFETY: passed on as the interpreter gave them.
        let given = unsafe { py::arguments("_find_spec", ["name", "path", "target"], arguments, count, keywords) };
        let [Some(name), Some(path), target] = given? else {
            return Err(py::raise_type_error("_find_spec() needs the arguments 'name' and 'path'"));
        };
        if let Some(target) = target {
            return original.call(&[&name, &path, &target]);
        }
        if let Some(way) = Way::get()
            && let Some(candidate) = quietly(|| candidate(&way, &name))?
        {
            return search(&way, candidate, &path);
        }
        original.call(&[&name, &path])
    };
    // SAFETY: the function's `self`.
    unsafe { standing_for(original, body) }
}

/// Whether the short way is open, and leads to a module that the image may serve. Any error leads to the ordinary way.
fn candidate(way: &Way, fullname: &Object) -> Result<Candidate, Aside> {
    if !fullname.is_str() || !py::in_main_interpreter() {
        return Err(Aside::Replaced);
    }
    let (number, module) = way.active.image.find(fullname.text()?).ok_or(Aside::NotOnPath)?;
    way.active.may_begin(number, &module)?;
    let usual = module.kind == ModuleKind::Source
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
        let file = way.find(&fullname, number, &module, path)?;
        let (spec, loader) = spec::of_file(way.active, &module, &fullname, &file.text, &file.path)?;
        let found = Found { loader, fullname: fullname.clone(), number, module, path: file.path };
        way.active.set_found(Some(found));
        Ok(spec)
    };
    match way.walk(&fullname, &finders, path, found)? {
        Answer::Ours(spec) | Answer::Other(spec) => Ok(spec),
    }
}
