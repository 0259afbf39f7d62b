//! Prometheus' text exposition format, both ways (`text/plain; version=0.0.4`).

use crate::metrics::Value;
use crate::world::{AppMetric, World};
use firedrill_detector::Labels;
use firedrill_detector::sample::METRIC_NAME;
use std::fmt::Write;

/// Content type of the text form.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Largest body a scrape accepts, bytes.
pub const MAX_BODY_BYTES: usize = 16 << 20;

/// Why a body is not an exposition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}: `{text}`")]
pub struct ExpositionError {
    line: usize,
    reason: &'static str,
    text: String,
}

/// Writes values as text, with the `# TYPE` line of each metric.
#[must_use]
pub fn encode(values: &[Value]) -> String {
    encode_of(values, |_| None)
}

/// As [`encode`]; a world knows its own metrics, and what they say.
#[must_use]
pub fn encode_in(values: &[Value], world: &World) -> String {
    encode_of(values, |name| world.metric_of(name))
}

/// The family that samples of this name belong to in a world.
pub(crate) fn family_in<'n>(world: &'n World, name: &'n str) -> &'n str {
    let own = world.metric_of(name);
    own.map_or_else(|| family_of(name).0, |metric| &metric.name)
}

fn encode_of<'w>(values: &[Value], known: impl Fn(&str) -> Option<&'w AppMetric>) -> String {
    let mut text = String::new();
    let mut family = String::new();
    for (labels, value) in values {
        let own = known(labels.name());
        let (name, kind) = match own {
            Some(metric) => (metric.name.as_str(), metric.kind.name()),
            None => family_of(labels.name()),
        };
        if family != name {
            family = name.to_owned();
            if let Some(metric) = own.filter(|metric| !metric.help.is_empty()) {
                let help = metric.help.replace('\\', "\\\\").replace('\n', "\\n");
                let _ = writeln!(text, "# HELP {name} {help}");
            }
            let _ = writeln!(text, "# TYPE {name} {kind}");
        }
        text.push_str(labels.name());
        let mut separator = '{';
        for (name, value) in labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
            let _ = write!(text, "{separator}{name}=\"");
            for c in value.chars() {
                match c {
                    '\\' => text.push_str("\\\\"),
                    '"' => text.push_str("\\\""),
                    '\n' => text.push_str("\\n"),
                    c => text.push(c),
                }
            }
            text.push('"');
            separator = ',';
        }
        if separator == ',' {
            text.push('}');
        }
        let _ = match *value {
            v if v == f64::INFINITY => writeln!(text, " +Inf"),
            v if v == f64::NEG_INFINITY => writeln!(text, " -Inf"),
            v => writeln!(text, " {v}"),
        };
    }
    text
}

/// Whether samples of this name only grow while what exposes them runs.
pub(crate) fn is_counter(name: &str) -> bool {
    family_of(name).1 != "gauge"
}

/// The family a sample belongs to, and its type. asynq's `_total` gauges are told apart by name.
fn family_of(name: &str) -> (&str, &'static str) {
    const ASYNQ_GAUGES: [&str; 2] = ["asynq_tasks_enqueued_total", "asynq_queue_paused_total"];
    for suffix in ["_bucket", "_sum", "_count"] {
        if let Some(family) = name
            .strip_suffix(suffix)
            .filter(|family| family.ends_with("_seconds"))
        {
            return (family, "histogram");
        }
    }
    if name.ends_with("_total") && !ASYNQ_GAUGES.contains(&name) {
        (name, "counter")
    } else {
        (name, "gauge")
    }
}

/// Reads a text exposition. Comments are skipped; explicit timestamps are accepted and ignored.
///
/// # Errors
/// At the first line that is not a sample, naming it.
pub fn decode(text: &str) -> Result<Vec<Value>, ExpositionError> {
    let mut values = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (labels, value, _) = sample(line).map_err(|reason| ExpositionError {
            line: index + 1,
            reason,
            text: line.chars().take(80).collect(),
        })?;
        values.push((labels, value));
    }
    Ok(values)
}

/// A sample, and the time that stands after it, in the format's unit.
///
/// # Errors
/// With what is wrong with the line.
pub(crate) fn sample(line: &str) -> Result<(Labels, f64, Option<f64>), &'static str> {
    let end = line.find(['{', ' ', '\t']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    let is_name = |name: &str| {
        let mut chars = name.chars();
        chars
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == ':')
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
    };
    if !is_name(name) {
        return Err("bad metric name");
    }
    let mut pairs = vec![(METRIC_NAME.to_owned(), name.to_owned())];
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner.trim_start();
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once('=').ok_or("label without value")?;
            if !is_name(label.trim()) {
                return Err("bad label name");
            }
            let (value, after) = quoted(after.trim_start())?;
            pairs.push((label.trim().to_owned(), value));
            rest = after.trim_start();
            match rest.strip_prefix(',') {
                Some(after) => rest = after.trim_start(),
                None if rest.starts_with('}') => {}
                None => return Err("labels not closed"),
            }
        }
        rest = &rest[1..];
    }
    let mut words = rest.split_ascii_whitespace();
    let value = match words.next().ok_or("no value")? {
        "+Inf" | "Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        number => number.parse().map_err(|_| "bad value")?,
    };
    let at = words.next().and_then(|word| word.parse().ok());
    Ok((
        Labels::from_pairs(pairs),
        value,
        at.filter(|at: &f64| at.is_finite()),
    ))
}

/// A quoted label value and what follows it.
fn quoted(text: &str) -> Result<(String, &str), &'static str> {
    let inner = text.strip_prefix('"').ok_or("label value not quoted")?;
    let mut value = String::new();
    let mut chars = inner.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &inner[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('\\' | '"'))) => value.push(c),
                Some((_, c)) => value.extend(['\\', c]),
                None => return Err("label value not closed"),
            },
            c => value.push(c),
        }
    }
    Err("label value not closed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn histogram_and_gauge_types() {
        assert_eq!(
            family_of("job_duration_seconds_bucket"),
            ("job_duration_seconds", "histogram")
        );
        assert_eq!(family_of("job_processed_total").1, "counter");
        assert_eq!(family_of("asynq_tasks_enqueued_total").1, "gauge");
    }

    #[test]
    fn errors_name_the_line() {
        let error = decode("# HELP a b\na 1\nb{x=\"1} 2\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 3: label value not closed: `b{x=\"1} 2`"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            names in prop::collection::vec("[a-z_:][a-z0-9_:]{0,8}", 1..6),
            value in "[^\\x00-\\x09\\x0b-\\x1f]{0,12}",
            number in prop_oneof![any::<i32>().prop_map(f64::from), Just(f64::INFINITY), Just(0.1)],
        ) {
            let values: Vec<Value> =
                names.iter().map(|name| (Labels::metric(name, [("l", value.as_str())]), number)).collect();
            prop_assert_eq!(decode(&encode(&values)).unwrap(), values);
        }

        #[test]
        fn garbage_never_panics(text in ".{0,200}") {
            let _ = decode(&text);
        }
    }
}
