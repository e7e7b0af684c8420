//! `_find_and_load`, native for a source module of the image that C's import asks for.
//!
//! `importlib._bootstrap._gcd_import` asks, too, but with itself for importing parents: its frames stay in tracebacks, and so must
//! those of the functions that it calls.

use cds_layout::format::{InvalidationMode, ModuleKind, ModuleRecord};

use super::execute::Prepared;
use super::known::Known;
use super::likeness::{Likeness, Parts};
use super::parent::Stage;
use super::replay::Replay;
use super::way::{Answer, Way};
use super::{quietly, standing_for};
use crate::aside::Aside;
use crate::kept;
use crate::nesting;
use crate::py::{self, Object, Py_ssize_t, PyObject};
use crate::{spec, stand_in};

/// An import of one module.
pub struct Import<'a> {
    /// The way to the image.
    pub way: &'a Way,
    /// What is known of importlib.
    pub known: &'static Known,
    /// How modules look.
    pub likeness: &'static Likeness,
    /// The full name of the module.
    pub name: &'a Object,
    /// Names of the package around it, and its own in that.
    names: Option<(&'a str, &'a str)>,
    /// Number of its record.
    pub number: u32,
    module: ModuleRecord<'static>,
    /// Packages around it that are to be locked as well.
    packages: Vec<Object>,
}

/// An import inside so many others is native, one inside more is not; twice as many as large programs have. A native one takes more of the C
/// stack than importlib's functions do, which count as more frames: they reach the recursion limit before the end of a thread's stack.
const DEEPEST: u32 = 32;

unsafe extern "C" {
    /// `Include/cpython/abstract.h`, and from 3.12 on in the stable ABI.
    fn PyObject_Vectorcall(
        callable: *mut PyObject,
        arguments: *const *mut PyObject,
        count: usize,
        keywords: *mut PyObject,
    ) -> *mut PyObject;
}

/// The function.
pub unsafe extern "C" fn find_and_load(
    original: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    if nesting::depth() > DEEPEST {
        // The last thing that is done, with the same arguments: a jump, for which no stack is needed.
        // SAFETY: passed on as the interpreter gave them; `original` is the function's `self`.
        return unsafe { PyObject_Vectorcall(original, arguments, count.unsigned_abs(), keywords) };
    }
    // SAFETY: as the interpreter gave them.
    unsafe { find_and_load_natively(original, arguments, count, keywords) }
}

#[inline(never)]
unsafe fn find_and_load_natively(
    original: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    // A thread that the interpreter ends in here never gets back to this frame (`py::call`).
    let _import = kept::Import::begin();
    let body = |original: &Object| {
        if count == 2 && keywords.is_null() {
            // SAFETY: the interpreter passes two arguments and keeps them alive during the call.
            let given = unsafe { (py::borrow(*arguments), py::borrow(*arguments.add(1))) };
            let (Some(name), Some(import)) = given else { return Err(py::Raised) };
            return find_and_load_two(original, &name, &import);
        }
        // SAFETY: passed on as the interpreter gave them.
        unsafe { py::pass_on(original, arguments, count, keywords) }
    };
    // SAFETY: the function's `self`.
    unsafe { standing_for(original, body) }
}

fn find_and_load_two(original: &Object, name: &Object, import: &Object) -> py::Result<Object> {
    if let Some(way) = Way::get()
        && let Some(begun) = quietly(|| Import::new(&way, name, import))?
    {
        return begun.run(import);
    }
    original.call(&[name, import])
}

impl<'a> Import<'a> {
    /// The import, if it can be done natively. Nothing runs between the last questions and the entry into the table of loads.
    fn new(way: &'a Way, name: &'a Object, import: &Object) -> Result<Import<'a>, Aside> {
        let known = way.bootstrap.known.as_ref().ok_or(Aside::Replaced)?;
        if !import.is(&known.import) || !name.is_str() || !py::in_main_interpreter() {
            return Err(Aside::Replaced);
        }
        let active = way.active;
        let text = name.text()?;
        let (number, module) = active.image.find(text).ok_or(Aside::NotOnPath)?;
        active.may_begin(number, &module)?;
        // Of others there is no code; the hash of a source is the loader's business.
        if module.kind != ModuleKind::Source || active.invalidation == InvalidationMode::CheckedHash {
            return Err(Aside::OtherFile);
        }
        let usual = || Ok::<bool, Aside>(way.bootstrap.is_original()? && known.is_original(way.bootstrap)?);
        // Functions of importlib run, the first time: nobody is to see that.
        let has_learned = known.has_learned();
        if !usual()? || !has_learned && !active.importlib.is_original(None)? {
            return Err(Aside::Replaced);
        }
        let likeness = known.likeness(active)?.ok_or(Aside::Replaced)?;
        let names = text.rsplit_once('.');
        let mut import = Import { way, known, likeness, name, names, number, module, packages: Vec::new() };
        if known.form.locks_packages {
            import.packages = import.packages_to_lock(text)?.ok_or(Aside::Replaced)?;
        }
        let free = (has_learned || usual()?)
            && !way.modules()?.has_item(name)?
            && !known.module_locks.has_item(name)?
            && !known.loads.is_loaded(text);
        if free { Ok(import) } else { Err(Aside::Replaced) }
    }

    /// Whether importlib is as it was, after other code has run.
    pub fn is_still_usual(&self) -> bool {
        let bootstrap = self.way.bootstrap;
        let original =
            bootstrap.is_original().and_then(|as_it_was| Ok(as_it_was && self.known.is_original(bootstrap)?));
        original.unwrap_or_else(|_| {
            py::clear();
            false
        })
    }

    /// What `_ModuleLockManager` does around, or `_HierarchicalLockManager`.
    fn run(&self, import: &Object) -> py::Result<Object> {
        let loads = &self.known.loads;
        let packages: Vec<u64> = self.packages.iter().map(|package| loads.enter(package, true)).collect();
        let number = loads.enter(self.name, false);
        let result = self.find_and_load_unlocked(import);
        let result = self.release(number, result);
        packages.into_iter().rev().fold(result, |result, number| self.release(number, result))
    }

    /// Ends a load, whose lock others may wait for.
    fn release(&self, number: u64, result: py::Result<Object>) -> py::Result<Object> {
        let load = self.known.loads.leave(number);
        let Some(lock) = load.and_then(|load| load.lock) else { return result };
        let failed = result.is_err();
        py::finally(result, || {
            let released = lock.attr(&self.known.names.release).and_then(|release| release.call(&[]));
            // What went wrong first is told.
            if failed && released.is_err() {
                py::clear();
                return Ok(());
            }
            released.map(drop)
        })
    }

    /// What the function of that name does.
    fn find_and_load_unlocked(&self, import: &Object) -> py::Result<Object> {
        if self.known.unlocked.audits {
            self.audit()?;
        }
        let none = py::none();
        let parent = match self.names {
            None => None,
            Some((package, tail)) => match self.parent(package, tail, import)? {
                Stage::Parent(parent) => Some(parent),
                Stage::Module(module) => return Ok(module),
                Stage::Original => return self.replay().search(&self.modules()?, None),
            },
        };
        let path = parent.as_ref().map_or(&none, |parent| &parent.path);
        let Ok(finders) = self.way.finders() else {
            py::clear();
            return self.replay().search(&self.modules()?, None);
        };
        // The original functions go on with whatever another finder gives, with their frames on the stack.
        let found = || self.prepare(path, parent.as_ref().map(|parent| &parent.name));
        let answer = match self.way.walk(self.name, &finders, path, found) {
            Ok(Answer::Ours(prepared)) => return self.load(prepared, parent),
            Ok(Answer::Other(spec)) => stand_in::giving(&spec)?,
            Err(py::Raised) => stand_in::raising(py::take_exception())?,
        };
        let mut modules = self.modules()?;
        if modules.is_dict() && modules.has_item(self.name)? {
            // A finder has imported the module: that is no reason not to load it.
            let real = modules;
            modules = py::dict()?;
            if let Some(parent) = &parent
                && let Some(package) = real.item(&parent.name)?
            {
                modules.set_item(&parent.name, &package)?;
            }
        }
        self.replay().search(&modules, Some(&answer))
    }

    /// Everything that is needed of a module that the image has, and that the ordinary search would find now.
    fn prepare(&self, path: &Object, package: Option<&Object>) -> Result<Prepared, Aside> {
        let active = self.way.active;
        let file = self.way.find(self.name, self.number, &self.module, path)?;
        let cached = match self.likeness.has_cached {
            true => spec::cached(active, &self.module, &file.text, &file.path)?,
            false => None,
        };
        let directory = match self.module.is_package() {
            true => Some(&active.directory(self.module.package)?.object),
            false => None,
        };
        let code = active.code(self.number, &self.module, &file.path)?;
        let made = self.likeness.make(&Parts {
            name: self.name,
            parent: package.unwrap_or(&self.known.empty),
            path: &file.path,
            cached: cached.as_ref(),
            directory,
        })?;
        if active.was_handed_out(self.number) {
            return Err(Aside::SecondImport);
        }
        Ok(Prepared { spec: made.spec, module: made.module, code })
    }

    /// `sys.modules`
    pub fn modules(&self) -> py::Result<Object> {
        let modules = self.way.active.importlib.modules()?;
        modules.ok_or_else(|| py::raise_runtime_error("lost sys.modules"))
    }

    /// The original functions, for an ending that they know.
    pub fn replay(&self) -> Replay<'_> {
        Replay { bootstrap: self.way.bootstrap, known: self.known, name: self.name }
    }

    /// `sys.audit("import", …)`
    fn audit(&self) -> py::Result<()> {
        let importlib = &self.way.active.importlib;
        let or_none = |value: Option<Object>| value.unwrap_or_else(py::none);
        let path = or_none(importlib.sys_path()?);
        let finders = or_none(importlib.meta_path()?);
        let hooks = or_none(importlib.path_hooks()?);
        let event = &self.way.bootstrap.name_import;
        self.known.audit.call(&[event, self.name, &py::none(), &path, &finders, &hooks]).map(drop)
    }
}
