//! How far two curves on one grid are apart, in words an operator uses.

use crate::fidelity::range;

/// Span of the moving average, milliseconds: the window of a usual `rate()`. What is gone after five minutes no such rule
/// sees, and a few seconds' shift does not matter.
const WINDOW_MS: f64 = 300_000.0;
/// Largest shift that is looked for, milliseconds.
const SHIFT_MS_MAX: f64 = 300_000.0;
/// Mean distance of curves that are the same, as a share of the peak, beyond chance.
const MEAN_MAX: f64 = 0.01;
/// Events in the window, or tasks at a moment, so few that shares of them say nothing: a peak below counts as that high.
/// What becomes of single tasks the audit tells.
const FEW: f64 = 10.0;
/// Largest gap of curves that are the same, as a share of the peak, beyond chance: nobody sets a threshold so near to what
/// an incident reaches.
const GAP_MAX: f64 = 0.05;

/// What a curve counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Tasks at a moment.
    Level,
    /// Events a second.
    Rate,
}

impl Kind {
    /// The least peak that shares are taken of.
    fn few(self) -> f64 {
        match self {
            Self::Level => FEW,
            Self::Rate => FEW / (WINDOW_MS / 1e3),
        }
    }
}

/// How far a model's curve is from a live one. Both are averaged over five minutes first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distance {
    /// Peak of the higher of the averaged curves, in the curve's unit, or what is too little for shares: what they are of.
    pub peak: f64,
    /// A peak too low for shares of it.
    pub few: f64,
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
    /// within a hundredth of the peak beyond chance (or half a task), and no gap is wider than a twentieth.
    #[must_use]
    pub fn is_same(&self, shift_ms_max: i64) -> bool {
        // Half a task, or half an event, is no distance: as much as a gap may be where there are few.
        let mean_max = MEAN_MAX.max(GAP_MAX * self.few / self.peak);
        let is_near = |mean: f64, gap: f64| mean - self.chance <= mean_max && gap <= GAP_MAX;
        is_near(self.mean, self.gap)
            || (self.shift_ms.abs() <= shift_ms_max && is_near(self.shifted[0], self.shifted[1]))
    }
}

/// Measures the distance of a live curve to a model's, with a value per slot; what is not a number is no value. With curves of
/// the model on the live drill's terms, what these [explain](range::explained) is no distance away.
///
/// What is chance shows in the curves themselves: how far each value is from the line through its neighbours. Tasks come
/// and go within seconds and are seen once in a scrape interval, so that two drills of the same system differ by as much.
/// What stands still was drawn once.
pub(super) fn distance(
    live: &[f64],
    model: &[f64],
    on_terms: &[Vec<f64>],
    (interval_ms, kind): (f64, Kind),
) -> Distance {
    let both = live.iter().zip(model);
    let missing = both.filter(|(a, b)| a.is_nan() != b.is_nan()).count();
    let slots = (WINDOW_MS / interval_ms).round().max(1.0) as usize;
    // Beside a hole an average leans to one side, so that all need the same holes.
    let holed = |own: &[f64]| -> Vec<f64> {
        let is_hole = |slot: usize| {
            let mut all = on_terms.iter().map(Vec::as_slice).chain([live, model]);
            all.any(|values| values.get(slot).is_none_or(|value| value.is_nan()))
        };
        let slots = own.iter().enumerate();
        slots
            .map(|(slot, value)| if is_hole(slot) { f64::NAN } else { *value })
            .collect()
    };
    let live = Averaged::of(&holed(live), slots, kind);
    let model = Averaged::of(&holed(model), slots, kind);
    let on_terms: Vec<Averaged> = on_terms
        .iter()
        .map(|values| Averaged::of(&holed(values), slots, kind))
        .collect();
    let all = on_terms.iter().chain([&live, &model]);
    let values = all.flat_map(|curve| &curve.values).copied();
    let peak = values
        .filter(|value| !value.is_nan())
        .fold(kind.few(), f64::max);
    let band = Band::of(&model, &on_terms);
    let measure = |shift: f64| measured(&live, &band, shift);
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
        few: kind.few(),
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

/// What a model's curves explain, slot by slot.
struct Band<'m> {
    low: Vec<f64>,
    high: Vec<f64>,
    /// Of the model's own curve, by chance.
    variance: &'m [f64],
}

impl<'m> Band<'m> {
    fn of(model: &'m Averaged, on_terms: &[Averaged]) -> Self {
        let slots = model.values.iter().enumerate();
        let of_each = slots.map(|(slot, value)| {
            let of_terms: Vec<f64> = on_terms.iter().map(|curve| curve.values[slot]).collect();
            range::explained(*value, &of_terms)
        });
        let (low, high) = of_each.unzip();
        Self {
            low,
            high,
            variance: &model.variance,
        }
    }
}

/// Compares with what a model's curves explain `shift` slots later.
fn measured(live: &Averaged, band: &Band<'_>, shift: f64) -> Measured {
    let mut found = Measured::default();
    let mut count = 0_u32;
    for (slot, value) in live.values.iter().enumerate() {
        let there = slot as f64 - shift;
        let bounds = at(&band.low, there).zip(at(&band.high, there));
        let Some((low, high)) = bounds.filter(|(low, high)| !(value + low + high).is_nan()) else {
            continue;
        };
        let difference = (low - value).max(value - high).max(0.0);
        count += 1;
        let deviation = (live.variance[slot] + band.variance[slot]).sqrt();
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

/// A curve averaged over a window around each slot.
struct Averaged {
    values: Vec<f64>,
    /// Of these averages, by chance.
    variance: Vec<f64>,
}

impl Averaged {
    fn of(values: &[f64], slots: usize, kind: Kind) -> Self {
        let mut off_line = vec![f64::NAN; values.len()];
        for (place, three) in off_line.iter_mut().skip(1).zip(values.windows(3)) {
            // Of independent values with a variance of 1, the square of this has a mean of 6.
            *place = (three[0] - 2.0 * three[1] + three[2]).powi(2) / 6.0;
        }
        let known = |window: &[f64]| window.iter().filter(|value| !value.is_nan()).count() as f64;
        let mean = |window: &[f64]| {
            window.iter().filter(|value| !value.is_nan()).sum::<f64>() / known(window)
        };
        let averages = (0..values.len()).map(|slot| {
            if values[slot].is_nan() {
                return (f64::NAN, 0.0);
            }
            let (from, to) = (
                slot.saturating_sub(slots / 2),
                (slot + slots / 2 + 1).min(values.len()),
            );
            let window = &values[from..to];
            (mean(window), variance(window, &off_line[from..to], kind))
        });
        let (values, variance) = averages.unzip();
        Self { values, variance }
    }
}

/// So many equal numbers of tasks in a row have been drawn once, when something stopped them, and averaging makes them no
/// surer.
const STILL: usize = 4;

/// Variance of the average of a window by chance; `off_line`: that of each value.
fn variance(window: &[f64], off_line: &[f64], kind: Kind) -> f64 {
    let (mut still, mut loose, mut at) = (0.0, 0.0, 0);
    let (mut known, mut squares) = (0.0, 0.0);
    for run in window.chunk_by(|value, next| value == next) {
        let length = run.len() as f64;
        if kind == Kind::Level && run.len() >= STILL {
            still += length * length * run[0];
        } else if !run[0].is_nan() {
            loose += length;
            for square in off_line[at..at + run.len()]
                .iter()
                .filter(|value| !value.is_nan())
            {
                (known, squares) = (known + 1.0, squares + square);
            }
        }
        at += run.len();
    }
    let count = window.iter().filter(|value| !value.is_nan()).count() as f64;
    let of_each = if known > 0.0 { squares / known } else { 0.0 };
    (still + loose * of_each) / (count * count)
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INTERVAL_MS: f64 = 15_000.0;

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
            let found = distance(
                &backlog(slots),
                &backlog(0.0),
                &[],
                (INTERVAL_MS, Kind::Level),
            );
            let later_ms = slots * INTERVAL_MS;
            assert!(
                (found.shift_ms as f64 - later_ms).abs() <= INTERVAL_MS / 2.0,
                "{found:?}"
            );
            assert!(found.shifted[0] < 0.001 && found.mean > 0.002, "{found:?}");
        }
        assert!(
            distance(
                &backlog(1.0),
                &backlog(0.0),
                &[],
                (INTERVAL_MS, Kind::Level)
            )
            .is_same(15_000)
        );
        let far = distance(
            &backlog(8.0),
            &backlog(0.0),
            &[],
            (INTERVAL_MS, Kind::Level),
        );
        assert!(!far.is_same(15_000) && far.is_same(120_000), "{far:?}");
    }

    #[test]
    fn a_slot_without_a_value_has_no_distance_but_is_counted() {
        let mut holed = backlog(0.0);
        holed[100..120].fill(f64::NAN);
        let found = distance(&holed, &backlog(0.0), &[], (INTERVAL_MS, Kind::Level));
        assert_eq!(found.missing, 20);
        assert!(found.is_same(0), "{found:?}");
        let nothing = [f64::NAN; 300];
        let empty = distance(&nothing, &nothing, &[], (INTERVAL_MS, Kind::Level));
        assert_eq!((empty.peak, empty.mean, empty.missing), (FEW, 0.0, 0));
    }

    #[test]
    fn between_the_curves_of_a_model_there_is_no_distance() {
        let scaled = |factor: f64| -> Vec<f64> {
            let values = backlog(0.0).into_iter();
            values.map(|value| value * factor).collect()
        };
        let (low, high) = (scaled(0.8), scaled(1.1));
        let found = distance(&backlog(0.0), &low, &[high], (INTERVAL_MS, Kind::Level));
        assert_eq!((found.mean, found.gap), (0.0, 0.0));
        assert!(!distance(&backlog(0.0), &low, &[], (INTERVAL_MS, Kind::Level)).is_same(15_000));
    }

    #[test]
    fn chance_is_what_the_curves_show_themselves() {
        // Around 6 tasks, now and then twice as many: two drills that saw them at other moments.
        let tasks = |seed: u32| -> Vec<f64> {
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f64::from(state >> 28)
            };
            (0..300).map(|_| next()).collect()
        };
        let found = distance(&tasks(1), &tasks(2), &[], (INTERVAL_MS, Kind::Level));
        assert!(found.mean > 0.05 && found.is_same(0), "{found:?}");
        // What a kill left behind may be a few more or less, but not half as many again.
        let stuck =
            |count: f64| distance(&[20.0; 300], &[count; 300], &[], (INTERVAL_MS, Kind::Level));
        assert!(stuck(17.0).is_same(0) && !stuck(12.0).is_same(0));
    }

    #[test]
    fn a_throughput_a_tenth_lower_is_not_the_same() {
        let around = |level: f64| -> Vec<f64> {
            let slots = (0..300).map(f64::from);
            slots.map(|slot| level + (slot * 1.7).sin()).collect()
        };
        let found = distance(&around(36.0), &around(40.0), &[], (INTERVAL_MS, Kind::Rate));
        assert!(
            (found.mean - 0.1).abs() < 1e-3 && !found.is_same(15_000),
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
            let own = distance(&live, &live, &[], (INTERVAL_MS, Kind::Level));
            prop_assert_eq!((own.mean, own.gap, own.shift_ms), (0.0, 0.0, 0));
            let length = live.len().min(model.len());
            let (live, model) = (live[..length].to_vec(), model[..length].to_vec());
            let there = distance(&live, &model, &[], (INTERVAL_MS, Kind::Level));
            let back = distance(&model, &live, &[], (INTERVAL_MS, Kind::Level));
            prop_assert!((there.mean - back.mean).abs() < 1e-9 && (there.gap - back.gap).abs() < 1e-9);
            prop_assert!((0.0..=1.0).contains(&there.mean));
        }
    }
}
