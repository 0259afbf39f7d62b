//! Keeps the undo journal of a drill under way: what a turn of the agenda will have to be undone by is on the disk just before
//! the turn is due, so that writing it makes no fault late.

use super::LiveError;
use super::stand::Stand;
use crate::agenda::{Turn, What};
use crate::lever::{Lever, RedisLever};
use crate::owner::Owner;
use crate::undo::{Account, Facts, Setting, Undo};
use std::io;

/// As it is called in an error.
pub(super) const JOURNAL: &str = "the undo journal";

fn failed(error: io::Error) -> LiveError {
    LiveError::System(JOURNAL, error)
}

/// What ends those of these processes that run.
pub(super) fn ends(pids: impl Iterator<Item = u32>) -> Vec<Undo> {
    pids.filter_map(|pid| Owner::of(pid).ok())
        .map(|process| Undo::End { process })
        .collect()
}

impl Stand {
    /// Writes down how what this turn is going to do is undone; answers what it settles once it was taken.
    ///
    /// # Errors
    /// When it cannot be written: the turn must not be taken.
    pub(super) async fn foresee(&self, turn: Turn) -> Result<Vec<Undo>, LiveError> {
        let Some(lever) = turn.lever(&self.plan) else {
            return Ok(Vec::new());
        };
        let targets = turn.targets(&self.plan);
        let pids = self.fleet.pids(&targets);
        let owner = |pid: u32| Owner::of(pid).ok();
        let maxmemory = match lever {
            Lever::Redis(RedisLever::Fill | RedisLever::Limit { .. }) => self.maxmemory().await,
            _ => String::new(),
        };
        let facts = Facts {
            processes: pids.into_iter().filter_map(owner).collect(),
            guests: self.fleet.guests(&lever, &targets).await,
            proxy: self.links.proxy(&targets),
            limits: self.fleet.memory_limits(&lever, &targets).await?,
            replicated: self.fleet.replicated(&lever, &targets),
            redis: self.place.clone(),
            server: self.redis.pid().and_then(owner),
            maxmemory,
        };
        let Account { owes, pays } = Account::of(&lever, facts);
        let step = match turn.what {
            What::Begin(step) | What::End(step) | What::Goes(step, _) | What::Prepare(step) => {
                &self.plan.timeline[step].id
            }
            What::Remedy(index) | What::RemedyGoes(index, _) => &self.plan.remedies[index].id,
        };
        // People who rehearse may come across it: a step's name gives away what is done.
        let step = (!self.roster.has_people()).then(|| step.clone());
        self.note(step, owes).await?;
        Ok(pays)
    }

    /// A turn was taken: what it settles is marked if it was seen to bite, and the processes that it has started are noted.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(super) async fn account_for(
        &self,
        settles: &[Undo],
        was_seen: bool,
    ) -> Result<(), LiveError> {
        if was_seen {
            self.journal.settle(settles).map_err(failed)?;
        }
        self.note_processes().await
    }

    /// Writes down the processes that are there and not noted yet.
    pub(super) async fn note_processes(&self) -> Result<(), LiveError> {
        let pids = self.fleet.all_pids().into_iter().chain(self.redis.pid());
        self.note(None, ends(pids)).await
    }

    pub(super) async fn note(
        &self,
        step: Option<String>,
        undos: Vec<Undo>,
    ) -> Result<(), LiveError> {
        if undos.is_empty() {
            return Ok(());
        }
        let journal = self.journal.clone();
        // A slow disk holds up nobody else.
        let noted = tokio::task::spawn_blocking(move || journal.note(step.as_deref(), &undos));
        let noted = noted.await.map_err(io::Error::other);
        noted.flatten().map_err(failed)
    }

    /// `maxmemory` as it is now. A Redis that does not tell has none: one of ours is started without.
    async fn maxmemory(&self) -> String {
        let mut get = redis::cmd("CONFIG");
        get.arg("GET").arg(Setting::Maxmemory.name());
        let told = self.control.command::<(String, String)>(&get, "CONFIG GET");
        told.await
            .map_or_else(|_| "0".to_owned(), |(_, value)| value)
    }

    /// What `maxmemory` was before it was changed.
    pub(super) fn maxmemory_before(&self) -> u64 {
        let of = |undo: Undo| match undo {
            Undo::Setting {
                setting: Setting::Maxmemory,
                value,
                ..
            } => value.parse().ok(),
            _ => None,
        };
        let mut open = self.journal.open().into_iter();
        open.find_map(|open| of(open.undo)).unwrap_or(0)
    }
}
