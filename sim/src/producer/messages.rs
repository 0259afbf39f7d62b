//! The messages that asynq would store: ids and payloads, which say what their workers are to do.

use super::Mint;
use crate::plan::{Births, Child, Dice, Execution, IdPattern, Plan, Routes, TaskPlan};
use firedrill_asynq::client::Submission;
use firedrill_asynq::clock::Time;
use firedrill_asynq::keys::Queue;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::rng;
use rand::RngExt;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Makes the messages that asynq would store.
#[derive(Debug, Clone)]
pub struct Messages {
    seed: u64,
    workload: Vec<TaskPlan>,
    routes: Routes,
    dice: Dice,
}

impl Messages {
    /// Of the tasks of `plan`, whose time 0 is `origin`.
    #[must_use]
    pub fn new(plan: &Plan, origin: Time) -> Self {
        Self {
            seed: plan.seed,
            routes: Routes::of(plan, origin),
            workload: plan.workload.clone(),
            dice: Dice::new(plan),
        }
    }

    /// The queues they go to.
    #[must_use]
    pub fn queues(&self) -> BTreeSet<String> {
        self.routes.task_types().map(|(_, queue)| queue).collect()
    }
}

impl Messages {
    /// The task that a handler enqueues at `now`.
    #[must_use]
    pub fn child(&self, child: &Child, now: Time) -> Submission<TaskMessage> {
        let payload = Payload {
            workload: child.workload,
            seq: child.seq,
            child: Some((child.of, child.nth)),
        };
        let (id, delay_ms) = (child_id(child.id), child.delay_ms);
        self.submission((payload, child.seq), id, delay_ms, now)
    }

    /// The uniqueness lock of a payload of a workload entry, whose tasks go where they go at `now`.
    pub(crate) fn lock(&self, workload: usize, number: u64, now: Time) -> String {
        let payload = Payload {
            workload,
            seq: number,
            child: None,
        };
        let of_it = self.submission((payload, number), String::new(), 0, now);
        of_it.message.unique_key
    }

    /// `like`: the arrival whose payload it has.
    fn submission(
        &self,
        (payload, like): (Payload, u64),
        id: String,
        delay_ms: i64,
        now: Time,
    ) -> Submission<TaskMessage> {
        let Payload { workload, seq, .. } = payload;
        let task = &self.workload[workload];
        let queue = self.routes.queue(workload, now);
        let number = task.payload_number(like);
        let bytes = self.dice.payload_bytes(task, workload, like);
        let payload = Payload {
            seq: number,
            ..payload
        };
        let payload = payload.encode(bytes);
        // A payload that comes again does not tell which arrival it is of, and a header is no part of the lock's key.
        let header = || (SEQ_HEADER.to_owned(), seq.to_string());
        let unique_key = match task.unique {
            Some(_) => Queue(queue).unique(&task.task, Some(&payload)),
            None => String::new(),
        };
        let message = TaskMessage {
            r#type: task.task.clone(),
            payload,
            id,
            unique_key,
            group_key: task.group.clone().unwrap_or_default(),
            headers: (number != seq).then(header).into_iter().collect(),
            queue: queue.to_owned(),
            retry: i32::try_from(task.max_retry).unwrap_or(i32::MAX),
            timeout: task.timeout_ms / 1_000,
            deadline: task.deadline_ms.map_or(0, |ms| now.plus_millis(ms).secs()),
            retention: task.retention_ms / 1_000,
            ..TaskMessage::default()
        };
        Submission {
            process_at: (delay_ms > 0).then(|| now.plus_millis(delay_ms)),
            unique_for: task.unique_for(),
            message,
        }
    }
}

impl Mint<TaskMessage> for Messages {
    fn mint(&mut self, workload: usize, seq: u64, now: Time) -> Submission<TaskMessage> {
        self.twin(workload, (seq, seq), now)
    }

    fn twin(
        &mut self,
        workload: usize,
        (of, seq): (u64, u64),
        now: Time,
    ) -> Submission<TaskMessage> {
        let task = &self.workload[workload];
        let given = task.task_id.as_ref();
        // What has the same id is the same task.
        let seq = if given.is_some() { of } else { seq };
        let payload = Payload {
            workload,
            seq,
            child: None,
        };
        let id = id_of(self.seed, given, workload, seq);
        self.submission((payload, of), id, task.delay_ms, now)
    }
}

/// The id of an arrival: as the plan gives it, or [drawn](task_id).
#[must_use]
pub fn id_of(seed: u64, given: Option<&IdPattern>, workload: usize, seq: u64) -> String {
    match given {
        Some(pattern) => pattern.of(seq),
        None => task_id(seed, workload, seq),
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

/// Number of the arrival, where the payload has another one.
const SEQ_HEADER: &str = "firedrill-arrival";
/// The id of a task that a handler enqueues, of its random bits.
fn child_id(bits: u128) -> String {
    let id = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
    id.to_string()
}

/// Whether a task that says of itself whose child it is has the id and the number that it has then.
#[must_use]
pub fn is_child(seed: u64, entries: usize, payload: &Payload, id: &str) -> bool {
    let born = payload
        .child
        .and_then(|(of, nth)| Births::new(seed, entries).identity(of, nth.min(CHILDREN_MAX)));
    born.is_some_and(|(seq, bits)| seq == payload.seq && child_id(bits) == id)
}

/// Children of one execution, at most: what a `then` may say, and how many of them there may be.
const CHILDREN_MAX: u32 = 1_000_000;

/// What firedrill's tasks carry: enough for any worker to know how the plan wants this task to behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    /// Index of the workload entry.
    pub workload: usize,
    /// Number of the arrival within it.
    pub seq: u64,
    /// The execution whose handler has enqueued it, and which of its children it is; `None`: it has arrived.
    pub child: Option<(Execution, u32)>,
}

impl Payload {
    /// As JSON, of `bytes` if it can be so short.
    #[must_use]
    pub fn encode(self, bytes: u64) -> Vec<u8> {
        let Self {
            workload,
            seq,
            child,
        } = self;
        let mut text = format!(r#"{{"workload":{workload},"seq":{seq}"#);
        if let Some((of, nth)) = child {
            let Execution {
                workload: entry,
                seq: number,
                attempt,
            } = of;
            text += &format!(r#","child":[{entry},{number},{attempt},{nth}]"#);
        }
        let around = ",'data':''}".len() as u64;
        if let Some(fill) = bytes.checked_sub(text.len() as u64 + around) {
            let data = "x".repeat(usize::try_from(fill).unwrap_or(0));
            text += &format!(r#","data":"{data}""#);
        }
        text.push('}');
        text.into_bytes()
    }

    /// Of a task: its payload, and the number of the arrival where that stands beside it.
    #[must_use]
    pub fn of(task: &TaskMessage) -> Option<Self> {
        let payload = Self::decode(&task.payload)?;
        let header = task.headers.get(SEQ_HEADER);
        let seq = header.and_then(|seq| seq.parse().ok());
        Some(Self {
            seq: seq.unwrap_or(payload.seq),
            ..payload
        })
    }

    /// From JSON; `None` for a payload firedrill did not make.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        /// As it is written; what fills it up is passed over.
        #[derive(Deserialize)]
        struct Written {
            workload: usize,
            seq: u64,
            child: Option<[u64; 4]>,
        }
        let written: Written = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            workload: written.workload,
            seq: written.seq,
            child: written.child.and_then(|[entry, number, attempt, nth]| {
                let of = Execution {
                    workload: usize::try_from(entry).ok()?,
                    seq: number,
                    attempt: u32::try_from(attempt).ok()?,
                };
                Some((of, u32::try_from(nth).ok()?))
            }),
        })
    }
}
