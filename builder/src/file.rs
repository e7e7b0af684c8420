//! Files that are read and written: regular ones. Others make a reader wait or give bytes for ever, and are nobody's to replace.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Opens a file for reading.
pub fn open(path: &Path) -> io::Result<File> {
    // A pipe would block in open(): look first.
    regular(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

/// All of a file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// All of a file with text.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// An error for what is no regular file.
pub fn regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(io::Error::new(ErrorKind::IsADirectory, "it is a directory"));
    }
    if metadata.is_file() { Ok(()) } else { Err(io::Error::other("it is not a regular file")) }
}

/// Where a file of this name is put. What a symbolic link leads to is replaced, not the link.
pub fn place(path: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_symlink() => behind(path),
        Ok(metadata) => regular(&metadata).map(|()| path.to_owned()),
    }
}

/// The file that a symbolic link leads to.
fn behind(link: &Path) -> io::Result<PathBuf> {
    match fs::metadata(link) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(io::Error::new(ErrorKind::NotFound, "it is a symbolic link that leads nowhere"))
        }
        metadata => regular(&metadata?).and_then(|()| fs::canonicalize(link)),
    }
}

/// A file under a temporary name, which starts with `prefix`, beside its place; gone when dropped. It has `mode` as far as the umask lets it.
pub fn temporary(path: &Path, prefix: &str, mode: u32) -> io::Result<NamedTempFile> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let permissions = Permissions::from_mode(mode);
    tempfile::Builder::new().prefix(prefix).suffix(".tmp").permissions(permissions).tempfile_in(directory)
}

/// Writes a [`temporary`] file and gives it its name.
pub fn put(path: &Path, prefix: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = temporary(path, prefix, mode)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}
