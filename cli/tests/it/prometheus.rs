//! A real Prometheus beside a live drill: it scrapes the drill's own targets, found through `targets.json`, evaluates the
//! same rules, and its alerts must change when ours do.

use crate::support::{Ends, TWO_WORKERS, firedrill, free, need};
use firedrill_detector::{Compat, RuleFile, RuleSet};
use firedrill_reports::record::{AlertState, Transition};
use firedrill_reports::{Record, replay};
use firedrill_sim::http;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};

const EVALUATION_MS: i64 = 5_000;
const SCRAPE_MS: i64 = 1_000;

/// Presence, absence, rates over vanished counters, a gauge, a recorded series, `for` and `keep_firing_for`; what random
/// arrivals could bring near a threshold is avoided.
const RULES: &str = r#"
groups:
- name: jobs
  rules:
  - record: evaluated
    expr: vector(1)
  - record: job:processed:rate10s
    expr: sum by (job) (rate(job_processed_total[10s]))
  - alert: WorkerDown
    expr: up{job="worker"} == 0
    for: 5s
    labels: { severity: page, of: '{{ $labels.instance }}' }
  - alert: NoWorker
    expr: sum(up{job="worker"}) == 0
    keep_firing_for: 5s
    labels: { severity: page }
  - alert: NothingProcessed
    expr: absent(rate(job_processed_total[10s]))
    for: 5s
  - alert: NothingRecorded
    expr: absent(job:processed:rate10s)
  - alert: QueueOld
    expr: max by (queue) (asynq_queue_latency_seconds) > 8
    for: 5s
"#;

/// Beside [`TWO_WORKERS`].
const SCENARIO: &str = "\
name: beside-prometheus
summary: Both workers are killed and restarted twenty seconds later.
duration: 72s
warmup: 10s
evaluation: { interval: 5s }
timeline:
  - { at: 25s, fault: worker.kill, select: all, until: { at: 47s, remedy: worker.restart } }
incidents:
  - { cause: worker-crashed, wanted: page, within: 30s }
";

/// A Prometheus on loopback, with its data in `dir`.
struct Prometheus {
    _process: Ends,
    address: SocketAddr,
    runtime: tokio::runtime::Runtime,
}

impl Prometheus {
    fn start(dir: &Path, targets: &Path) -> Self {
        let config = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 5s }}\n\
             rule_files: [r.yml]\n\
             scrape_configs:\n\
             - job_name: drill\n\
             \x20 file_sd_configs: [{{ files: ['{}'], refresh_interval: 1s }}]\n",
            targets.display()
        );
        fs::write(dir.join("prometheus.yml"), config).unwrap();
        // The port is free now; Prometheus cannot be asked which it took when told to take any.
        let address = free();
        let log = File::create(dir.join("prometheus.log")).unwrap();
        let process = Command::new("prometheus")
            .current_dir(dir)
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            _process: Ends(process),
            address,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    /// The raw samples of the last five minutes of all series called `name`: labels, and the times in milliseconds.
    fn samples(&self, name: &str) -> Vec<(BTreeMap<String, String>, Vec<i64>)> {
        let path = format!("/api/v1/query?query={name}%5B5m%5D");
        let text = self
            .runtime
            .block_on(http::fetch(self.address, &path))
            .expect("Prometheus answers");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["status"], "success", "{text}");
        let series = answer["data"]["result"].as_array().unwrap().iter();
        series
            .map(|series| {
                let labels = serde_json::from_value(series["metric"].clone()).unwrap();
                let samples = series["values"].as_array().unwrap().iter();
                let at_ms = |sample: &Value| (sample[0].as_f64().unwrap() * 1e3).round() as i64;
                (labels, samples.map(at_ms).collect())
            })
            .collect()
    }
}

/// What happened to one instance of an alert, in order; times are Unix milliseconds of real time.
type Lives = BTreeMap<BTreeMap<String, String>, Vec<(i64, AlertState)>>;

/// Reads the lives of alerts off the `ALERTS` series. A series ends where an evaluation added nothing to it.
fn lives_in(prometheus: &Prometheus, evaluations: &[i64], until_ms: i64) -> Lives {
    let mut states: BTreeMap<_, BTreeMap<i64, AlertState>> = BTreeMap::new();
    for (mut labels, times) in prometheus.samples("ALERTS") {
        labels.remove("__name__");
        let state = match labels.remove("alertstate").as_deref() {
            Some("pending") => AlertState::Pending,
            Some("firing") => AlertState::Firing,
            other => panic!("alertstate {other:?}"),
        };
        let of_instance = states.entry(labels).or_default();
        of_instance.extend(times.into_iter().map(|at_ms| (at_ms, state)));
    }
    let mut lives = Lives::new();
    for (labels, states) in states {
        let mut now = AlertState::Inactive;
        for at_ms in evaluations.iter().filter(|at_ms| **at_ms <= until_ms) {
            let next = states.get(at_ms).copied().unwrap_or(AlertState::Inactive);
            if next != now {
                lives
                    .entry(labels.clone())
                    .or_default()
                    .push((*at_ms, next));
            }
            now = next;
        }
    }
    lives
}

fn lives_of(
    transitions: &[Transition],
    start_ms: i64,
    real: std::ops::RangeInclusive<i64>,
) -> Lives {
    let mut lives = Lives::new();
    for transition in transitions {
        let at_ms = start_ms + transition.at_ms;
        if real.contains(&at_ms) {
            let life = lives.entry(transition.labels.clone()).or_default();
            life.push((at_ms, transition.to));
        }
    }
    lives
}

/// The same alerts went through the same states, each at the same time but for `apart_ms`.
fn assert_alike(ours: &Lives, theirs: &Lives, apart_ms: i64) {
    let states = |lives: &Lives| -> Vec<_> {
        let of = |life: &Vec<(i64, AlertState)>| life.iter().map(|step| step.1).collect::<Vec<_>>();
        lives
            .iter()
            .map(|(labels, life)| (labels.clone(), of(life)))
            .collect()
    };
    assert_eq!(states(ours), states(theirs), "{ours:#?}\n{theirs:#?}");
    for ((labels, our), their) in ours.iter().zip(theirs.values()) {
        for ((our_ms, state), (their_ms, _)) in our.iter().zip(their) {
            let apart = our_ms - their_ms;
            println!("{} {state:?}: {apart} ms later here", labels["alertname"]);
            assert!(
                apart.abs() <= apart_ms,
                "{labels:?} {state:?}: {apart} ms apart\n{ours:#?}\n{theirs:#?}"
            );
        }
    }
}

/// The first `targets.json` under `runs`, and when it was written in Unix milliseconds of real time.
fn targets_file(runs: &Path) -> Option<(PathBuf, i64)> {
    let run = fs::read_dir(runs).ok()?.next()?.ok()?.path();
    let path = run.join("targets.json");
    let written = fs::metadata(&path).ok()?.modified().ok()?;
    let since = written.duration_since(UNIX_EPOCH).ok()?;
    Some((path, i64::try_from(since.as_millis()).ok()?))
}

#[test]
fn a_prometheus_beside_the_drill_sees_what_we_see() {
    need!("redis-server");
    need!("prometheus");
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("s.yaml"),
        format!("{TWO_WORKERS}{SCENARIO}"),
    )
    .unwrap();
    fs::write(dir.path().join("r.yml"), RULES).unwrap();
    let mut drill = Ends(
        firedrill()
            .current_dir(dir.path())
            .args([
                "run",
                "--speed",
                "1",
                "--no-gate",
                "--rules",
                "r.yml",
                "s.yaml",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let runs = dir.path().join("runs/beside-prometheus");
    let patience = Instant::now() + Duration::from_secs(30);
    let (targets, start_ms) = loop {
        if let Some(found) = targets_file(&runs) {
            break found;
        }
        assert!(Instant::now() < patience, "no targets.json within 30 s");
        std::thread::sleep(Duration::from_millis(20));
    };
    let prometheus = Prometheus::start(dir.path(), &targets);
    drill.0.wait().unwrap();
    assert!(
        !targets.exists(),
        "the targets are gone, and so is the file"
    );

    let path = targets.with_file_name("record.jsonl");
    let mut record = Record::read(BufReader::new(File::open(path).unwrap())).unwrap();
    assert!(record.complete && record.marks().all(|mark| mark.verified));

    // Alerts are told by a Prometheus from its third evaluation on; what follows the drill is no part of it.
    let evaluations = prometheus.samples("evaluated").remove(0).1;
    let until_ms = start_ms + record.header.duration_ms - EVALUATION_MS;
    let compared = evaluations[2]..=until_ms;
    let killed_ms = start_ms + 25_000;
    assert!(evaluations[2] < killed_ms, "Prometheus was there in time");
    let theirs = lives_in(&prometheus, &evaluations, until_ms);
    // WorkerDown of each worker, NoWorker, NothingProcessed, NothingRecorded, QueueOld: all came and went.
    assert_eq!(theirs.len(), 6, "{theirs:#?}");
    for life in theirs.values() {
        let seen: Vec<AlertState> = life.iter().map(|step| step.1).collect();
        assert!(
            seen.ends_with(&[AlertState::Firing, AlertState::Inactive]),
            "{theirs:#?}"
        );
    }

    // What the drill recorded. Both look every five seconds, but not at the same moment, and each target is scraped by
    // either once a second at a moment of its own.
    let recorded: Vec<Transition> = record.transitions().cloned().collect();
    let ours = lives_of(&recorded, start_ms, compared.clone());
    assert_alike(&ours, &theirs, EVALUATION_MS + SCRAPE_MS);

    // The same samples at the moments at which Prometheus evaluated.
    record.header.evaluation_phase_ms = (evaluations[2] - start_ms).rem_euclid(EVALUATION_MS);
    let file = RuleFile {
        name: "r.yml".into(),
        text: RULES.into(),
    };
    let rules = RuleSet::load(&[file], Compat::V2).unwrap();
    let again = replay(&record, &rules).transitions;
    assert_alike(
        &lives_of(&again, start_ms, compared),
        &theirs,
        EVALUATION_MS,
    );
}
