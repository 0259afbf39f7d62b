//! What can be seen of a fleet from outside, one PromQL expression each. A symptom is there while its expression has a result.
//!
//! The same expressions are asked of a record and of a team's Prometheus. They read asynq's collector, redis_exporter, `up` and
//! the application's counters, as `scenarios/rules/firedrill.yml` does.

/// A symptom.
#[derive(Debug, PartialEq, Eq)]
pub struct Symptom {
    /// Its name, in kebab case.
    pub id: &'static str,
    /// What its expression's result says; `{queue}`, `{instance}` and `{task_type}` stand for the result's labels, `{value}` for
    /// its value.
    pub says: &'static str,
    /// PromQL.
    pub expr: &'static str,
}

/// Every symptom, by what it is about.
pub const SYMPTOMS: &[Symptom] = &[
    // Workers.
    Symptom {
        id: "workers-up",
        says: "{value} workers answer Prometheus",
        expr: r#"count(up{job="worker"} == 1)"#,
    },
    Symptom {
        id: "workers-gone",
        says: "no worker answers Prometheus",
        expr: r#"absent(up{job="worker"} == 1)"#,
    },
    Symptom {
        id: "fewer-workers",
        says: "{value} workers answer Prometheus, fewer than ten minutes ago",
        expr: r#"count(up{job="worker"} == 1) < max_over_time(count(up{job="worker"} == 1)[10m:1m])"#,
    },
    Symptom {
        id: "worker-restarts",
        says: "{instance} was started {value} times in half an hour",
        expr: r#"changes(process_start_time_seconds{job="worker"}[30m]) > 1"#,
    },
    Symptom {
        id: "memory-grew",
        says: "the memory of {instance} grew to {value} times what it was, and fell",
        expr: r#"max_over_time(process_resident_memory_bytes{job="worker"}[20m]) / min_over_time(process_resident_memory_bytes{job="worker"}[20m]) > 2"#,
    },
    Symptom {
        id: "worker-idle",
        says: "{instance} does nothing while others work",
        expr: r#"sum by (instance) (rate(job_processed_total[2m])) == 0 and on (instance) up{job="worker"} == 1 and on () sum(rate(job_processed_total[2m])) > 0"#,
    },
    // Redis.
    Symptom {
        id: "redis-unreachable",
        says: "Redis does not answer",
        expr: "redis_up == 0",
    },
    Symptom {
        id: "redis-full",
        says: "Redis has used {value} of its memory",
        expr: "redis_memory_used_bytes / (redis_memory_max_bytes > 0) > 0.9",
    },
    Symptom {
        id: "redis-changed",
        says: "this is another Redis than ten minutes ago, or it was started again",
        expr: "delta(redis_connected_slaves[10m]) < 0 or resets(redis_uptime_in_seconds[10m]) > 0 or resets(asynq_tasks_processed_total[10m]) > 0",
    },
    Symptom {
        id: "redis-went-back",
        says: "a counter that asynq keeps in Redis fell in queue {queue}",
        expr: "resets(asynq_tasks_processed_total[10m]) > 0",
    },
    Symptom {
        id: "enqueue-fails",
        says: "{value} of the calls that enqueue tasks fail",
        expr: r#"sum(rate(job_enqueued_total{result="error"}[1m])) / sum(rate(job_enqueued_total[1m])) > 0.1"#,
    },
    // Queues.
    Symptom {
        id: "stalled",
        says: "{value} tasks wait in queue {queue} and none is done",
        expr: r#"min by (queue) (min_over_time(asynq_tasks_enqueued_total{state="pending"}[1m])) > 5 and on (queue) sum by (queue) (increase(asynq_tasks_processed_total[90s])) == 0 unless on (queue) asynq_queue_paused_total == 1"#,
    },
    Symptom {
        id: "behind",
        says: "{value} tasks wait in queue {queue}, and it does not drain",
        expr: r#"max by (queue) (asynq_tasks_enqueued_total{state="pending"}) > 20 * sum by (queue) (rate(asynq_tasks_processed_total[2m])) and on (queue) max by (queue) (asynq_tasks_enqueued_total{state="pending"}) > 20 and on (queue) max by (queue) (deriv(asynq_tasks_enqueued_total{state="pending"}[2m])) > 0 unless on (queue) asynq_queue_paused_total == 1"#,
    },
    Symptom {
        id: "paused",
        says: "queue {queue} is paused, and {value} tasks wait in it",
        expr: r#"asynq_tasks_enqueued_total{state="pending"} > 0 and on (queue) asynq_queue_paused_total == 1"#,
    },
    Symptom {
        id: "others-served",
        says: "other queues are served, at {value} tasks a second",
        expr: r#"sum(rate(asynq_tasks_processed_total[2m])) > 0"#,
    },
    // Slots.
    Symptom {
        id: "slots-idle",
        says: "no slot is in use",
        expr: r#"sum(max_over_time(asynq_tasks_enqueued_total{state="active"}[1m])) == 0"#,
    },
    Symptom {
        id: "slots-frozen",
        says: "the same {value} tasks of queue {queue} are active all the time",
        expr: r#"sum by (queue) (asynq_tasks_enqueued_total{state="active"}) > 0 and on (queue) sum by (queue) (changes(asynq_tasks_enqueued_total{state="active"}[1m])) == 0 and on (queue) sum by (queue) (increase(asynq_tasks_processed_total[90s])) == 0"#,
    },
    Symptom {
        id: "slots-held",
        says: "{value} slots of queue {queue} are in use beyond what finished tasks account for",
        expr: r#"sum by (queue) (avg_over_time(asynq_tasks_enqueued_total{state="active"}[3m])) - on (queue) sum by (queue) (rate(job_duration_seconds_sum[3m])) > 4"#,
    },
    Symptom {
        id: "slots-leak",
        says: "slots of queue {queue} have been filling with tasks that never end: {value} by now",
        expr: r#"sum by (queue) (avg_over_time(asynq_tasks_enqueued_total{state="active"}[15m])) - on (queue) sum by (queue) (rate(job_duration_seconds_sum[15m])) > 3 and on (queue) sum by (queue) (rate(job_duration_seconds_sum[1h])) / on (queue) sum by (queue) (rate(job_duration_seconds_count[1h])) < 90 and on (queue) sum by (queue) (min_over_time(asynq_tasks_enqueued_total{state="active"}[10m])) > 2"#,
    },
    Symptom {
        id: "stuck-active",
        says: "{value} tasks of queue {queue} have been active for half an hour",
        expr: r#"sum by (queue) (min_over_time(asynq_tasks_enqueued_total{state="active"}[30m])) > 3 unless on (queue) sum by (queue) (rate(job_duration_seconds_sum[1h])) > 3"#,
    },
    // Time and resources.
    Symptom {
        id: "slower",
        says: "tasks of type {task_type} take {value} times as long as before",
        expr: r#"sum by (task_type) (rate(job_duration_seconds_sum[2m])) / sum by (task_type) (rate(job_duration_seconds_count[2m])) / on (task_type) (sum by (task_type) (rate(job_duration_seconds_sum[20m] offset 10m)) / sum by (task_type) (rate(job_duration_seconds_count[20m] offset 10m))) > 1.8"#,
    },
    Symptom {
        id: "pool-full",
        says: "the pool {db_name} of {instance} has {value} of its connections in use",
        expr: "avg_over_time(go_sql_in_use_connections[1m]) / go_sql_max_open_connections > 0.9",
    },
    // Failures.
    Symptom {
        id: "failing",
        says: "{value} of the attempts fail",
        expr: "sum(rate(asynq_tasks_failed_total[2m])) / sum(rate(asynq_tasks_processed_total[2m])) > 0.1 and sum(increase(asynq_tasks_failed_total[2m])) > 10",
    },
    Symptom {
        id: "uncounted-failures",
        says: "asynq counts {value} times the failures that the handlers count",
        expr: r#"sum(increase(asynq_tasks_failed_total[3m])) / sum(increase(job_processed_total{status="failed"}[3m])) > 2 or (sum(increase(asynq_tasks_failed_total[3m])) unless sum(increase(job_processed_total{status="failed"}[3m])) > 0) > 10"#,
    },
    Symptom {
        id: "type-failing",
        says: "{value} of the attempts at {task_type} fail",
        expr: r#"sum by (task_type) (rate(job_processed_total{status="failed"}[5m])) / sum by (task_type) (rate(job_processed_total[5m])) > 0.6 and on (task_type) sum by (task_type) (increase(job_processed_total{status="failed"}[5m])) > 10"#,
    },
    Symptom {
        id: "retries-grow",
        says: "{value} more tasks wait for a retry in queue {queue} than three minutes ago",
        expr: r#"delta(asynq_tasks_enqueued_total{state="retry"}[3m]) > 20"#,
    },
    Symptom {
        id: "runaway",
        says: "queue {queue} does {value} tasks a second, out of the scheduled set, three times what it did",
        expr: r#"sum by (queue) (rate(asynq_tasks_processed_total[2m])) > 3 * sum by (queue) (rate(asynq_tasks_processed_total[10m] offset 15m)) and on (queue) sum by (queue) (avg_over_time(asynq_tasks_enqueued_total{state="scheduled"}[2m])) > 20 unless on (queue) sum by (queue) (asynq_tasks_enqueued_total{state="pending"}) > 10 * sum by (queue) (rate(asynq_tasks_processed_total[2m]))"#,
    },
];

/// The symptom of this name.
#[must_use]
pub fn symptom(id: &str) -> Option<&'static Symptom> {
    SYMPTOMS.iter().find(|symptom| symptom.id == id)
}
