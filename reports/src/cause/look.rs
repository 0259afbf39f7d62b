//! What a fleet shows that is looked at now, for a short while: what is seen, what could not be looked at, and what is wrong.

use super::symptom::{SYMPTOMS, Symptom, window};
use super::table::{CAUSES, Cause, HARMLESS};
use super::{Finding, RULES, Seen, are_rivals, findings, of};
use crate::watcher::Watcher;
use firedrill_detector::query::Query;
use firedrill_detector::{Compat, Labels, Schedule, Timestamp};
use std::collections::BTreeSet;

/// A symptom of which nobody can say whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Which.
    pub symptom: &'static Symptom,
    /// What it would take.
    pub lacks: String,
}

/// What was seen of a fleet. What is neither seen nor unknown is not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sight {
    /// Symptoms that are there.
    pub seen: Vec<Seen>,
    /// Symptoms that could not be looked at.
    pub unknown: Vec<Unknown>,
}

impl Sight {
    fn knows(&self, symptom: &Symptom) -> bool {
        self.unknown
            .iter()
            .all(|unknown| unknown.symptom != symptom)
    }

    /// This sight, with what another one knows better: what is about one moment, and what this one could not look at.
    #[must_use]
    pub fn with(self, direct: Self) -> Self {
        let mut both = Self::default();
        for symptom in SYMPTOMS {
            let is_better = direct.knows(symptom) && (symptom.is_instant() || !self.knows(symptom));
            let from = if is_better { &direct } else { &self };
            let seen = from.seen.iter().filter(|seen| seen.symptom == symptom);
            both.seen.extend(seen.cloned());
            let unknown = from.unknown.iter();
            let unknown = unknown.filter(|unknown| unknown.symptom == symptom);
            both.unknown.extend(unknown.cloned());
        }
        both
    }
}

/// A cause of which a part is seen, and the rest could not be looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Possible {
    /// Which.
    pub cause: &'static Cause,
    /// What would have to be looked at.
    pub lacks: Vec<Unknown>,
}

/// How sure it is that a cause is the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidence {
    /// Nothing else explains what is seen, and all that could speak for another was looked at.
    High,
    /// Nothing else explains what is seen; others could not be ruled out for want of data.
    Medium,
    /// Several explain the same.
    Low,
}

impl Confidence {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// What is wrong with a fleet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Diagnosis {
    /// Causes that fit.
    pub findings: Vec<Finding>,
    /// Causes that cannot be ruled out.
    pub possible: Vec<Possible>,
    /// Symptoms that are no evidence of any finding, without those that are harmless by themselves.
    pub besides: Vec<Seen>,
    /// What could not be looked at.
    pub unknown: Vec<Unknown>,
}

impl Diagnosis {
    /// What a sight comes to.
    #[must_use]
    pub fn of(sight: &Sight) -> Self {
        let findings = findings(&sight.seen);
        let is_named = |id: &str| findings.iter().any(|found| found.cause.id == id);
        let is_hidden = |id: &str| {
            let mut named = findings.iter();
            named.any(|found| found.cause.hides.contains(&id))
        };
        let possible = CAUSES
            .iter()
            .filter(|cause| !is_named(cause.id) && !is_hidden(cause.id))
            .filter_map(|cause| possible(cause, sight))
            .collect();
        let is_evidence = |seen: &Seen| {
            let mut named = findings.iter();
            named.any(|found| found.evidence.contains(seen))
        };
        let besides = sight.seen.iter().filter(|seen| !is_evidence(seen));
        let besides = besides.filter(|seen| !HARMLESS.contains(&seen.symptom.id));
        Self {
            besides: besides.cloned().collect(),
            possible,
            findings,
            unknown: sight.unknown.clone(),
        }
    }

    /// How sure the findings are; `None` without any.
    #[must_use]
    pub fn confidence(&self) -> Option<Confidence> {
        match (self.findings.len(), self.possible.is_empty()) {
            (0, _) => None,
            _ if are_rivals(&self.findings) => Some(Confidence::Low),
            (_, true) => Some(Confidence::High),
            (_, false) => Some(Confidence::Medium),
        }
    }

    /// Whether nothing at all is amiss, as far as could be seen.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.findings.is_empty() && self.possible.is_empty() && self.besides.is_empty()
    }

    /// Whether nothing was known of any queue, so that nothing can be said.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        let of_queues = ["stalled", "behind", "paused"];
        self.findings.is_empty()
            && of_queues.iter().all(|id| {
                let mut unknown = self.unknown.iter();
                unknown.any(|unknown| unknown.symptom.id == *id)
            })
    }
}

/// A cause that would fit if what could not be looked at were there.
fn possible(cause: &'static Cause, sight: &Sight) -> Option<Possible> {
    let is_seen = |id: &str| sight.seen.iter().any(|seen| seen.symptom.id == id);
    let mut lacks = Vec::new();
    let mut shown = 0;
    for id in cause.shows {
        let unknown = sight
            .unknown
            .iter()
            .find(|unknown| unknown.symptom.id == *id);
        match unknown {
            Some(unknown) => lacks.push(unknown.clone()),
            None if is_seen(id) => shown += usize::from(!HARMLESS.contains(id)),
            None => return None,
        }
    }
    let is_against = cause.never.iter().any(|id| is_seen(id));
    (shown > 0 && !lacks.is_empty() && !is_against).then_some(Possible { cause, lacks })
}

/// A Prometheus for a while: takes in scrapes, and is asked at their end.
#[derive(Debug)]
pub struct Looker {
    watcher: Watcher,
    /// Whatever was scraped.
    names: BTreeSet<String>,
    span_ms: i64,
}

impl Looker {
    /// A look that begins at `epoch_ms`, Unix time, and takes `span_ms`.
    #[must_use]
    pub fn new(epoch_ms: i64, span_ms: i64) -> Self {
        let schedule = Schedule {
            start: Timestamp(epoch_ms),
            interval_ms: span_ms.max(1),
            phase_ms: 0,
        };
        Self {
            watcher: Watcher::scheduled(RULES.clone(), schedule),
            names: BTreeSet::new(),
            span_ms,
        }
    }

    /// Introduces a series by its number.
    pub fn series(&mut self, number: u32, labels: &Labels) {
        self.names.insert(labels.name().to_owned());
        self.watcher.series(number, labels);
    }

    /// Takes in a scrape, milliseconds after the beginning; times may not go backwards.
    pub fn scrape(&mut self, at_ms: i64, samples: &[(u32, f64)]) {
        // Rules are not evaluated for anybody: what they say comes of asking.
        let _ = self.watcher.numbered(at_ms, samples);
    }

    /// What is seen at a time, milliseconds after the beginning.
    pub fn look(&mut self, at_ms: i64) -> Sight {
        let mut sight = Sight::default();
        for symptom in SYMPTOMS {
            match self.ask(symptom, at_ms) {
                Ok(seen) => sight.seen.extend(seen),
                Err(lacks) => sight.unknown.push(Unknown { symptom, lacks }),
            }
        }
        sight
    }

    /// Whether a symptom is there, or what it takes to say so.
    fn ask(&mut self, symptom: &'static Symptom, at_ms: i64) -> Result<Vec<Seen>, String> {
        let selectors = symptom.selectors();
        let names = selectors.iter().filter_map(|selector| selector.name());
        let lacking: BTreeSet<&str> = names.filter(|name| !self.names.contains(*name)).collect();
        if !lacking.is_empty() {
            let lacking: Vec<&str> = lacking.into_iter().collect();
            return Err(lacking.join(", "));
        }
        let Some(expr) = symptom.within(self.span_ms) else {
            return Err("a longer past".to_owned());
        };
        let query = Query::parse(&expr, Compat::default()).map_err(|error| error.to_string())?;
        let values = self.watcher.query(&query, at_ms);
        let values = values.map_err(|error| error.to_string())?;
        let cut = window(&expr).filter(|cut| window(symptom.expr) != Some(cut));
        let seen = values.into_iter().map(|value| Seen {
            window: cut.map(str::to_owned),
            ..of(symptom, value)
        });
        Ok(seen.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::symptom::symptom;

    fn seen(id: &str, labels: &[(&str, &str)]) -> Seen {
        let labels = Labels::metric("x", labels.iter().copied());
        of(symptom(id).unwrap(), (labels, 30.0))
    }

    fn unknown(id: &str) -> Unknown {
        Unknown {
            symptom: symptom(id).unwrap(),
            lacks: "a longer past".into(),
        }
    }

    #[test]
    fn what_could_not_be_looked_at_is_not_ruled_out() {
        let behind = seen("behind", &[("queue", "default")]);
        let mut sight = Sight {
            seen: vec![behind, seen("workers-up", &[])],
            unknown: Vec::new(),
        };
        let sure = Diagnosis::of(&sight);
        assert_eq!(sure.findings[0].cause.id, "overload");
        assert_eq!(
            (sure.possible.len(), sure.confidence()),
            (0, Some(Confidence::High))
        );
        sight.unknown.push(unknown("slower"));
        let unsure = Diagnosis::of(&sight);
        assert_eq!(unsure.findings, sure.findings);
        let ids: Vec<&str> = unsure.possible.iter().map(|one| one.cause.id).collect();
        assert_eq!(
            (ids, unsure.confidence()),
            (vec!["slow"], Some(Confidence::Medium))
        );
        assert!(!unsure.is_blind());
    }

    #[test]
    fn only_causes_of_one_symptom_rival_each_other() {
        let paused = seen("paused", &[("queue", "mail")]);
        let behind = seen("behind", &[("queue", "default")]);
        let sight = Sight {
            seen: vec![paused, behind.clone(), seen("workers-up", &[])],
            unknown: Vec::new(),
        };
        let found = Diagnosis::of(&sight);
        let ids: Vec<&str> = found.findings.iter().map(|one| one.cause.id).collect();
        assert_eq!(ids.len(), 2, "{ids:?}");
        assert_eq!(found.confidence(), Some(Confidence::High), "{ids:?}");
        let mut rivals = found.findings;
        rivals[0].evidence.push(behind);
        assert!(are_rivals(&rivals));
    }

    #[test]
    fn harmless_symptoms_alone_are_nothing() {
        let sight = Sight {
            seen: vec![seen("workers-up", &[]), seen("slots-idle", &[])],
            unknown: vec![unknown("stalled")],
        };
        let found = Diagnosis::of(&sight);
        assert!(found.is_well() && found.confidence().is_none());
    }

    #[test]
    fn a_direct_look_goes_before_what_prometheus_last_heard() {
        let stale = Sight {
            seen: vec![seen("redis-unreachable", &[]), seen("failing", &[])],
            unknown: vec![unknown("orphaned")],
        };
        let direct = Sight {
            seen: vec![seen("orphaned", &[("queue", "q"), ("kind", "leases")])],
            unknown: vec![unknown("failing")],
        };
        let both = stale.with(direct);
        let ids: Vec<&str> = both.seen.iter().map(|seen| seen.symptom.id).collect();
        assert_eq!(ids, ["orphaned", "failing"]);
        assert_eq!(both.unknown, []);
    }

    #[test]
    fn a_look_sees_what_was_scraped_and_says_what_was_not() {
        let mut looker = Looker::new(1_700_000_000_000, 60_000);
        let labels = |state| {
            let labels = [("queue", "default"), ("state", state)];
            Labels::metric("asynq_tasks_enqueued_total", labels)
        };
        looker.series(0, &labels("pending"));
        looker.series(1, &labels("active"));
        for (number, name) in [
            (2, "asynq_tasks_processed_total"),
            (3, "asynq_queue_paused_total"),
        ] {
            looker.series(number, &Labels::metric(name, [("queue", "default")]));
        }
        looker.series(4, &Labels::metric("up", [("job", "redis")]));
        for second in 0..=12 {
            let waiting = 20.0 + f64::from(second);
            let at_ms = i64::from(second) * 5_000;
            let samples = [(0, waiting), (1, 0.0), (2, 40.0), (3, 0.0), (4, 1.0)];
            looker.scrape(at_ms, &samples);
        }
        let sight = looker.look(60_000);
        let ids: Vec<&str> = sight.seen.iter().map(|seen| seen.symptom.id).collect();
        assert!(
            ids.contains(&"stalled") && ids.contains(&"workers-gone"),
            "{ids:?}"
        );
        let lacks = |id: &str| {
            let mut unknown = sight.unknown.iter();
            let found = unknown.find(|unknown| unknown.symptom.id == id);
            found.map(|unknown| unknown.lacks.as_str())
        };
        assert_eq!(lacks("redis-unreachable"), Some("redis_up"));
        assert_eq!(lacks("stuck-active"), Some("job_duration_seconds_sum"));
        assert_eq!(lacks("stalled"), None);
    }
}
