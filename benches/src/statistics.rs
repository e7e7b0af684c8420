//! Medians, ratios, and how far a ratio may be from 1 by chance.

use serde::Serialize;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 4000;

/// Part of the resampled ratios that an interval holds.
const CONFIDENCE: f64 = 0.99;

/// The middle of the values; with an even number of them, between the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 0 => (sorted[half - 1] + sorted[half]) / 2.0,
        _ => sorted[half],
    }
}

/// The smallest value.
pub fn minimum(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The arithmetic mean.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The geometric mean.
pub fn geometric_mean(values: &[f64]) -> f64 {
    (values.iter().map(|v| v.ln()).sum::<f64>() / values.len() as f64).exp()
}

/// A ratio of medians, and the interval that repeating the measurement would mostly give.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ratio {
    /// Median over median.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Ratio {
    /// Of measurements in pairs: `above[i]` and `below[i]` were taken in the same round.
    pub fn of(above: &[f64], below: &[f64]) -> Ratio {
        let mut random = Random(SEED);
        let resampled = (0..RESAMPLES).map(|_| resampled(above, below, &mut random)).collect();
        Ratio::within(in_pairs(above, below), resampled)
    }

    /// The geometric mean of the ratios of several things, each measured in pairs.
    pub fn of_mean(pairs: &[(Vec<f64>, Vec<f64>)]) -> Option<Ratio> {
        let pairs: Vec<_> = pairs.iter().filter(|(above, below)| !above.is_empty() && !below.is_empty()).collect();
        if pairs.is_empty() {
            return None;
        }
        let value = pairs.iter().map(|(above, below)| in_pairs(above, below)).collect::<Vec<_>>();
        let mut random = Random(SEED);
        let mut once = || pairs.iter().map(|(above, below)| resampled(above, below, &mut random)).collect::<Vec<_>>();
        let means = (0..RESAMPLES).map(|_| geometric_mean(&once())).collect();
        Some(Ratio::within(geometric_mean(&value), means))
    }

    /// A value, and the interval of what resampling made of it.
    fn within(value: f64, mut resampled: Vec<f64>) -> Ratio {
        resampled.sort_by(f64::total_cmp);
        let outside = ((1.0 - CONFIDENCE) / 2.0 * RESAMPLES as f64) as usize;
        Ratio { value, low: resampled[outside], high: resampled[RESAMPLES - 1 - outside] }
    }

    /// How far from 1 the ratio may be, as a factor of 1 or more.
    fn reach(&self) -> f64 {
        self.low.max(1.0 / self.low).max(self.high.max(1.0 / self.high))
    }

    /// Half the width of the interval, as a factor.
    fn half_width(&self) -> f64 {
        (self.high / self.low).sqrt()
    }
}

/// Median over median of the rounds that both have.
fn in_pairs(above: &[f64], below: &[f64]) -> f64 {
    let rounds = above.len().min(below.len());
    median(&above[..rounds]) / median(&below[..rounds])
}

/// The same of rounds that are drawn from these, each as often as it comes.
fn resampled(above: &[f64], below: &[f64], random: &mut Random) -> f64 {
    let rounds = above.len().min(below.len());
    let chosen: Vec<usize> = (0..rounds).map(|_| random.below(rounds)).collect();
    let pick = |from: &[f64]| median(&chosen.iter().map(|&i| from[i]).collect::<Vec<_>>());
    pick(above) / pick(below)
}

/// The noise of a measurement as a factor: a ratio between `1 / noise` and `noise` says nothing. It is the larger of
/// what `control`, a ratio of two equal things, reaches, and what the measured ratio itself varies by.
pub fn noise(measured: &Ratio, control: &Ratio) -> f64 {
    control.reach().max(measured.half_width())
}

/// Whether `ratio` is 1 as far as the measurement can tell.
pub fn within(ratio: f64, noise: f64) -> bool {
    (1.0 / noise..=noise).contains(&ratio)
}

/// Where resampling starts.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64: the same resamples in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_means() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
        assert!((geometric_mean(&[2.0, 8.0]) - 4.0).abs() < 1e-12);
    }

    #[test]
    fn a_mean_of_ratios_varies_less_than_each_of_them() {
        let rounds = |factor: f64, step: i32| -> Vec<f64> {
            (0..15).map(|i| factor * (1.0 + f64::from((i * step) % 5) * 0.02)).collect()
        };
        let pairs: Vec<_> = (1..=8).map(|step| (rounds(1.2, step), rounds(1.0, step + 1))).collect();
        let mean = Ratio::of_mean(&pairs).unwrap();
        let alone = Ratio::of(&pairs[0].0, &pairs[0].1);
        assert!(mean.low < mean.value && mean.value < mean.high && mean.half_width() < alone.half_width(), "{mean:?}");
        assert!((mean.value - 1.2).abs() < 0.02, "{mean:?}");
        assert_eq!(Ratio::of_mean(&pairs[..1]).unwrap().value, alone.value);
        assert!(Ratio::of_mean(&[]).is_none() && Ratio::of_mean(&[(vec![], vec![1.0])]).is_none());
    }

    #[test]
    fn noise_hides_a_small_difference_and_not_a_large_one() {
        let quiet: Vec<f64> = (0..15).map(|i| 1.0 + f64::from(i % 5) * 0.01).collect();
        let shuffled: Vec<f64> = (0..15).map(|i| 1.0 + f64::from((i * 2 + 1) % 5) * 0.01).collect();
        let control = Ratio::of(&shuffled, &quiet);
        assert!(control.low <= control.value && control.value <= control.high);
        for (factor, same) in [(1.0, true), (1.005, true), (1.1, false), (0.9, false)] {
            let scaled: Vec<f64> = shuffled.iter().map(|v| v * factor).collect();
            let ratio = Ratio::of(&scaled, &quiet);
            assert_eq!(within(ratio.value, noise(&ratio, &control)), same, "{factor}: {ratio:?} {control:?}");
        }
    }
}
