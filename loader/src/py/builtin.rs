//! Builtin functions whose C functions are called directly, for questions that are asked in every import.

use std::ffi::c_int;
use std::mem::transmute;
use std::ptr;

use pyo3_ffi::{self as ffi, PyObject};

use super::error::{Raised, Result};
use super::object::{Object, steal};

/// A builtin function that neither runs Python code nor lets other threads run.
#[derive(Debug)]
pub struct Builtin {
    object: Object,
    self_: *mut PyObject,
    way: Way,
}

/// How its C function is called.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Without an argument or with one.
    Plain(ffi::PyCFunction),
    /// With an array of arguments.
    Array(ffi::PyCFunctionFastWithKeywords),
    /// As any object is called.
    Object,
}

impl Builtin {
    /// `object`, if it is a builtin function.
    pub fn new(object: Object) -> Option<Builtin> {
        // SAFETY: a live object.
        if unsafe { ffi::PyCFunction_CheckExact(object.as_ptr()) } == 0 {
            return None;
        }
        // SAFETY: a builtin function. What comes back lives as long as it.
        let (flags, self_, function) = unsafe {
            let pointer = object.as_ptr();
            (
                ffi::PyCFunction_GetFlags(pointer),
                ffi::PyCFunction_GetSelf(pointer),
                ffi::PyCFunction_GetFunction(pointer),
            )
        };
        const ARRAY: c_int = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;
        let way = match (flags, function) {
            (ffi::METH_NOARGS | ffi::METH_O, Some(function)) => Way::Plain(function),
            (ARRAY, Some(function)) => {
                // SAFETY: functions with these flags are of this type (`METH_FASTCALL`, Include/methodobject.h).
                Way::Array(unsafe { transmute::<ffi::PyCFunction, ffi::PyCFunctionFastWithKeywords>(function) })
            }
            _ => Way::Object,
        };
        Some(Builtin { object, self_, way })
    }

    /// Calls it with at most one argument: as many as it takes.
    pub fn call(&self, argument: Option<&Object>) -> Result<Object> {
        let pointer = argument.map_or(ptr::null_mut(), Object::as_ptr);
        match self.way {
            // SAFETY: a C function of the interpreter, called as its flags say; a new reference or null comes back.
            Way::Plain(function) => unsafe { steal(function(self.self_, pointer)) },
            Way::Array(function) => {
                let arguments = [pointer];
                let count = isize::from(argument.is_some());
                // SAFETY: as above.
                unsafe { steal(function(self.self_, arguments.as_ptr(), count, ptr::null_mut())) }
            }
            Way::Object => match argument {
                Some(argument) => self.object.call(&[argument]),
                None => self.object.call(&[]),
            },
        }
    }

    /// Whether the function gives `None`.
    pub fn gives_none(&self, argument: Option<&Object>) -> Result<bool> {
        self.call(argument).map(|answer| answer.is_none())
    }
}

/// A builtin function that is an attribute of a module; raises for anything else.
pub fn builtin_of(module: &Object, name: &std::ffi::CStr) -> Result<Builtin> {
    Builtin::new(module.get(name)?).ok_or(Raised)
}
