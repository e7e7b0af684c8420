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
    /// The loader's own file: this project's, or that of code-data-share.
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
    /// The functions that the image spends most more time in than the limit, in this package or in another one of the same
    /// measurement.
    #[serde(default)]
    pub functions: Vec<Function>,
}

/// Samples in a function.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Function {
    /// Its name, as perf knows it.
    pub name: String,
    /// Where it is, in the kernel by the way into it.
    pub place: Place,
    /// Each way; value `i` is of run `i`.
    pub ways: BTreeMap<Way, Vec<u64>>,
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
}

/// Samples of whole processes that differ in `K`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "K: Ord + Serialize + serde::de::DeserializeOwned")]
pub struct Processes<K> {
    /// Samples of a second in which the processor was busy.
    pub frequency: f64,
    /// Each of them, by place; value `i` is of run `i`.
    pub kinds: BTreeMap<K, BTreeMap<Place, Vec<u64>>>,
}

/// Samples of `python -c pass`.
pub type ProfiledStart = Processes<Step>;

/// Whose time from start is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whole {
    /// The program with the clock that imports nothing, without loader and image.
    Nothing,
    /// With the image.
    Image,
    /// By code-data-share.
    Cds,
}

/// Samples of one import, of whole processes: code-data-share works before the clock.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProfiledFromStart {
    /// What was imported.
    pub name: String,
    /// The processes; value `i` of each is of round `i`.
    pub processes: Processes<Whole>,
}

impl Function {
    /// Samples of one run on average.
    pub fn samples(&self, way: Way) -> f64 {
        let runs = self.ways.get(&way).map(Vec::as_slice).unwrap_or_default();
        runs.iter().sum::<u64>() as f64 / runs.len().max(1) as f64
    }
}

impl<K: Ord> Processes<K> {
    /// Without samples.
    pub fn new(frequency: f64) -> Processes<K> {
        Processes { frequency, kinds: BTreeMap::new() }
    }

    /// Adds a run.
    pub fn add(&mut self, kind: K, counts: &BTreeMap<Place, u64>) {
        let places = self.kinds.entry(kind).or_default();
        for place in Place::ALL {
            places.entry(place).or_default().push(counts.get(&place).copied().unwrap_or(0));
        }
    }

    /// How many runs there are.
    pub fn runs(&self) -> usize {
        self.kinds.values().flat_map(|places| places.values()).map(Vec::len).max().unwrap_or(0)
    }

    /// Samples in some places together, of each run.
    pub fn samples(&self, kind: K, places: &[Place]) -> Option<Vec<u64>> {
        together(self.kinds.get(&kind)?, places)
    }
}

impl Profile {
    /// Adds a run.
    pub fn add(&mut self, seconds: f64, faults: u64, counts: &BTreeMap<Place, u64>) {
        self.seconds.push(seconds);
        self.faults.push(faults as f64);
        for place in Place::ALL {
            self.samples.entry(place).or_default().push(counts.get(&place).copied().unwrap_or(0));
        }
    }

    /// Samples in some places together, of each run.
    pub fn samples(&self, places: &[Place]) -> Option<Vec<u64>> {
        together(&self.samples, places)
    }
}

/// Samples in some places together, of each run: a place that is not there has none. `None` without runs.
fn together(samples: &BTreeMap<Place, Vec<u64>>, places: &[Place]) -> Option<Vec<u64>> {
    let runs = samples.values().map(Vec::len).min().filter(|&runs| runs > 0)?;
    Some((0..runs).map(|run| places.iter().filter_map(|place| samples.get(place)).map(|all| all[run]).sum()).collect())
}
