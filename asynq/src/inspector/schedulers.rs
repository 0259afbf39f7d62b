//! Periodic tasks: the entries that running schedulers publish, and when each was enqueued.

use crate::clock::Time;
use crate::inspector::oddity::{KeyType, Oddity};
use crate::inspector::servers::undecodable;
use crate::inspector::{InspectError, Inspector, Page};
use crate::keys;
use crate::message::{SchedulerEnqueueEvent, SchedulerEntry};
use prost::Message;

/// The entries of running schedulers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchedulerList {
    /// By specification, then id.
    pub entries: Vec<SchedulerEntry>,
    /// What cannot be read; it is left out.
    pub oddities: Vec<Oddity>,
}

/// A page of the enqueues of one entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventList {
    /// The latest first.
    pub events: Vec<SchedulerEnqueueEvent>,
    /// What cannot be read; it is left out.
    pub oddities: Vec<Oddity>,
}

impl Inspector {
    /// The entries of schedulers that are heard of. Removes nothing from the index, unlike asynq's listing.
    ///
    /// # Errors
    /// When Redis cannot be asked, or the index is of another type.
    pub async fn scheduler_entries(&self, now: Time) -> Result<SchedulerList, InspectError> {
        let mut list = SchedulerList::default();
        for key in self.live(keys::SCHEDULERS, now).await? {
            let mut command = redis::cmd("LRANGE");
            command.arg(&key).arg(0).arg(-1);
            let stored: Vec<Vec<u8>> = match self.broker.command(&command, "LRANGE").await {
                Ok(stored) => stored,
                Err(error) => {
                    list.oddities
                        .push(self.odd_key(&key, KeyType::List, error.into()).await?);
                    continue;
                }
            };
            for encoded in stored {
                match SchedulerEntry::decode(encoded.as_slice()) {
                    Ok(entry) => list.entries.push(entry),
                    Err(error) => list.oddities.push(undecodable(key.clone(), &error)),
                }
            }
        }
        list.entries
            .sort_by(|a, b| (&a.spec, &a.id).cmp(&(&b.spec, &b.id)));
        Ok(list)
    }

    /// When the tasks of an entry were enqueued. At most a thousand are kept, and those of a crashed scheduler for ever.
    ///
    /// # Errors
    /// When Redis cannot be asked, or the history is of another type.
    pub async fn scheduler_events(
        &self,
        entry_id: &str,
        page: Page,
    ) -> Result<EventList, InspectError> {
        let key = keys::scheduler_history(entry_id);
        let (first, last) = page.ranks();
        let mut command = redis::cmd("ZREVRANGE");
        command.arg(&key).arg(first).arg(last);
        let stored: Vec<Vec<u8>> = match self.broker.command(&command, "ZREVRANGE").await {
            Ok(stored) => stored,
            Err(error) => return Err(self.named(error.into(), &[(key, KeyType::SortedSet)]).await),
        };
        let mut list = EventList::default();
        for encoded in stored {
            match SchedulerEnqueueEvent::decode(encoded.as_slice()) {
                Ok(event) => list.events.push(event),
                Err(error) => list.oddities.push(undecodable(key.clone(), &error)),
            }
        }
        Ok(list)
    }
}
