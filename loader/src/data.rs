//! `cds_loader.load(path)`: opens an image for its named objects.

use std::fs;
use std::path::Path;

use crate::activate::{layout, open_judged, python, refuse_other_builds};
use crate::entry::{Entry, enter};
use crate::judge::{Running, judge};
use crate::objects;
use crate::opened::Opened;
use crate::py::{self, Object};
use crate::reason::Reason;

/// The mapping of the named objects of the image at `path`.
pub fn load(path: &Object) -> py::Result<Object> {
    let given = py::fs_path(path)?;
    if given.as_os_str().is_empty() {
        return Err(py::raise_os_error(libc::ENOENT, path));
    }
    let absolute = std::path::absolute(&given).map_err(|error| os_error(&error, path))?;
    match open(&absolute) {
        Ok(opened) => objects::mapping(opened),
        Err(reason) => {
            py::clear();
            Err(raise(&reason, &absolute, path))
        }
    }
}

/// Judges and maps. Unlike for modules it does not matter how the interpreter compiles and checks sources.
fn open(path: &Path) -> Result<&'static Opened, Reason> {
    match enter() {
        Entry::First | Entry::Again => {}
        Entry::SecondRuntime => return Err(Reason::Reinitialized),
        Entry::Subinterpreter => return Err(Reason::Subinterpreter),
    }
    let layout = layout()?;
    refuse_other_builds(&python(py::import(c"sys"))?)?;
    let judged = judge(path, &Running { hexversion: py::hexversion(), modules: None })?;
    open_judged(path, judged, layout)
}

/// What cannot be opened or read is the `OSError` that `open()` would raise; what cannot be used is a `RuntimeError`.
fn raise(reason: &Reason, absolute: &Path, path: &Object) -> py::Raised {
    if matches!(reason, Reason::NoFile | Reason::Unreadable(_) | Reason::NotAFile) {
        match fs::metadata(absolute) {
            Err(error) => return os_error(&error, path),
            Ok(metadata) if metadata.is_dir() => return py::raise_os_error(libc::EISDIR, path),
            Ok(metadata) if metadata.is_file() => {
                if let Err(error) = fs::File::open(absolute) {
                    return os_error(&error, path);
                }
            }
            Ok(_) => {}
        }
    }
    py::raise_runtime_error(&format!("image {} cannot be used: {reason}", absolute.display()))
}

fn os_error(error: &std::io::Error, path: &Object) -> py::Raised {
    py::raise_os_error(error.raw_os_error().unwrap_or(libc::EIO), path)
}
