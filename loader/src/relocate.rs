//! Moves the addresses in a range of objects to those of this process.
//!
//! No table says where they are: the builder has chosen the words that stand for addresses so that no other word of the
//! objects is one of them.

use crate::image::Image;

/// From which words to which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first word.
    pub start: u64,
    /// How many words there are.
    pub size: u64,
    /// What to add to them.
    pub distance: u64,
}

/// The windows that have to be moved in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moves {
    /// Addresses of the interpreter.
    pub externs: Window,
    /// Addresses of the image.
    pub own: Window,
}

impl Moves {
    /// `None` if everything lies where it was predicted.
    pub fn new(image: &Image, externs: u64) -> Option<Moves> {
        let header = &image.header;
        let own = (image.base() as u64).wrapping_sub(header.preferred_base);
        (externs != 0 || own != 0).then_some(Moves {
            externs: Window { start: header.externs_start, size: header.externs_size, distance: externs },
            own: Window { start: header.preferred_base, size: header.span, distance: own },
        })
    }

    /// Moves every address in `words`; how many there were.
    pub fn apply(&self, words: &mut [u64]) -> u64 {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has what the function needs.
            return unsafe { self.apply_wide(words) };
        }
        self.apply_plainly(words)
    }

    /// The same loop, four words at a time.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn apply_wide(&self, words: &mut [u64]) -> u64 {
        self.apply_plainly(words)
    }

    #[inline(always)]
    fn apply_plainly(&self, words: &mut [u64]) -> u64 {
        // No branches: half of the words are addresses, in no order that a processor could guess.
        match (self.own.distance, self.externs.distance) {
            (0, _) => words.iter_mut().map(|word| self.externs.moved(word)).sum(),
            (_, 0) => words.iter_mut().map(|word| self.own.moved(word)).sum(),
            _ => words.iter_mut().map(|word| self.own.moved(word) + self.externs.moved(word)).sum(),
        }
    }
}

impl Window {
    /// Moves the word if it is in the window; 1 if it is.
    #[inline(always)]
    fn moved(&self, word: &mut u64) -> u64 {
        let inside = u64::from(word.wrapping_sub(self.start) < self.size);
        *word = word.wrapping_add(self.distance & inside.wrapping_neg());
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::{Moves, Window};

    #[test]
    fn words_of_both_windows_move_once() {
        let own = Window { start: 0x0900_0000_0000, size: 0x1000, distance: 0x10 };
        let externs =
            Window { start: 0x4c53_0000_0000_0000, size: 0x100, distance: 0u64.wrapping_sub(0x4c53_0000_0000_0000) };
        let before = [
            own.start - 1,
            own.start,
            own.start + 0xfff,
            own.start + 0x1000,
            0,
            u64::MAX,
            externs.start + 8,
            externs.start + 0x100,
        ];
        let after = [
            own.start - 1,
            own.start + 0x10,
            own.start + 0x100f,
            own.start + 0x1000,
            0,
            u64::MAX,
            8,
            externs.start + 0x100,
        ];
        let mut words = before;
        assert_eq!(Moves { externs, own }.apply(&mut words), 3);
        assert_eq!(words, after);

        let mut words = before;
        assert_eq!(Moves { externs, own: Window { distance: 0, ..own } }.apply_plainly(&mut words), 1);
        assert_eq!((words[1], words[6]), (own.start, 8));

        let mut words = before;
        assert_eq!(Moves { externs: Window { distance: 0, ..externs }, own }.apply(&mut words), 2);
        assert_eq!((words[1], words[6]), (own.start + 0x10, before[6]));
    }
}
