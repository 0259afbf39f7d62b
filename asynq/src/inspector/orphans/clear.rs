//! Clearing what is left over.

use super::OrphanKind;
use super::ask::How;
use super::find::{Found, Page};
use crate::clock::Time;
use crate::inspector::{InspectError, Inspector};
use crate::keys::Queue;

impl Inspector {
    /// Clears the orphans of one kind in a queue, published or not; returns how many. [`OrphanKind::cleared`] says what that does.
    ///
    /// # Errors
    /// When Redis cannot be asked, or refuses.
    pub async fn clear_orphans(
        &self,
        name: &str,
        kind: OrphanKind,
        now: Time,
    ) -> Result<u64, InspectError> {
        let queue = Queue(name);
        match kind {
            OrphanKind::Task => self.clear_tasks(queue).await,
            OrphanKind::Lock => self.clear_locks(queue).await,
            OrphanKind::Active => {
                let again = self.repair_orphans(name, now).await?;
                let without_lease = self.leases(queue).await?.without_lease;
                let dropped = self.drop_entries(queue, kind, &without_lease).await?;
                Ok(again.len() as u64 + dropped)
            }
            OrphanKind::Lease => {
                let of_nothing = self.leases(queue).await?.of_nothing;
                self.drop_entries(queue, kind, &of_nothing).await
            }
            OrphanKind::Pending => {
                let mut dropped = 0;
                let mut first = 0;
                loop {
                    let (ids, without) = self.pending(queue, first).await?;
                    if ids.is_empty() {
                        return Ok(dropped);
                    }
                    dropped += self.drop_entries(queue, kind, &without).await?;
                    first += ids.len() as u64 - without.len() as u64;
                }
            }
        }
    }

    async fn clear_locks(&self, queue: Queue<'_>) -> Result<u64, InspectError> {
        let mut cleared = 0;
        let mut scan = self.walk(Some(queue.0)).await?;
        while let Some(keys) = scan.next_page().await? {
            for locks in Page::of(keys, Some(queue.0)).locks.values() {
                cleared += self.locks(queue, locks, true).await?.len() as u64;
            }
        }
        Ok(cleared)
    }

    async fn clear_tasks(&self, queue: Queue<'_>) -> Result<u64, InspectError> {
        let mut found = Found::new(u64::MAX);
        self.orphans_in_lists(queue, &mut found).await?;
        let mut cleared = 0;
        let mut scan = self.walk(Some(queue.0)).await?;
        while let Some(keys) = scan.next_page().await? {
            for ids in Page::of(keys, Some(queue.0)).tasks.values() {
                let (unlisted, unknown) = self.unlisted(queue, How::Quick, ids).await?;
                let unknown = unknown.into_iter();
                let suspects = unknown.filter(|id| !found.is_listed(queue, id));
                // One at a time, so that Redis answers others in between.
                for id in unlisted.into_iter().chain(suspects) {
                    let deleted = self.unlisted(queue, How::Delete, &[id]).await?;
                    cleared += deleted.0.len() as u64;
                }
            }
        }
        Ok(cleared)
    }
}
