//! Why marshal data is refused.

use thiserror::Error;

/// Marshal data that cannot be used, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("marshal data at byte {offset}: {problem}")]
pub struct MarshalError {
    /// Bytes from the start of the data: of the object at fault, or where the data ends too early.
    pub offset: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with marshal data.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// No layout for this version.
    #[error("CPython 3.{0} is not supported (supported: {supported})", supported = cds_layout::cpython::supported())]
    UnsupportedVersion(u8),
    /// Object numbers are 32 bits wide.
    #[error("more than 4 GiB of data")]
    TooLarge,
    /// The data ends inside an object.
    #[error("{needed} more bytes expected, {left} left")]
    Truncated {
        /// What the object needs at least.
        needed: usize,
        /// What there is.
        left: usize,
    },
    /// A type code that no version writes.
    #[error("unknown type code 0x{0:02x}")]
    UnknownType(u8),
    /// A type that has no place in an image.
    #[error("objects of type `{0}` are not supported")]
    UnsupportedType(&'static str),
    /// `TYPE_NULL` where an object is needed.
    #[error("no object where one is expected")]
    Null,
    /// A negative length.
    #[error("length {0} is out of range")]
    Length(i32),
    /// A digit of an `int` that does not fit in 15 bits.
    #[error("digit 0x{0:04x} of an int is out of range")]
    Digit(u16),
    /// The topmost digit of an `int` is zero.
    #[error("int is not normalised")]
    UnnormalisedInt,
    /// The text of a `float` or `complex`.
    #[error("text of a float is malformed")]
    FloatText,
    /// Not UTF-8, with surrogates allowed.
    #[error("text is not UTF-8 (byte {0} of the string)")]
    Utf8(usize),
    /// A reference to an object that the data does not have so far.
    #[error("reference to object {0}, which does not exist")]
    Reference(i32),
    /// A reference to an object from inside itself.
    #[error("object {0} contains itself")]
    Recursive(i32),
    /// Nesting beyond [`Limits::max_depth`](super::Limits::max_depth).
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// An item of a set or a key of a dict that is mutable or holds something mutable.
    #[error("objects of type `{0}` that are or hold something mutable cannot be hashed")]
    Unhashable(&'static str),
    /// An item of a set or a key of a dict that the interpreter could not hash without a very deep recursion.
    #[error("nested deeper than {0} levels, too deep to be hashed")]
    HashTooDeep(u32),
    /// Something mutable in a code object.
    #[error("objects of type `{0}` cannot be in code objects")]
    InCode(&'static str),
    /// Data after the value.
    #[error("{0} more bytes follow the value")]
    Trailing(usize),
    /// A code object that `_PyCode_Validate` or `_PyCode_New` (`Objects/codeobject.c`) refuse.
    #[error("code object: `{field}` {problem}")]
    Code {
        /// Name of the attribute or constructor field.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}
