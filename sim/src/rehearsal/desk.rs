//! What lies on the desk of those who rehearse: by what they were paged, how they stand by the clock, and what of the runbook's
//! checklist is done. Times are the drill's, milliseconds.

use super::{Duty, Runbook};
use crate::alerts::Notice;
use firedrill_reports::record::{Action, Deed, Rehearsed};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Most pages that are kept; of more, the oldest are let go.
const PAGES_MOST: usize = 20;

/// A page as it reached a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// When.
    pub at_ms: i64,
    /// The alert's name.
    pub alert: String,
    /// What it says.
    pub notice: Notice,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Desk {
    duty: Duty,
    runbook: Option<Arc<Runbook>>,
    /// When which entry of the checklist was ticked, by its number from 1.
    ticked: BTreeMap<usize, i64>,
    pages: VecDeque<Page>,
    /// Alerts that somebody was paged by and that fire.
    on: BTreeSet<String>,
    /// Pages that are due, unless their alert is resolved before.
    due: Vec<Page>,
    /// How long a page waits for others of its group; no longer, where one is posted to us.
    group_wait_ms: i64,
}

impl Desk {
    /// An empty one.
    #[must_use]
    pub fn new(terms: Rehearsed, group_wait_ms: i64, runbook: Option<Runbook>) -> Self {
        Self {
            duty: Duty::new(terms),
            runbook: runbook.map(Arc::new),
            ticked: BTreeMap::new(),
            pages: VecDeque::new(),
            on: BTreeSet::new(),
            due: Vec::new(),
            group_wait_ms,
        }
    }

    /// The clock.
    #[must_use]
    pub fn duty(&self) -> &Duty {
        &self.duty
    }

    /// The same, to be asked what is due.
    pub fn duty_mut(&mut self) -> &mut Duty {
        &mut self.duty
    }

    /// The runbook, if there is one.
    #[must_use]
    pub fn runbook(&self) -> Option<&Arc<Runbook>> {
        self.runbook.as_ref()
    }

    /// The entries of its checklist.
    #[must_use]
    pub fn checklist(&self) -> &[String] {
        self.runbook
            .as_ref()
            .map_or(&[], |runbook| runbook.checklist())
    }

    /// When an entry was ticked, by its number from 1.
    #[must_use]
    pub fn ticked_ms(&self, number: usize) -> Option<i64> {
        self.ticked.get(&number).copied()
    }

    /// The pages there were, in order.
    pub fn pages(&self) -> impl DoubleEndedIterator<Item = &Page> {
        self.pages.iter()
    }

    /// Alerts that somebody was paged by and that fire.
    #[must_use]
    pub fn on(&self) -> &BTreeSet<String> {
        &self.on
    }

    /// An alert that pages fires: the page is under way.
    pub fn fires(&mut self, at_ms: i64, alert: &str, notice: &Notice) {
        self.due.push(Page {
            at_ms: at_ms + self.group_wait_ms,
            alert: alert.to_owned(),
            notice: notice.clone(),
        });
    }

    /// An alert fires no more; answers whether somebody was paged by it.
    pub fn resolved(&mut self, at_ms: i64, alert: &str) -> bool {
        self.due.retain(|page| page.alert != alert);
        let was_on = self.on.remove(alert);
        self.duty.pages(at_ms, !self.on.is_empty());
        was_on
    }

    /// The pages that have reached somebody by now, and had not before.
    pub fn delivered(&mut self, now_ms: i64) -> Vec<Page> {
        let under_way = std::mem::take(&mut self.due).into_iter();
        let (there, due): (Vec<Page>, Vec<Page>) = under_way.partition(|page| page.at_ms <= now_ms);
        self.due = due;
        for page in &there {
            self.on.insert(page.alert.clone());
            self.duty.pages(page.at_ms, true);
            self.pages.push_back(page.clone());
        }
        let surplus = self.pages.len().saturating_sub(PAGES_MOST);
        self.pages.drain(..surplus);
        there
    }

    /// People did something, or it was seen that they did.
    pub fn did(&mut self, action: &Action) {
        self.duty.did(action.at_ms, action.what);
        if let (Deed::Ticked, Ok(number)) = (action.what, action.subject.parse()) {
            self.ticked.entry(number).or_insert(action.at_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TERMS: Rehearsed = Rehearsed {
        respond_within_ms: 1_800_000,
        escalate_after_ms: 3_600_000,
        blind: false,
    };

    fn names(pages: &[Page]) -> Vec<(i64, &str)> {
        let pages = pages.iter();
        pages
            .map(|page| (page.at_ms, page.alert.as_str()))
            .collect()
    }

    #[test]
    fn a_page_comes_when_its_group_was_waited_for_unless_its_alert_is_over() {
        let mut desk = Desk::new(TERMS, 30_000, None);
        let notice = Notice::default();
        desk.fires(10_000, "A", &notice);
        desk.fires(20_000, "B", &notice);
        assert!(!desk.resolved(30_000, "B"));
        assert_eq!(names(&desk.delivered(39_999)), []);
        assert_eq!(desk.duty().hands(39_999), None);
        assert_eq!(names(&desk.delivered(41_000)), [(40_000, "A")]);
        assert_eq!(names(&desk.delivered(80_000)), []);
        let (since_ms, _) = desk.duty().hands(41_000).unwrap();
        assert_eq!(since_ms, 1_000, "the clock begins with the page");
        assert!(desk.on().contains("A") && desk.resolved(90_000, "A"));
        assert_eq!(desk.pages().count(), 1, "what was told was told");
    }

    #[test]
    fn an_entry_is_ticked_when_that_was_noted_first() {
        let text = "- [ ] Ack\n- [ ] Tell\n";
        let mut desk = Desk::new(TERMS, 0, Some(Runbook::read("r.md", text)));
        assert_eq!(desk.checklist(), ["Ack", "Tell"]);
        for (at_ms, subject) in [(5, "2"), (9, "2"), (9, "x")] {
            desk.did(&Action {
                at_ms,
                what: Deed::Ticked,
                subject: subject.to_owned(),
                text: String::new(),
                step: None,
            });
        }
        assert_eq!((desk.ticked_ms(1), desk.ticked_ms(2)), (None, Some(5)));
    }

    proptest! {
        /// However alerts come and go: who is paged was not paged before the wait was over, and an alert that is on fires.
        #[test]
        fn no_page_comes_early_or_of_what_is_over(steps in prop::collection::vec((0i64..20_000, 0u8..3, any::<bool>()), 1..60)) {
            let mut desk = Desk::new(TERMS, 10_000, None);
            let mut fire: BTreeMap<String, i64> = BTreeMap::new();
            let mut now_ms = 0;
            for (after_ms, alert, fires) in steps {
                now_ms += after_ms;
                let alert = alert.to_string();
                for page in desk.delivered(now_ms) {
                    prop_assert!(page.at_ms <= now_ms);
                    prop_assert_eq!(fire.get(&page.alert).copied(), Some(page.at_ms - 10_000));
                }
                match fires {
                    true if !fire.contains_key(&alert) => {
                        desk.fires(now_ms, &alert, &Notice::default());
                        fire.insert(alert, now_ms);
                    }
                    true => {}
                    false => {
                        desk.resolved(now_ms, &alert);
                        fire.remove(&alert);
                    }
                }
                prop_assert!(desk.on().iter().all(|alert| fire.contains_key(alert)));
                prop_assert!(desk.pages().count() <= PAGES_MOST);
            }
        }
    }
}
