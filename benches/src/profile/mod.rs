//! Where the time of imports and starts goes: samples of perf, sorted by what the processor was at.

mod from_start;
mod functions;
mod perf;
mod places;
mod script;
mod start;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};

use crate::imports::{printed, timed};
use crate::order;
use crate::results::{Place, Profile, Profiled, ProfiledFromStart, ProfiledStart, Way};
use crate::ways::{Start, Subjects, brief};
use crate::works::{Work, among, none_among};

use functions::Functions;
use perf::{FREQUENCY, Perf};

/// What is imported: from a few modules to many.
pub const PACKAGES: [&str; 4] = ["json", "requests", "boto3", "sympy"];

/// The ways that are compared.
pub const COMPARED: [Way; 3] = [Way::Pyc, Way::Image, Way::Limit];

/// Those that are profiled.
pub fn works(all: &[Work]) -> Vec<Work> {
    among(all, &PACKAGES)
}

/// What can be said without an environment of why there will be no profile of any of `all`.
pub fn impossible(all: &[Work]) -> Option<String> {
    none_among(all, &PACKAGES).or_else(|| Perf::find().err().map(|error| brief(&error)))
}

/// What was sampled.
#[derive(Debug)]
pub struct Profiles {
    /// Imports, inside the clock.
    pub imports: Vec<Profiled>,
    /// Starts.
    pub starts: ProfiledStart,
    /// Imports from start, where code-data-share is compared.
    pub from_start: Vec<ProfiledFromStart>,
    /// What is missing, and why.
    pub remarks: Vec<String>,
}

/// Takes samples of the imports among `all` that are profiled, of starts, and of all imports from start; or says why that cannot be
/// done here.
pub fn measure(subjects: &Subjects, all: &[Work], runs: usize) -> Result<Result<Profiles, String>> {
    let works = works(all);
    let tried = || subjects.start(Way::Pyc).python().args(["-P", "-c", "pass"]);
    let directory = subjects.plain.scratch.join("profile");
    let perf = match Perf::find().and_then(|program| Perf::new(program, &directory, tried)) {
        Ok(perf) => perf,
        Err(error) => return Ok(Err(brief(&error))),
    };
    let mut jobs = Vec::new();
    for work in works {
        let tracing = |start: &Start| start.python().args(["-P", "-c", &work.program()]);
        let starts = subjects.own_starts(work.name, work.modules, &tracing).with_context(|| work.program())?;
        jobs.push((work, starts, BTreeMap::<Way, Profile>::new(), Functions::default()));
    }
    for round in 0..=runs {
        eprintln!("  round {round} of {runs}{}", if round == 0 { " (not counted)" } else { "" });
        for (work, starts, ways, functions) in &mut jobs {
            for position in order::of_round(round, COMPARED.len()) {
                let way = COMPARED[position];
                let start = starts.get(&way).context("a way without a start")?;
                let one = one(&perf, work, (way, start), round)
                    .with_context(|| format!("profile of {}, {}", work.name, way.title()))?;
                if round > 0 {
                    ways.entry(way).or_default().add(one.seconds, one.faults, &one.places);
                    functions.add(way, one.functions);
                }
            }
        }
    }
    let starts = start::measure(&perf, subjects, runs)?;
    let (from_start, remarks) = from_start::measure(&perf, subjects, all, runs)?;
    let longest: BTreeSet<_> = jobs.iter().flat_map(|(.., functions)| functions.longest()).collect();
    let profiled = |(work, _, ways, functions): (Work, _, _, Functions)| Profiled {
        name: work.name.to_owned(),
        frequency: FREQUENCY,
        ways,
        functions: functions.of(&longest),
    };
    let imports = jobs.into_iter().map(profiled).collect();
    Ok(Ok(Profiles { imports, starts, from_start, remarks }))
}

/// What was sampled of one process between the two readings of its clock.
struct Sampled {
    /// Seconds of the import by the clock.
    seconds: f64,
    /// Minor page faults of the import.
    faults: u64,
    places: BTreeMap<Place, u64>,
    functions: functions::Counts,
}

/// One process.
fn one(perf: &Perf, work: &Work, (way, start): (Way, &Start), round: usize) -> Result<Sampled> {
    let executable = fs::canonicalize(start.root.join("bin/python3")).context("no interpreter")?;
    let run = || timed(way, start, work.modules, round);
    let finished = perf.record(|| run().env("CDS_BENCH_MARKS", "1"))?;
    let import = printed(&finished.stdout)?;
    ensure!(import.served > 0, "no module came this way");
    let marks = marks(&finished.stdout)?;
    let (mut places, mut functions) = (BTreeMap::new(), functions::Counts::new());
    perf.samples(|time, stack| {
        if (marks.start..=marks.stop).contains(&time) {
            let place = places::place(stack, &executable);
            *places.entry(place).or_default() += 1;
            if let Some(name) = functions::name(stack) {
                *functions.entry((place, name.to_owned())).or_default() += 1;
            }
        }
    })?;
    Ok(Sampled { seconds: import.seconds, faults: marks.faults, places, functions })
}

/// What `clock.py` prints in its second line, when it is asked for that.
#[derive(Debug, PartialEq)]
struct Marks {
    /// The clock when the import started, in nanoseconds of `CLOCK_MONOTONIC`.
    start: u64,
    /// The clock when it was done.
    stop: u64,
    /// Minor page faults meanwhile.
    faults: u64,
}

fn marks(stdout: &str) -> Result<Marks> {
    let line = stdout.lines().nth(1).unwrap_or_default();
    let numbers = line.split_whitespace().map(str::parse).collect::<Result<Vec<u64>, _>>();
    match numbers.as_deref() {
        Ok(&[start, stop, faults]) if start <= stop => Ok(Marks { start, stop, faults }),
        _ => anyhow::bail!("a process printed no readings of its clock: `{stdout}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::works::WORKS;

    #[test]
    fn the_second_line_has_the_readings() {
        let marks = |text| super::marks(text);
        assert_eq!(marks("5 1 40 2\n100 105 7\n").unwrap(), Marks { start: 100, stop: 105, faults: 7 });
        for wrong in ["5 1 40\n", "5 1 40\n100 105\n", "5 1 40\n105 100 7\n", "5 1 40\n100 x 7\n", ""] {
            assert!(marks(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_profiled_is_imported_elsewhere_too() {
        assert_eq!(works(&WORKS).len(), PACKAGES.len());
        assert!(works(&WORKS[..1]).is_empty());
        assert_eq!(impossible(&WORKS[..1]).unwrap(), "it is of json, requests, boto3, sympy only");
    }
}
