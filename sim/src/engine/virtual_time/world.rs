//! Actors and processes on their stage, and the loop that moves them from event to event.

use crate::agenda::Agenda;
use crate::audit::Auditor;
use crate::engine::virtual_time::event_queue::{EventQueue, Happening, Who};
use crate::engine::virtual_time::lever::{Restart, Wire};
use crate::engine::virtual_time::lives::TaskLives;
use crate::engine::virtual_time::process::Process;
use crate::engine::virtual_time::redis::VirtualRedis;
use crate::engine::virtual_time::scrapes::{Member, Scrapes};
use crate::engine::virtual_time::stage::{Effects, Stage};
use crate::engine::virtual_time::token::{Number, Token, Tokens};
use crate::engine::virtual_time::{Counts, VirtualOptions};
use crate::engine::{Ended, Observation, Sink};
use crate::handler::Handlers;
use crate::lever::Lever;
use crate::metrics::ProducerMetrics;
use crate::plan::{PRODUCER, Plan, Skew};
use crate::producer::Producer;
use firedrill_asynq::actor::{Actor, Event, RunId, Timer};
use firedrill_asynq::clock::Time;
use firedrill_asynq::op::{Op, Reply, TaskState};
use firedrill_reports::record::Lag;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};

/// Events between two looks at whether the drill is to be stopped.
const LOOK_EVERY: u64 = 4_096;

/// See the module.
pub(crate) struct World<'p> {
    pub(crate) stage: Stage<'p>,
    end: Time,
    producer: Producer<Token, Tokens>,
    /// Steps whose effect the producer felt.
    felt: mpsc::Receiver<usize>,
    /// Whether any step changes what is enqueued.
    loads: bool,
    pub(crate) processes: Vec<Process>,
    pub(crate) agenda: Agenda,
    pub(crate) restarts: Vec<Restart>,
    pub(crate) scrapes: Scrapes,
    /// Processes that are stopped.
    pub(crate) frozen: u32,
    /// Whether any step of the timeline deadlocks handlers.
    deadlocks: bool,
}

/// How far a process' clock is ahead now, virtual nanoseconds.
#[cold]
fn skew_ns(stage: &mut Stage<'_>, process: &str, skews: &[Skew]) -> i64 {
    let at_ms = stage.since_start_ms();
    let mut skew_ms = 0;
    for skew in skews.iter().filter(|skew| skew.is_on(at_ms)) {
        skew_ms += skew.ms;
        stage.saw(skew.step, process);
    }
    skew_ms.saturating_mul(1_000_000)
}

impl<'p> World<'p> {
    pub(crate) fn new(plan: &'p Plan, options: VirtualOptions<'p>) -> Self {
        let start = plan.starts.on_the_calendar();
        let end = start.plus_millis(plan.duration_ms);
        let tokens = Tokens::new(plan);
        let processes = plan.processes();
        let handlers = Handlers::new(Arc::new(plan.clone()));
        let (felt_tx, felt) = mpsc::channel();
        Self {
            scrapes: Scrapes::new(plan, tokens.kinds()),
            producer: Producer::new(plan, start, tokens.queues(), tokens).telling(
                // Heard at once, or nobody is there any more.
                move |step, _| {
                    let _ = felt_tx.send(step);
                },
            ),
            felt,
            loads: plan
                .timeline
                .iter()
                .any(|step| matches!(step.fault.begin(), Lever::Load(_))),
            processes: processes
                .into_iter()
                .map(|(name, worker)| Process::new(plan, name, worker))
                .collect(),
            agenda: Agenda::new(plan),
            restarts: Vec::new(),
            deadlocks: handlers.ever_deadlock(),
            frozen: 0,
            end,
            stage: Stage {
                plan,
                options,
                epoch: start,
                now: start,
                events: EventQueue::default(),
                redis: VirtualRedis::at_start(start),
                wire: Wire::of(plan),
                handlers,
                lives: TaskLives::new(
                    Auditor::new(plan, start, end),
                    ProducerMetrics::new(plan.task_types()),
                    plan.refused_may_come(),
                ),
                seen: vec![false; plan.timeline.len()],
                marks: Vec::new(),
                counts: Counts::default(),
                answers: VecDeque::new(),
            },
        }
    }

    pub(crate) fn run(mut self, sink: Sink<'_>) -> io::Result<(Ended, Counts)> {
        self.begin();
        let mut aborted = false;
        let mut until_look = LOOK_EVERY;
        while let Some((at, what)) = self.stage.events.pop(self.end) {
            self.stage.now = at;
            self.happen(what, sink)?;
            if !self.stage.marks.is_empty() {
                for mark in std::mem::take(&mut self.stage.marks) {
                    sink(Observation::Mark(mark))?;
                }
            }
            until_look -= 1;
            if until_look == 0 {
                until_look = LOOK_EVERY;
                if let Some(reached_ms) = self.stage.options.reached_ms {
                    reached_ms.store(self.stage.since_start_ms(), Ordering::Relaxed);
                }
                aborted = self
                    .stage
                    .options
                    .abort
                    .is_some_and(|abort| abort.load(Ordering::Relaxed));
                if aborted {
                    break;
                }
            }
        }
        if !aborted {
            self.stage.now = self.end;
        }
        self.finish(aborted, sink)
    }

    fn begin(&mut self) {
        for index in 0..self.processes.len() {
            let plan = self.stage.plan;
            if plan.is_there_at_start(&self.processes[index].name) {
                self.start_process(index);
            } else {
                self.scrapes.find(index, false);
            }
        }
        self.step(Who::Producer, Event::Start);
        if self.stage.options.scrape {
            for (target, phase_ms) in self.scrapes.phases() {
                let late_ms = self.stage.options.harness.scrape_late_ms;
                let first = self.stage.now.plus_millis(phase_ms + late_ms);
                self.stage.events.push(first, Happening::Scrape(target));
            }
        }
        self.expect_turn();
    }

    /// Sets the time of the agenda's next turn: at once, if it had to wait.
    pub(crate) fn expect_turn(&mut self) {
        if let Some(at_ms) = self.agenda.next_ms() {
            let at = self.stage.epoch.plus_millis(at_ms);
            self.stage
                .events
                .push(at.max(self.stage.now), Happening::Turn);
        }
    }

    fn happen(&mut self, what: Happening, sink: Sink<'_>) -> io::Result<()> {
        match what {
            Happening::Timer(who, _)
            | Happening::HandlerEnds(who, _)
            | Happening::Shutdown(who) => {
                self.happen_to(who, what);
            }
            Happening::Answer(ref answer) => self.happen_to(answer.0, what),
            Happening::Wire(what) => self.stage.on_wire(*what),
            Happening::Scrape(target) => {
                let again = self
                    .stage
                    .now
                    .plus_millis(self.stage.plan.scrape_interval_ms);
                self.stage.events.push(again, Happening::Scrape(target));
                match self.scrapes.member(target) {
                    Member::Found => {}
                    Member::Unknown => return Ok(()),
                    Member::LetGo => {
                        let later_ms = self.stage.plan.scrape_interval_ms / 10;
                        let gone = self.stage.now.plus_millis(later_ms);
                        self.stage.events.push(gone, Happening::Gone(target));
                        return Ok(());
                    }
                }
                let at_ms = self.stage.since_start_ms() - self.stage.options.harness.scrape_late_ms;
                let (now, redis, processes) =
                    (self.stage.now, &mut self.stage.redis, &self.processes);
                let redis_stopped = self.stage.wire.as_ref().is_some_and(Wire::is_redis_stopped);
                self.scrapes.scrape(
                    target,
                    (now, at_ms),
                    (redis, redis_stopped),
                    (processes, &self.stage.lives.sent),
                    sink,
                )?;
            }
            Happening::Gone(target) => {
                let at_ms = self.stage.since_start_ms();
                self.scrapes.ended(target, at_ms, sink)?;
            }
            Happening::Turn => self.take_turns(),
            Happening::Dies(process, incarnation) => self.dies(process, incarnation),
            Happening::Kill(process, incarnation) => self.out_of_patience(process, incarnation),
        }
        Ok(())
    }

    /// Something happens to an actor; one that is stopped takes it when it goes on.
    #[inline]
    pub(crate) fn happen_to(&mut self, who: Who, mut what: Happening) {
        if self.frozen > 0
            && let Who::Process(number, incarnation) = who
        {
            let process = &mut self.processes[usize::from(number)];
            if process.incarnation() == incarnation {
                match process.hold(what) {
                    Some(free) => what = free,
                    None => return,
                }
            }
        }
        match what {
            Happening::Timer(who, timer) => self.step(who, Event::Timer(timer)),
            Happening::HandlerEnds(who, run) => self.handler_ends(who, run),
            Happening::Answer(answer) => {
                let (who, ticket, answer) = *answer;
                self.step(who, Event::Answer(ticket, answer));
            }
            Happening::Shutdown(who) => self.step(who, Event::Shutdown),
            Happening::Scrape(_)
            | Happening::Gone(_)
            | Happening::Turn
            | Happening::Kill(..)
            | Happening::Dies(..)
            | Happening::Wire(_) => {}
        }
    }

    /// Lets an actor take an event, and everything that follows from it at this moment.
    pub(crate) fn step(&mut self, who: Who, event: Event<Token>) {
        self.step_once(who, event);
        while let Some((who, ticket, answer)) = self.stage.answers.pop_front() {
            self.step_once(who, Event::Answer(ticket, answer));
        }
    }

    fn step_once(&mut self, who: Who, event: Event<Token>) {
        let now = self.stage.now;
        let Who::Process(index, incarnation) = who else {
            let mut effects = Effects {
                stage: &mut self.stage,
                who,
                process: None,
                exited: false,
                skew_ns: 0,
            };
            self.producer.on(now, event, &mut effects);
            if self.loads {
                while let Ok(step) = self.felt.try_recv() {
                    self.stage.saw(step, PRODUCER);
                }
            }
            return;
        };
        let process = &mut self.processes[usize::from(index)];
        if process.incarnation() != incarnation {
            return;
        }
        let Some(life) = &mut process.life else {
            return;
        };
        let skew_ns = match process.skews.is_empty() {
            true => 0,
            false => skew_ns(&mut self.stage, process.name.as_str(), &process.skews),
        };
        let mut effects = Effects {
            stage: &mut self.stage,
            who,
            process: Some((&process.name, &mut life.handlers)),
            exited: false,
            skew_ns,
        };
        let its_now = Time(now.0 + skew_ns);
        life.server.on(its_now, event, &mut effects);
        if effects.exited {
            self.exited(usize::from(index));
        }
    }

    /// A handler has worked as long as it is going to: it returns, or finds its lock held for good.
    fn handler_ends(&mut self, who: Who, run: RunId) {
        let Who::Process(index, incarnation) = who else {
            return;
        };
        let stage = &mut self.stage;
        let process = &mut self.processes[usize::from(index)];
        if process.incarnation() != incarnation {
            return;
        }
        let Some(life) = &mut process.life else {
            return;
        };
        if self.deadlocks {
            let at_ms = stage.since_start_ms();
            if let Some(step) = stage.handlers.deadlocked_by(at_ms, &process.name) {
                if let Some(deadline) = life.handlers.take_deadline(run) {
                    let timer = Happening::Timer(who, Timer::Deadline(run));
                    stage.events.push(deadline, timer);
                }
                return stage.saw(step, &process.name);
            }
        }
        let Some(work) = life.handlers.end(run) else {
            return;
        };
        let event = Event::HandlerDone {
            run,
            outcome: work.outcome,
            // Nobody reads results in virtual time.
            result: None,
            elapsed_us: work.service_us,
            overrun_us: stage.options.harness.overrun_us,
            taken_off_us: 0,
        };
        self.step(who, event);
    }

    fn finish(mut self, aborted: bool, sink: Sink<'_>) -> io::Result<(Ended, Counts)> {
        let at_ms = self.stage.since_start_ms();
        let unseen = self.stage.plan.timeline.iter().zip(&self.stage.seen);
        for mark in unseen
            .filter(|(_, seen)| !**seen)
            .filter_map(|(step, _)| step.missing_effect(at_ms))
        {
            sink(Observation::Mark(mark))?;
        }
        let mut left: BTreeMap<Number, TaskState> = BTreeMap::new();
        for queue in 0..self.stage.plan.queues.len() {
            let queue = u16::try_from(queue).unwrap_or(u16::MAX);
            if let Ok(Reply::Ids(ids)) = self.stage.redis.data().call(Op::ListIds { queue }) {
                left.extend(ids);
            }
        }
        sink(Observation::Ledger {
            audited: Box::new(self.stage.lives.finish(&left)),
            lag: Lag::default(),
        })?;
        Ok((Ended { at_ms, aborted }, self.stage.counts))
    }
}
