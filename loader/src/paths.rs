//! Where the loader and the image's directories are in this process: trees may have moved since the build.

use std::ffi::CStr;
use std::path::{Path, PathBuf};

use cds_layout::format::{DirectoryRecord, RootKind, RootRecord};

use crate::image::Image;
use crate::py::{self, Object};

/// A root: an entry of `sys.path`.
#[derive(Debug)]
pub struct Root {
    /// Its path in this process.
    path: String,
    /// Whether that is the path at build time.
    predicted: bool,
}

/// A directory that modules lie in.
#[derive(Debug)]
pub struct Directory {
    /// The path as `sys.path` or a `__path__` has it.
    pub path: String,
    /// The same as a `str` object.
    pub object: Object,
    /// The record.
    pub record: DirectoryRecord,
    /// Whether the path is the one at build time.
    pub predicted: bool,
}

/// The folder that the loader lies in.
pub fn folder(module: &Object) -> Option<PathBuf> {
    let file = module.get(c"__file__").and_then(|file| Ok(PathBuf::from(file.text()?)));
    if file.is_err() {
        py::clear();
    }
    std::path::absolute(file.ok()?).ok()?.parent().map(Path::to_owned)
}

impl Root {
    /// All roots of an image; `None` for those whose prefix this process does not have. `None` for all if malformed.
    pub fn resolve_all(image: &Image) -> Option<Vec<Option<Root>>> {
        (0..image.counts().roots as u32)
            .map(|number| {
                let record = image.root(number)?;
                let (relative, predicted) = (image.text(record.relative)?, image.text(record.predicted)?);
                Some(Root::resolve(&record, relative, predicted))
            })
            .collect()
    }

    fn resolve(record: &RootRecord, relative: &str, predicted: &str) -> Option<Root> {
        let path = match record.kind {
            RootKind::Prefix => below(c"prefix", relative)?,
            RootKind::BasePrefix => below(c"base_prefix", relative)?,
            RootKind::ExecPrefix => below(c"exec_prefix", relative)?,
            RootKind::BaseExecPrefix => below(c"base_exec_prefix", relative)?,
            RootKind::Absolute => relative.to_owned(),
        };
        path.starts_with('/').then(|| Root { predicted: path == predicted, path })
    }
}

/// A path below an attribute of `sys`.
fn below(prefix: &CStr, relative: &str) -> Option<String> {
    let path = py::import(c"sys").and_then(|sys| sys.get(prefix));
    match path.as_ref().map_err(|raised| *raised).and_then(Object::text) {
        Ok(prefix) if relative.is_empty() => Some(prefix.to_owned()),
        Ok(prefix) => Some(join(prefix, relative, "")),
        Err(_) => {
            py::clear();
            None
        }
    }
}

/// As `_path_join` (Lib/importlib/_bootstrap_external.py): trailing slashes of the directory do not count.
fn join(directory: &str, name: &str, suffix: &str) -> String {
    [directory.trim_end_matches('/'), "/", name, suffix].concat()
}

impl Directory {
    /// The directory at `relative` below `root`.
    pub fn new(root: &Root, record: DirectoryRecord, relative: &str) -> py::Result<Directory> {
        let path = if relative.is_empty() { root.path.clone() } else { join(&root.path, relative, "") };
        Ok(Directory { object: py::string(&path)?, path, record, predicted: root.predicted })
    }

    /// Path of an entry of the directory, whose name ends with `suffix`.
    pub fn file(&self, name: &str, suffix: &str) -> String {
        join(&self.path, name, suffix)
    }

    /// Whether `entry`, an entry of a search path, is this directory.
    pub fn is(&self, entry: &Object) -> bool {
        if entry.is(&self.object) {
            return true;
        }
        let text = entry.text();
        if text.is_err() {
            // A path that is not UTF-8.
            py::clear();
        }
        text.is_ok_and(|text| text == self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn joins_as_importlib_does() {
        assert_eq!(join("/a/b", "c.py", ""), "/a/b/c.py");
        assert_eq!(join("/a/b//", "c/d", ".py"), "/a/b/c/d.py");
        assert_eq!(join("/", "c", "/__init__.py"), "/c/__init__.py");
    }
}
