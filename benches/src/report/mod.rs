//! The report: `benchmarks.md` and plots in `benchmarks/`, made of results alone.

mod bounds;
mod details;
mod difference;
mod document;
mod encodings;
mod figures;
mod from_start_profile;
mod functions;
mod made;
mod mappings;
mod markdown;
mod missed;
mod pages;
mod profile;
mod ratios;
mod start;
mod start_profile;
pub mod targets;
mod variations;
mod ways;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cds_tests::files;

use crate::results::Results;

/// Writes the report into a directory, and removes plots of earlier ones; the file with the text.
pub fn write(results: &Results, directory: &Path) -> Result<PathBuf> {
    let plots = directory.join("benchmarks");
    if plots.is_dir() {
        for entry in fs::read_dir(&plots).with_context(|| format!("cannot list `{}`", plots.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "svg") {
                fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
            }
        }
    }
    let figures = figures::all(results);
    for figure in &figures {
        files::write(plots.join(&figure.file), &figure.svg)?;
    }
    let file = directory.join("benchmarks.md");
    files::write(&file, document::document(results, &figures))?;
    Ok(file)
}

/// The name of an interpreter in tables: its label without the folder.
pub(crate) fn short(label: &str) -> String {
    label.split(".debian").next().unwrap_or(label).replacen('-', " ", 1)
}
