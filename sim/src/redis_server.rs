//! A private Redis: a `redis-server` process of our own, on loopback, in a directory of its own, gone with us.

#[cfg(feature = "docker")]
pub mod docker;
pub mod given;
pub mod leftovers;
pub mod private;

use crate::guard;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Names of the executable, the first found is taken.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
/// Prefix of the directories of private servers.
pub const DIR_PREFIX: &str = "firedrill-";
/// How long a server may take to answer, e.g. while it loads its data.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// How often another port is tried when somebody else was faster.
const PORT_TRIES: usize = 5;

/// Whether data survives a SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// It does not.
    None,
    /// An append-only file, written before each reply and left to the system to sync: it survives the process, not the
    /// machine.
    AppendOnly,
}

/// How to start a private Redis.
#[derive(Debug, Clone)]
pub struct RedisServerOptions {
    program: PathBuf,
    guard: Option<PathBuf>,
    persistence: Persistence,
}

impl RedisServerOptions {
    /// Starts `program`; it dies with the thread that starts it. `exe` is the firedrill executable.
    #[must_use]
    pub fn new(exe: &Path, program: &Path) -> Self {
        Self {
            guard: Some(exe.to_path_buf()),
            ..Self::unguarded(program)
        }
    }

    /// As [`Self::new`], but a server whose owner is killed with SIGKILL stays. For benchmarks and unit tests.
    #[must_use]
    pub fn unguarded(program: &Path) -> Self {
        Self {
            program: program.to_path_buf(),
            guard: None,
            persistence: Persistence::None,
        }
    }

    /// Chooses whether data survives a SIGKILL.
    #[must_use]
    pub fn persistence(mut self, persistence: Persistence) -> Self {
        self.persistence = persistence;
        self
    }
}

/// Why there is no private Redis.
#[derive(Debug, thiserror::Error)]
pub enum RedisServerError {
    /// No executable and no Docker.
    #[error(
        "no Redis to be had. Either install one (`apt-get install redis-server`, `brew install redis`), so that \
         `redis-server` or `valkey-server` is on PATH; or start Docker, and firedrill runs it in a container"
    )]
    NotFound,
    /// The system refused.
    #[error("cannot start {0}: {1}")]
    Start(PathBuf, #[source] io::Error),
    /// It ended at once, or never answered.
    #[error("{program} does not answer on port {port}: {why}")]
    Silent {
        /// Which executable.
        program: PathBuf,
        /// On which port.
        port: u16,
        /// End of its log.
        why: String,
    },
    /// The Redis that was given does not do.
    #[error("the Redis that was given: {0}")]
    Given(String),
    /// The Redis that was given holds something.
    #[error(
        "{address} holds {keys} keys. A drill counts what is in its queues and removes it in the end, so it wants an \
         empty database: another number at the end of the address, or a Redis of its own"
    )]
    NotEmpty {
        /// Which Redis.
        address: String,
        /// How many keys.
        keys: u64,
    },
    /// The Redis that was given is not ours to stop or start.
    #[error("a Redis that was given is not stopped or started by a drill")]
    NotOurs,
    /// The container way failed.
    #[error("Redis in a container: {0}")]
    Container(String),
}

/// Finds a Redis server among the directories of a search path.
pub fn find(search_path: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let dirs: Vec<PathBuf> = search_path.into_iter().collect();
    PROGRAMS.iter().find_map(|name| {
        dirs.iter()
            .map(|dir| dir.join(name))
            .find(|path| is_executable(path))
    })
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// A running private Redis. Dropping it kills it and removes its directory.
#[derive(Debug)]
pub struct RedisServer {
    options: RedisServerOptions,
    child: Option<Child>,
    port: u16,
    dir: TempDir,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be started or does not answer within 20 s.
    pub fn start(options: RedisServerOptions) -> Result<Self, RedisServerError> {
        let failed = |error| RedisServerError::Start(options.program.clone(), error);
        let dir = tempfile::Builder::new()
            .prefix(DIR_PREFIX)
            .tempdir()
            .map_err(failed)?;
        let mut server = Self {
            options,
            child: None,
            port: 0,
            dir,
        };
        for attempt in 1.. {
            server.port = free_port()
                .map_err(|error| RedisServerError::Start(server.options.program.clone(), error))?;
            match server.spawn() {
                Ok(()) => break,
                // Somebody else may have taken the port in between.
                Err(RedisServerError::Silent { .. }) if attempt < PORT_TRIES => {}
                Err(error) => return Err(error),
            }
        }
        Ok(server)
    }

    fn spawn(&mut self) -> Result<(), RedisServerError> {
        self.launch()?;
        self.wait_until_it_answers()
    }

    fn launch(&mut self) -> Result<(), RedisServerError> {
        let program = &self.options.program;
        let failed = |error| RedisServerError::Start(program.clone(), error);
        let persistent = self.options.persistence == Persistence::AppendOnly;
        let args = [
            ["--port", &self.port.to_string()],
            ["--bind", "127.0.0.1"],
            ["--dir", &self.dir.path().display().to_string()],
            ["--logfile", "redis.log"],
            ["--daemonize", "no"],
            ["--save", ""],
            ["--appendonly", if persistent { "yes" } else { "no" }],
            ["--appendfsync", "no"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
        let mut command = match &self.options.guard {
            Some(exe) => guard::command(exe, program, &args),
            None => {
                let mut command = Command::new(program);
                command.args(&args);
                command
            }
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(failed)?;
        leftovers::note(self.dir.path(), child.id()).map_err(failed)?;
        self.child = Some(child);
        Ok(())
    }

    fn wait_until_it_answers(&mut self) -> Result<(), RedisServerError> {
        let deadline = Instant::now() + ANSWERS_WITHIN;
        loop {
            if self.is_listening() {
                return Ok(());
            }
            let ended = self
                .child
                .as_mut()
                .is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            if ended || Instant::now() >= deadline {
                let log = fs::read_to_string(self.dir.path().join("redis.log")).unwrap_or_default();
                self.kill().map_err(|error| {
                    RedisServerError::Start(self.options.program.clone(), error)
                })?;
                return Err(RedisServerError::Silent {
                    program: self.options.program.clone(),
                    port: self.port,
                    why: log
                        .lines()
                        .last()
                        .unwrap_or("it ended without a word")
                        .to_owned(),
                });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The loopback port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether it answers `PING`.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        answers(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)))
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> io::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Starts it again on the same port, with the data it kept (if it keeps any) or without, and waits until it answers.
    ///
    /// # Errors
    /// As [`RedisServer::start`].
    pub fn restart(&mut self, keep_data: bool) -> Result<(), RedisServerError> {
        self.relaunch(keep_data)?;
        self.wait_until_it_answers()
    }

    /// As [`RedisServer::restart`], without waiting.
    fn relaunch(&mut self, keep_data: bool) -> Result<(), RedisServerError> {
        let failed = |error| RedisServerError::Start(self.options.program.clone(), error);
        let data = self.dir.path().join("appendonlydir");
        if !keep_data && data.exists() {
            fs::remove_dir_all(&data).map_err(failed)?;
        }
        self.launch()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Nobody is left to be told; the guard ends the process should this fail.
        let _ = self.kill();
    }
}

fn free_port() -> io::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()
        .map(|address| address.port())
}

/// Whether a Redis that is ready answers there: with `PONG`, or by asking for its password. One that still loads its
/// data says `LOADING`.
fn answers(address: SocketAddr) -> bool {
    ping(address).is_ok_and(|reply| reply.starts_with(b"+PONG") || reply.starts_with(b"-NOAU"))
}

fn ping(address: SocketAddr) -> io::Result<[u8; 5]> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    stream.write_all(b"PING\r\n")?;
    let mut reply = [0; 5];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}
