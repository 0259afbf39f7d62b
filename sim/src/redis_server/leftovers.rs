//! What a firedrill that was killed with SIGKILL leaves: directories of private servers, and perhaps a server.
//!
//! Nothing that lies about is believed: whose a directory is says its name and the file system, and a server is one when
//! it is a process of ours, a Redis, and at home in that directory.

use crate::owner::{Fate, Owner, is_private};
use crate::pidfd;
use crate::redis_server::{PROGRAMS, directory};
use crate::undo::{self, Open};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A directory whose owner is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The directory.
    pub dir: PathBuf,
    /// Whose it was.
    pub owner: Owner,
    /// Servers that still run in it.
    pub servers: Vec<u32>,
    /// What its journal says is still to be undone, the newest first.
    pub open: Vec<Open>,
}

/// What was found in a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// What can be removed.
    pub leftovers: Vec<Leftover>,
    /// Directories that look like ours and are better left alone, and why.
    pub doubtful: Vec<(PathBuf, String)>,
    /// Directories of ours with a journal that cannot be gone by, and why.
    pub garbled: Vec<(PathBuf, String)>,
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
                        match undo::read(&path.join(directory::JOURNAL)) {
                            Ok(open) => found.leftovers.push(Leftover {
                                owner,
                                servers: servers(&path),
                                open,
                                dir: path,
                            }),
                            Err(error) => found.garbled.push((path, error.to_string())),
                        }
                        continue;
                    }
                },
            }
        };
        found.doubtful.push((path, why));
    }
    found.leftovers.sort_by(|a, b| a.dir.cmp(&b.dir));
    found.doubtful.sort();
    found.garbled.sort();
    Ok(found)
}

/// Ends servers that run in `dir`.
///
/// # Errors
/// When the system refuses.
pub fn end_servers(dir: &Path) -> io::Result<()> {
    let mut each = servers(dir).into_iter();
    // What one writes until it is gone would be in the way of removing the directory.
    each.try_for_each(|pid| pidfd::end(pid, || is_server(pid, dir)))
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
