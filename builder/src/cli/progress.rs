//! A progress bar on a terminal, nothing elsewhere.

use cds_build::build::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// Shows the pass and how far it is.
pub struct Bar(ProgressBar);

impl Bar {
    /// Visible only if stderr is a terminal and `quiet` is false.
    pub fn new(quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(0) };
        bar.enable_steady_tick(Duration::from_millis(100));
        Bar(bar)
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn pass(&self, name: &str, total: Option<usize>) {
        let template = if total.is_some() { "{spinner} {msg} [{bar:30}] {pos}/{len}" } else { "{spinner} {msg}" };
        self.0.set_style(ProgressStyle::with_template(template).expect("the template is valid").progress_chars("=> "));
        self.0.set_length(total.unwrap_or(0) as u64);
        self.0.set_position(0);
        self.0.set_message(name.to_owned());
    }

    fn step(&self, steps: usize) {
        self.0.inc(steps as u64);
    }
}
