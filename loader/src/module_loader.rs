//! `ImageLoader`: a `SourceFileLoader` whose code objects come from the image.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use cds_layout::format::{InvalidationMode, ModuleKind, ModuleRecord};

use crate::active::Active;
use crate::aside::Aside;
use crate::directories::mtime_ns;
use crate::finder::stepped_aside;
use crate::found::Found;
use crate::importlib::Importlib;
use crate::py::{self, Object, Py_ssize_t, PyMethodDef, PyObject};
use crate::talk::say;

/// A method definition that the interpreter only reads.
struct Method(PyMethodDef);

// SAFETY: a constant that nobody writes to.
unsafe impl Sync for Method {}

static GET_CODE: Method = Method(py::method(
    c"get_code",
    get_code,
    c"get_code($self, fullname)\n--\n\nThe module's code object: the image's, if the source is unchanged.",
));

/// The class `ImageLoader`. Its `exec_module` is the inherited one, which asks for the code and leaves the same frames
/// on the stack as ever. It is made as a class statement would make it, so that instances have
/// everything that instances of a Python subclass of `SourceFileLoader` have.
pub fn class(importlib: &Importlib) -> py::Result<Object> {
    let namespace = py::dict()?;
    let set = |name, value: &str| namespace.set_item(&py::interned(name)?, &py::string(value)?);
    set(c"__module__", "cds_loader")?;
    set(c"__qualname__", "ImageLoader")?;
    set(c"__doc__", "SourceFileLoader whose code objects come from an image.")?;
    let class = py::subclass("ImageLoader", &importlib.source_loader, &namespace)?;
    // A method of the base class by what it accepts: after the call `become_ordinary` has changed the instance's class,
    // and `sys_profile_call_or_return` (Python/legacy_tracing.c, 3.12+) binds the method to it once more.
    let method = py::method_descriptor(&importlib.source_loader, &GET_CODE.0)?;
    class.set_attr(&py::interned(c"get_code")?, &method)?;
    Ok(class)
}

unsafe extern "C" fn get_code(
    self_: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: passed on as the interpreter gave them; it keeps `self_` alive during the call.
    let (self_, arguments) =
        unsafe { (py::borrow(self_), py::arguments("get_code", ["fullname"], arguments, count, keywords)) };
    let (Some(self_), Ok([fullname])) = (self_, arguments) else { return ptr::null_mut() };
    let Some(fullname) = fullname else {
        py::raise_type_error("get_code() needs the argument 'fullname'");
        return ptr::null_mut();
    };
    give(code(&self_, &fullname))
}

fn give(result: py::Result<Object>) -> *mut PyObject {
    result.map_or(ptr::null_mut(), Object::into_ptr)
}

fn usable() -> py::Result<&'static Active> {
    Active::get().ok_or_else(|| py::raise_runtime_error("no image is in use"))
}

/// The image's code object; the ordinary one wherever the image's may not be used.
fn code(self_: &Object, fullname: &Object) -> py::Result<Object> {
    let active = usable()?;
    let found = catch_unwind(AssertUnwindSafe(|| image_code(active, self_, fullname)));
    become_ordinary(active, self_);
    match found.unwrap_or(Err(Aside::Malformed)) {
        Ok(code) => return Ok(code),
        Err(aside) => {
            if py::interrupted() {
                return Err(py::Raised);
            }
            py::clear();
            let name = fullname.text().unwrap_or("?");
            stepped_aside(active, name, &aside);
            py::clear();
        }
    }
    active.importlib.source_get_code.call(&[self_, fullname])
}

/// Turns the loader into the `SourceFileLoader` that the module would have had without an image.
///
/// Its work is done: a second call is for the ordinary loader in any case. And some programs look at the exact class
/// (`distlib.resources`, which pip brings, and `test.test_importlib`).
fn become_ordinary(active: &Active, self_: &Object) {
    if self_.is_exactly(&active.loader)
        && self_.set_attr(&active.importlib.names.dunder_class, &active.importlib.source_loader).is_err()
    {
        py::clear();
    }
}

fn image_code(active: &Active, self_: &Object, fullname: &Object) -> Result<Object, Aside> {
    if let Some(found) = active.set_found(None).filter(|f| f.loader.is(self_) && f.fullname.is(fullname)) {
        return found_code(active, &found, fullname);
    }
    let importlib = &active.importlib;
    let name = self_.attr(&importlib.names.name)?;
    // `SourceFileLoader` takes None for the loader's own name, and raises for another one.
    if !fullname.is_none() && (!fullname.is_str() || !name.equals(fullname)?) {
        return Err(Aside::OtherFile);
    }
    let name = name.text()?;
    let (number, module) = active.image.find(name).ok_or(Aside::OtherFile)?;
    let path = self_.attr(&importlib.names.path)?;
    if module.kind != ModuleKind::Source || !py::in_main_interpreter() {
        return Err(Aside::OtherFile);
    }
    let file = active.file(&module)?;
    if path.text()? != file {
        return Err(Aside::OtherFile);
    }
    if active.was_handed_out(number) {
        return Err(Aside::SecondImport);
    }
    if !importlib.is_original(None)? {
        return Err(Aside::Replaced);
    }
    if !is_unchanged(active, self_, &module, &path, &file)? {
        return Err(Aside::SourceChanged);
    }
    hand_out(active, number, &module, &path, fullname)
}

/// The code of what `_find_spec` has just found and looked at.
fn found_code(active: &Active, found: &Found, fullname: &Object) -> Result<Object, Aside> {
    let Found { loader, number, module, path, .. } = found;
    let looked = active.invalidation == InvalidationMode::Timestamp;
    if !looked && !is_unchanged(active, loader, module, path, path.text()?)? {
        return Err(Aside::SourceChanged);
    }
    hand_out(active, *number, module, path, fullname)
}

/// The code object, once in a process.
fn hand_out(
    active: &Active,
    number: u32,
    module: &ModuleRecord<'_>,
    path: &Object,
    fullname: &Object,
) -> Result<Object, Aside> {
    if active.was_handed_out(number) {
        return Err(Aside::SecondImport);
    }
    let code = active.code(number, module, path)?;
    // Other threads may have run meanwhile.
    if active.was_handed_out(number) {
        return Err(Aside::SecondImport);
    }
    active.hand_out(number);
    if active.verbosity > 1 {
        say(format_args!("{}: served", fullname.text().unwrap_or("?")));
    }
    Ok(code)
}

/// Whether the source is the one that the code was compiled from, as far as the image demands that.
fn is_unchanged(
    active: &Active,
    self_: &Object,
    module: &ModuleRecord<'_>,
    path: &Object,
    file: &str,
) -> Result<bool, Aside> {
    match active.invalidation {
        InvalidationMode::Timestamp => Ok(fs::metadata(file)
            .is_ok_and(|metadata| metadata.is_file() && module.stamp.agrees(mtime_ns(&metadata), metadata.len()))),
        InvalidationMode::CheckedHash => {
            let importlib = &active.importlib;
            let Some(magic) = &importlib.raw_magic else { return Ok(false) };
            let source = self_.attr(&importlib.names.get_data)?.call(&[path])?;
            let hash = importlib.source_hash.call(&[magic, &source])?;
            Ok(hash.bytes()? == module.stamp.hash.to_le_bytes())
        }
        InvalidationMode::UncheckedHash => Ok(true),
    }
}
