//! Whose data Redis has, and of when.

use super::LOOK_AGAIN;
use crate::engine::live::stand::Stand;
use crate::units;
use firedrill_asynq::clock::Time;
use firedrill_asynq::settings::REDIS_TIMEOUT_MS;
use std::time::Duration;

/// How long a data set may take to be saved, real time.
const SAVES_WITHIN: Duration = Duration::from_secs(20);

impl Stand {
    /// Saves what is in it now, and keeps it for a step.
    pub(super) async fn save(&self, step: Option<usize>) -> Result<(), String> {
        let mut save = redis::cmd("BGSAVE");
        let done = self
            .control
            .command::<redis::Value>(save.arg("SCHEDULE"), "BGSAVE");
        done.await.map_err(|error| error.to_string())?;
        let deadline = tokio::time::Instant::now() + SAVES_WITHIN;
        loop {
            let info = self.control.info().await;
            let info = info.map_err(|error| error.to_string())?;
            if info.contains("rdb_bgsave_in_progress:0")
                && info.contains("rdb_last_bgsave_status:ok")
            {
                break;
            }
            if tokio::time::Instant::now() > deadline {
                return Err("BGSAVE does not end".to_owned());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let kept = self.redis.keep(step.unwrap_or(0));
        kept.map_err(|error| error.to_string())
    }

    pub(super) async fn replica_of(&self, host: &str, port: &str) -> Result<(), String> {
        let mut replicate = redis::cmd("REPLICAOF");
        replicate.arg(host).arg(port);
        let done = self
            .control
            .command::<redis::Value>(&replicate, "REPLICAOF");
        done.await.map(drop).map_err(|error| error.to_string())
    }

    /// It is back with its data of `at`: what was sent since then may be gone.
    pub(super) async fn is_back(&self, at: Time, how: &str) -> (bool, String) {
        self.roster.loses_since(at.plus_millis(-REDIS_TIMEOUT_MS));
        let seen = self.redis.seen().await;
        let written = self.write().await;
        self.is_there();
        let ago = units::format(self.clock.now().millis() - at.millis());
        match (seen, written) {
            (Some(seen), Ok(())) => (true, format!("{how}; {seen}; its data is of {ago} before")),
            (None, _) => (false, "does not answer".to_owned()),
            (_, Err(error)) => (false, error),
        }
    }
}
