//! Samples on a grid, in the notation of test files: `1 _x14 2 _x14 stale`.

use super::super::number;
use crate::jsonl::Record;
use firedrill_detector::sample::is_stale;
use firedrill_detector::{Labels, Timestamp};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A drill's series, each with its samples by their place on the grid.
pub(super) struct Grid(BTreeMap<Labels, BTreeMap<i64, f64>>);

impl Grid {
    /// Puts each sample on the next place that is not before it, so that an evaluation sees what it saw in the drill. Places
    /// are `step_ms` apart; the first is at `from`, and takes what was before. Of two samples on one place the later one stays.
    pub(super) fn new(
        record: &Record,
        from: Timestamp,
        step_ms: i64,
        is_wanted: impl Fn(&Labels) -> bool,
    ) -> Self {
        let mut all: BTreeMap<Labels, BTreeMap<i64, f64>> = BTreeMap::new();
        for sample in record.samples().filter(|sample| is_wanted(&sample.labels)) {
            let since_ms = sample.at.0.saturating_sub(from.0).max(0);
            let place = since_ms.saturating_add(step_ms - 1) / step_ms;
            let samples = all.entry(sample.labels).or_default();
            samples.insert(place, sample.value);
        }
        Self(all)
    }

    /// Each series with its values as a test file writes them.
    pub(super) fn written(&self) -> impl Iterator<Item = (&Labels, String)> {
        let all = self.0.iter();
        all.map(|(labels, samples)| (labels, values(samples)))
    }
}

fn values(samples: &BTreeMap<i64, f64>) -> String {
    let mut text = String::new();
    let mut next = 0;
    for (place, value) in samples {
        if !text.is_empty() {
            text.push(' ');
        }
        // A String takes all that is written.
        let _ = match place - next {
            0 => Ok(()),
            1 => write!(text, "_ "),
            gap => write!(text, "_x{gap} "),
        };
        match is_stale(*value) {
            true => text.push_str("stale"),
            false => text.push_str(&number(*value)),
        }
        next = place + 1;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use firedrill_detector::sample::stale_marker;

    #[test]
    fn gaps_are_counted_between_samples() {
        let samples = [
            (0, 1.0),
            (1, 2.5),
            (3, -1.0),
            (18, f64::INFINITY),
            (33, stale_marker()),
        ];
        assert_eq!(
            values(&BTreeMap::from(samples)),
            "1 2.5 _ -1 _x14 +Inf _x14 stale"
        );
        assert_eq!(values(&BTreeMap::from([(2, f64::NAN)])), "_x2 NaN");
    }
}
