//! All samples at the end of a test, as promtool dumps them with `--debug`.

use std::fmt;

use super::Test;
use crate::compat::Compat;
use crate::engine::Engine;
use crate::go_format;
use crate::sample::Labels;
use crate::store::{Cursor, Point};

/// The samples of a test, those its rules wrote included; staleness markers are left out.
///
/// Displays in promtool's words, which are those of a query: `{__name__="up"} =>` and below it `1 @[60000]` for each sample,
/// with the time in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// How long after the test's beginning the window of the dump ends, in milliseconds. It is as long as that, so that in
    /// Prometheus 3 the samples of the beginning itself are not among them.
    pub until_ms: i64,
    series: Vec<(Labels, Vec<Point>)>,
}

impl Data {
    pub(super) fn of(engine: &Engine, test: &Test, compat: Compat) -> Self {
        // promtool goes on to the next whole second, because PromQL once knew no shorter times.
        let last_ms = test.last_eval_time_ms();
        let until_ms = (last_ms / 1000).saturating_add(1).saturating_mul(1000);
        let end_ms = test.start_ms.saturating_add(until_ms);
        let start_ms = compat.window_start_ms(end_ms, until_ms);
        let places = engine.store.arrivals(None).iter();
        let series = places.filter_map(|place| engine.store.get(*place));
        let series = series.filter_map(|series| {
            let labels = engine.interner.labels(series.labels);
            let window = series.window(start_ms, end_ms, &mut Cursor::default());
            let is_shown = !labels.name().is_empty() && !window.points.is_empty();
            is_shown.then(|| (labels.clone(), window.points.to_vec()))
        });
        let mut series: Vec<(Labels, Vec<Point>)> = series.collect();
        series.sort_by(|a, b| a.0.cmp(&b.0));
        Self { until_ms, series }
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = go_format::duration(self.until_ms);
        writeln!(f, "Dump of all data (input_series and rules) at {at}:")?;
        for (place, (labels, points)) in self.series.iter().enumerate() {
            if place > 0 {
                writeln!(f)?;
            }
            write!(f, "{} =>", go_format::braced(labels.iter()))?;
            for Point { at_ms, value } in points {
                write!(f, "\n{} @[{at_ms}]", go_format::plain(*value))?;
            }
        }
        Ok(())
    }
}
