//! The Docker way: a private Redis in a container, removed with us.

pub mod reaper;

use crate::redis_server::{Persistence, RedisServerError, free_port};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use testcontainers::bollard::models::PortBinding;
use testcontainers::core::client::docker_client_instance;
use testcontainers::core::{ContainerPort, IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};

const REDIS_PORT: ContainerPort = ContainerPort::Tcp(6379);
const STARTS_WITHIN: Duration = Duration::from_secs(120);
/// How often another port is tried when somebody else was faster.
const PORT_TRIES: usize = 5;
/// How long a daemon may take to answer when it is asked whether it is there.
const DAEMON_ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// What a Redis that is ready says to its password and `PING`.
const READY: &[u8; 12] = b"+OK\r\n+PONG\r\n";
/// How long Redis may take to say so.
const REDIS_ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// A private Redis in a container. Dropping it, which must happen inside a tokio runtime, removes the container.
pub struct RedisContainer {
    container: ContainerAsync<GenericImage>,
    port: u16,
    password: String,
    /// Dropped after the container, and removes what is left of it.
    _reaper: reaper::Reaper,
}

/// Whether a Docker daemon answers within two seconds, on `docker_host` (the value of `DOCKER_HOST`) or else on its
/// usual socket. A socket file alone says little: it stays behind when the daemon ends.
#[must_use]
pub fn is_available(docker_host: Option<&str>) -> bool {
    let host = docker_host.filter(|host| !host.is_empty());
    let Some(host) = host else {
        return answers_on_socket(reaper::SOCKET).unwrap_or(false);
    };
    match host.split_once("://") {
        Some(("unix", path)) => answers_on_socket(path).unwrap_or(false),
        Some(("tcp" | "http", address)) => {
            answers_on_address(address.trim_end_matches('/')).unwrap_or(false)
        }
        // Not ours to ask; starting the container tells.
        _ => true,
    }
}

fn answers_on_socket(path: &str) -> io::Result<bool> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(DAEMON_ANSWERS_WITHIN))?;
    stream.set_write_timeout(Some(DAEMON_ANSWERS_WITHIN))?;
    answers_http(&mut stream)
}

fn answers_on_address(address: &str) -> io::Result<bool> {
    let Some(address) = address.to_socket_addrs()?.next() else {
        return Ok(false);
    };
    let mut stream = connect(address, DAEMON_ANSWERS_WITHIN)?;
    answers_http(&mut stream)
}

/// `GET /_ping` of the Docker Engine API. Any HTTP answer will do: a daemon that wants TLS answers with an error.
fn answers_http(stream: &mut (impl Read + Write)) -> io::Result<bool> {
    stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")?;
    let mut start = [0; 5];
    stream.read_exact(&mut start)?;
    Ok(&start == b"HTTP/")
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
            .field("id", &self.container.id())
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl RedisContainer {
    /// Starts a container of `image` (`name:tag`), its Redis reachable on a loopback port. `exe` is the firedrill
    /// executable, which removes the container should we be killed.
    ///
    /// # Errors
    /// When Docker refuses, the image cannot be had, or Redis is not ready within two minutes.
    pub async fn start(
        exe: &Path,
        image: &str,
        persistence: Persistence,
    ) -> Result<Self, RedisServerError> {
        for attempt in 1.. {
            let port = free_port().map_err(container_error)?;
            match Self::start_on(port, exe, image, persistence).await {
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
        image: &str,
        persistence: Persistence,
    ) -> Result<Self, RedisServerError> {
        let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
        let append_only = if persistence == Persistence::AppendOnly {
            "yes"
        } else {
            "no"
        };
        let password = secret();
        let args = [
            "redis-server",
            "--save",
            "",
            "--appendonly",
            append_only,
            "--appendfsync",
            "no",
            // Its address on Docker's own network is open to other containers.
            "--requirepass",
            &password,
        ];
        // Looked after by its name, so before it is there: a container that was made and did not start is removed too.
        let container_name = format!("firedrill-{}", secret());
        let reaper = reaper::Reaper::start(exe, &container_name).map_err(container_error)?;
        let container = GenericImage::new(name, tag)
            .with_exposed_port(6379.tcp())
            .with_wait_for(WaitFor::message_on_stdout("Ready to accept connections"))
            .with_cmd(args)
            .with_container_name(container_name)
            .with_label("firedrill", "redis")
            .with_mapped_port(port, REDIS_PORT)
            // Docker publishes a port on every address of the machine unless it is told one.
            .with_host_config_modifier(move |config| {
                let binding = PortBinding {
                    host_ip: Some("127.0.0.1".into()),
                    host_port: Some(port.to_string()),
                };
                config.port_bindings = Some([(REDIS_PORT.to_string(), Some(vec![binding]))].into());
            })
            .with_startup_timeout(STARTS_WITHIN)
            .start()
            .await
            .map_err(container_error)?;
        Ok(Self {
            container,
            port,
            password,
            _reaper: reaper,
        })
    }

    /// Identifies the container to Docker.
    #[must_use]
    pub fn id(&self) -> &str {
        self.container.id()
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
        docker_client_instance()
            .await
            .map_err(container_error)?
            .kill_container(self.id(), None)
            .await
            .map_err(container_error)
    }

    /// Starts it again, with the data in its file system.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn restart(&self) -> Result<(), RedisServerError> {
        self.container.start().await.map_err(container_error)
    }

    /// Removes the container.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn remove(self) -> Result<(), RedisServerError> {
        self.container.rm().await.map_err(container_error)
    }
}

/// 128 bits nobody can guess, from the system's randomness.
fn secret() -> String {
    let bits = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", bits(), bits())
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

    #[test]
    fn only_a_daemon_that_answers_is_available() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        let host = format!("unix://{}", path.display());
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 14];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nOK").unwrap();
            // A second one hangs up without a word; then nobody listens and the file stays.
            drop(listener.accept().unwrap());
            request
        });
        assert!(is_available(Some(&host)));
        assert!(!is_available(Some(&host)));
        assert_eq!(&daemon.join().unwrap(), b"GET /_ping HTT");
        assert!(path.exists());
        assert!(!is_available(Some(&host)));
    }
}
