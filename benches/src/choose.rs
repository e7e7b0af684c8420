//! The interpreters that a benchmark runs on.

use anyhow::{Result, ensure};
use cds_tests::interpreters::{Interpreter, Interpreters};

/// Those that are named by label, version or path; without names, all that are supported.
pub fn interpreters(names: &[String]) -> Result<Vec<Interpreter>> {
    let all = Interpreters::discover();
    if !names.is_empty() {
        return names.iter().map(|name| all.named(name)).collect();
    }
    ensure!(!all.tested.is_empty(), "no supported interpreter found; name one with `--python PATH`");
    Ok(all.tested)
}
