//! Objects as the target has them in memory: where they lie, which pointers they have, what their bytes are.

mod bodies;
mod copies;
pub mod derive;
mod likely;
mod numbers;
pub mod part;
pub mod place;
mod pool;
pub mod quicken;
pub mod slots;
#[cfg(test)]
pub mod testing;
pub mod write;

pub use part::Known;
pub use place::{Place, Placed, Placement, TooLarge, Use, place};
pub use write::{Objects, Predictions, TooManyCodes, write};
