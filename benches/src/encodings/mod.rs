//! Ways to say which words of a unit hold addresses: how large the tables of a real image are, and how quickly its units are
//! copied and moved with them.

pub mod child;
mod tables;
mod units;

use std::collections::BTreeMap;
use std::env;

use anyhow::{Context, Result};
use cds_tests::process::Run;

use crate::launch::{launch, launch_warm};
use crate::results::{Encodings, Way};
use crate::ways::Subjects;
use crate::works::Work;

/// Name of the hidden subcommand that measures the units of one import.
pub const COMMAND: &str = "compare-encodings";

/// What is imported.
const NAMES: [&str; 2] = ["boto3", "sympy"];

/// Rounds for each one that was asked for: one takes some milliseconds.
const ROUNDS: usize = 10;

/// Prints the names of the modules that an import adds.
const ADDED: &str = "\
import sys
before = set(sys.modules)
for name in sys.argv[1:]: __import__(name)
print(*sys.modules.keys() - before)";

/// Measures each encoding for the image of the environment and those of the works that are among [`NAMES`].
pub fn measure(subjects: &Subjects, works: &[Work], runs: usize) -> Result<Encodings> {
    let mut found = Encodings {
        image_bytes: subjects.built.image_bytes,
        pyc_bytes: subjects.built.pyc_bytes,
        tables: BTreeMap::new(),
        works: Vec::new(),
    };
    for work in works.iter().filter(|work| NAMES.contains(&work.name)) {
        let (tables, encoded) = one(subjects, work, runs).with_context(|| format!("the units of {}", work.name))?;
        found.tables = tables;
        found.works.push(encoded);
    }
    Ok(found)
}

/// The units of one import, in a process of its own: a peak of memory here would be seen in whatever is started later.
fn one(subjects: &Subjects, work: &Work, runs: usize) -> Result<child::Found> {
    let run = subjects.start(Way::Image).python().args(["-P", "-c", ADDED]).args(work.modules);
    let added = launch(run)?.stdout;
    let program = env::current_exe().context("this program does not know its own path")?;
    let rounds = (runs * ROUNDS).to_string();
    eprintln!("  {}", work.name);
    let run = || {
        let run = Run::new(&program).arg(COMMAND).arg(subjects.image.image()).args([&*rounds, work.name]);
        run.args(added.split_whitespace())
    };
    serde_json::from_str(&launch_warm(run)?.stdout).context("the process printed something else")
}
