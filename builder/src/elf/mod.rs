//! The ELF shared object: written with `object`, read back with `goblin`.

mod check;
mod emit;
mod machine;

pub use check::{CheckError, check, digest};
pub use emit::{Contents, EmitError, Frame, Symbol, emit, frame};
pub use machine::Machine;
