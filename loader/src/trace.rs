//! `PYCDSMODE=TRACE`: appends the names of the imported modules to a list, and where they were searched for.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use cds_layout::format::PATH_LINE;

use crate::py::{self, Methods, Object, Py_ssize_t, PyMethodDef, PyObject};
use crate::talk::say;

/// The list's path and the names in the order in which they were first asked for.
struct Trace {
    list: PathBuf,
    names: Vec<String>,
}

/// The lock is never held while Python runs.
static TRACE: Mutex<Option<Trace>> = Mutex::new(None);

static FINDER_METHODS: Methods<2> = Methods([
    py::method(
        c"find_spec",
        find_spec,
        c"find_spec($self, fullname, path=None, target=None)\n--\n\nRemember the name and return None.",
    ),
    PyMethodDef::zeroed(),
]);

static AT_EXIT: Methods<2> = Methods([
    py::method_without_arguments(c"_write_trace", write_trace, c"Append the names of the imported modules."),
    PyMethodDef::zeroed(),
]);

/// Starts to remember names. They are written when the interpreter exits.
pub fn start(list: PathBuf) -> py::Result<()> {
    let mut names = Vec::new();
    let imported = sys_modules()?.keys()?;
    for i in 0..imported.list_len() {
        names.extend(imported.list_item(i)?.text().ok().map(str::to_owned));
        py::clear();
    }
    *TRACE.lock().unwrap_or_else(PoisonError::into_inner) = Some(Trace { list, names });

    let finder = py::singleton(c"cds_loader.TraceFinder", c"Remembers what is imported.", FINDER_METHODS.as_ptr())?;
    py::import(c"sys")?.get(c"meta_path")?.list_insert(0, &finder)?;
    py::import(c"atexit")?.get(c"register")?.call(&[&py::function(&AT_EXIT.0[0])?])?;
    Ok(())
}

fn sys_modules() -> py::Result<Object> {
    py::import(c"sys")?.get(c"modules")
}

unsafe extern "C" fn find_spec(
    _self: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: passed on as the interpreter gave them.
    let arguments = unsafe { py::arguments("find_spec", ["fullname", "path", "target"], arguments, count, keywords) };
    let Ok([fullname, ..]) = arguments else { return ptr::null_mut() };
    match fullname.as_deref().map(Object::text) {
        Some(Ok(name)) => {
            if let Some(trace) = TRACE.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                trace.names.push(name.to_owned());
            }
        }
        _ => py::clear(),
    }
    py::none().into_ptr()
}

unsafe extern "C" fn write_trace(_self: *mut PyObject, _none: *mut PyObject) -> *mut PyObject {
    let trace = TRACE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(trace) = trace
        && let Ok(modules) = sys_modules()
        && let Err(error) = append(&trace.list, trace.names, &modules)
    {
        say(format_args!("cannot write {}: {error}", trace.list.display()));
    }
    py::clear();
    py::none().into_ptr()
}

/// Appends those of the names that the list does not have and that can be imported again.
fn append(list: &Path, names: Vec<String>, modules: &Object) -> io::Result<()> {
    let old = read(list)?;
    let mut known: HashSet<&str> = old.lines().map(str::trim).collect();
    let mut new = String::new();
    if !old.is_empty() && !old.ends_with('\n') {
        new.push('\n');
    }
    for name in &names {
        let importable = is_importable(modules, name).unwrap_or_else(|_| {
            py::clear();
            false
        });
        if importable && known.insert(name) {
            new.push_str(name);
            new.push('\n');
        }
    }
    for directory in search_path() {
        let line = format!("{PATH_LINE}{directory}");
        if !known.contains(line.as_str()) {
            new.push_str(&line);
            new.push('\n');
        }
    }
    // One write: other processes may append to the same list.
    OpenOptions::new().append(true).create(true).open(list)?.write_all(new.as_bytes())
}

/// What the list has; nothing if there is none. Of a pipe or a device, reading might never end.
fn read(list: &Path) -> io::Result<String> {
    match fs::metadata(list) {
        Ok(metadata) if metadata.is_file() => fs::read_to_string(list),
        Ok(_) => Err(io::Error::other("not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// The directories of `sys.path`, absolute: the program's own and those of `PYTHONPATH` are not on the path of the
/// interpreter that the builder asks.
fn search_path() -> Vec<String> {
    let path = py::import(c"sys").and_then(|sys| sys.get(c"path"));
    let mut directories = Vec::new();
    if let Ok(path) = path.as_ref().map_err(|_| py::clear())
        && path.is_list()
    {
        for i in 0..path.list_len() {
            let entry = path.list_item(i).and_then(|entry| Ok(entry.text()?.to_owned()));
            let Ok(entry) = entry.map_err(|_| py::clear()) else { continue };
            let entry = if entry.is_empty() { ".".to_owned() } else { entry };
            let absolute = std::path::absolute(&entry).ok().filter(|path| path.is_dir());
            directories.extend(absolute.and_then(|path| path.into_os_string().into_string().ok()));
        }
    }
    directories
}

/// Whether the module is one that a search of directories found under this very name.
fn is_importable(modules: &Object, name: &str) -> py::Result<bool> {
    if name == "__main__" || name == "cds_loader" {
        return Ok(false);
    }
    let Some(module) = modules.item(&py::string(name)?)? else { return Ok(false) };
    if module.is_none() {
        return Ok(false);
    }
    let spec = module.get(c"__spec__")?;
    // `os.path` is another module under a second name.
    if spec.is_none() || spec.get(c"name")?.text()? != name {
        return Ok(false);
    }
    if spec.get(c"has_location")?.is_true()? {
        return Ok(true);
    }
    // Built-in and frozen modules have an origin, namespace packages have none.
    Ok(spec.get(c"origin")?.is_none() && !spec.get(c"submodule_search_locations")?.is_none())
}
