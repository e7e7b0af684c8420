//! The texts that many units have, by number: of interned strings whose characters are ASCII, the most used ones first.
//!
//! The number of texts comes first (a `u32`), then for each block of [`BLOCK`] of them where it starts in the section and its
//! checksum (two `u32`), then the blocks. A text is its length (a varint) and its characters. The checksum of a block is
//! that of its number and its bytes, and is checked before a text of it is used.

use super::checksum::checksum32;
use super::codec::{Reader, Writer};

/// Numbers there are at most: what a process notes of them is to be small.
pub const MAX_NUMBERS: u32 = 8192;

/// Texts that are found together.
const BLOCK: u32 = 16;

/// Bytes before the index of blocks, and of an entry of it.
const START: usize = 4;
const ENTRY: usize = 8;

/// The section, for the texts in the order of their numbers.
pub fn encode_numbered<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let texts: Vec<&[u8]> = texts.collect();
    let blocks: Vec<Vec<u8>> = texts
        .chunks(BLOCK as usize)
        .map(|texts| {
            let mut block = Writer::new();
            texts.iter().for_each(|text| block.block(text));
            block.bytes
        })
        .collect();
    let mut w = Writer::new();
    w.u32(texts.len() as u32);
    let mut start = START + blocks.len() * ENTRY;
    for (number, block) in (0..).zip(&blocks) {
        w.u32(start as u32);
        w.u32(block_sum(number, block));
        start += block.len();
    }
    blocks.iter().for_each(|block| w.raw(block));
    w.bytes
}

fn block_sum(number: u32, block: &[u8]) -> u32 {
    checksum32(&[&number.to_le_bytes(), block])
}

/// A view of the section.
#[derive(Debug, Clone, Copy, Default)]
pub struct Numbered<'a> {
    bytes: &'a [u8],
    count: u32,
}

impl<'a> Numbered<'a> {
    /// `None` if the section has no room for its index. One that does not exist has no texts.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Numbered::default());
        }
        let count = Reader::new(bytes).u32()?;
        let index = (count.div_ceil(BLOCK) as usize).checked_mul(ENTRY)?.checked_add(START)?;
        (count <= MAX_NUMBERS && index <= bytes.len()).then_some(Numbered { bytes, count })
    }

    /// How many texts there are.
    pub fn count(self) -> u32 {
        self.count
    }

    /// How many blocks there are.
    fn blocks(self) -> u32 {
        self.count.div_ceil(BLOCK)
    }

    /// The text with this number; `None` if there is none, or if its block is damaged.
    pub fn text(self, number: u32) -> Option<&'a [u8]> {
        if self.is_whole(block_of(number)) { self.text_of_whole_block(number) } else { None }
    }

    /// Whether a block has the bytes that were written.
    pub fn is_whole(self, block: u32) -> bool {
        self.block(block).is_some_and(|(bytes, sum)| block_sum(block, bytes) == sum)
    }

    /// The text with this number, for who remembers that its block is whole.
    pub fn text_of_whole_block(self, number: u32) -> Option<&'a [u8]> {
        if number >= self.count {
            return None;
        }
        let mut r = Reader::new(self.block(block_of(number))?.0);
        let mut next = || {
            let length = usize::try_from(r.varint()?).ok()?;
            r.take(length)
        };
        for _ in 0..number % BLOCK {
            next()?;
        }
        next()
    }

    /// The bytes of a block, and its checksum.
    fn block(self, number: u32) -> Option<(&'a [u8], u32)> {
        let blocks = self.blocks();
        if number >= blocks {
            return None;
        }
        let entry = |number: u32| {
            let mut entry = Reader::new(self.bytes.get(START + number as usize * ENTRY..)?);
            Some((entry.u32()? as usize, entry.u32()?))
        };
        let (start, sum) = entry(number)?;
        let end = if number + 1 < blocks { entry(number + 1)?.0 } else { self.bytes.len() };
        Some((self.bytes.get(start..end)?, sum))
    }
}

/// The block that the text with this number is in.
pub fn block_of(number: u32) -> u32 {
    number / BLOCK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_text_and_no_damage_gives_another() {
        let texts: Vec<String> = (0..100).map(|n| "x".repeat(n * 7 % 200) + &n.to_string()).collect();
        let bytes = encode_numbered(texts.iter().map(String::as_bytes));
        let numbered = Numbered::new(&bytes).unwrap();
        assert_eq!(numbered.count(), 100);
        for (number, text) in (0..).zip(&texts) {
            assert_eq!(numbered.text(number), Some(text.as_bytes()));
        }
        assert_eq!(numbered.text(100), None);
        assert!((0..7).all(|block| numbered.is_whole(block)) && !numbered.is_whole(7) && block_of(99) == 6);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x11;
            let Some(numbered) = Numbered::new(&damaged) else { continue };
            for (number, text) in (0..).zip(&texts) {
                assert!(numbered.text(number).is_none_or(|found| found == text.as_bytes()));
                if numbered.is_whole(block_of(number)) {
                    assert_eq!(numbered.text_of_whole_block(number), Some(text.as_bytes()));
                }
            }
        }
        for len in 0..bytes.len() {
            let Some(numbered) = Numbered::new(&bytes[..len]) else { continue };
            assert!((0..100).all(|n| numbered.text(n).is_none_or(|found| found == texts[n as usize].as_bytes())));
        }
        assert_eq!(Numbered::new(&[]).unwrap().text(0), None);
        assert_eq!(Numbered::new(&encode_numbered([].into_iter())).unwrap().count(), 0);
    }
}
