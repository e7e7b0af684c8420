//! Which of the modules are wanted.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use globset::{Glob, GlobSet, GlobSetBuilder};

use super::{DiscoverError, Found, Skip};
use crate::target::Target;

/// Patterns of full module names. `*` matches dots too: `test.*` is everything inside `test`, but not `test` itself.
pub fn exclude<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<GlobSet, DiscoverError> {
    let bad = |pattern: &str, source| DiscoverError::Pattern { pattern: pattern.to_owned(), source };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let pattern = pattern.as_ref();
        set.add(Glob::new(pattern).map_err(|e| bad(pattern, e))?);
    }
    set.build().map_err(|e| bad("", e))
}

/// The names asked for, and the packages around them.
pub struct Wanted<'a> {
    names: &'a BTreeSet<String>,
    with_parents: HashSet<&'a str>,
}

impl<'a> Wanted<'a> {
    pub fn new(names: &'a BTreeSet<String>) -> Self {
        let mut with_parents = HashSet::new();
        for name in names {
            with_parents.insert(name.as_str());
            with_parents.extend(name.match_indices('.').map(|(dot, _)| &name[..dot]));
        }
        Wanted { names, with_parents }
    }

    /// Whether a module is asked for or has one inside that is.
    pub fn leads_to(&self, name: &str) -> bool {
        self.with_parents.contains(name)
    }

    /// Whether a module is asked for.
    pub fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The names that are neither among the modules, which are sorted by name, nor inside the interpreter.
    pub fn missing(&self, target: &Target, modules: &[Found]) -> Vec<Skip> {
        let is_there = |name: &String| {
            modules.binary_search_by(|m| m.name.cmp(name)).is_ok()
                || target.builtin_names.contains(name)
                || target.frozen_names.contains(name)
        };
        let missing = self.names.iter().filter(|name| !is_there(name));
        let skip = |name: &String| Skip {
            path: PathBuf::new(),
            module: Some(name.clone()),
            reason: "not found on the search path".to_owned(),
        };
        missing.map(skip).collect()
    }
}
