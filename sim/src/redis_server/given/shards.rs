//! Shards of a load beside each other in a Redis that was given: each says every second in the claim that it is there, so that all hear
//! when one of them is stopped or gone, or the database is given back. It is given back when nobody writes any more.

use super::claim::KEY;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::broker::redis::script::{Call, Named};
use firedrill_asynq::op::BrokerError;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::Instant;

/// A shard that says nothing for so long is gone.
pub(crate) const SILENT_AFTER: Duration = Duration::from_secs(10);
/// How long whoever gives a database back waits for shards that may still write.
const ENDS_WITHIN: Duration = Duration::from_secs(15);
/// Pause between looks for them.
const LOOKS_EVERY: Duration = Duration::from_millis(50);

static ATTEND: LazyLock<Named> = LazyLock::new(|| Named::new("attend", include_str!("attend.lua")));

/// What a shard hears of its load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// It goes on.
    Going,
    /// The Redis is given back, or the claim is gone.
    Closed,
    /// A shard was stopped: which, from 0.
    Stopped(u32),
    /// Nothing is heard of a shard any more: which, from 0.
    Silent(u32),
}

/// A shard says that it is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attend<'a> {
    /// Which load it is.
    pub(crate) load: &'a str,
    /// Which shard, from 0.
    pub(crate) index: u32,
    /// Whether somebody has stopped it.
    pub(crate) stopped: bool,
}

/// Says it; answers what became of the load, and how many other shards may still write.
///
/// # Errors
/// When Redis does not answer or refuses.
pub(crate) async fn attend(
    broker: &RedisBroker,
    shard: Attend<'_>,
) -> Result<(Word, u32), BrokerError> {
    let how = if shard.stopped { "stopped" } else { "going" };
    say(broker, shard.load, shard.index, how).await
}

/// Has all shards of the load that holds the claim end, whatever load it is, and waits until none of them writes, but not for ever.
/// Of a load or a drill without shards there is nobody to wait for.
///
/// # Errors
/// As for [`attend`].
pub(super) async fn end(broker: &RedisBroker) -> Result<(), BrokerError> {
    let deadline = Instant::now() + ENDS_WITHIN;
    // Whoever gives it back does so for the first shard.
    while say(broker, "", 0, "closing").await?.1 > 0 && Instant::now() < deadline {
        tokio::time::sleep(LOOKS_EVERY).await;
    }
    Ok(())
}

async fn say(
    broker: &RedisBroker,
    load: &str,
    index: u32,
    how: &str,
) -> Result<(Word, u32), BrokerError> {
    let call = Call::new(&ATTEND)
        .keys([KEY.to_owned()])
        .arg(load)
        .arg(index)
        .arg(how)
        .arg(SILENT_AFTER.as_secs());
    let answer = broker.script(call).await?;
    let strange = || BrokerError::Refused("an answer that is none to a shard".into());
    let (word, which, writing): (String, u32, u32) =
        redis::from_redis_value_ref(&answer).map_err(|_| strange())?;
    let word = match word.as_str() {
        "going" => Word::Going,
        "closed" => Word::Closed,
        "stopped" => Word::Stopped(which),
        "silent" => Word::Silent(which),
        _ => return Err(strange()),
    };
    Ok((word, writing))
}
