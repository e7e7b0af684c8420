//! Externs: objects outside the image that image objects point to.

use super::codec::{Reader, Writer};

/// The types of image objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum TypeId {
    /// `PyCode_Type`
    Code = 0,
    /// `PyUnicode_Type`
    Str = 1,
    /// `PyBytes_Type`
    Bytes = 2,
    /// `PyTuple_Type`
    Tuple = 3,
    /// `PyLong_Type`
    Int = 4,
    /// `PyFloat_Type`
    Float = 5,
    /// `PyComplex_Type`
    Complex = 6,
    /// `PySlice_Type`
    Slice = 7,
}

impl TypeId {
    /// All types.
    pub const ALL: [TypeId; 8] = [
        TypeId::Code,
        TypeId::Str,
        TypeId::Bytes,
        TypeId::Tuple,
        TypeId::Int,
        TypeId::Float,
        TypeId::Complex,
        TypeId::Slice,
    ];

    /// Name of the type object's ELF symbol.
    pub fn symbol(self) -> &'static str {
        match self {
            TypeId::Code => "PyCode_Type",
            TypeId::Str => "PyUnicode_Type",
            TypeId::Bytes => "PyBytes_Type",
            TypeId::Tuple => "PyTuple_Type",
            TypeId::Int => "PyLong_Type",
            TypeId::Float => "PyFloat_Type",
            TypeId::Complex => "PyComplex_Type",
            TypeId::Slice => "PySlice_Type",
        }
    }
}

/// An object of the interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Extern {
    /// A type object.
    Type(TypeId),
    /// `None`
    None,
    /// `False`
    False,
    /// `True`
    True,
    /// `...`
    Ellipsis,
    /// `''`
    EmptyStr,
    /// `b''`
    EmptyBytes,
    /// `()`
    EmptyTuple,
    /// A small `int`.
    SmallInt(i16),
    /// A one-character latin-1 string.
    Latin1(u8),
    /// The interned string that equals a one-character latin-1 string (3.11 and 3.12; later it is the singleton).
    InternedLatin1(u8),
    /// Bytes of length one (3.14+).
    Byte(u8),
}

/// An extern with what slots that point to it hold in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExternRecord {
    /// Which object.
    pub object: Extern,
    /// Its predicted address, or what stands for it.
    pub predicted: u64,
}

impl ExternRecord {
    /// Size of a record.
    pub const SIZE: usize = 16;

    /// Appends the record.
    pub fn encode(&self, w: &mut Writer) {
        let (kind, arg): (u32, i32) = match self.object {
            Extern::Type(t) => (0, t as i32),
            Extern::None => (1, 0),
            Extern::False => (2, 0),
            Extern::True => (3, 0),
            Extern::Ellipsis => (4, 0),
            Extern::EmptyStr => (5, 0),
            Extern::EmptyBytes => (6, 0),
            Extern::EmptyTuple => (7, 0),
            Extern::SmallInt(i) => (8, i32::from(i)),
            Extern::Latin1(c) => (9, i32::from(c)),
            Extern::InternedLatin1(c) => (10, i32::from(c)),
            Extern::Byte(b) => (11, i32::from(b)),
        };
        w.u32(kind);
        w.u32(arg as u32);
        w.u64(self.predicted);
    }

    /// Takes a record.
    pub fn decode(r: &mut Reader<'_>) -> Option<Self> {
        let kind = r.u32()?;
        let arg = r.u32()? as i32;
        let object = match kind {
            0 => Extern::Type(TypeId::ALL.into_iter().find(|t| *t as i32 == arg)?),
            1 => Extern::None,
            2 => Extern::False,
            3 => Extern::True,
            4 => Extern::Ellipsis,
            5 => Extern::EmptyStr,
            6 => Extern::EmptyBytes,
            7 => Extern::EmptyTuple,
            8 => Extern::SmallInt(i16::try_from(arg).ok()?),
            9 => Extern::Latin1(u8::try_from(arg).ok()?),
            10 => Extern::InternedLatin1(u8::try_from(arg).ok()?),
            11 => Extern::Byte(u8::try_from(arg).ok()?),
            _ => return None,
        };
        Some(ExternRecord { object, predicted: r.u64()? })
    }
}

/// An interned string that the interpreter has a copy of in its own file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaticRecord {
    /// What slots that point to it hold in the file, as in [`ExternRecord`].
    pub predicted: u64,
    /// Which string.
    pub text: StaticText,
}

/// The text of a static string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaticText {
    /// That of the image's own copy at this offset.
    Own(u32),
    /// One character.
    Latin1(u8),
}

impl StaticRecord {
    /// Size of a record.
    pub const SIZE: usize = 16;

    /// Appends the record.
    pub fn encode(&self, w: &mut Writer) {
        w.u64(self.predicted);
        let (kind, arg) = match self.text {
            StaticText::Own(offset) => (0, offset),
            StaticText::Latin1(character) => (1, u32::from(character)),
        };
        w.u32(kind);
        w.u32(arg);
    }

    /// Takes a record.
    pub fn decode(r: &mut Reader<'_>) -> Option<Self> {
        let predicted = r.u64()?;
        let text = match (r.u32()?, r.u32()?) {
            (0, offset) => StaticText::Own(offset),
            (1, character) => StaticText::Latin1(u8::try_from(character).ok()?),
            _ => return None,
        };
        Some(StaticRecord { predicted, text })
    }
}
