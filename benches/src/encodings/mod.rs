//! Ways to say which words of a unit are to be changed where it is copied: how large tables of a real image would be, and how
//! quickly its units are copied and changed with them.

pub mod child;
mod tables;
mod units;

use std::env;

use anyhow::{Context, Result, ensure};
use cds_tests::process::Run;

use crate::launch::{launch, launch_warm};
use crate::results::{Encodings, Way};
use crate::ways::Subjects;
use crate::works::{Work, among, none_among};

/// Name of the hidden subcommand that is the measurement.
pub const COMMAND: &str = "compare-encodings";

/// What is imported.
const NAMES: [&str; 2] = ["boto3", "sympy"];

/// Rounds for each one that was asked for: one takes some milliseconds.
const ROUNDS: usize = 10;

/// Prints how many modules came from the image, and the names of those that an import adds and that have a source.
const ADDED: &str = "\
import sys, cds_loader
before = set(sys.modules)
for name in sys.argv[1:]: __import__(name)
print(cds_loader.status()['served'])
origin = lambda name: str(getattr(sys.modules[name].__dict__.get('__spec__'), 'origin', None))
print(*(name for name in sys.modules.keys() - before if origin(name).endswith('.py')))";

/// Why nothing of these works is measured.
pub fn impossible(all: &[Work]) -> Option<String> {
    none_among(all, &NAMES)
}

/// Measures each encoding for the image of the environment and those of the works that are among [`NAMES`]. In a process of its own: the kernel counts
/// a peak of memory of this one as that of whatever it starts later.
pub fn measure(subjects: &Subjects, all: &[Work], runs: usize) -> Result<Encodings> {
    let imports: child::Imports = among(all, &NAMES).iter().map(|work| added(subjects, work)).collect::<Result<_>>()?;
    let program = env::current_exe().context("this program does not know its own path")?;
    let (rounds, imports) = ((runs * ROUNDS).to_string(), serde_json::to_string(&imports)?);
    let run = || Run::new(&program).arg(COMMAND).arg(subjects.image.image()).args([&rounds, &imports]);
    let (tables, works) = serde_json::from_str::<child::Found>(&launch_warm(run)?.stdout)
        .context("the process printed something else")?;
    let built = &subjects.built;
    Ok(Encodings { image_bytes: built.image_bytes, pyc_bytes: built.pyc_bytes, tables, works })
}

/// The modules that come from the image in an import.
fn added(subjects: &Subjects, work: &Work) -> Result<(String, Vec<String>)> {
    let run = subjects.start(Way::Image).python().args(["-P", "-c", ADDED]).args(work.modules);
    let printed = launch(run)?.stdout;
    let mut words = printed.split_whitespace();
    let served = words.next().and_then(|number| number.parse::<usize>().ok()).context("no number of modules")?;
    let names: Vec<String> = words.map(str::to_owned).collect();
    ensure!(served >= names.len(), "{served} of {} modules of {} came from the image", names.len(), work.name);
    Ok((work.name.to_owned(), names))
}
