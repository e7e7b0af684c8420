//! One directory as `FileFinder` sees it.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::FoundKind;
use super::stat::{Stat, stat};

/// File name endings of modules, in the order in which `FileFinder` tries them.
pub struct Suffixes(Vec<(String, FoundKind)>);

impl Suffixes {
    /// Extension modules, then source, then bytecode: `_get_supported_file_loaders`.
    pub fn new(extension_suffixes: &[String]) -> Self {
        let extensions = extension_suffixes.iter().map(|s| (s.clone(), FoundKind::Extension));
        let others = [(".py".to_owned(), FoundKind::Source), (".pyc".to_owned(), FoundKind::Sourceless)];
        Suffixes(extensions.chain(others).collect())
    }
}

/// What a directory has for a name.
#[derive(Debug)]
pub enum Entry {
    /// A module file or a package's `__init__` file.
    File {
        /// What its name below the directory has behind the module's.
        suffix: String,
        kind: FoundKind,
        is_package: bool,
        stat: Stat,
    },
    /// A directory without `__init__`: perhaps a portion of a namespace package.
    Portion,
}

/// A directory and the names in it.
pub struct Directory {
    path: PathBuf,
    names: HashSet<String>,
}

impl Directory {
    /// Lists a directory.
    pub fn list(path: &Path) -> io::Result<Directory> {
        let mut names = HashSet::new();
        for entry in fs::read_dir(path)? {
            // No identifier is anything but UTF-8.
            if let Ok(name) = entry?.file_name().into_string() {
                names.insert(name);
            }
        }
        Ok(Directory { path: path.to_owned(), names })
    }

    /// The names of modules that there could be.
    ///
    /// A file may have any name that the import system can look for: `sysconfig` imports
    /// `_sysconfigdata__linux_x86_64-linux-gnu`, code compiled by mypyc `81d243bd2c585b0f4821__mypyc`. A directory must
    /// have an identifier for a name, or `site-packages` inside the standard library would be a namespace package.
    pub fn candidates(&self, suffixes: &Suffixes) -> BTreeSet<&str> {
        let stems = |name| suffixes.0.iter().filter_map(move |(s, _)| str::strip_suffix(name, s.as_str()));
        let files =
            self.names.iter().flat_map(|name| stems(name)).filter(|stem| !stem.is_empty() && !stem.contains('.'));
        let directories = self.names.iter().map(String::as_str).filter(|name| is_identifier(name));
        files.chain(directories).filter(|name| !NOT_MODULES.contains(name)).collect()
    }

    /// `FileFinder.find_spec`.
    pub fn find(&self, name: &str, suffixes: &Suffixes) -> Option<Entry> {
        let mut is_portion = false;
        if self.names.contains(name) {
            for (suffix, kind) in &suffixes.0 {
                let suffix = format!("/__init__{suffix}");
                if let Some(stat) = self.file(&[name, &suffix].concat()) {
                    return Some(Entry::File { suffix, kind: *kind, is_package: true, stat });
                }
            }
            is_portion = stat(&self.path.join(name)).is_some_and(|s| s.is_dir);
        }
        for (suffix, kind) in &suffixes.0 {
            let file = format!("{name}{suffix}");
            if self.names.contains(&file)
                && let Some(stat) = self.file(&file)
            {
                return Some(Entry::File { suffix: suffix.clone(), kind: *kind, is_package: false, stat });
            }
        }
        is_portion.then_some(Entry::Portion)
    }

    fn file(&self, below: &str) -> Option<Stat> {
        stat(&self.path.join(below)).filter(|s| s.is_file)
    }
}

/// Names that could be imported and never are. `__init__` would run a package's code a second time.
const NOT_MODULES: [&str; 2] = ["__pycache__", "__init__"];

/// `str.isidentifier`, nearly: it has the same letters but for a few rare ones.
fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c == '_' || c.is_alphabetic()) && name.chars().all(|c| c == '_' || c.is_alphanumeric())
}
