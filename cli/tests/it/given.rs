//! Drills on a Redis that is not theirs: an empty database is used and left empty; all else is refused, untouched.

use crate::nodes::{Cluster, Node};
use crate::support::{firedrill, kill_with_its_reaper, need};
use crate::wait::until;
use firedrill_reports::Record;
use firedrill_reports::record::{Line, Meddling};
use redis::{Commands, Connection};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const SCENARIO: &str = "\
version: firedrill/v1
name: given
family: benign
summary: A quiet while.
seed: 3
duration: 3m
queues: { default: { priority: 1, wait_objective: 60s }, low: { priority: 1, wait_objective: 60s } }
workload:
  - { task: email:send, queue: default, arrivals: { poisson: 4/s }, service: { constant: 500ms } }
  - { task: sms:send, queue: low, arrivals: { poisson: 4/s }, service: { constant: 500ms } }
workers:
  - { name: w, processes: 1, concurrency: 8 }
";
const OUTAGE: &str = "
timeline:
  - { at: 1m, fault: redis.kill, until: { at: 2m, remedy: redis.start } }
";
const NETWORK: &str = "
timeline:
  - { id: slow, at: 45s, fault: link.delay, select: all, delay: 100ms, until: { at: 75s } }
  - { id: cut, at: 90s, fault: link.black-hole, select: [w-0], until: { at: 2m } }
incidents:
  - { cause: redis-down, of: cut, wanted: ticket, within: 1m }
";
const RULES: &str = "
groups:
- name: jobs
  rules:
  - alert: QueueOld
    expr: max by (queue) (asynq_queue_latency_seconds) > 60
    for: 30s
    labels: { severity: page }
";

fn command(dir: &Path, address: &str, scenario: &str) -> Command {
    fs::write(dir.join("s.yaml"), scenario).unwrap();
    fs::write(dir.join("r.yml"), RULES).unwrap();
    let mut command = firedrill();
    command
        .current_dir(dir)
        .env("TMPDIR", dir)
        .env("XDG_STATE_HOME", dir)
        .args(["run", "--rules", "r.yml", "--speed", "15", "--redis"])
        .args([address, "s.yaml"]);
    command
}

fn drill(address: &str, scenario: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path(), address, scenario).output().unwrap();
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    assert!(!String::from_utf8_lossy(&text).contains("hunter2"));
    output
}

fn passes(address: &str) {
    let output = drill(address, SCENARIO);
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(0), "{said}");
}

fn refuses(address: &str, scenario: &str, code: i32, words: &str) {
    let output = drill(address, scenario);
    let said = String::from_utf8_lossy(&output.stderr).replace("\n  ", " ");
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(words), "{said}");
}

#[test]
fn an_empty_database_is_used_and_left_empty() {
    need!("redis-server");
    let node = Node::start(&["--user", "ann", "on", ">hunter2", "~*", "&*", "+@all"]);
    let mut connection = node.connection();
    let _: () = connection
        .set("asynq:{default}:pending", "not ours")
        .unwrap();
    let _: () = connection.set("asynq:{default}:processed", 5).unwrap();
    let _: () = connection.sadd("asynq:queues", "default").unwrap();
    let at = format!("redis://ann:hunter2@127.0.0.1:{}", node.port);
    passes(&format!("{at}/3"));

    refuses(&at, SCENARIO, 4, "holds 3 keys");
    refuses(
        &format!("{at}/3"),
        &format!("{SCENARIO}{OUTAGE}"),
        4,
        "the scenario does something to Redis itself",
    );
    refuses(&format!("{at}/x"), SCENARIO, 2, "is not a database number");
    refuses("dcoker", SCENARIO, 2, "neither");
    refuses(
        "redis://:hunter2@127.0.0.1:1",
        SCENARIO,
        7,
        "nobody listens there",
    );

    // What was there is there, and nothing else.
    let kept: String = connection.get("asynq:{default}:pending").unwrap();
    assert_eq!(kept, "not ours");
    assert_eq!(node.info("db0").split(',').next(), Some("keys=3"));
    assert_eq!(node.info("db3"), "");
    let served: u64 = node.info("total_commands_processed").parse().unwrap();
    assert!(served > 1_000, "the drill was here");
}

#[test]
fn an_interrupted_drill_leaves_it_empty_too() {
    need!("redis-server");
    let node = Node::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let mut child = command(dir.path(), &format!("127.0.0.1:{}", node.port), SCENARIO)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the drill is under way", Duration::from_secs(10), || {
        node.connection()
            .exists("asynq:{default}:processed")
            .unwrap()
    });
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(node.info("db0"), "");
}

#[test]
fn an_empty_cluster_is_used_and_left_empty() {
    need!("redis-server");
    need!("redis-cli");
    let cluster = Cluster::start();
    passes(&cluster.address());
    for node in cluster.masters() {
        assert_eq!(node.info("db0"), "");
    }
}

/// `firedrill clean` of the journal in `dir`.
fn clean(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = firedrill()
        .arg("clean")
        .args(args)
        .env("TMPDIR", dir)
        .env("XDG_STATE_HOME", dir)
        .output()
        .unwrap();
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    (
        output.status.code(),
        String::from_utf8(said).unwrap().replace("\n  ", " "),
    )
}

/// Entries of the journal in `dir`.
fn noted(dir: &Path) -> usize {
    fs::read_dir(dir.join("firedrill")).map_or(0, Iterator::count)
}

fn start(dir: &Path, address: &str) -> Child {
    command(dir, address, SCENARIO)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn under_way(node: &Node) {
    until("the drill is under way", Duration::from_secs(30), || {
        node.connection()
            .exists("asynq:{default}:processed")
            .unwrap()
    });
}

/// What somebody else may have in the same database as a drill: in its queue, in others, and of no queue.
fn write_foreign(at: &mut Connection) {
    let mut everything = redis::pipe();
    everything
        .sadd("asynq:queues", &["default", "invoices"])
        .hset("asynq:{default}:t:theirs", "msg", "not a message")
        .zadd("asynq:{default}:scheduled", "theirs", 9_999_999_999_i64)
        .set("asynq:{default}:unique:theirs:1", "theirs")
        .rpush("asynq:{invoices}:pending", "a")
        .hset("asynq:{invoices}:t:a", "state", "pending")
        .zadd(
            "asynq:servers",
            "asynq:servers:{web:7:6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
            9_999_999_999_i64,
        )
        .set(
            "asynq:servers:{web:7:6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
            "theirs",
        )
        .zadd("asynq:schedulers", "asynq:schedulers:{web:7:x}", 1)
        .set("asynq:scheduler_history:theirs", "h")
        .set("firedrill:notes", "not a claim")
        .set(&b"caf\xe9"[..], "not text");
    everything.exec(at).unwrap();
}

/// Everything in a database.
fn dump(at: &mut Connection) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(at).unwrap();
    let of = |key: Vec<u8>| {
        let value: Vec<u8> = redis::cmd("DUMP").arg(&key).query(at).unwrap();
        (key, value)
    };
    keys.into_iter().map(of).collect()
}

/// What is in database 0, and what is in database 9, where only what is foreign was written.
fn assert_only_foreign(node: &Node) {
    let of = |db: u8| {
        let mut at = node.connection();
        redis::cmd("SELECT").arg(db).exec(&mut at).unwrap();
        dump(&mut at)
    };
    let show = |keys: &BTreeMap<Vec<u8>, Vec<u8>>| -> Vec<String> {
        keys.keys()
            .map(|key| String::from_utf8_lossy(key).into_owned())
            .collect()
    };
    let (here, foreign) = (of(0), of(9));
    assert_eq!(show(&here), show(&foreign));
    assert_eq!(here, foreign);
}

fn node_with_foreign() -> Node {
    let node = Node::start(&[]);
    let mut at = node.connection();
    redis::cmd("SELECT").arg(9).exec(&mut at).unwrap();
    write_foreign(&mut at);
    node
}

#[test]
fn what_others_write_meanwhile_is_left_and_told() {
    need!("redis-server");
    let node = node_with_foreign();
    let dir = tempfile::tempdir().unwrap();
    let mut child = start(dir.path(), &node.url());
    under_way(&node);
    write_foreign(&mut node.connection());
    child.wait().unwrap();
    assert_only_foreign(&node);
    assert_eq!(noted(dir.path()), 0);

    let file = File::open(dir.path().join("runs/given/latest/record.jsonl")).unwrap();
    let record = Record::read(BufReader::new(file)).unwrap();
    let told: Vec<(&str, &str)> = record
        .lines
        .iter()
        .filter_map(|line| match line {
            Line::Interference(found) if found.what == Meddling::ForeignData => {
                Some((found.subject.as_str(), found.saw.as_str()))
            }
            _ => None,
        })
        .collect();
    for expected in [
        ("default", "task theirs"),
        ("redis", "queue \"invoices\""),
        ("redis", "key \"asynq:{invoices}:pending\""),
        ("redis", "key \"asynq:scheduler_history:theirs\""),
    ] {
        assert!(told.contains(&expected), "{expected:?}: {told:?}");
    }
}

#[test]
fn whenever_it_is_killed_clean_leaves_exactly_what_others_wrote() {
    need!("redis-server");
    let node = node_with_foreign();
    let dir = tempfile::tempdir().unwrap();
    for moment in 0..10 {
        let mut child = start(dir.path(), &node.url());
        // From before the first key to the middle of the drill.
        std::thread::sleep(Duration::from_millis(30 * moment * moment));
        if moment > 5 {
            under_way(&node);
        }
        write_foreign(&mut node.connection());
        kill_with_its_reaper(&mut child);
        let (code, said) = clean(dir.path(), &[]);
        assert_eq!(code, Some(0), "{said}");
        assert_only_foreign(&node);
        assert_eq!(noted(dir.path()), 0, "{said}");
        redis::cmd("FLUSHDB").exec(&mut node.connection()).unwrap();
        fs::remove_dir_all(dir.path().join("runs")).ok();
    }
}

#[test]
fn an_old_drills_keys_are_told_as_such_and_the_password_is_asked_for() {
    need!("redis-server");
    let node = Node::start(&["--user", "ann", "on", ">hunter2", "~*", "&*", "+@all"]);
    let at = format!("redis://ann:hunter2@127.0.0.1:{}/0", node.port);
    let dir = tempfile::tempdir().unwrap();
    let mut child = start(dir.path(), &at);
    under_way(&node);
    let kept: Vec<_> = fs::read_dir(dir.path().join("firedrill"))
        .unwrap()
        .collect();
    let note = fs::read_to_string(kept[0].as_ref().unwrap().path()).unwrap();
    assert!(!note.contains("hunter2"), "{note}");
    kill_with_its_reaper(&mut child);

    refuses(&at, SCENARIO, 4, "firedrill clean --redis");
    let (code, said) = clean(dir.path(), &[]);
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("with the password"), "{said}");
    // Another machine has no journal; what is in the claim will do.
    let elsewhere = tempfile::tempdir().unwrap();
    let (code, said) = clean(elsewhere.path(), &["--redis", &at]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    assert_eq!(node.info("db0"), "");
    let (code, said) = clean(dir.path(), &["--redis", &at]);
    assert_eq!((code, noted(dir.path())), (Some(0), 0), "{said}");
    let (code, said) = clean(dir.path(), &[]);
    assert_eq!((code, said.trim()), (Some(0), "nothing was left behind"));
}

#[test]
fn what_was_left_in_a_redis_that_is_gone_for_good_can_be_forgotten() {
    need!("redis-server");
    let node = Node::start(&[]);
    let url = node.url();
    let dir = tempfile::tempdir().unwrap();
    let mut child = start(dir.path(), &url);
    under_way(&node);
    kill_with_its_reaper(&mut child);
    drop(node);
    let (code, said) = clean(dir.path(), &[]);
    assert_eq!((code, noted(dir.path())), (Some(6), 1), "{said}");
    assert!(said.contains("firedrill clean --forget "), "{said}");
    let (code, said) = clean(dir.path(), &["--forget", "127.0.0.1:1"]);
    assert_eq!((code, noted(dir.path())), (Some(0), 1), "{said}");
    let (code, said) = clean(dir.path(), &["--forget", &url]);
    assert_eq!((code, noted(dir.path())), (Some(0), 0), "{said}");
    let (code, said) = clean(dir.path(), &[]);
    assert_eq!((code, said.trim()), (Some(0), "nothing was left behind"));
}

#[test]
fn a_database_that_others_took_over_meanwhile_is_left_to_them() {
    need!("redis-server");
    let node = Node::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let mut child = start(dir.path(), &node.url());
    under_way(&node);
    kill_with_its_reaper(&mut child);
    let mut at = node.connection();
    redis::cmd("FLUSHDB").exec(&mut at).unwrap();
    write_foreign(&mut at);
    let _: () = at.set("asynq:{default}:processed", 5).unwrap();
    let before = dump(&mut at);
    let (code, said) = clean(dir.path(), &[]);
    assert_eq!((code, noted(dir.path())), (Some(0), 0), "{said}");
    assert_eq!(dump(&mut at), before);
}

#[test]
fn of_two_drills_on_one_database_one_runs() {
    need!("redis-server");
    let node = Node::start(&[]);
    let dirs = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let drills = dirs.each_ref().map(|dir| {
        command(dir.path(), &node.url(), SCENARIO)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    });
    let ended = drills.map(|drill| drill.wait_with_output().unwrap());
    let mut codes = ended.each_ref().map(|ended| ended.status.code());
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(4)], "{ended:?}");
    let refused = ended.iter().find(|ended| ended.status.code() == Some(4));
    let said = String::from_utf8_lossy(&refused.unwrap().stderr).into_owned();
    assert!(said.contains("in use by another firedrill"), "{said}");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("it holds the database for another "),
        "{said}"
    );
    assert_eq!(node.info("db0"), "");

    // Neither does cleaning get in the way of a drill that runs.
    let mut child = start(dirs[0].path(), &node.url());
    under_way(&node);
    let (code, said) = clean(dirs[1].path(), &["--redis", &node.url()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("a drill is running on it"), "{said}");
    let claimed: bool = node.connection().exists("firedrill:claim").unwrap();
    assert!(claimed);
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(node.info("db0"), "");
}

#[test]
fn a_redis_that_does_not_do_what_a_drill_needs_is_refused_before_the_start() {
    need!("redis-server");
    let master = Node::start(&[]);
    let of = ["127.0.0.1", &master.port.to_string()].join(" ");
    let all = "~* &* +@all";
    let no_scripts = format!("bob on >hunter2 {all} -@scripting");
    let own_queue = "eve on >hunter2 ~firedrill:* ~asynq:{firedrill-probe}:* ~asynq:queues ~asynq:servers* \
                     ~asynq:workers* ~asynq:schedulers* ~asynq:scheduler_history* &* +@all";
    for (options, user, code, words) in [
        (vec!["--replicaof", &of], "", 7, "this is a replica"),
        (
            vec!["--min-replicas-to-write", "1"],
            "",
            7,
            "min-replicas-to-write asks for more",
        ),
        (vec!["--maxmemory", "1000000"], "", 7, "its memory is full"),
        (
            vec!["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"],
            "",
            4,
            "maxmemory-policy allkeys-lru",
        ),
        (
            [vec!["--user"], no_scripts.split(' ').collect()].concat(),
            "bob:hunter2@",
            7,
            "EVAL and EVALSHA",
        ),
        (
            [vec!["--user"], own_queue.split(' ').collect()].concat(),
            "eve:hunter2@",
            7,
            "a drill's user needs the keys",
        ),
        // What cannot be removed is not written.
        (
            vec!["--rename-command", "DEL", "NO"],
            "",
            7,
            "DEL: ResponseError: unknown command",
        ),
        (
            "--user dan on >hunter2 ~* resetchannels +@all"
                .split(' ')
                .collect(),
            "dan:hunter2@",
            7,
            "the channel asynq:cancel",
        ),
    ] {
        let node = Node::start(&options);
        let dir = tempfile::tempdir().unwrap();
        let address = format!("redis://{user}127.0.0.1:{}", node.port);
        let output = command(dir.path(), &address, SCENARIO).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).replace("\n  ", " ");
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{words}: {said}");
        assert_eq!(node.info("db0"), "", "{said}");
        assert_eq!(noted(dir.path()), 0, "{said}");
    }
}

#[test]
fn network_faults_are_had_on_a_given_server_and_refused_where_links_cannot_lead() {
    need!("redis-server");
    let node = Node::start(&["--user", "ann", "on", ">hunter2", "~*", "&*", "+@all"]);
    let at = format!("redis://ann:hunter2@127.0.0.1:{}/3", node.port);
    let dir = tempfile::tempdir().unwrap();
    let scenario = SCENARIO.replace("family: benign", "family: redis-down") + NETWORK;
    let output = command(dir.path(), &at, &scenario).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let record = File::open(dir.path().join("runs/given/latest/record.jsonl"));
    let record = Record::read(BufReader::new(record.unwrap())).unwrap();
    let seen: Vec<bool> = record.marks().map(|mark| mark.verified).collect();
    assert_eq!(seen, [true; 4], "{said}");
    assert_eq!(node.info("db3"), "");
    let sealed = at.replace("redis://", "rediss://");
    refuses(&sealed, &scenario, 4, "needs one Redis server without TLS");
}

#[test]
fn what_cannot_be_removed_is_said_before_all_else() {
    need!("redis-server");
    // A second Ctrl-C cuts the waits of clean-up short, and says the same.
    for times in [1, 2] {
        let node = Node::start(&[]);
        let dir = tempfile::tempdir().unwrap();
        let mut child = start(dir.path(), &node.url());
        under_way(&node);
        let redis = Pid::from_raw(node.info("process_id").parse().unwrap()).unwrap();
        kill_process(redis, Signal::STOP).unwrap();
        for _ in 0..times {
            kill_process(Pid::from_child(&child), Signal::INT).unwrap();
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(child.wait().unwrap().code(), Some(6));
        assert_eq!(noted(dir.path()), 1);
        let (code, said) = clean(dir.path(), &[]);
        assert_eq!(code, Some(6), "{said}");
        kill_process(redis, Signal::CONT).unwrap();
        let (code, said) = clean(dir.path(), &[]);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(node.info("db0"), "");
    }
}
