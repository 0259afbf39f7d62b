//! Results as JUnit XML, as promtool's `--junit` writes them (util/junitxml), but for the time, which is in UTC.

use super::{Ended, Report, Timed};
use firedrill_detector::text::is_obeyed;
use firedrill_detector::unit_test::Comparison;
use std::fmt::Write;
use std::time::SystemTime;

/// The whole document, without a newline at the end.
pub(super) fn document(reports: &[Report], comparison: Comparison) -> String {
    let suites: String = reports
        .iter()
        .map(|report| suite(report, comparison))
        .collect();
    format!("<testsuites>{suites}</testsuites>")
}

fn suite(report: &Report, comparison: Comparison) -> String {
    let mut cases = String::new();
    let (mut tests, mut failures, mut errors) = (0, 0, 0);
    match &report.ended {
        Ended::Aborted(message) => {
            (tests, errors) = (1, 1);
            let message = escaped(message);
            let _ = write!(
                cases,
                "<testcase name=\"unknown\"><error>{message}</error></testcase>"
            );
        }
        Ended::Ran(timed) => {
            for Timed { run, .. } in timed {
                tests += 1;
                failures += run.failures.len();
                let name = escaped(&run.shown_name());
                let _ = write!(cases, "<testcase name=\"{name}\">");
                for failure in &run.failures {
                    let text = escaped(&failure.as_promtool(comparison));
                    let _ = write!(cases, "<failure>{text}</failure>");
                }
                cases.push_str("</testcase>");
            }
        }
    }
    format!(
        "<testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"0\" \
         timestamp=\"{}\">{cases}</testsuite>",
        escaped(&report.file),
        report.began.map_or_else(String::new, shown_time),
    )
}

fn shown_time(at: SystemTime) -> String {
    crate::calendar::utc(at, "%Y-%m-%dT%H:%M:%S")
}

/// Text for an element or an attribute. What XML cannot hold becomes the replacement character, as in promtool's; what would
/// steer whoever shows it is escaped.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '\t' => out.push_str("&#x9;"),
            '\n' => out.push_str("&#xA;"),
            '\r' => out.push_str("&#xD;"),
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ if is_obeyed(char) => out.extend(char.escape_default()),
            _ => out.push(char),
        }
    }
    out
}
