//! Checks an image against itself: digest, tables, slots, ELF symbols.

use super::Image;
use super::bodies::strays;
use super::reach::missing_chunks;
use crate::elf::digest;
use cds_layout::cpython::layout;
use cds_layout::format::{
    CHUNK, Characters, Entry, Filename, Group, ModuleKind, NONE, Name, Numbered, Range, SLOT, SectionKind, StaticText,
    TextTable, UnitRecord, UnitUse, Writer, build_index, checksum32, encode_numbered, leaves_of, tables_checksum,
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
    checker.statics();
    let texts = checker.units();
    checker.addresses(&texts);
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

    /// Bytes of objects.
    fn objects(&self) -> u32 {
        self.image.section(SectionKind::Objects).len() as u32
    }

    /// Whether a range lies within the objects.
    fn inside(&self, range: Range) -> bool {
        u64::from(range.start) + u64::from(range.size) <= u64::from(self.objects())
    }

    /// Whether an object may lie at an offset.
    fn is_place(&self, offset: u32) -> bool {
        self.inside(Range { start: offset, size: SLOT }) && offset.is_multiple_of(SLOT)
    }

    /// How many words of a range are this one.
    fn count(&self, range: Range, word: u64) -> usize {
        let bytes = self.image.section(SectionKind::Objects).get(range.start as usize..).unwrap_or_default();
        let words = bytes.chunks_exact(SLOT as usize).take((range.size / SLOT) as usize);
        words.filter(|bytes| **bytes == word.to_le_bytes()).count()
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
        let (mut records, mut names) = (Writer::new(), Vec::new());
        for (number, module) in image.modules.iter().enumerate() {
            let (name, start) = (module.name, records.bytes.len());
            // With the checksum, and with nothing between records.
            names.extend(module.encode(&mut records).map(|number| (name, number)));
            let read = image.section(SectionKind::Modules).get(start..records.bytes.len());
            if read != records.bytes.get(start..) {
                self.report("modules", format!("the checksum of record {number} (`{name}`) does not agree"));
            }
            if name.is_empty() {
                self.report("modules", format!("record {number} has no name"));
            }
            if image.module_path(module).is_none()
                || (module.is_package() && image.directories.get(module.package as usize).is_none())
            {
                self.report("modules", format!("`{name}` lies in a directory that has no record"));
            }
            if module.kind != ModuleKind::Source {
                if module.code != NONE || module.unit != Range::default() {
                    self.report("modules", format!("`{name}` has code but is not a source module"));
                }
                continue;
            }
            let Some(unit) = image.unit_record(module.unit) else {
                self.report("modules", format!("`{name}` has no fixup unit"));
                continue;
            };
            let range = unit.bodies;
            let within = range.start <= module.code && module.code - range.start < range.size;
            if !within || module.code % SLOT != 0 {
                self.report("modules", format!("the code of `{name}` lies outside its range"));
            }
        }
        if image.beyond_modules != 0 {
            let after = image.modules.len();
            self.report("modules", format!("record {after} is damaged: {} bytes cannot be read", image.beyond_modules));
        }
        if build_index(&names).is_none_or(|index| index != image.section(SectionKind::ModuleIndex)) {
            self.report("index", "it is not that of the modules");
        }
    }

    fn statics(&mut self) {
        for (number, record) in self.image.statics.iter().enumerate() {
            if matches!(record.text, StaticText::Own(offset) if !self.is_place(offset)) {
                self.report("strings", format!("static string {number} lies outside the objects"));
            }
        }
    }

    /// Bytes that the strings of a unit need if the interpreter has none of them: a head, the characters and a zero, from a
    /// multiple of a slot's size on.
    fn room(&self, texts: &TextTable<'_>) -> u64 {
        let Some(layout) = layout((self.image.header.hexversion >> 16) as u8) else { return 0 };
        let numbered = Numbered::new(self.image.section(SectionKind::Numbered)).unwrap_or_default();
        let length = |entry: &Entry<'_>| match entry {
            Entry::Text(text) if text.characters == Characters::Ascii => Some(text.bytes.len()),
            Entry::Numbered(number) => numbered.text(*number).map(<[u8]>::len),
            Entry::Text(_) | Entry::Static(_) => None,
        };
        let size =
            |length: usize| (u64::from(layout.str_.ascii_data) + length as u64 + 1).next_multiple_of(u64::from(SLOT));
        texts.texts.iter().filter_map(length).map(size).sum()
    }

    /// How many texts have a number.
    fn numbered(&mut self) -> u32 {
        let bytes = self.image.section(SectionKind::Numbered);
        let Some(numbered) = Numbered::new(bytes) else {
            self.report("strings", "the table of texts with numbers is malformed");
            return 0;
        };
        let texts: Vec<Option<&[u8]>> = (0..numbered.count()).map(|number| numbered.text(number)).collect();
        if let Some(number) = texts.iter().position(|text| !text.is_some_and(<[u8]>::is_ascii)) {
            self.report("strings", format!("text {number} is damaged"));
        } else if !bytes.is_empty() && encode_numbered(texts.into_iter().flatten()) != bytes {
            self.report("strings", "the table of texts with numbers is not as a builder writes it");
        }
        numbered.count()
    }

    /// Of each unit, how many words stand for strings.
    fn units(&mut self) -> Vec<u64> {
        let image = self.image;
        let mut texts = vec![0; image.units.len()];
        let numbered = self.numbered();
        // Each belongs to one module or named object, and lies where the one before ends.
        let mut end = 0;
        for (number, place) in image.places.iter().enumerate() {
            if u64::from(place.start) != end {
                self.report("units", format!("unit {number} does not lie where the one before it ends"));
            }
            end = (u64::from(place.start) + u64::from(place.size)).next_multiple_of(UnitRecord::ALIGN.into());
        }
        if end != image.section(SectionKind::Units).len() as u64 {
            self.report("units", "some belong to nothing");
        }
        let owners = image.modules.iter().map(|module| module.unit).chain(image.named.iter().map(|object| object.unit));
        if owners.filter(|unit| image.unit_at(*unit).is_some()).count() != image.places.len() {
            self.report("units", "one belongs to two modules or named objects");
        }
        for (number, record) in (0..).zip(&image.units) {
            let (front, back) = image.table_bytes(number).unzip();
            let sums = (front.map(|bytes| record.front_sum(bytes)), back.map(UnitRecord::back_sum));
            if sums != (Some(record.front_checksum), Some(record.back_checksum)) {
                self.report("fixups", format!("a checksum of unit {number} does not agree"));
            }
            if image.header.units == UnitUse::Copied && record.whole().is_none_or(|own| own.start < image.header.pool) {
                self.report(
                    "units",
                    format!("the ranges of unit {number} do not follow on each other beyond the pool"),
                );
            }
            if !record.ranges().into_iter().all(|range| self.inside(range)) {
                self.report("fixups", format!("unit {number} lies outside the objects"));
            }
            let Some(unit) = image.unit(number) else {
                self.report("fixups", format!("the table of unit {number} is malformed"));
                continue;
            };
            texts[number as usize] = u64::from(unit.text_words());
            if unit.chunks.iter().any(|&chunk| chunk >= image.header.pool.div_ceil(CHUNK)) {
                self.report("fixups", format!("unit {number} needs a part of the pool that does not exist"));
            }
            self.predictions(number, &unit.statics, |key| image.statics.get(key as usize).map(|s| s.predicted));
            let objects = self.objects();
            let own = |key| (key < objects).then(|| image.address(key));
            self.predictions(number, &unit.strings, own);
            self.predictions(number, &unit.frozensets, |key| (key < objects).then_some(0));
            let exists = |entry: &Entry<'_>| match entry {
                Entry::Static(number) => (*number as usize) < image.statics.len(),
                Entry::Numbered(number) => *number < numbered,
                Entry::Text(_) => true,
            };
            if !unit.texts.texts.iter().all(exists) {
                self.report("fixups", format!("unit {number} has a string that does not exist"));
            }
            if u64::from(unit.texts.room) < self.room(&unit.texts) {
                self.report("fixups", format!("unit {number} has no room for its strings"));
            }
            let own_name = match unit.filename {
                Some(Filename { string: Name::Own(offset), .. }) => Some(offset),
                _ => None,
            };
            let is_right = match image.header.units {
                UnitUse::InPlace => unit.text_words() == 0,
                UnitUse::Copied => unit.statics.is_empty() && unit.strings.is_empty() && own_name.is_none(),
            };
            if !is_right {
                self.report("fixups", format!("unit {number} has strings of a kind that its use does not know"));
            }
            if let Some(Filename { string: Name::Text(slots), .. }) = unit.filename {
                let word = image.address(objects).wrapping_add(unit.texts.texts.len() as u64 * u64::from(SLOT));
                let holding = self.count(record.staying().unwrap_or_default(), word);
                if holding != slots as usize {
                    let what = format!("unit {number} says that {slots} slots hold its file name, and {holding} do");
                    self.report("fixups", what);
                }
            }
            if own_name.is_some_and(|string| !self.is_place(string)) {
                self.report("fixups", format!("the file name of unit {number} lies outside the objects"));
            }
        }
        texts
    }

    /// Every word that the loader takes for an address is one.
    fn addresses(&mut self, texts: &[u64]) {
        let (image, header) = (self.image, &self.image.header);
        let first = image.address(0);
        let predicted = image.externs.iter().map(|e| e.predicted).chain(image.statics.iter().map(|s| s.predicted));
        let predicted: BTreeSet<u64> = predicted.collect();
        let outside = |word: &&u64| word.wrapping_sub(header.externs_start) >= header.externs_size;
        if let Some(word) = predicted.iter().find(outside) {
            self.report("externs", format!("{word:#x} is not in the window of such words"));
        }
        // Where the interpreter's addresses do not move, the loader does not look for them.
        let moves = header.externs_start >> 47 != 0;
        let mut wrong = Vec::new();
        // Behind the last object are the words for strings that are none.
        let end = u64::from(self.objects()) + texts.iter().max().unwrap_or(&0) * u64::from(SLOT);
        for (number, word) in image.section(SectionKind::Objects).chunks_exact(8).enumerate() {
            let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
            let bad_own = word.wrapping_sub(header.preferred_base) < header.span && word.wrapping_sub(first) >= end;
            let bad_extern =
                moves && word.wrapping_sub(header.externs_start) < header.externs_size && !predicted.contains(&word);
            if bad_own || bad_extern {
                wrong.push(format!("the word {word:#x} at {:#x} points to no object", number * 8));
            }
        }
        wrong.into_iter().for_each(|message| self.report("addresses", message));
        if header.units == UnitUse::Copied {
            self.copies(texts, end);
        }
        strays(image).into_iter().for_each(|message| self.report("bodies", message));
        missing_chunks(image).into_iter().for_each(|message| self.report("fixups", message));
    }

    /// What is copied points to itself, to its strings, and to the pool, which points to nothing else.
    fn copies(&mut self, texts: &[u64], end: u64) {
        let (image, pool) = (self.image, self.image.header.pool);
        let first = image.address(0);
        let pool = Range { start: 0, size: pool };
        // With the number of the strings that have no place.
        let own = |(unit, texts): (&UnitRecord, &u64)| Some((unit.whole().filter(|own| own.size != 0)?, *texts));
        let mut owners: Vec<(Range, u64)> = image.units.iter().zip(texts).filter_map(own).collect();
        // A single object may need no pool.
        owners.extend((pool.size != 0).then_some((pool, 0)));
        owners.sort_by_key(|(own, _)| own.start);
        let mut wrong = Vec::new();
        let after = |own: Range| u64::from(own.start) + u64::from(own.size);
        if owners.windows(2).any(|pair| after(pair[0].0) > u64::from(pair[1].0.start)) {
            wrong.push("two units overlap".to_owned());
        }
        let bytes = image.section(SectionKind::Objects);
        let has = |range: &Range, at: u64| at.wrapping_sub(u64::from(range.start)) < u64::from(range.size);
        let objects = u64::from(self.objects());
        for (own, texts) in &owners {
            let words = bytes.get(own.start as usize..).unwrap_or_default().chunks_exact(8).take(own.size as usize / 8);
            for (number, word) in words.enumerate() {
                let target = u64::from_le_bytes(word.try_into().expect("eight bytes")).wrapping_sub(first);
                let at = own.start as usize + number * 8;
                if target < objects && !has(own, target) && !has(&pool, target) {
                    wrong.push(format!("the word at {at:#x} points into another unit, which is copied elsewhere"));
                }
                let text = target.wrapping_sub(objects);
                if (objects..end).contains(&target) && (text >= texts * u64::from(SLOT) || text % u64::from(SLOT) != 0)
                {
                    wrong.push(format!("the word at {at:#x} stands for a string that the unit does not have"));
                }
            }
        }
        wrong.into_iter().for_each(|message| self.report("addresses", message));
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
            if image.unit_at(object.unit).is_none() {
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
            let has = |range: Range| object.leaves.wrapping_sub(range.start) < range.size;
            let own = image.unit_record(object.unit).is_some_and(|unit| unit.ranges().into_iter().any(has));
            let is_place = self.is_place(object.leaves) && (own || object.leaves < image.header.pool);
            if object.leaves != NONE && !is_place {
                self.report("objects", format!("`{name}` lies outside its objects"));
            }
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
                if !self.is_place(slot) {
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
        let modules = image.modules.iter().map(|m| (m.unit, m.name));
        for (unit, name) in modules.chain(image.named.iter().map(|o| (o.unit, image.text(o.name)))) {
            let Some(unit) = image.unit_record(unit) else { continue };
            let has = |range: Range| {
                range.size == 0 || symbols.contains(&(image.address(range.start), u64::from(range.size)))
            };
            // One range, or each for itself.
            if !has(unit.mapped) || !unit.whole().is_some_and(has) && !unit.ranges().into_iter().all(has) {
                self.report("elf", format!("no symbol for `{name}`"));
            }
        }
    }
}
