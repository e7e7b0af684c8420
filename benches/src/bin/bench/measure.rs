//! All measurements on the interpreters of one place.

use std::time::Instant;

use anyhow::{Context, Result};
use cds_benches::machine::Machine;
use cds_benches::results::{Made, OnInterpreter, Results};
use cds_benches::ways::Subjects;
use cds_benches::works::Work;
use cds_benches::{
    choose, commands, encodings, imports, instructions, memory, pages, profile, quiet, scale, start, variations,
};
use cds_tests::interpreters::Interpreter;
use cds_tests::tools::tools;

use crate::args::{Args, Child, Part};

/// Measures on these interpreters, on all if none is named, and gives away what was found on each.
pub fn here(args: &Args, pythons: &[String], mut found: impl FnMut(Results) -> Result<()>) -> Result<()> {
    let machine = Machine::here();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    for python in choose::interpreters(pythons)? {
        eprintln!("CPython {} ({})", python.label, python.executable.display());
        let one = one(args, &python).with_context(|| format!("CPython {}", python.label))?;
        found(Results { machine: machine.clone(), version: version.clone(), interpreters: vec![one], pages: None })?;
    }
    Ok(())
}

/// What this program was started by itself for, as JSON.
pub fn child(child: &Child) -> Result<String> {
    let found = match child {
        Child::ChangePages { file, way, piece, changed } => {
            serde_json::to_string(&pages::child::measure(file, *way, *piece, *changed)?)
        }
        Child::CompareEncodings { image, rounds, imports } => {
            serde_json::to_string(&encodings::child::measure(image, *rounds, imports)?)
        }
    };
    Ok(found?)
}

/// Measures what no interpreter takes part in.
pub fn machine(args: &Args) -> Result<Results> {
    eprintln!("pages");
    let pages = Some(pages::measure(args.runs).context("pages that have to be changed")?);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Ok(Results { machine: Machine::here(), version, interpreters: Vec::new(), pages })
}

fn one(args: &Args, python: &Interpreter) -> Result<OnInterpreter> {
    let mut found = OnInterpreter {
        label: python.label.clone(),
        build: python.build.clone(),
        minor: python.minor,
        linking: python.linking().name().to_owned(),
        ..OnInterpreter::default()
    };
    let began = Instant::now();
    let step = |name: &str| eprintln!(" {name} (after {} s)", began.elapsed().as_secs());
    let made = Made::with(&tools()?.loader)?;
    // A part is done: what was measured, and, where processes were timed, how the machine was.
    let done = |found: &mut OnInterpreter, part: Part| found.made.insert(part.name(), [made.clone()].into());
    let timed = |found: &mut OnInterpreter, part: Part| {
        done(found, part);
        found.quiet.insert(part.name(), quiet::counted());
    };
    let mut wants = |part, impossible: fn(&[Work]) -> Option<String>| {
        let reason = args.wants(part).then(|| impossible(&args.works()));
        reason.as_ref().into_iter().flatten().for_each(|reason| left_out(&mut found, part, reason));
        reason == Some(None)
    };
    let profiled = wants(Part::Profile, profile::impossible);
    let encoded = wants(Part::Encodings, encodings::impossible);
    let with_packages = [Part::Start, Part::Imports, Part::Commands, Part::Memory];
    if profiled || encoded || with_packages.into_iter().any(|part| args.wants(part)) {
        step("environments");
        let subjects = Subjects::prepare(python, variations::on(python))?;
        found.packages = subjects.packages()?;
        found.environment = Some(subjects.built.clone());
        found.remarks.extend(subjects.remarks.clone());
        if args.wants(Part::Start) {
            step("start");
            found.start = Some(start::measure(&subjects, args.runs)?);
            timed(&mut found, Part::Start);
        }
        let mut jobs = Vec::new();
        if args.wants(Part::Imports) || args.wants(Part::Memory) {
            step("traces, zip files and archives");
            jobs = imports::jobs(&subjects, &args.works())?;
        }
        if args.wants(Part::Imports) {
            step("imports");
            found.imports = Some(imports::measure(jobs.clone(), &args.works(), args.runs)?);
            timed(&mut found, Part::Imports);
        }
        if args.wants(Part::Commands) {
            step("commands");
            found.commands = Some(commands::measure(&subjects, &args.commands(), args.runs)?);
            timed(&mut found, Part::Commands);
        }
        if args.wants(Part::Memory) {
            step("memory");
            found.memory = Some(memory::measure(&jobs, &args.works(), args.runs)?);
            done(&mut found, Part::Memory);
        }
        if profiled {
            step("profile");
            match profile::measure(&subjects, &args.works(), args.runs)? {
                Ok(profiles) => {
                    found.profile = Some(profiles.imports);
                    found.start_profile = Some(profiles.starts);
                    found.from_start_profile = Some(profiles.from_start);
                    found.remarks.extend(profiles.remarks);
                }
                Err(reason) => left_out(&mut found, Part::Profile, &reason),
            }
            timed(&mut found, Part::Profile);
        }
        if encoded {
            step("encodings");
            found.encodings = Some(encodings::measure(&subjects, &args.works(), args.runs)?);
            timed(&mut found, Part::Encodings);
        }
    }
    if args.wants(Part::Scale) {
        step("scale");
        found.scale = Some(scale::measure(python, &args.counts(), args.runs)?);
        timed(&mut found, Part::Scale);
    }
    if args.wants(Part::Instructions) {
        step("instructions");
        found.instructions = Some(instructions::measure(python)?);
        done(&mut found, Part::Instructions);
    }
    step("done");
    Ok(found)
}

/// Says that a part is left out, now and in the report.
fn left_out(found: &mut OnInterpreter, part: Part, reason: &str) {
    let remark = format!("the part `{}`: {reason}", part.name());
    eprintln!("  not measured: {remark}");
    found.remarks.push(remark);
}
