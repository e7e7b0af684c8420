//! Images of ten to thousands of modules: what they cost to build and to have.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use cds_tests::environments::{Environment, kept};
use cds_tests::interpreters::Interpreter;
use cds_tests::valgrind::Valgrind;
use cds_tests::{files, process::Run};

use crate::imports::printed;
use crate::launch::launch_warm;
use crate::order;
use crate::results::{Built, Counted, Samples, Scale, Scaled, Steps};
use crate::ways::{build, program};

/// Repetitions of the build.
const BUILDS: usize = 3;

/// Modules of an import: a package, one in it, and a module in that.
const IMPORTED: u64 = 3;

/// What is measured for each number of modules.
const WAYS: usize = 4;

/// Measures images of these numbers of modules. Instructions are counted where there is valgrind.
pub fn measure(interpreter: &Interpreter, counts: &[usize], runs: usize) -> Result<Scale> {
    let environment = environment(interpreter, "scale", counts)?;
    let valgrind = Valgrind::find();
    let mut images = Vec::new();
    for &count in counts {
        eprintln!("  building an image of {count} modules");
        build_alone(&environment, count)?;
        images.push(Scaled {
            count,
            built: built(&environment, count, runs.min(BUILDS))?,
            pyc: Samples::default(),
            image: Samples::default(),
            alone: Samples::default(),
            pass: Samples::default(),
            counted: valgrind.as_ref().map(|valgrind| counted(valgrind, &environment, count)).transpose()?,
        });
    }
    let mut off = Samples::default();
    for round in 0..=runs {
        eprintln!("  round {round} of {runs}{}", if round == 0 { " (not counted)" } else { "" });
        // Without an image first or last, and for each image: start, import from `.pyc`, from the image, from one of these modules alone.
        for position in order::of_round(round, 1 + WAYS * images.len()) {
            let Some(index) = position.checked_sub(1) else {
                one(&mut off, round, || pass(&environment, None))?;
                continue;
            };
            let Scaled { count, pyc, image, alone, pass: start, .. } = &mut images[index / WAYS];
            let (file, file_alone) = (file(&environment, *count), file_alone(&environment, *count));
            match index % WAYS {
                0 => one(start, round, || pass(&environment, Some(&file)))?,
                1 => one(pyc, round, || first(&environment, None, *count))?,
                2 => one(image, round, || first(&environment, Some(&file), *count))?,
                _ => one(alone, round, || first(&environment, Some(&file_alone), *count))?,
            }
        }
    }
    Ok(Scale { off, images })
}

/// An environment with packages of so many modules each, kept between runs, and today's loader.
pub fn environment(interpreter: &Interpreter, name: &str, counts: &[usize]) -> Result<Environment> {
    let generator = program("synthesise.py");
    let numbers: Vec<String> = counts.iter().map(ToString::to_string).collect();
    let content = String::from_utf8(files::read(&generator)?)? + &numbers.join(" ");
    let environment = kept(interpreter, name, &content, |environment| {
        eprintln!("  writing and compiling modules: {}", numbers.join(", "));
        environment.python().arg("-P").arg(&generator).arg(&environment.site).args(&numbers).ok()?;
        for number in &numbers {
            let package = environment.site.join(format!("scale{number}"));
            environment.python().args(["-m", "compileall", "-q", "-j", "0"]).arg(package).ok()?;
        }
        Ok(())
    })?;
    environment.install_loader()?;
    Ok(environment)
}

fn file(environment: &Environment, count: usize) -> PathBuf {
    environment.scratch.join(format!("scale{count}.so"))
}

/// The image of nothing but the module that is imported and its packages.
fn file_alone(environment: &Environment, count: usize) -> PathBuf {
    environment.scratch.join(format!("scale{count}-alone.so"))
}

/// The last module of a package.
fn last(count: usize) -> String {
    let last = count - 1;
    format!("scale{count}.p{:02}.m{:02}", last / 100, last % 100)
}

/// Builds the image, some times; the size of the `.pyc` files is that on disk.
fn built(environment: &Environment, count: usize, times: usize) -> Result<Built> {
    let (image, package) = (file(environment, count), format!("scale{count}"));
    let once = || build(&image, environment.build(&image)?.arg(&package));
    let mut built = once()?;
    for _ in 1..times {
        let again = once()?;
        built.seconds.extend(again.seconds);
        built.peak.extend(again.peak);
    }
    built.pyc_bytes = pyc_bytes(&environment.site.join(package))?;
    Ok(built)
}

/// Builds an image of the module that is imported and its packages.
fn build_alone(environment: &Environment, count: usize) -> Result<()> {
    let module = last(count);
    let packages = module.match_indices('.').map(|(end, _)| &module[..end]);
    let list = environment.scratch.join("alone.txt");
    files::write(&list, packages.chain([&*module]).collect::<Vec<_>>().join("\n"))?;
    let image = file_alone(environment, count);
    build(&image, environment.build(&image)?.arg("--modules-from").arg(&list))?;
    Ok(())
}

/// Counts the instructions of the import from both images.
fn counted(valgrind: &Valgrind, environment: &Environment, count: usize) -> Result<Counted> {
    let directory = environment.scratch.join("callgrind");
    let steps = |image: &Path| {
        let program = |run: Run| {
            let run = run.env("PYCDSMODE", "SHARE").env("PYCDSARCHIVE", image);
            run.arg(program("clock.py")).args(["image", &last(count)])
        };
        let (output, [start, import]) = valgrind.between_calls(&directory, &environment.python, program)?;
        let served = printed(&output.stdout)?.served;
        ensure!(served == IMPORTED, "{served} modules came from the image, not {IMPORTED}");
        Ok(Steps { start, import })
    };
    Ok(Counted { image: steps(&file(environment, count))?, alone: steps(&file_alone(environment, count))? })
}

fn pyc_bytes(directory: &Path) -> Result<u64> {
    let mut sum = 0;
    for (path, meta) in files::snapshot(directory)? {
        if let Some((length, _)) = meta.filter(|_| path.extension().is_some_and(|e| e == "pyc")) {
            sum += length;
        }
    }
    ensure!(sum > 0, "no `.pyc` files in `{}`", directory.display());
    Ok(sum)
}

fn with(environment: &Environment, image: Option<&Path>) -> Run {
    let run = environment.python().arg("-P");
    match image {
        Some(image) => run.env("PYCDSMODE", "SHARE").env("PYCDSARCHIVE", image),
        None => run.env("PYCDSMODE", "OFF"),
    }
}

fn pass(environment: &Environment, image: Option<&Path>) -> (Run, bool) {
    (with(environment, image).args(["-c", "pass"]), false)
}

/// The import of the last module of a package.
fn first(environment: &Environment, image: Option<&Path>, count: usize) -> (Run, bool) {
    let module = last(count);
    let way = if image.is_some() { "image" } else { "pyc" };
    (with(environment, image).arg(program("clock.py")).args([way, &module]), true)
}

fn one(samples: &mut Samples, round: usize, run: impl Fn() -> (Run, bool)) -> Result<()> {
    let timed = run().1;
    let finished = launch_warm(|| run().0.env("PYTHONHASHSEED", round.to_string()))?;
    let printed = timed.then(|| printed(&finished.stdout)).transpose()?;
    if let Some(printed) = &printed {
        ensure!(printed.served == IMPORTED, "{} modules came this way, not {IMPORTED}", printed.served);
        samples.served = printed.served;
    }
    if round > 0 {
        samples.import.extend(printed.map(|printed| printed.seconds));
        finished.add_to(samples);
    }
    Ok(())
}
