//! The search: names to files as `PathFinder` maps them, from the roots down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::directory::{Directory, Entry, Suffixes};
use super::filter::Wanted;
use super::stat::stat;
use super::{Found, FoundKind, Root, Skip, below, dotted, join};
use crate::target::{Role, Target};

/// Deepest nesting of packages that is followed. No real tree comes near it.
const MAX_DEPTH: usize = 64;

/// What a search found, in no order.
#[derive(Default)]
pub struct Walk {
    pub modules: Vec<Found>,
    /// Modification times of the directories searched.
    pub directories: BTreeMap<Place, i64>,
    /// Where the packages' submodules are looked for: their `__path__`.
    pub portions: BTreeMap<String, Vec<Place>>,
    pub skipped: Vec<Skip>,
}

/// Index of a root and a path below it.
pub type Place = (usize, String);

impl Walk {
    fn add(mut self, other: Walk) -> Walk {
        self.modules.extend(other.modules);
        self.directories.extend(other.directories);
        self.portions.extend(other.portions);
        self.skipped.extend(other.skipped);
        self
    }
}

/// Searches the roots for every module, or for those that are wanted.
pub fn search(target: &Target, roots: &[Root], wanted: Option<&Wanted<'_>>) -> Walk {
    let suffixes = Suffixes::new(&target.extension_suffixes);
    let inside = target.builtin_names.iter().chain(&target.frozen_names).map(String::as_str).collect();
    let search = Search { roots, suffixes, inside, wanted };
    let top = (0..roots.len()).map(|root| Portion { root, directory: String::new(), above: None }).collect();
    search.package("", top, 0)
}

struct Search<'a> {
    roots: &'a [Root],
    suffixes: Suffixes,
    /// Names that are found in the interpreter before any directory is searched.
    inside: BTreeSet<&'a str>,
    wanted: Option<&'a Wanted<'a>>,
}

/// A directory of a package's `__path__`, or of `sys.path`.
struct Portion {
    root: usize,
    directory: String,
    above: Option<Arc<Above>>,
}

/// A directory that is searched, and the one whose search led to it. Guards against symlinks that lead back up.
struct Above {
    identity: (u64, u64),
    above: Option<Arc<Above>>,
}

impl Above {
    fn contains(mut self: &Arc<Self>, identity: (u64, u64)) -> bool {
        loop {
            if self.identity == identity {
                return true;
            }
            let Some(above) = &self.above else { return false };
            self = above;
        }
    }
}

/// A portion that could be listed.
struct Listed {
    root: usize,
    directory: String,
    listing: Directory,
    chain: Arc<Above>,
}

impl Listed {
    /// The directory of this name in this one.
    fn portion(&self, name: &str) -> Portion {
        let directory = below(&self.directory, name);
        Portion { root: self.root, directory, above: Some(self.chain.clone()) }
    }
}

impl Search<'_> {
    /// Everything inside a package that has these portions; the top level is the package without a name.
    fn package(&self, package: &str, portions: Vec<Portion>, depth: usize) -> Walk {
        let mut walk = Walk::default();
        if depth > MAX_DEPTH {
            let path = portions.first().map(|p| self.path(p)).unwrap_or_default();
            walk.skipped.push(skip(path, package, format!("more than {MAX_DEPTH} packages inside each other")));
            return walk;
        }
        let listed: Vec<Listed> = portions.into_iter().filter_map(|p| self.list(package, p, &mut walk)).collect();
        let names: BTreeSet<&str> = listed.iter().flat_map(|l| l.listing.candidates(&self.suffixes)).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let inner = names.par_iter().map(|name| self.module(package, name, &listed, depth));
        inner.reduce(Walk::default, Walk::add).add(walk)
    }

    fn list(&self, package: &str, portion: Portion, walk: &mut Walk) -> Option<Listed> {
        let path = self.path(&portion);
        let stat = stat(&path)?;
        if portion.above.as_ref().is_some_and(|above| above.contains(stat.identity)) {
            walk.skipped.push(skip(path, package, "the directory lies within itself, by a symlink".to_owned()));
            return None;
        }
        let Portion { root, directory, above } = portion;
        walk.directories.insert((root, directory.clone()), stat.mtime_ns);
        match Directory::list(&path) {
            Ok(listing) => {
                let chain = Arc::new(Above { identity: stat.identity, above });
                Some(Listed { root, directory, listing, chain })
            }
            Err(error) => {
                walk.skipped.push(skip(path, package, format!("cannot be listed: {error}")));
                None
            }
        }
    }

    /// `PathFinder._get_spec`: the first portion that has a file for the name, else all that have a directory.
    fn module(&self, package: &str, tail: &str, listed: &[Listed], depth: usize) -> Walk {
        let name = dotted(package, tail);
        let mut walk = Walk::default();
        if self.wanted.is_some_and(|w| !w.leads_to(&name)) {
            return walk;
        }
        let is_inside = self.inside.contains(name.as_str());
        let mut portions = Vec::new();
        for place in listed {
            // A frozen package's `__path__` is its directory in the standard library (`FrozenImporter._fix_up_module`).
            if is_inside && self.roots[place.root].role != Role::Stdlib {
                continue;
            }
            match place.listing.find(tail, &self.suffixes) {
                None => {}
                Some(Entry::Portion) => portions.push(place.portion(tail)),
                Some(Entry::File { suffix, kind, is_package, stat }) => {
                    let portion = place.portion(tail);
                    if is_package {
                        walk.portions.insert(name.clone(), vec![(portion.root, portion.directory.clone())]);
                    }
                    if !is_inside {
                        let (root, directory) = (place.root, place.directory.clone());
                        let path = join(&self.roots[root].path, &below(&directory, &[tail, &suffix].concat()));
                        let (mtime_ns, size) = (stat.mtime_ns, stat.size);
                        let name = name.clone();
                        walk.modules.push(Found {
                            name,
                            kind,
                            root,
                            directory,
                            suffix,
                            is_package,
                            path,
                            mtime_ns,
                            size,
                        });
                    }
                    return if is_package { self.package(&name, vec![portion], depth + 1).add(walk) } else { walk };
                }
            }
        }
        if is_inside { walk } else { self.namespace(name, portions, depth) }
    }

    /// A namespace package, if there is anything in it: every directory could be one.
    fn namespace(&self, name: String, portions: Vec<Portion>, depth: usize) -> Walk {
        let Some(first) = portions.first() else { return Walk::default() };
        let path = self.path(first);
        let (root, inner) = (first.root, first.directory.as_str());
        let directory = inner.rsplit_once('/').map_or("", |(outer, _)| outer).to_owned();
        let places = portions.iter().map(|p| (p.root, p.directory.clone())).collect();

        let mut walk = self.package(&name, portions, depth + 1);
        // Who asks for a package itself has seen it imported.
        if walk.modules.is_empty() && !self.wanted.is_some_and(|w| w.contains(&name)) {
            return Walk { skipped: walk.skipped, ..Walk::default() };
        }
        walk.portions.insert(name.clone(), places);
        let (kind, suffix) = (FoundKind::Namespace, String::new());
        walk.modules.push(Found { name, kind, root, directory, suffix, is_package: true, path, mtime_ns: 0, size: 0 });
        walk
    }

    fn path(&self, portion: &Portion) -> PathBuf {
        join(&self.roots[portion.root].path, &portion.directory)
    }
}

fn skip(path: PathBuf, package: &str, reason: String) -> Skip {
    Skip { path, module: (!package.is_empty()).then(|| package.to_owned()), reason }
}
