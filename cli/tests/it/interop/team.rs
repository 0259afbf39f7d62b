//! A team's own worker in a drill: a plain Go program that knows nothing of drills, with what the plan does to it.

use super::containers::{Stranger, folder, quiet, shorter};
use super::peer::need_peers;
use super::programs::go;
use crate::docker::connection;
use crate::nodes::Node;
use crate::support::{children, firedrill, free, is_running, said, wait_until};
use firedrill_reports::Record;
use firedrill_reports::record::{AlertState, Audit};
use redis::Commands;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

/// Half a minute of two queues, and every kind of thing that is done to a process or to its way to Redis.
const SCENARIO: &str = "\
version: firedrill/v1
name: team
family: worker-crashed
summary: What is done to a team's own workers.
seed: 7
duration: 58s
warmup: 5s
queues: { default: { wait_objective: 30s }, low: { wait_objective: 30s } }
workload:
  - { task: mail, queue: default, arrivals: { constant: 10/s, until: 52s }, service: { constant: 20ms } }
  - { task: pay, queue: low, arrivals: { constant: 2/s, until: 40s }, service: { constant: 20ms }, max_retry: 0 }
  - { task: report, queue: low, arrivals: { burst: { count: 20, at: 6s, over: 5s } }, service: { constant: 20ms }, retention: 10m }
workers:
  - { name: w, processes: 2, concurrency: 4 }
scrape: { interval: 1s, timeout: 1s }
evaluation: { interval: 1s }
timeline:
  - { at: 10s, fault: worker.kill, select: all, until: { at: 20s, remedy: worker.restart } }
  - { at: 25s, fault: worker.stop, select: [w-1], until: { at: 29s } }
  - { at: 32s, fault: link.delay, delay: 100ms, select: [w-0], until: { at: 36s } }
  - { at: 39s, fault: worker.terminate, select: [w-0], until: { at: 44s, remedy: worker.restart } }
  - { at: 47s, fault: worker.quiet, select: [w-1], until: { at: 53s, remedy: worker.restart } }
incidents:
  - { cause: worker-crashed, of: worker.kill, wanted: page, within: 8s }
";

const RULES: &str = "\
groups:
- name: team
  rules:
  - alert: WorkersDown
    expr: sum(up{job=\"worker\"}) == 0
    for: 2s
    labels: { severity: page }
  - alert: NothingDone
    expr: sum(increase(job_processed_total{status=\"success\"}[8s])) > 0
    labels: { severity: info }
";

/// A plain worker, which is built by now.
pub(crate) fn worker() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop/worker");
        go(&["build", "-o"], &program, "./worker");
        program
    })
}

pub(super) fn record(dir: &Path, name: &str) -> Record {
    let path = dir.join("runs").join(name).join("latest/record.jsonl");
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Record::read(BufReader::new(file)).unwrap()
}

/// Nobody else had a hand in a drill, and each of its marks says that what was done was seen.
pub(super) fn all_was_seen(record: &Record, count: usize, told: &str) {
    assert_eq!(record.interference().next(), None, "{told}");
    let marks: Vec<String> = record
        .marks()
        .map(|mark| format!("{} {} {}", mark.verified, mark.what, mark.saw))
        .collect();
    assert_eq!(marks.len(), count, "{marks:#?}");
    let seen = marks.iter().all(|mark| mark.starts_with("true "));
    assert!(seen, "{marks:#?}");
}

#[test]
fn a_teams_own_go_workers_take_part_in_a_drill() {
    need_peers!();
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    fs::write(dir.join("r.yml"), RULES).unwrap();
    // Two pages of metrics, each of one process.
    let pages = [free(), free()];
    let worker = worker().display();
    // The environment has one text for both processes, so the script picks the page by its number and becomes the worker.
    let script = dir.join("start");
    let text = format!(
        "#!/bin/sh\ncase $NUMBER in 0) METRICS_ADDR={} ;; *) METRICS_ADDR={} ;; esac\nexport METRICS_ADDR\nexec {worker} \"$@\"\n",
        pages[0], pages[1]
    );
    fs::write(&script, text).unwrap();
    let command = format!(
        "/bin/sh {} -queues default,low -fails pay",
        script.display()
    );
    let pages = format!("http://{}/metrics,http://{}", pages[0], pages[1]);
    let args = [
        "run",
        "s.yaml",
        "--rules",
        "r.yml",
        "--group-wait",
        "0s",
        "--worker-cmd",
        &command,
        "--worker-env",
        "NUMBER={index}",
        "--metrics",
        &pages,
    ];
    let (code, told, also) = said(dir, &args);
    let record = record(dir, "team");
    all_was_seen(&record, 10, &also);
    assert_eq!(code, Some(0), "{told}{also}");
    assert_eq!(
        record.header.environment["workers"],
        "the team's own, by a command"
    );

    // All of it is known but for what only the workers know.
    let audit: &Audit = record.audit().unwrap();
    assert!(audit.unseen);
    assert_eq!(
        (audit.lost, audit.untold, audit.rejected),
        (0, 0, 0),
        "{audit:?}"
    );
    assert_eq!(audit.intended, 520 + 80 + 20);
    assert_eq!(
        audit.archived + audit.queued.get("retry").unwrap_or(&0),
        80,
        "{audit:?}"
    );
    assert!(audit.succeeded >= 500, "{audit:?}");
    assert_eq!(audit.jobs_lost(), Some(0));
    assert_eq!(
        (audit.jobs_duplicated(), audit.seen(audit.late)),
        (None, None)
    );
    assert!(told.contains("not known"), "{told}");

    // Its metrics are what rules see, and they go with it.
    let fired: Vec<(&str, i64)> = record
        .transitions()
        .filter(|transition| transition.to == AlertState::Firing)
        .map(|transition| (&*transition.alert, transition.at_ms))
        .collect();
    assert!(
        fired
            .iter()
            .any(|(alert, at_ms)| *alert == "WorkersDown" && (10_000..20_000).contains(at_ms)),
        "{fired:?}"
    );
    assert!(
        fired.iter().any(|(alert, _)| *alert == "NothingDone"),
        "{fired:?}"
    );
    // What they print is kept.
    let log = fs::read_to_string(dir.join("runs/team/latest/ledgers/w-0.0.log")).unwrap();
    assert!(log.contains("Starting processing"), "{log}");
}

#[test]
fn a_teams_own_worker_goes_with_a_firedrill_that_is_killed() {
    need_peers!();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), SCENARIO).unwrap();
    let command = format!("{} -queues default,low", worker().display());
    let mut run = firedrill()
        .current_dir(dir.path())
        .args(["run", "s.yaml", "--worker-cmd", &command])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let is_worker = |pid: &u32| {
        let program = fs::read_link(format!("/proc/{pid}/exe"));
        program.is_ok_and(|program| program == worker())
    };
    let workers = || -> Vec<u32> { children(run.id()).into_iter().filter(is_worker).collect() };
    wait_until("both workers", || workers().len() == 2);
    let workers = workers();
    let firedrill = Pid::from_raw(i32::try_from(run.id()).unwrap()).unwrap();
    kill_process(firedrill, Signal::KILL).unwrap();
    run.wait().unwrap();
    wait_until("nobody to be left", || {
        !workers.iter().any(|pid| is_running(*pid))
    });
}

#[test]
fn what_a_teams_own_worker_has_started_goes_with_it() {
    need_peers!();
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    let script = dir.join("start");
    let text = format!(
        "#!/bin/sh\nsleep 100000 &\nexec {} -queues default,low\n",
        worker().display()
    );
    fs::write(&script, text).unwrap();
    let command = format!("/bin/sh {}", script.display());
    let mut run = firedrill()
        .current_dir(dir)
        .args(["run", "s.yaml", "--worker-cmd", &command])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let is_worker = |pid: &u32| {
        let program = fs::read_link(format!("/proc/{pid}/exe"));
        program.is_ok_and(|program| program == worker())
    };
    let sleepers = || -> Vec<u32> {
        let workers = children(run.id()).into_iter().filter(is_worker);
        workers.flat_map(children).collect()
    };
    let are_gone = |pids: &[u32]| !pids.iter().any(|pid| is_running(*pid));
    wait_until("both to have started something", || sleepers().len() == 2);
    let first = sleepers();
    // The plan kills the workers, and starts others.
    wait_until("nothing of the first to be left", || are_gone(&first));
    wait_until("both to have started something again", || {
        sleepers().len() == 2
    });
    let second = sleepers();
    kill_process(Pid::from_child(&run), Signal::KILL).unwrap();
    run.wait().unwrap();
    wait_until("nothing to be left", || are_gone(&second));
}

#[test]
fn a_worker_that_does_not_come_up_again_is_told_in_a_report() {
    need_peers!();
    let dir = folder(&shorter());
    let script = dir.path().join("start");
    let text = format!(
        "#!/bin/sh\n[ -e life-$NUMBER ] && echo no second life && exit 7\ntouch life-$NUMBER\nexec {}\n",
        worker().display()
    );
    fs::write(&script, text).unwrap();
    let command = format!("/bin/sh {}", script.display());
    let words = [
        "run",
        "s.yaml",
        "--rules=r.yml",
        "--worker-cmd",
        &command,
        "--worker-env",
        "NUMBER={index}",
    ];
    let (code, told, also) = said(dir.path(), &words);
    assert_eq!(code, Some(3), "{told}{also}");
    let recorded = record(dir.path(), "team");
    let end = recorded.marks().last().unwrap();
    let why = "worker w-0: it ended at once (exit status: 7); it said last: no second life; all of it is in ";
    assert!(
        !end.verified && end.saw.starts_with(why) && end.saw.ends_with("w-0.1.log"),
        "{end:?}"
    );
    assert!(
        told.contains("worker.restart on w-0, w-1 had no effect"),
        "{told}"
    );
}

#[test]
fn a_worker_that_joins_is_told_and_what_it_says_of_itself_stays() {
    need_peers!();
    let redis = Node::start(&[]);
    let port = redis.port;
    let dir = folder(&quiet());
    let command = format!("{} -queues default", worker().display());
    let given = format!("--redis=127.0.0.1:{port}");
    let joins = std::thread::spawn(move || {
        let mut redis = connection(&format!("redis://127.0.0.1:{port}")).unwrap();
        wait_until("both workers to be there", || {
            redis.zcard::<_, u64>("asynq:servers").unwrap() == 2
        });
        std::thread::sleep(Duration::from_secs(4));
        Stranger::join(port)
    });
    let (code, told, also) = said(
        dir.path(),
        &[
            "run",
            "s.yaml",
            "--rules=r.yml",
            "--worker-cmd",
            &command,
            &given,
        ],
    );
    let stranger = joins.join().unwrap();
    assert!(stranger.is_listed(port), "{told}{also}");
    assert_eq!(code, Some(3), "{told}{also}");
    let saw = "a worker that the drill did not start has joined; it serves default in minute";
    assert!(told.contains(saw), "{told}");
    // Nothing else is left.
    stranger.leave();
    let mut redis = connection(&format!("redis://127.0.0.1:{port}")).unwrap();
    let left: Vec<String> = redis.keys("*").unwrap();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_worker_that_does_not_fit_is_told_before_the_drill_begins() {
    need_peers!();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), SCENARIO).unwrap();
    let worker = worker().display();
    for (command, why) in [
        (
            format!("{worker} -queues default"),
            "worker w-0: it serves default, and in the scenario it serves low, too",
        ),
        (
            format!("/usr/bin/env -u REDIS_ADDR {worker}"),
            "it ended at once (exit status: 1); it said last: worker: REDIS_ADDR is not set",
        ),
    ] {
        let (code, _, told) = said(dir.path(), &["run", "s.yaml", "--worker-cmd", &command]);
        assert_eq!(code, Some(7), "{told}");
        assert!(told.contains(why), "{told}");
    }
}
