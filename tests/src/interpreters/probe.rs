//! One interpreter, as it answers for itself, and whether the tests can run on it.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

/// Asked of every candidate; runs on any Python 3.
const PROBE: &str = r#"
import importlib.util, json, os, platform, sys, sysconfig
with open('/proc/self/maps') as maps:
    shared = any('/libpython3.' in line for line in maps)
with open(os.path.realpath(sys.executable), 'rb') as file:
    head = file.read(18)
print(json.dumps({
    'executable': os.path.realpath(getattr(sys, '_base_executable', None) or sys.executable),
    'implementation': platform.python_implementation(),
    'version': platform.python_version(),
    'minor': sys.version_info[1],
    'build': sys.version,
    'debug': hasattr(sys, 'gettotalrefcount'),
    'free_threaded': bool(sysconfig.get_config_var('Py_GIL_DISABLED')),
    'prefix': sys.base_prefix,
    'headers': sysconfig.get_path('include', vars={'base': sys.base_prefix, 'installed_base': sys.base_prefix}),
    'soabi': sysconfig.get_config_var('SOABI') or '',
    'shared': shared,
    'pie': head[16:18] == b'\x03\x00',
    'installs': any(importlib.util.find_spec(name) for name in ('ensurepip', 'pip')),
}))
"#;

/// One interpreter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Interpreter {
    /// The executable, resolved; never that of a virtual environment.
    pub executable: PathBuf,
    /// `CPython`, `PyPy`.
    pub implementation: String,
    /// `3.12.1`.
    pub version: String,
    /// `12` for Python 3.12.
    pub minor: u8,
    /// `sys.version`.
    pub build: String,
    debug: bool,
    free_threaded: bool,
    /// `sys.base_prefix`.
    pub prefix: PathBuf,
    /// Where `Python.h` would be.
    pub headers: PathBuf,
    /// `SOABI`.
    pub soabi: String,
    /// Whether the interpreter lies in a `libpython3.x.so`.
    pub shared: bool,
    pie: bool,
    /// Whether it can get packages into an environment: by `ensurepip`, or with a pip of its own.
    installs: bool,
    /// Name in the titles of tests: the version, how it is linked, and the folder if it is in one.
    #[serde(default)]
    pub label: String,
}

/// Where the interpreter's types are: this decides which addresses of an image can be right beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Linking {
    /// In an executable at a fixed address.
    Static,
    /// In an executable whose addresses are random.
    Pie,
    /// In a `libpython3.x.so`.
    Shared,
}

impl Linking {
    /// As it is in the titles of tests.
    pub fn name(self) -> &'static str {
        match self {
            Linking::Static => "static",
            Linking::Pie => "pie",
            Linking::Shared => "shared",
        }
    }
}

impl fmt::Display for Linking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Linking::Static => "non-PIE",
            Linking::Pie => "PIE",
            Linking::Shared => "shared libpython",
        })
    }
}

/// Why the tests do not run on an interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unsuitable {
    /// Another implementation.
    NotCPython,
    /// A debug build: images are not made for it.
    Debug,
    /// A free-threaded build: images are not made for it.
    FreeThreaded,
    /// A version without a row in the layout tables.
    NoLayout,
    /// No packages can be installed with it.
    NoPip,
}

impl fmt::Display for Unsuitable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unsuitable::NotCPython => "not CPython",
            Unsuitable::Debug => "a debug build",
            Unsuitable::FreeThreaded => "a free-threaded build",
            Unsuitable::NoLayout => "no layout for this version",
            Unsuitable::NoPip => "neither `ensurepip` (on Debian the package python3-venv) nor pip",
        })
    }
}

impl Interpreter {
    /// How it is linked.
    pub fn linking(&self) -> Linking {
        match (self.shared, self.pie) {
            (true, _) => Linking::Shared,
            (false, true) => Linking::Pie,
            (false, false) => Linking::Static,
        }
    }

    fn has_immortal_objects(&self) -> bool {
        cds_layout::cpython::layout(self.minor).is_some_and(|layout| layout.refcount.immortal)
    }

    /// Whether a process that reads objects of an image at its preferred base writes nothing.
    pub fn writes_nothing(&self) -> bool {
        self.has_immortal_objects() && self.linking() == Linking::Static
    }

    /// The same; where it writes, what is not tested for that is named.
    pub fn writes_nothing_or_skips(&self, what: &str) -> bool {
        let nothing = self.writes_nothing();
        if !nothing {
            println!("skipped on {}: {what}, because {}", self.label, self.why_it_writes());
        }
        nothing
    }

    /// Why it does, if it does.
    fn why_it_writes(&self) -> &'static str {
        if !self.has_immortal_objects() {
            "reading writes reference counts"
        } else {
            "the addresses of its types differ from process to process"
        }
    }

    /// Why the tests do not run on it, if they do not.
    pub fn unsuitable(&self) -> Option<Unsuitable> {
        if self.implementation != "CPython" {
            Some(Unsuitable::NotCPython)
        } else if self.debug {
            Some(Unsuitable::Debug)
        } else if self.free_threaded {
            Some(Unsuitable::FreeThreaded)
        } else if cds_layout::cpython::layout(self.minor).is_none() {
            Some(Unsuitable::NoLayout)
        } else if !self.installs {
            Some(Unsuitable::NoPip)
        } else {
            None
        }
    }

    /// Asks a candidate; `None` if it is no Python 3 that works.
    pub fn probe(candidate: &Path) -> Option<Interpreter> {
        let mut command = Command::new(candidate);
        command.args(["-I", "-c", PROBE]).env_clear().envs(env::vars_os().filter(|(k, _)| !is_python(k)));
        let output = command.env("PYCDSMODE", "OFF").stdin(Stdio::null()).output().ok()?;
        if !output.status.success() {
            return None;
        }
        serde_json::from_slice(&output.stdout).ok()
    }
}

fn is_python(key: &OsStr) -> bool {
    key.to_str().is_some_and(|k| k.starts_with("PYTHON") || k.starts_with("PYCDS"))
}
