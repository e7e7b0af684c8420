//! A unit of an image: its record and its table.

use std::borrow::Cow;

use cds_layout::format::{Back, Front, UnitRecord};

use crate::malformed::Malformed;

/// A unit's record and the two parts of its table; the checksum of the front agrees.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The record.
    pub record: UnitRecord,
    table: Cow<'static, [u8]>,
}

impl Unit {
    /// The unit with this table, if both are as the builder wrote them.
    pub fn new(record: UnitRecord, table: Cow<'static, [u8]>) -> Option<Unit> {
        let (front, _) = table.split_at_checked(record.front as usize)?;
        (record.front_sum(front) == record.front_checksum).then_some(Unit { record, table })
    }

    /// What is always done.
    pub fn front(&self) -> Result<Front<'_>, Malformed> {
        let (front, _) = self.table.split_at(self.record.front as usize);
        Front::new(front, self.record.origin()).ok_or(Malformed)
    }

    /// What is done where a prediction failed.
    pub fn back(&self) -> Result<Back<'_>, Malformed> {
        let (_, back) = self.table.split_at(self.record.front as usize);
        if UnitRecord::back_sum(back) != self.record.back_checksum {
            return Err(Malformed);
        }
        Back::new(back, self.record.origin()).ok_or(Malformed)
    }
}
