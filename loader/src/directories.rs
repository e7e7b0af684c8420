//! What directories contain, read again only when their modification time has changed.
//!
//! That is the staleness that `FileFinder` (Lib/importlib/_bootstrap_external.py) has, too, and
//! `importlib.invalidate_caches()` is the remedy for both.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The names in a directory.
#[derive(Debug, Default)]
pub struct Listing {
    mtime_ns: i64,
    /// All names, one after the other.
    bytes: Vec<u8>,
    /// In the order of their bytes.
    names: Vec<Name>,
}

/// Where a name is.
#[derive(Debug, Clone, Copy)]
struct Name {
    /// Its first bytes, in the order of which most names are: a comparison of numbers.
    prefix: u64,
    start: u32,
    end: u32,
}

/// The first eight bytes of a name; none of a name is 0.
fn prefix(name: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = name.len().min(8);
    bytes[..length].copy_from_slice(&name[..length]);
    u64::from_be_bytes(bytes)
}

/// Listings by path. The lock is never held while Python runs.
#[derive(Debug, Default)]
pub struct Listings(Mutex<HashMap<Box<[u8]>, Arc<Listing>>>);

/// Modification time in nanoseconds.
pub fn mtime_ns(metadata: &Metadata) -> i64 {
    metadata.mtime().wrapping_mul(1_000_000_000).wrapping_add(metadata.mtime_nsec())
}

/// A path as the system takes it.
pub fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// Whether `FileFinder._fill_cache` takes a directory with this error for an empty one.
pub fn counts_as_empty(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | PermissionDenied | NotADirectory)
}

impl Listings {
    /// Forgets everything.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The names in the directory `path`, if they are known and it was not modified since.
    pub fn known(&self, path: &[u8], mtime_ns: i64) -> Option<Arc<Listing>> {
        let listings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listings.get(path).filter(|listing| listing.mtime_ns == mtime_ns).cloned()
    }

    /// Notes the names in the directory `path`.
    pub fn add(&self, path: &[u8], listing: Listing) -> Arc<Listing> {
        let listing = Arc::new(listing);
        let mut listings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Without memory it is read again the next time.
        if listings.try_reserve(1).is_ok() {
            listings.insert(path.into(), Arc::clone(&listing));
        }
        listing
    }
}

impl Listing {
    /// Of a directory that was modified at `mtime_ns`, without names.
    pub fn new(mtime_ns: i64) -> Listing {
        Listing { mtime_ns, ..Listing::default() }
    }

    /// What a directory contains that was modified at `mtime_ns`.
    pub fn read(path: &Path, mtime_ns: i64) -> io::Result<Listing> {
        let mut listing = Listing::new(mtime_ns);
        for entry in fs::read_dir(path)? {
            listing.push(entry?.file_name().as_bytes())?;
        }
        Ok(listing.sorted())
    }

    /// With one name more, in no order; an error if there is no memory for it.
    pub fn push(&mut self, name: &[u8]) -> io::Result<()> {
        self.bytes.try_reserve(name.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.names.try_reserve(1).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(name);
        self.names.push(Name { prefix: prefix(name), start, end: self.bytes.len() as u32 });
        Ok(())
    }

    /// With all names in order.
    pub fn sorted(mut self) -> Listing {
        let Listing { bytes, names, .. } = &mut self;
        names.sort_unstable_by(|a, b| a.prefix.cmp(&b.prefix).then_with(|| a.of(bytes).cmp(b.of(bytes))));
        self
    }

    /// Whether there is an entry of this name.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.names.get(self.first_from(name)).is_some_and(|found| found.of(&self.bytes) == name)
    }

    /// Whether there is an entry whose name, up to its first dot, is `stem`: a module of that name could be here.
    pub fn provides(&self, stem: &[u8]) -> bool {
        self.names[self.first_from(stem)..]
            .iter()
            .map(|name| name.of(&self.bytes))
            .take_while(|name| name.starts_with(stem))
            .any(|name| matches!(name.get(stem.len()), None | Some(b'.')))
    }

    /// The place of the first name that does not come before this one.
    fn first_from(&self, name: &[u8]) -> usize {
        let first = prefix(name);
        self.names.partition_point(|n| n.prefix.cmp(&first).then_with(|| n.of(&self.bytes).cmp(name)).is_lt())
    }
}

impl Name {
    fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::Listing;

    #[test]
    fn stems_end_at_the_first_dot() {
        let folder = std::env::temp_dir().join(format!("cds-listing-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let long = ["eight888.py", "eight8888.py", "eight888-a", "eight888\u{ff}", "eight88"];
        let names = ["a-b", "a.py", "ab", "b.cpython-312-x86_64-linux-gnu.so", "c", "dd.py"];
        for name in long.into_iter().chain(names) {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let listing = Listing::read(&folder, 1).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let provided: Vec<&str> =
            ["a", "ab", "b", "c", "d", "dd", "e"].into_iter().filter(|s| listing.provides(s.as_bytes())).collect();
        assert_eq!(provided, ["a", "ab", "b", "c", "dd"]);
        assert!(listing.contains(b"a.py") && !listing.contains(b"a"));
        for name in long.into_iter().chain(names) {
            assert!(listing.contains(name.as_bytes()), "{name}");
        }
        let stems =
            ["eight88", "eight888", "eight8888", "eight88888", "eight8", "eight888\u{fe}", "eight888\u{ff}", ""];
        assert_eq!(
            stems.map(|stem| listing.provides(stem.as_bytes())),
            [true, true, true, false, false, false, true, false]
        );
        assert!(!listing.contains(b"eight888") && !listing.contains(b"zz") && !listing.contains(b""));
    }
}
