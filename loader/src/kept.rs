//! The file of an image stays open from the second unit on that is read during an import, until the outermost import of the
//! thread has ended: to open it for each unit takes longer than to read most of them.
//!
//! What a module opens has the number that it would have without, since the descriptor is moved up. A module may close it, and
//! its number may be another file's then: it is read and closed only as long as it is the image's.

use std::cell::Cell;
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

use crate::file::{ImageFile, Stamp, Verdict};

/// The lowest number of a kept descriptor. The system makes a larger table for a process from 64 on.
const LOWEST: RawFd = 48;

thread_local! {
    static STATE: Cell<State> = const { Cell::new(State { imports: 0, has_read: false, kept: None }) };
}

/// Of one thread.
#[derive(Debug, Clone, Copy)]
struct State {
    /// Imports in progress, one inside the other.
    imports: u32,
    /// Whether a unit was read since the outermost one began.
    has_read: bool,
    /// What is kept, if it is not in use.
    kept: Option<(RawFd, Stamp)>,
}

/// As long as it lives, an import is in progress in this thread.
#[derive(Debug)]
pub struct Import(());

impl Import {
    /// One begins.
    pub fn begin() -> Import {
        let state = STATE.get();
        STATE.set(State { imports: state.imports + 1, ..state });
        Import(())
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        let state = STATE.get();
        if state.imports > 1 {
            return STATE.set(State { imports: state.imports - 1, ..state });
        }
        STATE.set(State { imports: 0, has_read: false, kept: None });
        if let Some((number, stamp)) = state.kept {
            // SAFETY: asked for before it is believed to be the image's.
            let file = unsafe { borrow(number) };
            if stamp.judge(&file) != Verdict::Other {
                drop(ManuallyDrop::into_inner(file));
            }
        }
    }
}

/// A file with this number, which is not closed.
///
/// # Safety
///
/// It may be open no more, or stand for another file.
unsafe fn borrow(number: RawFd) -> ManuallyDrop<File> {
    // SAFETY: see above.
    ManuallyDrop::new(unsafe { File::from_raw_fd(number) })
}

/// The file of an image, open. It is for the caller to say what becomes of it.
#[derive(Debug)]
pub struct Open {
    file: ManuallyDrop<File>,
    /// Whether it was kept: others may have closed it.
    pub was_kept: bool,
    stamp: Stamp,
}

/// The kept file of this image, or what has its name now.
pub fn open(image: &ImageFile) -> Option<Open> {
    let (state, stamp) = (STATE.get(), image.stamp());
    if let Some((number, kept)) = state.kept
        && kept == stamp
    {
        STATE.set(State { kept: None, ..state });
        // SAFETY: judged after it was read.
        return Some(Open { file: unsafe { borrow(number) }, was_kept: true, stamp });
    }
    Some(Open { file: ManuallyDrop::new(image.open()?), was_kept: false, stamp })
}

impl Open {
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
        let state = STATE.get();
        let is_free = state.imports != 0 && state.kept.is_none();
        let kept = match is_free && state.has_read {
            true if self.was_kept => Some((self.file.as_raw_fd(), self.stamp)),
            true => move_up(&self.file).map(|number| (number, self.stamp)),
            false => None,
        };
        STATE.set(State { has_read: state.imports != 0, kept: kept.or(state.kept), ..state });
        if !(self.was_kept && kept.is_some()) {
            self.close();
        }
    }

    /// Closes it, if it is the image's or was never kept.
    pub fn close(self) {
        if !self.was_kept || self.judge() != Verdict::Other {
            drop(ManuallyDrop::into_inner(self.file));
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
        // Nor has another thread.
        std::thread::scope(|scope| scope.spawn(|| assert!(!made.read().1)).join().unwrap());
        drop(outer);
        assert!(made.numbers().is_empty() && !made.read().1);
    }

    #[test]
    fn what_was_closed_is_opened_again_and_what_is_not_the_images_stays_open() {
        let made = Made::new("closed");
        let import = Import::begin();
        (0..2).for_each(|_| assert!(!made.read().1));
        let number = made.numbers()[0];
        // A module closes it, and its number is another file's.
        let other = File::open(Path::new("/dev/null")).unwrap().into_raw_fd();
        // SAFETY: descriptors of this test.
        assert_eq!(unsafe { libc::dup2(other, number) }, number);
        let open_now = open(&made.image).unwrap();
        assert_eq!((open_now.was_kept, open_now.judge()), (true, Verdict::Other));
        open_now.close();
        // SAFETY: an open descriptor.
        assert_ne!(unsafe { libc::fcntl(number, libc::F_GETFD) }, -1);
        // Kept under another number, which is closed at the end.
        assert!(!made.read().1 && made.read().1);
        let again = made.numbers()[0];
        assert_ne!(again, number);
        // SAFETY: descriptors of this test.
        assert_eq!(unsafe { (libc::dup2(other, again), libc::close(number), libc::close(other)) }, (again, 0, 0));
        drop(import);
        // SAFETY: as it was left.
        assert_eq!(unsafe { libc::close(again) }, 0);
    }
}
