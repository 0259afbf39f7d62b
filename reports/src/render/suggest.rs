//! What a pack lacks, for people and machines.

use crate::document::Tone;
use crate::render::terminal::columns::table;
use crate::render::terminal::{Style, paragraph};
use crate::suggest::{Candidate, Suggestion, Tally};
use firedrill_detector::text::printable_lines;
use serde_json::{Value, json};

/// Version of the JSON's form.
const SCHEMA_VERSION: &str = "1.0";

/// The rules with what each catches, the score before and after, and the diff.
#[must_use]
pub fn terminal(found: &Suggestion, candidates: &[Candidate], diff: &str, style: Style) -> String {
    let mut out = String::new();
    for one in &found.chosen {
        let catches: Vec<String> = one
            .catches
            .iter()
            .map(|(scenario, cause)| format!("{scenario} ({cause})"))
            .collect();
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
    if !found.left.is_empty() {
        let left: Vec<String> = found
            .left
            .iter()
            .map(|(scenario, cause)| format!("{scenario} ({cause})"))
            .collect();
        let text = format!("not caught in time even so: {}", left.join(", "));
        out.push_str(&paragraph(&text, "", style));
    }
    out.push('\n');
    out.push_str(&scores(found, style));
    out.push_str(&printable_lines(diff));
    out
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
    let incident =
        |(scenario, cause): &(String, String)| json!({ "scenario": scenario, "cause": cause });
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
        "left": found.left.iter().map(incident).collect::<Vec<_>>(),
        "diff": diff,
    })
}
