//! What is done to Redis.

use serde::{Deserialize, Serialize};

/// What is done to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisLever {
    /// SIGKILL.
    Kill {
        /// Whether its data is kept.
        keep_data: bool,
    },
    /// It is started; one that is still there is killed before.
    Start {
        /// Whether it finds its data.
        keep_data: bool,
    },
    /// SIGSTOP: the kernel takes connections and commands, and nobody answers.
    Stop,
    /// SIGCONT: what came meanwhile is carried out, whether its client still waits or not.
    Continue,
    /// `maxmemory` is set to what it uses, with the policy `noeviction`.
    Fill,
    /// Both are set back.
    Drain,
    /// `REPLICAOF` a place where nobody is.
    Demote,
    /// `REPLICAOF NO ONE`.
    Promote,
    /// `maxmemory` and its policy are set; it bites when it is reached.
    Limit {
        /// The limit.
        bytes: u64,
        /// What then goes.
        policy: Eviction,
    },
    /// `maxmemory` is set anew.
    Raise {
        /// To what.
        bytes: u64,
    },
    /// `SCRIPT FLUSH`.
    FlushScripts,
    /// Nothing: it is looked whether clients have sent their scripts again.
    LookForScripts,
    /// `maxclients` is set: no new connection is accepted while so many are there.
    LimitClients {
        /// How many.
        to: u32,
    },
    /// It is set back.
    AdmitClients,
    /// The clients' user may no longer use these commands.
    Deny(Denied),
    /// It may use all.
    Allow,
    /// A script begins that does not end.
    RunScript,
    /// `SCRIPT KILL`.
    KillScript,
    /// What is in it is kept, for a later [`RedisLever::Restore`].
    Snapshot,
    /// SIGKILL, and a start with what was kept.
    Restore,
    /// Nothing: it is looked whether it takes writes.
    Look,
    /// Its replica gets nothing any more.
    LagReplica,
    /// SIGKILL of the primary, which does not come back.
    LosePrimary,
    /// The replica is promoted, with what it has got, and takes the primary's address.
    PromoteReplica,
}

/// Why `maxmemory` was not raised where it is `set`, bytes; 0: it is not.
pub(crate) fn not_raised(set: u64) -> String {
    match set {
        0 => "no maxmemory is set: nothing was done".to_owned(),
        set => format!("maxmemory is {set} bytes already: nothing was done"),
    }
}

/// How long a script runs before Redis tells others that it does (`busy-reply-threshold`), virtual milliseconds.
pub const BUSY_AFTER_MS: i64 = 5_000;

/// Redis' `maxmemory-policy`: which keys go when the limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Eviction {
    /// None: what needs memory is refused.
    #[serde(rename = "noeviction")]
    None,
    /// Those used least recently.
    AllkeysLru,
    /// Those used least often.
    AllkeysLfu,
    /// Any.
    AllkeysRandom,
    /// Of those that expire, those used least recently.
    VolatileLru,
    /// Of those that expire, those used least often.
    VolatileLfu,
    /// Of those that expire, any.
    VolatileRandom,
    /// Those that expire soonest.
    VolatileTtl,
}

impl Eviction {
    /// Those by which keys go.
    pub const EVICTING: [Self; 7] = [
        Self::AllkeysLru,
        Self::AllkeysLfu,
        Self::AllkeysRandom,
        Self::VolatileLru,
        Self::VolatileLfu,
        Self::VolatileRandom,
        Self::VolatileTtl,
    ];

    /// As Redis calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "noeviction",
            Self::AllkeysLru => "allkeys-lru",
            Self::AllkeysLfu => "allkeys-lfu",
            Self::AllkeysRandom => "allkeys-random",
            Self::VolatileLru => "volatile-lru",
            Self::VolatileLfu => "volatile-lfu",
            Self::VolatileRandom => "volatile-random",
            Self::VolatileTtl => "volatile-ttl",
        }
    }

    /// Whether keys that do not expire may go: tasks do not.
    #[must_use]
    pub fn takes_all_keys(self) -> bool {
        matches!(
            self,
            Self::AllkeysLru | Self::AllkeysLfu | Self::AllkeysRandom
        )
    }
}

/// Commands that access rules forbid, by Redis' category.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denied {
    /// `@scripting`: nearly all of what asynq does.
    Scripting,
    /// `@write`, in scripts, too.
    Write,
}

impl Denied {
    /// The category.
    #[must_use]
    pub fn category(self) -> &'static str {
        match self {
            Self::Scripting => "@scripting",
            Self::Write => "@write",
        }
    }
}
