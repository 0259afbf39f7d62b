//! The Docker way: a private Redis in a container, removed with us.

pub mod reaper;

use crate::redis_server::{Persistence, RedisServerError, free_port};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use testcontainers::core::{ContainerPort, IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};

const REDIS_PORT: ContainerPort = ContainerPort::Tcp(6379);
const STARTS_WITHIN: Duration = Duration::from_secs(120);

/// A private Redis in a container. Dropping it removes the container.
pub struct RedisContainer {
    container: ContainerAsync<GenericImage>,
    port: u16,
    password: String,
    /// Dropped after the container, and removes what is left of it.
    _reaper: reaper::Reaper,
}

/// Whether a Docker daemon can be asked for a container: `DOCKER_HOST` names one, or somebody listens on its socket.
#[must_use]
pub fn is_available(docker_host: Option<&str>) -> bool {
    docker_host.is_some_and(|host| !host.is_empty()) || UnixStream::connect(reaper::SOCKET).is_ok()
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
        let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
        let port = free_port().map_err(|error| RedisServerError::Container(error.to_string()))?;
        let append_only = if persistence == Persistence::AppendOnly {
            "yes"
        } else {
            "no"
        };
        let password = password();
        let args = [
            "redis-server",
            "--save",
            "",
            "--appendonly",
            append_only,
            "--appendfsync",
            "no",
            // Docker publishes ports on every address of the machine.
            "--requirepass",
            &password,
        ];
        let container = GenericImage::new(name, tag)
            .with_exposed_port(6379.tcp())
            .with_wait_for(WaitFor::message_on_stdout("Ready to accept connections"))
            .with_cmd(args)
            .with_label("firedrill", "redis")
            .with_mapped_port(port, REDIS_PORT)
            .with_startup_timeout(STARTS_WITHIN)
            .start()
            .await
            .map_err(container_error)?;
        let reaper = reaper::Reaper::start(exe, container.id()).map_err(container_error)?;
        Ok(Self {
            container,
            port,
            password,
            _reaper: reaper,
        })
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

    /// Stops the container's Redis without a grace period: the image's stop signal, and SIGKILL at once.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn kill(&self) -> Result<(), RedisServerError> {
        self.container
            .stop_with_timeout(Some(0))
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
fn password() -> String {
    let bits = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", bits(), bits())
}

fn container_error(error: impl std::fmt::Display) -> RedisServerError {
    RedisServerError::Container(error.to_string())
}
