//! What every check of an image's parts may say.

/// A table or slot of the image is not what a builder writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;
