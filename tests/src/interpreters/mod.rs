//! The one place that knows all interpreters of the machine, the tested ones and the others.
//!
//! The tests of a folder with another system run inside it, so this finds what there is where the process runs.

mod coverage;
mod probe;

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

pub use coverage::{Requirement, requirements};
pub use probe::{Interpreter, Linking, Unsuitable};

use crate::folder;

/// The newest minor version that is looked for.
const NEWEST: u8 = *coverage::REQUIRED.end();

/// All interpreters of the machine or of a folder.
#[derive(Debug, Serialize, Deserialize)]
pub struct Interpreters {
    /// Those that the tests run on, oldest first.
    pub tested: Vec<Interpreter>,
    /// Those that they do not run on, and why.
    pub others: Vec<(Interpreter, Unsuitable)>,
    /// The folder that they are in.
    pub folder: Option<String>,
}

impl Interpreters {
    /// Looks on `PATH`, at pyenv's versions and in the usual system directories.
    pub fn discover() -> Interpreters {
        let mut seen = BTreeSet::new();
        let folder = folder::inside().map(|inside| inside.name);
        let mut found = Interpreters { tested: Vec::new(), others: Vec::new(), folder };
        for candidate in candidates() {
            let Some(mut python) = Interpreter::probe(&candidate) else { continue };
            if !seen.insert((python.executable.clone(), python.build.clone())) {
                continue;
            }
            let kind = match python.unsuitable() {
                Some(Unsuitable::Debug) => "debug",
                Some(Unsuitable::FreeThreaded) => "free-threaded",
                _ => python.linking().name(),
            };
            python.label = format!("{}-{kind}", python.version);
            match python.unsuitable() {
                None => found.tested.push(python),
                Some(reason) => found.others.push((python, reason)),
            }
        }
        let order = |p: &Interpreter| (p.minor, p.version.clone(), p.executable.clone());
        found.tested.sort_by_key(order);
        found.others.sort_by_key(|(p, _)| order(p));
        let folder = found.folder.clone();
        number(found.tested.iter_mut(), folder.as_deref());
        number(found.others.iter_mut().map(|(python, _)| python), folder.as_deref());
        found
    }

    /// A tested interpreter by label, by version, or by path, also one that was not found.
    pub fn named(&self, name: &str) -> Result<Interpreter> {
        if let Some(python) = self.tested.iter().find(|p| p.label == name || p.version == name) {
            return Ok(python.clone());
        }
        let path = Path::new(name);
        let Some(mut python) = path.is_file().then(|| Interpreter::probe(path)).flatten() else {
            let labels: Vec<&str> = self.tested.iter().map(|p| p.label.as_str()).collect();
            bail!("no interpreter `{name}`; there are {}, and paths", labels.join(", "));
        };
        if let Some(reason) = python.unsuitable() {
            bail!("`{name}` is not suitable: {reason}");
        }
        let found = self.tested.iter().find(|p| p.executable == python.executable);
        let new = || format!("{}-{}", python.version, python.linking().name());
        python.label = found.map_or_else(new, |p| p.label.clone());
        Ok(python)
    }
}

/// Makes labels unique: two builds of one version that are linked alike get numbers. Then the folder.
fn number<'a>(all: impl Iterator<Item = &'a mut Interpreter>, folder: Option<&str>) {
    let mut before: Vec<String> = Vec::new();
    for python in all {
        let same = before.iter().filter(|label| **label == python.label).count();
        before.push(python.label.clone());
        if same > 0 {
            python.label += &format!("-{}", same + 1);
        }
        if let Some(folder) = folder {
            python.label += &format!(".{folder}");
        }
    }
}

impl fmt::Display for Interpreters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.as_ref().map(|folder| format!(" in {folder}")).unwrap_or_default();
        for python in &self.tested {
            let Interpreter { version, executable, .. } = python;
            writeln!(f, "testing on CPython {version} ({}, {}{folder})", python.linking(), executable.display())?;
        }
        for (python, reason) in &self.others {
            let Interpreter { implementation, version, executable, .. } = python;
            writeln!(f, "not tested: {implementation} {version} ({reason}, {}{folder})", executable.display())?;
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
