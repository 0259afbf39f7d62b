//! What is told of a drill in every world, and what redis_exporter adds to that.

use super::{ASYNQ, REDIS, Told, WORKER};
use crate::plan::PRODUCER;
use firedrill_asynq::exporter;

const ANSWERS: &str = "while Redis answers";
const POOLS: &str = "where tasks use a `pool`";
pub(super) const LEAKS: &str = "where a step is about memory";
const LIVE: &str = "live engine only: it is asked of a real Redis";

/// What is there whatever the world, by target.
pub(super) const FIXED: [(&str, Told); 20] = [
    (
        "all",
        (
            "up",
            "gauge",
            &[],
            "1 if the target could be scraped, else 0. Made by Prometheus.",
            "",
        ),
    ),
    (
        WORKER,
        (
            "process_start_time_seconds",
            "gauge",
            &[],
            "When the process started, Unix time.",
            "",
        ),
    ),
    (
        WORKER,
        (
            "process_resident_memory_bytes",
            "gauge",
            &[],
            "Memory of the process.",
            LEAKS,
        ),
    ),
    (
        WORKER,
        (
            "go_sql_max_open_connections",
            "gauge",
            &["db_name"],
            "Connections that a pool may have.",
            POOLS,
        ),
    ),
    (
        WORKER,
        (
            "go_sql_in_use_connections",
            "gauge",
            &["db_name"],
            "Connections in use.",
            POOLS,
        ),
    ),
    (
        WORKER,
        (
            "go_sql_wait_count_total",
            "counter",
            &["db_name"],
            "Waits for a connection.",
            POOLS,
        ),
    ),
    (
        ASYNQ,
        (
            "asynq_tasks_enqueued_total",
            "gauge",
            &["queue", "state"],
            "Tasks in each state.",
            "",
        ),
    ),
    (
        ASYNQ,
        (
            "asynq_queue_size",
            "gauge",
            &["queue"],
            "Tasks in the queue, of all states.",
            "",
        ),
    ),
    (
        ASYNQ,
        (
            "asynq_queue_latency_seconds",
            "gauge",
            &["queue"],
            "How long the oldest pending task has waited.",
            "",
        ),
    ),
    (
        ASYNQ,
        (
            "asynq_tasks_processed_total",
            "counter",
            &["queue"],
            "Tasks processed, failed ones too.",
            "",
        ),
    ),
    (
        ASYNQ,
        (
            "asynq_tasks_failed_total",
            "counter",
            &["queue"],
            "Tasks failed.",
            "",
        ),
    ),
    (
        ASYNQ,
        (
            "asynq_queue_paused_total",
            "gauge",
            &["queue"],
            "1 while the queue is paused.",
            "",
        ),
    ),
    (
        ASYNQ,
        (
            exporter::MEMORY,
            "gauge",
            &["queue"],
            "About how many bytes the queue takes.",
            LIVE,
        ),
    ),
    (
        REDIS,
        ("redis_up", "gauge", &[], "1 if Redis answers, else 0.", ""),
    ),
    (
        REDIS,
        (
            "redis_memory_used_bytes",
            "gauge",
            &[],
            "Memory Redis uses.",
            ANSWERS,
        ),
    ),
    (
        REDIS,
        (
            "redis_memory_max_bytes",
            "gauge",
            &[],
            "`maxmemory`; 0: no limit.",
            ANSWERS,
        ),
    ),
    (
        REDIS,
        (
            "redis_connected_clients",
            "gauge",
            &[],
            "Connections of clients.",
            ANSWERS,
        ),
    ),
    (
        REDIS,
        ("redis_connected_slaves", "gauge", &[], "Replicas.", ANSWERS),
    ),
    (
        REDIS,
        (
            "redis_uptime_in_seconds",
            "gauge",
            &[],
            "Since Redis was started.",
            ANSWERS,
        ),
    ),
    (
        PRODUCER,
        (
            "process_start_time_seconds",
            "gauge",
            &[],
            "When the process started, Unix time.",
            "where the producer is a target",
        ),
    ),
];

/// What redis_exporter has beyond that, in worlds that have it.
pub(super) const REDIS_EXPORTER: [Told; 10] = [
    (
        "redis_start_time_seconds",
        "gauge",
        &[],
        "When Redis was started, Unix time.",
        ANSWERS,
    ),
    (
        "redis_blocked_clients",
        "gauge",
        &[],
        "Clients that wait in a blocking call; asynq makes none.",
        ANSWERS,
    ),
    (
        "redis_config_maxclients",
        "gauge",
        &[],
        "`maxclients`: so many connections are accepted.",
        ANSWERS,
    ),
    (
        "redis_config_maxmemory",
        "gauge",
        &[],
        "`maxmemory`; 0: no limit.",
        ANSWERS,
    ),
    (
        "redis_evicted_keys_total",
        "counter",
        &[],
        "Keys evicted since Redis was started.",
        ANSWERS,
    ),
    (
        "redis_loading_dump_file",
        "gauge",
        &[],
        "1 while Redis reads its data from the disk.",
        ANSWERS,
    ),
    (
        "redis_rdb_last_bgsave_status",
        "gauge",
        &[],
        "1 if the last snapshot succeeded.",
        ANSWERS,
    ),
    (
        "redis_aof_last_write_status",
        "gauge",
        &[],
        "1 if the append-only file could be written.",
        ANSWERS,
    ),
    (
        "redis_instance_info",
        "gauge",
        &["role", "redis_mode"],
        "1; `role` is `master` or `slave`.",
        ANSWERS,
    ),
    (
        "redis_exporter_last_scrape_error",
        "gauge",
        &[],
        "0: Redis was asked without an error, and the label `err` is empty.",
        ANSWERS,
    ),
];
