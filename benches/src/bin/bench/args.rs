//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use cds_benches::results::PageWay;
use cds_benches::works::{COMMANDS, Command, WORKS, Work};
use cds_benches::{encodings, pages};
use clap::builder::{PossibleValuesParser, RangedU64ValueParser};
use clap::{Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  cargo run --release --bin bench -- --folder
      Everything, on all interpreters of the machine and of Debian testing: hours. Writes docs/benchmarks.md.
  cargo run --release --bin bench -- --python 3.13.0 --package requests --runs 5 --report target/report
      A first look: one interpreter, one package.
  cargo run --release --bin bench -- --only imports --json target/imports.json --report target/report
      A part, kept as data.
  cargo run --release --bin bench -- --only report --merge target/imports.json --merge target/scale.json
      One report from several runs; nothing is measured.

Exit status: 0 every target that was measured is reached, 1 one is missed, 2 error.";

/// Measures starts, imports, commands, memory, scale, instructions, profiles, encodings and pages: `.pyc` files, the image, and other ways
#[derive(Debug, Parser)]
#[command(name = "bench", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
#[command(disable_help_subcommand = true)]
pub struct Args {
    #[command(subcommand)]
    pub child: Option<Child>,

    /// An interpreter: a path, or a label or version that the tests print. May be given more than once; default: all
    #[arg(long, value_name = "LABEL|PATH")]
    pub python: Vec<String>,

    /// Measure also on CPython 3.13 to 3.15 of Debian's testing suite, in its folder
    #[arg(long)]
    pub folder: bool,

    /// Rounds, ten times as many in the parts `start` and `encodings`; in each, every way has its turn, in changing order. One more comes
    /// first and is not counted
    #[arg(long, value_name = "N", default_value_t = 21, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub runs: usize,

    /// A part to measure. May be given more than once; default: all parts and the report
    #[arg(long, value_name = "PART")]
    pub only: Vec<Part>,

    /// What to import. May be given more than once; default: everything
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(WORKS.map(|work| work.name)))]
    pub package: Vec<String>,

    /// Modules of an image in the part `scale`. May be given more than once; default: 10, 100, 1000, 8000
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    pub modules: Vec<usize>,

    /// Take results of an earlier run from its `--json` file. May be given more than once; later ones win
    #[arg(long, value_name = "FILE")]
    pub merge: Vec<PathBuf>,

    /// Write everything that was measured to a file, anew after each interpreter
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write the report, `benchmarks.md` and plots in `benchmarks/`, into this directory
    #[arg(long, value_name = "DIR", default_value = "docs")]
    pub report: PathBuf,
}

/// What this program starts itself for.
#[derive(Debug, Clone, Subcommand)]
pub enum Child {
    /// One measurement of the part `pages`
    #[command(name = pages::COMMAND, hide = true)]
    ChangePages {
        /// The file
        file: PathBuf,
        /// The way, as in the results
        #[arg(value_parser = |text: &str| serde_json::from_str::<PageWay>(text))]
        way: PageWay,
        /// Pages in a piece
        piece: usize,
        /// Pages of all pieces
        changed: usize,
    },
    /// One measurement of the part `encodings`
    #[command(name = encodings::COMMAND, hide = true)]
    CompareEncodings {
        /// The image
        image: PathBuf,
        /// Rounds
        rounds: usize,
        /// Names of imports, each with the names of its modules
        #[arg(value_parser = |text: &str| serde_json::from_str::<encodings::child::Imports>(text))]
        imports: encodings::child::Imports,
    },
}

/// A part of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// `python -c pass` with each step towards an image: time, peak memory
    Start,
    /// Imports and `python -c pass`: time, peak memory
    #[value(alias = "import")]
    Imports,
    /// Commands as a person types them
    Commands,
    /// Memory of 1, 4 and 16 processes
    Memory,
    /// Images of 10 to 8 000 modules
    Scale,
    /// Instructions, by callgrind
    Instructions,
    /// Where the time of an import goes, by perf: json, requests, boto3, sympy
    Profile,
    /// Ways to say which words of an image's units are to be changed: boto3, sympy
    Encodings,
    /// Ways to get pages that have to be changed, without any interpreter
    Pages,
    /// Nothing: only the report, of what `--merge` names
    Report,
}

impl Part {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl Args {
    /// Whether a part is to be measured.
    pub fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// Whether anything is to be measured.
    pub fn measures(&self) -> bool {
        self.only.is_empty() || self.only.iter().any(|&part| part != Part::Report)
    }

    /// Whether anything is to be measured on interpreters.
    pub fn measures_interpreters(&self) -> bool {
        self.only.is_empty() || self.only.iter().any(|&part| part != Part::Report && part != Part::Pages)
    }

    /// What is imported.
    pub fn works(&self) -> Vec<Work> {
        WORKS
            .into_iter()
            .filter(|work| self.package.is_empty() || self.package.iter().any(|p| p == work.name))
            .collect()
    }

    /// The commands of these packages.
    pub fn commands(&self) -> Vec<Command> {
        let wanted = |command: &Command| self.package.is_empty() || self.package.iter().any(|p| p == command.package);
        COMMANDS.into_iter().filter(wanted).collect()
    }

    /// Numbers of modules, from few to many.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = if self.modules.is_empty() { vec![10, 100, 1000, 8000] } else { self.modules.clone() };
        counts.sort_unstable();
        counts.dedup();
        counts
    }

    /// The same measurements, for this program in the folder.
    pub fn for_folder(&self, pythons: &[String]) -> Vec<OsString> {
        let mut all = vec!["--runs".to_owned(), self.runs.to_string()];
        let mut add = |option: &str, values: Vec<String>| {
            values.into_iter().for_each(|value| all.extend([option.to_owned(), value]));
        };
        add("--python", pythons.to_vec());
        add("--package", self.package.clone());
        add("--modules", self.modules.iter().map(ToString::to_string).collect());
        add("--only", self.only.iter().map(|part| part.name()).collect());
        all.into_iter().map(OsString::from).collect()
    }
}
