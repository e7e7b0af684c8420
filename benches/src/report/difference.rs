//! A difference between samples, and whether it is more than chance.

use crate::report::markdown::{ms, or_dash, signed};
use crate::results::Place;
use crate::statistics::mean;

/// What one kind of process takes longer than another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Seconds, the mean of the runs.
    pub seconds: f64,
    /// The standard error of that: what is short has few samples in most places.
    pub error: f64,
}

impl Difference {
    /// Of the differences of each run; `None` without runs.
    pub fn of(runs: &[f64]) -> Option<Difference> {
        if runs.is_empty() {
            return None;
        }
        let (seconds, count) = (mean(runs), runs.len() as f64);
        let squares: f64 = runs.iter().map(|run| (run - seconds).powi(2)).sum();
        Some(Difference { seconds, error: (squares / (count - 1.0).max(1.0) / count).sqrt() })
    }

    /// Whether it is certainly longer.
    fn is_certain(self) -> bool {
        self.seconds > 2.0 * self.error
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ± {}", signed(self.seconds, ms), ms(self.error))
    }
}

/// The places where it certainly takes longer: the longest first.
pub fn certain(of: impl Fn(Place) -> Option<Difference>) -> Vec<(Place, Difference)> {
    let all = Place::ALL.into_iter().filter_map(|place| Some((place, of(place)?)));
    let mut all: Vec<(Place, Difference)> = all.filter(|(_, difference)| difference.is_certain()).collect();
    all.sort_by(|(_, a), (_, b)| b.seconds.total_cmp(&a.seconds));
    all
}

/// The first `count` of these places, one for each column.
pub fn first(places: &[(Place, Difference)], count: usize) -> impl Iterator<Item = String> {
    let cell = |index: usize| places.get(index).map(|(place, more)| format!("{}: {more}", place.title()));
    (0..count).map(move |index| or_dash(cell(index)))
}
