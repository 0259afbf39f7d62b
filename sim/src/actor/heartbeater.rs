//! The heartbeat loop: publishes the server and prolongs the leases of its tasks (asynq `heartbeat.go`).

use crate::actor::server::{InProgress, proto};
use crate::actor::{Action, Actions, RunId, Ticket, Timer};
use crate::asynq::message::{ServerInfo, WorkerInfo};
use crate::asynq::op::Op;
use crate::asynq::settings::{HEARTBEAT_INTERVAL_MS, LEASE_MS, SERVER_STATE_TTL_S};
use crate::clock::Time;
use std::collections::BTreeMap;

/// One beat: write the server state, then extend the leases queue by queue, then rest.
#[derive(Debug)]
pub(crate) struct Heartbeater {
    info: ServerInfo,
    /// Leases still to be extended in this beat, per queue.
    to_extend: BTreeMap<String, Vec<RunId>>,
}

impl Heartbeater {
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
        shared: &mut InProgress,
        out: &mut Actions,
    ) -> Vec<RunId> {
        shared.beating = true;
        self.to_extend.clear();
        let mut lost = Vec::new();
        for (&run, running) in &shared.running {
            if running.lease_expires >= now {
                self.to_extend
                    .entry(running.message.queue.clone())
                    .or_default()
                    .push(run);
            } else {
                lost.push(run);
            }
        }
        let workers: Vec<WorkerInfo> = shared
            .running
            .values()
            .map(|running| WorkerInfo {
                host: self.info.host.clone(),
                pid: self.info.pid,
                server_id: self.info.server_id.clone(),
                task_id: running.message.id.clone(),
                task_type: running.message.r#type.clone(),
                task_payload: running.message.payload.clone(),
                queue: running.message.queue.clone(),
                start_time: Some(proto(running.started)),
                deadline: Some(proto(running.deadline)),
            })
            .collect();
        self.info.status = shared.status.into();
        self.info.active_worker_count = i32::try_from(workers.len()).unwrap_or(i32::MAX);
        let op = Op::WriteServerState {
            info: self.info.clone(),
            workers,
            now,
            ttl_s: SERVER_STATE_TTL_S,
        };
        out.push(Action::Call(Ticket::WriteState, op));
        lost
    }

    /// The state was written, or not: a failure does not keep the leases from being extended.
    pub(crate) fn state_written(&mut self, now: Time, shared: &mut InProgress, out: &mut Actions) {
        self.extend_next(now, shared, out);
    }

    /// One queue's leases were extended, or not: after a failure the local leases stay as they are.
    pub(crate) fn lease_extended(
        &mut self,
        now: Time,
        runs: &[RunId],
        expires: Time,
        extended: bool,
        shared: &mut InProgress,
        out: &mut Actions,
    ) {
        if extended {
            for run in runs {
                // A lease that expired while the call was under way is not revived (asynq: "Lease reset failed").
                if let Some(running) = shared
                    .running
                    .get_mut(run)
                    .filter(|running| running.lease_expires >= now)
                {
                    running.lease_expires = expires;
                }
            }
        }
        self.extend_next(now, shared, out);
    }

    fn extend_next(&mut self, now: Time, shared: &mut InProgress, out: &mut Actions) {
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
            .filter_map(|run| Some(shared.running.get(run)?.message.id.clone()))
            .collect();
        let op = Op::ExtendLease {
            queue,
            ids,
            expires_s: expires.secs(),
        };
        out.push(Action::Call(Ticket::ExtendLease { runs, expires }, op));
    }

    /// Leaves the listings at the end of a graceful shutdown.
    pub(crate) fn clear(&self, out: &mut Actions) {
        out.push(Action::Call(
            Ticket::ClearState,
            Op::ClearServerState {
                info: self.info.clone(),
            },
        ));
    }
}
