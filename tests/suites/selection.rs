//! What the arguments of a build choose, and how the image is used then.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::files::{modified, set_modified, write};
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::suite::on_each;
use cds_tests::tools::tools;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(
        interpreters,
        "selection",
        &[
            ("modules_and_directories", modules_and_directories),
            ("exclude", exclude),
            ("modules_from", modules_from),
            ("missing_module", missing_module),
            ("checked_hash", checked_hash),
            ("unchecked_hash", unchecked_hash),
            ("optimised", optimised),
        ],
    )
}

const TREE: [&str; 9] = [
    "alone",
    "pack",
    "pack.leaf",
    "pack.inner",
    "pack.inner.deep",
    "pack.tests",
    "pack.tests.test_leaf",
    "spread",
    "spread.portion",
];

/// An environment with a few modules, and a directory beside it with two more.
fn environment(python: &Interpreter) -> Result<Environment> {
    let environment = Environment::small(python)?;
    let program = environment.scratch.join("program");
    for (file, value) in [
        ("alone.py", "alone"),
        ("pack/__init__.py", "pack"),
        ("pack/leaf.py", "leaf"),
        ("pack/inner/__init__.py", "inner"),
        ("pack/inner/deep.py", "deep"),
        ("pack/tests/__init__.py", "tests"),
        ("pack/tests/test_leaf.py", "test"),
        ("spread/portion.py", "portion"),
    ] {
        write(environment.site.join(file), source(value))?;
    }
    write(program.join("own.py"), source("own"))?;
    write(program.join("helpers/tool.py"), source("tool"))?;
    Ok(environment)
}

fn source(value: &str) -> String {
    format!(
        "\"\"\"A docstring.\"\"\"\n\ndef f():\n    \"\"\"Another.\"\"\"\n    assert True\n    return '{value}', __debug__\n"
    )
}

/// The modules of an image.
fn modules(image: &Path) -> Result<BTreeSet<String>> {
    let report = tools()?.cds_build().args(["inspect", "--json"]).arg(image).ok()?.json()?;
    let all = report["modules"].as_array().context("no modules")?;
    all.iter().map(|m| Ok(m["name"].as_str().context("no name")?.to_owned())).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Builds with these arguments and expects exactly these modules.
fn builds<A: AsRef<std::ffi::OsStr>>(environment: &Environment, arguments: &[A], expected: &[&str]) -> Result<()> {
    environment.build(&environment.image())?.args(arguments).ok()?;
    let found = modules(&environment.image())?;
    ensure!(found == set(expected), "expected {expected:?}, found {found:?}");
    Ok(())
}

/// Whether the program's functions are from the image: one word each, `image`, `file` or `missing`.
fn origins(environment: &Environment, options: &[&str], names: &[&str]) -> Result<Vec<String>> {
    let text = format!(
        "import sys, importlib, cds_loader
sys.path.append({:?})
for name in {names:?}:
    try: module = importlib.import_module(name)
    except ModuleNotFoundError: print('missing')
    else: print('image' if cds_loader.owns(module.f.__code__) else 'file', *module.f())",
        environment.scratch.join("program")
    );
    let output = environment.python().args(options).arg("-c").arg(text).ok()?.silent()?;
    Ok(output.stdout.lines().map(str::to_owned).collect())
}

fn modules_and_directories(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let program = format!("{}/", environment.scratch.join("program").display());
    builds(&environment, &["alone"], &["alone"])?;
    builds(&environment, &["pack"], &TREE[1..7])?;
    // A module below a package comes with the packages around it, and with nothing beside it.
    builds(&environment, &["pack.inner"], &["pack", "pack.inner", "pack.inner.deep"])?;
    builds(&environment, &["spread.portion"], &["spread", "spread.portion"])?;
    let own = ["own", "helpers", "helpers.tool"];
    builds(&environment, &[&*program], &own)?;
    builds(
        &environment,
        &[&*program, "alone", "spread"],
        &["own", "helpers", "helpers.tool", "alone", "spread", "spread.portion"],
    )?;
    let served = origins(&environment, &[], &["own", "helpers.tool", "alone", "spread.portion", "pack.leaf"])?;
    let expected = ["image own True", "image tool True", "image alone True", "image portion True", "file leaf True"];
    ensure!(served == expected, "{served:?}");
    // No argument: everything there is, the standard library, too.
    environment.build(&environment.image())?.ok()?;
    let all = modules(&environment.image())?;
    ensure!(all.is_superset(&set(&TREE)) && all.contains("json.decoder") && all.len() > 300, "{} modules", all.len());
    ensure!(!all.contains("own"), "modules that the interpreter cannot import are in the image");
    Ok(())
}

fn exclude(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    builds(&environment, &["pack", "--exclude", "*.tests*"], &TREE[1..5])?;
    builds(&environment, &["pack", "--exclude", "pack.tests.*"], &TREE[1..6])?;
    let both = ["pack", "alone", "--exclude", "*.deep", "--exclude", "alone", "--exclude", "pack.tests*"];
    builds(&environment, &both, &TREE[1..4])?;
    let served = origins(&environment, &[], &["pack.inner.deep", "pack.leaf", "alone"])?;
    ensure!(served == ["file deep True", "image leaf True", "file alone True"], "{served:?}");
    let output = environment.build(&environment.image())?.args(["pack", "--exclude", "[z"]).status(2)?;
    ensure!(output.stderr.starts_with("error: ") && output.stderr.contains("[z"), "{output}");
    ensure!(modules(&environment.image())? == set(&TREE[1..4]), "an error changed the image");
    Ok(())
}

/// Lists name modules one by one; lines that start with `#` are comments, but for the search path of a traced program.
fn modules_from(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let (list, other) = (environment.scratch.join("modules.lst"), environment.scratch.join("other.lst"));
    write(&list, "# a comment\n\npack\n  pack.leaf  \n#alone\nno.such.module\r\npack\n")?;
    let from = |lists: &[&Path]| -> Vec<String> {
        lists.iter().flat_map(|l| ["--modules-from".to_owned(), l.display().to_string()]).collect()
    };
    builds(&environment, &from(&[&list]), &["pack", "pack.leaf"])?;
    write(&other, "own\nhelpers.tool\nalone\n")?;
    builds(&environment, &from(&[&list, &other]), &["pack", "pack.leaf", "alone"])?;
    let program = environment.scratch.join("program");
    let path_line = cds_layout::format::PATH_LINE;
    write(
        &other,
        format!("own\nhelpers\nhelpers.tool\n{path_line}{}\n{path_line}/nowhere/at/all\n", program.display()),
    )?;
    builds(&environment, &from(&[&other]), &["own", "helpers", "helpers.tool"])?;
    let served = origins(&environment, &[], &["own", "helpers.tool", "pack"])?;
    ensure!(served == ["image own True", "image tool True", "file pack True"], "{served:?}");
    let nowhere = environment.build(&environment.image())?.args(["--modules-from", "nowhere.lst"]).status(2)?;
    ensure!(nowhere.stderr.contains("nowhere.lst"), "{nowhere}");
    Ok(())
}

/// A name that does not exist is a finding, and the rest is built.
fn missing_module(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let output = environment.build(&environment.image())?.args(["alone", "no_such_module"]).status(1)?;
    ensure!(output.stderr.lines().any(|l| l.starts_with("skipped: no_such_module: ")), "{output}");
    ensure!(modules(&environment.image())? == set(&["alone"]), "{output}");
    let served = origins(&environment, &[], &["alone", "no_such_module"])?;
    ensure!(served == ["image alone True", "missing"], "{served:?}");
    Ok(())
}

/// The contents count: a change that leaves size and time as they were is noticed, and a mere touch is no change.
fn checked_hash(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let names = ["alone", "pack.leaf"];
    builds(&environment, &["alone", "pack", "--invalidation-mode", "checked-hash"], &TREE[..7])?;
    ensure!(origins(&environment, &[], &names)? == ["image alone True", "image leaf True"]);
    let (alone, leaf) = (environment.site.join("alone.py"), environment.site.join("pack/leaf.py"));
    let before = modified(&alone)?;
    write(&alone, source("other"))?;
    set_modified(&alone, before)?;
    set_modified(&leaf, before + Duration::from_secs(100))?;
    let served = origins(&environment, &[], &names)?;
    ensure!(served == ["file other True", "image leaf True"], "{served:?}");
    Ok(())
}

/// Nothing counts: not even that the source is still there.
fn unchecked_hash(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    builds(&environment, &["alone", "pack", "--invalidation-mode", "unchecked-hash"], &TREE[..7])?;
    write(environment.site.join("alone.py"), "raise RuntimeError('the source ran')\n")?;
    let names = ["alone", "pack", "pack.leaf", "pack.inner.deep"];
    let expected = ["image alone True", "image pack True", "image leaf True", "image deep True"];
    ensure!(origins(&environment, &[], &names)? == expected);
    for file in ["alone.py", "pack/__init__.py", "pack/leaf.py", "pack/inner/__init__.py", "pack/inner/deep.py"] {
        fs::remove_file(environment.site.join(file))?;
    }
    let served = origins(&environment, &[], &names)?;
    ensure!(served == expected, "without sources: {served:?}");
    Ok(())
}

/// Assertions and docstrings are as `-O` and `-OO` have them.
fn optimised(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    for (option, docs) in [("-O", "A docstring. Another."), ("-OO", "None None")] {
        builds(&environment, &[option, "alone", "pack.leaf"], &["alone", "pack", "pack.leaf"])?;
        let served = origins(&environment, &[option], &["alone", "pack.leaf"])?;
        ensure!(served == ["image alone False", "image leaf False"], "{option}: {served:?}");
        let text = "import alone; print(alone.__doc__, alone.f.__doc__, 'AssertionError' in alone.f.__code__.co_names)";
        let output = environment.python().args([option, "-c", text]).ok()?.silent()?;
        ensure!(output.stdout == format!("{docs} False\n"), "{option}: {output}");
        let plain = origins(&environment, &[], &["alone"])?;
        ensure!(plain == ["file alone True"], "an image for {option} without it: {plain:?}");
    }
    Ok(())
}
