//! Layout rows of the plain object types: object head, `str`, `int`.

/// Offsets of the object head (`Include/object.h`) and of the collector's head before it.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// `PyObject.ob_refcnt`.
    pub refcnt: u32,
    /// `PyObject.ob_type`.
    pub type_: u32,
    /// `PyVarObject.ob_size`.
    pub size: u32,
    /// `sizeof(PyGC_Head)`; it lies directly before tuples and slices.
    pub gc_head: u32,
    /// `sizeof(PyObject)`.
    pub object_size: u32,
}

/// The initial `ob_refcnt` of image objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refcount {
    /// The 64-bit word at `ob_refcnt`.
    pub initial: u64,
    /// Whether the interpreter leaves such a count alone (PEP 683). Without it the count
    /// starts so far from zero that no program brings it there.
    pub immortal: bool,
}

/// `PyASCIIObject` / `PyCompactUnicodeObject` (`Include/cpython/unicodeobject.h`).
#[derive(Debug, Clone, Copy)]
pub struct StrLayout {
    /// `PyASCIIObject.length`.
    pub length: u32,
    /// `PyASCIIObject.hash`, −1 in an image: the seed is random per process.
    pub hash: u32,
    /// `PyASCIIObject.state`.
    pub state: u32,
    /// The bits of `state`.
    pub bits: StrState,
    /// `sizeof(PyASCIIObject)`: where the characters of an ASCII string start.
    pub ascii_data: u32,
    /// `sizeof(PyCompactUnicodeObject)`: where the characters of any other string start.
    pub compact_data: u32,
    /// Whether the one-character latin-1 singletons are the interned strings of their value from the start. Not so in 3.11,
    /// which interns them on demand, and 3.12, which has other static strings for some of the same characters (`_Py_ID(r)`).
    pub singletons_interned: bool,
    /// Whether strings of an image have `statically_allocated` set. From 3.14 on `_PyUnicode_ClearInterned`
    /// (`Objects/unicodeobject.c`) takes the immortality of interned strings back at finalisation, and the bit is what keeps
    /// `unicode_dealloc` from freeing them. In 3.12 it must not be set: a static string that is interned there becomes the
    /// canonical copy without a look at others (`PyUnicode_InternInPlace`).
    pub marked_static: bool,
    /// `wstr` and `wstr_length`, which 3.11 sets when the characters are 4 bytes wide
    /// (`PyUnicode_New`, `Objects/unicodeobject.c`); `None` where the fields are gone.
    pub wstr: Option<(u32, u32)>,
}

impl StrLayout {
    /// `state` of a compact string of an image that nobody has interned, with characters of `width` bytes.
    pub fn new_state(&self, width: u8, ascii: bool) -> u32 {
        let bits = &self.bits;
        let mut state = u32::from(width) << bits.kind_shift | bits.compact | bits.ready;
        if ascii {
            state |= bits.ascii;
        }
        if self.marked_static {
            state |= bits.statically_allocated;
        }
        state
    }
}

/// Values of the bit field `PyASCIIObject.state` as a 32-bit word.
#[derive(Debug, Clone, Copy)]
pub struct StrState {
    /// `interned`: mask of the two bits.
    pub interned_mask: u32,
    /// `kind`: shift; the value is 1, 2 or 4 bytes per character.
    pub kind_shift: u32,
    /// `compact`.
    pub compact: u32,
    /// `ascii`.
    pub ascii: u32,
    /// `ready` (3.11 only, otherwise 0).
    pub ready: u32,
    /// `statically_allocated` (3.12+, otherwise 0).
    pub statically_allocated: u32,
}

/// `PyLongObject` (`Include/cpython/longintrepr.h`).
#[derive(Debug, Clone, Copy)]
pub struct LongLayout {
    /// How sign and number of digits are stored.
    pub tag: LongTag,
    /// Offset of the sign-and-count word (`ob_size` or `lv_tag`).
    pub tag_offset: u32,
    /// Offset of `ob_digit`.
    pub digits: u32,
    /// Bits per digit (`PyLong_SHIFT`).
    pub digit_bits: u32,
    /// `sizeof(digit)`.
    pub digit_size: u32,
}

/// The two encodings of sign and digit count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongTag {
    /// `ob_size` is the number of digits, negative for a negative number.
    SignedSize,
    /// `lv_tag = (digits << 3) | sign` with sign 0 positive, 1 zero, 2 negative.
    SignBits,
}

/// `PySliceObject` (`Include/sliceobject.h`): three pointers, nothing after them.
#[derive(Debug, Clone, Copy)]
pub struct SliceLayout {
    /// `PySliceObject.start`.
    pub start: u32,
    /// `PySliceObject.stop`.
    pub stop: u32,
    /// `PySliceObject.step`.
    pub step: u32,
}

/// Offset of `PyTypeObject.tp_version_tag` in all versions: a number that a class has from one change of it or of a base class
/// to the next one, and no class has had before (`assign_version_tag`, `Objects/typeobject.c`); 0 where it has none.
pub const TYPE_VERSION_TAG: u32 = 384;
