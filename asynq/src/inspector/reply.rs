//! Redis' replies as values, without trust in what they hold.

use crate::inspector::InspectError;
use crate::op::BrokerError;
use redis::Value;

/// The script answered something it never should.
pub(super) fn unexpected(what: &str) -> InspectError {
    BrokerError::Refused(format!("{what}: unexpected reply").into()).into()
}

/// An array reply of at least `length` elements.
pub(super) fn array<'v>(
    value: &'v Value,
    length: usize,
    what: &str,
) -> Result<&'v [Value], InspectError> {
    match value {
        Value::Array(items) if items.len() >= length => Ok(items),
        _ => Err(unexpected(what)),
    }
}

/// The bytes of a string reply; nothing if it is nil or none.
pub(super) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

/// A string reply as text, whatever its bytes are.
pub(super) fn text(value: &Value) -> Option<String> {
    bytes(value).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// An integer reply, 0 if it is none.
pub(super) fn int(value: &Value) -> i64 {
    match value {
        Value::Int(int) => *int,
        _ => 0,
    }
}

/// A count, 0 if the reply is none.
pub(super) fn count(value: &Value) -> u64 {
    u64::try_from(int(value)).unwrap_or(0)
}

/// A score as Unix seconds, fraction cut off; infinite scores are as far as numbers go.
pub(super) fn score(value: &Value) -> Option<i64> {
    let score: f64 = text(value)?.parse().ok()?;
    Some(score as i64)
}
