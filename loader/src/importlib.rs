//! What we need of `importlib` and `sys`, looked up once at activation.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::py::{self, Object, Raised, Result};

/// Attribute names, interned.
#[derive(Debug)]
pub struct Names {
    /// `name`
    pub name: Object,
    /// `path`
    pub path: Object,
    /// `origin`
    pub origin: Object,
    /// `submodule_search_locations`
    pub submodule_search_locations: Object,
    /// `_set_fileattr`
    pub set_fileattr: Object,
    /// `_cached`
    pub cached: Object,
    /// `find_spec`
    pub find_spec: Object,
    /// `get_data`
    pub get_data: Object,
    /// `_loaders`
    pub loaders: Object,
    /// `_path_mtime`
    pub path_mtime: Object,
    /// `_path_cache`
    pub path_cache: Object,
    /// `cache_tag`
    pub cache_tag: Object,
    /// `__class__`
    pub dunder_class: Object,
    dunder_func: Object,
    path_importer_cache: Object,
    /// `_path_importer_cache`
    pub path_importer_cache_method: Object,
    path_hooks: Object,
    meta_path: Object,
    modules: Object,
    pycache_prefix: Object,
    implementation: Object,
}

/// The parts of the import system.
#[derive(Debug)]
pub struct Importlib {
    /// Attribute names.
    pub names: Names,
    /// `ModuleSpec`
    pub module_spec: Object,
    /// `PathFinder`
    pub path_finder: Object,
    /// `FileFinder`
    pub file_finder: Object,
    /// `SourceFileLoader`
    pub source_loader: Object,
    /// `SourcelessFileLoader`
    pub sourceless_loader: Object,
    /// `ExtensionFileLoader`
    pub extension_loader: Object,
    /// `SourceFileLoader.get_code`
    pub source_get_code: Object,
    /// `_get_cached`
    pub get_cached: Object,
    /// `PathFinder._path_importer_cache`
    pub find_importer: Object,
    /// `_imp.source_hash`
    pub source_hash: Object,
    /// The first argument of `source_hash`.
    pub raw_magic: Option<Object>,
    /// Suffixes that `FileFinder` tries, in its order.
    pub suffixes: Vec<String>,
    /// `FileFinder._loaders` of a finder that the default hook makes.
    default_loaders: Object,
    /// `sys.pycache_prefix` at activation.
    pycache_prefix: Option<Object>,
    /// `sys.path_hooks` at activation, if it was the default.
    default_hooks: Option<[Object; 2]>,
    /// Attributes of classes that tools replace to change how modules are compiled or found.
    originals: Vec<(Object, Object, Object)>,
    /// Versions of `SourceFileLoader`, `FileFinder` and `PathFinder` in which all were there.
    versions: [AtomicU32; 3],
    /// The function behind the class method `PathFinder.find_spec`.
    path_search: Object,
    /// `sys.__dict__`
    sys: Object,
}

impl Names {
    fn new() -> Result<Names> {
        let name = py::interned;
        Ok(Names {
            name: name(c"name")?,
            path: name(c"path")?,
            origin: name(c"origin")?,
            submodule_search_locations: name(c"submodule_search_locations")?,
            set_fileattr: name(c"_set_fileattr")?,
            cached: name(c"_cached")?,
            find_spec: name(c"find_spec")?,
            get_data: name(c"get_data")?,
            loaders: name(c"_loaders")?,
            path_mtime: name(c"_path_mtime")?,
            path_cache: name(c"_path_cache")?,
            cache_tag: name(c"cache_tag")?,
            dunder_class: name(c"__class__")?,
            dunder_func: name(c"__func__")?,
            path_importer_cache: name(c"path_importer_cache")?,
            path_importer_cache_method: name(c"_path_importer_cache")?,
            path_hooks: name(c"path_hooks")?,
            meta_path: name(c"meta_path")?,
            modules: name(c"modules")?,
            pycache_prefix: name(c"pycache_prefix")?,
            implementation: name(c"implementation")?,
        })
    }
}

impl Importlib {
    /// Looks everything up.
    pub fn new() -> Result<Importlib> {
        let names = Names::new()?;
        let bootstrap = py::import(c"_frozen_importlib")?;
        let external = py::import(c"_frozen_importlib_external")?;
        let sys = py::module_dict(&py::import(c"sys")?)?;
        let source_loader = external.get(c"SourceFileLoader")?;
        let file_finder = external.get(c"FileFinder")?;
        let path_finder = external.get(c"PathFinder")?;

        let mut originals = Vec::new();
        let watched: [(&Object, &CStr); 7] = [
            (&source_loader, c"create_module"),
            (&source_loader, c"get_data"),
            (&source_loader, c"path_stats"),
            (&source_loader, c"get_code"),
            (&source_loader, c"source_to_code"),
            (&source_loader, c"exec_module"),
            (&file_finder, c"find_spec"),
        ];
        for (class, attribute) in watched {
            let attribute = py::interned(attribute)?;
            let value = class.attr(&attribute)?;
            originals.push((class.clone(), attribute, value));
        }

        let (suffixes, default_loaders) = supported_loaders(&external)?;
        // Until 3.13, and from 3.14 on.
        let imp = py::import(c"_imp")?;
        let mut raw_magic = None;
        for (module, name) in [(&external, c"_RAW_MAGIC_NUMBER"), (&imp, c"pyc_magic_number_token")] {
            if raw_magic.is_none() {
                raw_magic = py::module_dict(module)?.item(&py::interned(name)?)?;
            }
        }
        let mut importlib = Importlib {
            module_spec: bootstrap.get(c"ModuleSpec")?,
            sourceless_loader: external.get(c"SourcelessFileLoader")?,
            extension_loader: external.get(c"ExtensionFileLoader")?,
            source_get_code: source_loader.get(c"get_code")?,
            get_cached: external.get(c"_get_cached")?,
            find_importer: path_finder.get(c"_path_importer_cache")?,
            source_hash: imp.get(c"source_hash")?,
            path_search: path_finder.get(c"find_spec")?.get(c"__func__")?,
            versions: Default::default(),
            default_hooks: None,
            pycache_prefix: None,
            names,
            path_finder,
            file_finder,
            source_loader,
            raw_magic,
            suffixes,
            default_loaders,
            originals,
            sys,
        };
        importlib.default_hooks = importlib.find_default_hooks();
        importlib.pycache_prefix = importlib.sys(&importlib.names.pycache_prefix)?;
        if importlib.default_hooks.is_none() {
            py::clear();
        }
        Ok(importlib)
    }

    /// `sys.path_hooks`, if it is `zipimporter` and the hook that makes plain `FileFinder`s.
    fn find_default_hooks(&self) -> Option<[Object; 2]> {
        let hooks = self.sys(&self.names.path_hooks).ok()??;
        if !hooks.is_list() || hooks.list_len() != 2 {
            return None;
        }
        let (zip, files) = (hooks.list_item(0).ok()?, hooks.list_item(1).ok()?);
        let finder = files.call(&[&py::string("/").ok()?]).ok()?;
        let default = zip.is(&py::import(c"zipimport").ok()?.get(c"zipimporter").ok()?)
            && finder.is_exactly(&self.file_finder)
            && self.has_default_loaders(&finder).ok()?;
        default.then_some([zip, files])
    }

    /// An attribute of `sys`.
    fn sys(&self, name: &Object) -> Result<Option<Object>> {
        self.sys.item(name)
    }

    /// `sys.path`
    pub fn sys_path(&self) -> Result<Option<Object>> {
        self.sys(&self.names.path)
    }

    /// `sys.meta_path`
    pub fn meta_path(&self) -> Result<Option<Object>> {
        self.sys(&self.names.meta_path)
    }

    /// `sys.path_hooks`
    pub fn path_hooks(&self) -> Result<Option<Object>> {
        self.sys(&self.names.path_hooks)
    }

    /// `sys.modules`
    pub fn modules(&self) -> Result<Option<Object>> {
        self.sys(&self.names.modules)
    }

    /// `sys.path_importer_cache`, if it is a dict.
    pub fn importer_cache(&self) -> Result<Option<Object>> {
        Ok(self.sys(&self.names.path_importer_cache)?.filter(Object::is_dict))
    }

    /// Whether `sys.pycache_prefix` is what it was at activation. A program that sets it says where compiled code is to come
    /// from, and may want sources compiled anew.
    pub fn has_same_caches(&self) -> Result<bool> {
        Ok(match (self.sys(&self.names.pycache_prefix)?, &self.pycache_prefix) {
            (Some(now), Some(then)) => now.is(then),
            (now, then) => now.is_none() && then.is_none(),
        })
    }

    /// `sys.implementation.cache_tag` where `sys.pycache_prefix` is None; `None` otherwise.
    pub fn plain_cache_tag(&self) -> Result<Option<Object>> {
        match self.sys(&self.names.pycache_prefix)? {
            Some(prefix) if prefix.is_none() => {}
            _ => return Ok(None),
        }
        match self.sys(&self.names.implementation)? {
            Some(implementation) => Ok(Some(implementation.attr(&self.names.cache_tag)?).filter(Object::is_str)),
            None => Ok(None),
        }
    }

    /// Whether `sys.path_hooks` still makes a plain `FileFinder` for every directory.
    pub fn has_default_hooks(&self) -> Result<bool> {
        let Some([zip, files]) = &self.default_hooks else { return Ok(false) };
        let Some(hooks) = self.sys(&self.names.path_hooks)? else { return Ok(false) };
        Ok(hooks.is_list() && hooks.list_len() == 2 && hooks.list_item(0)?.is(zip) && hooks.list_item(1)?.is(files))
    }

    /// Whether a `FileFinder` has the loaders that the default hook gives it. Tools that compile sources
    /// differently install hooks that make `FileFinder`s with loaders of their own.
    pub fn has_default_loaders(&self, finder: &Object) -> Result<bool> {
        finder.attr(&self.names.loaders)?.equals(&self.default_loaders)
    }

    /// Whether `finder` is asked directly before `PathFinder`, and nobody has replaced a method that decides which file is
    /// found or what code it gives.
    pub fn is_original(&self, finder: Option<&Object>) -> Result<bool> {
        if let Some(finder) = finder {
            match self.path_finder_position()? {
                Some((finders, i)) if i > 0 && finders.list_item(i - 1)?.is(finder) => {}
                _ => return Ok(false),
            }
        }
        self.has_original_methods()
    }

    /// Whether nobody has replaced a method: looked at once for each version of the classes.
    fn has_original_methods(&self) -> Result<bool> {
        let classes = [&self.source_loader, &self.file_finder, &self.path_finder];
        let unchanged = classes
            .iter()
            .zip(&self.versions)
            .all(|(class, version)| py::class_version(class).is_some_and(|now| now == version.load(Ordering::Relaxed)));
        if unchanged {
            return Ok(true);
        }
        // A class method gives a new bound method each time.
        let search = self.path_finder.attr(&self.names.find_spec)?;
        if !search.attr(&self.names.dunder_func)?.is(&self.path_search) {
            return Ok(false);
        }
        for (class, attribute, original) in &self.originals {
            if !class.attr(attribute)?.is(original) {
                return Ok(false);
            }
        }
        for (class, version) in classes.iter().zip(&self.versions) {
            version.store(py::class_version(class).unwrap_or(0), Ordering::Relaxed);
        }
        Ok(true)
    }

    /// Index of `PathFinder` in `sys.meta_path`, and that list.
    pub fn path_finder_position(&self) -> Result<Option<(Object, usize)>> {
        let Some(finders) = self.meta_path()?.filter(Object::is_list) else { return Ok(None) };
        for i in 0..finders.list_len() {
            if finders.list_item(i)?.is(&self.path_finder) {
                return Ok(Some((finders, i)));
            }
        }
        Ok(None)
    }
}

/// The suffixes and the `_loaders` of a default `FileFinder`, as its `__init__` builds them.
fn supported_loaders(external: &Object) -> Result<(Vec<String>, Object)> {
    let mut suffixes = Vec::new();
    let loaders = py::list(&[])?;
    let details = external.get(c"_get_supported_file_loaders")?.call(&[])?.iter()?;
    while let Some(detail) = details.next()? {
        let detail = detail.iter()?;
        let class = detail.next()?.ok_or(Raised)?;
        let endings = detail.next()?.ok_or(Raised)?.iter()?;
        while let Some(suffix) = endings.next()? {
            py::append(&loaders, &py::tuple(&[&suffix, &class])?)?;
            suffixes.push(suffix.text()?.to_owned());
        }
    }
    Ok((suffixes, loaders))
}
