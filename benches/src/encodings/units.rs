//! The units of an image, and which of their words hold addresses.

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use cds_build::image::Image;
use cds_layout::format::{Range, SLOT, SectionKind, UnitRecord, UnitUse};

use super::child::relocate::{Moves, Window};
use super::tables::{KINDS, Lists};

/// Where the interpreter's objects are taken to be, if their addresses differ from process to process.
const INTERPRETER: u64 = 0x7f12_3456_7000;

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

    fn moved(self, distance: u64) -> Window {
        Window { start: self.start, size: self.size, distance }
    }
}

/// A unit as it is copied.
pub struct Unit {
    /// Its words: the bodies, and what stays.
    pub words: Vec<u64>,
    /// Which of them hold addresses.
    pub lists: Lists,
    /// Words before those that others point to.
    bodies: usize,
    own: Span,
}

impl<'a> Units<'a> {
    /// Of an image whose units are copied.
    pub fn parse(bytes: &'a [u8]) -> Result<Units<'a>> {
        let image = Image::parse(bytes)?;
        let header = &image.header;
        ensure!(header.units == UnitUse::Copied, "its units are used in place");
        // No program has an address as high as a word that stands for one.
        let moves = header.externs_start >> 47 != 0;
        let externs = Span { start: header.externs_start, size: if moves { header.externs_size } else { 0 } };
        let pool = Span { start: image.address(0), size: u64::from(header.pool) };
        Ok(Units { image, externs, pool })
    }

    /// All units of modules.
    pub fn all(&self) -> impl Iterator<Item = Result<Unit>> {
        self.image.units.iter().map(|record| self.unit(record))
    }

    /// Those of the modules with these names that have code.
    pub fn of(&self, names: &HashSet<&str>) -> Result<Vec<Unit>> {
        let modules = self.image.modules.iter().filter(|module| names.contains(module.name));
        modules.filter_map(|module| self.image.unit_record(module.unit)).map(|record| self.unit(record)).collect()
    }

    fn unit(&self, record: &UnitRecord) -> Result<Unit> {
        let apart = "the ranges of a unit do not follow on each other";
        let (whole, own) = (record.whole().context(apart)?, record.staying().context(apart)?);
        let words = self.words(whole)?;
        let own_span = Span { start: self.image.address(own.start), size: u64::from(own.size) };
        let mut lists = Lists::default();
        for (number, &word) in (0..).zip(&words) {
            if let Some(kind) = [self.externs, self.pool, own_span].iter().position(|span| span.has(word)) {
                lists[kind].push(number);
            }
        }
        Ok(Unit { words, lists, bodies: (record.bodies.size / SLOT) as usize, own: own_span })
    }

    fn words(&self, range: Range) -> Result<Vec<u64>> {
        let start = range.start as usize;
        let objects = self.image.section(SectionKind::Objects);
        let bytes = objects.get(start..start + range.size as usize).context("a unit lies beyond the objects")?;
        Ok(bytes
            .chunks_exact(SLOT as usize)
            .map(|word| u64::from_le_bytes(word.try_into().expect("8 bytes")))
            .collect())
    }

    /// How far the addresses of each kind move, where a copy of `unit` is at `copy` and the image at its preferred base.
    pub fn distances(&self, unit: &Unit, copy: &[u64]) -> [u64; KINDS] {
        let externs = if self.externs.size == 0 { 0 } else { INTERPRETER.wrapping_sub(self.externs.start) };
        let own = copy[unit.bodies..].as_ptr() as u64;
        [externs, 0, own.wrapping_sub(unit.own.start)]
    }

    /// The same as windows.
    pub fn moves(&self, unit: &Unit, [externs, pool, own]: [u64; KINDS]) -> Moves {
        let moves = Moves::default().and(self.externs.moved(externs));
        moves.and(self.pool.moved(pool)).and(unit.own.moved(own))
    }
}
