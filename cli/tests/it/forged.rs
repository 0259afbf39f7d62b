//! Records edited by hand: a drill of the plan in it wrote a record, or it is refused; never scored as if nothing were.

use crate::support::{firedrill, plan_of, project};
use firedrill_detector::{Compat, RuleFile, RuleSet};
use firedrill_reports::record::{Line, RuleText};
use firedrill_reports::score::Delivery;
use firedrill_reports::{Record, RecordWriter};
use firedrill_sim::agreement::{self, Disagreement};
use firedrill_sim::drill::{self, Rules};
use firedrill_sim::engine::virtual_time::VirtualOptions;
use serde_json::{Value, json};
use std::fs;

const SCENARIO: &str = "\
version: firedrill/v1
name: short-crash
family: worker-crashed
summary: One of two workers is killed, and Redis afterwards.
seed: 11
duration: 16m
warmup: 2m
queues:
  default: { priority: 2, wait_objective: 30s }
  mail: { priority: 1, wait_objective: 60s }
workload:
  - { task: email:send, queue: mail, arrivals: { poisson: 1/s }, service: { constant: 300ms } }
  - { task: image:scale, queue: default, arrivals: { poisson: 1/s }, service: { constant: 300ms } }
workers:
  - { name: w, processes: 2, concurrency: 4 }
timeline:
  - { at: 4m, fault: worker.kill, select: [w-0], until: { at: 8m, remedy: worker.restart } }
  - { at: 11m, fault: redis.kill, until: { at: 12m, remedy: redis.start } }
incidents:
  - { cause: worker-crashed, of: worker.kill, wanted: page, within: 2m }
benign:
  - { what: the end of the day, at: 14m }
";

const RULES: &str = "\
groups:
- name: jobs
  rules:
  - alert: WorkerDown
    expr: up{job=\"worker\"} == 0
    for: 1m
    labels: { severity: page }
";

/// The lines of a record of that scenario.
fn lines() -> Vec<String> {
    let texts = vec![RuleText {
        name: "r.yml".into(),
        text: RULES.into(),
    }];
    let file = RuleFile {
        name: "r.yml".into(),
        text: RULES.into(),
    };
    let rules = Rules {
        texts,
        reading: Default::default(),
        set: RuleSet::load(&[file], Compat::default()).unwrap(),
        delivery: Delivery::default(),
        alertmanager: None,
    };
    let plan = plan_of(SCENARIO);
    let record = drill::simulate(&plan, &rules, VirtualOptions::default(), true);
    let mut writer = RecordWriter::new(Vec::new(), &record.header).unwrap();
    let mut write = |line: &Line| writer.write(line).unwrap();
    record.lines.iter().for_each(&mut write);
    let text = String::from_utf8(writer.into_inner()).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Takes the checksum away, as somebody who edits a record by hand would, and counts the lines anew.
fn unsealed(lines: &[String]) -> String {
    let (last, rest) = lines.split_last().unwrap();
    let until = last.rfind(",\"lines\":").unwrap();
    let footer = format!("{},\"lines\":{}}}", &last[..until], lines.len());
    rest.join("\n") + "\n" + &footer + "\n"
}

fn found(lines: &[String]) -> Vec<String> {
    match Record::read(unsealed(lines).as_bytes()) {
        Ok(record) => {
            let found = agreement::check(&record);
            found.iter().map(Disagreement::to_string).collect()
        }
        Err(error) => vec![error.to_string()],
    }
}

fn edit(line: &mut String, path: &str, put: &Value) {
    let mut value: Value = serde_json::from_str(line).unwrap();
    *value.pointer_mut(path).unwrap() = put.clone();
    *line = value.to_string();
}

#[test]
fn what_a_drill_writes_agrees_with_its_plan() {
    let lines = lines();
    assert_eq!(found(&lines), [""; 0]);
    let sealed = lines.join("\n") + "\n";
    assert!(Record::read(sealed.as_bytes()).unwrap().complete);
}

#[test]
fn a_header_is_as_its_plan_makes_it() {
    let whole = lines();
    for (path, put) in [
        ("/scenario", json!("other")),
        ("/family", json!("other")),
        ("/summary", json!("Nothing happens.")),
        ("/seed", json!(12)),
        ("/warmup_ms", json!(230_000)),
        ("/scrape_interval_ms", json!(30_000)),
        ("/evaluation_interval_ms", json!(30_000)),
        ("/evaluation_phase_ms", json!(1)),
        ("/epoch_ms", json!(1_767_229_200_000_i64)),
        ("/incidents", json!([])),
        ("/incidents/0/deadline_ms", json!(3_600_000)),
        ("/incidents/0/wanted", json!("ticket")),
        ("/incidents/0/cause", json!("other")),
        ("/incidents/0/starts_ms", json!(350_000)),
        ("/incidents/0/step", json!(null)),
        ("/incidents/0/queues", json!(["none"])),
        ("/benign", json!([])),
        ("/benign/0/starts_ms", json!(130_000)),
        ("/steps/1/starts_ms", json!(650_000)),
        ("/plan", json!("name: paper\n")),
        ("/plan", json!(SCENARIO.replace("within: 2m", "within: 9m"))),
    ] {
        let mut lines = whole.clone();
        edit(&mut lines[0], path, &put);
        assert_ne!(found(&lines), [""; 0], "{path}: {put}");
    }
    // What differs is said in words.
    let mut lines = whole.clone();
    edit(&mut lines[0], "/incidents/0/deadline_ms", &json!(3_600_000));
    assert_eq!(
        found(&lines),
        ["deadline_ms of incident 0 is 3600000 in the header, and 360000 in the plan beside it"]
    );
    // Ten times as long, with a last line that says so.
    let mut lines = whole.clone();
    edit(&mut lines[0], "/duration_ms", &json!(9_600_000));
    let last = lines.len() - 1;
    edit(&mut lines[last], "/at_ms", &json!(9_600_000));
    let said = found(&lines).join("\n");
    assert!(
        said.contains("duration_ms is 9600000 in the header, and 960000 in the plan"),
        "{said}"
    );
}

/// The place of the first line that has all of these.
fn place(lines: &[String], has: &[&str]) -> usize {
    let is_it = |line: &String| has.iter().all(|part| line.contains(part));
    lines.iter().position(is_it).unwrap()
}

#[test]
fn queues_targets_and_counters_are_the_plans() {
    let whole = lines();
    let said = |edit: &dyn Fn(&mut Vec<String>)| {
        let mut lines = whole.clone();
        edit(&mut lines);
        found(&lines).join("\n")
    };
    let waits = place(&whole, &["\"kind\":\"waits\"", "\"queue\":\"mail\""]);
    let unknown = said(&|lines| edit(&mut lines[waits], "/queue", &json!("post")));
    assert!(
        unknown.contains("waits of queue post, which there is not"),
        "{unknown}"
    );
    assert!(
        unknown.contains("the waits of queue mail are missing"),
        "{unknown}"
    );

    let lost = said(&|lines| {
        let audit = place(lines, &["\"kind\":\"audit\""]);
        let value: Value = serde_json::from_str(&lines[audit]).unwrap();
        let succeeded = value["succeeded"].as_u64().unwrap();
        edit(&mut lines[audit], "/succeeded", &json!(succeeded - 5));
        edit(&mut lines[audit], "/lost", &json!(5));
    });
    assert!(
        lost.contains("5 tasks were lost, 0 of them unexplained"),
        "{lost}"
    );

    let of_worker = ["\"kind\":\"scrape\"", "worker/w-1\""];
    let all = said(&|lines| {
        lines.retain(|line| !of_worker.iter().all(|part| line.contains(part)));
    });
    assert!(
        all.contains("the target worker/w-1 was never scraped"),
        "{all}"
    );
    let renamed = said(&|lines| {
        for line in lines.iter_mut() {
            *line = line.replace("worker/w-1\"", "worker/w-7\"");
        }
    });
    assert!(renamed.contains("worker/w-7"), "{renamed}");
    let relabelled = said(&|lines| {
        let series = place(lines, &["\"kind\":\"series\"", "\"instance\":\"w-1\""]);
        lines[series] = lines[series].replace("w-1", "w-7");
    });
    assert!(
        relabelled.contains("of the target worker/w-7, which there is not"),
        "{relabelled}"
    );

    let up: Value = serde_json::from_str(&whole[place(&whole, &["\"up\"", "\"w-0\""])]).unwrap();
    let (alive, dead) = (format!("[{},1]", up["id"]), format!("[{},0]", up["id"]));
    // Pairs of other lines may read the same.
    let in_scrapes = |lines: &mut Vec<String>, from: &str, to: &str| {
        let scrapes = lines.iter_mut();
        for line in scrapes.filter(|line| line.contains("\"kind\":\"scrape\"")) {
            *line = line.replace(from, to);
        }
    };
    let failed = said(&|lines| in_scrapes(lines, &alive, &dead));
    assert!(failed.contains("failed, and has values"), "{failed}");
    let silent = said(&|lines| in_scrapes(lines, &format!(",{alive}"), ""));
    assert!(
        silent.contains("does not say once whether it is up"),
        "{silent}"
    );

    let counter = [
        "job_processed_total",
        "\"w-1\"",
        "\"success\"",
        "email:send",
    ];
    let counter: Value = serde_json::from_str(&whole[place(&whole, &counter)]).unwrap();
    let sample = format!("[{},", counter["id"]);
    // At `from` and later it starts anew. In minute 6 nothing is done to w-1; w-0 is away.
    let backwards = |id: &str, from: i64, until: i64| {
        said(&|lines| {
            for line in lines
                .iter_mut()
                .filter(|line| line.contains("\"kind\":\"scrape\""))
            {
                let mut value: Value = serde_json::from_str(line).unwrap();
                let at_ms = value["at_ms"].as_i64().unwrap();
                for pair in value["values"].as_array_mut().unwrap() {
                    let is_it = format!("[{},", pair[0]) == *id;
                    if is_it && pair[1].is_number() && (from..until).contains(&at_ms) {
                        pair[1] = json!(0);
                        *line = value.to_string();
                        break;
                    }
                }
            }
        })
    };
    let back = backwards(&sample, 360_000, 380_000);
    assert!(
        back.contains("the counter job_processed_total runs backwards"),
        "{back}"
    );
    // What asynq's collector counts goes back where Redis does; gauges go where they like.
    let total: Value =
        serde_json::from_str(&whole[place(&whole, &["asynq_tasks_processed_total", "\"mail\""])])
            .unwrap();
    let total = format!("[{},", total["id"]);
    assert!(backwards(&total, 360_000, 380_000).contains("runs backwards"));
    assert_eq!(backwards(&total, 720_000, 740_000), "");
    let gauge: Value =
        serde_json::from_str(&whole[place(&whole, &["asynq_queue_size", "\"mail\""])]).unwrap();
    assert_eq!(
        backwards(&format!("[{},", gauge["id"]), 360_000, 380_000),
        ""
    );
}

#[test]
fn a_mark_is_no_later_than_the_harness_was() {
    let late = |ms: i64| {
        let mut lines = lines();
        let mark = place(&lines, &["\"kind\":\"mark\"", "worker.kill", "begin"]);
        edit(&mut lines[mark], "/at_ms", &json!(240_000 + ms));
        found(&lines).join("\n")
    };
    assert_eq!(late(0), "");
    let said = late(90_000);
    assert!(
        said.contains("the mark of worker.kill stands 90000 ms after its time"),
        "{said}"
    );
}

/// Through the command line: what is wrong, in which file, all at once; and samples that say something else than the
/// record's alerts.
#[test]
fn a_forged_record_is_not_scored() {
    let dir = tempfile::tempdir().unwrap();
    let score = |lines: &[String]| {
        fs::write(dir.path().join("r.jsonl"), unsealed(lines)).unwrap();
        let output = firedrill()
            .current_dir(dir.path())
            .args(["score", "--no-gate", "r.jsonl"])
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), err)
    };
    let whole = lines();
    assert_eq!(score(&whole).0, Some(0));
    let mut lines = whole.clone();
    edit(&mut lines[0], "/incidents/0/deadline_ms", &json!(900_000));
    edit(&mut lines[0], "/benign", &json!([]));
    let (code, err) = score(&lines);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains(" of incident 0 is "), "{err}");
    assert!(
        err.contains("error: r.jsonl: the list of harmless windows is"),
        "{err}"
    );

    // One whose process was killed answers, so that nothing would fire.
    let up: Value = serde_json::from_str(&whole[place(&whole, &["\"up\"", "\"w-0\""])]).unwrap();
    let (alive, dead) = (format!("[{},1]", up["id"]), format!("[{},0]", up["id"]));
    let mut lines: Vec<String> = whole
        .iter()
        .map(|line| line.replace(&dead, &alive))
        .collect();
    let (code, err) = score(&lines);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("was up while its process was dead"), "{err}");
    // The other one answers not: there would be another alert.
    let up: Value = serde_json::from_str(&whole[place(&whole, &["\"up\"", "\"w-1\""])]).unwrap();
    let sample = format!("[[{},1]]", up["id"]);
    lines = whole.clone();
    for line in &mut lines {
        let mut value: Value = serde_json::from_str(line).unwrap();
        let at_ms = value["at_ms"].as_i64().unwrap_or(0);
        if value["target"] == "worker/w-1" && (500_000..640_000).contains(&at_ms) {
            value["values"] = serde_json::from_str(&sample.replace(",1]", ",0]")).unwrap();
            *line = value.to_string();
        }
    }
    let (code, err) = score(&lines);
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains("the alerts in this record are not those"),
        "{err}"
    );
}

/// The built-in scenarios, by the engine whose records are the same everywhere.
#[test]
fn no_drill_of_ours_is_called_forged() {
    let dir = tempfile::tempdir().unwrap();
    let rules = project("scenarios/rules/runbook.yml").display().to_string();
    let args = [
        "run",
        "--engine",
        "virtual",
        "--no-gate",
        "--rules",
        &rules,
        "@all",
    ];
    let output = firedrill()
        .current_dir(dir.path())
        .args(args)
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{err}");
    let mut score = firedrill();
    let output = score
        .current_dir(dir.path())
        .args(["score", "runs"])
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{err}");
}
