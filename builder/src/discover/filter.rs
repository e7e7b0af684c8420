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
    trees: &'a BTreeSet<String>,
    with_parents: HashSet<&'a str>,
    whole_roots: bool,
}

impl<'a> Wanted<'a> {
    /// `names` are wanted alone, `trees` with everything below them. With `whole_roots` every name may be wanted: where
    /// a module lies decides.
    pub fn new(names: &'a BTreeSet<String>, trees: &'a BTreeSet<String>, whole_roots: bool) -> Self {
        let mut with_parents = HashSet::new();
        for name in names.iter().chain(trees) {
            with_parents.insert(name.as_str());
            with_parents.extend(name.match_indices('.').map(|(dot, _)| &name[..dot]));
        }
        Wanted { names, trees, with_parents, whole_roots }
    }

    /// Whether the search must look at a module, because it or one inside it may be wanted.
    pub fn leads_to(&self, name: &str) -> bool {
        self.whole_roots || self.keeps(name)
    }

    /// Whether a module is wanted by its name, or is a package around one that is.
    pub fn keeps(&self, name: &str) -> bool {
        self.with_parents.contains(name) || self.in_tree(name)
    }

    fn in_tree(&self, name: &str) -> bool {
        !self.trees.is_empty()
            && name
                .match_indices('.')
                .map(|(dot, _)| &name[..dot])
                .chain([name])
                .any(|outer| self.trees.contains(outer))
    }

    /// Whether a module is asked for by its own name.
    pub fn contains(&self, name: &str) -> bool {
        self.names.contains(name) || self.trees.contains(name)
    }

    /// The names that are neither among the modules, which are sorted by name, nor inside the interpreter.
    pub fn missing(&self, target: &Target, modules: &[Found]) -> Vec<Skip> {
        let is_there = |name: &String| {
            modules.binary_search_by(|m| m.name.cmp(name)).is_ok()
                || target.builtin_names.contains(name)
                || target.frozen_names.contains(name)
        };
        let missing = self.names.iter().chain(self.trees).filter(|name| !is_there(name));
        let skip = |name: &String| Skip {
            path: PathBuf::new(),
            module: Some(name.clone()),
            reason: "not found on the search path".to_owned(),
        };
        missing.map(skip).collect()
    }
}
