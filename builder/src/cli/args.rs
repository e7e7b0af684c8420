//! The arguments.

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

const AFTER: &str = "\
Examples:
  cds-build --out site-cds.so
      Build an image of everything that `python3` can import.
  cds-build --out site-cds.so --python .venv/bin/python requests boto3
      Only the named modules, the packages around them and everything below them.
  cds-build --out app-cds.so --modules-from heap.lst
      Only the modules in a list that `PYCDSMODE=TRACE PYCDSLIST=heap.lst python app.py` wrote.
  cds-build --out prices.so --object prices=prices.marshal
      Only a value that `marshal.dump(value, file)` wrote; `cds_loader.load('prices.so')['prices']` is it.
  cds-build install --python .venv/bin/python
      Put the loader into an environment; it then uses `site-cds.so` beside it.
  cds-build verify site-cds.so --python .venv/bin/python
      Compare every module of the image with what the interpreter would load.

Exit status: 0 done, 1 findings, 2 error.";

/// Builds an image of a Python environment's code objects as an ELF shared object.
#[derive(Debug, Parser)]
#[command(name = "cds-build", version, after_help = AFTER, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub build: BuildArgs,
    /// Say more on stderr; twice: even more.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Put the loader and its start file into an environment.
    Install(InstallArgs),
    /// Take the loader and its start file out of an environment.
    Uninstall(UninstallArgs),
    /// Show what is in an image.
    Inspect(InspectArgs),
    /// Check an image against itself and, with `--python`, against the interpreter.
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The image to write. It appears under this name complete or not at all; a file that is neither an image nor empty is
    /// not replaced.
    #[arg(short, long, value_name = "FILE", required = true)]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub target: TargetArgs,
    /// Write what was learnt about the interpreter to a file, for `--target-profile`.
    #[arg(long, value_name = "FILE")]
    pub save_target_profile: Option<PathBuf>,
    /// Take the modules named in a list, one name a line, and look for them also in the directories that its `#path` lines
    /// name. May be given more than once.
    #[arg(long, value_name = "LIST")]
    pub modules_from: Vec<PathBuf>,
    /// Leave out the modules whose full name matches, for example `*.tests.*`.
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Put the value that `marshal.dump(value, file)` wrote into FILE into the image, under a name. May be given more than
    /// once. Modules are taken then only if some are named, listed or excluded.
    #[arg(long, value_name = "NAME=FILE")]
    pub object: Vec<OsString>,
    /// How the loader finds out that a source has changed.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Invalidation::Timestamp)]
    pub invalidation_mode: Invalidation,
    /// How the loader makes a module's objects usable.
    #[arg(long, value_name = "USE", value_enum, default_value_t = Units::Copied)]
    pub units: Units,
    /// Code as `python -O` has it; `-OO` as `python -OO` has it.
    #[arg(short = 'O', action = ArgAction::Count)]
    pub optimize: u8,
    /// Print a report as JSON on stdout.
    #[arg(long)]
    pub json: bool,
    /// Say nothing on stderr but errors.
    #[arg(short, long)]
    pub quiet: bool,
    /// Modules to take, with everything below them, or directories whose modules to take
    /// (a directory's name has a `/` in it). Default: everything that the interpreter can import.
    #[arg(value_name = "MODULE|DIR", value_parser = NonEmptyStringValueParser::new())]
    pub what: Vec<String>,
}

#[derive(Debug, Args)]
pub struct TargetArgs {
    /// The interpreter that the image is for: a path, or a name on PATH.
    #[arg(long, value_name = "PY", default_value = "python3")]
    pub python: PathBuf,
    /// Use a saved description of the interpreter instead of asking it.
    #[arg(long, value_name = "FILE", conflicts_with = "python")]
    pub target_profile: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Invalidation {
    /// Modification time and size of the source, one `stat` a module.
    Timestamp,
    /// The contents of the source.
    CheckedHash,
    /// Nothing: for trees that do not change, or have no sources.
    UncheckedHash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Units {
    /// In a copy, but for what needs none: less time, and less memory for one process.
    Copied,
    /// Where they are in the image: less memory for several processes, where the interpreter's addresses are fixed and it has
    /// immortal objects (3.12 and later, not PIE).
    InPlace,
}

#[derive(Debug, Args)]
pub struct InstallArgs {
    /// An interpreter of the environment.
    #[arg(long, value_name = "PY", required = true)]
    pub python: PathBuf,
    /// The loader to install; default: the one that came with this program.
    #[arg(long, value_name = "FILE")]
    pub loader: Option<PathBuf>,
    /// Print a report as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct UninstallArgs {
    /// An interpreter of the environment.
    #[arg(long, value_name = "PY", required = true)]
    pub python: PathBuf,
    /// Print a report as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The image.
    pub image: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// List every module and every object.
    #[arg(long)]
    pub modules: bool,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The image.
    pub image: PathBuf,
    /// Also load every module in this interpreter and compare it with the one from its `.pyc` or source, and load every
    /// object.
    #[arg(long, value_name = "PY")]
    pub python: Option<PathBuf>,
    /// The loader to use for that; default: the one that came with this program.
    #[arg(long, value_name = "FILE", requires = "python")]
    pub loader: Option<PathBuf>,
    /// Compare a named object with the value in FILE. May be given more than once. Objects without a file are loaded and
    /// looked at all the same.
    #[arg(long, value_name = "NAME=FILE", requires = "python")]
    pub object: Vec<OsString>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
