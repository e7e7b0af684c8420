//! The round trip: every module of an image, in a process of the target, beside the same module from marshal data.

mod values;

pub use values::named_objects;

use crate::code::{self, CodeError};
use crate::discover::{self, DiscoverError, DiscoverOptions};
use crate::image::{Finding, Image};
use crate::target::{Target, isolate};
use cds_layout::format::{ModuleKind, ModuleRecord, Writer};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SCRIPT: &str = concat!(include_str!("compare.py"), include_str!("roundtrip.py"));

/// What a round trip found.
#[derive(Debug, Default)]
pub struct RoundTrip {
    /// Modules that were compared.
    pub compared: usize,
    /// Differences.
    pub findings: Vec<Finding>,
}

/// Why there was no round trip.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum RoundTripError {
    #[error("cannot find the modules of the target")]
    Discover(#[from] DiscoverError),
    #[error("cannot obtain the modules' code")]
    Code(#[from] CodeError),
    #[error("cannot run `{}`", python.display())]
    Run { python: PathBuf, source: std::io::Error },
    #[error("`{}` ended with {status}: {stderr}", python.display())]
    Failed { python: PathBuf, status: String, stderr: String },
    #[error("the answer of `{}` is not understood", python.display())]
    Answer { python: PathBuf, source: serde_json::Error },
}

#[derive(Deserialize)]
struct Answer {
    rejected: Option<String>,
    compared: usize,
    differences: Vec<(String, String)>,
}

/// Compares every module of the image at `path` that still has the source that it was built from.
///
/// `loader` is the `cds_loader` extension module.
pub fn round_trip(
    path: &Path,
    image: &Image<'_>,
    target: &Target,
    loader: &Path,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<RoundTrip, RoundTripError> {
    let mut findings = Vec::new();
    let modules: BTreeMap<&str, &ModuleRecord> =
        image.modules.iter().filter(|m| m.kind == ModuleKind::Source).map(|m| (m.name, m)).collect();
    let options = DiscoverOptions {
        modules: Some(modules.keys().map(|n| (*n).to_owned()).collect()),
        roots: extra_roots(image, target),
        ..DiscoverOptions::default()
    };
    let mut discovery = discover::discover(target, &options)?;
    let mut current = BTreeSet::new();
    discovery.modules.retain(|found| {
        let Some(module) = modules.get(found.name.as_str()) else { return false };
        let same = image.module_path(module).is_some_and(|p| Path::new(&p) == found.path)
            && module.stamp.agrees(found.mtime_ns, found.size);
        if same {
            current.insert(found.name.clone());
        }
        same
    });
    for name in modules.keys().filter(|name| !current.contains(**name)) {
        let message = format!("`{name}` was not compared: its source has changed or is gone");
        findings.push(Finding { check: "source", message });
    }

    let (codes, skipped) = code::obtain(target, &discovery, image.header.optimize, false, progress)?;
    for skip in skipped {
        let message = format!("`{}`: {}", skip.module.unwrap_or_default(), skip.reason);
        findings.push(Finding { check: "source", message });
    }
    let mut request = Writer::new();
    for code in &codes {
        let found = &discovery.modules[code.module];
        let filename = found.path.to_string_lossy().into_owned();
        for part in [found.name.as_bytes(), filename.as_bytes(), &code.marshal] {
            request.u32(part.len() as u32);
            request.raw(part);
        }
    }
    let answer = run(SCRIPT, path, target, loader, image.header.optimize, &request.bytes)?;
    if let Some(reason) = answer.rejected {
        findings.push(Finding { check: "rejected", message: reason });
    }
    findings.extend(
        answer
            .differences
            .into_iter()
            .map(|(name, what)| Finding { check: "round trip", message: format!("`{name}`: {what}") }),
    );
    Ok(RoundTrip { compared: answer.compared, findings })
}

/// Roots of the image that the target would not search by itself.
fn extra_roots(image: &Image<'_>, target: &Target) -> Vec<PathBuf> {
    let known: BTreeSet<&str> = target.search_path.iter().map(|e| e.path.as_str()).collect();
    let roots = image.roots.iter().map(|r| image.text(r.predicted));
    roots.filter(|r| !known.contains(r)).map(PathBuf::from).collect()
}

/// Runs a script in the target with the loader and the image as arguments.
fn run(
    script: &str,
    path: &Path,
    target: &Target,
    loader: &Path,
    optimize: u8,
    request: &[u8],
) -> Result<Answer, RoundTripError> {
    let python = target.executable.clone();
    let failed = |source| RoundTripError::Run { python: python.clone(), source };
    let mut command = Command::new(&target.executable);
    // Without `-E`, so that a loader that is installed there obeys `PYCDSMODE`.
    isolate(&mut command);
    let mut child = command
        .args(optimize_flag(optimize))
        .args(["-s", "-P", "-B", "-W", "ignore", "-c", script])
        .arg(loader)
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let output = std::thread::scope(|scope| {
        // A child that ends early closes the pipe; its status says more than the broken pipe.
        scope.spawn(move || drop(stdin.write_all(request)));
        child.wait_with_output()
    })
    .map_err(failed)?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let stderr = stderr.lines().last().unwrap_or_default().to_owned();
        return Err(RoundTripError::Failed { python, status: output.status.to_string(), stderr });
    }
    serde_json::from_slice(&output.stdout).map_err(|source| RoundTripError::Answer { python, source })
}

fn optimize_flag(optimize: u8) -> Option<&'static str> {
    match optimize {
        0 => None,
        1 => Some("-O"),
        _ => Some("-OO"),
    }
}
