//! Why a file is not a readable image.

use cds_layout::format::HeaderError;

/// The file is no image, or a damaged one.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The first page.
    #[error("{}", header_text(*.0))]
    Header(HeaderError),
    /// The size in the header.
    #[error("the file has {actual} bytes, its header says {expected}")]
    Size {
        /// Of the file.
        actual: u64,
        /// In the header.
        expected: u64,
    },
    /// The section directory.
    #[error("the section directory is damaged: {0}")]
    Directory(String),
    /// A record.
    #[error("`{0}` is damaged at record {1}")]
    Record(&'static str, usize),
}

fn header_text(error: HeaderError) -> String {
    match error {
        HeaderError::NotElf => "not an ELF file".into(),
        HeaderError::WrongElf => "not a 64-bit little-endian ELF shared object".into(),
        HeaderError::NoNote => "an ELF file, but not an image: it has no identity note".into(),
        HeaderError::BadNote => "the identity note is damaged".into(),
        HeaderError::FormatVersion(v) => {
            format!("format version {v}, this program reads version {}", cds_layout::format::FORMAT_VERSION)
        }
        HeaderError::Checksum => "the checksum of the first page does not agree".into(),
        HeaderError::BadField => "the identity note has an impossible value".into(),
    }
}
