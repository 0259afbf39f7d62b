//! Redis' replies as values.

use crate::clock::Time;
use crate::keys::Queue;
use crate::message::TaskMessage;
use crate::op::{BrokerError, QueueStats, Undecodable};
use prost::Message;
use redis::{Value, from_redis_value_ref};

fn unexpected(what: &str) -> BrokerError {
    BrokerError::Refused(format!("{what}: unexpected reply").into())
}

/// An integer reply, 0 if it is none.
pub(super) fn count(value: &Value) -> u64 {
    if let Value::Int(count) = value {
        u64::try_from(*count).unwrap_or(0)
    } else {
        0
    }
}

/// `{id, message or false}`, or nil.
pub(super) fn message(queue: Queue<'_>, value: Value) -> Result<Option<TaskMessage>, BrokerError> {
    match value {
        Value::Nil => Ok(None),
        Value::Array(mut pair) if pair.len() == 2 => match (pair.remove(0), pair.remove(0)) {
            (_, Value::Nil) => Ok(None),
            (Value::BulkString(id), Value::BulkString(bytes)) => {
                decode(queue, &id, &bytes).map(Some)
            }
            _ => Err(unexpected("dequeue")),
        },
        // A nil at the end of a Lua table cuts it short.
        Value::Array(_) => Ok(None),
        _ => Err(unexpected("dequeue")),
    }
}

/// `{{id, message, ...}, {id, error, ...}}`.
pub(super) fn batch(
    queue: Queue<'_>,
    value: Value,
) -> Result<Vec<Result<TaskMessage, BrokerError>>, BrokerError> {
    let (taken, failed) = match value {
        Value::Array(mut parts) if parts.len() == 2 => (parts.remove(0), parts.remove(0)),
        _ => return Err(unexpected("dequeue_batch")),
    };
    let taken = pairs(taken, |id, bytes| decode(queue, id, bytes))?;
    let failed = pairs(failed, |_, error| {
        Err(BrokerError::Refused(
            format!("dequeue_batch: {}", String::from_utf8_lossy(error)).into(),
        ))
    })?;
    Ok(taken.into_iter().chain(failed).collect())
}

/// What is made of each pair in `{id, bytes, ...}`.
fn pairs<T>(value: Value, each: impl Fn(&[u8], &[u8]) -> T) -> Result<Vec<T>, BrokerError> {
    let Value::Array(flat) = value else {
        return Err(unexpected("dequeue_batch"));
    };
    let of = |pair: &[Value]| match pair {
        [Value::BulkString(id), Value::BulkString(bytes)] => Ok(each(id, bytes)),
        _ => Err(unexpected("dequeue_batch")),
    };
    flat.chunks(2).map(of).collect()
}

/// So many of 1 or 0.
pub(super) fn flags(value: Value, count: usize) -> Result<Vec<bool>, BrokerError> {
    match value {
        Value::Array(flags) if flags.len() == count => Ok(flags
            .into_iter()
            .map(|flag| flag == Value::Int(1))
            .collect()),
        _ => Err(unexpected("a batch")),
    }
}

/// `{id, message, ...}`. One message that cannot be decoded fails the whole, as in asynq.
pub(super) fn messages(queue: Queue<'_>, value: Value) -> Result<Vec<TaskMessage>, BrokerError> {
    let flat: Vec<Vec<u8>> =
        from_redis_value_ref(&value).map_err(|_| unexpected("list_lease_expired"))?;
    flat.chunks_exact(2)
        .map(|pair| decode(queue, &pair[0], &pair[1]))
        .collect()
}

fn decode(queue: Queue<'_>, id: &[u8], bytes: &[u8]) -> Result<TaskMessage, BrokerError> {
    TaskMessage::decode(bytes).map_err(|error| {
        let bad = Undecodable {
            key: queue.task(&String::from_utf8_lossy(id)),
            reason: error.to_string(),
        };
        Box::new(bad).into()
    })
}

/// The reply of `queue_stats`.
pub(super) fn stats(value: &Value, now: Time) -> Result<QueueStats, BrokerError> {
    type Row = (u64, u64, u64, u64, u64, u64, u64, u64, u64, String, u64);
    let row: Row = from_redis_value_ref(value).map_err(|_| unexpected("queue_stats"))?;
    let (
        pending,
        active,
        scheduled,
        retry,
        archived,
        completed,
        processed_total,
        failed_total,
        paused,
        since,
        aggregating,
    ) = row;
    let latency_ns = since
        .parse::<i64>()
        .map_or(0, |since| now.0.saturating_sub(since));
    Ok(QueueStats {
        pending,
        active,
        scheduled,
        retry,
        archived,
        completed,
        aggregating,
        processed_total,
        failed_total,
        latency_seconds: latency_ns as f64 / 1e9,
        paused: paused == 1,
    })
}
