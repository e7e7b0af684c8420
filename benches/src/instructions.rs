//! Instructions of an import of a fixed input, counted by callgrind: the figure that noise cannot move.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::interpreters::Interpreter;
use cds_tests::process::Run;
use cds_tests::valgrind::Valgrind;

use crate::callgrind::by_object;
use crate::imports::printed;
use crate::launch::launch;
use crate::results::{Instructions, Way};
use crate::scale;
use crate::ways::program;

/// Modules of the fixed input.
const MODULES: usize = 100;

/// Counts from `.pyc` files, from the image, and with everything in memory beforehand.
pub fn measure(interpreter: &Interpreter) -> Result<Vec<Instructions>> {
    let valgrind = Valgrind::get()?;
    let environment = scale::environment(interpreter, "instructions", &[MODULES])?;
    let image = environment.scratch.join("image.so");
    environment.build(&image)?.arg(format!("scale{MODULES}")).ok()?;
    let names: Vec<String> = (0..MODULES).map(|number| format!("scale{MODULES}.p00.m{number:02}")).collect();
    let trace = environment.scratch.join("trace.marshal");
    let off = |run: Run| run.env("PYCDSMODE", "OFF");
    launch(off(environment.python()).arg("-P").arg(program("trace.py")).arg(&trace).args(&names))?;
    [Way::Pyc, Way::Image, Way::Limit]
        .into_iter()
        .map(|way| {
            eprintln!("  counting {}", way.title());
            let program = |run: Run| match way {
                Way::Limit => off(run).arg(program("clock.py")).arg("limit").arg(&trace),
                Way::Image => {
                    run.env("PYCDSMODE", "SHARE").env("PYCDSARCHIVE", &image).arg(program("clock.py")).arg("image")
                }
                _ => off(run).arg(program("clock.py")).arg("pyc"),
            };
            count(&valgrind, &environment, way, program, &names).with_context(|| format!("counting {}", way.title()))
        })
        .collect()
}

fn count(
    valgrind: &Valgrind,
    environment: &Environment,
    way: Way,
    program: impl Fn(Run) -> Run,
    names: &[String],
) -> Result<Instructions> {
    let directory = environment.scratch.join("callgrind");
    let program = |run: Run| program(run).args(names);
    let (output, [start, import]) = valgrind.between_calls(&directory, &environment.python, program)?;
    let modules = printed(&output.stdout)?.served;
    ensure!(modules >= MODULES as u64, "only {modules} modules came this way");
    let loader_start = in_loader(&directory, 1, start)?;
    let loader_import = in_loader(&directory, 2, import)?;
    ensure!((loader_import > 0) == (way == Way::Image), "the loader ran {loader_import} instructions");
    Ok(Instructions { way, modules, import, loader_import, loader_start })
}

/// Instructions in the loader's own file, of one part of a profile.
fn in_loader(directory: &Path, part: usize, total: u64) -> Result<u64> {
    let all = by_object(&Valgrind::profile(directory, part)?);
    let sum: u64 = all.values().sum();
    ensure!(sum == total, "the profile has {sum} instructions, and says that it has {total}");
    Ok(all.iter().filter(|(object, _)| object.contains("cds_loader")).map(|(_, count)| count).sum())
}
