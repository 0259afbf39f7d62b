//! Levers on Redis.

use crate::audit::REDIS;
use crate::engine::live::LiveError;
use crate::engine::live::stand::Stand;
use crate::lever::RedisLever;

/// Share of what Redis uses that is left to it when it is full, so that nothing that is freed makes room.
const LEFT: f64 = 0.9;

impl Stand {
    pub(in crate::engine::live) async fn pull_redis(
        &mut self,
        lever: RedisLever,
    ) -> Result<(bool, String), LiveError> {
        Ok(match lever {
            RedisLever::Kill { keep_data } => {
                self.roster.leaves(REDIS);
                if !keep_data {
                    self.roster.loses_data();
                }
                self.redis.kill().await?;
                let data = if keep_data { "kept" } else { "lost" };
                let gone = !self.redis.is_listening();
                (gone, format!("SIGKILL; data {data}"))
            }
            RedisLever::Start { keep_data } => {
                self.roster.leaves(REDIS);
                self.redis.restart(keep_data).await?;
                self.uptime.restarted();
                if !keep_data {
                    self.roster.loses_data();
                }
                self.is_there();
                match self.redis.seen().await {
                    Some(seen) => (true, seen),
                    None => (false, "does not answer".to_owned()),
                }
            }
            RedisLever::Stop => {
                self.roster.leaves(REDIS);
                let stopped = self.redis.stop().await?;
                let saw = if stopped { "is stopped" } else { "runs" };
                (stopped, format!("SIGSTOP; {saw}"))
            }
            RedisLever::Continue => {
                self.redis.go_on().await?;
                let seen = self.redis.seen().await;
                self.is_there();
                match seen {
                    Some(seen) => (true, format!("SIGCONT; {seen}")),
                    None => (false, "SIGCONT; does not answer".to_owned()),
                }
            }
            RedisLever::Fill => {
                self.roster.leaves(REDIS);
                self.fill().await
            }
            RedisLever::Demote => {
                self.roster.leaves(REDIS);
                // Nobody listens on port 1, or it is no Redis.
                let done = self.replica_of("127.0.0.1", "1").await;
                match (done, self.write().await) {
                    (Err(error), _) => (false, error),
                    (Ok(()), Err(error)) if error.contains("READONLY") => {
                        (true, "is a replica; refuses writes".to_owned())
                    }
                    (Ok(()), Err(error)) => (false, error),
                    (Ok(()), Ok(())) => (false, "takes writes".to_owned()),
                }
            }
            RedisLever::Promote => {
                let done = self.replica_of("NO", "ONE").await;
                let written = self.write().await;
                self.is_there();
                match (done, written) {
                    (Ok(()), Ok(())) => (true, "is a master; takes writes".to_owned()),
                    (Err(error), _) | (_, Err(error)) => (false, error),
                }
            }
            RedisLever::Drain => {
                let set = self.set_memory(self.maxmemory_before()).await;
                let written = self.write().await;
                self.is_there();
                match (set, written) {
                    (Ok(()), Ok(())) => (true, "maxmemory set back; takes writes".to_owned()),
                    (Err(error), _) | (_, Err(error)) => (false, error),
                }
            }
        })
    }

    /// From now on it is itself again, and what happens to it needs an explanation.
    fn is_there(&self) {
        self.roster.is_there(REDIS, self.redis.pid(), None);
    }

    /// `maxmemory` below what it uses; a write that needs memory shows that it is refused.
    async fn fill(&self) -> (bool, String) {
        let used = match self.control.info().await {
            Ok(info) => used_memory(&info),
            Err(error) => return (false, error.to_string()),
        };
        let bytes = (used as f64 * LEFT) as u64;
        if let Err(error) = self.set_memory(bytes.max(1)).await {
            return (false, error);
        }
        match self.write().await {
            Err(error) if error.contains("OOM") => (
                true,
                "maxmemory set; refuses writes that need memory".to_owned(),
            ),
            Err(error) => (false, error),
            Ok(()) => (false, "takes writes that need memory".to_owned()),
        }
    }

    /// Tries a write that needs memory; what was written is gone in a moment.
    async fn write(&self) -> Result<(), String> {
        let mut write = redis::cmd("SET");
        write.arg("firedrill:probe").arg(1).arg("PX").arg(1);
        let done = self.control.command::<redis::Value>(&write, "SET").await;
        done.map(drop).map_err(|error| error.to_string())
    }

    async fn replica_of(&self, host: &str, port: &str) -> Result<(), String> {
        let mut replicate = redis::cmd("REPLICAOF");
        replicate.arg(host).arg(port);
        let done = self
            .control
            .command::<redis::Value>(&replicate, "REPLICAOF");
        done.await.map(drop).map_err(|error| error.to_string())
    }

    async fn set_memory(&self, bytes: u64) -> Result<(), String> {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("maxmemory").arg(bytes);
        let done = self
            .control
            .command::<redis::Value>(&set, "CONFIG SET")
            .await;
        done.map(drop).map_err(|error| error.to_string())
    }
}

/// `used_memory` of `INFO`, bytes.
fn used_memory(info: &str) -> u64 {
    let mut lines = info.lines();
    let value = lines.find_map(|line| line.strip_prefix("used_memory:"));
    value
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(0)
}
