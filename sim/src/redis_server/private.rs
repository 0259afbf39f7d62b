//! A drill's own Redis, however it was had.

use crate::redis_server::login::HEARS_NOTHING_S;
use crate::redis_server::{
    ANSWERS_WITHIN, LOOK_AGAIN, Persistence, RedisServer, RedisServerError, RedisServerOptions,
    identity_at,
};
use crate::signals;
use crate::undo::Home;
use firedrill_asynq::broker::redis::address::Address;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::redis_server::docker::RedisContainer;

/// Where a drill's Redis comes from. It is started for the drill alone, unless one is given.
#[derive(Debug, Clone)]
pub enum RedisSource {
    /// A `redis-server` or `valkey-server` executable.
    Program(PathBuf),
    /// A container.
    Docker {
        /// The `docker` program.
        program: PathBuf,
        /// Of this image.
        image: String,
    },
    /// One that runs already, with an empty database for us.
    Given(Box<Address>),
}

/// Who may change anything in a Redis of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The drill alone; others may look.
    Ours,
    /// Whoever reaches it: the drill's user.
    Anybody,
}

impl RedisSource {
    /// The process whose child the server is: this one, where the drill has a server of its own.
    #[must_use]
    pub fn server_of(&self) -> Option<u32> {
        matches!(self, Self::Program(_)).then(std::process::id)
    }

    /// For people.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Program(program) => program
                .file_name()
                .map_or_else(String::new, |name| name.display().to_string()),
            Self::Docker { image, .. } => format!("container {image}"),
            Self::Given(address) => address.to_string(),
        }
    }
}

/// A drill's Redis. Dropping it ends it, unless it was given.
#[derive(Debug)]
pub enum PrivateRedis {
    /// A process.
    Program(RedisServer),
    /// A container.
    Docker(Box<RedisContainer>),
    /// Somebody else's, and where it is.
    Given(Box<Address>),
}

impl PrivateRedis {
    /// Starts one. `exe` is the firedrill executable, which guards the process; `home` the place of its drill.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn start(
        exe: &Path,
        (source, access): (&RedisSource, Access),
        persistence: Persistence,
        home: &Home,
    ) -> Result<Self, RedisServerError> {
        match source {
            RedisSource::Program(program) => {
                let mut options = RedisServerOptions::new(exe, program)
                    .persistence(persistence)
                    .at_home_in(home.path());
                if access == Access::Ours {
                    options = options.for_us_alone();
                }
                let mut server = RedisServer::launched(options)?;
                // Not asleep in between: whoever waits for this may have to do something else, such as to end it.
                let deadline = Instant::now() + ANSWERS_WITHIN;
                while !server.answers_or_fails(deadline)? {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Ok(Self::Program(server))
            }
            RedisSource::Docker { program, image } => {
                let container =
                    RedisContainer::start(exe, program, image, persistence, home.journal());
                let container = container.await?;
                Ok(Self::Docker(Box::new(container)))
            }
            // Taken, not started: see `given`.
            RedisSource::Given(_) => Err(RedisServerError::NotOurs),
        }
    }

    /// Where it is, password included.
    ///
    /// # Panics
    /// Never: the addresses of our own servers are well-formed.
    #[must_use]
    pub fn address(&self) -> Address {
        let url = match self {
            Self::Program(server) => server.url(),
            Self::Docker(container) => container.url(),
            Self::Given(address) => return (**address).clone(),
        };
        url.parse()
            .expect("an encoded path, or a loopback port and a password of letters and digits")
    }

    /// Its process, if that is our child and runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Program(server) => server.pid(),
            _ => None,
        }
    }

    /// Whether it answers, and nobody else in its place, and has loaded its data.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        match self {
            Self::Program(server) => server.is_listening(),
            Self::Docker(container) => container.is_listening(),
            // No drill stops it, so no drill has to ask.
            Self::Given(_) => true,
        }
    }

    /// What is seen of it, if it answers within a second: for marks. Can be waited for elsewhere.
    pub fn seen(&self) -> impl Future<Output = Option<String>> + Send + use<> {
        let (asked, seen) = match self {
            Self::Program(server) => (server.pid().map(|pid| (pid, server.socket())), None),
            Self::Docker(container) => {
                let answers = container.is_listening();
                (None, answers.then(|| "answers to its password".to_owned()))
            }
            Self::Given(_) => (None, None),
        };
        async move {
            let Some((pid, socket)) = asked else {
                return seen;
            };
            let asked = tokio::task::spawn_blocking(move || identity_at(&socket));
            let identity = asked.await.ok()??;
            (identity.process_id == pid).then(|| {
                format!(
                    "process {} answers, run id {:.8}",
                    identity.process_id, identity.run_id
                )
            })
        }
    }

    /// SIGSTOP; answers whether it is stopped.
    ///
    /// # Errors
    /// When it is not our child.
    pub async fn stop(&self) -> Result<bool, RedisServerError> {
        self.signalled(Signal::STOP).await
    }

    /// SIGCONT; answers whether it goes on.
    ///
    /// # Errors
    /// When it is not our child.
    pub async fn go_on(&self) -> Result<bool, RedisServerError> {
        self.signalled(Signal::CONT).await
    }

    async fn signalled(&self, signal: Signal) -> Result<bool, RedisServerError> {
        match self {
            Self::Docker(container) => container.pause(signal == Signal::STOP).await,
            Self::Given(_) => Err(RedisServerError::NotOurs),
            Self::Program(_) => match self.pid() {
                Some(pid) => Ok(signals::send(pid, signal).await),
                None => Ok(false),
            },
        }
    }

    /// One that is stopped goes on, and one that is gone is started again with its data.
    ///
    /// # Errors
    /// As [`Self::restart`].
    pub async fn wake(&mut self) -> Result<(), RedisServerError> {
        if let Self::Program(_) = self
            && let Some(pid) = self.pid()
        {
            signals::wake(pid);
        }
        match self.is_listening() {
            true => Ok(()),
            false => self.restart(true).await,
        }
    }

    /// Ends it without warning.
    ///
    /// # Errors
    /// When the system or Docker refuses.
    pub async fn kill(&mut self) -> Result<(), RedisServerError> {
        match self {
            Self::Program(server) => server
                .kill()
                .map_err(|error| RedisServerError::Start("redis".into(), error)),
            Self::Docker(container) => container.kill().await,
            Self::Given(_) => Err(RedisServerError::NotOurs),
        }
    }

    /// Starts it again in the same place and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be started or does not answer in time.
    pub async fn restart(&mut self, keep_data: bool) -> Result<(), RedisServerError> {
        match self {
            Self::Program(server) => server.relaunch(keep_data)?,
            Self::Given(_) => return Err(RedisServerError::NotOurs),
            Self::Docker(container) if keep_data => {
                // One that is still there, frozen or not, goes first; mostly it is gone already.
                let _ = container.pause(false).await;
                let _ = container.kill().await;
                container.restart().await?;
            }
            Self::Docker(_) => {
                return Err(RedisServerError::Container(
                    "a container cannot be restarted without its data".into(),
                ));
            }
        }
        let deadline = Instant::now() + ANSWERS_WITHIN;
        while !self.answers_or_fails(deadline)? {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// What is in it now is kept under a number, for [`Self::restore`]; saved by `BGSAVE` before.
    ///
    /// # Errors
    /// When it is no process of ours, or nothing was saved.
    pub(crate) fn keep(&self, number: usize) -> Result<(), RedisServerError> {
        match self {
            Self::Program(server) => server
                .keep(number)
                .map_err(|error| RedisServerError::Start("redis".into(), error)),
            _ => Err(RedisServerError::NotOurs),
        }
    }

    /// Kills it and starts it again with what was kept under a number, and waits until it answers.
    ///
    /// # Errors
    /// When nothing was kept, or it cannot be started.
    pub(crate) async fn restore(&mut self, number: usize) -> Result<(), RedisServerError> {
        let Self::Program(server) = self else {
            return Err(RedisServerError::NotOurs);
        };
        server.relaunch_with_kept(number)?;
        let deadline = Instant::now() + ANSWERS_WITHIN;
        while !server.answers_or_fails(deadline)? {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        server
            .has_loaded()
            .map_err(|error| RedisServerError::Start("redis".into(), error))
    }

    /// Starts a replica of it, and waits until that has all its data.
    ///
    /// # Errors
    /// When it is no process of ours, or the replica does not come.
    pub(crate) async fn replica(&self, primary: u16) -> Result<RedisServer, RedisServerError> {
        let Self::Program(server) = self else {
            return Err(RedisServerError::Container(
                "a failover needs a `redis-server` on PATH: there is no replica of a container"
                    .into(),
            ));
        };
        let failed = |error| RedisServerError::Start("redis".into(), error);
        for (setting, value) in [
            ("repl-diskless-sync-delay", "0".to_owned()),
            ("repl-backlog-size", "16384".to_owned()),
            ("repl-timeout", HEARS_NOTHING_S.to_string()),
        ] {
            let set = server.tell(&format!("CONFIG SET {setting} {value}"));
            set.map_err(failed)?;
        }
        let mut replica = server.replica(primary)?;
        let deadline = Instant::now() + ANSWERS_WITHIN;
        loop {
            let has_all = |info: String| info.contains("master_link_status:up");
            if replica.answers_or_fails(deadline)?
                && replica.info("replication").is_some_and(has_all)
            {
                return Ok(replica);
            }
            if Instant::now() > deadline {
                let why = std::io::Error::other("the replica does not find its primary");
                return Err(failed(why));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// A replica takes its place.
    ///
    /// # Errors
    /// When it does not do as it is told.
    pub(crate) fn promote(&mut self, replica: RedisServer) -> std::io::Result<()> {
        let Self::Program(gone) = self else {
            return Err(std::io::Error::other("it is no process of ours"));
        };
        *gone = replica.promoted(gone)?;
        Ok(())
    }

    fn answers_or_fails(&mut self, deadline: Instant) -> Result<bool, RedisServerError> {
        match self {
            Self::Program(server) => server.answers_or_fails(deadline),
            _ if self.is_listening() => Ok(true),
            _ if Instant::now() < deadline => Ok(false),
            _ => Err(RedisServerError::Container(
                "does not answer after its restart".into(),
            )),
        }
    }
}
