//! Reading test files.

use std::collections::BTreeSet;

use super::{AlertCase, ExpectedAlert, ExpressionCase, Input, Test, TestFile, series, start};
use crate::alert::ALERT_NAME;
use crate::compat::Compat;
use crate::duration;
use crate::number;
use crate::sample::Labels;
use crate::yaml::{Fields, Node, Position, Problems, Value, parse_first};

const MINUTE_MS: i64 = 60_000;
/// Most evaluations of the tests of a file together; promtool would take more, and hours.
const STEPS_MAX: i64 = 1_000_000;

/// What the rest of a test file may still take.
struct Left {
    samples: usize,
    steps: i64,
}

pub(super) fn test_file(
    name: &str,
    text: &str,
    compat: Compat,
    problems: &mut Problems,
) -> Option<TestFile> {
    // A file in which nothing is written tests nothing, and succeeds.
    let nothing = Node {
        at: Position { line: 1, column: 1 },
        value: Value::Mapping(Vec::new()),
    };
    let root = parse_first(text, problems)?
        .filter(|root| !root.is_null())
        .unwrap_or(nothing);
    let mut fields = Fields::new(&root, "test file", problems)?;
    let rule_files = fields.take("rule_files");
    let interval = fields.take("evaluation_interval");
    let order = fields.take("group_eval_order");
    let fuzzy = match compat {
        Compat::V2 => None,
        Compat::V3 => fields.take("fuzzy_compare"),
    };
    let tests = fields.take("tests");
    fields.finish(problems);
    let evaluation_interval_ms = time(interval, problems)
        .filter(|ms| *ms > 0)
        .unwrap_or(MINUTE_MS);
    let nodes = items(tests, "tests", problems);
    let mut left = Left {
        samples: series::MAX_SAMPLES,
        steps: STEPS_MAX,
    };
    let mut tests = Vec::new();
    for node in nodes {
        let Some(test) = test(node, evaluation_interval_ms, compat, &mut left, problems) else {
            continue;
        };
        left.steps -= (test.last_eval_time_ms() / evaluation_interval_ms).saturating_add(1);
        if left.steps < 0 {
            problems.push_with_hint(
                node.at,
                format!("the tests of the file take more than {STEPS_MAX} evaluations together"),
                "split the file, test at earlier times, or lengthen `evaluation_interval`",
            );
            break;
        }
        tests.push(test);
    }
    let order_at = order.map_or(root.at, |node| node.at);
    let group_eval_order = texts(order, "group_eval_order", problems);
    let mut seen = BTreeSet::new();
    for group in &group_eval_order {
        if !seen.insert(group) {
            let message = format!("group name repeated in evaluation order: {group}");
            problems.push(order_at, message);
        }
    }
    Some(TestFile {
        name: name.to_owned(),
        rule_files: texts(rule_files, "rule_files", problems),
        evaluation_interval_ms,
        group_eval_order,
        fuzzy_compare: fuzzy
            .and_then(|node| node.as_bool("fuzzy_compare", problems))
            .unwrap_or(false),
        tests,
    })
}

fn test(
    node: &Node,
    default_interval_ms: i64,
    compat: Compat,
    left: &mut Left,
    problems: &mut Problems,
) -> Option<Test> {
    let mut fields = Fields::new(node, "test", problems)?;
    let name = fields.take("name");
    let interval = fields.take("interval");
    let input = fields.take("input_series");
    let external_labels = fields.take("external_labels");
    let external_url = fields.take("external_url");
    let alerts = fields.take("alert_rule_test");
    let expressions = fields.take("promql_expr_test");
    let start = match compat {
        Compat::V2 => None,
        Compat::V3 => fields.take("start_timestamp"),
    };
    fields.finish(problems);
    // Since 2.49 samples are `evaluation_interval` apart if nothing is said; before, all were at the beginning, where
    // the first one stays.
    let unsaid_ms = match compat {
        Compat::V2 => 0,
        Compat::V3 => default_interval_ms,
    };
    let interval_ms = time(interval, problems)
        .filter(|ms| *ms > 0)
        .unwrap_or(unsaid_ms);
    let mut inputs: Vec<Input> = Vec::new();
    for node in items(input, "input_series", problems) {
        inputs.extend(input_series(node, interval_ms, compat, left, problems));
    }
    // Of a series given twice, the last one counts.
    let mut seen = BTreeSet::new();
    inputs.reverse();
    inputs.retain(|input| seen.insert(input.labels.clone()));
    inputs.reverse();
    let text = |node: Option<&Node>, what, problems: &mut Problems| {
        let text = node.and_then(|node| node.as_str(what, problems));
        text.unwrap_or_default().to_owned()
    };
    Some(Test {
        name: text(name, "name", problems),
        at: node.at,
        start_ms: start_ms(start, problems).unwrap_or(0),
        input: inputs,
        external_labels: Labels::from_pairs(pairs(external_labels, "external_labels", problems)),
        external_url: text(external_url, "external_url", problems),
        alerts: items(alerts, "alert_rule_test", problems)
            .into_iter()
            .filter_map(|node| alert_case(node, problems))
            .collect(),
        expressions: items(expressions, "promql_expr_test", problems)
            .into_iter()
            .filter_map(|node| expression_case(node, compat, problems))
            .collect(),
    })
}

fn input_series(
    node: &Node,
    interval_ms: i64,
    compat: Compat,
    left: &mut Left,
    problems: &mut Problems,
) -> Option<Input> {
    let mut fields = Fields::new(node, "input series", problems)?;
    let series = fields.required("series", problems);
    let values = fields.take("values");
    fields.finish(problems);
    let series = series?;
    let labels = checked(
        series,
        series::metric(series.as_str("series", problems)?, compat),
        problems,
    );
    let values = match values {
        // A series without values has no samples.
        None => Vec::new(),
        Some(values) => checked(
            values,
            series::values(
                values.as_str("values", problems)?,
                compat,
                &mut left.samples,
            ),
            problems,
        )?,
    };
    let sample = |(at, value): (usize, f64)| {
        let at_ms = i64::try_from(at).ok()?.checked_mul(interval_ms)?;
        Some((at_ms, value))
    };
    Some(Input {
        labels: labels?,
        samples: values.into_iter().filter_map(sample).collect(),
    })
}

fn alert_case(node: &Node, problems: &mut Problems) -> Option<AlertCase> {
    let mut fields = Fields::new(node, "alert test", problems)?;
    let eval_time = fields.take("eval_time");
    let alert = fields.required("alertname", problems);
    let expected = fields.take("exp_alerts");
    fields.finish(problems);
    let alert_at = alert?.at;
    let alert = alert?.as_str("alertname", problems)?.to_owned();
    if alert.is_empty() {
        problems.push(alert_at, "alertname is empty");
    }
    let mut alerts = Vec::new();
    for node in items(expected, "exp_alerts", problems) {
        let Some(mut fields) = Fields::new(node, "expected alert", problems) else {
            continue;
        };
        let labels = fields.take("exp_labels");
        let annotations = fields.take("exp_annotations");
        fields.finish(problems);
        let mut labels = pairs(labels, "exp_labels", problems);
        labels.retain(|(name, _)| name != ALERT_NAME);
        labels.push((ALERT_NAME.to_owned(), alert.clone()));
        labels.sort();
        let mut annotations = pairs(annotations, "exp_annotations", problems);
        annotations.sort();
        alerts.push(ExpectedAlert {
            labels,
            annotations,
        });
    }
    alerts.sort();
    Some(AlertCase {
        line: node.at.line,
        eval_time_ms: time(eval_time, problems).unwrap_or(0),
        alert,
        expected: alerts,
    })
}

fn expression_case(node: &Node, compat: Compat, problems: &mut Problems) -> Option<ExpressionCase> {
    let mut fields = Fields::new(node, "expression test", problems)?;
    let expr = fields.required("expr", problems);
    let eval_time = fields.take("eval_time");
    let expected = fields.take("exp_samples");
    fields.finish(problems);
    let mut samples = Vec::new();
    for node in items(expected, "exp_samples", problems) {
        let Some(mut fields) = Fields::new(node, "expected sample", problems) else {
            continue;
        };
        let labels = fields.take("labels");
        let value = fields.take("value");
        if let Some(node) = fields.take("histogram") {
            problems.push(node.at, series::NO_HISTOGRAMS);
        }
        fields.finish(problems);
        let labels = match labels {
            None => Some(Labels::default()),
            Some(node) => {
                let text = node.as_str("labels", problems).unwrap_or_default();
                let metric = if text.trim().is_empty() {
                    Ok(Labels::default())
                } else {
                    series::metric(text, compat)
                };
                checked(node, metric, problems)
            }
        };
        let value = match value {
            None => Some(0.0),
            Some(node) => {
                let number = match &node.value {
                    Value::Scalar { text, plain: true } => number::yaml(text),
                    _ => None,
                };
                let number = number.ok_or_else(|| format!("{} is not a number", node.found()));
                checked(node, number, problems)
            }
        };
        samples.extend(labels.zip(value));
    }
    // promtool's order of two that have equal labels is the other way round.
    samples.reverse();
    samples.sort_by(|a, b| a.0.cmp(&b.0));
    Some(ExpressionCase {
        line: node.at.line,
        eval_time_ms: time(eval_time, problems).unwrap_or(0),
        expr: expr?.as_str("expr", problems)?.to_owned(),
        expected: samples,
    })
}

/// The items of a list; those that are nothing are dropped, as in go-yaml.
fn items<'n>(node: Option<&'n Node>, what: &str, problems: &mut Problems) -> Vec<&'n Node> {
    let items = node.and_then(|node| node.as_seq(what, problems));
    let items = items.unwrap_or_default().iter();
    items.filter(|item| !item.is_null()).collect()
}

fn texts(node: Option<&Node>, what: &str, problems: &mut Problems) -> Vec<String> {
    let items = items(node, what, problems).into_iter();
    let text = |node: &Node| node.as_str(what, problems).map(str::to_owned);
    items.filter_map(text).collect()
}

fn pairs(node: Option<&Node>, what: &str, problems: &mut Problems) -> Vec<(String, String)> {
    let entries = node.and_then(|node| node.as_map(what, problems));
    let entries = entries.unwrap_or_default();
    if let (Some(node), true) = (node, entries.len() > series::LABELS_MAX) {
        let message = format!(
            "{what}: {} entries; the limit is {}",
            entries.len(),
            series::LABELS_MAX
        );
        problems.push(node.at, message);
        return Vec::new();
    }
    let mut pairs = Vec::new();
    for (key, value) in entries {
        let name = key.as_str(what, problems);
        let text = if value.is_null() {
            Some("")
        } else {
            value.as_str(what, problems)
        };
        if let (Some(name), Some(text)) = (name, text) {
            pairs.push((name.to_owned(), text.to_owned()));
        }
    }
    pairs
}

fn start_ms(node: Option<&Node>, problems: &mut Problems) -> Option<i64> {
    let node = node?;
    let text = node.as_str("start_timestamp", problems)?;
    let parsed = start::parse_ms(text);
    let parsed =
        parsed.ok_or_else(|| format!("{text:?} is not a time; accepted are {}", start::ACCEPTED));
    checked(node, parsed, problems)
}

fn time(node: Option<&Node>, problems: &mut Problems) -> Option<i64> {
    let node = node?;
    let text = node.as_str("a duration", problems)?;
    let parsed = duration::parse_ms(text).ok_or_else(|| {
        format!(
            "{text:?} is not a duration; accepted are {}",
            duration::ACCEPTED
        )
    });
    checked(node, parsed, problems)
}

fn checked<T>(node: &Node, result: Result<T, String>, problems: &mut Problems) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(message) => {
            problems.push(node.at, message);
            None
        }
    }
}
