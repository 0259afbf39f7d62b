//! The claim: a key that says whose a database is, and until when. The first thing a drill writes there, and the last it
//! removes.
//!
//! It is a lease that is renewed while the drill runs. The key does not expire with the lease: it says what has to be removed,
//! to whoever comes after a drill that cannot do so any more, from wherever they come.

use crate::owner::{self, Fate, Owner};
use crate::redis_server::ours::Ours;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::broker::redis::script::{Call, Named};
use firedrill_asynq::op::BrokerError;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

/// The key.
pub const KEY: &str = "firedrill:claim";
/// Pause between beats.
pub(super) const BEAT_EVERY: Duration = Duration::from_secs(10);
/// A claim without a beat for so long is an old one, wherever its owner is.
const STALE_AFTER_S: u64 = 90;
/// Longest claim that is read.
const CLAIM_MAX: usize = 1 << 20;

static ACQUIRE: LazyLock<Named> =
    LazyLock::new(|| Named::new("acquire", include_str!("acquire.lua")));
static BEAT: LazyLock<Named> = LazyLock::new(|| Named::new("beat", include_str!("beat.lua")));
static BEGIN: LazyLock<Named> = LazyLock::new(|| Named::new("begin", include_str!("begin.lua")));
static RELEASE: LazyLock<Named> =
    LazyLock::new(|| Named::new("release", include_str!("release.lua")));

/// Who claims a database, and all that it takes to remove what a drill writes there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Drawn for this claim alone.
    pub token: String,
    /// The machine's name.
    pub host: String,
    /// The process.
    pub owner: Owner,
    /// What the drill writes.
    pub ours: Ours,
}

/// A claim that is in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whose it is.
    pub token: String,
    /// What it says, if that can be read.
    pub claim: Option<Claim>,
    /// Seconds since its last beat.
    pub silent_s: u64,
    /// Whether its drill found the database empty and went on to write to it.
    pub begun: bool,
}

impl Held {
    /// Whether the drill that holds it is over.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        let made = SystemTime::now() - Duration::from_secs(self.silent_s.min(1 << 32));
        match self.claim.as_ref().map(|claim| claim.owner.fate(made)) {
            Some(Fate::Gone) => true,
            Some(Fate::Runs) => false,
            Some(Fate::Unknown(_)) | None => self.silent_s > STALE_AFTER_S,
        }
    }

    /// Whose it is, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let silent_s = self.silent_s;
        let lease = match STALE_AFTER_S.saturating_sub(silent_s) {
            _ if self.is_stale() => String::new(),
            0 => "; it holds the database until it ends".to_owned(),
            left_s => format!(
                "; it holds the database for another {left_s} s, and longer while it says that it goes on"
            ),
        };
        match &self.claim {
            Some(claim) => format!(
                "process {} on {}, last heard of {silent_s} s ago{lease}",
                claim.owner.pid(),
                claim.host
            ),
            None => format!("last heard of {silent_s} s ago{lease}"),
        }
    }
}

impl Claim {
    /// A claim of this process.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(super) fn new(ours: Ours) -> std::io::Result<Self> {
        Ok(Self {
            token: uuid::Uuid::new_v4().to_string(),
            host: owner::host(),
            owner: Owner::this()?,
            ours,
        })
    }

    /// Takes the database, or tells who has it.
    ///
    /// # Errors
    /// When Redis does not answer or refuses.
    pub(super) async fn acquire(
        &self,
        broker: &RedisBroker,
    ) -> Result<Result<(), Held>, BrokerError> {
        let text = serde_json::to_string(self)
            .map_err(|error| BrokerError::Refused(error.to_string().into()))?;
        let held = call(broker, &ACQUIRE, &[&self.token, &text]).await?;
        // A repeated request whose first answer was lost finds its own claim.
        Ok(match held {
            Some(held) if held.token == self.token => Ok(()),
            Some(held) => Err(held),
            None => {
                return Err(BrokerError::Refused(
                    format!("{KEY} is no claim of a firedrill").into(),
                ));
            }
        })
    }

    /// Says that the database was empty, and that the drill writes to it from now on; answers whether it is still its own.
    ///
    /// # Errors
    /// When Redis does not answer or refuses.
    pub(super) async fn begin(&self, broker: &RedisBroker) -> Result<bool, BrokerError> {
        let call = Call::new(&BEGIN).keys([KEY.to_owned()]).arg(&self.token);
        let done = broker.script(call).await?;
        Ok(done == redis::Value::Int(1))
    }

    /// Says that the drill still goes on; answers whether the database is still its own.
    ///
    /// # Errors
    /// When Redis does not answer or refuses.
    pub(super) async fn beat(&self, broker: &RedisBroker) -> Result<bool, BrokerError> {
        let call = Call::new(&BEAT).keys([KEY.to_owned()]).arg(&self.token);
        let done = broker.script(call).await?;
        Ok(done == redis::Value::Int(1))
    }

    /// Gives the database back.
    ///
    /// # Errors
    /// When Redis does not answer or refuses.
    pub(super) async fn release(&self, broker: &RedisBroker) -> Result<(), BrokerError> {
        release(broker, &self.token).await
    }
}

/// Removes the claim with this token, if it is there.
///
/// # Errors
/// When Redis does not answer or refuses.
pub(super) async fn release(broker: &RedisBroker, token: &str) -> Result<(), BrokerError> {
    let call = Call::new(&RELEASE).keys([KEY.to_owned()]).arg(token);
    broker.script(call).await.map(drop)
}

/// The claim in the database, if there is one.
///
/// # Errors
/// When Redis does not answer, or the key is something else.
pub(super) async fn held(broker: &RedisBroker) -> Result<Option<Held>, BrokerError> {
    let mut look = redis::cmd("HMGET");
    look.arg(KEY).arg(&["token", "claim", "beat", "begun"]);
    type Fields = (Option<String>, Option<String>, Option<u64>, Option<u64>);
    let (token, claim, beat, begun): Fields = broker.command(&look, "HMGET").await?;
    let Some(token) = token else {
        return Ok(None);
    };
    let (now, _): (u64, u64) = broker.command(&redis::cmd("TIME"), "TIME").await?;
    Ok(Some(Held {
        token,
        claim: read(claim.as_deref().unwrap_or_default()),
        silent_s: now.saturating_sub(beat.unwrap_or(0)),
        begun: begun.is_some(),
    }))
}

async fn call(
    broker: &RedisBroker,
    script: &'static Named,
    args: &[&str],
) -> Result<Option<Held>, BrokerError> {
    let mut call = Call::new(script).keys([KEY.to_owned()]);
    for arg in args {
        call = call.arg(*arg);
    }
    let answer = broker.script(call).await?;
    let read_answer: Result<(i64, u64, String, String, u64), _> =
        redis::from_redis_value_ref(&answer);
    Ok(read_answer.ok().map(|(_, now, token, claim, beat)| Held {
        token,
        claim: read(&claim),
        silent_s: now.saturating_sub(beat),
        begun: false,
    }))
}

fn read(text: &str) -> Option<Claim> {
    if text.len() > CLAIM_MAX {
        return None;
    }
    serde_json::from_str(text).ok()
}
