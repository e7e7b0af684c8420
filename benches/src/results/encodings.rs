//! What it costs to know which words of a copied unit are to be changed.

use std::collections::BTreeMap;
use std::mem;

use serde::{Deserialize, Serialize};

/// How a unit can say which of its words hold addresses or stand for strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// By what is in the words, as in images: every word is looked at, and there is no table.
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
    /// Words of them that are changed: to addresses that have moved, to strings.
    pub changed: u64,
    /// Bytes of the tables of these units.
    pub tables: BTreeMap<Encoding, u64>,
    /// Seconds to copy all of them, and nothing else.
    pub copy: Vec<f64>,
    /// Seconds to copy all of them and to change the words of the copies; value `i` of any two is of the same round.
    pub seconds: BTreeMap<Encoding, Vec<f64>>,
}

impl Encodings {
    /// Takes over what another run has found; whether imports remain that it has not.
    pub fn update(here: &mut Option<Encodings>, other: Option<Encodings>) -> bool {
        let Some(mut other) = other else { return here.is_some() };
        let mut works = here.take().map(|all| all.works);
        let remains = super::update(&mut works, Some(mem::take(&mut other.works)), |new, old| new.name == old.name);
        *here = Some(Encodings { works: works.unwrap_or_default(), ..other });
        remains
    }
}
