//! What the native `_find_and_load` needs to know of importlib, and whether that is as it was.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use cds_layout::cpython::{FindAndLoad, FindAndLoadUnlocked, GET_MODULE_LOCK, ImportFunctions, LOCK_UNLOCK_MODULE};

use super::likeness::Likeness;
use super::loads::{Loads, this_thread};
use crate::active::Active;
use crate::aside::Aside;
use crate::bootstrap::{Bootstrap, NamesUsed, uses_names};
use crate::py::{self, Builtin, Object, Result};

/// Functions, values and names.
#[derive(Debug)]
pub struct Known {
    /// What this release's `_find_and_load` does.
    pub form: &'static FindAndLoad,
    /// What this release's `_find_and_load_unlocked` does.
    pub unlocked: &'static FindAndLoadUnlocked,
    /// What is being loaded.
    pub loads: Loads,
    /// `builtins.__import__`, which C's import hands to `_find_and_load`.
    pub import: Object,
    /// `builtins.exec`
    pub exec: Object,
    /// `_module_locks`
    pub module_locks: Object,
    /// `_find_and_load`, `_find_and_load_unlocked`, `_load_unlocked`
    pub originals: [Object; 3],
    /// `sys.audit`
    pub audit: Object,
    /// `_imp._set_lazy_attributes` (3.15+)
    pub set_lazy_attributes: Option<Object>,
    /// `module_from_spec`
    pub module_from_spec: Object,
    /// `_bootstrap_external.spec_from_file_location`
    pub spec_from_file_location: Object,
    /// Names of attributes.
    pub names: Names,
    /// `''`
    pub empty: Object,
    /// The name of the package whose module was imported last: most often it is that of the next one, too.
    last_package: Mutex<Option<Object>>,
    /// `_ModuleLock`
    lock_class: Object,
    /// What `count` of a `_ModuleLock` is while it is held once: a number, or a list of `True`.
    held_count: OnceLock<Option<HeldCount>>,
    likeness: OnceLock<Option<Likeness>>,
    /// Attempts to learn it that went wrong.
    failures: AtomicU32,
    /// `__builtins__` of importlib
    pub builtins: Object,
    name_exec: Object,
    thread: Object,
    name_get_ident: Object,
    get_ident: Object,
    /// Functions and classes that must not have been replaced since.
    watched: OnceLock<Vec<(Object, Object)>>,
}

/// Names of attributes, interned.
#[derive(Debug)]
pub struct Names {
    /// `__path__`
    pub path: Object,
    /// `_initializing`
    pub initializing: Object,
    /// `_uninitialized_submodules`
    pub uninitialized: Object,
    /// `__builtins__`
    pub builtins: Object,
    /// `release`
    pub release: Object,
    owner: Object,
    count: Object,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeldCount {
    Number,
    List,
}

/// How often something may go wrong before modules are made by importlib for good.
const ATTEMPTS: u32 = 8;

/// How names of files begin that importlib's code is said to be of.
const IMPORTLIB: &str = "<frozen importlib";

/// What `_find_and_load` and the functions below it use.
const WATCHED: [&CStr; 12] = [
    c"_find_and_load_unlocked",
    c"_find_spec",
    c"_load_unlocked",
    c"_get_module_lock",
    c"_lock_unlock_module",
    c"_ModuleLockManager",
    c"_ModuleLock",
    c"_call_with_frames_removed",
    c"_init_module_attrs",
    c"_new_module",
    c"ModuleSpec",
    c"_HierarchicalLockManager",
];

impl Known {
    /// Looks everything up; `None` if the functions of this release are not the known ones.
    pub fn new(known: &ImportFunctions) -> Result<Option<Known>> {
        let module = py::import(c"_frozen_importlib")?;
        let external = py::import(c"_frozen_importlib_external")?;
        let function = |name| module.get(name);
        let names = NamesUsed::by(&function(c"_find_and_load")?)?;
        let Some(form) = names.form(known.find_and_load, |form| form.names)? else { return Ok(None) };
        let unlocked = known.find_and_load_unlocked;
        let as_known = uses_names(&module, c"_find_and_load_unlocked", unlocked.names)?
            && uses_names(&module, c"_get_module_lock", GET_MODULE_LOCK)?
            && uses_names(&module, c"_lock_unlock_module", LOCK_UNLOCK_MODULE)?;
        let builtins = external.get(c"SourceFileLoader")?.get(c"exec_module")?.get(c"__builtins__")?;
        let thread = py::module_dict(&py::import(c"_thread")?)?;
        let module_locks = function(c"_module_locks")?;
        if !as_known || !builtins.is_dict() || !module_locks.is_dict() {
            return Ok(None);
        }
        let (name_exec, name_get_ident) = (py::interned(c"exec")?, py::interned(c"get_ident")?);
        let (exec, import) = (builtins.subscript(&name_exec)?, builtins.subscript(&py::interned(c"__import__")?)?);
        let get_ident = thread.subscript(&name_get_ident)?;
        // Somebody may have put something else in their places.
        let builtin = |object: &Object| Builtin::new(object.clone()).is_some();
        if !builtin(&exec) || !builtin(&import) || !builtin(&get_ident) {
            return Ok(None);
        }
        let set_lazy_attributes =
            unlocked.sets_lazy_attributes.then(|| py::import(c"_imp")?.get(c"_set_lazy_attributes")).transpose()?;
        Ok(Some(Known {
            form,
            unlocked,
            loads: Loads::default(),
            originals: [
                function(c"_find_and_load")?,
                function(c"_find_and_load_unlocked")?,
                function(c"_load_unlocked")?,
            ],
            audit: py::import(c"sys")?.get(c"audit")?,
            set_lazy_attributes,
            module_from_spec: function(c"module_from_spec")?,
            spec_from_file_location: external.get(c"spec_from_file_location")?,
            names: Names {
                path: py::interned(c"__path__")?,
                initializing: py::interned(c"_initializing")?,
                uninitialized: py::interned(c"_uninitialized_submodules")?,
                builtins: py::interned(c"__builtins__")?,
                release: py::interned(c"release")?,
                owner: py::interned(c"owner")?,
                count: py::interned(c"count")?,
            },
            empty: py::string("")?,
            last_package: Mutex::default(),
            lock_class: function(c"_ModuleLock")?,
            held_count: OnceLock::new(),
            likeness: OnceLock::new(),
            failures: AtomicU32::new(0),
            watched: OnceLock::new(),
            exec,
            import,
            module_locks,
            builtins,
            name_exec,
            thread,
            name_get_ident,
            get_ident,
        }))
    }

    /// Remembers what is in the places of the functions now, the native ones included.
    pub fn watch(&self, bootstrap: &Bootstrap) -> Result<()> {
        let mut watched = Vec::new();
        for name in WATCHED {
            let name = py::interned(name)?;
            if let Some(value) = bootstrap.dict.item(&name)? {
                watched.push((name, value));
            }
        }
        let _ = self.watched.set(watched);
        Ok(())
    }

    /// Whether all that is as it was.
    pub fn is_original(&self, bootstrap: &Bootstrap) -> Result<bool> {
        let Some(watched) = self.watched.get() else { return Ok(false) };
        for (name, original) in watched {
            if !bootstrap.dict.item_is(name, original)? {
                return Ok(false);
            }
        }
        // Who changes what a thread is (gevent), changes who holds a lock.
        Ok(self.builtins.item_is(&self.name_exec, &self.exec)?
            && self.thread.item_is(&self.name_get_ident, &self.get_ident)?)
    }

    /// The name of a package as a `str`.
    pub fn package_name(&self, package: &str) -> Result<Object> {
        let mut last = self.last_package.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = last.as_ref().filter(|known| known.text().is_ok_and(|text| text == package)) {
            return Ok(known.clone());
        }
        // A string frees nothing but itself.
        Ok(last.insert(py::string(package)?).clone())
    }

    /// Whether it is known how modules and specs look.
    pub fn has_learned(&self) -> bool {
        self.likeness.get().is_some()
    }

    /// How modules and specs look, learned when first asked for; `None` where they cannot be made natively. Runs functions of
    /// importlib the first time, and so perhaps a signal's handler, whose exception is not lost. What else goes wrong, for want of
    /// memory or of frames, may work the next time.
    pub fn likeness(&self, active: &Active) -> std::result::Result<Option<&Likeness>, Aside> {
        if let Some(learned) = self.likeness.get() {
            return Ok(learned.as_ref());
        }
        let learned = match self.learn(active) {
            Ok(learned) => learned,
            Err(raised) if py::interrupted() => return Err(raised.into()),
            Err(_) if py::is_raised_outside(IMPORTLIB) => return Err(Aside::Raised),
            Err(raised) if self.failures.fetch_add(1, Ordering::Relaxed) + 1 < ATTEMPTS => return Err(raised.into()),
            Err(_) => {
                py::clear();
                None
            }
        };
        Ok(self.likeness.get_or_init(|| learned).as_ref())
    }

    fn learn(&self, active: &Active) -> Result<Option<Likeness>> {
        let thread = self.get_ident.call(&[])?.to_i64()? as u64;
        let held_count = if thread == this_thread() { self.learn_count()? } else { None };
        let _ = self.held_count.set(held_count);
        if held_count.is_none() { Ok(None) } else { Likeness::learn(self, active) }
    }

    /// What `acquire` leaves in a lock, if setting the same by hand makes it a lock that is held.
    fn learn_count(&self) -> Result<Option<HeldCount>> {
        let new = || self.lock_class.call(&[&py::string("cds_loader")?]);
        let (acquired, made) = (new()?, new()?);
        acquired.get(c"acquire")?.call(&[])?;
        let count = acquired.attr(&self.names.count)?;
        let held = match count.is_list() {
            true if count.list_len() == 1 && count.list_item(0)?.is(&py::boolean(true)) => HeldCount::List,
            false if count.equals(&py::integer(1)?)? => HeldCount::Number,
            _ => return Ok(None),
        };
        self.set_held(&made, this_thread(), held)?;
        let state = |lock: &Object| -> Result<Vec<Object>> {
            let state = lock.get(c"__dict__")?;
            let keys = state.keys()?;
            // Two locks of threads are never equal.
            let parts = (0..keys.list_len()).map(|i| keys.list_item(i)).collect::<Result<Vec<_>>>()?;
            let values = [c"owner", c"count", c"waiters", c"name"].map(|name| lock.get(name));
            parts.into_iter().map(Ok).chain(values).collect()
        };
        let same = || -> Result<bool> {
            let (acquired, made) = (state(&acquired)?, state(&made)?);
            let pairs = acquired.iter().zip(&made).map(|(a, b)| a.equals(b));
            Ok(acquired.len() == made.len() && pairs.collect::<Result<Vec<_>>>()?.into_iter().all(|same| same))
        };
        if !same()? {
            return Ok(None);
        }
        for lock in [&acquired, &made] {
            lock.attr(&self.names.release)?.call(&[])?;
        }
        Ok(same()?.then_some(held))
    }

    /// Puts a fresh lock into the state in which `thread` holds it. No Python code runs.
    pub fn hold_lock(&self, lock: &Object, thread: u64) -> Result<()> {
        match self.held_count.get().copied().flatten() {
            Some(held) => self.set_held(lock, thread, held),
            None => Ok(()),
        }
    }

    fn set_held(&self, lock: &Object, thread: u64, held: HeldCount) -> Result<()> {
        let count = match held {
            HeldCount::Number => py::integer(1)?,
            HeldCount::List => py::list(&[&py::boolean(true)])?,
        };
        lock.set_attr(&self.names.owner, &py::integer(thread as i64)?)?;
        lock.set_attr(&self.names.count, &count)
    }
}
