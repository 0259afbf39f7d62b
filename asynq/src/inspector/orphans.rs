//! What is left over in Redis and nobody will ever clear by itself: tasks in no list, leases and locks of nothing.
//!
//! All keys are walked through in small steps (`find`), and each orphan is one at a single moment: a script that Redis runs by itself
//! says so (`ask`). What is held of a Redis does not grow with it: of the ids in lists there is a table of one size
//! (`remembered`), and what could not be looked at is told.

mod ask;
mod clear;
mod find;
mod remembered;

use std::fmt;

/// How many orphans of a kind are named; of more, it is said how many there are.
pub const SHOWN: usize = 20;

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
    /// Whether there may be more: not all that could be one was looked at.
    pub is_least: bool,
    /// The first [`SHOWN`] of them.
    pub first: Vec<Orphan>,
}

/// What a look for orphans came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftOver {
    /// What was found, by queue and kind.
    pub orphans: Vec<Orphans>,
    /// What was not looked at; empty: there are no other orphans.
    pub unseen: Vec<Unseen>,
}

/// A part of a Redis that was not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unseen {
    /// Of so many keys, only so many.
    Keys {
        /// How many were looked at, about.
        looked_at: u64,
        /// How many there were, those of other programs too.
        of: u64,
    },
    /// A list or set of a queue beyond its first entries.
    Entries {
        /// Queue.
        queue: String,
        /// `pending`, or `active`, with which leases go.
        part: &'static str,
        /// How many were looked at.
        looked_at: u64,
    },
    /// Tasks that came or went meanwhile, or are orphans.
    Tasks {
        /// Queue.
        queue: String,
        /// How many.
        count: u64,
    },
    /// More ids are in lists than can be told apart for sure, so that orphans may look like one of them.
    Crowd,
}

impl Unseen {
    /// Whether there may be more of this kind in a queue for it.
    fn hides(&self, orphans: &Orphans) -> bool {
        match self {
            Self::Keys { .. } => matches!(orphans.kind, OrphanKind::Task | OrphanKind::Lock),
            Self::Entries { queue, part, .. } => {
                let of_active = matches!(orphans.kind, OrphanKind::Active | OrphanKind::Lease);
                let is_of_part = match *part {
                    "active" => of_active,
                    _ => orphans.kind == OrphanKind::Pending,
                };
                is_of_part && *queue == orphans.queue
            }
            Self::Tasks { queue, .. } => {
                orphans.kind == OrphanKind::Task && *queue == orphans.queue
            }
            Self::Crowd => orphans.kind == OrphanKind::Task,
        }
    }
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys { looked_at, of } => write!(f, "{looked_at} of {of} keys were looked at"),
            Self::Entries {
                queue,
                part,
                looked_at,
            } => {
                write!(
                    f,
                    "queue {queue}: the first {looked_at} {part} tasks were looked at"
                )
            }
            Self::Tasks { queue, count } => write!(
                f,
                "queue {queue}: of {count} tasks it is not known whether they are in a list"
            ),
            Self::Crowd => f.write_str(
                "more tasks are in lists than can be told apart: some in none may be missing",
            ),
        }
    }
}
