//! What a process's memory is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a mapping is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The heap, the stack and what has no file: objects that were made, and copies of those in the image.
    Made,
    /// The loader's own file.
    Loader,
    /// Pages of the image that are as they are in the file.
    ImageRead,
    /// Pages of the image that were written to.
    ImageWritten,
    /// The interpreter, libraries and extension modules.
    Files,
}

impl Part {
    /// All, in the order of the report.
    pub const ALL: [Part; 5] = [Part::Made, Part::Loader, Part::ImageRead, Part::ImageWritten, Part::Files];

    /// Its name in the report.
    pub fn title(self) -> &'static str {
        match self {
            Part::Made => "heap, stack, copies",
            Part::Loader => "loader",
            Part::ImageRead => "image, read",
            Part::ImageWritten => "image, written",
            Part::Files => "other files",
        }
    }
}

/// Bytes of each part.
pub type Mappings = BTreeMap<Part, Resident>;

/// What is resident of something, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Resident {
    /// Resident set size: all pages that are mapped.
    pub rss: f64,
    /// Proportional set size: each page divided by the number of processes that have it.
    pub pss: f64,
}
