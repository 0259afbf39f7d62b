//! A drill's samples as OpenMetrics text, which `promtool tsdb create-blocks-from openmetrics` takes.

use super::{number, series};
use crate::jsonl::Record;
use firedrill_detector::Labels;
use firedrill_detector::sample::is_stale;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Every sample of a record with its time since 1970, series by series, in the order of their names and labels.
///
/// The format has no staleness markers: where a Prometheus that scrapes sees a series end at once, one that reads this sees it
/// end five minutes later. Types are `unknown`, for the record does not say them.
#[must_use]
pub fn openmetrics(record: &Record) -> String {
    let mut all: BTreeMap<(String, Labels), Vec<(i64, f64)>> = BTreeMap::new();
    for sample in record.samples().filter(|sample| !is_stale(sample.value)) {
        let key = (sample.labels.name().to_owned(), sample.labels);
        all.entry(key)
            .or_default()
            .push((sample.at.0, sample.value));
    }
    let mut text = String::new();
    let mut family = None;
    for ((name, labels), samples) in &all {
        if family != Some(name) {
            // A String takes all that is written.
            let _ = writeln!(text, "# TYPE {name} unknown");
            family = Some(name);
        }
        let series = series(name, labels);
        for (at_ms, value) in samples {
            let (seconds, rest) = (at_ms.div_euclid(1000), at_ms.rem_euclid(1000));
            let _ = writeln!(text, "{series} {} {seconds}.{rest:03}", number(*value));
        }
    }
    text.push_str("# EOF\n");
    text
}
