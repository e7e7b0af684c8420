//! What does not grow with an image.

use std::path::Path;

use anyhow::{Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::files::write;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::suite::on_each;
use cds_tests::valgrind::{Valgrind, where_possible};
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    where_possible(on_each(interpreters, "scale", &[("instructions", instructions)]))
}

/// Packages of modules, and modules of each.
const PACKAGES: usize = 20;
const MODULES: usize = 100;

/// A start, and the import of a module and its packages, take as many instructions from an image of two thousand modules as from
/// one of these three, if the modules have little in common: index and records do not grow. What many modules share is in the pool, which
/// a small image has not: the benchmark report has modules like real ones.
fn instructions(python: &Interpreter) -> Result<()> {
    let valgrind = Valgrind::get()?;
    let environment = Environment::small(python)?;
    write_modules(&environment.site)?;
    let [few, many] = ["few.so", "many.so"].map(|name| environment.scratch.join(name));
    let list = environment.scratch.join("few.txt");
    write(&list, "many\nmany.part00\nmany.part00.module00\n")?;
    environment.build(&few)?.arg("--modules-from").arg(&list).ok()?;
    environment.build(&many)?.arg("many").ok()?;
    let [few, many] = [count(&valgrind, &environment, &few)?, count(&valgrind, &environment, &many)?];
    // Seen: 10 to 110 of 23 to 42 million instructions of a start, and 0.3 to 0.7 per cent of the half a million of an import, which for one has
    // a longer way to its place in the index.
    for (what, part, per_mille) in [("a start", 0, 1), ("an import", 1, 30)] {
        let (few, many) = (few[part], many[part]);
        ensure!(few.abs_diff(many) * 1000 < few * per_mille, "{what}: {few} and {many} instructions");
    }
    Ok(())
}

/// Sources of them all.
fn write_modules(site: &Path) -> Result<()> {
    write(site.join("many/__init__.py"), "")?;
    for package in 0..PACKAGES {
        let directory = site.join(format!("many/part{package:02}"));
        write(directory.join("__init__.py"), "")?;
        for module in 0..MODULES {
            let text = format!("def function_{package}_{module}(x):\n    return [x, {package}.{module}5]\n");
            write(directory.join(format!("module{module:02}.py")), text)?;
        }
    }
    Ok(())
}

/// Instructions of a start with an image, and of the import.
fn count(valgrind: &Valgrind, environment: &Environment, image: &Path) -> Result<[u64; 2]> {
    let directory = environment.scratch.join("callgrind");
    let program = "import os, cds_loader; os.getppid(); import many.part00.module00; os.getppid(); \
                   print(cds_loader.status()['served'])";
    let (output, counts) = valgrind.between_calls(&directory, &environment.python, |run| {
        run.args(["-c", program]).env("PYCDSMODE", "SHARE").env("PYCDSARCHIVE", image)
    })?;
    ensure!(output.stdout == "3\n", "served from `{}`: {output}", image.display());
    Ok(counts)
}
