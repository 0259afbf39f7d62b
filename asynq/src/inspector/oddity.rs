//! What should not be as it is in Redis, and what it means.

use crate::op::TaskState;
use std::fmt;

/// A key that does not hold what asynq would have put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// The key.
    pub key: String,
    /// What is odd about it.
    pub what: Odd,
}

/// What can be odd about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Odd {
    /// It holds another type: something else writes under asynq's names.
    WrongType {
        /// What asynq has there.
        expected: KeyType,
        /// What `TYPE` says.
        found: String,
    },
    /// A task is listed, and its hash is gone: a ghost.
    NoHash {
        /// Where it is listed.
        listed: TaskState,
    },
    /// A task's hash has no message: a ghost that a worker has taken, or a result written after the data was lost.
    NoMessage {
        /// Where it is listed.
        listed: TaskState,
    },
    /// What is stored is no message of asynq's.
    Undecodable(String),
    /// A task is listed in one state, and its hash says another.
    OtherState {
        /// Where it is listed.
        listed: TaskState,
        /// What the hash says.
        found: String,
    },
    /// A task is stored under one id, and its message says another.
    OtherId(String),
    /// A task is in progress without a lease.
    NoLease,
    /// A counter is no number.
    NoNumber(String),
    /// An index names it, and it has expired.
    Gone,
    /// Redis did not let it be read, and said why.
    Unreadable(String),
}

/// Types of Redis' keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// A string.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    SortedSet,
    /// A hash.
    Hash,
}

impl KeyType {
    /// As `TYPE` calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "zset",
            Self::Hash => "hash",
        }
    }

    /// The command that counts its elements.
    #[must_use]
    pub const fn length_command(self) -> &'static str {
        match self {
            Self::String => "STRLEN",
            Self::List => "LLEN",
            Self::Set => "SCARD",
            Self::SortedSet => "ZCARD",
            Self::Hash => "HLEN",
        }
    }

    /// What the key of a queue with this last part holds, if asynq has such a key.
    #[must_use]
    pub fn of_part(part: &str) -> Option<Self> {
        let group = part.strip_prefix("g:");
        Some(match part {
            "pending" | "active" => Self::List,
            "lease" | "scheduled" | "retry" | "archived" | "completed" | "aggregation_sets" => {
                Self::SortedSet
            }
            "groups" => Self::Set,
            "paused" | "processed" | "failed" => Self::String,
            _ if group.is_some() => Self::SortedSet,
            _ if part.starts_with("t:") => Self::Hash,
            _ if part.starts_with("processed:")
                || part.starts_with("failed:")
                || part.starts_with("unique:") =>
            {
                Self::String
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.key.escape_debug())?;
        match &self.what {
            Odd::WrongType { expected, found } => write!(
                f,
                "holds a {found}, asynq keeps a {} there; something else writes under asynq's names",
                expected.name()
            ),
            Odd::NoHash { listed } => write!(
                f,
                "listed as {}, but there is no such task; a worker that takes it sees an empty queue",
                listed.name()
            ),
            Odd::NoMessage {
                listed: TaskState::Active,
            } => write!(
                f,
                "listed as active, but it has no message; nobody works on it, lease recovery skips it and asynq refuses \
                 to delete it: it goes away when its hash and its entries in active and lease are deleted by hand"
            ),
            Odd::NoMessage { listed } => write!(
                f,
                "listed as {}, but it has no message; no worker can process it",
                listed.name()
            ),
            Odd::Undecodable(reason) => write!(
                f,
                "no message of asynq's ({reason}); once its lease expires it blocks lease recovery of all queues of \
                 its servers"
            ),
            Odd::OtherState { listed, found } => write!(
                f,
                "listed as {}, but its hash says {found:?}",
                listed.name()
            ),
            Odd::OtherId(id) => write!(f, "its message says that its id is {id:?}"),
            Odd::NoLease => write!(
                f,
                "in progress without a lease; nobody recovers it when its worker dies"
            ),
            Odd::NoNumber(found) => write!(f, "should count, but holds {found:?}"),
            Odd::Gone => write!(
                f,
                "has expired; whoever wrote it was killed or cannot reach Redis"
            ),
            Odd::Unreadable(reason) => write!(f, "cannot be read: {reason}"),
        }
    }
}
