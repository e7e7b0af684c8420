//! A unit of an image: its record and its table, which lie together.

use std::borrow::Cow;

use cds_layout::format::{Back, Front, UnitRecord};

use crate::malformed::Malformed;

/// A unit's record and the two parts of its table; the checksum of record and front agrees.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The record.
    pub record: UnitRecord,
    bytes: Cow<'static, [u8]>,
}

impl Unit {
    /// The unit of these bytes, if record and front are as the builder wrote them.
    pub fn new(bytes: Cow<'static, [u8]>) -> Option<Unit> {
        let (record, table) = UnitRecord::split(&bytes)?;
        let (front, _) = table.split_at_checked(record.front as usize)?;
        (record.front_sum(front) == record.front_checksum).then_some(Unit { record, bytes })
    }

    /// The two parts of the table.
    fn table(&self) -> (&[u8], &[u8]) {
        self.bytes[UnitRecord::SIZE..].split_at(self.record.front as usize)
    }

    /// What is always done.
    pub fn front(&self) -> Result<Front<'_>, Malformed> {
        Front::new(self.table().0, self.record.origin()).ok_or(Malformed)
    }

    /// What is done where a prediction failed.
    pub fn back(&self) -> Result<Back<'_>, Malformed> {
        let (_, back) = self.table();
        if UnitRecord::back_sum(back) != self.record.back_checksum {
            return Err(Malformed);
        }
        Back::new(back, self.record.origin()).ok_or(Malformed)
    }
}
