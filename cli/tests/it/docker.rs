//! The Docker way: a private Redis in a container: loopback only, an end without warning, data that survives it, and
//! nothing left behind.

use crate::support::{firedrill, project, skip};
use firedrill_sim::redis_server::Persistence;
use firedrill_sim::redis_server::docker::{self, RedisContainer};
use firedrill_sim::redis_server::private::{Access, PrivateRedis, RedisSource};
use firedrill_sim::undo::Home;
use redis::Commands;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// The image that `.ci/redis-image` makes without a registry.
pub(crate) const IMAGE: &str = "firedrill/redis:local";

fn exe() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_firedrill"))
}

/// The docker program, if a daemon answers it and has the image.
pub(crate) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = docker::find(std::env::split_paths(&path)).filter(|docker| {
        let output = Command::new(docker)
            .args(["image", "inspect", IMAGE])
            .output();
        output.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        skip("docker with the image firedrill/redis:local");
    }
    found
}

/// Output of a docker command.
pub(crate) fn docker(args: &[&str], input: &[u8]) -> String {
    let mut command = Command::new("docker");
    let child = command.args(args).stdin(Stdio::piped());
    let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "docker {args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// How many containers of firedrill there are.
fn containers() -> usize {
    docker(&["ps", "-aq", "--filter", "label=firedrill"], &[])
        .lines()
        .count()
}

pub(crate) fn connection(url: &str) -> redis::RedisResult<redis::Connection> {
    redis::Client::open(url)?.get_connection_with_timeout(Duration::from_secs(1))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(future)
}

/// One test, because its parts count the containers of this machine.
#[test]
fn redis_in_a_container() {
    let Some(program) = program() else { return };
    data_survives_a_kill_and_nothing_survives_the_drop(&program);
    several_at_once_are_separate(&program);
    a_container_that_does_not_start_is_removed(&program);
    whole_drills(&program);
}

fn data_survives_a_kill_and_nothing_survives_the_drop(program: &Path) {
    block_on(async {
        let source = RedisSource::Docker {
            program: program.to_path_buf(),
            image: IMAGE.to_owned(),
        };
        let home = Home::make().unwrap();
        let mut server = PrivateRedis::start(
            exe(),
            (&source, Access::Ours),
            Persistence::AppendOnly,
            &home,
        )
        .await
        .unwrap();
        let url = server.address().url().to_owned();
        let PrivateRedis::Docker(container) = &server else {
            panic!("not a container");
        };
        let (name, port) = (container.name().to_owned(), container.port());
        assert_eq!(
            docker(&["port", &name], &[]),
            format!("6379/tcp -> 127.0.0.1:{port}\n")
        );
        // Nobody reads its password off a command line.
        let (_, password) = url.split_once(':').unwrap();
        let password = password
            .trim_start_matches("//:")
            .split('@')
            .next()
            .unwrap();
        assert!(password.len() > 16);
        assert!(!docker(&["inspect", &name], &[]).contains(password));
        // Enough to load for a while: a restart must not be over before it has.
        let fill = "for i = 1, 100000 do redis.call('SET', 'filler:' .. i, i) end";
        let mut before = connection(&url).unwrap();
        let filled = redis::cmd("EVAL").arg(fill).arg(0).exec(&mut before);
        filled.unwrap();
        let _: () = before.set("kept", 7).unwrap();

        server.kill().await.unwrap();
        // SIGKILL alone, no SIGTERM (15) before it. The exit code does not tell: a Redis that was asked may not be done
        // with its goodbyes when it is killed.
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let (until, of_it) = (format!("{now:.6}"), format!("container={name}"));
        let between = ["events", "--since", "10m", "--until", &until];
        let only = ["--filter", &of_it, "--filter", "event=kill"];
        let signals = ["--format", "{{.Actor.Attributes.signal}}"];
        let args = [&between[..], &only, &signals].concat();
        assert_eq!(docker(&args, &[]).trim(), "9");
        let killed = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            assert!(killed.elapsed() < Duration::from_secs(5), "still accepts");
            std::thread::sleep(Duration::from_millis(5));
        }

        server.restart(true).await.unwrap();
        assert_eq!(server.address().url(), url);
        assert_eq!(connection(&url).unwrap().get("kept"), Ok(7));

        drop(server);
        home.close().unwrap();
        let filter = format!("name={name}");
        assert_eq!(docker(&["ps", "-aq", "--filter", &filter], &[]), "");
    });
}

fn several_at_once_are_separate(program: &Path) {
    let none = Persistence::None;
    let home = Home::make().unwrap();
    let (one, other) = block_on(async {
        tokio::try_join!(
            RedisContainer::start(exe(), program, IMAGE, none, home.journal()),
            RedisContainer::start(exe(), program, IMAGE, none, home.journal()),
        )
    })
    .unwrap();
    let _: () = connection(&one.url()).unwrap().set("key", 1).unwrap();
    let there = connection(&other.url()).unwrap().exists("key");
    assert_eq!(there, Ok(false));
    // They are still there: what is written down is enough to remove them.
    home.close().unwrap();
    assert!(connection(&one.url()).is_err() && connection(&other.url()).is_err());
}

/// Docker makes the container and then finds no redis-server to run: nobody but the reaper knows of it.
fn a_container_that_does_not_start_is_removed(program: &Path) {
    let image = format!("firedrill/empty:{}", std::process::id());
    // Two empty blocks: an archive without files.
    docker(&["import", "-", &image], &[0; 1024]);
    let home = Home::make().unwrap();
    let error = block_on(RedisContainer::start(
        exe(),
        program,
        &image,
        Persistence::None,
        home.journal(),
    ))
    .unwrap_err();
    let filter = format!("ancestor={image}");
    let left = docker(&["ps", "-aq", "--filter", &filter], &[]);
    docker(&["rmi", &image], &[]);
    home.close().unwrap();
    assert!(error.to_string().contains("redis-server"), "{error}");
    assert_eq!(left, "");
}

/// Whole drills by the binary.
fn whole_drills(program: &Path) {
    let before = containers();
    // A whole drill with no redis-server on PATH: `auto` takes the container.
    let dir = tempfile::tempdir().unwrap();
    symlink(program, dir.path().join("docker")).unwrap();
    let scenario = fs::read_to_string(project("scenarios/benign/healthy.yaml"))
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
    // Beside other tests the machine may be too busy for a verdict; it is not what is tried here.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{talk}");
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
