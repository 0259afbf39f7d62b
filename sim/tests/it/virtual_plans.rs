//! Random plans for the virtual engine: every kind of arrival, service, worker and fault, faults on top of each other.

use crate::support::plan_of;
use firedrill_sim::plan::Plan;
use proptest::prelude::*;
use std::fmt::Write;

/// What a plan is made of; times are seconds.
#[derive(Debug, Clone)]
pub(crate) struct Sketch {
    seed: u64,
    duration_s: u32,
    strict: bool,
    workload: Vec<Work>,
    workers: Vec<Workers>,
    timeline: Vec<Trouble>,
}

#[derive(Debug, Clone)]
struct Work {
    low: bool,
    arrivals: String,
    service: String,
    timeout_s: u32,
    max_retry: u32,
    fail_percent: u32,
}

#[derive(Debug, Clone)]
struct Workers {
    processes: u32,
    concurrency: u32,
    only_low: bool,
    shutdown_s: u32,
    poll_ms: u32,
    retry_delay: &'static str,
}

/// A fault from one share of the drill to another, in percent; from 100 on it lasts to the end.
#[derive(Debug, Clone)]
struct Trouble {
    what: Kind,
    at_percent: u32,
    length_percent: u32,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Kill { all: bool },
    Deadlock { all: bool },
    Fail { share_percent: u32 },
    Slow { factor: u32 },
    Redis { keep_data: bool },
}

fn work() -> impl Strategy<Value = Work> {
    let arrivals = prop_oneof![
        (1..200_u32).prop_map(|tenths| format!("{{ poisson: {}/s }}", f64::from(tenths) / 100.0)),
        (1..90_u32).prop_map(|rate| format!("{{ constant: {rate}/m, from: 7s }}")),
        (1..300_u32, 0..200_u32).prop_map(|(count, at)| format!(
            "{{ burst: {{ count: {count}, at: {at}s, over: 1s }} }}"
        )),
    ];
    let service = prop_oneof![
        (1..90_000_u32).prop_map(|ms| format!("{{ constant: {ms}ms }}")),
        (1..20_000_u32).prop_map(|ms| format!("{{ exponential: {{ mean: {ms}ms }} }}")),
        (1..20_000_u32)
            .prop_map(|ms| format!("{{ lognormal: {{ mean: {ms}ms, p95: {}ms }} }}", 3 * ms)),
    ];
    let fail = prop_oneof![Just(0), 0..60_u32];
    (any::<bool>(), arrivals, service, 1..60_u32, 0..4_u32, fail).prop_map(
        |(low, arrivals, service, timeout_s, max_retry, fail_percent)| Work {
            low,
            arrivals,
            service,
            timeout_s,
            max_retry,
            fail_percent,
        },
    )
}

fn workers() -> impl Strategy<Value = Workers> {
    let retry_delay = prop_oneof![
        Just("default"),
        Just("{ constant: 1s }"),
        Just("{ exponential: 500ms, factor: 3, jitter: 50% }"),
    ];
    (
        1..4_u32,
        2..6_u32,
        prop::bool::weighted(0.2),
        0..20_u32,
        10..3_000_u32,
        retry_delay,
    )
        .prop_map(
            |(processes, concurrency, only_low, shutdown_s, poll_ms, retry_delay)| Workers {
                processes,
                concurrency,
                only_low,
                shutdown_s,
                poll_ms,
                retry_delay,
            },
        )
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let kind = prop_oneof![
        2 => any::<bool>().prop_map(|all| Kind::Kill { all }),
        2 => any::<bool>().prop_map(|all| Kind::Deadlock { all }),
        1 => (1..=100_u32).prop_map(|share_percent| Kind::Fail { share_percent }),
        1 => (2..50_u32).prop_map(|factor| Kind::Slow { factor }),
        2 => prop::bool::weighted(0.7).prop_map(|keep_data| Kind::Redis { keep_data }),
    ];
    // On a coarse grid and a little beside it, so that ends and beginnings fall on each other.
    let near = |tenths: std::ops::Range<u32>| {
        (tenths, prop_oneof![3 => Just(0), 2 => 1..3_u32])
            .prop_map(|(tenth, beside)| 10 * tenth + beside)
    };
    (
        kind,
        near(0..9),
        near(0..8).prop_map(|length| length.max(1)),
    )
        .prop_map(|(what, at_percent, length_percent)| Trouble {
            what,
            at_percent,
            length_percent,
        })
}

/// Any plan.
pub(crate) fn sketch() -> impl Strategy<Value = Sketch> {
    (
        any::<u64>(),
        240..1_200_u32,
        any::<bool>(),
        prop::collection::vec(work(), 1..4),
        prop::collection::vec(workers(), 1..3),
        prop::collection::vec(trouble(), 0..8),
    )
        .prop_map(
            |(seed, duration_s, strict, workload, workers, timeline)| Sketch {
                seed,
                duration_s,
                strict,
                workload,
                workers,
                timeline: without_overlaps(timeline),
            },
        )
}

/// Steps that get in each other's way are refused: what is down is not broken again, and no worker starts without Redis.
fn without_overlaps(timeline: Vec<Trouble>) -> Vec<Trouble> {
    let mut kept: Vec<Trouble> = Vec::new();
    for trouble in timeline {
        if kept.iter().all(|other| goes_with(other, &trouble)) {
            kept.push(trouble);
        }
    }
    kept
}

fn goes_with(one: &Trouble, other: &Trouble) -> bool {
    // The end of the drill is later than any time in it.
    let span = |trouble: &Trouble| {
        let ends = trouble.at_percent + trouble.length_percent;
        (trouble.at_percent, if ends < 100 { ends } else { u32::MAX })
    };
    let ((starts, ends), (other_starts, other_ends)) = (span(one), span(other));
    let apart = ends <= other_starts || starts >= other_ends;
    let of_redis = |trouble: &Trouble| matches!(trouble.what, Kind::Redis { .. });
    let of_workers =
        |trouble: &Trouble| matches!(trouble.what, Kind::Kill { .. } | Kind::Deadlock { .. });
    let within =
        |moment: u32, starts: u32, ends: u32| moment < u32::MAX && starts < moment && moment < ends;
    if (of_redis(one) && of_redis(other)) || (of_workers(one) && of_workers(other)) {
        return apart;
    }
    if of_redis(one) && of_workers(other) {
        return !within(other_ends, starts, ends);
    }
    if of_workers(one) && of_redis(other) {
        return !within(ends, other_starts, other_ends);
    }
    true
}

impl Sketch {
    pub(crate) fn plan(&self) -> Plan {
        plan_of(&self.yaml())
    }

    /// Whether Redis forgets what it was told.
    pub(crate) fn loses_data(&self) -> bool {
        let loses = |trouble: &Trouble| {
            matches!(trouble.what, Kind::Redis { keep_data: false })
                && trouble.at_percent + trouble.length_percent < 100
        };
        self.timeline.iter().any(loses)
    }

    fn yaml(&self) -> String {
        let mut text = format!(
            "version: firedrill/v1\nname: random\nfamily: benign\nsummary: s\nseed: {}\nduration: {}s\n\
             queues: {{ default: {{ priority: 3 }}, low: {{ priority: 1, wait_objective: 10s }} }}\nworkload:\n",
            self.seed, self.duration_s
        );
        for (number, work) in self.workload.iter().enumerate() {
            let queue = if work.low { "low" } else { "default" };
            let _ = writeln!(
                text,
                "  - {{ task: t{number}, queue: {queue}, arrivals: {}, service: {}, timeout: {}s, max_retry: {}, \
                 fail: {}% }}",
                work.arrivals, work.service, work.timeout_s, work.max_retry, work.fail_percent
            );
        }
        text.push_str("workers:\n");
        for (number, workers) in self.workers.iter().enumerate() {
            let only = if workers.only_low {
                ", queues: [low]"
            } else {
                ""
            };
            let _ = writeln!(
                text,
                "  - {{ name: w{number}, processes: {}, concurrency: {}{only}, strict_priority: {}, \
                 shutdown_timeout: {}s, task_check_interval: {}ms, retry_delay: {} }}",
                workers.processes,
                workers.concurrency,
                self.strict,
                workers.shutdown_s,
                workers.poll_ms,
                workers.retry_delay
            );
        }
        if !self.timeline.is_empty() {
            text.push_str("timeline:\n");
        }
        for trouble in &self.timeline {
            let _ = writeln!(text, "  - {{ {} }}", self.step(trouble));
        }
        text
    }

    fn step(&self, trouble: &Trouble) -> String {
        let second = |percent: u32| self.duration_s * percent / 100;
        let select = |all: bool| if all { "all" } else { "{ count: 1 }" };
        let (fault, remedy) = match trouble.what {
            Kind::Kill { all } => (
                format!("worker.kill, select: {}", select(all)),
                ", remedy: worker.restart",
            ),
            Kind::Deadlock { all } => (
                format!("handler.deadlock, select: {}", select(all)),
                ", remedy: worker.restart",
            ),
            Kind::Fail { share_percent } => (
                format!("handler.fail, task: t0, share: {share_percent}%"),
                "",
            ),
            Kind::Slow { factor } => (format!("handler.slow, factor: {factor}"), ""),
            Kind::Redis { keep_data } => (
                format!("redis.kill, keep_data: {keep_data}"),
                ", remedy: redis.start",
            ),
        };
        let ends = trouble.at_percent + trouble.length_percent;
        let until = if ends < 100 {
            format!("{{ at: {}s{remedy} }}", second(ends))
        } else {
            "end".to_owned()
        };
        format!(
            "at: {}s, fault: {fault}, until: {until}",
            second(trouble.at_percent)
        )
    }
}
