//! Plots as SVG files: small, without a font or a script, legible on any background.

mod bars;
mod lines;
mod svg;

pub use bars::{Bar, Bars};
pub use lines::Lines;
pub use svg::{Key, Level, colour, shade};
