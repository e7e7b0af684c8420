//! `PyCodeObject` as a list of fields, each with what the builder writes into it.

/// Width of a scalar or pointer field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repr {
    /// `PyObject *` or another pointer.
    Ptr,
    /// `short`.
    I16,
    /// `int` or `uint32_t`.
    I32,
    /// `uint64_t`.
    U64,
}

impl Repr {
    /// Size in bytes.
    pub const fn size(self) -> u32 {
        match self {
            Repr::Ptr | Repr::U64 => 8,
            Repr::I32 => 4,
            Repr::I16 => 2,
        }
    }
}

/// Where the value of a field comes from. The derived ones are computed as `init_code`
/// (`Objects/codeobject.c`) does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeSource {
    /// `co_consts`, a tuple.
    Consts,
    /// `co_names`, a tuple of interned strings.
    Names,
    /// `co_exceptiontable`, bytes.
    ExceptionTable,
    /// `co_localsplusnames`, a tuple of interned strings.
    LocalsPlusNames,
    /// `co_localspluskinds`, bytes.
    LocalsPlusKinds,
    /// `co_filename`, a string.
    Filename,
    /// `co_name`, a string.
    Name,
    /// `co_qualname`, a string.
    QualName,
    /// `co_linetable`, bytes.
    LineTable,
    /// `co_flags`.
    Flags,
    /// `co_argcount`.
    ArgCount,
    /// `co_posonlyargcount`.
    PosOnlyArgCount,
    /// `co_kwonlyargcount`.
    KwOnlyArgCount,
    /// `co_stacksize`, at least [`CodeLayout::min_stacksize`].
    StackSize,
    /// `co_firstlineno`.
    FirstLineNo,
    /// Number of entries of `co_localsplusnames`.
    NLocalsPlus,
    /// Entries whose kind has `CO_FAST_LOCAL`.
    NLocals,
    /// Cells that are not also locals (3.11).
    NPlainCellVars,
    /// Entries whose kind has `CO_FAST_CELL`.
    NCellVars,
    /// Entries whose kind has `CO_FAST_FREE` and neither of the other two.
    NFreeVars,
    /// `co_nlocalsplus + co_stacksize + FRAME_SPECIALS_SIZE`.
    FrameSize,
    /// `co_version`, unique in the image and far from the interpreter's own counter.
    Version,
    /// Index of the first `RESUME` instruction that is traceable ([`super::Opcodes::is_traceable`]).
    FirstTraceable,
    /// The same value in every fresh code object.
    Constant(i64),
    /// What builds with a GIL neither set nor read; 0 in an image.
    Unset,
}

/// One field of `PyCodeObject`.
#[derive(Debug, Clone, Copy)]
pub struct CodeField {
    /// The C name.
    pub name: &'static str,
    /// `offsetof(PyCodeObject, name)`.
    pub offset: u32,
    /// Width.
    pub repr: Repr,
    /// Meaning.
    pub source: CodeSource,
}

/// Bits of `co_localspluskinds` (`Include/internal/pycore_code.h`).
#[derive(Debug, Clone, Copy)]
pub struct FastKind {
    /// `CO_FAST_LOCAL`.
    pub local: u8,
    /// `CO_FAST_CELL`.
    pub cell: u8,
    /// `CO_FAST_FREE`.
    pub free: u8,
}

/// `PyCodeObject`: `PyVarObject` head, the fields, then the bytecode.
#[derive(Debug, Clone, Copy)]
pub struct CodeLayout {
    /// All fields after the head and before the bytecode.
    pub fields: &'static [CodeField],
    /// `offsetof(PyCodeObject, co_code_adaptive)`; `ob_size` counts code units of 2 bytes.
    pub bytecode: u32,
    /// `FRAME_SPECIALS_SIZE` in words; 0 where [`CodeSource::FrameSize`] is not a field.
    pub frame_specials: u32,
    /// Smallest `co_stacksize` that `init_code` stores.
    pub min_stacksize: u32,
    /// Kinds of fast locals.
    pub fast_kind: FastKind,
    /// Whether `_PyCode_New` interns `co_name` and `co_qualname`.
    pub interns_names: bool,
    /// Whether `_PyCode_New` interns `co_filename`.
    pub interns_filename: bool,
    /// First `co_version` of the private range that images use, if the version has one.
    /// The interpreter counts up from 1 and stops using versions when it wraps to 0.
    pub first_version: Option<u32>,
}

/// Shorthand for the version tables.
pub(super) const fn field(name: &'static str, offset: u32, repr: Repr, source: CodeSource) -> CodeField {
    CodeField { name, offset, repr, source }
}
