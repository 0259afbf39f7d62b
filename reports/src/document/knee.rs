//! The search for the largest rate as a document.

use super::load::seconds;
use super::{Block, Document, Table, Tone, Verdict};
use crate::load::{Borne, Knee, Round};

/// A search for people.
#[must_use]
pub fn of_knee(knee: &Knee) -> Document {
    let mut blocks = vec![Block::Note(format!(
        "Borne is a rate at which 99 % of the tasks wait at most {}, no more tasks than arrive in that time are left waiting when arrivals end, \
         the backlog does not grow beyond chance, slots are not asked for more than they can do, and nothing speaks against the measurement. The rate is doubled until it is not borne; then the distance is halved until two \
         rates are within 6 %.",
        seconds(knee.max_wait_s)
    ))];
    blocks.extend(trials(knee).block());
    Document {
        title: format!("Largest rate: {}", knee.name),
        verdict: Some(verdict(knee)),
        next: Vec::new(),
        blocks,
    }
}

fn verdict(knee: &Knee) -> Verdict {
    let told = match knee.spread() {
        Some((middle, least, most)) => {
            let searches = knee.rounds.len();
            let spread = match searches {
                1 => "one search, so nobody knows how sure that is".to_owned(),
                _ => format!("{least:.0}/s to {most:.0}/s in {searches} searches"),
            };
            return Verdict::of(
                Some(true),
                (format!("{middle:.0}/s are borne ({spread})"), Tone::Good),
            );
        }
        None => knee.rounds.iter().find_map(|round| match round {
            Round::Found(_) => None,
            Round::AtLeast(rate, why) => Some(format!(
                "at least {rate:.0}/s are borne; more proves nothing: {why}"
            )),
            Round::Nothing => Some("no rate was borne".to_owned()),
        }),
    };
    let told = told.unwrap_or_else(|| "nothing was tried".to_owned());
    Verdict::of(None, (told, Tone::Warn))
}

fn trials(knee: &Knee) -> Table {
    let rows = knee.trials.iter().map(|trial| {
        let (word, tone) = match &trial.borne {
            Borne::Yes => ("borne".to_owned(), Tone::Good),
            Borne::No(why) => (format!("not borne: {why}"), Tone::Bad),
            Borne::Unclear(why) => (format!("proves nothing: {why}"), Tone::Warn),
        };
        let backlog = trial
            .backlog
            .map_or_else(|| "-".to_owned(), |n| n.to_string());
        let muted = |text: String| (text, Tone::Muted);
        vec![
            muted(format!("#{}", trial.round)),
            muted(format!("{:.0}/s", trial.rate)),
            muted(format!("{:.0}/s", trial.done_per_s)),
            muted(trial.wait_p99_s.map_or_else(|| "-".to_owned(), seconds)),
            muted(backlog),
            (word, tone),
        ]
    });
    let head = [
        "search",
        "asked",
        "done",
        "p99 wait",
        "waiting at the end",
        "",
    ];
    Table::new("Trials", "", head, rows.collect())
}
