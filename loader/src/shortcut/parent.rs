//! The package around a module that is imported natively.

use super::find_and_load::Import;
use crate::aside::Aside;
use crate::py::{self, Object, Result};

/// A package, ready for a module in it.
pub struct Parent {
    /// Its name.
    pub name: Object,
    /// The module's name in it.
    pub child: Object,
    /// Its `__path__`
    pub path: Object,
    /// `_uninitialized_submodules` of its spec, if it has one.
    pub uninitialized: Option<Object>,
}

/// What importing the package comes to.
pub enum Stage {
    /// The module may be searched for in it.
    Parent(Parent),
    /// The module is there.
    Module(Object),
    /// Something that only the original functions know what to do with.
    Original,
}

impl Import<'_> {
    /// What `_find_and_load_unlocked` does before it searches.
    pub fn parent(&self, package: &str, tail: &str, import: &Object) -> Result<Stage> {
        let name = self.known.package_name(package)?;
        let Ok(modules) = self.way.modules() else { return Ok(Stage::Original) };
        let mut module = modules.item(&name)?;
        let imports = module.is_none();
        if imports {
            import.call(&[&name])?;
            // From 3.14 on, `None` counts as nothing.
            if let Some(stage) = self.side_effects()? {
                return Ok(stage);
            }
            let Ok(modules) = self.way.modules() else { return Ok(Stage::Original) };
            module = modules.item(&name)?;
        }
        let names = &self.known.names;
        // A plain module has no code in its attributes, but perhaps a `__getattr__`, which is asked by the original functions.
        let Some(module) = module.filter(Object::is_module) else { return Ok(Stage::Original) };
        let dict = py::module_dict(&module)?;
        let attributes = (dict.item(&names.path)?, dict.item(&self.way.bootstrap.name_dunder_spec)?);
        let (Some(path), Some(spec)) = attributes else { return Ok(Stage::Original) };
        let uninitialized = if spec.is_none() {
            None
        } else if spec.is_exactly(&self.likeness.spec_class) {
            if self.known.unlocked.waits_for_parent && self.is_initializing(&spec) && !self.known.loads.is_own(package)
            {
                import.call(&[&name])?;
                if let Some(stage) = self.side_effects()? {
                    return Ok(stage);
                }
            }
            match spec.attr(&names.uninitialized) {
                Ok(list) if list.is_list() => Some(list),
                _ => {
                    py::clear();
                    return Ok(Stage::Original);
                }
            }
        } else {
            return Ok(Stage::Original);
        };
        if imports && !self.is_still_usual() {
            return Ok(Stage::Original);
        }
        Ok(Stage::Parent(Parent { name, child: py::string(tail)?, path, uninitialized }))
    }

    /// Whether the module is there now.
    fn side_effects(&self) -> Result<Option<Stage>> {
        let Ok(modules) = self.way.modules() else { return Ok(Some(Stage::Original)) };
        Ok(modules.item(self.name)?.map(|module| match module.is_none() {
            true => Stage::Original,
            false => Stage::Module(module),
        }))
    }

    /// `spec._initializing` of a `ModuleSpec`, which most have.
    fn is_initializing(&self, spec: &Object) -> bool {
        let initializing = spec.attr(&self.known.names.initializing).and_then(|value| value.is_true());
        initializing.unwrap_or_else(|_| {
            py::clear();
            false
        })
    }

    /// The packages around the module whose locks are taken first (`_HierarchicalLockManager.__enter__`, 3.15): those that are not
    /// there yet. `None` if another thread may be loading one of them.
    pub fn packages_to_lock(&self, text: &str) -> std::result::Result<Option<Vec<Object>>, Aside> {
        let modules = self.way.modules()?;
        let mut missing = Vec::new();
        for (end, _) in text.match_indices('.') {
            let package = &text[..end];
            if self.known.loads.is_own(package) {
                continue;
            }
            let name = py::string(package)?;
            let Some(module) = modules.item(&name)? else {
                if self.known.module_locks.has_item(&name)? || self.known.loads.thread_of(package).is_some() {
                    return Ok(None);
                }
                missing.push(name);
                continue;
            };
            if !module.is_module() {
                return Ok(None);
            }
            let Some(spec) = py::module_dict(&module)?.item(&self.way.bootstrap.name_dunder_spec)? else {
                return Ok(None);
            };
            let loaded = spec.is_none() || spec.is_exactly(&self.likeness.spec_class) && !self.is_initializing(&spec);
            if !loaded {
                return Ok(None);
            }
        }
        Ok(Some(missing))
    }
}
