//! What must stay true of the sources themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cds_tests::interpreters::Interpreters;
use cds_tests::suite::once;
use cds_tests::{tools, workspace};
use libtest_mimic::Trial;

/// The longest that a source file may be.
const LONGEST: usize = 600;

/// The folders with Rust sources.
const CRATES: [&str; 5] = ["layout", "builder", "loader", "tests", "benches"];

pub fn trials(_: &Interpreters) -> Vec<Trial> {
    vec![
        once("tidy", "files", files),
        once("tidy", "dependencies", dependencies),
        once("tidy", "architecture", architecture),
        once("tidy", "readme_commands", readme_commands),
        once("tidy", "no_machine_in_the_tree", no_machine_in_the_tree),
    ]
}

/// All files below the crates and the folders of text, without build products.
fn sources(extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> =
        CRATES.iter().chain(&["fixtures", "docs", ".ci"]).map(|d| workspace().join(d)).collect();
    while let Some(directory) = open.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for path in entries.flatten().map(|e| e.path()) {
            if path.is_dir() && path.file_name().is_some_and(|n| n != "target" && n != "__pycache__") {
                open.push(path);
            } else if path.is_file() {
                found.push(path);
            }
        }
    }
    for path in fs::read_dir(workspace())?.flatten().map(|e| e.path()).filter(|p| p.is_file()) {
        found.push(path);
    }
    let wanted =
        |p: &PathBuf| extensions.is_empty() || p.extension().is_some_and(|e| extensions.iter().any(|x| e == *x));
    found.retain(wanted);
    found.sort();
    Ok(found)
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// A Rust file starts with one sentence about what it is, a Python file with a docstring or comment, and none is long.
fn files() -> Result<()> {
    let rust = sources(&["rs"])?;
    ensure!(rust.len() > 50, "only {} Rust files", rust.len());
    for path in rust {
        let text = text(&path)?;
        ensure!(text.starts_with("//! "), "`{}` does not say what it is", path.display());
        ensure!(text.lines().count() <= LONGEST, "`{}` has {} lines", path.display(), text.lines().count());
    }
    // Specimens are what they are.
    let is_specimen = |path: &Path| {
        let path = path.to_string_lossy();
        ["behaviour", "importing"].iter().any(|folder| path.contains(&format!("/fixtures/{folder}/site/")))
    };
    for path in sources(&["py"])?.iter().filter(|path| !is_specimen(path)) {
        let text = text(path)?;
        ensure!(text.starts_with("\"\"\"") || text.starts_with("# "), "`{}` does not say what it is", path.display());
    }
    Ok(())
}

/// The names of the packages that a crate of the workspace is built from.
fn built_from(package: &str) -> Result<BTreeSet<String>> {
    let tree = ["tree", "--locked", "--prefix", "none", "--format", "{p}", "--edges", "normal", "--package", package];
    let output = tools::cargo().args(tree).ok()?;
    Ok(output.stdout.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect())
}

fn dependencies() -> Result<()> {
    let loader = built_from("cds-loader")?;
    for heavy in ["object", "goblin", "clap", "serde", "serde_json", "anyhow", "rayon", "cds-build", "sha2", "pyo3"] {
        ensure!(!loader.contains(heavy), "the loader depends on `{heavy}`");
    }
    ensure!(loader.contains("cds-layout"), "the loader does not read the tables");
    let builder = built_from("cds-build")?;
    for python in ["pyo3", "pyo3-ffi", "cds-loader"] {
        ensure!(!builder.contains(python), "the builder depends on `{python}`");
    }
    let layout = built_from("cds-layout")?;
    ensure!(layout.len() == 1, "the layout crate depends on {layout:?}");
    Ok(())
}

/// Facts have no `unsafe` and touch no file.
fn architecture() -> Result<()> {
    let manifest = text(&workspace().join("layout/Cargo.toml"))?;
    ensure!(manifest.contains("unsafe_code = \"forbid\""), "layout/Cargo.toml does not forbid `unsafe`");
    for path in sources(&["rs"])?.iter().filter(|p| p.starts_with(workspace().join("layout/src"))) {
        let text = text(path)?;
        for forbidden in ["std::fs", "std::io", "std::env", "std::process"] {
            ensure!(!text.contains(forbidden), "`{}` uses `{forbidden}`", path.display());
        }
    }
    Ok(())
}

/// `## Quick start` and `## Test` each have one fenced block with one command line, and CI runs the latter.
fn readme_commands() -> Result<()> {
    let readme = text(&workspace().join("README.md"))?;
    let command = |section: &str| -> Result<String> {
        let start = format!("\n## {section}\n");
        let (_, rest) = readme.split_once(&start).with_context(|| format!("no section `{section}`"))?;
        let body = rest.split("\n## ").next().unwrap_or_default();
        let parts: Vec<&str> = body.split("\n```").collect();
        ensure!(parts.len() == 3, "`{section}` has {} fences, not one block", parts.len() - 1);
        let lines: Vec<&str> = parts[1].lines().skip(1).collect();
        ensure!(lines.len() == 1 && !lines[0].trim().is_empty(), "`{section}` has {} command lines", lines.len());
        Ok(lines[0].to_owned())
    };
    command("Quick start")?;
    let test = command("Test")?;
    let ci = text(&workspace().join(".ci/run"))?;
    ensure!(ci.lines().any(|line| line.trim().trim_start_matches("exec ") == test), "`.ci/run` does not run `{test}`");
    Ok(())
}

/// No paths of somebody's machine, no mirrors of registries.
fn no_machine_in_the_tree() -> Result<()> {
    let words = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("index", "-url"), concat!("find", "-links")];
    for path in sources(&[])? {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for word in words {
            ensure!(!text.contains(word), "`{}` contains `{word}`", path.display());
        }
    }
    Ok(())
}
