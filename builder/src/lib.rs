//! Builds images of the code objects of a Python environment as ELF shared objects.
//!
//! [`build::build`] is the list of passes; each module below is one of them, or reads what they wrote.

#![warn(missing_docs)]

pub mod build;
pub mod code;
pub mod discover;
pub mod elf;
pub mod file;
pub mod fixups;
pub mod graph;
pub mod image;
pub mod install;
pub mod marshal;
pub mod named;
pub mod objects;
pub mod share;
pub mod stats;
pub mod tables;
pub mod target;
pub mod text;
pub mod verify;
pub mod window;
