//! Moves the addresses in a range of objects to those of this process.
//!
//! No table says where they are: the builder has chosen the words that stand for addresses so that no other word of the
//! objects is one of them.

use cds_layout::format::{Range, SLOT};

use crate::image::Image;

/// From which words to which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// The first word.
    pub start: u64,
    /// How many words there are.
    pub size: u64,
    /// What to add to them.
    pub distance: u64,
}

impl Window {
    fn has(&self, word: u64) -> bool {
        word.wrapping_sub(self.start) < self.size
    }
}

/// The windows that have to be moved in this process: those that do not lie where they were predicted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moves {
    windows: [Window; 3],
    count: usize,
}

impl Moves {
    /// Addresses of the interpreter, which are so far from their words, and of the image.
    pub fn new(image: &Image, externs: u64) -> Moves {
        let header = &image.header;
        let own = (image.base() as u64).wrapping_sub(header.preferred_base);
        Moves::default()
            .and(Window { start: header.externs_start, size: header.externs_size, distance: externs })
            .and(Window { start: header.preferred_base, size: header.span, distance: own })
    }

    /// The same for the objects of a unit whose own ones were copied to `address`: then those of the image that it points to
    /// lie in the pool.
    pub fn of_copy(image: &Image, externs: u64, own: Range, address: usize) -> Moves {
        let header = &image.header;
        let moved = (image.base() as u64).wrapping_sub(header.preferred_base);
        let (predicted, start) = (image.predicted(0), image.predicted(own.start));
        let distance = (address as u64).wrapping_sub(start);
        Moves::default()
            .and(Window { start: header.externs_start, size: header.externs_size, distance: externs })
            .and(Window { start: predicted, size: u64::from(header.pool), distance: moved })
            .and(Window { start, size: u64::from(own.size), distance })
    }

    /// With one more window, of at most three that do not overlap.
    fn and(mut self, window: Window) -> Moves {
        if window.distance != 0 {
            self.windows[self.count] = window;
            self.count += 1;
        }
        self
    }

    /// Whether everything lies where it was predicted.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Moves every address in `words`; how many there were.
    pub fn apply(&self, words: &mut [u64]) -> u64 {
        self.apply_with(words, &TextWords { start: 0, addresses: &[] })
    }

    /// The same, and puts strings where words stand for them.
    pub fn apply_with(&self, words: &mut [u64], texts: &TextWords<'_>) -> u64 {
        let windows = &self.windows[..self.count];
        // One pass after the other is quicker, but a string that lies where an address was predicted would be moved.
        if texts.addresses.iter().any(|&string| windows.iter().any(|window| window.has(string))) {
            return self.apply_exactly(words, texts);
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has what the function needs.
            return unsafe { self.apply_wide(words, texts) };
        }
        self.apply_in_turn(words, texts)
    }

    /// The same loops, four words at a time.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn apply_wide(&self, words: &mut [u64], texts: &TextWords<'_>) -> u64 {
        self.apply_in_turn(words, texts)
    }

    #[inline(always)]
    fn apply_in_turn(&self, words: &mut [u64], texts: &TextWords<'_>) -> u64 {
        let put = if texts.addresses.is_empty() { 0 } else { texts.put_all(words) };
        put + self.apply_plainly(words)
    }

    #[inline(always)]
    fn apply_plainly(&self, words: &mut [u64]) -> u64 {
        #[inline(always)]
        fn each<const N: usize>(windows: [Window; N], words: &mut [u64]) -> u64 {
            let one = |word: &mut u64| {
                let (moved, found) = moved(&windows, *word);
                *word = moved;
                found
            };
            words.iter_mut().map(one).sum()
        }
        match self.windows {
            _ if self.count == 0 => 0,
            [a, ..] if self.count == 1 => each([a], words),
            [a, b, _] if self.count == 2 => each([a, b], words),
            windows => each(windows, words),
        }
    }

    /// Each word is looked at once.
    fn apply_exactly(&self, words: &mut [u64], texts: &TextWords<'_>) -> u64 {
        let one = |word: &mut u64| {
            let (new, found) = texts.get(*word).map_or_else(|| moved(&self.windows, *word), |string| (string, 1));
            *word = new;
            found
        };
        words.iter_mut().map(one).sum()
    }
}

/// Strings that words stand for. Each string has its word, [`SLOT`] further than the one before.
#[derive(Debug, Clone, Copy)]
pub struct TextWords<'a> {
    /// The first word.
    pub start: u64,
    /// Addresses of the strings.
    pub addresses: &'a [u64],
}

impl TextWords<'_> {
    /// The string that a word stands for.
    #[inline(always)]
    fn get(&self, word: u64) -> Option<u64> {
        let number = word.wrapping_sub(self.start) / u64::from(SLOT);
        self.addresses.get(usize::try_from(number).ok()?).copied()
    }

    /// Puts the strings where words stand for them; how many there were.
    #[inline(always)]
    fn put_all(&self, words: &mut [u64]) -> u64 {
        /// Words that are looked at in one go. Those that stand for strings are mostly neighbours: items of tuples.
        const STRIDE: usize = 8;
        let size = self.addresses.len() as u64 * u64::from(SLOT);
        let put = |word: &mut u64| {
            self.get(*word).map_or(0, |string| {
                *word = string;
                1
            })
        };
        let mut strides = words.chunks_exact_mut(STRIDE);
        let mut found = 0;
        for stride in &mut strides {
            let any = stride.iter().fold(0, |any, word| any | u64::from(word.wrapping_sub(self.start) < size));
            if any != 0 {
                found += stride.iter_mut().map(put).sum::<u64>();
            }
        }
        found + strides.into_remainder().iter_mut().map(put).sum::<u64>()
    }
}

/// The word for this process, and 1 if it is in a window. No branches: half of the words are addresses, in no order that a
/// processor could guess.
#[inline(always)]
fn moved<const N: usize>(windows: &[Window; N], word: u64) -> (u64, u64) {
    let (mut distance, mut found) = (0, 0);
    for window in windows {
        let inside = u64::from(word.wrapping_sub(window.start) < window.size);
        distance |= window.distance & inside.wrapping_neg();
        found |= inside;
    }
    (word.wrapping_add(distance), found)
}

#[cfg(test)]
mod tests {
    use super::{Moves, TextWords, Window};

    fn moves(windows: &[Window]) -> Moves {
        windows.iter().fold(Moves::default(), |moves, &window| moves.and(window))
    }

    fn check(windows: &[Window], before: &[u64], after: &[u64]) {
        let found = before.iter().zip(after).filter(|(before, after)| before != after).count() as u64;
        let moves = moves(windows);
        let mut words = before.to_vec();
        assert_eq!((moves.apply(&mut words), &words[..]), (found, after));
        let mut words = before.to_vec();
        assert_eq!((moves.apply_plainly(&mut words), &words[..]), (found, after));
    }

    #[test]
    fn words_of_all_windows_move_once() {
        let own = Window { start: 0x0900_0000_0000, size: 0x1000, distance: 0x10 };
        let far = 0x4c53_0000_0000_0000_u64;
        let externs = Window { start: far, size: 0x100, distance: far.wrapping_neg() };
        // It follows on the first one: a moved word is not moved again.
        let next = Window { start: own.start + 0x1000, size: 0x1000, distance: 0x7000 };
        let before = [own.start - 1, own.start, own.start + 0xfff, next.start, 0, u64::MAX, far + 8, far + 0x100];
        let mut after = before;
        check(&[], &before, &after);
        (after[1], after[2]) = (own.start + 0x10, own.start + 0x100f);
        check(&[own], &before, &after);
        after[6] = 8;
        check(&[externs, own], &before, &after);
        after[3] = next.start + 0x7000;
        check(&[externs, own, next], &before, &after);
        assert!(moves(&[Window { distance: 0, ..own }]).is_empty() && !moves(&[own]).is_empty());
    }

    #[test]
    fn words_that_stand_for_strings_become_strings_and_nothing_else() {
        let own = Window { start: 0x0900_0000_0000, size: 0x1000, distance: 0x10 };
        let start = own.start + own.size;
        let before = [start - 8, start, start + 8, start + 16, start + 24, 0, own.start, u64::MAX, start + 8];
        // A string may lie where a window was predicted, or where words for strings are.
        for addresses in [[0x6000, 0x7000, start + 8], [own.start + 8, 0x7000, start + 8]] {
            let texts = TextWords { start, addresses: &addresses };
            let after = [start + 8, addresses[0], 0x7000, start + 8, start + 24, 0, own.start + 16, u64::MAX, 0x7000];
            let mut words = before;
            assert_eq!((moves(&[own]).apply_with(&mut words, &texts), words), (6, after));
        }
        // Without windows, too, and at every place of a stride.
        let texts = TextWords { start, addresses: &[1, 2, 3] };
        for place in 0..19 {
            let mut words = [5; 19];
            words[place] = start + 16;
            assert_eq!(Moves::default().apply_with(&mut words, &texts), 1);
            assert!(words.iter().enumerate().all(|(at, &word)| word == if at == place { 3 } else { 5 }));
        }
    }
}
