//! Where the time of a start goes: samples of whole processes, for there is no clock in a program that does nothing.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use cds_tests::process::Run;

use super::perf::{FREQUENCY, Perf};
use super::places;
use crate::imports::pass;
use crate::order;
use crate::results::{Place, ProfiledStart, Step, Way};
use crate::start::{check, switched_off};
use crate::ways::{Start, Subjects};

/// Rounds for each that was asked for: a start has about a hundred samples.
const ROUNDS: usize = 10;

/// Takes samples of starts without the loader, with the loader switched off and with the image, in turns.
pub fn measure(perf: &Perf, subjects: &Subjects, runs: usize) -> Result<ProfiledStart> {
    let image = subjects.start(Way::Image);
    let starts =
        [(Step::None, subjects.start(Way::Pyc)), (Step::Off, switched_off(&image)), (Step::Image, image.clone())];
    for (step, start) in &starts {
        check(*step, start, None).with_context(|| format!("the step {step:?} is not what it should be"))?;
    }
    let rounds = runs * ROUNDS;
    eprintln!("  {rounds} rounds of starts");
    let mut found = ProfiledStart::new(FREQUENCY);
    for round in 0..rounds {
        for position in order::of_round(round, starts.len()) {
            let (step, start) = &starts[position];
            let counts = whole(perf, start, || pass(start, round))
                .with_context(|| format!("profile of a start with the step {step:?}"))?;
            found.add(*step, &counts);
        }
    }
    Ok(found)
}

/// Samples of a process from its start to its end.
pub fn whole(perf: &Perf, start: &Start, run: impl Fn() -> Run) -> Result<BTreeMap<Place, u64>> {
    let executable = fs::canonicalize(start.root.join("bin/python3")).context("no interpreter")?;
    perf.record(run)?;
    let mut counts = BTreeMap::new();
    // perf itself has none: it starts to count when the interpreter does.
    perf.samples(|_, stack| *counts.entry(places::place(stack, &executable)).or_default() += 1)?;
    Ok(counts)
}
