//! What became of the processes that a part measured in quiet moments.

use serde::{Deserialize, Serialize};

/// Counts of processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moments {
    /// All that were asked for.
    pub processes: usize,
    /// How many ran more than once.
    pub again: usize,
    /// How many had the machine slower than at its best, before or after the run that counts.
    pub slow: usize,
}

impl Moments {
    /// Together with others.
    pub fn and(self, other: Moments) -> Moments {
        Moments {
            processes: self.processes + other.processes,
            again: self.again + other.again,
            slow: self.slow + other.slow,
        }
    }
}
