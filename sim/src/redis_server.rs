//! A private Redis: a `redis-server` process of our own, behind a socket in a directory of its own, gone with us.
//!
//! A port is anybody's: who listens on it while a drill has its Redis down is taken for that Redis. A socket in a
//! directory that only our user may enter is nobody else's.

pub mod directory;
pub mod docker;
pub mod given;
pub mod leftovers;
pub(crate) mod login;
pub mod ours;
pub mod private;

use crate::guard;
use crate::program;
use firedrill_asynq::broker::redis::identity::Identity;
use firedrill_detector::text::counted;
use login::Login;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Names of the executable, the first found is taken.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
/// How long a server may take to answer, e.g. while it loads its data.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// How long it may take to answer a question while it runs.
const TELLS_WITHIN: Duration = Duration::from_millis(500);
/// Pause between looks whether it answers.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// What is encoded in the path of an address.
const IN_URLS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// The directory of the append-only file, and what `BGSAVE` writes.
const DATA: &str = "appendonlydir";
const SAVED: &str = "dump.rdb";
/// Longest `INFO` that is read.
const INFO_MAX: u64 = 65_536;

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
    /// Its only user who may change anything; `None`: anybody who reaches its socket may.
    login: Option<Login>,
    /// Somebody else's directory that it is in; `None`: one of its own.
    home: Option<PathBuf>,
    /// As a replica, the loopback port at which its primary is.
    primary: Option<u16>,
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
            login: None,
            home: None,
            primary: None,
        }
    }

    /// Puts it into the directory of a drill, which is not removed with it.
    #[must_use]
    pub fn at_home_in(mut self, dir: &Path) -> Self {
        self.home = Some(dir.to_path_buf());
        self
    }

    /// Lets nobody change anything but whoever has its [`url`](RedisServer::url); others may look.
    #[must_use]
    pub fn for_us_alone(mut self) -> Self {
        self.login = Some(Login::new());
        self
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
        "no Redis found. Either install one (`apt-get install redis-server`, `brew install redis`), so that \
         `redis-server` or `valkey-server` is on PATH; or start Docker, and firedrill runs it in a container"
    )]
    NotFound,
    /// The system refused.
    #[error("cannot start {0}: {1}")]
    Start(PathBuf, #[source] io::Error),
    /// It ended at once, or never answered.
    #[error("{program} does not answer: {why}")]
    Silent {
        /// Which executable.
        program: PathBuf,
        /// End of its log.
        why: String,
    },
    /// The Redis that was given does not do.
    #[error("the Redis that was given: {0}")]
    Given(String),
    /// The Redis that was given holds something.
    #[error(
        "{address} holds {}. A drill counts what is in its queues and removes it in the end, so it wants an \
         empty database: another number at the end of the address, or a Redis of its own",
        counted(*.keys, "key")
    )]
    NotEmpty {
        /// Which Redis.
        address: String,
        /// How many keys.
        keys: u64,
    },
    /// The Redis that was given is not for this drill.
    #[error("{0}")]
    Refused(String),
    /// What a drill wrote to the Redis that was given is still there.
    #[error("{0}")]
    Left(String),
    /// The Redis that was given is not ours to stop or start.
    #[error("a Redis that was given is not stopped or started by a drill")]
    NotOurs,
    /// The container way failed.
    #[error("Redis in a container: {0}")]
    Container(String),
}

/// Finds a Redis server among the directories of a search path.
pub fn find(search_path: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    program::find(&PROGRAMS, search_path)
}

/// A running private Redis. Dropping it kills it and removes its directory, if that is its own.
#[derive(Debug)]
pub struct RedisServer {
    options: RedisServerOptions,
    child: Option<Child>,
    dir: PathBuf,
    /// Its socket in `dir`.
    socket: &'static str,
    _own_dir: Option<TempDir>,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be started or does not answer within 20 s.
    pub fn start(options: RedisServerOptions) -> Result<Self, RedisServerError> {
        let mut server = Self::launched(options)?;
        server.wait_until_it_answers()?;
        Ok(server)
    }

    /// As [`RedisServer::start`], without waiting.
    fn launched(mut options: RedisServerOptions) -> Result<Self, RedisServerError> {
        let failed = |error| RedisServerError::Start(options.program.clone(), error);
        let (dir, own_dir) = match &options.home {
            Some(home) => (home.clone(), None),
            None => {
                let own = directory::create().map_err(failed)?;
                (own.path().to_path_buf(), Some(own))
            }
        };
        // It is started in a directory of its own.
        let absolute = |path: &Path| std::path::absolute(path).map_err(failed);
        let program = absolute(&options.program)?;
        let guard = options.guard.as_deref().map(absolute).transpose()?;
        options.program = program;
        options.guard = guard;
        let mut server = Self {
            socket: match options.primary {
                Some(_) => directory::REPLICA_SOCKET,
                None => directory::SOCKET,
            },
            options,
            child: None,
            dir,
            _own_dir: own_dir,
        };
        let persistent = server.options.persistence == Persistence::AppendOnly;
        server.launch(persistent)?;
        Ok(server)
    }

    /// A replica of it, beside it in its directory: its primary is at a port of this machine. Not waited for.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn replica(&self, primary: u16) -> Result<Self, RedisServerError> {
        Self::launched(RedisServerOptions {
            home: Some(self.dir.clone()),
            primary: Some(primary),
            // What it gets is its primary's to keep, until it is promoted.
            persistence: Persistence::None,
            ..self.options.clone()
        })
    }

    /// A replica becomes the primary, in the place of one that is gone, with its address.
    ///
    /// # Errors
    /// When it does not do as it is told, or the system refuses.
    pub(crate) fn promoted(mut self, gone: &Self) -> io::Result<Self> {
        self.tell("REPLICAOF NO ONE")?;
        let data = self.dir.join(DATA);
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        self.options.primary = None;
        self.options.persistence = gone.options.persistence;
        if self.options.persistence == Persistence::AppendOnly {
            self.tell("CONFIG SET appendonly yes")?;
        }
        fs::rename(self.socket(), self.dir.join(directory::SOCKET))?;
        self.socket = directory::SOCKET;
        Ok(self)
    }

    /// Tells it something as the drill's user.
    pub(crate) fn tell(&self, what: &str) -> io::Result<()> {
        let login = self.options.login.as_ref();
        let login = login.map_or(String::new(), |login| format!("{}\r\n", login.command()));
        let expected = if login.is_empty() {
            "+OK\r\n"
        } else {
            "+OK\r\n+OK\r\n"
        };
        let mut stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        stream.set_write_timeout(Some(ANSWERS_WITHIN))?;
        stream.write_all(format!("{login}{what}\r\n").as_bytes())?;
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer)?;
        match answer == expected.as_bytes() {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "{what}: {}",
                String::from_utf8_lossy(&answer)
            ))),
        }
    }

    /// What `INFO` says in a section.
    pub(crate) fn info(&self, section: &str) -> Option<String> {
        info_at(&self.socket(), section).ok().flatten()
    }

    /// What it has saved (`BGSAVE`) is kept under a number.
    ///
    /// # Errors
    /// When there is nothing, or the system refuses.
    pub(crate) fn keep(&self, number: usize) -> io::Result<()> {
        fs::rename(self.dir.join(SAVED), self.kept(number))
    }

    fn kept(&self, number: usize) -> PathBuf {
        self.dir.join(format!("{}{number}.rdb", directory::KEPT))
    }

    /// Started again with what was kept under a number, and nothing else; not waited for.
    ///
    /// # Errors
    /// When nothing was kept, or the system refuses.
    pub(crate) fn relaunch_with_kept(&mut self, number: usize) -> Result<(), RedisServerError> {
        let failed = |error| RedisServerError::Start("redis".into(), error);
        let kept = self.kept(number);
        fs::metadata(&kept).map_err(failed)?;
        self.forget()?;
        fs::rename(kept, self.dir.join(SAVED)).map_err(failed)?;
        // One that appends to a file reads nothing else.
        self.launch(false)
    }

    /// It has been started with what was kept: from now on it keeps its data as before.
    ///
    /// # Errors
    /// When it does not do as it is told, or the system refuses.
    pub(crate) fn has_loaded(&self) -> io::Result<()> {
        fs::remove_file(self.dir.join(SAVED))?;
        match self.options.persistence {
            Persistence::AppendOnly => self.tell("CONFIG SET appendonly yes"),
            Persistence::None => Ok(()),
        }
    }

    /// It is gone, and its data with it.
    fn forget(&mut self) -> Result<(), RedisServerError> {
        let killed = self.kill();
        let failed = |error| RedisServerError::Start(self.options.program.clone(), error);
        killed.map_err(failed)?;
        let data = self.dir.join(DATA);
        if data.exists() {
            fs::remove_dir_all(&data).map_err(failed)?;
        }
        Ok(())
    }

    fn launch(&mut self, persistent: bool) -> Result<(), RedisServerError> {
        let program = &self.options.program;
        let is_replica = self.options.primary.is_some();
        let named = |primary, replica| if is_replica { replica } else { primary };
        // Paths are relative: Redis would take one with a space in it apart.
        let args = [
            ["--port", "0"],
            ["--unixsocket", self.socket],
            ["--unixsocketperm", "700"],
            ["--dir", "."],
            ["--logfile", named("redis.log", "replica.log")],
            ["--dbfilename", named(SAVED, "replica.rdb")],
            ["--daemonize", "no"],
            ["--save", ""],
            ["--appendonly", if persistent { "yes" } else { "no" }],
            ["--appendfsync", "no"],
        ];
        let mut args = args.as_flattened().to_vec();
        // A password on a command line could be read by everybody, and in a file by whoever finds it.
        let login = self.options.login.as_ref();
        if login.is_some() {
            args.push("-");
        }
        let mut command = match &self.options.guard {
            Some(exe) => guard::command(exe, program, &args),
            None => {
                let mut command = Command::new(program);
                command.args(&args);
                command
            }
        };
        let failed = |error| RedisServerError::Start(program.clone(), error);
        let stdin = if login.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let child = command
            .current_dir(&self.dir)
            .stdin(stdin)
            .stdout(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let child = self.child.insert(child);
        if let (Some(login), Some(mut stdin)) = (login, child.stdin.take()) {
            // One that has ended says why in its log; a pipe holds more than this.
            let config = login.config();
            let config = match self.options.primary {
                Some(port) => config + &login.follows(port),
                None => config,
            };
            let _ = stdin.write_all(config.as_bytes());
        }
        Ok(())
    }

    fn wait_until_it_answers(&mut self) -> Result<(), RedisServerError> {
        let deadline = Instant::now() + ANSWERS_WITHIN;
        while !self.answers_or_fails(deadline)? {
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Whether it answers; an error when it has ended, or `deadline` has passed.
    fn answers_or_fails(&mut self, deadline: Instant) -> Result<bool, RedisServerError> {
        if self.is_listening() {
            if let Some(login) = &self.options.login {
                let failed = |error| RedisServerError::Start(self.options.program.clone(), error);
                restrict(&self.socket(), login).map_err(failed)?;
            }
            return Ok(true);
        }
        let ended = self
            .child
            .as_mut()
            .is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
        if !ended && Instant::now() < deadline {
            return Ok(false);
        }
        let program = self.options.program.clone();
        let log = match self.options.primary {
            Some(_) => "replica.log",
            None => "redis.log",
        };
        let log = fs::read_to_string(self.dir.join(log)).unwrap_or_default();
        self.kill()
            .map_err(|error| RedisServerError::Start(program.clone(), error))?;
        let last = log.lines().last();
        Err(RedisServerError::Silent {
            program,
            why: last.unwrap_or("it ended without a word").to_owned(),
        })
    }

    /// The path of its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.join(self.socket)
    }

    /// `unix:///path/of/its/socket`, with user and password where it has them.
    #[must_use]
    pub fn url(&self) -> String {
        // Whatever `TMPDIR` has in it; a path is UTF-8 here, see `directory`.
        let path = self.socket();
        let path = utf8_percent_encode(path.to_str().unwrap_or_default(), IN_URLS);
        let login = self.options.login.as_ref();
        let login = login.map_or(String::new(), |login| format!("{}@", login.in_url()));
        format!("unix://{login}{path}")
    }

    /// Process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether it, and nobody else, answers and has loaded its data.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.identity().is_some()
    }

    /// Who answers on its socket, if that is the process that was started and it is ready.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        let pid = self.pid()?;
        let identity = ask(&self.socket()).ok()??;
        (identity.process_id == pid).then_some(identity)
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

    /// Starts it again on the same socket, with the data it kept (if it keeps any) or without, and waits until it answers.
    ///
    /// # Errors
    /// As [`RedisServer::start`].
    pub fn restart(&mut self, keep_data: bool) -> Result<(), RedisServerError> {
        self.relaunch(keep_data)?;
        self.wait_until_it_answers()
    }

    /// As [`RedisServer::restart`], without waiting.
    fn relaunch(&mut self, keep_data: bool) -> Result<(), RedisServerError> {
        // One that is still there, stopped or not, goes first: there is one Redis in its place.
        if keep_data {
            let killed = self.kill();
            let failed = |error| RedisServerError::Start(self.options.program.clone(), error);
            killed.map_err(failed)?;
        } else {
            self.forget()?;
        }
        self.launch(self.options.persistence == Persistence::AppendOnly)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Nobody is left to be told; the guard ends the process should this fail.
        let _ = self.kill();
    }
}

/// Lets nobody but the drill's user change anything in the server behind a socket.
fn restrict(socket: &Path, login: &Login) -> io::Result<()> {
    const DONE: &[u8] = b"+OK\r\n+OK\r\n";
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
    stream.set_write_timeout(Some(ANSWERS_WITHIN))?;
    stream.write_all(login.restriction().as_bytes())?;
    let mut answer = [0; DONE.len()];
    stream.read_exact(&mut answer)?;
    match answer == DONE {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "it does not take the drill's user: {}",
            String::from_utf8_lossy(&answer)
        ))),
    }
}

/// Asks the server behind a socket who it is; `None`: it still loads its data, or is no Redis.
fn ask(socket: &Path) -> io::Result<Option<Identity>> {
    Ok(info_at(socket, "server")?.and_then(|info| Identity::of(&info)))
}

/// A section of what the server behind a socket says of itself; `None`: it still loads its data, or is no Redis.
fn info_at(socket: &Path, section: &str) -> io::Result<Option<String>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(TELLS_WITHIN))?;
    stream.set_write_timeout(Some(TELLS_WITHIN))?;
    stream.write_all(format!("PING\r\nINFO {section}\r\n").as_bytes())?;
    let mut answer = BufReader::new(stream.take(INFO_MAX));
    let mut line = String::new();
    answer.read_line(&mut line)?;
    if line != "+PONG\r\n" {
        return Ok(None);
    }
    line.clear();
    answer.read_line(&mut line)?;
    let length = line.trim_end().strip_prefix('$').map(str::parse::<u64>);
    let Some(Ok(length)) = length else {
        return Ok(None);
    };
    let mut info = String::new();
    answer.take(length).read_to_string(&mut info)?;
    Ok(Some(info))
}

/// Who answers at a socket, if somebody does within a second.
pub(crate) fn identity_at(socket: &Path) -> Option<Identity> {
    ask(socket).ok().flatten()
}

fn free_port() -> io::Result<u16> {
    std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?
        .local_addr()
        .map(|address| address.port())
}
