//! The module index: an open-addressing hash table from full module name to record number.
//!
//! A power of two of `u32` buckets, at least twice as many as modules; 0 is empty, otherwise record
//! number + 1. The first bucket is `hash & (buckets - 1)`, the next ones follow it.

use super::codec::Writer;

/// FNV-1a, 64 bits, folded to 32.
pub fn hash_name(name: &[u8]) -> u32 {
    let h = name.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    (h ^ (h >> 32)) as u32
}

/// The table's bytes for module names in record order.
pub fn build_index<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Vec<u8> {
    let buckets = (names.len() * 2).next_power_of_two().max(2);
    let mut table = vec![0u32; buckets];
    for (number, name) in names.enumerate() {
        let mut at = hash_name(name.as_bytes()) as usize & (buckets - 1);
        while table[at] != 0 {
            at = (at + 1) & (buckets - 1);
        }
        table[at] = number as u32 + 1;
    }
    let mut w = Writer::new();
    for entry in table {
        w.u32(entry);
    }
    w.bytes
}

/// A view of the table.
#[derive(Debug, Clone, Copy)]
pub struct Index<'a> {
    bytes: &'a [u8],
}

impl<'a> Index<'a> {
    /// `None` unless the number of buckets is a power of two.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len().is_multiple_of(4) && (bytes.len() / 4).is_power_of_two()).then_some(Index { bytes })
    }

    /// The record numbers that `name` may have, in probing order. The caller compares the names.
    pub fn candidates(&self, name: &[u8]) -> impl Iterator<Item = u32> + 'a {
        let bytes = self.bytes;
        let buckets = bytes.len() / 4;
        let first = hash_name(name) as usize;
        (0..buckets).map_while(move |i| {
            let at = (first.wrapping_add(i) & (buckets - 1)) * 4;
            let entry = u32::from_le_bytes(bytes[at..at + 4].try_into().ok()?);
            entry.checked_sub(1)
        })
    }
}
