//! What is done between clients and Redis: to links, and to single calls.

use firedrill_asynq::call::CallKind;
use serde::{Deserialize, Serialize};

/// What is done to links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkLever {
    /// Whatever goes over them arrives later, in its order.
    Delay {
        /// Each way, virtual milliseconds.
        ms: i64,
        /// Up to so much more, drawn for each.
        jitter_ms: i64,
        /// Which ways.
        ways: Ways,
    },
    /// Nothing arrives, and nobody is told: connections stay open, and new ones get no answer.
    Drop {
        /// Which ways.
        ways: Ways,
    },
    /// So much gets through, of all connections of a client together.
    Throttle {
        /// Bytes in a virtual second.
        bytes_per_s: u64,
        /// Which ways.
        ways: Ways,
    },
    /// What is sent arrives in pieces.
    Slice {
        /// Bytes of a piece.
        bytes: u32,
        /// From one to the next, virtual milliseconds.
        every_ms: i64,
        /// Which ways.
        ways: Ways,
    },
    /// They lead to the node that was the primary, a replica now.
    Demote,
    /// Connections are reset, those there are and every new one.
    Reset,
    /// As before the step; what was held arrives.
    Heal,
}

/// Ways of a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ways {
    /// There and back.
    #[default]
    Both,
    /// What clients say.
    ToRedis,
    /// What Redis says.
    ToClient,
}

impl Ways {
    /// As they are written.
    pub const NAMED: [(&str, Self); 3] = [
        ("both", Self::Both),
        ("to-redis", Self::ToRedis),
        ("to-client", Self::ToClient),
    ];

    /// Whether it is there and back.
    #[must_use]
    pub fn is_both(&self) -> bool {
        *self == Self::Both
    }

    /// Whether what clients say goes there, and whether what Redis says does.
    #[must_use]
    pub fn hit(self) -> [bool; 2] {
        [self != Self::ToClient, self != Self::ToRedis]
    }
}

/// What is done to calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PointLever {
    /// From now on, this happens to them.
    Set(PointRule),
    /// It no longer does.
    Lift,
}

/// What happens to which calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PointRule {
    /// Calls of this kind; of `dequeue`, those that are answered with a task.
    pub call: CallKind,
    /// Which of them.
    pub which: Which,
    /// What happens.
    pub then: PointVerdict,
}

/// Which calls of a client, from the beginning of the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Which {
    /// This one, the first is 1.
    Nth(u32),
    /// Such a share of them, drawn for each.
    Share(f64),
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointVerdict {
    /// Its process dies of SIGKILL, and the call never arrives.
    DieBefore,
    /// Redis carries it out, and its process dies of SIGKILL before it is told.
    DieAfter,
    /// Redis carries it out, and the connection breaks before its client is told.
    LoseReply,
    /// Redis gets it twice, and the client hears of the first.
    Repeat,
    /// It never arrives: the connection breaks before.
    Lose,
}

impl PointVerdict {
    /// Whether the client's process ends by it.
    #[must_use]
    pub fn kills(self) -> bool {
        matches!(self, Self::DieBefore | Self::DieAfter)
    }
}
