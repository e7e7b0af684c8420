//! The Python package: one wheel for every version, whose removal leaves nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use anyhow::{Context, Result, ensure};
use cds_tests::environments::{Environment, with_pip};
use cds_tests::files::snapshot;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::suite::{on_each, on_newest};
use cds_tests::tools::{self, tools};
use cds_tests::workspace;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    let mut trials = on_each(interpreters, "packaging", &[("wheel", wheel_there_and_back)]);
    trials.extend(on_newest(interpreters, "packaging", ("source_distribution", source_distribution)));
    trials.extend(on_newest(interpreters, "packaging", ("pip_install_from_the_tree", pip_install_from_the_tree)));
    trials
}

/// Held while setuptools works in the source tree: its `egg-info` there is one per tree.
static TREE: Mutex<()> = Mutex::new(());

/// An environment with pip, made anew.
fn environment(python: &Interpreter, name: &str) -> Result<Environment> {
    let directory = tools()?.cache.join(format!("packaging-{name}-{}", python.label));
    let _ = fs::remove_dir_all(&directory);
    with_pip(python, &directory.join("env"), &directory.join("scratch"))
}

/// The wheel, built once with cargo's target directory: nothing is compiled twice.
fn wheel(python: &Interpreter) -> Result<PathBuf> {
    static WHEEL: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let build = || -> Result<PathBuf> {
        let environment = environment(python, "build")?;
        let out = &environment.scratch;
        let arguments = ["wheel", "--no-deps", "--wheel-dir"].map(std::ffi::OsStr::new);
        let source = workspace();
        let _tree = TREE.lock();
        environment.pip(python, arguments.into_iter().chain([out.as_os_str(), source.as_os_str()]))?;
        let wheels: Vec<PathBuf> = fs::read_dir(out)?.flatten().map(|e| e.path()).collect();
        ensure!(wheels.len() == 1, "pip made {wheels:?}");
        Ok(wheels[0].clone())
    };
    let wheel = WHEEL.get_or_init(|| build().map_err(|e| format!("{e:#}")));
    wheel.clone().map_err(|e| anyhow::anyhow!("{e}"))
}

fn tree(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let all = snapshot(root)?.into_keys();
    // pip's own caches of compiled code are none of ours.
    Ok(all.filter(|p| !p.components().any(|c| c.as_os_str() == "__pycache__" || c.as_os_str() == "pip")).collect())
}

fn wheel_there_and_back(python: &Interpreter) -> Result<()> {
    let wheel = wheel(python)?;
    let name = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
    ensure!(name.contains("-cp311-abi3-linux_"), "`{name}` is not for every version");
    let environment = environment(python, "wheel")?;
    let before = tree(&environment.root)?;
    environment.pip(python, ["install".as_ref(), "--no-index".as_ref(), wheel.as_os_str()])?;
    use_it(&environment)?;
    environment.pip(python, ["uninstall", "--yes", "cds-build"])?;
    let after = tree(&environment.root)?;
    ensure!(after == before, "left behind: {:?}", after.symmetric_difference(&before).collect::<Vec<_>>());
    environment.script("import sys; assert 'cds_loader' not in sys.modules")?.silent()?;
    Ok(())
}

/// The command, the loader and the start file work together without any setting.
fn use_it(environment: &Environment) -> Result<()> {
    for file in ["cds_loader.abi3.so", "cds_loader.pth"] {
        ensure!(environment.site.join(file).is_file(), "`{file}` is not at the root of the site directory");
    }
    ensure!(!environment.site.join("cds_loader.start").exists(), "a start file that makes 3.15 slow to start");
    let command = || cds_tests::process::Run::new(environment.root.join("bin/cds-build"));
    let version = command().arg("--version").ok()?.stdout;
    ensure!(version.trim() == concat!("cds-build ", env!("CARGO_PKG_VERSION")), "{version}");
    let image = environment.image();
    command().arg("--out").arg(&image).arg("--python").arg(&environment.python).args(["json", "email"]).ok()?;
    // No `--loader`: it is the one of the environment that the command is installed in.
    command().arg("verify").arg(&image).arg("--python").arg(&environment.python).ok()?;
    let text = "import json.scanner, email.message as m, cds_loader as c; print(c.status()['state'], c.owns(m.Message.keys.__code__))";
    let output = environment.script(text)?.silent()?;
    ensure!(output.stdout == "active True\n", "{output}");
    let report = command().args(["install", "--json", "--python"]).arg(&environment.python).ok()?.json()?;
    ensure!(report["outcome"] == "owned-by-pip", "{report}");
    fs::remove_file(image)?;
    Ok(())
}

/// `pip install .`, in one step from the tree, and what it leaves in the tree.
fn pip_install_from_the_tree(python: &Interpreter) -> Result<()> {
    wheel(python)?;
    let environment = environment(python, "tree")?;
    let tree = TREE.lock();
    environment.pip(python, ["install".as_ref(), workspace().as_os_str()])?;
    drop(tree);
    use_it(&environment)
}

/// The source distribution has what a build needs, and no build products.
fn source_distribution(python: &Interpreter) -> Result<()> {
    let environment = environment(python, "sdist")?;
    environment.pip(python, ["install", "setuptools-rust>=1.11", "setuptools>=77"])?;
    // The hook of PEP 517, as `pip` and `build` call it.
    let text = "import sys, setuptools.build_meta as b; print(b.build_sdist(sys.argv[1]))";
    let tree = TREE.lock();
    let built = environment.python().arg("-c").arg(text).arg(&environment.scratch).cwd(workspace()).ok()?;
    drop(tree);
    let name = built.stdout.lines().last().context("no name")?.to_owned();
    let text = "import sys, tarfile\nwith tarfile.open(sys.argv[1]) as file:\n  file.extractall(sys.argv[2])\n  \
                print('\\n'.join(file.getnames()))";
    let unpack =
        environment.python().arg("-c").arg(text).arg(environment.scratch.join(&name)).arg(&environment.scratch);
    let names = unpack.unset("PYTHONWARNINGS").ok()?.stdout;
    let names: BTreeSet<&str> = names.lines().filter_map(|n| n.split_once('/')).map(|(_, n)| n).collect();
    let needed = [
        "Cargo.toml",
        "Cargo.lock",
        "pyproject.toml",
        "setup.py",
        "README.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "layout/Cargo.toml",
        "builder/Cargo.toml",
        "loader/Cargo.toml",
        "tests/Cargo.toml",
        "benches/Cargo.toml",
        "layout/src/lib.rs",
        "builder/src/target/probe.py",
        "builder/src/install/cds_loader.pth",
        "fixtures/probe/layout.c",
        "tests/requirements.txt",
    ];
    for file in needed {
        ensure!(names.contains(file), "`{file}` is not in `{name}`");
    }
    let unwanted: Vec<_> =
        names.iter().filter(|n| n.starts_with("target") || n.ends_with(".so") || n.ends_with(".pyc")).collect();
    ensure!(unwanted.is_empty(), "in `{name}`: {unwanted:?}");
    // The workspace is whole: cargo finds every member and every target in it.
    let root = environment.scratch.join(name.trim_end_matches(".tar.gz"));
    let metadata =
        tools::cargo().args(["metadata", "--locked", "--format-version", "1", "--no-deps"]).cwd(&root).ok()?;
    let packages = metadata.json()?["packages"].as_array().map(Vec::len);
    ensure!(packages == Some(5), "the workspace in `{name}` has {packages:?} crates");
    Ok(())
}
