//! Shards of one load meet at the claim of its Redis: each says that it is there, that it is ready, and that it is over, and waits for
//! the others, but not for ever. They begin at one instant of Redis' clock, so those of their machines need not agree.
//!
//! The first shard takes the Redis, as any load does, and gives it back; the others join. What they say stands in the key of the claim,
//! so it goes with it.

use crate::abort::Abort;
use crate::redis_server::given::claim::KEY;
use crate::redis_server::given::shards::{Attend, SILENT_AFTER, Word, attend};
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::broker::redis::script::{Call, Named};
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::op::BrokerError;
use firedrill_reports::shard::Shard;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

/// From when the last shard is ready to the first possible arrival: time enough for all to hear of it.
const BEGINS_IN: Duration = Duration::from_secs(1);
/// Pause between looks for the others.
const LOOKS_EVERY: Duration = Duration::from_millis(50);
/// Pause between looks whether the load goes on.
const ATTENDS_EVERY: Duration = Duration::from_secs(1);
/// How long the first shard of a load that was stopped waits for those that may still write.
const STOPS_WITHIN: Duration = Duration::from_secs(15);
/// Looks at Redis' clock: the quickest answer says it best.
const CLOCK_LOOKS: usize = 9;

static MEET: LazyLock<Named> = LazyLock::new(|| Named::new("meet", include_str!("meet.lua")));

/// Why shards did not come together.
#[derive(Debug, thiserror::Error)]
pub enum MeetingError {
    /// Some did not come in time.
    #[error(
        "inconclusive: of {of} shards {} not {stage} within {} s: {}",
        if missing.len() == 1 { "one was" } else { "some were" }, within.as_secs(), missing.join(", ")
    )]
    Missing {
        /// How many there should be.
        of: u32,
        /// Which did not come, as `2/4`.
        missing: Vec<String>,
        /// How far they did not come.
        stage: &'static str,
        /// How long they were waited for.
        within: Duration,
    },
    /// The first shard has not begun.
    #[error(
        "inconclusive: shard 1/{of}, which takes the Redis for all of them, was not there within {} s",
        within.as_secs()
    )]
    NoFirst {
        /// How many there should be.
        of: u32,
        /// How long it was waited for.
        within: Duration,
    },
    /// Another load is there.
    #[error(
        "the load in that Redis is another one, or has another number of shards: all shards take the same arguments, but for --shard"
    )]
    Other,
    /// There is such a shard.
    #[error("shard {0} is there already: each is started once")]
    Twice(Shard),
    /// The load has ended elsewhere.
    #[error("inconclusive: {0}")]
    Ended(String),
    /// Redis does not answer as it should.
    #[error(transparent)]
    Redis(#[from] BrokerError),
    /// It was stopped meanwhile.
    #[error("stopped before it began")]
    Stopped,
}

/// How far a shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Here,
    Ready,
    Over,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Ready => "ready",
            Self::Over => "over",
        }
    }
}

/// One shard among the others of its load.
#[derive(Clone)]
pub(super) struct Meeting {
    broker: RedisBroker,
    shard: Shard,
    /// Which load it is: what all shards have in common.
    load: String,
    /// Drawn for this shard of this load.
    token: String,
    /// How long the others are waited for.
    within: Duration,
    abort: Abort,
}

/// A shard's eye on the others: it stops when the load has ended elsewhere, and the others hear when it is stopped itself.
pub(super) struct Attending {
    /// Whether this shard is to stop, for whatever reason.
    pub(super) abort: Abort,
    why: Arc<OnceLock<String>>,
    task: JoinHandle<()>,
}

impl Attending {
    /// Why the load has ended elsewhere, if it has.
    pub(super) fn why(&self) -> Option<&String> {
        self.why.get()
    }
}

impl Drop for Attending {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the script answers.
struct Answer {
    word: String,
    count: u32,
    start_us: Option<i64>,
    now_us: i64,
}

impl Meeting {
    /// Of a shard of `load`.
    pub(super) fn new(
        broker: RedisBroker,
        (load, shard): (String, Shard),
        within: Duration,
        abort: Abort,
    ) -> Self {
        Self {
            broker,
            shard,
            load,
            token: Uuid::new_v4().to_string(),
            within,
            abort,
        }
    }

    /// Whether it takes the Redis and gives it back, for all of them.
    pub(super) fn is_first(&self) -> bool {
        self.shard.number() == 1
    }

    /// Waits until the first shard has the Redis, and says that this one is there.
    pub(super) async fn join(&self) -> Result<(), MeetingError> {
        self.all(Stage::Here, &self.abort).await.map(drop)
    }

    /// Begins to watch over the load, until what this returns is dropped.
    pub(super) fn attend(&self) -> Attending {
        let (count, counted) = watch::channel(0);
        let why = Arc::new(OnceLock::new());
        let (meeting, told) = (self.clone(), why.clone());
        let task = tokio::spawn(async move {
            let mut every = tokio::time::interval(ATTENDS_EVERY);
            let mut asked = 0;
            loop {
                tokio::select! {
                    () = meeting.abort.asked(), if asked == 0 => asked = 1,
                    () = meeting.abort.urged(), if asked == 1 => asked = 2,
                    _ = every.tick() => {}
                }
                if asked > 0 {
                    count.send_modify(|count| *count = asked.max(*count));
                }
                // A Redis that does not answer is the load's own to see.
                let said = meeting.attends(asked > 0).await;
                let Ok((word, _)) = said else { continue };
                if let Some(what) = meeting.ended(word)
                    && asked == 0
                {
                    let _ = told.set(what);
                    count.send_modify(|count| *count = 1.max(*count));
                }
            }
        });
        Attending {
            abort: Abort::new(counted),
            why,
            task,
        }
    }

    async fn attends(&self, stopped: bool) -> Result<(Word, u32), BrokerError> {
        let shard = Attend {
            load: &self.load,
            index: self.shard.number() - 1,
            stopped,
        };
        attend(&self.broker, shard).await
    }

    /// Why there is nothing to go on with, for people.
    fn ended(&self, word: Word) -> Option<String> {
        let shard = |index: u32| format!("shard {}/{}", index + 1, self.shard.of());
        match word {
            Word::Going => None,
            Word::Closed => Some("shard 1 has given the Redis back".to_owned()),
            Word::Stopped(index) => Some(format!("{} was stopped", shard(index))),
            Word::Silent(index) => Some(format!(
                "{} is gone: nothing was heard of it for {} s",
                shard(index),
                SILENT_AFTER.as_secs()
            )),
        }
    }

    /// Says that it is ready, waits until all are, and answers the clock that begins for all at once.
    pub(super) async fn begin(&self, abort: &Abort) -> Result<ClockOrigin, MeetingError> {
        let start_us = self.all(Stage::Ready, abort).await?;
        let offset_ns = self.offset().await?;
        let here = ClockOrigin::real_time();
        let start = Time(start_us.saturating_mul(1_000));
        let begins_in = start.0 - (here.virtual_start.0 + offset_ns);
        Ok(ClockOrigin {
            monotonic_ns: here.monotonic_ns + begins_in,
            virtual_start: start,
            ..here
        })
    }

    /// Says that it is over; the first waits for all others that may still write.
    pub(super) async fn end(&self, abort: &Abort) -> Result<(), MeetingError> {
        self.say(Stage::Over).await?;
        if !self.is_first() {
            return Ok(());
        }
        let within = match abort.is_asked() {
            true => STOPS_WITHIN,
            false => self.within,
        };
        let deadline = Instant::now() + within;
        while self.attends(self.abort.is_asked()).await?.1 > 0 && Instant::now() < deadline {
            tokio::select! {
                () = tokio::time::sleep(LOOKS_EVERY) => {}
                () = self.abort.urged() => break,
            }
        }
        let missing = self.missing(Stage::Over).await?;
        match missing.is_empty() {
            true => Ok(()),
            false => Err(MeetingError::Missing {
                of: self.shard.of(),
                missing,
                stage: Stage::Over.name(),
                within,
            }),
        }
    }

    /// By how much Redis' clock is ahead of this machine's, nanoseconds.
    async fn offset(&self) -> Result<i64, MeetingError> {
        // With how far it may be off.
        let mut best: Option<(i64, i64)> = None;
        for _ in 0..CLOCK_LOOKS {
            let before = ClockOrigin::real_time().virtual_start.0;
            let answer = self.say(Stage::Ready).await?;
            let after = ClockOrigin::real_time().virtual_start.0;
            let off = (after - before) / 2;
            if best.is_none_or(|(_, known)| off < known) {
                best = Some((answer.now_us * 1_000 - (before + off), off));
            }
        }
        Ok(best.map_or(0, |(offset, _)| offset))
    }

    /// Waits until all are as far; answers when the load starts, as far as that is known.
    async fn all(&self, stage: Stage, abort: &Abort) -> Result<i64, MeetingError> {
        let deadline = Instant::now() + self.within;
        loop {
            let said = abort.unless_asked(self.say(stage)).await;
            let answer = said.ok_or(MeetingError::Stopped)??;
            let of = self.shard.of();
            match answer.word.as_str() {
                "met" if answer.count >= of => return Ok(answer.start_us.unwrap_or(0)),
                "met" | "closed" => {}
                "twice" => return Err(MeetingError::Twice(self.shard)),
                _ => return Err(MeetingError::Other),
            }
            if Instant::now() >= deadline {
                let within = self.within;
                return Err(match answer.word == "closed" {
                    true => MeetingError::NoFirst { of, within },
                    false => MeetingError::Missing {
                        of,
                        missing: self.missing(stage).await?,
                        stage: stage.name(),
                        within,
                    },
                });
            }
            let pause = abort.unless_asked(tokio::time::sleep(LOOKS_EVERY));
            pause.await.ok_or(MeetingError::Stopped)?;
        }
    }

    async fn say(&self, stage: Stage) -> Result<Answer, MeetingError> {
        let call = Call::new(&MEET)
            .keys([KEY.to_owned()])
            .arg(&self.load)
            .arg(self.shard.of())
            .arg(self.shard.number() - 1)
            .arg(&self.token)
            .arg(stage.name())
            .arg(BEGINS_IN.as_micros() as u64);
        let answer = self.broker.script(call).await?;
        let strange = || BrokerError::Refused("an answer that is none to a shard".into());
        let (word, count, start, seconds, micros): (String, u32, String, i64, i64) =
            redis::from_redis_value_ref(&answer).map_err(|_| strange())?;
        Ok(Answer {
            word,
            count,
            start_us: start.parse().ok(),
            now_us: seconds.saturating_mul(1_000_000).saturating_add(micros),
        })
    }

    /// Shards that are not as far.
    async fn missing(&self, stage: Stage) -> Result<Vec<String>, MeetingError> {
        let mut look = redis::cmd("HKEYS");
        look.arg(KEY);
        let fields: Vec<String> = self.broker.command(&look, "HKEYS").await?;
        let is_missing = |number: &u32| {
            let field = format!("{}:{}", stage.name(), number - 1);
            !fields.contains(&field)
        };
        let of = self.shard.of();
        let missing = (1..=of).filter(is_missing);
        Ok(missing.map(|number| format!("{number}/{of}")).collect())
    }
}
