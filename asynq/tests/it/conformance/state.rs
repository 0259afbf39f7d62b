//! Everything a broker holds, in one form for both brokers: keys with their types and contents.
//!
//! What the model leaves out is left out here, and nowhere else: times to live; and what only listings for people read,
//! the server's own key and the hash of its tasks in progress (their indexes `asynq:servers` and `asynq:workers` are
//! compared).

use firedrill_asynq::broker::memory::{MemoryBroker, QueueDump, StoredTask};
use firedrill_asynq::clock::Time;
use firedrill_asynq::keys::{self, Queue};
use firedrill_asynq::message::TaskMessage;
use prost::Message;
use redis::{Connection, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Contents by key.
pub(crate) type State = BTreeMap<String, Content>;

/// What a key holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Text(Vec<u8>),
    /// From the left.
    List(Vec<String>),
    Set(BTreeSet<String>),
    /// In order.
    Sorted(Vec<(String, i64)>),
    Hash(BTreeMap<String, Vec<u8>>),
}

/// Every key of a Redis with its type and what it holds, in one look.
const LOOK: &str = "
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  local held
  if kind == 'string' then held = {redis.call('GET', key)}
  elseif kind == 'list' then held = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'set' then held = redis.call('SMEMBERS', key)
  elseif kind == 'zset' then held = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  else held = redis.call('HGETALL', key) end
  table.insert(found, {key, kind, held})
end
return found";

/// What a Redis holds.
pub(crate) fn of_redis(redis: &mut Connection) -> State {
    let rows: Vec<(String, String, Vec<Vec<u8>>)> =
        redis::cmd("EVAL").arg(LOOK).arg(0).query(redis).unwrap();
    let of_a_server = |key: &str| {
        [keys::SERVERS, keys::WORKERS]
            .iter()
            .any(|index| key.starts_with(&format!("{index}:")))
    };
    rows.into_iter()
        .filter(|(key, ..)| !of_a_server(key))
        .map(|(key, kind, held)| (key, content(&kind, held)))
        .collect()
}

fn content(kind: &str, held: Vec<Vec<u8>>) -> Content {
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
    match kind {
        "string" => Content::Text(held.concat()),
        "list" => Content::List(held.iter().map(text).collect()),
        "set" => Content::Set(held.iter().map(text).collect()),
        "zset" => {
            let pairs = held.chunks_exact(2);
            let scored = pairs.map(|pair| (text(&pair[0]), text(&pair[1]).parse().unwrap()));
            Content::Sorted(scored.collect())
        }
        "hash" => {
            let pairs = held.chunks_exact(2);
            Content::Hash(
                pairs
                    .map(|pair| (text(&pair[0]), pair[1].clone()))
                    .collect(),
            )
        }
        other => panic!("nobody makes a {other}"),
    }
}

/// Writes what `state` holds into an empty Redis.
pub(crate) fn into_redis(state: &State, redis: &mut Connection) {
    let mut pipe = redis::pipe();
    for (key, content) in state {
        match content {
            Content::Text(text) => {
                pipe.set(key, text);
            }
            Content::List(members) => {
                pipe.rpush(key, members);
            }
            Content::Set(members) => {
                pipe.sadd(key, members);
            }
            Content::Sorted(members) => {
                let scored: Vec<(i64, &String)> = members.iter().map(|(m, s)| (*s, m)).collect();
                pipe.zadd_multiple(key, &scored);
            }
            Content::Hash(fields) => {
                let fields: Vec<(&String, &Vec<u8>)> = fields.iter().collect();
                pipe.hset_multiple(key, &fields);
            }
        }
    }
    let _: Vec<Value> = pipe.query(redis).unwrap();
}

/// What the model holds, as the keys it stands for.
pub(crate) fn of_memory(broker: &mut MemoryBroker<TaskMessage>, queues: &[&str]) -> State {
    let mut state = State::new();
    let published = match broker.call(firedrill_asynq::op::Op::Queues) {
        Ok(firedrill_asynq::op::Reply::Names(names)) => names.into_iter().collect(),
        other => panic!("{other:?}"),
    };
    put(&mut state, keys::QUEUES, Content::Set(published));
    let workers_of = |server: &String| server.replacen(keys::SERVERS, keys::WORKERS, 1);
    let servers = broker.servers().clone();
    let by_expiry = |name: &dyn Fn(&String) -> String| {
        let mut pairs: Vec<(String, i64)> = servers.iter().map(|(k, at)| (name(k), *at)).collect();
        pairs.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        Content::Sorted(pairs)
    };
    put(&mut state, keys::SERVERS, by_expiry(&Clone::clone));
    put(&mut state, keys::WORKERS, by_expiry(&workers_of));
    for queue in queues {
        of_queue(Queue(queue), broker.dump(&(*queue).to_owned()), &mut state);
    }
    state
}

fn of_queue(queue: Queue<'_>, dump: QueueDump<TaskMessage>, state: &mut State) {
    for (part, list) in [("pending", dump.pending), ("active", dump.active)] {
        put(state, &queue.key(part), Content::List(list));
    }
    for (part, set) in [
        ("lease", dump.lease),
        ("scheduled", dump.scheduled),
        ("retry", dump.retry),
        ("archived", dump.archived),
        ("completed", dump.completed),
    ] {
        put(state, &queue.key(part), Content::Sorted(set));
    }
    let mut hashes: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    for (id, stored) in dump.tasks {
        hashes.insert(id, fields(&stored));
    }
    for (id, result) in dump.results {
        let hash = hashes.entry(id).or_default();
        hash.insert("result".to_owned(), result.to_vec());
    }
    for (id, hash) in hashes {
        put(state, &queue.task(&id), Content::Hash(hash));
    }
    let names = dump.group_names.into_iter().collect();
    put(state, &queue.key("groups"), Content::Set(names));
    for (group, waiting) in dump.groups {
        put(state, &queue.group(&group), Content::Sorted(waiting));
    }
    let mut sets: Vec<(String, i64)> = Vec::new();
    for set in dump.aggregation_sets {
        let key = queue.aggregation_set(&set.group, set.set);
        put(state, &key, Content::Sorted(set.members));
        sets.push((key, set.deadline_s));
    }
    sets.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    put(state, &queue.key("aggregation_sets"), Content::Sorted(sets));
    for (lock, holder) in dump.locks {
        put(state, &lock, Content::Text(holder.into_bytes()));
    }
    if let Some(since_s) = dump.paused {
        let text = since_s.to_string().into_bytes();
        put(state, &queue.key("paused"), Content::Text(text));
    }
    let counters = dump.counters;
    for (part, count) in [
        ("processed", counters.processed),
        ("failed", counters.failed),
    ] {
        number(state, queue.key(part), count);
    }
    for (part, days) in [
        ("processed", counters.processed_of_day),
        ("failed", counters.failed_of_day),
    ] {
        for (day, count) in days {
            let at = Time::from_millis(day * 86_400_000);
            number(state, queue.daily(part, at), count);
        }
    }
}

fn fields(stored: &StoredTask<TaskMessage>) -> BTreeMap<String, Vec<u8>> {
    let state = stored.state.name();
    let message = stored.message.as_ref().map(Message::encode_to_vec);
    let since = stored.pending_since.map(|ns| ns.to_string().into_bytes());
    let fields = [
        ("state", Some(state.as_bytes().to_vec())),
        ("msg", message),
        ("pending_since", since),
        (
            "unique_key",
            stored.unique_key.clone().map(String::into_bytes),
        ),
        ("group", stored.group.clone().map(String::into_bytes)),
    ];
    let there = fields.into_iter();
    there
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// An empty collection has no key.
fn put(state: &mut State, key: &str, content: Content) {
    let empty = match &content {
        Content::Text(text) => text.is_empty(),
        Content::List(members) => members.is_empty(),
        Content::Set(members) => members.is_empty(),
        Content::Sorted(members) => members.is_empty(),
        Content::Hash(fields) => fields.is_empty(),
    };
    if !empty {
        state.insert(key.to_owned(), content);
    }
}

/// A counter that never counted has no key.
fn number(state: &mut State, key: String, count: i64) {
    if count > 0 {
        state.insert(key, Content::Text(count.to_string().into_bytes()));
    }
}
