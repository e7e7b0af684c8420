//! What it costs to know which words hold addresses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a unit can say which of its words hold addresses that have to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// By what is in the words: every word is looked at, and there is no table.
    Windows,
    /// Distances from one word to the next, as varints.
    Distances,
    /// Numbers of words, four bytes each.
    Numbers,
    /// A number and then bitmaps of the 63 words that follow, as in `DT_RELR`.
    Bitmaps,
}

impl Encoding {
    /// All, in the order of the report.
    pub const ALL: [Encoding; 4] = [Encoding::Windows, Encoding::Distances, Encoding::Numbers, Encoding::Bitmaps];

    /// Its name in the report.
    pub fn title(self) -> &'static str {
        match self {
            Encoding::Windows => "windows, no table",
            Encoding::Distances => "distances, varints",
            Encoding::Numbers => "numbers of 32 bits",
            Encoding::Bitmaps => "bitmaps, as in `DT_RELR`",
        }
    }
}

/// Each encoding, for the units of one image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Encodings {
    /// Bytes of the image, which has no such table.
    pub image_bytes: u64,
    /// Bytes of the `.pyc` files of its modules.
    pub pyc_bytes: u64,
    /// Bytes of the tables of all its units.
    pub tables: BTreeMap<Encoding, u64>,
    /// Imports.
    pub works: Vec<Encoded>,
}

/// Each encoding, for the units that one import uses.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Encoded {
    /// What is imported.
    pub name: String,
    /// Units.
    pub units: usize,
    /// Bytes of their objects.
    pub bytes: u64,
    /// Words of them that are moved.
    pub moved: u64,
    /// Bytes of the tables of these units.
    pub tables: BTreeMap<Encoding, u64>,
    /// Seconds to copy all of them and to move the words of the copies; value `i` of two encodings is of the same round.
    pub seconds: BTreeMap<Encoding, Vec<f64>>,
}
