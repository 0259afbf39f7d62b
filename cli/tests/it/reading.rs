//! How rules are read (`--compat`, `--ignore-unknown-fields`, `--enable-feature`) wherever they are, and that records remember it.

use crate::support::{project, said};
use std::fs;
use std::path::Path;

/// What only the options accept: a key of nobody's, and a function of Prometheus 2 alone.
const RULES: &str = "\
groups:
- name: g
  rules:
  - alert: Deep
    expr: holt_winters(asynq_queue_size[5m], 0.5, 0.5) > 1e9
    team: queues
    labels: { severity: page }
";

const OPTIONS: [&str; 3] = ["--compat", "v2", "--ignore-unknown-fields"];

fn ends(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let (code, _, err) = said(dir, args);
    (code, err)
}

/// Records of every format there was, as they were written then.
#[test]
fn every_kept_record_is_scored() {
    let dir = tempfile::tempdir().unwrap();
    let kept = fs::read_dir(project("reports/tests/it/records")).unwrap();
    let kept: Vec<_> = kept.map(|entry| entry.unwrap().path()).collect();
    let records = kept.iter().filter(|path| {
        let first = fs::read_to_string(path).unwrap();
        first.starts_with("{\"kind\":\"header\",\"format\":\"firedrill-record/")
    });
    let records: Vec<_> = records.collect();
    assert!(records.len() >= 3, "{records:?}");
    for record in records {
        for verb in ["score", "report", "diagnose"] {
            let (code, _, err) = said(dir.path(), &[verb, record.to_str().unwrap()]);
            assert!(
                matches!(code, Some(0 | 1)),
                "{verb} {record:?}: {code:?}: {err}"
            );
        }
    }
}

#[test]
fn a_record_remembers_how_its_rules_were_read() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("r.yml"), RULES).unwrap();
    let healthy = project("scenarios/benign/healthy.yaml");
    let healthy = healthy.to_str().unwrap();
    let run = ["run", "--engine", "virtual", "--rules", "r.yml", healthy];
    for args in [&["check", "r.yml"][..], &run] {
        let (code, err) = ends(dir, args);
        assert!(
            code == Some(2) && err.contains("r.yml:6:5: unknown key `team`"),
            "{err}"
        );
        let (code, err) = ends(dir, &[args, &OPTIONS[..]].concat());
        assert_eq!(code, Some(0), "{err}");
    }
    let latest = "runs/healthy/latest";
    let header = fs::read_to_string(dir.join(latest).join("record.jsonl")).unwrap();
    let header = header.lines().next().unwrap();
    assert!(
        header.contains(r#""reading":{"compat":"v2","ignore_unknown_fields":true}"#),
        "{header}"
    );

    // Read alike without a word, under other rules too.
    for args in [
        &["score", latest][..],
        &["score", latest, "--rules", "r.yml"],
        &["report", latest, "-o", "report.html"],
        &["check", "r.yml", "--against", latest],
        &[
            "tune",
            latest,
            "--rules",
            "r.yml",
            "--vary",
            "Deep.threshold=1..3",
        ],
    ] {
        let (code, err) = ends(dir, args);
        assert!(
            !err.contains("unknown key") && !err.contains("are read with"),
            "{args:?}: {err}"
        );
        // No incident of a quiet drill can be told of by any setting.
        let expected = match args[0] {
            "tune" => Some(2),
            "check" => code,
            _ => Some(0),
        };
        assert_eq!(code, expected, "{args:?}: {err}");
    }
    // A command line that says otherwise is obeyed, and that is said.
    let (code, err) = ends(dir, &["score", latest, "--compat", "v3"]);
    assert!(code == Some(2) && err.contains("holt_winters"), "{err}");
    let other = RULES.replace(
        "holt_winters(asynq_queue_size[5m], 0.5, 0.5)",
        "asynq_queue_size",
    );
    fs::write(dir.join("other.yml"), other).unwrap();
    let (code, err) = ends(
        dir,
        &["score", latest, "--rules", "other.yml", "--compat", "v3"],
    );
    assert_eq!(code, Some(0), "{err}");
    assert!(
        err.contains(
            "healthy: its rules were read with --compat v2 --ignore-unknown-fields in the drill, and are read with --compat v3 \
             --ignore-unknown-fields now"
        ),
        "{err}"
    );
}
