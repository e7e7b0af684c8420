//! What the processor was at in a sample: by the innermost function, in the kernel by the way into it.

use std::path::Path;

use super::script::Frame;
use crate::results::Place;

/// Calls about files and directories, as the kernel names them.
const FILES: [&str; 26] = [
    "access",
    "close",
    "faccessat",
    "fcntl",
    "fstat",
    "getcwd",
    "getdents64",
    "ioctl",
    "lseek",
    "lstat",
    "newfstat",
    "newfstatat",
    "newlstat",
    "newstat",
    "open",
    "openat",
    "openat2",
    "pread64",
    "preadv",
    "preadv2",
    "read",
    "readlink",
    "readlinkat",
    "readv",
    "stat",
    "statx",
];

/// Calls about the process's memory.
const MEMORY: [&str; 7] = ["brk", "madvise", "mmap", "mmap_pgoff", "mprotect", "mremap", "munmap"];

/// Beginnings of the names of loaders' files: of this project, and of code-data-share.
const LOADERS: [&str; 2] = ["cds_loader.", "_cds."];

/// Where x86-64 has the kernel.
const KERNEL: u64 = 1 << 63;

/// How a processor came into the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// By a system call.
    Call(&'a str),
    /// Because a page was not there, or not to be written to.
    Fault,
    /// By an interrupt, or another exception.
    Interrupt,
}

/// Of a stack, the innermost way into the kernel: a fault while a call copies bytes is a fault.
pub fn entry(stack: &[Frame]) -> Option<Entry<'_>> {
    stack.iter().take_while(|frame| frame.address >= KERNEL).find_map(|frame| of_function(&frame.symbol))
}

fn of_function(symbol: &str) -> Option<Entry<'_>> {
    // The compiler makes `name.isra.0` of a function that it changes.
    let name = symbol.split('.').next().unwrap_or(symbol);
    if let Some(exception) = name.strip_prefix("asm_") {
        return Some(if exception == "exc_page_fault" { Entry::Fault } else { Entry::Interrupt });
    }
    // A function that ends in a jump to another one is not on the stack any more: of `mmap` and `preadv` only these may be left.
    match name {
        "vm_mmap_pgoff" => return Some(Entry::Call("mmap")),
        "do_preadv" => return Some(Entry::Call("preadv")),
        _ => {}
    }
    ["__x64_sys_", "__se_sys_", "__do_sys_", "ksys_"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .map(Entry::Call)
}

/// What the processor was at. `executable` is the interpreter's, without links; a stack without frames says nothing.
pub fn place(stack: &[Frame], executable: &Path) -> Place {
    let Some(leaf) = stack.first() else { return Place::Libraries };
    if leaf.address >= KERNEL {
        return match entry(stack) {
            Some(Entry::Fault) => Place::Faults,
            Some(Entry::Call(name)) if FILES.contains(&name) => Place::Files,
            Some(Entry::Call(name)) if MEMORY.contains(&name) => Place::Memory,
            _ => Place::Kernel,
        };
    }
    let name = leaf.object.rsplit('/').next().unwrap_or_default();
    if Path::new(&leaf.object) == executable || name.starts_with("libpython") {
        Place::Interpreter
    } else if LOADERS.iter().any(|loader| name.starts_with(loader)) {
        Place::Loader
    } else {
        Place::Libraries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PYTHON: &str = "/opt/bin/python3.13";

    /// A stack of these functions of the kernel, from the inside out, and one of the interpreter around them.
    fn kernel(symbols: &[&str]) -> Vec<Frame> {
        let all = symbols.iter().map(|symbol| (KERNEL | 0x7fff, *symbol, "[kernel.kallsyms]"));
        stack(&all.chain([(0x10, "import_find", PYTHON)]).collect::<Vec<_>>())
    }

    fn stack(frames: &[(u64, &str, &str)]) -> Vec<Frame> {
        let frame = |&(address, symbol, object): &(u64, &str, &str)| Frame {
            address,
            symbol: symbol.to_owned(),
            object: object.to_owned(),
        };
        frames.iter().map(frame).collect()
    }

    fn of(stack: &[Frame]) -> Place {
        place(stack, Path::new(PYTHON))
    }

    #[test]
    fn outside_the_kernel_the_file_counts() {
        let outer = (0x20, "main", PYTHON);
        for (object, wanted) in [
            (PYTHON, Place::Interpreter),
            ("/opt/lib/libpython3.11.so.1.0", Place::Interpreter),
            ("/site/cds_loader.abi3.so", Place::Loader),
            ("/site/_cds.cpython-311-x86_64-linux-gnu.so", Place::Loader),
            ("/site/of python3.13/x.so", Place::Libraries),
            ("/site/_python.cpython-313-x86_64-linux-gnu.so", Place::Libraries),
            ("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", Place::Libraries),
            ("[vdso]", Place::Libraries),
            ("[unknown]", Place::Libraries),
        ] {
            assert_eq!(of(&stack(&[(0x10, "asm_exc_page_fault", object), outer])), wanted, "{object}");
        }
        assert_eq!(of(&[]), Place::Libraries);
    }

    #[test]
    fn in_the_kernel_the_way_into_it_counts() {
        let syscall = ["do_syscall_64", "entry_SYSCALL_64_after_hwframe"];
        for (symbols, wanted) in [
            (&["clear_page_erms", "exc_page_fault", "asm_exc_page_fault"][..], Place::Faults),
            // While a call copies what was read.
            (&["do_anonymous_page", "asm_exc_page_fault", "_copy_to_iter", "__x64_sys_pread64"], Place::Faults),
            // While a fault is handled.
            (&["handle_irq", "asm_sysvec_apic_timer_interrupt", "do_fault", "asm_exc_page_fault"], Place::Kernel),
            (&["__d_lookup_rcu", "__x64_sys_openat"], Place::Files),
            (&["vfs_fstatat", "__do_sys_newfstatat"], Place::Files),
            (&["vfs_read", "ksys_read"], Place::Files),
            (&["__do_sys_newfstat.isra.0"], Place::Files),
            (&["__x64_sys_getdents64"], Place::Files),
            (&["_copy_to_iter", "do_preadv"], Place::Files),
            (&["_copy_to_iter", "__x64_sys_preadv"], Place::Files),
            (&["zap_pte_range", "__x64_sys_madvise"], Place::Memory),
            (&["do_mmap", "vm_mmap_pgoff"], Place::Memory),
            (&["vm_mmap_pgoff", "ksys_mmap_pgoff"], Place::Memory),
            (&["do_brk_flags", "__do_sys_brk"], Place::Memory),
            (&["do_futex", "__x64_sys_futex"], Place::Kernel),
            (&["schedule", "exit_to_user_mode_loop"], Place::Kernel),
            (&["[unknown]"], Place::Kernel),
        ] {
            assert_eq!(of(&kernel(&[symbols, &syscall].concat())), wanted, "{symbols:?}");
        }
        // Not a function of the kernel, whatever it is called.
        let user = stack(&[(KERNEL, "x", "[kernel.kallsyms]"), (0x10, "__x64_sys_openat", "[unknown]")]);
        assert_eq!((entry(&user), of(&user)), (None, Place::Kernel));
    }
}
