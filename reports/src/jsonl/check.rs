//! What a line must be beyond its form, so that nothing that reads a record has to doubt it.

use crate::jsonl::RecordError;
use crate::record::{Header, Heard, Line};
use serde::Deserialize;

/// Longest drill that is read: a thousand days.
pub(crate) const DRILL_MS_MAX: i64 = 86_400_000_000;

/// A clock's error may put something before the start; a day is more than that.
pub(crate) const DRILL_MS_MIN: i64 = -86_400_000;

/// Kinds of lines this release knows, as [`Line`] spells them.
const KINDS: [&str; 14] = [
    "header",
    "series",
    "scrape",
    "mark",
    "transition",
    "rule_error",
    "no_data",
    "interference",
    "heard",
    "impact",
    "audit",
    "waits",
    "lag",
    "footer",
];

/// What every line has, whatever its version.
#[derive(Deserialize)]
struct Kind {
    kind: String,
}

/// Checks the first line.
pub(super) fn header(header: &Header) -> Result<(), RecordError> {
    for ms in [header.scrape_interval_ms, header.evaluation_interval_ms] {
        if ms < 1 {
            return Err(RecordError::Time { line: 1, ms });
        }
    }
    check_times(1, header_times(header))
}

/// Checks line `number`, after so many series.
pub(super) fn line(number: usize, line: &Line, series: &mut u32) -> Result<(), RecordError> {
    check_series(line, series, number)?;
    check_times(number, line_times(line))
}

/// Whether a line is whole, but of a kind that came after this release.
pub(super) fn is_foreign(text: &[u8]) -> bool {
    serde_json::from_slice(text).is_ok_and(|Kind { kind }| !KINDS.contains(&kind.as_str()))
}

/// Series are numbered in order, and scrapes name known ones.
fn check_series(line: &Line, series: &mut u32, number: usize) -> Result<(), RecordError> {
    match line {
        Line::Series { id, .. } if id != series => Err(RecordError::SeriesOutOfOrder {
            line: number,
            id: *id,
            expected: *series,
        }),
        Line::Series { .. } => {
            *series += 1;
            Ok(())
        }
        Line::Scrape { values, .. } => match values.iter().find(|(id, _)| id >= series) {
            Some((id, _)) => Err(RecordError::UnknownSeries {
                line: number,
                id: *id,
            }),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn check_times(line: usize, times: impl IntoIterator<Item = i64>) -> Result<(), RecordError> {
    match times
        .into_iter()
        .find(|ms| !(DRILL_MS_MIN..=DRILL_MS_MAX).contains(ms))
    {
        Some(ms) => Err(RecordError::Time { line, ms }),
        None => Ok(()),
    }
}

/// Times inside the drill that a header names.
fn header_times(header: &Header) -> Vec<i64> {
    let mut times = vec![
        header.duration_ms,
        header.warmup_ms,
        header.scrape_interval_ms,
        header.evaluation_interval_ms,
        header.evaluation_phase_ms,
    ];
    for incident in &header.incidents {
        times.extend([incident.starts_ms, incident.ends_ms, incident.deadline_ms]);
    }
    for window in &header.benign {
        times.extend([window.starts_ms, window.ends_ms]);
    }
    times
}

/// Times inside the drill that a line names.
fn line_times(line: &Line) -> Vec<i64> {
    match line {
        Line::Scrape { at_ms, .. } | Line::RuleError { at_ms, .. } | Line::Footer { at_ms, .. } => {
            vec![*at_ms]
        }
        Line::Transition(transition) => vec![transition.at_ms],
        Line::Action(action) => vec![action.at_ms],
        Line::Mark(mark) => vec![mark.planned_ms, mark.at_ms],
        Line::Impact(impact) => impact.first_ms.into_iter().chain(impact.last_ms).collect(),
        Line::Interference(found) => [found.at_ms].into_iter().chain(found.until_ms).collect(),
        Line::Heard(heard) => heard_times(heard),
        // A histogram holds no longer waits than a drill may last.
        Line::Series { .. } | Line::NoData { .. } | Line::Audit(_) | Line::Waits(_) => Vec::new(),
        Line::Lag(lag) => lag.gaps.iter().map(|gap| gap.at_ms).collect(),
    }
}

/// Times inside the drill that a line about a source of alerts names.
fn heard_times(heard: &Heard) -> Vec<i64> {
    match heard {
        Heard::Began(_) => Vec::new(),
        Heard::Told(told) => {
            let others = [told.unsaid_ms, told.since_ms, told.active_ms];
            let others = others.into_iter().flatten();
            [told.at_ms].into_iter().chain(others).collect()
        }
        Heard::Ended(hearing) => {
            let away = hearing.away.iter();
            let found = hearing.targets.and_then(|found| found.all_ms);
            let away = away.flat_map(|away| [away.from_ms, away.until_ms]);
            away.chain(found).collect()
        }
    }
}
