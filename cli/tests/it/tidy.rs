//! The architecture, held by a test: crates in a line, and who may know what.

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

/// Direct dependencies (without those of tests) of each crate of the workspace.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
            "--manifest-path",
        ])
        .arg(crate::support::project("Cargo.toml"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let used = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|used| used["kind"].is_null());
            (
                text(&package["name"]),
                used.map(|used| text(&used["name"])).collect(),
            )
        })
        .collect()
}

#[test]
fn arrows_point_one_way() {
    let all = dependencies();
    let ours = |name: &str| -> Vec<&str> {
        all[name]
            .iter()
            .map(String::as_str)
            .filter(|used| used.starts_with("firedrill"))
            .collect()
    };
    assert_eq!(ours("firedrill-detector"), Vec::<&str>::new());
    assert_eq!(ours("firedrill-asynq"), Vec::<&str>::new());
    assert_eq!(ours("firedrill-reports"), ["firedrill-detector"]);
    assert_eq!(
        ours("firedrill-sim"),
        ["firedrill-asynq", "firedrill-detector", "firedrill-reports"]
    );
    assert_eq!(
        ours("firedrill"),
        [
            "firedrill-asynq",
            "firedrill-detector",
            "firedrill-reports",
            "firedrill-sim"
        ]
    );
    assert_eq!(
        ours("firedrill-benches"),
        [
            "firedrill-asynq",
            "firedrill-detector",
            "firedrill-reports",
            "firedrill-sim"
        ]
    );
}

/// Who may use what of the runtime and of Redis, without tests.
const MAY_USE: [(&str, &[&str]); 4] = [
    (
        "firedrill-asynq",
        &["redis", "tokio", "prost", "futures-util", "rustls"],
    ),
    (
        "firedrill-sim",
        &[
            "redis",
            "tokio",
            "axum",
            "hyper",
            "prost",
            "rustls",
            "futures-util",
        ],
    ),
    ("firedrill", &["tokio", "futures-util", "ratatui"]),
    ("firedrill-benches", &["tokio", "prost"]),
];

#[test]
fn only_some_know_redis_and_the_runtime() {
    for (name, used) in dependencies() {
        let may = MAY_USE.iter().find(|(of, _)| *of == name);
        let may = may.map_or(&[][..], |(_, may)| may);
        for outside in [
            "redis",
            "tokio",
            "axum",
            "hyper",
            "prost",
            "rustls",
            "futures-util",
            "ratatui",
        ] {
            assert!(
                may.contains(&outside) || !used.iter().any(|known| known == outside),
                "{name} must not know {outside}"
            );
        }
    }
}
