//! All integration tests, on every interpreter of the machine and of the folder with Debian's testing suite.

mod bad_input;
mod behaviour;
mod bodies;
mod cli;
mod copies;
mod coverage;
mod damage;
mod determinism;
mod edits;
mod fidelity;
mod finalisation;
mod identity;
mod importing;
mod install;
mod layouts;
mod objects;
mod opcodes;
mod oracle;
mod order;
mod outcomes;
mod packages;
mod packaging;
mod pages;
mod predictions;
mod properties;
mod rejection;
mod relocated;
mod scale;
mod selection;
mod specialise;
mod system_calls;
mod tidy;
mod unusual;
mod variants;
mod windows;
mod workflow;

use std::process::ExitCode;

use anyhow::{Context, Result};
use cds_tests::folder::{self, Folder, Inside};
use cds_tests::interpreters::Interpreters;
use cds_tests::suite::Summary;
use cds_tests::tools::{target_directory, tools};
use libtest_mimic::{Arguments, Trial};

type Suite = fn(&Interpreters) -> Vec<Trial>;

/// Suites that run where the workspace is built, and why not in the folder, too.
const HERE: [(&str, Suite, &str); 4] = [
    ("tidy", tidy::trials, "it needs no interpreter"),
    ("order", order::trials, "it needs no interpreter"),
    ("cli", cli::trials, "it needs no interpreter"),
    ("packaging", packaging::trials, "it needs cargo"),
];

/// Suites that run on the interpreters of the machine and on those of the folder.
const EVERYWHERE: [Suite; 31] = [
    layouts::trials,
    opcodes::trials,
    install::trials,
    bad_input::trials,
    determinism::trials,
    rejection::trials,
    damage::trials,
    selection::trials,
    edits::trials,
    fidelity::trials,
    identity::trials,
    variants::trials,
    behaviour::trials,
    importing::trials,
    system_calls::trials,
    unusual::trials,
    workflow::trials,
    oracle::trials,
    objects::trials,
    properties::trials,
    relocated::trials,
    pages::trials,
    predictions::trials,
    windows::trials,
    scale::trials,
    copies::trials,
    bodies::trials,
    specialise::trials,
    finalisation::trials,
    outcomes::trials,
    packages::trials,
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let passed = match folder::inside() {
        Some(inside) => in_folder(&arguments, &inside),
        None => here(&arguments),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(101),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(101)
        }
    }
}

/// The run on the machine, and after it the one in the folder. Whether both passed.
fn here(arguments: &Arguments) -> Result<bool> {
    let target = target_directory()?;
    let mine = Interpreters::discover();
    // A list is wanted at once.
    let folder = if arguments.list { Folder::ready(&target) } else { Folder::prepare(&target) };
    let theirs = folder.as_ref().ok().map(Folder::discover).transpose()?;
    let no_folder = folder.as_ref().err().map(|error| format!("{error:#}"));
    let places: Vec<&Interpreters> = [Some(&mine), theirs.as_ref()].into_iter().flatten().collect();
    if !arguments.list {
        places.iter().for_each(|place| print!("{place}"));
        if let Some(reason) = &no_folder {
            println!("skipped: interpreters of Debian testing: {reason}");
        }
    }
    let supported = cds_layout::cpython::supported();
    let any = places.iter().any(|place| !place.tested.is_empty());
    any.then_some(()).with_context(|| format!("no supported interpreter found ({supported})"))?;

    let mut trials = coverage::trials(&places, no_folder.as_deref());
    trials.extend(HERE.iter().flat_map(|(_, suite, _)| suite(&mine)));
    trials.extend(EVERYWHERE.iter().flat_map(|suite| suite(&mine)));
    let mut passed = !libtest_mimic::run(arguments, trials).has_failed();
    let run = summary(arguments);
    if let Ok(folder) = folder {
        if !arguments.list {
            // There it cannot be built.
            tools()?;
        }
        passed &= folder.run_tests()?;
        // The harness has said so long ago.
        run.failed().iter().for_each(|name| println!("failed: {name}"));
    }
    Ok(passed)
}

/// Says where the time went; a list of trials stays a list.
fn summary(arguments: &Arguments) -> Summary {
    let run = Summary::take();
    if !arguments.list {
        print!("{run}");
    }
    run
}

/// The run in the folder.
fn in_folder(arguments: &Arguments, inside: &Inside) -> Result<bool> {
    let interpreters = Interpreters::discover();
    if inside.discover {
        println!("{}", serde_json::to_string(&interpreters)?);
        return Ok(true);
    }
    if !arguments.list {
        println!("in {}:", inside.name);
        for (name, _, reason) in HERE {
            println!("skipped: {name} in {}: {reason}", inside.name);
        }
    }
    let trials = EVERYWHERE.iter().flat_map(|suite| suite(&interpreters)).collect();
    let passed = !libtest_mimic::run(arguments, trials).has_failed();
    summary(arguments);
    Ok(passed)
}
