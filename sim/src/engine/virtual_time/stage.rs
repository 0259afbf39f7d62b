//! What actors act upon: the model's Redis, the event heap, the lives of tasks. It does at once what an actor asks for.

use crate::agenda::What;
use crate::audit::REDIS;
use crate::engine::virtual_time::event_queue::{EventQueue, Happening, Who};
use crate::engine::virtual_time::lever::Wire;
use crate::engine::virtual_time::lives::TaskLives;
use crate::engine::virtual_time::pools::{Needs, OnResource, Pools};
use crate::engine::virtual_time::process::{HandlerTable, Work};
use crate::engine::virtual_time::redis::VirtualRedis;
use crate::engine::virtual_time::token::{Number, Token};
use crate::engine::virtual_time::{Counts, Harness, VirtualOptions};
use crate::handler::Handlers;
use crate::plan::Plan;
use firedrill_asynq::actor::{Action, Out, RunId, Ticket, Timer};
use firedrill_asynq::clock::Time;
use firedrill_asynq::drive::REFUSED_MS;
use firedrill_asynq::note::Note;
use firedrill_asynq::op::{Answer, BrokerError, Delayed, Op, Reply};
use firedrill_reports::record::Mark;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// See the module.
pub(crate) struct Stage<'p> {
    pub(crate) plan: &'p Plan,
    pub(crate) options: VirtualOptions<'p>,
    /// Time 0 of the plan.
    pub(crate) epoch: Time,
    pub(crate) now: Time,
    pub(crate) events: EventQueue,
    pub(crate) redis: VirtualRedis,
    /// What lies before it, where the plan does something to that.
    pub(crate) wire: Option<Wire>,
    pub(crate) handlers: Handlers,
    pub(crate) lives: TaskLives,
    /// What handlers share, if they share anything.
    pub(crate) pools: Option<Pools>,
    /// Steps whose effect was seen.
    pub(crate) seen: Vec<bool>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) counts: Counts,
    /// Draws by how much handlers' times vary by the harness.
    pub(crate) overruns: ChaCha8Rng,
    /// A queue whose leases go as soon as there are any, and the step that wants it so.
    pub(crate) loses_leases: Option<(u16, usize)>,
    /// Answers that came at once, and wait until the present step is over.
    pub(crate) answers: VecDeque<(Who, Ticket<Token>, Answer<Token>)>,
}

/// Does what one actor wants done.
pub(crate) struct Effects<'s, 'p> {
    pub(crate) stage: &'s mut Stage<'p>,
    pub(crate) who: Who,
    /// A worker process' name, and its handlers.
    pub(crate) process: Option<(&'s str, &'s mut HandlerTable)>,
    /// Whether the actor has shut down.
    pub(crate) exited: bool,
    /// How far its clock is ahead.
    pub(crate) skew_ns: i64,
}

impl Out<Token> for Effects<'_, '_> {
    #[inline(always)]
    fn push(&mut self, action: Action<Token>) {
        match action {
            Action::Call(ticket, op) => self.stage.call(self.who, ticket, op),
            Action::Timer(at, Timer::Deadline(_)) => {
                // Most handlers return before their deadline, and then its timer would do nothing.
                if let Some((_, handlers)) = &mut self.process {
                    handlers.expect_deadline(Time(at.0 - self.skew_ns));
                }
            }
            Action::Timer(at, timer) => {
                let timer = Happening::Timer(self.who, timer);
                // Timers run by themselves, as Go's do: a clock that is set does not move them.
                self.stage.events.push(Time(at.0 - self.skew_ns), timer);
            }
            Action::Run { run, task } => {
                if let Some((name, handlers)) = &mut self.process {
                    self.stage
                        .handler_begins(self.who, name, handlers, run, &task);
                }
            }
            // Servers of the model have no groups and no health checks.
            Action::Aggregate(_) | Action::Health(_) => {}
            Action::Note(entry) if self.skew_ns != 0 => {
                self.stage.note(&entry.moved(-self.skew_ns))
            }
            Action::Note(entry) => self.stage.note(&entry),
            Action::Exit => self.exited = true,
        }
    }
}

impl Stage<'_> {
    pub(crate) fn since_start_ms(&self) -> i64 {
        self.now.millis() - self.epoch.millis()
    }

    #[inline(always)]
    fn note(&mut self, entry: &Note<Number>) {
        match entry {
            Note::Sent { .. } => self.counts.arrivals += 1,
            Note::Finished { .. } => self.counts.returns += 1,
            Note::Answered { .. }
            | Note::Started { .. }
            | Note::GivenUp { .. }
            | Note::Unhandled { .. } => {}
        }
        self.lives.note(entry);
    }

    #[inline(always)]
    pub(crate) fn call(&mut self, who: Who, ticket: Ticket<Token>, op: Op<Token>) {
        if self.wire.is_some() {
            return self.send(who, ticket, op);
        }
        let answer = self.apply(op);
        let wait = match &answer {
            Err(_) => self.refusal_ms(&answer) * 1_000,
            _ => self.options.harness.round_trip_us,
        };
        if wait == 0 {
            self.answers.push_back((who, ticket, answer));
        } else {
            let at = self.now.plus_micros(wait);
            let under_way = Box::new((who, ticket, answer));
            self.events.push(at, Happening::Answer(under_way));
        }
    }

    /// Has Redis carry out an operation.
    #[inline(always)]
    pub(crate) fn apply(&mut self, op: Op<Token>) -> Answer<Token> {
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
        if let Some(by) = self.redis.take_reached() {
            self.reached_limit(by);
        }
        if let Some((queue, step)) = self.loses_leases {
            self.lose_leases(queue, step);
        }
        match &answer {
            Ok(Reply::Done) => {
                if let Some(number) = done {
                    self.lives.gone(number);
                }
            }
            Ok(Reply::Count(count)) if retry => self.counts.retries_due += count,
            _ => {}
        }
        answer
    }

    /// How long it takes until a client is told of a refusal, virtual milliseconds; 0 for an answer.
    pub(crate) fn refusal_ms(&self, answer: &Answer<Token>) -> i64 {
        match answer {
            Err(_) if !self.redis.is_up() => VirtualRedis::refusal_ms(),
            Err(BrokerError::Refused(_)) if self.redis.is_asked_again() => {
                VirtualRedis::refusal_ms() + REFUSED_MS
            }
            Err(BrokerError::Refused(_)) => REFUSED_MS,
            _ => 0,
        }
    }

    /// What is in Redis is not what was sent, from now on, or not where it should be.
    pub(crate) fn unleased(&mut self, now: Time) {
        self.lives.absences().leaves(REDIS, now);
        self.lives.absences().returns(REDIS, now);
    }

    /// Deletes the leases of a queue, now or as soon as there are any.
    #[cold]
    pub(crate) fn lose_leases(&mut self, queue: u16, step: usize) {
        if self.redis.data().lose_leases(&queue) > 0 {
            self.loses_leases = None;
            self.saw(step, REDIS);
        } else {
            self.loses_leases = Some((queue, step));
        }
    }

    fn handler_begins(
        &mut self,
        who: Who,
        name: &str,
        handlers: &mut HandlerTable,
        run: RunId,
        task: &Token,
    ) {
        let at_ms = self.since_start_ms();
        let Some(mut behaviour) = self.handlers.decide(at_ms, name, task.execution()) else {
            return;
        };
        let service_us = behaviour.service_us + self.overrun_us();
        behaviour.service_us = service_us.max(0);
        for step in &behaviour.touched_by {
            self.saw(*step, name);
        }
        let ends = self.now.plus_micros(behaviour.service_us);
        let needs = !behaviour.uses.is_empty();
        let deadline = handlers.begin(Work {
            run,
            task: task.number,
            outcome: behaviour.outcome,
            service_us: behaviour.service_us,
            ending: behaviour.ending,
            children: {
                behaviour.children.reverse();
                behaviour.children
            },
            requeued_by: behaviour.requeued_by,
            needs: Needs::of(behaviour.uses, self.now),
            deadline: None,
        });
        // The deadline matters to a handler that would not have returned by then.
        if let Some(at) = deadline.filter(|at| needs || *at <= ends) {
            handlers.take_deadline(run);
            let timer = Happening::Timer(who, Timer::Deadline(run));
            self.events.push(at, timer);
        }
        let next = match needs {
            true => (self.now, Happening::Resource(who, run, OnResource::Begins)),
            false => (ends, Happening::HandlerEnds(who, run)),
        };
        self.events.push(next.0, next.1);
    }

    /// How much longer a handler works than the plan wants.
    fn overrun_us(&mut self) -> i64 {
        let Harness {
            overrun_us,
            spread_us,
            ..
        } = self.options.harness;
        match spread_us {
            ..=0 => overrun_us,
            _ => overrun_us + self.overruns.random_range(-spread_us..=spread_us),
        }
    }

    /// Redis refuses what needs memory. A limit that was raised before was not raised enough.
    #[cold]
    fn reached_limit(&mut self, by: What) {
        match by {
            What::Begin(step) => self.saw(step, REDIS),
            What::Remedy(index) => {
                self.lives.absences().refuses(self.now);
                let mark = self.plan.remedies[index].not_enough(self.plan, self.since_start_ms());
                self.marks.push(mark);
            }
            _ => {}
        }
    }

    /// A step of the timeline has had an effect in a process.
    pub(crate) fn saw(&mut self, step: usize, process: &str) {
        if std::mem::replace(&mut self.seen[step], true) {
            return;
        }
        let mark = self.plan.timeline[step].effect_mark(self.since_start_ms(), process);
        self.marks.push(mark);
    }
}
