//! What a part was measured with.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use cds_layout::format::FORMAT_VERSION;
use cds_tests::files::fnv;
use serde::{Deserialize, Serialize};

/// A build of this project, as far as figures depend on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Made {
    /// Version of the image format.
    pub format: u32,
    /// Hash of the loader's file: another one is another loader.
    pub loader: String,
}

/// The builds that a part was measured with: more than one after some of its rows were measured again.
pub type Builds = BTreeSet<Made>;

impl Made {
    /// With this loader, and the builder of today.
    pub fn with(loader: &Path) -> Result<Made> {
        let bytes = fs::read(loader).with_context(|| format!("cannot read `{}`", loader.display()))?;
        Ok(Made { format: FORMAT_VERSION, loader: format!("{:08x}", fnv(&[&bytes]) as u32) })
    }
}

impl std::fmt::Display for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "image format {}, loader {}", self.format, self.loader)
    }
}
