//! Is the record what the ordinary search would find? Where that is not certain, the ordinary search runs.

use std::fs;
use std::io;
use std::sync::Arc;

use cds_layout::format::{InvalidationMode, ModuleRecord};

use crate::active::Active;
use crate::aside::Aside;
use crate::directories::{Listing, as_path, counts_as_empty, mtime_ns};
use crate::finder_cache;
use crate::malformed::Malformed;
use crate::paths::Directory;
use crate::py::{self, Object};
use crate::stand_in::raise_from_entry;

/// One search for one module.
pub struct Search<'a> {
    /// The image.
    pub active: &'a Active,
    /// The record in question.
    pub module: &'a ModuleRecord<'static>,
    /// The full name, as given to `find_spec`.
    pub fullname: &'a Object,
}

/// What makes a path entry's importer.
enum Importer {
    /// Nothing: `None` in `sys.path_importer_cache`.
    Nobody,
    /// A `FileFinder`.
    Files(Object),
    /// It would be a `FileFinder`, if there were one, of this directory.
    WouldBeFiles(fs::Metadata),
    /// Anything else.
    Other(Object),
}

impl Search<'_> {
    /// `Ok` if walking `path` (`sys.path` if there is none), as `PathFinder._get_spec`
    /// (Lib/importlib/_bootstrap_external.py) does, ends at the record.
    pub fn agrees(&self, path: Option<&Object>) -> Result<(), Aside> {
        let directory = self.active.directory(self.module.directory)?;
        let path = match path {
            Some(path) => path.clone(),
            None => self.active.importlib.sys_path()?.ok_or(Aside::NotOnPath)?,
        };
        if path.is_list() {
            // Foreign finders run in between and may change the list.
            let mut i = 0;
            while i < path.list_len() {
                if self.step(&path.list_item(i)?, directory)? {
                    return Ok(());
                }
                i += 1;
            }
        } else {
            let entries = path.iter()?;
            while let Some(entry) = entries.next()? {
                if self.step(&entry, directory)? {
                    return Ok(());
                }
            }
        }
        Err(Aside::NotOnPath)
    }

    /// Whether the search ends at this entry; `Err` if it may end with something else.
    fn step(&self, entry: &Object, directory: &Directory) -> Result<bool, Aside> {
        if !entry.is_str() {
            // PathFinder skips what is no string at all.
            return if entry.is_str_instance() { Err(Aside::Importer("a str subclass".to_owned())) } else { Ok(false) };
        }
        if directory.is(entry) {
            self.in_directory(directory)?;
            return Ok(true);
        }
        if self.may_provide(entry)? {
            return Err(Aside::Shadowed(text_of(entry)));
        }
        Ok(false)
    }

    /// Whether an entry before the record's directory may provide the module.
    fn may_provide(&self, entry: &Object) -> Result<bool, Aside> {
        let current;
        let entry = if entry.text().is_ok_and(str::is_empty) {
            // `PathFinder._path_importer_cache` takes '' for the working directory of the moment.
            match std::env::current_dir() {
                Ok(path) => current = py::path_string(path.as_os_str().as_encoded_bytes())?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(_) => return Err(Aside::Importer("the working directory".to_owned())),
            }
            &current
        } else {
            py::clear();
            entry
        };
        match self.importer(entry)? {
            Importer::Nobody => Ok(false),
            Importer::WouldBeFiles(metadata) => self.listed(entry, Some(metadata), None),
            Importer::Files(finder) => {
                if entry.text().is_ok_and(|text| text.starts_with('/')) {
                    self.listed(entry, None, Some(&finder))
                } else {
                    py::clear();
                    // Relative: the finder knows which directory it was when the finder was made.
                    self.listed(&finder.attr(&self.active.importlib.names.path)?, None, Some(&finder))
                }
            }
            Importer::Other(finder) => {
                let find_spec = finder.attr(&self.active.importlib.names.find_spec)?;
                match find_spec.call(&[self.fullname, &py::none()]) {
                    Ok(spec) => Ok(!spec.is_none()),
                    Err(py::Raised) => Err(self.raised(entry, false)),
                }
            }
        }
    }

    /// What would search `entry`.
    fn importer(&self, entry: &Object) -> Result<Importer, Aside> {
        let importlib = &self.active.importlib;
        let cache = importlib.importer_cache()?.ok_or(Aside::Replaced)?;
        let found = match cache.item(entry)? {
            Some(found) => found,
            None if importlib.has_default_hooks()? => {
                let path = py::path_bytes(entry)?;
                match fs::metadata(as_path(path.bytes()?)) {
                    Ok(metadata) if metadata.is_dir() => return Ok(Importer::WouldBeFiles(metadata)),
                    // A missing file has no parent that could be an archive, either, or it would be ENOTDIR.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Importer::Nobody),
                    _ => self.hooked(entry)?,
                }
            }
            None => self.hooked(entry)?,
        };
        Ok(if found.is_none() {
            Importer::Nobody
        } else if found.is_exactly(&importlib.file_finder) {
            Importer::Files(found)
        } else {
            Importer::Other(found)
        })
    }

    /// What the path hooks make of `entry`.
    fn hooked(&self, entry: &Object) -> Result<Object, Aside> {
        self.active.importlib.find_importer.call(&[entry]).map_err(|_| self.raised(entry, true))
    }

    /// For an exception that did not come from here.
    fn raised(&self, entry: &Object, in_hook: bool) -> Aside {
        raise_from_entry(&self.active.importlib, self.fullname, entry, in_hook);
        Aside::Raised
    }

    /// Whether a `FileFinder` of the directory `path`, this one if there is one, finds the module. A directory without `__init__` in it is no
    /// module yet: the search goes on, and an ordinary module further on wins. `metadata` are those of the directory if they were just read.
    fn listed(&self, path: &Object, metadata: Option<fs::Metadata>, finder: Option<&Object>) -> Result<bool, Aside> {
        let path = py::path_bytes(path)?;
        let path = path.bytes()?;
        let tail = self.module.tail();
        let metadata = metadata.map_or_else(|| fs::metadata(as_path(path)), Ok);
        let Some(listing) = self.listing(path, metadata, finder) else { return Ok(true) };
        // Most directories have nothing that starts like the module.
        if !listing.provides(tail.as_bytes()) {
            return Ok(false);
        }
        if self.suffix_of(&listing, tail).is_some() {
            return Ok(true);
        }
        if !listing.contains(tail.as_bytes()) {
            return Ok(false);
        }
        let inside = self.names_in(&[path, b"/", tail.as_bytes()].concat());
        Ok(inside.is_none_or(|inside| self.suffix_of(&inside, "__init__").is_some()))
    }

    /// The names in a directory; none if it counts as empty, `None` if that cannot be known.
    fn names_in(&self, path: &[u8]) -> Option<Arc<Listing>> {
        self.listing(path, fs::metadata(as_path(path)), None)
    }

    /// The same, with what is known of the directory. `finder` is its `FileFinder`.
    fn listing(
        &self,
        path: &[u8],
        metadata: io::Result<fs::Metadata>,
        finder: Option<&Object>,
    ) -> Option<Arc<Listing>> {
        let listings = &self.active.listings;
        let listing = metadata.and_then(|metadata| {
            let mtime_ns = mtime_ns(&metadata);
            if let Some(known) = listings.known(path, mtime_ns) {
                return Ok(known);
            }
            let found = finder.and_then(|finder| finder_cache::names(&self.active.importlib.names, finder, &metadata));
            Ok(listings.add(path, found.map_or_else(|| Listing::read(as_path(path), mtime_ns), Ok)?))
        });
        match listing {
            Ok(listing) => Some(listing),
            Err(error) if counts_as_empty(&error) => Some(Arc::default()),
            Err(_) => None,
        }
    }

    /// `Ok` if the record is what a plain `FileFinder` finds in the record's own directory.
    fn in_directory(&self, directory: &Directory) -> Result<(), Aside> {
        let active = self.active;
        let unchecked = active.invalidation == InvalidationMode::UncheckedHash;
        let importlib = &active.importlib;
        let cache = importlib.importer_cache()?.ok_or(Aside::Replaced)?;
        let importer = match cache.item(&directory.object)? {
            None if importlib.has_default_hooks()? => None,
            None => Some(self.hooked(&directory.object)?),
            found => found,
        };
        let other = || Aside::Importer(directory.path.clone());
        match &importer {
            None => {}
            Some(importer) if importer.is_none() && unchecked => {}
            Some(importer) if !importer.is_exactly(&importlib.file_finder) => return Err(other()),
            Some(importer) if !importlib.has_default_loaders(importer)? => return Err(other()),
            Some(_) => {}
        }
        if unchecked { Ok(()) } else { self.comes_first(directory, importer.as_ref()) }
    }

    /// `Ok` if nothing in the directory takes precedence over the record's file, and the file is there. `finder` is the directory's
    /// `FileFinder`.
    fn comes_first(&self, directory: &Directory, finder: Option<&Object>) -> Result<(), Aside> {
        let active = self.active;
        let changed = || Aside::Directory(directory.path.clone());
        let metadata = fs::metadata(&directory.path).map_err(|_| changed())?;
        let as_built = directory.record.agrees(mtime_ns(&metadata));
        let names = || self.known_names(&directory.path, &metadata, finder);
        let tail = self.module.tail();

        if self.module.is_package() {
            let suffix = self.module.suffix.strip_prefix("/__init__").ok_or(Malformed)?;
            if !as_built && !names()?.contains(tail.as_bytes()) {
                return Err(changed());
            }
            let package = active.directory(self.module.package)?;
            let changed = || Aside::Directory(package.path.clone());
            let metadata = fs::metadata(&package.path).map_err(|_| changed())?;
            if package.record.agrees(mtime_ns(&metadata)) {
                return Ok(());
            }
            let names = self.known_names(&package.path, &metadata, None)?;
            return if self.suffix_of(&names, "__init__") == Some(suffix) { Ok(()) } else { Err(changed()) };
        }

        if as_built {
            return Ok(());
        }
        let names = names()?;
        if names.contains(tail.as_bytes()) {
            let package = directory.file(tail, "");
            let inside = self.names_in(package.as_bytes()).ok_or_else(|| Aside::Directory(package.clone()))?;
            if inside.provides(b"__init__") {
                return Err(changed());
            }
        }
        if self.suffix_of(&names, tail) == Some(self.module.suffix) { Ok(()) } else { Err(changed()) }
    }

    /// The first of the suffixes that `FileFinder` tries with which `stem` is among the names in a directory.
    fn suffix_of(&self, listing: &Listing, stem: &str) -> Option<&str> {
        let mut name = String::with_capacity(stem.len() + 32);
        self.active.importlib.suffixes.iter().map(String::as_str).find(|suffix| {
            name.clear();
            name.push_str(stem);
            name.push_str(suffix);
            listing.contains(name.as_bytes())
        })
    }

    /// The names in a directory whose metadata were just read.
    fn known_names(&self, path: &str, metadata: &fs::Metadata, finder: Option<&Object>) -> Result<Arc<Listing>, Aside> {
        self.listing(path.as_bytes(), Ok(metadata.clone()), finder).ok_or_else(|| Aside::Directory(path.to_owned()))
    }
}

/// An entry of a search path, for a message.
fn text_of(entry: &Object) -> String {
    match entry.text() {
        Ok("") => "the working directory".to_owned(),
        Ok(text) => text.to_owned(),
        Err(_) => {
            py::clear();
            "a path that is not UTF-8".to_owned()
        }
    }
}
