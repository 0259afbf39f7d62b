//! The scheduler's part of a producer: publishes periodic tasks and keeps their history (asynq `scheduler.go`).
//!
//! It enqueues nothing: whoever does tells it what is due, sent and answered. There is no leader: two schedulers
//! with the same entries enqueue twice.

use crate::actor::{Action, Out, Ticket, Timer};
use crate::clock::Time;
use crate::cron::Spec;
use crate::message::{ProtoTimestamp, SchedulerEnqueueEvent, SchedulerEntry};
use crate::op::{Op, SchedulerState};
use crate::settings::{SCHEDULER_HEARTBEAT_INTERVAL_MS, SCHEDULER_TTL_S};
use crate::task::Task;
use std::collections::BTreeMap;

/// The entries of one scheduler.
#[derive(Debug)]
pub struct Scheduler<T: Task> {
    /// `<host>:<pid>:<uuid>`.
    name: String,
    /// How far the calendar is ahead of the clock, nanoseconds.
    calendar_ahead: i64,
    /// By number.
    entries: BTreeMap<usize, (Spec, SchedulerEntry)>,
    /// Tasks on their way to Redis, and the entry of each.
    under_way: BTreeMap<T::Id, usize>,
}

/// A periodic task of a scheduler.
#[derive(Debug, Clone)]
pub struct Periodic {
    /// When it is due.
    pub when: Spec,
    /// Id of the entry.
    pub id: String,
    /// Task type.
    pub task_type: String,
    /// Its options, each as Go prints it.
    pub options: Vec<String>,
}

impl<T: Task> Scheduler<T> {
    /// A scheduler of these entries, by number. `name` is published: `<host>:<pid>:<uuid>`. The calendar they go by is
    /// `calendar_ahead` nanoseconds ahead of the clock.
    #[must_use]
    pub fn new(name: String, calendar_ahead: i64, entries: BTreeMap<usize, Periodic>) -> Self {
        let entries = entries.into_iter().map(|(number, periodic)| {
            let entry = SchedulerEntry {
                id: periodic.id,
                spec: periodic.when.text().to_owned(),
                task_type: periodic.task_type,
                task_payload: Vec::new(),
                enqueue_options: periodic.options,
                next_enqueue_time: None,
                prev_enqueue_time: Some(ProtoTimestamp::NEVER),
            };
            (number, (periodic.when, entry))
        });
        Self {
            name,
            calendar_ahead,
            entries: entries.collect(),
            under_way: BTreeMap::new(),
        }
    }

    /// The first beat comes after one interval: until then nobody sees the entries.
    pub fn rest(&self, now: Time, out: &mut impl Out<T>) {
        out.push(Action::Timer(
            now.plus_millis(SCHEDULER_HEARTBEAT_INTERVAL_MS),
            Timer::Publish,
        ));
    }

    /// Works out when an entry is due next, be it never enqueued.
    pub fn due(&mut self, now: Time, number: usize) {
        if let Some((spec, entry)) = self.entries.get_mut(&number) {
            let ahead = self.calendar_ahead;
            let next = spec.next_after(Time(now.0.saturating_add(ahead)));
            let next = next.map(|at| Time(at.0.saturating_sub(ahead)));
            entry.next_enqueue_time = Some(next.map_or(ProtoTimestamp::NEVER, Into::into));
        }
    }

    /// A task is on its way.
    pub fn sent(&mut self, now: Time, number: usize, id: &T::Id) {
        if let Some((_, entry)) = self.entries.get_mut(&number) {
            entry.prev_enqueue_time = Some(now.into());
            self.under_way.insert(id.clone(), number);
        }
    }

    /// Redis has answered: what it took goes into the history.
    pub fn answered(&mut self, now: Time, id: &T::Id, taken: bool, out: &mut impl Out<T>) {
        let entry = self.under_way.remove(id);
        let entry = entry.and_then(|number| self.entries.get(&number));
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

    /// Tells everybody of its entries, and when to do so again.
    pub fn publish(&self, now: Time, out: &mut impl Out<T>) {
        self.tell(now, out);
        self.rest(now, out);
    }

    /// Tells everybody of its entries.
    pub fn tell(&self, now: Time, out: &mut impl Out<T>) {
        let op = Op::WriteSchedulerEntries(self.state(now));
        out.push(Action::Call(Ticket::Publish, op));
    }

    /// Leaves the listings, and takes the history along.
    pub fn leave(&self, now: Time, out: &mut impl Out<T>) {
        let op = Op::ClearSchedulerEntries(self.state(now));
        out.push(Action::Call(Ticket::ClearState, op));
    }
}
