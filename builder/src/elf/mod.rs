//! The ELF shared object: written with `object`, read back with `goblin`.

mod check;
mod emit;
mod machine;
mod windows;

pub use check::{CheckError, check, digest};
pub use emit::{Contents, EmitError, Frame, Symbol, emit, frame, sizes};
pub use machine::Machine;
