//! Reads parts of a mapped image from its file.
//!
//! To copy a unit from the mapping would make its pages and their neighbours resident first.

use std::fs::{File, OpenOptions};
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;
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

/// The same for two parts that follow on each other.
pub fn read_both(file: &File, position: u64, first: &mut [u8], second: &mut [u8]) -> Result<(), Malformed> {
    let mut parts = [IoSliceMut::new(first), IoSliceMut::new(second)];
    let count = parts.len() as libc::c_int;
    let offset = libc::off_t::try_from(position).map_err(|_| Malformed)?;
    // SAFETY: `IoSliceMut` is an `iovec` (its documentation says so), and each has its memory.
    let done = unsafe { libc::preadv(file.as_raw_fd(), parts.as_mut_ptr().cast(), count, offset) };
    // Interrupted, or refused by a sandbox: then nothing was.
    read_rest(file, position, first, second, usize::try_from(done).unwrap_or(0))
}

/// Reads what is missing of two parts when the first `done` bytes of both were read.
fn read_rest(file: &File, position: u64, first: &mut [u8], second: &mut [u8], done: usize) -> Result<(), Malformed> {
    let border = first.len();
    for (part, start) in [(first, 0), (second, border)] {
        let rest = part.get_mut(done.saturating_sub(start)..).unwrap_or_default();
        if !rest.is_empty() {
            read(file, position + start.max(done) as u64, rest)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_parts_are_read_whole_or_not_at_all() {
        let path = std::env::temp_dir().join(format!("cds-parts-{}", std::process::id()));
        std::fs::write(&path, b"0123456789").unwrap();
        let file = File::open(&path).unwrap();
        let both = |position, first: usize, second: usize| {
            let (mut one, mut other) = (vec![0; first], vec![0; second]);
            read_both(&file, position, &mut one, &mut other).map(|()| (one, other))
        };
        assert_eq!(both(1, 3, 4), Ok((b"123".to_vec(), b"4567".to_vec())));
        assert_eq!(both(0, 0, 10), Ok((vec![], b"0123456789".to_vec())));
        assert_eq!(both(8, 2, 0), Ok((b"89".to_vec(), vec![])));
        assert_eq!(both(10, 0, 0), Ok((vec![], vec![])));
        // The file ends within the second part, within the first, and before both.
        assert_eq!([both(1, 3, 7), both(8, 3, 1), both(11, 1, 1), both(u64::MAX, 1, 1)], [const { Err(Malformed) }; 4]);
        // What is missing after a part of it was read.
        for done in 0..=7 {
            let (mut one, mut other) = ([b'a'; 3], [b'b'; 4]);
            read_rest(&file, 1, &mut one, &mut other, done).unwrap();
            let all: Vec<u8> = one.into_iter().chain(other).collect();
            assert_eq!((&all[..done], &all[done..]), (&b"aaabbbb"[..done], &b"1234567"[done..]));
        }
        std::fs::remove_file(&path).unwrap();
    }

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
