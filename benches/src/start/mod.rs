//! What `python -c pass` takes with each step towards an image.

mod check;
mod copies;
mod extension;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::imports::nothing;
use crate::order;
use crate::results::{Samples, Starts, Step, Way};
use crate::ways::{Start, Subjects};

pub(crate) use check::check;
use copies::Copies;

/// Rounds for each that was asked for: a start is short, and what a step adds to it is a fraction of that.
const ROUNDS: usize = 10;

/// Measures all steps in turns.
pub fn measure(subjects: &Subjects, runs: usize) -> Result<Starts> {
    let (plain, image) = (subjects.start(Way::Pyc), subjects.start(Way::Image));
    let extension = extension::choose(&plain)?;
    let copies = Copies::new(&subjects.plain)?;
    let mut starts = vec![(Step::None, plain.clone()), (Step::Pth, copies.with_line(&plain, "pth", "import sys")?)];
    if let Some(module) = &extension {
        starts.push((Step::Extension, copies.with_line(&plain, "extension", &format!("import {module}"))?));
    }
    starts.push((Step::Off, switched_off(&image)));
    starts.push((Step::Image, image));
    for (step, start) in &starts {
        check(*step, start, extension.as_deref())
            .with_context(|| format!("the step {step:?} is not what it should be"))?;
    }
    let rounds = runs * ROUNDS;
    eprintln!("  {rounds} rounds, and one that is not counted");
    let mut steps: BTreeMap<Step, Samples> = BTreeMap::new();
    for round in 0..=rounds {
        for position in order::of_round(round, starts.len()) {
            let (step, start) = &starts[position];
            let finished = nothing(start, round).with_context(|| format!("a start with the step {step:?}"))?;
            if round > 0 {
                finished.add_to(steps.entry(*step).or_default());
            }
        }
    }
    Ok(Starts { extension, files: pth_files(&subjects.plain.site)?, steps })
}

/// A start like one with the image, with the loader switched off.
pub fn switched_off(image: &Start) -> Start {
    Start { variables: vec![("PYCDSMODE", "OFF".into())], ..image.clone() }
}

/// The names of the `.pth` files in a site directory, in the order in which they are read.
fn pth_files(site: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(site).with_context(|| format!("cannot list `{}`", site.display()))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| name.ends_with(".pth"));
    names.sort();
    Ok(names)
}
