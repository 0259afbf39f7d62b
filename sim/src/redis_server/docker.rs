//! The Docker way: a private Redis in a container, removed with us.
//!
//! A firedrill that is killed with SIGKILL cannot remove its container; the label `firedrill` finds it:
//! `docker rm -f $(docker ps -q --filter label=firedrill)`.

use crate::redis_server::{Persistence, RedisServerError, free_port};
use std::path::Path;
use std::time::Duration;
use testcontainers::core::{ContainerPort, IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};

const REDIS_PORT: ContainerPort = ContainerPort::Tcp(6379);
const STARTS_WITHIN: Duration = Duration::from_secs(120);

/// A private Redis in a container. Dropping it removes the container.
#[derive(Debug)]
pub struct RedisContainer {
    container: ContainerAsync<GenericImage>,
    port: u16,
}

/// Whether a Docker daemon can be asked for a container: its socket is there, or `DOCKER_HOST` names one.
#[must_use]
pub fn is_available(docker_host: Option<&str>) -> bool {
    docker_host.is_some_and(|host| !host.is_empty()) || Path::new("/var/run/docker.sock").exists()
}

impl RedisContainer {
    /// Starts a container of `image` (`name:tag`), its Redis reachable on a loopback port.
    ///
    /// # Errors
    /// When Docker refuses, the image cannot be had, or Redis is not ready within two minutes.
    pub async fn start(image: &str, persistence: Persistence) -> Result<Self, RedisServerError> {
        let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
        let port = free_port().map_err(|error| RedisServerError::Container(error.to_string()))?;
        let append_only = if persistence == Persistence::AppendOnly {
            "yes"
        } else {
            "no"
        };
        let args = [
            "redis-server",
            "--save",
            "",
            "--appendonly",
            append_only,
            "--appendfsync",
            "no",
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
        Ok(Self { container, port })
    }

    /// The loopback port Redis is reached on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the container's Redis without a grace period.
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

fn container_error(error: impl std::fmt::Display) -> RedisServerError {
    RedisServerError::Container(error.to_string())
}
