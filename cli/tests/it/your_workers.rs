//! What is asked of `--worker-cmd` is held against the scenarios before anything starts. The workers themselves take part in
//! `interop::team`.

use crate::support::said;
use std::fs;

const SCENARIO: &str = "\
version: firedrill/v1
name: ours
family: slow-jobs
summary: Handlers fail, and one is slow.
duration: 20m
warmup: 1m
queues: { default: {} }
workload:
  - { task: mail, queue: default, arrivals: { poisson: 1/s }, service: { constant: 20ms } }
workers:
  - { name: w, processes: 2, concurrency: 4 }
timeline:
  - { id: boom, at: 5m, fault: handler.fail, task: mail, share: 50%, until: { at: 6m } }
  - { id: gone, at: 8m, fault: worker.kill, select: all, until: { at: 9m, remedy: worker.restart } }
incidents:
  - { cause: other, of: boom, unusual_cause: true, wanted: ticket, within: 2m }
  - { cause: worker-crashed, of: gone, wanted: page, within: 3m }
";

#[test]
fn what_only_our_workers_can_do_is_refused_with_its_steps_and_what_would_do() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), SCENARIO).unwrap();
    // Nothing of it is looked for: it is refused before.
    let (code, out, told) = said(dir.path(), &["run", "s.yaml", "--worker-cmd", "./nothing"]);
    assert_eq!((code, &*out), (Some(2), ""));
    insta::assert_snapshot!(told, @"
    rules: runbook.yml (built in); judge your own with --rules FILE...
    error: ours: this scenario needs workers of firedrill's, and these are your own:
        s.yaml:13:32: faults: boom (handler.fail): handlers of other workers do not know the plan; instead: worker.stop, worker.cpu-throttle or a link fault slow what they do; worker.kill ends it
    ");
    assert!(!dir.path().join("runs").exists());
}

#[test]
fn a_worker_that_is_not_there_is_told_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let text: Vec<&str> = SCENARIO
        .lines()
        .filter(|line| !line.contains("boom"))
        .collect();
    fs::write(dir.path().join("s.yaml"), text.join("\n")).unwrap();
    for (words, code, why) in [
        (
            ["--worker-cmd", "/nonexistent -v"],
            7,
            "--worker-cmd: /nonexistent: no such file",
        ),
        (
            ["--worker-cmd", "./s.yaml"],
            7,
            "--worker-cmd: ./s.yaml: not a program that may be started",
        ),
        (
            ["--worker-cmd", "no-such-worker"],
            7,
            "--worker-cmd: there is no `no-such-worker` on PATH",
        ),
        (
            ["--worker-docker", "mail-0,"],
            2,
            "write names or ids of containers",
        ),
        (
            ["--worker-docker", ""],
            2,
            "write names or ids of containers",
        ),
    ] {
        let (ended, _, told) = said(dir.path(), &[&["run", "s.yaml"][..], &words].concat());
        assert_eq!(ended, Some(code), "{told}");
        assert!(told.contains(why), "{told}");
    }
    assert!(!dir.path().join("runs").exists());
}

#[test]
fn a_speed_or_a_number_that_other_workers_cannot_keep_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let text: Vec<&str> = SCENARIO
        .lines()
        .filter(|line| !line.contains("boom"))
        .collect();
    fs::write(dir.path().join("s.yaml"), text.join("\n")).unwrap();
    let mut all = String::new();
    for more in [
        &["--speed", "60"][..],
        &["--jobs", "2"],
        &["--engine", "virtual"],
        &["--metrics", "http://127.0.0.1:9100"],
        &["--metrics", "http://{host}:9100"],
        &["--worker-env", "A={nothing}"],
    ] {
        let args = [&["run", "s.yaml", "--worker-cmd", "./nothing"], more].concat();
        let (code, out, told) = said(dir.path(), &args);
        assert_eq!((code, &*out), (Some(2), ""), "{told}");
        all += &told;
    }
    insta::assert_snapshot!(all, @"
    rules: runbook.yml (built in); judge your own with --rules FILE...
    error: --speed 60: your own workers know no clock but the real one; leave --speed away, or make it 1
    rules: runbook.yml (built in); judge your own with --rules FILE...
    error: --jobs 2: your own workers take part in one drill at a time; leave --jobs away
    error: --worker-cmd, --worker-docker and --worker-kube: on the virtual engine there are no processes; leave `--engine virtual` away
    rules: runbook.yml (built in); judge your own with --rules FILE...
    error: --metrics: the scenario has 2 worker processes, and pages are named for 1; give one for each, in their order, or one with {index} in it
    rules: runbook.yml (built in); judge your own with --rules FILE...
    error: --metrics: {host} is not known here; only {index} is
    error: invalid value 'A={nothing}' for '--worker-env <NAME=TEMPLATE>': there is no {nothing}; there are {redis}, {host}, {port} and {index}

    For more information, try '--help'.
    ");
    assert!(!dir.path().join("runs").exists());
}

#[test]
fn pods_are_refused_what_kubernetes_has_no_word_for() {
    let dir = tempfile::tempdir().unwrap();
    let killed: Vec<&str> = SCENARIO
        .lines()
        .filter(|line| !line.contains("boom"))
        .collect();
    let killed = killed.join("\n");
    let frozen = killed.replace("worker.kill", "worker.stop");
    let partly = killed.replace(
        "worker.kill, select: all, until: { at: 9m, remedy: worker.restart }",
        "worker.deploy-broken, select: [w-0], until: { at: 9m, remedy: worker.rollback }",
    );
    let far = killed
        .replace("worker.kill", "link.reset")
        .replace(", until: { at: 9m, remedy: worker.restart }", "");
    let mut all = String::new();
    for (text, kube) in [
        (&frozen, "shop/mail"),
        (&partly, "shop/mail"),
        (&far, "shop/mail"),
        (&killed, "shop/mail"),
        (&killed, "mail"),
    ] {
        fs::write(dir.path().join("s.yaml"), text).unwrap();
        let args = ["run", "s.yaml", "--worker-kube", kube];
        let (code, out, told) = said(dir.path(), &args);
        assert_eq!((code, &*out), (Some(2), ""), "{told}");
        all += &told;
    }
    insta::assert_snapshot!(all, @"
    rules: runbook.yml (built in); judge your own with --rules FILE...
    error: ours: this scenario needs workers that firedrill has started, and these are your own:
        s.yaml:13:32: faults: gone (worker.stop): Kubernetes has no signals for pods; instead: worker.kill or worker.terminate, with worker.restart
    rules: runbook.yml (built in); judge your own with --rules FILE...
    error: ours: this scenario needs workers that firedrill has started, and these are your own:
        s.yaml:13:32: faults: gone (worker.deploy-broken): a deployment has one release for all of its pods; instead: select: all
    rules: runbook.yml (built in); judge your own with --rules FILE...
    error: ours: this scenario needs workers that firedrill has started, and these are your own:
        s.yaml:13:32: faults: gone (link.reset): who runs already does not go over a link of ours; instead: name the proxy that they go through with --toxiproxy, or start the worker by --worker-cmd
    rules: runbook.yml (built in); judge your own with --rules FILE...
    error: --worker-kube: pods that run already work on a Redis of yours; name it with --redis, a database with nothing in it but what they say of themselves
    error: invalid value 'mail' for '--worker-kube <NAMESPACE/DEPLOYMENT>': write NAMESPACE/DEPLOYMENT

    For more information, try '--help'.
    ");
    assert!(!dir.path().join("runs").exists());
}

#[test]
fn containers_are_refused_what_only_workers_that_we_start_can_do() {
    let dir = tempfile::tempdir().unwrap();
    let killed: Vec<&str> = SCENARIO
        .lines()
        .filter(|line| !line.contains("boom"))
        .collect();
    let killed = killed.join("\n");
    let quiet = killed
        .replace("worker.kill", "worker.quiet")
        .replace("until: { at: 9m, remedy: worker.restart }", "until: { at: 9m, remedy: worker.restart } }\n  - { at: 12m, remedy: workers.scale, worker: w, to: 3");
    let mut all = String::new();
    for (text, more) in [
        (&quiet, &[][..]),
        (&killed, &[]),
        (&killed, &["--worker-cmd", "./nothing"]),
    ] {
        fs::write(dir.path().join("s.yaml"), text).unwrap();
        let args = [&["run", "s.yaml", "--worker-docker", "a,b"], more].concat();
        let (code, out, told) = said(dir.path(), &args);
        assert_eq!((code, &*out), (Some(2), ""), "{told}");
        all += &told;
    }
    insta::assert_snapshot!(all, @"
    rules: runbook.yml (built in); judge your own with --rules FILE...
    error: ours: this scenario needs workers that firedrill has started, and these are your own:
        s.yaml:13:32: faults: gone (worker.quiet): it is done by signals to a process of ours; instead: worker.stop freezes a container
        s.yaml:14:24: remedies: workers.scale (workers.scale): containers neither come nor are replaced by ours; instead: worker.terminate, with worker.restart
    rules: runbook.yml (built in); judge your own with --rules FILE...
    error: --worker-docker: containers that run already work on a Redis of yours; name it with --redis, a database with nothing in it but what they say of themselves
    error: the argument '--worker-docker <NAME>' cannot be used with '--worker-cmd <COMMAND>'

    Usage: firedrill run --worker-docker <NAME> <SCENARIO>...

    For more information, try '--help'.
    ");
    assert!(!dir.path().join("runs").exists());
}

#[test]
fn what_a_toxiproxy_cannot_do_to_links_is_refused_before_it_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let step =
        "  - { id: boom, at: 5m, fault: handler.fail, task: mail, share: 50%, until: { at: 6m } }";
    let incident =
        "  - { cause: other, of: boom, unusual_cause: true, wanted: ticket, within: 2m }";
    let told = |fault: &str, more: &[&str]| {
        let step_of = format!("  - {{ id: boom, at: 5m, fault: {fault}, until: {{ at: 6m }} }}");
        let text = SCENARIO
            .replace(step, &step_of)
            .replace(&format!("{incident}\n"), "");
        fs::write(dir.path().join("s.yaml"), text).unwrap();
        let first = ["run", "s.yaml", "--worker-docker", "a,b"];
        let (code, out, told) = said(dir.path(), &[&first[..], more].concat());
        assert_eq!((code, &*out), (Some(2), ""), "{told}");
        told
    };
    // Nobody listens there.
    let proxy = ["--toxiproxy", "http://127.0.0.1:1/redis"];
    for (fault, more, why) in [
        (
            "link.reset, select: all",
            &[][..],
            "does not go over a link of ours",
        ),
        ("link.reset, select: [w-0]", &proxy, "it hits some of them"),
        (
            "link.bandwidth, select: all, rate: 5KB",
            &proxy,
            "whole kilobytes",
        ),
        // All of it is well, and the next thing is looked for.
        ("link.reset, select: all", &proxy, "name it with --redis"),
        (
            "link.reset, select: all",
            &["--toxiproxy", "http://127.0.0.1:1"],
            "write URL/PROXY",
        ),
    ] {
        let told = told(fault, more);
        assert!(told.contains(why), "{fault}: {told}");
    }
}
