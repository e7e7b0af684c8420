//! Objects as the target has them in memory: where they lie, which pointers they have, what their bytes are.

pub mod derive;
mod likely;
pub mod part;
pub mod place;
mod pool;
pub mod quicken;
pub mod slots;
pub mod write;

pub use part::Known;
pub use place::{Placement, TooLarge, place};
pub use write::{Objects, Predictions, TooManyCodes, write};
