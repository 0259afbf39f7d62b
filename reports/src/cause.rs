//! Names the most likely cause of what a fleet shows: the runbook's diagnosis, done by rules of its own.
//!
//! [`symptom`] says what can be seen, as PromQL; [`table`] which causes show what. A cause fits when it shows all of its symptoms
//! and none that speaks against it. What fits but is less than another one that fits is left out. If more than one is left, all
//! are named; those that are told from one and the same symptom cannot be told apart.

mod ask;
mod look;
pub mod symptom;
pub mod table;

pub use ask::{Answer, Asked, ask, confusion};
pub use look::{Confidence, Diagnosis, Looker, Possible, Sight, Unknown};

use crate::jsonl::Record;
use crate::record::{Header, Line};
use crate::watcher::Watcher;
use firedrill_detector::query::Query;
use firedrill_detector::sample::METRIC_NAME;
use firedrill_detector::{Compat, Labels, RuleFile, RuleSet};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;
use symptom::{SYMPTOMS, Symptom};
use table::{CAUSES, Cause, HARMLESS};

/// A symptom that is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Which.
    pub symptom: &'static Symptom,
    /// What it is about: labels without the metric's name.
    pub labels: BTreeMap<String, String>,
    /// The value of its expression.
    pub value: f64,
    /// The window it was told from, where that is not its own.
    pub window: Option<String>,
}

impl Seen {
    fn queue(&self) -> Option<&str> {
        self.labels.get("queue").map(String::as_str)
    }

    /// As a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let own = symptom::window(self.symptom.expr);
        let window = self.window.as_deref().or(own).unwrap_or_default();
        let says = self.symptom.says.replace("{window}", window);
        let says = says.replace("{share}", &format!("{:.0} %", self.value * 100.0));
        let mut text = says.replace("{value}", &short(self.value));
        for (label, value) in &self.labels {
            text = text.replace(&format!("{{{label}}}"), value);
        }
        text
    }
}

/// A number as people read it: three digits.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A cause that fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Which.
    pub cause: &'static Cause,
    /// The queues that show it; none where it is not about a queue.
    pub queues: Vec<String>,
    /// What it was told from.
    pub evidence: Vec<Seen>,
}

/// Whether some of these explain one and the same symptom, so that nobody can tell which of them does. Others are there beside each
/// other, as in different queues.
#[must_use]
pub fn are_rivals(findings: &[Finding]) -> bool {
    let is_shared = |one: &Finding, other: &Finding| {
        let mut telling = one.evidence.iter();
        telling.any(|seen| !HARMLESS.contains(&seen.symptom.id) && other.evidence.contains(seen))
    };
    let mut pairs = findings.iter().enumerate();
    pairs.any(|(at, one)| findings[at + 1..].iter().any(|other| is_shared(one, other)))
}

/// The causes that fit what is seen, in the order of the table. None: nothing is wrong, or nothing known. Several: see
/// [`are_rivals`].
#[must_use]
pub fn findings(seen: &[Seen]) -> Vec<Finding> {
    let fitting: Vec<Finding> = CAUSES
        .iter()
        .filter_map(|cause| fits(cause, seen))
        .collect();
    let hidden: Vec<&str> = fitting
        .iter()
        .flat_map(|finding| finding.cause.hides)
        .copied()
        .collect();
    fitting
        .into_iter()
        .filter(|finding| !hidden.contains(&finding.cause.id))
        .collect()
}

/// Whether a cause fits, and what tells so. Symptoms of queues must be those of one queue.
fn fits(cause: &'static Cause, seen: &[Seen]) -> Option<Finding> {
    let of = |id: &str| {
        seen.iter()
            .filter(|seen| seen.symptom.id == id)
            .collect::<Vec<&Seen>>()
    };
    let shown: Vec<Vec<&Seen>> = cause.shows.iter().map(|id| of(id)).collect();
    if shown.iter().any(Vec::is_empty) {
        return None;
    }
    let against: Vec<&Seen> = cause.never.iter().flat_map(|id| of(id)).collect();
    if against.iter().any(|seen| seen.queue().is_none()) {
        return None;
    }
    let about = |seen: &&&Seen, queue: &str| seen.queue().is_none_or(|of| of == queue);
    let mut queues: Vec<&str> = shown
        .iter()
        .flatten()
        .filter_map(|seen| seen.queue())
        .collect();
    queues.sort_unstable();
    queues.dedup();
    let of_no_queue = queues.is_empty();
    queues.retain(|queue| {
        shown
            .iter()
            .all(|one| one.iter().any(|seen| about(&seen, queue)))
            && !against.iter().any(|seen| seen.queue() == Some(queue))
    });
    if queues.is_empty() && !of_no_queue {
        return None;
    }
    let evidence = shown
        .into_iter()
        .flatten()
        .filter(|seen| seen.queue().is_none_or(|queue| queues.contains(&queue)));
    Some(Finding {
        cause,
        evidence: evidence.cloned().collect(),
        queues: queues.into_iter().map(str::to_owned).collect(),
    })
}

/// What the rule that records a symptom calls it.
fn recorded(symptom: &Symptom) -> String {
    format!("symptom:{}", symptom.id.replace('-', "_"))
}

/// The symptoms as recording rules: a rule keeps as much of the past as its windows need.
static RULES: LazyLock<RuleSet> = LazyLock::new(|| {
    let mut text = "groups:\n- name: symptoms\n  rules:\n".to_owned();
    for symptom in SYMPTOMS {
        let (name, expr) = (recorded(symptom), symptom.expr);
        let _ = writeln!(text, "  - record: {name}\n    expr: >-\n      {expr}");
    }
    let file = RuleFile {
        name: "symptoms".into(),
        text,
    };
    RuleSet::load(&[file], Compat::default()).expect("the table of symptoms is tested")
});

/// A result of a symptom's expression.
fn of(symptom: &'static Symptom, (labels, value): (Labels, f64)) -> Seen {
    let labels = labels.iter().filter(|(name, _)| *name != METRIC_NAME);
    Seen {
        symptom,
        labels: labels
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        value,
        window: None,
    }
}

/// Looks at a fleet as scrapes come in.
#[derive(Debug)]
pub struct Observer {
    watcher: Watcher,
    questions: Vec<(&'static Symptom, Query)>,
}

impl Observer {
    /// An observer of the drill of `header`, or of anything that is scraped and evaluated as often.
    #[must_use]
    pub fn new(header: &Header) -> Self {
        let ask = |symptom: &'static Symptom| {
            let query = Query::parse(&recorded(symptom), Compat::default());
            (symptom, query.expect("a name is a query"))
        };
        Self {
            watcher: Watcher::new(RULES.clone(), header),
            questions: SYMPTOMS.iter().map(ask).collect(),
        }
    }

    /// What is seen at `at_ms` since the drill's start. Times may not go backwards.
    pub fn seen(&mut self, at_ms: i64) -> Vec<Seen> {
        self.watcher.advance(at_ms);
        let mut seen = Vec::new();
        for (symptom, query) in &self.questions {
            // A label that is there twice is no symptom; what remains says enough.
            let values = self.watcher.query(query, at_ms).unwrap_or_default();
            seen.extend(values.into_iter().map(|value| of(symptom, value)));
        }
        seen
    }
}

/// What a record shows at these times, in milliseconds since its start and in order.
#[must_use]
pub fn seen_in(record: &Record, times_ms: &[i64]) -> Vec<Vec<Seen>> {
    let mut observer = Observer::new(&record.header);
    let mut times = times_ms.iter().copied().peekable();
    let mut found = Vec::new();
    for line in &record.lines {
        if let Line::Scrape { at_ms, .. } = line {
            while let Some(time) = times.next_if(|time| time < at_ms) {
                found.push(observer.seen(time));
            }
        }
        observer.watcher.line(line);
    }
    found.extend(times.map(|time| observer.seen(time)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn seen(id: &str, queue: Option<&str>) -> Seen {
        Seen {
            symptom: symptom::symptom(id).unwrap(),
            labels: queue
                .map(|queue| ("queue".to_owned(), queue.to_owned()))
                .into_iter()
                .collect(),
            value: 7.0,
            window: None,
        }
    }

    fn named(seen: &[Seen]) -> Vec<&'static str> {
        findings(seen)
            .iter()
            .map(|finding| finding.cause.id)
            .collect()
    }

    /// Every name in the table of causes is one of the other table, none is there twice, and no symptom is asked for nothing.
    #[test]
    fn the_tables_agree() {
        let symptoms: BTreeSet<&str> = SYMPTOMS.iter().map(|symptom| symptom.id).collect();
        let causes: BTreeSet<&str> = CAUSES.iter().map(|cause| cause.id).collect();
        assert_eq!(
            (symptoms.len(), causes.len()),
            (SYMPTOMS.len(), CAUSES.len())
        );
        let mut asked = BTreeSet::new();
        for cause in CAUSES {
            assert!(!cause.shows.is_empty(), "{}", cause.id);
            asked.extend(cause.shows.iter().chain(cause.never));
            for hidden in cause.hides {
                assert!(causes.contains(hidden), "{}: {hidden}", cause.id);
            }
        }
        assert_eq!(asked, symptoms);
    }

    /// They load as rules, or this panics; none of them is an alert.
    #[test]
    fn every_symptom_is_a_rule() {
        assert_eq!(RULES.alerts().count(), 0);
    }

    #[test]
    fn what_is_less_is_left_out() {
        let gone = [
            seen("workers-gone", None),
            seen("stalled", Some("default")),
            seen("slots-frozen", Some("default")),
        ];
        assert_eq!(named(&gone), ["workers-gone"]);
    }

    #[test]
    fn symptoms_of_two_queues_make_no_cause() {
        let apart = [
            seen("stalled", Some("a")),
            seen("slots-frozen", Some("b")),
            seen("workers-up", None),
        ];
        assert!(!named(&apart).contains(&"slots-hang"));
        let together = [
            seen("stalled", Some("a")),
            seen("slots-frozen", Some("a")),
            seen("workers-up", None),
        ];
        let found = findings(&together);
        assert_eq!(found[0].cause.id, "slots-hang");
        assert_eq!(found[0].queues, ["a"]);
    }

    #[test]
    fn what_speaks_against_a_cause_is_heard_queue_by_queue() {
        let seen = [
            seen("behind", Some("a")),
            seen("behind", Some("b")),
            seen("stalled", Some("b")),
        ];
        let found = findings(&seen);
        assert_eq!(found[0].cause.id, "overload");
        assert_eq!(found[0].queues, ["a"]);
    }

    #[test]
    fn nothing_seen_is_nothing_found() {
        assert_eq!(findings(&[]), []);
    }

    #[test]
    fn a_symptom_is_a_sentence() {
        let mut stalled = seen("stalled", Some("low"));
        stalled.value = 1234.5;
        assert_eq!(
            stalled.sentence(),
            "1234 tasks wait in queue low and none is done"
        );
    }
}
