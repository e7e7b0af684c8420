//! Quiet moments. On a machine that shares its processors with others, a neighbour makes it slower by half for a second now and
//! then: what is measured meanwhile is about the neighbour. Fixed pieces of work on each processor tell, before a process
//! and after it, and never look at what the process took.

use std::hint::black_box;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::Result;
use memmap2::MmapMut;

use crate::backed;

/// How much longer than at its best the work takes in a quiet moment at most.
const QUIET: f64 = 1.15;

/// How often and how long a quiet moment is waited for.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// What one moment that was not quiet makes of what is expected: a machine that has become slow for good is not waited for, for ever.
const PATIENCE: f64 = 1.01;

/// Pieces of work before the first question.
const FIRST: usize = 50;

/// Seconds of each piece of work: arithmetic, and pages that are touched first.
type Work = [f64; 2];

/// What is known of the machine.
#[derive(Debug, Default)]
struct Machine {
    /// The work at its best; none before it was done.
    best: Option<Work>,
    counts: Counts,
}

/// What became of processes that were measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All that were asked for.
    pub processes: usize,
    /// How many ran once more, or several times.
    pub again: usize,
    /// How many did so for nothing: no quiet moment came.
    pub slow: usize,
}

static MACHINE: Mutex<Machine> = Mutex::new(Machine { best: None, counts: Counts { processes: 0, again: 0, slow: 0 } });

fn machine<T>(with: impl FnOnce(&mut Machine) -> T) -> T {
    with(&mut MACHINE.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Machine {
    /// Whether a moment in which the work took so long is quiet.
    fn is_quiet(&mut self, work: Work) -> bool {
        let best = self.best.get_or_insert(work);
        let mut quiet = true;
        for (best, seconds) in best.iter_mut().zip(work) {
            *best = best.min(seconds);
            if seconds > *best * QUIET {
                *best *= PATIENCE;
                quiet = false;
            }
        }
        quiet
    }
}

/// Whether the machine is quiet now.
fn now() -> bool {
    if machine(|machine| machine.best.is_none()) {
        let best = (0..FIRST).map(|_| work()).fold([f64::INFINITY; 2], |best, work| each(best, work, f64::min));
        machine(|machine| machine.best = Some(best));
    }
    let work = work();
    machine(|machine| machine.is_quiet(work))
}

/// Waits for a quiet moment, half a second at most.
fn wait() {
    for _ in 0..TRIES {
        if now() {
            return;
        }
        sleep(PAUSE);
    }
}

/// Runs something in a quiet moment, with memory at hand: again, and a few times at most, if the moment was not quiet any more at its end, or `again` says
/// so.
pub fn run<T>(what: impl Fn() -> Result<T>, again: impl Fn(&T) -> bool) -> Result<T> {
    const ATTEMPTS: usize = 5;
    let mut runs = 0;
    loop {
        wait();
        backed::get_ready();
        let found = what()?;
        runs += 1;
        let quiet = now();
        if quiet && !again(&found) || runs == ATTEMPTS {
            count(runs, quiet);
            return Ok(found);
        }
    }
}

/// Counts a process that had so many runs, the last of which was in a quiet moment or not.
fn count(runs: usize, quiet: bool) {
    machine(|Machine { counts, .. }| {
        counts.processes += 1;
        counts.again += usize::from(runs > 1);
        counts.slow += usize::from(!quiet);
    });
}

/// What was counted since this was asked last.
pub fn counted() -> Counts {
    machine(|machine| std::mem::take(&mut machine.counts))
}

impl Counts {
    /// What a reader must know of a part of the measurement; nothing if all was quiet.
    pub fn remark(self, part: &str) -> Option<String> {
        let Counts { processes, again, slow } = self;
        let said = format!(
            "{part}: of {processes} processes {again} ran again because others made the machine slow (or files were not in memory), and \
             {slow} were measured like that in the end"
        );
        (again > 0).then_some(said)
    }
}

fn each(a: Work, b: Work, of: fn(f64, f64) -> f64) -> Work {
    [of(a[0], b[0]), of(a[1], b[1])]
}

/// The work on the slowest processor.
fn work() -> Work {
    let one = || [arithmetic(), pages()];
    static PROCESSORS: LazyLock<Vec<usize>> = LazyLock::new(processors);
    let processors = &*PROCESSORS;
    if processors.is_empty() {
        return one();
    }
    // One after the other: who touches pages of the same process at the same time waits for each other.
    let on = |processor| {
        let turn = move || {
            stay(processor);
            one()
        };
        scope(|scope| scope.spawn(turn).join()).unwrap_or_default()
    };
    processors.iter().copied().map(on).fold([0.0; 2], |slowest, work| each(slowest, work, f64::max))
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
fn pages() -> f64 {
    const SIZE: usize = 1 << 20;
    let start = Instant::now();
    let Ok(mut map) = MmapMut::map_anon(SIZE) else { return 0.0 };
    map.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    drop(black_box(map));
    start.elapsed().as_secs_f64()
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
    fn a_moment_is_quiet_when_the_work_takes_about_as_long_as_at_its_best() {
        let mut machine = Machine::default();
        let moments = [[1.0, 5.0], [1.14, 5.5], [1.5, 5.0], [0.9, 5.0], [1.0, 6.0], [1.0, 4.0], [1.0, 5.0]];
        let found = moments.map(|work| machine.is_quiet(work));
        assert_eq!(found, [true, true, false, true, false, true, false]);
    }

    #[test]
    fn a_machine_that_stays_slow_is_quiet_after_a_while() {
        let mut machine = Machine { best: Some([1.0, 1.0]), ..Machine::default() };
        let tries = (0..).find(|_| machine.is_quiet([1.6, 1.0])).unwrap();
        assert!((20..60).contains(&tries), "{tries}");
        // And quick again when it is.
        assert!(machine.is_quiet([1.0, 1.0]) && !machine.is_quiet([1.6, 1.0]));
    }

    #[test]
    fn what_was_counted_is_told_once_and_only_if_there_is_something() {
        assert_eq!(Counts { processes: 3, again: 0, slow: 0 }.remark("start"), None);
        let said = Counts { processes: 9, again: 2, slow: 1 }.remark("start").unwrap();
        assert!(said.starts_with("start: of 9 processes 2 ran again") && said.contains("and 1 were"), "{said}");
    }

    #[test]
    fn the_work_runs_on_every_processor() {
        let all = processors();
        // Of these a group of processes may have less than all.
        assert!(all.len() >= std::thread::available_parallelism().unwrap().get());
        assert!(work().into_iter().all(|seconds| seconds > 0.0));
        assert_eq!(processors(), all, "this thread is not kept on one");
    }
}
