//! What is done to a live drill from outside makes it inconclusive, by name, both when it is run and when its record is
//! scored again. Everything here is really done: signals, kills, strange commands, strange servers, files removed.

mod drill;
mod strangers;

use crate::support::{need, plan_of, task, wait_until};
use drill::{Drill, QUIET, Said, given, killed, overloaded, send, stop_for};
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::Time;
use firedrill_asynq::op::Op;
use firedrill_reports::Record;
use firedrill_reports::record::Line;
use firedrill_sim::worker::{Report, WorkerSpec};
use redis::Commands;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn who_is_stopped_for_a_moment_is_named() {
    need!("redis-server");
    let drill = Drill::start(QUIET, &[]);
    stop_for(drill.processes("worker")[0], 300);
    stop_for(drill.processes("redis-server")[0], 500);
    // So short that nobody has looked meanwhile.
    stop_for(drill.processes("worker")[1], 1);
    stop_for(drill.firedrill.id(), 500);
    drill.end().proves_nothing(&[
        "interference: w-0: was stopped (SIGSTOP) and went on in minute",
        "interference: redis: was stopped (SIGSTOP) and went on in minute",
        "interference: w-1: was stopped (SIGSTOP) and went on in minute",
        "interference: firedrill: was stopped and went on (SIGCONT) in minute",
    ]);
}

#[test]
fn who_is_killed_is_named_and_cannot_be_scraped() {
    need!("redis-server");
    let drill = Drill::start(QUIET, &[]);
    let workers = drill.processes("worker");
    send(workers[1], Signal::KILL);
    std::thread::sleep(Duration::from_millis(500));
    send(workers[0], Signal::TERM);
    drill.end().proves_nothing(&[
        "interference: w-1: was ended by signal 9 in minute",
        "interference: worker/w-1: could not be scraped in minute",
        "interference: w-0: ended with exit code 0 in minute",
    ]);
}

#[test]
fn the_kill_of_a_worker_that_was_dead_already_is_not_verified() {
    need!("redis-server");
    let drill = Drill::start(&killed(), &[]);
    send(drill.processes("worker")[0], Signal::KILL);
    let said = drill.end();
    said.proves_nothing(&[
        "interference: w-0: was ended by signal 9",
        "worker.kill on w-0, w-1 had no effect: SIGKILL; 1 of 2 processes gone; ended before: w-0",
    ]);
}

#[test]
fn the_end_of_redis_is_noticed() {
    need!("redis-server");
    let drill = Drill::start(QUIET, &[]);
    send(drill.processes("redis-server")[0], Signal::KILL);
    drill.end().proves_nothing(&[
        "interference: redis: was ended by signal 9",
        "interference: redis: did not answer",
        "rejected while no step of the plan had Redis away",
    ]);
}

#[test]
fn tasks_pushed_and_popped_by_others_are_counted() {
    need!("redis-server");
    let server = given();
    let url = server.url();
    let drill = Drill::start(&overloaded(), &["--redis", &url]);
    let mut redis = redis::Client::open(url.clone())
        .unwrap()
        .get_connection()
        .unwrap();
    let pending = "asynq:{default}:pending";
    wait_until("a task that waits", || {
        let popped: Option<String> = redis.rpop(pending, None).unwrap();
        popped.is_some()
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let broker = RedisBroker::connect(&url, RedisOptions::at_speed(1.0))
            .await
            .unwrap();
        for (id, queue) in [
            ("strange-1", "default"),
            ("strange-2", "default"),
            ("strange-3", "theirs"),
        ] {
            let mut message = task(id);
            message.queue = queue.into();
            let queue = queue.to_owned();
            broker.call(Op::RegisterQueue { queue }).await.unwrap();
            let now = Time::from_millis(1_900_000_000_000);
            broker.call(Op::Enqueue { message, now }).await.unwrap();
        }
    });
    drill.end().proves_nothing(&[
        "1 task was lost, and no step of the plan loses any, e.g. ",
        "2 tasks were in the drill's queues that nobody in the drill enqueued, e.g. strange-1",
        "interference: theirs: somebody else's queue has come into the drill's Redis",
    ]);
}

/// What others have written is told, too, when nobody waits for the drill's end.
#[test]
fn foreign_data_is_told_of_a_drill_that_was_stopped() {
    need!("redis-server");
    let server = given();
    let url = server.url();
    let mut redis = redis::Client::open(url.clone())
        .unwrap()
        .get_connection()
        .unwrap();
    let drill = Drill::start(QUIET, &["--redis", &url]);
    let _: () = redis.set("theirs", 1).unwrap();
    let _: () = redis.sadd("asynq:queues", "their-queue").unwrap();
    let pid = i32::try_from(drill.firedrill.id()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::INT).unwrap();
    let record = drill.run_dir().unwrap().join("record.jsonl");
    let said = drill.end();
    assert_eq!(said.code, Some(130), "{}", said.text);
    let record = Record::read(BufReader::new(File::open(record).unwrap())).unwrap();
    assert!(record.aborted().is_some());
    let text = said.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for thing in ["key \"theirs\"", "queue \"their-queue\""] {
        let in_record = record.interference().any(|found| found.saw == thing);
        assert!(in_record, "{thing}");
        assert!(
            text.contains(&format!("interference: redis: {thing} by minute")),
            "{text}"
        );
    }
}

/// A drill with more tasks than its workers can do, on a Redis to which `meddle` does something in the middle of it.
fn meddled(meddle: impl FnOnce(&mut redis::Connection)) -> Said {
    let server = given();
    let url = server.url();
    let mut redis = redis::Client::open(url.clone())
        .unwrap()
        .get_connection()
        .unwrap();
    let drill = Drill::start(&overloaded(), &["--redis", &url]);
    wait_until("a task that waits, and one that is done", || {
        let waiting: u64 = redis.llen("asynq:{default}:pending").unwrap();
        let done: Option<u64> = redis.get("asynq:{default}:processed").unwrap();
        waiting > 0 && done.is_some()
    });
    meddle(&mut redis);
    drill.end()
}

fn run(redis: &mut redis::Connection, line: &str) {
    let mut words = line.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    command.arg(words.collect::<Vec<_>>());
    command
        .exec(redis)
        .unwrap_or_else(|error| panic!("{line}: {error}"));
}

/// The counter of the day on which the drill is.
fn daily(redis: &mut redis::Connection, counter: &str) -> String {
    let pattern = format!("asynq:{{default}}:{counter}:*");
    let keys: Vec<String> = redis.keys(pattern).unwrap();
    keys[0].clone()
}

#[test]
fn counters_that_others_write_do_not_add_up() {
    need!("redis-server");
    let said = meddled(|redis| run(redis, "INCRBY asynq:{default}:failed 500"));
    said.proves_nothing(&["interference: default: its numbers do not add up: of "]);
    let said = meddled(|redis| {
        // There and back before anybody has looked at both: what is processed and what failed go together.
        run(redis, "INCRBY asynq:{default}:processed 500");
        run(redis, "DECRBY asynq:{default}:processed 500");
        let processed = daily(redis, "processed");
        let failed = processed.replace("processed", "failed");
        run(redis, &format!("INCRBY {processed} 500"));
        run(redis, &format!("INCRBY {failed} 500"));
    });
    said.proves_nothing(&[
        "interference: default: asynq's counter `processed` is ",
        "interference: default: asynq's counter `failed` is 0, and those of its days 500",
    ]);
    let said = meddled(|redis| {
        let processed = daily(redis, "processed");
        let both = [processed.clone(), processed.replace("processed", "failed")];
        let totals = ["processed", "failed"].map(|name| format!("asynq:{{default}}:{name}"));
        let mut all = redis::pipe();
        all.atomic();
        for key in both.iter().chain(&totals) {
            all.incr(key, 500);
        }
        all.exec(redis).unwrap();
    });
    said.proves_nothing(&[
        "interference: default: asynq's counter `failed` is 500, and the workers have noted 0",
    ]);
}

#[test]
fn queues_that_others_move_pause_or_take_the_leases_of_are_named() {
    need!("redis-server");
    let said = meddled(|redis| {
        let pending = "asynq:{default}:pending";
        run(redis, &format!("RENAME {pending} {pending}.mine"));
        std::thread::sleep(Duration::from_secs(1));
        let since: Vec<String> = redis.lrange(pending, 0, -1).unwrap();
        let mut back = redis::pipe();
        back.atomic().rename(format!("{pending}.mine"), pending);
        for id in since.iter().rev() {
            back.lpush(pending, id);
        }
        back.exec(redis).unwrap();
    });
    said.proves_nothing(&["interference: default: its numbers do not add up: of "]);
    let said = meddled(|redis| {
        run(redis, "SET asynq:{default}:paused 1");
        std::thread::sleep(Duration::from_secs(1));
        run(redis, "DEL asynq:{default}:paused");
    });
    said.proves_nothing(&["interference: default: somebody has paused this queue"]);
    let said = meddled(|redis| {
        for _ in 0..400 {
            std::thread::sleep(Duration::from_millis(5));
            run(redis, "DEL asynq:{default}:lease");
        }
    });
    said.proves_nothing(&["have a lease"]);
}

#[test]
fn a_waiting_task_that_others_make_older_is_named() {
    need!("redis-server");
    const OLDER: &str = "for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do \
                         redis.call('HSET', ARGV[1] .. id, 'pending_since', '1000000000') end";
    let said = meddled(|redis| {
        // Until it has been looked at.
        for _ in 0..40 {
            let mut older = redis::cmd("EVAL");
            older.arg(OLDER).arg(1).arg("asynq:{default}:pending");
            older.arg("asynq:{default}:t:").exec(redis).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    said.proves_nothing(&["interference: default: its oldest task has been waiting for "]);
}

#[test]
fn whoever_comes_to_the_private_redis_may_look_and_change_nothing() {
    need!("redis-server");
    let drill = Drill::start(QUIET, &[]);
    let server = drill.processes("redis-server")[0];
    let socket = fs::read_link(format!("/proc/{server}/cwd"))
        .unwrap()
        .join("redis.sock");
    let mut redis = redis::Client::open(format!("unix://{}", socket.display()))
        .unwrap()
        .get_connection()
        .unwrap();
    for line in [
        "SET key value",
        "LPOP asynq:{default}:pending",
        "HSET asynq:{default}:t:1 pending_since 1",
        "FLUSHALL",
        "SORT asynq:{default}:pending STORE key",
        "CONFIG SET maxmemory 1",
        "CLIENT PAUSE 1000",
        "CLIENT KILL TYPE normal",
        "SHUTDOWN NOSAVE",
        "DEBUG SLEEP 1",
        "SCRIPT FLUSH",
        "REPLICAOF 127.0.0.1 1",
        "PUBLISH asynq:cancel 1",
        "EVAL return(redis.call('SET','key','value')) 0",
        "AUTH firedrill firedrill",
    ] {
        let mut words = line.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>());
        command.exec(&mut redis).expect_err(line);
    }
    let done: u64 = redis.get("asynq:{default}:processed").unwrap();
    assert!(done > 0);
    let _: String = redis::cmd("INFO").query(&mut redis).unwrap();
    // Who stays is no client of the drill.
    let said = drill.end();
    assert_eq!(said.code, Some(0), "{}", said.text);
    let record = said.record();
    let is_clients = |line: &Line| match line {
        Line::Series { id, labels } if labels["__name__"] == "redis_connected_clients" => Some(*id),
        _ => None,
    };
    let clients = record.lines.iter().find_map(is_clients).unwrap();
    let mut seen: Vec<String> = Vec::new();
    for line in &record.lines {
        if let Line::Scrape { values, .. } = line
            && let Some((_, value)) = values.iter().find(|(id, _)| *id == clients)
        {
            seen.push(format!("{value:?}"));
        }
    }
    seen.sort_unstable();
    seen.dedup();
    // Two connections of the harness, and two of each worker.
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].contains('6'), "{seen:?}");
}

#[test]
fn who_is_still_stopped_at_the_end_is_named() {
    need!("redis-server");
    let drill = Drill::start(QUIET, &[]);
    send(drill.processes("worker")[1], Signal::STOP);
    drill
        .end()
        .proves_nothing(&["interference: w-1: was stopped (SIGSTOP) in minute"]);
}

#[test]
fn data_that_is_gone_is_missed() {
    need!("redis-server");
    let server = given();
    let url = server.url();
    let mut redis = redis::Client::open(url.clone())
        .unwrap()
        .get_connection()
        .unwrap();
    let drill = Drill::start(&overloaded(), &["--redis", &url]);
    std::thread::sleep(Duration::from_millis(500));
    redis::cmd("FLUSHALL").exec(&mut redis).unwrap();
    drill.end().proves_nothing(&[
        "interference: redis: the drill's keys are gone: no asynq:queues any more",
        "lost, and no step of the plan loses any",
    ]);
}

#[test]
fn a_redis_that_evicts_keys_is_told_of() {
    need!("redis-server");
    let server = given();
    let url = server.url();
    let mut redis = redis::Client::open(url.clone())
        .unwrap()
        .get_connection()
        .unwrap();
    let drill = Drill::start(&overloaded(), &["--redis", &url]);
    let mut set = |name: &str, value: &str| {
        redis::cmd("CONFIG")
            .arg("SET")
            .arg(name)
            .arg(value)
            .exec(&mut redis)
            .unwrap();
    };
    set("maxmemory-policy", "allkeys-random");
    set("maxmemory", "1mb");
    std::thread::sleep(Duration::from_millis(500));
    set("maxmemory", "0");
    let said = drill.end();
    said.proves_nothing(&["(maxmemory-policy allkeys-random) in minute"]);
}

#[test]
fn a_ledger_that_is_removed_or_cut_is_missed_and_nothing_is_called_lost() {
    need!("redis-server");
    let drill = Drill::start(QUIET, &[]);
    std::thread::sleep(Duration::from_secs(1));
    fs::remove_file(drill.ledger("w-0").unwrap()).unwrap();
    let ledger = drill.ledger("w-1").unwrap();
    File::options()
        .write(true)
        .open(ledger)
        .unwrap()
        .set_len(0)
        .unwrap();
    let said = drill.end();
    said.proves_nothing(&[
        "interference: w-0: its ledger was removed",
        "interference: w-1: its ledger is damaged: line 1 has the number",
        "is unknown without the ledgers",
    ]);
    let audit = said.record().audit().cloned().unwrap();
    assert_eq!((audit.lost, audit.unexplained.lost), (0, 0), "{audit:?}");
    assert!(audit.untold > 0);
}

#[test]
fn nothing_is_seen_where_nothing_was_done() {
    need!("redis-server");
    let done = Arc::new(AtomicBool::new(false));
    let loops = [0, 1].map(|_| {
        let done = done.clone();
        std::thread::spawn(move || while !done.load(Ordering::Relaxed) {})
    });
    let outage = killed()
        .replace("worker.kill, select: all", "redis.kill, keep_data: true")
        .replace("worker.restart", "redis.start")
        .replace("worker-crashed", "redis-down");
    let said = [killed(), outage].map(|scenario| Drill::start(&scenario, &[]).end());
    done.store(true, Ordering::Relaxed);
    for busy in loops {
        busy.join().unwrap();
    }
    for said in said {
        let record = said.record();
        let found: Vec<&Line> = record
            .lines
            .iter()
            .filter(|line| matches!(line, Line::Interference(_)))
            .collect();
        assert!(found.is_empty(), "{found:?}");
        let unexplained = &record.audit().unwrap().unexplained;
        assert_eq!(
            unexplained.examples,
            Vec::<String>::new(),
            "{unexplained:?}"
        );
        assert!(record.marks().all(|mark| mark.verified));
    }
}

/// Starts a worker, and signals it as soon as it says that it is ready; how it ended, and whether it was stopped before.
#[test]
fn a_worker_that_is_ready_takes_signals() {
    need!("redis-server");
    let server = given();
    let dir = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let spec = WorkerSpec {
            shared: None,
            plan: plan_of(QUIET),
            process: "w-0".into(),
            incarnation: 0,
            port: 0,
            redis: server.url().parse().unwrap(),
            server_of: None,
            ledger: dir.path().join(format!("{round}.ledger")),
            speed: 1.0,
            token: "t".into(),
        };
        let mut worker = Command::new(env!("CARGO_BIN_EXE_firedrill"))
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = worker.stdin.take().unwrap();
        writeln!(stdin, "{}", serde_json::to_string(&spec).unwrap()).unwrap();
        let mut ready = String::new();
        BufReader::new(worker.stdout.take().unwrap())
            .read_line(&mut ready)
            .unwrap();
        // The default action of SIGTSTP would stop it, and it would not see SIGTERM.
        send(worker.id(), Signal::TSTP);
        send(worker.id(), Signal::TERM);
        assert!(
            matches!(serde_json::from_str(&ready), Ok(Report::Ready { .. })),
            "{ready}"
        );
        let mut ended = None;
        wait_until("the end of a worker that was told to end", || {
            ended = worker.try_wait().unwrap();
            ended.is_some()
        });
        assert_eq!(
            ended.and_then(|status| status.code()),
            Some(0),
            "round {round}"
        );
    }
}
