//! Levers on Redis.

mod clients;
mod data;
mod memory;
mod scripts;
mod users;

pub(in crate::engine::live) use clients::connects_anew;
pub(in crate::engine::live) use users::does;

use crate::agenda::{Turn, What};
use crate::audit::REDIS;
use crate::engine::live::LiveError;
use crate::engine::live::director::Seen;
use crate::engine::live::stand::Stand;
use crate::engine::live::uptime::Uptime;
use crate::lever::{Eviction, RedisLever};
use firedrill_asynq::broker::redis::RedisBroker;
use scripts::run;
use std::time::Duration;

/// Pause between looks, real time.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long silence must last for Redis to count as one that does not answer.
const SILENT_FOR: Duration = Duration::from_millis(50);
/// How long a script may take to begin, and a new client to be answered, real time.
const BEGINS_WITHIN: Duration = Duration::from_secs(2);

impl Stand {
    pub(in crate::engine::live) async fn pull_redis(
        &mut self,
        lever: RedisLever,
        turn: Turn,
    ) -> Result<Seen, LiveError> {
        let step = match turn.what {
            What::Begin(step) | What::End(step) | What::Goes(step, _) | What::Prepare(step) => {
                Some(step)
            }
            What::Remedy(_) | What::RemedyGoes(..) => None,
        };
        if ends_settings(lever) {
            self.settings.limit = None;
        }
        Ok(Some(match lever {
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
                // Nothing of it is to be sent to the new one.
                self.settings.script = None;
                self.redis.restart(keep_data).await?;
                self.is_another(Uptime::restarted);
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
                self.roster.refuses();
                self.fill().await
            }
            RedisLever::Demote => {
                self.roster.refuses();
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
                let back = self.set("maxmemory-policy", Eviction::None.name()).await;
                let done = set.and(back);
                if done.is_ok() {
                    self.roster.evicts(false);
                }
                self.takes_writes("maxmemory set back", done).await
            }
            RedisLever::Raise { bytes } => {
                // A policy that evicts stays as it is: what goes when that limit is reached is still the plan's doing.
                match self.raise_memory(bytes, turn.what).await {
                    Ok(()) => self.takes_writes("maxmemory raised", Ok(())).await,
                    // What limits it goes on.
                    Err(why) => (turn.ends_nothing(&self.plan), why),
                }
            }
            RedisLever::Limit { bytes, policy } => {
                if policy.takes_all_keys() {
                    self.roster.evicts(true);
                    // Leases go like any key, and what was active then is so without one ever after.
                    let queues = self.plan.queues.iter();
                    queues.for_each(|queue| self.roster.loses_leases(&queue.name));
                }
                self.roster.refuses();
                match self.limit(turn.what, bytes, policy).await {
                    // Whoever meets the limit says so.
                    Ok(()) => return Ok(None),
                    Err(error) => (false, error),
                }
            }
            RedisLever::FlushScripts => {
                self.roster.refuses();
                self.flush_scripts().await
            }
            RedisLever::LookForScripts => {
                self.is_there();
                match self.info_number("number_of_cached_scripts").await {
                    Ok(0) => (false, "nobody has sent a script again".to_owned()),
                    Ok(count) => (true, format!("{count} scripts are there again")),
                    Err(error) => (false, error),
                }
            }
            RedisLever::LimitClients { to } => {
                self.roster.refuses();
                self.limit_clients(to).await
            }
            RedisLever::AdmitClients => {
                let set = self.admit_clients().await;
                let accepted = self.connects_anew().await;
                self.is_there();
                match set.and(accepted) {
                    Ok(()) => (
                        true,
                        "maxclients set back; accepts a new connection".to_owned(),
                    ),
                    Err(error) => (false, error),
                }
            }
            RedisLever::Deny(denied) => {
                self.roster.refuses();
                self.settings.denies = true;
                let category = denied.category();
                let set = self.permit(&format!("-{category}")).await;
                match (set, self.tries_what_is_denied(denied).await) {
                    (Err(error), _) => (false, error),
                    (Ok(()), Err(error)) if error.to_ascii_uppercase().contains("NOPERM") => {
                        (true, format!("{category} forbidden; answers NOPERM"))
                    }
                    (Ok(()), Err(error)) => (false, error),
                    (Ok(()), Ok(())) => (false, "does as it is told".to_owned()),
                }
            }
            RedisLever::Allow => {
                let set = self.permit("+@all").await;
                self.settings.denies = false;
                let ran = run(&self.control, "return 1").await;
                self.takes_writes("all is allowed", set.and(ran)).await
            }
            RedisLever::RunScript => {
                self.roster.leaves(REDIS);
                self.run_script().await
            }
            RedisLever::KillScript => {
                let killed = self.kill_script().await;
                self.is_no_longer_busy().await;
                self.takes_writes("SCRIPT KILL", killed).await
            }
            RedisLever::Snapshot => {
                let at = self.clock.now();
                match (step, self.save(step).await) {
                    (Some(step), Ok(())) => {
                        self.settings.kept.insert(step, at);
                        (true, String::new())
                    }
                    (_, Err(error)) => (false, error),
                    (None, Ok(())) => (false, String::new()),
                }
            }
            RedisLever::Restore => {
                self.roster.leaves(REDIS);
                let kept = step.and_then(|step| Some((step, self.settings.kept.remove(&step)?)));
                let Some((step, at)) = kept else {
                    return Ok(Some((false, "there is nothing to start with".to_owned())));
                };
                self.redis.restore(step).await?;
                self.is_another(Uptime::restarted);
                self.is_back(at, "SIGKILL").await
            }
            RedisLever::Look => match self.write().await {
                Ok(()) => (true, "takes writes".to_owned()),
                Err(error) => (false, error),
            },
            RedisLever::LagReplica => {
                let now = self.clock.now();
                if let Some(replica) = &mut self.replica {
                    replica.falls_behind(now);
                }
                (true, String::new())
            }
            RedisLever::LosePrimary => {
                self.roster.leaves(REDIS);
                self.redis.kill().await?;
                let gone = !self.redis.is_listening();
                (gone, "SIGKILL; the primary is gone".to_owned())
            }
            RedisLever::PromoteReplica => {
                let Some(replica) = self.replica.take() else {
                    return Ok(Some((false, "there is no replica".to_owned())));
                };
                let at = replica.behind_since.unwrap_or(self.clock.now());
                if let Err(error) = self.redis.promote(replica.server) {
                    return Ok(Some((false, error.to_string())));
                }
                self.is_another(Uptime::promoted);
                self.is_back(at, "the replica is promoted").await
            }
        }))
    }

    /// From now on it is itself again; what was seen of that.
    async fn takes_writes(&self, done: &str, tried: Result<(), String>) -> (bool, String) {
        let written = self.write().await;
        self.is_there();
        match tried.and(written) {
            Ok(()) => (true, format!("{done}; takes writes")),
            Err(error) => (false, error),
        }
    }

    /// Another process serves now, which knows nothing of what was set in the one before.
    fn is_another(&self, counts: impl FnOnce(&Uptime)) {
        counts(&self.uptime);
        self.roster.evicts(false);
    }

    /// What keeps others out is taken back: what is left is to be looked at.
    pub(in crate::engine::live) async fn let_in(&mut self) {
        // Nothing is proven of a Redis that refuses; whoever looks next finds out.
        if self.settings.script.is_some() {
            let _ = self.kill_script().await;
        }
        if self.settings.max_clients.is_some() {
            let _ = self.admit_clients().await;
        }
        if std::mem::take(&mut self.settings.denies) {
            let _ = self.permit("+@all").await;
        }
    }

    /// A number of `INFO`.
    async fn info_number(&self, name: &str) -> Result<u64, String> {
        let info = self.control.info().await;
        let info = info.map_err(|error| error.to_string())?;
        number(&info, name).ok_or_else(|| format!("INFO says nothing of {name}"))
    }

    async fn set(&self, setting: &str, value: &str) -> Result<(), String> {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg(setting).arg(value);
        let done = self.control.command::<redis::Value>(&set, "CONFIG SET");
        done.await.map(drop).map_err(|error| error.to_string())
    }

    /// From now on it is itself again, and what happens to it needs an explanation.
    pub(in crate::engine::live) fn is_there(&self) {
        self.roster.is_there(REDIS, self.redis.pid(), None);
    }

    /// Tries a write that needs memory; what was written is gone in a moment.
    pub(super) async fn write(&self) -> Result<(), String> {
        writes(&self.control).await
    }
}

/// Tries a write that needs memory; what was written is gone in a moment.
pub(in crate::engine::live) async fn writes(control: &RedisBroker) -> Result<(), String> {
    let mut write = redis::cmd("SET");
    write.arg("firedrill:probe").arg(1).arg("PX").arg(1);
    let done = control.command::<redis::Value>(&write, "SET").await;
    done.map(drop).map_err(|error| error.to_string())
}

/// Whether what was set before is over with it.
fn ends_settings(lever: RedisLever) -> bool {
    matches!(
        lever,
        RedisLever::Start { .. }
            | RedisLever::Restore
            | RedisLever::Drain
            | RedisLever::PromoteReplica
    )
}

/// A number of `INFO`.
fn number(info: &str, name: &str) -> Option<u64> {
    let mut lines = info.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value?.trim().parse().ok()
}
