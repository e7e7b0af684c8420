//! Where each unit's fixup table lies.

use super::checksum::checksum32;
use super::codec::{Reader, Writer};

/// A unit's table within the fixups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitRecord {
    /// Offset within the fixups. The table ends where the next unit's starts.
    pub start: u32,
    /// [`UnitRecord::checksum`] of the table.
    pub checksum: u32,
}

impl UnitRecord {
    /// Size of a record.
    pub const SIZE: usize = 8;

    /// The record of the table `bytes` at `start`.
    pub fn new(start: u32, bytes: &[u8]) -> Self {
        UnitRecord { start, checksum: Self::checksum(bytes) }
    }

    /// Checksum of a table.
    pub fn checksum(bytes: &[u8]) -> u32 {
        checksum32(&[bytes])
    }

    /// Appends the record.
    pub fn encode(&self, w: &mut Writer) {
        w.u32(self.start);
        w.u32(self.checksum);
    }

    /// Takes a record.
    pub fn decode(r: &mut Reader<'_>) -> Option<Self> {
        Some(UnitRecord { start: r.u32()?, checksum: r.u32()? })
    }
}
