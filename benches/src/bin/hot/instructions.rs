//! By callgrind's count of instructions: nearly the same in every run, whatever else the machine does.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use cds_tests::hot::{Hot, Instructions, Source};
use cds_tests::valgrind::Valgrind;
use serde::Serialize;

/// Processes of each kind, each with other chances.
const SHIFTS: usize = 3;

/// One kernel.
#[derive(Debug, Serialize)]
pub struct Count {
    /// From `.pyc` files, the least of several processes.
    pub pyc: u64,
    /// From the image, the least of several processes.
    pub image: u64,
    /// Image over `.pyc`.
    pub ratio: f64,
    /// `.pyc` over `.pyc`, with other chances.
    pub control: f64,
    /// Whether every process from the image took more than any other, by more than two parts of a hundred.
    pub slower: bool,
}

/// Counts all kernels.
pub fn measure(hot: &Hot) -> Result<BTreeMap<String, Count>> {
    let valgrind = Valgrind::get()?;
    let image = hot.instructions(&valgrind, Source::Image, 0..SHIFTS)?;
    let mut pyc = hot.instructions(&valgrind, Source::Pyc, 0..SHIFTS)?;
    let mut again = hot.instructions(&valgrind, Source::Pyc, SHIFTS..2 * SHIFTS)?;
    let mut found = BTreeMap::new();
    for (name, image) in image {
        let missing = || format!("`{name}` ran from the image only");
        let pyc = pyc.remove(&name).with_context(missing)?;
        let again = again.remove(&name).with_context(missing)?;
        let part = |of: &Instructions| of.least as f64 / pyc.least as f64;
        let (ratio, control, slower) = (part(&image), part(&again), image.exceed(&pyc) && image.exceed(&again));
        found.insert(name, Count { pyc: pyc.least, image: image.least, ratio, control, slower });
    }
    Ok(found)
}
