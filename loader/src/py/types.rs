//! Functions, methods and types of our own.

use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use cds_layout::cpython::TYPE_VERSION_TAG;
use pyo3_ffi::{self as ffi, PyObject};

use super::call;
use super::error::{Raised, Result, raise_type_error};
use super::interpreter::hexversion;
use super::make::{dict, string, tuple};
use super::object::{Borrowed, Object, borrow, steal};

/// A method for a heap type or a module.
pub const fn method(
    name: &'static CStr,
    function: ffi::PyCFunctionFastWithKeywords,
    doc: &'static CStr,
) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: function },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: doc.as_ptr(),
    }
}

/// A function that is given `self` (null for functions of a module) and takes no arguments.
pub const fn method_without_arguments(
    name: &'static CStr,
    function: ffi::PyCFunction,
    doc: &'static CStr,
) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
        ml_flags: ffi::METH_NOARGS,
        ml_doc: doc.as_ptr(),
    }
}

/// A table of methods that ends with an empty one.
#[repr(transparent)]
pub struct Methods<const N: usize>(pub [ffi::PyMethodDef; N]);

// SAFETY: the tables are constants that nobody writes to.
unsafe impl<const N: usize> Sync for Methods<N> {}

impl<const N: usize> Methods<N> {
    /// The address that the C API wants.
    pub fn as_ptr(&'static self) -> *mut ffi::PyMethodDef {
        self.0.as_ptr().cast_mut()
    }
}

/// An object of a new heap type without state: the shape of the finders.
pub fn singleton(name: &'static CStr, doc: &'static CStr, methods: *mut ffi::PyMethodDef) -> Result<Object> {
    let slots =
        [(ffi::Py_tp_methods, methods.cast()), (ffi::Py_tp_doc, doc.as_ptr().cast_mut().cast()), (0, ptr::null_mut())];
    let type_ = heap_type(name, size_of::<PyObject>(), slots)?;
    // SAFETY: a type, just made; the new object takes its own reference to it.
    unsafe { steal(call::PyType_GenericAlloc(type_.as_ptr().cast(), 0)) }
}

/// A new heap type whose instances only we make. `slots` ends with an empty one; what it points to lives for ever.
pub fn heap_type<const N: usize>(
    name: &'static CStr,
    size: usize,
    slots: [(std::ffi::c_int, *mut c_void); N],
) -> Result<Object> {
    let mut slots = slots.map(|(slot, pfunc)| ffi::PyType_Slot { slot, pfunc });
    let mut spec = ffi::PyType_Spec {
        name: name.as_ptr(),
        basicsize: size as i32,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION) as u32,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the name and what the slots point to live for ever; the slots themselves are only read during the call.
    unsafe { steal(call::PyType_FromSpec(&mut spec)) }
}

/// A new object of a type, as `object.__new__(type_)`. `type_` is a heap type of the `object` family.
pub fn allocate(type_: &Object) -> Result<Object> {
    // SAFETY: a live type without items.
    unsafe { steal(call::PyType_GenericAlloc(type_.as_ptr().cast(), 0)) }
}

/// A method descriptor of `type_`. `method` lives for ever.
pub fn method_descriptor(type_: &Object, method: &'static ffi::PyMethodDef) -> Result<Object> {
    // SAFETY: a live type and a static definition, which is only read.
    unsafe { steal(call::PyDescr_NewMethod(type_.as_ptr().cast(), ptr::from_ref(method).cast_mut())) }
}

/// A function object. `method` lives for ever.
pub fn function(method: &'static ffi::PyMethodDef) -> Result<Object> {
    // SAFETY: a static definition, which is only read.
    let pointer =
        unsafe { call::PyCFunction_NewEx(ptr::from_ref(method).cast_mut(), ptr::null_mut(), ptr::null_mut()) };
    // SAFETY: a new reference or null.
    unsafe { steal(pointer) }
}

/// A function object whose first argument is always `self_`. `method` lives for ever.
pub fn function_of(method: &'static ffi::PyMethodDef, self_: &Object) -> Result<Object> {
    let method = ptr::from_ref(method).cast_mut();
    // SAFETY: a static definition, which is only read, and a live object, of which the function takes its own reference.
    unsafe { steal(call::PyCFunction_NewEx(method, self_.as_ptr(), ptr::null_mut())) }
}

/// `type(name, (base,), namespace)`
pub fn subclass(name: &str, base: &Object, namespace: &Object) -> Result<Object> {
    let (name, bases) = (string(name)?, tuple(&[base])?);
    // SAFETY: a static type.
    let type_ = unsafe { borrow((&raw mut ffi::PyType_Type).cast::<PyObject>()) }.ok_or(Raised)?;
    type_.call(&[&name, &bases, namespace])
}

/// The arguments of a function that [`method`] describes, by parameter name; `None` where one is not given.
///
/// # Safety
///
/// * `arguments`, `count` and `keywords` are what the interpreter passed to a `METH_FASTCALL | METH_KEYWORDS`
///   function whose call is still running.
pub unsafe fn arguments<'a, const N: usize>(
    function: &str,
    parameters: [&str; N],
    arguments: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut PyObject,
) -> Result<[Option<Borrowed<'a>>; N]> {
    let count = usize::try_from(count).unwrap_or(0);
    if count > N {
        return Err(raise_type_error(&format!("{function}() takes at most {N} arguments ({count} given)")));
    }
    let mut values = [const { None }; N];
    for (i, value) in values.iter_mut().enumerate().take(count) {
        // SAFETY: the interpreter passes `count` positional arguments and keeps them alive during the call.
        *value = unsafe { borrow(*arguments.add(i)) };
    }
    // SAFETY: null or a tuple that lives during the call.
    let Some(keywords) = (unsafe { borrow(keywords) }) else { return Ok(values) };
    // SAFETY: a live tuple.
    let given = usize::try_from(unsafe { ffi::PyTuple_Size(keywords.as_ptr()) }).unwrap_or(0);
    for i in 0..given {
        // SAFETY: a live tuple, which keeps its items alive; the index is below its length.
        let name = unsafe { borrow(ffi::PyTuple_GetItem(keywords.as_ptr(), i as ffi::Py_ssize_t)) }.ok_or(Raised)?;
        let name = name.text()?;
        let slot = parameters.iter().position(|p| *p == name).map(|at| &mut values[at]);
        match slot {
            // SAFETY: the values of keywords follow the positional arguments.
            Some(slot @ None) => *slot = unsafe { borrow(*arguments.add(count + i)) },
            Some(Some(_)) => return Err(raise_type_error(&format!("{function}() got two values for '{name}'"))),
            None => return Err(raise_type_error(&format!("{function}() got an unexpected keyword '{name}'"))),
        }
    }
    Ok(values)
}

/// The number that a class has until it or one of its bases changes; `None` if it has none just now.
pub fn class_version(class: &Object) -> Option<u32> {
    // SAFETY: a live class; every type object is that large (`tests/suites/layouts.rs`), and the GIL is held.
    let version = unsafe { class.as_ptr().byte_add(TYPE_VERSION_TAG as usize).cast::<u32>().read() };
    Some(version).filter(|&version| version != 0)
}

/// Calls `function` with what another function was given.
///
/// # Safety
///
/// * As for [`arguments`].
pub unsafe fn pass_on(
    function: &Object,
    arguments: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut PyObject,
) -> Result<Object> {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: the interpreter passes so many arguments, the values of keywords behind the others, and keeps them alive.
    let argument = |i: usize| unsafe { borrow(*arguments.add(i)) }.map(|argument| argument.clone()).ok_or(Raised);
    let positional = (0..count).map(argument).collect::<Result<Vec<_>>>()?;
    let named = dict()?;
    // SAFETY: null or a tuple that lives during the call.
    if let Some(names) = unsafe { borrow(keywords) } {
        for i in 0..names.tuple_len() {
            named.set_item(&names.tuple_item(i)?, &argument(count + i)?)?;
        }
    }
    function.call_keywords(&positional.iter().collect::<Vec<_>>(), &named)
}

/// A module definition with its slots.
struct Definition {
    module: ffi::PyModuleDef,
    slots: [ffi::PyModuleDef_Slot; 2],
}

/// The definition of a module without state, for the interpreter to make modules of, as `PyInit_…` returns it.
/// For one module only: later calls return the same definition.
pub fn define_module(name: &'static CStr, doc: &'static CStr, methods: *mut ffi::PyMethodDef) -> *mut PyObject {
    static DEFINITION: AtomicPtr<Definition> = AtomicPtr::new(ptr::null_mut());

    let mut definition = DEFINITION.load(Ordering::Acquire);
    if definition.is_null() {
        let end = ffi::PyModuleDef_Slot::default();
        let mut slots = [end, end];
        // Unknown to CPython 3.11, whose subinterpreters share one GIL anyway.
        if hexversion() >= 0x030c_0000 {
            slots[0] =
                ffi::PyModuleDef_Slot { slot: ffi::Py_mod_multiple_interpreters, value: PER_INTERPRETER_GIL_SUPPORTED };
        }
        let new = Box::into_raw(Box::new(Definition {
            module: ffi::PyModuleDef {
                m_base: ffi::PyModuleDef_HEAD_INIT,
                m_name: name.as_ptr(),
                m_doc: doc.as_ptr(),
                m_size: 0,
                m_methods: methods,
                m_slots: ptr::null_mut(),
                m_traverse: None,
                m_clear: None,
                m_free: None,
            },
            slots,
        }));
        // SAFETY: just made, seen by nobody else.
        unsafe { (*new).module.m_slots = (&raw mut (*new).slots).cast() };
        // Interpreters with GILs of their own may get here at once: the first one wins.
        match DEFINITION.compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => definition = new,
            Err(winner) => {
                // SAFETY: made above and given to nobody.
                drop(unsafe { Box::from_raw(new) });
                definition = winner;
            }
        }
    }
    // SAFETY: a definition that lives for ever.
    unsafe { ffi::PyModuleDef_Init(&raw mut (*definition).module) }
}

/// `Py_MOD_PER_INTERPRETER_GIL_SUPPORTED`
const PER_INTERPRETER_GIL_SUPPORTED: *mut c_void = ptr::without_provenance_mut(2);
