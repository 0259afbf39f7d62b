//! What a drill relies on in a Redis of a container: loopback only, an end without warning, data that survives it, and
//! nothing left behind.

#![cfg(feature = "docker")]

use firedrill::redis_server::Persistence;
use firedrill::redis_server::docker::{self, RedisContainer};
use firedrill::redis_server::private::{PrivateRedis, RedisSource};
use redis::Commands;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use testcontainers::bollard::Docker;
use testcontainers::core::client::docker_client_instance;

fn exe() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_firedrill"))
}

/// The image: `FIREDRILL_TEST_REDIS_IMAGE`, or the one that `.ci/redis-image` makes without a registry.
fn image() -> String {
    std::env::var("FIREDRILL_TEST_REDIS_IMAGE").unwrap_or_else(|_| "firedrill/redis:local".into())
}

/// The daemon, if it answers and has the image. CI has both, so there it is a failure.
async fn daemon() -> Option<Docker> {
    if docker::is_available(std::env::var("DOCKER_HOST").ok().as_deref())
        && let Ok(daemon) = docker_client_instance().await
        && daemon.inspect_image(&image()).await.is_ok()
    {
        return Some(daemon);
    }
    let ci = std::env::var("CI");
    assert_ne!(ci.as_deref(), Ok("true"), "needs docker and {}", image());
    println!("skipped: needs docker");
    None
}

fn connection(url: &str) -> redis::RedisResult<redis::Connection> {
    redis::Client::open(url)?.get_connection_with_timeout(Duration::from_secs(1))
}

#[tokio::test]
async fn data_survives_a_kill_and_nothing_survives_the_drop() {
    let Some(daemon) = daemon().await else { return };
    let source = RedisSource::Docker(image());
    let mut server = PrivateRedis::start(exe(), &source, Persistence::AppendOnly)
        .await
        .unwrap();
    let url = server.address().url().to_owned();
    let PrivateRedis::Docker { container, .. } = &server else {
        panic!("not a container");
    };
    let (id, port) = (container.id().to_owned(), container.port());
    let details = daemon.inspect_container(&id, None).await.unwrap();
    let bindings = details.host_config.unwrap().port_bindings.unwrap();
    let binding = bindings["6379/tcp"].as_ref().unwrap();
    assert_eq!(binding.len(), 1);
    assert_eq!(binding[0].host_ip.as_deref(), Some("127.0.0.1"));
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
    let (until, of_it) = (format!("{now:.6}"), format!("container={id}"));
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
    assert!(daemon.inspect_container(&id, None).await.is_err());
}

#[tokio::test]
async fn several_at_once_are_separate() {
    let Some(_daemon) = daemon().await else {
        return;
    };
    let (image, none) = (image(), Persistence::None);
    let (one, other) = tokio::try_join!(
        RedisContainer::start(exe(), &image, none),
        RedisContainer::start(exe(), &image, none),
    )
    .unwrap();
    let _: () = connection(&one.url()).unwrap().set("key", 1).unwrap();
    let there = connection(&other.url()).unwrap().exists("key");
    assert_eq!(there, Ok(false));
}

/// Docker makes the container and then finds no redis-server to run: nobody but the reaper knows of it.
#[tokio::test]
async fn a_container_that_does_not_start_is_removed() {
    if daemon().await.is_none() {
        return;
    }
    let image = format!("firedrill/empty:{}", std::process::id());
    // Two empty blocks: an archive without files.
    docker(&["import", "-", &image], &[0; 1024]);
    let error = RedisContainer::start(exe(), &image, Persistence::None)
        .await
        .unwrap_err();
    let filter = format!("ancestor={image}");
    let left = docker(&["ps", "-aq", "--filter", &filter], &[]);
    docker(&["rmi", &image], &[]);
    assert!(error.to_string().contains("redis-server"), "{error}");
    assert_eq!(left, "");
}

/// Output of a docker command.
fn docker(args: &[&str], input: &[u8]) -> String {
    let mut command = Command::new("docker");
    let child = command.args(args).stdin(Stdio::piped());
    let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "docker {args:?}");
    String::from_utf8(output.stdout).unwrap()
}
