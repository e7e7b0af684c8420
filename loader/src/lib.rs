//! `cds_loader`: serves imports from an image of CPython code objects.
//!
//! A file to read first is `activate.rs`: it judges an image ([`judge`]), maps it ([`map`]), checks its tables
//! ([`image`]) and puts a finder on `sys.meta_path` ([`finder`]). From then on an import of a module of the
//! image goes through [`search`] (is it what the ordinary search would find?), [`spec`], [`module_loader`] (is
//! the source unchanged?) and [`fixup`] (make the objects usable in this process: where they are mapped, or in a copy that [`file`]
//! reads into an [`arena`]). Whatever is not certain is
//! left to the ordinary import. Named objects go another way: [`data`] opens an image for them, [`objects`] is the
//! mapping that a program gets, [`recipe`] makes the values. [`opened`] holds every image that is mapped.
//!
//! **Invariant**: all code runs with the GIL held, see [`py`].
//! **Invariant**: tables are read in [`image`] only, objects in [`memory`] and [`segment`], where every position is checked.
//! **Invariant**: nothing of the image is written before a module or object that needs it is asked for.

#![warn(clippy::undocumented_unsafe_blocks)]

mod activate;
mod active;
mod arena;
mod aside;
mod asker;
mod bodies;
mod bootstrap;
mod data;
mod directories;
mod dump;
mod elf;
mod entry;
mod externs;
mod failure;
mod file;
mod finder;
mod finder_cache;
mod fixup;
mod found;
mod guard;
mod heap;
mod huge;
mod identity;
mod image;
mod importlib;
mod judge;
mod kept;
mod malformed;
mod map;
mod memory;
mod module;
mod module_loader;
mod nesting;
mod objects;
mod opened;
mod pages;
mod paths;
mod pause;
mod py;
mod reason;
mod recipe;
mod relocate;
mod reserve;
mod search;
mod segment;
mod settings;
mod shortcut;
mod spec;
mod stand_in;
mod status;
mod strings;
mod table;
mod talk;
mod texts;
mod trace;
mod unit;
mod unwaited;
mod unwind;

#[global_allocator]
static ALLOCATOR: reserve::Allocator = reserve::Allocator;

/// Called by the interpreter to import the module.
///
/// # Safety
///
/// * The GIL is held.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn PyInit_cds_loader() -> *mut py::PyObject {
    if py::free_threaded() {
        activate::refuse_free_threaded();
        return std::ptr::null_mut();
    }
    guard::quiet_panics();
    py::define_module(c"cds_loader", c"Serves imports from an image of CPython code objects.", module::METHODS.as_ptr())
}
