//! The images that are mapped into this process: each once, for modules and for named objects alike.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use cds_layout::cpython::Layout;

use crate::fixup::Fixups;
use crate::image::Image;
use crate::judge::Judged;
use crate::map::{Mapping, map};
use crate::py::PyObject;
use crate::reason::Reason;

/// A mapped image and what was fixed up in it. Lives for ever: Python objects in it may be anywhere.
#[derive(Debug)]
pub struct Opened {
    /// Absolute path of the file, as it was first opened.
    pub path: PathBuf,
    /// The image.
    pub image: Image,
    /// What was fixed up.
    pub fixups: Fixups,
    /// A dict from the names of its objects to their numbers, once it was asked for.
    pub names: AtomicPtr<PyObject>,
}

static ALL: Mutex<Vec<&'static Opened>> = Mutex::new(Vec::new());

/// Does something with the list. Nothing that runs Python code: the lock is never held when another thread may run.
fn with_all<T>(body: impl FnOnce(&mut Vec<&'static Opened>) -> T) -> T {
    body(&mut ALL.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Maps a judged image, or finds it among those that are mapped.
pub fn open(path: &Path, judged: Judged, layout: &'static Layout) -> Result<&'static Opened, Reason> {
    let mapping = map_newest(path, &judged)?;
    if let Some(known) = with_all(|all| all.iter().find(|opened| opened.image.base() == mapping.base).copied()) {
        return Ok(known);
    }
    let image = Image::new(&mapping, judged.header, judged.file)?;
    let fixups = Fixups::new(layout).map_err(|_| Reason::Python("externs".to_owned()))?;
    let opened = Opened { path: path.to_owned(), image, fixups, names: AtomicPtr::default() };
    let opened: &'static Opened = Box::leak(Box::new(opened));
    with_all(|all| all.push(opened));
    Ok(opened)
}

/// Maps the file that is at `path` now.
///
/// The dynamic linker knows objects by name before it looks at files: where a file was replaced since an
/// earlier one was mapped, it has to be called by another name, the first one that means no earlier file.
fn map_newest(path: &Path, judged: &Judged) -> Result<Mapping, Reason> {
    let mut mapping = map(path, judged);
    for dots in 1..=with_all(|all| all.len()) {
        if !matches!(mapping, Err(Reason::Replaced)) {
            break;
        }
        mapping = map(&other_name(path, dots), judged);
    }
    mapping
}

/// `/a/b` as `/a/././b`, with so many dots.
fn other_name(path: &Path, dots: usize) -> PathBuf {
    let (Some(parent), Some(file)) = (path.parent(), path.file_name()) else { return path.to_owned() };
    let mut name = OsString::from(parent);
    if !parent.as_os_str().as_bytes().ends_with(b"/") {
        name.push("/");
    }
    name.push("./".repeat(dots));
    name.push(file);
    name.into()
}

/// Whether an address lies in one of the images.
pub fn owns(address: usize) -> bool {
    with_all(|all| all.iter().any(|opened| opened.fixups.owns(&opened.image, address)))
}

impl Opened {
    /// The dict of names, if it was made.
    pub fn names(&self) -> *mut PyObject {
        self.names.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::other_name;
    use std::path::Path;

    #[test]
    fn other_names_are_other_texts_for_the_same_file() {
        let texts = [("/a/b.so", "/a/././b.so"), ("/b.so", "/././b.so")];
        for (path, other) in texts {
            assert_eq!(other_name(Path::new(path), 2).to_str(), Some(other));
        }
    }
}
