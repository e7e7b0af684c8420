//! `cds_loader.Objects`: the named objects of an image as a read-only mapping.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use cds_layout::format::{NONE, NamedRecord};
use pyo3_ffi as ffi;

use crate::failure::Failure;
use crate::guard::{guarded, guarded_number};
use crate::opened::Opened;
use crate::py::{self, Methods, Object, Py_ssize_t, PyMethodDef, PyObject};
use crate::recipe::{self, Fault};

/// An instance: which image's objects it shows.
#[repr(C)]
struct Instance {
    head: PyObject,
    opened: *const Opened,
}

/// The type, once it was made. Only the main interpreter of one runtime ever gets here.
static TYPE: AtomicPtr<PyObject> = AtomicPtr::new(ptr::null_mut());

/// How many names `repr` shows.
const SHOWN: usize = 5;

static METHODS: Methods<5> = Methods([
    py::method(c"get", get, c"get($self, key, default=None)\n--\n\nThe object with this name, or the default."),
    py::method_without_arguments(c"keys", keys, c"keys($self, /)\n--\n\nA view of the names."),
    py::method_without_arguments(c"values", values, c"values($self, /)\n--\n\nA view of the objects."),
    py::method_without_arguments(c"items", items, c"items($self, /)\n--\n\nA view of names and objects."),
    PyMethodDef::zeroed(),
]);

/// A new mapping of the objects of an image.
pub fn mapping(opened: &'static Opened) -> py::Result<Object> {
    names(opened)?;
    let mapping = py::allocate(&type_()?)?;
    // SAFETY: a new object of our type, which has the size of an instance; nobody else has seen it.
    unsafe { (*mapping.as_ptr().cast::<Instance>()).opened = opened };
    Ok(mapping)
}

fn type_() -> py::Result<Object> {
    // SAFETY: null or a type that is never freed.
    if let Some(known) = unsafe { py::borrow(TYPE.load(Ordering::Acquire)) } {
        return Ok(known.clone());
    }
    let slots: [(c_int, *mut c_void); 10] = [
        (ffi::Py_tp_doc, c"The named objects of an image, as a read-only mapping.".as_ptr().cast_mut().cast()),
        (ffi::Py_tp_methods, METHODS.as_ptr().cast()),
        (ffi::Py_mp_length, length as ffi::lenfunc as *mut c_void),
        (ffi::Py_mp_subscript, subscript as ffi::binaryfunc as *mut c_void),
        (ffi::Py_sq_contains, contains as ffi::objobjproc as *mut c_void),
        (ffi::Py_tp_iter, iter as ffi::getiterfunc as *mut c_void),
        (ffi::Py_tp_repr, repr as ffi::reprfunc as *mut c_void),
        (ffi::Py_tp_richcompare, compare as ffi::richcmpfunc as *mut c_void),
        (ffi::Py_tp_hash, ffi::PyObject_HashNotImplemented as ffi::hashfunc as *mut c_void),
        (0, ptr::null_mut()),
    ];
    let type_ = py::heap_type(c"cds_loader.Objects", size_of::<Instance>(), slots)?;
    abc()?.get(c"Mapping")?.get(c"register")?.call(&[&type_])?;
    TYPE.store(type_.clone().into_ptr(), Ordering::Release);
    Ok(type_)
}

/// `collections.abc`, under the name by which it is always loaded.
fn abc() -> py::Result<Object> {
    py::import(c"_collections_abc")
}

/// The dict from names to numbers; made when first asked for. Raises if a record is damaged.
fn names(opened: &'static Opened) -> py::Result<Object> {
    // SAFETY: null or a dict that is never freed.
    if let Some(known) = unsafe { py::borrow(opened.names()) } {
        return Ok(known.clone());
    }
    let names = py::dict()?;
    for number in 0..opened.image.counts().named as u32 {
        let record = opened.image.named(number);
        let name = record.and_then(|record| opened.image.text(record.name)).ok_or_else(|| damaged(opened, None))?;
        names.set_item(&py::string(name)?, &py::integer(number.into())?)?;
    }
    opened.names.store(names.clone().into_ptr(), Ordering::Release);
    Ok(names)
}

fn damaged(opened: &Opened, name: Option<&str>) -> py::Raised {
    let path = opened.path.display();
    py::raise_runtime_error(&match name {
        Some(name) => format!("object {name:?} of image {path} cannot be used: damaged"),
        None => format!("image {path} cannot be used: damaged: .cds.named"),
    })
}

/// The image of an instance.
///
/// # Safety
///
/// * `self_` is an instance of our type.
unsafe fn opened(self_: *mut PyObject) -> &'static Opened {
    // SAFETY: `mapping` sets the pointer before anybody sees the instance; images live for ever.
    unsafe { &*(*self_.cast::<Instance>()).opened }
}

/// The object with a name; `None` if there is none.
fn find(opened: &'static Opened, key: &Object) -> py::Result<Option<Object>> {
    let Some(number) = names(opened)?.item(key)? else { return Ok(None) };
    let number = u32::try_from(number.to_i64()?).unwrap_or(NONE);
    let record = opened.image.named(number).ok_or_else(|| damaged(opened, None))?;
    value(opened, &record).map(Some)
}

/// The value: the same object every time if it is immutable, otherwise a new one.
fn value(opened: &'static Opened, record: &NamedRecord) -> py::Result<Object> {
    let (image, name) = (&opened.image, opened.image.text(record.name));
    let leaves = match opened.fixups.fix(image, record.unit) {
        Ok(_) if record.leaves == NONE => Ok(None),
        // SAFETY: a tuple of the image, which was just fixed up and stays for ever.
        Ok(memory) => opened.fixups.tuple(&memory, record.leaves).map(|tuple| unsafe { py::borrow(tuple) }),
        Err(failure) => Err(failure),
    };
    let what = |text: &str| format!("object {:?} of image {} {text}", name.unwrap_or_default(), opened.path.display());
    let leaves = leaves.map_err(|failure| match failure {
        // Only code is handed out once.
        Failure::Malformed | Failure::Gone => damaged(opened, name),
        Failure::Memory => py::raise_memory_error(),
        Failure::Python => py::raise_runtime_error(&what("cannot be used: the interpreter could not make its parts")),
        Failure::Busy => py::raise_runtime_error(&what("is being prepared")),
    })?;
    let recipe = image.recipe(record).ok_or_else(|| damaged(opened, name))?;
    recipe::run(recipe, leaves.as_deref()).map_err(|fault| match fault {
        Fault::Malformed => {
            py::clear();
            damaged(opened, name)
        }
        Fault::Raised => py::Raised,
    })
}

unsafe extern "C" fn length(self_: *mut PyObject) -> Py_ssize_t {
    // SAFETY: the interpreter calls the slots of a type with its instances.
    let opened = unsafe { opened(self_) };
    guarded_number(|| Ok(names(opened)?.dict_len() as Py_ssize_t))
}

unsafe extern "C" fn subscript(self_: *mut PyObject, key: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above; the interpreter keeps the key alive during the call.
    let (opened, key) = unsafe { (opened(self_), py::borrow(key)) };
    guarded(|| {
        let key = key.ok_or(py::Raised)?;
        find(opened, &key)?.ok_or_else(|| py::raise_key_error(&key))
    })
}

unsafe extern "C" fn contains(self_: *mut PyObject, key: *mut PyObject) -> c_int {
    // SAFETY: as above.
    let (opened, key) = unsafe { (opened(self_), py::borrow(key)) };
    guarded_number(|| {
        let key = key.ok_or(py::Raised)?;
        Ok(names(opened)?.item(&key)?.is_some().into())
    }) as c_int
}

unsafe extern "C" fn iter(self_: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    let opened = unsafe { opened(self_) };
    guarded(|| names(opened)?.iter())
}

unsafe extern "C" fn repr(self_: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    let opened = unsafe { opened(self_) };
    guarded(|| {
        let count = opened.image.counts().named;
        let name = |number| opened.image.named(number).and_then(|record| opened.image.text(record.name));
        let mut shown: Vec<String> = (0..count.min(SHOWN) as u32).filter_map(name).map(|n| format!("{n:?}")).collect();
        let more = format!("… {} more", count.saturating_sub(SHOWN));
        if count > SHOWN {
            shown.push(more);
        }
        py::string(&format!("<cds_loader.Objects of {}: {}>", opened.path.display(), shown.join(", ")))
    })
}

unsafe extern "C" fn compare(self_: *mut PyObject, other: *mut PyObject, operation: c_int) -> *mut PyObject {
    // SAFETY: as above; the interpreter keeps both objects alive during the call.
    let (opened_, self_, other) = unsafe { (opened(self_), py::borrow(self_), py::borrow(other)) };
    guarded(|| {
        let (Some(self_), Some(other)) = (self_, other) else { return Err(py::Raised) };
        let wanted = match operation {
            ffi::Py_EQ => true,
            ffi::Py_NE => false,
            _ => return Ok(py::not_implemented()),
        };
        // SAFETY: an instance of our type, as the check says.
        let same = other.is_exactly(&type_()?) && ptr::eq(opened_, unsafe { opened(other.as_ptr()) });
        if !same && !other.is_instance(&abc()?.get(c"Mapping")?)? {
            return Ok(py::not_implemented());
        }
        let dict = |mapping: &Object| py::import(c"builtins")?.get(c"dict")?.call(&[mapping]);
        let equal = same || dict(&self_)?.equals(&dict(&other)?)?;
        Ok(py::boolean(equal == wanted))
    })
}

unsafe extern "C" fn get(
    self_: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as above; the arguments are passed on as the interpreter gave them.
    let (opened, arguments) =
        unsafe { (opened(self_), py::arguments("get", ["key", "default"], arguments, count, keywords)) };
    guarded(|| {
        let [key, default] = arguments?;
        let key = key.ok_or_else(|| py::raise_type_error("get() needs the argument 'key'"))?;
        Ok(find(opened, &key)?.unwrap_or_else(|| default.map_or_else(py::none, |default| default.clone())))
    })
}

/// A view of a mapping, as `collections.abc.Mapping` gives it.
fn view(self_: *mut PyObject, class: &'static std::ffi::CStr) -> *mut PyObject {
    guarded(|| {
        // SAFETY: the interpreter keeps the object alive during the call.
        let self_ = unsafe { py::borrow(self_) }.ok_or(py::Raised)?;
        abc()?.get(class)?.call(&[&self_])
    })
}

unsafe extern "C" fn keys(self_: *mut PyObject, _none: *mut PyObject) -> *mut PyObject {
    view(self_, c"KeysView")
}

unsafe extern "C" fn values(self_: *mut PyObject, _none: *mut PyObject) -> *mut PyObject {
    view(self_, c"ValuesView")
}

unsafe extern "C" fn items(self_: *mut PyObject, _none: *mut PyObject) -> *mut PyObject {
    view(self_, c"ItemsView")
}
