//! Containers of the team's that get less memory, and die of it.

use super::Fleet;
use crate::engine::live::LiveError;
use crate::engine::live::child::WorkerChild;
use crate::engine::live::theirs::Workers;
use crate::engine::live::watch::Death;
use crate::lever::{Lever, LifeLever};
use crate::metrics::kube::Ended;
use crate::redis_server::docker::guest::{Guest, GuestId, MemoryLimit, set_memory_back};
use crate::undo::Undo;
use firedrill_asynq::clock::ClockOrigin;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Real time between questions to Docker.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Which containers may take less memory, since when that is looked after, and what they had.
#[derive(Debug, Default)]
pub(super) struct Limited {
    by_process: BTreeMap<String, Limit>,
    asked: Option<Instant>,
}

/// What a step makes of a container's limit.
#[derive(Debug, Clone, Copy)]
struct Limit {
    step: usize,
    before: MemoryLimit,
    left: MemoryLimit,
}

/// In words of the engine.
fn failed(error: impl std::fmt::Display) -> LiveError {
    LiveError::Team(error.to_string())
}

impl Fleet {
    pub(super) fn guest_of(&self, process: &str) -> Option<&Guest> {
        let Workers::Theirs(theirs) = &self.workers else {
            return None;
        };
        let index = self.specs.iter().position(|spec| spec.process == process)?;
        theirs.guest(index)
    }

    /// How much memory the containers of these processes may take, if a lever is going to change that.
    ///
    /// # Errors
    /// When Docker does not tell.
    pub(crate) async fn memory_limits(
        &self,
        lever: &Lever,
        names: &[String],
    ) -> Result<Vec<(GuestId, MemoryLimit)>, LiveError> {
        let mut limits = Vec::new();
        if matches!(lever, Lever::Life(LifeLever::Leak { .. })) {
            for guest in names.iter().filter_map(|name| self.guest_of(name)) {
                let limit = guest.memory_limit().await.map_err(failed)?;
                limits.push((guest.id.clone(), limit));
            }
        }
        Ok(limits)
    }

    /// From now on the containers of these processes may take so many bytes more than they do; answers which of them, and by what that is
    /// undone now that it is known. What happens to those is step `step`'s doing.
    ///
    /// # Errors
    /// When Docker refuses.
    pub(crate) async fn limit_memory(
        &mut self,
        names: &[String],
        (step, more): (usize, u64),
    ) -> Result<(Vec<String>, Vec<Undo>), LiveError> {
        let (mut limited, mut undos) = (Vec::new(), Vec::new());
        for name in names {
            let Some(guest) = self.guest_of(name).cloned() else {
                continue;
            };
            let before = guest.memory_limit().await.map_err(failed)?;
            self.let_go(std::slice::from_ref(name));
            let (left, is_so) = guest.limit_memory(more).await.map_err(failed)?;
            let by_process = &mut self.limited.by_process;
            let limit = by_process.entry(name.clone());
            limit.or_insert(Limit { step, before, left }).left = left;
            undos.push(Undo::Memory {
                container: guest.id,
                limit: before,
                left: Some(left),
            });
            limited.extend(is_so.then(|| name.clone()));
        }
        Ok((limited, undos))
    }

    /// The containers that a step gives less memory may take as much as before.
    ///
    /// # Errors
    /// When Docker refuses.
    pub(crate) async fn lift_limits(&mut self, step: usize) -> Result<(), LiveError> {
        let by_process = std::mem::take(&mut self.limited.by_process);
        let (over, on) = by_process
            .into_iter()
            .partition(|(_, limit)| limit.step == step);
        self.limited.by_process = on;
        let over: BTreeMap<String, Limit> = over;
        for (name, Limit { before, left, .. }) in over {
            let Some(id) = self.guest_of(&name).map(|guest| guest.id.clone()) else {
                continue;
            };
            let set = tokio::task::spawn_blocking(move || set_memory_back(&id, before, Some(left)));
            set.await.map_err(failed)?.map_err(failed)?;
            let runs = self
                .running
                .get_mut(&name)
                .is_some_and(|child| !child.has_ended());
            if runs {
                self.go_on(std::slice::from_ref(&name));
            }
        }
        Ok(())
    }

    /// When it is to be looked next whether a container has died for want of memory; `None`: none may take less.
    pub(crate) fn next_look_at_limits(&self) -> Option<Instant> {
        let is_on = !self.limited.by_process.is_empty();
        let last = self.limited.asked;
        is_on.then(|| last.map_or_else(Instant::now, |last| last + ASK_EVERY))
    }

    /// Containers that have died for want of memory since this was asked last, each with the step that it died of. Where Docker does
    /// not say, nothing is: that is told in the end.
    pub(crate) async fn look_at_limits(&mut self, clock: ClockOrigin) -> Vec<(usize, Death)> {
        self.limited.asked = Some(Instant::now());
        let mut deaths = Vec::new();
        let limited: Vec<(String, usize)> = self
            .limited
            .by_process
            .iter()
            .map(|(name, limit)| (name.clone(), limit.step))
            .collect();
        for (name, step) in limited {
            let Some(guest) = self.guest_of(&name).cloned() else {
                continue;
            };
            // Also one that was started again meanwhile.
            self.let_go(std::slice::from_ref(&name));
            let has_ended = self
                .running
                .get_mut(&name)
                .is_none_or(WorkerChild::has_ended);
            if has_ended || !guest.is_out_of_memory().await.unwrap_or(false) {
                continue;
            }
            if let Some(child) = self.running.get_mut(&name) {
                child.has_died();
            }
            let death = Death {
                process: name,
                at: clock.now(),
                why: Ended::OutOfMemory,
            };
            deaths.push((step, death));
        }
        deaths
    }
}
