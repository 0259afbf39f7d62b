//! A drill scored by what a real Prometheus, a real Alertmanager and its webhooks and pager events tell of it.

pub(crate) mod stand;

use crate::support::{Ends, TWO_WORKERS, firedrill, free, need, said, wait_until};
use firedrill_reports::Record;
use firedrill_reports::record::{Heard, ToldState};
use serde_json::Value;
use stand::Stand;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::Command;

const RULES: &str = r#"
# firedrill: cause worker-crashed expects NoWorker, WorkerDown
groups:
- name: jobs
  rules:
  - alert: NoWorker
    expr: sum(up{job="worker"}) == 0
    for: 4s
    labels: { severity: page }
  - alert: WorkerDown
    expr: up{job="worker"} == 0
    for: 9s
    labels: { severity: page }
"#;

/// Beside [`TWO_WORKERS`].
const SCENARIO: &str = "\
name: heard
summary: Both workers are killed and restarted.
duration: 58s
warmup: 15s
evaluation: { interval: 3s }
timeline:
  - { at: 21s, fault: worker.kill, select: all, until: { at: 42s, remedy: worker.restart } }
incidents:
  - { cause: worker-crashed, wanted: page, within: 25s }
";

fn files(dir: &Path) {
    fs::write(dir.join("s.yaml"), format!("{TWO_WORKERS}{SCENARIO}")).unwrap();
    fs::write(dir.join("r.yml"), RULES).unwrap();
}

/// Refused with these words, and nothing was begun.
fn refused(dir: &Path, args: &[&str], code: i32, words: &[&str]) {
    let all = [&["run", "--rules", "r.yml", "s.yaml"], args].concat();
    let (found, _, told) = said(dir, &all);
    assert_eq!(found, Some(code), "{args:?}: {told}");
    for word in words {
        assert!(told.contains(word), "{args:?}: {word} is not in {told}");
    }
    assert!(!dir.join("runs/heard").exists(), "{args:?}");
}

/// The record of the only drill.
fn record(dir: &Path) -> Record {
    let path = dir.join("runs/heard/latest/record.jsonl");
    let file = File::open(path).unwrap();
    Record::read(BufReader::new(file)).unwrap()
}

/// A drill that has begun: its targets are told.
fn begun(dir: &Path, sources: &[[&str; 2]]) -> Ends {
    let drill = firedrill()
        .current_dir(dir)
        .args(["run", "--speed", "1", "--rules", "r.yml", "s.yaml"])
        .args(["--json", "--targets-in", "."])
        .args(["--group-wait", "1s", "--group-interval", "2s"])
        .args(sources.concat())
        .stdout(File::create(dir.join("out.json")).unwrap())
        .stderr(File::create(dir.join("said")).unwrap())
        .spawn()
        .unwrap();
    let drill = Ends(drill);
    wait_until("the drill's targets are told", || {
        dir.join("targets.json").exists()
    });
    drill
}

/// The result of a drill that is over, and what it said.
fn result(dir: &Path) -> (Value, String) {
    let told = fs::read_to_string(dir.join("said")).unwrap();
    let result = fs::read_to_string(dir.join("out.json")).unwrap();
    let result = serde_json::from_str(&result).unwrap_or_else(|_| panic!("{told}"));
    (result, told)
}

fn seconds(value: &Value) -> Option<f64> {
    value.as_f64()
}

#[test]
fn detector_prometheus_alertmanager_and_webhook_tell_the_same_alert() {
    need!("redis-server");
    need!("prometheus");
    need!("prometheus-alertmanager");
    need!("amtool");
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let webhook = free();
    let stand = Stand::start(dir.path(), webhook);
    let mut drill = begun(
        dir.path(),
        &[
            ["--webhook-listen", &webhook.to_string()],
            ["--prometheus", &stand.prometheus()],
            ["--alertmanager-url", &stand.alertmanager()],
        ],
    );
    // Somebody else's alert, by Alertmanager's own tool.
    let added = Command::new("amtool")
        .args(["alert", "add", "Theirs", "team=other"])
        .arg(format!("--alertmanager.url={}", stand.alertmanager()))
        .status()
        .unwrap();
    assert!(added.success());
    let ended = drill.0.wait().unwrap();
    let (result, told) = result(dir.path());
    assert!(
        !dir.path().join("targets.json").exists(),
        "it goes with the drill"
    );

    let record = record(dir.path());
    let fired = |source: &str| -> Vec<String> {
        let told = record.heard().filter_map(|heard| match heard {
            Heard::Told(told) => Some(told),
            _ => None,
        });
        let fired = told.filter(|told| told.source == source && told.state == ToldState::Firing);
        let mut names: Vec<String> = fired.map(|told| told.alert().to_owned()).collect();
        names.sort();
        names
    };
    // Two instances of WorkerDown; two receivers are told of each.
    let once = ["NoWorker", "WorkerDown", "WorkerDown"];
    assert_eq!(fired("prometheus"), once, "{told}");
    assert_eq!(fired("alertmanager"), once, "{told}");
    let mut twice = [once, once].concat();
    twice.sort_unstable();
    assert_eq!(fired("webhook"), twice, "{told}");

    let drill = &result["drills"][0];
    println!(
        "{}",
        serde_json::to_string_pretty(&drill["alert_sources"]).unwrap()
    );
    assert_eq!(drill["inconclusive"], serde_json::json!([]), "{told}");
    assert_eq!(drill["verdict"], "passed", "{drill:#}");
    assert_eq!(ended.code(), Some(0), "{told}");
    let heard = &drill["alert_sources"];
    assert_eq!(
        (&heard["scored"], &heard["delivered"]),
        (&"webhook".into(), &true.into())
    );
    let sources = heard["sources"].as_array().unwrap();
    let names: Vec<&Value> = sources.iter().map(|source| &source["source"]).collect();
    assert_eq!(names, ["detector", "prometheus", "alertmanager", "webhook"]);
    for source in sources {
        let detection = &source["detections"][0];
        assert_eq!(detection["alert"], "NoWorker", "{source:#}");
        let fired = seconds(&detection["firing_seconds"]).unwrap();
        assert!(fired > 21.0 && fired < 42.0, "{source:#}");
    }
    // What the source that was scored told is what the incident came to.
    let incident = &drill["incidents"][0];
    let delivered = seconds(&sources[3]["detections"][0]["delivered_seconds"]).unwrap();
    let since = seconds(&incident["detection"]["from_fault_seconds"]).unwrap();
    let fault = seconds(&incident["fault_seconds"]).unwrap();
    assert!((delivered - fault - since).abs() < 1e-6);
    // Alertmanager waits for its group before it tells anybody.
    let split = &heard["splits"][0];
    let part = |name: &str| seconds(&split[format!("{name}_seconds")]);
    assert!((part("total").unwrap() - since).abs() < 1e-6);
    assert!(part("delivery").unwrap() >= 1.0, "{split:#}");
    let hold = part("for").unwrap();
    assert!((3.9..8.0).contains(&hold), "for: 4s, every 3 s: {split:#}");
    // Its scrapes may show it before ours do: then the first three cannot be told apart.
    let parts = match part("until_pending") {
        Some(together) => [Some(together), part("for"), part("delivery"), None, None],
        None => ["signal", "scrape", "evaluation", "for", "delivery"].map(part),
    };
    let known: f64 = parts.iter().flatten().sum();
    assert!((known - since).abs() < 1e-6, "{split:#}");
    let notes = serde_json::to_string(&heard["sources"]).unwrap();
    assert!(
        notes.contains("of 2 alerts in the rules it has 2 as they are"),
        "{notes}"
    );
    assert!(notes.contains("count for nothing: Theirs"), "{notes}");

    // Scored again from the record alone, it is the same; under other rules only the drill's own samples count.
    let (_, again, _) = said(dir.path(), &["score", "runs/heard/latest", "--json"]);
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["drills"][0]["alert_sources"], *heard);
    assert_eq!(again["drills"][0]["incidents"], drill["incidents"]);
    let other = RULES.replace("for: 4s", "for: 5s");
    fs::write(dir.path().join("other.yml"), other).unwrap();
    let args = [
        "score",
        "runs/heard/latest",
        "--rules",
        "other.yml",
        "--json",
    ];
    let (_, again, _) = said(dir.path(), &args);
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["drills"][0]["alert_sources"], Value::Null);
}

#[test]
fn what_cannot_be_listened_to_is_refused_before_anything_begins() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let at = dir.path();
    let nobody = format!("http://{}", free());
    let refused_live = |args: &[&str], code: i32, words: &[&str]| {
        refused(at, &[&["--speed", "1"], args].concat(), code, words);
    };
    let faster = ["--webhook-listen", "0"];
    refused(at, &faster, 2, &["--webhook-listen", "add `--speed 1`"]);
    let sped = ["--speed", "2", "--prometheus", &nobody];
    refused(at, &sped, 2, &["--prometheus", "real time"]);
    let model = ["--engine", "virtual", "--alertmanager-url", &nobody];
    refused(at, &model, 2, &["--alertmanager-url", "simulated"]);
    let two = ["--webhook-listen", "0", "@flagship"];
    refused_live(&two, 2, &["one scenario at a time"]);
    let gone = ["--prometheus", nobody.as_str()];
    refused_live(&gone, 7, &["cannot be reached", "is it running"]);
    let config = ["--http-config", "h.yml"];
    refused_live(&config, 2, &["--http-config", "neither was given"]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = port.local_addr().unwrap().to_string();
    let taken = ["--webhook-listen", taken.as_str()];
    refused_live(&taken, 7, &["--webhook-listen", "name a free port"]);
    fs::write(at.join("targets.json"), "[]").unwrap();
    refused_live(
        &["--targets-in", "."],
        2,
        &["targets.json is there already"],
    );
    let nowhere = ["--targets-in", "nowhere"];
    refused_live(&nowhere, 2, &["there is no directory nowhere"]);
    assert_eq!(fs::read_to_string(at.join("targets.json")).unwrap(), "[]");
}

/// Why a drill that a whole stand tells of is inconclusive when this is done to the stand so many seconds after its beginning.
fn meddled(after_s: u64, meddle: impl FnOnce(&mut Stand)) -> String {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let webhook = free();
    let mut stand = Stand::start(dir.path(), webhook);
    let mut drill = begun(
        dir.path(),
        &[
            ["--webhook-listen", &webhook.to_string()],
            ["--prometheus", &stand.prometheus()],
            ["--alertmanager-url", &stand.alertmanager()],
        ],
    );
    std::thread::sleep(std::time::Duration::from_secs(after_s));
    meddle(&mut stand);
    let ended = drill.0.wait().unwrap();
    let (result, told) = result(dir.path());
    let drill = &result["drills"][0];
    assert_eq!(drill["verdict"], "inconclusive", "{told}");
    assert_eq!(ended.code(), Some(3), "{told}");
    drill["inconclusive"].to_string()
}

#[test]
fn a_prometheus_and_an_alertmanager_that_are_restarted_meanwhile_leave_no_verdict() {
    need!("redis-server");
    need!("prometheus");
    need!("prometheus-alertmanager");
    // After the fault, and before the alert is due.
    let why = meddled(22, Stand::restarts);
    for source in ["prometheus", "alertmanager"] {
        let told = format!("{source}: it was restarted by 0:2");
        assert!(why.contains(&told), "{why}");
    }
}

#[test]
fn a_silence_that_keeps_a_page_back_leaves_no_verdict() {
    need!("redis-server");
    need!("prometheus");
    need!("prometheus-alertmanager");
    need!("amtool");
    let why = meddled(18, |stand| {
        let silenced = Command::new("amtool")
            .args([
                "silence",
                "add",
                "alertname=~.+",
                "--comment=quiet",
                "--author=ada",
            ])
            .args(["--duration=10m"])
            .arg(format!("--alertmanager.url={}", stand.alertmanager()))
            .output()
            .unwrap();
        assert!(silenced.status.success(), "{silenced:?}");
    });
    assert!(
        why.contains("NoWorker was kept back by alertmanager at 0:")
            && why.contains("(silenced by "),
        "{why}"
    );
}

#[test]
fn a_prometheus_that_dies_leaves_no_verdict() {
    need!("redis-server");
    need!("prometheus");
    need!("prometheus-alertmanager");
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let mut stand = Stand::start(dir.path(), free());
    let mut drill = begun(dir.path(), &[["--prometheus", &stand.prometheus()]]);
    // In the middle of the drill: before the fault is seen, after the warm-up.
    std::thread::sleep(std::time::Duration::from_secs(18));
    stand.prometheus_dies();
    let ended = drill.0.wait().unwrap();
    let (result, told) = result(dir.path());
    let drill = &result["drills"][0];
    assert_eq!(drill["verdict"], "inconclusive", "{told}");
    assert_eq!(ended.code(), Some(3), "{told}");
    let why = drill["inconclusive"].to_string();
    assert!(why.contains("prometheus was not heard from"), "{why}");
    assert!(why.contains("cannot be reached"), "{why}");
    // Ours saw it, and its word is there for comparison only.
    let ours = &drill["alert_sources"]["sources"][0]["detections"][0];
    assert_eq!(ours["alert"], "NoWorker", "{drill:#}");
    assert_eq!(drill["incidents"][0]["detection"], Value::Null);
}
