//! Consent: a key by which whoever has queues in a Redis agrees, for a while, that a load works on them.
//!
//! ```text
//! SET firedrill:consent "take orders mail" EX 3600
//! ```

use crate::redis_server::RedisServerError;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::broker::redis::address::Address;
use firedrill_asynq::op::BrokerError;
use std::time::Duration;

/// The key.
pub const KEY: &str = "firedrill:consent";
/// What is agreed to.
const TAKE: &str = "take";
/// Shortest consent that is proposed, seconds.
const PROPOSED_S: u64 = 3_600;

/// Sees that tasks of these queues may be taken for so long.
///
/// # Errors
/// When nobody has agreed, or not to all of it; the text says what to type. When Redis does not answer.
pub async fn to_take(
    broker: &RedisBroker,
    (address, queues): (&Address, &[&str]),
    lasts: Duration,
) -> Result<(), RedisServerError> {
    let given = |error: BrokerError| RedisServerError::Given(error.to_string());
    let (mut get, mut ttl) = (redis::cmd("GET"), redis::cmd("PTTL"));
    let text = broker.command::<Option<String>>(get.arg(KEY), "GET").await;
    let text = text.map_err(given)?;
    let ttl_ms = broker.command::<i64>(ttl.arg(KEY), "PTTL").await;
    let ttl_ms = ttl_ms.map_err(given)?;
    let Some(why) = refusal((text.as_deref(), ttl_ms), queues, lasts) else {
        return Ok(());
    };
    let seconds = (lasts.as_secs() + 1).max(PROPOSED_S);
    Err(RedisServerError::Refused(format!(
        "{address}: {why}. Workers of a load take tasks as any asynq worker does, and what they have done is gone. Whoever has these queues agrees, \
         for a while, by typing in that Redis:\n    SET {KEY} \"{TAKE} {}\" EX {seconds}",
        queues.join(" ")
    )))
}

/// Why what is in the key, and for how long it is there (`PTTL`), does not do.
fn refusal(
    (text, ttl_ms): (Option<&str>, i64),
    queues: &[&str],
    lasts: Duration,
) -> Option<String> {
    let quoted = |queues: &[&str]| {
        let quoted: Vec<String> = queues.iter().map(|queue| format!("{queue:?}")).collect();
        quoted.join(", ")
    };
    let Some(text) = text else {
        return Some(format!(
            "nobody has agreed that a load works on what is in queue {} (there is no key {KEY})",
            quoted(queues)
        ));
    };
    let mut words = text.split_whitespace();
    let agreed: Vec<&str> = match words.next() {
        Some(TAKE) => words.collect(),
        _ => Vec::new(),
    };
    let missing: Vec<&str> = queues
        .iter()
        .filter(|queue| !agreed.contains(*queue))
        .copied()
        .collect();
    if !missing.is_empty() {
        return Some(format!(
            "nobody has agreed that a load works on what is in queue {} ({KEY} says {text:?})",
            quoted(&missing)
        ));
    }
    let left = u64::try_from(ttl_ms).ok().map(Duration::from_millis);
    match left {
        None => Some(format!(
            "what {KEY} agrees to has no end, so nobody may have thought of it"
        )),
        Some(left) if left < lasts => Some(format!(
            "what {KEY} agrees to ends in {} s, and the load takes up to {} s",
            left.as_secs(),
            lasts.as_secs()
        )),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_names_the_queues_and_outlasts_the_load() {
        let lasts = Duration::from_secs(60);
        let refused = |text: Option<&str>, ttl_ms: i64| {
            refusal((text, ttl_ms), &["orders", "mail"], lasts).unwrap_or_default()
        };
        assert_eq!(refused(Some("take mail orders more"), 60_000), "");
        for (text, ttl_ms, why) in [
            (None, -2, "queue \"orders\", \"mail\" (there is no key"),
            (
                Some("take orders"),
                90_000,
                "queue \"mail\" (firedrill:consent says",
            ),
            (Some("orders mail"), 90_000, "queue \"orders\", \"mail\""),
            (Some(""), 90_000, "nobody has agreed"),
            (Some("take orders mail"), -1, "has no end"),
            (
                Some("take orders mail"),
                59_000,
                "ends in 59 s, and the load takes up to 60 s",
            ),
        ] {
            let said = refused(text, ttl_ms);
            assert!(said.contains(why), "{text:?}: {said}");
        }
    }
}
