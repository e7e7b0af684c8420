//! Programs that do unusual things around an import: with an image they do what they do without.

use anyhow::{Context, Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::files::write;
use cds_tests::fixtures;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::suite::on_each;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(
        interpreters,
        "unusual",
        &[
            ("other_builtins", |python| compare(python, "other_builtins", "True Made")),
            ("interrupted", |python| compare(python, "interrupted", "interrupted False")),
            ("other_signal", |python| compare(python, "other_signal", "late False\nMade")),
            ("deep", |python| compare(python, "deep", "too deep []")),
            ("left", |python| compare(python, "left", "'leaves'\n0")),
            ("other_loaders", |python| compare(python, "other_loaders", "False True")),
            ("finaliser", |python| compare(python, "finaliser", "True")),
            ("no_memory", no_memory),
            ("refusing_hook", |python| compare(python, "refusing_hook", "Made package.first")),
        ],
    )
}

/// Modules that import each other, the first one first.
const CHAIN: usize = 400;

fn environment(python: &Interpreter) -> Result<Environment> {
    let environment = Environment::small(python)?;
    let module = |name: &str, source: &str| write(environment.site.join(name), source);
    module("plain.py", "class Made:\n    pass\n\n\nlength = len(Made.__name__)\n")?;
    module("leaves.py", "import sys\n\nballast = Ballast()\ndel sys.modules[__name__]\n")?;
    module(
        "replaces.py",
        "import sys\nimport types\n\nballast = Ballast()\nsys.modules[__name__] = types.ModuleType(__name__)\n",
    )?;
    for name in ["__init__", "first", "second"] {
        module(&format!("package/{name}.py"), "value = 1\n")?;
    }
    for number in 0..CHAIN {
        let source = match number + 1 {
            CHAIN => "value = 0\n".to_owned(),
            next => format!("import chain{next}\n\nvalue = chain{next}.value + 1\n"),
        };
        module(&format!("chain{number}.py"), &source)?;
    }
    let names: String = (0..600).map(|number| format!("x.name_{number}, ")).collect();
    module("names.py", &format!("def function(x):\n    return {names}\n"))?;
    build(&environment, "copied")?;
    Ok(environment)
}

fn build(environment: &Environment, units: &str) -> Result<()> {
    let chain = (0..CHAIN).map(|number| format!("chain{number}"));
    let build = environment.build(&environment.image())?.args(["--units", units]);
    build.args(["plain", "leaves", "replaces", "package", "names"]).args(chain).ok()?;
    Ok(())
}

/// What the program prints first, and whether that is all the same with the image.
fn compare(python: &Interpreter, program: &str, first: &str) -> Result<()> {
    let environment = environment(python)?;
    let run = |mode: &str| {
        let run = environment.python().args(["-W", "ignore"]).arg(fixtures().join("unusual/program.py")).arg(program);
        run.env("PYCDSMODE", mode).env("PYCDSVERBOSE", "0").output()
    };
    let (without, with) = (run("OFF")?, run("")?);
    ensure!(without.status == 0 && without.stdout.starts_with(first), "without an image: {without}");
    ensure!(
        (with.status, &with.stdout, &with.stderr) == (without.status, &without.stdout, &without.stderr),
        "{with}\ninstead of\n{without}"
    );
    Ok(())
}

/// Imports fail where there is no memory; the process goes on, or ends as ever. How many of them fail depends on what each allocates.
fn no_memory(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    ["copied", "in-place"].into_iter().try_for_each(|units| {
        build(&environment, units)?;
        without_memory(python, &environment).with_context(|| format!("units {units}"))
    })
}

fn without_memory(python: &Interpreter, environment: &Environment) -> Result<()> {
    for kilobytes in [0, 1, 2, 4, 8, 16, 32, 64] {
        let run = |mode: &str| {
            let run = environment.python().arg(fixtures().join("unusual/program.py")).arg("no_memory");
            run.arg(kilobytes.to_string()).env("PYCDSMODE", mode).output()
        };
        let without = run("OFF")?;
        if without.status < 0 {
            println!(
                "skipped on {}: imports in {kilobytes} kB of memory, because CPython itself ends by a signal",
                python.label
            );
            continue;
        }
        for output in [without, run("")?] {
            // Not every CPython gets as far as to print.
            let ended = matches!((output.status, &*output.stdout), (0, "True\n") | (1, ""));
            ensure!(ended && !output.stderr.contains("allocation"), "{kilobytes} kB: {output}");
        }
    }
    Ok(())
}
