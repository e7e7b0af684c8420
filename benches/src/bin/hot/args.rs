//! The command line.

use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  cargo run --release --bin hot
      All interpreters of the machine, by the clock.
  cargo run --release --bin hot -- --python 3.13.0 --runs 31
      One interpreter, with less noise.
  cargo run --release --bin hot -- --python /usr/bin/python3 --json > hot.json
      One interpreter by its path, as data.
  cargo run --release --bin hot -- --instructions
      Count instructions with callgrind: hardly any noise, but no caches and branches either.

Exit status: 0 no kernel is slower from the image, 1 one is, 2 error.";

/// Compares hot code from an image with the same code from `.pyc` files
#[derive(Debug, Parser)]
#[command(name = "hot", version, after_help = EXAMPLES)]
pub struct Args {
    /// An interpreter: a path, or a label or version that the tests print. May be given more than once; default: all
    #[arg(long, value_name = "LABEL|PATH")]
    pub python: Vec<String>,
    /// Run in the folder with Debian's testing suite, on its CPython 3.13 to 3.15
    #[arg(long)]
    pub folder: bool,

    /// Rounds; each is one process from the image and two from `.pyc` files, in changing order
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(3..))]
    pub runs: usize,

    /// Measurements of each kernel in one process; the quickest counts
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub repeats: usize,

    /// Count instructions (needs valgrind) instead of measuring time
    #[arg(long, conflicts_with_all = ["runs", "repeats"])]
    pub instructions: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
