//! The unwinder's functions, from `libgcc_s.so.1` when the first of them is called.
//!
//! The standard library needs them for panics and for threads that glibc ends by unwinding their stacks. Neither happens in most
//! processes, and to load the library takes longer than to map an image. It is the one that glibc itself loads for such threads
//! (`sysdeps/nptl/unwind-forcedunwind.c`): a context that it hands out means the same here.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The address of a function of the unwinder. Without it nothing can be unwound.
fn resolve(name: &CStr) -> *mut c_void {
    static LIBRARY: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
    let mut library = LIBRARY.load(Ordering::Acquire);
    if library.is_null() {
        // SAFETY: a C string. A second thread that gets here at the same time gets the same handle.
        library = unsafe { libc::dlopen(c"libgcc_s.so.1".as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        LIBRARY.store(library, Ordering::Release);
    }
    let function = match library.is_null() {
        true => ptr::null_mut(),
        // SAFETY: a handle that is never closed, and a C string.
        false => unsafe { libc::dlsym(library, name.as_ptr()) },
    };
    if function.is_null() {
        std::process::abort();
    }
    function
}

/// Functions that hand their arguments on.
macro_rules! forward {
    ($($name:ident = $text:literal ($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C-unwind" fn $name($($argument: $type),*) $(-> $result)? {
            type Function = unsafe extern "C-unwind" fn($($type),*) $(-> $result)?;
            // SAFETY: the function of that name of the C++ ABI for exception handling, which has this type.
            let function: Function = unsafe { std::mem::transmute(resolve($text)) };
            // SAFETY: what the caller promises.
            unsafe { function($($argument),*) }
        }
    )*};
}

/// The exception that is thrown, and a frame of the stack: known to the unwinder alone.
type Opaque = *mut c_void;

forward! {
    _Unwind_Backtrace = c"_Unwind_Backtrace" (trace: Opaque, argument: Opaque) -> c_int;
    _Unwind_DeleteException = c"_Unwind_DeleteException" (exception: Opaque);
    _Unwind_FindEnclosingFunction = c"_Unwind_FindEnclosingFunction" (address: Opaque) -> Opaque;
    _Unwind_GetCFA = c"_Unwind_GetCFA" (context: Opaque) -> usize;
    _Unwind_GetDataRelBase = c"_Unwind_GetDataRelBase" (context: Opaque) -> usize;
    _Unwind_GetIP = c"_Unwind_GetIP" (context: Opaque) -> usize;
    _Unwind_GetIPInfo = c"_Unwind_GetIPInfo" (context: Opaque, before: *mut c_int) -> usize;
    _Unwind_GetLanguageSpecificData = c"_Unwind_GetLanguageSpecificData" (context: Opaque) -> Opaque;
    _Unwind_GetRegionStart = c"_Unwind_GetRegionStart" (context: Opaque) -> usize;
    _Unwind_GetTextRelBase = c"_Unwind_GetTextRelBase" (context: Opaque) -> usize;
    _Unwind_RaiseException = c"_Unwind_RaiseException" (exception: Opaque) -> c_int;
    _Unwind_Resume = c"_Unwind_Resume" (exception: Opaque) -> !;
    _Unwind_SetGR = c"_Unwind_SetGR" (context: Opaque, register: c_int, value: usize);
    _Unwind_SetIP = c"_Unwind_SetIP" (context: Opaque, address: usize);
}

#[cfg(test)]
mod tests {
    use std::backtrace::Backtrace;
    use std::panic::{catch_unwind, panic_any};

    struct Dropped<'a>(&'a mut u32);

    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            *self.0 += 1;
        }
    }

    #[test]
    fn panics_are_caught_and_values_dropped_on_the_way() {
        let mut dropped = 0;
        let caught = catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _value = Dropped(&mut dropped);
            panic_any(17);
        }));
        assert_eq!(caught.unwrap_err().downcast_ref::<i32>(), Some(&17));
        assert_eq!(dropped, 1);
        assert!(Backtrace::force_capture().to_string().contains("panics_are_caught"));
    }
}
