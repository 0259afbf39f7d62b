//! What the model exposes in each world is what its file says, and the same story is told under other names.

use crate::support::{plan_of, project};
use firedrill_detector::Labels;
use firedrill_detector::sample::is_stale;
use firedrill_sim::engine::Observation;
use firedrill_sim::engine::virtual_time::{self, VirtualOptions};
use firedrill_sim::metrics::catalogue;
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::{PlanOptions, Scenario};
use firedrill_sim::world::{PRESETS, World};
use std::collections::{BTreeMap, BTreeSet};

/// Every way to expose something that the model has, a crash, and panics.
const EVERYTHING: &str = "\
version: firedrill/v1
name: t
family: worker-crashed
summary: s
duration: 12m
warmup: 1m
queues: { default: , bulk: }
resources: { db: { pool: 3, wait_timeout: 10s } }
workload:
  - { task: a, queue: default, arrivals: { poisson: 4/s }, service: { constant: 500ms }, fail: 0.2, uses: [ { resource: db, for: 100ms } ] }
  - { task: a, queue: bulk, arrivals: { poisson: 1/s }, service: { constant: 200ms } }
  - { task: b, queue: bulk, arrivals: { poisson: 1/s }, service: { constant: 200ms } }
workers: [{ name: w, processes: 3, concurrency: 4, restart: {} }]
scrape: { interval: 5s, timeout: 4s, producer: true }
timeline:
  - { at: 2m, fault: worker.memory-limit, select: [w-2], fills_in: 60m, limit: 32MB, until: { at: 10m } }
  - { at: 3m, fault: handler.panic, task: b, until: { at: 5m } }
  - { at: 6m, fault: worker.kill, select: [w-0], until: { at: 8m, remedy: worker.restart } }
  - { at: 9m, fault: worker.crash-loop, select: [w-1], after: 20s, until: { at: 10m } }
  - { at: 10m, fault: worker.cpu-throttle, select: [w-0], share: 50%, until: { at: 11m } }
incidents:
  - { cause: worker-crashed, of: worker.kill, wanted: page, within: 1m }
";

/// Samples of a drill by series, in order of time; markers of staleness are `None`.
type Seen = BTreeMap<Labels, Vec<(i64, Option<f64>)>>;

fn seen(plan: &Plan) -> Seen {
    let (mut names, mut seen) = (BTreeMap::new(), Seen::new());
    let sink = &mut |observation| {
        match observation {
            Observation::Series { id, labels } => drop(names.insert(id, labels)),
            Observation::Scrape { at_ms, values, .. } => {
                for (id, value) in values {
                    let value = (!is_stale(value)).then_some(value);
                    let series = seen.entry(names[&id].clone()).or_default();
                    series.push((at_ms, value));
                }
            }
            _ => {}
        }
        Ok(())
    };
    virtual_time::run(plan, VirtualOptions::default(), sink).unwrap();
    seen
}

fn in_world(name: &str) -> Plan {
    plan_of(&EVERYTHING.replace("scrape:", &format!("world: {name}\nscrape:")))
}

/// The last value of all series with this name and these labels, added up.
fn last(seen: &Seen, name: &str, with: &[(&str, &str)]) -> f64 {
    let is_meant = |labels: &Labels| {
        let mut with = with.iter();
        labels.name() == name && with.all(|(label, value)| labels.get(label) == Some(value))
    };
    let of = seen.iter().filter(|(labels, _)| is_meant(labels));
    let last = of.filter_map(|(_, samples)| samples.last()?.1);
    last.sum()
}

#[test]
fn what_is_exposed_is_what_is_listed() {
    for preset in PRESETS {
        let plan = in_world(preset.name);
        let own = |labels: &Labels| {
            let target = ["job", "instance"].map(str::to_owned);
            let targets = &plan.world.targets;
            // Those of Kubernetes tell of other pods than their own.
            let honored = |name: &&str| ["namespace", "pod", "container"].contains(name);
            let is_of_kubernetes = [&targets.kube, &targets.cadvisor]
                .iter()
                .any(|form| form.job.as_deref() == labels.get("job"));
            let exposed = |name: &str| is_of_kubernetes && labels.name() != "up" && honored(&name);
            let of = [
                &targets.worker,
                &targets.asynq,
                &targets.redis,
                &targets.producer,
            ];
            let named = of.into_iter().flat_map(|form| form.labels.iter());
            let named = named.chain(&plan.world.labels);
            let target: BTreeSet<String> = named
                .map(|(name, _)| name.clone())
                .chain(target)
                .filter(|name| !exposed(name))
                .collect();
            let labels = labels.iter().map(|(name, _)| name.to_owned());
            let own = labels.filter(|name| name != "__name__" && !target.contains(name));
            own.collect::<BTreeSet<String>>()
        };
        let exposed: BTreeSet<(String, BTreeSet<String>)> = seen(&plan)
            .keys()
            .map(|labels| (labels.name().to_owned(), own(labels)))
            .collect();
        let mut listed = BTreeSet::new();
        for row in catalogue::rows(&plan.world) {
            let labels: BTreeSet<String> = row.labels.iter().cloned().collect();
            // Only a real Redis can be asked for it.
            if row.when.starts_with("live") {
                continue;
            }
            if row.kind == "histogram" {
                let without = labels.iter().filter(|label| *label != "le").cloned();
                let without: BTreeSet<String> = without.collect();
                listed.insert((format!("{}_bucket", row.name), labels));
                listed.insert((format!("{}_sum", row.name), without.clone()));
                listed.insert((format!("{}_count", row.name), without));
            } else {
                listed.insert((row.name, labels));
            }
        }
        assert_eq!(exposed, listed, "{}", preset.name);
    }
}

#[test]
fn the_same_drill_is_told_under_other_names() {
    let (ours, wiki) = (seen(&in_world("runbook")), seen(&in_world("wiki")));
    // What is no world's is the same in both.
    for name in [
        "asynq_tasks_processed_total",
        "job_enqueued_total",
        "redis_memory_used_bytes",
    ] {
        let of = |seen: &Seen| {
            let of = seen.iter().filter(|(labels, _)| labels.name() == name);
            of.map(|(labels, samples)| (labels.clone(), samples.clone()))
                .collect::<Seen>()
        };
        assert!(!of(&ours).is_empty());
        assert_eq!(of(&ours), of(&wiki), "{name}");
    }
    // A task type without panics is counted alike, over its queues.
    let of_a = [("task_type", "a")];
    let processed = last(&ours, "job_processed_total", &of_a);
    assert!(processed > 2_000.0, "{processed}");
    assert_eq!(last(&wiki, "processed_tasks_total", &of_a), processed);
    let failed = [("task_type", "a"), ("status", "failed")];
    let failed = last(&ours, "job_processed_total", &failed);
    assert!(failed > 100.0, "{failed}");
    assert_eq!(last(&wiki, "failed_tasks_total", &of_a), failed);
    // Panics are failures to one middleware, and nothing to the other, whose gauge stays up.
    let of_b = [("task_type", "b")];
    let panicked =
        last(&ours, "job_processed_total", &of_b) - last(&wiki, "processed_tasks_total", &of_b);
    assert!(panicked > 50.0, "{panicked}");
    assert_eq!(last(&wiki, "failed_tasks_total", &of_b), 0.0);
    let up = last(&wiki, "in_progress_tasks", &of_b);
    assert!(
        (panicked..panicked + 12.0).contains(&up),
        "{up} of {panicked}"
    );
}

#[test]
fn a_dead_target_is_kept_with_up_at_0_or_is_a_target_no_longer() {
    let up = |world: &str, pod: (&str, &str)| {
        let seen = seen(&in_world(world));
        let of = |labels: &Labels| labels.name() == "up" && labels.get(pod.0) == Some(pod.1);
        let (_, samples) = seen.into_iter().find(|(labels, _)| of(labels)).unwrap();
        samples
    };
    let meanwhile = |samples: &[(i64, Option<f64>)]| {
        let samples = samples.iter().copied();
        let samples = samples.filter(|(at_ms, _)| (361_000..479_000).contains(at_ms));
        samples.map(|(_, value)| value).collect::<Vec<_>>()
    };
    let kept = up("runbook", ("instance", "w-0"));
    let down = meanwhile(&kept);
    assert!(
        down.len() > 20 && down.iter().all(|value| *value == Some(0.0)),
        "{down:?}"
    );
    let removed = up("kubernetes", ("pod", "w-0"));
    assert_eq!(
        meanwhile(&removed),
        [None],
        "one marker of staleness, two intervals later"
    );
    let again = removed.last().unwrap();
    assert_eq!(again.1, Some(1.0), "it is found when it is there again");
    assert!(
        removed
            .iter()
            .any(|(at_ms, value)| *at_ms < 360_000 && *value == Some(1.0))
    );
}

#[test]
fn a_record_holds_its_world_and_a_file_of_ones_own_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let text = "version: firedrill/v1\nworld: ours\nsummary: s\nlabels: { env: prod }\ntargets:\n  worker: { job: jobs, interval: 10s }\n\
                metrics:\n  - { name: myapp_jobs_total, type: counter, labels: { result: result }, results: { success: ok, failed: error } }\n";
    std::fs::write(dir.path().join("world.yaml"), text).unwrap();
    let file = dir.path().join("drill.yaml");
    let scenario = EVERYTHING.replace("scrape:", "world: world.yaml\nscrape:");
    std::fs::write(&file, &scenario).unwrap();
    let scenario = Scenario::parse(file.to_str().unwrap(), &scenario).unwrap();
    let plan = Plan::resolve(&scenario, &PlanOptions::default()).unwrap();
    assert_eq!(plan.world, World::parse("w", text).unwrap());
    // The plan says all of it, wherever it is read.
    assert_eq!(plan_of(&plan.to_yaml()), plan);
    let seen = seen(&plan);
    for result in ["ok", "error"] {
        assert!(
            last(
                &seen,
                "myapp_jobs_total",
                &[("result", result), ("env", "prod"), ("job", "jobs")]
            ) > 0.0
        );
    }
    let up = seen
        .iter()
        .find(|(labels, _)| labels.name() == "up" && labels.get("instance") == Some("w-1"));
    let times: Vec<i64> = up.unwrap().1.iter().map(|(at_ms, _)| *at_ms).collect();
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] == 10_000),
        "{times:?}"
    );
}

#[test]
fn a_world_that_is_not_there_is_told_where_it_was_asked_for() {
    let wrong = |world: &str| {
        let text = EVERYTHING.replace("scrape:", &format!("world: {world}\nscrape:"));
        let scenario = Scenario::parse("s.yaml", &text).unwrap();
        let found = Plan::resolve(&scenario, &PlanOptions::default()).unwrap_err();
        found[0].to_string()
    };
    let unknown = wrong("wikki");
    assert!(
        unknown.contains("s.yaml:14:8") && unknown.contains("did you mean `wiki`?"),
        "{unknown}"
    );
    let beside = wrong("world.yaml");
    assert!(
        beside.contains("only a scenario in a file of its own"),
        "{beside}"
    );
    let same = EVERYTHING.replace(
        "scrape:",
        "world: { version: firedrill/v1, world: x, summary: s, targets: { redis: { job: worker, instance: w-0 } } }\nscrape:",
    );
    let scenario = Scenario::parse("s.yaml", &same).unwrap();
    let found = Plan::resolve(&scenario, &PlanOptions::default()).unwrap_err();
    assert!(
        found[0]
            .to_string()
            .starts_with("s.yaml:14:66: targets: `redis` and `w-0` are both the target worker/w-0"),
        "{found:?}"
    );
}

#[test]
fn the_docs_have_every_metric() {
    let path = project("scenarios/worlds/README.md");
    let mut text = std::fs::read_to_string(&path).unwrap();
    for preset in PRESETS {
        let begin = format!(
            "<!-- {}: made from the source, see `sim/src/metrics/catalogue.rs` -->\n",
            preset.name
        );
        let end = format!("<!-- end of {} -->\n", preset.name);
        let from = text.find(&begin).unwrap() + begin.len();
        let to = text.find(&end).unwrap();
        let world = World::parse(preset.name, preset.text).unwrap();
        let targets: Vec<String> = catalogue::targets(&world);
        let made = format!(
            "\n```text\n{}\n```\n\n{}\n",
            targets.join("\n"),
            catalogue::table(&world)
        );
        text.replace_range(from..to, &made);
    }
    let begin = "<!-- not told: made from the source, see `sim/src/metrics/redis.rs` -->\n";
    let from = text.find(begin).unwrap() + begin.len();
    let to = text.find("<!-- end of not told -->").unwrap();
    let told = catalogue::not_told().into_iter();
    let told: String = told.map(|line| format!("- {line}\n")).collect();
    text.replace_range(from..to, &format!("\n{told}\n"));
    let begin = "<!-- moved: made by `sim/tests/it/moved.rs` -->\n";
    let from = text.find(begin).unwrap() + begin.len();
    let to = text.find("<!-- end of moved -->").unwrap();
    text.replace_range(from..to, &format!("\n{}\n", catalogue::moved_table()));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(
        found == text,
        "UPDATE_DOCS=1 cargo test -p firedrill-sim --test it worlds"
    );
}

#[test]
fn an_exporter_of_kubernetes_is_gone_where_there_is_one() {
    let text = EVERYTHING.replace(
        "incidents:",
        "  - { at: 4m, fault: exporter.down, select: [kube-state-metrics], until: { at: 5m } }\nincidents:",
    );
    let seen = seen(&plan_of(
        &text.replace("scrape:", "world: kubernetes\nscrape:"),
    ));
    let up = seen.iter().find(|(labels, _)| {
        labels.name() == "up" && labels.get("job") == Some("kube-state-metrics")
    });
    let (_, samples) = up.unwrap();
    let is_down = |(at_ms, _): &&(i64, _)| (240_000..300_000).contains(at_ms);
    let (down, well): (Vec<_>, Vec<_>) = samples.iter().partition(is_down);
    assert!(down.len() > 10 && down.iter().all(|(_, up)| *up == Some(0.0)));
    assert!(well.iter().all(|(_, up)| *up == Some(1.0)), "{well:?}");
    let scenario = Scenario::parse("s.yaml", &text).unwrap();
    let found = Plan::resolve(&scenario, &PlanOptions::default()).unwrap_err();
    let told = found[0].to_string();
    assert!(told.contains("`select: [exporter, redis]`"), "{told}");
}
