//! The machine that a benchmark ran on, as far as its numbers depend on it.

use std::fs;

use serde::{Deserialize, Serialize};

/// Bytes in a page of x86-64.
pub const PAGE: usize = 4096;

/// What a report says about the machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// Model of the processor.
    pub processor: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// Version of the kernel.
    pub kernel: String,
    /// Load average of the last minute before anything was measured: other programs that ran at the same time.
    pub load: String,
}

impl Machine {
    /// Asks `/proc`; what it does not say is `unknown`.
    pub fn here() -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let known = |text: Option<&str>| text.map_or_else(|| "unknown".to_owned(), |t| t.trim().to_owned());
        let info = read("/proc/cpuinfo");
        let model = info.lines().find(|l| l.starts_with("model name")).and_then(|l| l.split_once(':'));
        Machine {
            processor: known(model.map(|(_, name)| name)),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: known(read("/proc/sys/kernel/osrelease").lines().next()),
            load: known(read("/proc/loadavg").split_whitespace().next()),
        }
    }

    /// What tells it from other machines: everything but what runs on it.
    pub fn identity(&self) -> String {
        let Machine { processor, processors, kernel, .. } = self;
        format!("{processor}, {processors} processors, Linux {kernel}")
    }

    /// Whether there was more to run than processors: what was measured then is not what the machine can do.
    pub fn busy(&self) -> bool {
        self.load.parse::<f64>().is_ok_and(|load| load > self.processors as f64)
    }

    /// Takes over the load of another time, if it was higher: the worst is what a reader must know.
    pub fn merge(&mut self, other: &Machine) {
        let load = |machine: &Machine| machine.load.parse::<f64>().unwrap_or(f64::NEG_INFINITY);
        if load(other) > load(self) {
            self.load.clone_from(&other.load);
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, load {}", self.identity(), self.load)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(load: &str) -> Machine {
        Machine { processor: String::new(), processors: 2, kernel: String::new(), load: load.to_owned() }
    }

    #[test]
    fn a_load_above_the_processors_is_busy_and_stays_when_merged() {
        assert_eq!(["0.10", "2.00", "2.01", "unknown"].map(|load| machine(load).busy()), [false, false, true, false]);
        for (ours, theirs, wanted) in [("0.10", "6.27", "6.27"), ("10.5", "6.27", "10.5"), ("unknown", "0.0", "0.0")] {
            let mut all = machine(ours);
            all.merge(&machine(theirs));
            assert_eq!(all.load, wanted);
        }
    }
}
