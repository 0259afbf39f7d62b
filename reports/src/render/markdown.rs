//! A short summary for a pull request or a job's summary page.

use crate::render::cell;
use crate::{DrillScore, Scorecard, Verdict};

/// The scorecard as Markdown.
#[must_use]
pub fn markdown(card: &Scorecard) -> String {
    let verdict = match card.verdict() {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Inconclusive => "inconclusive",
    };
    let mut text = format!("## firedrill: {verdict}\n\n");
    let (incidents, harmless): (Vec<_>, Vec<_>) = card
        .drills
        .iter()
        .partition(|drill| !drill.incidents.is_empty());
    for (title, drills) in [("Incident", incidents), ("Harmless", harmless)] {
        text.push_str(&matrix(title, &drills));
    }
    for (what, value) in cell::summary(card) {
        text.push_str(&format!("- {what}: {value}\n"));
    }
    for drill in &card.drills {
        for why in &drill.inconclusive {
            text.push_str(&format!(
                "- `{}` is inconclusive: {}\n",
                drill.scenario,
                escape(why)
            ));
        }
    }
    text
}

fn matrix(title: &str, drills: &[&DrillScore]) -> String {
    let Some(first) = drills.first() else {
        return String::new();
    };
    let names: Vec<String> = first
        .alerts
        .iter()
        .map(|alert| escape(&alert.alert))
        .collect();
    let mut text = format!(
        "| {title} | {} |\n|{}\n",
        names.join(" | "),
        " --- |".repeat(names.len() + 1)
    );
    for drill in drills {
        let cells: Vec<String> = drill
            .alerts
            .iter()
            .map(|alert| escape(&cell::alert(drill, alert).0))
            .collect();
        text.push_str(&format!(
            "| {} | {} |\n",
            escape(&drill.scenario),
            cells.join(" | ")
        ));
    }
    text.push('\n');
    text
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace(['\n', '\r'], " ")
}
