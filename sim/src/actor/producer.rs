//! The producer: enqueues the plan's arrivals at their intended times, whatever Redis does (open loop).

use crate::actor::{Action, Actions, Actor, Event, Ticket, Timer};
use crate::asynq::message::TaskMessage;
use crate::asynq::op::{Answer, Op, Reply};
use crate::clock::Time;
use crate::plan::{Plan, TaskPlan};
use crate::rng;
use rand::RngExt;
use std::collections::BTreeSet;

/// What became of one arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Task id.
    pub id: String,
    /// Index of the workload entry.
    pub workload: usize,
    /// When the plan wanted it.
    pub intended: Time,
    /// When it was sent.
    pub sent: Time,
    /// Redis' answer; `None` while it is under way.
    pub accepted: Option<bool>,
    /// When it answered.
    pub answered: Option<Time>,
}

/// One workload entry's schedule.
struct Source {
    task: TaskPlan,
    arrivals: Box<dyn Iterator<Item = i64> + Send>,
    next_seq: u64,
    next_at: Option<Time>,
}

/// Enqueues every arrival of the plan. Its list of arrivals is the first half of the audit.
pub struct Producer {
    origin: Time,
    seed: u64,
    sources: Vec<Source>,
    arrivals: Vec<Arrival>,
    /// Accepted or rejected so far, for the progress display.
    answered: u64,
    stopped: bool,
}

impl Producer {
    /// A producer for `plan`, whose time 0 is `origin`.
    #[must_use]
    pub fn new(plan: &Plan, origin: Time) -> Self {
        let sources = plan
            .workload
            .iter()
            .enumerate()
            .map(|(index, task)| Source {
                task: task.clone(),
                arrivals: Box::new(crate::plan::arrivals(plan, index)),
                next_seq: 0,
                next_at: None,
            })
            .collect();
        Self {
            origin,
            seed: plan.seed,
            sources,
            arrivals: Vec::new(),
            answered: 0,
            stopped: false,
        }
    }

    /// Every arrival so far, in the order sent.
    #[must_use]
    pub fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    /// How many arrivals Redis has answered, one way or the other.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// Sets the timer of a source's next arrival.
    fn schedule(&mut self, index: usize, out: &mut Actions) {
        let origin = self.origin;
        let source = &mut self.sources[index];
        source.next_at = source
            .arrivals
            .next()
            .map(|micros| origin.plus_micros(micros));
        if let Some(at) = source.next_at {
            out.push(Action::Timer(at, Timer::Arrival(index)));
        }
    }

    fn enqueue(&mut self, now: Time, index: usize, out: &mut Actions) {
        let source = &mut self.sources[index];
        let Some(intended) = source.next_at else {
            return;
        };
        let seq = source.next_seq;
        source.next_seq += 1;
        let id = task_id(self.seed, index, seq);
        let message = TaskMessage {
            r#type: source.task.task.clone(),
            payload: Payload {
                workload: index,
                seq,
            }
            .encode(),
            id: id.clone(),
            queue: source.task.queue.clone(),
            retry: i32::try_from(source.task.max_retry).unwrap_or(i32::MAX),
            timeout: source.task.timeout_ms / 1_000,
            ..TaskMessage::default()
        };
        let ticket = Ticket::Enqueue(self.arrivals.len() as u64);
        self.arrivals.push(Arrival {
            id,
            workload: index,
            intended,
            sent: now,
            accepted: None,
            answered: None,
        });
        out.push(Action::Call(ticket, Op::Enqueue { message, now }));
        self.schedule(index, out);
    }

    fn answered_by(&mut self, now: Time, arrival: u64, answer: &Answer) {
        if let Some(arrival) = usize::try_from(arrival)
            .ok()
            .and_then(|index| self.arrivals.get_mut(index))
        {
            // A repeated enqueue whose first reply was lost finds its own hash; the ids are ours alone, so "exists
            // already" means accepted.
            arrival.accepted = Some(matches!(answer, Ok(Reply::Enqueued(_))));
            arrival.answered = Some(now);
            self.answered += 1;
        }
    }
}

impl Actor for Producer {
    fn on(&mut self, now: Time, event: Event, out: &mut Actions) {
        match event {
            Event::Start => {
                let queues: BTreeSet<&String> = self
                    .sources
                    .iter()
                    .map(|source| &source.task.queue)
                    .collect();
                for queue in queues {
                    out.push(Action::Call(
                        Ticket::Register,
                        Op::RegisterQueue {
                            queue: queue.clone(),
                        },
                    ));
                }
                for index in 0..self.sources.len() {
                    self.schedule(index, out);
                }
            }
            Event::Timer(Timer::Arrival(index)) if !self.stopped => self.enqueue(now, index, out),
            Event::Answer(Ticket::Enqueue(arrival), answer) => {
                self.answered_by(now, arrival, &answer)
            }
            Event::Shutdown => {
                self.stopped = true;
                out.push(Action::Exit);
            }
            _ => {}
        }
    }
}

/// The id of an arrival: a version 4 UUID drawn from the seed, so that a drill's ids are its own and repeatable.
#[must_use]
pub fn task_id(seed: u64, workload: usize, seq: u64) -> String {
    let mut rng = rng::stream(seed, &format!("id/{workload}/{seq}"));
    uuid::Builder::from_random_bytes(rng.random())
        .into_uuid()
        .to_string()
}

/// What firedrill's tasks carry: enough for any worker to know how the plan wants this task to behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    /// Index of the workload entry.
    pub workload: usize,
    /// Number of the arrival within it.
    pub seq: u64,
}

impl Payload {
    /// As JSON.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        format!(r#"{{"workload":{},"seq":{}}}"#, self.workload, self.seq).into_bytes()
    }

    /// From JSON; `None` for a payload firedrill did not make.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            workload: usize::try_from(value.get("workload")?.as_u64()?).ok()?,
            seq: value.get("seq")?.as_u64()?,
        })
    }
}
