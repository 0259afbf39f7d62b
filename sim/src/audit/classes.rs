//! The class of a task that was accepted: what became of it, and whether a step of the plan explains that.

use super::life::{Life, Rest};
use super::{Auditor, EXAMPLES_MAX, Hand};
use crate::plan::PRODUCER;
use firedrill_asynq::clock::Time;
use firedrill_asynq::note::Intake;
use firedrill_asynq::op::{Deed, TaskState};
use std::collections::BTreeSet;

/// What became of a task that was accepted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    /// `unheard`: asynq does not know.
    Succeeded {
        unheard: bool,
    },
    Archived,
    /// Given up by its handler, and forgotten.
    Revoked,
    /// Went to the archive then, and is gone.
    Dropped(Time),
    /// By an operator.
    Deleted(Time),
    Queued(Rest),
    /// Nobody can tell: a ledger is missing, or an answer may be wrong.
    Untold,
    /// When, if a step has lost it.
    Lost(Option<Time>),
}

impl Auditor {
    /// Tasks that nobody in the drill enqueued.
    pub(super) fn strangers(&mut self, ids: BTreeSet<&str>) {
        self.audit.unexplained.foreign = ids.len() as u64;
        for id in ids {
            self.example("foreign", || id.to_owned());
        }
    }

    pub(super) fn example(&mut self, what: &str, name: impl Fn() -> String) {
        let examples = &mut self.audit.unexplained.examples;
        let alike = examples.iter().filter(|example| example.starts_with(what));
        if alike.count() < EXAMPLES_MAX {
            examples.push(format!("{what} {}", name()));
        }
    }

    /// What Redis made of a task, whatever its sender was told; `is_left`: it is in Redis. `None`: nobody can tell.
    pub(super) fn intake(&self, life: &Life, is_left: bool) -> Option<Intake> {
        let was_there = is_left || life.starts > 0 || life.was_moved();
        match life.answer {
            Some(Intake::Accepted) => Some(Intake::Accepted),
            _ if was_there => Some(Intake::Accepted),
            Some(Intake::Duplicate) => {
                let is_lost = || self.absences.lost_since(life.sent, life.sent).is_some();
                let shares = self.shared.get(life.workload as usize);
                match life.in_doubt && is_lost() {
                    false => Some(Intake::Duplicate),
                    // It was a duplicate of another, or of itself and then lost.
                    true if shares.copied().unwrap_or(true) => None,
                    true => Some(Intake::Accepted),
                }
            }
            // An enqueue that was refused, or that nobody answered before the drill ended.
            Some(Intake::Rejected) | None => Some(Intake::Rejected),
        }
    }

    /// A task never came into Redis.
    pub(super) fn rejected(&mut self, life: &Life, name: &impl Fn() -> String) {
        self.audit.rejected += 1;
        // A handler that has not heard has died, or the drill has ended.
        let unanswered = life.answer.is_none()
            && !life.is_child()
            && !self.explains_rejection(life.sent, self.end, PRODUCER);
        if life.unexplained || unanswered {
            self.audit.unexplained.rejected += 1;
            self.example("rejected", name);
        }
        if let Some(place) = self.place(life, life.sent) {
            self.harm.refused(place, life.sent);
        }
    }

    /// What became of a task that was accepted.
    pub(super) fn fate(&self, life: &Life, left: Option<Rest>) -> Fate {
        match (left, life.last_by_hand()) {
            _ if life.successes > 0 => Fate::Succeeded {
                unheard: left.is_some_and(|rest| is_to_do(rest.state)),
            },
            (Some(rest), _) if rest.state == TaskState::Archived => Fate::Archived,
            // asynq keeps what has succeeded, and nothing else, there.
            (Some(rest), _) if rest.state == TaskState::Completed => {
                Fate::Succeeded { unheard: false }
            }
            (Some(rest), _) => Fate::Queued(rest),
            (None, _) if life.revoked => Fate::Revoked,
            (None, Some((at, Hand::Did(Deed::Delete)))) if at >= life.last_sign() => {
                Fate::Deleted(at)
            }
            (None, _) if !self.ledgers_whole || self.unseen.is_some() => Fate::Untold,
            (None, _) => match (
                self.absences.lost_since(life.sent, life.last_sign()),
                life.archived_since(),
            ) {
                (Some(at), _) => Fate::Lost(Some(at)),
                (None, Some(at)) => Fate::Dropped(at),
                // Its last execution began before Redis forgot who had it.
                (None, None) => Fate::Lost(self.absences.lost_since(life.sent, life.sent)),
            },
        }
    }

    /// Counts a task that was accepted in its class.
    pub(super) fn count(&mut self, life: &Life, fate: Fate, name: &impl Fn() -> String) {
        let queue = self.place(life, self.end);
        if let Some(at) = life.archived_at()
            && let Some(archive) = queue.and_then(|place| self.archives.get_mut(place))
        {
            archive.took(at, life.left_archive_at());
        }
        let is_halted = queue.is_some_and(|place| self.halted[place]);
        self.costs.ended(life, fate, is_halted);
        let audit = &mut self.audit;
        match fate {
            Fate::Succeeded { unheard } => {
                audit.succeeded += 1;
                audit.succeeded_twice += u64::from(life.successes > 1);
                audit.succeeded_unheard += u64::from(unheard);
            }
            Fate::Archived | Fate::Revoked => {
                audit.archived += 1;
                audit.revoked += u64::from(matches!(fate, Fate::Revoked));
                audit.archived_unstarted += u64::from(life.starts == 0);
            }
            Fate::Deleted(_) => audit.deleted += 1,
            Fate::Queued(rest) => {
                let is_orphaned = rest.leaseless && !rest.held;
                audit.still_queued += 1;
                let state = rest.state.name().to_owned();
                *audit.queued.entry(state).or_default() += 1;
                audit.orphaned += u64::from(is_orphaned);
                audit.stuck += u64::from(is_orphaned || (is_halted && !rest.held));
            }
            Fate::Untold => audit.untold += 1,
            Fate::Dropped(at) => {
                if let Some(archive) = self.archives.get_mut(queue.unwrap_or(0)) {
                    archive.misses(at, name);
                }
            }
            Fate::Lost(at) => self.lost(at, name),
        }
    }

    /// A task is lost; `at`: when Redis lost its data with it in it.
    fn lost(&mut self, at: Option<Time>, name: impl Fn() -> String) {
        self.audit.lost += 1;
        if self.audit.examples.len() < EXAMPLES_MAX {
            self.audit.examples.push(format!("lost {}", name()));
        }
        let Some(at) = at else {
            self.audit.unexplained.lost += 1;
            self.example("lost", name);
            return;
        };
        let mut steps = self.lossy.iter().rev();
        if let Some((_, step)) = steps.find(|(begins, _)| *begins <= at) {
            *self.audit.lost_in.entry(step.clone()).or_default() += 1;
        }
    }

    /// Tells what a full archive had no room for from what is lost.
    pub(super) fn drop_the_oldest(&mut self) {
        for archive in std::mem::take(&mut self.archives) {
            let (trimmed, lost) = archive.close();
            self.audit.trimmed += trimmed;
            lost.into_iter()
                .for_each(|name| self.lost(None, || name.clone()));
        }
    }
}

/// Whether a task in this state is given up or waits to be run: what is active may be about to be done.
fn is_to_do(state: TaskState) -> bool {
    !matches!(state, TaskState::Active | TaskState::Completed)
}
