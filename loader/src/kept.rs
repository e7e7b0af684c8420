//! The file of an image stays open from the second unit on that is read during an import, until the outermost import of the
//! thread has ended: to open it for each unit takes longer than to read most of them.
//!
//! A process has at most one such descriptor. It is moved up, so that what a module opens has the number that it would have
//! without, as long as fewer than [`LOWEST`] are open. A module may close it, and its number may be another file's then: it
//! is read and closed only as long as it is the image's.

use std::cell::Cell;
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::sync::Mutex;

use crate::file::{ImageFile, Stamp, Verdict};
use crate::nesting::{self, Nested};
use crate::unwaited::if_free;

/// The lowest number of a kept descriptor. The system makes a larger table for a process from 64 on.
const LOWEST: RawFd = 48;

/// What is kept, if it is not in use. Its stamp is that of the image.
static KEPT: Mutex<Option<(RawFd, Stamp)>> = Mutex::new(None);

thread_local! {
    /// Whether a unit was read since the outermost import of this thread began.
    static HAS_READ: Cell<bool> = const { Cell::new(false) };
}

/// As long as it lives, an import is in progress in this thread, and the file may stay open.
#[derive(Debug)]
pub struct Import(Nested);

impl Import {
    /// One begins.
    pub fn begin() -> Import {
        Import(Nested::begin())
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        if !self.0.is_outermost() {
            return;
        }
        HAS_READ.set(false);
        // The next unit of another thread's import opens the file again.
        if let Some((number, stamp)) = if_free(&KEPT, Option::take).flatten() {
            drop(Open::of_kept(number, stamp));
        }
    }
}

/// The file of an image, open. It is closed at the end, if it is the image's or was never kept.
#[derive(Debug)]
pub struct Open {
    file: ManuallyDrop<File>,
    /// Whether it was kept: others may have closed it.
    pub was_kept: bool,
    stamp: Stamp,
}

/// The kept file of this image, or what has its name now.
pub fn open(image: &ImageFile) -> Option<Open> {
    let stamp = image.stamp();
    if let Some((number, stamp)) = if_free(&KEPT, |kept| kept.take_if(|(_, kept)| *kept == stamp)).flatten() {
        let open = Open::of_kept(number, stamp);
        // Another file may wait for something, or lose what is read.
        if open.judge() != Verdict::Other {
            return Some(open);
        }
    }
    Some(Open { file: ManuallyDrop::new(image.open()?), was_kept: false, stamp })
}

impl Open {
    fn of_kept(number: RawFd, stamp: Stamp) -> Open {
        // SAFETY: nothing is done with it before it is known to be the image's.
        let file = ManuallyDrop::new(unsafe { File::from_raw_fd(number) });
        Open { file, was_kept: true, stamp }
    }

    /// To read from.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// What it is; see [`Stamp::judge`].
    pub fn judge(&self) -> Verdict {
        self.stamp.judge(&self.file)
    }

    /// Keeps the image's file for the next unit, or closes it.
    pub fn keep(self) {
        if !nesting::is_in_import() || !HAS_READ.replace(true) {
            return;
        }
        let stored = if_free(&KEPT, |kept| {
            let is_free = kept.is_none();
            if is_free {
                *kept = if self.was_kept { Some(self.file.as_raw_fd()) } else { move_up(&self.file) }
                    .map(|n| (n, self.stamp));
            }
            is_free
        });
        if self.was_kept && stored == Some(true) {
            // It is stored as it is.
            std::mem::forget(self);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.was_kept || self.judge() != Verdict::Other {
            // SAFETY: the last use.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
    }
}

/// Another descriptor for a file, which programs that the process starts do not get.
fn move_up(file: &File) -> Option<RawFd> {
    // SAFETY: an open file.
    let number = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, LOWEST) };
    (number >= 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::IntoRawFd;
    use std::path::{Path, PathBuf};

    /// The tests share what is kept.
    static ONE_BY_ONE: Mutex<()> = Mutex::new(());

    struct Made {
        path: PathBuf,
        image: ImageFile,
    }

    impl Made {
        fn new(name: &str) -> Made {
            let path = std::env::temp_dir().join(format!("cds-kept-{name}-{}", std::process::id()));
            std::fs::write(&path, name).unwrap();
            let image = ImageFile::new(&path, &File::open(&path).unwrap()).unwrap();
            Made { path, image }
        }

        /// As a unit is read; the number of the descriptor.
        fn read(&self) -> (RawFd, bool) {
            let open = open(&self.image).unwrap();
            assert_eq!(open.judge(), Verdict::Same);
            let found = (open.file.as_raw_fd(), open.was_kept);
            open.keep();
            found
        }

        /// Descriptors of this process that are this file.
        fn numbers(&self) -> Vec<RawFd> {
            let is_this = |entry: &std::fs::DirEntry| std::fs::read_link(entry.path()).is_ok_and(|to| to == self.path);
            let entries = std::fs::read_dir("/proc/self/fd").unwrap().map(Result::unwrap).filter(is_this);
            entries.map(|entry| entry.file_name().to_str().unwrap().parse().unwrap()).collect()
        }
    }

    impl Drop for Made {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    #[test]
    fn from_the_second_unit_of_an_import_to_the_end_of_the_outermost() {
        let _alone = ONE_BY_ONE.lock();
        let made = Made::new("second");
        (0..3).for_each(|_| assert!(!made.read().1 && made.numbers().is_empty()));
        let outer = Import::begin();
        assert!(!made.read().1 && made.numbers().is_empty());
        let inner = Import::begin();
        assert!(!made.read().1);
        let numbers = made.numbers();
        assert!(numbers.len() == 1 && numbers[0] >= LOWEST);
        // SAFETY: an open descriptor.
        assert_eq!(unsafe { libc::fcntl(numbers[0], libc::F_GETFD) }, libc::FD_CLOEXEC);
        drop(inner);
        (0..2).for_each(|_| assert_eq!((made.read(), made.numbers()), ((numbers[0], true), numbers.clone())));
        // Another image has none, and takes none.
        let other = Made::new("other");
        (0..2).for_each(|_| assert!(!other.read().1 && other.numbers().is_empty() && made.numbers() == numbers));
        // Another thread uses it, and closes it when it has imported something; the next unit opens the file again.
        let elsewhere = || {
            let _import = Import::begin();
            assert!(made.read().1);
        };
        std::thread::scope(|scope| scope.spawn(elsewhere).join().unwrap());
        assert!(made.numbers().is_empty() && !made.read().1 && made.read().1);
        // A thread that never ends an import leaves what the next import closes.
        let abandons = || {
            std::mem::forget(Import::begin());
            (0..2).for_each(|_| _ = made.read());
        };
        drop(outer);
        (0..3).for_each(|_| std::thread::scope(|scope| scope.spawn(abandons).join().unwrap()));
        assert_eq!(made.numbers().len(), 1);
        drop(Import::begin());
        assert!(made.numbers().is_empty() && !made.read().1);
    }

    #[test]
    fn what_was_closed_is_opened_again_and_what_is_not_the_images_stays_open() {
        let _alone = ONE_BY_ONE.lock();
        let made = Made::new("closed");
        let import = Import::begin();
        (0..2).for_each(|_| assert!(!made.read().1));
        let number = made.numbers()[0];
        // A module closes it, and its number is another file's.
        let other = File::open(Path::new("/dev/null")).unwrap().into_raw_fd();
        // SAFETY: descriptors of this test.
        assert_eq!(unsafe { libc::dup2(other, number) }, number);
        // Opened anew, kept under another number, and the null device is still there.
        assert!(!made.read().1 && made.read().1);
        let again = made.numbers()[0];
        assert_ne!(again, number);
        // SAFETY: an open descriptor.
        assert_ne!(unsafe { libc::fcntl(number, libc::F_GETFD) }, -1);
        // SAFETY: descriptors of this test.
        assert_eq!(unsafe { (libc::dup2(other, again), libc::close(number), libc::close(other)) }, (again, 0, 0));
        drop(import);
        // SAFETY: as it was left.
        assert_eq!(unsafe { libc::close(again) }, 0);
    }
}
