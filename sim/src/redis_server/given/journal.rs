//! The journal: which Redis servers that were given hold something of a drill, kept by each user of a machine.
//!
//! An entry is written before the first key is, and removed after the last one is. So whatever ends a drill, `firedrill
//! clean` knows where to look. Passwords are not kept.

use crate::owner::{Fate, is_private, read_private};
use crate::redis_server::given::claim::Claim;
use firedrill_asynq::broker::redis::address::Address;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Longest entry that is read.
const ENTRY_MAX: u64 = 1 << 20;

/// Where the journal is: `$XDG_STATE_HOME/firedrill`, or `~/.local/state/firedrill`, or beside temporary files. A home that
/// does not exist is none, and is not made.
#[must_use]
pub fn state_dir() -> PathBuf {
    of_user(|name| std::env::var_os(name), &std::env::temp_dir())
}

fn of_user(variable: impl Fn(&str) -> Option<OsString>, temporary: &Path) -> PathBuf {
    let absolute = |name: &str| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home = || absolute("HOME").filter(|home| home.is_dir());
    match absolute("XDG_STATE_HOME").or_else(|| Some(home()?.join(".local/state"))) {
        Some(base) => base.join("firedrill"),
        None => {
            let user = rustix::process::geteuid().as_raw();
            temporary.join(format!("firedrill-state-{user}"))
        }
    }
}

/// Where the entry of a claim is.
pub(crate) fn note(state: &Path, token: &str) -> PathBuf {
    state.join(format!("{token}.json"))
}

/// One drill on a Redis that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where its Redis is, for people.
    pub address: String,
    /// The same, without user and password.
    pub place: String,
    /// The address to connect to, unless there is a password in it.
    pub url: Option<String>,
    /// What it has written.
    pub claim: Claim,
}

impl Entry {
    /// Of a drill that is going to write to `address`.
    pub(super) fn new(address: &Address, claim: &Claim) -> Self {
        Self {
            address: address.to_string(),
            place: address.place(),
            url: address.without_secrets().map(str::to_owned),
            claim: claim.clone(),
        }
    }

    fn file(&self, state: &Path) -> PathBuf {
        note(state, &self.claim.token)
    }

    /// Writes it, to stay even if the power fails.
    ///
    /// # Errors
    /// When it cannot be written, or others could write there.
    pub(super) fn write(&self, state: &Path) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(state)?;
        if !is_private(state)? {
            return Err(io::Error::other(
                "it belongs to somebody else, or is open to others (chmod 700)",
            ));
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.file(state))?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()
    }

    /// Removes it: nothing of the drill is left.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove(&self, state: &Path) -> io::Result<()> {
        match fs::remove_file(self.file(state)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// What is in the journal.
#[derive(Debug, Default)]
pub struct Journal {
    /// Of drills whose process is gone.
    pub left: Vec<Entry>,
    /// Files that are better left alone, and why.
    pub doubtful: Vec<(PathBuf, String)>,
}

/// Reads the journal. Entries of drills that go on are not in it.
///
/// # Errors
/// When the directory cannot be read.
pub fn read(state: &Path) -> io::Result<Journal> {
    let mut journal = Journal::default();
    let files = match fs::read_dir(state) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(journal),
        files => files?,
    };
    if !is_private(state)? {
        let why = "it belongs to somebody else, or is open to others".to_owned();
        journal.doubtful.push((state.to_path_buf(), why));
        return Ok(journal);
    }
    for file in files {
        let path = file?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        match entry(&path) {
            Ok((entry, Fate::Gone)) => journal.left.push(entry),
            Ok((_, Fate::Runs)) => {}
            Ok((_, Fate::Unknown(why))) => journal.doubtful.push((path, why)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => journal.doubtful.push((path, error.to_string())),
        }
    }
    journal.left.sort_by(|a, b| a.place.cmp(&b.place));
    journal.doubtful.sort();
    Ok(journal)
}

/// One entry, if it is a small regular file of ours.
fn entry(path: &Path) -> io::Result<(Entry, Fate)> {
    let (bytes, made) = read_private(path, ENTRY_MAX)?;
    let entry: Entry = serde_json::from_slice(&bytes)?;
    let named_after = path.file_stem().and_then(|name| name.to_str());
    if named_after != Some(entry.claim.token.as_str()) {
        return Err(io::Error::other("it is not named after its claim"));
    }
    let fate = entry.claim.owner.fate(made);
    Ok((entry, fate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_that_does_not_exist_is_not_made() {
        let temp = tempfile::tempdir().unwrap();
        let home = temp.path().join("home");
        let set = |xdg: Option<&str>| {
            let (xdg, home) = (xdg.map(OsString::from), home.clone());
            of_user(
                move |name| match name {
                    "HOME" => Some(home.clone().into_os_string()),
                    _ => xdg.clone(),
                },
                temp.path(),
            )
        };
        let user = rustix::process::geteuid().as_raw();
        let beside = temp.path().join(format!("firedrill-state-{user}"));
        assert_eq!(set(None), beside);
        assert_eq!(set(Some("relative")), beside);
        assert_eq!(set(Some("/var/state")), Path::new("/var/state/firedrill"));
        assert!(!home.exists());
        fs::create_dir(&home).unwrap();
        assert_eq!(set(None), home.join(".local/state/firedrill"));
    }
}
