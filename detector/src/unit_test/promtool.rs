//! Failures in the words of `promtool test rules` (cmd/promtool/unittest.go), blanks at the ends of lines included.

use super::failure::{Finding, NOT_EXPANDED, TestFailure};
use super::{ExpectedAlert, diff};
use crate::go_format;
use crate::sample::Labels;

/// Errors into which this crate puts the label set that Prometheus leaves out: what is before it, and what follows.
const UNNAMED: [(&str, &str); 5] = [
    ("vector cannot contain metrics with the same labelset", ""),
    (
        "vector contains metrics with the same labelset after applying alert labels",
        "",
    ),
    (
        "vector contains metrics with the same labelset after applying rule labels",
        "",
    ),
    (
        "multiple matches for labels",
        ": many-to-one matching must be explicit (group_left/group_right)",
    ),
    (
        "multiple matches for labels",
        ": grouping labels must ensure unique matches",
    ),
];

/// Before every line of alerts.
const INDENT: &str = "            ";

/// How alerts that should be equal are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Comparison {
    /// What was expected, then what was found.
    #[default]
    Both,
    /// One text in which what is missing, too much or different is coloured, as with promtool's `--diff`.
    Diff,
}

impl TestFailure {
    /// The failure as promtool prints it, without a newline at the end.
    ///
    /// Only the reason why an expression is refused has other words. Where two series are in each other's way, promtool
    /// names them in no defined order.
    #[must_use]
    pub fn as_promtool(&self, comparison: Comparison) -> String {
        match &self.finding {
            Finding::Rule {
                rule,
                error,
                since_1970_ms,
                ..
            } => {
                let at = go_format::duration(*since_1970_ms);
                format!("    rule: {rule}, time: {at}, err: {}", unnamed(error))
            }
            Finding::Alert {
                alert,
                compared,
                exact,
            } => {
                let name = match self.test.as_str() {
                    "" => String::new(),
                    name => format!("    name: {name},\n"),
                };
                let note = match exact {
                    true => String::new(),
                    false => format!("\n        {NOT_EXPANDED}"),
                };
                let compared = match comparison {
                    Comparison::Both => format!(
                        "exp:{}, \n        got:{}",
                        alerts(&compared.expected),
                        alerts(&compared.found)
                    ),
                    Comparison::Diff => {
                        let diff = diff::alerts(&compared.expected, &compared.found);
                        format!("diff: {}", diff.replace('\n', &format!("\n{INDENT}")))
                    }
                };
                let at = duration(self.at_ms);
                format!("{name}    alertname: {alert}, time: {at}, \n        {compared}{note}")
            }
            Finding::Expression { expr, result } => {
                let case = format!(
                    "    expr: {}, time: {},",
                    go_format::quoted(expr),
                    duration(self.at_ms)
                );
                match result {
                    Err(error) => format!("{case} err: {}", unnamed(error)),
                    Ok(compared) => format!(
                        "{case}\n        exp: {}\n        got: {}",
                        samples(&compared.expected),
                        samples(&compared.found),
                    ),
                }
            }
        }
    }
}

/// The error without the label set that Prometheus does not name.
fn unnamed(error: &str) -> String {
    let known = UNNAMED.iter().find(|(before, after)| {
        let rest = error.strip_prefix(before);
        rest.is_some_and(|rest| rest.starts_with([':', ' ']) && rest.ends_with(after))
    });
    match known {
        Some((before, after)) => format!("{before}{after}"),
        None => error.to_owned(),
    }
}

fn alerts(alerts: &[ExpectedAlert]) -> String {
    if alerts.is_empty() {
        return "[]".into();
    }
    let shown: Vec<String> = alerts
        .iter()
        .enumerate()
        .map(|(number, alert)| {
            let (labels, annotations) = (pairs(&alert.labels), pairs(&alert.annotations));
            format!(
                "{INDENT}{number}:\n{INDENT}  Labels:{labels}\n{INDENT}  Annotations:{annotations}"
            )
        })
        .collect();
    format!("[\n{}\n{INDENT}]", shown.join(",\n"))
}

fn samples(samples: &[(Labels, f64)]) -> String {
    if samples.is_empty() {
        return "nil".into();
    }
    let shown: Vec<String> = samples
        .iter()
        .map(|(labels, value)| {
            let value = go_format::shortest_exponential(*value);
            format!("{} {value}", go_format::braced(labels.iter()))
        })
        .collect();
    shown.join(", ")
}

/// See [`go_format::braced`].
pub(super) fn pairs(pairs: &[(String, String)]) -> String {
    go_format::braced(
        pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    )
}

/// Units of `model.Duration` (prometheus/common), their length, and whether they stand for whole multiples only.
const UNITS: [(&str, i64, bool); 7] = [
    ("y", 365 * 24 * 3_600_000, true),
    ("w", 7 * 24 * 3_600_000, true),
    ("d", 24 * 3_600_000, false),
    ("h", 3_600_000, false),
    ("m", 60_000, false),
    ("s", 1000, false),
    ("ms", 1, false),
];

/// A duration of a test file as promtool repeats it: `1d1h`, `1s500ms`, `8d`, `2w`.
fn duration(ms: i64) -> String {
    let mut rest = ms;
    let mut text = String::new();
    for (unit, length_ms, whole) in UNITS {
        if whole && rest % length_ms != 0 {
            continue;
        }
        if rest >= length_ms {
            text.push_str(&format!("{}{unit}", rest / length_ms));
            rest %= length_ms;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        const DAY_MS: i64 = 24 * 3_600_000;
        for (ms, text) in [
            (0, "0s"),
            (1500, "1s500ms"),
            (90_000, "1m30s"),
            (25 * 3_600_000, "1d1h"),
            (8 * DAY_MS, "8d"),
            (14 * DAY_MS, "2w"),
            (365 * DAY_MS, "1y"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn only_label_sets_are_left_out() {
        assert_eq!(
            unnamed("multiple matches for labels: a"),
            "multiple matches for labels: a"
        );
        for (before, after) in UNNAMED {
            let label_set = if after.is_empty() {
                ": {a=\"b\"}"
            } else {
                " {a=\"b\"}"
            };
            let error = format!("{before}{label_set}{after}");
            assert_eq!(unnamed(&error), format!("{before}{after}"));
        }
    }
}
