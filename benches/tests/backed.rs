//! Memory at hand, in a process where nothing else takes any.

use cds_benches::backed::get_ready;
use cds_benches::counters::bytes_in;

#[test]
fn this_process_had_no_more_memory_for_it_and_has_no_child() {
    let peak = || bytes_in("/proc/self/status", "VmHWM").unwrap();
    let before = peak();
    get_ready();
    assert!(peak() < before + 16e6);
    // SAFETY: asks for any child.
    let child = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
    assert_eq!((child, std::io::Error::last_os_error().raw_os_error()), (-1, Some(libc::ECHILD)));
}
