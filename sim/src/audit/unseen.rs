//! Tasks whose executions nobody of the drill has seen: workers of the team's own write no ledger.
//!
//! asynq deletes a task that has succeeded and counts it, in one step, so a task that is gone from Redis has succeeded if its
//! queue has counted as many: which one it was nobody has to know. What is gone beyond that is told as unknown, never as lost.

use super::classes::Fate;
use super::{Auditor, Counted};
use crate::audit::Life;
use firedrill_asynq::op::TaskState;

/// What is known of them, of each queue.
#[derive(Debug)]
pub(super) struct Unseen {
    queues: Vec<OfQueue>,
}

#[derive(Debug, Default, Clone, Copy)]
struct OfQueue {
    /// Executions that ended well and are not yet somebody's.
    successes: u64,
    /// Tasks that are gone.
    gone: u64,
}

impl Unseen {
    /// `has_losses`: Redis has lost data by plan, so that its counters say nothing.
    pub(super) fn new<'q>(
        counted: &Counted,
        queues: impl Iterator<Item = &'q str>,
        has_losses: bool,
    ) -> Self {
        let of = |queue: &str| OfQueue {
            successes: match has_losses {
                true => 0,
                false => counted.0.get(queue).copied().unwrap_or(0),
            },
            gone: 0,
        };
        Self {
            queues: queues.map(of).collect(),
        }
    }

    /// How many of those that are gone have succeeded, and of how many that is unknown.
    pub(super) fn told(&self) -> (u64, u64) {
        let each = self.queues.iter().map(|of| {
            let succeeded = of.gone.min(of.successes);
            (succeeded, of.gone - succeeded)
        });
        each.fold((0, 0), |(all, more), (succeeded, untold)| {
            (all + succeeded, more + untold)
        })
    }
}

impl Auditor {
    /// Counts a task that was accepted in its class, by what is in Redis alone.
    pub(super) fn count_unseen(&mut self, life: &Life, fate: Fate) {
        let place = self.place(life, self.end);
        let mut unseen = self.unseen.as_mut();
        let of_queue = unseen
            .as_mut()
            .and_then(|unseen| unseen.queues.get_mut(place?));
        let audit = &mut self.audit;
        match (fate, of_queue) {
            // It is kept for a while, and counted as well.
            (Fate::Succeeded { .. }, of_queue) => {
                audit.succeeded += 1;
                if let Some(of) = of_queue {
                    of.successes = of.successes.saturating_sub(1);
                }
            }
            (Fate::Archived | Fate::Revoked, _) => audit.archived += 1,
            (Fate::Deleted(_), _) => audit.deleted += 1,
            (Fate::Queued(rest), _) => {
                audit.still_queued += 1;
                let state = rest.state.name().to_owned();
                *audit.queued.entry(state).or_default() += 1;
                // One that is active may be in somebody's hands, with a lease or without.
                let is_halted = place.is_some_and(|place| self.halted[place]);
                audit.stuck += u64::from(is_halted && rest.state != TaskState::Active);
            }
            (Fate::Untold | Fate::Dropped(_) | Fate::Lost(_), Some(of)) => of.gone += 1,
            (Fate::Untold | Fate::Dropped(_) | Fate::Lost(_), None) => audit.untold += 1,
        }
    }
}
