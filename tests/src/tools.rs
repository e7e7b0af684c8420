//! The programs under test, built once per run by cargo itself.

use std::env;
use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Context, Result};

use crate::folder;
use crate::process::Run;
use crate::workspace;

/// The built programs and the directory for everything that tests keep.
#[derive(Debug, Clone)]
pub struct Tools {
    /// `cds-build`.
    pub builder: PathBuf,
    /// The loader, as cargo names it.
    pub loader: PathBuf,
    /// Cargo's target directory.
    pub target: PathBuf,
    /// Environments and images: kept between runs.
    pub cache: PathBuf,
}

/// A run of cargo on this workspace.
pub fn cargo() -> Run {
    Run::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())).cwd(workspace())
}

/// Builds builder and loader in the release profile, the one that is shipped.
pub fn tools() -> Result<&'static Tools> {
    static TOOLS: OnceLock<Result<Tools, String>> = OnceLock::new();
    let built = TOOLS.get_or_init(|| build().map_err(|e| format!("{e:#}")));
    built.as_ref().map_err(|e| anyhow::anyhow!("{e}"))
}

/// Cargo's target directory.
pub fn target_directory() -> Result<PathBuf> {
    let metadata = cargo().args(["metadata", "--format-version", "1", "--no-deps", "--locked"]).ok()?.json()?;
    Ok(PathBuf::from(metadata["target_directory"].as_str().context("cargo names no target directory")?))
}

fn build() -> Result<Tools> {
    let target = match folder::inside() {
        // There is no cargo in the folder: the process outside has built everything.
        Some(inside) => inside.target,
        None => {
            cargo().args(["build", "--release", "--locked", "-p", "cds-build", "-p", "cds-loader"]).ok()?;
            target_directory()?
        }
    };
    let release = target.join("release");
    let tools = Tools {
        builder: release.join("cds-build"),
        loader: release.join("libcds_loader.so"),
        cache: target.join("cds-tests"),
        target,
    };
    for file in [&tools.builder, &tools.loader] {
        anyhow::ensure!(file.is_file(), "cargo built no `{}`", file.display());
    }
    Ok(tools)
}

impl Tools {
    /// A run of `cds-build`.
    pub fn cds_build(&self) -> Run {
        Run::new(&self.builder)
    }
}
