//! By callgrind's count of instructions: nearly the same in every run, whatever else the machine does.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use cds_tests::hot::{Hot, Source};
use cds_tests::valgrind::Valgrind;
use serde::Serialize;

/// Processes of each kind, each with other chances.
const SHIFTS: usize = 3;

/// More instructions than from `.pyc` files by this part are more than chance.
pub const TOLERANCE: f64 = 0.02;

/// One kernel.
#[derive(Debug, Serialize)]
pub struct Count {
    /// From `.pyc` files.
    pub pyc: u64,
    /// From the image.
    pub image: u64,
    /// Image over `.pyc`.
    pub ratio: f64,
    /// `.pyc` over `.pyc`, with other chances.
    pub control: f64,
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
        let part = |n: u64| n as f64 / pyc as f64;
        found.insert(name, Count { pyc, image, ratio: part(image), control: part(again) });
    }
    Ok(found)
}
