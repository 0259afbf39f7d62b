//! The producer: enqueues the plan's arrivals at their intended times, whatever Redis does (open loop).

mod again;

use crate::lever::{Arriving, Lever, LoadLever};
use crate::plan::{
    Arrival, ArrivalTimes, Arrivals, Births, Child, Dice, Execution, IdPattern, LeftLocks, Plan,
    Routes, TaskPlan,
};
use again::{Again, Span, is_on, span};
use firedrill_asynq::actor::scheduler::{Periodic, Scheduler};
use firedrill_asynq::actor::{Action, Actor, Event, Out, Ticket, Timer};
use firedrill_asynq::client::Submission;
use firedrill_asynq::clock::Time;
use firedrill_asynq::cron::Spec;
use firedrill_asynq::keys::Queue;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::note::{Intake, Note};
use firedrill_asynq::op::{Accepted, Op, Reply};
use firedrill_asynq::options::TaskOptions;
use firedrill_asynq::rng;
use firedrill_asynq::task::Task;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Makes the tasks of a producer.
pub trait Mint<T> {
    /// The task of arrival `seq` of workload entry `workload`, as it is submitted at `now`.
    fn mint(&mut self, workload: usize, seq: u64, now: Time) -> Submission<T>;
}

/// One workload entry's schedule.
struct Source {
    arrivals: ArrivalTimes,
    next_seq: u64,
    next: Option<Arrival>,
}

/// Enqueues every arrival of the plan. Its ledger is the first half of the audit.
pub struct Producer<T: Task, M> {
    origin: Time,
    queues: BTreeSet<T::Queue>,
    sources: Vec<Source>,
    mint: M,
    scheduler: Option<Scheduler<T>>,
    /// One that runs beside it while steps have it so.
    second: Option<Scheduler<T>>,
    /// When that is, and when there is no scheduler at all.
    doubled: Vec<Span>,
    gone: Vec<Span>,
    /// Of each workload entry, whether its tasks are given their id.
    given_ids: Vec<bool>,
    /// How many tasks with a given id are not answered.
    named: BTreeMap<T::Id, u32>,
    /// Locks that were left behind, and tasks that are not answered and will be refused by one: by the lock of which step.
    left_locks: LeftLocks,
    locked_out: BTreeMap<T::Id, usize>,
    again: Again<T>,
    stopped: bool,
    /// Steps of the timeline that have had an effect, until somebody is told.
    felt: Felt,
}

/// Told of each step's effect, and when that was.
type Tell = Box<dyn FnMut(usize, Time) + Send>;

#[derive(Default)]
struct Felt {
    seen: BTreeSet<usize>,
    tell: Option<Tell>,
}

impl Felt {
    fn by(&mut self, step: usize, at: Time) {
        if self.seen.insert(step)
            && let Some(tell) = &mut self.tell
        {
            tell(step, at);
        }
    }
}

impl<T: Task, M: Mint<T>> Producer<T, M> {
    /// A producer for `plan`, whose time 0 is `origin`, that enqueues what `mint` makes into `queues`.
    #[must_use]
    pub fn new(plan: &Plan, origin: Time, queues: BTreeSet<T::Queue>, mint: M) -> Self {
        let source = |index| Source {
            arrivals: crate::plan::arrivals(plan, index),
            next_seq: 0,
            next: None,
        };
        Self {
            origin,
            queues,
            sources: (0..plan.workload.len()).map(source).collect(),
            mint,
            scheduler: None,
            second: None,
            doubled: Vec::new(),
            gone: Vec::new(),
            given_ids: plan
                .workload
                .iter()
                .map(|task| task.task_id.is_some())
                .collect(),
            named: BTreeMap::new(),
            left_locks: LeftLocks::of(plan, origin),
            locked_out: BTreeMap::new(),
            again: Again::of(plan, origin),
            stopped: false,
            felt: Felt::default(),
        }
    }

    /// Tells `tell` once of each step of the timeline that has had an effect on what is enqueued.
    #[must_use]
    pub fn telling(mut self, tell: impl FnMut(usize, Time) + Send + 'static) -> Self {
        self.felt.tell = Some(Box::new(tell));
        self
    }

    /// Publishes the plan's periodic tasks as a scheduler of this host and process would.
    #[must_use]
    pub fn publishing(mut self, plan: &Plan, host: &str, pid: u32) -> Self {
        let mut ids = rng::stream(plan.seed, "scheduler/ids");
        self.scheduler = scheduler(plan, self.origin, (host, pid), &mut ids);
        let spans = |factor: f64| {
            let spans = plan.timeline.iter().filter(|step| {
                let lever = step.fault.begin();
                matches!(lever, Lever::Load(LoadLever { task: None, what: Arriving::Periodic, factor: is }) if is == factor)
            });
            spans
                .map(|step| span(step, self.origin))
                .collect::<Vec<_>>()
        };
        (self.doubled, self.gone) = (spans(2.0), spans(0.0));
        if !self.doubled.is_empty() {
            self.second = scheduler(plan, self.origin, (host, pid), &mut ids);
        }
        self
    }

    /// Who makes its tasks.
    pub(crate) fn mint(&self) -> &M {
        &self.mint
    }

    /// The same, to make one.
    pub(crate) fn mint_mut(&mut self) -> &mut M {
        &mut self.mint
    }

    /// Sets the timer of a source's next arrival.
    fn schedule(&mut self, now: Time, index: usize, out: &mut impl Out<T>) {
        let origin = self.origin;
        let source = &mut self.sources[index];
        source.next = source.arrivals.next_meant();
        if let Some(arrival) = source.next {
            let at = origin.plus_micros(arrival.at_us);
            out.push(Action::Timer(at, Timer::Arrival(index)));
        }
        for scheduler in [&mut self.scheduler, &mut self.second]
            .into_iter()
            .flatten()
        {
            scheduler.due(now, index);
        }
    }

    fn enqueue(&mut self, now: Time, index: usize, out: &mut impl Out<T>) {
        let source = &mut self.sources[index];
        let Some(arrival) = source.next else {
            return;
        };
        if let Some(step) = arrival.withheld_by {
            self.felt.by(step, now);
            return self.schedule(now, index, out);
        }
        let moved_by = source.arrivals.touched_by(arrival.at_us);
        let moved_by = moved_by.chain(arrival.doubled_by);
        moved_by.for_each(|step| self.felt.by(step, now));
        let intended = self.origin.plus_micros(arrival.at_us);
        let seq = source.next_seq;
        source.next_seq += 1;
        let submission = self.mint.mint(index, seq, now);
        let id = submission.message.id();
        if !self.left_locks.is_empty()
            && let Some(step) = self.left_locks.refuses(index, seq, now)
        {
            self.locked_out.insert(id.clone(), step);
        }
        if self.again.on(now).is_some() {
            self.again.sent.insert(id.clone(), submission.clone());
        }
        if self.given_ids[index] {
            *self.named.entry(id.clone()).or_default() += 1;
        }
        out.push(Action::Note(Note::Sent {
            at: now,
            id: id.clone(),
            workload: u32::try_from(index).unwrap_or(u32::MAX),
            intended,
        }));
        let scheduler = match arrival.doubled_by {
            Some(_) => &mut self.second,
            None => &mut self.scheduler,
        };
        if let Some(scheduler) = scheduler {
            scheduler.sent(now, index, &id);
        }
        out.push(Action::Call(Ticket::Enqueue(id), submission.op(now)));
        self.schedule(now, index, out);
    }
}

impl<T: Task, M: Mint<T>> Producer<T, M> {
    /// Whoever is there tells of its entries; those of who is not vanish after a while.
    fn publish(&self, now: Time, out: &mut impl Out<T>) {
        let is_on = |spans: &[Span]| spans.iter().any(|span| is_on(span, now));
        let Some(scheduler) = &self.scheduler else {
            return;
        };
        if !is_on(&self.gone) {
            scheduler.tell(now, out);
            if let Some(second) = self.second.as_ref().filter(|_| is_on(&self.doubled)) {
                second.tell(now, out);
            }
        }
        scheduler.rest(now, out);
    }

    /// A task is answered; answers whether the plan gave it its id, so that another may have had it.
    fn forget_name(&mut self, id: &T::Id) -> bool {
        let Some(under_way) = self.named.get_mut(id) else {
            return false;
        };
        *under_way -= 1;
        if *under_way == 0 {
            self.named.remove(id);
        }
        true
    }
}

impl<T: Task, M: Mint<T>> Actor<T> for Producer<T, M> {
    #[inline(always)]
    fn on(&mut self, now: Time, event: Event<T>, out: &mut impl Out<T>) {
        match event {
            Event::Start => {
                for queue in &self.queues {
                    out.push(Action::Call(
                        Ticket::Register,
                        Op::RegisterQueue {
                            queue: queue.clone(),
                        },
                    ));
                }
                for index in 0..self.sources.len() {
                    self.schedule(now, index, out);
                }
                if let Some(scheduler) = &self.scheduler {
                    scheduler.rest(now, out);
                }
            }
            Event::Timer(Timer::Publish) if !self.stopped => {
                self.publish(now, out);
            }
            Event::Timer(Timer::Arrival(index)) if !self.stopped => self.enqueue(now, index, out),
            Event::Timer(Timer::Again(number)) => self.send_again(now, number, out),
            Event::Answer(Ticket::Enqueue(id), answer) => {
                let is_refused = !matches!(answer, Ok(Reply::Enqueued(_)));
                if is_refused
                    && !self.stopped
                    && let Some((at, number)) = self.again.refused(&id, now)
                {
                    out.push(Action::Timer(at, Timer::Again(number)));
                    return;
                }
                self.again.sent.remove(&id);
                let is_named = !self.named.is_empty() && self.forget_name(&id);
                let answer = match answer {
                    Ok(Reply::Enqueued(Accepted::New)) => Intake::Accepted,
                    Ok(Reply::Enqueued(Accepted::Duplicate)) => Intake::Duplicate,
                    Ok(Reply::Enqueued(Accepted::IdConflict)) if is_named => Intake::Duplicate,
                    // A repeated enqueue whose first reply was lost finds its own hash; the ids are ours alone.
                    Ok(Reply::Enqueued(Accepted::IdConflict)) => Intake::Accepted,
                    _ => Intake::Rejected,
                };
                if let Some(step) = self.locked_out.remove(&id)
                    && answer == Intake::Duplicate
                {
                    self.felt.by(step, now);
                }
                for scheduler in [&mut self.scheduler, &mut self.second]
                    .into_iter()
                    .flatten()
                {
                    scheduler.answered(now, &id, answer == Intake::Accepted, out);
                }
                let at = now;
                out.push(Action::Note(Note::Answered { at, id, answer }));
            }
            Event::Answer(Ticket::ClearState, _) => out.push(Action::Exit),
            // What was sent is still to be answered.
            Event::Stop => {
                self.stopped = true;
                self.gives_up(now, out);
            }
            Event::Shutdown => {
                self.stopped = true;
                match &self.scheduler {
                    Some(scheduler) => scheduler.leave(now, out),
                    None => out.push(Action::Exit),
                }
            }
            _ => {}
        }
    }
}

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
        self.submission(payload, id, delay_ms, now)
    }

    /// The uniqueness lock of a payload of a workload entry, whose tasks go where they go at `now`.
    pub(crate) fn lock(&self, workload: usize, number: u64, now: Time) -> String {
        let payload = Payload {
            workload,
            seq: number,
            child: None,
        };
        let of_it = self.submission(payload, String::new(), 0, now);
        of_it.message.unique_key
    }

    fn submission(
        &self,
        payload: Payload,
        id: String,
        delay_ms: i64,
        now: Time,
    ) -> Submission<TaskMessage> {
        let Payload { workload, seq, .. } = payload;
        let task = &self.workload[workload];
        let queue = self.routes.queue(workload, now);
        let number = task.payload_number(seq);
        let bytes = self.dice.payload_bytes(task, workload, seq);
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
        let payload = Payload {
            workload,
            seq,
            child: None,
        };
        let (id, delay_ms) = (
            id_of(
                self.seed,
                self.workload[workload].task_id.as_ref(),
                workload,
                seq,
            ),
            self.workload[workload].delay_ms,
        );
        self.submission(payload, id, delay_ms, now)
    }
}

/// The scheduler of the periodic tasks of `plan`, if it has any, whose time 0 is `origin`.
fn scheduler<T: Task>(
    plan: &Plan,
    origin: Time,
    (host, pid): (&str, u32),
    ids: &mut ChaCha8Rng,
) -> Option<Scheduler<T>> {
    let mut uuid = || uuid::Builder::from_random_bytes(ids.random()).into_uuid();
    let name = format!("{host}:{pid}:{}", uuid());
    let periodic = |(number, task): (usize, &TaskPlan)| {
        let Arrivals::Cron { spec } = &task.arrivals else {
            return None;
        };
        let periodic = Periodic {
            // A plan's specifications were read before.
            when: Spec::parse(spec).ok()?,
            id: uuid().to_string(),
            task_type: task.task.clone(),
            options: task
                .options(task.task_id.as_ref().map(ToString::to_string).as_deref())
                .texts(),
        };
        Some((number, periodic))
    };
    let entries: BTreeMap<usize, Periodic> = plan
        .workload
        .iter()
        .enumerate()
        .filter_map(periodic)
        .collect();
    let ahead = plan.starts.on_the_calendar().0.saturating_sub(origin.0);
    (!entries.is_empty()).then(|| Scheduler::new(name, ahead, entries))
}

impl TaskPlan {
    /// Its options as a submission has them.
    fn options<'a>(&'a self, task_id: Option<&'a str>) -> TaskOptions<'a> {
        TaskOptions {
            queue: &self.queue,
            max_retry: self.max_retry,
            timeout_ms: self.timeout_ms,
            delay_ms: self.delay_ms,
            retention_ms: self.retention_ms,
            task_id,
            unique_ms: self.unique.map_or(0, |unique| unique.ttl_ms),
            group: self.group.as_deref(),
        }
    }

    /// How long its uniqueness lock is held at most, if it has one.
    pub(crate) fn unique_for(&self) -> Option<Duration> {
        let ttl_ms = self.unique?.ttl_ms;
        Some(Duration::from_millis(u64::try_from(ttl_ms).unwrap_or(0)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::plan_with_arrivals;
    use firedrill_asynq::message::ProtoTimestamp;

    type Actions = firedrill_asynq::actor::Actions<TaskMessage>;

    const START: Time = Time::from_millis(1_700_000_000_000);

    struct Paper {
        producer: Producer<TaskMessage, Messages>,
        out: Actions,
    }

    impl Paper {
        fn step(&mut self, secs: i64, event: Event<TaskMessage>) -> &Actions {
            self.out.clear();
            let now = START.plus_millis(secs * 1_000);
            self.producer.on(now, event, &mut self.out);
            &self.out
        }
    }

    #[test]
    fn a_periodic_task_is_enqueued_published_and_remembered() {
        let plan = plan_with_arrivals("{ cron: \"@every 7s\" }");
        let messages = Messages::new(&plan, START);
        let producer = Producer::new(&plan, START, messages.queues(), messages);
        let mut paper = Paper {
            producer: producer.publishing(&plan, "h1", 42),
            out: Vec::new(),
        };
        let started = paper.step(0, Event::Start);
        let first = Action::Timer(START.plus_millis(7_000), Timer::Arrival(0));
        let beat = Action::Timer(START.plus_millis(10_000), Timer::Publish);
        assert_eq!(started[1..], [first, beat]);

        paper.step(7, Event::Timer(Timer::Arrival(0)));
        let Some(Action::Call(Ticket::Enqueue(id), Op::Enqueue { .. })) = paper.out.get(1).cloned()
        else {
            panic!("{:?}", paper.out);
        };
        let accepted = Ok(Reply::Enqueued(Accepted::New));
        paper.step(7, Event::Answer(Ticket::Enqueue(id.clone()), accepted));
        let Action::Call(Ticket::Record, Op::RecordEnqueueEvent { entry, event }) = &paper.out[0]
        else {
            panic!("{:?}", paper.out);
        };
        assert_eq!(event.task_id, id);
        let entry = entry.clone();

        paper.step(10, Event::Timer(Timer::Publish));
        let Action::Call(_, Op::WriteSchedulerEntries(state)) = &paper.out[0] else {
            panic!("{:?}", paper.out);
        };
        assert!(state.scheduler.starts_with("h1:42:"), "{state:?}");
        let published = &state.entries[0];
        let secs = |at: Option<ProtoTimestamp>| at.unwrap().seconds - START.secs();
        assert_eq!(
            (
                &*published.id,
                &*published.spec,
                secs(published.prev_enqueue_time),
                secs(published.next_enqueue_time)
            ),
            (&*entry, "@every 7s", 7, 14)
        );

        paper.step(11, Event::Shutdown);
        assert!(matches!(
            paper.out[..],
            [Action::Call(
                Ticket::ClearState,
                Op::ClearSchedulerEntries(_)
            )]
        ));
        paper.step(11, Event::Answer(Ticket::ClearState, Ok(Reply::Done)));
        assert_eq!(paper.out, [Action::Exit]);
    }
}
