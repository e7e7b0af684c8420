//! Asks finders that others have put into `sys.meta_path`, as `_find_spec` does.

use crate::bootstrap::Bootstrap;
use crate::py::{self, Object, Result};

/// `_find_spec` with a `sys` of its own: its own code runs, with its frame, its lock and its treatment of odd finders, but it sees one
/// finder only. It is kept from one question to the next: to make it takes longer than most finders do.
#[derive(Debug)]
pub struct Asker {
    search: Object,
    /// What it takes for `sys`.
    sys: Object,
    /// What its code uses of importlib, and what that was.
    used: Vec<(Object, Option<Object>)>,
}

/// What [`Asker`]s are made of.
#[derive(Debug)]
pub struct Search {
    code: Object,
    /// The default of `target`.
    defaults: Object,
    name_defaults: Object,
    name_sys: Object,
    name_meta_path: Object,
    name_modules: Object,
    /// Global names and attributes in the code.
    names: Vec<Object>,
}

impl Search {
    /// Of the function `_find_spec`.
    pub fn new(find_spec: &Object) -> Result<Search> {
        let code = find_spec.get(c"__code__")?;
        let (names, name_sys) = (code.get(c"co_names")?, py::interned(c"sys")?);
        let names = (0..names.tuple_len()).map(|i| names.tuple_item(i)).collect::<Result<Vec<Object>>>()?;
        Ok(Search {
            defaults: find_spec.get(c"__defaults__")?,
            name_defaults: py::interned(c"__defaults__")?,
            name_meta_path: py::interned(c"meta_path")?,
            name_modules: py::interned(c"modules")?,
            names: names.into_iter().filter(|name| !name.is(&name_sys)).collect(),
            name_sys,
            code,
        })
    }
}

impl Asker {
    /// For importlib as it is now.
    pub fn new(bootstrap: &Bootstrap, of: &Search) -> Result<Asker> {
        let (dict, sys) = (&bootstrap.dict, bootstrap.namespace()?);
        let used = of.names.iter().map(|name| Ok((name.clone(), dict.item(name)?))).collect::<Result<_>>()?;
        let globals = dict.dict_copy()?;
        globals.set_item(&of.name_sys, &sys)?;
        let search = bootstrap.function(&of.code, &globals)?;
        search.set_attr(&of.name_defaults, &of.defaults)?;
        Ok(Asker { search, sys, used })
    }

    /// Whether importlib is as it was.
    pub fn is_current(&self, bootstrap: &Bootstrap) -> Result<bool> {
        for (name, value) in &self.used {
            let is_same = match value {
                Some(value) => bootstrap.dict.item_is(name, value)?,
                None => !bootstrap.dict.has_item(name)?,
            };
            if !is_same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What the finder gives for the name. After an exception the asker is in its traceback, and is not to be used again.
    pub fn ask(&self, of: &Search, [finder, name, path]: [&Object; 3], modules: &Object) -> Result<Object> {
        self.sys.set_attr(&of.name_meta_path, &py::list(&[finder])?)?;
        self.sys.set_attr(&of.name_modules, modules)?;
        let answer = self.search.call(&[name, path])?;
        // Nothing outlives the question.
        let none = py::none();
        self.sys.set_attr(&of.name_meta_path, &none)?;
        self.sys.set_attr(&of.name_modules, &none)?;
        Ok(answer)
    }
}
