//! A Redis that does not answer holds up nobody: neither the plan, nor people, nor the end.

use super::{RULES, Rehearsed, command_line, record, signal, written};
use crate::support::{children, need};
use firedrill_reports::Record;
use firedrill_reports::record::{Action, Deed, Mark, Phase};
use rustix::process::Signal;

/// A drill of eighty seconds with one step, which is behind an incident of this cause.
fn scenario(fault: &str, cause: &str) -> String {
    format!(
        "\
version: firedrill/v1
name: quiet-monday
family: {cause}
summary: Redis keeps silent.
seed: 7
duration: 80s
warmup: 4s
queues: {{ default: {{ wait_objective: 60s }} }}
workload:
  - {{ task: mail, queue: default, arrivals: {{ constant: 5/s, until: 70s }}, service: {{ constant: 20ms }} }}
workers:
  - {{ name: w, processes: 2, concurrency: 4 }}
scrape: {{ interval: 1s, timeout: 1s }}
evaluation: {{ interval: 1s }}
timeline:
  - {{ id: silent, at: 14s, {fault}, until: {{ at: 30s }} }}
incidents:
  - {{ cause: {cause}, of: silent, wanted: page, within: 30s }}
"
    )
}

const STOPPED: &str = "fault: redis.stop";

/// The drill's Redis.
fn redis(room: &Rehearsed) -> u32 {
    let servers = children(room.child.id()).into_iter();
    let mut servers = servers.filter(|pid| command_line(*pid).contains("redis-server"));
    servers.next().unwrap()
}

fn end(record: &Record) -> Option<&Mark> {
    record.marks().find(|mark| mark.phase == Some(Phase::End))
}

fn noted<'r>(record: &'r Record, text: &str) -> &'r Action {
    let mut actions = record.actions();
    let noted = actions.find(|action| action.what == Deed::Noted && action.text == text);
    noted.unwrap()
}

#[test]
fn what_the_plan_has_stopped_the_plan_lets_go_on() {
    need!("redis-server");
    let room = Rehearsed::begin_in(
        written(&scenario(STOPPED, "redis-down"), RULES),
        &["--speed", "4"],
    );
    let (code, text, run, _dir) = room.ends();
    assert!(matches!(code, Some(1 | 3)), "{text}");
    let record = record(&run);
    let end = end(&record).unwrap_or_else(|| panic!("{text}"));
    assert!(end.verified, "{end:?}");
    assert!(
        text.contains("by the plan; nobody was seen to mend it"),
        "{text}"
    );
}

#[test]
fn what_people_let_go_on_is_over_when_they_do_it() {
    need!("redis-server");
    let room = written(&scenario(STOPPED, "redis-down"), RULES);
    let mut room = Rehearsed::begin_in(room, &["--speed", "2"]);
    room.hears(STOPPED);
    room.says("note it is in state T");
    room.hears("it is in state T");
    signal(redis(&room), Signal::CONT);
    room.hears("mended: redis: SIGCONT; process");
    room.says("note it answers");
    room.hears("it answers");
    let (code, text, run, _dir) = room.ends();
    assert!(matches!(code, Some(1 | 3)), "{text}");
    let record = record(&run);
    let mended_ms = record.mended_ms("silent").unwrap();
    let [before, after] = ["it is in state T", "it answers"].map(|text| noted(&record, text).at_ms);
    assert!(before <= mended_ms && mended_ms <= after, "{text}");
    assert_eq!(end(&record), None, "{text}");
    assert!(text.contains("by people"), "{text}");
}

#[test]
fn a_remedy_that_is_named_and_the_end_come_though_people_have_stopped_redis() {
    need!("redis-server");
    let fault = "fault: worker.stop, select: all";
    let room = written(&scenario(fault, "worker-crashed"), RULES);
    let mut room = Rehearsed::begin_in(room, &["--speed", "4"]);
    room.hears("fault: worker.stop");
    signal(redis(&room), Signal::STOP);
    room.says("remedy worker.restart");
    room.hears("mended: w-0, w-1");
    let (code, text, run, _dir) = room.ends();
    assert_eq!(code, Some(3), "{text}");
    let record = record(&run);
    assert!(record.complete, "{text}");
    assert!(record.mended_ms("silent").is_some(), "{text}");
}
