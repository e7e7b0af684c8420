//! Maps a judged image with the dynamic linker, so that debuggers and profilers see an ordinary object.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cds_layout::format::{HEADER_SIZE, IMAGE_SYMBOL};

use crate::elf::MappedObject;
use crate::judge::Judged;
use crate::reason::Reason;

/// A mapped image. It stays mapped until the process ends: Python objects in it may be anywhere.
#[derive(Debug)]
pub struct Mapping {
    /// Address of the start of the image.
    pub base: usize,
    /// Where its segments lie.
    pub object: MappedObject,
}

/// Maps the file at the absolute `path`.
pub fn map(path: &Path, judged: &Judged) -> Result<Mapping, Reason> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| Reason::NoFile)?;
    // SAFETY: a C string. An image has no code, so nothing of it runs.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_NODELETE) };
    if handle.is_null() {
        return Err(Reason::Link(linker_error()));
    }
    let symbol = CString::new(IMAGE_SYMBOL).map_err(|_| Reason::Malformed("image symbol"))?;
    // SAFETY: a handle that was just opened and is never closed, and a C string.
    let header = unsafe { libc::dlsym(handle, symbol.as_ptr()) } as usize;
    if header == 0 {
        return Err(Reason::Link(linker_error()));
    }
    // The symbol is at the header, which the prefix ends with.
    let base = (header + HEADER_SIZE).checked_sub(judged.prefix.len()).ok_or(Reason::Malformed("image symbol"))?;
    let object = MappedObject::containing(base).ok_or(Reason::Malformed("image symbol"))?;
    if !object.covers(base, judged.prefix.len(), false) {
        return Err(Reason::Replaced);
    }
    // SAFETY: the range lies in a loaded segment of an object that stays mapped.
    let prefix = unsafe { std::slice::from_raw_parts(base as *const u8, judged.prefix.len()) };
    // The linker opens the file by name again: it may be another one by now.
    if prefix != judged.prefix {
        return Err(Reason::Replaced);
    }
    Ok(Mapping { base, object })
}

fn linker_error() -> String {
    // SAFETY: dlerror returns null or a C string that lives until the next call in this thread.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "unknown error of the dynamic linker".to_owned();
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
