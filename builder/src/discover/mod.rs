//! Finds every module that the target's import system would find, without importing anything.

mod directory;
mod error;
mod filter;
mod search;
mod stat;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use globset::GlobSet;

use crate::target::{Role, Target};

pub use error::DiscoverError;
pub use filter::exclude;

/// What to look for, and where besides the target's own search path.
#[derive(Debug, Clone, Default)]
pub struct DiscoverOptions {
    /// Directories to search before the target's own, in this order. One that is on its search path stays where it is.
    pub roots: Vec<PathBuf>,
    /// If given, only these modules and the packages around them, and what the next two fields add.
    pub modules: Option<BTreeSet<String>>,
    /// If not empty, only these modules with everything below them and the packages around them, and what the others add.
    pub trees: BTreeSet<String>,
    /// If not empty, only what lies in these directories, and what the two fields before add. They are searched like `roots`.
    pub whole: Vec<PathBuf>,
    /// Full names of modules to leave out; see [`exclude`].
    pub exclude: GlobSet,
}

/// A directory that modules are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Exactly as `sys.path` has it; absolute.
    pub path: String,
    /// What the directory is for.
    pub role: Role,
}

/// What a module is loaded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FoundKind {
    /// `.py`
    Source,
    /// `.pyc` beside no source
    Sourceless,
    /// Shared object
    Extension,
    /// Directories without `__init__`
    Namespace,
}

/// A module that the target can import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Full dotted name.
    pub name: String,
    /// What it is loaded from.
    pub kind: FoundKind,
    /// Index in [`Discovery::roots`]. Of a namespace package, where its first portion lies.
    pub root: usize,
    /// The directory whose search finds the module: path below the root, `/` between the parts, empty for the root.
    pub directory: String,
    /// What the file's name below `directory` has behind the module's: `.py`, `/__init__.py`; empty for a namespace package.
    pub suffix: String,
    /// Whether it is a package.
    pub is_package: bool,
    /// The file, as the module's `__spec__.origin` has it. Of a namespace package, its first portion.
    pub path: PathBuf,
    /// Modification time of the file in nanoseconds since the epoch; 0 for a namespace package.
    pub mtime_ns: i64,
    /// Size of the file in bytes; 0 for a namespace package.
    pub size: u64,
}

impl Found {
    /// Name of the module without its package.
    pub fn tail(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or_default()
    }

    /// The package's own directory below the root: the first entry of its `__path__`.
    pub fn package_directory(&self) -> Option<String> {
        self.is_package.then(|| below(&self.directory, self.tail()))
    }
}

/// What was found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// The directories searched, in order.
    pub roots: Vec<Root>,
    /// The modules by name; each name once, as the import system would find it.
    pub modules: Vec<Found>,
    /// Modification time in nanoseconds of each directory that modules lie in and of each package's own, by root and
    /// path below it. Taken before the directory was listed; 0 where it would not show every change that matters.
    pub directories: BTreeMap<(usize, String), i64>,
    /// What was left out without having been excluded, by path and module.
    pub skipped: Vec<Skip>,
}

/// Something that could not be looked at or was not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skip {
    /// The file or directory; empty if there is none.
    pub path: PathBuf,
    /// The module, if it is about one.
    pub module: Option<String>,
    /// Why, in words that follow a colon.
    pub reason: String,
}

/// Finds the modules of a target as its `PathFinder` and `FileFinder` would (`Lib/importlib/_bootstrap_external.py`).
///
/// Modules that are built in or frozen are not among them: they are never looked for in directories.
/// The result depends on the directories' contents only.
pub fn discover(target: &Target, options: &DiscoverOptions) -> Result<Discovery, DiscoverError> {
    let roots = roots(target, options.whole.iter().chain(&options.roots))?;
    let none = BTreeSet::new();
    let restricted = options.modules.is_some() || !options.trees.is_empty() || !options.whole.is_empty();
    let names = options.modules.as_ref().unwrap_or(&none);
    let wanted = restricted.then(|| filter::Wanted::new(names, &options.trees, !options.whole.is_empty()));
    let walk = search::search(target, &roots, wanted.as_ref());

    let mut modules = walk.modules;
    let mut skipped = walk.skipped;
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(wanted) = &wanted {
        skipped.extend(wanted.missing(target, &modules));
    }
    if let (Some(wanted), false) = (&wanted, options.whole.is_empty()) {
        let whole = options.whole.iter().map(|root| absolute(root)).collect::<Result<BTreeSet<_>, _>>()?;
        modules.retain(|m| whole.contains(&roots[m.root].path) || wanted.keeps(&m.name));
    }
    modules.retain(|m| !options.exclude.is_match(&m.name));
    skipped.sort();

    let mut used = BTreeSet::new();
    for module in &modules {
        used.insert((module.root, module.directory.clone()));
        used.extend(walk.portions.get(&module.name).into_iter().flatten().cloned());
    }
    let mut directories = walk.directories;
    directories.retain(|place, _| used.contains(place));
    for module in modules.iter().filter(|m| !m.is_package) {
        // `a/__init__.py` would beat `a.py`, and making it changes the time of `a`, not that of the directory around it.
        let rival = join(&roots[module.root].path, &below(&module.directory, module.tail()));
        if rival.is_dir()
            && let Some(mtime_ns) = directories.get_mut(&(module.root, module.directory.clone()))
        {
            *mtime_ns = 0;
        }
    }
    Ok(Discovery { roots, modules, directories, skipped })
}

/// The directories to search. One that is there twice is searched once, where it comes first.
fn roots<'a>(target: &Target, extra: impl Iterator<Item = &'a PathBuf>) -> Result<Vec<Root>, DiscoverError> {
    let mut roots: Vec<Root> = Vec::new();
    let mut add = |root: Root| {
        if !roots.iter().any(|r| r.path == root.path) {
            roots.push(root);
        }
    };
    for path in extra {
        let path = absolute(path)?;
        // The order of `sys.path` decides which file a name means; naming a directory does not change that order.
        if !target.search_path.iter().any(|entry| entry.path == path) {
            add(Root { path, role: Role::Other });
        }
    }
    for entry in &target.search_path {
        add(Root { path: entry.path.clone(), role: entry.role });
    }
    Ok(roots)
}

/// The path that `sys.path` would have for this directory: `os.path.abspath`, which leaves symlinks alone.
fn absolute(path: &Path) -> Result<String, DiscoverError> {
    let unreadable = |source| DiscoverError::Root { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Err(DiscoverError::NotADirectory { path: path.to_owned() });
    }
    let full = std::path::absolute(path).map_err(unreadable)?;
    let mut out = PathBuf::new();
    for part in full.components() {
        if part == std::path::Component::ParentDir {
            out.pop();
        } else {
            out.push(part);
        }
    }
    out.into_os_string().into_string().map_err(|_| DiscoverError::NotText { path: path.to_owned() })
}

/// A path below a root.
fn below(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

/// A full module name.
fn dotted(package: &str, tail: &str) -> String {
    if package.is_empty() { tail.to_owned() } else { format!("{package}.{tail}") }
}

/// Joins as `_path_join` of importlib does: a root keeps its spelling, less slashes at its end.
fn join(root: &str, below: &str) -> PathBuf {
    if below.is_empty() {
        return PathBuf::from(root);
    }
    PathBuf::from(format!("{}/{below}", root.trim_end_matches('/')))
}
