//! What gates say of themselves, from the tables that they are read by.

use crate::figures::AGGREGATIONS;
use crate::figures::metric::{LABELS, METRICS};

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
    - { incident: deadlock, reason: no rule yet, until: 2027-01-31 }
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

/// Every metric, as a Markdown table.
#[must_use]
pub fn table() -> String {
    let mut text = String::from(
        "| metric | unit | labels besides `scenario` | better | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for metric in &METRICS {
        let labels: Vec<String> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        text.push_str(&format!(
            "| `{}` | {} | {} | {} | {} |\n",
            metric.name,
            metric.kind.unit(),
            labels.join(", "),
            metric.better.word(),
            metric.meaning
        ));
    }
    text
}
