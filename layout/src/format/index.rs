//! The module index: an open-addressing hash table from full module name to the number of the module's record.
//!
//! A power of two of `u32` buckets, at least twice as many as modules; 0 is empty, otherwise record
//! number + 1 and, in the highest byte, the highest byte of the hash: so a name that is not there, as those of the
//! interpreter's own modules, mostly leads to no record. The first bucket is `hash & (buckets - 1)`, the next ones follow it.

use super::codec::Writer;

/// Records have smaller numbers than this: what a bucket has room for beside the byte of the hash.
pub const MAX_NUMBER: u32 = TAG - 1;

/// The lowest bit of the hash's byte in a bucket.
const TAG: u32 = 1 << 24;

/// FNV-1a, 64 bits, folded to 32.
pub fn hash_name(name: &[u8]) -> u32 {
    let h = name.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    (h ^ (h >> 32)) as u32
}

/// The part of a hash that a bucket has.
fn tag(hash: u32) -> u32 {
    hash & !(TAG - 1)
}

/// The table's bytes for records: their names and numbers, in their order. `None` if a number is too large.
pub fn build_index(records: &[(&str, u32)]) -> Option<Vec<u8>> {
    let buckets = (records.len() * 2).next_power_of_two().max(2);
    let mut table = vec![0u32; buckets];
    for &(name, number) in records {
        if number >= MAX_NUMBER {
            return None;
        }
        let hash = hash_name(name.as_bytes());
        let mut at = hash as usize & (buckets - 1);
        while table[at] != 0 {
            at = (at + 1) & (buckets - 1);
        }
        table[at] = tag(hash) | (number + 1);
    }
    let mut w = Writer::new();
    for entry in table {
        w.u32(entry);
    }
    Some(w.bytes)
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
        let hash = hash_name(name);
        let entries = (0..buckets).map_while(move |i| {
            let at = ((hash as usize).wrapping_add(i) & (buckets - 1)) * 4;
            let entry = u32::from_le_bytes(bytes[at..at + 4].try_into().ok()?);
            (entry != 0).then_some(entry)
        });
        entries.filter(move |entry| tag(*entry) == tag(hash)).filter_map(|entry| (entry & (TAG - 1)).checked_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_record_and_others_to_almost_none() {
        let names: Vec<String> = (0..3000).map(|n| format!("package{}.module{n}", n % 7)).collect();
        // Records are of different sizes.
        let records: Vec<_> = names.iter().zip(0..).map(|(name, number)| (name.as_str(), number * 11)).collect();
        let bytes = build_index(&records).unwrap();
        let index = Index::new(&bytes).unwrap();
        let candidates = |name: &str| index.candidates(name.as_bytes()).collect::<Vec<u32>>();
        for (number, name) in (0..).zip(&names) {
            assert!(candidates(name).contains(&(number * 11)));
        }
        let wrong: usize = (0..3000).map(|n| candidates(&format!("other{n}")).len()).sum();
        // One bucket in three is taken, and each has one byte of the hash.
        assert!(wrong < 100, "{wrong}");
    }

    #[test]
    fn an_index_of_nothing_and_a_full_one_have_an_end() {
        assert!(Index::new(&build_index(&[]).unwrap()).unwrap().candidates(b"a").next().is_none());
        let full = [1u32, 2].map(u32::to_le_bytes).concat();
        assert!(Index::new(&full).unwrap().candidates(b"a").count() <= 2);
        let last = |number| build_index(&[("a", number)]);
        assert_eq!(Index::new(&last(MAX_NUMBER - 1).unwrap()).unwrap().candidates(b"a").next(), Some(MAX_NUMBER - 1));
        assert!(last(MAX_NUMBER).is_none());
        assert!(Index::new(&full[..4]).is_some() && Index::new(&full[..6]).is_none() && Index::new(&[]).is_none());
    }
}
