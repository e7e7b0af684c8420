//! Where each unit's objects lie: the start of its piece of the section of units, which its fixup table follows.

use super::checksum::checksum32;
use super::codec::{Reader, Writer};

/// A part of the objects: offsets from their start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range {
    /// Offset of the first byte.
    pub start: u32,
    /// Number of bytes.
    pub size: u32,
}

impl Range {
    /// Several as one, if they follow on each other.
    pub fn joined<const N: usize>(ranges: [Range; N]) -> Option<Range> {
        let mut whole = Range { start: ranges.first()?.start, size: 0 };
        for range in ranges {
            if whole.start.checked_add(whole.size) != Some(range.start) {
                return None;
            }
            whole.size = whole.size.checked_add(range.size)?;
        }
        Some(whole)
    }
}

/// A unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnitRecord {
    /// Size of the front of its table, which follows on the record.
    pub front: u32,
    /// Code of the module and of its classes, its constants and names, which nothing else points to: the root first, and each before
    /// what it points to. It runs once, as objects that are made of these and gone when they have run.
    pub bodies: Range,
    /// What an import writes to: interned strings, what points to strings that are interned elsewhere.
    pub written: Range,
    /// What it reads: functions to be made, their names, other constants of bodies.
    pub read: Range,
    /// What is looked at later, if at all.
    pub cold: Range,
    /// Its part of the pool: what is used where it is mapped, although the rest is copied.
    pub mapped: Range,
    /// [`UnitRecord::front_sum`]
    pub front_checksum: u32,
    /// [`UnitRecord::back_sum`]
    pub back_checksum: u32,
}

impl UnitRecord {
    /// The four ranges beside that.
    pub fn ranges(&self) -> [Range; 4] {
        [self.bodies, self.written, self.read, self.cold]
    }

    /// All of them as one, if they follow on each other.
    pub fn whole(&self) -> Option<Range> {
        Range::joined(self.ranges())
    }

    /// Those that stay, without the bodies: as one, if they follow on each other.
    pub fn staying(&self) -> Option<Range> {
        Range::joined([self.written, self.read, self.cold])
    }

    /// What slot lists of the unit's table count from.
    pub fn origin(&self) -> u32 {
        self.bodies.start
    }

    /// Size of a record.
    pub const SIZE: usize = 52;

    /// What the offset of each unit in its section is a multiple of.
    pub const ALIGN: u32 = 8;

    /// The record and the table of a unit.
    pub fn split(unit: &[u8]) -> Option<(UnitRecord, &[u8])> {
        let mut r = Reader::new(unit);
        Some((UnitRecord::decode(&mut r)?, r.rest()))
    }

    /// With the checksums of the table `bytes`.
    pub fn seal(self, bytes: &[u8]) -> Option<Self> {
        let (front, back) = bytes.split_at_checked(self.front as usize)?;
        Some(UnitRecord { front_checksum: self.front_sum(front), back_checksum: Self::back_sum(back), ..self })
    }

    /// Checksum of the record and the front of its table.
    pub fn front_sum(&self, front: &[u8]) -> u32 {
        let mut w = Writer::new();
        UnitRecord { front_checksum: 0, back_checksum: 0, ..*self }.encode(&mut w);
        checksum32(&[&w.bytes, front])
    }

    /// Checksum of the back of a table.
    pub fn back_sum(back: &[u8]) -> u32 {
        checksum32(&[back])
    }

    /// Appends the record.
    pub fn encode(&self, w: &mut Writer) {
        for number in [
            self.front,
            self.bodies.start,
            self.bodies.size,
            self.written.start,
            self.written.size,
            self.read.start,
            self.read.size,
            self.cold.start,
            self.cold.size,
            self.mapped.start,
            self.mapped.size,
            self.front_checksum,
            self.back_checksum,
        ] {
            w.u32(number);
        }
    }

    /// Takes a record.
    pub fn decode(r: &mut Reader<'_>) -> Option<Self> {
        Some(UnitRecord {
            front: r.u32()?,
            bodies: Range { start: r.u32()?, size: r.u32()? },
            written: Range { start: r.u32()?, size: r.u32()? },
            read: Range { start: r.u32()?, size: r.u32()? },
            cold: Range { start: r.u32()?, size: r.u32()? },
            mapped: Range { start: r.u32()?, size: r.u32()? },
            front_checksum: r.u32()?,
            back_checksum: r.u32()?,
        })
    }
}
