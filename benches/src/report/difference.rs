//! A difference between samples, and whether it is more than chance.

use crate::report::markdown::{ms, or_dash, percent, signed};
use crate::results::Place;
use crate::statistics::median;

/// The standard deviation of a normal distribution, over its median absolute deviation.
const DEVIATION: f64 = 1.4826;

/// The standard error of the median of many values of a normal distribution, over that of their mean.
const OF_MEDIAN: f64 = 1.2533;

/// Fewer runs than these may have the same samples by chance.
const MANY: usize = 8;

/// Samples of each run, and what each of them counts: less than nothing where they are subtracted.
pub type Term<'a> = (f64, &'a [u64]);

/// What one kind of process takes longer than another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Seconds, or a share of something; the median of the runs: one run in a slow moment does not decide it.
    pub value: f64,
    /// The standard error of that: what is short has few samples in most places.
    pub error: f64,
}

impl Difference {
    /// Of the differences of each run; `None` without runs. The error is that of a median, `1.2533 σ / √n`, with σ by the median
    /// absolute deviation, which a slow run does not change either: `1.4826 MAD n / (n − 1)`. The last factor is for few runs, whose
    /// MAD is too small: of three by a third on average.
    fn of_runs(runs: &[f64]) -> Option<Difference> {
        if runs.is_empty() {
            return None;
        }
        let (value, count) = (median(runs), runs.len() as f64);
        let deviations: Vec<f64> = runs.iter().map(|run| (run - value).abs()).collect();
        let deviation = DEVIATION * median(&deviations) * count / (count - 1.0).max(1.0);
        Some(Difference { value, error: OF_MEDIAN * deviation / count.sqrt() })
    }

    /// Of samples: value `i` of each term is of round `i`. The error is no less than what it is of having whole samples only, 1 / √12,
    /// and with few runs no less than that of counting, too, `1.2533 √samples / n`: what happens to be the same in few is not certain.
    /// Many show themselves how much they vary, which is less than by counting where much time is sampled at regular intervals.
    pub fn of(terms: &[Term<'_>], frequency: f64) -> Option<Difference> {
        let count = terms.iter().map(|(_, samples)| samples.len()).min()?;
        let run = |run: usize| terms.iter().map(|(factor, samples)| factor * samples[run] as f64).sum();
        let found = Difference::of_runs(&(0..count).map(run).collect::<Vec<f64>>())?;
        let sum = |samples: &[u64]| samples[..count].iter().sum::<u64>() as f64;
        let counted: f64 = terms.iter().map(|(factor, samples)| factor.powi(2) * sum(samples)).sum();
        let counting = if count < MANY { OF_MEDIAN * counted.sqrt() / count as f64 } else { 0.0 };
        let least = counting.hypot(1.0 / 12_f64.sqrt());
        Some(Difference { error: found.error.max(least), ..found }.over(frequency))
    }

    /// What one has more samples of than another, in seconds.
    pub fn between(longer: &[u64], shorter: &[u64], frequency: f64) -> Option<Difference> {
        Difference::of(&[(1.0, longer), (-1.0, shorter)], frequency)
    }

    /// Relative to something.
    pub fn over(self, all: f64) -> Difference {
        Difference { value: self.value / all, error: self.error / all }
    }

    /// Of all together.
    pub fn sum(all: impl IntoIterator<Item = Difference>) -> Difference {
        let add = |sum: Difference, one: Difference| Difference {
            value: sum.value + one.value,
            error: sum.error.hypot(one.error),
        };
        all.into_iter().fold(Difference { value: 0.0, error: 0.0 }, add)
    }

    /// Whether it is more than chance, one way or the other.
    pub fn is_beyond_chance(self) -> bool {
        self.value.abs() > 2.0 * self.error
    }

    /// Whether it is certainly longer.
    pub fn is_certain(self) -> bool {
        self.value > 0.0 && self.is_beyond_chance()
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ± {}", signed(self.value, ms), ms(self.error))
    }
}

/// Seconds of so many samples in each run: the median.
pub fn middle(runs: &[u64], frequency: f64) -> f64 {
    median(&runs.iter().map(|&samples| samples as f64).collect::<Vec<_>>()) / frequency
}

/// Those that certainly take longer: the longest first.
pub fn certain<T>(all: impl Iterator<Item = (T, Option<Difference>)>) -> Vec<(T, Difference)> {
    let mut all: Vec<(T, Difference)> = all
        .filter_map(|(what, difference)| Some((what, difference.filter(|difference| difference.is_certain())?)))
        .collect();
    all.sort_by(|(_, a), (_, b)| b.value.total_cmp(&a.value));
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

/// What several packages take longer for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Together {
    /// Relative to something of each package, the mean of them.
    pub share: f64,
    /// Seconds, of all of them.
    pub more: Difference,
}

impl Together {
    /// Of the differences of some among so many packages, each with what it is relative to.
    pub fn of(found: &[(Difference, f64)], packages: usize) -> Together {
        let share = found.iter().map(|(more, all)| more.over(*all).value).sum::<f64>() / packages as f64;
        Together { share, more: Difference::sum(found.iter().map(|(more, _)| *more)) }
    }
}

impl std::fmt::Display for Together {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {} ms", percent(self.share), self.more)
    }
}

/// Those that certainly take longer: the largest share first.
pub fn certain_shares<T>(all: impl Iterator<Item = (T, Together)>) -> Vec<(T, Together)> {
    let mut all: Vec<(T, Together)> =
        all.filter(|(_, together)| together.more.is_certain() && together.share > 0.0).collect();
    all.sort_by(|(_, a), (_, b)| b.share.total_cmp(&a.share));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(longer: &[u64], shorter: &[u64]) -> Difference {
        Difference::between(longer, shorter, 1000.0).unwrap()
    }

    #[test]
    fn samples_that_happen_to_be_the_same_are_not_certain() {
        // Twenty-five samples in two runs.
        let same = between(&[10, 10], &[2, 3]);
        assert_eq!(same.to_string(), "+7.50 ± 3.15");
        // Runs that vary by more than counting does.
        assert_eq!(between(&[4, 24], &[0, 0]).to_string(), "+14.0 ± 26.3");
        assert!(same.is_certain() && !between(&[4, 24], &[0, 0]).is_certain() && !between(&[1], &[0]).is_certain());
        // One sample in most runs, and in all of a few.
        assert!(!between(&[1, 0, 1], &[0, 0, 0]).is_certain() && !between(&[1, 1, 1], &[0, 0, 0]).is_certain());
        assert!(Difference::between(&[], &[], 1000.0).is_none() && Difference::of(&[], 1000.0).is_none());
        let sum = Difference::sum([Difference { value: 1.0, error: 0.3 }, Difference { value: -0.5, error: 0.4 }]);
        assert_eq!((sum.value, sum.error), (0.5, 0.5));
    }

    #[test]
    fn a_slow_run_changes_neither_the_difference_nor_its_error() {
        let quiet = between(&[5020, 5010, 5000, 5030, 5040], &[5000; 5]);
        let slow = between(&[5020, 5010, 5000, 9030, 5040], &[5000; 5]);
        assert_eq!((quiet.to_string().as_str(), quiet.value), ("+20.0 ± 56.1", slow.value));
        assert!(slow.error < 1.05 * quiet.error, "{slow}");
        let runs = |last: f64| Difference::of_runs(&[0.02, 0.03, 0.01, 0.04, last]).unwrap();
        assert_eq!((runs(0.05).to_string().as_str(), runs(0.05)), ("+30.0 ± 10.4", runs(5.0)));
        assert!(runs(5.0).is_certain());
    }

    #[test]
    fn many_runs_show_how_much_they_vary() {
        let of = |runs: usize| between(&[5020, 5024, 5016, 5020].repeat(runs / 4), &vec![5000; runs]).to_string();
        assert_eq!((of(4).as_str(), of(8).as_str()), ("+20.0 ± 62.7", "+20.0 ± 1.50"));
        assert_eq!(between(&[1; 8], &[0; 8]).to_string(), "+1.00 ± 0.29");
    }

    #[test]
    fn runs_of_the_same_round_are_compared() {
        // Both are slow in the same round, and the last round has but one of them.
        assert_eq!(between(&[110, 320, 130, 900], &[100, 300, 100]).value, 0.02);
        let terms: [Term<'_>; 3] = [(1.0, &[100, 200]), (-0.5, &[100, 100]), (-0.5, &[20, 20])];
        let found = Difference::of(&terms, 1000.0).unwrap();
        assert_eq!((found.value, found.over(0.18).value), (0.09, 0.5));
    }

    #[test]
    fn what_is_uncertain_has_no_share() {
        let of = |value, error| Difference { value, error };
        let together = |value, error, all| Together::of(&[(of(value, error), all), (of(0.0, 0.0), 1.0)], 2);
        let all = [
            ("small", together(0.01, 0.001, 0.5)),
            ("large", together(0.01, 0.001, 0.1)),
            ("uncertain", together(0.01, 0.005, 0.1)),
            ("less", together(-0.01, 0.001, 0.1)),
        ];
        let shown: Vec<_> = certain_shares(all.into_iter()).iter().map(|(what, t)| format!("{what} {t}")).collect();
        assert_eq!(shown, ["large 5.0 %, +10.0 ± 1.00 ms", "small 1.0 %, +10.0 ± 1.00 ms"]);
    }
}
