//! Where the interpreters are: on the machine, and in the folder of Debian testing, where this program runs once more.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cds_benches::results::Results;
use cds_tests::folder::Folder;
use cds_tests::interpreters::Interpreters;
use cds_tests::tools::{target_directory, tools};

use crate::args::Args;
use crate::measure;

/// Measures in all places that were asked for.
pub fn everywhere(args: &Args) -> Result<Vec<Results>> {
    if !args.folder {
        return Ok(vec![measure::here(args, &args.python)?]);
    }
    let folder = Folder::prepare(&target_directory()?)?;
    // In the folder they cannot be built.
    tools()?;
    if args.python.is_empty() {
        return Ok(vec![measure::here(args, &[])?, there(args, &folder, &[])?]);
    }
    let machine = Interpreters::discover();
    let (here, elsewhere): (Vec<String>, Vec<String>) =
        args.python.iter().cloned().partition(|name| machine.named(name).is_ok());
    let known = folder.discover()?;
    for name in &elsewhere {
        let found = known.tested.iter().any(|python| python.label == *name || python.version == *name);
        let labels: Vec<&str> = machine.tested.iter().chain(&known.tested).map(|p| p.label.as_str()).collect();
        ensure!(found, "no interpreter `{name}`; there are {}, and paths", labels.join(", "));
    }
    let mut all = Vec::new();
    if !here.is_empty() {
        all.push(measure::here(args, &here)?);
    }
    if !elsewhere.is_empty() {
        all.push(there(args, &folder, &elsewhere)?);
    }
    Ok(all)
}

fn there(args: &Args, folder: &Folder, pythons: &[String]) -> Result<Results> {
    let mut command = folder.this_program(&args.for_folder(pythons));
    let output = command.stderr(Stdio::inherit()).output().context("cannot start this program in the folder")?;
    ensure!(output.status.success(), "this program failed in the folder ({}), see above", output.status);
    serde_json::from_slice(&output.stdout).context("this program printed no results in the folder")
}
