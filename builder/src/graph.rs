//! The object graph of one module or named object, as marshal has it: identity, interning and shared references kept.

/// Index of an object in its [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjId(pub u32);

/// Objects of one module or named object. Ids are stable.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Graph {
    /// The objects by id.
    pub objects: Vec<Object>,
}

impl Graph {
    /// Adds an object.
    pub fn push(&mut self, object: Object) -> ObjId {
        let id = ObjId(self.objects.len() as u32);
        self.objects.push(object);
        id
    }
    /// The object with this id.
    pub fn get(&self, id: ObjId) -> &Object {
        &self.objects[id.0 as usize]
    }
}

/// A constant or code object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// `None`
    None,
    /// `True` or `False`
    Bool(bool),
    /// `...`
    Ellipsis,
    /// An `int` of any size.
    Int(Int),
    /// A `float` by its bits.
    Float(u64),
    /// A `complex` by the bits of its parts.
    Complex(u64, u64),
    /// `bytes`
    Bytes(Box<[u8]>),
    /// `str`
    Str(Str),
    /// `tuple`
    Tuple(Box<[ObjId]>),
    /// `frozenset`, items in marshal order
    FrozenSet(Box<[ObjId]>),
    /// `slice`: start, stop, step
    Slice([ObjId; 3]),
    /// Code object
    Code(Box<Code>),
    /// `list`; only below named objects
    List(Box<[ObjId]>),
    /// `set`, items in marshal order; only below named objects
    Set(Box<[ObjId]>),
    /// `dict`, keys and values in turns; only below named objects
    Dict(Box<[ObjId]>),
}

/// Sign and magnitude in 30-bit digits, least significant first, no leading zeros.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Int {
    /// Whether the number is below zero.
    pub negative: bool,
    /// 30 bits each; empty for zero.
    pub digits: Box<[u32]>,
}

impl Int {
    /// From a machine integer.
    pub fn from_i64(v: i64) -> Self {
        let mut rest = v.unsigned_abs();
        let mut digits = Vec::new();
        while rest != 0 {
            digits.push((rest & 0x3fff_ffff) as u32);
            rest >>= 30;
        }
        Int { negative: v < 0, digits: digits.into() }
    }
    /// As a machine integer, if it has at most two digits.
    pub fn to_i64(&self) -> Option<i64> {
        let magnitude = match *self.digits {
            [] => 0,
            [a] => i64::from(a),
            [a, b] => i64::from(a) | i64::from(b) << 30,
            _ => return None,
        };
        Some(if self.negative { -magnitude } else { magnitude })
    }
}

/// A string: its code points (surrogates included) in the narrowest of the three widths.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Str {
    /// Characters, little-endian, `width` bytes each.
    pub data: Box<[u8]>,
    /// 1, 2 or 4: the narrowest that fits.
    pub width: u8,
    /// Every code point is below 128.
    pub ascii: bool,
    /// Marked as interned in the marshal data.
    pub interned: bool,
}

impl Str {
    /// From Rust text.
    pub fn from_text(text: &str, interned: bool) -> Self {
        Self::from_code_points(text.chars().map(u32::from), interned)
    }
    /// From code points.
    pub fn from_code_points(points: impl Iterator<Item = u32> + Clone, interned: bool) -> Self {
        let max = points.clone().max().unwrap_or(0);
        let width = if max < 0x100 {
            1
        } else if max < 0x1_0000 {
            2
        } else {
            4
        };
        let mut data = Vec::new();
        for p in points {
            data.extend_from_slice(&p.to_le_bytes()[..width]);
        }
        Str { data: data.into(), width: width as u8, ascii: max < 0x80, interned }
    }
    /// Number of characters.
    pub fn len(&self) -> usize {
        self.data.len() / usize::from(self.width)
    }
    /// Whether there are no characters.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }
    /// The code points.
    pub fn code_points(&self) -> impl Iterator<Item = u32> + Clone + '_ {
        self.data.chunks(usize::from(self.width)).map(|c| {
            let mut b = [0; 4];
            b[..c.len()].copy_from_slice(c);
            u32::from_le_bytes(b)
        })
    }
    /// As Rust text; surrogates become U+FFFD. For messages and symbol names.
    pub fn to_text(&self) -> String {
        self.code_points().map(|p| char::from_u32(p).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    }
}

/// The fields of a code object as marshal stores them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// `co_argcount`
    pub argcount: i32,
    /// `co_posonlyargcount`
    pub posonlyargcount: i32,
    /// `co_kwonlyargcount`
    pub kwonlyargcount: i32,
    /// `co_stacksize`
    pub stacksize: i32,
    /// `co_flags`
    pub flags: i32,
    /// `co_firstlineno`
    pub firstlineno: i32,
    /// `co_code`, always [`Object::Bytes`]
    pub code: ObjId,
    /// `co_consts`, always [`Object::Tuple`]
    pub consts: ObjId,
    /// `co_names`, a tuple of strings
    pub names: ObjId,
    /// `co_localsplusnames`, a tuple of strings
    pub localsplusnames: ObjId,
    /// `co_localspluskinds`, bytes, one per name
    pub localspluskinds: ObjId,
    /// `co_filename`, a string
    pub filename: ObjId,
    /// `co_name`, a string
    pub name: ObjId,
    /// `co_qualname`, a string
    pub qualname: ObjId,
    /// `co_linetable`, bytes
    pub linetable: ObjId,
    /// `co_exceptiontable`, bytes
    pub exceptiontable: ObjId,
}
