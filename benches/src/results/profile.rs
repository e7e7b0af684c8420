//! Where the time of an import went.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Step, Way};

/// What the processor was at when a sample was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The interpreter's executable or its library.
    Interpreter,
    /// The loader's own file.
    Loader,
    /// The C library, the dynamic linker, other libraries and extension modules, and what has no file.
    Libraries,
    /// The kernel, for a page that was not there.
    Faults,
    /// The kernel, for a call about files and directories.
    Files,
    /// The kernel, for a call about the process's memory.
    Memory,
    /// The kernel, for anything else: other calls, interrupts, the scheduler.
    Kernel,
}

impl Place {
    /// All, in the order of the report.
    pub const ALL: [Place; 7] = [
        Place::Interpreter,
        Place::Loader,
        Place::Libraries,
        Place::Faults,
        Place::Files,
        Place::Memory,
        Place::Kernel,
    ];

    /// Its name in the report.
    pub fn title(self) -> &'static str {
        match self {
            Place::Interpreter => "interpreter",
            Place::Loader => "loader",
            Place::Libraries => "C library, other libraries, extension modules",
            Place::Faults => "kernel: page faults",
            Place::Files => "kernel: files",
            Place::Memory => "kernel: memory",
            Place::Kernel => "kernel: the rest",
        }
    }
}

/// Samples of one import, each way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Profiled {
    /// What was imported.
    pub name: String,
    /// Samples of a second in which the processor was busy.
    pub frequency: f64,
    /// Each way.
    pub ways: BTreeMap<Way, Profile>,
}

/// Samples between the two readings of the clock; value `i` is of run `i`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Profile {
    /// Seconds of the import by the clock, while samples were taken.
    pub seconds: Vec<f64>,
    /// Minor page faults of the import.
    pub faults: Vec<f64>,
    /// Samples by place.
    pub samples: BTreeMap<Place, Vec<u64>>,
    /// The same of the whole process.
    #[serde(default)]
    pub process: BTreeMap<Place, Vec<u64>>,
}

/// Samples of `python -c pass`, of the whole process.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ProfiledStart {
    /// Samples of a second in which the processor was busy.
    pub frequency: f64,
    /// Each step, by place; value `i` is of run `i`.
    pub steps: BTreeMap<Step, BTreeMap<Place, Vec<u64>>>,
}

impl ProfiledStart {
    /// Adds a run.
    pub fn add(&mut self, step: Step, counts: &BTreeMap<Place, u64>) {
        let places = self.steps.entry(step).or_default();
        for place in Place::ALL {
            places.entry(place).or_default().push(counts.get(&place).copied().unwrap_or(0));
        }
    }

    /// Seconds in some places together, of each run.
    pub fn seconds(&self, step: Step, places: &[Place]) -> Option<Vec<f64>> {
        let of = |place| self.steps.get(&step)?.get(place).filter(|runs| !runs.is_empty());
        let all = places.iter().map(of).collect::<Option<Vec<_>>>()?;
        let runs = all.iter().map(|runs| runs.len()).min()?;
        let one = |run: usize| all.iter().map(|runs| runs[run]).sum::<u64>() as f64 / self.frequency;
        Some((0..runs).map(one).collect())
    }
}

impl Profile {
    /// Adds a run: what was counted of the import, and of the whole process.
    pub fn add(&mut self, seconds: f64, faults: u64, import: &BTreeMap<Place, u64>, process: &BTreeMap<Place, u64>) {
        self.seconds.push(seconds);
        self.faults.push(faults as f64);
        for place in Place::ALL {
            let count = |counts: &BTreeMap<Place, u64>| counts.get(&place).copied().unwrap_or(0);
            self.samples.entry(place).or_default().push(count(import));
            self.process.entry(place).or_default().push(count(process));
        }
    }

    /// Samples in a place, of one run on average.
    pub fn samples(&self, place: Place) -> f64 {
        let all: u64 = self.samples.get(&place).into_iter().flatten().sum();
        all as f64 / self.seconds.len().max(1) as f64
    }

    /// The same of the whole process, if that was counted.
    pub fn of_process(&self, place: Place) -> Option<f64> {
        let runs = self.process.get(&place).filter(|runs| !runs.is_empty())?;
        Some(runs.iter().sum::<u64>() as f64 / runs.len() as f64)
    }
}
