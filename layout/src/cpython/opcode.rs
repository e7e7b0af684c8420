//! What creation of a code object does to its bytecode (`_PyCode_Quicken`, `Python/specialize.c`).

/// Inline cache of one instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cache {
    /// Opcode number.
    pub opcode: u8,
    /// Number of code units that follow the instruction.
    pub entries: u8,
    /// What the first of them holds in a fresh code object.
    pub counter: u16,
}

/// Two adjacent instructions of which the first is rewritten (3.12's superinstructions).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Opcode of the first instruction.
    pub first: u8,
    /// Opcode of the second instruction.
    pub second: u8,
    /// What the first becomes.
    pub combined: u8,
}

/// The opcode facts that a version's code objects depend on.
#[derive(Debug, Clone, Copy)]
pub struct Opcodes {
    /// `RESUME`, the first traceable instruction.
    pub resume: u8,
    /// `IMPORT_NAME`
    pub import_name: u8,
    /// How many bits of its argument are no part of the name's index (`lazy` imports, 3.15).
    pub import_name_shift: u8,
    /// `EXTENDED_ARG`
    pub extended_arg: u8,
    /// The location of a `RESUME` that is not traceable: `RESUME_AT_GEN_EXPR_START` (3.15+,
    /// `Include/internal/pycore_opcode_utils.h`).
    pub untraceable_resume: Option<u8>,
    /// Instructions with inline caches, by opcode.
    pub caches: &'static [Cache],
    /// Superinstructions formed at creation.
    pub pairs: &'static [Pair],
}

/// `RESUME_OPARG_LOCATION_MASK` (`Include/internal/pycore_opcode_utils.h`).
const RESUME_LOCATION: u8 = 0x7;

impl Opcodes {
    /// Whether a code unit is the `RESUME` that tracing starts with. `init_code` (`Objects/codeobject.c`) looks at
    /// every unit, inline caches included.
    pub fn is_traceable(&self, opcode: u8, oparg: u8) -> bool {
        opcode == self.resume && self.untraceable_resume != Some(oparg & RESUME_LOCATION)
    }

    /// The cache row of `opcode`.
    pub fn cache(&self, opcode: u8) -> Option<Cache> {
        self.caches.binary_search_by_key(&opcode, |c| c.opcode).ok().map(|i| self.caches[i])
    }
}

/// Shorthand for the version tables.
pub(super) const fn cache(opcode: u8, entries: u8, counter: u16) -> Cache {
    Cache { opcode, entries, counter }
}
