//! Decides whether a `.pyc` may stand for its source, as importlib does but trusting nothing unchecked.

use super::source_hash::source_hash;
use std::path::{Path, PathBuf};

/// Length of the header before the marshal data.
pub(super) const HEADER: usize = 16;

/// The source that a `.pyc` must agree with.
pub(super) struct Source<'a> {
    pub(super) mtime_ns: i64,
    pub(super) size: u64,
    /// Reads the source; asked only for a hash-based `.pyc`.
    pub(super) read: &'a dyn Fn() -> Option<Vec<u8>>,
}

/// What became of a `.pyc`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its code is the source's.
    Valid,
    /// It belongs to another source or interpreter, which is nothing unusual.
    Stale(&'static str),
    /// It is broken.
    Damaged(&'static str),
}

/// `importlib.util.cache_from_source` without a cache prefix: where the `.pyc` of a source file lies. An interpreter
/// without a cache tag reads none.
pub(super) fn path(source: &Path, cache_tag: &str, optimize: u8) -> Option<PathBuf> {
    if cache_tag.is_empty() {
        return None;
    }
    let stem = source.file_stem()?.to_str()?;
    let name = match optimize {
        0 => format!("{stem}.{cache_tag}.pyc"),
        level => format!("{stem}.{cache_tag}.opt-{level}.pyc"),
    };
    Some(source.parent()?.join("__pycache__").join(name))
}

/// Judges a `.pyc` by its header (`_classify_pyc` and what `SourceLoader.get_code` does after it,
/// `importlib/_bootstrap_external.py`).
pub(super) fn judge(pyc: &[u8], magic: [u8; 4], source: &Source<'_>) -> Verdict {
    let Some((header, _)) = pyc.split_first_chunk::<HEADER>() else {
        return Verdict::Damaged("it ends inside its header");
    };
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if header[..4] != magic {
        return Verdict::Stale("it is of another version of Python");
    }
    match word(4) {
        0 if word(8) != mtime(source.mtime_ns) => Verdict::Stale("the source has another modification time"),
        0 if word(12) != source.size as u32 => Verdict::Stale("the source has another size"),
        0 => Verdict::Valid,
        // Checked or unchecked: an unchecked hash is a promise to importlib that nobody has to keep.
        0b01 | 0b11 => match (source.read)() {
            Some(text) if header[8..] == source_hash(magic, &text).to_le_bytes() => Verdict::Valid,
            _ => Verdict::Stale("the source has another hash"),
        },
        _ => Verdict::Damaged("its flags are unknown"),
    }
}

/// The 32 bits of a modification time that a `.pyc` keeps: `int(os.stat(source).st_mtime)`, where `st_mtime` is a
/// float and may have been rounded up to the next second.
fn mtime(mtime_ns: i64) -> u32 {
    const SECOND: i64 = 1_000_000_000;
    let seconds = mtime_ns.div_euclid(SECOND) as f64 + 1e-9 * mtime_ns.rem_euclid(SECOND) as f64;
    seconds as i64 as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: [u8; 4] = [0xcb, 0x0d, 0x0d, 0x0a];
    const SECOND: i64 = 1_000_000_000;

    fn header(flags: u32, last: [u8; 8]) -> Vec<u8> {
        [&MAGIC[..], &flags.to_le_bytes(), &last].concat()
    }

    fn stamp(mtime: u32, size: u32) -> [u8; 8] {
        [mtime.to_le_bytes(), size.to_le_bytes()].concat().try_into().unwrap()
    }

    fn verdict(pyc: &[u8]) -> Verdict {
        let read = || Some(b"x = 1\n".to_vec());
        judge(pyc, MAGIC, &Source { mtime_ns: 7 * SECOND + 1, size: 6, read: &read })
    }

    #[test]
    fn timestamps() {
        assert_eq!(verdict(&header(0, stamp(7, 6))), Verdict::Valid);
        assert!(matches!(verdict(&header(0, stamp(8, 6))), Verdict::Stale(_)));
        assert!(matches!(verdict(&header(0, stamp(7, 5))), Verdict::Stale(_)));
    }

    #[test]
    fn hashes_are_always_checked() {
        let hash = source_hash(MAGIC, b"x = 1\n").to_le_bytes();
        for flags in [0b01, 0b11] {
            assert_eq!(verdict(&header(flags, hash)), Verdict::Valid);
            assert!(matches!(verdict(&header(flags, [1; 8])), Verdict::Stale(_)));
        }
    }

    #[test]
    fn other_headers() {
        assert!(matches!(verdict(&header(0b10, stamp(7, 6))), Verdict::Damaged(_)));
        assert!(matches!(verdict(&header(0b100, stamp(7, 6))), Verdict::Damaged(_)));
        assert!(matches!(verdict(&[0; 16]), Verdict::Stale(_)));
        assert!(matches!(verdict(&MAGIC), Verdict::Damaged(_)));
    }

    #[test]
    fn modification_times_are_rounded_as_floats() {
        assert_eq!(mtime(5 * SECOND + 999_999_999), 5);
        assert_eq!(mtime(1_700_000_000 * SECOND + 999_999_999), 1_700_000_001);
        assert_eq!(mtime(-SECOND / 2), 0);
        assert_eq!(mtime((1 << 32) * SECOND), 0);
    }

    #[test]
    fn paths() {
        let source = Path::new("a/b.c.py");
        assert_eq!(path(source, "cpython-312", 0).unwrap(), Path::new("a/__pycache__/b.c.cpython-312.pyc"));
        assert_eq!(path(source, "cpython-312", 2).unwrap(), Path::new("a/__pycache__/b.c.cpython-312.opt-2.pyc"));
        assert_eq!(path(source, "", 0), None);
    }
}
