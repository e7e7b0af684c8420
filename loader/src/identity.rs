//! Identity of the running interpreter: which build its objects' layouts belong to.

use cds_layout::format::{IDENTITY_SYMBOLS, IdentityKind, substitute_identity};

use crate::elf::{self, MappedObject};
use crate::py;

/// What an image's header is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Build-id or substitute.
    pub kind: IdentityKind,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Identity {
    /// Identity of the mapped ELF object that holds the interpreter's types; `None` if it cannot be found.
    ///
    /// It is taken from memory and not from a file, which may have been replaced since the process started.
    pub fn of_interpreter() -> Option<Identity> {
        let object = MappedObject::containing(elf::symbol(c"PyCode_Type")?)?;
        if let Some(bytes) = object.build_id() {
            return Some(Identity { kind: IdentityKind::BuildId, bytes });
        }
        let mut offsets = [0; IDENTITY_SYMBOLS.len()];
        for (offset, name) in offsets.iter_mut().zip(IDENTITY_SYMBOLS) {
            *offset = elf::symbol_named(name)?.wrapping_sub(object.bias) as u64;
        }
        let bytes = substitute_identity(py::version_text(), &object.headers, &offsets).to_vec();
        Some(Identity { kind: IdentityKind::Substitute, bytes })
    }
}
