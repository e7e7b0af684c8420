//! What a unit uses of the pool is in its list of chunks: the loader gets those ready where the image, or the interpreter, lies
//! elsewhere than predicted.

use super::Image;
use cds_layout::cpython::{Layout, layout};
use cds_layout::format::{CHUNK, Extern, NONE, Range, SLOT, SectionKind, TypeId};
use std::collections::{BTreeMap, HashSet};

/// Of each unit that misses chunks, one place where it does.
pub fn missing_chunks(image: &Image<'_>) -> Vec<String> {
    let header = &image.header;
    // `Image` refuses versions that have no layout.
    let Some(layout) = layout((header.hexversion >> 16) as u8) else { return Vec::new() };
    let types = image.externs.iter().filter_map(|record| match record.object {
        Extern::Type(type_) => Some((record.predicted, type_)),
        _ => None,
    });
    let types: BTreeMap<u64, TypeId> = types.collect();
    let leaves = image.named.iter().filter(|object| object.leaves != NONE);
    let leaves = leaves.filter_map(|object| Some((image.unit_at(object.unit)?, object.leaves)));
    let mut roots: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    leaves.for_each(|(unit, leaves)| roots.entry(unit).or_default().push(leaves));
    let mut missing = Vec::new();
    for number in 0..image.units.len() as u32 {
        let mut walk = match Walk::new(image, layout, &types, number) {
            Some(walk) => walk,
            // Reported as malformed.
            None => continue,
        };
        walk.todo.extend(roots.get(&number).into_iter().flatten());
        if let Some(at) = walk.first_missing() {
            missing.push(format!("unit {number} uses the word at {at:#x} of the pool, and does not list its chunk"));
        }
    }
    missing
}

/// The objects of the pool that a unit uses.
struct Walk<'a, 'b> {
    image: &'a Image<'b>,
    layout: &'static Layout,
    types: &'a BTreeMap<u64, TypeId>,
    chunks: HashSet<u32>,
    /// Objects that need no visit: visited ones, and interned strings, which the loader looks after by themselves.
    known: HashSet<u32>,
    todo: Vec<u32>,
    missing: Option<u32>,
}

impl<'a, 'b> Walk<'a, 'b> {
    /// Starts with what the unit's own objects point to.
    fn new(
        image: &'a Image<'b>,
        layout: &'static Layout,
        types: &'a BTreeMap<u64, TypeId>,
        number: u32,
    ) -> Option<Self> {
        let (record, unit) = (image.units.get(number as usize)?, image.unit(number)?);
        let chunks = unit.chunks.iter().copied().collect();
        let known = unit.strings.iter().map(|group| group.key).collect();
        let todo = unit.frozensets.iter().map(|group| group.key).collect();
        let mut walk = Walk { image, layout, types, chunks, known, todo, missing: None };
        for Range { start, size } in record.ranges() {
            let words = image.section(SectionKind::Objects).get(start as usize..)?.chunks_exact(8);
            for word in words.take((size / SLOT) as usize) {
                let used = walk.pool_offset(u64::from_le_bytes(word.try_into().expect("eight bytes")));
                walk.todo.extend(used);
            }
        }
        Some(walk)
    }

    /// What a word points to, if that is in the pool.
    fn pool_offset(&self, word: u64) -> Option<u32> {
        let offset = word.wrapping_sub(self.image.address(0));
        (offset < u64::from(self.image.header.pool)).then_some(offset as u32)
    }

    fn first_missing(mut self) -> Option<u32> {
        while let Some(at) = self.todo.pop() {
            if at < self.image.header.pool && self.known.insert(at) {
                self.visit(at);
            }
        }
        self.missing
    }

    fn visit(&mut self, at: u32) {
        let head = &self.layout.head;
        let Some(type_) = self.slot(at, head.type_) else { return };
        match self.types.get(&type_) {
            Some(TypeId::Tuple) => {
                let count = at.checked_add(head.size).and_then(|at| self.image.word(at)).unwrap_or(0);
                // No more than the pool has room for.
                let count = count.min(u64::from(self.image.header.pool / SLOT)) as u32;
                for item in 0..count {
                    self.slot(at, self.layout.tuple_items + item * SLOT);
                }
            }
            Some(TypeId::Slice) => {
                let Some(rows) = self.layout.slice else { return };
                [rows.start, rows.stop, rows.step].into_iter().for_each(|row| {
                    self.slot(at, row);
                });
            }
            Some(TypeId::Str) => {
                if let Some((wstr, _)) = self.layout.str_.wstr {
                    self.slot(at, wstr);
                }
            }
            _ => {}
        }
    }

    /// Looks at a slot of an object, and later at what it points to. What it holds.
    fn slot(&mut self, object: u32, row: u32) -> Option<u64> {
        let header = &self.image.header;
        let at = object.checked_add(row).filter(|at| *at < header.pool)?;
        let word = self.image.word(at)?;
        let own = self.pool_offset(word);
        let moves = header.externs_start >> 47 != 0 && word.wrapping_sub(header.externs_start) < header.externs_size;
        if (own.is_some() || moves) && !self.chunks.contains(&(at / CHUNK)) {
            self.missing.get_or_insert(at);
        }
        self.todo.extend(own);
        Some(word)
    }
}
