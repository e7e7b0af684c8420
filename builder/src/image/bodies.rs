//! What runs once is gone when it has run: only the objects that the loader makes of it point to each other.

use super::Image;
use cds_layout::cpython::{CodeSource, Layout, Repr, layout};
use cds_layout::format::{Extern, Range, SLOT, SectionKind, TypeId};
use rustc_hash::FxHashSet;

/// Words that point to bodies and would still do so afterwards, and bodies that are not made of what they should be.
pub fn strays(image: &Image<'_>) -> Vec<String> {
    // `Image` refuses versions that have no layout.
    let Some(layout) = layout((image.header.hexversion >> 16) as u8) else { return Vec::new() };
    let predicted = |wanted| {
        let found = image.externs.iter().find(|record| record.object == Extern::Type(wanted));
        found.map(|record| record.predicted)
    };
    let types = [TypeId::Code, TypeId::Tuple, TypeId::Bytes].map(predicted);
    let mut walk = Walk {
        image,
        layout,
        types,
        bodies: Range::default(),
        known: FxHashSet::default(),
        made: FxHashSet::default(),
    };
    let mut found = Vec::new();
    let mut with_code = vec![false; image.units.len()];
    for module in &image.modules {
        // Others have no code.
        let Some(number) = image.unit_at(module.unit) else { continue };
        with_code[number as usize] = true;
        walk.bodies = image.units[number as usize].bodies;
        if walk.module(module.code).is_none() {
            found.push(format!("the bodies of `{}` are not as the loader needs them", module.name));
        }
    }
    let without =
        image.units.iter().zip(with_code).enumerate().filter(|(_, (unit, has))| !has && unit.bodies.size != 0);
    found.extend(without.map(|(number, _)| format!("unit {number} has bodies, and is no module's")));
    let mut ranges: Vec<Range> = image.units.iter().map(|unit| unit.bodies).filter(|range| range.size != 0).collect();
    ranges.sort_by_key(|range| range.start);
    let is_body = |offset: u64| {
        let after = ranges.partition_point(|range| u64::from(range.start) <= offset);
        let last = after.checked_sub(1).map(|last| ranges[last]);
        last.is_some_and(|range| offset - u64::from(range.start) < u64::from(range.size))
    };
    let (first, objects) = (image.address(0), image.section(SectionKind::Objects));
    for (number, word) in objects.chunks_exact(SLOT as usize).enumerate() {
        let target = u64::from_le_bytes(word.try_into().expect("a slot has eight bytes")).wrapping_sub(first);
        let at = number as u32 * SLOT;
        if target < objects.len() as u64 && is_body(target) && !walk.known.contains(&at) {
            found.push(format!("the word at {at:#x} points to code that is gone when it has run"));
        }
    }
    found
}

struct Walk<'a, 'b> {
    image: &'a Image<'b>,
    layout: &'static Layout,
    /// What the type slots of code objects, tuples and bytes hold.
    types: [Option<u64>; 3],
    bodies: Range,
    /// Slots that the loader looks after.
    known: FxHashSet<u32>,
    /// Code that it makes an object of.
    made: FxHashSet<u32>,
}

impl Walk<'_, '_> {
    /// Enters what the loader looks after of a module; `None` if it could not make objects of it, or two of one.
    fn module(&mut self, root: u32) -> Option<()> {
        let mut todo = vec![root];
        while let Some(at) = todo.pop() {
            self.code(at, &mut todo)?;
        }
        Some(())
    }

    fn code(&mut self, at: u32, todo: &mut Vec<u32>) -> Option<()> {
        let [code, tuple_type, bytes_type] = self.types;
        let units = self.size(at, code)?;
        self.fits(at, self.layout.code.bytecode, units, 2)?;
        if !self.made.insert(at) {
            return None;
        }
        for field in self.layout.code.fields.iter().filter(|field| field.repr == Repr::Ptr) {
            let slot = at.checked_add(field.offset)?;
            let Some(part) = self.target(slot) else { continue };
            match field.source {
                CodeSource::Consts | CodeSource::Names if part > at => {
                    let count = self.size(part, tuple_type)?;
                    self.fits(part, self.layout.tuple_items, count, SLOT)?;
                    for item in 0..count as u32 {
                        let slot = part + self.layout.tuple_items + item * SLOT;
                        let Some(code) = self.target(slot) else { continue };
                        self.known.insert(slot);
                        if code <= part {
                            return None;
                        }
                        todo.push(code);
                    }
                }
                CodeSource::LineTable => {
                    let size = self.size(part, bytes_type)?;
                    self.fits(part, self.layout.bytes_data, size, 1)?;
                }
                _ => return None,
            }
            self.known.insert(slot);
        }
        Some(())
    }

    /// The size of a body of this type, in items.
    fn size(&self, at: u32, type_: Option<u64>) -> Option<u64> {
        at.checked_sub(self.bodies.start).filter(|within| *within < self.bodies.size && within % SLOT == 0)?;
        let word = |offset: u32| self.image.word(at.checked_add(offset)?);
        let size = word(self.layout.head.size)?;
        type_.filter(|type_| word(self.layout.head.type_) == Some(*type_)).map(|_| size)
    }

    /// Whether so many items, from `first` on in the object at `at`, end within the bodies.
    fn fits(&self, at: u32, first: u32, count: u64, each: u32) -> Option<()> {
        let end = count.checked_mul(u64::from(each))?.checked_add(u64::from(at) + u64::from(first))?;
        (end <= u64::from(self.bodies.start) + u64::from(self.bodies.size)).then_some(())
    }

    /// The offset of the body that a slot points to, if it is one.
    fn target(&self, slot: u32) -> Option<u32> {
        let target = u32::try_from(self.image.word(slot)?.wrapping_sub(self.image.address(0))).ok()?;
        (target.checked_sub(self.bodies.start)? < self.bodies.size).then_some(target)
    }
}
