//! The clock of a runbook: from the first page on, when something must have been done about it, and when it must be escalated.

use firedrill_reports::record::{Deed, Rehearsed};

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Nobody has done anything yet.
    Response,
    /// It is not over, and nobody has told the next in line.
    Escalation,
}

impl Due {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Escalation => "escalation",
        }
    }
}

/// How people stand by the clock. Times are the drill's, milliseconds.
#[derive(Debug, Clone)]
pub struct Duty {
    terms: Rehearsed,
    /// When somebody was first paged.
    paged_ms: Option<i64>,
    acknowledged_ms: Option<i64>,
    /// When something was first done about it.
    responded_ms: Option<i64>,
    escalated_ms: Option<i64>,
    /// Whether a page is on.
    is_on: bool,
    told: Vec<Due>,
}

impl Duty {
    /// Nobody was paged yet.
    #[must_use]
    pub fn new(terms: Rehearsed) -> Self {
        Self {
            terms,
            paged_ms: None,
            acknowledged_ms: None,
            responded_ms: None,
            escalated_ms: None,
            is_on: false,
            told: Vec::new(),
        }
    }

    /// A page is on, or none is any more.
    pub fn pages(&mut self, at_ms: i64, is_on: bool) {
        self.is_on = is_on;
        if is_on {
            self.paged_ms.get_or_insert(at_ms);
        }
    }

    /// Somebody did something; before anybody is paged it answers nothing.
    pub fn did(&mut self, at_ms: i64, what: Deed) {
        if self.paged_ms.is_none() {
            return;
        }
        match what {
            Deed::Acknowledged => {
                self.acknowledged_ms.get_or_insert(at_ms);
            }
            Deed::Escalated => {
                self.escalated_ms.get_or_insert(at_ms);
            }
            Deed::Noted
            | Deed::Suspected
            | Deed::Remedied
            | Deed::Ticked
            | Deed::Seen
            | Deed::Mended => {
                self.responded_ms.get_or_insert(at_ms);
            }
            Deed::Reminded | Deed::Stopped | Deed::Other => {}
        }
    }

    /// When each thing is due that is still open; nothing before somebody was paged.
    fn open(&self) -> impl Iterator<Item = (i64, Due)> {
        let respond = self.paged_ms.filter(|_| self.responded_ms.is_none());
        let respond = respond.map(|paged| (paged + self.terms.respond_within_ms, Due::Response));
        let is_open = self.is_on && self.escalated_ms.is_none();
        let escalate = self.paged_ms.filter(|_| is_open);
        let escalate =
            escalate.map(|paged| (paged + self.terms.escalate_after_ms, Due::Escalation));
        respond.into_iter().chain(escalate)
    }

    /// What has become due by now and was not told; each once.
    pub fn due(&mut self, now_ms: i64) -> Vec<Due> {
        let due: Vec<Due> = self
            .open()
            .filter(|(at_ms, due)| *at_ms <= now_ms && !self.told.contains(due))
            .map(|(_, due)| due)
            .collect();
        self.told.extend(&due);
        due
    }

    /// How it stands, in a sentence.
    #[must_use]
    pub fn status(&self, now_ms: i64) -> String {
        let Some(paged_ms) = self.paged_ms else {
            return "nobody was paged yet".to_owned();
        };
        let ago = |at_ms: i64| clock(now_ms - at_ms);
        let mut parts = vec![format!("paged {} ago", ago(paged_ms))];
        parts.push(match self.acknowledged_ms {
            Some(at_ms) => format!("acknowledged after {}", clock(at_ms - paged_ms)),
            None => "not acknowledged".to_owned(),
        });
        for (at_ms, due) in self.open() {
            parts.push(match at_ms > now_ms {
                true => format!("{} due in {}", due.name(), clock(at_ms - now_ms)),
                false => format!("{} overdue by {}", due.name(), ago(at_ms)),
            });
        }
        parts.join(", ")
    }
}

/// A length of time as a clock shows it: `4:07`, `1:02:09`; whole seconds.
#[must_use]
pub fn clock(ms: i64) -> String {
    // To the nearest second, as in reports.
    let s = (ms.max(0) + 500) / 1_000;
    match s / 3_600 {
        0 => format!("{}:{:02}", s / 60, s % 60),
        hours => format!("{hours}:{:02}:{:02}", s / 60 % 60, s % 60),
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

    #[test]
    fn a_response_and_an_escalation_become_due_once() {
        let mut duty = Duty::new(TERMS);
        assert_eq!(duty.due(10_000_000), []);
        duty.pages(60_000, true);
        duty.did(61_000, Deed::Acknowledged);
        assert_eq!(duty.due(1_859_999), []);
        assert_eq!(duty.due(1_860_000), [Due::Response]);
        assert_eq!(duty.due(1_900_000), []);
        assert_eq!(
            duty.status(1_920_000),
            "paged 31:00 ago, acknowledged after 0:01, response overdue by 1:00, escalation due in 29:00"
        );
        duty.did(2_000_000, Deed::Mended);
        assert_eq!(duty.due(3_660_000), [Due::Escalation]);
    }

    #[test]
    fn what_is_over_or_told_on_needs_no_escalation() {
        let mut over = Duty::new(TERMS);
        over.pages(0, true);
        over.pages(100_000, false);
        assert_eq!(over.due(10_000_000), [Due::Response]);
        let mut told = Duty::new(TERMS);
        told.pages(0, true);
        told.did(5, Deed::Noted);
        told.did(6, Deed::Escalated);
        assert_eq!(told.due(10_000_000), []);
    }

    proptest! {
        /// Whatever is done when, nothing is due before its time, before a page, or twice.
        #[test]
        fn nothing_is_due_early_or_twice(
            steps in prop::collection::vec((0i64..200_000, 0u8..8), 1..60),
        ) {
            let terms = Rehearsed { respond_within_ms: 500_000, escalate_after_ms: 900_000, blind: false };
            let mut duty = Duty::new(terms);
            let (mut now_ms, mut paged_ms, mut seen) = (0, None, Vec::new());
            for (after_ms, what) in steps {
                now_ms += after_ms;
                match what {
                    0 => {
                        duty.pages(now_ms, true);
                        paged_ms.get_or_insert(now_ms);
                    }
                    1 => duty.pages(now_ms, false),
                    2 => duty.did(now_ms, Deed::Acknowledged),
                    3 => duty.did(now_ms, Deed::Escalated),
                    4 => duty.did(now_ms, Deed::Seen),
                    _ => {}
                }
                for due in duty.due(now_ms) {
                    let within = match due {
                        Due::Response => terms.respond_within_ms,
                        Due::Escalation => terms.escalate_after_ms,
                    };
                    prop_assert!(paged_ms.is_some_and(|paged: i64| paged + within <= now_ms));
                    prop_assert!(!seen.contains(&due));
                    seen.push(due);
                }
            }
        }
    }
}
