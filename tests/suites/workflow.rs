//! Trace a program, dump an image of what it imported, share it: the workflow of three commands.

use anyhow::{Context, Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::files::{read, write};
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::process::Run;
use cds_tests::suite::on_each;
use cds_tests::tools::tools;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(interpreters, "workflow", &[("trace_dump_share", trace_dump_share)])
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

fn trace_dump_share(python: &Interpreter) -> Result<()> {
    let environment = Environment::full(python)?;
    let directory = environment.scratch.join("workflow");
    let _ = std::fs::remove_dir_all(&directory);
    write(directory.join("run.py"), RUN)?;
    write(directory.join("helper.py"), "def answer(): return 42\n")?;
    // `cds-build` is on PATH, as it is in an environment that the package is installed in.
    let tools = tools()?;
    let mut path = vec![tools.builder.parent().context("no parent")?.to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let path = std::env::join_paths(path)?;
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
