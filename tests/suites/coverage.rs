//! Whether this run is on every version and way of linking that the project promises: a gap fails in CI.

use anyhow::bail;
use cds_tests::interpreters::{Interpreters, Requirement, requirements};
use cds_tests::suite::{skipped, trial};
use libtest_mimic::Trial;

/// One trial per requirement, for all places together.
pub fn trials(places: &[&Interpreters], no_folder: Option<&str>) -> Vec<Trial> {
    let needed = |requirement: Requirement| {
        let Requirement { name, missing } = requirement;
        let ignored = missing.is_some() && !Requirement::enforced();
        if let Some(reason) = &missing {
            skipped(&format!("coverage::{name}"), reason);
        }
        let title = format!("coverage::{name}");
        trial(title, move || missing.map_or(Ok(()), |reason| bail!(reason))).with_ignored_flag(ignored)
    };
    requirements(places, no_folder).into_iter().map(needed).collect()
}
