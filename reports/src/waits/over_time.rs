//! How the waits of a queue went over time: for a chart, so in no more steps than such a one shows, however long a drill is.

use crate::jsonl::check::DRILL_MS_MAX;
use crate::record::WaitsStep;
use hdrhistogram::Histogram;

/// Shortest step.
const STEP_MS_MIN: i64 = 60_000;
/// Most steps of a drill.
const STEPS_MAX: i64 = 120;
/// Two digits: to within a hundredth.
const DIGITS: u8 = 2;

/// Waits of one queue by when tasks started, put together in any order. Times are virtual milliseconds since the drill's start.
#[derive(Debug, Clone)]
pub struct OverTime {
    step_ms: i64,
    /// By step; nothing where no task started.
    steps: Vec<Option<Histogram<u64>>>,
}

impl OverTime {
    /// No waits yet, of a drill of this length.
    #[must_use]
    pub fn new(length_ms: i64) -> Self {
        let minutes = length_ms.max(0) / STEPS_MAX / STEP_MS_MIN + 1;
        Self {
            step_ms: minutes * STEP_MS_MIN,
            steps: Vec::new(),
        }
    }

    /// A task started after it had waited so long.
    #[inline]
    pub fn record(&mut self, started_ms: i64, wait_ms: i64) {
        let started_ms = started_ms.clamp(0, DRILL_MS_MAX - 1);
        let step = usize::try_from(started_ms / self.step_ms).unwrap_or(0);
        if self.steps.len() <= step {
            self.steps.resize_with(step + 1, || None);
        }
        let waits = self.steps[step].get_or_insert_with(|| {
            Histogram::new(DIGITS).expect("two digits are a precision it has")
        });
        waits
            .record(wait_ms.clamp(0, DRILL_MS_MAX).unsigned_abs())
            .expect("a histogram that grows takes every wait");
    }

    /// Each step in which tasks started, in order.
    #[must_use]
    pub fn told(&self) -> Vec<WaitsStep> {
        let steps = (0..).map(|step| step * self.step_ms).zip(&self.steps);
        let told = steps.filter_map(|(from_ms, waits)| {
            let waits = waits.as_ref()?;
            Some(WaitsStep {
                from_ms,
                to_ms: (from_ms + self.step_ms).min(DRILL_MS_MAX),
                started: waits.len(),
                p50_ms: waits.value_at_quantile(0.5),
                p99_ms: waits.value_at_quantile(0.99),
            })
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_told_by_the_step_in_which_tasks_started() {
        let mut waits = OverTime::new(600_000);
        for (started_ms, wait_ms) in [(180_000, 90_000), (0, 5), (59_999, 7), (1, -3)] {
            waits.record(started_ms, wait_ms);
        }
        let told = waits.told();
        let steps: Vec<_> = told.iter().map(|step| (step.from_ms, step.to_ms)).collect();
        assert_eq!(steps, [(0, 60_000), (180_000, 240_000)]);
        let first = (told[0].started, told[0].p50_ms, told[0].p99_ms);
        assert_eq!(first, (3, 5, 7));
        assert!((90_000..90_900).contains(&told[1].p99_ms), "{told:?}");
    }

    #[test]
    fn the_longest_drill_has_no_step_beyond_its_end() {
        let mut waits = OverTime::new(DRILL_MS_MAX);
        waits.record(DRILL_MS_MAX, DRILL_MS_MAX);
        waits.record(i64::MAX, i64::MAX);
        let told = waits.told();
        let [step] = told.as_slice() else {
            panic!("{told:?}");
        };
        assert_eq!((step.to_ms, step.started), (DRILL_MS_MAX, 2));
        assert!(step.from_ms < step.to_ms);
    }

    #[test]
    fn a_day_has_no_more_steps_than_a_chart_shows() {
        let end_ms = 24 * 3_600_000;
        let mut waits = OverTime::new(end_ms);
        (0..=end_ms)
            .step_by(1_000)
            .for_each(|ms| waits.record(ms, 1));
        let told = waits.told();
        assert!(told.len() as i64 <= STEPS_MAX + 1, "{}", told.len());
        assert!(
            told.iter()
                .all(|step| (step.to_ms - step.from_ms) % STEP_MS_MIN == 0)
        );
    }
}
