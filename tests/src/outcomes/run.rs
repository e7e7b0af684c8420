//! A suite on an interpreter: everything without the image, then everything with it, then what differed once more.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};

use super::attempt::{Attempt, Mode, attempt};
use super::compare::compare;
use super::place::Place;
use super::report::{Differing, Report, Row};
use super::rerun::Again;
use super::suites::{Runner, Suite};
use crate::interpreters::Interpreter;

/// How to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Only these targets; empty: all.
    pub targets: Vec<String>,
    /// Processes at a time.
    pub jobs: usize,
    /// How long one process may take.
    pub limit: Duration,
    /// Told after every process.
    pub progress: fn(&str),
}

impl Default for Options {
    fn default() -> Options {
        Options { targets: Vec::new(), jobs: 1, limit: Duration::from_secs(1800), progress: |_| {} }
    }
}

/// Runs a suite both ways and compares.
pub fn run(interpreter: &Interpreter, suite: &Suite, options: &Options) -> Result<Report> {
    let chosen = |target: &&&str| options.targets.is_empty() || options.targets.iter().any(|t| t == **target);
    let wanted: Vec<&str> = suite.targets.iter().filter(chosen).copied().collect();
    let place = Place::make(interpreter, suite)?;
    let (present, absent) = place.targets(suite, &wanted)?;
    if present.is_empty() {
        bail!(
            "the interpreter has none of the tests (on Debian they are in libpython3.{}-testsuite)",
            interpreter.minor
        );
    }
    let session = Session { place, suite, options, label: &interpreter.label };
    let without = session.all(&present, Mode::Without)?;
    session.place.show_image()?;
    let with = session.all(&present, Mode::With);
    session.place.hide_image()?;
    let with = with?;

    let mut report = Report {
        interpreter: interpreter.label.clone(),
        suite: suite.name.to_owned(),
        absent: absent.into_iter().map(str::to_owned).collect(),
        ..Report::default()
    };
    for ((target, without), with) in present.iter().zip(&without).zip(&with) {
        report.problems.extend(doubts(suite, target, without, with));
        report.targets.push(row(target, without, with));
        let differences = compare(without, with);
        if !differences.is_empty() {
            (options.progress)(&format!("{target}: {} outcomes differ; running them again", differences.len()));
        }
        let directory = session.directory(target);
        let again = Again { place: &session.place, suite, target, limit: options.limit, directory: &directory };
        for (difference, verdict) in again.judge(differences)? {
            report.differences.push(Differing { target: (*target).to_owned(), difference, verdict });
        }
    }
    Ok(report)
}

/// What would make an equal outcome worthless.
fn doubts(suite: &Suite, target: &str, without: &Attempt, with: &Attempt) -> Vec<String> {
    let mut found = Vec::new();
    let mut doubt = |wrong: bool, text: String| {
        if wrong {
            found.push(format!("{target}: {text} (`{}`)", with.log.display()));
        }
    };
    doubt(with.tests() == 0, "no test ran".to_owned());
    doubt(with.status.is_none(), "the process did not come to its end".to_owned());
    doubt(without.status.is_some() && without.state() != "off", format!("without image: {}", without.state()));
    if with.status.is_some() {
        doubt(with.state() != "active", format!("the image was not in use: {:?}", with.status));
        doubt(with.served() == 0, "the image served nothing".to_owned());
        let enough = match suite.runner {
            Runner::Regrtest => with.owned > 0,
            Runner::Pytest => with.owned == suite.served.len() as u64,
        };
        doubt(!enough, format!("only {} of {} functions come from the image", with.owned, with.functions));
    }
    found
}

fn row(target: &str, without: &Attempt, with: &Attempt) -> Row {
    let mut outcomes = BTreeMap::new();
    for outcome in with.outcomes.values().flatten() {
        *outcomes.entry(outcome.clone()).or_insert(0) += 1;
    }
    Row {
        target: target.to_owned(),
        tests: with.tests(),
        outcomes,
        served: with.served(),
        functions: with.functions,
        owned: with.owned,
        without: without.seconds,
        with: with.seconds,
    }
}

struct Session<'a> {
    place: Place,
    suite: &'a Suite,
    options: &'a Options,
    label: &'a str,
}

impl Session<'_> {
    fn directory(&self, target: &str) -> PathBuf {
        self.place.environment.scratch.join("runs").join(target)
    }

    /// All targets one way, a few at a time, in the order of the targets.
    fn all(&self, targets: &[&str], mode: Mode) -> Result<Vec<Attempt>> {
        let next = AtomicUsize::new(0);
        let done: Mutex<BTreeMap<usize, Result<Attempt>>> = Mutex::new(BTreeMap::new());
        let work = || {
            while let Some((number, target)) =
                Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, targets.get(n)?)))
            {
                let result = self.one(target, mode);
                done.lock().unwrap_or_else(|e| e.into_inner()).insert(number, result);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.options.jobs.clamp(1, targets.len()) {
                scope.spawn(work);
            }
        });
        done.into_inner().unwrap_or_else(|e| e.into_inner()).into_values().collect()
    }

    fn one(&self, target: &str, mode: Mode) -> Result<Attempt> {
        let directory = self.directory(target).join(mode.name());
        let attempt = attempt(&self.place, self.suite, target, &[], mode, self.options.limit, &directory)?;
        let served = if mode == Mode::With { format!(", {} modules served", attempt.served()) } else { String::new() };
        (self.options.progress)(&format!(
            "{} {} {target} {} image: {} tests, {:.1} s{served}",
            self.label,
            self.suite.name,
            mode.name(),
            attempt.tests(),
            attempt.seconds,
        ));
        Ok(attempt)
    }
}
