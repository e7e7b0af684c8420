//! Names of the modules inside the interpreter, so that not each of them is compared with the name of every module.

use crate::py::{self, Object, Result};

/// Names of builtin and frozen modules.
#[derive(Debug)]
pub struct Inside {
    builtin: Vec<String>,
    /// `None` if frozen modules are switched off, which can be changed.
    frozen: Option<Vec<String>>,
}

impl Inside {
    /// Asks for them. Both tables are filled before the interpreter starts.
    pub fn new() -> Result<Inside> {
        let builtin = py::import(c"sys")?.get(c"builtin_module_names")?;
        let builtin = (0..builtin.tuple_len()).map(|i| builtin.tuple_item(i));
        let frozen = py::import(c"_imp")?.get(c"_frozen_module_names")?.call(&[])?;
        let frozen = sorted((0..frozen.list_len()).map(|i| frozen.list_item(i)))?;
        // `list_frozen_module_names` (Python/import.c) leaves out those of the standard library if they are not in use.
        let in_use = frozen.iter().any(|name| name == "os");
        Ok(Inside { builtin: sorted(builtin)?, frozen: in_use.then_some(frozen) })
    }

    /// Whether there is certainly no builtin module of this name.
    pub fn is_not_builtin(&self, name: &str) -> bool {
        !has(&self.builtin, name)
    }

    /// Whether there is certainly no frozen module of this name.
    pub fn is_not_frozen(&self, name: &str) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| !has(frozen, name))
    }
}

fn sorted(names: impl Iterator<Item = Result<Object>>) -> Result<Vec<String>> {
    let mut names = names.map(|name| Ok(name?.text()?.to_owned())).collect::<Result<Vec<_>>>()?;
    names.sort_unstable();
    Ok(names)
}

fn has(names: &[String], name: &str) -> bool {
    names.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
}
