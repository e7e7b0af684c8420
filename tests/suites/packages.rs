//! Real packages from an image of a real environment: round trip, where their code lies, what their programs print.

use std::fs;

use anyhow::{Context, Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::suite::on_each;
use cds_tests::tools::tools;
use cds_tests::{files, fixtures};
use libtest_mimic::Trial;

/// The packages with a program each in `fixtures/programs`, and one of their Python functions.
const PACKAGES: [(&str, &str); 3] =
    [("requests", "requests.api.get"), ("boto3", "boto3.session.Session.client"), ("sympy", "sympy.integrate")];

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(
        interpreters,
        "packages",
        &[
            ("verify", verify),
            ("inspect", inspect),
            ("served_from_image", served_from_image),
            ("same_output", same_output),
            ("everything_imports", everything_imports),
        ],
    )
}

/// Every module of the image round-trips through the target interpreter.
fn verify(python: &Interpreter) -> Result<()> {
    let environment = Environment::full(python)?;
    let verify = || Ok::<_, anyhow::Error>(tools()?.cds_build().arg("verify").arg(environment.image()));
    verify()?.ok()?;
    let report = verify()?.arg("--json").arg("--python").arg(&environment.python).ok()?.json()?;
    let compared = report["compared"].as_u64().unwrap_or(0);
    ensure!(compared > 2000, "only {compared} modules compared: {report}");
    Ok(())
}

/// `inspect` and the running loader agree about what is in the image.
fn inspect(python: &Interpreter) -> Result<()> {
    let environment = Environment::full(python)?;
    let inspect = tools()?.cds_build().arg("inspect").arg(environment.image());
    let text = inspect.ok()?.stdout;
    ensure!(text.contains(&python.version), "`inspect` does not name Python {}: {text}", python.version);
    let report = tools()?.cds_build().arg("inspect").arg(environment.image()).arg("--json").ok()?.json()?;
    let modules = report["modules"].as_array().map(Vec::len).or(report["modules"].as_u64().map(|n| n as usize));
    let status = environment.script("import cds_loader, json; print(json.dumps(cds_loader.status()))")?.json()?;
    ensure!(status["modules"].as_u64() == modules.map(|n| n as u64), "inspect: {modules:?} modules, loader: {status}");
    ensure!(modules.is_some_and(|n| n > 2000), "only {modules:?} modules");
    Ok(())
}

/// Each package comes from the image, all of it: no function of any of its modules lies elsewhere.
fn served_from_image(python: &Interpreter) -> Result<()> {
    let environment = Environment::full(python)?;
    for (package, function) in PACKAGES {
        let script = fixtures().join("programs/served.py");
        let run = environment.python().arg(script).args([package, function]);
        let report = run.ok().with_context(|| package)?.silent()?.json()?;
        let number = |key: &str| report[key].as_u64().unwrap_or(0);
        ensure!(report["status"]["state"] == "active", "{package}: {report}");
        ensure!(report["status"]["image"] == environment.image().to_string_lossy().as_ref(), "{package}: {report}");
        ensure!(report["function_owned"] == true, "{package}: `{function}` is not from the image: {report}");
        ensure!(report["elsewhere"].as_array().is_some_and(Vec::is_empty), "{package}: code elsewhere: {report}");
        ensure!(number("functions") > 100, "{package}: only {} functions", number("functions"));
        let imported = number("source_modules");
        let served = number("served_after") - number("served_before");
        ensure!(imported > 10 && served >= imported, "{package}: {imported} modules, {served} served: {report}");
    }
    Ok(())
}

/// A program of each package prints the same with and without the image.
fn same_output(python: &Interpreter) -> Result<()> {
    let environment = Environment::full(python)?;
    for (package, _) in PACKAGES {
        let program = fixtures().join(format!("programs/{package}_program.py"));
        let run = || environment.python().arg("-W").arg("error").arg(&program);
        let without = run().env("PYCDSMODE", "OFF").ok()?.silent()?;
        let with = run().ok()?.silent()?;
        ensure!(without.stdout.lines().count() >= 5, "{package} prints little: {without}");
        ensure!(with.stdout == without.stdout, "{package}: output differs:\n{without}\n{with}");
    }
    Ok(())
}

/// Every module of the image that can be imported without it can be imported with it, with the same names in it.
fn everything_imports(python: &Interpreter) -> Result<()> {
    let environment = Environment::full(python)?;
    let script = fixtures().join("programs/import_all.py");
    let list = environment.scratch.join("modules.lst");
    let names = environment.script("import cds_loader; print('\\n'.join(cds_loader._modules()))")?.stdout;
    files::write(&list, names)?;
    // Django's modules are mostly imported where there are settings; those that look for a library of the system start programs for it, each
    // anew.
    let settings = ("DJANGO_SETTINGS_MODULE", "django.conf.global_settings");
    let run = |mode: &str| {
        let counts = environment.scratch.join("counts.txt");
        files::write(&counts, "")?;
        let run = environment.python().env(settings.0, settings.1).env("PATH", "/nonexistent").env("PYCDSMODE", mode);
        let output = run.arg(&script).arg(&list).arg(&counts).cwd(&environment.scratch).ok()?.silent()?;
        let counts = fs::read_to_string(counts)?;
        let mut sums = [0; 2];
        for line in counts.lines() {
            for (sum, number) in sums.iter_mut().zip(line.split(' ')) {
                *sum += number.parse::<usize>()?;
            }
        }
        Ok::<_, anyhow::Error>((output, sums))
    };
    let ((without, [imported, not_served]), (with, [imported_with, served])) = (run("OFF")?, run("")?);
    let all = without.stdout.lines().count();
    ensure!(
        all > 5000 && imported * 10 > all * 9,
        "only {imported} of {all} modules can be imported without the image"
    );
    // Served is also what they import.
    ensure!(
        not_served == 0 && imported_with == imported && served > imported,
        "{imported_with} imported, {served} served"
    );
    for (a, b) in without.stdout.lines().zip(with.stdout.lines()) {
        ensure!(a == b, "differs:\n  without image: {a}\n  with image:    {b}");
    }
    ensure!(all == with.stdout.lines().count(), "another number of modules");
    Ok(())
}
