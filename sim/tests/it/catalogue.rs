//! The catalogue in `scenarios/README.md`: a row for each shipped scenario, with what the runbook's rules and firedrill's did on the
//! virtual engine.
//!
//! All but the column of what was expected is made here; `UPDATE_DOCS=1` writes it.

use crate::rule_pack::SCORES;
use crate::support::{plan_of, project};
use crate::virtual_drills::RECORDS;
use firedrill_reports::record::{AlertState, Wanted};
use firedrill_reports::score::incident::Detection;
use firedrill_reports::{DrillScore, Record};
use firedrill_sim::builtin::{self, Builtin};
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::FAMILIES;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

const BEGINS: &str =
    "<!-- catalogue: made by `sim/tests/it/catalogue.rs`, all but what is expected -->\n";
const ENDS: &str = "<!-- end of catalogue -->\n";
const HEAD: &str = "\
| scenario | what happens | wanted | expected of the runbook's rules | seen | firedrill's rules |
| --- | --- | --- | --- | --- | --- |
";

/// Minutes and seconds.
fn clock(ms: i64) -> String {
    format!("{}:{:02}", ms / 60_000, ms / 1_000 % 60)
}

/// When it gets going: what the times in the table count from.
fn begins_ms(plan: &Plan) -> i64 {
    let steps = plan.timeline.iter().map(|step| step.at_ms);
    let remedies = plan.remedies.iter().map(|step| step.at_ms);
    let incidents = plan.incidents.iter().map(|incident| incident.at_ms);
    let windows = plan.benign.iter().map(|window| window.at_ms);
    steps
        .chain(remedies)
        .chain(incidents)
        .chain(windows)
        .min()
        .unwrap_or(0)
}

/// What a good rule set does.
fn wanted(plan: &Plan) -> String {
    let one = |incident: &firedrill_sim::plan::Incident| {
        let class = match incident.wanted {
            Wanted::Page => "page",
            Wanted::Ticket => "ticket",
        };
        format!(
            "{class} by +{}",
            clock(incident.deadline_ms - begins_ms(plan))
        )
    };
    let all: Vec<String> = plan.incidents.iter().map(one).collect();
    match all.is_empty() {
        true => "silence".to_owned(),
        false => all.join(", "),
    }
}

/// When the alerts fired, from the beginning of what is wrong.
fn seen(plan: &Plan, record: &Record) -> String {
    let since = |at_ms: i64| at_ms - begins_ms(plan);
    let mut spans: BTreeMap<&str, Vec<(i64, Option<i64>)>> = BTreeMap::new();
    for transition in record.transitions() {
        let spans = spans.entry(&transition.alert).or_default();
        match (transition.from, transition.to) {
            (_, AlertState::Firing) => spans.push((since(transition.at_ms), None)),
            (AlertState::Firing, _) => {
                if let Some((_, until)) = spans.last_mut() {
                    *until = Some(since(transition.at_ms));
                }
            }
            _ => {}
        }
    }
    let span = |(from, until): &(i64, Option<i64>)| match until {
        Some(until) => format!("+{} to +{}", clock(*from), clock(*until)),
        None => format!("+{} on", clock(*from)),
    };
    let told: Vec<String> = spans
        .iter()
        .filter(|(_, spans)| !spans.is_empty())
        .map(|(alert, spans)| {
            let spans: Vec<String> = spans.iter().map(span).collect();
            format!("`{alert}` {}", spans.join(", "))
        })
        .collect();
    match told.is_empty() {
        true => "silent".to_owned(),
        false => told.join("; "),
    }
}

/// Of whom somebody was told first of each incident, and when; or who paged where nobody should have.
fn caught(plan: &Plan, score: &DrillScore) -> String {
    let mut told: Vec<String> = score
        .incidents
        .iter()
        .zip(&plan.incidents)
        .map(|(incident, planned)| match &incident.detection {
            Some(Detection {
                alert,
                delivered_ms,
                ..
            }) => {
                // As its deadline counts: what is felt later than it was planned is due later.
                let after_ms = delivered_ms - incident.truth.fault_ms + planned.at_ms;
                format!("`{alert}` +{}", clock(after_ms - begins_ms(plan)))
            }
            None => "missed".to_owned(),
        })
        .collect();
    if score.incidents.is_empty() {
        let pages = score.episodes.iter().filter(|judged| judged.page);
        told.extend(pages.map(|judged| format!("`{}`", judged.episode.alert)));
    }
    match told.is_empty() {
        true => "silent".to_owned(),
        false => told.join(", "),
    }
}

/// What is written in the fourth column, by scenario.
fn expected(table: &str) -> BTreeMap<&str, &str> {
    let rows = table.lines().filter(|line| line.starts_with("| ["));
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let name = cells[0].split('`').nth(1)?;
        Some((name, *cells.get(3)?))
    })
    .collect()
}

fn row(file: &Builtin, expected: &BTreeMap<&str, &str>) -> String {
    let plan = plan_of(file.text);
    let record = Record::read(&*RECORDS[file.name]).unwrap();
    let link = format!("[`{}`]({}/{}.yaml)", file.name, plan.family, file.name);
    let expected = expected.get(file.name).copied().unwrap_or("?");
    let (wanted, seen) = (wanted(&plan), seen(&plan, &record));
    let caught = caught(&plan, &SCORES[file.name]);
    format!(
        "| {link} | {} | {wanted} | {expected} | {seen} | {caught} |\n",
        plan.summary
    )
}

#[test]
fn the_readme_has_a_row_for_each_scenario_with_what_was_seen() {
    let path = project("scenarios/README.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGINS).unwrap();
    let (table, after) = rest.split_once(ENDS).unwrap();
    let expected = expected(table);
    let mut made = String::new();
    for family in FAMILIES {
        let _ = write!(made, "\n### {family}\n\n{HEAD}");
        let mut files = builtin::tagged(family);
        files.retain(|file| plan_of(file.text).family == family);
        files.sort_by_key(|file| file.name);
        files.iter().for_each(|file| made += &row(file, &expected));
    }
    made.push('\n');
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGINS}{made}{ENDS}{after}")).unwrap();
    } else {
        assert_eq!(
            table, made,
            "UPDATE_DOCS=1 cargo test -p firedrill-sim --test it catalogue"
        );
    }
    let unsaid: Vec<&str> = made.lines().filter(|line| line.contains("| ? |")).collect();
    assert!(
        unsaid.is_empty(),
        "what is expected of the runbook's rules is not written: {unsaid:#?}"
    );
}
