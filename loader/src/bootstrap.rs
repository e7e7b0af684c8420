//! What the short way through the import system needs of `importlib._bootstrap`, looked up once at activation.

use std::ffi::CStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cds_layout::cpython::ImportFunctions;

use crate::asker::{Asker, Search};
use crate::py::{self, Builtin, Object, Result};
use crate::shortcut::{Inside, Known};

/// Functions of `importlib._bootstrap`, and what they use.
#[derive(Debug)]
pub struct Bootstrap {
    /// Its `__dict__`
    pub dict: Object,
    /// What a native `_find_and_load` needs, where there can be one.
    pub known: Option<Known>,
    /// Code of `_find_and_load_unlocked`
    search_code: Object,
    /// Whether `_find_spec` walks over a copy of `sys.meta_path`.
    pub copies_finders: bool,
    /// `function`
    function_type: Object,
    /// `types.SimpleNamespace`
    namespace_type: Object,
    /// `_find_spec`
    search: Search,
    /// Askers that ask nobody at the moment. The lock is never held while Python runs.
    askers: Mutex<Vec<Asker>>,
    /// Names and values that must not have been replaced.
    originals: Vec<(Object, Object)>,
    /// `BuiltinImporter` and `FrozenImporter`
    first_finders: [Object; 2],
    /// Their `__dict__`s, and what these have as `find_spec`.
    first_searches: [(Object, Object); 2],
    /// What those two know.
    inside: Inside,
    /// `_imp.is_builtin`
    is_builtin: Builtin,
    /// `_imp.find_frozen`
    find_frozen: Builtin,
    /// `sys.gettrace`
    gettrace: Builtin,
    /// `sys.getprofile`
    getprofile: Builtin,
    /// `sys.monitoring.get_tool`, and the numbers of tools.
    tools: Option<(Builtin, Vec<Object>)>,
    /// `find_spec`
    name_find_spec: Object,
    /// `import`
    pub name_import: Object,
    /// `__spec__`
    pub name_dunder_spec: Object,
}

/// Functions between the short way and the loader: a tool that replaces one wants to see what happens there.
const WATCHED: [&CStr; 2] = [c"_find_and_load_unlocked", c"module_from_spec"];

impl Bootstrap {
    /// Looks everything up; `None` if the functions of this release are not the known ones.
    pub fn new(known: &ImportFunctions) -> Result<Option<Bootstrap>> {
        let module = py::import(c"_frozen_importlib")?;
        let exec_module = py::import(c"_frozen_importlib_external")?.get(c"SourceFileLoader")?.get(c"exec_module")?;
        let search = NamesUsed::by(&module.get(c"_find_spec")?)?;
        let Some(form) = search.form(known.find_spec, |form| form)? else { return Ok(None) };
        let as_known = uses_names(&module, c"_load_unlocked", known.load_unlocked)?
            && uses_names(&module, c"module_from_spec", known.module_from_spec)?
            && NamesUsed::by(&exec_module)?.are(known.exec_module)?;
        if !as_known {
            return Ok(None);
        }
        let (imp, sys) = (py::import(c"_imp")?, py::import(c"sys")?);
        let mut originals = Vec::new();
        for name in WATCHED {
            originals.push((py::interned(name)?, module.get(name)?));
        }
        let name_find_spec = py::interned(c"find_spec")?;
        let first_finders = [module.get(c"BuiltinImporter")?, module.get(c"FrozenImporter")?];
        let [builtin, frozen] = &first_finders;
        let method = |finder: &Object| -> Result<(Object, Object)> {
            let dict = finder.get(c"__dict__")?;
            let found = dict.subscript(&name_find_spec)?;
            Ok((dict, found))
        };
        let (find_spec, dict) = (module.get(c"_find_spec")?, py::module_dict(&module)?);
        Ok(Some(Bootstrap {
            function_type: find_spec.get(c"__class__")?,
            namespace_type: sys.get(c"implementation")?.get(c"__class__")?,
            search: Search::new(&find_spec)?,
            askers: Mutex::default(),
            inside: Inside::new()?,
            copies_finders: form.contains(&"list"),
            search_code: module.get(c"_find_and_load_unlocked")?.get(c"__code__")?,
            is_builtin: py::builtin_of(&imp, c"is_builtin")?,
            find_frozen: py::builtin_of(&imp, c"find_frozen")?,
            gettrace: py::builtin_of(&sys, c"gettrace")?,
            getprofile: py::builtin_of(&sys, c"getprofile")?,
            tools: tools()?,
            first_searches: [method(builtin)?, method(frozen)?],
            known: Known::new(known)?,
            name_import: py::interned(c"import")?,
            dict,
            originals,
            first_finders,
            name_find_spec,
            name_dunder_spec: py::interned(c"__spec__")?,
        }))
    }

    /// Puts a function in the place of another one, which becomes its `self`.
    pub fn replace(&self, name: &CStr, method: &'static py::PyMethodDef) -> Result<()> {
        let name = py::interned(name)?;
        let original = self.dict.subscript(&name)?;
        self.dict.set_item(&name, &py::function_of(method, &original)?)
    }

    /// Whether `_find_and_load_unlocked` is what called the native function that asks.
    pub fn is_in_search(&self) -> bool {
        py::running_code().is_some_and(|code| code.is(&self.search_code))
    }

    /// Whether nothing watches frames come and go, and nobody has replaced what the short way leaves out.
    pub fn is_original(&self) -> Result<bool> {
        if !self.gettrace.gives_none(None)? || !self.getprofile.gives_none(None)? {
            return Ok(false);
        }
        if let Some((get_tool, numbers)) = &self.tools {
            for number in numbers {
                if !get_tool.gives_none(Some(number))? {
                    return Ok(false);
                }
            }
        }
        for (name, original) in &self.originals {
            if !self.dict.item_is(name, original)? {
                return Ok(false);
            }
        }
        for (dict, original) in &self.first_searches {
            if !dict.subscript(&self.name_find_spec)?.is(original) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A new `types.SimpleNamespace`.
    pub fn namespace(&self) -> Result<Object> {
        self.namespace_type.call(&[])
    }

    /// A new function.
    pub fn function(&self, code: &Object, globals: &Object) -> Result<Object> {
        self.function_type.call(&[code, globals])
    }

    /// Whether `finder` is one of the two that only know modules inside the interpreter, and does not know this one.
    pub fn is_passed_by(&self, finder: &Object, name: &Object) -> Result<bool> {
        let [builtin, frozen] = &self.first_finders;
        if finder.is(builtin) {
            Ok(self.inside.is_not_builtin(name.text()?) || self.is_builtin.call(Some(name))?.to_i64()? == 0)
        } else if finder.is(frozen) {
            Ok(self.inside.is_not_frozen(name.text()?) || self.find_frozen.gives_none(Some(name))?)
        } else {
            Ok(false)
        }
    }

    /// What `_find_spec` gives for the name with this finder alone.
    pub fn ask(&self, finder: &Object, name: &Object, path: &Object, modules: &Object) -> Result<Object> {
        let kept = self.askers().pop();
        let asker = match kept {
            Some(asker) if asker.is_current(self)? => asker,
            _ => Asker::new(self, &self.search)?,
        };
        let answer = asker.ask(&self.search, [finder, name, path], modules)?;
        self.keep(asker);
        Ok(answer)
    }

    /// Makes the first asker: to make a function raises an audit event, which nobody is to see in the middle of an import.
    pub fn get_ready_to_ask(&self) -> Result<()> {
        self.keep(Asker::new(self, &self.search)?);
        Ok(())
    }

    /// For the next question; finders that import something while they are asked need several.
    fn keep(&self, asker: Asker) {
        let mut askers = self.askers();
        if askers.len() < MOST_ASKERS && askers.try_reserve(1).is_ok() {
            askers.push(asker);
            return;
        }
        drop(askers);
        drop(asker);
    }

    fn askers(&self) -> MutexGuard<'_, Vec<Asker>> {
        self.askers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Askers that are kept at most.
const MOST_ASKERS: usize = 4;

/// `function.__code__.co_names`, to be compared with those of a known function.
pub struct NamesUsed(Object);

impl NamesUsed {
    /// Those of a function.
    pub fn by(function: &Object) -> Result<NamesUsed> {
        Ok(NamesUsed(function.get(c"__code__")?.get(c"co_names")?))
    }

    /// Whether they are these, in this order.
    pub fn are(&self, names: &[&str]) -> Result<bool> {
        if self.0.tuple_len() != names.len() {
            return Ok(false);
        }
        for (i, name) in names.iter().enumerate() {
            if self.0.tuple_item(i)?.text()? != *name {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The one of these forms of the function that has them.
    pub fn form<'a, T>(&self, forms: &'a [T], names: impl Fn(&'a T) -> &'a [&'a str]) -> Result<Option<&'a T>> {
        for form in forms {
            if self.are(names(form))? {
                return Ok(Some(form));
            }
        }
        Ok(None)
    }
}

/// Whether a module's function uses these names, in this order.
pub fn uses_names(module: &Object, function: &CStr, names: &[&str]) -> Result<bool> {
    NamesUsed::by(&module.get(function)?)?.are(names)
}

/// `sys.monitoring` (3.12+), with the numbers that tools may have.
fn tools() -> Result<Option<(Builtin, Vec<Object>)>> {
    // Looked up where a missing one is no exception.
    let monitoring = py::module_dict(&py::import(c"sys")?)?.item(&py::interned(c"monitoring")?)?;
    let Some(monitoring) = monitoring else { return Ok(None) };
    let numbers = (0..6).map(py::integer).collect::<Result<_>>()?;
    Ok(Some((py::builtin_of(&monitoring, c"get_tool")?, numbers)))
}
