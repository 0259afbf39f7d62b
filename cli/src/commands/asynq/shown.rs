//! Values as asynq's command line shows them: tables, times, spans, payloads. And nothing that would move a cursor.

use firedrill_detector::text::printable;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use regex::Regex;
use std::fmt::Write;
use std::sync::LazyLock;

/// Blanks between columns.
const GAP: usize = 2;

/// A table as Go's `text/tabwriter` lays it out: the last column is padded, too.
pub(super) fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let rules: Vec<String> = columns.iter().map(|name| "-".repeat(name.len())).collect();
    laid_out(columns, &rules, rows)
}

/// A table with rules of one width below its names.
pub(super) fn table_ruled(columns: &[&str], width: usize, rows: &[Vec<String>]) -> String {
    let rules = vec!["-".repeat(width); columns.len()];
    laid_out(columns, &rules, rows)
}

fn laid_out(columns: &[&str], rules: &[String], rows: &[Vec<String>]) -> String {
    let mut lines = vec![
        columns.iter().map(|name| safe(name)).collect::<Vec<_>>(),
        rules.to_vec(),
    ];
    lines.extend(
        rows.iter()
            .map(|row| row.iter().map(|cell| safe(cell)).collect()),
    );
    let length = |cell: &String| cell.chars().count();
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| {
            lines
                .iter()
                .map(|line| length(&line[column]))
                .max()
                .unwrap_or(0)
                + GAP
        })
        .collect();
    let mut text = String::new();
    for line in &lines {
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(text, "{cell:<width$}");
        }
        text.push('\n');
    }
    text
}

/// Text of others as one line.
pub(super) fn safe(text: &str) -> String {
    printable(text).into_owned()
}

/// A payload or result.
pub(super) fn payload(bytes: &[u8]) -> String {
    /// What Go's `unicode.IsPrint` accepts: letters, marks, numbers, punctuation, symbols and the blank.
    static PRINTABLE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$").expect("a constant expression")
    });
    match std::str::from_utf8(bytes) {
        Ok(text) if PRINTABLE.is_match(text) && !text.trim().is_empty() => text.to_owned(),
        _ => "non-printable bytes".to_owned(),
    }
}

/// A share of failures, in percent.
pub(super) fn error_rate(processed: i64, failed: i64) -> String {
    match processed {
        0 => "N/A".to_owned(),
        _ => format!("{:.2}%", failed as f64 / processed as f64 * 100.0),
    }
}

/// A moment as `date` prints it, e.g. `Mon Nov 23 23:34:01 UTC 2026`; nothing for asynq's "never", Unix second 0.
pub(super) fn date(at_s: i64, zone: &TimeZone) -> String {
    if at_s == 0 {
        return String::new();
    }
    match Timestamp::from_second(at_s) {
        Ok(at) => at
            .to_zoned_datetime(zone.clone())
            .strftime("%a %b %e %H:%M:%S %Z %Y")
            .to_string(),
        Err(_) => format!("second {at_s}"),
    }
}

/// A UTC day, e.g. `2026-11-23`.
pub(super) fn day(at_s: i64) -> String {
    Timestamp::from_second(at_s).map_or_else(
        |_| format!("second {at_s}"),
        |at| {
            at.to_zoned_datetime(TimeZone::UTC)
                .strftime("%Y-%m-%d")
                .to_string()
        },
    )
}

/// A moment as Go prints it without being asked for a form: `2026-11-23 23:34:01.5 +0000 UTC`.
pub(super) fn go_time(at_s: i64, nanos: i32) -> String {
    let Ok(at) = Timestamp::new(at_s, nanos) else {
        return format!("second {at_s}");
    };
    let fraction = format!("{nanos:09}");
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    let at = at.to_zoned_datetime(TimeZone::UTC);
    format!(
        "{}{dot}{fraction} +0000 UTC",
        at.strftime("%Y-%m-%d %H:%M:%S")
    )
}

/// A span in nanoseconds, rounded to seconds, as Go prints it: `1h2m5s`.
pub(super) fn span(ns: i64) -> String {
    let secs = (ns.unsigned_abs() + 500_000_000) / 1_000_000_000;
    let sign = if ns < 0 && secs > 0 { "-" } else { "" };
    let (hours, minutes, secs) = (secs / 3_600, secs / 60 % 60, secs % 60);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{secs}s"),
        (0, _) => format!("{sign}{minutes}m{secs}s"),
        _ => format!("{sign}{hours}h{minutes}m{secs}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_times_are_gos() {
        for (ns, text) in [
            (0, "0s"),
            (499_999_999, "0s"),
            (500_000_000, "1s"),
            (-1_500_000_000, "-2s"),
            (3_725_000_000_000, "1h2m5s"),
            (3_600_000_000_000, "1h0m0s"),
            (360_000_000_000_000, "100h0m0s"),
            (61_000_000_000, "1m1s"),
        ] {
            assert_eq!(span(ns), text);
        }
        assert_eq!(
            go_time(1_700_000_000, 500_000_000),
            "2023-11-14 22:13:20.5 +0000 UTC"
        );
        assert_eq!(go_time(1_700_000_000, 0), "2023-11-14 22:13:20 +0000 UTC");
        assert_eq!(
            date(1_700_000_000, &TimeZone::UTC),
            "Tue Nov 14 22:13:20 UTC 2023"
        );
        assert_eq!(
            date(1_699_000_000, &TimeZone::UTC),
            "Fri Nov  3 08:26:40 UTC 2023"
        );
        assert_eq!(date(0, &TimeZone::UTC), "");
        assert_eq!(date(i64::MAX, &TimeZone::UTC), "second 9223372036854775807");
        assert_eq!(day(1_700_000_000), "2023-11-14");
    }

    #[test]
    fn payloads_are_shown_when_they_can_be() {
        assert_eq!(payload(b"{\"to\":7}"), "{\"to\":7}");
        assert_eq!(payload("größer ✓".as_bytes()), "größer ✓");
        for bytes in [&b""[..], b"  ", b"a\nb", b"\xff", b"a\xc2\xa0b", b"\x1b[2J"] {
            assert_eq!(payload(bytes), "non-printable bytes");
        }
    }

    #[test]
    fn tables_have_gaps_and_escape_what_a_terminal_obeys() {
        let rows = [vec!["é".to_owned(), "a\nb\u{1b}[2J\u{202e}".to_owned()]];
        assert_eq!(
            table(&["ID", "Last Error"], &rows),
            "ID  Last Error             \n\
             --  ----------             \n\
             é   a\\nb\\u{1b}[2J\\u{202e}  \n"
        );
    }
}
