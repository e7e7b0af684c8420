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

    /// Of samples of each run. The error is no less than that of counting: what happens to be the same in few runs is not certain.
    pub fn of_samples(longer: &[u64], shorter: &[u64], frequency: f64) -> Option<Difference> {
        let runs = longer.iter().zip(shorter).map(|(&longer, &shorter)| (longer as f64 - shorter as f64) / frequency);
        let found = Difference::of(&runs.collect::<Vec<_>>())?;
        let all: u64 = longer.iter().zip(shorter).map(|(longer, shorter)| longer + shorter).sum();
        let counting = (all as f64).sqrt() / longer.len().min(shorter.len()) as f64 / frequency;
        Some(Difference { error: found.error.max(counting), ..found })
    }

    /// Of all together.
    pub fn sum(all: impl IntoIterator<Item = Difference>) -> Difference {
        let add = |sum: Difference, one: Difference| Difference {
            seconds: sum.seconds + one.seconds,
            error: sum.error.hypot(one.error),
        };
        all.into_iter().fold(Difference { seconds: 0.0, error: 0.0 }, add)
    }

    /// Whether it is certainly longer.
    pub fn is_certain(self) -> bool {
        self.seconds > 2.0 * self.error
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ± {}", signed(self.seconds, ms), ms(self.error))
    }
}

/// Those that certainly take longer: the longest first.
pub fn certain<T>(all: impl Iterator<Item = (T, Option<Difference>)>) -> Vec<(T, Difference)> {
    let mut all: Vec<(T, Difference)> = all
        .filter_map(|(what, difference)| Some((what, difference.filter(|difference| difference.is_certain())?)))
        .collect();
    all.sort_by(|(_, a), (_, b)| b.seconds.total_cmp(&a.seconds));
    all
}

/// The places where it certainly takes longer: the longest first.
pub fn certain_places(of: impl Fn(Place) -> Option<Difference>) -> Vec<(Place, Difference)> {
    certain(Place::ALL.into_iter().map(|place| (place, of(place))))
}

/// The first `count` of these places, one for each column.
pub fn first(places: &[(Place, Difference)], count: usize) -> impl Iterator<Item = String> {
    let cell = |index: usize| places.get(index).map(|(place, more)| format!("{}: {more}", place.title()));
    (0..count).map(move |index| or_dash(cell(index)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_that_happen_to_be_the_same_are_not_certain() {
        let of = |longer: &[u64], shorter: &[u64]| Difference::of_samples(longer, shorter, 1000.0).unwrap();
        // Twenty-five samples in two runs.
        let same = of(&[10, 10], &[2, 3]);
        assert_eq!(same.to_string(), "+7.50 ± 2.50");
        // Runs that vary by more than counting does.
        assert_eq!(of(&[4, 24], &[0, 0]).to_string(), "+14.0 ± 10.0");
        assert!(same.is_certain() && !of(&[4, 24], &[0, 0]).is_certain() && !of(&[1], &[0]).is_certain());
        assert!(Difference::of_samples(&[], &[], 1000.0).is_none());
        let sum = Difference::sum([Difference { seconds: 1.0, error: 0.3 }, Difference { seconds: -0.5, error: 0.4 }]);
        assert_eq!((sum.seconds, sum.error), (0.5, 0.5));
    }
}
