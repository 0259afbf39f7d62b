//! Whether a drill that is under way has gone beyond what a verdict bears, so that going on is a waste of time.
//!
//! Most of it cannot become good any more: a 99th percentile that is over its limit whatever comes, a fault that was too
//! late, a stall longer than Prometheus looks back. One rule is a forecast: half of all round trips so far hold the slots
//! twice as long as is allowed. What is closer is judged in the end, see `firedrill_reports::score`.

use crate::lever::Lever;
use crate::plan::{Demand, Plan};
use firedrill_asynq::note::{Intake, Note};
use firedrill_reports::score::SLOT_OVERHEAD_MAX;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// How often the producer's notes are looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How far Prometheus looks back.
const LOOKBACK_MS: i64 = 300_000;
/// Fewest round trips whose median says something.
const ROUND_TRIPS: u64 = 200;
/// Fewest delays beyond the limit that count, however short the drill is.
const LATE_MIN: u64 = 3;

/// What a drill has borne so far.
#[derive(Debug)]
pub(super) struct Strain {
    limit_ms: i64,
    handler_ms: f64,
    /// So many are one in a hundred of all there will be.
    enqueues: u64,
    scrapes: u64,
    late_enqueues: u64,
    late_scrapes: u64,
    sent_ms: HashMap<String, i64>,
    /// How many took how long.
    round_trips_ms: BTreeMap<i64, u64>,
    /// Whether an answer may be that of a later call than the first.
    sends_again: bool,
    worst: Option<String>,
}

impl Strain {
    pub(super) fn new(plan: &Plan) -> Self {
        let demand = Demand::of(plan);
        let seconds = plan.duration_ms as f64 / 1e3;
        let scrapes = plan.scrapes();
        let hundredth = |all: f64| ((all / 100.0).ceil() as u64).max(LATE_MIN);
        Self {
            limit_ms: plan.evaluation_interval_ms,
            handler_ms: demand.handler_ms,
            enqueues: hundredth(demand.tasks_per_s * seconds),
            scrapes: hundredth(scrapes),
            late_enqueues: 0,
            late_scrapes: 0,
            sent_ms: HashMap::new(),
            round_trips_ms: BTreeMap::new(),
            sends_again: plan
                .timeline
                .iter()
                .any(|step| matches!(step.fault.begin(), Lever::Again { .. })),
            worst: None,
        }
    }

    fn found(&mut self, what: String) {
        self.worst.get_or_insert(what);
    }

    /// A scrape began so late.
    pub(super) fn scrape(&mut self, late_ms: i64) {
        self.late_scrapes += u64::from(late_ms > self.limit_ms);
        if self.late_scrapes > self.scrapes {
            self.found(format!(
                "{} scrapes came later than an evaluation interval",
                self.late_scrapes
            ));
        }
    }

    /// A fault or remedy was so late.
    pub(super) fn fault(&mut self, late_ms: i64) {
        if late_ms > self.limit_ms {
            self.found(format!(
                "a fault or remedy was {:.1} s of virtual time late",
                late_ms as f64 / 1e3
            ));
        }
    }

    /// Somebody did not run for so long.
    pub(super) fn stall(&mut self, who: &str, ms: i64) {
        if ms > LOOKBACK_MS {
            self.found(format!(
                "{who} did not run for {:.0} s of virtual time",
                ms as f64 / 1e3
            ));
        }
    }

    /// What the producer has noted since it was asked last.
    pub(super) fn notes(&mut self, fresh: &[Note<String>]) {
        for note in fresh {
            match note {
                Note::Sent {
                    at, id, intended, ..
                } => {
                    let late_ms = at.millis() - intended.millis();
                    self.late_enqueues += u64::from(late_ms > self.limit_ms);
                    self.sent_ms.insert(id.clone(), at.millis());
                }
                Note::Answered { at, id, answer } => {
                    let was_there = *answer != Intake::Rejected && !self.sends_again;
                    if let (Some(sent_ms), true) = (self.sent_ms.remove(id), was_there) {
                        let count = self.round_trips_ms.entry(at.millis() - sent_ms);
                        *count.or_default() += 1;
                    }
                }
                Note::Started { .. }
                | Note::Finished { .. }
                | Note::GivenUp { .. }
                | Note::Unhandled { .. } => {}
            }
        }
        if self.late_enqueues > self.enqueues {
            self.found(format!(
                "{} tasks were enqueued later than an evaluation interval",
                self.late_enqueues
            ));
        }
        if let Some(median) = self.median_round_trip_ms() {
            let held = 2.0 * median as f64 / self.handler_ms.max(1.0);
            if held > 2.0 * SLOT_OVERHEAD_MAX {
                self.found(format!(
                    "round trips to Redis take {median} ms of virtual time, handlers {:.0} ms",
                    self.handler_ms
                ));
            }
        }
    }

    /// The median of the round trips, when there are enough of them.
    fn median_round_trip_ms(&self) -> Option<i64> {
        let all: u64 = self.round_trips_ms.values().sum();
        if all < ROUND_TRIPS {
            return None;
        }
        let mut before = 0;
        let mut counts = self.round_trips_ms.iter();
        counts.find_map(|(ms, count)| {
            before += count;
            (before > all / 2).then_some(*ms)
        })
    }

    /// What is beyond bearing, in figures.
    pub(super) fn beyond(&self) -> Option<&str> {
        self.worst.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::plan_with_arrivals;
    use firedrill_asynq::clock::Time;

    fn strain() -> Strain {
        Strain::new(&plan_with_arrivals("{ poisson: 10/s }"))
    }

    fn sent(id: u64, intended_ms: i64, at_ms: i64) -> Note<String> {
        Note::Sent {
            at: Time::from_millis(at_ms),
            id: id.to_string(),
            workload: 0,
            intended: Time::from_millis(intended_ms),
        }
    }

    fn answered(id: u64, at_ms: i64) -> Note<String> {
        Note::Answered {
            at: Time::from_millis(at_ms),
            id: id.to_string(),
            answer: Intake::Accepted,
        }
    }

    #[test]
    fn a_hundredth_that_is_late_is_too_much() {
        let mut strain = strain();
        let scrapes = strain.scrapes;
        (0..scrapes).for_each(|_| strain.scrape(20_000));
        assert_eq!(strain.beyond(), None);
        strain.scrape(14_000);
        assert_eq!(strain.beyond(), None);
        strain.scrape(20_000);
        assert!(strain.beyond().is_some());
    }

    #[test]
    fn a_late_fault_and_a_long_stall_are_too_much_at_once() {
        let mut late = strain();
        late.fault(10_000);
        assert_eq!(late.beyond(), None);
        late.fault(16_000);
        assert_eq!(
            late.beyond(),
            Some("a fault or remedy was 16.0 s of virtual time late")
        );
        let mut stalled = strain();
        stalled.stall("w-0", 299_000);
        assert_eq!(stalled.beyond(), None);
        stalled.stall("w-0", 301_000);
        assert!(stalled.beyond().is_some());
    }

    #[test]
    fn slow_round_trips_are_too_much() {
        let mut strain = strain();
        let handler_ms = strain.handler_ms as i64;
        let trips = |ids: std::ops::Range<u64>, ms: i64| -> Vec<Note<String>> {
            ids.flat_map(|id| [sent(id, 0, 0), answered(id, ms)])
                .collect()
        };
        strain.notes(&trips(0..ROUND_TRIPS, handler_ms / 8));
        assert_eq!(strain.beyond(), None);
        strain.notes(&trips(ROUND_TRIPS..3 * ROUND_TRIPS, handler_ms));
        assert!(strain.beyond().unwrap().starts_with("round trips"));
    }
}
