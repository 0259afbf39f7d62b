//! A short summary for a pull request or a job's summary page.

use crate::render::cell::{self, Named, Tone};
use crate::render::terminal::Cell;
use crate::render::trials::tables::Table;
use crate::render::{gate, routed};
use crate::{Scorecard, Verdict};
use firedrill_detector::text::printable;

/// The scorecard as Markdown.
#[must_use]
pub fn markdown(card: &Scorecard) -> String {
    let verdict = match card.verdict() {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Inconclusive => "inconclusive",
    };
    let mut text = format!("## firedrill: {verdict}\n\n");
    let drills = cell::named(card);
    let (incidents, harmless): (Vec<_>, Vec<_>) = drills
        .iter()
        .partition(|named| !named.drill.incidents.is_empty());
    for (title, drills) in [("Incident", incidents), ("Harmless", harmless)] {
        text.push_str(&matrix(title, &drills));
    }
    for (what, value) in cell::summary(card) {
        text.push_str(&format!("- {what}: {}\n", escape(&value)));
    }
    for Named { drill, name, .. } in &drills {
        let name = escape(name);
        for why in &drill.inconclusive {
            text.push_str(&format!("- **{name} is inconclusive**: {}\n", escape(why)));
        }
        if let Some(jobs) = drill.audit.as_ref().and_then(cell::gates) {
            text.push_str(&format!("- **{name}**: {jobs}\n"));
        }
        for [what, at, backlog, drained, harmed, effect, cost] in cell::remedies(drill) {
            let cost = match cost.0.as_str() {
                "-" => String::new(),
                cost => format!(", at the cost of {}", escape(cost)),
            };
            text.push_str(&format!(
                "- **{name}**: {} at {}: backlog {}, drained {}, users harmed {}: {}{cost}\n",
                escape(&what.0),
                at.0,
                backlog.0,
                drained.0,
                harmed.0,
                escape(&effect.0)
            ));
        }
        for found in &drill.standing {
            text.push_str(&format!(
                "- **{name}**: {}\n",
                escape(&cell::standing(found).0)
            ));
        }
        for told in routed::kept_back(drill) {
            text.push_str(&format!("- **{name}**: {}\n", escape(&told)));
        }
        for error in &drill.rule_errors {
            text.push_str(&format!("- **rule error in {name}**: {}\n", escape(error)));
        }
    }
    if let Some(gated) = &card.gated {
        text.push_str(&gate::markdown(gated));
    }
    text
}

fn matrix(title: &str, drills: &[&Named<'_>]) -> String {
    if drills.is_empty() {
        return String::new();
    }
    let (names, rows) = cell::matrix(drills);
    let header: Vec<String> = names.iter().map(|name| escape(name)).collect();
    let mut text = format!(
        "| {title} | {} |\n|{}\n",
        header.join(" | "),
        " --- |".repeat(header.len() + 1)
    );
    for found in rows {
        text.push_str(&format!("| {} {}", escape(&found.name), row(&found.cells)));
    }
    text.push('\n');
    text
}

/// A table with its title and how to read it.
pub(super) fn titled(table: &Table) -> String {
    let mut text = format!(
        "\n### {}\n\n{}\n\n| {} |\n|{}\n",
        table.title,
        table.note,
        table.head.join(" | "),
        " --- |".repeat(table.head.len())
    );
    table
        .rows
        .iter()
        .for_each(|cells| text.push_str(&row(cells)));
    text
}

/// A row of a table; what is bad stands out.
fn row(cells: &[Cell]) -> String {
    let cells: Vec<String> = cells
        .iter()
        .map(|(text, tone)| match tone {
            Tone::Bad => format!("**{}**", escape(text)),
            _ => escape(text),
        })
        .collect();
    format!("| {} |\n", cells.join(" | "))
}

/// Text of others that Markdown shows as it is, in one line.
pub(super) fn escape(text: &str) -> String {
    let text = text.replace(['\n', '\t'], " ");
    let mut escaped = String::with_capacity(text.len());
    for c in printable(&text).chars() {
        match c {
            '\\' | '|' | '`' | '*' | '_' => escaped.extend(['\\', c]),
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            c => escaped.push(c),
        }
    }
    // Brackets alone are harmless, a link is not.
    escaped.replace("](", "]\\(")
}
