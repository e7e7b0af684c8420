//! `cds-build install` and `uninstall`: exactly the loader's files, and nobody else's.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::files::{read, snapshot, write};
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::process::Run;
use cds_tests::suite::{OnInterpreter, on_each, on_newest};
use cds_tests::tools::tools;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    let tests: &[OnInterpreter] = &[("there_and_back", there_and_back), ("path_without_text", path_without_text)];
    let mut trials = on_each(interpreters, "install", tests);
    trials.extend(on_newest(interpreters, "install", ("foreign_files", foreign_files)));
    trials.extend(on_newest(interpreters, "install", ("update", update)));
    trials.extend(on_newest(interpreters, "install", ("former_start_file", former_start_file)));
    trials.extend(on_newest(interpreters, "install", ("changed_file", changed_file)));
    trials.extend(on_newest(interpreters, "install", ("installed_by_pip", installed_by_pip)));
    trials.extend(on_newest(interpreters, "install", ("bad_loaders", bad_loaders)));
    trials.extend(on_newest(interpreters, "install", ("externally_managed", externally_managed)));
    trials
}

const FILES: [&str; 3] = ["cds_loader.abi3.so", "cds_loader.manifest.json", "cds_loader.pth"];

/// A file that earlier versions installed as well.
const FORMER: &str = "cds_loader.start";

fn command(environment: &Environment, command: &str) -> Result<Run> {
    Ok(tools()?.cds_build().args([command, "--json", "--python"]).arg(&environment.python))
}

/// Without `--loader`, the one beside the builder.
fn install(environment: &Environment) -> Result<Run> {
    command(environment, "install")
}

fn uninstall(environment: &Environment) -> Result<Run> {
    command(environment, "uninstall")
}

/// What is in the site directory, names only.
fn listing(environment: &Environment) -> Result<BTreeSet<PathBuf>> {
    Ok(snapshot(&environment.site)?.into_keys().collect())
}

/// What a start imports, in order of names.
fn imported(environment: &Environment) -> Result<BTreeSet<String>> {
    let output = environment.python().args(["-W", "error", "-c", "import sys; print(*sys.modules)"]).ok()?.silent()?;
    Ok(output.stdout.split_whitespace().map(str::to_owned).collect())
}

fn there_and_back(python: &Interpreter) -> Result<()> {
    let environment = Environment::bare(python)?;
    // For any `.pth` file, `site` of some versions imports a codec.
    let other = environment.site.join("other.pth");
    write(&other, "import sys\n")?;
    let without = imported(&environment)?;
    fs::remove_file(other)?;
    let before = snapshot(&environment.root)?;
    let report = uninstall(&environment)?.ok()?.json()?;
    ensure!(report["outcome"] == "not-installed", "{report}");
    let report = install(&environment)?.ok()?.json()?;
    ensure!(report["outcome"] == "installed", "{report}");
    let added: Vec<PathBuf> =
        listing(&environment)?.into_iter().filter(|p| p.to_string_lossy().contains("cds")).collect();
    ensure!(added.iter().map(|p| p.to_string_lossy()).eq(FILES), "{added:?}");
    let state = environment
        .script("import sys; print('cds_loader' in sys.modules, sys.modules['cds_loader'].status()['state'])")?;
    ensure!(state.clone().silent()?.stdout == "True absent\n", "the start file does not start the loader: {state}");
    let more: BTreeSet<String> = imported(&environment)?.difference(&without).cloned().collect();
    ensure!(more == BTreeSet::from(["cds_loader".to_owned()]), "a start with the loader imports {more:?}");
    let report = install(&environment)?.ok()?.json()?;
    ensure!(report["outcome"] == "up-to-date", "{report}");
    // Images are the user's own: mentioned, not removed.
    write(environment.image(), "image")?;
    let report = uninstall(&environment)?.ok()?.json()?;
    ensure!(report["outcome"] == "removed" && report["images"].as_array().is_some_and(|i| i.len() == 1), "{report}");
    fs::remove_file(environment.image())?;
    ensure!(snapshot(&environment.root)? == before, "something is left: {:?}", listing(&environment)?);
    Ok(())
}

/// An environment below a directory whose name is not UTF-8, as it may be after a move. Some versions cannot load extensions there: a
/// start says nothing of it. The builder says what it cannot do.
fn path_without_text(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let moved = environment.root.with_file_name(OsStr::from_bytes(b"lat\xe9n"));
    fs::rename(&environment.root, &moved)?;
    let executable = moved.join("bin/python3");
    let started = Run::new(&executable).args(["-c", "import sys; print(ascii(sys.prefix))"]).ok()?.silent()?;
    ensure!(started.stdout.contains("lat\\udce9n"), "{started}");
    let out = environment.scratch.join("image.so");
    let build = tools()?.cds_build().arg("--out").arg(&out).arg("wave");
    for command in [build, tools()?.cds_build().arg("install")] {
        let output = command.arg("--python").arg(&executable).status(2)?;
        ensure!(output.stderr.contains("lat\u{fffd}n/bin/python3`, which is not UTF-8\nhint: "), "{output}");
    }
    ensure!(!out.exists(), "an image all the same");
    Ok(())
}

fn foreign_files(python: &Interpreter) -> Result<()> {
    for name in FILES.into_iter().chain([FORMER]) {
        let environment = Environment::bare(python)?;
        let path = environment.site.join(name);
        write(&path, "somebody else's")?;
        let before = snapshot(&environment.root)?;
        let output = install(&environment)?.status(2)?;
        ensure!(output.stderr.starts_with("error: ") && output.stderr.contains(name), "{output}");
        ensure!(snapshot(&environment.root)? == before, "{name}: something changed: {output}");
        let output = uninstall(&environment)?.output()?;
        ensure!(snapshot(&environment.root)? == before, "{name}: something changed: {output}");
    }
    let environment = Environment::bare(python)?;
    fs::create_dir(environment.site.join(FILES[0]))?;
    install(&environment)?.status(2)?;
    Ok(())
}

/// Another loader replaces the one that was installed before, also after an update that was interrupted.
fn update(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let other = environment.scratch.join("other.so");
    let mut bytes = read(&tools()?.loader)?;
    bytes.extend([0; 16]);
    write(&other, &bytes)?;
    let report = install(&environment)?.arg("--loader").arg(&other).ok()?.json()?;
    ensure!(report["outcome"] == "installed", "{report}");
    ensure!(read(environment.site.join(FILES[0]))? == bytes, "not updated");
    fs::remove_file(environment.site.join(FILES[2]))?;
    let report = install(&environment)?.env("CDS_LOADER", &other).ok()?.json()?;
    let files = report["files"].as_array().map(Vec::len);
    ensure!(report["outcome"] == "installed" && files == Some(1), "only the missing file is written: {report}");
    uninstall(&environment)?.ok()?;
    ensure!(FILES.iter().all(|name| !environment.site.join(name).exists()), "{:?}", listing(&environment)?);
    Ok(())
}

/// Puts a start file as earlier versions had it, and adds it to the record.
fn former_version(environment: &Environment) -> Result<()> {
    let text = "import hashlib, json, sys\nrecord, start = sys.argv[1:]\ncontent = b'cds_loader:activate\\n'\n\
                open(start, 'wb').write(content)\nrows = json.load(open(record))\n\
                rows['files'].append({'name': 'cds_loader.start', 'sha256': hashlib.sha256(content).hexdigest()})\n\
                json.dump(rows, open(record, 'w'))";
    let [record, start] = [FILES[1], FORMER].map(|name| environment.site.join(name));
    environment.python().args(["-S", "-c", text]).arg(record).arg(start).ok()?;
    Ok(())
}

/// The start file of earlier versions is taken away by an update as by a removal.
fn former_start_file(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let now = listing(&environment)?;
    former_version(&environment)?;
    let report = install(&environment)?.ok()?.json()?;
    ensure!(report["outcome"] == "installed", "{report}");
    ensure!(listing(&environment)? == now, "not as a new installation: {:?}", listing(&environment)?);
    former_version(&environment)?;
    let report = uninstall(&environment)?.ok()?.json()?;
    ensure!(report["files"].as_array().map(Vec::len) == Some(4) && !environment.site.join(FORMER).exists(), "{report}");
    Ok(())
}

/// A file that somebody changed is theirs from then on.
fn changed_file(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let path = environment.site.join("cds_loader.pth");
    write(&path, "# nothing at start-up, please\n")?;
    install(&environment)?.status(2)?;
    let report = uninstall(&environment)?.ok()?.json()?;
    ensure!(report["changed"].as_array().is_some_and(|c| c.len() == 1) && path.exists(), "{report}");
    ensure!(!environment.site.join(FILES[0]).exists(), "{report}");
    Ok(())
}

/// What pip installed, pip removes.
fn installed_by_pip(python: &Interpreter) -> Result<()> {
    let environment = Environment::bare(python)?;
    let record = "cds_loader.abi3.so,sha256=x,1\ncds_loader.pth,sha256=x,1\ncds_build-0.1.0.dist-info/RECORD,,\n";
    write(environment.site.join("cds_build-0.1.0.dist-info/RECORD"), record)?;
    write(environment.site.join(FILES[0]), "pip's")?;
    let before = snapshot(&environment.root)?;
    for command in [install, uninstall] {
        let output = command(&environment)?.ok()?;
        ensure!(output.json()?["outcome"] == "owned-by-pip" && output.stderr.contains("pip"), "{output}");
    }
    ensure!(snapshot(&environment.root)? == before, "something changed");
    Ok(())
}

fn bad_loaders(python: &Interpreter) -> Result<()> {
    let environment = Environment::bare(python)?;
    let before = snapshot(&environment.root)?;
    let text = environment.scratch.join("text.so");
    write(&text, "text")?;
    for loader in [&text, &tools()?.builder, &environment.scratch.join("nowhere.so"), &environment.scratch] {
        let output = install(&environment)?.arg("--loader").arg(loader).status(2)?;
        ensure!(output.stderr.contains(&*loader.to_string_lossy()), "the file is not named: {output}");
        ensure!(output.stderr.contains("hint: "), "no hint: {output}");
    }
    ensure!(snapshot(&environment.root)? == before, "something changed");
    Ok(())
}

/// A site directory that cannot be written to: here one that is no directory that the interpreter reads.
fn externally_managed(python: &Interpreter) -> Result<()> {
    let environment = Environment::bare(python)?;
    let marked =
        fs::read_dir(python.prefix.join("lib"))?.flatten().any(|e| e.path().join("EXTERNALLY-MANAGED").exists());
    if marked {
        let output = tools()?.cds_build().args(["install", "--python"]).arg(&python.executable).status(2)?;
        ensure!(output.stderr.contains("externally managed") && output.stderr.contains("hint: "), "{output}");
    }
    fs::remove_dir_all(&environment.site)?;
    let output = install(&environment)?.status(2)?;
    ensure!(output.stderr.contains("hint: ") && !environment.site.exists(), "{output}");
    Ok(())
}
