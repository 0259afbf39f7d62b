//! The Docker way: a private Redis in a container, removed with us.
//!
//! By the `docker` program, as a person would: it knows contexts, `DOCKER_HOST` and rootless daemons, Podman answers to
//! the same words, and an HTTP client for Docker's API would be more than half of all we compile.

pub mod guest;
pub mod reaper;

use crate::program;
use crate::redis_server::login::secret;
use crate::redis_server::{Persistence, RedisServerError, free_port};
use crate::undo::{Journal, Undo};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What names of containers begin with.
const NAMES: &str = "firedrill-";
/// The program that is asked.
const PROGRAM: &str = "docker";
/// How long Redis may take to answer, once its container runs.
const STARTS_WITHIN: Duration = Duration::from_secs(120);
/// How long an image may take to be had.
const PULLED_WITHIN: Duration = Duration::from_secs(600);
/// Pause between looks whether it answers.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How often another port is tried when somebody else was faster.
const PORT_TRIES: usize = 5;
/// How long a daemon may take to answer when it is asked whether it is there.
const DAEMON_ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// How long the daemon may take over a container.
const DONE_WITHIN: Duration = Duration::from_secs(60);
/// What a Redis that is ready says to its password and `PING`.
const READY: &[u8; 12] = b"+OK\r\n+PONG\r\n";
/// How long Redis may take to say so.
const REDIS_ANSWERS_WITHIN: Duration = Duration::from_millis(500);
/// Where the container has its password: on a command line everybody on the machine could read it.
const CONFIG: &str = "/firedrill.conf";

/// The name of a container of ours: `firedrill-` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerName(String);

impl ContainerName {
    /// One that nobody else has.
    #[must_use]
    pub fn new() -> Self {
        Self(format!("{NAMES}{}", secret()))
    }
}

impl Default for ContainerName {
    fn default() -> Self {
        Self::new()
    }
}

impl TryFrom<String> for ContainerName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let unique = name.strip_prefix(NAMES).unwrap_or_default();
        match unique.len() == 32 && unique.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Self(name)),
            false => Err("no name of a container of ours"),
        }
    }
}

impl From<ContainerName> for String {
    fn from(name: ContainerName) -> Self {
        name.0
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Removes the container with its volumes, by the `docker` program on PATH. One that is gone already is fine.
///
/// # Errors
/// When Docker cannot be asked, refuses, or does not answer in time.
pub fn remove(name: &ContainerName) -> io::Result<()> {
    let words = ["rm", "--force", "--volumes", &name.0];
    match program::ran(&program::on_path(PROGRAM)?, &words, DONE_WITHIN) {
        Ok(_) => Ok(()),
        Err(error) if is_gone(&error.to_string()) => Ok(()),
        Err(error) => Err(io::Error::other(format!("docker rm: {error}"))),
    }
}

/// A private Redis in a container. Dropping it removes the container.
pub struct RedisContainer {
    docker: PathBuf,
    name: String,
    port: u16,
    password: String,
    /// Removes the container when it is dropped, or when we are killed.
    _reaper: reaper::Reaper,
}

/// The `docker` program among the directories of a search path, if a daemon answers it.
#[must_use]
pub fn find(search_path: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let docker = program::find(&[PROGRAM], search_path)?;
    answers(&docker).then_some(docker)
}

/// Whether a daemon answers within a few seconds. A socket file alone says little: it stays behind when the daemon ends.
fn answers(docker: &Path) -> bool {
    let child = std::process::Command::new(docker)
        .args(["version", "--format", "{{.Server.Version}}"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    let deadline = std::time::Instant::now() + DAEMON_ANSWERS_WITHIN;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if std::time::Instant::now() < deadline => std::thread::sleep(LOOK_AGAIN),
            _ => {
                // It hangs, or is gone.
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

fn connect(address: SocketAddr, within: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, within)?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    Ok(stream)
}

/// Without the password.
impl std::fmt::Debug for RedisContainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisContainer")
            .field("name", &self.name)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl RedisContainer {
    /// Starts a container of `image` (`name:tag`), its Redis reachable on a loopback port. `exe` is the firedrill
    /// executable, which removes the container should we be killed; `docker` the program from [`find`].
    ///
    /// # Errors
    /// When Docker refuses, the image cannot be had within ten minutes, Redis is not ready within two, or `journal`, where it
    /// is written down that the container has to go, cannot be written.
    pub async fn start(
        exe: &Path,
        docker: &Path,
        image: &str,
        persistence: Persistence,
        journal: &Journal,
    ) -> Result<Self, RedisServerError> {
        for attempt in 1.. {
            let port = free_port().map_err(container_error)?;
            match Self::start_on(port, exe, docker, (image, persistence), journal).await {
                // Somebody else may have taken the port in between.
                Err(RedisServerError::Container(why))
                    if attempt < PORT_TRIES && is_port_taken(&why) => {}
                other => return other,
            }
        }
        Err(container_error("no free port"))
    }

    async fn start_on(
        port: u16,
        exe: &Path,
        docker: &Path,
        (image, persistence): (&str, Persistence),
        journal: &Journal,
    ) -> Result<Self, RedisServerError> {
        let password = secret();
        // Looked after by its name, so before it is there: a container that was made and did not start is removed too.
        let name = ContainerName::new();
        let undo = Undo::Container { name: name.clone() };
        journal.note(None, &[undo]).map_err(container_error)?;
        let ContainerName(name) = name;
        let reaper = reaper::Reaper::start(exe, docker, &name).map_err(container_error)?;
        let append_only = match persistence {
            Persistence::AppendOnly => "yes",
            Persistence::None => "no",
        };
        // Docker publishes a port on every address of the machine unless it is told one.
        let publish = format!("127.0.0.1:{port}:6379");
        let create = [
            "create",
            "--name",
            &name,
            "--label",
            "firedrill=redis",
            "--publish",
            &publish,
            image,
            "redis-server",
            CONFIG,
        ];
        docker_does(docker, &create, PULLED_WITHIN).await?;
        // The password also because its address on Docker's own network is open to other containers.
        let config = format!(
            "save \"\"\nappendonly {append_only}\nappendfsync no\nrequirepass {password}\n"
        );
        let dir = tempfile::tempdir().map_err(container_error)?;
        let file = dir.path().join("redis.conf");
        std::fs::write(&file, config).map_err(container_error)?;
        let file = file.display().to_string();
        let place = format!("{name}:{CONFIG}");
        docker_does(docker, &["cp", "--quiet", &file, &place], DONE_WITHIN).await?;
        let container = Self {
            docker: docker.to_path_buf(),
            name,
            port,
            password,
            _reaper: reaper,
        };
        container.restart().await?;
        container.wait_until_it_answers().await?;
        Ok(container)
    }

    async fn wait_until_it_answers(&self) -> Result<(), RedisServerError> {
        let deadline = Instant::now() + STARTS_WITHIN;
        while !self.is_listening() {
            let format = ["inspect", "--format", "{{.State.Running}}", &self.name];
            let runs = docker_does(&self.docker, &format, DONE_WITHIN).await?;
            if runs.trim() != "true" || Instant::now() >= deadline {
                let log = ["logs", "--tail", "1", &self.name];
                let last = docker_does(&self.docker, &log, DONE_WITHIN).await?;
                let last = last.trim();
                return Err(container_error(format!(
                    "it does not answer; the end of its log: {}",
                    if last.is_empty() { "(empty)" } else { last }
                )));
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Identifies the container to Docker.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The loopback port Redis is reached on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://:password@127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}", self.password, self.port)
    }

    /// Whether its Redis answers `PING` and is ready, that is, has loaded its data.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.ping().unwrap_or(false)
    }

    /// With the password: without it Redis says that it wants one even while it loads its data.
    fn ping(&self) -> io::Result<bool> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut stream = connect(address, REDIS_ANSWERS_WITHIN)?;
        stream.write_all(format!("AUTH {}\r\nPING\r\n", self.password).as_bytes())?;
        let mut reply = [0; READY.len()];
        stream.read_exact(&mut reply)?;
        Ok(reply == *READY)
    }

    /// SIGKILL, and waits until it is gone: Redis is its container's first process, which Docker signals directly.
    /// Not Docker's `stop`, which asks with SIGTERM first, so that Redis would take its leave in order.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn kill(&self) -> Result<(), RedisServerError> {
        self.does(&["kill", &self.name]).await?;
        self.does(&["wait", &self.name]).await
    }

    /// Starts it again, with the data in its file system.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn restart(&self) -> Result<(), RedisServerError> {
        self.does(&["start", &self.name]).await
    }

    /// Freezes it, or lets it go on; answers whether it is so.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn pause(&self, stops: bool) -> Result<bool, RedisServerError> {
        let verb = if stops { "pause" } else { "unpause" };
        self.does(&[verb, &self.name]).await.map(|()| true)
    }

    async fn does(&self, args: &[&str]) -> Result<(), RedisServerError> {
        docker_does(&self.docker, args, DONE_WITHIN).await.map(drop)
    }
}

/// What docker printed, on both of its outputs: a container's log is. Its own words when it fails.
async fn docker_does(
    docker: &Path,
    args: &[&str],
    within: Duration,
) -> Result<String, RedisServerError> {
    let [printed, said] = docker_says(docker, args, within).await?;
    Ok(printed + &said)
}

/// What docker printed, and what it said beside that; its own words when it fails.
async fn docker_says(
    docker: &Path,
    args: &[&str],
    within: Duration,
) -> Result<[String; 2], RedisServerError> {
    let what = args.first().copied().unwrap_or_default();
    let said = program::said(docker, args, within).await;
    said.map_err(|error| container_error(format!("docker {what}: {error}")))
}

/// Whether Docker says that there is no such container.
fn is_gone(said: &str) -> bool {
    said.to_lowercase().contains("no such container")
}

/// Docker has no code for it, and two wordings: its own list of ports, and the system's.
fn is_port_taken(why: &str) -> bool {
    why.contains("port is already allocated") || why.contains("address already in use")
}

fn container_error(error: impl std::fmt::Display) -> RedisServerError {
    RedisServerError::Container(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// The real program, asking a daemon that is not there, and one that hangs up.
    #[test]
    fn only_a_daemon_that_answers_is_available() {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let Some(docker) = program::find(&[PROGRAM], std::env::split_paths(&path)) else {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "needs docker");
            println!("skipped: needs docker");
            return;
        };
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let script = dir.path().join("docker");
        let host = format!("unix://{}", socket.display());
        let text = format!(
            "#!/bin/sh\nDOCKER_HOST={host} exec {} \"$@\"\n",
            docker.display()
        );
        std::fs::write(&script, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&script, mode).unwrap();
        let search = || [dir.path().to_path_buf()];
        assert_eq!(find(search()), None);
        // The file stays when its daemon has ended.
        drop(UnixListener::bind(&socket).unwrap());
        assert!(socket.exists());
        assert_eq!(find(search()), None);
    }
}
