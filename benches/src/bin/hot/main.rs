//! Hot code from an image against the same code from `.pyc` files.

mod args;
mod instructions;
mod report;
mod times;

use std::process::ExitCode;

use anyhow::{Context, Result};
use cds_benches::choose;
use cds_benches::machine::Machine;
use cds_tests::folder::Folder;
use cds_tests::hot::Hot;
use clap::Parser;

use args::Args;
use report::{Measured, Report};

fn main() -> ExitCode {
    let args = Args::parse();
    let status = match args.folder {
        true => Folder::run_there("--folder"),
        false => hot(&args).map(|good| u8::from(!good)),
    };
    match status {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("error: {error}");
            error.chain().skip(1).for_each(|cause| eprintln!("  Caused by: {cause}"));
            ExitCode::from(2)
        }
    }
}

/// Whether no kernel was slower than the measurement can explain.
fn hot(args: &Args) -> Result<bool> {
    let mut report = Report { machine: Machine::here(), interpreters: Vec::new() };
    for python in choose::interpreters(&args.python)? {
        eprintln!("measuring on CPython {} ({})", python.label, python.executable.display());
        let on = || format!("CPython {}", python.label);
        let hot = Hot::new(&python).with_context(on)?;
        let kernels = if args.instructions {
            Measured::Instructions(instructions::measure(&hot).with_context(on)?)
        } else {
            Measured::Times(times::measure(&hot, args.runs, args.repeats).with_context(on)?)
        };
        let table = report::Table { label: python.label.clone(), build: python.build.clone(), kernels };
        if !args.json {
            println!("{table}");
        }
        report.interpreters.push(table);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("Machine: {}", report.machine);
    }
    Ok(report.interpreters.iter().all(|table| table.kernels.slower().is_empty()))
}
