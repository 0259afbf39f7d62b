//! The Docker way: a private Redis in a container, killed, started again with its data, and removed.

#![cfg(feature = "docker")]

use crate::support::{firedrill, project, skip};
use firedrill::redis_server::Persistence;
use firedrill::redis_server::docker::{self, RedisContainer};
use redis::Commands;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// An image of Redis that needs no registry; `.ci/redis-image` makes it.
const IMAGE: &str = "firedrill/redis:local";

fn is_ready() -> bool {
    let known = || {
        Command::new("docker")
            .args(["image", "inspect", IMAGE])
            .output()
    };
    docker::is_available(None) && known().is_ok_and(|output| output.status.success())
}

fn containers() -> usize {
    let args = ["ps", "-aq", "--filter", "label=firedrill"];
    let output = Command::new("docker").args(args).output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().count()
}

/// One test, because both parts count the containers of this machine.
#[test]
fn redis_in_a_container() {
    if !is_ready() {
        return skip("docker with the image firedrill/redis:local");
    }
    let before = containers();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let container = RedisContainer::start(
            Path::new(env!("CARGO_BIN_EXE_firedrill")),
            IMAGE,
            Persistence::AppendOnly,
        )
        .await
        .unwrap();
        let client = redis::Client::open(container.url()).unwrap();
        let _: () = client.get_connection().unwrap().set("kept", 7).unwrap();
        container.kill().await.unwrap();
        assert!(client.get_connection().is_err());
        container.restart().await.unwrap();
        let kept = (0..200).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(25));
            client
                .get_connection()
                .and_then(|mut connection| connection.get::<_, i64>("kept"))
                .ok()
        });
        assert_eq!(kept, Some(7));
        container.remove().await.unwrap();
    });
    assert_eq!(containers(), before);

    // A whole drill with no redis-server on PATH: `auto` takes the container.
    let dir = tempfile::tempdir().unwrap();
    let scenario = fs::read_to_string(project("scenarios/healthy.yaml"))
        .unwrap()
        .replace("duration: 45m", "duration: 6m");
    fs::write(
        dir.path().join("s.yaml"),
        scenario.replace("seed: 1\n", "seed: 1\nwarmup: 1m\n"),
    )
    .unwrap();
    let output = firedrill()
        .current_dir(dir.path())
        .args(["run", "--speed", "30", "--redis-image", IMAGE, "--rules"])
        .arg(project("scenarios/rules/runbook.yml"))
        .arg("s.yaml")
        .env("PATH", dir.path())
        .output()
        .unwrap();
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{talk}");
    assert!(
        talk.contains("Redis: container firedrill/redis:local"),
        "{talk}"
    );
    assert_eq!(containers(), before);

    // Killed with SIGKILL in the middle of a drill, it leaves no container either.
    fs::remove_dir_all(dir.path().join("runs")).unwrap();
    let mut running = firedrill()
        .current_dir(dir.path())
        .args([
            "run",
            "--speed",
            "1",
            "--redis",
            "docker",
            "--redis-image",
            IMAGE,
            "--rules",
        ])
        .arg(project("scenarios/rules/runbook.yml"))
        .arg("s.yaml")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(|| containers() > before);
    // The record begins when the drill does: by then the container is looked after.
    wait_until(|| {
        fs::read_dir(dir.path().join("runs/healthy")).is_ok_and(|mut runs| runs.next().is_some())
    });
    std::thread::sleep(Duration::from_secs(1));
    running.kill().unwrap();
    running.wait().unwrap();
    wait_until(|| containers() == before);
}

fn wait_until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 30 s");
        std::thread::sleep(Duration::from_millis(50));
    }
}
