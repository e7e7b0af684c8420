//! Variations of the image that a user has to ask for: the collector paused, units in place. No figure to reach is about them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cds_tests::interpreters::Interpreter;

use crate::results::Way;
use crate::ways::{Start, Subjects, build};

/// Those that are measured on an interpreter.
pub fn on(interpreter: &Interpreter) -> Vec<Way> {
    let mut ways = vec![Way::Paused];
    // Everywhere else who uses an object writes to its page, which then is neither clean nor shared.
    if interpreter.writes_nothing() {
        ways.push(Way::InPlace);
    }
    ways
}

impl Subjects {
    /// A start for each variation. What is needed for it is made now.
    pub fn variations(&self) -> Result<Vec<(Way, Start)>> {
        if self.varied.contains(&Way::InPlace) {
            self.build_in_place().context("the image with units in place")?;
        }
        Ok(self.varied.iter().map(|&way| (way, self.start(way))).collect())
    }

    /// The image with units in place: not where the loader looks by itself, but under a name by which `smaps` knows images.
    pub fn in_place(&self) -> PathBuf {
        self.image.scratch.join("site-cds.in-place.so")
    }

    /// Builds it, and sees that a process that is told to use it does not use the other one.
    fn build_in_place(&self) -> Result<()> {
        let file = self.in_place();
        let _ = fs::remove_file(&file);
        build(&file, self.image.build(&file)?.args(["--units", "in-place"]))?;
        let text = "import cds_loader; s = cds_loader.status(); print(s['image'] if s['state'] == 'active' else s)";
        let used = self.start(Way::InPlace).python().args(["-P", "-c", text]).ok()?.stdout;
        ensure!(Path::new(used.trim_end()) == file, "`{}` is in use, not `{}`", used.trim_end(), file.display());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_in_place_where_nothing_is_written_to() {
        let interpreter = |minor: u8, shared: bool, pie: bool| -> Interpreter {
            let found = serde_json::json!({
                "executable": "", "implementation": "CPython", "version": "", "minor": minor, "build": "", "debug": false,
                "free_threaded": false, "prefix": "", "headers": "", "soabi": "", "shared": shared, "pie": pie,
                "installs": true,
            });
            serde_json::from_value(found).unwrap()
        };
        for minor in 12..=15 {
            assert_eq!(on(&interpreter(minor, false, false)), [Way::Paused, Way::InPlace], "3.{minor}");
        }
        for (minor, shared, pie) in [(11, false, false), (14, true, true), (14, true, false), (14, false, true)] {
            assert_eq!(on(&interpreter(minor, shared, pie)), [Way::Paused], "3.{minor}, {shared}, {pie}");
        }
    }
}
