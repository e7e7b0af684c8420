//! Tests that differed are run again, alone and several times both ways: is it the image or the test?

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::attempt::{Attempt, Mode, PROCESS, attempt};
use super::compare::Difference;
use super::place::Place;
use super::suites::{Runner, Suite};

/// How often a test is run again, each way.
const REPETITIONS: usize = 5;

/// Tests of one target that are run again each by itself; when more of them differ, it is not about single tests.
const MOST: usize = 25;

/// What running it again showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The outcomes differ, and none of them was seen on the other side.
    Real,
    /// More than one outcome with the image, always the same without: the image may well be the cause.
    UnstableWithImage,
    /// More than one outcome without any image.
    Flaky,
    /// Run again, it had one and the same outcome every time both ways: the difference did not come again.
    NotRepeated,
    /// One of [`KNOWN`], or the exit status that follows from such.
    Known,
}

/// Tests that look at what an image does on purpose, by the end of their names: `docs/testing.md` says why.
pub const KNOWN: [&str; 3] =
    [".DisTests.test_loop_quicken", ".DisWithFileTests.test_loop_quicken", ".TestSpecializer.test_load_const"];

/// What they complain about; unittest may shorten the start of it.
const COMPLAINT: &str = "ONST_IMMORTAL";

fn is_known(difference: &Difference) -> bool {
    KNOWN.iter().any(|name| difference.test.ends_with(name)) && difference.said_with.contains(COMPLAINT)
}

impl Verdict {
    /// Whether the image is cleared of it.
    pub fn is_excused(self) -> bool {
        matches!(self, Verdict::Flaky | Verdict::NotRepeated | Verdict::Known)
    }

    /// For the report.
    pub fn text(self) -> &'static str {
        match self {
            Verdict::Real => "real",
            Verdict::UnstableWithImage => "unstable, only with the image",
            Verdict::Flaky => "flaky without any image",
            Verdict::Known => "known: see docs/testing.md",
            Verdict::NotRepeated => "not repeated: equal every time when run again",
        }
    }
}

/// What is needed to run something again.
pub struct Again<'a> {
    /// The environment.
    pub place: &'a Place,
    /// The suite.
    pub suite: &'a Suite,
    /// The target that the test belongs to.
    pub target: &'a str,
    /// How long one process may take.
    pub limit: Duration,
    /// Where it may write.
    pub directory: &'a Path,
}

impl Again<'_> {
    /// Runs each of the differing tests again, and says what that showed.
    pub fn judge(&self, differences: Vec<Difference>) -> Result<Vec<(Difference, Verdict)>> {
        let many = differences.len() > MOST;
        let mut all = Vec::new();
        let (tests, process): (Vec<&Difference>, Vec<&Difference>) =
            differences.iter().partition(|d| d.test != PROCESS);
        let ended = |outcomes: &[String]| outcomes.iter().all(|o| o.starts_with("exit status"));
        let follows = !tests.is_empty()
            && tests.iter().all(|d| is_known(d))
            && process.iter().all(|d| ended(&d.without) && ended(&d.with));
        if follows {
            return Ok(differences.into_iter().map(|d| (d, Verdict::Known)).collect());
        }
        if many {
            let (without, with) = self.repeat(&[])?;
            all.extend(differences.into_iter().map(|d| (verdict(&d, &without, &with), d)));
        } else {
            for difference in differences {
                let only: Vec<String> = self.selection(&difference.test).into_iter().collect();
                let (without, with) = self.repeat(&only)?;
                all.push((verdict(&difference, &without, &with), difference));
            }
        }
        Ok(all.into_iter().map(|(verdict, difference)| (difference, verdict)).collect())
    }

    /// What selects a test by its id; `None` where only the whole target can be run again.
    fn selection(&self, test: &str) -> Option<String> {
        // Set-up of classes and modules, collection, the process, and names with addresses in them.
        if test == PROCESS || test.contains("0x…") || test.contains(" (collection)") {
            return None;
        }
        match self.suite.runner {
            Runner::Pytest => Some(test.to_owned()),
            // The id of a subtest is that of its test, a blank and a description.
            Runner::Regrtest => test.split(' ').next().filter(|id| id.starts_with("test.")).map(str::to_owned),
        }
    }

    /// In turns, so that whatever else goes on in the machine meets both.
    fn repeat(&self, only: &[String]) -> Result<(Vec<Attempt>, Vec<Attempt>)> {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for number in 0..REPETITIONS {
            let run = |mode: Mode| {
                let directory = self.directory.join(format!("again-{}-{number}", mode.name()));
                attempt(self.place, self.suite, self.target, only, mode, self.limit, &directory)
            };
            without.push(run(Mode::Without)?);
            self.place.show_image()?;
            let attempt = run(Mode::With);
            self.place.hide_image()?;
            with.push(attempt?);
        }
        Ok((without, with))
    }
}

fn verdict(difference: &Difference, without: &[Attempt], with: &[Attempt]) -> Verdict {
    let outcomes = |attempts: &[Attempt]| -> Vec<Vec<String>> {
        attempts.iter().map(|a| a.outcomes.get(&difference.test).cloned().unwrap_or_default()).collect()
    };
    judge(&difference.without, &difference.with, &outcomes(without), &outcomes(with))
}

/// The verdict from the outcomes of the first runs and of those after them.
pub fn judge(
    without: &[String],
    with: &[String],
    again_without: &[Vec<String>],
    again_with: &[Vec<String>],
) -> Verdict {
    let varies = |first: &[String], again: &[Vec<String>]| again.iter().any(|outcome| outcome != first);
    let mut again = again_without.iter().chain(again_with);
    // A test that no repetition ran at all, and a crash with the image that does not come back, prove nothing.
    let unseen = again_without.iter().chain(again_with).all(Vec::is_empty);
    let crashed = |outcomes: &[String]| outcomes.iter().any(|o| o.starts_with("signal") || o.contains("timeout"));
    let first = again.next();
    if unseen || (crashed(with) && !crashed(without)) {
        Verdict::Real
    } else if again.all(|outcome| Some(outcome) == first) {
        Verdict::NotRepeated
    } else if varies(without, again_without) {
        Verdict::Flaky
    } else if varies(with, again_with) {
        Verdict::UnstableWithImage
    } else {
        Verdict::Real
    }
}
