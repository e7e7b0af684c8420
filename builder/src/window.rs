//! The words that stand for addresses in slots, and the proof that nothing else in the objects looks like one.
//!
//! The loader moves addresses where it finds them: every word from a window is one. So a window is chosen that no other
//! word of the objects lies in.

use cds_layout::format::{BASE_MAX, BASE_MIN, SEGMENT_ALIGN};
use sha2::{Digest, Sha256};

/// The distance between bases.
const GRANULE: u64 = 2 * 1024 * 1024;

/// Bases are not multiples of a huge page: kernels that keep files in huge pages would make two megabytes resident where a
/// process touches a few bytes.
const SHIFT: u64 = SEGMENT_ALIGN;

/// Where the first window for moving interpreters starts: no address of a program, so that one that was not moved cannot be used.
const FIRST: u64 = 0x4c53_0000_0000_0000;

/// Where the others start, which are no such addresses either: here or so many steps further.
const NOWHERE: u64 = 0x4000_0000_0000_0000;
const STEP: u64 = 1 << 32;
const STEPS: u64 = 1 << 30;

/// How many to try of each.
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

impl NoWindow {
    /// None for its addresses.
    pub fn of_interpreter() -> NoWindow {
        NoWindow("the interpreter")
    }
}

impl Externs {
    /// A window for these link-time addresses; the addresses themselves if they do not move.
    pub fn new(links: impl Iterator<Item = u64> + Clone, moves: bool) -> Externs {
        let (lowest, highest) = (links.clone().min().unwrap_or(0), links.max().unwrap_or(0));
        Externs { link: lowest, start: if moves { FIRST } else { lowest }, size: highest - lowest + 1 }
    }

    /// The word for a link-time address.
    pub fn word(&self, link: u64) -> u64 {
        link - self.link + self.start
    }

    /// Whether no word of `objects` but those of so many slots is in the window. Nothing is looked for where addresses do not
    /// move.
    pub fn is_proven(&self, objects: &[u8], slots: usize) -> bool {
        self.start == self.link || count(objects, self.start, self.size) == slots
    }

    /// Another window, which no word of `objects` is in: so it is proven once they are written with its words. It follows from
    /// all of `objects`: no constants of a module can be in every window that may be tried.
    pub fn elsewhere(self, objects: &[u8]) -> Result<Externs, NoWindow> {
        let digest = Sha256::digest(objects).into();
        let mut windows = numbers(&digest).map(|number| Externs { start: NOWHERE + (number % STEPS) * STEP, ..self });
        windows.find(|other| count(objects, other.start, other.size) == 0).ok_or(NoWindow::of_interpreter())
    }
}

/// The base for an image of `span` bytes with this digest of its contents. In `objects`, words that will be addresses of the
/// image are offsets: too small to look like one.
pub fn preferred_base(digest: &[u8; 32], span: u64, objects: &[u8]) -> Result<u64, NoWindow> {
    let room = (BASE_MAX - BASE_MIN - (SHIFT + span).next_multiple_of(GRANULE)) / GRANULE;
    let mut bases = numbers(digest).map(|number| BASE_MIN + SHIFT + (number % room) * GRANULE);
    bases.find(|&base| count(objects, base, span) == 0).ok_or(NoWindow("the image"))
}

/// What to choose by, one number for each attempt.
fn numbers(digest: &[u8; 32]) -> impl Iterator<Item = u64> + use<> {
    let seed = u64::from_le_bytes(digest[..8].try_into().expect("eight bytes"));
    (0..ATTEMPTS).map(move |attempt| seed.wrapping_add(attempt.wrapping_mul(0x9e37_79b9)))
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
        let objects = |window: &Externs, others: &[u64]| -> Vec<u8> {
            let words = [window.word(0x1000), window.word(0x3000)];
            words.iter().chain(others).flat_map(|word| word.to_le_bytes()).collect()
        };
        assert!(window.is_proven(&objects(&window, &[window.word(0x3000) + 1]), 2));
        let mut looks = vec![window.word(0x1800)];
        assert!(!window.is_proven(&objects(&window, &looks), 2));
        let other = window.elsewhere(&objects(&window, &looks)).unwrap();
        assert!(other.start >> 62 == 1 && other.start != window.start);
        assert!(other.is_proven(&objects(&other, &looks), 2));
        // What looks like it makes the choice another one.
        looks.push(other.word(0x1800));
        let third = window.elsewhere(&objects(&window, &looks)).unwrap();
        assert!(![window.start, other.start].contains(&third.start));

        let fixed = Externs::new([0x1000, 0x3000].into_iter(), false);
        assert_eq!(fixed.word(0x1000), 0x1000);
        assert!(fixed.is_proven(&objects(&fixed, &[0x1800]), 2));
    }
}
