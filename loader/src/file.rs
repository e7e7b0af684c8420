//! Reads parts of a mapped image from its file.
//!
//! To copy a unit from the mapping would make its pages and their neighbours resident first, and each costs more than its
//! copy. The file is opened anew each time: a descriptor that stays open is something that a process sees, and may close.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The file that an image was mapped from.
#[derive(Debug)]
pub struct ImageFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// Another file has its name now, or it cannot be opened any more.
    is_gone: AtomicBool,
}

impl ImageFile {
    /// The open file `file` with this absolute path.
    pub fn new(path: &Path, file: &File) -> std::io::Result<ImageFile> {
        let metadata = file.metadata()?;
        let (device, inode) = (metadata.dev(), metadata.ino());
        Ok(ImageFile { path: path.to_owned(), device, inode, is_gone: AtomicBool::new(false) })
    }

    /// Fills each slice from its position on. `false` if that is not possible: they may have been written to.
    ///
    /// The file is the one that is mapped: its inode is not used again as long as it is.
    pub fn read(&self, parts: &mut [(u64, &mut [u8])]) -> bool {
        if self.is_gone() {
            return false;
        }
        let read = self
            .open()
            .is_some_and(|file| parts.iter_mut().all(|(position, bytes)| file.read_exact_at(bytes, *position).is_ok()));
        self.is_gone.store(!read, Ordering::Relaxed);
        read
    }

    /// Whether nothing can be read any more.
    pub fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    fn open(&self) -> Option<File> {
        // Whatever has the name by now: nobody waits for it.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&self.path).ok()?;
        let metadata = file.metadata().ok()?;
        ((metadata.dev(), metadata.ino()) == (self.device, self.inode)).then_some(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_replaced_is_not_read() {
        let path = std::env::temp_dir().join(format!("cds-file-{}", std::process::id()));
        std::fs::write(&path, b"0123456789").unwrap();
        let kept = File::open(&path).unwrap();
        let file = ImageFile::new(&path, &kept).unwrap();
        let mut bytes = [0; 4];
        let (first, second) = bytes.split_at_mut(1);
        assert!(file.read(&mut [(3, first), (7, second)]));
        assert_eq!(&bytes, b"3789");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"abcdefghij").unwrap();
        assert!(!file.read(&mut [(3, &mut bytes)]) && !file.read(&mut []) && file.is_gone());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_ends_early_is_not_read() {
        let path = std::env::temp_dir().join(format!("cds-short-{}", std::process::id()));
        std::fs::write(&path, b"0123").unwrap();
        let file = ImageFile::new(&path, &File::open(&path).unwrap()).unwrap();
        assert!(!file.read(&mut [(2, &mut [0; 4])]));
        std::fs::remove_file(&path).unwrap();
    }
}
