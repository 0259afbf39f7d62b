//! Ties a child process to the life of its parent, even a parent that is killed with SIGKILL.

use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// A command that runs `program` through `exe guard`: it dies when the *thread* that starts it ends, however that
/// happens (prctl(2), `PR_SET_PDEATHSIG`). Start children from a thread that lives as long as they should. A signal that
/// a terminal sends to us, such as Ctrl-C, does not reach it: whether it ends is ours to say.
pub fn command<I, S>(exe: &Path, program: &Path, args: I) -> Command
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new(exe);
    command
        .args(["guard", "--parent", &std::process::id().to_string(), "--"])
        .arg(program)
        .args(args)
        .process_group(0);
    command
}

/// The other side: becomes the program of `command`, to be killed when the parent ends. Returns only on failure.
pub fn exec(parent: u32, command: &[OsString]) -> io::Error {
    let Some((program, args)) = command.split_first() else {
        return io::Error::new(io::ErrorKind::InvalidInput, "guard: no program given");
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // The parent may have ended before the line above.
    let alive = getppid().is_some_and(|ppid| ppid.as_raw_nonzero().get().unsigned_abs() == parent);
    if !alive {
        return io::Error::other("guard: the parent is gone");
    }
    Command::new(program).args(args).exec()
}

/// A long drill holds the ledgers of many processes and the connections of many drills: as many files as the system allows,
/// and no more than before where it does not.
pub fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let _ = setrlimit(Resource::Nofile, raised);
}
