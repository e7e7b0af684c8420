//! By the clock: processes in turns, one from the image and two from `.pyc` files.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use cds_benches::statistics::{Ratio, median, minimum, noise, within};
use cds_tests::hot::{Hot, Source};
use serde::Serialize;

/// One kernel.
#[derive(Debug, Serialize)]
pub struct Time {
    /// Median of the processes' best times from `.pyc` files, in seconds.
    pub pyc: f64,
    /// The same from the image.
    pub image: f64,
    /// Image over `.pyc`.
    pub ratio: Ratio,
    /// `.pyc` over `.pyc`: what a ratio of equal things looks like here.
    pub control: Ratio,
    /// Factor below which a ratio says nothing.
    pub noise: f64,
    /// Whether the ratio is 1 as far as one can tell.
    pub within_noise: bool,
    /// Whether the noise is so large that this says nothing.
    pub too_noisy: bool,
}

/// Noise above this factor hides what a wrong specialisation costs.
const MUCH: f64 = 1.1;

/// The columns: what is compared, with what, and with itself.
const ARMS: [Source; 3] = [Source::Image, Source::Pyc, Source::Pyc];

/// All orders of three arms.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1], [1, 2, 0], [0, 2, 1]];

/// Measures all kernels.
pub fn measure(hot: &Hot, runs: usize, repeats: usize) -> Result<BTreeMap<String, Time>> {
    let mut found: BTreeMap<String, [Vec<f64>; 3]> = BTreeMap::new();
    let mut results: BTreeMap<String, String> = BTreeMap::new();
    // The first round fills the disk's cache and is not counted.
    for round in 0..=runs {
        for arm in ORDERS[round % ORDERS.len()] {
            for (name, kernel) in hot.times(ARMS[arm], repeats, round)? {
                let first = results.entry(name.clone()).or_insert_with(|| kernel.result.clone());
                ensure!(*first == kernel.result, "`{name}` computes {} and {first}", kernel.result);
                let times = kernel.times.context("a process measured nothing")?;
                if round > 0 {
                    found.entry(name).or_default()[arm].push(minimum(&times));
                }
            }
        }
    }
    Ok(found.into_iter().map(|(name, [image, pyc, again])| (name, compare(&image, &pyc, &again))).collect())
}

fn compare(image: &[f64], pyc: &[f64], again: &[f64]) -> Time {
    let (ratio, control) = (Ratio::of(image, pyc), Ratio::of(again, pyc));
    let noise = noise(&ratio, &control);
    let within_noise = within(ratio.value, noise);
    Time { pyc: median(pyc), image: median(image), ratio, control, noise, within_noise, too_noisy: noise > MUCH }
}
