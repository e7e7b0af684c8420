//! Memory for copies of units, filled from its start. What was used is never given back.
//!
//! After the first chunk, which has usual pages, it is in huge ones. Chunks that follow on each other become one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::heap;
use crate::huge::{self, Rest};
use crate::pages::prefault;

/// Size of the first chunk, which has pages of the usual size: a program that uses little shall not have a huge page for it.
const SMALL: usize = 1024 * 1024;

/// It is got ready in pieces, one call for more than one unit: each as large as what is ready, in these bounds. A start that imports
/// one small module shall not wait for many pages.
const AHEAD: [u32; 2] = [16 * 1024, 128 * 1024];

/// Copies lie as far from each other as the processor's caches need.
const ALIGN: u32 = 64;

/// Offsets are less than this, so that who keeps them has numbers left for other things.
const MOST: u32 = u32::MAX - ALIGN;

/// The chunks, in the order of their offsets.
#[derive(Debug, Default)]
pub struct Arena(Mutex<Vec<Chunk>>);

#[derive(Debug, Clone, Copy)]
struct Chunk {
    /// Where its bytes are among those of all chunks.
    offset: u32,
    size: u32,
    taken: u32,
    /// How much of it has its pages already, or gets them by itself, as huge ones do.
    ready: u32,
    address: usize,
}

impl Arena {
    /// The GIL is held: nobody has to wait.
    fn chunks(&self) -> MutexGuard<'_, Vec<Chunk>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The offset of `size` bytes that nobody had before, a multiple of 64; `None` without memory.
    pub fn take(&self, size: u32) -> Option<u32> {
        let (offset, more_in_huge_pages) = Self::take_from(&mut self.chunks(), size)?;
        // Nothing is locked: it may wait for the interpreter.
        if more_in_huge_pages {
            heap::grow_into_huge_pages();
        }
        Some(offset)
    }

    /// The offset, and whether it needed more memory in huge pages.
    fn take_from(chunks: &mut Vec<Chunk>, size: u32) -> Option<(u32, bool)> {
        let size = size.checked_next_multiple_of(ALIGN)?;
        if let Some(last) = chunks.last_mut() {
            // What was given back may end anywhere.
            last.taken = last.taken.next_multiple_of(ALIGN).min(last.size);
        }
        let mut more_in_huge_pages = false;
        if chunks.last().is_none_or(|last| last.size - last.taken < size) {
            let first = if chunks.is_empty() { Chunk::small(size) } else { None };
            more_in_huge_pages = first.is_none();
            let chunk = match first {
                Some(small) => small,
                None => Chunk::large(chunks.last(), size)?,
            };
            match chunks.last_mut() {
                Some(last) if last.end() == chunk.address && last.ready == last.size => {
                    (last.size, last.ready) = (last.size + chunk.size, last.ready + chunk.ready);
                }
                _ => chunks.push(chunk),
            }
        }
        let last = chunks.last_mut()?;
        let within = last.taken;
        last.taken += size;
        if last.taken > last.ready {
            let piece = last.ready.clamp(AHEAD[0], AHEAD[1]);
            let ready = last.taken.next_multiple_of(piece).min(last.size);
            prefault(last.address + last.ready as usize, (ready - last.ready) as usize);
            last.ready = ready;
        }
        Some((last.offset + within, more_in_huge_pages))
    }

    /// Of the `size` bytes at `offset` that were taken, only the first `used` ones are. If they are not the last that were taken,
    /// the others are lost.
    pub fn shrink(&self, offset: u32, size: u32, used: u32) {
        let Some(size) = size.checked_next_multiple_of(ALIGN) else { return };
        if let Some(last) = self.chunks().last_mut()
            && u64::from(last.offset) + u64::from(last.taken) == u64::from(offset) + u64::from(size)
            && offset >= last.offset
            && used <= size
        {
            last.taken = offset - last.offset + used;
        }
    }

    /// Address of what has this offset.
    pub fn address(&self, offset: u32) -> Option<usize> {
        let chunks = self.chunks();
        let chunk = chunks.iter().rev().find(|chunk| chunk.offset <= offset)?;
        Some(chunk.address + (offset - chunk.offset) as usize)
    }

    /// Whether an address was taken.
    pub fn contains(&self, address: usize) -> bool {
        let inside = |chunk: &Chunk| address.checked_sub(chunk.address).is_some_and(|at| at < chunk.taken as usize);
        self.chunks().iter().any(inside)
    }
}

impl Chunk {
    /// The first chunk, with usual pages, if `size` bytes fit into it.
    fn small(size: u32) -> Option<Chunk> {
        if size as usize > SMALL {
            return None;
        }
        Some(Chunk { offset: 0, size: SMALL as u32, taken: 0, ready: 0, address: huge::reserve(SMALL)? })
    }

    /// The chunk after `last`, with room for `size` bytes, in huge pages.
    fn large(last: Option<&Chunk>, size: u32) -> Option<Chunk> {
        let offset = last.map_or(Some(0), |last| last.offset.checked_add(last.size))?;
        // Before anything is taken: it could not be given back.
        offset.checked_add(size)?.checked_add(huge::MORE).filter(|end| *end < MOST)?;
        let rest = last.map(|last| Rest { end: last.end(), left: (last.size - last.taken) as usize });
        let memory = huge::take(size as usize, rest)?;
        let size = u32::try_from(memory.len()).ok()?;
        Some(Chunk { offset, size, taken: 0, ready: size, address: memory.start })
    }

    /// Where it ends.
    fn end(&self) -> usize {
        self.address + self.size as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::huge::HUGE;

    fn fill(arena: &Arena, offset: u32, size: usize, byte: u8) {
        let address = arena.address(offset).unwrap();
        assert!(arena.contains(address) && arena.contains(address + size - 1));
        // SAFETY: taken from the arena.
        unsafe { std::ptr::write_bytes(address as *mut u8, byte, size) };
    }

    #[test]
    fn pieces_lie_apart() {
        let _alone = huge::one_by_one();
        let arena = Arena::default();
        assert!(!arena.contains(0) && arena.address(0).is_none());
        let large = 16 * 1024 * 1024;
        let mut sizes = vec![1, HUGE, 0, SMALL, large - 1, large + 1, 1];
        // Of those in huge pages, most find the rest of the one before.
        sizes.extend((0..100).map(|number| number * 7919 % 300_000));
        let taken: Vec<(u32, usize)> = sizes.iter().map(|&size| (arena.take(size as u32).unwrap(), size)).collect();
        assert!(taken.iter().all(|(offset, _)| offset.is_multiple_of(ALIGN)));
        assert!(taken.windows(2).all(|pair| pair[0].0 as usize + pair[0].1 <= pair[1].0 as usize));
        let nonempty: Vec<_> = taken.iter().zip((0..=u8::MAX).cycle()).filter(|((_, size), _)| *size != 0).collect();
        nonempty.iter().for_each(|((offset, size), byte)| fill(&arena, *offset, *size, *byte));
        for ((offset, size), byte) in nonempty {
            let address = arena.address(*offset).unwrap();
            // SAFETY: taken from the arena, and filled.
            let bytes = unsafe { std::slice::from_raw_parts(address as *const u8, *size) };
            assert!(bytes.iter().all(|found| *found == byte));
        }
        let last = arena.take(0).unwrap();
        assert_eq!((arena.take(u32::MAX), arena.take(u32::MAX - huge::MORE)), (None, None));
        assert_eq!(arena.take(0), Some(last), "nothing was taken for what has no offset");
    }

    #[test]
    fn the_first_pieces_are_small() {
        let _alone = huge::one_by_one();
        let arena = Arena::default();
        let ready = |size| {
            arena.take(size).unwrap();
            arena.chunks()[0].ready / 1024
        };
        assert_eq!([1, 16, 17, 40, 100, 200, 1].map(|kib| ready(kib * 1024)), [16, 32, 64, 128, 256, 384, 384]);
    }

    #[test]
    fn what_is_not_used_is_taken_again_and_nothing_else() {
        let _alone = huge::one_by_one();
        let arena = Arena::default();
        let (a, b) = (arena.take(1000).unwrap(), arena.take(1000).unwrap());
        // Somebody has taken memory behind it.
        arena.shrink(a, 1000, 8);
        assert_eq!(arena.take(8), Some(b + 1024));
        let c = arena.take(1000).unwrap();
        fill(&arena, c, 100, 1);
        arena.shrink(c, 1000, 100);
        let address = arena.address(c).unwrap();
        assert!(arena.contains(address + 99) && !arena.contains(address + 100));
        assert_eq!(arena.take(0), Some(c + 128));
        // More than there was, and all of it.
        let d = arena.take(64).unwrap();
        arena.shrink(d, 64, 65);
        arena.shrink(d, u32::MAX, 0);
        assert_eq!(arena.take(64), Some(d + 64));
        arena.shrink(d + 64, 64, 0);
        assert_eq!(arena.take(64), Some(d + 64));
        // The first of a new chunk.
        let e = arena.take(HUGE as u32).unwrap();
        arena.shrink(e, HUGE as u32, 1);
        assert_eq!(arena.take(1), Some(e + ALIGN));
    }

    #[test]
    fn what_is_beyond_the_first_chunk_may_be_in_huge_pages() {
        let _alone = huge::one_by_one();
        let arena = Arena::default();
        let (small, large) = (arena.take(SMALL as u32).unwrap(), arena.take(1).unwrap());
        let advised = |offset| {
            let address = arena.address(offset).unwrap();
            flags_of(address).contains(" hg")
        };
        let possible = std::path::Path::new("/sys/kernel/mm/transparent_hugepage/enabled").exists();
        assert_eq!((advised(small), advised(large)), (false, possible));
    }

    /// `VmFlags` of the mapping that has this address.
    fn flags_of(address: usize) -> String {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in smaps.lines() {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            if let Some((Ok(start), Ok(end))) =
                range.map(|(a, b)| (usize::from_str_radix(a, 16), usize::from_str_radix(b, 16)))
            {
                inside = (start..end).contains(&address);
            } else if inside && line.starts_with("VmFlags:") {
                return line.to_owned();
            }
        }
        panic!("{address:#x} is not mapped");
    }
}
