//! What Redis says of itself while a load runs.

use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::Time;
use firedrill_asynq::keys::Queue;
use firedrill_asynq::op::BrokerError;
use firedrill_reports::load::{RedisRow, RedisSide};
use redis::Value;
use std::time::Instant;

/// Entries of the slow log that are read.
const SLOW_MAX: i64 = 128;

/// Counters of a Redis, or of a master of a cluster, at a moment or between two.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Counters {
    cpu_s: f64,
    commands: u64,
    script_calls: u64,
    script_s: f64,
    memory: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl Counters {
    /// Of the text of `INFO`.
    fn of(info: &str) -> Self {
        let number = |name: &str| {
            let value = field(info, name).and_then(|value| value.parse::<f64>().ok());
            value.unwrap_or(0.0)
        };
        // `calls=2,usec=31,...`
        let of_command = |command: &str, name: &str| {
            let stats = field(info, &format!("cmdstat_{command}"));
            let mut parts = stats.into_iter().flat_map(|stats| stats.split(','));
            let value = parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            value
                .and_then(|value| value.trim().parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        let of_scripts = |name: &str| of_command("evalsha", name) + of_command("eval", name);
        Self {
            cpu_s: number("used_cpu_sys") + number("used_cpu_user"),
            commands: number("total_commands_processed") as u64,
            script_calls: of_scripts("calls") as u64,
            script_s: of_scripts("usec") / 1e6,
            memory: number("used_memory") as u64,
            bytes_in: number("total_net_input_bytes") as u64,
            bytes_out: number("total_net_output_bytes") as u64,
        }
    }

    /// What it did since it had counted so much. One that was started again counts from the beginning, and what it did between the
    /// last look and its end nobody knows.
    fn since(self, before: Self) -> Self {
        if self.cpu_s < before.cpu_s || self.commands < before.commands {
            return self;
        }
        let more = u64::saturating_sub;
        Self {
            cpu_s: self.cpu_s - before.cpu_s,
            commands: self.commands - before.commands,
            script_calls: more(self.script_calls, before.script_calls),
            script_s: (self.script_s - before.script_s).max(0.0),
            memory: self.memory,
            bytes_in: more(self.bytes_in, before.bytes_in),
            bytes_out: more(self.bytes_out, before.bytes_out),
        }
    }

    /// Of two masters. Each has a core of its own, so the processor time is that of the busier one.
    fn and(self, other: Self) -> Self {
        Self {
            cpu_s: self.cpu_s.max(other.cpu_s),
            commands: self.commands + other.commands,
            script_calls: self.script_calls + other.script_calls,
            script_s: self.script_s + other.script_s,
            memory: self.memory + other.memory,
            bytes_in: self.bytes_in + other.bytes_in,
            bytes_out: self.bytes_out + other.bytes_out,
        }
    }
}

/// Looks at a Redis again and again.
pub(super) struct RedisEye {
    broker: RedisBroker,
    is_cluster: bool,
    queues: Vec<String>,
    last: (Instant, Vec<Counters>),
    side: RedisSide,
    slow_from: i64,
    /// The `run_id` of the server that answered last, and whether that was another one than before. Of a cluster nobody looks.
    answered: (String, bool),
}

impl RedisEye {
    /// Begins to look.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(super) async fn open(
        broker: RedisBroker,
        is_cluster: bool,
        queues: Vec<String>,
    ) -> Result<Self, BrokerError> {
        let (counters, run_id) = ask(&broker, is_cluster).await?;
        let newest = slow_entries(&broker, 1).await;
        let slow_from = newest.first().map_or(-1, |entry| entry.id);
        let mut eye = Self {
            side: RedisSide::default(),
            broker,
            is_cluster,
            queues,
            last: (Instant::now(), counters),
            slow_from,
            answered: (run_id, false),
        };
        eye.begin();
        Ok(eye)
    }

    /// What Redis is, e.g. `redis 7.0.15`.
    pub(super) async fn version(&self) -> String {
        let info = self.broker.info().await.unwrap_or_default();
        match (
            field(&info, "valkey_version"),
            field(&info, "redis_version"),
        ) {
            (Some(version), _) => format!("valkey {version}"),
            (None, Some(version)) => format!("redis {version}"),
            (None, None) => "redis".to_owned(),
        }
    }

    /// What it did since the last look.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(super) async fn look(&mut self) -> Result<RedisRow, BrokerError> {
        let (counters, run_id) = ask(&self.broker, self.is_cluster).await?;
        let now = Instant::now();
        let is_another = run_id != self.answered.0;
        self.answered = (run_id, is_another);
        let (since, before) = std::mem::replace(&mut self.last, (now, counters));
        let did = did(&before, &self.last.1);
        let wall_s = now.duration_since(since).as_secs_f64();
        let seconds = wall_s.max(1e-3);
        let row = RedisRow {
            cpu: did.cpu_s / seconds,
            commands_per_s: did.commands as f64 / seconds,
            script: did.script_s / seconds,
            memory_bytes: did.memory,
            in_per_s: did.bytes_in as f64 / seconds,
            out_per_s: did.bytes_out as f64 / seconds,
        };
        let side = &mut self.side;
        side.wall_s += wall_s;
        side.cpu_s += did.cpu_s;
        side.cpu_most = side.cpu_most.max(row.cpu);
        side.commands += did.commands;
        side.script_calls += did.script_calls;
        side.script_s += did.script_s;
        side.memory_most = side.memory_most.max(did.memory);
        side.bytes_in += did.bytes_in;
        side.bytes_out += did.bytes_out;
        Ok(row)
    }

    /// Whether another server has answered the last look than the one before.
    pub(super) fn is_another(&self) -> bool {
        self.answered.1
    }

    /// Forgets what was before: the load begins.
    pub(super) fn begin(&mut self) {
        let memory = self.last.1.iter().map(|counters| counters.memory).sum();
        self.side = RedisSide {
            memory_first: memory,
            memory_most: memory,
            ..RedisSide::default()
        };
    }

    /// Scheduled tasks and those to be retried that are due by then.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(super) async fn due(&self, by: Time) -> Result<u64, BrokerError> {
        let mut sum = 0;
        for queue in &self.queues {
            for part in ["scheduled", "retry"] {
                let mut count = redis::cmd("ZCOUNT");
                count.arg(Queue(queue).key(part)).arg("-inf").arg(by.secs());
                sum += self.broker.command::<u64>(&count, "ZCOUNT").await?;
            }
        }
        Ok(sum)
    }

    /// Pending and active tasks.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(super) async fn backlog(&self) -> Result<u64, BrokerError> {
        let mut sum = 0;
        for queue in &self.queues {
            for part in ["pending", "active"] {
                let mut length = redis::cmd("LLEN");
                length.arg(Queue(queue).key(part));
                sum += self.broker.command::<u64>(&length, "LLEN").await?;
            }
        }
        Ok(sum)
    }

    /// What it did since the load began; `None`: it was never seen again.
    pub(super) async fn side(mut self) -> Option<RedisSide> {
        if self.side.wall_s == 0.0 {
            return None;
        }
        let slow = slow_entries(&self.broker, SLOW_MAX).await;
        let new = || slow.iter().filter(|entry| entry.id > self.slow_from);
        // Ids are counted through, also those that the log has lost since.
        let newest = slow.first().map_or(self.slow_from, |entry| entry.id);
        self.side.slow = u64::try_from(newest - self.slow_from).unwrap_or(0);
        let slowest = new().max_by_key(|entry| entry.us);
        self.side.slowest = slowest.map(|entry| (entry.command.clone(), entry.us as f64 / 1e6));
        Some(self.side)
    }
}

/// What all masters together did between two looks. Where there are others than before, it is not known since when they count.
fn did(before: &[Counters], now: &[Counters]) -> Counters {
    let same = before.len() == now.len();
    let each = now.iter().enumerate().map(|(number, now)| match same {
        true => now.since(before[number]),
        false => Counters {
            memory: now.memory,
            ..Counters::default()
        },
    });
    each.fold(Counters::default(), Counters::and)
}

/// The counters of each master, and the `run_id` of the server if it is one.
async fn ask(
    broker: &RedisBroker,
    is_cluster: bool,
) -> Result<(Vec<Counters>, String), BrokerError> {
    if is_cluster {
        let infos = broker.infos().await?;
        let counters = infos.iter().map(|info| Counters::of(info)).collect();
        return Ok((counters, String::new()));
    }
    let mut info = redis::cmd("INFO");
    info.arg("everything");
    let text: String = broker.command(&info, "INFO").await?;
    let run_id = field(&text, "run_id").unwrap_or_default().to_owned();
    Ok((vec![Counters::of(&text)], run_id))
}

/// What the text of `INFO` says of a name.
fn field<'i>(info: &'i str, name: &str) -> Option<&'i str> {
    let mut lines = info.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.map(str::trim).filter(|value| !value.is_empty())
}

/// An entry of the slow log.
struct Slow {
    id: i64,
    us: i64,
    command: String,
}

/// The newest entries of the slow log; none where it may not be read.
async fn slow_entries(broker: &RedisBroker, count: i64) -> Vec<Slow> {
    let mut get = redis::cmd("SLOWLOG");
    get.arg("GET").arg(count);
    let Ok(Value::Array(entries)) = broker.command::<Value>(&get, "SLOWLOG GET").await else {
        return Vec::new();
    };
    let entry = |value: &Value| {
        let Value::Array(parts) = value else {
            return None;
        };
        let (Value::Int(id), Value::Int(us), Value::Array(words)) =
            (parts.first()?, parts.get(2)?, parts.get(3)?)
        else {
            return None;
        };
        let command = match words.first()? {
            Value::BulkString(bytes) => String::from_utf8_lossy(bytes).to_uppercase(),
            _ => return None,
        };
        Some(Slow {
            id: *id,
            us: *us,
            command,
        })
    };
    entries.iter().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_read_and_what_is_not_there_is_nothing() {
        let info = "# CPU\r\nused_cpu_sys:1.5\r\nused_cpu_user:2.25\r\ntotal_commands_processed:77\r\n\
                    used_memory:1000\r\ntotal_net_input_bytes:5\r\ntotal_net_output_bytes:6\r\n\
                    cmdstat_evalsha:calls=3,usec=1500000,usec_per_call=1.0\r\n\
                    cmdstat_eval:calls=1,usec=500000,usec_per_call=1.0\r\n";
        let read = Counters::of(info);
        assert_eq!((read.cpu_s, read.commands, read.memory), (3.75, 77, 1_000));
        assert_eq!((read.script_calls, read.script_s), (4, 2.0));
        assert_eq!((read.bytes_in, read.bytes_out), (5, 6));
        assert_eq!(Counters::of("no redis"), Counters::default());
    }

    #[test]
    fn a_redis_that_was_restarted_and_nodes_of_a_cluster_are_held_against_a_core_each() {
        let at = |cpu_s: f64, commands: u64| Counters {
            cpu_s,
            commands,
            ..Counters::default()
        };
        assert_eq!(did(&[at(5.0, 900)], &[at(5.5, 1_000)]), at(0.5, 100));
        assert_eq!(did(&[at(5.0, 900)], &[at(0.25, 40)]), at(0.25, 40));
        let busiest = did(&[at(1.0, 10), at(1.0, 10)], &[at(1.75, 20), at(1.25, 30)]);
        assert_eq!(busiest, at(0.75, 30));
    }
}
