//! Interpreters without a build-id: known by the substitute, on the builder's side and on the loader's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::files::{read, write};
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::process::Run;
use cds_tests::suite::on_each;
use cds_tests::tools::tools;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(interpreters, "identity", &[("without_build_id", without_build_id)])
}

/// Starts the loader, imports, and prints what became of the image.
const PROGRAM: &str = "import cds_loader, json.tool; cds_loader.activate(); import email.message\n\
                       print(json.dumps(cds_loader.status()))";

fn without_build_id(python: &Interpreter) -> Result<()> {
    let environment = Environment::bare(python)?;
    let scratch = &environment.scratch;
    let tools = tools()?;

    // A copy of the ELF file that holds the interpreter, with its build-id note made one of another type.
    let profile = scratch.join("profile.json");
    let image = scratch.join("image.so");
    let build = || tools.cds_build().arg("--out").arg(&image).args(["email", "--python"]);
    build().arg(&python.executable).arg("--save-target-profile").arg(&profile).ok()?;
    let profile: serde_json::Value = serde_json::from_slice(&read(&profile)?)?;
    let target = profile.get("target").unwrap_or(&profile);
    let elf = Path::new(target["elf"].as_str().context("the profile names no ELF file")?);
    let mut bytes = read(elf)?;
    let note = [4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, b'G', b'N', b'U', 0];
    let Some(at) = bytes.windows(note.len()).position(|window| window == note) else {
        // Nothing to take away: this interpreter runs on the substitute in every other test.
        return Ok(());
    };
    bytes[at + 8] = 0x7f;
    let copy = scratch.join("elf").join(elf.file_name().context("no file name")?);
    write(&copy, &bytes)?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;

    let library_path = copy.parent().context("no folder")?.to_owned();
    let program = if python.shared { &python.executable } else { &copy };
    let with_copy = |run: Run| if python.shared { run.env("LD_LIBRARY_PATH", &library_path) } else { run };
    with_copy(build().arg(program)).ok()?;
    let inspected = tools.cds_build().arg("inspect").arg(&image).arg("--json").ok()?.json()?;
    let identity = inspected["identity"].as_str().context("no identity")?;
    ensure!(identity.starts_with("no build-id, substitute "), "{identity}");

    let loader = scratch.join("loader");
    write(loader.join("cds_loader.abi3.so"), read(&tools.loader)?)?;
    let share = |program: &Path| {
        let run = Run::new(program).env("PYTHONPATH", &loader).env("PYCDSMODE", "SHARE").env("PYCDSARCHIVE", &image);
        run.arg("-c").arg(PROGRAM)
    };
    let status = with_copy(share(program)).ok()?.silent()?.json()?;
    ensure!(status["state"] == "active" && status["served"].as_u64() > Some(0), "{status}");

    // The original has a build-id, so it is another interpreter.
    let status = share(&python.executable).ok()?.json()?;
    let reason = status["reason"].as_str().unwrap_or_default();
    ensure!(status["state"] == "rejected" && reason.contains("substitute") && reason.contains("build-id"), "{status}");
    Ok(())
}
