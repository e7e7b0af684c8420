//! Module specs, equal in every attribute to those of the ordinary search.

use std::fs;

use cds_layout::format::{InvalidationMode, ModuleKind, ModuleRecord};

use crate::active::Active;
use crate::aside::Aside;
use crate::malformed::Malformed;
use crate::py::{self, Object};

/// The spec of a record whose file is there.
pub fn make(active: &Active, module: &ModuleRecord<'_>, fullname: &Object) -> Result<Object, Aside> {
    let text = active.file(module)?;
    let path = py::string(&text)?;
    // A name in a listing may be a symlink to nowhere or a directory: `FileFinder` looks, and goes on if it is.
    let looks = active.invalidation != InvalidationMode::UncheckedHash || module.kind == ModuleKind::Extension;
    if looks && module.kind != ModuleKind::Namespace && !fs::metadata(&text).is_ok_and(|m| m.is_file()) {
        return Err(Aside::Directory(text));
    }
    Ok(of_file(active, module, fullname, &text, &path)?.0)
}

/// What `spec_from_file_location` (Lib/importlib/_bootstrap_external.py) gives for the record's file `text`, which is
/// `path` as a `str`; and its loader.
pub fn of_file(
    active: &Active,
    module: &ModuleRecord<'_>,
    fullname: &Object,
    text: &str,
    path: &Object,
) -> Result<(Object, Object), Aside> {
    let names = &active.importlib.names;
    let loader = match module.kind {
        ModuleKind::Source => image_loader(active, fullname, path)?,
        ModuleKind::Sourceless => active.importlib.sourceless_loader.call(&[fullname, path])?,
        ModuleKind::Extension => active.importlib.extension_loader.call(&[fullname, path])?,
        ModuleKind::Namespace => return Err(Aside::Namespace),
    };
    let spec = active.importlib.module_spec.call_with(&[fullname, &loader], &names.origin, path)?;
    spec.set_attr(&names.set_fileattr, &py::boolean(true))?;
    if module.is_package() {
        let directory = active.directory(module.package)?;
        spec.set_attr(&names.submodule_search_locations, &py::list(&[&directory.object])?)?;
    }
    if active.layout.sets_cached
        && let Some(cached) = cached(active, module, text, path)?
    {
        spec.set_attr(&names.cached, &cached)?;
    }
    Ok((spec, loader))
}

/// `SourceFileLoader(fullname, path)`, but of our class and without running its `__init__`.
fn image_loader(active: &Active, fullname: &Object, path: &Object) -> Result<Object, Aside> {
    let loader = py::allocate(&active.loader)?;
    loader.set_attr(&active.importlib.names.name, fullname)?;
    loader.set_attr(&active.importlib.names.path, path)?;
    Ok(loader)
}

/// What `_get_cached` gives for `path`. `ModuleSpec.cached` would call it in any case.
pub fn cached(active: &Active, module: &ModuleRecord<'_>, text: &str, path: &Object) -> Result<Option<Object>, Aside> {
    match module.kind {
        ModuleKind::Source => {}
        ModuleKind::Sourceless => return Ok(Some(path.clone())),
        ModuleKind::Extension | ModuleKind::Namespace => return Ok(None),
    }
    let (folder, file) = text.rsplit_once('/').ok_or(Malformed)?;
    let stem = file.strip_suffix(".py").ok_or(Malformed)?;
    if let Some(tag) = active.importlib.plain_cache_tag()?.filter(|_| !folder.is_empty()) {
        let name = [folder, "/__pycache__/", stem, ".", tag.text()?, &active.optimization, ".pyc"].concat();
        return Ok(Some(py::string(&name)?));
    }
    let cached = active.importlib.get_cached.call(&[path])?;
    Ok(Some(cached).filter(|cached| !cached.is_none()))
}
