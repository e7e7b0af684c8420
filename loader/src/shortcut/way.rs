//! The walk over the finders of `sys.meta_path`.

use std::fs;

use cds_layout::format::{InvalidationMode, ModuleRecord};

use super::quietly;
use crate::active::Active;
use crate::aside::Aside;
use crate::bootstrap::Bootstrap;
use crate::directories::mtime_ns;
use crate::py::{self, Object};
use crate::search::Search;
use crate::stand_in::raising_finder;

/// The short way, while it is there.
pub struct Way {
    /// The image.
    pub active: &'static Active,
    /// What the way needs.
    pub bootstrap: &'static Bootstrap,
}

/// What the walk ends with.
pub enum Answer<T> {
    /// The image has the module, and this was made of it.
    Ours(T),
    /// What `_find_spec` gives: another finder's spec, or `None`.
    Other(Object),
}

/// The file of a module.
pub struct File {
    /// Its path.
    pub text: String,
    /// The same as a `str` object.
    pub path: Object,
}

impl Way {
    /// The way, if there is an image.
    pub fn get() -> Option<Way> {
        let active = Active::get()?;
        Some(Way { active, bootstrap: active.bootstrap.as_ref()? })
    }

    /// `sys.modules`, if it is a plain dict.
    pub fn modules(&self) -> Result<Object, Aside> {
        self.active.importlib.modules()?.filter(Object::is_dict).ok_or(Aside::Replaced)
    }

    /// `sys.meta_path`, or a copy of it where `_find_spec` makes one; if it is a list and not empty.
    pub fn finders(&self) -> Result<Object, Aside> {
        let finders = self.active.importlib.meta_path()?.filter(Object::is_list).ok_or(Aside::Replaced)?;
        match finders.list_len() {
            0 => Err(Aside::Replaced),
            _ if self.bootstrap.copies_finders => Ok(finders.list_copy()?),
            _ => Ok(finders),
        }
    }

    /// The loop of `_find_spec` over the finders, for a module that is not imported yet. `found` looks for it in the image.
    pub fn walk<T>(
        &self,
        fullname: &Object,
        finders: &Object,
        path: &Object,
        found: impl Fn() -> Result<T, Aside>,
    ) -> py::Result<Answer<T>> {
        let mut i = 0;
        // Without a copy, a finder may change the list while it is searched.
        while i < finders.list_len() {
            let finder = finders.list_item(i)?;
            i += 1;
            if self.bootstrap.is_passed_by(&finder, fullname)? {
                continue;
            }
            let mut finder = finder;
            if finder.is(&self.active.finder) {
                match quietly(&found) {
                    Ok(Some(ours)) => return Ok(Answer::Ours(ours)),
                    Ok(None) => {}
                    // It comes out of the finder.
                    Err(py::Raised) => finder = raising_finder(&self.active.importlib, py::take_exception())?,
                }
            }
            let modules = self.active.importlib.modules()?.unwrap_or_else(py::none);
            let spec = self.bootstrap.ask(&finder, fullname, path, &modules)?;
            if !spec.is_none() {
                return self.settled(fullname, spec).map(Answer::Other);
            }
        }
        Ok(Answer::Other(py::none()))
    }

    /// What `_find_spec` makes of a finder's answer: the spec of the module, if a finder has imported it.
    fn settled(&self, fullname: &Object, spec: Object) -> py::Result<Object> {
        let modules = self.active.importlib.modules()?.filter(Object::is_dict);
        let Some(module) = modules.map(|modules| modules.item(fullname)).transpose()?.flatten() else {
            return Ok(spec);
        };
        match module.attr(&self.bootstrap.name_dunder_spec) {
            Ok(own) => Ok(if own.is_none() { spec } else { own }),
            Err(_) if py::is_attribute_error() => {
                py::clear();
                Ok(spec)
            }
            Err(raised) => Err(raised),
        }
    }

    /// The file of a module of the image that the ordinary search would find now. Any error leads to the ordinary search.
    pub fn find(
        &self,
        fullname: &Object,
        number: u32,
        module: &ModuleRecord<'static>,
        path: &Object,
    ) -> Result<File, Aside> {
        let active = self.active;
        let importlib = &active.importlib;
        if !importlib.is_original(Some(&active.finder))? || !importlib.has_same_caches()? {
            return Err(Aside::Replaced);
        }
        let search = Search { active, module, fullname };
        search.agrees(Some(path).filter(|path| !path.is_none()))?;
        // The ordinary finder looks whether the file is there, and the loader for its stamp: here once for both.
        let text = active.file(module)?;
        if active.invalidation != InvalidationMode::UncheckedHash {
            let metadata = fs::metadata(&text).map_err(|_| Aside::SourceChanged)?;
            let stamped = active.invalidation != InvalidationMode::Timestamp
                || module.stamp.agrees(mtime_ns(&metadata), metadata.len());
            if !metadata.is_file() || !stamped {
                return Err(Aside::SourceChanged);
            }
        }
        // Foreign finders may have done anything.
        if active.was_handed_out(number) || self.modules()?.has_item(fullname)? {
            return Err(Aside::SecondImport);
        }
        Ok(File { path: py::string(&text)?, text })
    }
}
