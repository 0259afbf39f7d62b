//! What happens in a drill, as it happens, for whoever watches the terminal. Nothing is decided by it.

use crate::alerts::{DETECTOR, Notice};
use crate::engine::Observation;
use crate::plan::Plan;
use crate::rehearsal::Found;
use crate::remedy::KINDS;
use firedrill_reports::Annotations;
use firedrill_reports::record::{
    Action, AlertState, Heard, Line, Phase, Source, SourceKind, Told, ToldState,
};
use std::collections::BTreeMap;
use std::fmt;

/// Tells how long the oldest task of a queue has waited.
const LATENCY: &str = "asynq_queue_latency_seconds";

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, virtual milliseconds since the drill's start.
    pub at_ms: i64,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A fault was done, or ended.
    Step {
        /// What was done, e.g. `worker.kill`, `worker.restart`.
        what: String,
        /// To whom; empty: no choice.
        targets: Vec<String>,
        /// Which end of the step.
        phase: Option<Phase>,
    },
    /// The oldest task of a queue has waited for longer than its users mind.
    Late {
        /// The queue.
        queue: String,
    },
    /// No queue keeps its users waiting any more.
    Drained,
    /// People did something in a rehearsal, or were told.
    Action(Action),
    /// Whether a rehearsal may go on.
    Rail(Found),
    /// An alert.
    Alert {
        /// Its name.
        alert: String,
        /// What it is now.
        state: AlertState,
        /// What it says, by the instance that made it so.
        notice: Notice,
    },
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step {
                what,
                targets,
                phase,
            } => {
                let word = match phase {
                    _ if KINDS.iter().any(|remedy| remedy.name == what) => "remedy",
                    Some(Phase::End) => "end of fault",
                    Some(Phase::Begin | Phase::During) | None => "fault",
                };
                write!(f, "{word}: {what}")?;
                if !targets.is_empty() {
                    write!(f, " on {}", targets.join(", "))?;
                }
                Ok(())
            }
            Self::Late { queue } => write!(f, "users of {queue} wait too long"),
            Self::Action(action) => write!(f, "{action}"),
            Self::Rail(Found::Steady) => f.write_str("all is as usual"),
            Self::Rail(Found::Unsteady(why)) => write!(f, "not as usual: {}", why.join("; ")),
            Self::Rail(Found::Abort(number)) => {
                write!(f, "condition {} of --abort-when holds", number + 1)
            }
            Self::Drained => f.write_str("nobody waits too long any more"),
            Self::Alert { alert, state, .. } => match state {
                AlertState::Pending => write!(f, "{alert} is pending"),
                AlertState::Firing => write!(f, "{alert} fires"),
                AlertState::Inactive => write!(f, "{alert} is resolved"),
            },
        }
    }
}

/// Finds events in what is recorded.
#[derive(Debug)]
pub(super) struct Events {
    /// Objectives of queues, milliseconds.
    objectives: BTreeMap<String, i64>,
    /// Queues whose latency a series tells, by the series' number.
    latencies: BTreeMap<u32, String>,
    late: BTreeMap<String, bool>,
    alerts: BTreeMap<String, Instances>,
    /// The source of alerts next to a person, where there are others than our detector; what it tells is told.
    nearest: Option<(SourceKind, String)>,
    /// What each instance is by that source, if it is anything.
    instances: BTreeMap<BTreeMap<String, String>, AlertState>,
}

/// How many instances of an alert are in which state: pending, firing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Instances([i64; 2]);

impl Instances {
    /// One went from a state to another: what the alert was before, and what it is now.
    pub(crate) fn changed(&mut self, from: AlertState, to: AlertState) -> (AlertState, AlertState) {
        let before = self.state();
        let states = [AlertState::Pending, AlertState::Firing];
        for (count, of) in self.0.iter_mut().zip(states) {
            *count += i64::from(to == of) - i64::from(from == of);
        }
        (before, self.state())
    }

    /// What the alert is: the worst of its instances.
    pub(crate) fn state(self) -> AlertState {
        match self.0 {
            [_, firing] if firing > 0 => AlertState::Firing,
            [pending, _] if pending > 0 => AlertState::Pending,
            _ => AlertState::Inactive,
        }
    }
}

impl Events {
    pub(super) fn new(plan: &Plan) -> Self {
        let queues = plan.queues.iter();
        Self {
            objectives: queues
                .map(|queue| (queue.name.clone(), queue.wait_objective_ms))
                .collect(),
            latencies: BTreeMap::new(),
            late: BTreeMap::new(),
            alerts: BTreeMap::new(),
            nearest: None,
            instances: BTreeMap::new(),
        }
    }

    /// In what an engine saw.
    pub(super) fn seen(&mut self, observation: &Observation) -> Vec<Event> {
        match observation {
            Observation::Series { id, labels } => {
                let label = |name| labels.iter().find(|(known, _)| *known == name);
                let queue = label("queue").map(|(_, queue)| queue.to_owned());
                let is_latency = label("__name__").is_some_and(|(_, name)| name == LATENCY);
                if let (true, Some(queue)) = (is_latency, queue) {
                    self.latencies.insert(*id, queue);
                }
                Vec::new()
            }
            Observation::Scrape { at_ms, values, .. } => {
                let mut events = Vec::new();
                for (id, value) in values {
                    let Some(queue) = self.latencies.get(id) else {
                        continue;
                    };
                    let Some(objective_ms) = self.objectives.get(queue) else {
                        continue;
                    };
                    // Comparisons with a staleness marker, a NaN, are false: nothing is known then.
                    let (is_late, in_time) = (
                        *value * 1e3 > *objective_ms as f64,
                        *value * 1e3 <= *objective_ms as f64,
                    );
                    let was = self.late.get(queue).copied().unwrap_or(false);
                    if is_late && !was {
                        self.late.insert(queue.clone(), true);
                        events.push(What::Late {
                            queue: queue.clone(),
                        });
                    } else if in_time && was {
                        self.late.insert(queue.clone(), false);
                        if !self.late.values().any(|late| *late) {
                            events.push(What::Drained);
                        }
                    }
                }
                let at_ms = *at_ms;
                let at = events.into_iter();
                at.map(|what| Event { at_ms, what }).collect()
            }
            Observation::Mark(_)
            | Observation::Action(_)
            | Observation::Interference(_)
            | Observation::Heard(_)
            | Observation::Ledger { .. } => Vec::new(),
        }
    }

    /// In a line of the record; `annotations`: those of a transition.
    pub(super) fn recorded(&mut self, line: &Line, annotations: &Annotations) -> Option<Event> {
        match line {
            Line::Mark(mark) => Some(Event {
                at_ms: mark.at_ms,
                what: What::Step {
                    what: mark.what.clone(),
                    targets: mark.targets.clone(),
                    phase: mark.phase,
                },
            }),
            Line::Action(action) => Some(Event {
                at_ms: action.at_ms,
                what: What::Action(action.clone()),
            }),
            Line::Transition(transition) if self.nearest.is_none() => {
                let moved = (transition.from, transition.to);
                let notice = || Notice {
                    source: DETECTOR.to_owned(),
                    labels: transition.labels.clone(),
                    annotations: annotations.iter().cloned().collect(),
                };
                self.changed(transition.at_ms, &transition.alert, moved, notice)
            }
            Line::Heard(Heard::Began(source)) => {
                self.listens(source);
                None
            }
            Line::Heard(Heard::Told(told)) => self.heard(told),
            _ => None,
        }
    }

    fn listens(&mut self, source: &Source) {
        let is_nearer = self.nearest.as_ref().is_none_or(|(of, _)| *of < source.of);
        if is_nearer {
            self.nearest = Some((source.of, source.source.clone()));
        }
    }

    /// What a source tells, if it is the one next to a person. What is kept back from its receivers reaches nobody.
    fn heard(&mut self, told: &Told) -> Option<Event> {
        let (_, nearest) = self.nearest.as_ref()?;
        if *nearest != told.source {
            return None;
        }
        let to = match told.state {
            ToldState::Pending => AlertState::Pending,
            ToldState::Firing => AlertState::Firing,
            ToldState::KeptBack | ToldState::Inactive => AlertState::Inactive,
        };
        let before = match to {
            AlertState::Inactive => self.instances.remove(&told.labels),
            to => self.instances.insert(told.labels.clone(), to),
        };
        let from = before.unwrap_or(AlertState::Inactive);
        let notice = || Notice {
            source: told.source.clone(),
            labels: told.labels.clone(),
            annotations: told.annotations.clone(),
        };
        self.changed(told.at_ms, told.alert(), (from, to), notice)
    }

    /// One instance of an alert went from one state to another.
    fn changed(
        &mut self,
        at_ms: i64,
        alert: &str,
        (from, to): (AlertState, AlertState),
        notice: impl FnOnce() -> Notice,
    ) -> Option<Event> {
        let instances = self.alerts.entry(alert.to_owned()).or_default();
        let (before, after) = instances.changed(from, to);
        // Pending and let go, or one more instance: nobody is told of that.
        let told = match (before, after) {
            (AlertState::Inactive, AlertState::Pending) => true,
            (before, AlertState::Firing) => before != AlertState::Firing,
            (AlertState::Firing, _) => true,
            _ => false,
        };
        told.then(|| Event {
            at_ms,
            what: What::Alert {
                alert: alert.to_owned(),
                state: after,
                notice: notice(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::virtual_time::{self, VirtualOptions};
    use crate::scenario::{PlanOptions, Scenario};

    const SCENARIO: &str = include_str!("../../../scenarios/worker-crashed/worker-crash-all.yaml");

    fn told(source: &str, queue: &str, at_ms: i64, state: ToldState) -> Line {
        let labels = [("alertname", "QueueOld"), ("queue", queue)];
        Line::Heard(Heard::Told(Told {
            at_ms,
            unsaid_ms: None,
            source: source.into(),
            labels: labels
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            state,
            since_ms: None,
            active_ms: None,
            receivers: Vec::new(),
            kept_back: Vec::new(),
            annotations: BTreeMap::from([("summary".into(), format!("{queue} is old"))]),
            pages: false,
        }))
    }

    #[test]
    fn what_is_next_to_a_person_is_told_and_what_it_repeats_is_not() {
        let scenario = Scenario::parse("s.yaml", SCENARIO).unwrap();
        let plan = Plan::resolve(&scenario, &PlanOptions { seed: None }).unwrap();
        let mut events = Events::new(&plan);
        for (source, of) in [
            ("webhook", SourceKind::Webhook),
            ("prometheus", SourceKind::Prometheus),
        ] {
            let line = Line::Heard(Heard::Began(Source {
                source: source.into(),
                of,
                place: String::new(),
                rules: Vec::new(),
            }));
            assert_eq!(events.recorded(&line, &Vec::new()), None);
        }
        let (mut seen, mut notices) = (Vec::new(), Vec::new());
        for line in [
            told("prometheus", "a", 1, ToldState::Firing),
            told("webhook", "a", 2, ToldState::Firing),
            told("webhook", "a", 3, ToldState::Firing),
            told("webhook", "b", 4, ToldState::Firing),
            told("webhook", "a", 5, ToldState::Inactive),
            told("webhook", "b", 6, ToldState::KeptBack),
        ] {
            let event = events.recorded(&line, &Vec::new());
            if let Some(What::Alert { notice, .. }) = event.as_ref().map(|event| &event.what) {
                notices.push((notice.source.clone(), notice.summary().map(str::to_owned)));
            }
            seen.extend(event.map(|event| (event.at_ms, event.what.to_string())));
        }
        assert_eq!(
            seen,
            [
                (2, "QueueOld fires".to_owned()),
                (6, "QueueOld is resolved".to_owned())
            ]
        );
        // The one that made it so is the one that is read.
        let first = ("webhook".to_owned(), Some("a is old".to_owned()));
        assert_eq!(notices[0], first);
    }

    #[test]
    fn a_crash_is_told_from_the_fault_to_the_drained_queue() {
        let scenario = Scenario::parse("s.yaml", SCENARIO).unwrap();
        let plan = Plan::resolve(&scenario, &PlanOptions { seed: None }).unwrap();
        let mut events = Events::new(&plan);
        let mut told = Vec::new();
        let ended = virtual_time::run(&plan, VirtualOptions::default(), &mut |observation| {
            told.extend(events.seen(&observation));
            if let Observation::Mark(mark) = observation {
                told.extend(events.recorded(&Line::Mark(mark), &Vec::new()));
            }
            Ok(())
        });
        ended.unwrap();
        told.sort_by_key(|event| event.at_ms);
        let told: Vec<String> = told.iter().map(|event| event.what.to_string()).collect();
        let first = |text: &str| told.iter().position(|told| told.starts_with(text));
        let order = [
            "fault: worker.kill on ",
            "users of ",
            "remedy: worker.restart",
            "nobody waits",
        ];
        let places = order.map(|text| first(text).unwrap_or_else(|| panic!("{text}: {told:#?}")));
        assert!(places.is_sorted(), "{told:#?}");
    }
}
