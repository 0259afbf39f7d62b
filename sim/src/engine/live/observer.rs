//! Who looks: scrapes to observations, marks of what the director did, words of the workers, and how well time is kept.

use super::child::{Effect, Told};
use super::director::Done;
use super::producer::ProducerTask;
use super::scraper::{Addresses, InOrder, Progress, Schedule, Scraped, scrape_loop};
use super::strain::{LOOK_EVERY, Strain};
use super::upkeep::Upkeep;
use super::watch::{Gaps, HARNESS, Roster, Watch};
use super::{LiveError, LiveOptions, hands};
use crate::abort::Abort;
use crate::alerts::{self, Acknowledged, Listening};
use crate::engine::{Observation, Sink};
use crate::lever::Lever;
use crate::metrics::kube::Ended;
use crate::plan::Plan;
use crate::pulse::Pulse;
use crate::rehearsal::Said;
use crate::scrape::{SeriesTable, Target};
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_detector::text::printable;
use firedrill_reports::record::{Action, Deed, GapKind, Mark};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// See the module.
pub(super) struct Observer<'p> {
    plan: &'p Plan,
    clock: ClockOrigin,
    roster: Roster,
    targets: Vec<Target>,
    series: SeriesTable,
    scrapes: UnboundedReceiver<Progress>,
    order: InOrder,
    upkeep: Upkeep,
    strain: Strain,
    /// Whether a drill that goes too fast is given up.
    gives_up: bool,
    reached_ms: Arc<AtomicI64>,
    /// Steps whose effect on handlers was seen.
    seen: Vec<bool>,
    scrape_late_ms: Vec<i64>,
    fault_ms_max: i64,
    pulse: tokio::task::JoinHandle<()>,
}

/// How late things were, for the record.
pub(super) struct Lags {
    pub(super) scrape_late_ms: Vec<i64>,
    pub(super) fault_ms_max: i64,
    pub(super) gaps: Gaps,
}

/// What came of looking.
pub(super) struct Looked {
    pub(super) watch: Watch,
    /// Whether the drill was stopped.
    pub(super) aborted: bool,
}

/// Everything that is listened to.
type Listened<'l> = (
    Watch,
    UnboundedReceiver<Done>,
    UnboundedReceiver<Told>,
    Option<&'l mut Listening>,
    Option<Audience>,
);

/// People who take part in a rehearsal: what they say, and where remedies go that they name.
pub(super) struct Audience {
    pub(super) said: UnboundedReceiver<Said>,
    pub(super) orders: UnboundedSender<String>,
}

impl Audience {
    /// What is said next; never, where nobody takes part.
    async fn next(audience: &mut Option<Self>) -> Said {
        if let Some(audience) = audience
            && let Some(said) = audience.said.recv().await
        {
            return said;
        }
        std::future::pending().await
    }
}

impl<'p> Observer<'p> {
    /// Begins to scrape.
    pub(super) fn new(
        plan: &'p Plan,
        options: &LiveOptions,
        (clock, addresses, roster): (ClockOrigin, &Addresses, Roster),
    ) -> Self {
        let (progress, scrapes) = mpsc::unbounded_channel();
        let mut series = SeriesTable::default();
        let targets = spawn_scrapes(plan, clock, addresses, &progress, &mut series);
        Self {
            plan,
            clock,
            targets,
            series,
            scrapes,
            order: InOrder::default(),
            upkeep: Upkeep::new(plan, roster.clone()),
            strain: Strain::new(plan),
            gives_up: options.gives_up,
            reached_ms: options.reached_ms.clone(),
            seen: vec![false; plan.timeline.len()],
            scrape_late_ms: Vec::new(),
            fault_ms_max: 0,
            pulse: tokio::spawn(feel_pulse(roster.clone(), clock)),
            roster,
        }
    }

    /// Looks until the drill is over, or stopped.
    pub(super) async fn watch(
        &mut self,
        (mut watch, mut done, mut told, mut alerts, mut people): Listened<'_>,
        producer: &ProducerTask,
        abort: &Abort,
        sink: Sink<'_>,
    ) -> Result<Looked, LiveError> {
        let end = self.clock.virtual_start.plus_millis(self.plan.duration_ms);
        let mut aborted = abort.is_asked();
        let mut look = tokio::time::interval(LOOK_EVERY);
        while !aborted {
            tokio::select! {
                biased;
                () = abort.asked() => aborted = true,
                Some(done) = done.recv() => self.acted(done, sink)?,
                () = tokio::time::sleep(self.clock.until(end)) => break,
                Some(word) = told.recv() => self.hear(word, sink)?,
                _ = look.tick() => {
                    self.strain.notes(&producer.fresh().map_err(LiveError::Ledger)?);
                    if let (true, Some(what)) = (self.gives_up, self.strain.beyond()) {
                        return Err(LiveError::TooFast(what.to_owned()));
                    }
                }
                Some(found) = watch.next() => {
                    sink(Observation::Interference(found)).map_err(LiveError::Sink)?;
                }
                Some(said) = next(&mut alerts) => match said {
                    alerts::Said::Heard(heard) => {
                        sink(Observation::Heard(heard)).map_err(LiveError::Sink)?;
                    }
                    // Without people there is no clock that waits for it.
                    alerts::Said::Acknowledged(_) if people.is_none() => {}
                    alerts::Said::Acknowledged(by) => {
                        self.said(acknowledged(by), people.as_ref(), sink)?;
                    }
                },
                said = Audience::next(&mut people) => self.said(said, people.as_ref(), sink)?,
                Some(progress) = self.scrapes.recv() => self.scraped(progress, sink)?,
            }
        }
        // Why it was stopped is said before it is.
        while let Some(said) = people
            .as_mut()
            .and_then(|people| people.said.try_recv().ok())
        {
            self.said(said, None, sink)?;
        }
        // What was done at the very end was done in it.
        while let Ok(done) = done.try_recv() {
            self.acted(done, sink)?;
        }
        self.scrapes.close();
        self.pulse.abort();
        Ok(Looked { watch, aborted })
    }

    fn since_start_ms(&self, at: Time) -> i64 {
        at.millis() - self.clock.virtual_start.millis()
    }

    fn mark(&self, mark: Mark, sink: Sink<'_>) -> Result<(), LiveError> {
        // What took longer than the drill was not done in it.
        if mark.at_ms > self.plan.duration_ms {
            return Ok(());
        }
        sink(Observation::Mark(mark)).map_err(LiveError::Sink)
    }

    fn acted(&mut self, done: Done, sink: Sink<'_>) -> Result<(), LiveError> {
        let (marks, late_ms) = match done {
            Done::Marks(marks, late_ms) => (marks, late_ms),
            Done::Did(actions) => {
                let mut actions = actions.into_iter();
                return actions.try_for_each(|action| self.action(action, sink));
            }
            Done::Failed(error) => return Err(error),
        };
        self.fault_ms_max = self.fault_ms_max.max(late_ms);
        self.strain.fault(late_ms);
        marks.into_iter().try_for_each(|mark| self.mark(mark, sink))
    }

    /// People say something; a remedy that they name is done, if there is anybody to do it.
    fn said(&self, said: Said, people: Option<&Audience>, sink: Sink<'_>) -> Result<(), LiveError> {
        if let (Deed::Remedied, Some(people)) = (said.what, people)
            && hands::means_remedy(&said.text)
        {
            // Nobody listens any more when the drill has ended.
            let _ = people.orders.send(said.text.clone());
        }
        let action = Action {
            at_ms: self.since_start_ms(self.clock.now()),
            what: said.what,
            subject: said.subject,
            text: said.text,
            step: None,
        };
        self.action(action, sink)
    }

    fn action(&self, action: Action, sink: Sink<'_>) -> Result<(), LiveError> {
        let at_ms = action.at_ms.min(self.plan.duration_ms);
        let action = Action { at_ms, ..action };
        sink(Observation::Action(action)).map_err(LiveError::Sink)
    }

    fn hear(&mut self, word: Told, sink: Sink<'_>) -> Result<(), LiveError> {
        match word {
            Told::Effect(effect) => self.felt(&effect, sink)?,
            Told::Crashes(effect) => {
                let why = match self.plan.timeline[effect.step].fault.begin() {
                    Lever::Life(lever) => Ended::of(lever),
                    _ => Ended::Error,
                };
                if self.roster.dies(&effect.process, why) {
                    self.roster.died_of(effect.step);
                    self.felt(&effect, sink)?;
                }
            }
            Told::NotEnough { remedy, since } => {
                // What was refused since then is the plan's doing.
                self.roster.refuses_since(since);
                let at_ms = super::since_start(self.clock).min(self.plan.duration_ms);
                self.mark(
                    self.plan.remedies[remedy].not_enough(self.plan, at_ms),
                    sink,
                )?;
            }
            Told::Stalled { process, at, ms } => {
                // One that was stopped by plan did not get to run.
                if !self.roster.was_away(&process, at, at.plus_millis(ms)) {
                    self.roster.gap(GapKind::Stall, &process, at, ms);
                    self.strain.stall(&process, ms);
                }
            }
        }
        Ok(())
    }

    /// A step of the timeline has had an effect.
    fn felt(&mut self, effect: &Effect, sink: Sink<'_>) -> Result<(), LiveError> {
        if std::mem::replace(&mut self.seen[effect.step], true) {
            return Ok(());
        }
        let at_ms = self.since_start_ms(effect.at).min(self.plan.duration_ms);
        let step = &self.plan.timeline[effect.step];
        self.mark(step.effect_mark(at_ms, &effect.process), sink)
    }

    fn scraped(&mut self, progress: Progress, sink: Sink<'_>) -> Result<(), LiveError> {
        self.upkeep.see(&progress);
        if let Progress::Began { late_ms, at, .. } = &progress {
            self.scrape_late_ms.push(*late_ms);
            self.strain.scrape(*late_ms);
            let reached_ms = self.since_start_ms(*at);
            self.reached_ms.store(reached_ms, Ordering::Relaxed);
        }
        for (at, target, values) in self.order.take(progress) {
            let values = match values {
                Scraped::Tried(values) => {
                    self.targets[target].scraped_values(values, &mut self.series)
                }
                Scraped::Gone => self.targets[target].ended(),
            };
            for (id, labels) in self.series.take_new() {
                sink(Observation::Series { id, labels }).map_err(LiveError::Sink)?;
            }
            let at_ms = self.since_start_ms(at);
            let target = self.targets[target].name();
            sink(Observation::Scrape {
                at_ms,
                target,
                values,
            })
            .map_err(LiveError::Sink)?;
        }
        Ok(())
    }

    /// Faults of handlers that nobody felt.
    pub(super) fn tell_unseen(&self, stopped_at: Time, sink: Sink<'_>) -> Result<(), LiveError> {
        let reached_ms = self.since_start_ms(stopped_at);
        let steps = self.plan.timeline.iter().zip(&self.seen);
        let unseen = steps.filter(|(_, seen)| !**seen);
        for mark in unseen.filter_map(|(step, _)| step.missing_effect(reached_ms)) {
            sink(Observation::Mark(mark)).map_err(LiveError::Sink)?;
        }
        Ok(())
    }

    pub(super) fn into_lags(self, gaps: Gaps) -> Lags {
        Lags {
            scrape_late_ms: self.scrape_late_ms,
            fault_ms_max: self.fault_ms_max,
            gaps,
        }
    }
}

/// A page that was acknowledged in somebody's pager, as if it had been typed.
fn acknowledged(by: Acknowledged) -> Said {
    let alerts: Vec<String> = by.alerts.into_iter().collect();
    Said {
        what: Deed::Acknowledged,
        subject: printable(&by.by).into_owned(),
        text: format!("in the pager: {}", printable(&alerts.join(", "))),
    }
}

/// What a source of alerts says next, if there is one.
async fn next(alerts: &mut Option<&mut Listening>) -> Option<alerts::Said> {
    match alerts {
        Some(alerts) => alerts.next().await,
        None => std::future::pending().await,
    }
}

fn spawn_scrapes(
    plan: &Plan,
    clock: ClockOrigin,
    addresses: &Addresses,
    progress: &mpsc::UnboundedSender<Progress>,
    series: &mut SeriesTable,
) -> Vec<Target> {
    let targets = crate::engine::targets(plan).into_iter().enumerate();
    targets
        .map(|(target, it)| {
            let schedule = Schedule {
                target,
                path: "/metrics",
                first: clock.virtual_start.plus_millis(it.first_ms),
                interval_ms: it.interval_ms,
                timeout_ms: it.timeout_ms,
                timeout_floor: plan.timeout_floor(),
            };
            tokio::spawn(scrape_loop(
                schedule,
                clock,
                addresses.clone(),
                progress.clone(),
            ));
            let honors_labels = it.honors_labels();
            let target = Target::new((&it.job, &it.instance), &it.labels, series);
            target.honoring_labels(honors_labels)
        })
        .collect()
}

/// Notes when the drill's own thread did not get to run.
async fn feel_pulse(roster: Roster, clock: ClockOrigin) {
    let mut pulse = Pulse::new(clock);
    loop {
        let (since, late_ms) = pulse.beat().await;
        roster.gap(GapKind::Stall, HARNESS, since, late_ms);
    }
}
