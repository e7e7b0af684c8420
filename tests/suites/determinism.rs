//! The same tree gives the same bytes, whatever the circumstances of the build.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::files::{copy_tree, read};
use cds_tests::fixtures;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::process::Run;
use cds_tests::suite::{on_each, on_newest};
use cds_tests::tools::tools;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    let mut trials =
        on_each(interpreters, "determinism", &[("same_bytes", same_bytes), ("saved_profile", saved_profile)]);
    trials.extend(on_newest(interpreters, "determinism", ("permissions", permissions)));
    trials
}

/// The position of the first difference, for messages.
fn first_difference(a: &[u8], b: &[u8]) -> String {
    let at = a.iter().zip(b).position(|(x, y)| x != y);
    format!("{} and {} bytes, first difference at {at:?}", a.len(), b.len())
}

fn same_bytes(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    copy_tree(&fixtures().join("behaviour/site"), &environment.site)?;
    let scratch = &environment.scratch;
    let build = |name: &str| -> Result<_> { environment.build(&scratch.join(name)) };
    build("first.so")?.ok()?;
    let first = read(scratch.join("first.so"))?;
    ensure!(first.len() > 1_000_000, "only {} bytes", first.len());
    build("second.so")?.ok()?;
    build("seed.so")?.env("PYTHONHASHSEED", "12345").ok()?;
    build("thread.so")?.env("RAYON_NUM_THREADS", "1").ok()?;
    build("threads.so")?.env("RAYON_NUM_THREADS", "7").ok()?;
    build("place.so")?.cwd("/").env("TZ", "Asia/Tokyo").env("LC_ALL", "C").ok()?;
    for name in ["second", "seed", "thread", "threads", "place"] {
        let other = read(scratch.join(format!("{name}.so")))?;
        ensure!(other == first, "{name}: {}", first_difference(&first, &other));
    }
    // Caches are only a faster way to the same code.
    let site = &environment.site;
    environment.python().unset("PYTHONDONTWRITEBYTECODE").args(["-m", "compileall", "-q"]).arg(site).output()?;
    ensure!(site.join("specimen/__pycache__").is_dir(), "no caches were written");
    build("cached.so")?.ok()?;
    let cached =
        tools()?.cds_build().arg("verify").arg(scratch.join("cached.so")).arg("--python").arg(&environment.python);
    cached.arg("--loader").arg(&tools()?.loader).ok()?;
    Ok(())
}

/// An image can be built for an interpreter that is described by a file; it is the same image.
fn saved_profile(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let (a, b) = (environment.scratch.join("a.so"), environment.scratch.join("b.so"));
    let profile = environment.scratch.join("profile.json");
    environment.build(&a)?.arg("--save-target-profile").arg(&profile).args(["json", "email"]).ok()?;
    tools()?.cds_build().arg("--out").arg(&b).arg("--target-profile").arg(&profile).args(["json", "email"]).ok()?;
    let (a, b) = (read(a)?, read(b)?);
    ensure!(a == b, "{}", first_difference(&a, &b));
    // Of `datetime`, which is an extension module or built in.
    let profile: serde_json::Value = serde_json::from_slice(&read(profile)?)?;
    let names = profile["target"]["native_names"].as_array().context("no names of native code")?;
    ensure!(names.iter().any(|name| name == "total_seconds"), "{} names of native code", names.len());
    Ok(())
}

/// The umask says who may read an image, and a profile, also where one was before that others could read.
fn permissions(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let (image, profile) = (environment.scratch.join("image.so"), environment.scratch.join("profile.json"));
    for (umask, expected) in [("022", 0o644), ("077", 0o600)] {
        let run = Run::new("sh").args(["-c", "umask $0 && exec \"$@\"", umask]).arg(&tools()?.builder);
        let run = run.arg("--out").arg(&image).arg("--python").arg(&environment.python);
        run.arg("--save-target-profile").arg(&profile).arg("json").ok()?;
        for path in [&image, &profile] {
            let mode = fs::metadata(path)?.permissions().mode() & 0o777;
            ensure!(mode == expected, "umask {umask}: `{}` has {mode:o}, not {expected:o}", path.display());
        }
    }
    Ok(())
}
