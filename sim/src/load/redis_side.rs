//! What Redis says of itself while a load runs.

use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::keys::Queue;
use firedrill_asynq::op::BrokerError;
use firedrill_reports::load::{RedisRow, RedisSide};
use redis::Value;
use std::time::Instant;

/// Entries of the slow log that are read.
const SLOW_MAX: i64 = 128;

/// Counters of a Redis at a moment; of a cluster, all its masters together.
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
        let field = |name: &str| {
            let mut lines = info.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        };
        let number = |name: &str| {
            let value = field(name).and_then(|value| value.trim().parse::<f64>().ok());
            value.unwrap_or(0.0)
        };
        // `calls=2,usec=31,...`
        let of_command = |command: &str, name: &str| {
            let stats = field(&format!("cmdstat_{command}"));
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

    fn and(self, other: Self) -> Self {
        Self {
            cpu_s: self.cpu_s + other.cpu_s,
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
    first: (Instant, Counters),
    last: (Instant, Counters),
    side: RedisSide,
    slow_from: i64,
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
        let counters = ask(&broker, is_cluster).await?;
        let newest = slow_entries(&broker, 1).await;
        let slow_from = newest.first().map_or(-1, |entry| entry.id);
        let now = (Instant::now(), counters);
        Ok(Self {
            side: RedisSide {
                memory_first: counters.memory,
                memory_most: counters.memory,
                ..RedisSide::default()
            },
            broker,
            is_cluster,
            queues,
            first: now,
            last: now,
            slow_from,
        })
    }

    /// What Redis is, e.g. `redis 7.0.15`.
    pub(super) async fn version(&self) -> String {
        let info = self.broker.info().await.unwrap_or_default();
        let field = |name: &str| {
            let mut lines = info.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.map(str::trim).filter(|value| !value.is_empty())
        };
        match (field("valkey_version"), field("redis_version")) {
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
        let counters = ask(&self.broker, self.is_cluster).await?;
        let (now, (since, before)) = (Instant::now(), self.last);
        self.last = (now, counters);
        let seconds = now.duration_since(since).as_secs_f64().max(1e-3);
        // One that was started again counts from the beginning.
        let per_s = |new: f64, old: f64| (new - old).max(0.0) / seconds;
        let row = RedisRow {
            cpu: per_s(counters.cpu_s, before.cpu_s),
            commands_per_s: per_s(counters.commands as f64, before.commands as f64),
            script: per_s(counters.script_s, before.script_s),
            memory_bytes: counters.memory,
            in_per_s: per_s(counters.bytes_in as f64, before.bytes_in as f64),
            out_per_s: per_s(counters.bytes_out as f64, before.bytes_out as f64),
        };
        self.side.cpu_most = self.side.cpu_most.max(row.cpu);
        self.side.memory_most = self.side.memory_most.max(counters.memory);
        Ok(row)
    }

    /// Forgets what was before: the load begins.
    pub(super) fn begin(&mut self) {
        self.first = self.last;
        self.side.cpu_most = 0.0;
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
        let ((began, first), (ended, last)) = (self.first, self.last);
        let wall_s = ended.duration_since(began).as_secs_f64();
        if wall_s == 0.0 {
            return None;
        }
        let more = |new: u64, old: u64| new.saturating_sub(old);
        self.side.wall_s = wall_s;
        self.side.cpu_s = (last.cpu_s - first.cpu_s).max(0.0);
        self.side.commands = more(last.commands, first.commands);
        self.side.script_calls = more(last.script_calls, first.script_calls);
        self.side.script_s = (last.script_s - first.script_s).max(0.0);
        self.side.bytes_in = more(last.bytes_in, first.bytes_in);
        self.side.bytes_out = more(last.bytes_out, first.bytes_out);
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

async fn ask(broker: &RedisBroker, is_cluster: bool) -> Result<Counters, BrokerError> {
    if is_cluster {
        let infos = broker.infos().await?;
        let all = infos.iter().map(|info| Counters::of(info));
        return Ok(all.fold(Counters::default(), Counters::and));
    }
    let mut info = redis::cmd("INFO");
    info.arg("everything");
    let text: String = broker.command(&info, "INFO").await?;
    Ok(Counters::of(&text))
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
}
