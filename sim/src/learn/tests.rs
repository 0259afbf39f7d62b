//! What is learnt from a few lines, and what is said where there is too little.

use super::service::{Fitted, fitted};
use super::*;
use proptest::prelude::*;

/// Seconds of a day in 2026 in which all of this happened.
const BEGAN: i64 = 1_767_603_600;

/// A counter that rises evenly, sampled four times a minute.
fn counter(text: &mut String, series: &str, per_sec: f64, minutes: i64) {
    for second in (0..=minutes * 60).step_by(15) {
        let value = per_sec * second as f64;
        text.push_str(&format!("{series} {value} {}\n", BEGAN + second));
    }
}

fn gauge(text: &mut String, series: &str, value: f64, minutes: i64) {
    for second in (0..=minutes * 60).step_by(15) {
        text.push_str(&format!("{series} {value} {}\n", BEGAN + second));
    }
}

/// asynq's collector alone: half an hour of one queue.
fn of_asynq() -> String {
    let mut text = String::new();
    for (series, rate) in [("processed", 5.0), ("failed", 0.5)] {
        let series =
            format!("asynq_tasks_{series}_total{{instance=\"a:9\",job=\"asynq\",queue=\"mail\"}}");
        counter(&mut text, &series, rate, 30);
    }
    let active = "asynq_tasks_enqueued_total{instance=\"a:9\",job=\"asynq\",queue=\"mail\",state=\"active\"}";
    gauge(&mut text, active, 2.0, 30);
    gauge(&mut text, "up{instance=\"a:9\",job=\"asynq\"}", 1.0, 30);
    text
}

fn learnt(text: &str) -> Learnt {
    let samples = Samples::of_text(&format!("{text}# EOF\n")).unwrap();
    learn(&samples, "ours", "ours-world.yaml").unwrap()
}

#[test]
fn names_may_be_anything_that_a_label_may_be() {
    // A line break, quotes, what YAML, templates and comments begin with, nothing at all.
    for name in [
        r"a\n- b: [",
        r#"\"q\": '"#,
        "{{ .x }} # y",
        "",
        "~",
        "ü/é",
        r"\\",
    ] {
        let text = of_asynq().replace("queue=\"mail\"", &format!("queue=\"{name}\""));
        let samples = Samples::of_text(&format!("{text}# EOF\n")).unwrap();
        let learnt = learn(&samples, "ours", "ours-world.yaml");
        let learnt = learnt.unwrap_or_else(|error| panic!("{name:?}: {error}"));
        let written = crate::scenario::Scenario::parse("ours.yaml", &learnt.scenario);
        assert!(written.is_ok(), "{name:?}: {written:#?}");
    }
}

#[test]
fn queues_alone_tell_rates_and_means_and_the_rest_is_said() {
    let learnt = learnt(&of_asynq());
    let told = |of: &str| learnt.unknown.iter().any(|note| note.starts_with(of));
    assert!(told("workers.processes:") && told("workers.concurrency:") && told("metrics:"));
    // A tenth fails and is tried again: 4.5 of 5 executions are arrivals. Two at work at 5 a second (Little's law).
    for line in [
        "arrivals: { poisson: 4.5000/s }",
        "service: { exponential: { mean: 444ms } }",
        "fail: 10.00%",
        "starts: Mon 09:00",
        "duration: 30m",
    ] {
        assert!(
            learnt.scenario.contains(line),
            "{line}: {}",
            learnt.scenario
        );
    }
    assert!(learnt.world.contains("job: asynq"), "{}", learnt.world);
}

/// A worker's own counter, and nothing of asynq.
fn of_worker(per_sec: f64) -> String {
    let mut text = String::new();
    let of = "instance=\"w-1:80\",job=\"worker\"";
    counter(
        &mut text,
        &format!("my_jobs_total{{{of},task_type=\"a\"}}"),
        per_sec,
        30,
    );
    gauge(&mut text, &format!("up{{{of}}}"), 1.0, 30);
    text
}

#[test]
fn a_fleet_that_is_guessed_has_room_and_nothing_is_stated_that_nobody_saw() {
    let guessed = learnt(&of_worker(1.9));
    let line = "concurrency: 4";
    assert!(guessed.scenario.contains(line), "{}", guessed.scenario);
    let notes = guessed.unknown.join("\n");
    assert!(
        notes.contains("nor does any tell how many tasks were at work"),
        "{notes}"
    );
    assert!(
        !notes.contains("at any scrape") && !notes.contains("% of its capacity"),
        "{notes}"
    );
    // Four were at work on the average, and never more.
    let seen = learnt(&of_asynq().replace("} 2 ", "} 4 "));
    let notes = seen.unknown.join("\n");
    assert!(
        notes.contains("at any scrape at most 4 tasks were at work"),
        "{notes}"
    );
    assert!(notes.contains("% of its capacity"), "{notes}");
}

#[test]
fn a_counter_that_stands_still_is_named() {
    let samples = Samples::of_text(&format!("{}# EOF\n", of_worker(0.0))).unwrap();
    let error = learn(&samples, "o", "w.yaml").unwrap_err();
    let expected = LearnError::StandsStill {
        metric: "my_jobs_total".to_owned(),
    };
    assert_eq!(error, expected);
}

#[test]
fn what_counts_something_else_is_no_metric_of_tasks() {
    let mut text = of_asynq();
    let of = "instance=\"w-1:80\",job=\"worker\",pod=\"w-1\"";
    counter(
        &mut text,
        &format!("my_jobs_total{{{of},kind=\"a\",result=\"ok\"}}"),
        4.5,
        30,
    );
    counter(
        &mut text,
        &format!("my_jobs_total{{{of},kind=\"a\",result=\"error\"}}"),
        0.5,
        30,
    );
    counter(
        &mut text,
        &format!("my_cache_hits_total{{{of},kind=\"a\"}}"),
        40.0,
        30,
    );
    gauge(&mut text, &format!("up{{{of}}}"), 1.0, 30);
    let learnt = learnt(&text);
    let world = World::parse("w", &learnt.world).unwrap();
    let names: Vec<&str> = world
        .metrics
        .iter()
        .map(|metric| metric.name.as_str())
        .collect();
    assert_eq!(names, ["my_jobs_total"]);
    let metric = &world.metrics[0];
    assert_eq!(
        (
            metric.results.success.as_str(),
            metric.results.failed.as_str()
        ),
        ("ok", "error")
    );
    let worker = &world.targets.worker;
    assert_eq!(worker.instance.as_deref(), Some("{name}:80"));
    assert_eq!(worker.labels, [("pod".to_owned(), "{name}".to_owned())]);
    assert!(learnt.scenario.contains("task: a\n"), "{}", learnt.scenario);
}

#[test]
fn a_rate_that_changes_is_learnt_in_stages() {
    let mut text = String::new();
    let mut value = 0.0;
    for minute in 0..180_i64 {
        value += if (60..120).contains(&minute) {
            600.0
        } else {
            60.0
        };
        let at = BEGAN + minute * 60;
        text.push_str(&format!(
            "asynq_tasks_processed_total{{job=\"x\",queue=\"q\"}} {value} {at}\n"
        ));
        text.push_str(&format!("up{{instance=\"x\",job=\"x\"}} 1 {at}\n"));
    }
    let learnt = learnt(&text);
    assert!(learnt.scenario.contains("stages:"), "{}", learnt.scenario);
    assert!(
        learnt.scenario.contains("target: 10.0000/s"),
        "{}",
        learnt.scenario
    );
}

#[test]
fn what_tells_nothing_is_refused_with_what_to_do() {
    let wrong =
        |text: &str| Samples::of_text(text).and_then(|samples| learn(&samples, "o", "w.yaml"));
    assert_eq!(wrong("# EOF\n"), Err(LearnError::NoTasks));
    assert_eq!(wrong("node_load1 3 1\n# EOF\n"), Err(LearnError::NoTasks));
    let error = wrong("a 1 1\na{x=\"1} 2 3\n# EOF\n").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("line 2: label value not closed"),
        "{error}"
    );
    let error = wrong("a 1\n").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("line 1: a sample without a time"),
        "{error}"
    );
}

#[test]
fn names_that_scenarios_do_not_take_are_changed_and_that_is_said() {
    let text = of_asynq().replace("\"mail\"", "\"e mail/{x}\"");
    let learnt = learnt(&text);
    assert!(
        learnt.scenario.contains("e-mail--x-"),
        "{}",
        learnt.scenario
    );
    assert!(
        learnt
            .unknown
            .iter()
            .any(|note| note.contains("`e mail/{x}` is `e-mail--x-` here"))
    );
}

/// Counts below bounds, as a histogram of very many handlers has them.
fn below(share: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    let bounds = [
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ];
    bounds.map(|bound| (bound, 1e6 * share(bound))).to_vec()
}

proptest! {
    #[test]
    fn a_distribution_is_known_by_its_buckets(mean_s in 0.02..3.0_f64, sigma in 0.3..1.2_f64) {
        let exponential = below(|bound| 1.0 - libm::exp(-bound / mean_s));
        let found = fitted(&exponential, 1e6, mean_s * 1e6).unwrap();
        prop_assert!(matches!(found, Fitted::Exponential { .. }), "{found:?}");
        prop_assert!((found.mean_s() / mean_s - 1.0).abs() < 1e-9);
        let mu = libm::log(mean_s) - sigma * sigma / 2.0;
        let lognormal = below(|bound| {
            f64::midpoint(1.0, libm::erf((libm::log(bound) - mu) / (sigma * std::f64::consts::SQRT_2)))
        });
        match fitted(&lognormal, 1e6, mean_s * 1e6).unwrap() {
            Fitted::Lognormal { p95_s, .. } => {
                let p95 = libm::exp(mu + 1.644_853_6 * sigma);
                prop_assert!((p95_s / p95 - 1.0).abs() < 0.02, "{p95_s} of {p95}");
            }
            // Seen through buckets, some are as near to one of the others as to themselves.
            Fitted::Exponential { .. } => prop_assert!(sigma > 0.6),
            Fitted::Constant { .. } => prop_assert!(sigma < 0.5),
        }
    }

    #[test]
    fn no_dump_makes_it_panic(text in "([a-z_]{1,3}(\\{[a-z]=\"[a-z]{0,2}\"\\})? [0-9.]{1,4} [0-9]{1,4}\n){0,12}") {
        if let Ok(samples) = Samples::of_text(&text) {
            let _ = learn(&samples, "o", "w.yaml");
        }
    }
}
