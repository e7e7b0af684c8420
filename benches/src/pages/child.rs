//! One measurement, in the process that it is of.

use std::fs::{File, OpenOptions};
use std::mem::MaybeUninit;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use memmap2::{Advice, MmapMut, MmapOptions, UncheckedAdvice};
use serde::{Deserialize, Serialize};

use super::{Pieces, words};
use crate::counters::bytes_in;
use crate::machine::PAGE;
use crate::results::PageWay;

/// Size and alignment of a huge page.
const HUGE: usize = 2 * 1024 * 1024;

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Found {
    /// From before the first piece until all are changed, and the mapping given back where it was copied.
    pub seconds: f64,
    /// Minor page faults meanwhile.
    pub faults: f64,
    /// Peak of this process's resident memory, in bytes.
    pub peak: f64,
    /// Bytes of its memory in huge pages, at the end.
    pub huge: f64,
    /// Words that were moved.
    pub moved: u64,
    /// What the system refused.
    pub refused: Vec<String>,
}

/// Changes pieces of a file, each of so many pages and `changed` together, in one way.
pub fn measure(path: &Path, way: PageWay, piece: usize, changed: usize) -> Result<Found> {
    let file = File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?;
    // SAFETY: the file is this benchmark's own, and nobody writes to it any more.
    let mapped = unsafe { MmapOptions::new().map_copy(&file) };
    let mut mapping = mapped.with_context(|| format!("cannot map `{}`", path.display()))?;
    drop(file);
    let pieces = Pieces::new(mapping.len() / PAGE, piece, changed);
    ensure!(pieces.all() > 0, "no pieces of {piece} pages in `{}`", path.display());

    let mut refused = Refused::default();
    let faults = minor_faults()?;
    let start = Instant::now();
    let (moved, area) = match way {
        PageWay::Write | PageWay::ReadWrite | PageWay::Populate => {
            (in_place(&mut mapping, way, pieces, &mut refused)?, None)
        }
        PageWay::Copy | PageWay::CopyHuge | PageWay::File | PageWay::FileHuge => {
            let (moved, area) = copied(path, &mut mapping, way, pieces, &mut refused)?;
            (moved, Some(area))
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    let faults = minor_faults()? - faults;
    let peak = bytes_in("/proc/self/status", "VmHWM")?;
    let huge = bytes_in("/proc/self/smaps_rollup", "AnonHugePages")?;
    // Until here they had to be in memory.
    drop((area, mapping));
    Ok(Found { seconds, faults, peak, huge, moved, refused: refused.0 })
}

/// What the system refused, once each.
#[derive(Default)]
struct Refused(Vec<String>);

impl Refused {
    fn note(&mut self, what: &str, done: std::io::Result<()>) {
        if let Err(error) = done.map_err(|error| format!("{what}: {error}")) {
            // One that is refused once is refused for each piece.
            if !self.0.contains(&error) {
                self.0.push(error);
            }
        }
    }
}

/// Changes pieces of the mapping where they are; how many words were moved.
fn in_place(mapping: &mut MmapMut, way: PageWay, pieces: Pieces, refused: &mut Refused) -> Result<u64> {
    let (mut moved, size) = (0, pieces.pages * PAGE);
    for first in pieces.starts() {
        let at = first * PAGE;
        match way {
            PageWay::Write => mapping[at..at + size].chunks_mut(PAGE).for_each(|page| touch(&mut page[0])),
            PageWay::Populate => {
                refused.note("MADV_POPULATE_WRITE", mapping.advise_range(Advice::PopulateWrite, at, size));
            }
            _ => {}
        }
        moved += words::apply(words_of(&mut mapping[at..at + size])?);
    }
    Ok(moved)
}

/// Changes copies of pieces; how many words were moved, and the copies.
fn copied(
    path: &Path,
    mapping: &mut MmapMut,
    way: PageWay,
    pieces: Pieces,
    refused: &mut Refused,
) -> Result<(u64, MmapMut)> {
    let (mut area, mut at) = reserve(pieces.all() * PAGE, way.is_huge(), refused)?;
    let is_read = matches!(way, PageWay::File | PageWay::FileHuge);
    let (mut moved, size) = (0, pieces.pages * PAGE);
    for first in pieces.starts() {
        let from = first * PAGE;
        if way == PageWay::File {
            refused.note("MADV_POPULATE_WRITE", area.advise_range(Advice::PopulateWrite, at, size));
        }
        let bytes = &mut area[at..at + size];
        if is_read {
            read(path, from as u64, bytes).with_context(|| format!("cannot read `{}`", path.display()))?;
            moved += words::apply(words_of(bytes)?);
        } else {
            moved += words::copy(words_of(&mut mapping[from..from + size])?, words_of(bytes)?);
        }
        at += size;
    }
    if !is_read {
        // SAFETY: nothing was written to the mapping, and nobody has a reference into it.
        let given_back = unsafe { mapping.unchecked_advise(UncheckedAdvice::DontNeed) };
        given_back.context("cannot give the mapping back")?;
    }
    Ok((moved, area))
}

/// Makes a page private by a write that changes nothing: whether it succeeds or not, x86 takes it for one.
fn touch(byte: &mut u8) {
    // SAFETY: a byte that nobody else has.
    let byte = unsafe { AtomicU8::from_ptr(byte) };
    let _ = byte.compare_exchange(0, 0, Ordering::Relaxed, Ordering::Relaxed);
}

/// Memory for copies, and where in it they start.
fn reserve(size: usize, is_huge: bool, refused: &mut Refused) -> Result<(MmapMut, usize)> {
    let size = size.next_multiple_of(HUGE);
    let memory = MmapMut::map_anon(size + HUGE).context("no memory")?;
    let at = memory.as_ptr().align_offset(HUGE);
    if is_huge {
        refused.note("MADV_HUGEPAGE", memory.advise_range(Advice::HugePage, at, size));
    } else {
        // A system that gives huge pages to everybody shall not do so here; one without them refuses, which is as good.
        let _ = memory.advise(Advice::NoHugePage);
    }
    Ok((memory, at))
}

/// As the loader reads: the file is opened, looked at and closed each time.
fn read(path: &Path, position: u64, bytes: &mut [u8]) -> std::io::Result<()> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let metadata = file.metadata()?;
    std::hint::black_box((metadata.dev(), metadata.ino()));
    file.read_exact_at(bytes, position)
}

fn words_of(bytes: &mut [u8]) -> Result<&mut [u64]> {
    // SAFETY: all bytes are values of both types.
    let (before, words, after) = unsafe { bytes.align_to_mut::<u64>() };
    ensure!(before.is_empty() && after.is_empty(), "pieces are not whole words");
    Ok(words)
}

fn minor_faults() -> Result<f64> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to memory of the right type.
    let status = unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
    ensure!(status == 0, "cannot count page faults: {}", std::io::Error::last_os_error());
    // SAFETY: all zeros is a value of this type, and the call has filled it.
    Ok(unsafe { usage.assume_init() }.ru_minflt as f64)
}
