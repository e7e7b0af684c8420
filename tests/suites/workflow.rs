//! Trace a program, dump an image of what it imported, share it: the workflow of three commands.

use std::ffi::OsString;

use anyhow::{Context, Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::files::{read, specials, write};
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::process::Run;
use cds_tests::suite::{on_each, on_newest};
use cds_tests::tools::tools;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    let mut trials = on_each(
        interpreters,
        "workflow",
        &[("trace_dump_share", trace_dump_share), ("own_directories", own_directories)],
    );
    trials.extend(on_newest(interpreters, "workflow", ("special_lists", special_lists)));
    trials
}

/// Imports packages and the local module `helper`, prints, and leaves the loader's status in a file.
const RUN: &str = r#"
import json, sys
import requests, sympy
import helper
print(requests.Request("GET", "http://example.org", params={"a": 1}).prepare().url)
print(sympy.integrate(sympy.Symbol("x") ** 2), helper.answer())
import cds_loader
with open("status.json", "w") as file:
    json.dump([cds_loader.status(), cds_loader.owns(requests.get.__code__), cds_loader.owns(helper.answer.__code__)], file)
"#;

/// `PATH` with `cds-build` on it, as it is in an environment that the package is installed in.
fn search_path() -> Result<OsString> {
    let mut path = vec![tools()?.builder.parent().context("no parent")?.to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    Ok(std::env::join_paths(path)?)
}

fn trace_dump_share(python: &Interpreter) -> Result<()> {
    let environment = Environment::full(python)?;
    let directory = environment.scratch.join("workflow");
    let _ = std::fs::remove_dir_all(&directory);
    write(directory.join("run.py"), RUN)?;
    write(directory.join("helper.py"), "def answer(): return 42\n")?;
    let (tools, path) = (tools()?, search_path()?);
    let run = |mode: &str| -> Run { environment.python().cwd(&directory).env("PATH", &path).env("PYCDSMODE", mode) };
    let plain = run("OFF").arg("run.py").ok()?.silent()?;

    let traced = run("TRACE").env("PYCDSLIST", "heap.lst").arg("run.py").ok()?.silent()?;
    ensure!(traced.stdout == plain.stdout, "TRACE changes the output: {traced}");
    let list = String::from_utf8(read(directory.join("heap.lst"))?)?;
    for name in ["requests", "requests.api", "sympy", "sympy.core.basic", "json", "json.decoder"] {
        ensure!(list.lines().any(|line| line == name), "`{name}` is not in the list:\n{list}");
    }

    let dumped = run("DUMP").env("PYCDSLIST", "heap.lst").env("PYCDSARCHIVE", "heap.so").ok()?;
    ensure!(dumped.stdout.is_empty(), "DUMP prints to stdout: {dumped}");
    ensure!(read(directory.join("heap.so"))?.starts_with(b"\x7fELF"), "DUMP made no image: {dumped}");
    tools.cds_build().arg("verify").arg(directory.join("heap.so")).ok()?;

    let shared = run("SHARE").env("PYCDSARCHIVE", "heap.so").arg("run.py").ok()?.silent()?;
    ensure!(shared.stdout == plain.stdout, "SHARE changes the output: {shared}");
    let status: serde_json::Value = serde_json::from_slice(&read(directory.join("status.json"))?)?;
    ensure!(status[0]["state"] == "active", "{status}");
    ensure!(status[0]["image"] == directory.join("heap.so").to_string_lossy().as_ref(), "{status}");
    ensure!(status[0]["served"].as_u64() > Some(300), "{status}");
    ensure!(status[1] == true, "requests is not from the image: {status}");
    ensure!(status[2] == true, "the program's own module is not from the image: {status}");

    // Tracing appends, and a name that is in the list already does no harm.
    run("TRACE").env("PYCDSLIST", "heap.lst").args(["-c", "import wave"]).ok()?.silent()?;
    let longer = String::from_utf8(read(directory.join("heap.lst"))?)?;
    ensure!(longer.starts_with(&list) && longer.lines().any(|l| l == "wave"), "TRACE does not append:\n{longer}");
    Ok(())
}

/// Modules beside the script, below `PYTHONPATH`, and in a directory that the program itself puts on `sys.path`.
fn own_directories(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let directory = environment.scratch.join("workflow");
    let (library, late) = (environment.scratch.join("library"), environment.scratch.join("late"));
    write(directory.join("beside.py"), "def f(): return 'beside'\n")?;
    write(library.join("below/__init__.py"), "def f(): return 'below'\n")?;
    write(library.join("below/leaf.py"), "def f(): return 'leaf'\n")?;
    write(late.join("added.py"), "def f(): return 'added'\n")?;
    let program = format!(
        "import sys\nsys.path.append({late:?})\nimport beside, below.leaf, added, colorsys, cds_loader\n\
         modules = beside, below, below.leaf, added\nprint(*[m.f() for m in modules])\n\
         print(*[cds_loader.owns(m.f.__code__) for m in modules], file=sys.stderr)\n"
    );
    write(directory.join("run.py"), program)?;
    let path = search_path()?;
    let run = |mode: &str| -> Run {
        let run = environment.python().cwd(&environment.scratch).env("PATH", &path).env("PYCDSMODE", mode);
        run.env("PYTHONPATH", &library).env("PYCDSLIST", "heap.lst").env("PYCDSARCHIVE", "heap.so")
    };
    let script = directory.join("run.py");
    let plain = run("OFF").arg(&script).ok()?;
    ensure!(plain.stdout == "beside below leaf added\n", "{plain}");
    run("TRACE").arg(&script).ok()?;
    run("DUMP").ok()?;
    let shared = run("SHARE").arg(&script).ok()?;
    ensure!(shared.stdout == plain.stdout && shared.stderr == "True True True True\n", "{shared}");
    Ok(())
}

/// A list that is no regular file is not waited for at exit, and changes nothing but a line on standard error.
fn special_lists(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    for list in specials(&environment.scratch)?.into_iter().chain([environment.scratch.clone()]) {
        let run = Run::bounded(&environment.python).env("PYCDSMODE", "TRACE").env("PYCDSLIST", &list);
        let output = run.args(["-c", "import wave, sys; print('done'); sys.exit(3)"]).status(3)?;
        let line = format!("cds_loader: cannot write {}: not a regular file\n", list.display());
        ensure!(output.stdout == "done\n" && output.stderr == line, "{output}");
    }
    // Names are appended to what is not there yet, also behind a symbolic link.
    let [list, link] = ["heap.lst", "link"].map(|name| environment.scratch.join(name));
    std::os::unix::fs::symlink(&list, &link)?;
    environment
        .python()
        .env("PYCDSMODE", "TRACE")
        .env("PYCDSLIST", &link)
        .args(["-c", "import wave"])
        .ok()?
        .silent()?;
    ensure!(String::from_utf8(read(&list)?)?.lines().any(|line| line == "wave"), "nothing was written");
    Ok(())
}
