//! One drill, load or watch as it is told of.

use super::history::{Figure, History, Values};
use super::lanes::Lanes;
use super::reading::{Reading, Workers};
use super::tiles::{Standing, tiles};
use super::{Entry, Incident, Room, Snapshot, Stage, clock};
use crate::drill::{Event, Seen, What};
use crate::engine::Observation;
use crate::load::LoadPlan;
use crate::plan::{Plan, Source, targets};
use crate::rehearsal::{Desk, Runbook};
use crate::world::World;
use firedrill_detector::Labels;
use firedrill_reports::load::{Row, Stage as Measured};
use firedrill_reports::record::{AlertState, Line, Mark, Phase};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Most lines that are kept of what happened.
pub(super) const ENTRIES_MOST: usize = 100;
/// Most queues that are shown.
const QUEUES_MOST: usize = 30;
/// Most characters of a line.
const LINE_MOST: usize = 300;
/// How often a load is measured.
const LOAD_STEP_MS: i64 = 1_000;
/// What a blind drill is called.
const BLIND: &str = "drill";

/// What a view is of.
#[derive(Debug, Clone)]
pub struct About {
    pub(super) title: String,
    lasts_ms: Option<i64>,
    step_ms: i64,
    blind: bool,
    workers: Workers,
    world: World,
    /// Ids of the steps that are faults.
    faults: BTreeSet<String>,
}

impl About {
    /// Of a drill.
    #[must_use]
    pub fn of_drill(plan: &Plan) -> Self {
        let all = targets(plan).into_iter();
        let workers = all.filter(|target| matches!(target.source, Source::Worker(_)));
        Self {
            title: plan.name.clone(),
            lasts_ms: Some(plan.duration_ms),
            step_ms: plan.scrape_interval_ms,
            blind: false,
            workers: Workers::These(
                workers
                    .map(|target| (target.job, target.instance))
                    .collect(),
            ),
            world: plan.world.clone(),
            faults: plan.timeline.iter().map(|step| step.id.clone()).collect(),
        }
    }

    /// Of a load; of one with faults, of its drill.
    #[must_use]
    pub fn of_load(load: &LoadPlan) -> Self {
        let drill = Self::of_drill(&load.plan);
        match load.needs_a_drill() {
            true => drill,
            false => Self {
                step_ms: LOAD_STEP_MS,
                ..drill
            },
        }
    }

    /// Of a watch that scrapes every `step_ms`; `job`: that of the workers.
    #[must_use]
    pub fn of_watch(title: &str, world: &World, job: &str, step_ms: i64) -> Self {
        Self {
            title: title.to_owned(),
            lasts_ms: None,
            step_ms,
            blind: false,
            workers: Workers::Job(job.to_owned()),
            world: world.clone(),
            faults: BTreeSet::new(),
        }
    }

    /// The same for those who are not to know what is done: neither causes nor faults nor the scenario's name are told to the view.
    #[must_use]
    pub fn blind(self) -> Self {
        Self {
            title: BLIND.to_owned(),
            // Scenarios are told apart by their lengths.
            lasts_ms: None,
            blind: true,
            faults: BTreeSet::new(),
            ..self
        }
    }
}

/// A fault that is on, or was the last to be.
#[derive(Debug)]
struct Wrong {
    what: String,
    step: String,
    since_ms: i64,
    until_ms: Option<i64>,
}

/// One drill, load or watch.
#[derive(Debug)]
pub struct View {
    about: About,
    stage: Stage,
    speed: f64,
    /// Milliseconds reached, if somebody writes them down more often than there are scrapes.
    reached_ms: Arc<AtomicI64>,
    /// When something was measured last.
    measured_ms: Option<i64>,
    at_ms: i64,
    reading: Reading,
    /// The last second of a load, which takes the place of scrapes.
    second: Option<(Values, bool)>,
    history: History,
    lanes: Lanes,
    wrong: Option<Wrong>,
    events: VecDeque<Entry>,
    desk: Option<Desk>,
}

impl View {
    /// Of something that has not begun.
    #[must_use]
    pub fn new(about: About) -> Self {
        Self {
            stage: Stage::Waiting,
            speed: 1.0,
            reached_ms: Arc::default(),
            measured_ms: None,
            at_ms: 0,
            reading: Reading::new(about.workers.clone(), about.world.clone()),
            second: None,
            history: History::new(about.step_ms),
            lanes: Lanes::default(),
            wrong: None,
            events: VecDeque::new(),
            desk: None,
            about,
        }
    }

    /// It begins, with whatever was told of an earlier try forgotten. `speed`: virtual seconds per real second; `reached_ms`: where
    /// somebody writes down how far it is.
    pub fn begin(&mut self, speed: f64, reached_ms: Arc<AtomicI64>) {
        *self = Self {
            stage: Stage::Running,
            speed,
            reached_ms,
            ..Self::new(self.about.clone())
        };
    }

    /// It is over: what was scraped is let go.
    pub fn over(&mut self) {
        self.measured();
        self.stage = Stage::Over;
        self.reading.clear();
    }

    /// What is seen of a live drill.
    pub fn saw(&mut self, seen: Seen<'_>) {
        match seen {
            Seen::Observation(Observation::Series { id, labels }) => self.series(*id, labels),
            Seen::Observation(Observation::Scrape { at_ms, values, .. }) => {
                self.scrape(*at_ms, values);
            }
            Seen::Observation(_) => {}
            Seen::Line(Line::Mark(mark)) => self.marked(mark),
            Seen::Line(Line::Transition(of)) => self.changed(&of.alert, of.at_ms, (of.from, of.to)),
            Seen::Line(_) => {}
        }
    }

    /// A series appears; samples refer to it by its number.
    pub fn series(&mut self, id: u32, labels: &Labels) {
        self.reading.series(id, labels);
    }

    /// Samples that were scraped at a time, staleness markers included.
    pub fn scrape(&mut self, at_ms: i64, samples: &[(u32, f64)]) {
        // What all targets said in a step is a point.
        if self
            .measured_ms
            .is_some_and(|before_ms| self.history.is_next(before_ms, at_ms))
        {
            self.measured();
        }
        self.reading.scrape(at_ms, samples);
        self.measured_ms = Some(at_ms);
        self.reach(at_ms);
    }

    /// What was measured of a load in a second.
    pub fn second(&mut self, row: &Row) {
        let per_s = |count: u64| Some(count as f64 / row.width_s.max(f64::MIN_POSITIVE));
        let counts = &row.counts;
        let wait = row.stages.get(&Measured::Wait);
        let mut values = Values::default();
        values.set(Figure::Backlog, row.backlog.map(|count| count as f64));
        values.set(Figure::Arrivals, per_s(counts.enqueued));
        values.set(Figure::Done, per_s(counts.succeeded));
        values.set(Figure::Failed, per_s(counts.failed));
        let retried = counts.failed.saturating_sub(counts.archived);
        values.set(Figure::Retried, per_s(retried));
        values.set(Figure::P50, wait.map(|wait| wait.p50_s));
        values.set(Figure::P99, wait.map(|wait| wait.p99_s));
        self.second = Some((values, row.redis.is_some()));
        let at_ms = ((row.at_s + row.width_s) * 1e3) as i64;
        self.history.add(at_ms, values);
        self.reach(at_ms);
    }

    /// An instance of an alert went from one state to another.
    pub fn changed(&mut self, alert: &str, at_ms: i64, states: (AlertState, AlertState)) {
        self.lanes.changed(alert, at_ms, states);
        self.reach(at_ms);
    }

    /// Somebody was told of an alert.
    pub fn delivered(&mut self, alert: &str, at_ms: i64) {
        self.lanes.delivered(alert, at_ms);
    }

    /// What lies on the desk of those who rehearse, by now.
    pub fn lies(&mut self, desk: Desk) {
        self.desk = Some(desk);
    }

    /// The runbook of those who rehearse, if there is one.
    pub(super) fn runbook(&self) -> Option<Arc<Runbook>> {
        self.desk.as_ref()?.runbook().cloned()
    }

    /// Something happened. A blind view takes no notice of what is done to the system, nor of when that may begin.
    pub fn happened(&mut self, event: &Event) {
        if !(self.about.blind && matches!(event.what, What::Step { .. } | What::Rail(_))) {
            self.told(event.at_ms, &event.what.to_string());
        }
    }

    /// Something happened, in words. Of a blind drill, words that name no cause.
    pub fn told(&mut self, at_ms: i64, text: &str) {
        self.reach(at_ms);
        keep(&mut self.events, at_ms, text);
    }

    /// It is so late.
    pub fn reach(&mut self, at_ms: i64) {
        self.at_ms = self.at_ms.max(at_ms);
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.at_ms.max(self.reached_ms.load(Ordering::Relaxed))
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    pub(super) fn title(&self) -> &str {
        &self.about.title
    }

    pub(super) fn exposed(&self) -> Option<String> {
        Some(self.reading.exposed()).filter(|text| !text.is_empty())
    }

    fn marked(&mut self, mark: &Mark) {
        let Some(step) = mark
            .step
            .as_ref()
            .filter(|step| self.about.faults.contains(*step))
        else {
            return;
        };
        match (mark.phase, &mut self.wrong) {
            (Some(Phase::Begin), _) => {
                let mut what = mark.what.clone();
                if !mark.targets.is_empty() {
                    what = format!("{what} on {}", mark.targets.join(", "));
                }
                self.wrong = Some(Wrong {
                    what: cut(&what),
                    step: step.clone(),
                    since_ms: mark.at_ms,
                    until_ms: None,
                });
            }
            (Some(Phase::End), Some(wrong)) if wrong.step == *step => {
                wrong.until_ms = Some(mark.at_ms);
            }
            _ => {}
        }
    }

    /// Takes down what scrapes came to.
    fn measured(&mut self) {
        if let (Some(at_ms), None) = (self.measured_ms, self.second) {
            self.history.add(at_ms, self.reading.values());
        }
    }

    fn values(&self) -> Values {
        self.second
            .map_or_else(|| self.reading.values(), |(values, _)| values)
    }

    fn redis_is_up(&self) -> Option<bool> {
        match self.second {
            Some((_, answers)) => Some(answers),
            None => self.reading.redis_is_up(),
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let at_ms = self.now_ms();
        let now = self.values();
        let measured_ms = match (self.stage, self.second) {
            (Stage::Running, None) => self.measured_ms,
            _ => None,
        };
        let measured = measured_ms.map(|at_ms| (at_ms, now));
        let (times_ms, charts) = self.history.charts(measured);
        let (lanes, lanes_left_out) = self.lanes.shown(self.history.first_ms().unwrap_or(0));
        let standing = Standing {
            is_over: self.stage == Stage::Over,
            redis_is_up: self.redis_is_up(),
            workers: self.reading.workers(),
            alerts: self.lanes.on(),
        };
        let mut queues = self.reading.queues();
        let queues_left_out = queues.len().saturating_sub(QUEUES_MOST);
        queues.truncate(QUEUES_MOST);
        Snapshot {
            title: self.about.title.clone(),
            stage: self.stage,
            at_ms,
            at: clock(at_ms),
            lasts: self.about.lasts_ms.map(clock),
            speed: self.speed,
            tiles: tiles(&standing, now),
            incident: self.wrong.as_ref().map(|wrong| Incident {
                what: wrong.what.clone(),
                since_ms: wrong.since_ms,
                until_ms: wrong.until_ms,
                lasted: clock(wrong.until_ms.unwrap_or(at_ms) - wrong.since_ms),
            }),
            times_ms,
            charts,
            lanes,
            lanes_left_out,
            queues,
            queues_left_out,
            events: self.events.iter().rev().cloned().collect(),
            notes: Vec::new(),
            room: self.desk.as_ref().map(|desk| Room::of(desk, at_ms)),
            drills: Vec::new(),
            shown: 0,
        }
    }
}

/// Keeps a line, and of too many the latest.
pub(super) fn keep(lines: &mut VecDeque<Entry>, at_ms: i64, text: &str) {
    lines.push_back(Entry {
        at: clock(at_ms),
        text: cut(text),
    });
    let surplus = lines.len().saturating_sub(ENTRIES_MOST);
    lines.drain(..surplus);
}

/// A text that is not longer than a line may be.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(LINE_MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
