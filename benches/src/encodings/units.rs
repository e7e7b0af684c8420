//! The units of an image, and which of their words the loader changes in a copy.

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use cds_build::image::Image;
use cds_layout::format::{Range, SLOT, SectionKind, UnitUse};

use super::child::relocate::{Moves, TextWords, Window};
use super::tables::{Change, Lists};

/// Where the interpreter's objects are taken to be, if their addresses differ from process to process.
const INTERPRETER: u64 = 0x7f12_3456_7000;

/// Where strings are taken to be, one after the other.
const STRINGS: u64 = 0x7f65_4321_0000;

/// What is the same for all units of an image.
pub struct Units<'a> {
    image: Image<'a>,
    /// Words that hold addresses of the interpreter; none if these are fixed.
    externs: Span,
    pool: Span,
}

/// Words from `start` on.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u64,
    size: u64,
}

impl Span {
    fn has(self, word: u64) -> bool {
        word.wrapping_sub(self.start) < self.size
    }

    /// A window, if anything moves.
    fn moved(self, distance: u64) -> Window {
        if distance == 0 { Window::default() } else { Window { start: self.start, size: self.size, distance } }
    }
}

/// A unit as it is copied.
pub struct Unit {
    /// Its words: the bodies, and behind them what stays.
    pub words: Vec<u64>,
    /// Which of them are to be changed.
    pub lists: Lists,
    /// How many of its words are of bodies.
    bodies: usize,
    /// Words that hold addresses of what stays.
    own: Span,
    /// The first word that stands for a string.
    texts: u64,
    /// Addresses of the strings.
    strings: Vec<u64>,
}

impl<'a> Units<'a> {
    /// Of an image whose units are copied.
    pub fn parse(bytes: &'a [u8]) -> Result<Units<'a>> {
        let image = Image::parse(bytes)?;
        let header = &image.header;
        ensure!(header.units == UnitUse::Copied, "its units are used in place");
        // No program has an address as high as the words that stand for one.
        let moves = header.externs_start >> 47 != 0;
        let externs = Span { start: header.externs_start, size: if moves { header.externs_size } else { 0 } };
        let pool = Span { start: image.address(0), size: u64::from(header.pool) };
        Ok(Units { image, externs, pool })
    }

    /// All units.
    pub fn all(&self) -> impl Iterator<Item = Result<Unit>> {
        (0..self.image.units.len() as u32).map(|number| self.unit(number))
    }

    /// Those of the modules with these names that have code.
    pub fn of(&self, names: &HashSet<&str>) -> Result<Vec<Unit>> {
        let modules = self.image.modules.iter().filter(|module| names.contains(module.name));
        modules.filter_map(|module| self.image.unit_at(module.unit)).map(|number| self.unit(number)).collect()
    }

    fn unit(&self, number: u32) -> Result<Unit> {
        let apart = "the ranges of a unit do not follow on each other";
        let record = self.image.units.get(number as usize).context("no such unit")?;
        let (whole, own) = (record.whole().context(apart)?, record.staying().context(apart)?);
        let words = self.words(whole)?;
        let own = Span { start: self.image.address(own.start), size: u64::from(own.size) };
        let texts = u64::from(self.image.unit(number).context("the table of a unit is malformed")?.text_words());
        let behind = self.image.address(self.image.section(SectionKind::Objects).len() as u32);
        let lists =
            lists(&words, &[self.externs, self.pool, own], Span { start: behind, size: texts * u64::from(SLOT) });
        let bodies = (record.bodies.size / SLOT) as usize;
        let strings = (0..texts).map(|text| STRINGS + text * 64).collect();
        Ok(Unit { words, lists, bodies, own, texts: behind, strings })
    }

    fn words(&self, range: Range) -> Result<Vec<u64>> {
        let start = range.start as usize;
        let objects = self.image.section(SectionKind::Objects);
        let bytes = objects.get(start..start + range.size as usize).context("a unit lies beyond the objects")?;
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("chunks of 8 bytes"));
        Ok(bytes.chunks_exact(SLOT as usize).map(word).collect())
    }

    /// What becomes of a unit's words in a copy at `copy`, if the image is at its preferred base: for tables, and for the loader's loop.
    pub fn change<'u>(&self, unit: &'u Unit, copy: &[u64]) -> (Change<'u>, Moves) {
        let externs = if self.externs.size == 0 { 0 } else { INTERPRETER.wrapping_sub(self.externs.start) };
        let own = (copy[unit.bodies..].as_ptr() as u64).wrapping_sub(unit.own.start);
        let windows = [self.externs.moved(externs), self.pool.moved(0), unit.own.moved(own)];
        let texts = TextWords { start: unit.texts, addresses: &unit.strings };
        (Change { windows, texts }, windows.into_iter().fold(Moves::default(), Moves::and))
    }
}

/// Which words hold addresses or stand for strings.
fn lists(words: &[u64], addresses: &[Span], strings: Span) -> Lists {
    let of =
        |is: &dyn Fn(u64) -> bool| (0..).zip(words).filter(|(_, word)| is(**word)).map(|(number, _)| number).collect();
    Lists { addresses: of(&|word| addresses.iter().any(|span| span.has(word))), strings: of(&|word| strings.has(word)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_the_list_of_what_they_are() {
        let spans = [(0x9_0000_0000_0000, 16), (0x4000, 0x1000), (0x6000, 0)].map(|(start, size)| Span { start, size });
        let strings = Span { start: 0x7000, size: 16 };
        let words = [0x3fff, 0x4000, 0x7000, 0x9_0000_0000_000f, 0x6000, 0x700f, 0x7010, 0x4fff, 0x5000, 0];
        assert_eq!(lists(&words, &spans, strings), Lists { addresses: vec![1, 3, 7], strings: vec![2, 5] });
        assert_eq!(lists(&words, &[], Span::default()), Lists::default());
    }
}
