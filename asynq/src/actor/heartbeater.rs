//! The heartbeat loop: publishes the server and prolongs the leases of its tasks (asynq `heartbeat.go`).

use crate::actor::server::Shared;
use crate::actor::{Action, Extension, Out, RunId, Ticket, Timer};
use crate::clock::Time;
use crate::message::ServerInfo;
use crate::op::{InProgress, Op, ServerState};
use crate::settings::{HEARTBEAT_INTERVAL_MS, LEASE_MS, SERVER_STATE_TTL_S};
use crate::task::Task;
use std::collections::BTreeMap;

/// One beat: write the server state, then extend the leases queue by queue, then rest.
#[derive(Debug)]
pub(crate) struct Heartbeater<T: Task> {
    info: ServerInfo,
    /// Leases still to be extended in this beat, per queue.
    to_extend: BTreeMap<T::Queue, Vec<RunId>>,
}

impl<T: Task> Heartbeater<T> {
    pub(crate) fn new(info: ServerInfo) -> Self {
        Self {
            info,
            to_extend: BTreeMap::new(),
        }
    }

    /// Begins a beat. Returns the runs whose local lease has expired: they are told once and not extended.
    pub(crate) fn beat(
        &mut self,
        now: Time,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) -> Vec<RunId> {
        shared.beating = true;
        self.to_extend.clear();
        let mut lost = Vec::new();
        let mut workers = Vec::with_capacity(shared.slots.running());
        for (run, running) in shared.slots.iter() {
            if running.lease_expires >= now {
                self.to_extend
                    .entry(running.task.queue())
                    .or_default()
                    .push(run);
            } else {
                lost.push(run);
            }
            workers.push(InProgress {
                task: running.task.clone(),
                started: running.started,
                deadline: running.deadline,
            });
        }
        self.info.status = shared.status.into();
        self.info.active_worker_count = i32::try_from(workers.len()).unwrap_or(i32::MAX);
        let state = Box::new(ServerState {
            info: self.info.clone(),
            workers,
            now,
            ttl_s: SERVER_STATE_TTL_S,
        });
        let op = Op::WriteServerState(state);
        out.push(Action::Call(Ticket::WriteState, op));
        lost
    }

    /// The state was written, or not: a failure does not keep the leases from being extended.
    pub(crate) fn state_written(
        &mut self,
        now: Time,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) {
        self.extend_next(now, shared, out);
    }

    /// One queue's leases were extended, or not: after a failure the local leases stay as they are.
    pub(crate) fn lease_extended(
        &mut self,
        now: Time,
        extension: &Extension,
        extended: bool,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) {
        if extended {
            for run in &extension.runs {
                // A lease that expired while the call was under way is not revived (asynq: "Lease reset failed").
                if let Some(running) = shared
                    .slots
                    .get_mut(*run)
                    .filter(|running| running.lease_expires >= now)
                {
                    running.lease_expires = extension.expires;
                }
            }
        }
        self.extend_next(now, shared, out);
    }

    fn extend_next(&mut self, now: Time, shared: &mut Shared<T>, out: &mut impl Out<T>) {
        let Some((queue, runs)) = self.to_extend.pop_first() else {
            shared.beating = false;
            out.push(Action::Timer(
                now.plus_millis(HEARTBEAT_INTERVAL_MS),
                Timer::Heartbeat,
            ));
            return;
        };
        let expires = now.plus_millis(LEASE_MS);
        let ids = runs
            .iter()
            .filter_map(|run| Some(shared.slots.get(*run)?.task.id()))
            .collect();
        let op = Op::ExtendLease {
            queue,
            ids,
            expires_s: expires.secs(),
        };
        let extension = Box::new(Extension { runs, expires });
        out.push(Action::Call(Ticket::ExtendLease(extension), op));
    }

    /// Leaves the listings at the end of a graceful shutdown.
    pub(crate) fn clear(&self, out: &mut impl Out<T>) {
        out.push(Action::Call(
            Ticket::ClearState,
            Op::ClearServerState {
                info: Box::new(self.info.clone()),
            },
        ));
    }
}
