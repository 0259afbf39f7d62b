//! Fields that a record of 1.2 and later has, whatever defaults older ones are read with: what was taken away would be
//! read as if all were well.

use crate::jsonl::RecordError;
use crate::record::Line;
use serde_json::Value;

/// Those of the header.
pub(super) const OF_HEADER: &[&str] = &["group_wait_ms", "group_interval_ms", "steps"];

/// Those of a line that can be read.
pub(super) fn of(line: &Line) -> &'static [&'static str] {
    match line {
        Line::Mark(_) => &["step", "phase", "targets", "saw"],
        Line::Impact(_) => &["queues"],
        Line::Audit(_) => &[
            "unexplained",
            "unexplained/rejected",
            "unexplained/lost",
            "unexplained/run_twice",
            "unexplained/foreign",
            "unexplained/never_came",
        ],
        Line::Lag(_) => &[
            "enqueue_ms",
            "scrape_ms",
            "handler_ms",
            "fault_ms_max",
            "redis_ms",
            "slot_overhead",
            "busy_turn_ms",
            "busy_overrun_ms",
            "gaps",
        ],
        Line::Footer { .. } => &["lines"],
        _ => &[],
    }
}

/// Finds the first field that is not in a line, or null.
pub(super) fn check(
    line: usize,
    text: &[u8],
    fields: &'static [&'static str],
    format: &str,
) -> Result<(), RecordError> {
    if fields.is_empty() {
        return Ok(());
    }
    let value: Value =
        serde_json::from_slice(text).map_err(|source| RecordError::Damaged { line, source })?;
    let is_missing = |field: &&&str| {
        let found = value.pointer(&format!("/{field}"));
        found.is_none_or(Value::is_null)
    };
    match fields.iter().find(is_missing) {
        Some(field) => Err(RecordError::Missing {
            line,
            field,
            format: format.to_owned(),
        }),
        None => Ok(()),
    }
}
