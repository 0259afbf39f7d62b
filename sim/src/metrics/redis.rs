//! What redis_exporter tells of Redis, as far as a drill knows it: the same on both engines. What it does not know is in
//! [`NOT_TOLD`].

use crate::world::{Exporter, World};
use firedrill_detector::Labels;

/// What is asked of a Redis that answers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RedisFacts {
    /// Memory it uses, bytes.
    pub used_bytes: f64,
    /// `maxmemory`, bytes; 0: no limit.
    pub max_bytes: f64,
    /// Connections of clients.
    pub clients: f64,
    /// Clients that wait in a blocking call.
    pub blocked: f64,
    /// `maxclients`.
    pub max_clients: f64,
    /// Replicas.
    pub replicas: f64,
    /// Since it was started, seconds.
    pub uptime_s: f64,
    /// Keys evicted since then.
    pub evicted: f64,
    /// Whether it reads its data from the disk.
    pub loading: bool,
    /// Whether its last snapshot succeeded.
    pub saved: bool,
    /// Whether it could write to its append-only file.
    pub appended: bool,
    /// Whether it is a replica.
    pub is_replica: bool,
}

/// A series of redis_exporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RedisSeries {
    /// One without labels.
    Plain(&'static str),
    /// `redis_instance_info`; whether it is a replica.
    Instance(bool),
}

impl RedisSeries {
    /// Its labels, without those of the target. Of `redis_instance_info`, those that are not of the machine.
    #[must_use]
    pub fn labels(self) -> Labels {
        match self {
            Self::Plain(name) => Labels::metric(name, []),
            Self::Instance(is_replica) => {
                let role = if is_replica { "slave" } else { "master" };
                let of = [("role", role), ("redis_mode", "standalone")];
                Labels::metric("redis_instance_info", of)
            }
        }
    }
}

/// Everything exposed of Redis; `facts`: `None` while it does not answer; `now_s`: Unix time.
pub fn each(
    world: &World,
    facts: Option<&RedisFacts>,
    now_s: f64,
    mut expose: impl FnMut(RedisSeries, f64),
) {
    use RedisSeries::Plain;
    expose(Plain("redis_up"), f64::from(u8::from(facts.is_some())));
    let Some(of) = facts else { return };
    expose(Plain("redis_memory_used_bytes"), of.used_bytes);
    expose(Plain("redis_memory_max_bytes"), of.max_bytes);
    expose(Plain("redis_connected_clients"), of.clients);
    expose(Plain("redis_connected_slaves"), of.replicas);
    expose(Plain("redis_uptime_in_seconds"), of.uptime_s);
    if !world.exposes(Exporter::RedisExporter) {
        return;
    }
    let flag = |is_so| f64::from(u8::from(is_so));
    for (name, value) in [
        ("redis_start_time_seconds", now_s - of.uptime_s),
        ("redis_blocked_clients", of.blocked),
        ("redis_config_maxclients", of.max_clients),
        ("redis_config_maxmemory", of.max_bytes),
        ("redis_evicted_keys_total", of.evicted),
        ("redis_loading_dump_file", flag(of.loading)),
        ("redis_rdb_last_bgsave_status", flag(of.saved)),
        ("redis_aof_last_write_status", flag(of.appended)),
        // Its label `err` is empty then, which is none to Prometheus.
        ("redis_exporter_last_scrape_error", 0.0),
    ] {
        expose(Plain(name), value);
    }
    expose(RedisSeries::Instance(of.is_replica), 1.0);
}

/// What redis_exporter tells and a drill does not, with the reason.
pub const NOT_TOLD: [(&str, &str); 10] = [
    (
        "redis_commands_total, redis_commands_processed_total, redis_commands_duration_seconds_total, redis_errors_total",
        "the calls of the harness are among them, and the model's calls take no time",
    ),
    (
        "redis_keyspace_hits_total, redis_keyspace_misses_total, redis_net_input_bytes_total, redis_net_output_bytes_total",
        "as above: nobody can tell whose they are",
    ),
    (
        "redis_rejected_connections_total",
        "how often a client dials is real time's, not the drill's",
    ),
    (
        "redis_expired_keys_total, redis_db_keys, redis_db_keys_expiring",
        "the model leaves out keys that say who is there",
    ),
    (
        "redis_slowlog_length, redis_last_slow_execution_duration_seconds, redis_latency_*",
        "measured in real time, which means nothing to a drill",
    ),
    (
        "redis_mem_fragmentation_ratio, redis_cpu_*",
        "of the machine, not of the drill",
    ),
    (
        "redis_master_link_up",
        "only a replica has it, and its labels are addresses",
    ),
    (
        "redis_exporter_last_scrape_error of 1",
        "its label is the text of an error with an address in it; `redis_up` is 0",
    ),
    (
        "redis_instance_info: os, process_id, redis_build_id, redis_version, run_id, tcp_port, maxmemory_policy",
        "of the machine; `role` and `redis_mode` are there",
    ),
    (
        "redis_exporter_build_info, redis_exporter_scrape*",
        "of the exporter itself",
    ),
];
