//! What a run of a suite found, as a table and by name.

use std::fmt;

use serde::Serialize;

use super::compare::Difference;
use super::rerun::Verdict;

/// A suite on an interpreter.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The interpreter.
    pub interpreter: String,
    /// The suite.
    pub suite: String,
    /// One row per target.
    pub targets: Vec<Row>,
    /// Targets that this interpreter does not have.
    pub absent: Vec<String>,
    /// What differed and what running it again showed.
    pub differences: Vec<Differing>,
    /// Whatever else means that nothing was proved: an image that was not in use, tests that did not run.
    pub problems: Vec<String>,
}

/// A target.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub target: String,
    /// Tests that ran with the image.
    pub tests: usize,
    /// How many of them had which outcome with the image.
    pub outcomes: std::collections::BTreeMap<String, usize>,
    /// Modules that the image served to the process.
    pub served: u64,
    /// Functions that were looked at.
    pub functions: u64,
    /// Those of them whose code comes from the image.
    pub owned: u64,
    /// Seconds without the image.
    pub without: f64,
    /// Seconds with the image.
    pub with: f64,
}

/// A difference and what is thought of it.
#[derive(Debug, Serialize)]
pub struct Differing {
    /// The target.
    pub target: String,
    /// What differed.
    #[serde(flatten)]
    pub difference: Difference,
    /// What running it again showed.
    pub verdict: Verdict,
}

impl Report {
    /// Whether every outcome is the same, or the difference is the test's own doing, and an image was in use.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty() && self.differences.iter().all(|d| d.verdict.is_excused())
    }

    /// Tests of all targets.
    pub fn tests(&self) -> usize {
        self.targets.iter().map(|row| row.tests).sum()
    }

    /// Modules served to all processes.
    pub fn served(&self) -> u64 {
        self.targets.iter().map(|row| row.served).sum()
    }

    /// One line of the table.
    pub fn line(&self) -> String {
        let excused = self.differences.iter().filter(|d| d.verdict.is_excused()).count();
        let seconds = |of: fn(&Row) -> f64| self.targets.iter().map(of).sum::<f64>();
        format!(
            "{:16} {:10} {:>9} {:>7} {:>12} {:>10} {:>8} {:>9.0} s {:>9.0} s",
            self.interpreter,
            self.suite,
            self.targets.len(),
            self.tests(),
            self.differences.len() - excused,
            excused,
            self.served(),
            seconds(|row| row.without),
            seconds(|row| row.with),
        )
    }

    /// The title of the table.
    pub fn title() -> String {
        format!(
            "{:16} {:10} {:>9} {:>7} {:>12} {:>10} {:>8} {:>11} {:>11}",
            "interpreter", "suite", "processes", "tests", "differences", "of itself", "served", "without", "with"
        )
    }
}

/// What is behind the line: by name, what differed, what is missing, what is wrong.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { interpreter, suite, .. } = self;
        for problem in &self.problems {
            writeln!(f, "problem: {interpreter} {suite}: {problem}")?;
        }
        for name in &self.absent {
            writeln!(f, "not run: {interpreter} {suite}: {name}: this interpreter has no such tests")?;
        }
        for Differing { target, difference, verdict } in &self.differences {
            let show = |all: &[String]| if all.is_empty() { "not run".to_owned() } else { all.join(", ") };
            let (without, with) = (show(&difference.without), show(&difference.with));
            writeln!(f, "{}: {interpreter} {suite}: {target}: {}", verdict.text(), difference.test)?;
            writeln!(f, "    without image: {without} {}", last_line(&difference.said_without))?;
            writeln!(f, "    with image:    {with} {}", last_line(&difference.said_with))?;
        }
        Ok(())
    }
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().chars().take(300).collect()
}
