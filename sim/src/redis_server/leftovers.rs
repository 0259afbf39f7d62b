//! What a firedrill that was killed with SIGKILL leaves: directories of private servers, and perhaps a server.
//!
//! Nothing that lies about is believed: whose a directory is says its name and the file system, and a server is one when
//! it is a process of ours, a Redis, and at home in that directory.

use crate::owner::{Fate, is_private, raw_pid};
use crate::redis_server::{PROGRAMS, directory};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::time::Timespec;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How long a server may take to end after its SIGKILL.
const ENDS_WITHIN: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// A directory whose owner is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The directory.
    pub dir: PathBuf,
    /// Servers that still run in it.
    pub servers: Vec<u32>,
}

/// What was found in a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// What can be removed.
    pub leftovers: Vec<Leftover>,
    /// Directories that look like ours and are better left alone, and why.
    pub doubtful: Vec<(PathBuf, String)>,
}

/// Finds what was left behind in `place`. Directories of firedrills that run are in neither list.
///
/// # Errors
/// When the place cannot be read.
pub fn find(place: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    for entry in fs::read_dir(place)? {
        let path = entry?.path();
        let Some(owner) = directory::owner(&path) else {
            continue;
        };
        let Ok(meta) = fs::symlink_metadata(&path) else {
            // It was removed meanwhile.
            continue;
        };
        let why = if meta.is_symlink() {
            "it is a symbolic link".to_owned()
        } else if !meta.is_dir() {
            "it is not a directory".to_owned()
        } else if !is_private(&path)? {
            "it belongs to somebody else, or others may write to it".to_owned()
        } else {
            match owner.fate(meta.modified().unwrap_or_else(|_| SystemTime::now())) {
                Fate::Runs => continue,
                Fate::Unknown(why) => why,
                Fate::Gone => match directory::stranger(&path)? {
                    Some(stranger) => {
                        format!("{} is no file of a Redis of ours", stranger.display())
                    }
                    None => {
                        found.leftovers.push(Leftover {
                            servers: servers(&path),
                            dir: path,
                        });
                        continue;
                    }
                },
            }
        };
        found.doubtful.push((path, why));
    }
    found.leftovers.sort_by(|a, b| a.dir.cmp(&b.dir));
    found.doubtful.sort();
    Ok(found)
}

/// Ends the servers of a leftover that still run, and removes its directory.
///
/// # Errors
/// When the system refuses either.
pub fn remove(leftover: &Leftover) -> io::Result<()> {
    for pid in &leftover.servers {
        end(*pid, &leftover.dir)?;
    }
    fs::remove_dir_all(&leftover.dir)
}

/// Redis processes of ours that are at home in `dir`.
fn servers(dir: &Path) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut servers: Vec<u32> = processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| is_server(*pid, dir))
        .collect();
    servers.sort_unstable();
    servers
}

fn is_server(pid: u32, dir: &Path) -> bool {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let ours = rustix::process::geteuid().as_raw();
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    // The same directory, not one of the same name; another user's process does not show where it is.
    let home = fs::metadata(process.join("cwd")).and_then(|home| Ok((home, fs::metadata(dir)?)));
    PROGRAMS.contains(&name.trim_end())
        && fs::metadata(&process).is_ok_and(|meta| meta.uid() == ours)
        && home.is_ok_and(|(home, dir)| (home.dev(), home.ino()) == (dir.dev(), dir.ino()))
}

/// Ends a server through a descriptor of it: looked at after it was opened, it is the process that is looked at and no
/// other that got its number since.
fn end(pid: u32, dir: &Path) -> io::Result<()> {
    let Some(raw) = raw_pid(pid) else {
        return Ok(());
    };
    let process = match pidfd_open(raw, PidfdFlags::empty()) {
        // It has ended meanwhile.
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        other => other?,
    };
    if !is_server(pid, dir) {
        return Ok(());
    }
    match pidfd_send_signal(&process, Signal::KILL) {
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        other => other?,
    }
    // Readable when it has ended: what it writes until then would be in the way of removing the directory.
    let mut ended = [PollFd::new(&process, PollFlags::IN)];
    if poll(&mut ended, Some(&ENDS_WITHIN))? == 0 {
        return Err(io::Error::other(format!("process {pid} does not end")));
    }
    Ok(())
}
