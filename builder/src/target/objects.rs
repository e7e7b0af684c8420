//! Where the interpreter's own objects lie, proved by two witnesses: the ELF file and a running process.

use std::collections::BTreeMap;

use cds_layout::format::{IDENTITY_SYMBOLS, TypeId};
use serde::{Deserialize, Serialize};

use super::TargetError;
use super::elf::ElfFile;

/// Symbol of `None`.
pub const NONE: &str = "_Py_NoneStruct";
/// Symbol of `True`.
pub const TRUE: &str = "_Py_TrueStruct";
/// Symbol of `False`.
pub const FALSE: &str = "_Py_FalseStruct";
/// Symbol of `...`.
pub const ELLIPSIS: &str = "_Py_EllipsisObject";
/// Symbol of the runtime state, which holds the other singletons.
const RUNTIME: &str = "_PyRuntime";

/// Link-time addresses of objects that have no symbol: they lie in `_PyRuntime`. `None` for one that does not lie
/// in the ELF file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeOffsets {
    /// The small ints, if they form an array.
    pub small_ints: Option<SmallInts>,
    /// The 256 one-character strings by code point.
    pub latin1: Vec<Option<u64>>,
    /// The 256 bytes objects of length one.
    pub bytes: Vec<Option<u64>>,
    /// `''`
    pub empty_str: Option<u64>,
    /// `b''`
    pub empty_bytes: Option<u64>,
    /// `()`
    pub empty_tuple: Option<u64>,
    /// Interned ASCII strings of more than one character: those in `_PyRuntime` (`_Py_ID`), and until 3.12 those of frozen
    /// modules, of which the loader looks whether they are interned in its process, too.
    pub strings: BTreeMap<String, u64>,
}

/// The array of small ints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmallInts {
    /// The smallest.
    pub first: i16,
    /// How many there are.
    pub count: u16,
    /// Link-time address of the smallest.
    pub base: u64,
    /// Bytes from one to the next.
    pub stride: u64,
}

impl SmallInts {
    /// Link-time address of a small int; `None` if the number is not one.
    pub fn address(&self, number: i16) -> Option<u64> {
        let index = u64::try_from(i32::from(number) - i32::from(self.first)).ok()?;
        if index >= u64::from(self.count) {
            return None;
        }
        self.base.checked_add(self.stride.checked_mul(index)?)
    }
}

/// Addresses of objects in a running process, as `id` gives them.
#[derive(Debug, Deserialize)]
pub struct Live {
    /// Objects that should have an ELF symbol, by that symbol.
    symbols: BTreeMap<String, u64>,
    small_ints: Vec<u64>,
    latin1: Vec<u64>,
    bytes: Vec<u64>,
    empty_str: u64,
    empty_bytes: u64,
    empty_tuple: u64,
    /// Interned strings near the types.
    strings: BTreeMap<String, u64>,
}

/// All the symbols that are looked for in an interpreter's ELF file.
pub fn symbol_names() -> Vec<&'static str> {
    let types = TypeId::ALL.into_iter().map(TypeId::symbol);
    types.chain([NONE, TRUE, FALSE, ELLIPSIS, RUNTIME]).chain(IDENTITY_SYMBOLS).collect()
}

impl Live {
    /// Whether the file, its first byte at `address`, is where this process has its types from.
    pub fn runs_from(&self, elf: &ElfFile, address: u64) -> bool {
        let code = TypeId::Code.symbol();
        let (Some(link), Some(bias), Some(live)) = (elf.symbol(code), elf.bias(address), self.symbols.get(code)) else {
            return false;
        };
        link == live.wrapping_sub(bias)
    }

    /// Link-time addresses by symbol. Every object of the process must lie where the file has its symbol.
    pub fn externs(&self, elf: &ElfFile, bias: u64) -> Result<BTreeMap<String, u64>, TargetError> {
        let mut out = BTreeMap::new();
        for (name, live) in &self.symbols {
            let live = live.wrapping_sub(bias);
            match elf.symbol(name) {
                Some(link) if link != live => {
                    let (path, symbol) = (elf.path.clone(), name.clone());
                    return Err(TargetError::SymbolDisagrees { path, symbol, elf: link, live });
                }
                Some(link) => drop(out.insert(name.clone(), link)),
                None if elf.contains(live) => drop(out.insert(name.clone(), live)),
                None => {}
            }
        }
        if let Some(runtime) = elf.symbol(RUNTIME) {
            out.insert(RUNTIME.to_owned(), runtime);
        }
        Ok(out)
    }

    /// Link-time addresses of the objects without a symbol.
    pub fn runtime_offsets(&self, elf: &ElfFile, bias: u64, first_int: i16) -> RuntimeOffsets {
        let link = |address: u64| Some(address.wrapping_sub(bias)).filter(|&a| elf.contains(a));
        let ints: Option<Vec<u64>> = self.small_ints.iter().copied().map(link).collect();
        RuntimeOffsets {
            small_ints: ints.and_then(|ints| small_ints(&ints, first_int)),
            latin1: self.latin1.iter().copied().map(link).collect(),
            bytes: self.bytes.iter().copied().map(link).collect(),
            empty_str: link(self.empty_str),
            empty_bytes: link(self.empty_bytes),
            empty_tuple: link(self.empty_tuple),
            strings: self.strings.iter().filter_map(|(text, &at)| Some((text.clone(), link(at)?))).collect(),
        }
    }
}

fn small_ints(addresses: &[u64], first: i16) -> Option<SmallInts> {
    let [base, second, ..] = *addresses else { return None };
    let stride = second.checked_sub(base)?;
    let ints = SmallInts { first, count: u16::try_from(addresses.len()).ok()?, base, stride };
    let is_array = (first..).zip(addresses).all(|(number, &address)| ints.address(number) == Some(address));
    is_array.then_some(ints)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_ints_are_an_array_or_nothing() {
        let ints = small_ints(&[1000, 1032, 1064], -1).unwrap();
        assert_eq!(ints.address(-1), Some(1000));
        assert_eq!(ints.address(1), Some(1064));
        assert_eq!((ints.address(-2), ints.address(2)), (None, None));
        assert_eq!(small_ints(&[1000, 1032, 1065], -1), None);
        assert_eq!(small_ints(&[1032, 1000], -1), None);
        assert_eq!(small_ints(&[], -1), None);
    }
}
