//! Reads parts of a mapped image from its file.
//!
//! To copy a unit from the mapping would make its pages and their neighbours resident first. The file is opened anew for each
//! unit: a descriptor that stays open is something that a process sees, and may close.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::image::Malformed;

/// The file that an image was judged by and mapped from.
#[derive(Debug)]
pub struct ImageFile {
    path: PathBuf,
    stamp: Stamp,
}

/// What tells a file from others, and from itself after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    fn of(file: &File) -> std::io::Result<Stamp> {
        let metadata = file.metadata()?;
        Ok(Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        })
    }
}

impl ImageFile {
    /// The open file `file` with this absolute path.
    pub fn new(path: &Path, file: &File) -> std::io::Result<ImageFile> {
        Ok(ImageFile { path: path.to_owned(), stamp: Stamp::of(file)? })
    }

    /// Opens the file again. `None` if it cannot be opened now, or another file has its name: what is mapped is still right. An
    /// error if it is the same file and was written to: nothing of it can be believed, nor of the mapping.
    pub fn open(&self) -> Result<Option<File>, Malformed> {
        // Whatever has the name by now: nobody waits for it.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&self.path).ok();
        let Some((file, stamp)) = file.and_then(|file| Stamp::of(&file).ok().map(|stamp| (file, stamp))) else {
            return Ok(None);
        };
        match stamp {
            _ if stamp == self.stamp => Ok(Some(file)),
            _ if (stamp.device, stamp.inode) == (self.stamp.device, self.stamp.inode) => Err(Malformed),
            _ => Ok(None),
        }
    }

    /// Fills `bytes` from `position` on. The descriptor has to be that of the file still: a program that closes what it does not
    /// know may have closed it, and opened another with its number.
    pub fn read(&self, file: &File, position: u64, bytes: &mut [u8]) -> Result<(), Malformed> {
        file.read_exact_at(bytes, position).map_err(|_| Malformed)?;
        if Stamp::of(file).ok() == Some(self.stamp) { Ok(()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_long_as_it_is_the_same() {
        let path = std::env::temp_dir().join(format!("cds-file-{}", std::process::id()));
        std::fs::write(&path, b"0123456789").unwrap();
        let kept = File::open(&path).unwrap();
        let file = ImageFile::new(&path, &kept).unwrap();
        let mut bytes = [0; 4];
        let opened = file.open().unwrap().unwrap();
        file.read(&opened, 3, &mut bytes).unwrap();
        assert_eq!(&bytes, b"3456");
        assert_eq!(file.read(&opened, 8, &mut bytes), Err(Malformed));
        // Cut off, and so another.
        std::fs::write(&path, b"01234").unwrap();
        assert_eq!(file.read(&opened, 0, &mut bytes), Err(Malformed));
        assert!(file.open().is_err());
        // Another file.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"abcdefghij").unwrap();
        assert!(file.open().unwrap().is_none());
        std::fs::remove_file(&path).unwrap();
        assert!(file.open().unwrap().is_none());
    }
}
