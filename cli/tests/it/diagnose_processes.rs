//! `firedrill diagnose --docker` and `--kube` against Docker's engine and Kubernetes' own API server: the causes that processes show.

use crate::docker;
use crate::support::{Bench, Op, Persistence, said, wait_until};
use redis::Commands;
use serde_json::Value;
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
        let first = ["run", "-d", "--network", "none", "--name", &name, "--label", &self.0];
        docker::docker(&[&first[..], options, &[docker::IMAGE], command].concat(), &[]);
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
    let server = ["redis-server", "--port", "0", "--unixsocket", "/here/socket"];
    containers.start("stays", &[], &["redis-server"]);
    // A setting that there is not ends it at once.
    let wrong = ["redis-server", "--no-such-setting", "1"];
    containers.start("loops", &["--restart", "always"], &wrong);
    let limited = ["--memory", "16m", "--memory-swap", "16m", "--restart", "on-failure:1"];
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
    let line = loops.1.iter().find(|line| line.contains("-loops ")).unwrap();
    assert!(
        line.contains("restarted") && line.contains("exit code 1"),
        "{line}"
    );
    assert_eq!(all.0, ["out-of-memory"], "{all:?}");
    assert!(all.1.iter().any(|line| line.ends_with("of 3 containers run")), "{all:?}");
    let line = all.1.iter().find(|line| line.contains("-leaks ")).unwrap();
    assert!(line.contains("killed for want of memory"), "{line}");
    assert!(!all.1.iter().any(|line| line.contains("-stays")), "{all:?}");
}
