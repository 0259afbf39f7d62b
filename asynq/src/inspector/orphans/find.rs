//! Looking for what is left over, twice where the first look leaves doubts.

use super::ask::{ACTIVE_MOST, How};
use super::remembered::Remembered;
use super::{LeftOver, Orphan, OrphanKind, Orphans, SHOWN, Unseen};
use crate::broker::redis::sweep::Scan;
use crate::inspector::reply::text;
use crate::inspector::{InspectError, Inspector};
use crate::keys::Queue;
use redis::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Keys that Redis looks at in a step of the walk, and list entries that it reads in one.
pub(super) const STEP: u32 = 200;

/// Tasks of a queue that are looked for a second time; a queue at work has some that came or went during the first.
const SUSPECTS_MOST: usize = 10_000;

/// Of those, tasks that are looked for in whole lists: each costs Redis a walk through one.
const SURE_MOST: usize = 100;

/// What a walk has found so far.
pub(super) struct Found {
    orphans: BTreeMap<(String, OrphanKind), Orphans>,
    unseen: Vec<Unseen>,
    /// What is among the orphans: a walk may come by one again.
    known: Remembered,
    /// Ids that are in lists.
    listed: Remembered,
    /// Entries of lists that may still be read.
    entries_left: u64,
    suspects: BTreeMap<String, Suspects>,
}

/// Tasks of a queue that say they are in a list and were not found there.
#[derive(Default)]
struct Suspects {
    ids: BTreeSet<String>,
    /// How many more there were.
    more: u64,
}

impl Found {
    /// Nothing yet; of lists, no more than `most` entries will be read.
    pub(super) fn new(most: u64) -> Self {
        Self {
            orphans: BTreeMap::new(),
            unseen: Vec::new(),
            known: Remembered::default(),
            listed: Remembered::default(),
            entries_left: most,
            suspects: BTreeMap::new(),
        }
    }

    fn add(&mut self, queue: Queue<'_>, kind: OrphanKind, key: String, id: String) {
        if !self.known.insert(&key, &id) {
            return;
        }
        let entry = self.orphans.entry((queue.0.to_owned(), kind));
        let orphans = entry.or_insert_with(|| Orphans {
            queue: queue.0.to_owned(),
            kind,
            count: 0,
            is_least: false,
            first: Vec::new(),
        });
        orphans.count += 1;
        if orphans.first.len() < SHOWN {
            orphans.first.push(Orphan { key, id });
        }
    }

    fn add_tasks(&mut self, queue: Queue<'_>, ids: Vec<String>) {
        for id in ids {
            self.add(queue, OrphanKind::Task, queue.task(&id), id);
        }
    }

    fn add_entries(&mut self, queue: Queue<'_>, (kind, part): (OrphanKind, &str), ids: &[Value]) {
        for id in ids.iter().filter_map(text) {
            self.add(queue, kind, queue.key(part), id);
        }
    }

    /// Notes ids that are in a list.
    fn list(&mut self, queue: Queue<'_>, ids: &[Value]) {
        for id in ids.iter().filter_map(text) {
            self.listed.insert(queue.0, &id);
        }
    }

    /// Whether an id was in a list.
    pub(super) fn is_listed(&self, queue: Queue<'_>, id: &str) -> bool {
        self.listed.contains(queue.0, id)
    }

    fn suspect(&mut self, queue: Queue<'_>, ids: Vec<String>) {
        let unlisted = ids.into_iter().filter(|id| !self.is_listed(queue, id));
        let unlisted: Vec<String> = unlisted.collect();
        let suspects = self.suspects.entry(queue.0.to_owned()).or_default();
        for id in unlisted {
            if suspects.ids.len() < SUSPECTS_MOST {
                suspects.ids.insert(id);
            } else {
                suspects.more += 1;
            }
        }
    }

    /// Notes that a list was not read beyond its first entries.
    fn cut(&mut self, queue: Queue<'_>, part: &'static str, looked_at: u64) {
        let queue = queue.0.to_owned();
        let cut = Unseen::Entries {
            queue,
            part,
            looked_at,
        };
        if !self.unseen.contains(&cut) {
            self.unseen.push(cut);
        }
    }

    fn finish(mut self) -> LeftOver {
        if self.listed.is_crowded() || self.known.is_crowded() {
            self.unseen.push(Unseen::Crowd);
        }
        let unseen = self.unseen;
        let orphans = self.orphans.into_values().map(|orphans| Orphans {
            is_least: unseen.iter().any(|unseen| unseen.hides(&orphans)),
            ..orphans
        });
        LeftOver {
            orphans: orphans.collect(),
            unseen,
        }
    }
}

/// What a key of a queue is, as far as orphans are concerned.
enum Part<'k> {
    Task(&'k str),
    Lock,
}

/// The queue of a key, and what it is.
fn part(key: &str) -> Option<(&str, Part<'_>)> {
    let (queue, part) = key.strip_prefix("asynq:{")?.split_once("}:")?;
    match part.strip_prefix("t:") {
        Some(id) => Some((queue, Part::Task(id))),
        None if part.starts_with("unique:") => Some((queue, Part::Lock)),
        None => None,
    }
}

/// The keys of one step of a walk that can be orphans, by queue.
#[derive(Default)]
pub(super) struct Page {
    /// Ids of tasks.
    pub(super) tasks: BTreeMap<String, Vec<String>>,
    /// Locks.
    pub(super) locks: BTreeMap<String, Vec<String>>,
}

impl Page {
    /// Of these keys; what is no text, or of another queue, is nothing of asynq's.
    pub(super) fn of(keys: Vec<Vec<u8>>, only: Option<&str>) -> Self {
        let mut page = Self::default();
        for key in keys.iter().filter_map(|key| std::str::from_utf8(key).ok()) {
            let Some((queue, part)) =
                part(key).filter(|(of, _)| only.is_none_or(|only| only == *of))
            else {
                continue;
            };
            let (of_queue, what) = match part {
                Part::Task(id) => (&mut page.tasks, id),
                Part::Lock => (&mut page.locks, key),
            };
            let of_queue = of_queue.entry(queue.to_owned()).or_default();
            of_queue.push(what.to_owned());
        }
        page
    }
}

/// A pattern of Redis for what begins so.
fn beginning_with(prefix: &str) -> String {
    let mut pattern = String::new();
    for c in prefix.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('*');
    pattern
}

impl Inspector {
    /// The orphans of one queue, or of all there are, published or not. Only reads. No more than about `most` keys and `most` entries
    /// of pending lists are looked at; [`LeftOver::unseen`] tells what was not.
    ///
    /// # Errors
    /// When Redis cannot be asked, or does not know `LPOS` (before 6.0.6).
    pub async fn orphans(&self, only: Option<&str>, most: u64) -> Result<LeftOver, InspectError> {
        let queues = match only {
            Some(queue) => vec![queue.to_owned()],
            None => self.queues().await?,
        };
        let mut found = Found::new(most);
        for name in &queues {
            self.orphans_in_lists(Queue(name), &mut found).await?;
        }
        self.orphans_among_keys(only, most, &mut found).await?;
        found.entries_left = most;
        for (name, suspects) in std::mem::take(&mut found.suspects) {
            self.look_again(Queue(&name), suspects, &mut found).await?;
        }
        Ok(found.finish())
    }

    /// Walks through all keys.
    async fn orphans_among_keys(
        &self,
        only: Option<&str>,
        most: u64,
        found: &mut Found,
    ) -> Result<(), InspectError> {
        let mut looked_at = 0;
        let mut scan = self.walk(only).await?;
        while let Some(keys) = scan.next_page().await? {
            if looked_at >= most {
                let of = self.broker.key_count().await?;
                found.unseen.push(Unseen::Keys { looked_at, of });
                break;
            }
            looked_at += u64::from(STEP);
            let page = Page::of(keys, only);
            for (queue, ids) in page.tasks {
                let queue = Queue(&queue);
                let (unlisted, unknown) = self.unlisted(queue, How::Quick, &ids).await?;
                found.add_tasks(queue, unlisted);
                found.suspect(queue, unknown);
            }
            for (queue, locks) in page.locks {
                let queue = Queue(&queue);
                for (lock, id) in self.locks(queue, &locks, false).await? {
                    found.add(queue, OrphanKind::Lock, lock, id);
                }
            }
        }
        Ok(())
    }

    /// Looks once more for tasks that were in no list when those were read: most have come since, or are done.
    async fn look_again(
        &self,
        queue: Queue<'_>,
        suspects: Suspects,
        found: &mut Found,
    ) -> Result<(), InspectError> {
        let ids: Vec<String> = suspects.ids.into_iter().collect();
        let mut waiting = Vec::new();
        for ids in ids.chunks(STEP as usize) {
            let (unlisted, unknown) = self.unlisted(queue, How::Quick, ids).await?;
            found.add_tasks(queue, unlisted);
            waiting.extend(unknown);
        }
        if !waiting.is_empty() {
            self.orphans_in_lists(queue, found).await?;
            waiting.retain(|id| !found.is_listed(queue, id));
        }
        let count = suspects.more + waiting.len().saturating_sub(SURE_MOST) as u64;
        waiting.truncate(SURE_MOST);
        // One at a time, so that Redis answers others in between.
        for id in waiting {
            let (unlisted, _) = self.unlisted(queue, How::Sure, &[id]).await?;
            found.add_tasks(queue, unlisted);
        }
        if count > 0 {
            let queue = queue.0.to_owned();
            found.unseen.push(Unseen::Tasks { queue, count });
        }
        Ok(())
    }

    pub(super) async fn walk(&self, only: Option<&str>) -> Result<Scan, InspectError> {
        let prefix = only.map_or_else(|| "asynq:{".to_owned(), |queue| Queue(queue).key(""));
        Ok(self.broker.scan(&beginning_with(&prefix), STEP).await?)
    }

    /// Finds what is wrong in the lists of a queue, and notes what is in them.
    pub(super) async fn orphans_in_lists(
        &self,
        queue: Queue<'_>,
        found: &mut Found,
    ) -> Result<(), InspectError> {
        let leases = self.leases(queue).await?;
        for (kind, part, ids) in [
            (OrphanKind::Active, "active", &leases.without_lease),
            (OrphanKind::Lease, "lease", &leases.of_nothing),
        ] {
            found.add_entries(queue, (kind, part), ids);
        }
        found.list(queue, &leases.active);
        if !leases.is_all {
            found.cut(queue, "active", u64::from(ACTIVE_MOST));
        }
        let mut first = 0;
        loop {
            let (ids, without) = self.pending(queue, first).await?;
            if ids.is_empty() {
                return Ok(());
            }
            if found.entries_left == 0 {
                found.cut(queue, "pending", first);
                return Ok(());
            }
            found.add_entries(queue, (OrphanKind::Pending, "pending"), &without);
            found.list(queue, &ids);
            first += ids.len() as u64;
            found.entries_left = found.entries_left.saturating_sub(ids.len() as u64);
        }
    }
}
