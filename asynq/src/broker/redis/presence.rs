//! What processes publish of themselves: servers with their tasks in progress, schedulers with their entries.

use super::script::{self, Call};
use super::{RedisBroker, Reply};
use crate::keys;
use crate::message::{SchedulerEnqueueEvent, ServerInfo, TaskMessage, WorkerInfo};
use crate::op::{BrokerError, InProgress, SchedulerState, ServerState};
use crate::settings::SCHEDULER_HISTORY_MAX;
use prost::Message;

type Answer = Result<Reply, BrokerError>;

impl RedisBroker {
    pub(super) async fn write_server_state(&self, state: ServerState<TaskMessage>) -> Answer {
        let ServerState {
            info,
            workers,
            now,
            ttl_s,
        } = state;
        let expires_s = now.secs() + ttl_s;
        let (server_key, workers_key) = (keys::server(&info), keys::workers(&info));
        self.index(keys::SERVERS, &server_key, expires_s).await?;
        self.index(keys::WORKERS, &workers_key, expires_s).await?;
        let mut call = Call::new(&script::WRITE_SERVER_STATE)
            .keys([server_key, workers_key])
            .arg(self.real_ttl_ms(ttl_s))
            .arg(info.encode_to_vec());
        for worker in workers {
            let worker = worker_info(&info, worker);
            call = call.arg(&worker.task_id).arg(worker.encode_to_vec());
        }
        self.script_done(call).await
    }

    pub(super) async fn clear_server_state(&self, info: &ServerInfo) -> Answer {
        let (server_key, workers_key) = (keys::server(info), keys::workers(info));
        self.unindex(keys::SERVERS, &server_key).await?;
        self.unindex(keys::WORKERS, &workers_key).await?;
        self.script_done(Call::new(&script::CLEAR_SERVER_STATE).keys([server_key, workers_key]))
            .await
    }

    pub(super) async fn write_scheduler_entries(&self, state: &SchedulerState) -> Answer {
        let key = keys::scheduler(&state.scheduler);
        self.index(keys::SCHEDULERS, &key, state.now.secs() + state.ttl_s)
            .await?;
        let mut call = Call::new(&script::WRITE_SCHEDULER_ENTRIES)
            .keys([key])
            .arg(self.real_ttl_ms(state.ttl_s));
        for entry in &state.entries {
            call = call.arg(entry.encode_to_vec());
        }
        self.script_done(call).await
    }

    /// After a crash nobody does this: histories have no time to live and stay for ever.
    pub(super) async fn clear_scheduler_entries(&self, state: &SchedulerState) -> Answer {
        let key = keys::scheduler(&state.scheduler);
        self.unindex(keys::SCHEDULERS, &key).await?;
        self.command::<()>(redis::cmd("DEL").arg(key), "DEL")
            .await?;
        for entry in &state.entries {
            let history = keys::scheduler_history(&entry.id);
            self.command::<()>(redis::cmd("DEL").arg(history), "DEL")
                .await?;
        }
        Ok(Reply::Done)
    }

    pub(super) async fn record_enqueue_event(
        &self,
        entry: &str,
        event: &SchedulerEnqueueEvent,
    ) -> Answer {
        let at_s = event.enqueue_time.map_or(0, |at| at.seconds);
        let call = Call::new(&script::RECORD_ENQUEUE_EVENT)
            .keys([keys::scheduler_history(entry)])
            .arg(at_s)
            .arg(event.encode_to_vec())
            .arg(i64::from(SCHEDULER_HISTORY_MAX));
        self.script_done(call).await
    }

    async fn index(&self, index: &str, key: &str, expires_s: i64) -> Result<(), BrokerError> {
        let mut command = redis::cmd("ZADD");
        command.arg(index).arg(expires_s).arg(key);
        self.command(&command, "ZADD").await
    }

    async fn unindex(&self, index: &str, key: &str) -> Result<(), BrokerError> {
        self.command(redis::cmd("ZREM").arg(index).arg(key), "ZREM")
            .await
    }
}

/// A task in progress as its server publishes it.
fn worker_info(server: &ServerInfo, worker: InProgress<TaskMessage>) -> WorkerInfo {
    WorkerInfo {
        host: server.host.clone(),
        pid: server.pid,
        server_id: server.server_id.clone(),
        task_id: worker.task.id,
        task_type: worker.task.r#type,
        task_payload: worker.task.payload,
        queue: worker.task.queue,
        start_time: Some(worker.started.into()),
        deadline: Some(worker.deadline.into()),
    }
}
