//! How far two curves on one grid are apart, in words an operator uses.

/// Span of the moving average, milliseconds: the window of a usual `rate()`. What is gone after five minutes no such rule
/// sees, and a few seconds' shift does not matter.
const WINDOW_MS: f64 = 300_000.0;
/// Largest shift that is looked for, milliseconds.
const SHIFT_MS_MAX: f64 = 300_000.0;
/// Mean distance of curves that are the same, as a share of the peak, beyond chance.
const MEAN_MAX: f64 = 0.01;
/// Largest gap of curves that are the same, as a share of the peak, beyond chance: nobody sets a threshold so near to what
/// an incident reaches.
const GAP_MAX: f64 = 0.05;

/// What chance does to a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Noise {
    /// A number of tasks at a moment, independent from scrape to scrape.
    Level,
    /// Events counted over so many seconds.
    Counted {
        /// Length of a slot.
        seconds: f64,
    },
}

impl Noise {
    /// Variance of the mean of `slots` values of two curves around `level`, of their difference.
    fn variance(self, level: f64, slots: f64) -> f64 {
        match self {
            Self::Level => 2.0 * level / slots,
            Self::Counted { seconds } => 2.0 * level / (slots * seconds),
        }
    }
}

/// How far a model's curve is from a live one. Both are averaged over five minutes first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distance {
    /// Peak of the higher of the averaged curves, in the curve's unit: what shares are of.
    pub peak: f64,
    /// Mean of the absolute difference, as a share of the peak.
    pub mean: f64,
    /// How much of it two drills of the same system would be apart by chance.
    pub chance: f64,
    /// Largest difference beyond three standard deviations of chance, as a share of the peak.
    pub gap: f64,
    /// Where that is, virtual milliseconds.
    pub gap_at_ms: i64,
    /// How much later the live curve comes than the model's, milliseconds, if that explains most of the difference; else 0.
    pub shift_ms: i64,
    /// The mean and the gap after that shift.
    pub shifted: [f64; 2],
    /// Slots in which only one of the curves has a value.
    pub missing: usize,
}

impl Distance {
    /// Whether the curves are the same: as they are, or shifted by no more than `shift_ms_max`, their mean distance is
    /// within a hundredth of the peak beyond chance, and no gap is wider than a twentieth.
    #[must_use]
    pub fn is_same(&self, shift_ms_max: i64) -> bool {
        let is_near = |mean: f64, gap: f64| mean - self.chance <= MEAN_MAX && gap <= GAP_MAX;
        is_near(self.mean, self.gap)
            || (self.shift_ms.abs() <= shift_ms_max && is_near(self.shifted[0], self.shifted[1]))
    }
}

/// Measures the distance of two curves with a value per slot; what is not a number is no value.
pub(super) fn distance(live: &[f64], model: &[f64], interval_ms: f64, noise: Noise) -> Distance {
    let missing = live
        .iter()
        .zip(model)
        .filter(|(a, b)| a.is_nan() != b.is_nan())
        .count();
    let slots = (WINDOW_MS / interval_ms).round().max(1.0) as usize;
    let (live, model) = (averaged(live, slots), averaged(model, slots));
    let peak = live
        .iter()
        .chain(&model)
        .copied()
        .filter(|value| !value.is_nan())
        .fold(0.0, f64::max);
    if peak <= 0.0 {
        return Distance {
            peak: 0.0,
            mean: 0.0,
            chance: 0.0,
            gap: 0.0,
            gap_at_ms: 0,
            shift_ms: 0,
            shifted: [0.0; 2],
            missing,
        };
    }
    let measure = |shift: f64| {
        measured(&live, &model, shift, |level| {
            noise.variance(level, slots as f64)
        })
    };
    let here = measure(0.0);
    // A third of an interval at a time, the nearest first, so that of equals the smallest wins.
    let steps = (SHIFT_MS_MAX / interval_ms * 3.0) as i64;
    let mut best = (0.0, here);
    for step in (1..=steps).flat_map(|step| [step, -step]) {
        let shift = step as f64 / 3.0;
        let there = measure(shift);
        if there.mean < best.1.mean {
            best = (shift, there);
        }
    }
    // A shift is worth a word when it takes most of the difference away.
    if best.1.mean > here.mean / 2.0 {
        best = (0.0, here);
    }
    Distance {
        peak,
        mean: here.mean / peak,
        chance: here.chance / peak,
        gap: here.gap / peak,
        gap_at_ms: (here.gap_at as f64 * interval_ms) as i64,
        shift_ms: (best.0 * interval_ms) as i64,
        shifted: [best.1.mean / peak, best.1.gap / peak],
        missing,
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    mean: f64,
    chance: f64,
    gap: f64,
    gap_at: usize,
}

/// Compares with the model's curve `shift` slots later.
fn measured(live: &[f64], model: &[f64], shift: f64, variance: impl Fn(f64) -> f64) -> Measured {
    let mut found = Measured::default();
    let mut count = 0_u32;
    for (slot, value) in live.iter().enumerate() {
        let Some(other) = at(model, slot as f64 - shift) else {
            continue;
        };
        let difference = (value - other).abs();
        if difference.is_nan() {
            continue;
        }
        count += 1;
        let deviation = variance(f64::midpoint(*value, other)).sqrt();
        found.mean += difference;
        // The mean absolute value of a normal variable.
        found.chance += deviation * std::f64::consts::FRAC_2_PI.sqrt();
        let beyond = difference - 3.0 * deviation;
        if beyond > found.gap {
            (found.gap, found.gap_at) = (beyond, slot);
        }
    }
    let count = f64::from(count.max(1));
    found.mean /= count;
    found.chance /= count;
    found
}

/// The value between two slots, on the straight line.
fn at(values: &[f64], slot: f64) -> Option<f64> {
    if slot < 0.0 {
        return None;
    }
    let (below, part) = (slot.floor(), slot.fract());
    let from = *values.get(below as usize)?;
    if part == 0.0 {
        return Some(from);
    }
    let to = *values.get(below as usize + 1)?;
    Some(from + (to - from) * part)
}

/// The moving average around each slot, over what values there are; none where there is no value itself.
fn averaged(values: &[f64], slots: usize) -> Vec<f64> {
    let half = slots / 2;
    (0..values.len())
        .map(|slot| {
            if values[slot].is_nan() {
                return f64::NAN;
            }
            let window = &values[slot.saturating_sub(half)..(slot + half + 1).min(values.len())];
            let known = window.iter().filter(|value| !value.is_nan());
            known.clone().sum::<f64>() / known.count() as f64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INTERVAL_MS: f64 = 15_000.0;
    const COUNTED: Noise = Noise::Counted { seconds: 15.0 };

    /// A backlog that grows for 25 minutes and drains for 25.
    fn backlog(later_slots: f64) -> Vec<f64> {
        let slots = (0..300).map(f64::from);
        slots
            .map(|slot| (100.0 - (slot - later_slots - 150.0).abs()).max(0.0) * 150.0)
            .collect()
    }

    #[test]
    fn a_shift_is_found_and_takes_the_difference_away() {
        for slots in [-4.0_f64, -1.0, 1.0, 2.0, 8.0] {
            let found = distance(&backlog(slots), &backlog(0.0), INTERVAL_MS, Noise::Level);
            let later_ms = slots * INTERVAL_MS;
            assert!(
                (found.shift_ms as f64 - later_ms).abs() <= INTERVAL_MS / 2.0,
                "{found:?}"
            );
            assert!(found.shifted[0] < 0.001 && found.mean > 0.002, "{found:?}");
        }
        assert!(distance(&backlog(1.0), &backlog(0.0), INTERVAL_MS, Noise::Level).is_same(15_000));
        let far = distance(&backlog(8.0), &backlog(0.0), INTERVAL_MS, Noise::Level);
        assert!(!far.is_same(15_000) && far.is_same(120_000), "{far:?}");
    }

    #[test]
    fn a_slot_without_a_value_has_no_distance_but_is_counted() {
        let mut holed = backlog(0.0);
        holed[100..120].fill(f64::NAN);
        let found = distance(&holed, &backlog(0.0), INTERVAL_MS, Noise::Level);
        assert_eq!(found.missing, 20);
        assert!(found.is_same(0), "{found:?}");
        let nothing = [f64::NAN; 300];
        let empty = distance(&nothing, &nothing, INTERVAL_MS, Noise::Level);
        assert_eq!((empty.peak, empty.mean, empty.missing), (0.0, 0.0, 0));
    }

    #[test]
    fn a_throughput_a_tenth_lower_is_not_the_same() {
        let (live, model) = (vec![36.0; 300], vec![40.0; 300]);
        let found = distance(&live, &model, INTERVAL_MS, COUNTED);
        assert!(
            (found.mean - 0.1).abs() < 1e-9 && !found.is_same(15_000),
            "{found:?}"
        );
    }

    proptest! {
        /// A curve is no distance from itself, and two are as far apart from either side.
        #[test]
        fn a_distance_is_one(
            live in prop::collection::vec(0.0_f64..1e4, 40..80),
            model in prop::collection::vec(0.0_f64..1e4, 40..80),
        ) {
            let own = distance(&live, &live, INTERVAL_MS, COUNTED);
            prop_assert_eq!((own.mean, own.gap, own.shift_ms), (0.0, 0.0, 0));
            let length = live.len().min(model.len());
            let (live, model) = (&live[..length], &model[..length]);
            let there = distance(live, model, INTERVAL_MS, COUNTED);
            let back = distance(model, live, INTERVAL_MS, COUNTED);
            prop_assert!((there.mean - back.mean).abs() < 1e-9 && (there.gap - back.gap).abs() < 1e-9);
            prop_assert!((0.0..=1.0).contains(&there.mean));
        }
    }
}
