//! One alert instance over time: when it waits, fires, is kept firing, and ends.

use crate::transition::AlertState;

/// How long an alert waits before it fires, and how long it stays once its expression no longer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holds {
    /// `for`, in milliseconds.
    pub for_ms: i64,
    /// `keep_firing_for`, in milliseconds.
    pub keep_firing_for_ms: i64,
}

/// Where an instance stands between two evaluations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) firing: bool,
    /// Since when it has been pending or firing.
    pub(crate) active_at_ms: i64,
    /// The first evaluation without it since it was there last, if it is kept firing.
    kept_since_ms: Option<i64>,
    /// Nothing has been made of it yet.
    fresh: bool,
}

impl Life {
    /// An instance that this evaluation is the first to find.
    pub(crate) fn new(now_ms: i64) -> Self {
        Self {
            firing: false,
            active_at_ms: now_ms,
            kept_since_ms: None,
            fresh: true,
        }
    }

    /// The states before and after the evaluation at `now_ms`, which found the instance or did not.
    ///
    /// Between two evaluations with the same finding nothing happens but at [`Self::due_ms`].
    pub(crate) fn step(
        &mut self,
        present: bool,
        holds: Holds,
        now_ms: i64,
    ) -> (AlertState, AlertState) {
        let before = match (self.firing, self.fresh) {
            (true, _) => AlertState::Firing,
            (false, true) => AlertState::Inactive,
            (false, false) => AlertState::Pending,
        };
        let after = self.next(present, holds, now_ms);
        self.firing = after == AlertState::Firing;
        self.fresh = false;
        (before, after)
    }

    fn next(&mut self, present: bool, holds: Holds, now_ms: i64) -> AlertState {
        if present {
            self.kept_since_ms = None;
            let waited = now_ms - self.active_at_ms >= holds.for_ms;
            return if self.firing || waited {
                AlertState::Firing
            } else {
                AlertState::Pending
            };
        }
        if !self.firing || holds.keep_firing_for_ms == 0 {
            return AlertState::Inactive;
        }
        let since_ms = *self.kept_since_ms.get_or_insert(now_ms);
        if now_ms - since_ms < holds.keep_firing_for_ms {
            AlertState::Firing
        } else {
            AlertState::Inactive
        }
    }

    /// From when on an evaluation with the same finding as the last changes the state; `None` if none ever does.
    pub(crate) fn due_ms(&self, holds: Holds) -> Option<i64> {
        match (self.firing, self.kept_since_ms) {
            (false, _) => Some(self.active_at_ms.saturating_add(holds.for_ms)),
            (true, Some(since_ms)) => Some(since_ms.saturating_add(holds.keep_firing_for_ms)),
            (true, None) => None,
        }
    }
}
