//! `stat`, following symlinks.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What the search needs of a `stat`.
#[derive(Debug, Clone, Copy)]
pub struct Stat {
    pub is_file: bool,
    pub is_dir: bool,
    /// Nanoseconds since the epoch.
    pub mtime_ns: i64,
    pub size: u64,
    /// Device and inode: the same for two paths to one file.
    pub identity: (u64, u64),
}

/// `None` where `_path_isfile` and `_path_isdir` of importlib say no: any error means that there is no such thing.
pub fn stat(path: &Path) -> Option<Stat> {
    fs::metadata(path).ok().map(|m| Stat {
        is_file: m.is_file(),
        is_dir: m.is_dir(),
        mtime_ns: mtime_ns(&m),
        size: m.size(),
        identity: (m.dev(), m.ino()),
    })
}

/// Saturates outside the years 1677 to 2262, which a 64-bit count cannot hold.
fn mtime_ns(m: &Metadata) -> i64 {
    m.mtime().saturating_mul(1_000_000_000).saturating_add(m.mtime_nsec())
}
