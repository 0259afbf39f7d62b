//! Trials for a pull request or a job's summary page.

use super::tables::{self, NOTE};
use crate::render::cell::Tone;
use crate::render::gate;
use crate::render::markdown::{escape, titled};
use crate::trials::TrialCard;

/// The trials as Markdown.
#[must_use]
pub fn markdown(card: &TrialCard) -> String {
    let mut text = "## firedrill trials\n\n".to_owned();
    for (what, value) in tables::summary(card) {
        text.push_str(&format!("- {what}: {}\n", escape(&value)));
    }
    for (line, tone) in tables::silent_or_standing(card) {
        text.push_str(&match tone {
            Tone::Bad => format!("- **{}**\n", escape(&line)),
            _ => format!("- {}\n", escape(&line)),
        });
    }
    for line in tables::doubts(card) {
        text.push_str(&format!("- **{}**\n", escape(&line)));
    }
    for table in tables::tables(card) {
        text.push_str(&titled(&table));
    }
    if let Some(gated) = &card.gated {
        text.push_str(&gate::markdown(gated));
    }
    text.push_str(&format!("\n{NOTE}\n"));
    text
}
