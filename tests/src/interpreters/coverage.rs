//! What a complete run has been on: every supported minor version, and both ways of linking.

use std::env;
use std::ops::RangeInclusive;

use crate::process::which;

use super::{Interpreter, Interpreters, Linking};

/// The minor versions that the project promises. Not taken from the layout tables: a version without one is a gap, too.
pub const REQUIRED: RangeInclusive<u8> = 11..=15;

/// The minor versions that Debian's testing suite has.
const IN_FOLDER: RangeInclusive<u8> = 13..=15;

/// Something that a complete run has been on.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// Title of its trial.
    pub name: String,
    /// Why this run is not on it, if it is not.
    pub missing: Option<String>,
}

impl Requirement {
    /// Whether a gap is a failure: in CI (`CI` is set to anything but `false` or `0`). Elsewhere it is named.
    pub fn enforced() -> bool {
        env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
    }
}

/// All requirements, given the interpreters of all places, and why there is no folder if there is none.
pub fn requirements(places: &[&Interpreters], no_folder: Option<&str>) -> Vec<Requirement> {
    let tested: Vec<&Interpreter> = places.iter().flat_map(|place| &place.tested).collect();
    let mut all = Vec::new();
    for minor in REQUIRED {
        let missing = tested.iter().all(|python| python.minor != minor);
        let missing = missing.then(|| why_not(minor, places, no_folder));
        all.push(Requirement { name: format!("cpython_3.{minor}"), missing });
    }
    // The folder has it.
    let valgrind = which("valgrind").is_some() || no_folder.is_none();
    let missing = (!valgrind).then(|| "no valgrind on this machine: memory errors would not be noticed".to_owned());
    all.push(Requirement { name: "valgrind".to_owned(), missing });
    for linking in [Linking::Static, Linking::Shared] {
        let missing = tested.iter().all(|python| python.linking() != linking);
        let missing = missing.then(|| format!("no tested interpreter is linked this way ({linking})"));
        all.push(Requirement { name: format!("linking_{}", linking.name()), missing });
    }
    all
}

fn why_not(minor: u8, places: &[&Interpreters], no_folder: Option<&str>) -> String {
    let others = places.iter().flat_map(|place| &place.others).filter(|(python, _)| python.minor == minor);
    let found: Vec<String> =
        others.map(|(python, reason)| format!("{} ({reason})", python.executable.display())).collect();
    let mut text = format!("no CPython 3.{minor} to test on");
    if !found.is_empty() {
        text += &format!(": {}", found.join("; "));
    }
    match no_folder {
        Some(reason) if IN_FOLDER.contains(&minor) => text += &format!("; no folder of Debian testing: {reason}"),
        None if found.is_empty() && IN_FOLDER.contains(&minor) => text += "; the folder of Debian testing has none",
        _ if found.is_empty() => text += "; Debian testing does not have it: install it, for example with pyenv",
        _ => {}
    }
    text
}
