//! Names of the modules inside the interpreter, so that it is not asked for the name of every module.

use cds_layout::format::hash_name;

use crate::py::{self, Object, Result};

/// Builtin and frozen modules.
#[derive(Debug)]
pub struct Inside {
    builtin: Seen,
    /// `None` if frozen modules are switched off, which can be changed.
    frozen: Option<Seen>,
}

/// How many words of bits: some two hundred names are to leave most bits clear.
const WORDS: usize = 64;

/// What names were seen, by bits of their hashes: others may look as if they were.
#[derive(Debug)]
struct Seen([u64; WORDS]);

impl Inside {
    /// Asks for them. Both tables are filled before the interpreter starts.
    pub fn new() -> Result<Inside> {
        let (mut builtin, mut frozen) = (Seen::none(), Seen::none());
        let names = py::import(c"sys")?.get(c"builtin_module_names")?;
        for i in 0..names.tuple_len() {
            builtin.add(names.tuple_item(i)?.text()?);
        }
        let names = py::import(c"_imp")?.get(c"_frozen_module_names")?.call(&[])?;
        // `list_frozen_module_names` (Python/import.c) leaves out those of the standard library if they are not in use.
        let mut in_use = false;
        for i in 0..names.list_len() {
            let name: Object = names.list_item(i)?;
            let name = name.text()?;
            frozen.add(name);
            in_use |= name == "os";
        }
        Ok(Inside { builtin, frozen: in_use.then_some(frozen) })
    }

    /// Whether there is certainly no builtin module of this name.
    pub fn is_not_builtin(&self, name: &str) -> bool {
        !self.builtin.has(name)
    }

    /// Whether there is certainly no frozen module of this name.
    pub fn is_not_frozen(&self, name: &str) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| !frozen.has(name))
    }
}

impl Seen {
    fn none() -> Seen {
        Seen([0; WORDS])
    }

    /// Word and bit of a name.
    fn place(name: &str) -> (usize, u64) {
        let hash = hash_name(name.as_bytes());
        let hash = hash ^ hash >> 16;
        ((hash >> 6) as usize % WORDS, 1 << (hash & 63))
    }

    fn add(&mut self, name: &str) {
        let (word, bit) = Seen::place(name);
        self.0[word] |= bit;
    }

    fn has(&self, name: &str) -> bool {
        let (word, bit) = Seen::place(name);
        self.0[word] & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use super::Seen;

    #[test]
    fn what_was_seen_is_known_and_little_else() {
        let mut seen = Seen::none();
        let names = |word: &'static str| (0..150).map(move |number| format!("{word}{number}"));
        names("_module").for_each(|name| seen.add(&name));
        assert!(names("_module").all(|name| seen.has(&name)));
        let taken = names("package.module").filter(|name| seen.has(name)).count();
        assert!(taken < 15, "{taken} of 150");
    }
}
