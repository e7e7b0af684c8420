//! The target: one exact build of CPython, as its own answers and its ELF file describe it.

mod elf;
mod error;
mod identity;
mod native;
mod objects;
mod probe;
mod profile;
#[cfg(test)]
pub mod testing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::graph::Str;
use cds_layout::cpython::Layout;
use cds_layout::format::Extern;
use serde::{Deserialize, Serialize};

pub use error::TargetError;
pub use identity::Identity;
pub use native::LONGEST as LONGEST_NAME;
pub use objects::{RuntimeOffsets, SmallInts};

/// Everything the builder must know about the interpreter that an image is for.
///
/// Made by [`Target::probe`] or read from a saved profile by [`Target::load`]; both check what they return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// `sys.executable`.
    pub executable: PathBuf,
    /// Version as people write it: `3.12.1`, `3.13.0rc2`.
    pub version: String,
    /// `sys.version`, which names build date and compiler.
    pub version_text: String,
    /// `sys.hexversion`.
    pub hexversion: u32,
    /// `sys.implementation.cache_tag`; empty if the interpreter has none and so reads no `__pycache__`.
    pub cache_tag: String,
    /// `sysconfig.get_config_var('SOABI')`.
    pub soabi: String,
    /// Whether it is a `Py_DEBUG` build. Never true of a target that was accepted.
    pub debug: bool,
    /// Whether it is a `Py_GIL_DISABLED` build. Never true of a target that was accepted.
    pub free_threaded: bool,
    /// ELF `e_machine`.
    pub machine: u16,
    /// `importlib.util.MAGIC_NUMBER`, the first bytes of its `.pyc` files.
    pub magic: [u8; 4],
    /// `sys.prefix`
    pub prefix: String,
    /// `sys.base_prefix`
    pub base_prefix: String,
    /// `sys.exec_prefix`
    pub exec_prefix: String,
    /// `sys.base_exec_prefix`
    pub base_exec_prefix: String,
    /// The directories of `sys.path` of an ordinary start, in order: without `PYTHONPATH`, script and current directory.
    pub search_path: Vec<SearchEntry>,
    /// `sys.builtin_module_names`, sorted.
    pub builtin_names: Vec<String>,
    /// Names that `FrozenImporter` finds, sorted.
    pub frozen_names: Vec<String>,
    /// Strings that every start of it interns, sorted: a hint, on which only the order of objects depends.
    pub start_strings: Vec<String>,
    /// Others that its own C code or the standard library's extension modules may intern before an image can, or what they end
    /// in, sorted: a hint as well.
    pub native_names: Vec<String>,
    /// `importlib.machinery.EXTENSION_SUFFIXES`, most specific first.
    pub extension_suffixes: Vec<String>,
    /// `sysconfig.get_path('purelib')`
    pub purelib: PathBuf,
    /// `sysconfig.get_path('platlib')`
    pub platlib: PathBuf,
    /// `sysconfig.get_path('scripts')`
    pub scripts: PathBuf,
    /// The ELF file that holds the interpreter: a `libpython` or the executable itself, symlinks resolved.
    pub elf: PathBuf,
    /// Whether its addresses move: it is `ET_DYN`.
    pub pie: bool,
    /// What a process must show to be this target.
    pub identity: Identity,
    /// Link-time addresses by symbol: the types, `None`, `True`, `False`, `...` and `_PyRuntime`.
    pub externs: BTreeMap<String, u64>,
    /// Link-time addresses of the objects without a symbol of their own.
    pub runtime_offsets: RuntimeOffsets,
}

/// Takes everything out of a child's environment that could change what it imports or compiles, and keeps an installed
/// loader from serving it. For interpreters that are to run without `-E`.
pub fn isolate(command: &mut Command) {
    remove_variables(command, "PYTHON");
    without_loader(command);
}

/// Keeps an installed loader from serving a child.
fn without_loader(command: &mut Command) {
    remove_variables(command, "PYCDS");
    command.env("PYCDSMODE", "OFF");
}

fn remove_variables(command: &mut Command, prefix: &str) {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(prefix.as_bytes()) {
            command.env_remove(name);
        }
    }
}

/// A directory of `sys.path`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchEntry {
    /// Exactly as `sys.path` has it.
    pub path: String,
    /// What the directory is for.
    pub role: Role,
}

/// What a directory of `sys.path` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The standard library's Python code.
    Stdlib,
    /// The standard library's extension modules.
    StdlibDynload,
    /// One of `site.getsitepackages()`.
    Site,
    /// `site.getusersitepackages()`.
    UserSite,
    /// Anything else: a line of a `.pth` file, a directory named on the command line.
    Other,
}

impl Target {
    /// Asks an interpreter. `python` is a path, or a name that is looked for on `PATH`.
    ///
    /// Runs it once, without writing anything and with `PYCDSMODE=OFF`, and reads the ELF file that it runs from and, for names in them, the
    /// standard library's extension modules.
    pub fn probe(python: &Path) -> Result<Target, TargetError> {
        probe::probe(python)
    }

    /// Reads a profile that [`Target::save`] wrote.
    pub fn load(path: &Path) -> Result<Target, TargetError> {
        profile::load(path)
    }

    /// Writes the target as JSON, so that images can be built without running it.
    pub fn save(&self, path: &Path) -> Result<(), TargetError> {
        profile::save(self, path)
    }

    /// Minor version: 12 for CPython 3.12.
    pub fn minor(&self) -> u8 {
        minor(self.hexversion)
    }

    /// How this target lays objects out.
    ///
    /// # Panics
    /// If the version is not supported: no target from [`Target::probe`] or [`Target::load`].
    pub fn layout(&self) -> &'static Layout {
        cds_layout::cpython::layout(self.minor()).expect("a target has a supported version")
    }

    /// Link-time address of an object of the interpreter; `None` if it lies outside the ELF file, on the heap.
    pub fn link_address(&self, object: Extern) -> Option<u64> {
        let runtime = &self.runtime_offsets;
        match object {
            Extern::Type(t) => self.externs.get(t.symbol()).copied(),
            Extern::None => self.externs.get(objects::NONE).copied(),
            Extern::False => self.externs.get(objects::FALSE).copied(),
            Extern::True => self.externs.get(objects::TRUE).copied(),
            Extern::Ellipsis => self.externs.get(objects::ELLIPSIS).copied(),
            Extern::EmptyStr => runtime.empty_str,
            Extern::EmptyBytes => runtime.empty_bytes,
            Extern::EmptyTuple => runtime.empty_tuple,
            Extern::SmallInt(i) => runtime.small_ints?.address(i),
            Extern::Latin1(c) | Extern::InternedLatin1(c) => *runtime.latin1.get(usize::from(c))?,
            Extern::Byte(byte) => *runtime.bytes.get(usize::from(byte))?,
        }
    }

    /// Link-time address of the interpreter's own copy of an interned string, if it has one in its file.
    pub fn link_string(&self, text: &Str) -> Option<u64> {
        if !text.ascii {
            return None;
        }
        self.runtime_offsets.strings.get(str::from_utf8(&text.data).ok()?).copied()
    }
}

fn minor(hexversion: u32) -> u8 {
    (hexversion >> 16) as u8
}
