//! Checks an image against itself: digest, tables, slots, ELF symbols.

use super::Image;
use crate::elf::digest;
use cds_layout::format::{
    Group, ModuleKind, NONE, SLOT, SectionKind, UnitRecord, checksum32, leaves_of, tables_checksum,
};
use goblin::elf::Elf;
use serde::Serialize;
use std::collections::BTreeSet;

/// Something in an image that no builder writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check that failed.
    pub check: &'static str,
    /// Where and how.
    pub message: String,
}

/// All findings, in the order of the checks.
pub fn structure(image: &Image<'_>) -> Vec<Finding> {
    let mut checker = Checker { image, findings: Vec::new() };
    checker.digest();
    checker.modules();
    checker.strings();
    checker.units();
    checker.named();
    checker.elf();
    checker.findings
}

struct Checker<'a, 'b> {
    image: &'a Image<'b>,
    findings: Vec<Finding>,
}

impl Checker<'_, '_> {
    fn report(&mut self, check: &'static str, message: impl Into<String>) {
        self.findings.push(Finding { check, message: message.into() });
    }

    fn digest(&mut self) {
        if digest(self.image.bytes, self.image.header_position) != self.image.header.digest {
            self.report("digest", "the contents do not agree with the SHA-256 in the header");
        }
    }

    /// Whether `position..position + size` lies within the objects.
    fn inside(&self, position: u32, size: u32) -> bool {
        self.image.sections.get(&SectionKind::Objects).is_some_and(|s| {
            position >= s.position && u64::from(position) + u64::from(size) <= u64::from(s.position) + u64::from(s.size)
        })
    }

    fn modules(&mut self) {
        let image = self.image;
        for (number, directory) in image.directories.iter().enumerate() {
            if directory.checksum != directory.sum(image.text(directory.relative)) {
                self.report("directories", format!("the checksum of record {number} does not agree"));
            }
        }
        let addresses = [SectionKind::Externs, SectionKind::StaticStrings].map(|kind| image.section(kind));
        if image.header.tables_checksum != tables_checksum(&image.roots, addresses, |text| image.text(text)) {
            self.report("header", "the checksum of roots, externs and static strings does not agree");
        }
        if image.modules.len() != image.header.module_count as usize {
            self.report(
                "modules",
                format!("{} records, the header says {}", image.modules.len(), image.header.module_count),
            );
        }
        let index = image.index();
        if index.is_none() {
            self.report("index", "its size is not a power of two");
        }
        for (number, module) in image.modules.iter().enumerate() {
            let name = image.text(module.name);
            if module.checksum != module.sum(image.text(module.file)) {
                self.report("modules", format!("the checksum of record {number} (`{name}`) does not agree"));
            }
            if name.is_empty() {
                self.report("modules", format!("record {number} has no name"));
            }
            if index.is_some_and(|i| !i.candidates(name.as_bytes()).any(|n| n as usize == number)) {
                self.report("index", format!("`{name}` is not found"));
            }
            if image.module_path(module).is_none()
                || (module.is_package() && image.directories.get(module.package as usize).is_none())
            {
                self.report("modules", format!("`{name}` lies in a directory that has no record"));
            }
            if module.kind != ModuleKind::Source {
                if module.code != NONE || module.unit != NONE {
                    self.report("modules", format!("`{name}` has code but is not a source module"));
                }
                continue;
            }
            if module.unit as usize >= image.units.len() {
                self.report("modules", format!("`{name}` has no fixup unit"));
            }
            let within = module.code >= module.start
                && u64::from(module.code) < u64::from(module.start) + u64::from(module.size);
            if !within || !self.inside(module.start, module.size) || module.code % SLOT != 0 {
                self.report("modules", format!("the code of `{name}` lies outside its region"));
            }
        }
    }

    fn strings(&mut self) {
        if self.image.static_strings.len() > self.image.strings.len() {
            self.report("strings", "there are more static strings than strings");
        }
        for (number, &position) in self.image.strings.iter().enumerate() {
            if !self.inside(position, 8) || position % SLOT != 0 {
                self.report("strings", format!("string {number} lies outside the objects"));
            }
        }
    }

    fn units(&mut self) {
        let image = self.image;
        for number in 0..image.units.len() as u32 {
            let sum = image.unit_bytes(number).map(UnitRecord::checksum);
            if sum != Some(image.units[number as usize].checksum) {
                self.report("fixups", format!("the checksum of unit {number} does not agree"));
            }
            let Some(unit) = image.unit(number) else {
                self.report("fixups", format!("the table of unit {number} is malformed"));
                continue;
            };
            if unit.units.iter().any(|&u| u as usize >= image.units.len() || u == number) {
                self.report("fixups", format!("unit {number} depends on a unit that does not exist"));
            }
            for &slot in &unit.base {
                self.address(number, slot);
            }
            self.predictions(number, &unit.externs, |key| image.externs.get(key as usize).map(|e| e.predicted));
            let base = image.header.preferred_base;
            self.predictions(number, &unit.strings, |key| image.predicted_string(key));
            self.predictions(number, &unit.frozensets, |key| self_inside(image, key).then_some(0));
            if let Some(f) = &unit.filename {
                let group = Group { key: f.string, slots: f.slots.clone() };
                self.predictions(number, &[group], |key| self_inside(image, key).then_some(base + u64::from(key)));
            }
        }
        match image.eager() {
            None => self.report("fixups", "the eager slots are malformed"),
            Some(slots) => slots.into_iter().for_each(|slot| self.address(NONE, slot)),
        }
    }

    fn named(&mut self) {
        let image = self.image;
        let mut names = BTreeSet::new();
        for (number, object) in image.named.iter().enumerate() {
            let name = image.text(object.name);
            let mut report = |what: &str| self.findings.push(Finding { check: "objects", message: what.to_owned() });
            if object.checksum != object.sum(name) {
                report(&format!("the checksum of record {number} (`{name}`) does not agree"));
            }
            if name.is_empty() || !names.insert(name) {
                report(&format!("record {number} has no name, or that of another one: `{name}`"));
            }
            if object.unit as usize >= image.units.len() {
                report(&format!("`{name}` has no fixup unit"));
            }
            let recipe = object.recipe(image.section(SectionKind::Recipes));
            if recipe.map(|recipe| checksum32(&[recipe])) != Some(object.recipe_checksum) {
                report(&format!("the checksum of the recipe of `{name}` does not agree"));
            }
            let taken = recipe.and_then(leaves_of);
            if taken.is_none() || (taken == Some(0)) != (object.leaves == NONE) {
                report(&format!("the recipe of `{name}` is malformed"));
            }
            let leaves = object.leaves == NONE || (self_inside(image, object.leaves) && object.leaves % SLOT == 0);
            if !leaves || !self.inside(object.start, object.size) {
                self.report("objects", format!("`{name}` lies outside the objects"));
            }
        }
    }

    /// A slot that holds an address of the image.
    fn address(&mut self, unit: u32, slot: u32) {
        let base = self.image.header.preferred_base;
        let target = self.image.word(slot).and_then(|w| u32::try_from(w.checked_sub(base)?).ok());
        if !self.inside(slot, 8) || !slot.is_multiple_of(SLOT) {
            self.report("fixups", format!("unit {unit}: slot {slot:#x} lies outside the objects"));
        } else if !target.is_some_and(|t| self.inside(t, 1)) {
            self.report("fixups", format!("unit {unit}: slot {slot:#x} does not point into the objects"));
        }
    }

    /// Slots that hold a prediction.
    fn predictions(&mut self, unit: u32, groups: &[Group], predicted: impl Fn(u32) -> Option<u64>) {
        for group in groups {
            let Some(predicted) = predicted(group.key) else {
                self.report("fixups", format!("unit {unit}: group {} does not exist", group.key));
                continue;
            };
            for &slot in &group.slots {
                if !self.inside(slot, 8) || slot % SLOT != 0 {
                    self.report("fixups", format!("unit {unit}: slot {slot:#x} lies outside the objects"));
                } else if self.image.word(slot) != Some(predicted) {
                    self.report(
                        "fixups",
                        format!("unit {unit}: slot {slot:#x} does not hold its prediction {predicted:#x}"),
                    );
                }
            }
        }
    }

    fn elf(&mut self) {
        let image = self.image;
        let elf = match Elf::parse(image.bytes) {
            Ok(elf) => elf,
            Err(error) => return self.report("elf", error.to_string()),
        };
        for (kind, section) in &image.sections {
            let named = elf.section_headers.iter().find(|s| elf.shdr_strtab.get_at(s.sh_name) == Some(kind.elf_name()));
            // `strip --strip-section-headers` and the like may take them away; then there is nothing to compare.
            let Some(header) = named else { continue };
            if (header.sh_offset, header.sh_size) != (u64::from(section.position), u64::from(section.size)) {
                self.report("elf", format!("section `{}` and the directory disagree", kind.elf_name()));
            }
        }
        let symbols: Vec<(u64, u64)> = elf.syms.iter().map(|s| (s.st_value, s.st_size)).collect();
        if symbols.is_empty() {
            return;
        }
        let symbols: BTreeSet<_> = symbols.into_iter().collect();
        let modules = image.modules.iter().filter(|m| m.unit != NONE).map(|m| (m.start, m.size, m.name));
        for (start, size, name) in modules.chain(image.named.iter().map(|o| (o.start, o.size, o.name))) {
            let start = image.header.preferred_base + u64::from(start);
            if !symbols.contains(&(start, u64::from(size))) {
                self.report("elf", format!("no symbol for `{}`", image.text(name)));
            }
        }
    }
}

fn self_inside(image: &Image<'_>, position: u32) -> bool {
    image.sections.get(&SectionKind::Objects).is_some_and(|s| position >= s.position && position < s.position + s.size)
}
