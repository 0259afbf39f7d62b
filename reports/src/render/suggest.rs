//! What a pack lacks, for people and machines.

use crate::document::Tone;
use crate::record::Wanted;
use crate::render::terminal::columns::table;
use crate::render::terminal::{Style, paragraph};
use crate::suggest::{Candidate, Harms, Incident, Left, Suggestion, Tally};
use firedrill_detector::text::{counted, printable_lines};
use serde_json::{Value, json};

/// Version of the JSON's form.
const SCHEMA_VERSION: &str = "1.1";

/// The rules with what each catches, the score before and after, and the diff.
#[must_use]
pub fn terminal(found: &Suggestion, candidates: &[Candidate], diff: &str, style: Style) -> String {
    let mut out = String::new();
    for one in &found.chosen {
        let catches: Vec<String> = one.catches.iter().map(named).collect();
        let alert = &candidates[one.candidate].alert;
        let text = format!("{alert} catches {}", catches.join(", "));
        out.push_str(&paragraph(&text, "", style));
    }
    match found.chosen.is_empty() {
        true if found.left.is_empty() => out.push_str("nothing is missing: every incident is caught in time\n"),
        true => out.push_str("no rule here catches more without a false page\n"),
        false => out.push_str(&paragraph(
            "taken one by one, each time the rule that catches most, the shorter one of two; none of these could be left out",
            "",
            style,
        )),
    }
    for one in &found.left {
        out.push_str(&paragraph(&left(one, candidates), "", style));
    }
    out.push('\n');
    out.push_str(&scores(found, style));
    out.push_str(&printable_lines(diff));
    out
}

fn named(incident: &Incident) -> String {
    let Incident {
        scenario, cause, ..
    } = incident;
    format!("{scenario} ({cause}, {})", wanted(incident))
}

fn wanted(incident: &Incident) -> &'static str {
    match incident.wanted {
        Wanted::Page => "page",
        Wanted::Ticket => "ticket",
    }
}

/// What is not caught, and why the rule that would catch it is not proposed.
fn left(left: &Left, candidates: &[Candidate]) -> String {
    let what = format!("not caught in time even so: {}", named(&left.incident));
    let Some((candidate, harms)) = left.would else {
        return format!("{what}; no rule here catches it");
    };
    let alert = &candidates[candidate].alert;
    match harms {
        Harms::False(more) => format!(
            "{what}; {alert} would catch it, with {}",
            counted(more, "more false alarm")
        ),
        Harms::Loses(lost) => format!(
            "{what}; {alert} would catch it, and {} would be missed or late",
            counted(lost, "other incident")
        ),
    }
}

fn scores(found: &Suggestion, style: Style) -> String {
    let head = [
        "ALL DRILLS",
        "incidents",
        "in time",
        "late",
        "missed",
        "false",
    ];
    let mut rows = vec![head.map(|text| (text.to_owned(), Tone::Muted)).to_vec()];
    for (name, tally) in [("before", &found.before), ("after", &found.after)] {
        let numbers = [
            tally.incidents,
            tally.caught,
            tally.late,
            tally.missed,
            tally.false_pages,
        ];
        let numbers = numbers.map(|number| (number.to_string(), Tone::Muted));
        let mut row = vec![(name.to_owned(), Tone::Muted)];
        row.extend(numbers);
        rows.push(row);
    }
    table(rows, style)
}

/// For machines.
#[must_use]
pub fn json(found: &Suggestion, candidates: &[Candidate], diff: &str) -> Value {
    let incident = |incident: &Incident| {
        json!({
            "scenario": incident.scenario,
            "cause": incident.cause,
            "wanted": wanted(incident),
        })
    };
    let left = |left: &Left| {
        let mut value = incident(&left.incident);
        let would = left.would.map(|(candidate, harms)| {
            let (more_false, lost) = match harms {
                Harms::False(more) => (more, 0),
                Harms::Loses(lost) => (0, lost),
            };
            json!({
                "alert": candidates[candidate].alert,
                "more_false_pages": more_false,
                "lost": lost,
            })
        });
        value["would"] = json!(would);
        value
    };
    let tally = |tally: &Tally| {
        json!({
            "incidents": tally.incidents,
            "in_time": tally.caught,
            "late": tally.late,
            "missed": tally.missed,
            "false_pages": tally.false_pages,
        })
    };
    let rules = found.chosen.iter().map(|one| {
        json!({
            "alert": candidates[one.candidate].alert,
            "catches": one.catches.iter().map(incident).collect::<Vec<_>>(),
        })
    });
    json!({
        "schema_version": SCHEMA_VERSION,
        "rules": rules.collect::<Vec<_>>(),
        "before": tally(&found.before),
        "after": tally(&found.after),
        "left": found.left.iter().map(left).collect::<Vec<_>>(),
        "diff": diff,
    })
}
