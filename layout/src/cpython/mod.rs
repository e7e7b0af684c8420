//! One [`Layout`] per supported minor version of CPython (64-bit, little-endian, default build).
//!
//! The numbers are offsets and sizes in bytes. They are proved against the headers of every
//! interpreter found by the C probe (see `docs/cpython-layouts.md`), never guessed.

mod code;
mod find_and_load;
mod importlib;
mod object;
mod opcode;
mod v3_11;
mod v3_12;
mod v3_13;
mod v3_14;
mod v3_15;

pub use code::{CodeField, CodeLayout, CodeSource, FastKind, Repr};
pub use find_and_load::{FindAndLoad, FindAndLoadUnlocked, GET_MODULE_LOCK, LOCK_UNLOCK_MODULE};
pub use importlib::ImportFunctions;
pub use object::{Head, LongLayout, LongTag, Refcount, SliceLayout, StrLayout, StrState, TYPE_VERSION_TAG};
pub use opcode::{Cache, Opcodes, Pair};

/// Everything the builder must know to write an object as one minor version of CPython has it in memory.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Minor version: 11 for CPython 3.11.
    pub minor: u8,
    /// `PyObject` and `PyVarObject` offsets and the size of the `PyGC_Head` before GC objects.
    pub head: Head,
    /// What `ob_refcnt` holds in an object that lives in an image.
    pub refcount: Refcount,
    /// `PyASCIIObject` and `PyCompactUnicodeObject`.
    pub str_: StrLayout,
    /// `PyLongObject`.
    pub long: LongLayout,
    /// Offset of `PyTupleObject.ob_item`.
    pub tuple_items: u32,
    /// Offset of `PyTupleObject.ob_hash` (3.14+), −1 in an image like every hash.
    pub tuple_hash: Option<u32>,
    /// `PySliceObject`, in versions whose code objects have slices as constants (marshal version 5, 3.14+).
    pub slice: Option<SliceLayout>,
    /// Offset of `PyBytesObject.ob_shash`.
    pub bytes_hash: u32,
    /// Offset of `PyBytesObject.ob_sval`.
    pub bytes_data: u32,
    /// Whether marshal gives the interpreter's singleton for bytes of length one (`r_object`, `Python/marshal.c`; 3.14+).
    pub byte_singletons: bool,
    /// Offset of `PyFloatObject.ob_fval`.
    pub float_value: u32,
    /// Offset of `PyComplexObject.cval` (real, then imaginary part).
    pub complex_value: u32,
    /// `PyCodeObject`.
    pub code: CodeLayout,
    /// What a fresh code object's bytecode looks like beside the `co_code` of the `.pyc`.
    pub opcodes: Opcodes,
    /// Whether `_init_module_attrs` (`Lib/importlib/_bootstrap.py`) sets `__cached__`, and so makes every module's spec
    /// compute its `cached` (until 3.14).
    pub sets_cached: bool,
    /// Whether a frame's line is looked up as soon as an exception passes through it (`PyTraceBack_Here`, `Python/traceback.c`;
    /// until 3.11), and not when somebody asks for it.
    pub tracebacks_read_lines: bool,
    /// Functions of `importlib` that the loader does the work of.
    pub import_functions: ImportFunctions,
    /// Smallest and largest `int` that the interpreter keeps as a singleton.
    pub small_ints: (i64, i64),
}

/// The layouts, oldest first. Adding a CPython version is adding a row here (and its proof).
pub static LAYOUTS: &[&Layout] = &[&v3_11::LAYOUT, &v3_12::LAYOUT, &v3_13::LAYOUT, &v3_14::LAYOUT, &v3_15::LAYOUT];

/// The layout of CPython `3.minor`, if this version is supported.
pub fn layout(minor: u8) -> Option<&'static Layout> {
    LAYOUTS.iter().copied().find(|l| l.minor == minor)
}

/// `X.Y` names of the supported versions, for messages: `3.11, 3.12`.
pub fn supported() -> String {
    let names: Vec<String> = LAYOUTS.iter().map(|l| format!("3.{}", l.minor)).collect();
    names.join(", ")
}
