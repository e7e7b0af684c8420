//! Fixup tables: which slots to rewrite when a prediction fails, per unit.
//!
//! A *unit* is a set of objects that is fixed up together, once per process: a module, or a constant
//! that several modules share. Its table is six blocks (varint length, then bytes), any of which may be empty:
//!
//! | block | contents |
//! |---|---|
//! | units | numbers of the units to fix up first, each after what it needs itself |
//! | base | one slot list: slots that hold addresses of the image |
//! | externs | groups (extern number, block of one slot list) |
//! | strings | groups (string number, block of one slot list), ascending |
//! | frozensets | groups (position of the tuple of items / 8, block of one slot list), in order of creation |
//! | filename | position of the string / 8, flags (bit 0: to be interned), slot list |
//!
//! A slot list is a count and then positions / 8: the first as it is, every other as its distance from the one before.
//!
//! Writes other than those of `base` may be repeated: several units may name the same slot of a shared leaf object.

use super::SLOT;
use super::codec::{Reader, Writer};

/// Slots that share one value: `key` is an extern number, a string number, or a position.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// What the slots are to hold.
    pub key: u32,
    /// Positions of the slots, ascending.
    pub slots: Vec<u32>,
}

/// Slots that hold the module's file name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilenameSlots {
    /// Position of the image's own string with the predicted path.
    pub string: u32,
    /// Whether the interpreter interns `co_filename`.
    pub interned: bool,
    /// Positions of the slots, ascending.
    pub slots: Vec<u32>,
}

/// All fixups of one unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitTables {
    /// Units to fix up before this one.
    pub units: Vec<u32>,
    /// Slots that hold addresses of the image.
    pub base: Vec<u32>,
    /// Slots that hold externs, by extern number.
    pub externs: Vec<Group>,
    /// Slots that hold interned strings, by string number.
    pub strings: Vec<Group>,
    /// Slots that hold frozensets, by position of the tuple of their items.
    pub frozensets: Vec<Group>,
    /// Slots that hold the file name.
    pub filename: Option<FilenameSlots>,
}

impl UnitTables {
    /// Appends the table.
    pub fn encode(&self, w: &mut Writer) {
        let mut block = Writer::new();
        for &unit in &self.units {
            block.varint(u64::from(unit));
        }
        w.block(&block.bytes);

        let mut block = Writer::new();
        if !self.base.is_empty() {
            write_slots(&mut block, &self.base);
        }
        w.block(&block.bytes);

        w.block(&encode_groups(&self.externs, 1));
        w.block(&encode_groups(&self.strings, 1));
        w.block(&encode_groups(&self.frozensets, SLOT));

        let mut block = Writer::new();
        if let Some(filename) = &self.filename {
            block.varint(u64::from(filename.string / SLOT));
            block.u8(u8::from(filename.interned));
            write_slots(&mut block, &filename.slots);
        }
        w.block(&block.bytes);
    }

    /// Reads the table at the start of `bytes`; `None` if it is malformed.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let r = UnitReader::new(bytes)?;
        let groups = |groups: &mut dyn Iterator<Item = Option<(u32, Slots<'_>)>>| {
            groups
                .map(|g| {
                    let (key, slots) = g?;
                    Some(Group { key, slots: slots.collect::<Option<Vec<_>>>()? })
                })
                .collect::<Option<Vec<_>>>()
        };
        Some(UnitTables {
            units: r.units().collect::<Option<_>>()?,
            base: r.base()?.collect::<Option<_>>()?,
            externs: groups(&mut r.externs())?,
            strings: groups(&mut r.strings())?,
            frozensets: groups(&mut r.frozensets())?,
            filename: match r.filename()? {
                None => None,
                Some((string, interned, slots)) => {
                    Some(FilenameSlots { string, interned, slots: slots.collect::<Option<_>>()? })
                }
            },
        })
    }
}

fn encode_groups(groups: &[Group], scale: u32) -> Vec<u8> {
    let mut w = Writer::new();
    for group in groups {
        w.varint(u64::from(group.key / scale));
        let mut slots = Writer::new();
        write_slots(&mut slots, &group.slots);
        w.block(&slots.bytes);
    }
    w.bytes
}

/// Appends a slot list. `slots` ascend and are multiples of [`SLOT`].
pub fn write_slots(w: &mut Writer, slots: &[u32]) {
    w.varint(slots.len() as u64);
    let mut previous = 0;
    for &slot in slots {
        debug_assert!(slot % SLOT == 0 && slot >= previous);
        w.varint(u64::from((slot - previous) / SLOT));
        previous = slot;
    }
}

/// The slot list at the start of `r`.
pub fn read_slots<'a>(mut r: Reader<'a>) -> Option<Slots<'a>> {
    let left = if r.is_empty() { 0 } else { u32::try_from(r.varint()?).ok()? };
    Some(Slots { r, left, position: 0 })
}

/// Iterator over the positions of a slot list; `None` once and then the end if the list is malformed.
#[derive(Debug, Clone)]
pub struct Slots<'a> {
    r: Reader<'a>,
    left: u32,
    position: u32,
}

impl Iterator for Slots<'_> {
    type Item = Option<u32>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let step = self.r.varint().and_then(|v| u32::try_from(v).ok()?.checked_mul(SLOT));
        let position = step.and_then(|step| self.position.checked_add(step));
        match position {
            Some(position) => self.position = position,
            None => self.left = 0,
        }
        Some(position)
    }
}

/// A unit's table, block by block, without allocation.
#[derive(Debug, Clone, Copy)]
pub struct UnitReader<'a> {
    blocks: [Reader<'a>; 6],
}

impl<'a> UnitReader<'a> {
    /// The table at the start of `bytes`; `None` if a block ends beyond them.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let mut blocks = [Reader::new(&[]); 6];
        for block in &mut blocks {
            *block = r.block()?;
        }
        Some(UnitReader { blocks })
    }

    /// Units to fix up first.
    pub fn units(&self) -> impl Iterator<Item = Option<u32>> + 'a {
        let mut r = self.blocks[0];
        std::iter::from_fn(move || (!r.is_empty()).then(|| r.varint().and_then(|v| u32::try_from(v).ok())))
    }
    /// Slots that hold addresses of the image.
    pub fn base(&self) -> Option<Slots<'a>> {
        read_slots(self.blocks[1])
    }
    /// Extern number and slots.
    pub fn externs(&self) -> impl Iterator<Item = Option<(u32, Slots<'a>)>> + 'a {
        groups(self.blocks[2], 1)
    }
    /// String number and slots.
    pub fn strings(&self) -> impl Iterator<Item = Option<(u32, Slots<'a>)>> + 'a {
        groups(self.blocks[3], 1)
    }
    /// Position of the tuple of items and slots.
    pub fn frozensets(&self) -> impl Iterator<Item = Option<(u32, Slots<'a>)>> + 'a {
        groups(self.blocks[4], SLOT)
    }
    /// Position of the string, whether it is to be interned, and slots. The outer `None` means malformed.
    #[allow(clippy::type_complexity)]
    pub fn filename(&self) -> Option<Option<(u32, bool, Slots<'a>)>> {
        let mut r = self.blocks[5];
        if r.is_empty() {
            return Some(None);
        }
        let string = u32::try_from(r.varint()?).ok()?.checked_mul(SLOT)?;
        let flags = r.u8()?;
        Some(Some((string, flags & 1 != 0, read_slots(r)?)))
    }
}

fn groups<'a>(mut r: Reader<'a>, scale: u32) -> impl Iterator<Item = Option<(u32, Slots<'a>)>> + 'a {
    std::iter::from_fn(move || {
        if r.is_empty() {
            return None;
        }
        let group = (|| {
            let key = u32::try_from(r.varint()?).ok()?.checked_mul(scale)?;
            Some((key, read_slots(r.block()?)?))
        })();
        if group.is_none() {
            r = Reader::new(&[]);
        }
        Some(group)
    })
}
