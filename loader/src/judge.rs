//! Judges a file by its first page, before anything of it is mapped.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use cds_layout::format::{
    FIRST_PAGE, HEADER_SIZE, Header, HeaderError, InvalidationMode, checksum32, dynamic_segment, find_header,
};

use crate::file::ImageFile;
use crate::identity::Identity;
use crate::reason::Reason;

/// ELF `e_machine` that this loader is built for.
const MACHINE: u16 = if cfg!(target_arch = "x86_64") {
    62
} else if cfg!(target_arch = "aarch64") {
    183
} else {
    0
};

/// What of the running interpreter an image is compared with.
#[derive(Debug)]
pub struct Running {
    /// `PY_VERSION_HEX`.
    pub hexversion: u32,
    /// What matters for modules; `None` where only named objects are asked for.
    pub modules: Option<Rules>,
}

/// What of the running interpreter matters for modules only.
#[derive(Debug)]
pub struct Rules {
    /// `sys.flags.optimize`.
    pub optimize: i64,
    /// `--check-hash-based-pycs always`.
    pub check_always: bool,
}

/// A file that passed.
#[derive(Debug)]
pub struct Judged {
    /// Its header.
    pub header: Header,
    /// The first bytes of the file, up to the end of the header.
    pub prefix: Vec<u8>,
    /// The file itself.
    pub file: ImageFile,
}

/// Reads the first page of `path` and compares it with the running interpreter.
///
/// The order of the checks is from "is it an image" to "is it ours", so that the reason is the most telling one.
pub fn judge(path: &Path, running: &Running) -> Result<Judged, Reason> {
    let (file, size) = open(path)?;
    let mut page = read_at(&file, 0, FIRST_PAGE)?;
    if page.is_empty() {
        return Err(Reason::Header(HeaderError::NotElf));
    }
    let (header, at) = find_header(&page).map_err(Reason::Header)?;
    if header.machine != MACHINE {
        return Err(Reason::Machine(header.machine, MACHINE));
    }
    if header.abi.free_threaded {
        return Err(Reason::Abi("free-threaded"));
    }
    if header.abi.debug {
        return Err(Reason::Abi("debug"));
    }
    if header.hexversion != running.hexversion {
        return Err(Reason::Version(header.hexversion, running.hexversion));
    }
    let ours = Identity::of_interpreter().ok_or(Reason::NoIdentity)?;
    let theirs = Identity { kind: header.identity_kind, bytes: header.identity.clone() };
    if theirs != ours {
        return Err(Reason::Identity(theirs, ours));
    }
    if let Some(rules) = &running.modules {
        if i64::from(header.optimize) != rules.optimize {
            return Err(Reason::Optimize(header.optimize, rules.optimize));
        }
        if header.invalidation == InvalidationMode::UncheckedHash && rules.check_always {
            return Err(Reason::Unchecked);
        }
    }
    if header.file_size != size {
        return Err(Reason::FileSize(header.file_size, size));
    }
    // The dynamic linker believes its segment without looking twice.
    let (start, len) = dynamic_segment(&page).ok_or(Reason::Malformed("program headers"))?;
    let len = usize::try_from(len).ok().filter(|len| *len <= FIRST_PAGE).ok_or(Reason::Malformed("program headers"))?;
    if checksum32(&[&read_at(&file, start, len)?]) != header.dynamic_checksum {
        return Err(Reason::Malformed("dynamic segment"));
    }
    page.truncate(at + HEADER_SIZE);
    let file = ImageFile::new(path, &file).map_err(unreadable)?;
    Ok(Judged { header, prefix: page, file })
}

fn unreadable(error: io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Reason::NoFile,
        _ => Reason::Unreadable(error.to_string()),
    }
}

/// Opens a regular file; its size.
fn open(path: &Path) -> Result<(File, u64), Reason> {
    // A pipe would block in open(): look first.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(Reason::NotAFile);
    }
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(Reason::NotAFile) }
}

/// At most `len` bytes from `start` on; fewer if the file ends.
fn read_at(file: &File, start: u64, len: usize) -> Result<Vec<u8>, Reason> {
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match file.read_at(&mut bytes[filled..], start.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
