//! `firedrill diagnose --docker` and `--kube` against Docker's engine and Kubernetes' own API server: the causes that processes show.

use crate::docker;
use crate::kube::ApiServer;
use crate::support::{Bench, Op, Persistence, said, wait_until};
use redis::Commands;
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;

/// A Redis with a queue and no work.
fn quiet() -> Bench {
    let bench = Bench::new(Persistence::None, 1.0);
    let queue = "default".into();
    bench.call(Op::RegisterQueue { queue }).unwrap();
    bench
}

/// The causes that are found with `words`, and what is said of the workers.
fn causes(redis: &str, words: &[&str]) -> (Vec<String>, Vec<String>) {
    let look = ["diagnose", "--redis", redis, "--json", "--for", "30s"];
    let (code, out, told) = said(Path::new("."), &[&look[..], words].concat());
    let all: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code:?} {out}{told}"));
    let strings = |values: &Value, what: &dyn Fn(&Value) -> Value| -> Vec<String> {
        let values = values.as_array().unwrap().iter();
        let values = values.map(|value| what(value).as_str().unwrap().to_owned());
        values.collect()
    };
    (
        strings(&all["findings"], &|found| found["id"].clone()),
        strings(&all["steps"][0]["lines"], &Clone::clone),
    )
}

/// Containers of a test, by their label; gone with it.
struct Containers(String);

impl Containers {
    fn start(&self, name: &str, options: &[&str], command: &[&str]) {
        let name = format!("{}-{name}", self.0);
        let first = [
            "run",
            "-d",
            "--network",
            "none",
            "--name",
            &name,
            "--label",
            &self.0,
        ];
        docker::docker(
            &[&first[..], options, &[docker::IMAGE], command].concat(),
            &[],
        );
    }

    fn inspected(&self, name: &str, format: &str) -> String {
        let name = format!("{}-{name}", self.0);
        docker::docker(&["inspect", "--format", format, &name], &[])
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        let filter = format!("label={}", self.0);
        let ids = docker::docker(&["ps", "-aq", "--filter", &filter], &[]);
        let ids: Vec<&str> = ids.split_whitespace().collect();
        docker::docker(&[&["rm", "-f"], &ids[..]].concat(), &[]);
    }
}

#[test]
fn dockers_engine_is_asked() {
    if docker::program().is_none() {
        return;
    }
    let containers = Containers(format!("firedrill-test-{}", std::process::id()));
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    let volume = format!("{}:/here", dir.path().display());
    let server = [
        "redis-server",
        "--port",
        "0",
        "--unixsocket",
        "/here/socket",
    ];
    containers.start("stays", &[], &["redis-server"]);
    // A setting that there is not ends it at once.
    let wrong = ["redis-server", "--no-such-setting", "1"];
    containers.start("loops", &["--restart", "always"], &wrong);
    let limited = [
        "--memory",
        "16m",
        "--memory-swap",
        "16m",
        "--restart",
        "on-failure:1",
    ];
    containers.start("leaks", &[&limited[..], &["-v", &volume]].concat(), &server);

    let url = format!("unix://{}/socket", dir.path().display());
    wait_until("it is killed for want of memory", || {
        if let Ok(mut redis) = docker::connection(&url) {
            // It does not live to answer.
            let _: redis::RedisResult<()> = redis.setrange("big", 400_000_000, "x");
        }
        let is_out = containers.inspected("leaks", "{{.State.OOMKilled}} {{.State.Running}}");
        is_out.trim() == "true false"
    });
    wait_until("it was started again and again", || {
        let restarts = containers.inspected("loops", "{{.RestartCount}}");
        restarts.trim().parse::<u32>().unwrap() >= 3
    });

    let bench = quiet();
    let redis = bench.server.url();
    let label = format!("label={}", containers.0);
    let of_one = format!("-f {label} -f name=loops");
    let (all, loops) = thread::scope(|scope| {
        let all = scope.spawn(|| causes(&redis, &["--docker", &label]));
        let loops = scope.spawn(|| causes(&redis, &["--docker", &of_one]));
        (all.join().unwrap(), loops.join().unwrap())
    });
    assert_eq!(loops.0, ["crash-loop"], "{loops:?}");
    let line = loops
        .1
        .iter()
        .find(|line| line.contains("-loops "))
        .unwrap();
    assert!(
        line.contains("restarted") && line.contains("ended last: exit code 1, "),
        "{line}"
    );
    assert_eq!(all.0, ["out-of-memory"], "{all:?}");
    assert!(
        all.1
            .iter()
            .any(|line| line.ends_with("of 3 containers run")),
        "{all:?}"
    );
    let line = all.1.iter().find(|line| line.contains("-leaks ")).unwrap();
    assert!(line.contains("killed for want of memory"), "{line}");
    assert!(!all.1.iter().any(|line| line.contains("-stays")), "{all:?}");
}

/// A pod of these containers with the status that a node would tell of it.
fn pod(server: &ApiServer, name: &str, containers: &[&str], status: Value) {
    let containers: Vec<Value> = containers
        .iter()
        .map(|name| json!({ "name": name, "image": "workers:1" }))
        .collect();
    let labels = json!({ "app": "worker" });
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": "default", "labels": labels },
        "spec": { "containers": containers },
    });
    server.kubectl(&["create", "-f", "-"], &pod);
    pod["status"] = status;
    let path = format!("/api/v1/namespaces/default/pods/{name}/status");
    server.kubectl(&["replace", "--raw", &path, "-f", "-"], &pod);
}

#[test]
fn kubernetes_is_asked() {
    let Some(server) = ApiServer::start() else {
        return;
    };
    let ago = |seconds: i64| -> String {
        let at = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
        at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    let container = |name: &str, ready: bool, restarts: u32, state: Value, last: Value| {
        json!({
            "name": name, "ready": ready, "restartCount": restarts, "image": "workers:1", "imageID": "",
            "state": state, "lastState": last,
        })
    };
    let running = || json!({ "running": { "startedAt": ago(40) } });
    let ended = |code: u32, reason: &str| {
        let times = (ago(100), ago(60));
        json!({ "terminated": {
            "exitCode": code, "reason": reason, "startedAt": times.0, "finishedAt": times.1,
        } })
    };
    let backing_off = json!({ "waiting": {
        "reason": "CrashLoopBackOff",
        "message": "back-off 40s restarting failed container=worker pod=crashes_default",
    } });
    let crashes = [
        container("worker", false, 5, backing_off, ended(2, "Error")),
        container("sidecar", true, 0, running(), json!({})),
    ];
    pod(
        &server,
        "crashes",
        &["worker", "sidecar"],
        json!({ "phase": "Running", "containerStatuses": crashes }),
    );
    let well = [container("worker", true, 0, running(), json!({}))];
    pod(
        &server,
        "well",
        &["worker"],
        json!({ "phase": "Running", "containerStatuses": well }),
    );
    let unready = [container("worker", false, 0, running(), json!({}))];
    pod(
        &server,
        "unready",
        &["worker"],
        json!({ "phase": "Running", "containerStatuses": unready }),
    );
    let no_image = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "Back-off pulling image \"workers:1\"" } });
    let no_image = [container("worker", false, 0, no_image, json!({}))];
    pod(
        &server,
        "no-image",
        &["worker"],
        json!({ "phase": "Pending", "containerStatuses": no_image }),
    );
    pod(
        &server,
        "no-node",
        &["worker"],
        json!({ "phase": "Pending" }),
    );

    let bench = quiet();
    let redis = bench.server.url();
    let asks = |more: &str| format!("--kubeconfig {} {more}", server.config().display());
    let (found, told) = causes(&redis, &["--kube", &asks("-l app=worker")]);
    assert_eq!(found, ["crash-loop"]);
    let about = told
        .iter()
        .position(|line| line.ends_with("containers run"));
    // How long ago is up to this machine.
    let timeless = |line: &String| match line.rsplit_once(", ") {
        Some((line, ago)) if ago.ends_with(" ago") => line.to_owned(),
        _ => line.clone(),
    };
    let about: Vec<String> = told[about.unwrap()..].iter().map(timeless).collect();
    insta::assert_snapshot!(about.join("\n"), @r#"
    3 of 6 containers run
    crashes/worker does not run (CrashLoopBackOff: back-off 40s restarting failed container=worker pod=crashes_default), restarted 5 times; ended last: exit code 2
    no-image does not run (ImagePullBackOff: Back-off pulling image "workers:1")
    no-node does not run (Pending)
    unready runs and is not ready
    "#);

    let leaks = [container(
        "worker",
        true,
        3,
        running(),
        ended(137, "OOMKilled"),
    )];
    pod(
        &server,
        "leaks",
        &["worker"],
        json!({ "phase": "Running", "containerStatuses": leaks }),
    );
    let (found, _) = causes(&redis, &["--kube", &asks("-n default")]);
    assert_eq!(found, ["out-of-memory"]);

    // Who may not look, and what is not there, are told in the server's words.
    for (more, says) in [
        (
            "--context nobody",
            "User \"nobody\" cannot list resource \"pods\"",
        ),
        ("-l app=none", "nothing fits"),
        ("-l 'app in'", "unable to parse requirement"),
    ] {
        let words = ["diagnose", "--redis", &redis, "--kube", &asks(more)];
        let (code, out, told) = said(Path::new("."), &words);
        assert_eq!((code, out.as_str()), (Some(7), ""), "{told}");
        assert!(told.contains(says), "{told}");
    }
}
