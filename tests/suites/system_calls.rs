//! What an import asks the system for: of each module of an image, whether its directory and its source are what they were, and
//! the image's own bytes.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::files::write;
use cds_tests::fixtures;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::suite::on_each;
use cds_tests::system_calls::{ABOUT_MEMORY, Call, trace};
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(
        interpreters,
        "system_calls",
        &[("of_a_package", of_a_package), ("of_a_single_module", of_a_single_module), ("in_place", in_place)],
    )
}

/// Modules of the package beside the package itself, all imported by it.
const MODULES: usize = 9;

/// The calls of an import, without those about memory.
struct Calls(Vec<Call>);

impl Calls {
    /// Runs the program, and expects so many modules of it to come from the image.
    fn of_import(environment: &Environment, module: &str, mode: &str, served: usize) -> Result<Calls> {
        let run = environment.python().arg("-P").arg(fixtures().join("importing/system_calls.py")).arg(module);
        let mut trace = trace(run.env("PYCDSMODE", mode))?;
        ensure!(trace.stdout == format!("{served}\n"), "{} modules came from the image", trace.stdout.trim_end());
        trace.calls.retain(|call| !ABOUT_MEMORY.contains(&&*call.name));
        Ok(Calls(trace.calls))
    }

    /// Those of these names that are about a file for which this holds.
    fn count(&self, names: &[&str], is_about: impl Fn(&Path) -> bool) -> usize {
        let is = |call: &&Call| names.contains(&&*call.name) && call.file.as_deref().is_some_and(&is_about);
        self.0.iter().filter(is).count()
    }

    /// Fails with all calls.
    fn expect(&self, what: &str, found: usize, expected: usize) -> Result<()> {
        let calls: Vec<String> = self.0.iter().map(Call::to_string).collect();
        ensure!(found == expected, "{what}: {found} instead of {expected} in\n{}", calls.join("\n"));
        Ok(())
    }
}

const LOOKS: &[&str] = &["statx", "newfstatat", "stat", "lstat", "fstat"];
const OPENS: &[&str] = &["openat", "open"];
const READS: &[&str] = &["read", "readv", "pread64", "preadv"];
const LISTS: &[&str] = &["getdents64"];

/// A package that imports its modules, and a module, with their `.pyc` files; and an image of both.
fn environment(python: &Interpreter, units: &str) -> Result<Environment> {
    let environment = Environment::small(python)?;
    let package = environment.site.join("package");
    let imports: String = (0..MODULES).map(|number| format!("from . import module{number}\n")).collect();
    write(package.join("__init__.py"), imports)?;
    for number in 0..MODULES {
        write(package.join(format!("module{number}.py")), format!("def function(x):\n    return x + {number}\n"))?;
    }
    write(environment.site.join("single.py"), "def function(x):\n    return x\n")?;
    environment.python().args(["-m", "compileall", "-q"]).arg(&environment.site).ok()?;
    environment.build(&environment.image())?.args(["--units", units]).args(["package", "single"]).ok()?;
    Ok(environment)
}

fn is(path: PathBuf) -> impl Fn(&Path) -> bool {
    move |file| file == path
}

fn has_extension(extension: &'static str) -> impl Fn(&Path) -> bool {
    move |file| file.extension().is_some_and(|own| own == extension)
}

/// Of many modules in one import.
fn of_a_package(python: &Interpreter) -> Result<()> {
    let environment = environment(python, "copied")?;
    let all = MODULES + 1;
    let with = Calls::of_import(&environment, "package", "", all)?;
    with.expect("looks at sources", with.count(LOOKS, has_extension("py")), all)?;
    with.expect("looks at the package's directory", with.count(LOOKS, is(environment.site.join("package"))), all)?;
    let image = || is(environment.image());
    // A unit's table and its objects; and the file before and after that, but for the first two.
    with.expect("reads of the image", with.count(READS, image()), 2 * all)?;
    with.expect("looks at the image", with.count(LOOKS, image()), 2 * all - 1)?;
    with.expect("opens of the image", with.count(OPENS, image()), 2)?;
    let others = |names| with.count(names, |file| file != environment.image());
    with.expect("other files that are opened", others(OPENS), 0)?;
    with.expect("other files that are read", others(READS), 0)?;
    with.expect("directories that are listed", with.count(LISTS, |_| true), 0)?;
    let cached = |file: &Path| file.components().any(|part| part.as_os_str() == "__pycache__");
    with.expect(
        "calls about `.pyc` files",
        with.0.iter().filter(|c| c.file.as_deref().is_some_and(cached)).count(),
        0,
    )?;

    let without = Calls::of_import(&environment, "package", "OFF", 0)?;
    without.expect("`.pyc` files that are opened", without.count(OPENS, has_extension("pyc")), all)?;
    ensure!(without.0.len() > with.0.len(), "{} calls without the image, {} with it", without.0.len(), with.0.len());
    Ok(())
}

/// Of a module that lies in a directory of `sys.path`, behind others.
fn of_a_single_module(python: &Interpreter) -> Result<()> {
    let environment = environment(python, "copied")?;
    let calls = Calls::of_import(&environment, "single", "", 1)?;
    calls.expect("looks at sources", calls.count(LOOKS, has_extension("py")), 1)?;
    calls.expect("looks at the site directory", calls.count(LOOKS, is(environment.site.clone())), 1)?;
    calls.expect("reads", calls.count(READS, |_| true), 2)?;
    calls.expect("opens", calls.count(OPENS, |_| true), 1)?;
    calls.expect("directories that are listed", calls.count(LISTS, |_| true), 0)
}

/// What is used in place is not read from the file: bodies are copied from where they are mapped.
fn in_place(python: &Interpreter) -> Result<()> {
    let environment = environment(python, "in-place")?;
    let all = MODULES + 1;
    let calls = Calls::of_import(&environment, "package", "", all)?;
    calls.expect("looks at sources", calls.count(LOOKS, has_extension("py")), all)?;
    calls.expect("reads of the image", calls.count(READS, is(environment.image())), 0)?;
    calls.expect("files that are opened", calls.count(OPENS, |_| true), 0)
}
