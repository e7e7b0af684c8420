//! Records of named objects.

use super::checksum::checksum32;
use super::codec::{Reader, Writer};
use super::modules::TextRef;
use super::units::Range;

/// The exact type of a named object's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum ValueKind {
    /// `None`
    None = 0,
    /// `bool`
    Bool = 1,
    /// `...`
    Ellipsis = 2,
    /// `int`
    Int = 3,
    /// `float`
    Float = 4,
    /// `complex`
    Complex = 5,
    /// `bytes`
    Bytes = 6,
    /// `str`
    Str = 7,
    /// `tuple`
    Tuple = 8,
    /// `frozenset`
    FrozenSet = 9,
    /// A code object.
    Code = 10,
    /// `list`
    List = 11,
    /// `dict`
    Dict = 12,
    /// `set`
    Set = 13,
    /// `slice`
    Slice = 14,
}

impl ValueKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [ValueKind; 15] = [
        ValueKind::None,
        ValueKind::Bool,
        ValueKind::Ellipsis,
        ValueKind::Int,
        ValueKind::Float,
        ValueKind::Complex,
        ValueKind::Bytes,
        ValueKind::Str,
        ValueKind::Tuple,
        ValueKind::FrozenSet,
        ValueKind::Code,
        ValueKind::List,
        ValueKind::Dict,
        ValueKind::Set,
        ValueKind::Slice,
    ];

    /// `type(value).__name__`
    pub fn name(self) -> &'static str {
        match self {
            ValueKind::None => "NoneType",
            ValueKind::Bool => "bool",
            ValueKind::Ellipsis => "ellipsis",
            ValueKind::Int => "int",
            ValueKind::Float => "float",
            ValueKind::Complex => "complex",
            ValueKind::Bytes => "bytes",
            ValueKind::Str => "str",
            ValueKind::Tuple => "tuple",
            ValueKind::FrozenSet => "frozenset",
            ValueKind::Code => "code",
            ValueKind::List => "list",
            ValueKind::Dict => "dict",
            ValueKind::Set => "set",
            ValueKind::Slice => "slice",
        }
    }
}

/// A named object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedRecord {
    /// Its name.
    pub name: TextRef,
    /// Type of its value.
    pub kind: ValueKind,
    /// Where its fixup unit lies in the section of these.
    pub unit: Range,
    /// Offset of the tuple of its leaves; [`super::NONE`] if the recipe takes none.
    pub leaves: u32,
    /// Offset of its recipe within the section of recipes.
    pub recipe: u32,
    /// Size of the recipe in bytes.
    pub recipe_size: u32,
    /// How many objects of the image it is made of, those included that others use too.
    pub count: u32,
    /// [`checksum32`] of the recipe.
    pub recipe_checksum: u32,
    /// What [`NamedRecord::sum`] gives for the record and its name.
    pub checksum: u32,
}

impl NamedRecord {
    /// Size of a record.
    pub const SIZE: usize = 44;

    /// Appends the record.
    pub fn encode(&self, w: &mut Writer) {
        self.name.encode(w);
        for word in [
            self.kind as u32,
            self.unit.start,
            self.unit.size,
            self.leaves,
            self.recipe,
            self.recipe_size,
            self.count,
            self.recipe_checksum,
            self.checksum,
        ] {
            w.u32(word);
        }
    }

    /// Takes a record.
    pub fn decode(r: &mut Reader<'_>) -> Option<Self> {
        let name = TextRef::decode(r)?;
        let kind = r.u32()?;
        Some(NamedRecord {
            name,
            kind: ValueKind::ALL.into_iter().find(|k| *k as u32 == kind)?,
            unit: Range { start: r.u32()?, size: r.u32()? },
            leaves: r.u32()?,
            recipe: r.u32()?,
            recipe_size: r.u32()?,
            count: r.u32()?,
            recipe_checksum: r.u32()?,
            checksum: r.u32()?,
        })
    }

    /// The checksum of the record with its name.
    pub fn sum(&self, name: &str) -> u32 {
        let mut w = Writer::new();
        NamedRecord { checksum: 0, ..*self }.encode(&mut w);
        checksum32(&[&w.bytes, name.as_bytes()])
    }

    /// The recipe within the section of recipes.
    pub fn recipe<'a>(&self, recipes: &'a [u8]) -> Option<&'a [u8]> {
        let start = self.recipe as usize;
        recipes.get(start..start.checked_add(self.recipe_size as usize)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_size_and_survives() {
        for (i, kind) in ValueKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, i);
            let mut record = NamedRecord {
                name: TextRef { start: 1, len: 2 },
                kind,
                unit: Range { start: 3, size: 7 },
                leaves: 4,
                recipe: 5,
                recipe_size: 6,
                count: 9,
                recipe_checksum: 10,
                checksum: 11,
            };
            record.checksum = record.sum("ab");
            let mut w = Writer::new();
            record.encode(&mut w);
            assert_eq!(w.bytes.len(), NamedRecord::SIZE);
            assert_eq!(NamedRecord::decode(&mut Reader::new(&w.bytes)), Some(record));
            assert_ne!(record.sum("ac"), record.checksum);
            assert_eq!(NamedRecord::decode(&mut Reader::new(&w.bytes[1..])), None);
        }
    }
}
