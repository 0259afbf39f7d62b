//! The clock of a runbook: from the first page on, when something must have been done about it, and when it must be escalated.

use firedrill_reports::record::{Deed, Rehearsed};
use std::fmt;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Nobody has done anything yet.
    Response,
    /// It is not over, and nobody has told the next in line.
    Escalation,
}

impl Due {
    const ALL: [Self; 2] = [Self::Response, Self::Escalation];

    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Escalation => "escalation",
        }
    }
}

/// Something that the clock asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hand {
    /// What, in a word or two.
    pub name: &'static str,
    /// How it stands.
    pub stands: Stands,
}

/// How something that the clock asks for stands. Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// It is to be done, and nothing says by when.
    Open,
    /// It was done.
    Done {
        /// How long after the first page.
        after_ms: i64,
        /// By how much that was too late; 0: it was not.
        late_ms: i64,
    },
    /// It is to be done.
    Due {
        /// How long there is for it.
        in_ms: i64,
    },
    /// It was to be done, and is not.
    Overdue {
        /// For how long.
        by_ms: i64,
    },
    /// Nothing asks for it now.
    NotDue,
}

impl fmt::Display for Stands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Open => f.write_str("open"),
            Self::Done { after_ms, late_ms } => {
                write!(f, "after {}", clock(after_ms))?;
                match late_ms {
                    0 => Ok(()),
                    late_ms => write!(f, ", {} late", clock(late_ms)),
                }
            }
            Self::Due { in_ms } => write!(f, "due in {}", clock(in_ms)),
            Self::Overdue { by_ms } => write!(f, "overdue by {}", clock(by_ms)),
            Self::NotDue => f.write_str("not due"),
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

    /// How what has a time stands at one, so long after the first page.
    fn stands(&self, due: Due, paged_ms: i64, now_ms: i64) -> Stands {
        let (within_ms, done_ms, is_asked) = match due {
            Due::Response => (self.terms.respond_within_ms, self.responded_ms, true),
            Due::Escalation => (self.terms.escalate_after_ms, self.escalated_ms, self.is_on),
        };
        let since_ms = now_ms - paged_ms;
        match done_ms.map(|done_ms| done_ms - paged_ms) {
            Some(after_ms) => Stands::Done {
                after_ms,
                late_ms: (after_ms - within_ms).max(0),
            },
            None if !is_asked => Stands::NotDue,
            None if since_ms < within_ms => Stands::Due {
                in_ms: within_ms - since_ms,
            },
            None => Stands::Overdue {
                by_ms: since_ms - within_ms,
            },
        }
    }

    /// How long ago the first page was, and how all that the clock asks for stands since; nothing before somebody was paged.
    #[must_use]
    pub fn hands(&self, now_ms: i64) -> Option<(i64, [Hand; 3])> {
        let paged_ms = self.paged_ms?;
        let acknowledged = self.acknowledged_ms.map(|at_ms| Stands::Done {
            after_ms: at_ms - paged_ms,
            late_ms: 0,
        });
        let hand = |name, stands| Hand { name, stands };
        let hands = [
            hand("Acknowledged", acknowledged.unwrap_or(Stands::Open)),
            hand(
                "First response",
                self.stands(Due::Response, paged_ms, now_ms),
            ),
            hand("Escalation", self.stands(Due::Escalation, paged_ms, now_ms)),
        ];
        Some((now_ms - paged_ms, hands))
    }

    /// What has become due by now and was not told; each once.
    pub fn due(&mut self, now_ms: i64) -> Vec<Due> {
        let Some(paged_ms) = self.paged_ms else {
            return Vec::new();
        };
        let is_due = |due: &Due| {
            let stands = self.stands(*due, paged_ms, now_ms);
            matches!(stands, Stands::Overdue { .. }) && !self.told.contains(due)
        };
        let due: Vec<Due> = Due::ALL.into_iter().filter(is_due).collect();
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
        // What is done, or not asked for, is not told.
        let open = Due::ALL
            .map(|due| (due, self.stands(due, paged_ms, now_ms)))
            .into_iter()
            .filter(|(_, stands)| matches!(stands, Stands::Due { .. } | Stands::Overdue { .. }));
        parts.extend(open.map(|(due, stands)| format!("{} {stands}", due.name())));
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
    fn the_clock_says_of_each_thing_how_it_stands() {
        let told = |duty: &Duty, now_ms| {
            let (_, hands) = duty.hands(now_ms).unwrap();
            hands.map(|hand| hand.stands.to_string())
        };
        let mut duty = Duty::new(TERMS);
        assert_eq!(duty.hands(5), None);
        duty.pages(60_000, true);
        assert_eq!(
            told(&duty, 72_000),
            ["open", "due in 29:48", "due in 59:48"]
        );
        duty.did(66_000, Deed::Acknowledged);
        assert_eq!(
            told(&duty, 1_860_000),
            ["after 0:06", "overdue by 0:00", "due in 30:00"]
        );
        duty.did(1_920_000, Deed::Noted);
        duty.pages(1_930_000, false);
        assert_eq!(
            told(&duty, 2_000_000),
            ["after 0:06", "after 31:00, 1:00 late", "not due"]
        );
        duty.pages(5_000_000, true);
        assert_eq!(told(&duty, 5_000_000)[2], "overdue by 22:20");
        duty.did(5_001_000, Deed::Escalated);
        assert_eq!(told(&duty, 9_000_000)[2], "after 1:22:21, 22:21 late");
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
