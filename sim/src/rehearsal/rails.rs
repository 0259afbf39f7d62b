//! Whether a rehearsal may begin to break something, and whether it must end: from what is scraped and what fires.

use super::{AbortWhen, conditions};
use crate::plan::Plan;
use firedrill_detector::Labels;
use firedrill_detector::sample::METRIC_NAME;
use firedrill_reports::Watcher;
use firedrill_reports::record::{AlertState, Header, Line, Told, ToldState, Transition};
use std::collections::{BTreeMap, BTreeSet};

/// How many tasks are pending in a queue, by its exporter.
const PENDING: &str = "asynq_tasks_enqueued_total";
/// How long the oldest has waited.
const LATENCY: &str = "asynq_queue_latency_seconds";
/// A queue is near its usual depth with so many times its median, and so many tasks more: few tasks vary by as much.
const TIMES_USUAL: f64 = 3.0;
const TASKS_MORE: f64 = 20.0;

/// What is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// All is as usual: what is planned may be done.
    Steady,
    /// It is not, and why: nothing may be broken.
    Unsteady(Vec<String>),
    /// The expression of this number, from 0, has a result.
    Abort(usize),
}

/// What a series tells.
#[derive(Debug)]
enum Tells {
    Up(String),
    Pending(String),
    Latency(String),
}

/// An alert that fires: who says so, if it is not the drill's own detector, to whom, and its name and labels.
type Firing = (
    Option<String>,
    Vec<String>,
    String,
    BTreeMap<String, String>,
);

/// See the module.
#[derive(Debug)]
pub struct Rails {
    /// When it is looked whether all is as usual; `None`: that was done.
    check_ms: Option<i64>,
    interval_ms: i64,
    objectives: BTreeMap<String, i64>,
    tells: BTreeMap<u32, Tells>,
    /// Of each target, whether it is up.
    ups: BTreeMap<String, bool>,
    /// Of each queue, all depths so far; and how long its oldest task has waited, seconds.
    pending: BTreeMap<String, Vec<f64>>,
    waits: BTreeMap<String, f64>,
    firing: BTreeSet<Firing>,
    abort: Option<Watcher>,
}

impl Rails {
    /// For the drill of `plan` with this header.
    #[must_use]
    pub fn new(plan: &Plan, header: &Header, abort_when: &AbortWhen) -> Self {
        let faults = plan.timeline.iter().map(|step| {
            let before_ms = step.fault.prepare().map_or(0, |(before_ms, _)| before_ms);
            step.at_ms - before_ms
        });
        let first_ms = faults
            .chain(plan.remedies.iter().map(|step| step.at_ms))
            .min();
        let watcher = |rules: &firedrill_detector::RuleSet| Watcher::new(rules.clone(), header);
        let queues = plan.queues.iter();
        Self {
            check_ms: first_ms.map(|first_ms| first_ms - 2 * plan.scrape_interval_ms),
            interval_ms: plan.scrape_interval_ms,
            objectives: queues
                .map(|queue| (queue.name.clone(), queue.wait_objective_ms))
                .collect(),
            tells: BTreeMap::new(),
            ups: BTreeMap::new(),
            pending: BTreeMap::new(),
            waits: BTreeMap::new(),
            firing: BTreeSet::new(),
            abort: abort_when.rules().map(watcher),
        }
    }

    /// A series appears.
    pub fn series(&mut self, id: u32, labels: &Labels) {
        let label = |name: &str| {
            labels
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value)
        };
        let queue = || label("queue").unwrap_or_default().to_owned();
        let tells = match label(METRIC_NAME) {
            Some("up") => {
                let of = |name| label(name).unwrap_or_default();
                Some(Tells::Up(format!("{}/{}", of("job"), of("instance"))))
            }
            Some(PENDING) if label("state") == Some("pending") => Some(Tells::Pending(queue())),
            Some(LATENCY) => Some(Tells::Latency(queue())),
            _ => None,
        };
        if let Some(tells) = tells {
            self.tells.insert(id, tells);
        }
        if let Some(watcher) = &mut self.abort {
            watcher.series(id, labels);
        }
    }

    /// A target was scraped. Looks once, two scrapes before the first step of the plan.
    pub fn scraped(&mut self, at_ms: i64, values: &[(u32, f64)]) -> Vec<Found> {
        let mut found = Vec::new();
        // A scrape at the moment of the look is taken with those after it.
        if self
            .check_ms
            .is_some_and(|check_ms| at_ms > check_ms + self.interval_ms / 2)
        {
            self.check_ms = None;
            let wrong = self.wrong();
            found.push(match wrong.is_empty() {
                true => Found::Steady,
                false => Found::Unsteady(wrong),
            });
        }
        for (id, value) in values {
            match self.tells.get(id) {
                Some(Tells::Up(target)) => {
                    self.ups.insert(target.clone(), *value == 1.0);
                }
                Some(Tells::Pending(queue)) if value.is_finite() => {
                    self.pending.entry(queue.clone()).or_default().push(*value);
                }
                Some(Tells::Latency(queue)) => {
                    self.waits.insert(queue.clone(), *value);
                }
                _ => {}
            }
        }
        let lines = self
            .abort
            .as_mut()
            .map(|watcher| watcher.numbered(at_ms, values));
        found.extend(lines.into_iter().flatten().filter_map(|line| match line {
            Line::Transition(transition) if transition.to == AlertState::Firing => {
                conditions::number(&transition.alert).map(Found::Abort)
            }
            _ => None,
        }));
        found
    }

    /// An alert of the team's changes its state.
    pub fn transition(&mut self, transition: &Transition) {
        let (alert, labels) = (transition.alert.clone(), transition.labels.clone());
        let is_on = transition.to == AlertState::Firing;
        self.fires((None, Vec::new(), alert, labels), is_on);
    }

    /// A source of alerts tells of one, whichever source it is.
    pub fn heard(&mut self, told: &Told) {
        let (source, to) = (Some(told.source.clone()), told.receivers.clone());
        let key = (source, to, told.alert().to_owned(), told.labels.clone());
        self.fires(key, told.state == ToldState::Firing);
    }

    fn fires(&mut self, firing: Firing, is_on: bool) {
        match is_on {
            true => self.firing.insert(firing),
            false => self.firing.remove(&firing),
        };
    }

    /// What is not as usual.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.ups.is_empty() {
            wrong.push("nothing was scraped yet".to_owned());
        }
        let down = self.ups.iter().filter(|(_, up)| !**up);
        wrong.extend(down.map(|(target, _)| format!("{target} is down")));
        for (queue, depths) in &self.pending {
            let mut sorted = depths.clone();
            sorted.sort_by(f64::total_cmp);
            let usual = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
            let now = depths.last().copied().unwrap_or(0.0);
            if now > usual * TIMES_USUAL + TASKS_MORE {
                wrong.push(format!(
                    "{now} tasks are pending in {queue}, usually {usual}"
                ));
            }
        }
        for (queue, waits_s) in &self.waits {
            let objective_ms = self.objectives.get(queue).copied();
            if objective_ms.is_some_and(|ms| waits_s * 1e3 > ms as f64) {
                wrong.push(format!(
                    "tasks of {queue} have waited for {waits_s:.0} s, longer than their users mind"
                ));
            }
        }
        let firing = self.firing.iter().map(|(source, _, alert, _)| {
            let says = source.as_ref().map(|source| format!(", says {source}"));
            format!("{alert} fires{}", says.unwrap_or_default())
        });
        let firing: BTreeSet<String> = firing.collect();
        wrong.extend(firing);
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::virtual_header;
    use crate::scenario::{PlanOptions, Scenario};

    const SCENARIO: &str = include_str!("../../../scenarios/worker-crashed/worker-crash-all.yaml");

    /// Feeds scrapes of one worker and one queue, every 15 s from second 15 until minute 30, when the first step is due; `at` says
    /// what is scraped: `up`, pending, seconds waited.
    fn looked(abort_when: &[&str], at: impl Fn(i64) -> (f64, f64, f64)) -> Vec<(i64, Found)> {
        let scenario = Scenario::parse("s.yaml", SCENARIO).unwrap();
        let plan = Plan::resolve(&scenario, &PlanOptions::default()).unwrap();
        let typed: Vec<String> = abort_when.iter().map(|text| (*text).to_owned()).collect();
        let abort_when = AbortWhen::new(&typed).unwrap();
        let mut rails = Rails::new(&plan, &virtual_header(&plan, None), &abort_when);
        for (id, labels) in [
            Labels::metric("up", [("job", "worker"), ("instance", "w-0")]),
            Labels::metric(PENDING, [("queue", "default"), ("state", "pending")]),
            Labels::metric(LATENCY, [("queue", "default")]),
        ]
        .iter()
        .enumerate()
        {
            rails.series(u32::try_from(id).unwrap(), labels);
        }
        let mut found = Vec::new();
        for second in (15..1_800).step_by(15) {
            let (up, pending, waits) = at(second);
            let values = [(0, up), (1, pending), (2, waits)];
            let seen = rails.scraped(second * 1_000, &values).into_iter();
            found.extend(seen.map(|what| (second, what)));
        }
        found
    }

    #[test]
    fn it_is_looked_once_and_before_the_first_step() {
        let found = looked(&[], |_| (1.0, 5.0, 0.2));
        let [(second, Found::Steady)] = found[..] else {
            panic!("{found:?}");
        };
        assert!((1_750..1_800).contains(&second), "{second}");
    }

    #[test]
    fn what_is_not_as_usual_is_named() {
        let wrong = |at: fn(i64) -> (f64, f64, f64)| match &looked(&[], at)[..] {
            [(_, Found::Unsteady(why))] => why.join("; "),
            other => panic!("{other:?}"),
        };
        let down = wrong(|at| (f64::from(at <= 1_600), 5.0, 0.2));
        assert_eq!(down, "worker/w-0 is down");
        let growing = |at| (1.0, if at > 1_600 { 36.0 } else { 5.0 }, 0.2);
        assert_eq!(wrong(growing), "36 tasks are pending in default, usually 5");
        let waits = wrong(|at| (1.0, 5.0, if at > 1_600 { 61.0 } else { 0.2 }));
        assert!(waits.contains("have waited for 61 s"), "{waits}");
    }

    #[test]
    fn an_alert_that_fires_is_named_whoever_says_so_and_until_he_says_it_is_over() {
        let scenario = Scenario::parse("s.yaml", SCENARIO).unwrap();
        let plan = Plan::resolve(&scenario, &PlanOptions::default()).unwrap();
        let header = virtual_header(&plan, None);
        let mut rails = Rails::new(&plan, &header, &AbortWhen::default());
        rails.ups.insert("worker/w-0".to_owned(), true);
        let told = |source: &str, state| Told {
            at_ms: 5_000,
            unsaid_ms: None,
            source: source.to_owned(),
            labels: BTreeMap::from([("alertname".to_owned(), "WorkerDown".to_owned())]),
            state,
            since_ms: None,
            active_ms: None,
            receivers: Vec::new(),
            kept_back: Vec::new(),
            annotations: BTreeMap::new(),
            pages: false,
        };
        for source in ["alertmanager", "prometheus", "webhook"] {
            rails.heard(&told(source, ToldState::Firing));
        }
        rails.heard(&told("prometheus", ToldState::Inactive));
        rails.heard(&told("webhook", ToldState::KeptBack));
        assert_eq!(rails.wrong(), ["WorkerDown fires, says alertmanager"]);
    }

    #[test]
    fn a_condition_is_told_when_it_holds() {
        let found = looked(&["up > 1", "up == 0"], |at| (f64::from(at < 900), 5.0, 0.2));
        let abort = found
            .iter()
            .find(|(_, found)| matches!(found, Found::Abort(_)));
        let (second, found) = abort.unwrap();
        assert_eq!(found, &Found::Abort(1));
        assert!((900..=945).contains(second), "{second}");
    }
}
