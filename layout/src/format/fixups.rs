//! Fixup tables: what to do to the objects of a unit before they are used.
//!
//! A *unit* is a module or a named object. Slots that hold addresses of the interpreter or of the image need no table:
//! the builder sees to it that nothing but such a slot has a word from the window of these addresses, so that the
//! loader finds them in the bytes themselves, where they have to be moved at all (`docs/format.md`). What is left is in a
//! table of two parts. The *front* is read whenever the unit is used; five blocks (varint length, then bytes):
//!
//! | block | contents |
//! |---|---|
//! | statics | numbers of static strings, ascending, each as its distance from the one before |
//! | strings | offsets / 8 of the image's own copies of interned strings, in the same way; of units that are used in place |
//! | texts | interned strings of units that are copied (`texts.rs`) |
//! | frozensets | groups (offset of the tuple of items / 8, block of one slot list), in order of creation |
//! | filename | flags (bit 0: to be interned, bit 1: there is a string), offset of the string / 8, or else the number of slots beyond the bodies; empty if the unit has no file |
//!
//! The *back* is read where a prediction failed:
//!
//! | block | contents |
//! |---|---|
//! | chunks | numbers of the chunks of the pool that the unit's objects other than strings lie in, as distances |
//! | one per static string, then one per string | the slots that point to it |
//!
//! A slot list ends where its block ends: offsets / 8, the first as its zigzag distance from the start of the
//! first of the unit's ranges, every other as its distance from the one before.
//!
//! Everything may be repeated: units may name the same slot of an object that they share.

use super::SLOT;
use super::codec::{Reader, Writer};
use super::texts::{TextTable, Texts};

/// Slots that share one value: `key` is the number of a static string, or an offset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// What the slots are to hold.
    pub key: u32,
    /// Offsets of the slots, ascending.
    pub slots: Vec<u32>,
}

/// Where the string with a file name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// The image's own one with the predicted path is at this offset.
    Own(u32),
    /// The loader has it. So many slots beyond the bodies hold the word of one text more than the unit has.
    Text(u32),
}

/// The module's file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filename {
    /// What slots hold.
    pub string: Name,
    /// Whether the interpreter interns `co_filename`.
    pub interned: bool,
}

/// All fixups of one unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitTables<'a> {
    /// Slots that hold static strings, by number, ascending.
    pub statics: Vec<Group>,
    /// Slots that hold interned strings, by the offset of the image's own copy, ascending.
    pub strings: Vec<Group>,
    /// Interned strings that are no objects of the image.
    pub texts: TextTable<'a>,
    /// Slots that hold frozensets, by offset of the tuple of their items.
    pub frozensets: Vec<Group>,
    /// The file name.
    pub filename: Option<Filename>,
    /// Chunks of the pool, ascending.
    pub chunks: Vec<u32>,
}

impl<'a> UnitTables<'a> {
    /// How many words stand for strings that are no objects of the image.
    pub fn text_words(&self) -> u32 {
        let filename = self.filename.is_some_and(|filename| matches!(filename.string, Name::Text(_)));
        self.texts.texts.len() as u32 + u32::from(filename)
    }

    /// Appends the table of a unit whose first range starts at `origin`; the size of its front.
    pub fn encode(&self, w: &mut Writer, origin: u32) -> u32 {
        let start = w.bytes.len();
        w.block(&ascending(self.statics.iter().map(|group| group.key)));
        w.block(&ascending(self.strings.iter().map(|group| group.key / SLOT)));
        w.block(&self.texts.encode());
        let mut block = Writer::new();
        for group in &self.frozensets {
            block.varint(u64::from(group.key / SLOT));
            block.block(&slot_list(&group.slots, origin));
        }
        w.block(&block.bytes);
        let mut block = Writer::new();
        if let Some(filename) = &self.filename {
            let (is_own, number) = match filename.string {
                Name::Own(offset) => (2, offset / SLOT),
                Name::Text(slots) => (0, slots),
            };
            block.u8(u8::from(filename.interned) | is_own);
            block.varint(u64::from(number));
        }
        w.block(&block.bytes);
        let front = w.bytes.len() - start;

        w.block(&ascending(self.chunks.iter().copied()));
        for group in self.statics.iter().chain(&self.strings) {
            w.block(&slot_list(&group.slots, origin));
        }
        front as u32
    }

    /// Reads a table whose front has `front` bytes; `None` if it is malformed.
    pub fn decode(bytes: &'a [u8], front: u32, origin: u32) -> Option<Self> {
        let (front, back) = bytes.split_at_checked(front as usize)?;
        let (front, back) = (Front::new(front, origin)?, Back::new(back, origin)?);
        let mut lists = back.slots();
        let mut group =
            |key: Option<u32>| Some(Group { key: key?, slots: lists.next()??.collect::<Option<Vec<u32>>>()? });
        let statics = front.statics().map(&mut group).collect::<Option<_>>()?;
        let strings = front.strings().map(&mut group).collect::<Option<_>>()?;
        let frozensets = front.frozensets().map(|group| {
            let (key, slots) = group?;
            Some(Group { key, slots: slots.collect::<Option<Vec<_>>>()? })
        });
        Some(UnitTables {
            statics,
            strings,
            texts: TextTable::decode(front.texts()?)?,
            frozensets: frozensets.collect::<Option<_>>()?,
            filename: front.filename()?,
            chunks: back.chunks().collect::<Option<_>>()?,
        })
    }
}

fn ascending(numbers: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut w = Writer::new();
    let mut previous = 0;
    for number in numbers {
        debug_assert!(number >= previous);
        w.varint(u64::from(number - previous));
        previous = number;
    }
    w.bytes
}

fn slot_list(slots: &[u32], origin: u32) -> Vec<u8> {
    let mut w = Writer::new();
    let Some((&first, rest)) = slots.split_first() else { return w.bytes };
    let distance = i64::from(first / SLOT) - i64::from(origin / SLOT);
    w.varint((distance << 1 ^ distance >> 63) as u64);
    let mut previous = first;
    for &slot in rest {
        debug_assert!(slot % SLOT == 0 && slot >= previous);
        w.varint(u64::from((slot - previous) / SLOT));
        previous = slot;
    }
    w.bytes
}

/// Iterator over ascending numbers; `None` once and then the end if they are malformed.
#[derive(Debug, Clone)]
pub struct Ascending<'a> {
    r: Reader<'a>,
    last: u32,
    scale: u32,
}

impl<'a> Ascending<'a> {
    fn new(r: Reader<'a>, scale: u32) -> Self {
        Ascending { r, last: 0, scale }
    }

    /// Remembers the number that was read; malformed ones end the iteration.
    fn goes_on_from(&mut self, number: Option<u32>) -> Option<u32> {
        match number {
            Some(number) => self.last = number,
            None => self.r = Reader::new(&[]),
        }
        number
    }
}

impl Iterator for Ascending<'_> {
    type Item = Option<u32>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.r.is_empty() {
            return None;
        }
        let step = self.r.varint().and_then(|step| u32::try_from(step).ok()?.checked_mul(self.scale));
        Some(self.goes_on_from(step.and_then(|step| self.last.checked_add(step))))
    }
}

/// Iterator over the offsets of a slot list; `None` once and then the end if the list is malformed.
#[derive(Debug, Clone)]
pub struct Slots<'a> {
    slots: Ascending<'a>,
    /// Where the first one is counted from, until it is read.
    origin: Option<u32>,
}

impl<'a> Slots<'a> {
    fn new(r: Reader<'a>, origin: u32) -> Self {
        Slots { slots: Ascending::new(r, SLOT), origin: Some(origin) }
    }
}

impl Iterator for Slots<'_> {
    type Item = Option<u32>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let Some(origin) = self.origin.take().filter(|_| !self.slots.r.is_empty()) else { return self.slots.next() };
        let first = self.slots.r.varint().and_then(|distance| {
            let distance = (distance >> 1) as i64 ^ -((distance & 1) as i64);
            u32::try_from(i64::from(origin / SLOT).checked_add(distance)?).ok()?.checked_mul(SLOT)
        });
        Some(self.slots.goes_on_from(first))
    }
}

/// The front of a unit's table, block by block, without allocation.
#[derive(Debug, Clone, Copy)]
pub struct Front<'a> {
    blocks: [Reader<'a>; 5],
    origin: u32,
}

impl<'a> Front<'a> {
    /// `None` if a block ends beyond `bytes`.
    pub fn new(bytes: &'a [u8], origin: u32) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let mut blocks = [Reader::new(&[]); 5];
        for block in &mut blocks {
            *block = r.block()?;
        }
        r.is_empty().then_some(Front { blocks, origin })
    }

    /// Numbers of static strings.
    pub fn statics(&self) -> Ascending<'a> {
        Ascending::new(self.blocks[0], 1)
    }

    /// Offsets of interned strings.
    pub fn strings(&self) -> Ascending<'a> {
        Ascending::new(self.blocks[1], SLOT)
    }

    /// Interned strings that are no objects of the image. `None` if the block is malformed at its start.
    pub fn texts(&self) -> Option<Texts<'a>> {
        Texts::new(self.blocks[2])
    }

    /// Whether words of the unit stand for strings that are no objects of the image: of one that is used in place none does.
    pub fn has_text_words(&self) -> Option<bool> {
        let of_file = self.filename()?.is_some_and(|filename| matches!(filename.string, Name::Text(_)));
        Some(of_file || !self.blocks[2].is_empty())
    }

    /// Offset of the tuple of items and slots.
    pub fn frozensets(&self) -> impl Iterator<Item = Option<(u32, Slots<'a>)>> + 'a {
        let (mut r, origin) = (self.blocks[3], self.origin);
        std::iter::from_fn(move || {
            if r.is_empty() {
                return None;
            }
            let group = (|| {
                let key = u32::try_from(r.varint()?).ok()?.checked_mul(SLOT)?;
                Some((key, Slots::new(r.block()?, origin)))
            })();
            if group.is_none() {
                r = Reader::new(&[]);
            }
            Some(group)
        })
    }

    /// The file name. The outer `None` means malformed.
    pub fn filename(&self) -> Option<Option<Filename>> {
        let mut r = self.blocks[4];
        if r.is_empty() {
            return Some(None);
        }
        let flags = r.u8()?;
        let number = u32::try_from(r.varint()?).ok()?;
        let string = match flags & 2 {
            0 => Name::Text(number),
            _ => Name::Own(number.checked_mul(SLOT)?),
        };
        Some(Some(Filename { string, interned: flags & 1 != 0 }))
    }
}

/// The back of a unit's table, block by block, without allocation.
#[derive(Debug, Clone, Copy)]
pub struct Back<'a> {
    chunks: Reader<'a>,
    slots: Reader<'a>,
    origin: u32,
}

impl<'a> Back<'a> {
    /// `None` if the first block ends beyond `bytes`.
    pub fn new(bytes: &'a [u8], origin: u32) -> Option<Self> {
        let mut r = Reader::new(bytes);
        Some(Back { chunks: r.block()?, slots: r, origin })
    }

    /// Chunks of the pool.
    pub fn chunks(&self) -> Ascending<'a> {
        Ascending::new(self.chunks, 1)
    }

    /// The slot lists: of the static strings, then of the strings, as the front has them.
    pub fn slots(&self) -> impl Iterator<Item = Option<Slots<'a>>> + 'a {
        let (mut r, origin) = (self.slots, self.origin);
        std::iter::from_fn(move || {
            if r.is_empty() {
                return None;
            }
            let list = r.block().map(|block| Slots::new(block, origin));
            if list.is_none() {
                r = Reader::new(&[]);
            }
            Some(list)
        })
    }
}
