//! Moves the addresses in a range of objects to those of this process.
//!
//! No table says where they are: the builder has chosen the words that stand for addresses so that no other word of the
//! objects is one of them.

#[cfg(target_arch = "x86_64")]
mod wide;

use cds_layout::format::SLOT;

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
    /// Those after `count` have no words.
    windows: [Window; WINDOWS],
    count: usize,
}

/// As many as can be needed: the interpreter, the pool and a unit.
const WINDOWS: usize = 3;

impl Moves {
    /// With one more window, of at most three that do not overlap.
    pub fn and(mut self, window: Window) -> Moves {
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

    /// The same, and puts strings where words stand for them. Each word is looked at once: what was put is not moved.
    pub fn apply_with(&self, words: &mut [u64], texts: &TextWords<'_>) -> u64 {
        #[cfg(target_arch = "x86_64")]
        if let Some(found) = wide::apply(&self.windows, texts, words) {
            return found;
        }
        one_by_one::<BLOCK>(&self.windows, texts, words)
    }
}

/// Without anything of a certain processor.
fn one_by_one<const AT_ONCE: usize>(windows: &[Window; WINDOWS], texts: &TextWords<'_>, words: &mut [u64]) -> u64 {
    let (mut queue, mut found) = ([0; AT_ONCE], 0);
    for block in words.chunks_mut(AT_ONCE) {
        let mut queued = 0;
        for (at, word) in block.iter_mut().enumerate() {
            queue[queued] = at as u32;
            let is_text = u64::from(texts.has(*word));
            queued += is_text as usize;
            let (distance, inside) = distance(windows, *word);
            *word = word.wrapping_add(distance & is_text.wrapping_sub(1));
            found += inside & (is_text ^ 1);
        }
        texts.put(block, &queue[..queued]);
        found += queued as u64;
    }
    found
}

/// Words that are looked at in one go: those of them that stand for strings are noted, and replaced afterwards. There is no
/// branch that depends on a word: half of them are addresses, in no order that a processor could guess. Few enough that to begin a list
/// of them costs nothing for a piece of the pool.
const BLOCK: usize = 256;

/// Strings that words stand for. Each string has its word, [`SLOT`] further than the one before.
#[derive(Debug, Clone, Copy)]
pub struct TextWords<'a> {
    /// The first word.
    pub start: u64,
    /// Addresses of the strings.
    pub addresses: &'a [u64],
}

impl TextWords<'_> {
    /// How far from the first word those that stand for strings go.
    fn size(&self) -> u64 {
        self.addresses.len() as u64 * u64::from(SLOT)
    }

    fn has(&self, word: u64) -> bool {
        word.wrapping_sub(self.start) < self.size()
    }

    /// Puts the strings where a word of `block` stands for one, which is at the places `queue`.
    #[inline(always)]
    fn put(&self, block: &mut [u64], queue: &[u32]) {
        for &at in queue {
            let Some(word) = block.get_mut(at as usize) else { continue };
            let number = word.wrapping_sub(self.start) / u64::from(SLOT);
            if let Some(address) = self.addresses.get(number as usize) {
                *word = *address;
            }
        }
    }
}

/// How far a word has to be moved, and 1 if it is in a window.
#[inline(always)]
fn distance(windows: &[Window; WINDOWS], word: u64) -> (u64, u64) {
    let (mut distance, mut found) = (0, 0);
    for window in windows {
        let inside = u64::from(window.has(word));
        distance |= window.distance & inside.wrapping_neg();
        found |= inside;
    }
    (distance, found)
}

#[cfg(test)]
mod tests {
    use super::{Moves, TextWords, Window};

    const NO_TEXTS: TextWords<'_> = TextWords { start: 0, addresses: &[] };

    fn moves(windows: &[Window]) -> Moves {
        windows.iter().fold(Moves::default(), |moves, &window| moves.and(window))
    }

    /// The words as every way leaves them that this processor has, and what they count.
    fn all_ways(moves: &Moves, texts: &TextWords<'_>, words: &[u64]) -> (u64, Vec<u64>) {
        let mut first = words.to_vec();
        let found = super::one_by_one::<{ super::BLOCK }>(&moves.windows, texts, &mut first);
        #[cfg(target_arch = "x86_64")]
        for ways in super::wide::ways() {
            let (way, mut other) = (ways.of(texts), words.to_vec());
            // SAFETY: a way of this processor.
            assert_eq!((unsafe { way(&moves.windows, texts, &mut other) }, &other), (found, &first));
        }
        let mut other = words.to_vec();
        assert_eq!((moves.apply_with(&mut other, texts), &other), (found, &first));
        (found, first)
    }

    fn check(windows: &[Window], before: &[u64], after: &[u64]) {
        let found = before.iter().zip(after).filter(|(before, after)| before != after).count() as u64;
        assert_eq!(all_ways(&moves(windows), &NO_TEXTS, before), (found, after.to_vec()));
        assert_eq!(moves(windows).apply(&mut before.to_vec()), found);
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
            assert_eq!(all_ways(&moves(&[own]), &texts, &before), (6, after.to_vec()));
        }
        // Without windows, too, and at every place.
        let texts = TextWords { start, addresses: &[1, 2, 3] };
        for place in 0..19 {
            let mut words = [5; 19];
            words[place] = start + 16;
            let (found, after) = all_ways(&Moves::default(), &texts, &words);
            assert_eq!(found, 1);
            assert!(after.iter().enumerate().all(|(at, &word)| word == if at == place { 3 } else { 5 }));
        }
        // Every word stands for one, in more than a block.
        let words = vec![start + 8; 3 * super::BLOCK + 5];
        assert_eq!(all_ways(&moves(&[own]), &texts, &words), (words.len() as u64, vec![2; words.len()]));
    }

    #[test]
    fn every_way_is_what_is_said_of_one_word() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let windows = [
            Window { start: 0x4c53_0000_0000_0000, size: 0x900, distance: random() },
            Window { start: u64::MAX - 0x7ff, size: 0x800, distance: random() },
            Window { start: 0x0900_0000_0000, size: 0x1000, distance: random() },
        ];
        let start = 0x0a00_0000_0000;
        let addresses: Vec<u64> = (0..300).map(|_| random()).collect();
        for count in 0..=windows.len() {
            let moves = moves(&windows[..count]);
            for length in [0, 1, 3, 4, 7, 8, 1023, 1024, 1025, 5000] {
                let mut word = || match random() % 6 {
                    number @ 0..3 => windows[number as usize].start.wrapping_add(random() % 0x1100).wrapping_sub(8),
                    3 | 4 => start + random() % 0xa00 - 8,
                    _ => random() >> (random() % 64),
                };
                let words: Vec<u64> = (0..length).map(|_| word()).collect();
                for addresses in [&addresses[..], &[]] {
                    let texts = TextWords { start, addresses };
                    let expected = |word: u64| {
                        let number = word.wrapping_sub(start) / 8;
                        let moved = || {
                            let inside = |window: &&Window| word.wrapping_sub(window.start) < window.size;
                            windows[..count].iter().find(inside).map(|window| word.wrapping_add(window.distance))
                        };
                        addresses.get(number as usize).copied().or_else(moved)
                    };
                    let found = words.iter().filter(|word| expected(**word).is_some()).count() as u64;
                    let after = words.iter().map(|&word| expected(word).unwrap_or(word)).collect();
                    assert_eq!(all_ways(&moves, &texts, &words), (found, after));
                }
            }
        }
    }
}
