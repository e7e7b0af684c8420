//! How importlib's own specs, loaders and modules look, and new ones that look the same.
//!
//! What attributes there are, in which order and with what in them is not written down anywhere here: it is read off a package and
//! a module that importlib makes when a module is first loaded natively. What is made here is compared with those once.

use super::known::Known;
use crate::active::Active;
use crate::py::{self, Object, Result};

/// A module to be executed.
#[derive(Debug)]
pub struct Made {
    /// Its `SourceFileLoader`.
    pub loader: Object,
    /// Its spec.
    pub spec: Object,
    /// The module.
    pub module: Object,
}

/// What differs between modules.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The full name.
    pub name: &'a Object,
    /// The name of the package around it, `''` at the top.
    pub parent: &'a Object,
    /// Path of the file.
    pub path: &'a Object,
    /// Path of the `.pyc` file, where specs have it.
    pub cached: Option<&'a Object>,
    /// The package's directory, if it is one.
    pub directory: Option<&'a Object>,
}

/// What an attribute holds.
#[derive(Debug)]
enum Value {
    Name,
    Parent,
    Path,
    Cached,
    Locations,
    Loader,
    Spec,
    EmptyList,
    /// `None`, `True` or `False`.
    Constant(Object),
}

/// Attributes in their order.
type Attributes = Vec<(Object, Value)>;

/// How those of plain modules and packages look.
#[derive(Debug)]
pub struct Likeness {
    plain: Look,
    package: Look,
    /// `ModuleSpec`
    pub spec_class: Object,
    loader_class: Object,
    /// Whether specs have the path of the `.pyc` file.
    pub has_cached: bool,
}

#[derive(Debug)]
struct Look {
    loader: Attributes,
    spec: Attributes,
    module: Attributes,
}

impl Likeness {
    /// Looks at importlib's; `None` if they have something unknown in them.
    pub fn learn(known: &Known, active: &Active) -> Result<Option<Likeness>> {
        let spec_class = active.importlib.module_spec.clone();
        let loader_class = active.importlib.source_loader.clone();
        let samples = [Sample::new(active, false)?, Sample::new(active, true)?];
        let Some(plain) = Look::learn(known, active, &samples[0])? else { return Ok(None) };
        let Some(package) = Look::learn(known, active, &samples[1])? else { return Ok(None) };
        let has_cached = plain.spec.iter().any(|(_, value)| matches!(value, Value::Cached));
        let likeness = Likeness { plain, package, spec_class, loader_class, has_cached };
        for (sample, original) in samples.iter().zip([&likeness.plain, &likeness.package]) {
            let made = likeness.make(&sample.parts())?;
            let look = Look::of(&made, sample)?;
            if !look.is_some_and(|look| look.is_same(original)) {
                return Ok(None);
            }
        }
        Ok(Some(likeness))
    }

    /// A new loader, spec and module.
    pub fn make(&self, parts: &Parts<'_>) -> Result<Made> {
        let look = if parts.directory.is_some() { &self.package } else { &self.plain };
        let loader = py::allocate(&self.loader_class)?;
        let spec = py::allocate(&self.spec_class)?;
        let locations = parts.directory.map(|directory| py::list(&[directory])).transpose()?;
        let none = py::none();
        let fill = |attributes: &[(Object, Value)], set: &dyn Fn(&Object, &Object) -> Result<()>| {
            attributes.iter().try_for_each(|(name, value)| match value {
                Value::Name => set(name, parts.name),
                Value::Parent => set(name, parts.parent),
                Value::Path => set(name, parts.path),
                Value::Cached => set(name, parts.cached.unwrap_or(&none)),
                Value::Locations => set(name, locations.as_ref().unwrap_or(&none)),
                Value::Loader => set(name, &loader),
                Value::Spec => set(name, &spec),
                Value::EmptyList => set(name, &py::list(&[])?),
                Value::Constant(constant) => set(name, constant),
            })
        };
        fill(&look.loader, &|name, value| loader.set_attr(name, value))?;
        fill(&look.spec, &|name, value| spec.set_attr(name, value))?;
        let module = py::new_module(parts.name)?;
        let dict = py::module_dict(&module)?;
        let given = Value::given_at_first(&look.module);
        fill(&look.module[given..], &|name, value| dict.set_item(name, value))?;
        Ok(Made { loader, spec, module })
    }
}

impl Look {
    /// That of what importlib makes.
    fn learn(known: &Known, active: &Active, sample: &Sample) -> Result<Option<Look>> {
        let loader = active.importlib.source_loader.call(&[&sample.name, &sample.path])?;
        let keywords = py::dict()?;
        keywords.set_item(&py::interned(c"loader")?, &loader)?;
        let locations = match &sample.directory {
            Some(directory) => py::list(&[directory])?,
            None => py::none(),
        };
        keywords.set_item(&active.importlib.names.submodule_search_locations, &locations)?;
        let spec = known.spec_from_file_location.call_keywords(&[&sample.name, &sample.path], &keywords)?;
        let module = known.module_from_spec.call(&[&spec])?;
        let made = Made { loader, spec, module };
        let usual = made.spec.is_exactly(&active.importlib.module_spec)
            && made.loader.is_exactly(&active.importlib.source_loader)
            && made.module.is_module();
        if usual { Look::of(&made, sample) } else { Ok(None) }
    }

    fn of(made: &Made, sample: &Sample) -> Result<Option<Look>> {
        let attributes = |object: &Object| sample.attributes(&object.get(c"__dict__")?, made);
        let looks = (attributes(&made.loader)?, attributes(&made.spec)?, attributes(&made.module)?);
        let (Some(loader), Some(spec), Some(module)) = looks else { return Ok(None) };
        Ok(Some(Look { loader, spec, module }))
    }

    fn is_same(&self, other: &Look) -> bool {
        let same = |a: &Attributes, b: &Attributes| {
            let pairs = a.iter().zip(b);
            a.len() == b.len() && pairs.into_iter().all(|(a, b)| a.0.is(&b.0) && a.1.is_same(&b.1))
        };
        same(&self.loader, &other.loader) && same(&self.spec, &other.spec) && same(&self.module, &other.module)
    }
}

impl Value {
    /// How many of a module's attributes are what they are from the start: its name, and no docstring
    /// (`module_init_dict`, Objects/moduleobject.c).
    fn given_at_first(attributes: &Attributes) -> usize {
        let given = |value: &Value| matches!(value, Value::Name) || value.is_same(&Value::Constant(py::none()));
        attributes.iter().take(2).take_while(|(_, value)| given(value)).count()
    }

    fn is_same(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Constant(a), Value::Constant(b)) => a.is(b),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

/// A module that there is not.
struct Sample {
    name: Object,
    parent: Object,
    path: Object,
    cached: Object,
    directory: Option<Object>,
}

impl Sample {
    fn new(active: &Active, is_package: bool) -> Result<Sample> {
        let file = if is_package { "/cds loader/sample/__init__.py" } else { "/cds loader/sample.py" };
        let path = py::string(file)?;
        Ok(Sample {
            name: py::string("cds loader.sample")?,
            parent: py::string("cds loader")?,
            cached: active.importlib.get_cached.call(&[&path])?,
            directory: is_package.then(|| py::string("/cds loader/sample")).transpose()?,
            path,
        })
    }

    fn parts(&self) -> Parts<'_> {
        let Sample { name, parent, path, cached, directory } = self;
        Parts { name, parent, path, cached: Some(cached), directory: directory.as_ref() }
    }

    /// What the entries of a `__dict__` are; `None` if one of them is unknown.
    fn attributes(&self, dict: &Object, made: &Made) -> Result<Option<Attributes>> {
        let keys = dict.keys()?;
        let mut attributes = Attributes::new();
        for i in 0..keys.list_len() {
            let name = keys.list_item(i)?;
            let Some(value) = self.value(&dict.subscript(&name)?, made)? else { return Ok(None) };
            attributes.push((name, value));
        }
        Ok(Some(attributes))
    }

    fn value(&self, value: &Object, made: &Made) -> Result<Option<Value>> {
        Ok(Some(if value.is(&self.name) {
            Value::Name
        } else if value.is(&self.path) {
            Value::Path
        } else if value.is(&made.loader) {
            Value::Loader
        } else if value.is(&made.spec) {
            Value::Spec
        } else if value.is_none() || value.is(&py::boolean(true)) || value.is(&py::boolean(false)) {
            Value::Constant(value.clone())
        } else if value.is_str() && value.equals(&self.parent)? {
            Value::Parent
        } else if value.is_str() && value.equals(&self.cached)? {
            Value::Cached
        } else if value.is_list() && value.list_len() == 0 {
            Value::EmptyList
        } else if let Some(directory) = &self.directory
            && value.is_list()
            && value.list_len() == 1
            && value.list_item(0)?.is(directory)
        {
            Value::Locations
        } else {
            return Ok(None);
        }))
    }
}
