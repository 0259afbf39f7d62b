//! What a team does to Redis itself in a rehearsal, over a connection of its own, is seen, and ends what the plan did to it.

use super::{RULES, Rehearsed, record, written};
use crate::support::need;
use firedrill_reports::record::{Deed, Phase};
use redis::{Client, Cmd, Connection, Value};
use std::time::Duration;

const SCENARIO: &str = "\
version: firedrill/v1
name: quiet-monday
family: redis-down
summary: Somebody plays with Redis.
seed: 7
duration: 100s
warmup: 4s
queues: { default: { wait_objective: 60s } }
workload:
  - { task: mail, queue: default, arrivals: { constant: 5/s, until: 90s }, service: { constant: 20ms } }
workers:
  - { name: w, processes: 2, concurrency: 4 }
scrape: { interval: 1s, timeout: 1s }
evaluation: { interval: 1s }
timeline:
  - { id: full, at: 8s, fault: redis.full, until: { at: 20s } }
  - { id: crowd, at: 22s, fault: redis.max-clients, to: 1, until: { at: 34s } }
  - { id: replica, at: 36s, fault: redis.read-only, until: { at: 48s } }
  - { id: acl, at: 50s, fault: redis.acl, deny: write, until: { at: 62s } }
  - { id: script, at: 64s, fault: redis.slow-script, until: { at: 76s } }
incidents:
  - { cause: redis-down, of: full, wanted: page, within: 10s }
";

fn ask(at: &mut Connection, words: &[&str]) -> Value {
    let mut command = Cmd::new();
    command.arg(words);
    command.query(at).unwrap()
}

#[test]
fn what_people_set_right_in_redis_is_seen_and_ends_what_was_done() {
    need!("redis-server");
    let mut room = Rehearsed::begin_in(written(SCENARIO, RULES), &[]);
    let told = room.hears("its queues: ");
    let mut words = told.split_whitespace();
    let url = words.find(|word| word.contains("://")).unwrap();
    let client = Client::open(url).unwrap();
    let mut redis = client.get_connection().unwrap();
    redis
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    for (fault, command, mended) in [
        (
            "fault: redis.full",
            &["CONFIG", "SET", "maxmemory", "0"][..],
            "mended: redis: maxmemory is 0, by what was done from outside",
        ),
        (
            "fault: redis.max-clients",
            &["CONFIG", "SET", "maxclients", "5000"],
            "mended: redis: maxclients is 5000; accepts a new connection",
        ),
        (
            "fault: redis.read-only",
            &["REPLICAOF", "NO", "ONE"],
            "mended: redis: is a master; takes writes",
        ),
        (
            "fault: redis.acl",
            &["ACL", "SETUSER", "default", "+@all"],
            "mended: redis: its users may do something else; @write is allowed",
        ),
        (
            "fault: redis.slow-script",
            &["SCRIPT", "KILL"],
            "mended: redis: the script was ended; accepts a new connection",
        ),
    ] {
        room.hears(fault);
        // What the plan has set is looked at before it is changed.
        std::thread::sleep(Duration::from_millis(2_500));
        ask(&mut redis, command);
        room.hears(mended);
    }
    // Each change of a user is seen, also one that is taken back at once.
    ask(&mut redis, &["ACL", "SETUSER", "guest", "on", "+@read"]);
    ask(&mut redis, &["ACL", "DELUSER", "guest"]);
    room.hears("seen: redis: its users were changed 2 times (ACL), from outside");
    room.says("remedy redis.raise-maxmemory");
    room.hears("redis.raise-maxmemory: nothing is on that firedrill could end by it; it is noted");
    let (code, text, run, _dir) = room.ends();
    assert_eq!(code, Some(3), "{text}");
    let record = record(&run);
    for step in ["full", "crowd", "replica", "acl", "script"] {
        assert!(record.mended_ms(step).is_some(), "{step}: {text}");
    }
    let ends = record.marks().filter(|mark| mark.phase == Some(Phase::End));
    assert_eq!(ends.count(), 0, "{text}");
    for seen in [
        "maxmemory is 0",
        "maxclients is 5000",
        "is a master again",
        "(ACL)",
    ] {
        let is_seen = record
            .actions()
            .any(|action| action.what == Deed::Seen && action.text.contains(seen));
        assert!(is_seen, "{seen}: {text}");
    }
}

#[test]
fn a_remedy_that_is_named_ends_what_would_end_by_itself() {
    need!("redis-server");
    let timeline = SCENARIO.split("timeline:\n").next().unwrap();
    let scenario = format!(
        "{timeline}timeline:
  - {{ id: full, at: 8s, fault: redis.full, until: {{ at: 80s }} }}
  - {{ id: gone, at: 20s, fault: worker.kill, select: [w-0], until: {{ at: 85s, remedy: worker.restart }} }}
incidents:
  - {{ cause: redis-down, of: full, wanted: page, within: 10s }}
"
    );
    let mut room = Rehearsed::begin_in(written(&scenario, RULES), &[]);
    room.hears("fault: redis.full");
    room.says("remedy redis.raise-maxmemory");
    room.hears("mended: ");
    room.hears("fault: worker.kill");
    room.says("remedy worker.restart");
    room.hears("mended: w-0");
    let (code, text, run, _dir) = room.ends();
    assert_eq!(code, Some(3), "{text}");
    let record = record(&run);
    for step in ["full", "gone"] {
        assert!(record.mended_ms(step).is_some(), "{step}: {text}");
    }
}
