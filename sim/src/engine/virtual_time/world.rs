//! The model's state, and the loop that moves it from event to event.

use crate::actor::producer::Producer;
use crate::actor::{Action, Actions, Actor, Event, RunId, Ticket, Timer};
use crate::asynq::op::{Answer, Delayed, Op, Reply, TaskState};
use crate::audit::Auditor;
use crate::clock::Time;
use crate::engine::virtual_time::deeds::Restart;
use crate::engine::virtual_time::dues::{Dues, Happening, Who};
use crate::engine::virtual_time::lives::Lives;
use crate::engine::virtual_time::process::{Process, Work};
use crate::engine::virtual_time::redis::VirtualRedis;
use crate::engine::virtual_time::scrapes::Scrapes;
use crate::engine::virtual_time::token::{Number, Token, Tokens};
use crate::engine::virtual_time::{Counts, VirtualOptions};
use crate::engine::{Ended, Observation, Sink};
use crate::fault::Agenda;
use crate::handler::Handlers;
use crate::ledger::Entry;
use crate::plan::Plan;
use firedrill_reports::record::{Lag, Mark};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Events between two looks at whether the drill is to be stopped.
const LOOK_EVERY: u64 = 4_096;

/// See the module.
pub(crate) struct World<'p> {
    pub(crate) plan: &'p Plan,
    options: VirtualOptions<'p>,
    pub(crate) now: Time,
    end: Time,
    pub(crate) dues: Dues,
    pub(crate) redis: VirtualRedis,
    producer: Producer<Token, Tokens>,
    pub(crate) processes: Vec<Process>,
    handlers: Handlers,
    pub(crate) lives: Lives,
    pub(crate) agenda: Agenda,
    pub(crate) restarts: Vec<Restart>,
    /// Steps whose effect was seen.
    seen: Vec<bool>,
    pub(crate) marks: Vec<Mark>,
    scrapes: Scrapes,
    counts: Counts,
    /// Answers that came at once, and wait until the present step is over.
    answers: VecDeque<(Who, Ticket<Token>, Answer<Token>)>,
    /// Kept for its memory.
    spare: Actions<Token>,
}

impl<'p> World<'p> {
    pub(crate) fn new(plan: &'p Plan, options: VirtualOptions<'p>) -> Self {
        let start = options.epoch;
        let end = start.plus_millis(plan.duration_ms);
        let tokens = Tokens::new(plan);
        let processes = plan.processes();
        Self {
            plan,
            options,
            now: start,
            end,
            dues: Dues::default(),
            redis: VirtualRedis::started(start),
            scrapes: Scrapes::new(plan, tokens.kinds()),
            producer: Producer::new(plan, start, tokens.queues(), tokens),
            processes: processes
                .into_iter()
                .map(|(name, worker)| Process::new(plan, name, worker))
                .collect(),
            handlers: Handlers::new(Arc::new(plan.clone())),
            lives: Lives::new(Auditor::new(plan, start, end)),
            agenda: Agenda::new(plan),
            restarts: Vec::new(),
            seen: vec![false; plan.timeline.len()],
            marks: Vec::new(),
            counts: Counts::default(),
            answers: VecDeque::new(),
            spare: Vec::new(),
        }
    }

    pub(crate) fn since_start_ms(&self) -> i64 {
        self.now.millis() - self.options.epoch.millis()
    }

    pub(crate) fn run(mut self, sink: Sink<'_>) -> io::Result<(Ended, Counts)> {
        self.begin();
        let mut aborted = false;
        let mut until_look = LOOK_EVERY;
        while let Some((at, what)) = self.dues.pop(self.end) {
            self.now = at;
            self.happen(what, sink)?;
            if !self.marks.is_empty() {
                for mark in std::mem::take(&mut self.marks) {
                    sink(Observation::Mark(mark))?;
                }
            }
            until_look -= 1;
            if until_look == 0 {
                until_look = LOOK_EVERY;
                if let Some(reached_ms) = self.options.reached_ms {
                    reached_ms.store(self.since_start_ms(), Ordering::Relaxed);
                }
                aborted = self
                    .options
                    .abort
                    .is_some_and(|abort| abort.load(Ordering::Relaxed));
                if aborted {
                    break;
                }
            }
        }
        if !aborted {
            self.now = self.end;
        }
        self.finish(aborted, sink)
    }

    fn begin(&mut self) {
        for index in 0..self.processes.len() {
            self.start_process(index);
        }
        self.step(Who::Producer, Event::Start);
        if self.options.scrape {
            for (target, phase_ms) in self.scrapes.phases() {
                let late_ms = self.options.harness.scrape_late_ms;
                let first = self.now.plus_millis(phase_ms + late_ms);
                self.dues.push(first, Happening::Scrape(target));
            }
        }
        self.expect_turn();
    }

    /// Sets the time of the agenda's next turn: at once, if it had to wait.
    pub(crate) fn expect_turn(&mut self) {
        if let Some(at_ms) = self.agenda.next_ms() {
            let at = self.options.epoch.plus_millis(at_ms);
            self.dues.push(at.max(self.now), Happening::Turn);
        }
    }

    fn happen(&mut self, what: Happening, sink: Sink<'_>) -> io::Result<()> {
        match what {
            Happening::Timer(who, timer) => self.step(who, Event::Timer(timer)),
            Happening::HandlerEnds(who, run) => self.handler_ends(who, run),
            Happening::Answer(answer) => {
                let (who, ticket, answer) = *answer;
                self.step(who, Event::Answer(ticket, answer));
            }
            Happening::Scrape(target) => {
                let again = self.now.plus_millis(self.plan.scrape_interval_ms);
                self.dues.push(again, Happening::Scrape(target));
                let at_ms = self.since_start_ms() - self.options.harness.scrape_late_ms;
                let (now, redis, processes) = (self.now, &mut self.redis, &self.processes);
                self.scrapes
                    .scrape(target, now, at_ms, redis, processes, sink)?;
            }
            Happening::Turn => self.take_turns(),
            Happening::Kill(process, incarnation) => self.out_of_patience(process, incarnation),
        }
        Ok(())
    }

    /// Lets an actor take an event, and everything that follows from it at this moment.
    pub(crate) fn step(&mut self, who: Who, event: Event<Token>) {
        self.step_once(who, event);
        while let Some((who, ticket, answer)) = self.answers.pop_front() {
            self.step_once(who, Event::Answer(ticket, answer));
        }
    }

    fn step_once(&mut self, who: Who, event: Event<Token>) {
        let mut actions = std::mem::take(&mut self.spare);
        match who {
            Who::Producer => self.producer.on(self.now, event, &mut actions),
            Who::Process(index, incarnation) => {
                let process = &mut self.processes[usize::from(index)];
                if process.incarnation() == incarnation
                    && let Some(life) = &mut process.life
                {
                    life.server.on(self.now, event, &mut actions);
                }
            }
        }
        for action in actions.drain(..) {
            match action {
                Action::Call(ticket, op) => self.call(who, ticket, op),
                Action::Timer(at, Timer::Deadline(_)) => {
                    // Most handlers return before their deadline, and then its timer would do nothing.
                    if let Some(life) = self.life(who) {
                        life.expect_deadline(at);
                    }
                }
                Action::Timer(at, timer) => self.dues.push(at, Happening::Timer(who, timer)),
                Action::Run { run, task } => self.handler_begins(who, run, &task),
                Action::Note(entry) => self.note(&entry),
                Action::Exit => self.exited(who),
            }
        }
        self.spare = actions;
    }

    fn life(&mut self, who: Who) -> Option<&mut super::process::Life> {
        let Who::Process(index, incarnation) = who else {
            return None;
        };
        let process = &mut self.processes[usize::from(index)];
        if process.incarnation() != incarnation {
            return None;
        }
        process.life.as_mut()
    }

    fn note(&mut self, entry: &Entry<Number>) {
        match entry {
            Entry::Sent { .. } => self.counts.arrivals += 1,
            Entry::Finished { .. } => self.counts.returns += 1,
            Entry::Answered { .. } | Entry::Started { .. } => {}
        }
        self.lives.note(entry);
    }

    fn call(&mut self, who: Who, ticket: Ticket<Token>, op: Op<Token>) {
        let done = match &op {
            Op::Done { message, .. } => Some(message.number),
            _ => None,
        };
        let retry = matches!(
            op,
            Op::Forward {
                from: Delayed::Retry,
                ..
            }
        );
        let answer = self.redis.call(op);
        match &answer {
            Ok(Reply::Done) => {
                if let Some(number) = done {
                    self.lives.gone(number);
                }
            }
            Ok(Reply::Count(count)) if retry => self.counts.retries_due += count,
            Err(_) if !self.redis.is_up() => {
                let at = self.now.plus_millis(VirtualRedis::refusal_ms());
                let failed = Box::new((who, ticket, answer));
                self.dues.push(at, Happening::Answer(failed));
                return;
            }
            _ => {}
        }
        let round_trip_us = self.options.harness.round_trip_us;
        if round_trip_us > 0 {
            let at = self.now.plus_micros(round_trip_us);
            let under_way = Box::new((who, ticket, answer));
            self.dues.push(at, Happening::Answer(under_way));
            return;
        }
        self.answers.push_back((who, ticket, answer));
    }

    fn handler_begins(&mut self, who: Who, run: RunId, task: &Token) {
        let at_ms = self.since_start_ms();
        let Some(mut behaviour) = self.handlers.decide(at_ms, task.execution()) else {
            return;
        };
        behaviour.service_us += self.options.harness.overrun_us;
        for step in &behaviour.touched_by {
            self.saw(*step, who);
        }
        let ends = self.now.plus_micros(behaviour.service_us);
        let work = Work {
            run,
            task: task.number,
            outcome: behaviour.outcome,
            service_us: behaviour.service_us,
            deadline: None,
        };
        if let Some(life) = self.life(who) {
            life.begin(work);
            // The deadline matters to a handler that would not have returned by then.
            let deadline = life.take_deadline_before(run, ends);
            if let Some(at) = deadline {
                let timer = Happening::Timer(who, Timer::Deadline(run));
                self.dues.push(at, timer);
            }
            self.dues.push(ends, Happening::HandlerEnds(who, run));
        }
    }

    /// A handler has worked as long as it is going to: it returns, or finds its lock held for good.
    fn handler_ends(&mut self, who: Who, run: RunId) {
        let Who::Process(index, _) = who else { return };
        let at_ms = self.since_start_ms();
        let name = &self.processes[usize::from(index)].name;
        let stuck = if self.may_deadlock() {
            self.handlers.deadlocked_by(at_ms, name)
        } else {
            None
        };
        let Some(life) = self.life(who) else { return };
        if let Some(step) = stuck {
            if let Some(deadline) = life.take_deadline(run) {
                let timer = Happening::Timer(who, Timer::Deadline(run));
                self.dues.push(deadline, timer);
            }
            self.saw(step, who);
            return;
        }
        let Some(work) = life.end(run) else { return };
        let event = Event::HandlerDone {
            run,
            outcome: work.outcome,
            elapsed_us: work.service_us,
            overrun_us: self.options.harness.overrun_us,
        };
        self.step(who, event);
    }

    fn may_deadlock(&self) -> bool {
        !self.plan.timeline.is_empty()
    }

    /// A step of the timeline has had an effect.
    fn saw(&mut self, step: usize, who: Who) {
        if std::mem::replace(&mut self.seen[step], true) {
            return;
        }
        if let Who::Process(index, _) = who {
            let name = &self.processes[usize::from(index)].name;
            let mark = self.plan.timeline[step].effect_mark(self.since_start_ms(), name);
            self.marks.push(mark);
        }
    }

    fn finish(mut self, aborted: bool, sink: Sink<'_>) -> io::Result<(Ended, Counts)> {
        let at_ms = self.since_start_ms();
        let unseen = self.plan.timeline.iter().zip(&self.seen);
        for mark in unseen
            .filter(|(_, seen)| !**seen)
            .filter_map(|(step, _)| step.missing_effect(at_ms))
        {
            sink(Observation::Mark(mark))?;
        }
        let mut left: BTreeMap<Number, TaskState> = BTreeMap::new();
        for queue in 0..self.plan.queues.len() {
            let queue = u16::try_from(queue).unwrap_or(u16::MAX);
            if let Ok(Reply::Ids(ids)) = self.redis.data().call(Op::ListIds { queue }) {
                left.extend(ids);
            }
        }
        sink(Observation::Ledger {
            audited: Box::new(self.lives.finish(&left)),
            lag: Lag::default(),
        })?;
        Ok((Ended { at_ms, aborted }, self.counts))
    }
}
