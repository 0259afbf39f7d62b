//! What judging a drill by rules may take, known before it begins: files decide about intervals, lengths and series.

use crate::jsonl::Record;
use crate::record::Line;
use firedrill_detector::RuleSet;

/// Most evaluations of rules over a drill: a month of a hundred rules every 15 s has a sixth of them.
const EVALUATIONS_MAX: u64 = 100_000_000;
/// Most looks of rules at series, if each rule looked at all: some minutes.
const LOOKS_MAX: u64 = 50_000_000_000;

/// Rules that would be evaluated over a drill for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "its rules would be evaluated {evaluations} times over {series} series, more than {EVALUATIONS_MAX} times or \
     {LOOKS_MAX} looks at a series: lengthen the evaluation intervals, or leave rules out"
)]
pub struct TooMuch {
    /// Evaluations of single rules.
    pub evaluations: u64,
    /// Series of the drill.
    pub series: u64,
}

/// Whether rules can be evaluated in bounded time over a drill of `length_ms` with so many series; `interval_ms`: of groups
/// that name none.
///
/// # Errors
/// When they cannot.
pub fn check(
    rules: &RuleSet,
    interval_ms: i64,
    length_ms: i64,
    series: u64,
) -> Result<(), TooMuch> {
    let evaluations = rules.evaluations(interval_ms, length_ms);
    if evaluations > EVALUATIONS_MAX || evaluations.saturating_mul(series) > LOOKS_MAX {
        return Err(TooMuch {
            evaluations,
            series,
        });
    }
    Ok(())
}

/// The same for a replay of a record.
///
/// # Errors
/// When it would take too long.
pub fn check_record(record: &Record, rules: &RuleSet) -> Result<(), TooMuch> {
    let is_series = |line: &&Line| matches!(line, Line::Series { .. });
    let series = record.lines.iter().filter(is_series).count() as u64;
    let interval_ms = record.header.evaluation_interval_ms;
    check(rules, interval_ms, record.end_ms(), series)
}
