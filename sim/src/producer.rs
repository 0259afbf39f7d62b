//! The producer: enqueues the plan's arrivals at their intended times, whatever Redis does (open loop).

mod again;
mod messages;

pub use messages::{Messages, Payload, id_of, is_child, task_id};

use crate::lever::{Arriving, Lever, LoadLever};
use crate::plan::{Arrival, ArrivalTimes, Arrivals, LeftLocks, Plan, TaskPlan};
use again::{Again, Span, is_on, span};
use firedrill_asynq::actor::scheduler::{Periodic, Scheduler};
use firedrill_asynq::actor::{Action, Actor, Event, Out, Ticket, Timer};
use firedrill_asynq::client::Submission;
use firedrill_asynq::clock::Time;
use firedrill_asynq::cron::Spec;
use firedrill_asynq::note::{Intake, Note};
use firedrill_asynq::op::{Accepted, Op, Reply};
use firedrill_asynq::options::TaskOptions;
use firedrill_asynq::rng;
use firedrill_asynq::task::Task;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Makes the tasks of a producer.
pub trait Mint<T> {
    /// The task of arrival `seq` of workload entry `workload`, as it is submitted at `now`.
    fn mint(&mut self, workload: usize, seq: u64, now: Time) -> Submission<T>;

    /// What a second scheduler submits, of two arrivals: of the same payload as the first one, the last that was made, and of the same
    /// id where the plan gives it; else it is the second one.
    fn twin(&mut self, workload: usize, arrivals: (u64, u64), now: Time) -> Submission<T>;
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
        let (submission, like) = match arrival.doubled_by {
            None => (self.mint.mint(index, seq, now), seq),
            // The first scheduler has sent its own just now.
            Some(_) => {
                let of = seq.saturating_sub(1);
                (self.mint.twin(index, (of, seq), now), of)
            }
        };
        let id = submission.message.id();
        if !self.left_locks.is_empty()
            && let Some(step) = self.left_locks.refuses(index, like, now)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::plan_with_arrivals;
    use firedrill_asynq::message::{ProtoTimestamp, TaskMessage};

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
