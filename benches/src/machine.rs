//! The machine that a benchmark ran on, as far as its numbers depend on it.

use std::fs;

use serde::{Deserialize, Serialize};

/// What a report says about the machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// Model of the processor.
    pub processor: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// Version of the kernel.
    pub kernel: String,
    /// Load average of the last minute: other programs that ran at the same time.
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
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, load {}", self.identity(), self.load)
    }
}
