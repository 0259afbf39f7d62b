//! `firedrill export`: what it writes, in the hands of the tools it is for.

use crate::support::{firedrill, need};
use firedrill_detector::{Compat, promql};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Two drills under rules of their own.
const RULES: &str = r#"groups:
- name: workers
  rules:
  - alert: WorkersGone
    expr: sum(up{job="worker"}) == 0
    for: 1m
    labels: { severity: page }
    annotations: { summary: '{{ $value }} workers, "none" answers' }
  - record: job:failures:rate5m
    expr: sum by (queue) (rate(job_processed_total{status="failed"}[5m]))
  - alert: Failing
    expr: job:failures:rate5m > 0.2
    for: 2m
    labels: { severity: ticket }
"#;

fn run(dir: &Path, args: &[&str]) -> Output {
    let output = firedrill().current_dir(dir).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn drilled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("alerts")).unwrap();
    fs::write(dir.path().join("alerts/jobs.yml"), RULES).unwrap();
    let words = "run --engine virtual --no-gate --compat v2 --rules alerts/jobs.yml worker-crash-all retry-storm-dependency-down";
    run(dir.path(), &words.split(' ').collect::<Vec<_>>());
    dir
}

#[test]
fn drills_become_tests_that_promtool_passes_and_that_notice_another_rule() {
    need!("promtool");
    let dir = drilled();
    let words = "export promtool runs/worker-crash-all/latest runs/retry-storm-dependency-down/latest -o tests/drills.yml";
    let said = run(dir.path(), &words.split(' ').collect::<Vec<_>>());
    let said = String::from_utf8(said.stderr).unwrap();
    assert_eq!(
        said,
        "wrote tests/drills.yml\nthe tests are for promtool 2\n"
    );
    let text = fs::read_to_string(dir.path().join("tests/drills.yml")).unwrap();
    assert!(text.contains("- \"../alerts/jobs.yml\""), "{text}");
    // Both alerts fire in one of the tests, and are over in it.
    let fires = |alert: &str| {
        let cases = text
            .split("- eval_time")
            .filter(|case| case.contains(alert));
        let (none, some): (Vec<&str>, Vec<&str>) = cases.partition(|case| case.contains("[]"));
        assert!(!none.is_empty() && !some.is_empty(), "{alert}: {text}");
    };
    fires("\"WorkersGone\"");
    fires("\"Failing\"");
    let tested = || {
        let mut promtool = Command::new("promtool");
        promtool.current_dir(dir.path());
        let output = promtool
            .args(["test", "rules", "tests/drills.yml"])
            .output();
        output.unwrap().status.code()
    };
    assert_eq!(tested(), Some(0));
    let later = RULES.replace("for: 1m", "for: 10m");
    fs::write(dir.path().join("alerts/jobs.yml"), later).unwrap();
    assert_eq!(tested(), Some(1));
}

#[test]
fn a_rule_file_goes_beside_the_tests_and_another_one_there_is_left_alone() {
    let dir = drilled();
    fs::remove_file(dir.path().join("alerts/jobs.yml")).unwrap();
    let words = ["export", "promtool", "runs/worker-crash-all/latest", "-o"];
    let export = |out: &str| {
        let mut command = firedrill();
        command.current_dir(dir.path()).args(words).arg(out);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    let wrote = "wrote tests/t.yml\nthe tests are for promtool 2\nwrote tests/jobs.yml\n";
    assert_eq!(export("tests/t.yml"), (Some(0), wrote.to_owned()));
    let there = fs::read_to_string(dir.path().join("tests/jobs.yml")).unwrap();
    assert_eq!(there, RULES);
    fs::create_dir(dir.path().join("other")).unwrap();
    fs::write(dir.path().join("other/jobs.yml"), "groups: []\n").unwrap();
    let (code, said) = export("other/t.yml");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("other/jobs.yml is there"), "{said}");
    assert!(!dir.path().join("other/t.yml").exists());
}

#[test]
fn samples_become_blocks_of_a_prometheus_and_tables() {
    need!("promtool");
    let dir = drilled();
    let words = "export openmetrics runs/worker-crash-all/latest -o samples.txt";
    run(dir.path(), &words.split(' ').collect::<Vec<_>>());
    let text = fs::read_to_string(dir.path().join("samples.txt")).unwrap();
    let samples = text.lines().filter(|line| !line.starts_with('#')).count();
    let mut promtool = Command::new("promtool");
    promtool.current_dir(dir.path());
    let words = "tsdb create-blocks-from openmetrics samples.txt blocks";
    let output = promtool.args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut promtool = Command::new("promtool");
    promtool.current_dir(dir.path());
    let listed = promtool.args(["tsdb", "list", "blocks"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let block = listed.lines().nth(1).unwrap_or_default();
    let figures: Vec<&str> = block.split_whitespace().collect();
    assert!(figures.contains(&samples.to_string().as_str()), "{listed}");

    let table = |of: &str| {
        let words = ["export", "csv", "--of", of, "runs/worker-crash-all/latest"];
        String::from_utf8(run(dir.path(), &words).stdout).unwrap()
    };
    let rows = table("samples");
    assert!(rows.starts_with("seconds,metric,labels,value\n"), "{rows}");
    // The ends of series are in the table only.
    assert!(rows.lines().count() > samples);
    let rows = table("alerts");
    let fired = rows.lines().filter(|row| row.contains(",pending,firing,"));
    assert!(fired.count() >= 1, "{rows}");
}

#[test]
fn what_cannot_be_one_file_is_refused() {
    let dir = drilled();
    let words = "run --engine virtual --no-gate benign-flaky-type";
    run(dir.path(), &words.split(' ').collect::<Vec<_>>());
    let refused = |words: &str| {
        let mut command = firedrill();
        command.current_dir(dir.path()).args(words.split(' '));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said =
        refused("export promtool runs/worker-crash-all/latest runs/benign-flaky-type/latest");
    assert!(said.contains("were judged by different rules"), "{said}");
    let said = refused("export openmetrics runs");
    assert!(
        said.contains("there are 3 records; name one of them"),
        "{said}"
    );
    let said = refused("export csv alerts/jobs.yml");
    assert!(said.contains("alerts/jobs.yml"), "{said}");
    // Nothing takes the place of what it is made from.
    let drill = "runs/worker-crash-all/latest";
    for words in [
        format!("export openmetrics {drill} -o {drill}/record.jsonl"),
        format!("export csv {drill} -o {drill}/record.jsonl"),
        format!("export promtool {drill} -o {drill}/record.jsonl"),
        format!("export promtool {drill} -o alerts/jobs.yml"),
    ] {
        let said = refused(&words);
        assert!(said.contains("would take its place"), "{words}: {said}");
    }
    fs::remove_file(dir.path().join("alerts/jobs.yml")).unwrap();
    let said = refused(&format!("export promtool {drill} -o tests/jobs.yml"));
    assert!(said.contains("what a rule file is called"), "{said}");
    assert!(!dir.path().join("tests").exists());
}

#[test]
fn rule_files_of_one_name_do_not_take_each_others_place() {
    let dir = drilled();
    let (one, other) = (RULES, RULES.replace("name: workers", "name: others"));
    for (folder, text) in [("a", one), ("b", &other)] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        fs::write(dir.path().join(folder).join("jobs.yml"), text).unwrap();
    }
    let words = "run --engine virtual --no-gate --rules a/jobs.yml,b/jobs.yml benign-flaky-type";
    run(dir.path(), &words.split(' ').collect::<Vec<_>>());
    let words = "export promtool runs/benign-flaky-type/latest -o tests/t.yml";
    let words: Vec<&str> = words.split(' ').collect();
    run(dir.path(), &words);
    let text = fs::read_to_string(dir.path().join("tests/t.yml")).unwrap();
    assert!(text.contains("\"../a/jobs.yml\"") && text.contains("\"../b/jobs.yml\""));
    for folder in ["a", "b"] {
        fs::remove_file(dir.path().join(folder).join("jobs.yml")).unwrap();
    }
    let output = firedrill().current_dir(dir.path()).args(&words).output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("two rule files would both be jobs.yml"),
        "{said}"
    );
}

/// Grafana's own schema of dashboards is no file that can be had here; what its importer and its grid need is looked at one by
/// one, and every query is one that has series in the drill.
#[test]
fn a_drill_becomes_a_dashboard_all_of_whose_queries_have_data() {
    let dir = drilled();
    run(
        dir.path(),
        &[
            "export",
            "grafana",
            "runs/worker-crash-all/latest",
            "-o",
            "dashboard.json",
        ],
    );
    let text = fs::read_to_string(dir.path().join("dashboard.json")).unwrap();
    let board: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(
        board["schemaVersion"].as_u64() >= Some(36) && board["uid"].as_str().unwrap().len() <= 40
    );
    assert_eq!(board["templating"]["list"][0]["type"], "datasource");
    assert!(board["time"]["from"].as_str() < board["time"]["to"].as_str());

    let csv = run(
        dir.path(),
        &["export", "csv", "runs/worker-crash-all/latest"],
    );
    let samples = String::from_utf8(csv.stdout).unwrap();
    let recorded = ["job:failures:rate5m"];
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    let (mut queries, mut alerts) = (0, 0);
    for panel in board["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let place = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(place("w") > 0 && place("x") + place("w") <= 24, "{panel}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "two panels in one place: {panel}");
            }
        }
        assert!(["text", "row", "timeseries"].contains(&panel["type"].as_str().unwrap()));
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expr = target["expr"].as_str().unwrap();
            let mut open = vec![promql::parse(expr, Compat::default()).unwrap()];
            while let Some(part) = open.pop() {
                if let promql::Expr::Selector(selector) = &part {
                    let name = selector.name.as_deref().unwrap();
                    let is_there = samples.contains(&format!("{name},"))
                        || samples.contains(&format!("{name}{{"));
                    assert!(is_there || recorded.contains(&name), "{name}: {expr}");
                }
                open.extend(part.children().into_iter().cloned());
            }
            queries += 1;
            alerts +=
                u32::from(["WorkersGone", "Failing"].contains(&panel["title"].as_str().unwrap()));
        }
    }
    assert_eq!(alerts, 2);
    assert!(queries > 10, "{queries}");
}

#[test]
fn every_chart_of_the_report_becomes_a_file() {
    let dir = drilled();
    let report = run(
        dir.path(),
        &["report", "runs/worker-crash-all/latest", "-o", "-"],
    );
    let page = String::from_utf8(report.stdout).unwrap();
    let names = |format: &str| {
        let words = [
            "export",
            "plots",
            "runs/worker-crash-all/latest",
            "--format",
        ];
        let said = run(dir.path(), &[&words[..], &[format, "-o", format]].concat());
        let mut names: Vec<String> = fs::read_dir(dir.path().join(format))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let wrote = format!("wrote {} charts to {format}\n", names.len());
        assert_eq!(String::from_utf8(said.stderr).unwrap(), wrote);
        names
    };
    let svgs = names("svg");
    assert_eq!(svgs.len(), page.matches("<svg class=\"desk\"").count());
    assert!(
        svgs.contains(&"worker-crash-all-alerts-pending-and-firing.svg".to_owned()),
        "{svgs:?}"
    );
    for name in &svgs {
        let text = fs::read_to_string(dir.path().join("svg").join(name)).unwrap();
        let (_, strokes) = text.split_once("fill=\"#ffffff\"></rect>").unwrap();
        assert!(
            page.contains(strokes.trim_end()),
            "{name} is not in the report"
        );
    }
    let pngs = names("png");
    let stems = |names: &[String]| -> Vec<String> {
        names
            .iter()
            .map(|name| name[..name.len() - 4].to_owned())
            .collect()
    };
    assert_eq!(stems(&pngs), stems(&svgs));
    for name in &pngs {
        let bytes = fs::read(dir.path().join("png").join(name)).unwrap();
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"), "{name}");
        let width = u32::from_be_bytes(bytes[16..20].try_into().unwrap());
        assert_eq!(width, 2160, "{name}");
    }
}
