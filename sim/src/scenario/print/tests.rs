//! Any scenario, printed as a plan, is a scenario that means the same, and that the schema accepts.

use crate::form::quote;
use crate::scenario::schema::tests::problems_of;
use crate::scenario::tests::plan_of;
use crate::units::format;
use proptest::prelude::*;

fn time(most: i64) -> impl Strategy<Value = String> {
    (1..most).prop_map(format)
}

fn share() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_u32..=100).prop_map(|n| format!("{n}%")),
        (0.0..=1.0_f64).prop_map(|share| share.to_string()),
    ]
}

/// A service time in one of the units people write.
fn span() -> impl Strategy<Value = String> {
    let unit = prop::sample::select(vec!["us", "ms", "s", "m"]);
    let number = prop_oneof![
        (1_u32..5_000).prop_map(|n| n.to_string()),
        (1_u32..9_999_999).prop_map(|n| (f64::from(n) / 1e3).to_string()),
    ];
    (number, unit).prop_map(|(number, unit)| format!("{number}{unit}"))
}

/// `key: value`, or nothing.
fn maybe(key: &'static str, value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::option::of(value)
        .prop_map(move |value| value.map_or(String::new(), |value| format!(", {key}: {value}")))
}

fn arrivals() -> impl Strategy<Value = String> {
    let rate = (1_u32..1_000_000, prop::sample::select(vec!["s", "m", "h"]))
        .prop_map(|(n, unit)| format!("{}/{unit}", f64::from(n) / 1e3));
    let kind = prop::sample::select(vec!["poisson", "constant"]);
    let from = maybe("from", time(30 * 60_000));
    let until = maybe("until", (31 * 60_000..90 * 60_000_i64).prop_map(format));
    prop_oneof![
        (kind, rate, from, until)
            .prop_map(|(kind, rate, from, until)| format!("{{ {kind}: {rate}{from}{until} }}")),
        (1_u32..1000, time(3_600_000), maybe("over", time(600_000))).prop_map(
            |(count, at, over)| format!("{{ burst: {{ count: {count}, at: {at}{over} }} }}")
        ),
        prop::sample::select(vec![
            "{ stages: [{ duration: 5m, target: 10/s }, { duration: 0s, target: 0/s }] }",
            "{ stages: [{ duration: 1h, target: 0.1/s }], start: 3/m, evenly: true, from: 1m }",
            "{ diurnal: { mean: 10/s, peak_to_trough: 8.5, peak_at: \"14:30\" } }",
            "{ mmpp: [{ rate: 0/s, mean_stay: 10m }, { rate: 40/s, mean_stay: 1m }] }",
            "{ trace: { data: \"0*3 500+1000*7 20\", at: 5m } }",
        ])
        .prop_map(str::to_owned),
        prop::sample::select(vec![
            "*/5 * * * *",
            "@every 30s",
            "@hourly",
            "0 9 * * 1-5",
            "CRON_TZ=Europe/Berlin 0 9 * * *"
        ])
        .prop_map(|spec| format!("{{ cron: {} }}", quote(spec))),
    ]
}

fn service() -> impl Strategy<Value = String> {
    prop_oneof![
        span().prop_map(|span| format!("{{ constant: {span} }}")),
        span().prop_map(|span| format!("{{ exponential: {{ mean: {span} }} }}")),
        (1_u32..100_000, 1.05..3.7_f64).prop_map(|(mean, times)| {
            let p95 = (f64::from(mean) * times * 1e3).ceil();
            format!("{{ lognormal: {{ mean: {mean}ms, p95: {p95}us }} }}")
        }),
        (-20.0..20.0_f64, 0.0..10.0_f64)
            .prop_map(|(mu, sigma)| format!("{{ lognormal: {{ mu: {mu}, sigma: {sigma} }} }}")),
    ]
}

fn task() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec!["failure", "not_a_failure", "skip_retry", "revoke"]);
    let first = (arrivals(), service(), 0_usize..8);
    let rest = (
        maybe("max_retry", (0_u32..=10_000).prop_map(|n| n.to_string())),
        maybe("timeout", (1_000..86_400_000_i64).prop_map(format)),
        maybe("fail", share()),
        maybe("fail_as", kind.prop_map(str::to_owned)),
        maybe("delay", time(1_000_000)),
        maybe("deadline", time(1_000_000)),
        maybe("retention", time(1_000_000)),
        maybe("result", any::<String>().prop_map(|text| quote(&text))),
    );
    (first, rest, content()).prop_map(|((arrivals, service, queue), rest, content)| {
        let (retry, timeout, fail, fail_as, delay, deadline, retention, result) = rest;
        format!(
            "queue: q{queue}, arrivals: {arrivals}, service: {service}\
             {retry}{timeout}{fail}{fail_as}{delay}{deadline}{retention}{result}{content}"
        )
    })
}

/// What tasks are told apart by, and what they carry.
fn content() -> impl Strategy<Value = String> {
    let unique = prop_oneof![
        (1_000..86_400_000_i64).prop_map(format),
        (1_000..86_400_000_i64, 2_u32..1_000)
            .prop_map(|(ttl, keys)| format!("{{ ttl: {}, keys: {keys} }}", format(ttl))),
    ];
    let payload = prop_oneof![
        (1_u32..100_000).prop_map(|bytes| format!("{bytes}B, service_per_mb: 2s")),
        (1_u32..1_000, 1_000_u32..5_000)
            .prop_map(|(min, max)| format!("{{ uniform: {{ min: {min}KB, max: {max}KB }} }}")),
        (1_u32..1_000)
            .prop_map(|mean| format!("{{ lognormal: {{ mean: {mean}KB, p95: {}KB }} }}", 2 * mean)),
    ];
    (maybe("unique", unique), maybe("payload", payload)).prop_map(|(a, b)| format!("{a}{b}"))
}

fn worker() -> impl Strategy<Value = String> {
    let retry_delay = prop_oneof![
        Just("default".to_owned()),
        time(1_000_000).prop_map(|time| format!("{{ constant: {time} }}")),
        (
            time(1_000_000),
            maybe("factor", (1.0..=100.0_f64).prop_map(|n| n.to_string())),
            maybe("jitter", share())
        )
            .prop_map(|(base, factor, jitter)| format!(
                "{{ exponential: {base}{factor}{jitter} }}"
            )),
    ];
    let groups = (
        maybe("grace_period", (1_000..600_000_i64).prop_map(format)),
        maybe("max_delay", time(600_000)),
        maybe("max_size", (0_u32..=100_000).prop_map(|n| n.to_string())),
    )
        .prop_map(|(grace, delay, size)| format!("{{ into: all{grace}{delay}{size} }}"));
    (
        2_u32..100,
        maybe("processes", (1_u32..=64).prop_map(|n| n.to_string())),
        maybe("queues", prop::sample::select(vec!["[q0]", "[]", "[q0, q1]"]).prop_map(str::to_owned)),
        maybe("strict_priority", any::<bool>().prop_map(|is| is.to_string())),
        maybe("shutdown_timeout", time(100_000)),
        maybe("task_check_interval", time(10_000)),
        maybe("retry_delay", retry_delay),
        maybe("groups", groups),
    )
        .prop_map(
            |(slots, processes, queues, strict, shutdown, check, delay, groups)| {
                format!("concurrency: {slots}{processes}{queues}{strict}{shutdown}{check}{delay}{groups}")
            },
        )
}

/// Steps with the incidents they are behind.
fn timeline() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "benign: [{ what: a lull, at: 20m }]",
        "benign: [{ what: a lull, at: 20m }]\n\
         gates: { jobs_lost: [count == 0, max < 1], 'detect_seconds{alert=\"X: y\"}': p(99.9) <= baseline * 1.1 }",
        "timeline: [{ at: 30m, fault: handler.slow, factor: 6.5, until: { at: 60m } }]\n\
         incidents: [{ cause: slow-jobs, wanted: page, within: 6m }]",
        "timeline: [{ id: x, at: 30m, fault: worker.kill, select: all, until: end }, { at: 40m, fault: handler.fail, task: t0, share: 7% }]\n\
         incidents: [{ cause: deadlock, of: x, unusual_cause: true, at: 31m, wanted: ticket, within: 90s }, { cause: other, of: handler.fail, wanted: page, within: 1h }]",
        "timeline: [{ at: 30m, fault: redis.kill, keep_data: false, until: { at: 31m, remedy: redis.start } }]\n\
         incidents: [{ cause: redis-down, wanted: page, within: 2m }, { cause: other, at: 50m, until: 55m, wanted: page, within: 2m }]",
    ])
    .prop_map(str::to_owned)
}

fn scenario() -> impl Strategy<Value = String> {
    let queue = (
        prop::option::of(1_u32..=1_000),
        prop::option::of(time(10_000_000)),
    )
        .prop_map(|(priority, objective)| {
            let priority = priority.map(|n| format!("priority: {n}"));
            let objective = objective.map(|time| format!("wait_objective: {time}"));
            let keys: Vec<String> = priority.into_iter().chain(objective).collect();
            format!("{{ {} }}", keys.join(", "))
        });
    let top = (
        any::<String>().prop_map(|text| quote(&text)),
        prop::option::of(any::<u64>()),
        prop::option::of(prop::sample::select(vec![
            "09:00",
            "Mon 09:15",
            "Sun 23:59",
        ])),
        prop::option::of(time(600_000)),
        prop::option::of(time(60_000)),
        prop::option::of(time(60_000)),
    );
    let parts = (
        prop::collection::vec(queue, 8),
        prop::collection::vec(task(), 1..4),
        prop::collection::vec(worker(), 1..3),
        timeline(),
    );
    (top, parts).prop_map(|(top, (queues, tasks, workers, timeline))| {
        let (summary, seed, starts, warmup, scrape, evaluation) = top;
        let mut text = format!(
            "version: firedrill/v1\nname: any\nfamily: other\nsummary: {summary}\nduration: 90m\n"
        );
        let family = if timeline.contains("incidents") {
            "other"
        } else {
            "benign"
        };
        text = text.replacen("family: other", &format!("family: {family}"), 1);
        let mut line = |line: Option<String>| text.extend(line.map(|line| line + "\n"));
        line(seed.map(|seed| format!("seed: {seed}")));
        line(starts.map(|starts| format!("starts: {}", quote(starts))));
        line(warmup.map(|time| format!("warmup: {time}")));
        line(scrape.map(|time| format!("scrape: {{ interval: {time} }}")));
        line(evaluation.map(|time| format!("evaluation: {{ interval: {time} }}")));
        line(Some("queues:".into()));
        for (n, queue) in queues.iter().enumerate() {
            line(Some(format!("  q{n}: {queue}")));
        }
        line(Some("workload:".into()));
        for (n, task) in tasks.iter().enumerate() {
            line(Some(format!("  - {{ task: t{n}, {task} }}")));
        }
        line(Some("workers:".into()));
        for (n, worker) in workers.iter().enumerate() {
            line(Some(format!("  - {{ name: w{n}, {worker} }}")));
        }
        line(Some(timeline));
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_plan_is_printed_as_a_scenario_that_means_the_same(text in scenario()) {
        let plan = plan_of(&text).map_err(|problems| TestCaseError::fail(format!("{problems:#?}")))?;
        let printed = plan.to_yaml();
        let again = plan_of(&printed)
            .map_err(|problems| TestCaseError::fail(format!("{printed}{problems:#?}")))?;
        prop_assert_eq!(&again, &plan, "{}", printed);
        for text in [&text, &printed] {
            prop_assert_eq!(problems_of(text), Vec::<String>::new(), "{}", text);
        }
        prop_assert_eq!(again.to_yaml(), printed);
    }
}
