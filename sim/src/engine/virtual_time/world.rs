//! Actors and processes on their stage, and the loop that moves them from event to event.

use crate::agenda::Agenda;
use crate::audit::{Auditor, Leftover, halted};
use crate::engine::virtual_time::event_queue::{EventQueue, Happening, Who};
use crate::engine::virtual_time::lever::{Restart, Wire};
use crate::engine::virtual_time::lives::TaskLives;
use crate::engine::virtual_time::pools::Pools;
use crate::engine::virtual_time::process::Process;
use crate::engine::virtual_time::redis::VirtualRedis;
use crate::engine::virtual_time::scrapes::{Member, Scrapes};
use crate::engine::virtual_time::stage::{Effects, Stage};
use crate::engine::virtual_time::token::{Number, Token, Tokens};
use crate::engine::virtual_time::{Counts, VirtualOptions};
use crate::engine::{Ended, Observation, Sink};
use crate::handler::{Ending, Handlers, cannot_enqueue};
use crate::lever::Lever;
use crate::metrics::ProducerMetrics;
use crate::metrics::kube::{Ended as WhyEnded, Pods};
use crate::plan::{PRODUCER, Plan, Skew};
use crate::producer::Producer;
use firedrill_asynq::actor::{Actor, Event, RunId, Ticket, Timer};
use firedrill_asynq::clock::Time;
use firedrill_asynq::op::{Accepted, Answer, Op, Reply};
use firedrill_asynq::rng;
use firedrill_reports::record::Lag;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};

/// Events between two looks at whether the drill is to be stopped.
const LOOK_EVERY: u64 = 4_096;

/// See the module.
pub(crate) struct World<'p> {
    pub(crate) stage: Stage<'p>,
    end: Time,
    pub(super) producer: Producer<Token, Tokens>,
    /// Steps whose effect the producer felt.
    felt: mpsc::Receiver<usize>,
    /// Whether any step changes what is enqueued.
    loads: bool,
    pub(crate) processes: Vec<Process>,
    pub(crate) agenda: Agenda,
    pub(crate) restarts: Vec<Restart>,
    pub(crate) scrapes: Scrapes,
    /// What an orchestrator makes of all that.
    pub(crate) pods: Pods,
    /// How many processes have died of each step.
    pub(crate) deaths_of: Vec<u32>,
    /// Processes that are stopped.
    pub(crate) frozen: u32,
    /// Whether any step of the timeline deadlocks handlers.
    deadlocks: bool,
    /// Whether handlers may do something else than return.
    endings: bool,
    /// Whether they may enqueue tasks; those that are not answered, whose handler waits for that, and since when.
    enqueues: bool,
    births: BTreeMap<Number, (Who, RunId, Time)>,
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
        let tokens = Tokens::new(plan, start);
        let processes = plan.processes();
        let handlers = Handlers::new(Arc::new(plan.clone()));
        let retry_dice = handlers.retry_dice(|_, task: &Token| Some(task.execution()));
        let (felt_tx, felt) = mpsc::channel();
        Self {
            scrapes: Scrapes::new(plan, tokens.kinds()),
            pods: Pods::new(plan, start),
            producer: Producer::new(plan, start, tokens.queues(), tokens).telling(
                // Heard at once, or nobody is there any more.
                move |step, _| {
                    let _ = felt_tx.send(step);
                },
            ),
            felt,
            loads: plan.timeline.iter().any(|step| {
                matches!(
                    step.fault.begin(),
                    Lever::Load(_) | Lever::Again { .. } | Lever::Locks { .. }
                )
            }),
            processes: processes
                .into_iter()
                .map(|(name, worker)| Process::new(plan, name, worker, retry_dice.clone()))
                .collect(),
            agenda: Agenda::new(plan),
            restarts: Vec::new(),
            deadlocks: handlers.ever_deadlock(),
            endings: handlers.may_not_return(),
            enqueues: plan.has_children(),
            births: BTreeMap::new(),
            deaths_of: vec![0; plan.timeline.len()],
            frozen: 0,
            end,
            stage: Stage {
                plan,
                options,
                epoch: start,
                now: start,
                events: EventQueue::default(),
                redis: VirtualRedis::at_start(start, u32::from(plan.has_replica())),
                wire: Wire::of(plan),
                handlers,
                lives: TaskLives::new(
                    Auditor::new(plan, start, end),
                    ProducerMetrics::of(plan, start),
                    plan.refused_may_come(),
                    plan.tasks_may_return(),
                ),
                pools: Pools::of(plan),
                seen: vec![false; plan.timeline.len()],
                marks: Vec::new(),
                counts: Counts::default(),
                overruns: rng::stream(plan.seed, &format!("harness/{}", options.harness.dice)),
                loses_leases: None,
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
                self.processes[index].left = true;
                self.scrapes.find(index, false);
            }
        }
        self.step(Who::Producer, Event::Start);
        self.expect_growth();
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
            Happening::Resource(who, run, on) => {
                if self.frozen > 0 {
                    self.on_shared(who, run, on);
                }
                self.happen_to(who, what);
            }
            Happening::Timer(who, _)
            | Happening::HandlerEnds(who, _)
            | Happening::Shutdown(who) => {
                self.happen_to(who, what);
            }
            Happening::Answer(ref answer) => self.happen_to(answer.0, what),
            Happening::Wire(what) => self.stage.on_wire(*what),
            Happening::TimesOut(call, attempt) => self.stage.times_out(call, attempt),
            Happening::Scrape(target) => {
                let interval_ms = self.scrapes.interval_ms(target);
                let again = self.stage.now.plus_millis(interval_ms);
                self.stage.events.push(again, Happening::Scrape(target));
                match self.scrapes.member(target) {
                    Member::Found => {}
                    Member::Unknown => return Ok(()),
                    Member::LetGo => {
                        let later_ms = interval_ms / 10;
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
                    (processes, &mut self.pods),
                    (self.stage.pools.as_ref(), &self.stage.lives.sent),
                    sink,
                )?;
            }
            Happening::Gone(target) => {
                let at_ms = self.stage.since_start_ms();
                self.scrapes.ended(target, at_ms, sink)?;
            }
            Happening::Grows(resource) => self.grows(resource),
            Happening::Turn => self.take_turns(),
            Happening::Dies(process, incarnation) => {
                self.dies(process, incarnation, WhyEnded::Error);
            }
            Happening::Ails(process, incarnation, number) => {
                self.ails(process, incarnation, usize::from(number));
            }
            Happening::Throttle(process, number) => self.throttles(process, number),
            Happening::StartsAgain(process, incarnation) => self.starts_again(process, incarnation),
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
            Happening::Resource(who, run, what) => self.on_resource(who, run, what),
            Happening::Scrape(_)
            | Happening::Gone(_)
            | Happening::Turn
            | Happening::Kill(..)
            | Happening::Dies(..)
            | Happening::Throttle(..)
            | Happening::Ails(..)
            | Happening::StartsAgain(..)
            | Happening::Grows(_)
            | Happening::Wire(_)
            | Happening::TimesOut(..) => {}
        }
    }

    /// Lets an actor take an event, and everything that follows from it at this moment.
    #[inline]
    pub(crate) fn step(&mut self, who: Who, event: Event<Token>) {
        self.step_once(who, event);
        self.take_answers();
    }

    /// Lets actors take the answers that came at once.
    fn take_answers(&mut self) {
        while let Some((who, ticket, answer)) = self.stage.answers.pop_front() {
            self.step_once(who, Event::Answer(ticket, answer));
        }
    }

    /// Inlined, as actors' `on` is, where the kind of event is known: the functions that hand events on were a fifth of a drill's
    /// instructions when each of them took its event by value (callgrind, `retry-storm-dependency-down`).
    #[inline(always)]
    fn step_once(&mut self, who: Who, event: Event<Token>) {
        let now = self.stage.now;
        let event = match event {
            Event::Answer(Ticket::Enqueue(id), answer) if self.enqueues && who != Who::Producer => {
                return self.is_enqueued(id, answer);
            }
            event => event,
        };
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
        if self.endings {
            match life.handlers.ending(run) {
                Some(Ending::Hangs(step)) => {
                    if let Some(deadline) = life.handlers.take_deadline(run) {
                        let timer = Happening::Timer(who, Timer::Deadline(run));
                        stage.events.push(deadline, timer);
                    }
                    return stage.saw(step, &process.name);
                }
                Some(Ending::Crashes(step)) => {
                    stage.saw(step, &process.name);
                    return self.dies(index, incarnation, WhyEnded::Error);
                }
                Some(Ending::Returns) | None => {}
            }
        }
        let now = stage.now;
        if self.enqueues && self.enqueue_next(who, run, now) {
            return self.take_answers();
        }
        self.handler_returns(who, run, 0);
    }

    /// A handler returns; it has waited so long beyond its work.
    fn handler_returns(&mut self, who: Who, run: RunId, waited_us: i64) {
        let Who::Process(index, _) = who else {
            return;
        };
        let Some(life) = &mut self.processes[usize::from(index)].life else {
            return;
        };
        let Some(work) = life.handlers.end(run) else {
            return;
        };
        let event = Event::HandlerDone {
            run,
            outcome: work.outcome,
            // Nobody reads results in virtual time.
            result: None,
            elapsed_us: work.service_us + waited_us,
            overrun_us: self.stage.options.harness.overrun_us,
            taken_off_us: 0,
        };
        self.step(who, event);
    }

    /// A handler enqueues the next of its tasks, if there is one more: it goes on when that is answered.
    #[cold]
    fn enqueue_next(&mut self, who: Who, run: RunId, since: Time) -> bool {
        let Who::Process(index, _) = who else {
            return false;
        };
        let life = self.processes[usize::from(index)].life.as_mut();
        let work = life.and_then(|life| life.handlers.work_mut(run));
        let Some(child) = work.and_then(|work| work.children.pop()) else {
            return false;
        };
        let now = self.stage.now;
        let submission = self.producer.mint_mut().child(&child, now);
        let id = submission.message.number;
        self.stage.counts.arrivals += 1;
        self.stage.lives.is_born(id, now, &child);
        self.births.insert(id, (who, run, since));
        self.stage
            .call(who, Ticket::Enqueue(id), submission.op(now));
        true
    }

    /// A task that a handler has enqueued is answered. A process that is gone hears nothing.
    #[cold]
    fn is_enqueued(&mut self, id: Number, answer: Answer<Token>) {
        let Some((who, run, since)) = self.births.remove(&id) else {
            return;
        };
        let Who::Process(index, incarnation) = who else {
            return;
        };
        let process = &mut self.processes[usize::from(index)];
        if process.incarnation() != incarnation {
            return;
        }
        let Some(life) = &mut process.life else {
            return;
        };
        let now = self.stage.now;
        let accepted = matches!(
            answer,
            Ok(Reply::Enqueued(Accepted::New | Accepted::IdConflict))
        );
        self.stage
            .lives
            .is_answered(id, now, accepted, &process.name);
        if let Some(work) = life.handlers.work_mut(run) {
            if accepted && let Some(step) = work.requeued_by {
                self.stage.saw(step, &process.name);
            }
            if let Err(error) = &answer {
                work.children.clear();
                work.outcome = cannot_enqueue(error);
            }
        }
        if !self.enqueue_next(who, run, since) {
            let waited_us = (now.0 - since.0) / 1_000;
            self.handler_returns(who, run, waited_us);
        }
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
        let left = self.left();
        sink(Observation::Ledger {
            audited: Box::new(self.stage.lives.finish(&left)),
            lag: Lag::default(),
        })?;
        Ok((Ended { at_ms, aborted }, self.stage.counts))
    }

    /// What is in Redis now.
    fn left(&mut self) -> Leftover<Number> {
        let mut left = Leftover::default();
        let (plan, now) = (self.stage.plan, self.stage.now);
        let mut paused = BTreeSet::new();
        for (queue, name) in (0..).zip(plan.queues.iter().map(|queue| &queue.name)) {
            let data = self.stage.redis.data();
            if let Ok(Reply::Ids(ids)) = data.call(Op::ListIds { queue }) {
                left.states.extend(ids);
            }
            left.leaseless.extend(data.leaseless(&queue));
            if let Ok(Reply::Stats(stats)) = data.call(Op::QueueStats { queue, now })
                && stats.paused
            {
                paused.insert(name.clone());
            }
        }
        let is_there = |name: &str| {
            let mut processes = self.processes.iter();
            processes.any(|process| process.name == name && process.life.is_some())
        };
        left.halted = halted(plan, &paused, is_there);
        left
    }
}
