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
use cds_layout::format::checksum32;
use memmap2::Mmap;

use super::tables::{self, Change};
use super::units::{Unit, Units};
use crate::order;
use crate::results::{Encoded, Encoding};

/// Bytes of the tables of all units, and what each import needs.
pub type Found = (BTreeMap<Encoding, u64>, Vec<Encoded>);

/// Names of imports, and the modules that each imports.
pub type Imports = Vec<(String, Vec<String>)>;

/// Measures the units of each import, in so many rounds.
pub fn measure(image: &Path, rounds: usize, imports: &Imports) -> Result<Found> {
    let context = || format!("cannot read `{}`", image.display());
    let file = File::open(image).with_context(context)?;
    // SAFETY: it is only read, and nobody writes to images: they are replaced.
    let bytes = unsafe { Mmap::map(&file) }.with_context(context)?;
    let units = Units::parse(&bytes).with_context(|| format!("`{}` cannot be measured", image.display()))?;
    let mut tables = BTreeMap::new();
    for unit in units.all() {
        add_sizes(&mut tables, &unit?);
    }
    let one = |(name, modules): &(String, Vec<String>)| {
        one(&units, name, modules, rounds).with_context(|| format!("the units of {name}"))
    };
    Ok((tables, imports.iter().map(one).collect::<Result<_>>()?))
}

fn one(units: &Units<'_>, name: &str, modules: &[String], rounds: usize) -> Result<Encoded> {
    let used = units.of(&modules.iter().map(String::as_str).collect::<HashSet<_>>())?;
    ensure!(!used.is_empty(), "the image has none of these modules");
    let mut tables = BTreeMap::new();
    used.iter().for_each(|unit| add_sizes(&mut tables, unit));
    let mut bench = Bench::new(units, &used);
    // This warms memory and caches.
    let changed = bench.check()?;
    let mut copy = Vec::new();
    let mut seconds: BTreeMap<Encoding, Vec<f64>> = BTreeMap::new();
    for round in 0..rounds {
        for position in order::of_round(round, 1 + Encoding::ALL.len()) {
            match Encoding::ALL.get(position) {
                Some(encoding) => seconds.entry(*encoding).or_default().push(bench.time(Some(*encoding))?),
                None => copy.push(bench.time(None)?),
            }
        }
    }
    Ok(Encoded {
        name: name.to_owned(),
        units: used.len(),
        bytes: used.iter().map(|unit| size_of_val(&*unit.words) as u64).sum(),
        changed,
        tables,
        copy,
        seconds,
    })
}

fn add_sizes(tables: &mut BTreeMap<Encoding, u64>, unit: &Unit) {
    for encoding in Encoding::ALL {
        *tables.entry(encoding).or_default() += tables::encode(encoding, &unit.lists).len() as u64;
    }
}

/// Units, and memory for their copies.
struct Bench<'a> {
    steps: Vec<Step<'a>>,
    copies: Vec<u64>,
    /// The table of one unit, as it is read with the unit.
    table: Vec<u8>,
}

/// One unit.
struct Step<'a> {
    unit: &'a Unit,
    tables: BTreeMap<Encoding, Sealed>,
    change: Change<'a>,
    moves: relocate::Moves,
}

/// A table with its checksum.
struct Sealed {
    bytes: Vec<u8>,
    checksum: u32,
}

impl<'a> Bench<'a> {
    fn new(units: &Units<'_>, used: &'a [Unit]) -> Bench<'a> {
        let copies = vec![0_u64; used.iter().map(|unit| unit.words.len()).sum()];
        let mut rest = &copies[..];
        let mut steps = Vec::new();
        for unit in used {
            let (copy, others) = rest.split_at(unit.words.len());
            rest = others;
            let (change, moves) = units.change(unit, copy);
            let tables = Encoding::ALL.map(|encoding| {
                let bytes = tables::encode(encoding, &unit.lists);
                (encoding, Sealed { checksum: checksum32(&[&bytes]), bytes })
            });
            steps.push(Step { unit, tables: tables.into(), change, moves });
        }
        Bench { steps, copies, table: Vec::new() }
    }

    /// Copies all units, and changes the words of the copies unless no encoding says which; how many windows changed.
    fn run(&mut self, encoding: Option<Encoding>) -> Result<u64> {
        let (mut rest, mut changed) = (&mut self.copies[..], 0);
        for Step { unit, tables, change, moves } in &self.steps {
            let (copy, others) = rest.split_at_mut(unit.words.len());
            rest = others;
            copy.copy_from_slice(&unit.words);
            match encoding {
                None => {}
                Some(Encoding::Windows) => changed += moves.apply_with(copy, &change.texts),
                Some(encoding) => {
                    let Sealed { bytes, checksum } = &tables[&encoding];
                    self.table.clear();
                    self.table.extend_from_slice(bytes);
                    ensure!(checksum32(&[&self.table]) == *checksum, "a table is damaged");
                    tables::apply(encoding, &self.table, copy, change)?;
                }
            }
        }
        black_box(&self.copies);
        Ok(changed)
    }

    fn time(&mut self, encoding: Option<Encoding>) -> Result<f64> {
        let began = Instant::now();
        self.run(encoding)?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// Sees that every encoding leaves the same words; how many are changed.
    fn check(&mut self) -> Result<u64> {
        let changed = self.run(Some(Encoding::Windows))?;
        let wanted = self.copies.clone();
        for encoding in Encoding::ALL {
            self.run(Some(encoding))?;
            ensure!(self.copies == wanted, "{} do not leave the words that windows leave", encoding.title());
        }
        Ok(changed)
    }
}
