//! Tables that say which words are to be changed, and the loops that read them.

use anyhow::{Context, Result};
use cds_layout::format::{Reader, SLOT, Writer};

use super::child::relocate::{TextWords, Window};
use crate::results::Encoding;

/// Numbers of the words that are to be changed, ascending.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// Those that hold addresses, of the interpreter or of the image.
    pub addresses: Vec<u32>,
    /// Those that stand for strings.
    pub strings: Vec<u32>,
}

/// What becomes of them. What an address is of is told by its word.
#[derive(Debug)]
pub struct Change<'a> {
    /// Addresses that move.
    pub windows: [Window; 3],
    /// Strings that words stand for.
    pub texts: TextWords<'a>,
}

impl Change<'_> {
    /// No branches, as in the loop of the loader.
    #[inline(always)]
    fn address(&self, word: u64) -> u64 {
        let distance = |window: &Window| {
            let inside = u64::from(word.wrapping_sub(window.start) < window.size);
            window.distance & inside.wrapping_neg()
        };
        word.wrapping_add(self.windows.iter().map(distance).fold(0, |all, one| all | one))
    }

    #[inline(always)]
    fn string(&self, word: u64) -> Option<u64> {
        let number = word.wrapping_sub(self.texts.start) / u64::from(SLOT);
        self.texts.addresses.get(number as usize).copied()
    }
}

/// How many words a bitmap is of. Its lowest bit says that it is one.
const BITS: u32 = u64::BITS - 1;

/// A block for addresses and one for strings; windows have no table.
pub fn encode(encoding: Encoding, lists: &Lists) -> Vec<u8> {
    let one: fn(&[u32]) -> Vec<u8> = match encoding {
        Encoding::Windows => return Vec::new(),
        Encoding::Distances => distances,
        Encoding::Numbers => |list| list.iter().flat_map(|number| number.to_le_bytes()).collect(),
        Encoding::Bitmaps => bitmaps,
    };
    let mut w = Writer::new();
    w.block(&one(&lists.addresses));
    w.block(&one(&lists.strings));
    w.bytes
}

fn distances(list: &[u32]) -> Vec<u8> {
    let (mut w, mut previous) = (Writer::new(), 0);
    for &number in list {
        w.varint(u64::from(number - previous));
        previous = number;
    }
    w.bytes
}

fn bitmaps(list: &[u32]) -> Vec<u8> {
    let (mut w, mut rest) = (Writer::new(), list);
    while let Some((&first, after)) = rest.split_first() {
        w.u64(u64::from(first) << 1);
        rest = after;
        let mut next = first + 1;
        loop {
            let here = rest.iter().take_while(|&&number| number - next < BITS).count();
            let (inside, beyond) = rest.split_at(here);
            if inside.is_empty() {
                break;
            }
            w.u64(inside.iter().fold(1_u64, |bitmap, number| bitmap | 2 << (number - next)));
            (rest, next) = (beyond, next + BITS);
        }
    }
    w.bytes
}

/// Changes the words that the table names.
pub fn apply(encoding: Encoding, table: &[u8], words: &mut [u64], change: &Change<'_>) -> Result<()> {
    let mut r = Reader::new(table);
    let mut changed = || {
        each(encoding, r.block()?, |number| {
            let word = words.get_mut(number)?;
            *word = change.address(*word);
            Some(())
        })?;
        each(encoding, r.block()?, |number| {
            let word = words.get_mut(number)?;
            *word = change.string(*word)?;
            Some(())
        })
    };
    changed().context("a table is malformed")
}

/// The numbers of a block; `None` if they are malformed, or if that is what came of one of them.
#[inline(always)]
fn each(encoding: Encoding, mut block: Reader<'_>, mut what: impl FnMut(usize) -> Option<()>) -> Option<()> {
    let mut next = 0;
    match encoding {
        Encoding::Windows => return None,
        Encoding::Distances => {
            while !block.is_empty() {
                next += usize::try_from(block.varint()?).ok()?;
                what(next)?;
            }
        }
        Encoding::Numbers => {
            while !block.is_empty() {
                what(block.u32()? as usize)?;
            }
        }
        Encoding::Bitmaps => {
            while !block.is_empty() {
                let entry = block.u64()?;
                if entry & 1 == 0 {
                    next = (entry >> 1) as usize;
                    what(next)?;
                    next += 1;
                    continue;
                }
                let mut bits = entry >> 1;
                while bits != 0 {
                    what(next + bits.trailing_zeros() as usize)?;
                    bits &= bits - 1;
                }
                next += BITS as usize;
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: [Encoding; 3] = [Encoding::Distances, Encoding::Numbers, Encoding::Bitmaps];
    const WINDOW: Window = Window { start: 100, size: 50, distance: 0x7f00_0000_0000 };
    const TEXTS: u64 = 0x4000;

    fn change(addresses: &[u64]) -> Change<'_> {
        let none = Window::default();
        Change { windows: [none, WINDOW, none], texts: TextWords { start: TEXTS, addresses } }
    }

    #[test]
    fn every_table_changes_the_words_of_its_lists_and_no_others() {
        let near: Vec<u32> = (0..200).collect();
        let far = vec![0, 1, 63, 64, 65, 127, 128, 129, 192, 500, 564, 565, 999];
        let strings = vec![300, 400, 463, 464, 527, 998];
        for (addresses, strings) in [(vec![], vec![]), (near, strings.clone()), (far, strings)] {
            let lists = Lists { addresses, strings };
            let mut before: Vec<u64> = (0..1000).collect();
            lists.addresses.iter().for_each(|&number| before[number as usize] = WINDOW.start + 7);
            lists.strings.iter().for_each(|&number| before[number as usize] = TEXTS + 8);
            let mut wanted = before.clone();
            lists.addresses.iter().for_each(|&number| wanted[number as usize] += WINDOW.distance);
            lists.strings.iter().for_each(|&number| wanted[number as usize] = 22);
            for encoding in TABLES {
                let mut words = before.clone();
                apply(encoding, &encode(encoding, &lists), &mut words, &change(&[11, 22])).unwrap();
                assert_eq!(words, wanted, "{encoding:?}");
            }
            assert!(encode(Encoding::Windows, &lists).is_empty());
        }
    }

    #[test]
    fn sizes_are_what_the_formats_say() {
        let lists = Lists { addresses: vec![5, 6, 7, 68, 69, 300], strings: vec![] };
        // The length of each block is one byte.
        let size = |encoding| encode(encoding, &lists).len() - 2;
        assert_eq!(size(Encoding::Numbers), 6 * 4);
        // 231 does not fit into seven bits.
        assert_eq!(size(Encoding::Distances), 7);
        // 5; 6 to 68; 69 to 131; 300.
        assert_eq!(size(Encoding::Bitmaps), 4 * 8);
    }

    #[test]
    fn words_and_strings_that_are_not_there_are_errors() {
        for encoding in TABLES {
            let table = encode(encoding, &Lists { addresses: vec![1, 9], strings: vec![] });
            assert!(apply(encoding, &table, &mut [0; 9], &change(&[])).is_err(), "{encoding:?}");
            assert!(apply(encoding, &table, &mut [0; 10], &change(&[])).is_ok(), "{encoding:?}");
            assert!(apply(encoding, &table[..1], &mut [0; 10], &change(&[])).is_err(), "{encoding:?}");
            let table = encode(encoding, &Lists { addresses: vec![], strings: vec![0] });
            assert!(apply(encoding, &table, &mut [TEXTS + 8], &change(&[11])).is_err(), "{encoding:?}");
            assert!(apply(encoding, &table, &mut [TEXTS + 8], &change(&[11, 22])).is_ok(), "{encoding:?}");
        }
    }
}
