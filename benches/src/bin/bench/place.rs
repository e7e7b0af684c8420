//! Where the interpreters are: on the machine, and in the folder of Debian testing, where this program runs once more.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cds_benches::results::Results;
use cds_tests::folder::Folder;
use cds_tests::interpreters::Interpreters;
use cds_tests::tools::{target_directory, tools};

use crate::args::Args;
use crate::measure;

/// Measures in all places that were asked for, and gives away what was found on each interpreter.
pub fn everywhere(args: &Args, mut found: impl FnMut(Results) -> Result<()>) -> Result<()> {
    if !args.folder {
        return measure::here(args, &args.python, found);
    }
    let folder = Folder::prepare(&target_directory()?)?;
    // In the folder they cannot be built.
    tools()?;
    if args.python.is_empty() {
        measure::here(args, &[], &mut found)?;
        return there(args, &folder, &[], found);
    }
    let machine = Interpreters::discover();
    let (here, elsewhere): (Vec<String>, Vec<String>) =
        args.python.iter().cloned().partition(|name| machine.named(name).is_ok());
    let known = folder.discover()?;
    for name in &elsewhere {
        let is_known = known.tested.iter().any(|python| python.label == *name || python.version == *name);
        let labels: Vec<&str> = machine.tested.iter().chain(&known.tested).map(|p| p.label.as_str()).collect();
        ensure!(is_known, "no interpreter `{name}`; there are {}, and paths", labels.join(", "));
    }
    if !here.is_empty() {
        measure::here(args, &here, &mut found)?;
    }
    if !elsewhere.is_empty() {
        there(args, &folder, &elsewhere, found)?;
    }
    Ok(())
}

/// This program in the folder prints a line for each interpreter.
fn there(args: &Args, folder: &Folder, pythons: &[String], mut found: impl FnMut(Results) -> Result<()>) -> Result<()> {
    let mut command = folder.this_program(&args.for_folder(pythons));
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start this program in the folder")?;
    for line in BufReader::new(child.stdout.take().context("no pipe")?).lines() {
        found(serde_json::from_str(&line?).context("this program printed no results in the folder")?)?;
    }
    let status = child.wait()?;
    ensure!(status.success(), "this program failed in the folder ({status}), see above");
    Ok(())
}
