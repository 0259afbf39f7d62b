//! Cleaning up after firedrills that are gone: what their journals have open is undone, what they wrote to Redis servers that
//! were given is removed, and then their directories are. `firedrill clean` and the [`reaper`](crate::reaper) do the same.

use crate::files::shown;
use crate::owner::Owner;
use crate::redis_server::directory;
use crate::redis_server::given::journal::{self, Entry};
use crate::redis_server::given::{Cleaned, clean_up as clean_database, undos_of};
use crate::redis_server::leftovers::{self, Leftover};
use crate::undo::{self, Undo};
use firedrill_asynq::broker::redis::address::Address;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What is cleaned up.
#[derive(Debug)]
pub struct Scope {
    /// Where directories of drills are.
    pub place: PathBuf,
    /// Where it is noted which Redis servers hold something of a drill.
    pub state: PathBuf,
    /// Only what this firedrill has left; `None`: what any has.
    pub only: Option<Owner>,
    /// A Redis that is looked at whether it was noted or not.
    pub named: Option<Address>,
    /// How to reach others that were noted: notes are without passwords.
    pub known: Vec<Address>,
    /// Whether nothing is done, only told.
    pub only_list: bool,
}

/// What a clean-up tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// What was found, and what became of it.
    Found(String),
    /// What is still there, and why.
    Failed(String),
}

/// Cleans up; `tell` hears of everything there was.
///
/// # Errors
/// When the places to look in cannot be read.
pub async fn clean_up(scope: &Scope, tell: &mut (dyn FnMut(Told) + Send)) -> io::Result<()> {
    let about = |path: &Path| {
        let path = shown(path).to_string();
        move |error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}"))
    };
    let found = leftovers::find(&scope.place).map_err(about(&scope.place))?;
    let noted = journal::read(&scope.state).map_err(about(&scope.state))?;
    let mut cleaning = Cleaning {
        scope,
        leftovers: found.leftovers,
        tell,
    };
    cleaning
        .leftovers
        .retain(|left| scope.is_meant(&left.owner));
    if scope.only.is_none() {
        for (path, why) in noted.doubtful.iter().chain(&found.doubtful) {
            cleaning.left_alone(path, why);
        }
        for (dir, why) in &found.garbled {
            let dir = shown(dir);
            let message =
                format!("{why}\n    when nothing of its drill is left, remove {dir} by hand");
            (cleaning.tell)(Told::Failed(message));
        }
    }
    if !scope.only_list {
        for left in &cleaning.leftovers {
            undo::end_processes(&left.open, &left.owner);
        }
    }
    let mut entries = noted.left;
    entries.retain(|entry| scope.is_meant(&entry.claim.owner));
    cleaning.databases(entries).await;
    // Now that it is known what is left in Redis.
    for leftover in std::mem::take(&mut cleaning.leftovers) {
        cleaning.directory(&leftover);
    }
    Ok(())
}

/// What firedrills that are gone have still to undo of what is the team's.
///
/// # Errors
/// When the place cannot be read.
pub fn owed_to_others() -> io::Result<Vec<Undo>> {
    let found = leftovers::find(&directory::place())?;
    let open = found.leftovers.into_iter().flat_map(|left| left.open);
    Ok(open
        .map(|open| open.undo)
        .filter(Undo::is_for_others)
        .collect())
}

impl Scope {
    fn is_meant(&self, owner: &Owner) -> bool {
        self.only.as_ref().is_none_or(|only| only == owner)
    }

    /// Whether no note says that something of the drill with this token is left in its Redis. A note is the last to go.
    fn is_over(&self, token: &str) -> bool {
        let looked = fs::symlink_metadata(journal::note(&self.state, token));
        looked.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }
}

/// A clean-up under way.
struct Cleaning<'a> {
    scope: &'a Scope,
    leftovers: Vec<Leftover>,
    tell: &'a mut (dyn FnMut(Told) + Send),
}

impl Cleaning<'_> {
    fn found(&mut self, message: String) {
        (self.tell)(Told::Found(message));
    }

    fn failed(&mut self, message: String) {
        (self.tell)(Told::Failed(message));
    }

    fn left_alone(&mut self, path: &Path, why: &str) {
        let path = shown(path);
        self.found(format!(
            "left alone: {path}: {why}; if no drill uses it, remove it by hand"
        ));
    }

    fn directory(&mut self, leftover: &Leftover) {
        let dir = shown(&leftover.dir);
        let servers: Vec<String> = leftover.servers.iter().map(u32::to_string).collect();
        let servers = if servers.is_empty() {
            String::new()
        } else {
            format!(", Redis process {}", servers.join(", "))
        };
        if self.scope.only_list {
            self.found(format!("left behind: {dir}{servers}"));
            let theirs = leftover.open.iter().map(|open| &open.undo);
            let theirs: Vec<&Undo> = theirs.filter(|undo| undo.is_for_others()).collect();
            for undo in theirs {
                self.found(format!("    to do: {undo}"));
            }
            return;
        }
        let is_over = |token: &str| self.scope.is_over(token);
        let cleared = undo::clear(&leftover.dir, &leftover.owner, &is_over);
        match cleared.removed {
            Ok(()) => self.found(format!("removed {dir}{servers}")),
            Err(error) => self.failed(error),
        }
        for undo in cleared.did {
            self.found(format!("    did: {undo}"));
        }
        for left in cleared.left {
            self.found(format!("    left alone: {left}"));
        }
    }

    /// What drills left in Redis servers that were given: those that were noted, and the one that is named.
    async fn databases(&mut self, entries: Vec<Entry>) {
        let mut places: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for entry in entries {
            places.entry(entry.place.clone()).or_default().push(entry);
        }
        if let Some(address) = &self.scope.named {
            let entries = places.remove(&address.place()).unwrap_or_default();
            self.database(address, entries).await;
        }
        for (place, entries) in places {
            let url = entries.iter().find_map(|entry| entry.url.as_deref());
            let known = self.scope.known.iter();
            let mut known = known.filter(|address| address.place() == place);
            let address = known.next().cloned().or_else(|| url?.parse().ok());
            match (address, entries.first()) {
                (Some(address), _) => self.database(&address, entries).await,
                (None, Some(entry)) => {
                    let address = &entry.address;
                    let message = format!(
                        "left behind: a drill's keys in {address}\n    type: firedrill clean --redis '{address}' (with the \
                         password, which is kept nowhere)"
                    );
                    match self.scope.only_list {
                        true => self.found(message),
                        false => self.failed(message),
                    }
                }
                (None, None) => {}
            }
        }
    }

    async fn database(&mut self, address: &Address, entries: Vec<Entry>) {
        if self.scope.only_list {
            if !entries.is_empty() {
                self.found(format!("left behind: a drill's keys in {address}"));
            }
            return;
        }
        let left = entries.into_iter().map(|entry| {
            let open = self.leftovers.iter().flat_map(|left| left.open.clone());
            let undos = undos_of(&entry.claim.token, open.collect());
            (entry, undos)
        });
        let left: Vec<(Entry, Vec<Undo>)> = left.collect();
        match clean_database(address, &left).await {
            Ok(Cleaned::Nothing) => {}
            Ok(Cleaned::Busy(who)) => self.found(format!(
                "left alone: {address}: a drill is running on it ({who})"
            )),
            Ok(Cleaned::Removed(foreign)) => {
                for (entry, _) in &left {
                    if let Err(error) = entry.remove(&self.scope.state) {
                        self.failed(format!("{}: {error}", shown(&self.scope.state)));
                    }
                }
                let undone = left.iter().flat_map(|(_, undos)| undos);
                let undone: Vec<String> = undone.map(|undo| format!("    did: {undo}")).collect();
                self.found(format!("removed a drill's keys from {address}"));
                undone.into_iter().for_each(|line| self.found(line));
                for thing in foreign {
                    self.found(format!(
                        "    not ours, and still there: {}: {}",
                        thing.subject, thing.saw
                    ));
                }
            }
            Err(error) => self.failed(format!(
                "cannot remove a drill's keys from {address}: {error}\n    if that Redis is gone for good: firedrill clean \
                 --forget '{address}'"
            )),
        }
    }
}
