//! Ratios of what was measured two ways.

use crate::results::{Footprint, Measured, Memory, OnInterpreter, Samples, Way};
use crate::statistics::{Ratio, geometric_mean, median};
use crate::works::PASS;

/// Which values of the samples.
pub type Of = fn(&Samples) -> &[f64];

/// Seconds of the import.
pub const IMPORT: Of = |samples| &samples.import;
/// Seconds of the process.
pub const PROCESS: Of = |samples| &samples.process;
/// Peak memory.
pub const PEAK: Of = |samples| &samples.peak;

/// The median of one way, if there is one.
pub fn middle(row: &Measured, way: Way, of: Of) -> Option<f64> {
    row.samples(way).map(of).filter(|values| !values.is_empty()).map(median)
}

/// One way over another, if both were measured.
pub fn ratio(row: &Measured, above: Way, below: Way, of: Of) -> Option<Ratio> {
    let values = |way| row.samples(way).map(of).filter(|values| !values.is_empty());
    Some(Ratio::of(values(above)?, values(below)?))
}

/// The same of the medians alone.
pub fn plain(row: &Measured, above: Way, below: Way, of: Of) -> Option<f64> {
    Some(middle(row, above, of)? / middle(row, below, of)?)
}

/// The rows that import something.
pub fn imports(on: &OnInterpreter) -> impl Iterator<Item = &Measured> {
    on.imports.iter().flatten().filter(|row| row.name != PASS.name)
}

/// Ratios of all imports that were measured both ways, by name.
pub fn all(on: &OnInterpreter, above: Way, below: Way, of: Of) -> Vec<(&str, f64)> {
    imports(on).filter_map(|row| Some((row.name.as_str(), plain(row, above, below, of)?))).collect()
}

/// The geometric mean, if there is anything.
pub fn mean(ratios: &[(&str, f64)]) -> Option<f64> {
    (!ratios.is_empty()).then(|| geometric_mean(&ratios.iter().map(|(_, ratio)| *ratio).collect::<Vec<_>>()))
}

/// The program that does nothing: with the image over without.
pub fn pass(on: &OnInterpreter) -> Option<f64> {
    let row = on.imports.iter().flatten().find(|row| row.name == PASS.name)?;
    plain(row, Way::Image, Way::Pyc, PROCESS)
}

/// PSS of so many processes, image over `.pyc`, by name.
pub fn pss(on: &OnInterpreter, processes: usize) -> Vec<(&str, f64)> {
    let rows = on.memory.iter().flatten().filter(|row| row.processes == processes);
    rows.filter_map(|row| Some((row.name.as_str(), memory(row, Way::Image, |f| &f.pss)?))).collect()
}

/// A way over `.pyc`.
pub fn memory(row: &Memory, way: Way, of: fn(&Footprint) -> &[f64]) -> Option<f64> {
    let middle = |way| row.ways.get(&way).map(of).filter(|values| !values.is_empty()).map(median);
    Some(middle(way)? / middle(Way::Pyc)?)
}
