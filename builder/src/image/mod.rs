//! An image as a file: its records, for `inspect`, `verify` and the tests.

mod bodies;
mod error;
mod reach;
mod structure;
mod view;

pub use error::ImageError;
pub use structure::{Finding, structure};
pub use view::Image;
