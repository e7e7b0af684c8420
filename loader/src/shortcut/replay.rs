//! The original functions once more, for an ending of a native import that they have frames in: the same code, but with globals
//! in which what was done already is done at once.

use std::ffi::CStr;

use super::known::Known;
use crate::bootstrap::Bootstrap;
use crate::py::{self, Object, Result};
use crate::stand_in::{giving, swapping};

/// What makes functions and fake modules.
pub struct Replay<'a> {
    /// The module that the functions are of.
    pub bootstrap: &'a Bootstrap,
    /// What is known of them.
    pub known: &'a Known,
    /// The name of the module that is imported.
    pub name: &'a Object,
}

impl Replay<'_> {
    /// From the lock on, with this `sys.modules`: `find_spec` is the walk over the finders, or the one that there is.
    pub fn search(&self, modules: &Object, find_spec: Option<&Object>) -> Result<Object> {
        let [first, second, _] = &self.known.originals;
        let mut replaced = Vec::new();
        replaced.extend(find_spec.map(|function| (c"_find_spec", function.clone())));
        self.run(modules, &replaced, &[first, second])
    }

    /// From the end of the module's execution on, where `after` is what the functions are to see as `sys.modules`.
    pub fn ending(&self, parent: Option<&Object>, module: &Object, after: &Object) -> Result<Object> {
        let none = py::none();
        let before = py::dict()?;
        if let Some(parent) = parent {
            before.set_item(parent, &self.namespace(&[(c"__path__", &none), (c"__spec__", &none)])?)?;
        }
        let loader = self.namespace(&[(c"exec_module", &swapping(&before, after)?)])?;
        let spec =
            self.namespace(&[(c"name", self.name), (c"loader", &loader), (c"submodule_search_locations", &none)])?;
        let replaced = [(c"_find_spec", giving(&spec)?), (c"module_from_spec", giving(module)?)];
        let [first, second, third] = &self.known.originals;
        self.run(&before, &replaced, &[first, second, third])
    }

    fn run(&self, modules: &Object, replaced: &[(&CStr, Object)], functions: &[&Object]) -> Result<Object> {
        let nothing = giving(&py::none())?;
        let globals = self.bootstrap.dict.dict_copy()?;
        let sys = self.namespace(&[(c"modules", modules), (c"audit", &nothing)])?;
        let mut own = vec![(py::interned(c"sys")?, sys)];
        for (name, value) in replaced {
            own.push((py::interned(name)?, value.clone()));
        }
        for function in functions {
            let copy = self.bootstrap.function(&function.get(c"__code__")?, &globals)?;
            for attribute in [c"__defaults__", c"__kwdefaults__"] {
                copy.set_attr(&py::interned(attribute)?, &function.get(attribute)?)?;
            }
            own.push((function.get(c"__name__")?, copy));
        }
        own.iter().try_for_each(|(name, value)| globals.set_item(name, value))?;
        // The parent was imported before, as far as that goes.
        let result = globals.subscript(&py::interned(c"_find_and_load")?)?.call(&[self.name, &nothing]);
        // A traceback may keep the globals. They are not to keep the functions, whose globals they are, nor what these were given.
        py::finally(result, || own.iter().try_for_each(|(name, _)| self.as_ever(&globals, name)))
    }

    /// Gives a global name the value that it has in importlib.
    fn as_ever(&self, globals: &Object, name: &Object) -> Result<()> {
        match self.bootstrap.dict.item(name)? {
            Some(value) => globals.set_item(name, &value),
            None => globals.delete(name),
        }
    }

    fn namespace(&self, attributes: &[(&CStr, &Object)]) -> Result<Object> {
        let namespace = self.bootstrap.namespace()?;
        for (name, value) in attributes {
            namespace.set_attr(&py::interned(name)?, value)?;
        }
        Ok(namespace)
    }
}
