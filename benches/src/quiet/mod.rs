//! Quiet moments. On a machine that shares its processors with others, a neighbour makes it slower by half for a second now and
//! then: what is measured meanwhile is about the neighbour. Fixed pieces of work tell, before a process and after it, and
//! never look at what the process took.

mod work;

use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use crate::backed;
use crate::results::Moments;
use work::{Work, each, work};

/// How much longer than is expected the work takes in a quiet moment at most.
const QUIET: f64 = 1.15;

/// How often and how long a quiet moment is waited for.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// How often a process runs at most.
const ATTEMPTS: usize = 5;

/// What waiting for nothing makes of what is expected: a machine that has become slow by half for good is waited for some seconds.
const PATIENCE: f64 = 1.02;

/// Pieces of work before the first question.
const FIRST: usize = 20;

/// What is known of the machine.
#[derive(Debug)]
struct Machine {
    /// The work at its best.
    best: Work,
    /// What is expected of it: more than that where waiting was for nothing.
    expected: Work,
    counts: Moments,
}

/// How long the work takes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    /// As is expected.
    quiet: bool,
    /// Longer than the machine takes at its best, whatever is expected by now.
    slow: bool,
}

static MACHINE: Mutex<Machine> = Mutex::new(Machine::new());

fn machine<T>(with: impl FnOnce(&mut Machine) -> T) -> T {
    with(&mut MACHINE.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Machine {
    const fn new() -> Machine {
        Machine { best: [None; 2], expected: [None; 2], counts: Moments { processes: 0, again: 0, slow: 0 } }
    }

    /// What a moment is in which the work took so long.
    fn moment(&mut self, work: Work) -> Moment {
        self.best = each(self.best, work, f64::min);
        self.expected = each(self.expected, work, f64::min);
        let longer = |than: Work| {
            let mut pieces = work.into_iter().zip(than);
            pieces.any(|piece| matches!(piece, (Some(seconds), Some(than)) if seconds > than * QUIET))
        };
        Moment { quiet: !longer(self.expected), slow: longer(self.best) }
    }

    /// Waiting was for nothing.
    fn lose_patience(&mut self) {
        self.expected = self.expected.map(|seconds| seconds.map(|seconds| seconds * PATIENCE));
    }
}

fn now() -> Moment {
    if machine(|machine| machine.best[0].is_none()) {
        for work in (0..FIRST).map(|_| work()) {
            machine(|machine| machine.moment(work));
        }
    }
    let work = work();
    machine(|machine| machine.moment(work))
}

/// Waits for a quiet moment with memory at hand, half a second at most; what came.
fn wait() -> Moment {
    let next = || {
        // Before the work: it takes a while where it has something to do.
        backed::get_ready();
        now()
    };
    let mut moment = next();
    for _ in 1..TRIES {
        if moment.quiet {
            break;
        }
        sleep(PAUSE);
        moment = next();
    }
    moment
}

/// Runs something in a quiet moment, with memory at hand: again, and a few times at most, if the moment was not quiet before or after it,
/// or `again` says so.
pub fn run<T>(what: impl Fn() -> Result<T>, again: impl Fn(&T) -> bool) -> Result<T> {
    let mut runs = 0;
    loop {
        let before = wait();
        let found = what()?;
        let moments = [before, now()];
        runs += 1;
        let quiet = moments.iter().all(|moment| moment.quiet);
        let is_last = quiet && !again(&found) || runs == ATTEMPTS;
        machine(|machine| {
            if !before.quiet || is_last && !quiet {
                machine.lose_patience();
            }
            if is_last {
                machine.counts.processes += 1;
                machine.counts.again += usize::from(runs > 1);
                machine.counts.slow += usize::from(moments.iter().any(|moment| moment.slow));
            }
        });
        if is_last {
            return Ok(found);
        }
    }
}

/// What was counted since this was asked last.
pub fn counted() -> Moments {
    machine(|machine| std::mem::take(&mut machine.counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Moment = Moment { quiet: true, slow: false };
    const NOT: Moment = Moment { quiet: false, slow: true };

    #[test]
    fn a_moment_is_quiet_when_the_work_takes_about_as_long_as_at_its_best() {
        let mut machine = Machine::new();
        let moments = [[1.0, 5.0], [1.14, 5.5], [1.5, 5.0], [0.9, 5.0], [1.1, 5.0], [1.0, 6.0], [1.0, 4.0], [1.0, 5.0]];
        let found = moments.map(|work| machine.moment(work.map(Some)));
        assert_eq!(found, [QUIET, QUIET, NOT, QUIET, NOT, NOT, QUIET, NOT]);
        // Nobody knows of what was not done.
        assert_eq!(machine.moment([Some(0.9), None]), QUIET);
        assert_eq!(machine.moment([None; 2]), QUIET);
        assert_eq!(machine.moment([Some(0.9), Some(9.0)]), NOT);
    }

    #[test]
    fn a_machine_that_stays_slow_is_quiet_after_some_seconds_and_slow_all_the_same() {
        let mut machine = Machine::new();
        machine.moment([Some(1.0), Some(1.0)]);
        let slow = [Some(1.5), Some(1.0)];
        let waits = (0..).find(|_| {
            let quiet = (0..TRIES).any(|_| machine.moment(slow).quiet);
            machine.lose_patience();
            quiet
        });
        let seconds = waits.unwrap() as f64 * (TRIES as f64 * PAUSE.as_secs_f64());
        assert!((3.0..15.0).contains(&seconds), "{seconds}");
        assert_eq!(machine.moment(slow), Moment { quiet: true, slow: true });
        // And quick again when it is.
        assert_eq!(machine.moment([Some(1.0), Some(1.0)]), QUIET);
        assert_eq!(machine.moment(slow), NOT);
    }
}
