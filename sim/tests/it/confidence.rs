//! Intervals for simulated means, so that a test can say "theory lies within the 99.9 % interval".
//!
//! Waits of one run depend on each other, so their variance says nothing about the error of their mean. Means of
//! independent runs, or of stretches of one run much longer than the queue's memory, do.

#![allow(
    clippy::disallowed_methods,
    reason = "theory is compared to many digits, not to the last bit; allowed everywhere in the benches, which read this too"
)]

/// A mean and how far the true one may be from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) mean: f64,
    pub(crate) half_width: f64,
}

impl Interval {
    /// From the means of independent runs, by Student's t. `confidence` is two-sided, 0 to 1.
    ///
    /// Panics for fewer than two runs.
    pub(crate) fn of_replications(means: &[f64], confidence: f64) -> Self {
        assert!(means.len() >= 2, "one mean has no spread");
        let count = means.len() as f64;
        let mean = means.iter().sum::<f64>() / count;
        let squares: f64 = means.iter().map(|value| (value - mean).powi(2)).sum();
        let standard_error = (squares / (count - 1.0) / count).sqrt();
        Self {
            mean,
            half_width: student_t(confidence, means.len() as u32 - 1) * standard_error,
        }
    }

    /// From the observations of one run in their order, cut into batches of equal size. What does not fill a batch is left out
    /// at the front, where the run is least settled.
    ///
    /// Panics for fewer than two batches or fewer observations than batches.
    pub(crate) fn of_batches(observations: &[f64], batches: usize, confidence: f64) -> Self {
        let size = observations.len() / batches;
        assert!(size > 0, "fewer observations than batches");
        let settled = &observations[observations.len() - size * batches..];
        let means: Vec<f64> = settled
            .chunks_exact(size)
            .map(|batch| batch.iter().sum::<f64>() / size as f64)
            .collect();
        Self::of_replications(&means, confidence)
    }

    pub(crate) fn contains(&self, value: f64) -> bool {
        (value - self.mean).abs() <= self.half_width
    }
}

/// The t with P(-t < T < t) = `confidence` (two-sided, 0 to 1, both excluded), by bisection.
pub(crate) fn student_t(confidence: f64, degrees_of_freedom: u32) -> f64 {
    assert!(0.0 < confidence && confidence < 1.0);
    let (mut low, mut high) = (0.0, 1.0);
    while within(high, degrees_of_freedom) < confidence {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if within(middle, degrees_of_freedom) < confidence {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// P(-t < T < t): for a whole number of degrees of freedom a finite sum (Abramowitz and Stegun 26.7.3 and 26.7.4).
fn within(t: f64, degrees_of_freedom: u32) -> f64 {
    let angle = (t / f64::from(degrees_of_freedom).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = degrees_of_freedom % 2 == 1;
    let (mut term, mut sum) = (if odd { cosine } else { 1.0 }, 0.0);
    let mut next = if odd { 2 } else { 1 };
    while next < degrees_of_freedom {
        sum += term;
        term *= cosine * cosine * f64::from(next) / f64::from(next + 1);
        next += 2;
    }
    if odd {
        (angle + sine * sum) * std::f64::consts::FRAC_2_PI
    } else {
        sine * sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firedrill_asynq::rng;
    use rand::{Rng, RngExt};

    #[test]
    fn students_table() {
        for (confidence, degrees_of_freedom, t) in [
            (0.95, 1, 12.706),
            (0.95, 2, 4.303),
            (0.95, 3, 3.182),
            (0.95, 10, 2.228),
            (0.99, 4, 4.604),
            (0.99, 30, 2.750),
            (0.999, 1, 636.619),
            (0.999, 5, 6.869),
            (0.999, 20, 3.850),
            (0.999, 120, 3.373),
        ] {
            let ours = student_t(confidence, degrees_of_freedom);
            assert!(
                (ours - t).abs() < 6e-4,
                "{confidence} {degrees_of_freedom}: {ours}, not {t}"
            );
        }
    }

    /// Nearly normal: mean 0, variance 1.
    fn noise(dice: &mut impl Rng) -> f64 {
        (0..12).map(|_| dice.random::<f64>()).sum::<f64>() - 6.0
    }

    #[test]
    fn replications_cover_the_true_mean_as_often_as_they_say() {
        let mut dice = rng::stream(1, "replications");
        let covered = (0..4_000)
            .filter(|_| {
                let means: Vec<f64> = (0..5).map(|_| noise(&mut dice)).collect();
                Interval::of_replications(&means, 0.9).contains(0.0)
            })
            .count();
        // Four standard deviations of a binomial count.
        assert!((3_524..=3_676).contains(&covered), "{covered} of 4000");
    }

    #[test]
    fn batches_see_through_dependence() {
        let mut dice = rng::stream(1, "batches");
        let (mut of_batches, mut of_single) = (0, 0);
        for _ in 0..300 {
            let mut value = 0.0;
            // Each value keeps nine tenths of the last.
            let walk: Vec<f64> = (0..5_000)
                .map(|_| {
                    value = 0.9 * value + noise(&mut dice);
                    value
                })
                .collect();
            of_batches += u32::from(Interval::of_batches(&walk, 20, 0.95).contains(0.0));
            of_single += u32::from(Interval::of_batches(&walk, 5_000, 0.95).contains(0.0));
        }
        assert!((265..=298).contains(&of_batches), "{of_batches} of 300");
        assert!(of_single < 200, "{of_single} of 300");
    }

    #[test]
    fn the_unsettled_front_is_left_out() {
        let interval = Interval::of_batches(&[1_000.0, 1.0, 3.0, 2.0, 4.0], 2, 0.95);
        assert_eq!(interval.mean, 2.5);
    }
}
