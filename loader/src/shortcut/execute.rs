//! What `_load_unlocked` and the end of `_find_and_load_unlocked` do, for a module of the image.

use super::find_and_load::Import;
use super::parent::Parent;
use crate::py::{self, Object, Result};
use crate::talk::say;

/// A module that is ready to be executed.
pub struct Prepared {
    /// Its spec.
    pub spec: Object,
    /// The module.
    pub module: Object,
    /// Its code.
    pub code: Object,
}

impl Import<'_> {
    /// Executes the module, enters it where it belongs, and gives what is there then.
    pub fn load(&self, prepared: Prepared, parent: Option<Parent>) -> Result<Object> {
        let list = parent.as_ref().and_then(|parent| Some((parent.uninitialized.as_ref()?, &parent.child)));
        if let Some((list, child)) = list {
            py::append(list, child)?;
        }
        let mut result = self.load_unlocked(&prepared);
        if let Some((list, _)) = list {
            result = py::finally(result, || list.list_pop());
        }
        let package = parent.as_ref().map(|parent| &parent.name);
        match result? {
            Some(module) => self.bind(module, parent),
            // `sys.modules.pop` raises.
            None => self.replay().ending(package, &prepared.module, &py::dict()?),
        }
    }

    /// `None` if the module has taken itself out of `sys.modules`.
    fn load_unlocked(&self, prepared: &Prepared) -> Result<Option<Object>> {
        let initializing = &self.known.names.initializing;
        // Before the module is in `sys.modules`: C's import looks at it.
        prepared.spec.set_attr(initializing, &py::boolean(true))?;
        py::finally(self.execute(prepared), || prepared.spec.set_attr(initializing, &py::boolean(false)))
    }

    fn execute(&self, prepared: &Prepared) -> Result<Option<Object>> {
        let active = self.way.active;
        self.modules()?.set_subscript(self.name, &prepared.module)?;
        active.hand_out(self.number);
        if active.verbosity > 1 {
            say(format_args!("{}: served", self.name.text().unwrap_or("?")));
        }
        let globals = py::module_dict(&prepared.module)?;
        // `exec` would take those of whoever has the import statement, who may have other ones than importlib.
        let builtins = &self.known.names.builtins;
        if !globals.has_item(builtins)? {
            globals.set_item(builtins, &self.known.builtins)?;
        }
        // Raises the audit event.
        let run = || self.known.exec.call(&[&prepared.code, &globals]);
        let done = match &active.pause {
            Some(pause) => pause.during(run),
            None => run(),
        };
        if let Err(raised) = done {
            return py::finally(Err(raised), || {
                let deleted = self.modules()?.delete(self.name);
                if deleted.is_err() && py::is_key_error() {
                    py::clear();
                    return Ok(());
                }
                deleted
            });
        }
        let modules = self.modules()?;
        // To the end of `sys.modules`, which is emptied in this order. Not necessarily the module that was executed.
        let module = match modules.is_dict() {
            true => modules.item(self.name)?,
            false => Some(modules.subscript(self.name)?),
        };
        if let Some(module) = &module {
            modules.delete(self.name)?;
            modules.set_subscript(self.name, module)?;
        }
        Ok(module)
    }

    /// Makes the module an attribute of its package.
    fn bind(&self, module: Object, parent: Option<Parent>) -> Result<Object> {
        let package = parent.as_ref().map(|parent| &parent.name);
        if let Some(parent) = &parent {
            let modules = self.modules()?;
            let now = if modules.is_dict() { modules.item(&parent.name)? } else { None };
            // Anything but a plain module may refuse.
            match now.filter(Object::is_module) {
                Some(now) => now.set_attr(&parent.child, &module)?,
                None => return self.replay().ending(package, &module, &self.seen(&module, package)?),
            }
        }
        if let Some(set_lazy_attributes) = &self.known.set_lazy_attributes
            && set_lazy_attributes.call(&[&module, self.name]).is_err()
        {
            py::clear();
            return self.replay().ending(package, &module, &self.seen(&module, package)?);
        }
        Ok(module)
    }

    /// What of `sys.modules` the end of `_find_and_load_unlocked` looks at.
    fn seen(&self, module: &Object, package: Option<&Object>) -> Result<Object> {
        let seen = py::dict()?;
        seen.set_item(self.name, module)?;
        if let Some(package) = package {
            match self.modules()?.subscript(package) {
                Ok(now) => seen.set_item(package, &now)?,
                Err(_) if py::is_key_error() => py::clear(),
                Err(raised) => return Err(raised),
            }
        }
        Ok(seen)
    }
}
