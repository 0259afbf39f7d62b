//! Levers on the model's Redis.

use super::{OnWire, Pulled};
use crate::agenda::{Turn, What};
use crate::audit::REDIS;
use crate::engine::virtual_time::event_queue::Happening;
use crate::engine::virtual_time::scrapes::CONNECTED;
use crate::engine::virtual_time::world::World;
use crate::lever::{BUSY_AFTER_MS, RedisLever, not_raised};
use firedrill_asynq::settings::REDIS_TIMEOUT_MS;

impl World<'_> {
    pub(super) fn pull_redis(&mut self, lever: RedisLever, turn: Turn) -> Pulled {
        let now = self.stage.now;
        let step = match turn.what {
            What::Begin(step) | What::End(step) | What::Goes(step, _) | What::Prepare(step) => {
                Some(step)
            }
            What::Remedy(_) | What::RemedyGoes(..) => None,
        };
        let saw = match lever {
            RedisLever::Kill { keep_data } => {
                self.stage.lives.absences().leaves(REDIS, now);
                if !keep_data {
                    self.stage.lives.absences().loses_data(now);
                }
                self.stage.redis.kill();
                let data = if keep_data { "kept" } else { "lost" };
                format!("SIGKILL; data {data}")
            }
            RedisLever::Start { keep_data } => {
                self.stage.lives.absences().leaves(REDIS, now);
                self.stage.redis.start(now, keep_data);
                if let Some(wire) = &mut self.stage.wire {
                    wire.redis_started();
                }
                self.stage.lives.absences().returns(REDIS, now);
                if !keep_data {
                    self.stage.lives.absences().loses_data(now);
                }
                "answers PING".to_owned()
            }
            RedisLever::Stop => {
                self.stage.lives.absences().leaves(REDIS, now);
                if let Some(wire) = &mut self.stage.wire {
                    wire.stop_redis();
                }
                "SIGSTOP; does not answer".to_owned()
            }
            RedisLever::Continue => {
                self.stage.continue_redis();
                self.stage.lives.absences().returns(REDIS, now);
                "SIGCONT; answers PING".to_owned()
            }
            RedisLever::Fill => {
                self.stage.lives.absences().refuses(now);
                self.stage.redis.set_full(true);
                "maxmemory set; refuses writes that need memory".to_owned()
            }
            RedisLever::Demote => {
                self.stage.lives.absences().refuses(now);
                self.stage.redis.set_read_only(true);
                "is a replica; refuses writes".to_owned()
            }
            RedisLever::Promote => {
                self.stage.redis.set_read_only(false);
                self.stage.lives.absences().returns(REDIS, now);
                "is a master; takes writes".to_owned()
            }
            RedisLever::Drain => {
                self.stage.redis.lift_limit();
                self.stage.lives.absences().returns(REDIS, now);
                "maxmemory set back; takes writes".to_owned()
            }
            // The first call that is refused says that it was reached.
            RedisLever::Limit { bytes, .. } => {
                self.stage.lives.absences().refuses(now);
                self.stage.redis.set_limit(bytes, Some(turn.what));
                return Pulled::Nothing;
            }
            RedisLever::Raise { bytes } => {
                let set = self.stage.redis.max_memory_bytes();
                if !self.stage.redis.is_limited() || set >= bytes {
                    return Pulled::Seen(turn.ends_nothing(self.stage.plan), not_raised(set));
                }
                self.stage.redis.set_limit(bytes, Some(turn.what));
                if self.stage.redis.is_full() {
                    let is_told = turn.ends_nothing(self.stage.plan);
                    return Pulled::Seen(is_told, "refuses writes all the same".to_owned());
                }
                self.stage.lives.absences().returns(REDIS, now);
                "maxmemory raised; takes writes".to_owned()
            }
            // The text of a script takes no longer than its hash: calls take no time.
            RedisLever::FlushScripts => {
                self.stage.lives.absences().refuses(now);
                "SCRIPT FLUSH; none is left".to_owned()
            }
            RedisLever::LookForScripts => {
                self.stage.lives.absences().returns(REDIS, now);
                "scripts are there again".to_owned()
            }
            RedisLever::LimitClients { to } => {
                let alive = self
                    .processes
                    .iter()
                    .filter(|process| process.life.is_some());
                let connected = CONNECTED + alive.count();
                if usize::try_from(to).unwrap_or(usize::MAX) > connected {
                    let saw = format!("accepts a new connection: {connected} are connected");
                    return Pulled::Seen(false, saw);
                }
                self.stage.lives.absences().refuses(now);
                self.stage.redis.set_crowded(Some(to));
                "maxclients set; refuses a new connection".to_owned()
            }
            RedisLever::AdmitClients => {
                self.stage.redis.set_crowded(None);
                self.stage.lives.absences().returns(REDIS, now);
                "maxclients set back; accepts a new connection".to_owned()
            }
            RedisLever::Deny(denied) => {
                self.stage.lives.absences().refuses(now);
                self.stage.redis.deny(Some(denied));
                format!("{} forbidden; answers NOPERM", denied.category())
            }
            RedisLever::Allow => {
                self.stage.redis.deny(None);
                self.stage.lives.absences().returns(REDIS, now);
                "all is allowed; takes writes".to_owned()
            }
            RedisLever::RunScript => {
                self.stage.lives.absences().leaves(REDIS, now);
                if let Some(wire) = &mut self.stage.wire {
                    wire.run_script(now);
                }
                let told = now.plus_millis(BUSY_AFTER_MS);
                let busy = Happening::Wire(Box::new(OnWire::Busy(now)));
                self.stage.events.push(told, busy);
                "a script runs; does not answer".to_owned()
            }
            RedisLever::KillScript => {
                self.stage.redis.set_busy(false);
                self.stage.continue_redis();
                self.stage.lives.absences().returns(REDIS, now);
                "SCRIPT KILL; takes writes".to_owned()
            }
            RedisLever::Snapshot | RedisLever::LagReplica => {
                if let Some(step) = step {
                    self.stage.redis.keep(step, now);
                }
                String::new()
            }
            RedisLever::Restore => {
                self.stage.lives.absences().leaves(REDIS, now);
                let Some(kept) = self.start_with_kept(step) else {
                    return Pulled::Seen(false, "there is nothing to start with".to_owned());
                };
                self.stage.lives.absences().returns(REDIS, now);
                format!("SIGKILL; answers, with its data of {kept} before")
            }
            RedisLever::Look => {
                if !self.stage.redis.is_up() {
                    return Pulled::Seen(false, "does not answer".to_owned());
                }
                "takes writes".to_owned()
            }
            RedisLever::LosePrimary => {
                self.stage.lives.absences().leaves(REDIS, now);
                self.stage.redis.kill();
                "SIGKILL; the primary is gone".to_owned()
            }
            RedisLever::PromoteReplica => {
                let Some(kept) = self.start_with_kept(step) else {
                    return Pulled::Seen(false, "there is no replica".to_owned());
                };
                self.stage.redis.set_replicas(0);
                self.stage.redis.is_as_old_as_the_drill(self.stage.epoch);
                self.stage.lives.absences().returns(REDIS, now);
                format!("the replica is promoted, with its data of {kept} before")
            }
        };
        Pulled::Seen(true, saw)
    }

    /// Redis is started with what was kept for a step; answers how old that is. What was sent since then may be gone.
    fn start_with_kept(&mut self, step: Option<usize>) -> Option<String> {
        let now = self.stage.now;
        let kept = self.stage.redis.start_with_kept(step?, now)?;
        if let Some(wire) = &mut self.stage.wire {
            wire.redis_started();
        }
        let from = kept.plus_millis(-REDIS_TIMEOUT_MS);
        self.stage.lives.absences().loses_since(from, now);
        Some(crate::units::format(now.millis() - kept.millis()))
    }
}
