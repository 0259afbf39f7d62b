//! Levers on the model's Redis.

use super::Pulled;
use crate::audit::REDIS;
use crate::engine::virtual_time::world::World;
use crate::lever::RedisLever;

impl World<'_> {
    pub(super) fn pull_redis(&mut self, lever: RedisLever) -> Pulled {
        let now = self.stage.now;
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
                self.stage.lives.absences().leaves(REDIS, now);
                self.stage.redis.set_full(true);
                "maxmemory set; refuses writes that need memory".to_owned()
            }
            RedisLever::Demote => {
                self.stage.lives.absences().leaves(REDIS, now);
                self.stage.redis.set_read_only(true);
                "is a replica; refuses writes".to_owned()
            }
            RedisLever::Promote => {
                self.stage.redis.set_read_only(false);
                self.stage.lives.absences().returns(REDIS, now);
                "is a master; takes writes".to_owned()
            }
            RedisLever::Drain => {
                self.stage.redis.set_full(false);
                self.stage.lives.absences().returns(REDIS, now);
                "maxmemory set back; takes writes".to_owned()
            }
        };
        Pulled::Seen(true, saw)
    }
}
