//! The book's references, made from the tables that the code goes by: `UPDATE_DOCS=1 cargo test -p firedrill --test it reference`
//! writes them.

use crate::support::project;
use firedrill_reports::figures::AGGREGATIONS;
use firedrill_reports::figures::metric::{LABELS, METRICS};
use firedrill_sim::form::{self, Row};
use firedrill_sim::metrics::catalogue;
use firedrill_sim::world::{PRESETS, World};
use firedrill_sim::{fault, remedy};
use std::fs;

/// What stands above each page.
const MADE: &str =
    "<!-- Made from the code: `UPDATE_DOCS=1 cargo test -p firedrill --test it reference`. -->\n\n";

/// The page must say this, or does from now on.
#[track_caller]
fn holds(name: &str, text: &str) {
    let path = project("docs").join(name);
    let wanted = format!("{MADE}{}\n", text.trim_end());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/{name} is not what the code says: UPDATE_DOCS=1 cargo test -p firedrill --test it reference"
    );
}

/// Names as code, with commas between.
fn codes<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names = names.into_iter().map(|name| format!("`{name}`"));
    names.collect::<Vec<_>>().join(", ")
}

/// What holds for faults and remedies: whether the model has it, and its keys.
fn engines_and_keys(live_only: &str, rows: &[Row]) -> String {
    let mut text = match live_only.is_empty() {
        true => "- engines: live and virtual\n".to_owned(),
        false => format!("- engines: live only: {live_only}\n"),
    };
    match rows.is_empty() {
        true => text.push_str("- keys: none of its own\n"),
        false => text.push_str(&format!("\n{}", form::table(rows))),
    }
    text
}

#[test]
fn every_fault_has_its_part() {
    let mut text = String::from(
        "# Faults\n\nWhat can be done to a system in a drill: `fault: NAME` in a scenario's timeline. `firedrill faults` prints the same.\n\
         The examples have a fault's own keys; on whom (`select`) and until when (`until`) stand beside them, as [the scenario \
         format](../scenarios/README.md#the-format) says. [Remedies](remedies.md) have a page of their own.\n",
    );
    for kind in fault::KINDS {
        text.push_str(&format!(
            "\n## {}\n\n{}\n\n",
            kind.name,
            kind.summary.trim()
        ));
        text.push_str(&format!(
            "- done to: {}, {}\n",
            kind.on.name(),
            kind.class.name()
        ));
        let by = codes(kind.remedies.iter().copied());
        let ends = match (kind.ends_by_itself, by.is_empty()) {
            (true, true) => "by itself".to_owned(),
            (true, false) => format!("by itself, or by {by}"),
            (false, _) => format!("by {by}"),
        };
        text.push_str(&format!("- ends: {ends}\n"));
        let causes = codes(kind.causes.iter().copied());
        text.push_str(&format!("- can be behind: {causes}\n"));
        text.push_str(&engines_and_keys(kind.live_only, &(kind.rows)()));
        for example in kind.examples.iter().filter(|example| !example.is_empty()) {
            let step = format!("- {{ at: 5m, fault: {}, {example} }}", kind.name);
            text.push_str(&format!("\n```yaml\n{step}\n```\n"));
        }
    }
    holds("faults.md", &text);
}

#[test]
fn every_remedy_has_its_part() {
    let mut text = String::from(
        "# Remedies\n\nWhat an operator can do about it: `remedy: NAME` in a scenario's timeline, or beside the end of a [fault](faults.md).\n",
    );
    for kind in remedy::KINDS {
        text.push_str(&format!(
            "\n## {}\n\n{}\n\n",
            kind.name,
            kind.summary.trim()
        ));
        text.push_str(&format!("- done to: {}\n", kind.on.name()));
        let ends = fault::KINDS
            .iter()
            .filter(|fault| fault.remedies.contains(&kind.name));
        let ends = codes(ends.map(|fault| fault.name));
        if !ends.is_empty() {
            text.push_str(&format!("- ends: {ends}\n"));
        }
        text.push_str(&engines_and_keys(kind.live_only, &(kind.rows)()));
    }
    holds("remedies.md", &text);
}

#[test]
fn every_metric_has_its_row() {
    let world = World::default();
    let others = PRESETS.iter().map(|preset| preset.name);
    let others = codes(others.filter(|name| *name != world.name));
    let targets = catalogue::targets(&world).join("\n");
    let told: String = catalogue::not_told()
        .into_iter()
        .map(|line| format!("- {line}\n"))
        .collect();
    let text = format!(
        "# Metrics\n\nWhat a Prometheus sees in a drill, and what alert rules may ask for: in the world `{}`, which is the default. \
         `firedrill metrics --world NAME` prints the same of another one; inside the binary are also {others}, and \
         [a world of your own](../scenarios/worlds/README.md) is a file.\n\n## Targets\n\n```text\n{targets}\n```\n\n## Metrics\n\n{}\n\
         ## What is not there\n\n{told}",
        world.name,
        catalogue::table(&world)
    );
    holds("metrics.md", &text);
}

#[test]
fn every_figure_has_its_row() {
    let mut text = String::from(
        "# Figures\n\nWhat drills come to, by name: for [gates](ci.md#gates), comparisons and benchmarks. `firedrill help gates` prints the \
         same. Each has the label `scenario`, too.\n\n| figure | what it is | unit | labels | better | no difference below |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for metric in &METRICS {
        let floor = match (metric.floor.absolute > 0.0, metric.floor.relative > 0.0) {
            (true, true) => format!(
                "{}, or {} %",
                metric.floor.absolute,
                metric.floor.relative * 100.0
            ),
            (true, false) => metric.floor.absolute.to_string(),
            _ => format!("{} %", metric.floor.relative * 100.0),
        };
        text.push_str(&format!(
            "| `{}` | {} | {} | {} | {} | {floor} |\n",
            metric.name,
            metric.meaning,
            metric.kind.unit(),
            codes(metric.labels.iter().copied()),
            metric.better.word()
        ));
    }
    text.push_str("\n## Labels\n\n| label | what it says |\n| --- | --- |\n");
    for (label, meaning) in LABELS {
        text.push_str(&format!("| `{label}` | {meaning} |\n"));
    }
    text.push_str("\n## Aggregations\n\n| word | what it makes of many drills | of figures in |\n| --- | --- | --- |\n");
    for (word, kinds, meaning) in AGGREGATIONS {
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.unit()).collect();
        text.push_str(&format!(
            "| `{word}` | {meaning} | {} |\n",
            kinds.join("; ")
        ));
    }
    holds("figures.md", &text);
}
