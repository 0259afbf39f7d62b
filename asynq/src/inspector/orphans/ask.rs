//! The scripts that say of keys whether they are orphans, and what they answer.

use super::OrphanKind;
use super::find::STEP;
use crate::broker::redis::script::Call;
use crate::inspector::reply::{array, count, int, text};
use crate::inspector::{InspectError, Inspector, scripts};
use crate::keys::Queue;
use redis::Value;

/// Entries of active and of leases that are compared at one moment.
pub(super) const ACTIVE_MOST: u32 = 10_000;

/// How tasks are looked for in lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Not at all: those that say they are in one are unknown.
    Quick,
    /// Through the whole lists.
    Sure,
    /// The same, and what is in none is deleted.
    Delete,
}

impl How {
    const fn word(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Sure => "sure",
            Self::Delete => "delete",
        }
    }
}

/// What is active, and what has a lease.
pub(super) struct Leases {
    /// Active ids without a lease.
    pub(super) without_lease: Vec<Value>,
    /// Leases of what is not active.
    pub(super) of_nothing: Vec<Value>,
    /// The active ids.
    pub(super) active: Vec<Value>,
    /// Whether that is all.
    pub(super) is_all: bool,
}

impl Inspector {
    /// What is active, and what has a lease, of a queue.
    pub(super) async fn leases(&self, queue: Queue<'_>) -> Result<Leases, InspectError> {
        let what = "orphaned_leases";
        let call = Call::new(&scripts::ORPHANED_LEASES)
            .keys([queue.key("active"), queue.key("lease")])
            .arg(ACTIVE_MOST);
        let answer = self.broker.script(call).await?;
        let parts = array(&answer, 4, what)?;
        let ids = |place: usize| array(&parts[place], 0, what).map(<[Value]>::to_vec);
        Ok(Leases {
            without_lease: ids(0)?,
            of_nothing: ids(1)?,
            active: ids(2)?,
            is_all: int(&parts[3]) == 1,
        })
    }

    /// Some pending ids from this rank on, and those of them that have no hash.
    pub(super) async fn pending(
        &self,
        queue: Queue<'_>,
        first: u64,
    ) -> Result<(Vec<Value>, Vec<Value>), InspectError> {
        let what = "pending_without_hash";
        let call = Call::new(&scripts::PENDING_WITHOUT_HASH)
            .keys([queue.key("pending")])
            .arg(queue.task_prefix())
            .arg(first)
            .arg(first + u64::from(STEP) - 1);
        let answer = self.broker.script(call).await?;
        let parts = array(&answer, 2, what)?;
        let ids = |place: usize| array(&parts[place], 0, what).map(<[Value]>::to_vec);
        Ok((ids(0)?, ids(1)?))
    }

    /// Of tasks: those in no list or set, and those of which only lists can tell.
    pub(super) async fn unlisted(
        &self,
        queue: Queue<'_>,
        how: How,
        ids: &[String],
    ) -> Result<(Vec<String>, Vec<String>), InspectError> {
        let what = "unlisted_tasks";
        let parts = [
            "pending",
            "active",
            "scheduled",
            "retry",
            "archived",
            "completed",
            "aggregation_sets",
        ];
        let mut call = Call::new(&scripts::UNLISTED_TASKS)
            .keys(parts.map(|part| queue.key(part)))
            .arg(queue.task_prefix())
            .arg(queue.group(""))
            .arg(how.word());
        for id in ids {
            call = call.arg(id);
        }
        let answer = self.broker.script(call).await?;
        let parts = array(&answer, 2, what)?;
        let ids = |place: usize| -> Result<Vec<String>, InspectError> {
            Ok(array(&parts[place], 0, what)?
                .iter()
                .filter_map(text)
                .collect())
        };
        Ok((ids(0)?, ids(1)?))
    }

    /// Of locks: those of tasks that are not there, with the tasks' ids.
    pub(super) async fn locks(
        &self,
        queue: Queue<'_>,
        locks: &[String],
        delete: bool,
    ) -> Result<Vec<(String, String)>, InspectError> {
        let what = "orphaned_locks";
        let call = Call::new(&scripts::ORPHANED_LOCKS)
            .keys(locks.iter().cloned())
            .arg(queue.task_prefix())
            .arg(i64::from(delete));
        let answer = self.broker.script(call).await?;
        let rows = array(&answer, 0, what)?.iter();
        let pairs = rows.filter_map(|row| {
            let row = array(row, 2, what).ok()?;
            Some((text(&row[0])?, text(&row[1])?))
        });
        Ok(pairs.collect())
    }

    pub(super) async fn drop_entries(
        &self,
        queue: Queue<'_>,
        kind: OrphanKind,
        ids: &[Value],
    ) -> Result<u64, InspectError> {
        let mut dropped = 0;
        for ids in ids.chunks(STEP as usize) {
            let mut call = Call::new(&scripts::DROP_ORPHANS)
                .keys(["pending", "active", "lease"].map(|part| queue.key(part)))
                .arg(kind.name())
                .arg(queue.task_prefix());
            for id in ids.iter().filter_map(text) {
                call = call.arg(id);
            }
            dropped += count(&self.broker.script(call).await?);
        }
        Ok(dropped)
    }
}
