//! The differences between two runs of the same tests.

use std::collections::BTreeSet;

use serde::Serialize;

use super::attempt::Attempt;

/// A test whose outcome differs.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// Its id.
    pub test: String,
    /// Its outcomes without the image; none if it did not run.
    pub without: Vec<String>,
    /// Its outcomes with the image.
    pub with: Vec<String>,
    /// What it said without the image.
    pub said_without: String,
    /// What it said with the image.
    pub said_with: String,
}

/// All tests whose outcomes are not the same.
pub fn compare(without: &Attempt, with: &Attempt) -> Vec<Difference> {
    let tests: BTreeSet<&String> = without.outcomes.keys().chain(with.outcomes.keys()).collect();
    let outcomes = |attempt: &Attempt, test: &str| attempt.outcomes.get(test).cloned().unwrap_or_default();
    let said = |attempt: &Attempt, test: &str| attempt.details.get(test).cloned().unwrap_or_default();
    let differs = |test: &&String| without.outcomes.get(*test) != with.outcomes.get(*test);
    let difference = |test: &String| Difference {
        test: test.clone(),
        without: outcomes(without, test),
        with: outcomes(with, test),
        said_without: said(without, test),
        said_with: said(with, test),
    };
    tests.into_iter().filter(differs).map(difference).collect()
}
