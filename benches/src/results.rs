//! What was measured, as it is in the JSON file: all values of all runs, so that a report can be made of it later.

mod encodings;
mod made;
mod mappings;
mod pages;
mod profile;
mod quiet;
mod start;

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::statistics::median;

pub use encodings::{Encoded, Encoding, Encodings};
pub use made::{Builds, Made};
pub use mappings::{Mappings, Part, Resident};
pub use pages::{PageRow, PageWay, Pages};
pub use profile::{Function, Place, Processes, Profile, Profiled, ProfiledFromStart, ProfiledStart, Whole};
pub use quiet::Moments;
pub use start::{Starts, Step};

/// Where the code of a process comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// `.pyc` files, in an environment without a loader.
    Pyc,
    /// The image, at its usual place.
    Image,
    /// The same with `PYCDSGC=pause`.
    Paused,
    /// Another image of the same environment, whose units are used in place.
    InPlace,
    /// code-data-share 0.1.0, with an archive of exactly what is imported.
    Cds,
    /// A zip file.
    Zip,
    /// All specs and code objects are in memory before the clock starts.
    Limit,
}

impl Way {
    /// All, in the order of the report.
    pub const ALL: [Way; 7] = [Way::Pyc, Way::Image, Way::Paused, Way::InPlace, Way::Cds, Way::Zip, Way::Limit];

    /// Its name in the report.
    pub fn title(self) -> &'static str {
        match self {
            Way::Pyc => ".pyc",
            Way::Image => "image",
            Way::Paused => "image, collector paused",
            Way::InPlace => "in place",
            Way::Cds => "code-data-share",
            Way::Zip => "zip",
            Way::Limit => "limit",
        }
    }

    /// Whether modules come from an image of this project. Such a way must always work: that others do not is a result.
    pub fn is_image(self) -> bool {
        matches!(self, Way::Image | Way::Paused | Way::InPlace)
    }
}

/// Everything.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Results {
    /// Where.
    pub machine: Machine,
    /// Version of this project.
    pub version: String,
    /// Of each interpreter, oldest first.
    pub interpreters: Vec<OnInterpreter>,
    /// Pages that have to be changed: of the machine, whatever the interpreter.
    #[serde(default)]
    pub pages: Option<Pages>,
}

/// What was measured on one interpreter; parts that were not asked for are absent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct OnInterpreter {
    /// Its name: version, way of linking, folder.
    pub label: String,
    /// `sys.version`.
    pub build: String,
    /// `14` for Python 3.14.
    pub minor: u8,
    /// `static`, `pie` or `shared`.
    pub linking: String,
    /// Packages and their versions.
    #[serde(default)]
    pub packages: BTreeMap<String, String>,
    /// The image of the environment.
    pub environment: Option<Built>,
    /// Starts, with each step towards an image.
    #[serde(default)]
    pub start: Option<Starts>,
    /// Imports.
    pub imports: Option<Vec<Measured>>,
    /// Commands.
    pub commands: Option<Vec<Measured>>,
    /// Memory of several processes.
    pub memory: Option<Vec<Memory>>,
    /// Images of many modules.
    pub scale: Option<Scale>,
    /// Counts of instructions.
    pub instructions: Option<Vec<Instructions>>,
    /// Ways to say which words of copies are to be changed.
    #[serde(default)]
    pub encodings: Option<Encodings>,
    /// Where the time of imports goes.
    #[serde(default)]
    pub profile: Option<Vec<Profiled>>,
    /// Where the time of starts goes.
    #[serde(default)]
    pub start_profile: Option<ProfiledStart>,
    /// Where the time from start goes, with the image and by code-data-share.
    #[serde(default)]
    pub from_start_profile: Option<Vec<ProfiledFromStart>>,
    /// How the machine was, by the name of the part.
    #[serde(default)]
    pub quiet: BTreeMap<String, Moments>,
    /// What was measured, by the name of the part.
    #[serde(default)]
    pub made: BTreeMap<String, Builds>,
    /// What could not be done, and anything else that a reader of the figures must know.
    #[serde(default)]
    pub remarks: Vec<String>,
}

/// One import or command, each way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// What is run.
    pub program: String,
    /// Each way.
    pub ways: BTreeMap<Way, Outcome>,
    /// Seconds of the same program when it imports nothing, without loader and image, in the same rounds; none for commands.
    #[serde(default)]
    pub nothing: Vec<f64>,
}

/// What came of one way.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Values.
    Measured(Samples),
    /// Why there are none.
    Impossible(String),
}

/// Values of all runs, in order: value `i` of two ways is of the same round, but for zip files, which have fewer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Samples {
    /// Seconds of the import statement, inside the process.
    pub import: Vec<f64>,
    /// Seconds of the process.
    pub process: Vec<f64>,
    /// Peak of the resident memory, in bytes.
    pub peak: Vec<f64>,
    /// Minor page faults.
    pub faults: Vec<f64>,
    /// Modules that came this way.
    pub served: u64,
    /// Modules that were there before the clock started.
    #[serde(default)]
    pub before: u64,
    /// Slots of the image that the loader wrote.
    pub patched: Option<u64>,
    /// How many of the runs had to wait for the disk, however often they were repeated.
    #[serde(default)]
    pub cold: usize,
}

impl Measured {
    /// The values of a way, if there are any.
    pub fn samples(&self, way: Way) -> Option<&Samples> {
        match self.ways.get(&way)? {
            Outcome::Measured(samples) => Some(samples),
            Outcome::Impossible(_) => None,
        }
    }
}

/// Memory of processes that imported the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Memory {
    /// What was imported.
    pub name: String,
    /// Number of processes at the same time.
    pub processes: usize,
    /// Each way.
    pub ways: BTreeMap<Way, Footprint>,
}

/// Memory of one process on average, in bytes; one value for each repetition.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Footprint {
    /// Pages, each divided by the number of processes that have it.
    pub pss: Vec<f64>,
    /// Pages that only this process has, and wrote.
    pub private_dirty: Vec<f64>,
    /// Minor page faults.
    pub faults: Vec<f64>,
    /// What the pages are of; of the last repetition.
    #[serde(default)]
    pub mappings: Mappings,
}

/// An image that was built.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Built {
    /// Modules in it.
    pub modules: u64,
    /// Bytes of the `.pyc` files of its modules.
    pub pyc_bytes: u64,
    /// Bytes of the image.
    pub image_bytes: u64,
    /// Seconds of the builder, for each repetition.
    pub seconds: Vec<f64>,
    /// Peak of the builder's resident memory, in bytes, for each repetition.
    pub peak: Vec<f64>,
}

/// Images of many modules.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scale {
    /// Start of a process without an image: the loader is there and off.
    pub off: Samples,
    /// For each number of modules.
    pub images: Vec<Scaled>,
}

/// An image of many modules, and what it costs to have it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scaled {
    /// The number of modules that was asked for.
    pub count: usize,
    /// The image.
    pub built: Built,
    /// Import of one module with its packages, from `.pyc` files.
    pub pyc: Samples,
    /// The same, from the image.
    pub image: Samples,
    /// The same, from an image of nothing else.
    #[serde(default)]
    pub alone: Samples,
    /// `python -c pass` with this image.
    pub pass: Samples,
    /// Instructions of the import, where they can be counted.
    #[serde(default)]
    pub counted: Option<Counted>,
}

impl Scaled {
    /// Peak RSS relative to that with an image of nothing else; `None` where the measuring program's own peak was higher.
    pub fn peak_over_few(&self) -> Option<f64> {
        Some(median(&self.image.peak) / median(&self.alone.peak)).filter(|ratio| ratio.is_finite())
    }

    /// How many more page faults the process has than with an image of nothing else.
    pub fn more_faults(&self) -> f64 {
        median(&self.image.faults) - median(&self.alone.faults)
    }

    /// Instructions relative to those with an image of nothing else, where they were counted.
    pub fn instructions_over_few(&self, of: fn(Steps) -> u64) -> Option<f64> {
        self.counted.map(|Counted { image, alone }| of(image) as f64 / of(alone) as f64)
    }
}

/// Instructions of the import of a few modules, everything included but the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// From the image of all.
    pub image: Steps,
    /// From the image of nothing else.
    pub alone: Steps,
}

/// Instructions of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    /// From its start to the import.
    pub start: u64,
    /// Of the import.
    pub import: u64,
}

/// Instructions of an import of a fixed input, one way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Instructions {
    /// The way.
    pub way: Way,
    /// Modules that were imported.
    pub modules: u64,
    /// Of the import, everything included.
    pub import: u64,
    /// Of these, in the loader itself.
    pub loader_import: u64,
    /// Before the import, in the loader itself.
    pub loader_start: u64,
}

impl Results {
    /// Takes over what other results have, in the place of what is here; both must be of the same machine.
    pub fn merge(&mut self, other: Results) -> Result<()> {
        let (ours, theirs) = (self.machine.identity(), other.machine.identity());
        ensure!(ours == theirs, "results of two machines cannot be merged: `{ours}` and `{theirs}`");
        self.machine.merge(&other.machine);
        for found in other.interpreters {
            match self.interpreters.iter_mut().find(|known| known.label == found.label) {
                Some(known) => known.merge(found),
                None => self.interpreters.push(found),
            }
        }
        replace(&mut self.pages, other.pages);
        self.interpreters.sort_by(|a, b| (a.minor, &a.label).cmp(&(b.minor, &b.label)));
        Ok(())
    }
}

impl OnInterpreter {
    fn merge(&mut self, other: OnInterpreter) {
        self.build = other.build;
        self.packages.extend(other.packages);
        replace(&mut self.environment, other.environment);
        replace(&mut self.start, other.start);
        let measured = |new: &Measured, old: &Measured| new.name == old.name;
        let memory = |new: &Memory, old: &Memory| (&new.name, new.processes) == (&old.name, old.processes);
        // Parts of which rows remain.
        let kept = [
            ("imports", update(&mut self.imports, other.imports, measured)),
            ("commands", update(&mut self.commands, other.commands, measured)),
            ("memory", update(&mut self.memory, other.memory, memory)),
            ("profile", update(&mut self.profile, other.profile, |new, old| new.name == old.name)),
            ("encodings", Encodings::update(&mut self.encodings, other.encodings)),
        ];
        replace(&mut self.scale, other.scale);
        replace(&mut self.instructions, other.instructions);
        replace(&mut self.start_profile, other.start_profile);
        update(&mut self.from_start_profile, other.from_start_profile, |new, old| new.name == old.name);
        let is_kept = |part: &str| kept.contains(&(part, true));
        for (part, moments) in other.quiet {
            let found = self.quiet.entry(part.clone()).or_default();
            *found = if is_kept(&part) { found.and(moments) } else { moments };
        }
        for (part, builds) in other.made {
            let found = self.made.entry(part.clone()).or_default();
            *found = if is_kept(&part) { &*found | &builds } else { builds };
        }
        for remark in other.remarks {
            if !self.remarks.contains(&remark) {
                self.remarks.push(remark);
            }
        }
    }
}

fn replace<T>(here: &mut Option<T>, other: Option<T>) {
    if other.is_some() {
        *here = other;
    }
}

/// Rows of `other` take the place of the same rows here; new ones go to the end. Whether other rows remain.
fn update<T>(here: &mut Option<Vec<T>>, other: Option<Vec<T>>, same: impl Fn(&T, &T) -> bool) -> bool {
    let Some(other) = other else { return here.is_some() };
    let rows = here.get_or_insert_default();
    let remains = rows.iter().any(|old| !other.iter().any(|new| same(new, old)));
    for new in other {
        match rows.iter_mut().find(|old| same(&new, old)) {
            Some(old) => *old = new,
            None => rows.push(new),
        }
    }
    remains
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(processor: &str, label: &str, works: &[(&str, u64)]) -> Results {
        let machine = Machine {
            processor: processor.to_owned(),
            processors: 2,
            kernel: "6.1".to_owned(),
            load: "0.1".to_owned(),
        };
        let measured = |&(name, served): &(&str, u64)| Measured {
            name: name.to_owned(),
            program: format!("import {name}"),
            ways: [(Way::Pyc, Outcome::Measured(Samples { served, ..Samples::default() }))].into(),
            nothing: Vec::new(),
        };
        let imports = Some(works.iter().map(measured).collect());
        let on = OnInterpreter { label: label.to_owned(), minor: 13, imports, ..OnInterpreter::default() };
        Results { machine, version: "0".to_owned(), interpreters: vec![on], pages: None }
    }

    #[test]
    fn later_results_replace_the_same_rows_and_keep_the_others() {
        let mut all = results("x", "b", &[("json", 1), ("rich", 2)]);
        all.merge(results("x", "b", &[("rich", 3), ("pip", 4)])).unwrap();
        all.merge(results("x", "a", &[("json", 5)])).unwrap();
        let labels: Vec<&str> = all.interpreters.iter().map(|i| i.label.as_str()).collect();
        assert_eq!(labels, ["a", "b"]);
        let rows = all.interpreters[1].imports.as_ref().unwrap();
        let served: Vec<u64> = rows.iter().map(|row| row.samples(Way::Pyc).unwrap().served).collect();
        assert_eq!(served, [1, 3, 4]);
    }

    #[test]
    fn what_a_part_was_measured_with_is_kept_as_long_as_a_row_of_it_is() {
        let with = |works: &[(&str, u64)], format, processes| {
            let mut results = results("x", "a", works);
            let builds = [Made { format, loader: "00".to_owned() }].into();
            results.interpreters[0].made = [("imports".to_owned(), builds)].into();
            results.interpreters[0].quiet = [("imports".to_owned(), Moments { processes, again: 0, slow: 1 })].into();
            results
        };
        let found = |all: &Results| {
            let on = &all.interpreters[0];
            let formats: Vec<u32> = on.made["imports"].iter().map(|made| made.format).collect();
            (formats, on.quiet["imports"].processes)
        };
        let mut all = with(&[("json", 1), ("rich", 2)], 7, 10);
        all.merge(with(&[("rich", 3)], 8, 4)).unwrap();
        assert_eq!(found(&all), (vec![7, 8], 14));
        all.merge(with(&[("rich", 3), ("json", 3), ("pip", 1)], 9, 6)).unwrap();
        assert_eq!(found(&all), (vec![9], 6));
    }

    #[test]
    fn encodings_of_imports_that_were_not_measured_again_are_kept() {
        let with = |names: &[&str], image_bytes| {
            let encoded = |name: &&str| Encoded {
                name: (*name).to_owned(),
                units: image_bytes as usize,
                bytes: 0,
                changed: 0,
                tables: BTreeMap::new(),
                copy: Vec::new(),
                seconds: BTreeMap::new(),
            };
            let works = names.iter().map(encoded).collect();
            let mut results = results("x", "a", &[]);
            results.interpreters[0].encodings =
                Some(Encodings { image_bytes, pyc_bytes: 1, tables: BTreeMap::new(), works });
            let made = Made { format: image_bytes as u32, loader: "00".to_owned() };
            results.interpreters[0].made = [("encodings".to_owned(), [made].into())].into();
            results
        };
        let found = |all: &Results| {
            let encodings = all.interpreters[0].encodings.as_ref().unwrap();
            let works: Vec<(&str, usize)> =
                encodings.works.iter().map(|work| (work.name.as_str(), work.units)).collect();
            (format!("{works:?}"), encodings.image_bytes, all.interpreters[0].made["encodings"].len())
        };
        let mut all = with(&["boto3", "sympy"], 1);
        all.merge(results("x", "a", &[])).unwrap();
        assert_eq!(found(&all), (r#"[("boto3", 1), ("sympy", 1)]"#.to_owned(), 1, 1));
        all.merge(with(&["sympy"], 2)).unwrap();
        assert_eq!(found(&all), (r#"[("boto3", 1), ("sympy", 2)]"#.to_owned(), 2, 2));
        all.merge(with(&["boto3", "sympy"], 3)).unwrap();
        assert_eq!(found(&all), (r#"[("boto3", 3), ("sympy", 3)]"#.to_owned(), 3, 1));
    }

    #[test]
    fn pages_are_those_of_the_last_run_that_has_some() {
        let with =
            |file_bytes| Results { pages: Some(Pages { file_bytes, rows: Vec::new() }), ..results("x", "a", &[]) };
        let mut all = results("x", "a", &[]);
        for (more, wanted) in [(with(1), 1), (with(2), 2), (results("x", "b", &[]), 2)] {
            all.merge(more).unwrap();
            assert_eq!(all.pages.as_ref().unwrap().file_bytes, wanted);
        }
    }

    #[test]
    fn results_of_two_machines_are_not_merged_and_json_keeps_everything() {
        let mut all = results("x", "a", &[("json", 1)]);
        let error = all.merge(results("y", "a", &[])).unwrap_err().to_string();
        assert!(error.contains("two machines"), "{error}");
        let text = serde_json::to_string(&all).unwrap();
        let read: Results = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
