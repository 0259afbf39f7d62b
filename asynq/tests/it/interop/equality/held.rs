//! What a database holds, and for how long.

use crate::conformance::state::{self, Content, State};
use firedrill_asynq::message::TaskMessage;
use prost::Message;
use redis::{Client, Connection};
use std::collections::BTreeMap;

/// How far apart times to live may be that were given by two commands, one after the other.
const TTL_TOLERANCE_MS: i64 = 1_000;

/// Times to live in milliseconds, negative where there is none.
const LIVES: &str = "
local found = {}
for number, key in ipairs(KEYS) do found[number] = redis.call('PTTL', key) end
return found";

/// A database that is looked into.
pub(super) struct Held(Connection);

/// Everything it holds.
pub(super) struct Look {
    /// Every key and its content, messages decoded and encoded again: a map of headers has no order on the wire, and Go
    /// writes an empty value of it where we leave it out.
    pub(super) state: State,
    /// Times to live by key, of those that have one.
    pub(super) ttl_ms: BTreeMap<String, i64>,
}

impl Held {
    pub(super) fn of(url: &str) -> Self {
        Self(Client::open(url).unwrap().get_connection().unwrap())
    }

    pub(super) fn look(&mut self) -> Look {
        let mut state = state::of_redis(&mut self.0);
        for content in state.values_mut() {
            if let Content::Hash(fields) = content
                && let Some(message) = fields.get_mut("msg")
            {
                *message = TaskMessage::decode(&**message).unwrap().encode_to_vec();
            }
        }
        let keys: Vec<&String> = state.keys().collect();
        let ttls: Vec<i64> = redis::cmd("EVAL")
            .arg(LIVES)
            .arg(keys.len())
            .arg(keys)
            .query(&mut self.0)
            .unwrap();
        let lasting = state.keys().cloned().zip(ttls);
        Look {
            ttl_ms: lasting.filter(|(_, ms)| *ms >= 0).collect(),
            state,
        }
    }
}

impl Look {
    /// Whether the same keys will go away, at about the same time.
    pub(super) fn lives_like(&self, other: &Self) -> bool {
        self.ttl_ms.keys().eq(other.ttl_ms.keys())
            && self
                .ttl_ms
                .iter()
                .all(|(key, ms)| (ms - other.ttl_ms[key]).abs() <= TTL_TOLERANCE_MS)
    }
}
