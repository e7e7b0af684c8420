//! Objects as the target has them in memory: where they lie, which pointers they have, what their bytes are.

pub mod derive;
pub mod place;
pub mod quicken;
pub mod slots;
pub mod write;

pub use place::{Placement, Region, TooLarge, place};
pub use write::{Objects, Predictions, TooManyCodes, write};
