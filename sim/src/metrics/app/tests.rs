//! A middleware counts what it hears of, under the names of its world.

use super::*;
use crate::world::preset;

fn app(metrics: &str) -> App {
    let text = format!("version: firedrill/v1\nworld: t\nsummary: s\nmetrics:\n{metrics}");
    App::of(&World::parse("t.yaml", &text).unwrap())
}

fn preset_app(name: &str) -> App {
    App::of(&World::parse(name, preset(name).unwrap().text).unwrap())
}

fn failure() -> Outcome {
    Outcome::Failure {
        error: "e".into(),
        kind: firedrill_asynq::actor::ErrorKind::Failure,
        by_fault: false,
    }
}

fn panic(uncounted: bool) -> Outcome {
    Outcome::Panic {
        error: "p".into(),
        uncounted,
    }
}

type Counted = WorkerMetrics<(String, String)>;

/// A task of this type in this queue is handled.
fn handle(metrics: &mut Counted, (task_type, queue): (&str, &str), outcome: &Outcome, s: f64) {
    let kind = (task_type.to_owned(), queue.to_owned());
    metrics.started(kind.clone());
    metrics.handled(kind, outcome, s);
}

fn exposed(metrics: &Counted) -> Vec<String> {
    let line = |(labels, value): &Value| format!("{labels} {value}");
    metrics.values().iter().map(line).collect()
}

#[test]
fn the_wikis_middleware_hears_nothing_of_a_panic() {
    let mut metrics = Counted::new(&preset_app("wiki"));
    handle(&mut metrics, ("a", "q"), &Outcome::Success, 0.1);
    handle(&mut metrics, ("a", "r"), &failure(), 0.1);
    handle(&mut metrics, ("a", "q"), &panic(false), 0.1);
    metrics.started(("b".into(), "q".into()));
    let wanted = [
        "processed_tasks_total{task_type=\"a\"} 2",
        "failed_tasks_total{task_type=\"a\"} 1",
        "in_progress_tasks{task_type=\"a\"} 1",
        "in_progress_tasks{task_type=\"b\"} 1",
    ];
    assert_eq!(exposed(&metrics), wanted);
}

#[test]
fn results_have_the_values_they_are_given_and_panics_are_failures_where_they_are_recovered_first() {
    let text = "  - { name: x_total, type: counter, labels: { r: result }, results: { success: ok, failed: error } }\n";
    let mut metrics = Counted::new(&app(text));
    handle(&mut metrics, ("a", "q"), &Outcome::Success, 0.1);
    handle(&mut metrics, ("b", "q"), &panic(false), 0.1);
    handle(&mut metrics, ("b", "q"), &panic(true), 0.1);
    let wanted = ["x_total{r=\"error\"} 1", "x_total{r=\"ok\"} 1"];
    assert_eq!(exposed(&metrics), wanted);
}

#[test]
fn a_gauge_with_a_deferred_end_is_of_those_at_work() {
    let mut metrics = Counted::new(&app("  - { name: busy, type: gauge }\n"));
    handle(&mut metrics, ("a", "q"), &panic(true), 0.1);
    metrics.started(("b".into(), "q".into()));
    metrics.started(("a".into(), "q".into()));
    assert_eq!(exposed(&metrics), ["busy 2"]);
}

#[test]
fn a_histogram_is_summed_over_what_it_does_not_tell() {
    let text =
        "  - { name: t_ms, type: histogram, unit: ms, buckets: [100, 1000000], counts: success }\n";
    let mut metrics = Counted::new(&app(text));
    handle(&mut metrics, ("a", "q"), &Outcome::Success, 0.05);
    handle(&mut metrics, ("b", "q"), &Outcome::Success, 2.0);
    handle(&mut metrics, ("b", "q"), &failure(), 2.0);
    let wanted = [
        "t_ms_bucket{le=\"100\"} 1",
        "t_ms_bucket{le=\"1e+06\"} 2",
        "t_ms_bucket{le=\"+Inf\"} 2",
        "t_ms_sum 2050",
        "t_ms_count 2",
    ];
    assert_eq!(exposed(&metrics), wanted);
}
