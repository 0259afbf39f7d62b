//! What a firedrill that was killed with SIGKILL leaves: directories of private servers, and perhaps a server.
//!
//! Each directory holds a note of its owner and its server, by process id and start time, so that a number the system
//! gave to somebody else is never mistaken for ours.

use crate::redis_server::DIR_PREFIX;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const NOTE: &str = "owner.json";

/// A process by number and start time (clock ticks since boot).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    pid: u32,
    started: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    owner: Process,
    server: Process,
}

/// A directory whose owner is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The directory.
    pub dir: PathBuf,
    /// Its server, if that still runs.
    pub server: Option<u32>,
}

/// Writes the note of a directory: this process owns it, `server` runs in it.
pub(super) fn note(dir: &Path, server: u32) -> io::Result<()> {
    let describe = |pid| Process {
        pid,
        started: started(pid).unwrap_or(0),
    };
    let note = Note {
        owner: describe(std::process::id()),
        server: describe(server),
    };
    fs::write(dir.join(NOTE), serde_json::to_string(&note)?)
}

/// Finds what was left behind under `temp_dir`. Directories whose owner still runs, or that hold no note, are not ours
/// to touch.
///
/// # Errors
/// When the directory cannot be read.
pub fn find(temp_dir: &Path) -> io::Result<Vec<Leftover>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(temp_dir)? {
        let path = entry?.path();
        let is_ours = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with(DIR_PREFIX));
        if !is_ours {
            continue;
        }
        let note = fs::read_to_string(path.join(NOTE))
            .ok()
            .and_then(|text| serde_json::from_str::<Note>(&text).ok());
        if let Some(note) = note
            && !runs(note.owner)
        {
            found.push(Leftover {
                dir: path,
                server: Some(note.server.pid).filter(|_| runs(note.server)),
            });
        }
    }
    found.sort_by(|a, b| a.dir.cmp(&b.dir));
    Ok(found)
}

/// Ends the server of a leftover, if it still runs, and removes its directory.
///
/// # Errors
/// When the system refuses either.
pub fn remove(leftover: &Leftover) -> io::Result<()> {
    if let Some(pid) = leftover
        .server
        .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
    {
        kill_process(pid, Signal::KILL)?;
    }
    fs::remove_dir_all(&leftover.dir)
}

fn runs(process: Process) -> bool {
    started(process.pid) == Some(process.started)
}

/// Start time of a living process (proc(5), `/proc/pid/stat`, field 22).
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if state == "Z" {
        None
    } else {
        fields.nth(18)?.parse().ok()
    }
}
