//! The presets are worlds, what is written out means the same, and bad worlds are told all that is wrong with them.

use super::*;
use crate::builtin;
use std::collections::BTreeSet;

fn problems(text: &str) -> Vec<String> {
    let problems = World::parse("w.yaml", text).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

/// The head of a world, and this.
fn world(rest: &str) -> String {
    format!("version: firedrill/v1\nworld: ours\nsummary: s\n{rest}")
}

#[test]
fn every_file_of_the_folder_is_a_preset_that_means_what_is_printed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/worlds");
    let files = std::fs::read_dir(folder).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<String> = names.filter(|name| name.ends_with(".yaml")).collect();
    let presets = PRESETS.map(|preset| format!("{}.yaml", preset.name));
    assert_eq!(names, BTreeSet::from(presets));
    for Preset { name, text } in PRESETS {
        let world = World::parse(name, text).unwrap_or_else(|found| panic!("{found:#?}"));
        assert_eq!(world.name, name);
        let printed = world.write().document();
        assert_eq!(World::parse(name, &printed), Ok(world.clone()), "{printed}");
        let json = serde_json::to_string(&world).unwrap();
        assert_eq!(serde_json::from_str::<World>(&json).unwrap(), world);
        assert!(builtin::scenario(name).is_none());
    }
    assert!(World::default().is_default());
}

#[test]
fn everything_wrong_is_told_with_its_place_and_what_is_accepted() {
    let text = world(
        "discovery: docker\nlabels: { job: a, 0x: b, __meta: c, env: '{pod}' }\nscrapes: 1\n\
         metrics:\n  - { name: a-b, type: counter }\n  - { name: h, type: histogram, buckets: [1, 0.5] }\n\
         \x20 - { name: c, type: countr }\n  - { name: d, type: counter, labels: { t: kind, le: queue } }\n",
    );
    insta::assert_snapshot!(problems(&text).join("\n"));
}

#[test]
fn metrics_that_do_not_go_together_are_told_apart() {
    let text = world(
        "targets: { worker: { instance: one } }\nmetrics:\n\
         \x20 - { name: a_total, type: counter, buckets: [1] }\n\
         \x20 - { name: a_total, type: gauge }\n\
         \x20 - { name: b, type: histogram }\n\
         \x20 - { name: b_count, type: counter, results: { success: ok, failed: ok } }\n\
         \x20 - { name: up, type: gauge, labels: { r: result }, counts: failed }\n",
    );
    insta::assert_snapshot!(problems(&text).join("\n"));
}

#[test]
fn numbers_are_written_as_gos_client_writes_them() {
    // `strconv.FormatFloat(v, 'g', -1, 64)` of each.
    let cases = [
        (0.005, "0.005"),
        (1.0, "1"),
        (2.5, "2.5"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (100_000.0, "100000"),
        (1e6, "1e+06"),
        (1_800_000.0, "1.8e+06"),
        (1e21, "1e+21"),
    ];
    for (value, text) in cases {
        assert_eq!(go_float(value), text);
    }
}

#[test]
fn what_a_world_leaves_out_it_has_from_those_that_it_extends() {
    let text = world(
        "extends: [kubernetes, x-metrics]\nlabels: { env: prod }\n\
         targets: { worker: { job: jobs, labels: { team: mail } } }\n",
    );
    let found = World::parse("w.yaml", &text).unwrap();
    let base = World::parse("kubernetes", preset("kubernetes").unwrap().text).unwrap();
    assert_eq!(found.discovery, Discovery::Kubernetes);
    assert_eq!(found.exporters, Exporter::ALL, "those of both");
    // `x-metrics` says that there are none.
    assert!(found.metrics.is_empty() && !base.metrics.is_empty());
    assert_eq!(found.targets.redis, base.targets.redis);
    let worker = &found.targets.worker;
    assert_eq!(worker.job.as_deref(), Some("jobs"));
    assert_eq!(worker.instance, base.targets.worker.instance);
    let names = |labels: &[(String, String)]| {
        let names = labels.iter().map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&worker.labels), "container pod team");
    assert_eq!(names(&found.labels), "cluster env namespace");
    assert!(found.extends.is_empty(), "it is whole by itself");
    let wrong = problems(&world("extends: [runbook, wikki]\n"));
    assert_eq!(
        wrong,
        [
            "w.yaml:4:20: extends: there is no world `wikki` inside the binary\n    did you mean `wiki`? accepted: \
          runbook, wiki, x-metrics, kubernetes, wiki-kubernetes, x-metrics-kubernetes"
        ]
    );
}
