//! Asks an interpreter about itself by running a script in it.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cds_layout::cpython::{LAYOUTS, layout};
use serde::Deserialize;

use super::elf::ElfFile;
use super::native::native_names;
use super::objects::{Live, symbol_names};
use super::{SearchEntry, Target, TargetError, isolate, minor};

const SCRIPT: &str = include_str!("probe.py");

/// Comes before the answer, so that what start-up files print is not taken for it.
const MARKER: &str = "cds-probe:";

/// Lines of stderr that an error shows.
const STDERR_LINES: usize = 5;

/// What the script prints.
#[derive(Deserialize)]
struct Answer {
    implementation: String,
    version: String,
    debug: bool,
    free_threaded: bool,
    /// One of its paths that is not UTF-8.
    not_text: Option<String>,
    /// Absent if the interpreter cannot be a target.
    facts: Option<Facts>,
}

#[derive(Deserialize)]
struct Facts {
    executable: PathBuf,
    version_text: String,
    hexversion: u32,
    cache_tag: String,
    soabi: String,
    magic: [u8; 4],
    prefix: String,
    base_prefix: String,
    exec_prefix: String,
    base_exec_prefix: String,
    search_path: Vec<SearchEntry>,
    builtin_names: Vec<String>,
    frozen_names: Vec<String>,
    start_strings: Vec<String>,
    extension_suffixes: Vec<String>,
    purelib: PathBuf,
    platlib: PathBuf,
    scripts: PathBuf,
    mapped: Vec<Mapped>,
    objects: Live,
}

/// A file that the process has mapped.
#[derive(Deserialize)]
struct Mapped {
    path: PathBuf,
    /// Where its first byte is.
    address: u64,
}

pub fn probe(python: &Path) -> Result<Target, TargetError> {
    let output = run(python)?;
    let answer = parse(python, &output)?;
    let version = answer.version;
    if answer.implementation != "cpython" {
        return Err(TargetError::NotCPython { python: python.to_owned(), implementation: answer.implementation });
    }
    if let Some(path) = answer.not_text {
        return Err(TargetError::NotText { python: python.to_owned(), path });
    }
    let builds = [(answer.free_threaded, "free-threaded"), (answer.debug, "debug")];
    let Some(facts) = answer.facts else {
        let python = python.to_owned();
        // Of a version that is not supported in any build, the version is the better reason.
        let supported = LAYOUTS.iter().any(|l| version.starts_with(&format!("3.{}.", l.minor)));
        return match builds.into_iter().find(|&(is, _)| is && supported) {
            Some((_, build)) => Err(TargetError::UnsupportedBuild { python, version, build }),
            None => Err(TargetError::UnsupportedVersion { python, version }),
        };
    };
    // Alphas and betas have layouts of their own; the release level is the second-lowest digit, 0xC a release candidate.
    let settled = facts.hexversion >> 4 & 0xf >= 0xc;
    let Some(layout) = layout(minor(facts.hexversion)).filter(|_| settled) else {
        return Err(TargetError::UnsupportedVersion { python: python.to_owned(), version });
    };
    let (elf, address) = interpreter_elf(python, &facts)?;
    let no_bias = || TargetError::Elf { path: elf.path.clone(), reason: "no segment holds its first byte".to_owned() };
    let bias = elf.bias(address).ok_or_else(no_bias)?;
    let native_names = native_names(&elf.path, &facts.search_path, &facts.extension_suffixes);
    let first_int = i16::try_from(layout.small_ints.0).expect("small ints are small");
    Ok(Target {
        executable: facts.executable,
        version,
        hexversion: facts.hexversion,
        cache_tag: facts.cache_tag,
        soabi: facts.soabi,
        debug: answer.debug,
        free_threaded: answer.free_threaded,
        machine: elf.machine,
        magic: facts.magic,
        prefix: facts.prefix,
        base_prefix: facts.base_prefix,
        exec_prefix: facts.exec_prefix,
        base_exec_prefix: facts.base_exec_prefix,
        search_path: facts.search_path,
        builtin_names: facts.builtin_names,
        frozen_names: facts.frozen_names,
        start_strings: facts.start_strings,
        native_names: native_names.into_iter().collect(),
        extension_suffixes: facts.extension_suffixes,
        purelib: facts.purelib,
        platlib: facts.platlib,
        scripts: facts.scripts,
        pie: elf.moves,
        identity: elf.identity(&facts.version_text)?,
        externs: facts.objects.externs(&elf, bias)?,
        runtime_offsets: facts.objects.runtime_offsets(&elf, bias, first_int),
        elf: elf.path,
        version_text: facts.version_text,
    })
}

fn run(python: &Path) -> Result<Output, TargetError> {
    let mut command = Command::new(python);
    // Neither `-I`, because the user's site directory is part of an ordinary search path, nor `-E`, because an installed
    // loader must obey `PYCDSMODE`.
    isolate(&mut command);
    command.args(["-B", "-c", SCRIPT, MARKER]);
    for layout in LAYOUTS {
        let (first, last) = layout.small_ints;
        let (length, data) = (layout.str_.length, layout.str_.ascii_data);
        command.arg(format!("{}:{first}:{last}:{length}:{data}", layout.minor));
    }
    command.stdin(Stdio::null());
    command.output().map_err(|source| {
        let python = python.to_owned();
        // A script whose own interpreter is missing gives the same error as a missing file.
        if source.kind() == ErrorKind::NotFound && std::fs::symlink_metadata(&python).is_err() {
            TargetError::NotFound { python }
        } else {
            TargetError::NotExecutable { python, source }
        }
    })
}

fn parse(python: &Path, output: &Output) -> Result<Answer, TargetError> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let line = stdout.lines().rev().find_map(|line| line.strip_prefix(MARKER));
    let Some(line) = line.filter(|_| output.status.success()) else {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = stderr.trim_end().lines().collect();
        let stderr = lines[lines.len().saturating_sub(STDERR_LINES)..].join("\n");
        return Err(TargetError::Failed { python: python.to_owned(), status: output.status.to_string(), stderr });
    };
    serde_json::from_str(line).map_err(|source| TargetError::Answer { python: python.to_owned(), source })
}

/// The mapped file that the process has its types from, and where its first byte is.
fn interpreter_elf(python: &Path, facts: &Facts) -> Result<(ElfFile, u64), TargetError> {
    let names = symbol_names();
    let mut mapped: Vec<&Mapped> = facts.mapped.iter().collect();
    // Likely files first; which one it is, is decided by the address of a type.
    mapped.sort_by_key(|m| {
        let name = m.path.file_name().unwrap_or(OsStr::new("")).as_encoded_bytes();
        (!name.starts_with(b"libpython"), !name.starts_with(b"python"))
    });
    for file in mapped {
        // Locale archives and files that are gone are mapped too.
        let Ok(elf) = ElfFile::read(&file.path, &names) else { continue };
        if facts.objects.runs_from(&elf, file.address) {
            return Ok((elf, file.address));
        }
    }
    Err(TargetError::NoElf { python: python.to_owned() })
}
