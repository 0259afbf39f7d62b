//! What gates say of themselves, from the tables that they are read by.

use crate::cause::table::families;
use crate::figures::AGGREGATIONS;
use crate::figures::metric::{LABELS, METRICS};
use serde_json::{Value, json};

/// How a gate is written, for a terminal: `firedrill help gates`.
#[must_use]
pub fn help() -> String {
    let mut text = String::from(
        "Gates: what drills must come to. In a file for `--gate FILE`, or under `gates:` in a scenario, for its drills alone:

    gates:
      jobs_lost: count == 0
      alert_recall: low >= 0.9
      detect_seconds{alert=\"X\"}: p(95) < 5m
      detect_seconds{scenario=~\"redis-.*\"}: [med < 60, max <= baseline * 1.1]

A gate is METRIC{LABELS}: AGGREGATION COMPARISON TARGET. Labels are asked for as in PromQL. Comparisons are < <= > >= == !=.
The target is a number, a duration where the metric is in seconds, or `baseline`, with `* N`, `+ N` or `- N`: the same
figure of the runs given with `--baseline`. A gate without data has failed; what never came is later than anything.

In the file of `--gate`, also failures that are known. One fails nothing until its last day is over, and it is said when it
does not fail any more:

    known:
    - { alert: X, scenario: healthy, reason: being rewritten, until: 2027-01-31 }
    - { cause: deadlock, reason: no rule yet, until: 2027-01-31 }
    - { gate: 'jobs_lost: count == 0', reason: see issue 17, until: 2027-01-31 }

METRICS
",
    );
    for metric in &METRICS {
        text.push_str(&format!(
            "    {:<26}{} ({})\n",
            metric.name,
            metric.meaning,
            metric.kind.unit()
        ));
        if !metric.labels.is_empty() {
            text.push_str(&format!(
                "    {:<26}labels: {}\n",
                "",
                metric.labels.join(", ")
            ));
        }
    }
    text.push_str("\nLABELS\n");
    for (label, meaning) in LABELS {
        text.push_str(&format!("    {label:<26}{meaning}\n"));
    }
    text.push_str("\nAGGREGATIONS\n");
    for (word, kinds, meaning) in AGGREGATIONS {
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.unit()).collect();
        text.push_str(&format!("    {word:<26}{meaning}\n"));
        text.push_str(&format!("    {:<26}of: {}\n", "", kinds.join("; ")));
    }
    text
}

/// A JSON Schema of the mapping of figures to conditions.
#[must_use]
pub fn schema() -> Value {
    let names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
    let words: Vec<String> = AGGREGATIONS
        .iter()
        .map(|(word, ..)| word.replace("(N)", r"\([0-9.]+\)"))
        .collect();
    let condition = json!({
        "type": "string",
        "pattern": format!(r"^\s*({})\s*(<=|>=|==|!=|<|>)\s*\S", words.join("|")),
    });
    json!({
        "type": "object",
        "propertyNames": { "pattern": format!(r"^({})\s*(\{{.*\}})?$", names.join("|")) },
        "additionalProperties": {
            "anyOf": [condition, { "type": "array", "items": condition, "minItems": 1 }],
        },
    })
}

/// A JSON Schema of a gate file, draft 2020-12.
#[must_use]
pub fn file_schema() -> Value {
    let text = || json!({ "type": "string" });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Gates of firedrill",
        "type": "object",
        "properties": {
            "gates": schema(),
            "known": { "type": "array", "items": {
                "type": "object",
                "properties": {
                    "gate": text(), "alert": text(),
                    "cause": { "enum": families().collect::<Vec<_>>() },
                    "incident": {
                        "enum": families().collect::<Vec<_>>(), "deprecated": true,
                        "description": "What `cause` was called at first."
                    },
                    "scenario": text(),
                    "reason": text(), "until": { "type": "string", "format": "date" },
                },
                "required": ["reason", "until"],
                "oneOf": [{ "required": ["gate"] }, { "required": ["alert"] }, { "required": ["cause"] }, { "required": ["incident"] }],
                "additionalProperties": false,
            } },
        },
        "additionalProperties": false,
    })
}
