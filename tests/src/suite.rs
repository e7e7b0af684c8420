//! From functions to the trials that the test harness runs.

use std::fmt::{self, Display, Formatter};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use libtest_mimic::{Failed, Trial};

use crate::interpreters::{Interpreter, Interpreters};

/// A test of one interpreter.
pub type OnInterpreter = (&'static str, fn(&Interpreter) -> Result<()>);

/// One trial of every function on every tested interpreter, named `suite::test::interpreter`.
pub fn on_each(interpreters: &Interpreters, suite: &str, tests: &[OnInterpreter]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(name, test) in tests {
        for python in &interpreters.tested {
            let title = format!("{suite}::{name}::{}", python.label);
            let python = python.clone();
            trials.push(trial(title, move || test(&python)));
        }
    }
    trials
}

/// A trial that needs no interpreter, named `suite::test`.
pub fn once(suite: &str, name: &str, test: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    trial(format!("{suite}::{name}"), test)
}

/// A trial that needs one interpreter, whichever: the newest.
pub fn on_newest(interpreters: &Interpreters, suite: &str, test: OnInterpreter) -> Option<Trial> {
    let python = interpreters.tested.last()?.clone();
    let (name, test) = test;
    Some(trial(format!("{suite}::{name}::{}", python.label), move || test(&python)))
}

/// Names what is not run, and why. A list of trials stays a list.
pub fn skipped(title: &str, reason: &str) {
    if !std::env::args().any(|argument| argument == "--list") {
        println!("skipped: {title}: {reason}");
    }
}

/// A trial of this name, which is noted in [`Summary`].
pub fn trial(title: impl Into<String>, test: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    let title = title.into();
    let name = title.clone();
    Trial::test(title, move || {
        let start = Instant::now();
        // A panic fails a trial as well.
        let result = catch_unwind(AssertUnwindSafe(test));
        let done = Done { name, took: start.elapsed(), failed: !matches!(result, Ok(Ok(()))) };
        DONE.lock().unwrap_or_else(PoisonError::into_inner).push(done);
        result.unwrap_or_else(|panic| resume_unwind(panic)).map_err(|error| Failed::from(explain(&error)))
    })
}

/// An error with everything behind it.
fn explain(error: &anyhow::Error) -> String {
    error.chain().map(|cause| cause.to_string()).collect::<Vec<_>>().join("\n  caused by: ")
}

/// A trial that has run.
struct Done {
    name: String,
    took: Duration,
    failed: bool,
}

static DONE: Mutex<Vec<Done>> = Mutex::new(Vec::new());

/// How many of the slowest are named, and the seconds that each takes at least.
const SLOWEST: usize = 12;
const SLOW: f64 = 10.0;

/// What is said at the end of a run: where the time went. What failed, the harness says itself.
pub struct Summary(Vec<Done>);

impl Summary {
    /// All trials until now.
    pub fn take() -> Summary {
        Summary(std::mem::take(&mut DONE.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The names of what failed.
    pub fn failed(&self) -> Vec<&str> {
        self.0.iter().filter(|done| done.failed).map(|done| &*done.name).collect()
    }

    /// Seconds of whole suites, and of single trials, the slowest first.
    fn times(&self) -> [Vec<(&str, f64)>; 2] {
        let mut suites: Vec<(&str, f64)> = Vec::new();
        let mut trials: Vec<(&str, f64)> = self.0.iter().map(|done| (&*done.name, done.took.as_secs_f64())).collect();
        for &(name, seconds) in &trials {
            let suite = name.split("::").next().unwrap_or(name);
            match suites.iter_mut().find(|(known, _)| *known == suite) {
                Some((_, sum)) => *sum += seconds,
                None => suites.push((suite, seconds)),
            }
        }
        for times in [&mut suites, &mut trials] {
            times.sort_by(|(_, one), (_, other)| other.total_cmp(one));
            times.retain(|(_, seconds)| *seconds >= SLOW);
            times.truncate(SLOWEST);
        }
        [suites, trials]
    }
}

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (what, times) in ["suites", "tests"].into_iter().zip(self.times()).filter(|(_, times)| !times.is_empty()) {
            let times: Vec<String> =
                times.into_iter().map(|(name, seconds)| format!("{name} {seconds:.0} s")).collect();
            writeln!(f, "slowest {what}: {}", times.join(", "))?;
        }
        Ok(())
    }
}
