//! One measurement, in a process of its own. [`Encoding::Windows`] is the way of images; its loop is the loader's own.

#[allow(dead_code, reason = "the loader needs more of it")]
#[path = "../../../loader/src/relocate/mod.rs"]
pub(super) mod relocate;

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use memmap2::Mmap;

use super::tables::{self, KINDS};
use super::units::{Unit, Units};
use crate::order;
use crate::results::{Encoded, Encoding};

/// Bytes of the tables of all units, and what one import needs.
pub type Found = (BTreeMap<Encoding, u64>, Encoded);

/// Measures the units of `modules`, which an import of `name` uses, in so many rounds.
pub fn measure(image: &Path, rounds: usize, name: &str, modules: &[String]) -> Result<Found> {
    let context = || format!("cannot read `{}`", image.display());
    let file = File::open(image).with_context(context)?;
    // SAFETY: it is only read, and nobody writes to images: they are replaced.
    let bytes = unsafe { Mmap::map(&file) }.with_context(context)?;
    let units = Units::parse(&bytes).with_context(|| format!("`{}` cannot be measured", image.display()))?;
    let mut all = BTreeMap::new();
    for unit in units.all() {
        add_sizes(&mut all, &unit?);
    }
    let used = units.of(&modules.iter().map(String::as_str).collect::<HashSet<_>>())?;
    ensure!(!used.is_empty(), "the image has none of these modules");
    let mut tables = BTreeMap::new();
    used.iter().for_each(|unit| add_sizes(&mut tables, unit));

    let mut bench = Bench::new(&units, &used);
    // This warms memory and caches.
    bench.check()?;
    let mut seconds: BTreeMap<Encoding, Vec<f64>> = BTreeMap::new();
    for round in 0..rounds {
        for index in order::of_round(round, Encoding::ALL.len()) {
            let encoding = Encoding::ALL[index];
            seconds.entry(encoding).or_default().push(bench.time(encoding)?);
        }
    }
    let encoded = Encoded {
        name: name.to_owned(),
        units: used.len(),
        bytes: used.iter().map(|unit| size_of_val(&*unit.words) as u64).sum(),
        moved: bench.moved(),
        tables,
        seconds,
    };
    Ok((all, encoded))
}

fn add_sizes(tables: &mut BTreeMap<Encoding, u64>, unit: &Unit) {
    for encoding in Encoding::ALL {
        *tables.entry(encoding).or_default() += tables::encode(encoding, &unit.lists).len() as u64;
    }
}

/// Units, their tables in each encoding, and memory for their copies.
struct Bench<'a> {
    steps: Vec<Step<'a>>,
    copies: Vec<u64>,
    /// The table of one unit, as it is read with the unit.
    table: Vec<u8>,
}

/// One unit.
struct Step<'a> {
    unit: &'a Unit,
    tables: BTreeMap<Encoding, Vec<u8>>,
    moves: relocate::Moves,
    distances: [u64; KINDS],
}

impl<'a> Bench<'a> {
    fn new(units: &Units<'_>, used: &'a [Unit]) -> Bench<'a> {
        let copies = vec![0_u64; used.iter().map(|unit| unit.words.len()).sum()];
        let mut rest = &copies[..];
        let mut steps = Vec::new();
        for unit in used {
            let (copy, others) = rest.split_at(unit.words.len());
            rest = others;
            let distances = units.distances(unit, copy);
            let moves = units.moves(unit, distances);
            let tables = Encoding::ALL.map(|encoding| (encoding, tables::encode(encoding, &unit.lists)));
            steps.push(Step { unit, tables: tables.into_iter().collect(), moves, distances });
        }
        Bench { steps, copies, table: Vec::new() }
    }

    /// Copies and moves all units.
    fn run(&mut self, encoding: Encoding) -> Result<()> {
        let mut rest = &mut self.copies[..];
        for Step { unit, tables, moves, distances } in &self.steps {
            let (copy, others) = rest.split_at_mut(unit.words.len());
            rest = others;
            copy.copy_from_slice(&unit.words);
            match encoding {
                Encoding::Windows => drop(moves.apply(copy)),
                _ => {
                    self.table.clear();
                    self.table.extend_from_slice(&tables[&encoding]);
                    tables::apply(encoding, &self.table, copy, *distances)?;
                }
            }
        }
        black_box(&self.copies);
        Ok(())
    }

    fn time(&mut self, encoding: Encoding) -> Result<f64> {
        let began = Instant::now();
        self.run(encoding)?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// Sees that every encoding leaves the same words.
    fn check(&mut self) -> Result<()> {
        self.run(Encoding::Windows)?;
        let wanted = self.copies.clone();
        for encoding in Encoding::ALL {
            self.run(encoding)?;
            ensure!(self.copies == wanted, "{} do not leave the words that windows leave", encoding.title());
        }
        Ok(())
    }

    /// How many words are moved: those whose distance is not 0.
    fn moved(&self) -> u64 {
        let of = |step: &Step<'_>| -> usize {
            let lists = step.unit.lists.iter().zip(step.distances);
            lists.filter(|(_, distance)| *distance != 0).map(|(list, _)| list.len()).sum()
        };
        self.steps.iter().map(of).sum::<usize>() as u64
    }
}
