//! A threshold search as a document: the setting now and proposed, what either comes to, the trade-off, how sure that is, and
//! what held-out drills say.

mod text;

use super::{Block, Document, Facts, Figure, Finding, Table, Told, Tone, Verdict};
use crate::picture::Sizes;
use crate::plot::{Failed, tradeoff};
use crate::tune::{Advice, Figures, Tuning};

/// How to read the brackets.
const BRACKETS: &str = "Brackets are 95 % intervals (Wilson for shares, exact Poisson for rates).";

/// A search for people.
#[must_use]
pub fn of_tuning(tuning: &Tuning) -> Document {
    let mut blocks = vec![Block::Note(text::about(tuning))];
    let warnings = text::warnings(tuning).into_iter();
    let warnings: Vec<Finding> = warnings
        .map(|line| Finding::new("", (line, Tone::Warn)))
        .collect();
    if !warnings.is_empty() {
        blocks.push(Block::Findings(warnings));
    }
    blocks.extend(settings(tuning).block());
    let (now, proposed) = (&tuning.before, &tuning.proposal.figures);
    blocks.extend(figures("chosen on", BRACKETS, now, proposed).block());
    blocks.extend(charts(tuning).map(Block::Figure));
    blocks.extend(front(tuning).block());
    blocks.push(Block::Facts(proposal(tuning)));
    if let Some(held) = &tuning.confirmation {
        let note = format!(
            "{} drills that had no part in the choice. {BRACKETS}",
            held.drills
        );
        blocks.extend(figures("held out", &note, &held.before, &held.proposal).block());
    }
    let (sentence, tone) = text::verdict(tuning);
    let word = match tuning.advice() {
        Advice::Confirmed => "confirmed",
        Advice::Unconfirmed => "not confirmed",
        Advice::Useless => "not useful",
        Advice::Worse => "worse",
    };
    Document {
        title: format!("Threshold search: {}", tuning.alerts.join(", ")),
        verdict: Some(Verdict {
            word: word.to_owned(),
            counts: String::new(),
            sentence,
            tone,
        }),
        next: Vec::new(),
        blocks,
    }
}

fn charts(tuning: &Tuning) -> [Figure; 3] {
    [
        scatter(tuning),
        map(
            "In time, over the settings",
            "How the share of incidents detected by the deadline changes from setting to setting: the stronger, the more.",
            tradeoff::in_time(tuning),
        ),
        map(
            "False alarms, over the settings",
            "How the false alarms per week change from setting to setting: the stronger, the more.",
            tradeoff::false_alarms(tuning),
        ),
    ]
}

fn muted(text: impl Into<String>) -> Told {
    (text.into(), Tone::Muted)
}

fn settings(tuning: &Tuning) -> Table {
    let row = |[name, now, proposed]: [String; 3]| {
        let tone = if now == proposed {
            Tone::Muted
        } else {
            Tone::Good
        };
        vec![muted(name), muted(now), (proposed, tone)]
    };
    let rows = text::values(tuning).into_iter().map(row).collect();
    Table::new("Proposal", "", ["setting", "now", "proposed"], rows)
}

/// What both settings come to, side by side; `on`: which drills, e.g. `held out`.
fn figures(on: &str, note: &str, now: &Figures, proposed: &Figures) -> Table {
    let rows = text::compared(now, proposed).into_iter();
    let rows = rows.map(|row| vec![muted(row.what), muted(row.now), (row.proposed, row.tone)]);
    let mut title = on.to_owned();
    title[..1].make_ascii_uppercase();
    Table::new(&title, note, [on, "now", "proposed"], rows.collect())
}

fn scatter(tuning: &Tuning) -> Figure {
    let front = tuning.front.len();
    Figure {
        title: "Trade-off".to_owned(),
        description: format!(
            "Each of {} settings by its false alarms per week and the incidents that it detects by their deadline; {front} of them \
             no other beats. The table of the trade-off has their figures.",
            tuning.settings.len()
        ),
        picture: tradeoff::scatter(tuning).map_err(|error| error.to_string()),
    }
}

fn map(title: &str, description: &str, picture: Result<Sizes, Failed>) -> Figure {
    Figure {
        title: title.to_owned(),
        description: description.to_owned(),
        picture: picture.map_err(|error| error.to_string()),
    }
}

fn front(tuning: &Tuning) -> Table {
    let (header, listed, left_out) = text::front(tuning);
    let head = std::iter::once("trade-off".to_owned()).chain(header);
    let rows = (1..).zip(listed).map(|(number, row)| {
        let name = muted(format!("#{number}"));
        std::iter::once(name)
            .chain(row.into_iter().map(muted))
            .collect()
    });
    let note =
        "Every setting by what it misses and how often it cries wolf: those that no other beats.";
    let mut table = Table::new("Settings that no other beats", note, head, rows.collect());
    if left_out > 0 {
        table.more = format!("and {left_out} more between them");
    }
    table
}

fn proposal(tuning: &Tuning) -> Facts {
    let mut lead = vec![format!("how it was chosen: {}", text::rule(tuning))];
    if text::is_unchanged(tuning) {
        lead.push("the rules stand there already".to_owned());
    }
    Facts {
        lead,
        ..Facts::new("Proposal", text::confidence(tuning))
    }
}
