//! The one place that knows all interpreters of the machine, the tested ones and the others.

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

/// The newest minor version that is looked for.
const NEWEST: u8 = 15;

/// Asked of every candidate; runs on any Python 3.
const PROBE: &str = r#"
import json, os, platform, sys, sysconfig
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
}))
"#;

/// One interpreter.
#[derive(Debug, Clone, Deserialize)]
pub struct Interpreter {
    /// The executable, resolved; never that of a virtual environment.
    pub executable: PathBuf,
    implementation: String,
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
    /// Name in the titles of tests: the version, and how it is linked.
    #[serde(default)]
    pub label: String,
}

impl Interpreter {
    /// How it is linked: this decides which addresses of an image can be right beforehand.
    fn linking(&self) -> &'static str {
        match (self.shared, self.pie) {
            (true, _) => "shared",
            (false, true) => "pie",
            (false, false) => "static",
        }
    }

    /// Whether a process that reads objects of an image at its preferred base writes nothing.
    pub fn writes_nothing(&self) -> bool {
        self.minor >= 12 && !self.shared && !self.pie
    }

    /// Why it does, if it does.
    pub fn why_it_writes(&self) -> &'static str {
        if self.minor < 12 {
            "reading writes reference counts"
        } else {
            "the addresses of its types differ from process to process"
        }
    }

    /// Why images are not made for it, if they are not.
    fn unsupported(&self) -> Option<&'static str> {
        if self.implementation != "CPython" {
            Some("not CPython")
        } else if self.debug {
            Some("a debug build")
        } else if self.free_threaded {
            Some("free-threaded")
        } else if cds_layout::cpython::layout(self.minor).is_none() {
            Some("no layout for this version")
        } else {
            None
        }
    }

    fn probe(candidate: &Path) -> Option<Interpreter> {
        let mut command = Command::new(candidate);
        command.args(["-I", "-S", "-c", PROBE]).env_clear().envs(env::vars_os().filter(|(k, _)| !is_python(k)));
        let output = command.stdin(Stdio::null()).output().ok()?;
        if !output.status.success() {
            return None;
        }
        serde_json::from_slice(&output.stdout).ok()
    }
}

fn is_python(key: &std::ffi::OsStr) -> bool {
    key.to_str().is_some_and(|k| k.starts_with("PYTHON") || k.starts_with("PYCDS"))
}

/// All interpreters of the machine.
#[derive(Debug)]
pub struct Interpreters {
    /// Those that the tests run on, oldest first.
    pub tested: Vec<Interpreter>,
    /// Those that they do not run on, and why.
    pub others: Vec<(Interpreter, &'static str)>,
}

impl Interpreters {
    /// Looks on `PATH`, at pyenv's versions and in the usual system directories.
    pub fn discover() -> Interpreters {
        let mut seen = BTreeSet::new();
        let mut found = Interpreters { tested: Vec::new(), others: Vec::new() };
        for candidate in candidates() {
            let Some(mut python) = Interpreter::probe(&candidate) else { continue };
            if !seen.insert((python.executable.clone(), python.build.clone())) {
                continue;
            }
            python.label = format!("{}-{}", python.version, python.linking());
            match python.unsupported() {
                None => found.tested.push(python),
                Some(reason) => found.others.push((python, reason)),
            }
        }
        let order = |p: &Interpreter| (p.minor, p.version.clone(), p.executable.clone());
        found.tested.sort_by_key(order);
        found.others.sort_by_key(|(p, _)| order(p));
        // Two builds of one version that are linked alike get numbers.
        for i in 1..found.tested.len() {
            let (before, rest) = found.tested.split_at_mut(i);
            let same =
                before.iter().filter(|p| p.version == rest[0].version && p.linking() == rest[0].linking()).count();
            if same > 0 {
                rest[0].label += &format!("-{}", same + 1);
            }
        }
        found
    }

    /// The supported minor versions that no interpreter of the machine has.
    pub fn missing(&self) -> Vec<u8> {
        let all = cds_layout::cpython::LAYOUTS.iter().map(|l| l.minor);
        all.filter(|minor| self.tested.iter().all(|p| p.minor != *minor)).collect()
    }
}

impl fmt::Display for Interpreters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for python in &self.tested {
            let linking = match python.linking() {
                "shared" => "shared libpython",
                "pie" => "PIE",
                _ => "non-PIE",
            };
            writeln!(f, "testing on CPython {} ({linking}, {})", python.version, python.executable.display())?;
        }
        for minor in self.missing() {
            writeln!(f, "skipped: CPython 3.{minor}: no such interpreter on this machine")?;
        }
        for (python, reason) in &self.others {
            let Interpreter { implementation, version, executable, .. } = python;
            writeln!(f, "not tested: {implementation} {version} ({reason}, {})", executable.display())?;
        }
        Ok(())
    }
}

/// Everything that could be an interpreter.
fn candidates() -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    let home = |name: &str| env::home_dir().map(|home| home.join(name));
    if let Some(root) = env::var_os("PYENV_ROOT").map(PathBuf::from).or_else(|| home(".pyenv")) {
        directories.extend(subdirectories(&root.join("versions")).map(|version| version.join("bin")));
    }
    directories.extend(["/usr/local/bin", "/usr/bin"].map(PathBuf::from));
    let names = ["python3".to_owned()].into_iter().chain((6..=NEWEST).map(|minor| format!("python3.{minor}")));
    let names: Vec<String> = names.collect();
    let mut all = Vec::new();
    for directory in directories {
        all.extend(names.iter().map(|name| directory.join(name)).filter(|path| path.is_file()));
    }
    all
}

fn subdirectories(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort();
    paths.into_iter()
}
