//! Tables that say which words are to be moved, and the loops that read them.

use anyhow::{Context, Result};
use cds_layout::format::{Reader, Writer};

use crate::results::Encoding;

/// Kinds of addresses: of the interpreter, of the pool, of the unit's own objects. Each kind has its own distance.
pub const KINDS: usize = 3;

/// Numbers of the words that hold addresses of each kind, ascending.
pub type Lists = [Vec<u32>; KINDS];

/// Words that follow on one of a bitmap's: the lowest bit says that it is a bitmap.
const BITS: u32 = u64::BITS - 1;

/// A block for each kind.
pub fn encode(encoding: Encoding, lists: &Lists) -> Vec<u8> {
    let one: fn(&[u32]) -> Vec<u8> = match encoding {
        Encoding::Windows => return Vec::new(),
        Encoding::Distances => distances,
        Encoding::Numbers => |list| list.iter().flat_map(|number| number.to_le_bytes()).collect(),
        Encoding::Bitmaps => bitmaps,
    };
    let mut w = Writer::new();
    lists.iter().for_each(|list| w.block(&one(list)));
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

/// Moves the words of each kind by its distance; those whose distance is 0 are not looked at.
pub fn apply(encoding: Encoding, table: &[u8], words: &mut [u64], distances: [u64; KINDS]) -> Result<()> {
    let mut r = Reader::new(table);
    for distance in distances {
        let block = r.block().context("a table has too few blocks")?;
        if distance != 0 {
            one(encoding, block, words, distance).context("a table is malformed")?;
        }
    }
    Ok(())
}

/// `None` if a word is not there.
fn one(encoding: Encoding, mut block: Reader<'_>, words: &mut [u64], distance: u64) -> Option<()> {
    let mut move_it = |number: usize| {
        let word = words.get_mut(number)?;
        *word = word.wrapping_add(distance);
        Some(())
    };
    let mut next = 0;
    while !block.is_empty() {
        match encoding {
            Encoding::Windows => return None,
            Encoding::Distances => {
                next += usize::try_from(block.varint()?).ok()?;
                move_it(next)?;
            }
            Encoding::Numbers => move_it(block.u32()? as usize)?,
            Encoding::Bitmaps => {
                let entry = block.u64()?;
                if entry & 1 == 0 {
                    let first = (entry >> 1) as usize;
                    move_it(first)?;
                    next = first + 1;
                } else {
                    let mut bits = entry >> 1;
                    while bits != 0 {
                        move_it(next + bits.trailing_zeros() as usize)?;
                        bits &= bits - 1;
                    }
                    next += BITS as usize;
                }
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: [Encoding; 3] = [Encoding::Distances, Encoding::Numbers, Encoding::Bitmaps];

    #[test]
    fn every_table_moves_the_words_of_its_lists_and_no_others() {
        let near: Vec<u32> = (0..200).collect();
        let far = vec![0, 1, 63, 64, 65, 127, 128, 129, 192, 500, 564, 565, 999];
        let lists: [Lists; 3] = [
            [vec![], vec![], vec![]],
            [near, vec![300], vec![400, 463, 464, 527, 999]],
            [vec![2, 999], far, vec![3, 66, 130]],
        ];
        for lists in lists {
            let distances = [7, 0x100, 0x7f00_0000_0000];
            let mut wanted = vec![1; 1000];
            for (list, distance) in lists.iter().zip(distances) {
                list.iter().for_each(|&number| wanted[number as usize] += distance);
            }
            for encoding in TABLES {
                let table = encode(encoding, &lists);
                let mut words = vec![1; 1000];
                apply(encoding, &table, &mut words, distances).unwrap();
                assert_eq!(words, wanted, "{encoding:?}");
                let mut words = vec![1; 1000];
                apply(encoding, &table, &mut words, [0; KINDS]).unwrap();
                assert_eq!(words, [1; 1000], "{encoding:?}");
            }
        }
        assert!(encode(Encoding::Windows, &[vec![1], vec![], vec![]]).is_empty());
    }

    #[test]
    fn sizes_are_what_the_formats_say() {
        let lists = [vec![5, 6, 7, 68, 69, 300], vec![], vec![]];
        // The length of each block is one byte.
        let size = |encoding| encode(encoding, &lists).len() - KINDS;
        assert_eq!(size(Encoding::Numbers), 6 * 4);
        // 231 does not fit into seven bits.
        assert_eq!(size(Encoding::Distances), 7);
        // 5; 6 to 68; 69 to 131; 300.
        assert_eq!(size(Encoding::Bitmaps), 4 * 8);
    }

    #[test]
    fn words_that_are_not_there_are_errors() {
        for encoding in TABLES {
            let table = encode(encoding, &[vec![1, 9], vec![], vec![]]);
            assert!(apply(encoding, &table, &mut [0; 9], [8; KINDS]).is_err(), "{encoding:?}");
            assert!(apply(encoding, &table, &mut [0; 10], [8; KINDS]).is_ok(), "{encoding:?}");
            assert!(apply(encoding, &table[..1], &mut [0; 10], [8; KINDS]).is_err(), "{encoding:?}");
        }
    }
}
