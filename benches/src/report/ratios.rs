//! Ratios of what was measured two ways.

use crate::imports::ZIP_ROUNDS;
use crate::results::{Footprint, Measured, Memory, OnInterpreter, Samples, Step, Way};
use crate::statistics::{Ratio, geometric_mean, median};
use crate::works::PASS;

/// Values of one way, in order of the rounds; none if they were not measured.
pub type Of = fn(&Measured, Way) -> Vec<f64>;

/// Seconds of the import, inside the process.
pub const IMPORT: Of = |row, way| values(row, way, |samples| &samples.import);
/// Seconds of the process.
pub const PROCESS: Of = |row, way| values(row, way, |samples| &samples.process);
/// Peak memory.
pub const PEAK: Of = |row, way| values(row, way, |samples| &samples.peak);
/// Seconds of the process less those of one that imports nothing, without loader and image, in the same round.
pub const FROM_START: Of = |row, way| {
    let process = PROCESS(row, way);
    // Zip files do not have their turn in every round.
    let rounds: Vec<f64> = if way == Way::Zip { in_zip_rounds(&row.nothing) } else { row.nothing.clone() };
    if process.len() != rounds.len() {
        return Vec::new();
    }
    process.iter().zip(rounds).map(|(all, nothing)| all - nothing).collect()
};

fn values(row: &Measured, way: Way, of: fn(&Samples) -> &[f64]) -> Vec<f64> {
    row.samples(way).map(of).unwrap_or_default().to_vec()
}

/// The values of the rounds in which zip files had their turn.
fn in_zip_rounds(values: &[f64]) -> Vec<f64> {
    values.iter().step_by(ZIP_ROUNDS).copied().collect()
}

/// The median of one way, if there is one.
pub fn middle(row: &Measured, way: Way, of: Of) -> Option<f64> {
    Some(of(row, way)).filter(|values| !values.is_empty()).map(|values| median(&values))
}

/// One way over another, if both were measured.
pub fn ratio(row: &Measured, above: Way, below: Way, of: Of) -> Option<Ratio> {
    let values = |way| Some(of(row, way)).filter(|values| !values.is_empty());
    Some(Ratio::of(&values(above)?, &values(below)?))
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

/// The geometric mean with its interval, of all imports that were measured both ways.
pub fn mean_within(on: &OnInterpreter, above: Way, below: Way, of: Of) -> Option<Ratio> {
    Ratio::of_mean(&imports(on).map(|row| (of(row, above), of(row, below))).collect::<Vec<_>>())
}

/// One import with the interval of its ratio.
pub fn of_one(on: &OnInterpreter, name: &str, above: Way, below: Way, of: Of) -> Option<Ratio> {
    imports(on).find(|row| row.name == name).and_then(|row| ratio(row, above, below, of))
}

/// The start with a step over that without any, if both were measured.
pub fn start(on: &OnInterpreter, step: Step) -> Option<f64> {
    let middle = |step| on.start.as_ref()?.processes(step).map(median);
    Some(middle(step)? / middle(Step::None)?)
}

/// The same with its interval.
pub fn start_within(on: &OnInterpreter, step: Step) -> Option<Ratio> {
    let start = on.start.as_ref()?;
    Some(Ratio::of(start.processes(step)?, start.processes(Step::None)?))
}

/// The program that does nothing, with the image over without: of the part about the start, which has more rounds, else of
/// the imports.
pub fn pass(on: &OnInterpreter) -> Option<f64> {
    start(on, Step::Image).or_else(|| imported_pass(on))
}

/// The same with its interval.
pub fn pass_within(on: &OnInterpreter) -> Option<Ratio> {
    start_within(on, Step::Image).or_else(|| ratio(pass_row(on)?, Way::Image, Way::Pyc, PROCESS))
}

fn imported_pass(on: &OnInterpreter) -> Option<f64> {
    plain(pass_row(on)?, Way::Image, Way::Pyc, PROCESS)
}

fn pass_row(on: &OnInterpreter) -> Option<&Measured> {
    on.imports.iter().flatten().find(|row| row.name == PASS.name)
}

/// Seconds that a start with the image takes longer than one without, by the same rounds as `pass`.
pub fn surplus(on: &OnInterpreter) -> Option<f64> {
    let step = |step| on.start.as_ref()?.processes(step).map(median);
    let way = |way| middle(pass_row(on)?, way, PROCESS);
    let of_steps = || Some(step(Step::Image)? - step(Step::None)?);
    of_steps().or_else(|| Some(way(Way::Image)? - way(Way::Pyc)?))
}

/// Where the seconds of an import from the image go, from the start of the process on: medians.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// What the start takes longer than one without the image; nothing if it is quicker.
    pub surplus: f64,
    /// The import, inside the process.
    pub import: f64,
    /// All the rest of what the process takes longer than one that does nothing: the program around the import, and its end.
    pub around: f64,
}

/// Of one row, by a surplus of the start. Each way has its own time around the import: with `.pyc` files a process has more
/// objects on its heap to give back than with the image.
pub fn split(row: &Measured, surplus: f64) -> Option<Split> {
    let surplus = surplus.max(0.0);
    let import = middle(row, Way::Image, IMPORT)?;
    Some(Split { surplus, import, around: middle(row, Way::Image, FROM_START)? - import - surplus })
}

/// PSS of so many processes, a way over `.pyc`, by name.
pub fn pss(on: &OnInterpreter, way: Way, processes: usize) -> Vec<(&str, f64)> {
    let rows = on.memory.iter().flatten().filter(|row| row.processes == processes);
    rows.filter_map(|row| Some((row.name.as_str(), memory(row, way, |f| &f.pss)?))).collect()
}

/// A way over `.pyc`.
pub fn memory(row: &Memory, way: Way, of: fn(&Footprint) -> &[f64]) -> Option<f64> {
    let middle = |way| row.ways.get(&way).map(of).filter(|values| !values.is_empty()).map(median);
    Some(middle(way)? / middle(Way::Pyc)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Outcome, Starts};

    #[test]
    fn the_surplus_of_a_start_is_of_its_own_rounds_or_of_the_imports() {
        let samples = |seconds: f64| Samples { process: vec![seconds], ..Samples::default() };
        let ways = [(Way::Pyc, 10.0), (Way::Image, 12.0)].map(|(way, s)| (way, Outcome::Measured(samples(s)))).into();
        let pass = Measured { name: PASS.name.to_owned(), program: String::new(), ways, nothing: Vec::new() };
        let mut on = OnInterpreter { imports: Some(vec![pass]), ..OnInterpreter::default() };
        assert_eq!(surplus(&on), Some(2.0));
        let starts = |steps: &[(Step, f64)]| Starts {
            steps: steps.iter().map(|&(step, s)| (step, samples(s))).collect(),
            ..Starts::default()
        };
        on.start = Some(starts(&[(Step::None, 10.0), (Step::Pth, 10.25), (Step::Image, 10.5)]));
        assert_eq!(surplus(&on), Some(0.5));
        on.start = Some(starts(&[(Step::None, 10.0)]));
        assert_eq!(surplus(&on), Some(2.0));
        assert_eq!(surplus(&OnInterpreter { imports: None, ..on }), None);
    }

    #[test]
    fn a_start_is_taken_from_the_process_of_the_same_round() {
        let process = |values: &[f64]| Outcome::Measured(Samples { process: values.to_vec(), ..Samples::default() });
        let mut row = Measured {
            name: "x".to_owned(),
            program: String::new(),
            ways: [
                (Way::Pyc, process(&[10.0, 11.0, 12.0, 13.0])),
                (Way::Zip, process(&[20.0, 23.0])),
                (Way::Limit, process(&[])),
            ]
            .into(),
            nothing: vec![1.0, 2.0, 3.0, 4.0],
        };
        assert_eq!(FROM_START(&row, Way::Pyc), [9.0, 9.0, 9.0, 9.0]);
        // Of the first and the fourth round.
        assert_eq!(FROM_START(&row, Way::Zip), [19.0, 19.0]);
        assert!(FROM_START(&row, Way::Limit).is_empty() && FROM_START(&row, Way::Image).is_empty());
        // Results from before this was measured.
        row.nothing.clear();
        assert_eq!(middle(&row, Way::Pyc, FROM_START), None);
        assert_eq!(middle(&row, Way::Pyc, PROCESS), Some(11.5));
    }
}
