//! `firedrill runbook check`: on a stand of its own, on a Redis that was named, with containers; and not one write.

use crate::filled::{everything, filled};
use crate::support::{firedrill, forget_calls, need, only_looked, project, said, skip};
use regex::Regex;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// What is said of a runbook: the exit code, and all of it as JSON.
fn checked(text: &str, words: &[&str]) -> (Option<i32>, Value) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("r.md"), text).unwrap();
    let (code, out, told) = said(
        dir.path(),
        &[&["runbook", "check", "r.md", "--json"], words].concat(),
    );
    let value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{told}"));
    (code, value)
}

/// The verdicts with what was judged, in the order of the file.
fn verdicts(all: &Value) -> Vec<(&str, &str)> {
    let lines = all["lines"].as_array().unwrap().iter();
    lines
        .map(|line| {
            (
                line["verdict"].as_str().unwrap(),
                line["text"].as_str().unwrap(),
            )
        })
        .collect()
}

/// Holds that lines have these verdicts, and that what is said of each has this in it.
fn holds(all: &Value, expected: &[(&str, &str)]) {
    let lines = all["lines"].as_array().unwrap();
    assert_eq!(lines.len(), expected.len(), "{all:#}");
    for (line, (verdict, says)) in lines.iter().zip(expected) {
        let notes = line["notes"].as_array().unwrap().iter();
        let notes: Vec<&str> = notes.map(|note| note.as_str().unwrap()).collect();
        let said = format!("{} {}", line["what"].as_str().unwrap(), notes.join(" "));
        assert_eq!(line["verdict"].as_str(), Some(*verdict), "{line:#}");
        assert!(said.contains(says), "{says}: {line:#}");
    }
}

/// A block of commands.
fn block(lines: &[&str]) -> String {
    format!("```bash\n{}\n```\n", lines.join("\n"))
}

#[test]
fn a_runbook_is_judged_line_by_line() {
    need!("redis-server");
    need!("redis-cli");
    need!("curl");
    let dir = tempfile::tempdir().unwrap();
    let text = "# Queue backlog\n\
                Alerts: `JobQueueBacklog`, `JobQueueBackLogs`; see `job_procesed_total` with `asynq queue ls`.\n\
                ```bash\n\
                redis-cli LLEN asynq:{default}:pending\n\
                redis-cli LLEN asynq:{default}:scheduled\n\
                redis-cli LLEN asynq:default:pending\n\
                redis-cli INFO memory | grep used_memory_humn\n\
                redis-cli FLUSHALL\n\
                redis-cli LLENGTH asynq:{default}:pending\n\
                redis-cli KEYS 'asynq:*'\n\
                curl -s http://localhost:8080/metrics | grep job_processed_total\n\
                curl -s http://localhost:8080/metrics | grep job_procesed_total\n\
                curl -s http://prometheus.example:9090/metrics\n\
                curl -X POST http://localhost:8080/reset\n\
                asynq task ls --queue=default --state=retry | head -2\n\
                asynq task inspect <task_id>\n\
                asynq task inspect --queue=default --id=<task_id>\n\
                asynq task archive --queue=default --state=failed\n\
                asynq queue pause default\n\
                asynq orphan ls\n\
                kill $(pidof worker)\n\
                redis-cli PING > answer.txt\n\
                systemctl restart worker\n\
                asynq stats | xargs rm\n\
                ```\n";
    fs::write(dir.path().join("r.md"), text).unwrap();
    let rules = project("scenarios/rules/runbook.yml");
    let rules = rules.to_str().unwrap();
    let (code, out, told) = said(dir.path(), &["runbook", "check", "r.md", "--rules", rules]);
    assert_eq!(code, Some(1), "{out}{told}");
    let port = Regex::new(r"127\.0\.0\.1:\d+").unwrap();
    let id = Regex::new(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").unwrap();
    let out = port.replace_all(&out, "127.0.0.1:PORT");
    insta::assert_snapshot!(id.replace_all(&out, "ID"));
    assert!(!dir.path().join("answer.txt").exists());
}

#[test]
fn every_line_of_the_books_runbook_is_right() {
    need!("redis-server");
    need!("redis-cli");
    need!("curl");
    need!("docker");
    need!("kubectl");
    let text = fs::read_to_string(project("docs/runbook.md")).unwrap();
    let rules = project("scenarios/rules/runbook.yml");
    let (code, all) = checked(&text, &["--rules", rules.to_str().unwrap()]);
    assert_eq!(code, Some(3), "{all:#}");
    for (verdict, line) in verdicts(&all) {
        // What looks at containers and pods is another test's; here the programs have read it.
        let elsewhere = line.starts_with("docker ") || line.starts_with("kubectl ");
        let right = matches!(verdict, "works" | "changes-something");
        assert!(
            right || verdict == "not-tried" && elsewhere,
            "{verdict}: {line}\n{all:#}"
        );
    }
    let tried = all["lines"].as_array().unwrap();
    for line in tried.iter().filter(|line| line["verdict"] == "not-tried") {
        let what = line["what"].as_str().unwrap();
        assert!(
            what.starts_with("its words and options are right"),
            "{line:#}"
        );
    }
    assert!(all["works"].as_u64().unwrap() >= 25, "{all:#}");
}

#[test]
fn a_redis_that_was_named_is_only_looked_at() {
    need!("redis-server");
    need!("redis-cli");
    let (mut bench, _) = filled();
    let before = everything(&mut bench.redis);
    forget_calls(&mut bench.redis);
    let text = block(&[
        "redis-cli -h prod -p 6379 LLEN asynq:{default}:pending",
        "redis-cli LLEN asynq:{emails}:pending",
        "redis-cli GET no-such-key",
        "redis-cli SET asynq:{default}:pending x",
        "redis-cli DEL asynq:{default}:pending",
        "redis-cli EVAL 'return 1' 0",
        "redis-cli CONFIG SET maxmemory 1",
        "redis-cli CONFIG GET maxmemory",
        "redis-cli SHUTDOWN NOSAVE",
        "redis-cli CLIENT KILL TYPE normal",
        "redis-cli DEBUG SLEEP 1",
        "redis-cli -r 5 PING",
        "redis-cli --pipe",
        "redis-cli --scan --pattern 'asynq:{default}:*' | wc -l",
        "redis-cli LLEN asynq:{default}:pending && redis-cli FLUSHDB",
        "asynq task deleteall --queue=default --state=pending",
        "asynq task run --queue=default --id=retry-1",
        "asynq task inspect --queue=default --id=retry-1 | grep -i error",
        "sudo asynq queue inspect default",
        "asynq queue",
        "redis-cli PING | sort -o /tmp/firedrill-was-here",
        "redis-cli PING | sed 's/x/y/w /tmp/firedrill-was-here'",
    ]);
    let url = bench.server.url();
    let (code, all) = checked(&text, &["--redis", &url]);
    assert_eq!(code, Some(1), "{all:#}");
    let judged: Vec<&str> = verdicts(&all).iter().map(|(verdict, _)| *verdict).collect();
    let expected = [
        "works",
        "misleads",
        "misleads",
        "changes-something",
        "changes-something",
        "changes-something",
        "changes-something",
        "works",
        "changes-something",
        "changes-something",
        "changes-something",
        "not-tried",
        "not-tried",
        "works",
        "changes-something",
        "changes-something",
        "changes-something",
        "works",
        "works",
        "misleads",
        "not-tried",
        "not-tried",
    ];
    assert_eq!(judged, expected, "{all:#}");
    only_looked(&mut bench.redis);
    assert_eq!(everything(&mut bench.redis), before);
    assert!(!Path::new("/tmp/firedrill-was-here").exists());
}

#[test]
fn a_line_that_means_another_redis_is_not_answered_for_it() {
    need!("redis-server");
    need!("redis-cli");
    let (bench, _) = filled();
    let url = bench.server.url();
    let socket = url.strip_prefix("unix://").unwrap();
    let there = format!("redis-cli -s {socket} -n 0 DBSIZE");
    let text = block(&[
        "redis-cli -h other -p 7000 --tls DBSIZE",
        &there,
        "redis-cli -n 7 DBSIZE",
        "redis-cli -u redis://other:7000/7 LLEN asynq:{default}:pending",
        "redis-cli -n 7 PING",
        "redis-cli -n 99 DBSIZE",
        "redis-cli -a wrong DBSIZE",
        "redis-cli -a wrong ZCARD asynq:{default}:pending",
    ]);
    let (_, all) = checked(&text, &["--redis", &url]);
    holds(
        &all,
        &[
            ("works", "instead of other:7000 with TLS"),
            ("works", ""),
            ("misleads", "database 7 is empty"),
            ("misleads", "instead of other:7000"),
            ("works", "PONG"),
            ("fails", "SELECT 99"),
            ("not-tried", "password"),
            ("fails", "WRONGTYPE"),
        ],
    );
    assert!(!all["lines"][1].to_string().contains("instead"), "{all:#}");
    // Which database the reader's queues are in, nobody knows.
    let (_, all) = checked(&text, &[]);
    holds(
        &all,
        &[
            ("works", "instead of other:7000 with TLS"),
            ("works", "instead of /"),
            ("works", "database 0 instead of database 7"),
            ("works", "database 0 instead of other:7000, database 7"),
            ("works", "PONG"),
            ("works", "database 0 instead of database 99"),
            ("not-tried", "password"),
            ("fails", "WRONGTYPE"),
        ],
    );
}

#[test]
fn pages_are_those_that_an_address_is_usually_of() {
    need!("redis-server");
    need!("curl");
    let text = block(&[
        "curl -s http://localhost:9121/metrics | grep redis_up",
        "curl -s http://localhost:9876/metrics | grep asynq_queue_size",
        "curl -s http://localhost:9090/metrics",
        "curl -s http://localhost:8080/healthz",
        "curl -s http://localhost:8080/metrics | grep -c job_nope",
        "curl -s http://localhost:8080/metrics | grep -c job_processed_total",
        "curl -s http://localhost:8080/metrics | grep 'job_processed_total{status=\"sucess\"'",
        "curl -s http://localhost:8080/metrics | grep ^job_processed_total | awk '{print $2}'",
    ]);
    let mentions = "`job_processed_total{status=\"sucess\"}`\n\
                    `job_processed_total{status=\"success\"}`\n\
                    `job_processed_total{task_type=\"mine\"}`\n";
    let (_, all) = checked(&format!("{text}{mentions}"), &[]);
    holds(
        &all,
        &[
            ("works", "redis_up"),
            ("works", "asynq_queue_size"),
            ("not-tried", "Prometheus"),
            ("not-tried", "no page /healthz"),
            ("misleads", "nothing on the page"),
            ("works", ""),
            ("misleads", "there is job_processed_total{"),
            ("works", ""),
            (
                "misleads",
                "values of status there: \"failed\", \"success\"",
            ),
            ("works", "exposed"),
            ("not-tried", "the stand's own"),
        ],
    );
    // Where only a Redis was named, no page is.
    let (bench, _) = filled();
    let text = block(&["curl -s http://localhost:8080/metrics | grep job_"]);
    let (_, all) = checked(&text, &["--redis", &bench.server.url()]);
    holds(&all, &[("not-tried", "--metrics localhost:8080=URL")]);
}

#[test]
fn what_is_wrong_whatever_there_is_takes_no_engine() {
    need!("redis-server");
    need!("redis-cli");
    need!("docker");
    need!("kubectl");
    let text = block(&[
        "docker logs worker | grep error",
        "docker logs worker 2>&1 | grep error",
        "docker logs -f worker",
        "kubectl log worker",
        "kubectl get pods -w",
        "tail -f /var/log/worker.log",
        "redis-cli OBJECT ENCODING asynq:{default}:pending",
        "redis-cli OBJECT FREQ asynq:{default}:pending",
        "redis-cli PING | awk '{system($1)}'",
    ]);
    let (_, all) = checked(&text, &[]);
    holds(
        &all,
        &[
            ("misleads", "2>&1"),
            ("not-tried", "right"),
            ("not-tried", "goes on"),
            ("not-tried", "did you mean logs?"),
            ("not-tried", "goes on"),
            ("not-tried", "does not end"),
            ("works", "list"),
            ("not-tried", "LFU"),
            ("not-tried", "columns"),
        ],
    );
}

#[test]
fn words_that_a_program_does_not_take_are_told() {
    need!("redis-server");
    need!("docker");
    need!("kubectl");
    let text = block(&[
        "docker restart --bogus worker",
        "docker restart worker",
        "docker logs --tail",
        "docker exec redis",
        "docker run --rm image",
        "docker -H tcp://prod:2375 ps",
        "kubectl scale deployment/worker --replica=3",
        "kubectl scale deployment/worker --replicas=3",
        "kubectl rollout restart deployment/worker -n prod",
        "kubectl apply -f worker.yaml",
        "kubectl get pods --context prod",
        "kubectl exec worker -- redis-cli PING",
    ]);
    let (_, all) = checked(&text, &[]);
    let judged: Vec<&str> = verdicts(&all).iter().map(|(verdict, _)| *verdict).collect();
    let expected = [
        "fails",
        "changes-something",
        "fails",
        "fails",
        "not-tried",
        "not-tried",
        "fails",
        "changes-something",
        "changes-something",
        "not-tried",
        "not-tried",
        "works",
    ];
    assert_eq!(judged, expected, "{all:#}");
}

#[test]
fn what_cannot_be_checked_is_said() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("prose.md"), "# Nothing to type\n").unwrap();
    fs::write(dir.path().join("r.md"), "`asynq queue ls`\n").unwrap();
    for (words, code, says) in [
        (&["prose.md"][..], 2, "there is no command in it"),
        (&["none.md"], 2, "none.md"),
        (
            &["r.md", "--redis", "auto"],
            2,
            "name the Redis to try commands on",
        ),
        (
            &["r.md", "--redis", "redis://127.0.0.1:1"],
            7,
            "127.0.0.1:1",
        ),
        (
            &["r.md", "--metrics", "http://127.0.0.1:1"],
            7,
            "127.0.0.1:1 cannot be reached",
        ),
    ] {
        let (ended, out, told) = said(dir.path(), &[&["runbook", "check"], words].concat());
        assert_eq!((ended, out.as_str()), (Some(code), ""), "{words:?}: {told}");
        assert!(told.contains(says), "{words:?}: {told}");
    }
}

/// Containers named by this test; they end with it.
struct Containers(Vec<&'static str>);

impl Containers {
    /// Starts one with the words after `docker run -d --name NAME`.
    fn start(&mut self, name: &'static str, words: &[&str]) {
        let words = [&["run", "-d", "--network", "none", "--name", name], words].concat();
        let status = Command::new("docker")
            .args(words)
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success(), "{name}");
        self.0.push(name);
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        let remove = Command::new("docker")
            .args(["rm", "-f"])
            .args(&self.0)
            .output();
        // The engine may be gone already.
        drop(remove);
    }
}

/// An image with redis-server, redis-cli and what they need, made without a registry.
fn image(tag: &str) -> bool {
    let script = "set -e; root=$(mktemp -d); for program in redis-server redis-cli; do \
        program=$(command -v $program); \
        for file in $(ldd $program | grep -oE '/[^ )]+' | sort -u); do \
        install -D -m 755 $(readlink -f $file) $root$file; done; \
        install -D -m 755 $(readlink -f $program) $root/usr/bin/$(basename $program); done; \
        tar -C $root -c . | docker import -c 'ENV PATH=/usr/bin' - \"$1\"; rm -r $root";
    let made = Command::new("bash")
        .args(["-c", script, "image", tag])
        .output();
    made.is_ok_and(|output| output.status.success())
}

#[test]
fn containers_are_looked_at_where_there_is_an_engine() {
    need!("redis-server");
    need!("redis-cli");
    need!("docker");
    const IMAGE: &str = "firedrill/runbook:local";
    if !image(IMAGE) {
        return skip("a Docker engine");
    }
    let mut containers = Containers(Vec::new());
    containers.start("redis", &[IMAGE, "redis-server"]);
    containers.start("worker", &[IMAGE, "redis-server", "--port", "6380"]);
    containers.start(
        "firedrill-crashed",
        &[IMAGE, "redis-cli", "-p", "1", "PING"],
    );
    let docs = fs::read_to_string(project("docs/runbook.md")).unwrap();
    let (_, all) = checked(&docs, &["--docker"]);
    for (verdict, line) in verdicts(&all)
        .iter()
        .filter(|(_, line)| line.starts_with("docker "))
    {
        assert!(
            matches!(*verdict, "works" | "changes-something"),
            "{verdict}: {line}\n{all:#}"
        );
    }
    let text = block(&[
        "docker ps | grep firedrill-crashed",
        "docker ps --filter name=firedrill-nobody",
        "docker logs firedrill-crashed | grep -i refused",
        "docker logs firedrill-crashed 2>&1 | grep -i refused",
        "docker logs -f firedrill-nobody",
        "docker exec redis redis-cli SET x 1",
        "docker exec redis redis-cli ZCARD 'asynq:{default}:pending'",
        "docker exec redis sh -c 'rm -rf /'",
        "docker exec firedrill-nobody redis-cli PING",
        "docker stats",
        "docker restart worker",
    ]);
    let (_, all) = checked(&text, &["--docker"]);
    let judged: Vec<&str> = verdicts(&all).iter().map(|(verdict, _)| *verdict).collect();
    let expected = [
        "misleads",
        "misleads",
        "misleads",
        "works",
        "fails",
        "changes-something",
        "misleads",
        "not-tried",
        "fails",
        "misleads",
        "changes-something",
    ];
    assert_eq!(judged, expected, "{all:#}");
    let started = Command::new("docker")
        .args([
            "inspect",
            "-f",
            "{{.RestartCount}} {{.State.Running}}",
            "worker",
        ])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&started.stdout).trim(), "0 true");
}

#[test]
fn the_old_command_is_gone() {
    let output = firedrill()
        .args(["asynq", "runbook", "r.md"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(told.contains("firedrill runbook check"), "{told}");
}
