//! Levers on Redis.

use crate::agenda::{Turn, What};
use crate::audit::REDIS;
use crate::engine::live::LiveError;
use crate::engine::live::child::{Effect, Told};
use crate::engine::live::director::Seen;
use crate::engine::live::stand::{AtWork, Stand};
use crate::engine::live::uptime::Uptime;
use crate::lever::{BUSY_AFTER_MS, Denied, Eviction, RedisLever};
use crate::units;
use firedrill_asynq::broker::redis::address::Way;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::Time;
use firedrill_asynq::settings::REDIS_TIMEOUT_MS;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// Pause between looks, real time.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long silence must last for Redis to count as one that does not answer.
const SILENT_FOR: Duration = Duration::from_millis(50);
/// How long a script may take to begin, and a data set to be saved, real time.
const BEGINS_WITHIN: Duration = Duration::from_secs(2);
const SAVES_WITHIN: Duration = Duration::from_secs(20);
/// A day.
const OUTLASTS_A_DRILL: Duration = Duration::from_secs(86_400);
const MAX_CLIENTS: &str = "maxclients";

/// Share of what Redis uses that is left to it when it is full, so that nothing that is freed makes room.
const LEFT: f64 = 0.9;

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
                let set = self.set_memory(bytes).await;
                self.takes_writes("maxmemory raised", set).await
            }
            RedisLever::Limit { bytes, policy } => {
                self.roster.refuses();
                if policy.takes_all_keys() {
                    self.roster.evicts(true);
                }
                match self.limit(step, bytes, policy).await {
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
                let tried = match denied {
                    Denied::Scripting => self.run("return 1").await,
                    Denied::Write => self.write().await,
                };
                match (set, tried) {
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
                let ran = self.run("return 1").await;
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

    /// Waits, for a while, until a script that was killed has ended: it is looked at now and then.
    async fn is_no_longer_busy(&self) {
        let deadline = tokio::time::Instant::now() + BEGINS_WITHIN;
        while tokio::time::Instant::now() < deadline
            && matches!(self.write().await, Err(error) if error.contains("BUSY"))
        {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
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

    /// It is back with its data of `at`: what was sent since then may be gone.
    async fn is_back(&self, at: Time, how: &str) -> (bool, String) {
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

    /// Sets a limit of memory, and waits, beside all else, for somebody to meet it.
    async fn limit(
        &mut self,
        step: Option<usize>,
        bytes: u64,
        policy: Eviction,
    ) -> Result<(), String> {
        let before = self.control.info().await;
        let before = Pressure::of(&before.map_err(|error| error.to_string())?);
        self.set("maxmemory-policy", policy.name()).await?;
        self.set_memory(bytes).await?;
        let (control, clock, told) = (self.control.clone(), self.clock, self.told.clone());
        let watch = async move {
            let Some(step) = step else { return };
            loop {
                let reached = match policy {
                    Eviction::None => {
                        matches!(write(&control).await, Err(error) if error.contains("OOM"))
                    }
                    _ => {
                        let info = control.info().await.unwrap_or_default();
                        Pressure::of(&info).is_beyond(before)
                    }
                };
                if reached {
                    let _ = told.send(Told::Effect(Effect {
                        process: REDIS.to_owned(),
                        step,
                        at: clock.now(),
                    }));
                    return;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        self.settings.limit = Some(AtWork(tokio::spawn(watch)));
        Ok(())
    }

    /// Some may be there again when it is looked.
    async fn flush_scripts(&self) -> (bool, String) {
        let known = self.info_number("number_of_cached_scripts").await;
        let mut flush = redis::cmd("SCRIPT");
        flush.arg("FLUSH");
        let done = self.control.command::<redis::Value>(&flush, "SCRIPT FLUSH");
        let done = done.await.map_err(|error| error.to_string());
        let left = self.info_number("number_of_cached_scripts").await;
        match (known, done, left) {
            (Ok(known), Ok(_), Ok(left)) if known > 0 && left < known => (
                true,
                format!("SCRIPT FLUSH; {known} were there, {left} are again"),
            ),
            (Ok(known), Ok(_), Ok(left)) => {
                (false, format!("{known} scripts were there, {left} are"))
            }
            (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => (false, error),
        }
    }

    async fn limit_clients(&mut self, to: u32) -> (bool, String) {
        let mut get = redis::cmd("CONFIG");
        get.arg("GET").arg(MAX_CLIENTS);
        let told = self.control.command::<(String, String)>(&get, "CONFIG GET");
        match told.await {
            Ok((_, before)) => self.settings.max_clients = Some(before),
            Err(error) => return (false, error.to_string()),
        }
        if let Err(error) = self.set(MAX_CLIENTS, &to.to_string()).await {
            return (false, error);
        }
        match self.connects_anew().await {
            Err(error) if error.contains("max number of clients") => {
                (true, "maxclients set; refuses a new connection".to_owned())
            }
            Err(error) => (false, error),
            Ok(()) => (false, "accepts a new connection".to_owned()),
        }
    }

    async fn admit_clients(&mut self) -> Result<(), String> {
        match self.settings.max_clients.take() {
            Some(before) => self.set(MAX_CLIENTS, &before).await,
            None => Ok(()),
        }
    }

    /// A connection of its own, as a client would make it: one too many is told so before it has said a word.
    async fn connects_anew(&self) -> Result<(), String> {
        let failed = |error: std::io::Error| error.to_string();
        match self.redis.address().way() {
            Some(Way::Socket(path)) => {
                hears(UnixStream::connect(path).await.map_err(failed)?).await
            }
            Some(Way::Server(place)) => {
                hears(TcpStream::connect(place).await.map_err(failed)?).await
            }
            None => Err("no connection leads to it".to_owned()),
        }
    }

    /// What the clients' user may do from now on.
    async fn permit(&self, rule: &str) -> Result<(), String> {
        let mut who = redis::cmd("ACL");
        who.arg("WHOAMI");
        let user = self.control.command::<String>(&who, "ACL WHOAMI").await;
        let user = user.map_err(|error| error.to_string())?;
        let mut set = redis::cmd("ACL");
        set.arg("SETUSER").arg(user).arg(rule);
        let done = self.control.command::<redis::Value>(&set, "ACL SETUSER");
        done.await.map(drop).map_err(|error| error.to_string())
    }

    async fn run(&self, script: &str) -> Result<(), String> {
        let mut eval = redis::cmd("EVAL");
        eval.arg(script).arg(0);
        let done = self.control.command::<redis::Value>(&eval, "EVAL").await;
        done.map(drop).map_err(|error| error.to_string())
    }

    /// A script that does not end, over a connection of its own.
    async fn run_script(&mut self) -> (bool, String) {
        let busy_after = self.clock.real_millis(BUSY_AFTER_MS).as_millis().max(1);
        // Its name before Redis 7, which still goes.
        if let Err(error) = self.set("lua-time-limit", &busy_after.to_string()).await {
            return (false, error);
        }
        let options = RedisOptions {
            timeout: OUTLASTS_A_DRILL,
            ..RedisOptions::at_speed(self.clock.speed)
        };
        let broker = match RedisBroker::open(&self.redis.address(), options).await {
            Ok(broker) => broker,
            Err(error) => return (false, error.to_string()),
        };
        let script = async move {
            let mut eval = redis::cmd("EVAL");
            eval.arg("while true do end").arg(0);
            // It ends when it is killed.
            let _ = broker.command::<redis::Value>(&eval, "EVAL").await;
        };
        self.settings.script = Some(AtWork(tokio::spawn(script)));
        // It is on its way: silence for a while is it at work.
        let deadline = tokio::time::Instant::now() + BEGINS_WITHIN;
        while tokio::time::Instant::now() < deadline {
            match tokio::time::timeout(2 * SILENT_FOR, self.connects_anew()).await {
                Err(_) => return (true, "a script runs; does not answer".to_owned()),
                Ok(Err(error)) if error.contains("BUSY") => {
                    return (true, "a script runs; answers BUSY".to_owned());
                }
                Ok(_) => {}
            }
        }
        (false, "answers all the same".to_owned())
    }

    async fn kill_script(&mut self) -> Result<(), String> {
        let mut kill = redis::cmd("SCRIPT");
        kill.arg("KILL");
        let done = self.control.command::<redis::Value>(&kill, "SCRIPT KILL");
        let done = done.await.map(drop).map_err(|error| error.to_string());
        self.settings.script = None;
        // Somebody else has killed it.
        done.or_else(|error| match error.contains("NotBusy") {
            true => Ok(()),
            false => Err(error),
        })
    }

    /// Saves what is in it now, and keeps it for a step.
    async fn save(&self, step: Option<usize>) -> Result<(), String> {
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

    /// `maxmemory` below what it uses; a write that needs memory shows that it is refused.
    async fn fill(&self) -> (bool, String) {
        let used = match self.control.info().await {
            Ok(info) => number(&info, "used_memory").unwrap_or(0),
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
        write(&self.control).await
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
        self.set("maxmemory", &bytes.to_string()).await
    }
}

/// Tries a write that needs memory; what was written is gone in a moment.
async fn write(control: &RedisBroker) -> Result<(), String> {
    let mut write = redis::cmd("SET");
    write.arg("firedrill:probe").arg(1).arg("PX").arg(1);
    let done = control.command::<redis::Value>(&write, "SET").await;
    done.map(drop).map_err(|error| error.to_string())
}

/// What a new connection hears: an error at once, or an answer to a greeting.
async fn hears(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), String> {
    let mut said = [0; 128];
    let failed = |error: std::io::Error| error.to_string();
    let length = match tokio::time::timeout(SILENT_FOR, stream.read(&mut said)).await {
        Ok(read) => read.map_err(failed)?,
        Err(_) => {
            stream.write_all(b"PING\r\n").await.map_err(failed)?;
            let answer = tokio::time::timeout(BEGINS_WITHIN, stream.read(&mut said)).await;
            answer
                .map_err(|_| "does not answer".to_owned())?
                .map_err(failed)?
        }
    };
    let said = String::from_utf8_lossy(&said[..length]);
    let refuses = ["-ERR max number", "-BUSY"];
    match refuses.iter().any(|error| said.starts_with(error)) || said.is_empty() {
        true => Err(said.trim_end().to_owned()),
        false => Ok(()),
    }
}

/// What a limit of memory has come to since the server began.
#[derive(Debug, Clone, Copy)]
struct Pressure {
    /// Keys evicted.
    evicted: u64,
    /// Commands refused for want of memory.
    refused: u64,
}

impl Pressure {
    /// As `INFO` tells it.
    fn of(info: &str) -> Self {
        let mut lines = info.lines();
        let refused = lines.find_map(|line| line.strip_prefix("errorstat_OOM:count="));
        Self {
            evicted: number(info, "evicted_keys").unwrap_or(0),
            refused: refused
                .and_then(|count| count.trim().parse().ok())
                .unwrap_or(0),
        }
    }

    fn is_beyond(self, before: Self) -> bool {
        self.evicted > before.evicted || self.refused > before.refused
    }
}

/// Whether what was set before is over with it.
fn ends_settings(lever: RedisLever) -> bool {
    matches!(
        lever,
        RedisLever::Start { .. }
            | RedisLever::Restore
            | RedisLever::Drain
            | RedisLever::Raise { .. }
            | RedisLever::PromoteReplica
    )
}

/// A number of `INFO`.
fn number(info: &str, name: &str) -> Option<u64> {
    let mut lines = info.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value?.trim().parse().ok()
}
