//! What stands for a task in virtual time: a few numbers instead of a message.

use crate::plan::{Child, Dice, Execution, IdPattern, Plan, Routes, TaskPlan};
use crate::producer::Mint;
use firedrill_asynq::client::Submission;
use firedrill_asynq::clock::Time;
use firedrill_asynq::table::Pages;
use firedrill_asynq::task::Task;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::time::Duration;

/// Numbers tasks in the order in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(u32);

impl Number {
    /// Of a message that nobody can decode: beyond those of any drill, a block for each step.
    pub(crate) fn garbled(step: usize, number: u32) -> Self {
        const FIRST: u32 = 1 << 28;
        const EACH: u32 = 10_000;
        let step = u32::try_from(step).unwrap_or(0);
        Self(FIRST + (step % 1_000) * EACH + number)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} in order of arrival", self.0)
    }
}

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

impl From<Number> for u32 {
    fn from(number: Number) -> Self {
        number.0
    }
}

/// A task. Everything else about it stands in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) number: Number,
    workload: u32,
    seq: u64,
    kind: u16,
    queue: u16,
    retried: i32,
    retry: i32,
    timeout_s: i32,
    retention_s: i32,
    /// Unix seconds, 0 = none; good until 2106, and small.
    deadline_s: u32,
    /// Number of its payload, if no other task may have the same meanwhile.
    unique: Option<u64>,
    /// How large its payload is, bytes; 0: small.
    payload: u32,
    /// The same of the error it failed with last.
    error: u32,
    /// Number of its group in the plan.
    group: Option<u16>,
}

/// An uniqueness lock: of a workload entry, which has its number in its payloads, and a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lock(u32, u64);

/// What a message holds beside its payload, and a whole one with a small payload, bytes.
const MESSAGE_BYTES: u64 = 120;
const SMALL_BYTES: u64 = 224;

/// What jemalloc takes for so many bytes, beyond what it takes for a small message: there are four classes to a doubling.
fn allocated(bytes: u64) -> u64 {
    let bytes = (bytes + MESSAGE_BYTES).max(SMALL_BYTES);
    let spacing = (bytes.next_power_of_two() / 8).max(1);
    bytes.next_multiple_of(spacing) - SMALL_BYTES
}

impl Token {
    /// This attempt of it.
    pub(crate) fn execution(&self) -> Execution {
        Execution {
            workload: self.workload as usize,
            seq: self.seq,
            attempt: u32::try_from(self.retried).unwrap_or(0),
        }
    }
}

impl Task for Token {
    type Id = Number;
    /// Position in the plan's queues.
    type Queue = u16;
    /// Position in [`Tokens::kinds`].
    type Kind = u16;
    type Lock = Lock;
    /// Position in the plan's groups.
    type Group = u16;
    type Table<V: Clone + Debug + Send + 'static> = Pages<V>;

    #[inline]
    fn id(&self) -> Number {
        self.number
    }

    #[inline]
    fn queue(&self) -> u16 {
        self.queue
    }

    #[inline]
    fn kind(&self) -> u16 {
        self.kind
    }

    #[inline]
    fn retry(&self) -> i32 {
        self.retry
    }

    #[inline]
    fn retried(&self) -> i32 {
        self.retried
    }

    #[inline]
    fn timeout_s(&self) -> i64 {
        i64::from(self.timeout_s)
    }

    #[inline]
    fn deadline_s(&self) -> i64 {
        i64::from(self.deadline_s)
    }

    #[inline]
    fn retention_s(&self) -> i64 {
        i64::from(self.retention_s)
    }

    fn lock(&self) -> Option<Lock> {
        self.unique.map(|payload| Lock(self.workload, payload))
    }

    fn group(&self) -> Option<u16> {
        self.group
    }

    fn payload_bytes(&self) -> u64 {
        match (self.payload, self.error) {
            (0, 0) => 0,
            (payload, error) => allocated(u64::from(payload) + u64::from(error)),
        }
    }

    fn failed(&mut self, error: &str, _: i64, retries: bool) {
        self.error = u32::try_from(error.len()).unwrap_or(u32::MAX);
        self.retried += i32::from(retries);
    }

    fn completed(&mut self, _: i64) {}
}

/// What the tasks of a workload entry have in common.
#[derive(Debug, Clone)]
struct Pattern {
    token: Token,
    delay_ms: i64,
    deadline_ms: Option<i64>,
    id: Option<IdPattern>,
    unique_for: Option<Duration>,
    /// The workload entry, where it says how large its payloads are or how many there are.
    task: Option<TaskPlan>,
}

/// Makes the tokens of a plan.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    /// One for each leg of the plan's routes.
    patterns: Vec<Pattern>,
    routes: Routes,
    kinds: Vec<(String, String)>,
    next: u32,
    dice: Dice,
    /// Numbers of the tasks whose ids come again, by queue and id.
    named: BTreeMap<(u16, String), Number>,
    /// Of each workload entry whose tasks are given their ids, the number of the task that was made last.
    last: BTreeMap<usize, Number>,
}

impl Tokens {
    pub(crate) fn new(plan: &Plan, origin: Time) -> Self {
        let routes = Routes::of(plan, origin);
        let kinds: BTreeSet<(String, String)> = routes.task_types().collect();
        let kinds: Vec<(String, String)> = kinds.into_iter().collect();
        let small = |place: Option<usize>| u16::try_from(place.unwrap_or(0)).unwrap_or(u16::MAX);
        let whole_seconds = |ms: i64| i32::try_from(ms / 1_000).unwrap_or(i32::MAX);
        let token = |workload: usize, task: &TaskPlan, queue: usize| Token {
            number: Number(0),
            workload: u32::try_from(workload).unwrap_or(u32::MAX),
            seq: 0,
            kind: small(
                kinds
                    .iter()
                    .position(|kind| kind.0 == task.task && kind.1 == plan.queues[queue].name),
            ),
            queue: small(Some(queue)),
            retried: 0,
            retry: i32::try_from(task.max_retry).unwrap_or(i32::MAX),
            timeout_s: whole_seconds(task.timeout_ms),
            retention_s: whole_seconds(task.retention_ms),
            deadline_s: 0,
            unique: None,
            payload: 0,
            error: 0,
            group: task.group.as_ref().map(|group| {
                let groups = plan.workload.iter().filter_map(|task| task.group.as_ref());
                small(
                    groups
                        .collect::<BTreeSet<_>>()
                        .iter()
                        .position(|known| *known == group),
                )
            }),
        };
        let pattern = |(workload, queue): (usize, usize)| {
            let task = &plan.workload[workload];
            Pattern {
                token: token(workload, task, queue),
                delay_ms: task.delay_ms,
                deadline_ms: task.deadline_ms,
                id: task.task_id.clone(),
                unique_for: task.unique_for(),
                task: (task.unique.is_some() || task.payload.is_some()).then(|| task.clone()),
            }
        };
        Self {
            patterns: routes.legs().map(pattern).collect(),
            routes,
            kinds,
            next: 0,
            dice: Dice::new(plan),
            named: BTreeMap::new(),
            last: BTreeMap::new(),
        }
    }

    /// The task `number` of a pattern, arrival `seq`, with the payload of arrival `like`.
    #[inline]
    fn submission(
        &self,
        (workload, pattern): (usize, &Pattern),
        number: Number,
        (like, seq): (u64, u64),
        now: Time,
    ) -> Submission<Token> {
        let mut message = Token {
            number,
            seq,
            ..pattern.token
        };
        if let Some(ms) = pattern.deadline_ms {
            message.deadline_s = u32::try_from(now.plus_millis(ms).secs()).unwrap_or(u32::MAX);
        }
        if let Some(task) = &pattern.task {
            message.unique = task.unique.map(|_| task.payload_number(like));
            let bytes = self.dice.payload_bytes(task, workload, like);
            message.payload = u32::try_from(bytes).unwrap_or(u32::MAX);
        }
        Submission {
            process_at: (pattern.delay_ms > 0).then(|| now.plus_millis(pattern.delay_ms)),
            unique_for: pattern.unique_for,
            message,
        }
    }

    /// Task types with their queues, in order.
    pub(crate) fn kinds(&self) -> &[(String, String)] {
        &self.kinds
    }

    /// The lock of a payload of a workload entry, and the queue that its tasks go to at `now`.
    pub(crate) fn lock(&self, workload: usize, number: u64, now: Time) -> (u16, Lock) {
        let token = self.patterns[self.routes.leg(workload, now)].token;
        (token.queue, Lock(token.workload, number))
    }

    /// A task that waits for its time `at_s`, Unix seconds, or is pending, as whoever moves it would submit it at `now`: its attempts
    /// are counted anew.
    pub(crate) fn again(
        &self,
        token: Token,
        at_s: Option<i64>,
        to: u16,
        now: Time,
    ) -> Submission<Token> {
        let task_of = |token: &Token| {
            let kind = self.kinds.get(usize::from(token.kind));
            kind.map(|(task, _)| task)
        };
        let known = self.patterns.iter().map(|pattern| pattern.token);
        let mut there =
            known.filter(|known| known.queue == to && task_of(known) == task_of(&token));
        let message = Token {
            queue: to,
            kind: there.next().map_or(token.kind, |known| known.kind),
            retried: 0,
            error: 0,
            ..token
        };
        let at = at_s.map(|at_s| Time::from_millis(at_s * 1_000));
        Submission {
            process_at: at.filter(|at| *at > now),
            unique_for: self.patterns[token.workload as usize].unique_for,
            message,
        }
    }

    /// The task that a handler enqueues at `now`.
    pub(crate) fn child(&mut self, child: &Child, now: Time) -> Submission<Token> {
        let submission = self.mint(child.workload, child.seq, now);
        Submission {
            process_at: (child.delay_ms > 0).then(|| now.plus_millis(child.delay_ms)),
            ..submission
        }
    }

    /// The queues they go to.
    pub(crate) fn queues(&self) -> BTreeSet<u16> {
        self.patterns
            .iter()
            .map(|pattern| pattern.token.queue)
            .collect()
    }
}

/// The number of a plan's queue.
pub(crate) fn queue_number(plan: &Plan, name: &str) -> u16 {
    let place = plan.queues.iter().position(|queue| queue.name == name);
    // A plan names no queue it does not have, and has at most 65,535.
    u16::try_from(place.unwrap_or(0)).unwrap_or(u16::MAX)
}

impl Mint<Token> for Tokens {
    #[inline]
    fn mint(&mut self, workload: usize, seq: u64, now: Time) -> Submission<Token> {
        // The plan's size is checked before it runs: there are fewer tasks than numbers.
        let mut number = Number(self.next);
        let pattern = &self.patterns[self.routes.leg(workload, now)];
        if let Some(id) = &pattern.id
            && id.distinct().is_some()
        {
            // It is the same id wherever the task was moved to.
            let home = self.patterns[workload].token.queue;
            let named = (home, id.of(seq));
            number = *self.named.entry(named).or_insert(number);
        }
        // A number that was there before uses none up.
        self.next += u32::from(number.0 == self.next);
        if pattern.id.is_some() {
            self.last.insert(workload, number);
        }
        self.submission((workload, pattern), number, (seq, seq), now)
    }

    fn twin(&mut self, workload: usize, (of, seq): (u64, u64), now: Time) -> Submission<Token> {
        let pattern = &self.patterns[self.routes.leg(workload, now)];
        let (number, seq) = match self.last.get(&workload) {
            // What has the same id is the same task.
            Some(first) => (*first, of),
            None => (Number(self.next), seq),
        };
        self.next += u32::from(number.0 == self.next);
        self.submission((workload, pattern), number, (of, seq), now)
    }
}
