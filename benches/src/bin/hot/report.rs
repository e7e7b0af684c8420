//! The report: a Markdown table for each interpreter, or JSON.

use std::collections::BTreeMap;
use std::fmt;

use cds_benches::machine::Machine;
use cds_benches::statistics::geometric_mean;
use serde::Serialize;

use crate::instructions::Count;
use crate::times::Time;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// On what.
    pub interpreters: Vec<Table>,
}

/// One interpreter.
#[derive(Debug, Serialize)]
pub struct Table {
    /// Its label.
    pub label: String,
    /// Its `sys.version`.
    pub build: String,
    /// The kernels, by name.
    pub kernels: Measured,
}

/// The kernels, by name.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// By the clock.
    Times(BTreeMap<String, Time>),
    /// By counting.
    Instructions(BTreeMap<String, Count>),
}

impl Measured {
    /// Kernels that are slower from the image, as far as the measurement can tell.
    pub fn slower(&self) -> Vec<&str> {
        match self {
            Measured::Times(all) => names(all, |k| k.ratio.value > k.noise),
            Measured::Instructions(all) => names(all, |k| k.slower),
        }
    }

    /// Kernels of which the measurement cannot tell.
    pub fn unknown(&self) -> Vec<&str> {
        match self {
            Measured::Times(all) => names(all, |k| k.too_noisy),
            Measured::Instructions(_) => Vec::new(),
        }
    }
}

fn names<T>(all: &BTreeMap<String, T>, is: impl Fn(&T) -> bool) -> Vec<&str> {
    all.iter().filter(|(_, kernel)| is(kernel)).map(|(name, _)| name.as_str()).collect()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### CPython {}\n\n`{}`\n", self.label, self.build.replace('\n', " "))?;
        match &self.kernels {
            Measured::Times(all) => times(f, all)?,
            Measured::Instructions(all) => instructions(f, all)?,
        }
        if let unknown @ [_, ..] = self.kernels.unknown().as_slice() {
            let advice = "an idle machine, more `--runs` and `--repeats`, or `--instructions` would";
            writeln!(f, "\nToo noisy to tell for {}: {advice}.", unknown.join(", "))?;
        }
        match self.kernels.slower().as_slice() {
            [] => writeln!(f, "\nNo kernel is measurably slower from the image."),
            slower => writeln!(f, "\nSlower from the image: {}.", slower.join(", ")),
        }
    }
}

fn times(f: &mut fmt::Formatter<'_>, all: &BTreeMap<String, Time>) -> fmt::Result {
    writeln!(f, "| kernel | .pyc, ms | image, ms | image/.pyc | 99 % interval | .pyc/.pyc | noise | within |")?;
    writeln!(f, "|---|--:|--:|--:|--:|--:|--:|---|")?;
    for (name, k) in all {
        let noise = (k.noise - 1.0) * 100.0;
        let within = match (k.too_noisy, k.within_noise) {
            (true, _) => "too noisy",
            (false, true) => "yes",
            (false, false) => "no",
        };
        write!(f, "| {name} | {:.2} | {:.2} | {:.3} ", k.pyc * 1e3, k.image * 1e3, k.ratio.value)?;
        write!(f, "| {:.3}–{:.3} | {:.3} ", k.ratio.low, k.ratio.high, k.control.value)?;
        writeln!(f, "| ±{noise:.1} % | {within} |")?;
    }
    let mean = |of: fn(&Time) -> f64| geometric_mean(&all.values().map(of).collect::<Vec<_>>());
    let (ratio, control) = (mean(|k| k.ratio.value), mean(|k| k.control.value));
    let within = all.values().filter(|k| k.within_noise && !k.too_noisy).count();
    writeln!(f, "| geometric mean | | | {ratio:.3} | | {control:.3} | | {within} of {} |", all.len())
}

fn instructions(f: &mut fmt::Formatter<'_>, all: &BTreeMap<String, Count>) -> fmt::Result {
    writeln!(f, "| kernel | .pyc, instructions | image, instructions | image/.pyc | .pyc/.pyc |")?;
    writeln!(f, "|---|--:|--:|--:|--:|")?;
    for (name, k) in all {
        writeln!(f, "| {name} | {} | {} | {:.4} | {:.4} |", k.pyc, k.image, k.ratio, k.control)?;
    }
    let mean = |of: fn(&Count) -> f64| geometric_mean(&all.values().map(of).collect::<Vec<_>>());
    writeln!(f, "| geometric mean | | | {:.4} | {:.4} |", mean(|k| k.ratio), mean(|k| k.control))
}
