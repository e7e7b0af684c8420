//! The benchmark suite: `.pyc` files, the image and other ways, and a report with plots.

mod args;
mod measure;
mod place;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use cds_benches::report;
use cds_benches::report::targets::State;
use cds_benches::results::Results;
use cds_tests::files;
use cds_tests::folder;
use cds_tests::interpreters::Interpreters;
use clap::Parser;

use args::{Args, Part};

fn main() -> ExitCode {
    match bench() {
        Ok(good) => ExitCode::from(u8::from(!good)),
        Err(error) => {
            eprintln!("error: {error}");
            error.chain().skip(1).for_each(|cause| eprintln!("  Caused by: {cause}"));
            ExitCode::from(2)
        }
    }
}

/// Whether every target that was measured is reached.
fn bench() -> Result<bool> {
    if let Some(inside) = folder::inside() {
        // The process outside wants data, and makes the report.
        if inside.discover {
            println!("{}", serde_json::to_string(&Interpreters::discover())?);
        } else {
            let args = Args::parse();
            measure::here(&args, &args.python, |found| {
                println!("{}", serde_json::to_string(&found)?);
                Ok(())
            })?;
        }
        return Ok(true);
    }
    let args = Args::parse();
    if let Some(child) = &args.child {
        println!("{}", measure::child(child)?);
        return Ok(true);
    }
    ensure!(
        !args.only.contains(&Part::Report) || args.only.len() == 1,
        "`--only report` measures nothing: it is alone"
    );
    ensure!(args.measures() || !args.merge.is_empty(), "nothing to report: name results with `--merge FILE`");
    for file in &args.merge {
        fs::File::open(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    }
    let mut measured: Option<Results> = None;
    if args.measures_interpreters() {
        place::everywhere(&args, |found| {
            add(&mut measured, found)?;
            // Hours of work should not be lost when the next interpreter fails.
            save(&args, measured.as_ref())
        })?;
    }
    if args.wants(Part::Pages) {
        add(&mut measured, measure::machine(&args)?)?;
        save(&args, measured.as_ref())?;
    }
    // Not before: what this process has in memory is the least that can be seen of a process that it starts.
    let mut results = None;
    let earlier = args.merge.iter().map(|file| read(file)).collect::<Result<Vec<_>>>()?;
    earlier.into_iter().chain(measured).try_for_each(|more| add(&mut results, more))?;
    let results = results.context("no results")?;
    save(&args, Some(&results))?;
    let written = report::write(&results, &args.report)?;
    eprintln!("wrote {}", written.display());
    let targets = report::targets::all(&results);
    print!("{}", report::targets::table(&targets));
    Ok(targets.iter().all(|target| target.reached.is_none_or(|state| state == State::Reached)))
}

fn add(all: &mut Option<Results>, more: Results) -> Result<()> {
    match all {
        Some(all) => all.merge(more),
        None => {
            *all = Some(more);
            Ok(())
        }
    }
}

/// Writes the `--json` file, if there is to be one.
fn save(args: &Args, results: Option<&Results>) -> Result<()> {
    match &args.json {
        Some(file) => files::write(file, serde_json::to_string_pretty(&results)? + "\n"),
        None => Ok(()),
    }
}

fn read(file: &Path) -> Result<Results> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("`{}` has no results of this program", file.display()))
}
