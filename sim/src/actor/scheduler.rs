//! The scheduler's part of a producer: publishes periodic tasks and keeps their history (asynq `scheduler.go`).
//!
//! When a periodic task is due is the producer's business, as with every other arrival. There is no leader: two schedulers
//! with the same entries enqueue twice.

use crate::actor::{Action, Out, Ticket, Timer};
use crate::asynq::message::{ProtoTimestamp, SchedulerEnqueueEvent, SchedulerEntry};
use crate::asynq::op::{Op, SchedulerState};
use crate::asynq::options::option_texts;
use crate::asynq::settings::{SCHEDULER_HEARTBEAT_INTERVAL_MS, SCHEDULER_TTL_S};
use crate::asynq::task::Task;
use crate::clock::Time;
use crate::plan::cron::Spec;
use crate::plan::{Arrivals, Plan};
use crate::rng;
use rand::RngExt;
use std::collections::BTreeMap;

/// The entries of one scheduler.
#[derive(Debug)]
pub(crate) struct Scheduler<T: Task> {
    /// `<host>:<pid>:<uuid>`.
    name: String,
    /// How far the plan's calendar is ahead of the clock, nanoseconds.
    calendar_ahead: i64,
    /// By workload entry.
    entries: BTreeMap<usize, (Spec, SchedulerEntry)>,
    /// Tasks on their way to Redis, and the workload entry of each.
    under_way: BTreeMap<T::Id, usize>,
}

impl<T: Task> Scheduler<T> {
    /// The periodic tasks of `plan`, if it has any, whose time 0 is `origin`. `host` and `pid` are published.
    pub(crate) fn of(plan: &Plan, origin: Time, host: &str, pid: u32) -> Option<Self> {
        let mut ids = rng::stream(plan.seed, "scheduler/ids");
        let mut uuid = || uuid::Builder::from_random_bytes(ids.random()).into_uuid();
        let name = format!("{host}:{pid}:{}", uuid());
        let entries: BTreeMap<usize, (Spec, SchedulerEntry)> = (0..)
            .zip(&plan.workload)
            .filter_map(|(index, task)| {
                let Arrivals::Cron { spec } = &task.arrivals else {
                    return None;
                };
                // A plan's specifications were read before.
                let when = Spec::parse(spec).ok()?;
                let entry = SchedulerEntry {
                    id: uuid().to_string(),
                    spec: spec.clone(),
                    task_type: task.task.clone(),
                    task_payload: Vec::new(),
                    enqueue_options: option_texts(task),
                    next_enqueue_time: None,
                    prev_enqueue_time: Some(ProtoTimestamp::NEVER),
                };
                Some((index, (when, entry)))
            })
            .collect();
        (!entries.is_empty()).then_some(Self {
            name,
            calendar_ahead: plan.starts.on_the_calendar().0.saturating_sub(origin.0),
            entries,
            under_way: BTreeMap::new(),
        })
    }

    /// The first beat comes after one interval: until then nobody sees the entries.
    pub(crate) fn rest(&self, now: Time, out: &mut impl Out<T>) {
        out.push(Action::Timer(
            now.plus_millis(SCHEDULER_HEARTBEAT_INTERVAL_MS),
            Timer::Publish,
        ));
    }

    /// Works out when an entry is due next, be it after the end of the drill.
    pub(crate) fn due(&mut self, now: Time, workload: usize) {
        if let Some((spec, entry)) = self.entries.get_mut(&workload) {
            let ahead = self.calendar_ahead;
            let next = spec.next_after(Time(now.0.saturating_add(ahead)));
            let next = next.map(|at| Time(at.0.saturating_sub(ahead)));
            entry.next_enqueue_time = Some(next.map_or(ProtoTimestamp::NEVER, Into::into));
        }
    }

    /// A task is on its way.
    pub(crate) fn sent(&mut self, now: Time, workload: usize, id: &T::Id) {
        if let Some((_, entry)) = self.entries.get_mut(&workload) {
            entry.prev_enqueue_time = Some(now.into());
            self.under_way.insert(id.clone(), workload);
        }
    }

    /// Redis has answered: what it took goes into the history.
    pub(crate) fn answered(&mut self, now: Time, id: &T::Id, taken: bool, out: &mut impl Out<T>) {
        let entry = self.under_way.remove(id);
        let entry = entry.and_then(|workload| self.entries.get(&workload));
        if let Some((_, entry)) = entry.filter(|_| taken) {
            let event = SchedulerEnqueueEvent {
                task_id: id.to_string(),
                enqueue_time: Some(now.into()),
            };
            let op = Op::RecordEnqueueEvent {
                entry: entry.id.as_str().into(),
                event: Box::new(event),
            };
            out.push(Action::Call(Ticket::Record, op));
        }
    }

    fn state(&self, now: Time) -> Box<SchedulerState> {
        Box::new(SchedulerState {
            scheduler: self.name.clone(),
            entries: self
                .entries
                .values()
                .map(|(_, entry)| entry.clone())
                .collect(),
            now,
            ttl_s: SCHEDULER_TTL_S,
        })
    }

    pub(crate) fn publish(&self, now: Time, out: &mut impl Out<T>) {
        let op = Op::WriteSchedulerEntries(self.state(now));
        out.push(Action::Call(Ticket::Publish, op));
        self.rest(now, out);
    }

    /// Leaves the listings, and takes the history along.
    pub(crate) fn leave(&self, now: Time, out: &mut impl Out<T>) {
        let op = Op::ClearSchedulerEntries(self.state(now));
        out.push(Action::Call(Ticket::ClearState, op));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::producer::{Messages, Producer};
    use crate::actor::{Actor, Event};
    use crate::asynq::message::TaskMessage;
    use crate::asynq::op::{Accepted, Reply};
    use crate::scenario::tests::plan_with_arrivals;

    type Actions = crate::actor::Actions<TaskMessage>;

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
        let messages = Messages::new(&plan);
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
