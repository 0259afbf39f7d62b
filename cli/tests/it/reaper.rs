//! SIGKILL of firedrill, at every step of every fault: nothing stays, whoever is left to see to it.

use crate::faults::{first_scenario, listed};
use crate::nodes::Node;
use crate::support::{
    children, firedrill, is_running, kill_with_its_reaper, need, plan_of, reaper_of, wait_until,
};
use firedrill_sim::owner::Owner;
use redis::Commands;
use rustix::process::{Pid, Signal, getsid, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use tempfile::TempDir;

/// A fault that begins after 20 s and is on until `until`, in a drill that goes on for longer than all others here need to
/// begin, however slow the machine.
fn text(fault: &Value, until: &str) -> String {
    let lines = first_scenario(fault);
    let lines = lines
        .lines()
        .map(|line| match line.starts_with("duration: ") {
            true => "duration: 1h\n".to_owned(),
            false => format!("{line}\n"),
        });
    let scenario: String = lines.collect();
    scenario
        .replace("at: 60s", "at: 20s")
        .replace("warmup: 30s", "warmup: 10s")
        .replace("at: 2m", &format!("at: {until}"))
}

fn name(fault: &Value) -> &str {
    fault["name"].as_str().unwrap()
}

/// Whether a drill with this fault can be had on a Redis that was given.
fn is_for_given(fault: &Value) -> bool {
    !plan_of(&first_scenario(fault)).needs_own_redis()
}

/// A firedrill that runs drills in a directory of its own.
#[derive(Debug)]
struct Killed {
    firedrill: Child,
    dir: TempDir,
    family: Vec<u32>,
}

impl Killed {
    fn start(scenarios: &[String], more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let names = (0..scenarios.len()).map(|number| format!("{number}.yaml"));
        let names: Vec<String> = names.collect();
        for (name, text) in names.iter().zip(scenarios) {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let mut command = firedrill();
        command
            .current_dir(dir.path())
            .env("TMPDIR", dir.path())
            .env("XDG_STATE_HOME", dir.path())
            .arg("run")
            .args(more)
            .args(names);
        let quiet = command.stdout(Stdio::null());
        Self {
            firedrill: quiet.spawn().unwrap(),
            family: Vec::new(),
            dir,
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Directories of drills.
    fn homes(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path()).unwrap();
        entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let name = path.file_name().unwrap().to_str().unwrap();
                name.starts_with("firedrill-")
            })
            .collect()
    }

    /// Notes of what is in Redis servers that were given.
    fn notes(&self) -> usize {
        fs::read_dir(self.path().join("firedrill")).map_or(0, Iterator::count)
    }

    /// How many lines its only journal has.
    fn lines(&self) -> usize {
        let homes = self.homes();
        let home = homes.first().map(|home| home.join("undo.jsonl"));
        let text = home.and_then(|journal| fs::read_to_string(journal).ok());
        text.map_or(0, |text| text.lines().count())
    }

    /// Whether a fault was seen to begin in each of its drills.
    fn all_begun(&self, drills: usize) -> bool {
        let all = fs::read_dir(self.path().join("runs")).into_iter().flatten();
        let runs = all
            .flatten()
            .flat_map(|drill| fs::read_dir(drill.path()).into_iter().flatten());
        let begun = runs.flatten().filter(|run| {
            let record = fs::read_to_string(run.path().join("record.jsonl"));
            !run.path().is_symlink() && record.is_ok_and(|text| text.contains("\"kind\":\"mark\""))
        });
        begun.count() == drills
    }

    fn wait_for(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        wait_until(what, || {
            assert!(
                self.firedrill.try_wait().unwrap().is_none(),
                "{what}: it has ended"
            );
            holds(self)
        });
    }

    /// SIGKILL of firedrill alone.
    fn kill(&mut self) {
        self.family = descendants(self.firedrill.id());
        self.firedrill.kill().unwrap();
        self.firedrill.wait().unwrap();
    }

    /// SIGKILL of firedrill, and of whoever would clean up after it.
    fn kill_both(&mut self) {
        self.family = descendants(self.firedrill.id());
        kill_with_its_reaper(&mut self.firedrill);
    }

    /// Nothing is there any more, in a while.
    fn assert_gone(&self, what: &str) {
        wait_until(&format!("{what}: no process"), || {
            !self.family.iter().any(|pid| is_running(*pid))
        });
        // The reaper is gone, so nobody is at work any more.
        assert_eq!(self.homes(), Vec::<PathBuf>::new(), "{what}");
        assert_eq!(self.notes(), 0, "{what}");
        let all = fs::read_dir(self.path().join("runs")).into_iter().flatten();
        let runs = all
            .flatten()
            .flat_map(|drill| fs::read_dir(drill.path()).into_iter().flatten());
        for run in runs.flatten() {
            assert!(!run.path().join("targets.json").exists(), "{what}");
        }
    }

    fn clean(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut command = firedrill();
        let output = command
            .arg("clean")
            .args(args)
            .env("TMPDIR", self.path())
            .env("XDG_STATE_HOME", self.path())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    /// There is nothing for `firedrill clean` to do.
    fn assert_clean(&self) {
        let (code, said) = self.clean(&[]);
        assert_eq!((code, said.trim()), (Some(0), "nothing was left behind"));
    }
}

/// The processes that descend from one.
fn descendants(of: u32) -> Vec<u32> {
    let mut found = children(of);
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(children(parent));
        next += 1;
    }
    found
}

/// How many keys are in each database of a server, and how it is set.
fn state(node: &Node) -> (Vec<String>, BTreeMap<String, String>) {
    let at = &mut node.connection();
    let keys = redis::cmd("INFO").arg("keyspace").query(at);
    let keys: String = keys.unwrap();
    let databases = keys.lines().filter(|line| line.starts_with("db"));
    let settings = redis::cmd("CONFIG").arg("GET").arg("*").query(at);
    (databases.map(str::to_owned).collect(), settings.unwrap())
}

#[test]
fn whoever_kills_firedrill_in_the_middle_of_any_fault_leaves_nothing_behind() {
    need!("redis-server");
    let faults = listed();
    // So many at once that a small machine sees all of them begin.
    for some in faults.chunks(16) {
        let texts: Vec<String> = some.iter().map(|fault| text(fault, "50m")).collect();
        let jobs = texts.len().to_string();
        let mut killed = Killed::start(&texts, &["--speed", "10", "--jobs", &jobs]);
        killed.wait_for("all faults begun", |killed| killed.all_begun(texts.len()));
        killed.kill();
        // A Redis and two workers for each, or what the fault has left of them, and a reaper.
        assert!(killed.family.len() >= 2 * some.len(), "{killed:?}");
        let names: Vec<&str> = some.iter().map(name).collect();
        killed.assert_gone(&names.join(", "));
        killed.assert_clean();
    }
}

#[test]
fn a_redis_that_was_given_is_as_before_when_firedrill_was_killed_in_the_middle_of_any_fault() {
    need!("redis-server");
    // A database for each, and a password that only firedrill knows.
    let node = Node::start(&["--user", "ann", "on", ">hunter2", "~*", "&*", "+@all"]);
    let before = state(&node);
    let faults: Vec<Value> = listed().into_iter().filter(is_for_given).collect();
    assert!(faults.len() >= 8);
    for some in faults.chunks(16) {
        let mut all: Vec<(&str, Killed)> = some
            .iter()
            .enumerate()
            .map(|(db, fault)| {
                let url = format!("redis://ann:hunter2@127.0.0.1:{}/{db}", node.port);
                let args = ["--speed", "10", "--redis", &url];
                (name(fault), Killed::start(&[text(fault, "50m")], &args))
            })
            .collect();
        for (name, killed) in &mut all {
            killed.wait_for(&format!("{name} begun"), |killed| killed.all_begun(1));
        }
        for (_, killed) in &mut all {
            killed.kill();
        }
        for (name, killed) in &all {
            killed.assert_gone(name);
            killed.assert_clean();
        }
    }
    assert_eq!(state(&node), before);
}

#[test]
fn whenever_it_is_killed_what_stays_until_it_is_undone_is_undone() {
    need!("redis-server");
    let node = Node::start(&[]);
    let before = state(&node);
    let stored: Vec<Value> = listed()
        .into_iter()
        .filter(|fault| fault["class"] == "stored")
        .collect();
    // As many at once as the Redis has databases for.
    for some in stored.chunks(3) {
        let mut all: Vec<(String, usize, Killed)> = Vec::new();
        for fault in some {
            let given = is_for_given(fault);
            // A line for each worker, for a Redis of its own and for the targets; one for the fault, one when it is over. And
            // before any of them.
            let first = if given { 3 } else { 4 };
            for lines in [0, 1, first, first + 1, first + 2] {
                let url = format!("{}/{}", node.url(), all.len());
                let mut args = vec!["--speed", "20"];
                if given {
                    args.extend(["--redis", &url]);
                }
                let what = format!("{} after {lines} lines", name(fault));
                all.push((what, lines, Killed::start(&[text(fault, "50s")], &args)));
            }
        }
        let mut open: Vec<usize> = (0..all.len()).collect();
        wait_until("all killed", || {
            open.retain(|index| {
                let (_, lines, killed) = &mut all[*index];
                // With none, it dies when it has just begun to do something.
                let due = match *lines {
                    0 => reaper_of(killed.firedrill.id()).is_some(),
                    lines => killed.lines() >= lines,
                };
                if due {
                    killed.kill();
                }
                !due
            });
            open.is_empty()
        });
        for (what, _, killed) in &all {
            killed.assert_gone(what);
            killed.assert_clean();
        }
        assert_eq!(state(&node), before, "{some:#?}");
    }
}

fn fault(name: &str) -> Value {
    let mut all = listed().into_iter();
    all.find(|fault| fault["name"] == name).unwrap()
}

#[test]
fn when_its_reaper_is_killed_too_clean_does_it_alone() {
    need!("redis-server");
    let node = Node::start(&[]);
    let before = state(&node);
    for (name, given) in [
        ("queue.pause", true),
        ("worker.stop", true),
        ("redis.stop", false),
        ("redis.full", false),
    ] {
        let url = node.url();
        let redis = if given { &url } else { "auto" };
        let mut killed = Killed::start(
            &[text(&fault(name), "50m")],
            &["--speed", "20", "--redis", redis],
        );
        killed.wait_for("fault begun", |killed| killed.all_begun(1));
        killed.kill_both();
        assert_eq!(
            (killed.homes().len(), killed.notes()),
            (1, usize::from(given)),
            "{name}"
        );
        if name == "queue.pause" {
            // Somebody else uses the queue by now. What we did to it is still ours to undo.
            let mut at = node.connection();
            let _: () = at.rpush("asynq:{default}:pending", "theirs").unwrap();
        }
        let (code, said) = killed.clean(&[]);
        assert_eq!(code, Some(0), "{name}: {said}");
        if name == "queue.pause" {
            assert!(said.contains("did: unpause queue default"), "{said}");
            let mut at = node.connection();
            let theirs: Vec<String> = at.lrange("asynq:{default}:pending", 0, -1).unwrap();
            let paused: bool = at.exists("asynq:{default}:paused").unwrap();
            assert_eq!((theirs, paused), (vec!["theirs".to_owned()], false));
            redis::cmd("FLUSHDB").exec(&mut at).unwrap();
        }
        killed.assert_gone(name);
        killed.assert_clean();
    }
    assert_eq!(state(&node), before);
}

#[test]
fn a_journal_of_a_redis_that_does_not_answer_is_kept() {
    need!("redis-server");
    let node = Node::start(&[]);
    let pause = text(&fault("queue.pause"), "50m");
    let mut killed = Killed::start(&[pause], &["--speed", "20", "--redis", &node.url()]);
    killed.wait_for("fault begun", |killed| killed.all_begun(1));
    killed.kill_both();
    let lines = killed.lines();
    let server: u32 = node.info("process_id").parse().unwrap();
    let send = |signal| {
        let pid = Pid::from_raw(i32::try_from(server).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    };
    send(Signal::STOP);
    let (code, said) = killed.clean(&[]);
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("cannot unpause queue default"), "{said}");
    assert_eq!((killed.homes().len(), killed.notes()), (1, 1));
    // What could be undone was.
    assert_eq!(killed.lines(), lines + 3);
    send(Signal::CONT);
    let (code, said) = killed.clean(&[]);
    assert_eq!(code, Some(0), "{said}");
    killed.assert_gone("frozen");
    killed.assert_clean();
    assert_eq!(node.info("db0"), "");
}

#[test]
fn a_journal_that_was_tampered_with_is_not_gone_by() {
    need!("redis-server");
    let mut killed = Killed::start(&[text(&fault("worker.stop"), "50m")], &["--speed", "20"]);
    killed.wait_for("fault begun", |killed| killed.all_begun(1));
    killed.kill_both();
    let journal = killed.homes()[0].join("undo.jsonl");
    let before = fs::read_to_string(&journal).unwrap();
    let this = Owner::this().unwrap();
    let hostile = format!(
        "{before}rubbish\n{{\"owed\":{{\"id\":99,\"undo\":{{\"end\":{{\"process\":\"{this}\"}}}}}}}}\n"
    );
    fs::write(&journal, &hostile).unwrap();
    let (code, said) = killed.clean(&[]);
    assert_eq!(code, Some(6), "{said}");
    let line = before.lines().count() + 1;
    assert!(
        said.contains(&format!("undo.jsonl:{line}: not a line of an undo journal")),
        "{said}"
    );
    assert_eq!(fs::read_to_string(&journal).unwrap(), hostile);
    // One that ends in the middle of a line was being written when it ended.
    fs::write(&journal, format!("{before}{{\"owed\":{{\"id\":9")).unwrap();
    let (code, said) = killed.clean(&[]);
    assert_eq!(code, Some(0), "{said}");
    killed.assert_gone("tampered with");
}

#[test]
fn nothing_but_its_work_ends_a_reaper_and_it_holds_nobody_up() {
    need!("redis-server");
    let mut killed = Killed::start(&[text(&fault("queue.pause"), "50m")], &["--speed", "20"]);
    killed.wait_for("fault begun", |killed| killed.all_begun(1));
    let reaper = reaper_of(killed.firedrill.id()).unwrap();
    let pid = Pid::from_raw(i32::try_from(reaper).unwrap()).unwrap();
    assert_eq!(getsid(Some(pid)).unwrap(), pid);
    let held = |number: u32| fs::read_link(format!("/proc/{reaper}/fd/{number}")).unwrap();
    assert_eq!(held(2), Path::new("/dev/null"));
    assert!(held(1).to_str().unwrap().starts_with("pipe:"));
    assert_eq!(
        fs::read_link(format!("/proc/{reaper}/cwd")).unwrap(),
        Path::new("/")
    );
    let line = fs::read_to_string(format!("/proc/{reaper}/cmdline")).unwrap();
    assert!(!line.contains("redis:"), "{line}");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        kill_process(pid, signal).unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(is_running(reaper));
    killed.kill();
    killed.assert_gone("deaf");
    killed.assert_clean();
}

/// A container's only trace may be the journal. Docker itself is not needed to see what it is asked.
#[test]
fn a_container_that_was_written_down_is_removed_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    // Its process has ended: no process has this number.
    let gone = Owner::this().unwrap().to_string();
    let (_, rest) = gone.split_once('.').unwrap();
    let home = dir.path().join(format!("firedrill-4999999.{rest}-AbCdEf"));
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    let name = format!("firedrill-{:032x}", 7);
    let line =
        format!("{{\"owed\":{{\"id\":1,\"undo\":{{\"container\":{{\"name\":\"{name}\"}}}}}}}}\n");
    fs::write(home.join("undo.jsonl"), line).unwrap();
    fs::set_permissions(home.join("undo.jsonl"), fs::Permissions::from_mode(0o600)).unwrap();
    let docker = dir.path().join("docker");
    let asked = dir.path().join("asked");
    let clean = |script: &str| {
        fs::write(
            &docker,
            format!(
                "#!/bin/sh\necho \"$@\" >> '{}'\n{script}\n",
                asked.display()
            ),
        )
        .unwrap();
        fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = firedrill();
        command
            .arg("clean")
            .env("PATH", dir.path())
            .env("TMPDIR", dir.path())
            .env("XDG_STATE_HOME", dir.path());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = clean("echo 'the daemon is away' >&2; exit 1");
    assert_eq!((code, home.exists()), (Some(6), true), "{said}");
    assert!(said.contains("the daemon is away"), "{said}");
    let (code, said) = clean("exit 0");
    assert_eq!((code, home.exists()), (Some(0), false), "{said}");
    let line = format!("rm --force --volumes {name}\n");
    assert_eq!(fs::read_to_string(&asked).unwrap(), line.repeat(2));
}
