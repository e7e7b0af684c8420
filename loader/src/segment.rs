//! The objects of an image where they are mapped: whole ranges of them, in place or copied.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

use cds_layout::format::{CHUNK, Header, Range, SLOT, Section, UnitRecord};

use crate::file;
use crate::malformed::Malformed;
use crate::pages::{give_back, prefault};
use crate::relocate::{Moves, TextWords, Window};

/// The objects. The first ones are the pool, which many units use; each of the others belongs to one unit.
#[derive(Debug)]
pub struct Segment {
    /// Address of the image.
    base: usize,
    /// Address of the objects.
    address: usize,
    /// Their bytes.
    size: u32,
    /// Bytes of those that many units use.
    pool: u32,
    /// What the addresses in the file assume about the image, and about the interpreter.
    image: Span,
    externs: Span,
    patched: AtomicU64,
}

/// A copy of objects: which ones, and the memory for them.
#[derive(Debug)]
pub struct Copied<'a> {
    /// Which objects.
    pub range: Range,
    /// As many words.
    pub words: &'a mut [u64],
}

/// Addresses that words in the file have.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u64,
    size: u64,
}

impl Span {
    /// Its words, where what they point to is so far from there.
    fn moved(self, distance: u64) -> Window {
        Window { start: self.start, size: self.size, distance }
    }
}

impl Segment {
    /// The objects of a mapped image: `section` lies in a writable segment of it, and the pool in the section.
    pub fn new(header: &Header, base: usize, section: Section) -> Segment {
        Segment {
            base,
            address: base + section.position as usize,
            size: section.size,
            pool: header.pool,
            image: Span { start: header.preferred_base, size: header.span },
            externs: Span { start: header.externs_start, size: header.externs_size },
            patched: AtomicU64::new(0),
        }
    }

    /// Address of the objects.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Bytes of the pool.
    pub fn pool(&self) -> u32 {
        self.pool
    }

    /// All objects beyond the pool.
    pub fn of_units(&self) -> Range {
        Range { start: self.pool, size: self.size - self.pool }
    }

    /// Counts slots that were written.
    pub fn count_patched(&self, slots: u64) {
        self.patched.fetch_add(slots, Ordering::Relaxed);
    }

    /// How many slots were written so far.
    pub fn patched(&self) -> u64 {
        self.patched.load(Ordering::Relaxed)
    }

    /// The objects of a unit that can be copied, beyond the pool: its bodies, and what follows on them.
    pub fn own_ranges(&self, unit: &UnitRecord) -> Result<(Range, Range), Malformed> {
        let whole = unit.whole().filter(|whole| whole.start >= self.pool).ok_or(Malformed)?;
        let staying = unit.staying().filter(|staying| staying.size.is_multiple_of(SLOT)).ok_or(Malformed)?;
        self.words(whole)?;
        self.words(unit.bodies)?;
        Ok((unit.bodies, staying))
    }

    /// Copies bodies, and what follows on them in the image: from the file or from the mapping.
    pub fn copy(&self, file: Option<&File>, bodies: Copied<'_>, staying: Copied<'_>) -> Result<(), Malformed> {
        let Some(file) = file else {
            self.copy_mapped(bodies)?;
            return self.copy_mapped(staying);
        };
        let (start, count) = self.words(bodies.range)?;
        let (next, more) = self.words(staying.range)?;
        if (count, more) != (bodies.words.len(), staying.words.len()) || start.wrapping_add(count) != next {
            return Err(Malformed);
        }
        file::read_both(file, (start as usize - self.base) as u64, bytes_of(bodies.words), bytes_of(staying.words))
    }

    /// Copies objects to which nobody writes where they are mapped.
    pub fn copy_mapped(&self, copied: Copied<'_>) -> Result<(), Malformed> {
        let (start, count) = self.words(copied.range)?;
        if count != copied.words.len() {
            return Err(Malformed);
        }
        // SAFETY: aligned words of an object that stays mapped, and as this function says.
        copied.words.copy_from_slice(unsafe { std::slice::from_raw_parts(start, count) });
        Ok(())
    }

    /// Moves all addresses in copied objects, and puts strings where words stand for them: `texts` are those that the unit has
    /// no objects for, in their order.
    pub fn adapt(&self, words: &mut [u64], moves: &Moves, texts: &[u64]) {
        let texts = TextWords { start: self.predicted(self.size), addresses: texts };
        self.count_patched(moves.apply_with(words, &texts));
    }

    /// Gets the pages of a range ready to be written to.
    pub fn prefault(&self, range: Range) -> Result<(), Malformed> {
        let (start, count) = self.words(range)?;
        prefault(start as usize, count * size_of::<u64>());
        Ok(())
    }

    /// Moves all addresses in a range of objects that nobody has used yet.
    pub fn relocate(&self, range: Range, moves: &Moves) -> Result<(), Malformed> {
        let (start, count) = self.words(range)?;
        prefault(start as usize, count * size_of::<u64>());
        // SAFETY: aligned words in a writable segment of an object that stays mapped; the GIL is held, and units that nobody has used
        // nobody else knows.
        let words = unsafe { std::slice::from_raw_parts_mut(start, count) };
        self.count_patched(moves.apply(words));
        Ok(())
    }

    /// The piece of the pool with this number.
    pub fn chunk(&self, number: u32) -> Option<Range> {
        let start = number.checked_mul(CHUNK).filter(|start| *start < self.pool)?;
        Some(Range { start, size: CHUNK.min(self.pool - start) })
    }

    /// Whether an offset lies in the pool.
    pub fn is_in_pool(&self, offset: u32) -> bool {
        offset < self.pool
    }

    /// What has to be moved of objects that lie in the image, where the interpreter's addresses are so far from their words.
    pub fn moves(&self, externs: u64) -> Moves {
        Moves::default().and(self.externs.moved(externs)).and(self.image.moved(self.distance()))
    }

    /// The same for the objects of a unit whose own ones were copied to `address`: then those of the image that it points to
    /// lie in the pool, but for bodies, which only each other point to.
    pub fn moves_of_copy(&self, externs: u64, own: Range, address: usize) -> Moves {
        let pool = Span { start: self.predicted(0), size: u64::from(self.pool) };
        let own = Span { start: self.predicted(own.start), size: u64::from(own.size) };
        Moves::default()
            .and(self.externs.moved(externs))
            .and(pool.moved(self.distance()))
            .and(own.moved((address as u64).wrapping_sub(own.start)))
    }

    /// How far the image is from where its addresses assume it.
    fn distance(&self) -> u64 {
        (self.base as u64).wrapping_sub(self.image.start)
    }

    /// What slots that point to the object at an offset hold in the file.
    pub fn predicted(&self, offset: u32) -> u64 {
        let objects = (self.address - self.base) as u64;
        self.image.start.wrapping_add(objects).wrapping_add(u64::from(offset))
    }

    /// The words of a range of objects: where the first one is, and how many there are.
    fn words(&self, range: Range) -> Result<(*mut u64, usize), Malformed> {
        let end = u64::from(range.start) + u64::from(range.size);
        if end > u64::from(self.size) || !range.start.is_multiple_of(SLOT) {
            return Err(Malformed);
        }
        Ok(((self.address + range.start as usize) as *mut u64, (range.size / SLOT) as usize))
    }

    /// Gives the pages of all units back to the system, which are as they are in the file.
    pub fn give_back_units(&self) {
        self.give_back(self.pool, self.size);
    }

    /// The same for pages that lie within these objects.
    pub fn give_back(&self, start: u32, end: u32) {
        if start < end && end <= self.size {
            give_back(self.address + start as usize, self.address + end as usize);
        }
    }
}

fn bytes_of(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: the same memory, and any bytes are words.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), size_of_val(words)) }
}
