//! What it costs to get pages that have to be changed.

use serde::{Deserialize, Serialize};

/// How a process gets pages of a file that it changes for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageWay {
    /// In a private mapping, each page by a fault of its own that is a write.
    Write,
    /// In a private mapping, without any preparation: the first look at a page is a read.
    ReadWrite,
    /// In a private mapping, each piece by `MADV_POPULATE_WRITE`.
    Populate,
    /// Copied out of the mapping into usual pages.
    Copy,
    /// Copied out of the mapping into huge pages.
    CopyHuge,
    /// Read from the file into usual pages.
    File,
    /// Read from the file into huge pages.
    FileHuge,
}

impl PageWay {
    /// All, in the order of the report.
    pub const ALL: [PageWay; 7] = [
        PageWay::Write,
        PageWay::ReadWrite,
        PageWay::Populate,
        PageWay::Copy,
        PageWay::CopyHuge,
        PageWay::File,
        PageWay::FileHuge,
    ];

    /// Its name in the report.
    pub fn title(self) -> &'static str {
        match self {
            PageWay::Write => "mapping, a write fault for each page",
            PageWay::ReadWrite => "mapping, read, then written",
            PageWay::Populate => "mapping, `MADV_POPULATE_WRITE`",
            PageWay::Copy => "copy of the mapping, usual pages",
            PageWay::CopyHuge => "copy of the mapping, huge pages",
            PageWay::File => "`pread`, usual pages",
            PageWay::FileHuge => "`pread`, huge pages",
        }
    }

    /// Whether it asks for huge pages.
    pub fn is_huge(self) -> bool {
        matches!(self, PageWay::CopyHuge | PageWay::FileHuge)
    }
}

/// Each way with pieces of each size. A run measures all, so that none is ever of another run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pages {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Each way and size.
    pub rows: Vec<PageRow>,
}

/// One way with pieces of one size; value `i` of two rows is of the same round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PageRow {
    /// The way.
    pub way: PageWay,
    /// Pages in a piece.
    pub piece: usize,
    /// Pages of all pieces.
    pub pages: usize,
    /// Words that were moved.
    pub moved: u64,
    /// Seconds for all pieces.
    pub seconds: Vec<f64>,
    /// Minor page faults meanwhile.
    pub faults: Vec<f64>,
    /// Peak of the process's resident memory, in bytes.
    pub peak: Vec<f64>,
    /// Bytes of its memory that were in huge pages at the end.
    pub huge: Vec<f64>,
    /// What the system refused, and why.
    #[serde(default)]
    pub refused: Vec<String>,
}
