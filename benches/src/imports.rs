//! Imports, each way, in turns.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use cds_tests::process::Run;

use crate::launch::{Finished, launch_warm};
use crate::order;
use crate::results::{Measured, Outcome, Samples, Way};
use crate::ways::{Start, Subjects, brief, program};
use crate::works::Work;

/// Something to run each way.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// What is run.
    pub program: String,
    starts: Vec<(Way, Start)>,
    outcomes: BTreeMap<Way, Outcome>,
    /// A start without loader and image, where what follows is to be told from that.
    plain: Option<Start>,
    nothing: Vec<f64>,
}

/// Zip files have their turn in one round of so many: they are the slowest way, and no figure to reach is about them.
pub const ZIP_ROUNDS: usize = 3;

impl Job {
    /// With a start each way, and reasons where there is none.
    pub fn new(name: &str, program: String, (starts, reasons): (BTreeMap<Way, Start>, BTreeMap<Way, String>)) -> Job {
        let outcomes = reasons.into_iter().map(|(way, reason)| (way, Outcome::Impossible(reason))).collect();
        let starts = starts.into_iter().collect();
        Job { name: name.to_owned(), program, starts, outcomes, plain: None, nothing: Vec::new() }
    }

    /// The starts that have a turn in this round.
    fn turns(&self, round: usize) -> Vec<(Way, Start)> {
        // The first two: one to warm the caches, and one that counts however few rounds there are.
        let all = round <= 1 || round % ZIP_ROUNDS == 1;
        self.starts.iter().filter(|(way, _)| all || *way != Way::Zip).cloned().collect()
    }

    fn add(&mut self, way: Way, round: usize, value: Result<Value>) -> Result<()> {
        match value {
            Ok(value) => {
                let fresh = || Outcome::Measured(Samples::default());
                // The first round warms the caches and is not counted.
                if let (Outcome::Measured(samples), 1..) = (self.outcomes.entry(way).or_insert_with(fresh), round) {
                    if let Some(Printed { seconds, served, before, patched }) = value.printed {
                        samples.import.push(seconds);
                        (samples.served, samples.before, samples.patched) = (served, before, patched);
                    }
                    // A process that first put everything into memory says nothing as a whole.
                    match way {
                        Way::Limit => samples.cold += usize::from(value.finished.cold),
                        _ => value.finished.add_to(samples),
                    }
                }
                Ok(())
            }
            Err(error) if way == Way::Pyc || way.is_image() => Err(error),
            Err(error) => {
                eprintln!("  {} by {} is not possible: {error:#}", self.name, way.title());
                self.starts.retain(|(other, _)| *other != way);
                self.outcomes.insert(way, Outcome::Impossible(brief(&error)));
                Ok(())
            }
        }
    }
}

/// What one process gave.
pub struct Value {
    /// What it printed, if it has a clock.
    pub printed: Option<Printed>,
    /// The process.
    pub finished: Finished,
}

/// Runs all jobs each way, in turns; the first round is not counted. What imports nothing has its turn among the ways.
pub fn rounds(
    mut jobs: Vec<Job>,
    runs: usize,
    run: impl Fn(&Job, Way, &Start, usize) -> Result<Value>,
) -> Result<Vec<Measured>> {
    for round in 0..=runs {
        eprintln!("  round {round} of {runs}{}", if round == 0 { " (not counted)" } else { "" });
        for job in &mut jobs {
            let starts = job.turns(round);
            for position in order::of_round(round, starts.len() + usize::from(job.plain.is_some())) {
                let Some((way, start)) = starts.get(position) else {
                    let run = |start| launch_warm(|| timed(Way::Pyc, start, &[], round));
                    let seconds = job.plain.as_ref().map(run).transpose()?;
                    job.nothing.extend(seconds.filter(|_| round > 0).map(|finished| finished.seconds));
                    continue;
                };
                let value = run(job, *way, start, round);
                let value = value.with_context(|| format!("{}, {}", job.name, way.title()));
                job.add(*way, round, value)?;
            }
        }
    }
    let measured =
        |job: Job| Measured { name: job.name, program: job.program, ways: job.outcomes, nothing: job.nothing };
    Ok(jobs.into_iter().map(measured).collect())
}

/// The program that does nothing.
pub fn nothing(start: &Start, round: usize) -> Result<Finished> {
    launch_warm(|| pass(start, round))
}

/// The run of it.
pub fn pass(start: &Start, round: usize) -> Run {
    start.python().args(["-P", "-c", "pass"]).env("PYTHONHASHSEED", round.to_string())
}

/// The run that imports with a clock; without modules it is all that is not the import.
pub fn timed(way: Way, start: &Start, modules: &[&str], round: usize) -> Run {
    let run = start.python().arg("-P").arg(program("clock.py")).arg(clock_way(way));
    run.args(&start.memory).args(modules).env("PYTHONHASHSEED", round.to_string())
}

/// What `clock.py` calls the way.
fn clock_way(way: Way) -> &'static str {
    match way {
        Way::Pyc => "pyc",
        Way::Image | Way::Paused | Way::InPlace => "image",
        Way::Cds => "cds",
        Way::Zip => "zip",
        Way::Limit => "limit",
    }
}

/// What the programs print.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Printed {
    /// Seconds of the import.
    pub seconds: f64,
    /// Modules that came the way that was asked for.
    pub served: u64,
    /// Modules that were there before the clock started.
    pub before: u64,
    /// Slots that the loader wrote.
    pub patched: Option<u64>,
}

/// Reads what the programs print in their first line.
pub fn printed(stdout: &str) -> Result<Printed> {
    let words: Vec<&str> = stdout.lines().next().unwrap_or_default().split_whitespace().collect();
    let word = |index: usize| words.get(index).with_context(|| format!("a process printed no time: `{stdout}`"));
    let patched = words.get(3).map(|word| word.parse()).transpose()?;
    Ok(Printed {
        seconds: word(0)?.parse::<f64>()? / 1e9,
        served: word(1)?.parse()?,
        before: word(2)?.parse()?,
        patched,
    })
}

/// A start each way, for all of these.
pub fn jobs(subjects: &Subjects, works: &[Work]) -> Result<Vec<Job>> {
    let variations = subjects.variations()?;
    let mut jobs = Vec::new();
    for work in works {
        let tracing = |start: &Start| start.python().args(["-P", "-c", &work.program()]);
        let (mut starts, reasons) =
            subjects.starts(work.name, work.modules, tracing).with_context(|| work.program())?;
        if !work.modules.is_empty() {
            starts.extend(variations.clone());
        }
        let mut job = Job::new(work.name, work.program(), (starts, reasons));
        job.plain = (!work.modules.is_empty()).then(|| subjects.start(Way::Pyc));
        jobs.push(job);
    }
    Ok(jobs)
}

/// Measures all imports, and the program that does nothing.
pub fn measure(jobs: Vec<Job>, works: &[Work], runs: usize) -> Result<Vec<Measured>> {
    rounds(jobs, runs, |job, way, start, round| {
        let work = works.iter().find(|work| work.name == job.name).context("no such work")?;
        if work.modules.is_empty() {
            return Ok(Value { printed: None, finished: nothing(start, round)? });
        }
        let finished = launch_warm(|| timed(way, start, work.modules, round))?;
        let printed = printed(&finished.stdout)?;
        ensure!(printed.served > 0, "no module came this way");
        Ok(Value { printed: Some(printed), finished })
    })
}

impl Job {
    /// The starts, by way.
    pub fn starts(&self) -> &[(Way, Start)] {
        &self.starts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_has_its_turn_in_few_rounds_and_zip_files_in_a_third_of_many() {
        let start = |way| (way, Start { root: "".into(), variables: Vec::new(), memory: None, cwd: "".into() });
        let starts = [Way::Pyc, Way::Image, Way::Zip].map(start).into();
        let job = Job::new("x", String::new(), (starts, BTreeMap::new()));
        let turns = |round| job.turns(round).iter().filter(|(way, _)| *way == Way::Zip).count();
        assert_eq!([0, 1, 2, 3, 4].map(turns), [1, 1, 0, 0, 1]);
        assert_eq!((1..=21).map(turns).sum::<usize>(), 7);
        assert!((0..9).all(|round| job.turns(round).len() >= 2));
    }

    #[test]
    fn what_the_programs_print() {
        let image = Printed { seconds: 0.0015, served: 7, before: 40, patched: Some(120) };
        assert_eq!(printed("1500000 7 40 120\n").unwrap(), image);
        assert_eq!(printed("1500000 7 40\n").unwrap(), Printed { patched: None, ..image });
        // The readings of the clock, for those who ask for them.
        assert_eq!(printed("1500000 7 40\n1 1500001 9\n").unwrap(), Printed { patched: None, ..image });
        assert!(printed("\n").is_err());
        assert!(printed("\n1500000 7 40\n").is_err());
        assert!(printed("1 x 2").is_err());
    }
}
