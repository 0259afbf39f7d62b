//! `stats`: all queues together, and Redis.

use crate::commands::asynq::queues::SHOWN_STATES;
use crate::commands::asynq::session::{About, Session};
use crate::commands::asynq::shown::{day, error_rate, table, table_ruled};
use firedrill_asynq::clock::Time;
use firedrill_asynq::inspector::QueueInfo;
use firedrill_asynq::op::TaskState;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeMap;

/// What `stats --json` prints; keys and units are asynq's.
#[derive(Serialize)]
struct Stats<'s> {
    aggregate: Aggregate,
    queues: Vec<QueueStats<'s>>,
    redis: &'s BTreeMap<String, String>,
}

#[derive(Default, Serialize)]
struct Aggregate {
    active: u64,
    pending: u64,
    aggregating: u64,
    scheduled: u64,
    retry: u64,
    archived: u64,
    completed: u64,
    processed: i64,
    failed: i64,
    timestamp: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct QueueStats<'s> {
    queue: &'s str,
    memory_usage: u64,
    paused: bool,
    size: u64,
    groups: u64,
    pending: u64,
    active: u64,
    scheduled: u64,
    retry: u64,
    archived: u64,
    completed: u64,
    aggregating: u64,
    processed: i64,
    failed: i64,
    processed_total: i64,
    failed_total: i64,
    /// Nanoseconds.
    latency: i64,
    timestamp: String,
}

/// `stats`.
pub(super) async fn stats(session: &mut Session<'_>) {
    let cluster = session.place.is_cluster();
    let queues = match session.inspector.queues().await {
        Ok(queues) => queues,
        Err(error) => {
            let lead = "could not fetch queues: ";
            return session.failed(lead, &error, About::default()).await;
        }
    };
    let mut infos = Vec::new();
    for queue in queues {
        match session.inspector.queue_info(&queue, session.now()).await {
            Ok(info) => {
                session.oddities(&info.oddities);
                infos.push(info);
            }
            Err(error) => {
                let lead = format!("could not fetch stats for queue {queue:?}: ");
                return session.failed(&lead, &error, About::default()).await;
            }
        }
    }
    let told = match cluster {
        true => session.inspector.cluster_info().await,
        false => session.inspector.redis_info().await,
    };
    let redis = match told {
        Ok(told) => parsed(&told),
        Err(error) => {
            let lead = "could not fetch redis info: ";
            return session.failed(lead, &error, About::default()).await;
        }
    };
    if let Some(version) = redis
        .get("redis_version")
        .filter(|version| is_too_old(version))
    {
        session.note(format!(
            "Redis {version} is older than asynq needs: its workers archive tasks with commands of Redis 6.2"
        ));
    }
    let aggregate = aggregate(&infos, session.now(), &session.setting.zone);
    if session.json {
        let zone = &session.setting.zone;
        let queues = infos.iter().map(|info| queue_stats(info, zone)).collect();
        let redis = &redis;
        return session.value(&Stats {
            aggregate,
            queues,
            redis,
        });
    }
    show(session, &aggregate, &infos);
    match cluster {
        true => show_cluster(session, &redis),
        false => show_redis(session, &redis),
    }
    session.line("");
}

/// `key:value` lines. Quirk: lines with more than one colon are left out.
fn parsed(told: &str) -> BTreeMap<String, String> {
    let pairs = told.split("\r\n").filter_map(|line| line.split_once(':'));
    pairs
        .filter(|(_, value)| !value.contains(':'))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn is_too_old(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    let (major, minor) = (numbers.next().flatten(), numbers.next().flatten());
    major.is_some_and(|major| (major, minor.unwrap_or(0)) < (6, 2))
}

fn aggregate(infos: &[QueueInfo], now: Time, zone: &TimeZone) -> Aggregate {
    let sum = |state| infos.iter().map(|info| info.count(state)).sum();
    Aggregate {
        active: sum(TaskState::Active),
        pending: sum(TaskState::Pending),
        aggregating: sum(TaskState::Aggregating),
        scheduled: sum(TaskState::Scheduled),
        retry: sum(TaskState::Retry),
        archived: sum(TaskState::Archived),
        completed: sum(TaskState::Completed),
        processed: infos.iter().map(|info| info.processed).sum(),
        failed: infos.iter().map(|info| info.failed).sum(),
        timestamp: rfc3339(now, zone),
    }
}

fn queue_stats<'s>(info: &'s QueueInfo, zone: &TimeZone) -> QueueStats<'s> {
    QueueStats {
        queue: &info.queue,
        memory_usage: info.memory_bytes,
        paused: info.paused,
        size: info.size(),
        groups: info.groups,
        pending: info.pending,
        active: info.active,
        scheduled: info.scheduled,
        retry: info.retry,
        archived: info.archived,
        completed: info.completed,
        aggregating: info.aggregating,
        processed: info.processed,
        failed: info.failed,
        processed_total: info.processed_total,
        failed_total: info.failed_total,
        latency: info.latency_ns,
        timestamp: rfc3339(info.at, zone),
    }
}

fn rfc3339(at: Time, zone: &TimeZone) -> String {
    let Ok(at) = Timestamp::from_nanosecond(i128::from(at.0)) else {
        return String::new();
    };
    let offset = zone.to_offset(at);
    match offset.is_zero() {
        true => at.to_string(),
        false => at.display_with_offset(offset).to_string(),
    }
}

fn show(session: &mut Session<'_>, aggregate: &Aggregate, infos: &[QueueInfo]) {
    session.heading("Task Count by State");
    let counts = [
        aggregate.active,
        aggregate.pending,
        aggregate.aggregating,
        aggregate.scheduled,
        aggregate.retry,
        aggregate.archived,
        aggregate.completed,
    ];
    let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
    let width = counts.iter().map(String::len).max().unwrap_or(0).max(9);
    session.text(&table_ruled(
        &SHOWN_STATES.map(TaskState::name),
        width,
        &[counts],
    ));

    session.heading_after_gap("Task Count by Queue");
    let title = |info: &QueueInfo| match info.paused {
        true => format!("{} (paused)", info.queue),
        false => info.queue.clone(),
    };
    let titles: Vec<String> = infos.iter().map(title).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let sizes: Vec<String> = infos.iter().map(|info| info.size().to_string()).collect();
    let width = titles
        .iter()
        .map(|title| title.chars().count())
        .max()
        .unwrap_or(0);
    session.text(&table_ruled(&titles, width, &[sizes]));

    session.heading_after_gap(&format!("Daily Stats {} UTC", day(session.now().secs())));
    let (processed, failed) = (aggregate.processed, aggregate.failed);
    let row = vec![
        processed.to_string(),
        failed.to_string(),
        error_rate(processed, failed),
    ];
    session.text(&table(&["processed", "failed", "error rate"], &[row]));
}

fn show_redis(session: &mut Session<'_>, redis: &BTreeMap<String, String>) {
    let of = |key: &str| redis.get(key).map_or("", String::as_str);
    session.heading_after_gap("Redis Info");
    let row = vec![
        of("redis_version").to_owned(),
        format!("{} days", of("uptime_in_days")),
        of("connected_clients").to_owned(),
        format!("{}B", of("used_memory_human")),
        format!("{}B", of("used_memory_peak_human")),
    ];
    let columns = [
        "version",
        "uptime",
        "connections",
        "memory usage",
        "peak memory usage",
    ];
    session.text(&table(&columns, &[row]));
}

fn show_cluster(session: &mut Session<'_>, redis: &BTreeMap<String, String>) {
    let of = |key: &str| redis.get(key).cloned().unwrap_or_default();
    session.heading_after_gap("Redis Cluster Info");
    let row = vec![
        of("cluster_state").to_uppercase(),
        of("cluster_known_nodes"),
        of("cluster_size"),
    ];
    session.text(&table(&["State", "Known Nodes", "Cluster Size"], &[row]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_before_6_2_are_too_old() {
        for (version, old) in [
            ("5.0.14", true),
            ("6.0.16", true),
            ("6.2.0", false),
            ("7.0.15", false),
            ("x", false),
        ] {
            assert_eq!(is_too_old(version), old, "{version}");
        }
    }

    #[test]
    fn times_are_rfc_3339() {
        let at = Time::from_millis(1_700_000_000_500);
        assert_eq!(rfc3339(at, &TimeZone::UTC), "2023-11-14T22:13:20.5Z");
        let east = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(rfc3339(at, &east), "2023-11-15T00:13:20.5+02:00");
    }
}
