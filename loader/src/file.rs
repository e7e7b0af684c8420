//! Reads parts of a mapped image from its file.
//!
//! To copy a unit from the mapping would make its pages and their neighbours resident first.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::malformed::Malformed;

/// The file that an image was judged by and mapped from.
#[derive(Debug)]
pub struct ImageFile {
    path: PathBuf,
    stamp: Stamp,
}

/// What tells a file from others, and from itself after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
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

    /// What an open file is, compared with the one of this stamp. Another one says nothing about the mapping; one that has
    /// changed does: nothing of either can be believed.
    pub fn judge(&self, file: &File) -> Verdict {
        match Stamp::of(file) {
            Ok(stamp) if stamp == *self => Verdict::Same,
            Ok(stamp) if (stamp.device, stamp.inode) == (self.device, self.inode) => Verdict::Changed,
            _ => Verdict::Other,
        }
    }
}

impl ImageFile {
    /// The open file `file` with this absolute path.
    pub fn new(path: &Path, file: &File) -> std::io::Result<ImageFile> {
        Ok(ImageFile { path: path.to_owned(), stamp: Stamp::of(file)? })
    }

    /// Opens what has the file's name now, if it can be opened.
    pub fn open(&self) -> Option<File> {
        // Whatever it is by now: nobody waits for it.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        OpenOptions::new().read(true).custom_flags(flags).open(&self.path).ok()
    }

    /// What tells it from others.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }
}

/// What a file is that was opened under the name of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The image, as it was.
    Same,
    /// The image, but something was written to it.
    Changed,
    /// Another file, or one of which nothing can be known.
    Other,
}

/// Fills `bytes` from `position` on. It is for the caller to judge the file afterwards.
pub fn read(file: &File, position: u64, bytes: &mut [u8]) -> Result<(), Malformed> {
    file.read_exact_at(bytes, position).map_err(|_| Malformed)
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
        let opened = file.open().unwrap();
        read(&opened, 3, &mut bytes).unwrap();
        assert_eq!((&bytes, file.stamp().judge(&opened)), (b"3456", Verdict::Same));
        assert_eq!(read(&opened, 8, &mut bytes), Err(Malformed));
        // Cut off, and so another.
        std::fs::write(&path, b"01234").unwrap();
        assert_eq!(file.stamp().judge(&opened), Verdict::Changed);
        assert_eq!(file.stamp().judge(&file.open().unwrap()), Verdict::Changed);
        // Another file.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"abcdefghij").unwrap();
        assert_eq!(file.stamp().judge(&file.open().unwrap()), Verdict::Other);
        std::fs::remove_file(&path).unwrap();
        assert!(file.open().is_none());
    }
}
