//! What those who rehearse see beside how the queues are: their page, the runbook's clock, and its checklist.

use super::telling::cut;
use super::{Level, Tile};
use crate::rehearsal::{self, Desk, Stands, clock};
use serde::Serialize;

/// Most pages that are shown.
const PAGES_MOST: usize = 5;

/// See the module. All times are those that are said in the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Room {
    /// How long ago the first page was; `None`: nobody was paged yet.
    pub since_page: Option<String>,
    /// What the clock asks for since then, in order.
    pub clock: Vec<Tile>,
    /// By what people were paged, the latest first.
    pub pages: Vec<Page>,
    /// How many more there were.
    pub pages_left_out: usize,
    /// Where the runbook is, if there is one.
    pub runbook: Option<String>,
    /// Its checklist.
    pub checklist: Vec<Step>,
}

/// A page as it reached a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// When.
    pub at: String,
    /// The alert's name.
    pub alert: String,
    /// Whether it still fires.
    pub is_on: bool,
    /// Who tells of it.
    pub source: String,
    /// How bad it is, where its rule says so.
    pub severity: Option<String>,
    /// What is wrong, where its rule says so.
    pub summary: Option<String>,
    /// Where its rule says that it is said what to do.
    pub runbook_url: Option<String>,
    /// The section of the runbook beside it.
    pub section: Option<String>,
    /// The line of that section's heading.
    pub section_line: Option<usize>,
}

/// An entry of the checklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its number, from 1.
    pub number: usize,
    /// What is to be done.
    pub text: String,
    /// When it was; `None`: it is open.
    pub done_at: Option<String>,
}

impl Room {
    /// What lies on a desk at a time.
    pub(super) fn of(desk: &Desk, now_ms: i64) -> Self {
        let hands = desk.duty().hands(now_ms);
        let steps = (1..).zip(desk.checklist());
        Self {
            since_page: hands.map(|(since_ms, _)| clock(since_ms)),
            clock: hands.map_or_else(Vec::new, |(_, hands)| {
                hands
                    .into_iter()
                    .map(|hand| Tile {
                        name: hand.name,
                        value: hand.stands.to_string(),
                        level: level(hand.stands),
                    })
                    .collect()
            }),
            pages: desk
                .pages()
                .rev()
                .take(PAGES_MOST)
                .map(|page| Page::of(page, desk))
                .collect(),
            pages_left_out: desk.pages().count().saturating_sub(PAGES_MOST),
            runbook: desk.runbook().map(|runbook| runbook.path().to_owned()),
            checklist: steps
                .map(|(number, text)| Step {
                    number,
                    text: cut(text),
                    done_at: desk.ticked_ms(number).map(clock),
                })
                .collect(),
        }
    }
}

impl Page {
    fn of(page: &rehearsal::Page, desk: &Desk) -> Self {
        let runbook = desk.runbook();
        let section = runbook.and_then(|runbook| runbook.section(&page.alert));
        Self {
            at: clock(page.at_ms),
            alert: cut(&page.alert),
            is_on: desk.on().contains(&page.alert),
            source: cut(&page.notice.source),
            severity: page.notice.severity().map(cut),
            summary: page.notice.summary().map(cut),
            runbook_url: page.notice.runbook().map(cut),
            section_line: section.as_ref().map(|section| section.line),
            section: section.map(|section| cut(&section.to_string())),
        }
    }
}

fn level(stands: Stands) -> Level {
    match stands {
        Stands::Done { late_ms: 0, .. } => Level::Good,
        Stands::Done { .. } | Stands::Overdue { .. } => Level::Bad,
        Stands::Open | Stands::Due { .. } | Stands::NotDue => Level::Plain,
    }
}
