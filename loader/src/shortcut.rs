//! The short way to a spec: a native function in the place of `_find_spec` of `importlib._bootstrap`, which walks over
//! `sys.meta_path` as that does, without the two finders that only know modules inside the interpreter.
//!
//! `_find_and_load` and `_find_and_load_unlocked`, which have the locks, the parent package and the error messages in them,
//! run as ever, and so does `_load_unlocked`, whose frames are part of tracebacks. Where anything is unusual (a function of
//! importlib was replaced, something traces) the original `_find_spec` runs, and comes to the finder by itself.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use cds_layout::format::{InvalidationMode, ModuleKind, ModuleRecord};

use crate::active::Active;
use crate::bootstrap::Bootstrap;
use crate::directories::mtime_ns;
use crate::py::{self, Object, Py_ssize_t, PyMethodDef, PyObject};
use crate::search::{Aside, Search};
use crate::spec;

static METHODS: py::Methods<3> = py::Methods([
    py::method(
        c"_find_spec",
        find_spec,
        c"_find_spec($module, name, path, target=None)\n--\n\nimportlib's _find_spec, shorter for modules of an image.",
    ),
    py::method(
        c"_load_unlocked",
        load_unlocked,
        c"_load_unlocked($module, spec)\n--\n\nimportlib's _load_unlocked, without collections of garbage meanwhile.",
    ),
    PyMethodDef::zeroed(),
]);

/// A module that was just found, on the way from `_find_spec` to the loader's `get_code`.
#[derive(Debug)]
pub struct Found {
    /// The `ImageLoader` of its spec.
    pub loader: Object,
    /// Its name.
    pub fullname: Object,
    /// Number of its record.
    pub number: u32,
    /// Its record.
    pub module: ModuleRecord,
    /// Path of the file, a `str`.
    pub path: Object,
}

/// Puts the functions in their places.
pub fn install(active: &Active) -> py::Result<()> {
    let Some(bootstrap) = &active.bootstrap else { return Ok(()) };
    let [find_spec, load_unlocked, _] = &METHODS.0;
    // The functions know the ones that they replace: without an image they do nothing but call them.
    if let Some(pause) = &active.pause {
        pause.survive_forks()?;
        bootstrap.replace(c"_load_unlocked", load_unlocked)?;
    }
    bootstrap.replace(c"_find_spec", find_spec)
}

unsafe extern "C" fn find_spec(
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
        match quietly(|| way.candidate(&name)) {
            Ok(Some(candidate)) => return give(way.search(&candidate, &path)),
            Ok(None) => {}
            Err(py::Raised) => return ptr::null_mut(),
        }
    }
    give(match target {
        Some(target) => original.call(&[&name, &path, &target]),
        None => original.call(&[&name, &path]),
    })
}

unsafe extern "C" fn load_unlocked(
    original: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the function's `self`, which lives as long as the function.
    let Some(original) = (unsafe { py::borrow(original) }) else { return ptr::null_mut() };
    // SAFETY: passed on as the interpreter gave them.
    let given = unsafe { py::arguments("_load_unlocked", ["spec"], arguments, count, keywords) };
    let Ok([Some(spec)]) = given else {
        if given.is_ok() {
            py::raise_type_error("_load_unlocked() needs the argument 'spec'");
        }
        return ptr::null_mut();
    };
    // For other modules than the image's, nothing is paused.
    let pause = Active::get().and_then(|active| active.pause.as_ref().filter(|_| active.has_found(&spec)));
    py::clear();
    pause.inspect(|pause| pause.enter());
    let result = original.call(&[&spec]);
    if let Some(pause) = pause {
        let exception = result.is_err().then(py::take_exception);
        pause.leave();
        exception.into_iter().for_each(py::Exception::restore);
    }
    give(result)
}

fn give(result: py::Result<Object>) -> *mut PyObject {
    result.map_or(ptr::null_mut(), Object::into_ptr)
}

/// Whatever goes wrong leads to the ordinary way; but an interrupt of the user is passed on.
fn quietly<T>(step: impl FnOnce() -> Result<T, Aside>) -> py::Result<Option<T>> {
    let result = catch_unwind(AssertUnwindSafe(step));
    if py::interrupted() {
        return Err(py::Raised);
    }
    py::clear();
    Ok(result.ok().and_then(Result::ok))
}

/// A module that the image may serve.
struct Candidate {
    fullname: Object,
    number: u32,
    module: ModuleRecord,
    finders: Object,
}

/// The way, while it is there.
struct Way {
    active: &'static Active,
    bootstrap: &'static Bootstrap,
}

impl Way {
    fn get() -> Option<Way> {
        let active = Active::get()?;
        Some(Way { active, bootstrap: active.bootstrap.as_ref()? })
    }

    /// Whether the short way is open, and leads to a module that the image may serve. Any error leads to the ordinary way.
    fn candidate(&self, fullname: &Object) -> Result<Candidate, Aside> {
        if !fullname.is_str() || !py::in_main_interpreter() {
            return Err(Aside::Replaced);
        }
        let (number, module) = self.active.image.find(fullname.text()?).ok_or(Aside::NotOnPath)?;
        let importlib = &self.active.importlib;
        let modules = importlib.modules()?.filter(Object::is_dict).ok_or(Aside::Replaced)?;
        let finders = importlib.meta_path()?.filter(Object::is_list).ok_or(Aside::Replaced)?;
        let usual = module.kind == ModuleKind::Source
            && !self.active.was_handed_out(number)
            && finders.list_len() != 0
            && self.bootstrap.is_in_search()
            && self.bootstrap.is_original()?
            && modules.item(fullname)?.is_none();
        if !usual {
            return Err(Aside::Replaced);
        }
        let finders = if self.bootstrap.copies_finders { finders.list_copy()? } else { finders };
        Ok(Candidate { fullname: fullname.clone(), number, module, finders })
    }

    /// The loop of `_find_spec` over the finders, for a module that is not imported yet.
    fn search(&self, candidate: &Candidate, path: &Object) -> py::Result<Object> {
        let mut i = 0;
        // Without a copy, a finder may change the list while it is searched.
        while i < candidate.finders.list_len() {
            let finder = candidate.finders.list_item(i)?;
            i += 1;
            if self.bootstrap.is_passed_by(&finder, &candidate.fullname)? {
                continue;
            }
            if finder.is(&self.active.finder)
                && let Some(spec) = quietly(|| self.find(candidate, path))?
            {
                return Ok(spec);
            }
            let modules = self.active.importlib.modules()?.unwrap_or_else(py::none);
            let spec = self.bootstrap.ask(&finder, &candidate.fullname, path, &modules)?;
            if !spec.is_none() {
                return self.settled(&candidate.fullname, spec);
            }
        }
        Ok(py::none())
    }

    /// What `_find_spec` makes of a finder's answer: the spec of the module, if a finder has imported it.
    fn settled(&self, fullname: &Object, spec: Object) -> py::Result<Object> {
        let modules = self.active.importlib.modules()?.filter(Object::is_dict);
        let Some(module) = modules.map(|modules| modules.item(fullname)).transpose()?.flatten() else {
            return Ok(spec);
        };
        match module.attr(&self.bootstrap.name_dunder_spec) {
            Ok(own) => Ok(if own.is_none() { spec } else { own }),
            Err(_) if py::is_attribute_error() => {
                py::clear();
                Ok(spec)
            }
            Err(raised) => Err(raised),
        }
    }

    /// The spec of a module of the image that the ordinary search would find now. Any error leads to the ordinary search.
    fn find(&self, candidate: &Candidate, path: &Object) -> Result<Object, Aside> {
        let Candidate { fullname, number, module, .. } = candidate;
        let active = self.active;
        let importlib = &active.importlib;
        if !importlib.is_original(Some(&active.finder))? || !importlib.has_same_caches()? {
            return Err(Aside::Replaced);
        }
        let name = fullname.text()?;
        let tail = name.rsplit('.').next().unwrap_or(name);
        let search = Search { active, module, fullname, tail };
        search.agrees(Some(path).filter(|path| !path.is_none()))?;
        // The ordinary finder looks whether the file is there, and the loader for its stamp: here once for both.
        let file = active.file(module)?;
        if active.invalidation != InvalidationMode::UncheckedHash {
            let metadata = fs::metadata(&file).map_err(|_| Aside::SourceChanged)?;
            let stamped = active.invalidation != InvalidationMode::Timestamp
                || module.stamp.agrees(mtime_ns(&metadata), metadata.len());
            if !metadata.is_file() || !stamped {
                return Err(Aside::SourceChanged);
            }
        }
        let path = py::string(&file)?;
        let (spec, loader) = spec::of_file(active, module, fullname, &file, &path)?;
        // Foreign finders may have done anything.
        let modules = importlib.modules()?.filter(Object::is_dict).ok_or(Aside::Replaced)?;
        if active.was_handed_out(*number) || modules.item(fullname)?.is_some() {
            return Err(Aside::SecondImport);
        }
        active.set_found(Some(Found { loader, fullname: fullname.clone(), number: *number, module: *module, path }));
        Ok(spec)
    }
}
