//! Interned strings of a unit that is copied: their text.
//!
//! Such a unit has no string objects for them in the image. The loader makes those that the interpreter does not have
//! yet, beside the copy of the unit. A slot that points to string `i` of the unit holds the address `8 * i` bytes behind
//! the last object of the image. The block starts with the bytes that the strings need at most (a varint); then for each:
//!
//! | field | contents |
//! |---|---|
//! | head | varint: number of bytes × 4, plus 2 if not all characters are ASCII; or the number of a text that many units have × 4 plus 1, or that of a static string × 4 plus 3, and nothing else |
//! | characters | a byte, [`Characters`], if they are not ASCII |
//! | text | the characters, little-endian |
//!
//! Texts that many units have are in a section of their own (`numbered.rs`). The loader notes which string each is in the
//! process and need not ask again.

use super::codec::{Reader, Writer};

/// In a head: a text with a number.
const NUMBERED: u64 = 1;

/// In a head: the characters are others than ASCII.
const OTHER: u64 = 2;

/// In a head: one of the strings that the interpreter has a copy of.
const STATIC: u64 = 3;

/// What the characters of a string are like, as PEP 393 has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Characters {
    /// One byte each, below 128.
    Ascii = 0,
    /// One byte each.
    Latin1 = 1,
    /// Two bytes each.
    Ucs2 = 2,
    /// Four bytes each.
    Ucs4 = 3,
}

impl Characters {
    /// Those of a string whose characters have `width` bytes each.
    pub fn new(width: u8, ascii: bool) -> Option<Characters> {
        Some(match (width, ascii) {
            (1, true) => Characters::Ascii,
            (1, false) => Characters::Latin1,
            (2, false) => Characters::Ucs2,
            (4, false) => Characters::Ucs4,
            _ => return None,
        })
    }

    fn other(number: u8) -> Option<Characters> {
        [Characters::Latin1, Characters::Ucs2, Characters::Ucs4].into_iter().find(|other| *other as u8 == number)
    }

    /// Bytes of one.
    pub fn width(self) -> usize {
        match self {
            Characters::Ascii | Characters::Latin1 => 1,
            Characters::Ucs2 => 2,
            Characters::Ucs4 => 4,
        }
    }
}

/// The text of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    /// What its characters are like.
    pub characters: Characters,
    /// The characters, little-endian.
    pub bytes: &'a [u8],
}

impl<'a> Text<'a> {
    /// The code points of the characters.
    pub fn code_points(self) -> impl Iterator<Item = u32> + 'a {
        self.bytes.chunks_exact(self.characters.width()).map(|bytes| {
            let mut point = [0; 4];
            point[..bytes.len()].copy_from_slice(bytes);
            u32::from_le_bytes(point)
        })
    }
}

/// A string of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// The static string with this number.
    Static(u32),
    /// The text with this number.
    Numbered(u32),
    /// One with this text.
    Text(Text<'a>),
}

/// All interned strings of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextTable<'a> {
    /// Bytes of the objects at most, each from a multiple of a slot's size on.
    pub room: u32,
    /// The strings.
    pub texts: Vec<Entry<'a>>,
}

impl<'a> TextTable<'a> {
    /// The block.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        if !self.texts.is_empty() {
            w.varint(u64::from(self.room));
        }
        for entry in &self.texts {
            let text = match entry {
                Entry::Static(number) => {
                    w.varint(u64::from(*number) << 2 | STATIC);
                    continue;
                }
                Entry::Numbered(number) => {
                    w.varint(u64::from(*number) << 2 | NUMBERED);
                    continue;
                }
                Entry::Text(text) => text,
            };
            let length = (text.bytes.len() as u64) << 2;
            match text.characters {
                Characters::Ascii => w.varint(length),
                other => {
                    w.varint(length | OTHER);
                    w.u8(other as u8);
                }
            }
            w.raw(text.bytes);
        }
        w.bytes
    }

    /// `None` if a block is malformed.
    pub(super) fn decode(texts: Texts<'a>) -> Option<Self> {
        Some(TextTable { room: texts.room, texts: texts.collect::<Option<_>>()? })
    }
}

/// Iterator over the strings of a block; `None` once and then the end if it is malformed.
#[derive(Debug, Clone)]
pub struct Texts<'a> {
    /// Bytes of the objects at most.
    pub room: u32,
    r: Reader<'a>,
}

impl<'a> Texts<'a> {
    pub(super) fn new(mut r: Reader<'a>) -> Option<Self> {
        let room = if r.is_empty() { 0 } else { u32::try_from(r.varint()?).ok()? };
        Some(Texts { room, r })
    }

    #[inline]
    fn entry(&mut self) -> Option<Entry<'a>> {
        let head = self.r.varint()?;
        let number = || u32::try_from(head >> 2).ok();
        let characters = match head & 3 {
            NUMBERED => return Some(Entry::Numbered(number()?)),
            STATIC => return Some(Entry::Static(number()?)),
            OTHER => Characters::other(self.r.u8()?)?,
            _ => Characters::Ascii,
        };
        let bytes = self.r.take(usize::try_from(head >> 2).ok()?)?;
        if !bytes.len().is_multiple_of(characters.width()) {
            return None;
        }
        Some(Entry::Text(Text { characters, bytes }))
    }
}

impl<'a> Iterator for Texts<'a> {
    type Item = Option<Entry<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.r.is_empty() {
            return None;
        }
        let entry = self.entry();
        if entry.is_none() {
            self.r = Reader::new(&[]);
        }
        Some(entry)
    }
}
