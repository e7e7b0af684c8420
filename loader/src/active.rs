//! The image that this process uses, and everything that is remembered about it.

use std::path::PathBuf;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use cds_layout::cpython::Layout;
use cds_layout::format::{InvalidationMode, MAX_NUMBER, ModuleKind, ModuleRecord, NONE, SectionKind};

use crate::aside::Aside;
use crate::bootstrap::Bootstrap;
use crate::directories::Listings;
use crate::fixup::{Filename, Fixups};
use crate::found::Found;
use crate::image::Image;
use crate::importlib::Importlib;
use crate::malformed::Malformed;
use crate::opened::Opened;
use crate::paths::{Directory, Root};
use crate::pause::Pause;
use crate::py::Object;
use crate::reason::Reason;
use crate::reserve;
use crate::table::{Numbers, Pointers};

/// An image in use. Lives for ever once it is published.
#[derive(Debug)]
pub struct Active {
    /// Absolute path of the file.
    pub path: PathBuf,
    /// The mapped image.
    pub image: &'static Image,
    /// What was fixed up.
    fixups: &'static Fixups,
    /// The import system.
    pub importlib: Importlib,
    /// What the short way needs, where it can be gone.
    pub bootstrap: Option<Bootstrap>,
    /// Keeps the collector from running while modules execute, if that was asked for.
    pub pause: Option<Pause>,
    /// `ImageLoader`
    pub loader: Object,
    /// The `ImageFinder` on `sys.meta_path`
    pub finder: Object,
    /// Directory listings.
    pub listings: Listings,
    /// How sources are checked in this process.
    pub invalidation: InvalidationMode,
    /// Whether the bytes of a path are its UTF-8 form. Otherwise only ASCII paths are known to be encoded as that.
    utf8_paths: bool,
    /// `.opt-1` or the like: what `cache_from_source` puts before `.pyc`.
    pub optimization: String,
    /// `PYCDSVERBOSE`
    pub verbosity: u8,
    /// Counters for `status()` and the summary.
    pub counters: Counters,
    roots: Vec<Option<Root>>,
    directories: Pointers<Directory>,
    /// The tables of this interpreter.
    pub layout: &'static Layout,
    /// The modules whose code was handed out.
    handed_out: Numbers<MODULES>,
    /// Code that was made, but not handed out yet, with the number of its module.
    made: Mutex<Vec<(u32, Object)>>,
    /// What `_find_spec` has just found.
    found: Mutex<Option<Found>>,
}

// SAFETY: the Python objects in it are used under the GIL of the main interpreter only: by methods of
// objects that exist only there, and by module functions that ask `current()`. The rest is atomics and locks.
unsafe impl Sync for Active {}
// SAFETY: as above.
unsafe impl Send for Active {}

/// How often what happened.
#[derive(Debug, Default)]
pub struct Counters {
    /// Modules whose code was handed out.
    pub served: AtomicU64,
    /// Extension modules and the like that were located.
    pub located: AtomicU64,
    /// Times that the ordinary import ran for a module that the image has.
    pub aside: AtomicU64,
    /// Times that a name was asked for that the image does not have.
    pub unknown: AtomicU64,
}

impl Counters {
    /// One more.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What [`Active::new`] needs beside the image.
pub struct Parts {
    /// Absolute path of the file.
    pub path: PathBuf,
    /// The mapped image.
    pub opened: &'static Opened,
    /// The import system.
    pub importlib: Importlib,
    /// What the short way needs, where it can be gone.
    pub bootstrap: Option<Bootstrap>,
    /// `PYCDSGC`
    pub pause: Option<Pause>,
    /// `ImageLoader`
    pub loader: Object,
    /// `ImageFinder`
    pub finder: Object,
    /// How sources are checked.
    pub invalidation: InvalidationMode,
    /// Whether the file system encoding is UTF-8.
    pub utf8_paths: bool,
    /// `sys.flags.optimize`
    pub optimize: i64,
    /// `PYCDSVERBOSE`
    pub verbosity: u8,
    /// Layout of the interpreter's objects.
    pub layout: &'static Layout,
}

/// Bits of the number of a module's record.
const MODULES: u32 = MAX_NUMBER.ilog2() + 1;

static ACTIVE: AtomicPtr<Active> = AtomicPtr::new(ptr::null_mut());

impl Active {
    /// Nothing served yet.
    pub fn new(parts: Parts) -> Result<Active, Reason> {
        let image = &parts.opened.image;
        let roots = Root::resolve_all(image).ok_or(Reason::Malformed(SectionKind::Roots.elf_name()))?;
        let optimization = if parts.optimize == 0 { String::new() } else { format!(".opt-{}", parts.optimize) };
        Ok(Active {
            path: parts.path,
            fixups: &parts.opened.fixups,
            importlib: parts.importlib,
            bootstrap: parts.bootstrap,
            pause: parts.pause,
            loader: parts.loader,
            finder: parts.finder,
            found: Mutex::default(),
            listings: Listings::default(),
            invalidation: parts.invalidation,
            utf8_paths: parts.utf8_paths,
            optimization,
            verbosity: parts.verbosity,
            counters: Counters::default(),
            roots,
            directories: Pointers::new(),
            layout: parts.layout,
            handed_out: Numbers::new(),
            made: Mutex::default(),
            image,
        })
    }

    /// Makes this the image of the process.
    pub fn publish(self) -> &'static Active {
        let active = Box::leak(Box::new(self));
        ACTIVE.store(active, Ordering::Release);
        active
    }

    /// The image of the process, for methods of objects that exist in the interpreter that uses it.
    pub fn get() -> Option<&'static Active> {
        // SAFETY: null or what `publish` leaked.
        unsafe { ACTIVE.load(Ordering::Acquire).as_ref() }
    }

    /// Takes the image out of use: its Python objects belong to a runtime that is gone.
    pub fn abandon() {
        ACTIVE.store(ptr::null_mut(), Ordering::Release);
    }

    /// Whether a spec is that of the module that `_find_spec` has just found.
    pub fn has_found(&self, spec: &Object) -> bool {
        let name = spec.attr(&self.importlib.names.name);
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        name.is_ok_and(|name| found.as_ref().is_some_and(|found| found.fullname.is(&name)))
    }

    /// Notes what `_find_spec` has just found, and gives what was noted before. The lock is never held while Python runs.
    pub fn set_found(&self, found: Option<Found>) -> Option<Found> {
        std::mem::replace(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner), found)
    }

    /// A root, if its path is known in this process.
    pub fn root(&self, number: u32) -> Option<&Root> {
        self.roots.get(number as usize)?.as_ref()
    }

    /// A directory of the image, with its path in this process.
    pub fn directory(&self, number: u32) -> Result<&Directory, Aside> {
        if let Some(known) = self.directories.get(number) {
            // SAFETY: entries are leaked boxes.
            return Ok(unsafe { known.as_ref() });
        }
        let record = self.image.directory(number).ok_or(Malformed)?;
        let root = self.root(record.root).ok_or(Aside::NotOnPath)?;
        let directory = Directory::new(root, record, self.image.text(record.relative).ok_or(Malformed)?)?;
        let directory = Box::leak(Box::new(directory));
        self.directories.set(number, ptr::NonNull::from(&mut *directory));
        Ok(directory)
    }

    /// Path of the module's file in this process.
    pub fn file(&self, module: &ModuleRecord<'_>) -> Result<String, Aside> {
        let directory = self.directory(module.directory)?;
        let file = directory.file(module.tail(), module.suffix);
        if self.utf8_paths || file.is_ascii() { Ok(file) } else { Err(Aside::PathEncoding) }
    }

    /// Whether the code of module `number` was handed out before.
    pub fn was_handed_out(&self, number: u32) -> bool {
        self.handed_out.get(number).is_some()
    }

    /// Whether an import of module `number` may begin at all: whatever leads to it, code is handed out once, and where there is no memory
    /// importlib is better at saying so.
    pub fn may_begin(&self, number: u32, module: &ModuleRecord<'_>) -> Result<(), Aside> {
        if module.kind == ModuleKind::Namespace {
            return Err(Aside::Namespace);
        }
        if module.kind == ModuleKind::Source && self.was_handed_out(number) {
            return Err(Aside::SecondImport);
        }
        if reserve::is_low() { Err(Aside::NoMemory) } else { Ok(()) }
    }

    /// Remembers that it was.
    pub fn hand_out(&self, number: u32) {
        self.handed_out.set(number, 1);
        let made = self.with_made(|made| Some(made.swap_remove(made.iter().position(|(known, _)| *known == number)?)));
        drop(made);
        Counters::count(&self.counters.served);
    }

    /// The lock is never held while Python runs.
    fn with_made<T>(&self, body: impl FnOnce(&mut Vec<(u32, Object)>) -> T) -> T {
        body(&mut self.made.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The code object of the module `number`, which is the same until it is handed out; `path` is its file name in this process.
    pub fn code(&self, number: u32, module: &ModuleRecord<'_>, path: &Object) -> Result<Object, Aside> {
        let made = self.with_made(|made| made.iter().find(|(known, _)| *known == number).map(|(_, code)| code.clone()));
        if let Some(code) = made {
            return Ok(code);
        }
        if module.code == NONE {
            return Err(Aside::Malformed);
        }
        let directory = self.directory(module.directory)?;
        let filename = Filename { path, predicted: directory.predicted };
        let code = self.fixups.code(self.image, module.unit, &filename, module.code)?;
        self.with_made(|made| made.push((number, code.clone())));
        Ok(code)
    }
}
