//! What can be seen of a fleet from outside, one PromQL expression each. A symptom is there while its expression has a result.
//!
//! The same expressions are asked of a record and of a team's Prometheus. They read asynq's collector, redis_exporter, `up` and
//! the application's counters, as `scenarios/rules/firedrill.yml` does. What only a look into Redis can tell is a metric of firedrill's
//! own, [`ORPHANS`]: records do not have it. Nor do they have [`OUT_OF_MEMORY`], which those know that run the processes.

use firedrill_detector::anatomy::{PartKind, SeriesSelector};
use firedrill_detector::duration::{format_ms, parse_ms};

/// How many tasks, leases and locks are left over in Redis: labels `queue` and `kind`, the latter in words.
pub const ORPHANS: &str = "firedrill_orphans";

/// Whether a worker's process was ended lately for want of memory: label `instance`.
pub const OUT_OF_MEMORY: &str = "firedrill_worker_out_of_memory";

/// The shortest look that says anything of a span of time: a few scrapes.
pub const SPAN_LEAST_MS: i64 = 30_000;

/// The longest window that may be cut to a shorter look: of what is longer, a part says nothing.
const CUT_MOST_MS: i64 = 5 * 60_000;

/// A symptom.
#[derive(Debug, PartialEq, Eq)]
pub struct Symptom {
    /// Its name, in kebab case.
    pub id: &'static str,
    /// What its expression's result says; `{queue}`, `{instance}` and `{task_type}` stand for the result's labels, `{value}` for
    /// its value, `{share}` for that in percent, `{window}` for its first window.
    pub says: &'static str,
    /// PromQL.
    pub expr: &'static str,
}

/// Every symptom, by what it is about.
pub const SYMPTOMS: &[Symptom] = &[
    // Workers.
    Symptom {
        id: "workers-up",
        says: "workers up: {value}",
        expr: r#"count(up{job="worker"} == 1)"#,
    },
    Symptom {
        id: "workers-gone",
        says: "no worker is up",
        expr: r#"absent(up{job="worker"} == 1)"#,
    },
    Symptom {
        id: "fewer-workers",
        says: "workers up: {value}, fewer than ten minutes ago",
        expr: r#"count(up{job="worker"} == 1) < max_over_time(count(up{job="worker"} == 1)[10m:1m])"#,
    },
    Symptom {
        id: "some-gone",
        says: "workers up: {value}, fewer than there were or are to be",
        expr: r#"count(up{job="worker"} == 1) < (count(up{job="worker"}) > count(up{job="worker"} == 1) or max_over_time(count(up{job="worker"} == 1)[30m:1m]))"#,
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
        id: "out-of-memory",
        says: "{instance} was killed for want of memory",
        expr: "firedrill_worker_out_of_memory > 0",
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
        says: "Redis has used {share} of its memory",
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
        says: "{share} of the calls that enqueue tasks fail",
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
        says: "the pool {db_name} of {instance} has {share} of its connections in use",
        expr: "avg_over_time(go_sql_in_use_connections[1m]) / go_sql_max_open_connections > 0.9",
    },
    Symptom {
        id: "orphaned",
        says: "queue {queue}: {kind}: {value}",
        expr: "firedrill_orphans > 0",
    },
    // Failures.
    Symptom {
        id: "failing",
        says: "{share} of the attempts fail",
        expr: "sum(rate(asynq_tasks_failed_total[2m])) / sum(rate(asynq_tasks_processed_total[2m])) > 0.1 and sum(increase(asynq_tasks_failed_total[2m])) > 10",
    },
    Symptom {
        id: "uncounted-failures",
        says: "asynq counts {value} times the failures that the handlers count",
        expr: r#"sum(increase(asynq_tasks_failed_total[3m])) / sum(increase(job_processed_total{status="failed"}[3m])) > 2 or (sum(increase(asynq_tasks_failed_total[3m])) unless sum(increase(job_processed_total{status="failed"}[3m])) > 0) > 10"#,
    },
    Symptom {
        id: "type-failing",
        says: "{share} of the attempts at {task_type} fail",
        expr: r#"sum by (task_type) (rate(job_processed_total{status="failed"}[5m])) / sum by (task_type) (rate(job_processed_total[5m])) > 0.6 and on (task_type) sum by (task_type) (increase(job_processed_total{status="failed"}[5m])) > 10"#,
    },
    Symptom {
        id: "retries-grow",
        says: "{value} more tasks wait for a retry in queue {queue} than {window} ago",
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

impl Symptom {
    /// Its expression for a look that is only `span_ms` long: shorter windows, and those it has. `None`: it compares with a past
    /// that was not looked at.
    #[must_use]
    pub fn within(&self, span_ms: i64) -> Option<String> {
        let mut text = String::new();
        let mut rest = self.expr;
        while let Some((before, after)) = rest.split_once('[') {
            let (window, after) = after.split_once(']')?;
            let ms = parse_ms(window)?;
            let reaches_back = ms > span_ms && ms > CUT_MOST_MS;
            if reaches_back || span_ms < SPAN_LEAST_MS || after.trim_start().starts_with("offset") {
                return None;
            }
            text.push_str(&format!("{before}[{}]", format_ms(ms.min(span_ms))));
            rest = after;
        }
        text.push_str(rest);
        Some(text)
    }

    /// Whether it is about one moment, not about a span of time.
    #[must_use]
    pub fn is_instant(&self) -> bool {
        !self.expr.contains('[')
    }

    /// The series it looks at.
    #[must_use]
    pub fn selectors(&self) -> Vec<SeriesSelector> {
        let anatomies = super::RULES.anatomies();
        let name = super::recorded(self);
        let own = anatomies.into_iter().filter(|rule| rule.name == name);
        own.flat_map(|rule| rule.parts)
            .flat_map(|part| match part.kind {
                PartKind::Selector(selector) => vec![selector],
                PartKind::Absent { of, .. } => of,
                PartKind::Operation { .. } => Vec::new(),
            })
            .collect()
    }
}

/// The first window of an expression.
pub(super) fn window(expr: &str) -> Option<&str> {
    let (_, after) = expr.split_once('[')?;
    after.split_once(']').map(|(window, _)| window)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(id: &str, span_ms: i64) -> Option<String> {
        symptom(id).unwrap().within(span_ms)
    }

    #[test]
    fn windows_are_cut_and_the_past_is_not_guessed() {
        assert_eq!(
            within("retries-grow", 60_000).unwrap(),
            r#"delta(asynq_tasks_enqueued_total{state="retry"}[1m]) > 20"#
        );
        assert_eq!(
            within("retries-grow", 600_000).unwrap(),
            symptom("retries-grow").unwrap().expr
        );
        for past in [
            "fewer-workers",
            "worker-restarts",
            "slower",
            "stuck-active",
            "runaway",
        ] {
            assert_eq!(within(past, 60_000), None, "{past}");
        }
        assert_eq!(
            within("paused", 60_000).unwrap(),
            symptom("paused").unwrap().expr
        );
    }

    #[test]
    fn each_looks_at_some_series() {
        for symptom in SYMPTOMS {
            assert!(!symptom.selectors().is_empty(), "{}", symptom.id);
        }
    }
}
