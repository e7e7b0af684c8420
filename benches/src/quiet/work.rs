//! Fixed pieces of work that tell how quick the machine is now.

use std::array;
use std::hint::black_box;
use std::sync::LazyLock;
use std::thread::{Builder, scope};
use std::time::Instant;

use memmap2::MmapMut;

use crate::machine::PAGE;

/// Seconds of each piece of work: arithmetic, and pages that are touched first; `None` for one that could not be done.
pub type Work = [Option<f64>; 2];

/// The same piece so many times, the quickest of which counts: the first finds the processor asleep, and any may be interrupted.
const TIMES: usize = 3;

/// No more processors than these are asked: of many, one is always busy.
const PROCESSORS: usize = 8;

/// The work on the slowest processor.
pub fn work() -> Work {
    static ASKED: LazyLock<Vec<usize>> = LazyLock::new(processors);
    // One after the other: who touches pages of the same process at the same time waits for each other.
    let on = |&processor: &usize| {
        let turn = move || {
            stay(processor);
            quickest()
        };
        scope(|scope| Builder::new().spawn_scoped(scope, turn).ok()?.join().ok())
    };
    let all = ASKED.iter().take(PROCESSORS).filter_map(on);
    all.reduce(|slowest, work| each(slowest, work, f64::max)).unwrap_or_else(quickest)
}

fn quickest() -> Work {
    let one = |_| [Some(arithmetic()), pages()];
    (0..TIMES).map(one).fold([None; 2], |best, work| each(best, work, f64::min))
}

/// Of two the one that `of` chooses; of one that alone.
pub fn each(a: Work, b: Work, of: fn(f64, f64) -> f64) -> Work {
    array::from_fn(|piece| match (a[piece], b[piece]) {
        (Some(a), Some(b)) => Some(of(a, b)),
        (a, b) => a.or(b),
    })
}

/// A quarter of a millisecond of arithmetic: as much at a time as a processor can, which it cannot where it shares a core.
fn arithmetic() -> f64 {
    let start = Instant::now();
    let mut numbers: [u64; 8] = black_box([1, 2, 3, 4, 5, 6, 7, 8]);
    for round in 0..black_box(50_000) {
        for number in &mut numbers {
            *number = (*number ^ round).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }
    black_box(numbers);
    start.elapsed().as_secs_f64()
}

/// Faults for pages, which are most of what a start waits for in the system; nothing if there is no memory.
fn pages() -> Option<f64> {
    const SIZE: usize = 1 << 20;
    let start = Instant::now();
    let mut map = MmapMut::map_anon(SIZE).ok()?;
    map.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    drop(black_box(map));
    Some(start.elapsed().as_secs_f64())
}

/// The processors that this thread may use.
fn processors() -> Vec<usize> {
    // SAFETY: all zeros is a set, and the call writes one.
    let (mut set, size) = (unsafe { std::mem::zeroed::<libc::cpu_set_t>() }, size_of::<libc::cpu_set_t>());
    // SAFETY: a set of this size.
    if unsafe { libc::sched_getaffinity(0, size, &raw mut set) } != 0 {
        return Vec::new();
    }
    // SAFETY: numbers below the size of the set.
    (0..libc::CPU_SETSIZE as usize).filter(|&processor| unsafe { libc::CPU_ISSET(processor, &set) }).collect()
}

/// Keeps this thread on a processor; if that cannot be done, it stays where it is.
fn stay(processor: usize) {
    // SAFETY: all zeros is a set; the number is one of a set; and a set of this size is read.
    unsafe {
        let mut set = std::mem::zeroed::<libc::cpu_set_t>();
        libc::CPU_SET(processor, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_runs_on_every_processor() {
        let all = processors();
        // Of these a group of processes may have less than all.
        assert!(all.len() >= std::thread::available_parallelism().unwrap().get());
        assert!(work().into_iter().all(|seconds| seconds.unwrap() > 0.0));
        assert_eq!(processors(), all, "this thread is not kept on one");
    }

    #[test]
    fn what_could_not_be_done_leaves_what_could() {
        let (a, b) = ([Some(1.0), None], [Some(2.0), Some(3.0)]);
        assert_eq!((each(a, b, f64::max), each(b, a, f64::min)), ([Some(2.0), Some(3.0)], [Some(1.0), Some(3.0)]));
        assert_eq!(each(a, [None; 2], f64::max), a);
    }
}
