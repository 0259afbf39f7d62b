//! What is left over in Redis and nobody will ever clear by itself: tasks in no list, leases and locks of nothing.
//!
//! All keys are walked through in small steps, and each orphan is one at a single moment: a script that Redis runs by itself says
//! so. Of a list no more is held than a number for each task in it.

use crate::broker::redis::script::Call;
use crate::clock::Time;
use crate::inspector::reply::{array, count, int, text};
use crate::inspector::{InspectError, Inspector, scripts};
use crate::keys::Queue;
use redis::Value;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{Hash, Hasher};

/// How many orphans of a kind are named; of more, it is said how many there are.
pub const SHOWN: usize = 20;

/// Keys that Redis looks at in a step of the walk, and list entries that it reads in one.
const STEP: u32 = 200;

/// Entries of active and of leases that are compared at one moment.
const ACTIVE_MOST: u32 = 10_000;

/// Suspects that are looked for in whole lists: each costs Redis a walk through one.
const SUSPECTS_MOST: usize = 100;

/// What can be left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrphanKind {
    /// A task's hash, and no list or set has it: as asynq leaves it when an archive is full or old.
    Task,
    /// An entry of active without a lease: its worker is gone, and no recoverer looks for it.
    Active,
    /// A lease of a task that is not active.
    Lease,
    /// A uniqueness lock of a task that is not there: no equal one is accepted until it expires.
    Lock,
    /// An entry of pending without a hash: a worker that takes it sees an empty queue.
    Pending,
}

impl OrphanKind {
    /// All, in a fixed order.
    pub const ALL: [Self; 5] = [
        Self::Task,
        Self::Active,
        Self::Lease,
        Self::Lock,
        Self::Pending,
    ];

    /// Its name, as typed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Active => "active",
            Self::Lease => "lease",
            Self::Lock => "lock",
            Self::Pending => "pending",
        }
    }

    /// What such are, as a heading.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::Task => "tasks in no list or set",
            Self::Active => "active tasks without a lease",
            Self::Lease => "leases of tasks that are not active",
            Self::Lock => "uniqueness locks of tasks that are not there",
            Self::Pending => "pending entries without a task",
        }
    }

    /// What clearing does to it.
    #[must_use]
    pub const fn cleared(self) -> &'static str {
        match self {
            Self::Task => "deletes them",
            Self::Active => "makes them pending again, without their uniqueness locks",
            Self::Lease | Self::Pending => "takes the entries away",
            Self::Lock => "releases them",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The key it is, or is in.
    pub key: String,
    /// The task's id.
    pub id: String,
}

/// The orphans of one kind in one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphans {
    /// Queue.
    pub queue: String,
    /// Kind.
    pub kind: OrphanKind,
    /// How many were found.
    pub count: u64,
    /// Whether there may be more: so many are in doubt that not all were looked for.
    pub is_least: bool,
    /// The first [`SHOWN`] of them.
    pub first: Vec<Orphan>,
}

/// What a walk has found so far.
#[derive(Default)]
struct Found {
    orphans: BTreeMap<(String, OrphanKind), Orphans>,
    /// Numbers of keys that are among them: a walk may come by one again.
    keys: HashSet<u64>,
}

impl Found {
    fn of(&mut self, queue: &str, kind: OrphanKind) -> &mut Orphans {
        let entry = self.orphans.entry((queue.to_owned(), kind));
        entry.or_insert_with(|| Orphans {
            queue: queue.to_owned(),
            kind,
            count: 0,
            is_least: false,
            first: Vec::new(),
        })
    }

    fn add(&mut self, queue: &str, kind: OrphanKind, key: String, id: String) {
        let orphans = self.of(queue, kind);
        orphans.count += 1;
        if orphans.first.len() < SHOWN {
            orphans.first.push(Orphan { key, id });
        }
    }

    /// Adds what is a key of its own.
    fn add_key(&mut self, queue: &str, kind: OrphanKind, key: String, id: String) {
        if self.keys.insert(number(&key)) {
            self.add(queue, kind, key, id);
        }
    }

    fn add_entries(&mut self, queue: Queue<'_>, (kind, part): (OrphanKind, &str), ids: &[Value]) {
        for id in ids.iter().filter_map(text) {
            self.add(queue.0, kind, queue.key(part), id);
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
struct Page {
    /// Ids of tasks.
    tasks: BTreeMap<String, Vec<String>>,
    /// Locks.
    locks: BTreeMap<String, Vec<String>>,
}

impl Page {
    /// Of these keys; what is no text, or of another queue, is nothing of asynq's.
    fn of(keys: Vec<Vec<u8>>, only: Option<&str>) -> Self {
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

/// What stands for an id: two that are the same hide an orphan, and never make one.
fn number(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
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
    /// The orphans of one queue, or of all there are, published or not. Only reads.
    ///
    /// # Errors
    /// When Redis cannot be asked, or does not know `LPOS` (before 6.0.6).
    pub async fn orphans(&self, only: Option<&str>) -> Result<Vec<Orphans>, InspectError> {
        let queues = match only {
            Some(queue) => vec![queue.to_owned()],
            None => self.queues().await?,
        };
        let mut found = Found::default();
        let mut listed: BTreeMap<String, HashSet<u64>> = BTreeMap::new();
        for name in &queues {
            let ids = self.orphans_in_lists(Queue(name), &mut found).await?;
            listed.insert(name.clone(), ids);
        }
        let mut suspects: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut scan = self.walk(only).await?;
        while let Some(keys) = scan.next_page().await? {
            let page = Page::of(keys, only);
            for (queue, ids) in page.tasks {
                let (unlisted, unknown) = self.unlisted(Queue(&queue), "quick", &ids).await?;
                for id in unlisted {
                    found.add_key(&queue, OrphanKind::Task, Queue(&queue).task(&id), id);
                }
                let in_lists = listed.get(&queue);
                let is_listed = |id: &String| in_lists.is_some_and(|ids| ids.contains(&number(id)));
                let suspects = suspects.entry(queue.clone()).or_default();
                for id in unknown.into_iter().filter(|id| !is_listed(id)) {
                    if suspects.len() < SUSPECTS_MOST {
                        suspects.insert(id);
                    } else {
                        found.of(&queue, OrphanKind::Task).is_least = true;
                    }
                }
            }
            for (queue, locks) in page.locks {
                for (lock, id) in self.locks(Queue(&queue), &locks, false).await? {
                    found.add_key(&queue, OrphanKind::Lock, lock, id);
                }
            }
        }
        for (queue, ids) in suspects {
            // One at a time, so that Redis answers others in between.
            for id in ids {
                let (unlisted, _) = self.unlisted(Queue(&queue), "sure", &[id]).await?;
                for id in unlisted {
                    found.add_key(&queue, OrphanKind::Task, Queue(&queue).task(&id), id);
                }
            }
        }
        let found = found.orphans.into_values();
        Ok(found.filter(|orphans| orphans.count > 0).collect())
    }

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
                let (without_lease, _, _, _) = self.leases(queue).await?;
                let dropped = self.drop_entries(queue, kind, &without_lease).await?;
                Ok(again.len() as u64 + dropped)
            }
            OrphanKind::Lease => {
                let (_, of_nothing, _, _) = self.leases(queue).await?;
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
        let listed = self.orphans_in_lists(queue, &mut Found::default()).await?;
        let mut cleared = 0;
        let mut scan = self.walk(Some(queue.0)).await?;
        while let Some(keys) = scan.next_page().await? {
            for ids in Page::of(keys, Some(queue.0)).tasks.values() {
                let (unlisted, unknown) = self.unlisted(queue, "quick", ids).await?;
                let unknown = unknown.into_iter();
                let suspects = unknown.filter(|id| !listed.contains(&number(id)));
                // One at a time, so that Redis answers others in between.
                for id in unlisted.into_iter().chain(suspects) {
                    cleared += self.unlisted(queue, "delete", &[id]).await?.0.len() as u64;
                }
            }
        }
        Ok(cleared)
    }

    async fn walk(
        &self,
        only: Option<&str>,
    ) -> Result<crate::broker::redis::sweep::Scan, InspectError> {
        let prefix = only.map_or_else(|| "asynq:{".to_owned(), |queue| Queue(queue).key(""));
        Ok(self.broker.scan(&beginning_with(&prefix), STEP).await?)
    }

    /// Finds what is wrong in the lists of a queue; returns the numbers of the ids in them.
    async fn orphans_in_lists(
        &self,
        queue: Queue<'_>,
        found: &mut Found,
    ) -> Result<HashSet<u64>, InspectError> {
        let (without_lease, of_nothing, active, all) = self.leases(queue).await?;
        for (kind, part, ids) in [
            (OrphanKind::Active, "active", &without_lease),
            (OrphanKind::Lease, "lease", &of_nothing),
        ] {
            found.add_entries(queue, (kind, part), ids);
            found.of(queue.0, kind).is_least |= !all;
        }
        let of = |ids: &[Value]| -> Vec<u64> {
            let ids = ids.iter().filter_map(text);
            ids.map(|id| number(&id)).collect()
        };
        let mut numbers: HashSet<u64> = of(&active).into_iter().collect();
        let mut first = 0;
        loop {
            let (ids, without) = self.pending(queue, first).await?;
            if ids.is_empty() {
                return Ok(numbers);
            }
            found.add_entries(queue, (OrphanKind::Pending, "pending"), &without);
            numbers.extend(of(&ids));
            first += ids.len() as u64;
        }
    }

    /// Active ids without a lease, leases of what is not active, the active ids, and whether that is all.
    async fn leases(
        &self,
        queue: Queue<'_>,
    ) -> Result<(Vec<Value>, Vec<Value>, Vec<Value>, bool), InspectError> {
        let what = "orphaned_leases";
        let call = Call::new(&scripts::ORPHANED_LEASES)
            .keys([queue.key("active"), queue.key("lease")])
            .arg(ACTIVE_MOST);
        let answer = self.broker.script(call).await?;
        let parts = array(&answer, 4, what)?;
        let ids = |place: usize| array(&parts[place], 0, what).map(<[Value]>::to_vec);
        Ok((ids(0)?, ids(1)?, ids(2)?, int(&parts[3]) == 1))
    }

    /// Some pending ids from this rank on, and those of them that have no hash.
    async fn pending(
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
    async fn unlisted(
        &self,
        queue: Queue<'_>,
        how: &str,
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
            .arg(how);
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
    async fn locks(
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

    async fn drop_entries(
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
