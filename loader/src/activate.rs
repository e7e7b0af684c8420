//! Puts an image to use: what `cds_loader.activate()` and `cds_loader._open(path)` do.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use cds_layout::cpython::{self, Layout};
use cds_layout::format::InvalidationMode;

use crate::active::{Active, Parts};
use crate::bootstrap::Bootstrap;
use crate::entry::{Entry, enter};
use crate::importlib::Importlib;
use crate::judge::{Judged, Rules, Running, judge};
use crate::opened::{self, Opened};
use crate::pause::Pause;
use crate::py::{self, Object};
use crate::reason::Reason;
use crate::settings::{self, Complaint, Mode};
use crate::status::{Outcome, record};
use crate::talk::say;
use crate::{dump, finder, module_loader, paths, shortcut, status, trace};

/// Whether the environment was followed, or an image named instead.
static ACTIVATED: AtomicBool = AtomicBool::new(false);

/// The mark of an image in use, by this copy of the loader or another one (an environment's own and a build tree's).
const IMAGE_MARK: &std::ffi::CStr = c"cds_loader.image";

/// What tells this copy of the loader from others: an address in it.
fn own_mark() -> py::Result<Object> {
    py::integer(&raw const ACTIVATED as i64)
}

/// Two loaders must not both prepare objects and serve imports.
fn refuse_second_loader() -> Result<(), Reason> {
    let foreign = || match py::interpreter_dict().ok_or(py::Raised)?.item(&py::interned(IMAGE_MARK)?)? {
        Some(mark) => Ok(!mark.equals(&own_mark()?)?),
        None => Ok(false),
    };
    if python(foreign())? { Err(Reason::OtherLoader) } else { Ok(()) }
}

/// Tells other copies of the loader that there is an image in use.
fn mark_image() -> py::Result<()> {
    py::interpreter_dict().ok_or(py::Raised)?.set_item(&py::interned(IMAGE_MARK)?, &own_mark()?)
}

/// Maps a judged image for this copy of the loader.
pub fn open_judged(path: &Path, judged: Judged, layout: &'static Layout) -> Result<&'static Opened, Reason> {
    refuse_second_loader()?;
    let opened = opened::open(path, judged, layout)?;
    python(mark_image())?;
    Ok(opened)
}

/// Follows the environment variables. Idempotent.
pub fn activate(module: &Object) {
    match enter() {
        Entry::First | Entry::Again if !ACTIVATED.swap(true, Ordering::Relaxed) => {}
        Entry::First | Entry::Again | Entry::Subinterpreter => return,
        Entry::SecondRuntime => {
            Active::abandon();
            return;
        }
    }
    let flags = py::import(c"sys").and_then(|sys| sys.get(c"flags"));
    let ignore = flags.and_then(|flags| flags.get(c"ignore_environment")?.is_true()).unwrap_or_else(|_| {
        py::clear();
        true
    });
    let (mode, verbosity) = if ignore { (Ok(Mode::Default), 0) } else { (settings::mode(), settings::verbosity()) };
    match mode {
        Ok(Mode::Off) => record(Outcome::Off),
        Ok(Mode::Default) => use_default(module, verbosity),
        Ok(Mode::Trace { list }) => {
            record(Outcome::Off);
            if trace::start(list).is_err() {
                say(format_args!("cannot trace: {}", py::take_error_text()));
            }
        }
        Ok(Mode::Dump { list, archive }) => dump::run(module, &list, &archive),
        Ok(Mode::Share { archive, required }) => {
            if let Err(reason) = use_image(&archive, module, verbosity) {
                say(format_args!("image {} rejected: {reason}", archive.display()));
                record(Outcome::Rejected(archive, reason));
                if required {
                    dump::exit(1);
                }
            }
        }
        Err(Complaint { text, exit }) => {
            record(Outcome::Off);
            say(text);
            if let Some(status) = exit {
                dump::exit(status);
            }
        }
    }
}

/// In a free-threaded build not even the module can be made: an `ImportError`, which the start file expects.
pub fn refuse_free_threaded() {
    let reason = Reason::UnsupportedBuild("free-threaded");
    let mode = if py::ignores_environment() { Ok(Mode::Default) } else { settings::mode() };
    if let Ok(Mode::Share { archive, required }) = mode {
        say(format_args!("image {} rejected: {reason}", archive.display()));
        if required {
            dump::exit(1);
        }
    }
    py::raise_import_error(&reason.to_string());
}

fn use_default(module: &Object, verbosity: u8) {
    let Some(path) = default_images(module).into_iter().find(|path| path.exists()) else {
        record(Outcome::Absent);
        return;
    };
    if let Err(reason) = use_image(&path, module, verbosity) {
        if verbosity > 0 {
            say(format_args!("image {} rejected: {reason}", path.display()));
        }
        record(Outcome::Rejected(path, reason));
    }
}

/// `site-cds.<SOABI>.so` and `site-cds.so` beside the loader.
fn default_images(module: &Object) -> Vec<PathBuf> {
    let Some(folder) = paths::folder(module) else { return Vec::new() };
    // The first suffix of extension modules is `.<SOABI>.so`; sysconfig would have to be imported.
    let suffix = || -> py::Result<String> {
        let suffixes = py::import(c"_imp")?.get(c"extension_suffixes")?.call(&[])?;
        Ok(suffixes.list_item(0)?.text()?.to_owned())
    };
    let own = suffix().map(|suffix| folder.join(format!("site-cds{suffix}")));
    if own.is_err() {
        py::clear();
    }
    own.into_iter().chain([folder.join("site-cds.so")]).collect()
}

/// Uses the image whatever the environment says, once nothing else is in use.
pub fn open(path: &Path, module: &Object, verbosity: u8) -> Result<(), Reason> {
    match enter() {
        Entry::First => {}
        Entry::Again => {
            if let Some(active) = Active::get() {
                return if active.path == path { Ok(()) } else { Err(Reason::OtherImage(active.path.clone())) };
            }
        }
        Entry::SecondRuntime => return Err(Reason::Reinitialized),
        Entry::Subinterpreter => return Err(Reason::Subinterpreter),
    }
    ACTIVATED.store(true, Ordering::Relaxed);
    use_image(path, module, verbosity).inspect_err(|reason| {
        record(Outcome::Rejected(path.to_owned(), reason.clone()));
    })
}

fn use_image(path: &Path, module: &Object, verbosity: u8) -> Result<(), Reason> {
    let set_up = prepare(path, module, verbosity);
    if set_up.is_err() {
        py::clear();
    }
    set_up
}

/// An exception becomes the reason.
pub fn python<T>(result: py::Result<T>) -> Result<T, Reason> {
    result.map_err(|_| Reason::Python(py::take_error_text()))
}

/// Judges, maps and installs.
fn prepare(path: &Path, module: &Object, verbosity: u8) -> Result<(), Reason> {
    let layout = layout()?;
    let sys = python(py::import(c"sys"))?;
    let flags = python(sys.get(c"flags"))?;
    let optimize = python(flags.get(c"optimize").and_then(|level| level.to_i64()))?;
    let check = python(py::import(c"_imp").and_then(|imp| imp.get(c"check_hash_based_pycs")))?;
    let check = python(check.text())?;
    refuse_unusual(&sys, &flags)?;

    let rules = Rules { optimize, check_always: check == "always" };
    let running = Running { hexversion: py::hexversion(), modules: Some(rules) };
    let judged = judge(path, &running)?;
    let importlib = python(Importlib::new())?;
    // Before anything is mapped: no place in the search, no image.
    python(importlib.path_finder_position())?.ok_or(Reason::NoPathFinder)?;
    let opened = open_judged(path, judged, layout)?;
    let invalidation = match opened.image.header.invalidation {
        InvalidationMode::CheckedHash if check == "never" => InvalidationMode::UncheckedHash,
        invalidation => invalidation,
    };
    // `-v` says what the functions of importlib do, and the short way leaves them out.
    let verbose = python(flags.get(c"verbose").and_then(|level| level.is_true()))?;
    let bootstrap = if verbose { None } else { known_bootstrap(layout) };
    let pause = pause(python(flags.get(c"ignore_environment").and_then(|flag| flag.is_true()))?)?;
    let loader = python(module_loader::class(&importlib))?;
    let finder = python(finder::finder())?;
    python(module.set_attr(&python(py::interned(c"ImageLoader"))?, &loader))?;
    let active = Active::new(Parts {
        path: path.to_owned(),
        opened,
        importlib,
        bootstrap,
        pause,
        loader,
        finder,
        invalidation,
        utf8_paths: utf8_paths(&sys)?,
        optimize,
        verbosity,
        layout,
    })?;
    if verbosity > 0 {
        python(status::summarize_at_exit())?;
    }
    let (finders, position) = python(active.importlib.path_finder_position())?.ok_or(Reason::NoPathFinder)?;
    let active = active.publish();
    record(Outcome::Active);
    let set_up = || {
        finders.list_insert(position, &active.finder)?;
        shortcut::install(active)
    };
    if let Err(reason) = python(set_up()) {
        Active::abandon();
        return Err(reason);
    }
    Ok(())
}

/// What the short way needs, where importlib is as known.
fn known_bootstrap(layout: &Layout) -> Option<Bootstrap> {
    Bootstrap::new(&layout.import_functions).unwrap_or_else(|_| {
        // Somebody has put something else in the place of a function.
        py::clear();
        None
    })
}

/// What `PYCDSGC` asks for.
fn pause(ignores_environment: bool) -> Result<Option<Pause>, Reason> {
    match settings::pauses_collector() {
        Ok(true) if !ignores_environment => Ok(Some(python(Pause::new())?)),
        Err(Complaint { text, .. }) if !ignores_environment => {
            say(text);
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// Whether the file system's names are UTF-8, as they are but in old locales.
fn utf8_paths(sys: &Object) -> Result<bool, Reason> {
    let encoding = python(sys.get(c"getfilesystemencoding").and_then(|function| function.call(&[])))?;
    Ok(python(encoding.text())? == "utf-8")
}

/// The layout of the running interpreter's objects.
pub fn layout() -> Result<&'static Layout, Reason> {
    let hexversion = py::hexversion();
    let minor = (hexversion >> 16) as u8;
    cpython::layout(minor).filter(|_| hexversion >> 24 == 3).ok_or(Reason::UnsupportedVersion(hexversion))
}

/// Builds whose objects have other layouts.
pub fn refuse_other_builds(sys: &Object) -> Result<(), Reason> {
    let abi_flags = python(sys.get(c"abiflags"))?;
    let abi_flags = python(abi_flags.text())?;
    if abi_flags.contains('t') {
        return Err(Reason::UnsupportedBuild("free-threaded"));
    }
    if abi_flags.contains('d') {
        return Err(Reason::UnsupportedBuild("debug"));
    }
    Ok(())
}

/// Kinds of processes whose objects differ from what an image holds.
fn refuse_unusual(sys: &Object, flags: &Object) -> Result<(), Reason> {
    refuse_other_builds(sys)?;
    // `_PyCode_New` (Objects/codeobject.c) strips columns then. The configuration itself has no stable API.
    let option = match py::x_options() {
        Some(options) => python(py::interned(c"no_debug_ranges").and_then(|name| options.item(&name)))?.is_some(),
        None => false,
    };
    let ignore = python(flags.get(c"ignore_environment").and_then(|flag| flag.is_true()))?;
    let variable = !ignore && std::env::var_os("PYTHONNODEBUGRANGES").is_some_and(|value| !value.is_empty());
    if option || variable { Err(Reason::NoDebugRanges) } else { Ok(()) }
}
