//! The words that stand for addresses in slots, and the proof that nothing else in the objects looks like one.
//!
//! The loader moves addresses where it finds them: every word from a window is one. So a window is chosen that no other
//! word of the objects lies in.

use cds_layout::format::{BASE_MAX, BASE_MIN, SEGMENT_ALIGN};

/// The distance between bases.
const GRANULE: u64 = 2 * 1024 * 1024;

/// Bases are not multiples of a huge page: kernels that keep files in huge pages would make two megabytes resident where a
/// process touches a few bytes.
const SHIFT: u64 = SEGMENT_ALIGN;

/// Where windows for moving interpreters start: no address of a program, so that one that was not moved cannot be used.
const NOWHERE: u64 = 0x4c53_0000_0000_0000;

/// How often to choose again.
const ATTEMPTS: u64 = 100;

/// Words for link-time addresses of the interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Externs {
    /// The lowest link-time address.
    link: u64,
    /// The word for it.
    pub start: u64,
    /// Number of words.
    pub size: u64,
}

/// No window is free of other words.
#[derive(Debug, thiserror::Error)]
#[error("the objects hold words that look like addresses of {0}, however these are chosen")]
pub struct NoWindow(&'static str);

impl Externs {
    /// A window for these link-time addresses; the addresses themselves if they do not move.
    pub fn new(links: impl Iterator<Item = u64> + Clone, moves: bool) -> Externs {
        let (lowest, highest) = (links.clone().min().unwrap_or(0), links.max().unwrap_or(0));
        Externs { link: lowest, start: if moves { NOWHERE } else { lowest }, size: highest - lowest + 1 }
    }

    /// The word for a link-time address.
    pub fn word(&self, link: u64) -> u64 {
        link - self.link + self.start
    }

    /// Other windows, one after the other. There is only one where addresses do not move: nothing has to be found there.
    pub fn candidates(self, moves: bool) -> impl Iterator<Item = Externs> {
        let step = self.size.next_power_of_two().max(1 << 32);
        let others = (0..ATTEMPTS).map(move |n| Externs { start: NOWHERE + n * step, ..self });
        let fixed = (!moves).then_some(self);
        fixed.into_iter().chain(others.take(if moves { ATTEMPTS as usize } else { 0 }))
    }

    /// How many words of `objects` are in the window.
    pub fn count(&self, objects: &[u8]) -> usize {
        count(objects, self.start, self.size)
    }

    /// What to say when no candidate will do.
    pub fn exhausted() -> NoWindow {
        NoWindow("the interpreter")
    }
}

/// The base for an image of `span` bytes with this digest of its contents. In `objects`, words that will be addresses of the
/// image are offsets: too small to look like one.
pub fn preferred_base(digest: &[u8; 32], span: u64, objects: &[u8]) -> Result<u64, NoWindow> {
    let room = (BASE_MAX - BASE_MIN - (SHIFT + span).next_multiple_of(GRANULE)) / GRANULE;
    let seed = u64::from_le_bytes(digest[..8].try_into().expect("eight bytes"));
    let base =
        |attempt: u64| BASE_MIN + SHIFT + (seed.wrapping_add(attempt.wrapping_mul(0x9e37_79b9)) % room) * GRANULE;
    (0..ATTEMPTS).map(base).find(|&base| count(objects, base, span) == 0).ok_or(NoWindow("the image"))
}

fn count(objects: &[u8], start: u64, size: u64) -> usize {
    let words = objects.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
    words.filter(|word| word.wrapping_sub(start) < size).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_image_lies_inside_the_area() {
        for seed in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&seed.to_le_bytes());
            for span in [1, 1 << 20, u64::from(u32::MAX)] {
                let base = preferred_base(&digest, span, &[]).unwrap();
                assert!(
                    base >= BASE_MIN
                        && base + span <= BASE_MAX
                        && base.is_multiple_of(SEGMENT_ALIGN)
                        && !base.is_multiple_of(GRANULE)
                );
            }
        }
    }

    #[test]
    fn words_that_look_like_addresses_are_avoided() {
        let digest = [7; 32];
        let base = preferred_base(&digest, 4096, &[]).unwrap();
        let looks = (base + 4095).to_le_bytes();
        assert_ne!(preferred_base(&digest, 4096, &looks).unwrap(), base);
        assert_eq!(preferred_base(&digest, 4096, &(base + 4096).to_le_bytes()).unwrap(), base);

        let window = Externs::new([0x1000, 0x3000].into_iter(), true);
        assert_eq!((window.word(0x3000) - window.word(0x1000), window.size), (0x2000, 0x2001));
        let objects = window.word(0x1800).to_le_bytes();
        assert_eq!(window.count(&objects), 1);
        let other = window.candidates(true).find(|window| window.count(&objects) == 0).unwrap();
        assert_ne!(other.start, window.start);
        let fixed = Externs::new([0x1000, 0x3000].into_iter(), false);
        assert_eq!((fixed.word(0x1000), fixed.candidates(false).count()), (0x1000, 1));
    }
}
