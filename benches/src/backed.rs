//! Free memory that is really there. A virtual machine may give memory that it does not use back to its host, in pieces of megabytes, and
//! gets it again one page at a time when somebody writes to it: a huge page then takes milliseconds instead of a third of one,
//! after a pause of seconds and for whoever comes first. As files are in the page cache before a process is measured, so is memory at
//! hand.

use std::ptr;

use crate::machine::PAGE;

/// More than a process that is measured takes in huge pages.
const SIZE: usize = 64 << 20;

/// A process that takes memory, writes to it and ends: what is given away first has been written to, mostly. Not this process: what
/// it had in memory at most would be the least that can be seen of those that it starts.
pub fn get_ready() {
    // SAFETY: the child calls the system and nothing else, neither allocates nor panics: whatever other threads hold, it does not need.
    unsafe {
        match libc::fork() {
            0 => {
                write_to_memory();
                libc::_exit(0);
            }
            child if child > 0 => while libc::waitpid(child, ptr::null_mut(), 0) == -1 && interrupted() {},
            // The process that is measured will fail for the same reason, and say so.
            _ => {}
        }
    }
}

fn interrupted() -> bool {
    std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
}

/// Without memory, or without huge pages, everything stays as it is.
fn write_to_memory() {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, which is written to inside its bounds.
    unsafe {
        let map = libc::mmap(ptr::null_mut(), SIZE, protection, flags, -1, 0);
        if map == libc::MAP_FAILED {
            return;
        }
        libc::madvise(map, SIZE, libc::MADV_HUGEPAGE);
        for offset in (0..SIZE).step_by(PAGE) {
            map.cast::<u8>().add(offset).write_volatile(1);
        }
    }
}
