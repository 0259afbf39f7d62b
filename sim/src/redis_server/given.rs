//! A Redis that somebody gave us for a drill: not started by us, so never stopped, and left as it was found.
//!
//! In this order: what will have to be removed is noted in the [`journal`]; the database is claimed, so that of two
//! drills one gets it; it is seen to be empty; everything the drill needs of it is tried. In the end the drill's own keys
//! are removed, then the claim, then the note. Whatever ends a drill in between, `firedrill clean` goes on from there.

pub mod claim;
pub mod consent;
pub mod journal;
mod probe;
pub(crate) mod shards;

use crate::abort::Abort;
use crate::files::shown;
use crate::redis_server::RedisServerError;
use crate::redis_server::ours::{Foreign, Ours};
use crate::undo::{Journal, Open, Undo};
use claim::{BEAT_EVERY, Claim, Held};
use firedrill_asynq::broker::redis::address::Address;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::keys::{self, Queue};
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{BrokerError, Op};
use journal::Entry;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Most keys that a database may hold of workers that were there before.
const GUESTS_MAX: u64 = 4_096;
/// How long removing keys may take.
const CLEANS_WITHIN: Duration = Duration::from_secs(30);
/// The same when somebody waits for a stopped drill, and when they have asked twice.
const CLEANS_WITHIN_ASKED: Duration = Duration::from_secs(5);
const CLEANS_WITHIN_URGED: Duration = Duration::from_secs(1);
/// A Redis that twice does not answer within this, when somebody waits, is not waited for.
const ANSWERS_WITHIN_ASKED: Duration = Duration::from_millis(350);
/// Keys of a queue that has anything, or had.
const QUEUE_PARTS: [&str; 10] = [
    "pending",
    "active",
    "lease",
    "scheduled",
    "retry",
    "archived",
    "completed",
    "groups",
    "processed",
    "failed",
];
/// Pause between looks whether it still answers.
const LOOKS_EVERY: Duration = Duration::from_millis(100);
/// What a drill had under way when it was stopped gets so long to reach Redis before another look.
const LOOKS_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// A database with more keys than these and without a drill's claim is somebody else's by now, and not looked through.
const OTHERS_MAX: u64 = 1_000_000;
/// How often what is there is removed while more of it comes.
const ROUNDS_MAX: usize = 20;

/// A Redis that is not ours, and is for one drill at the moment.
#[derive(Debug)]
pub struct GivenRedis {
    address: Address,
    claim: Claim,
    state: PathBuf,
    /// Tells others that the drill goes on, once the database is its own.
    beat: Option<JoinHandle<()>>,
    /// Of the drill: what is to be undone here before its keys are removed.
    journal: Journal,
}

/// Why a drill did not get the Redis.
#[derive(Debug)]
pub struct Taking {
    /// The reason; `None`: the drill was stopped first.
    pub error: Option<RedisServerError>,
    /// What was written to it before, if that could not be removed.
    pub left: Option<RedisServerError>,
}

impl From<RedisServerError> for Taking {
    fn from(error: RedisServerError) -> Self {
        Self {
            error: Some(error),
            left: None,
        }
    }
}

fn unusable(error: &BrokerError) -> RedisServerError {
    RedisServerError::Given(error.to_string())
}

impl GivenRedis {
    /// Claims a database for a drill that writes `ours`, and sees whether everything works there. `state` is the directory
    /// of the notes, `journal` the drill's.
    ///
    /// # Errors
    /// When it does not answer, its database holds anything or is another drill's, or something the drill needs does not
    /// work. Nothing is left there then, unless [`Taking::left`] says so.
    pub async fn take(
        address: &Address,
        ours: Ours,
        (state, journal): (&Path, &Journal),
        abort: &Abort,
    ) -> Result<Self, Taking> {
        let open = RedisBroker::open(address, RedisOptions::at_speed(1.0));
        let stopped = || Taking {
            error: None,
            left: None,
        };
        let opened = abort.unless_asked(open).await.ok_or_else(stopped)?;
        let broker = opened.map_err(|error| unusable(&error))?;
        let fits = abort.unless_asked(keeps_what_it_gets(&broker, address));
        fits.await.ok_or_else(stopped)??;

        let noted = |error: std::io::Error| {
            RedisServerError::Given(format!(
                "{}: cannot note what will have to be removed: {error}",
                shown(state)
            ))
        };
        let claim = Claim::new(ours).map_err(noted)?;
        let mut given = Self {
            address: address.clone(),
            claim,
            state: state.to_path_buf(),
            beat: None,
            journal: journal.clone(),
        };
        given.entry().write(state).map_err(noted)?;
        let error = match abort.unless_asked(given.settle(&broker)).await {
            Some(Ok(())) => {
                given.beat = Some(tokio::spawn(beats(broker, given.claim.clone())));
                return Ok(given);
            }
            Some(Err(Unsettled::NotClaimed(error))) => {
                // Nothing was written there.
                let forgotten = given.entry().remove(state);
                return Err(forgotten.map_err(noted).err().unwrap_or(error).into());
            }
            Some(Err(Unsettled::Claimed(error))) => Some(error),
            None => None,
        };
        broker.close();
        Err(Taking {
            error,
            left: given.leave(abort).await.err(),
        })
    }

    fn entry(&self) -> Entry {
        Entry::new(&self.address, &self.claim)
    }

    /// Claims the database, sees that it is empty, and tries everything.
    async fn settle(&self, broker: &RedisBroker) -> Result<(), Unsettled> {
        let address = &self.address;
        // What cannot be removed is not written.
        if let Err(error) = probe::removes(broker).await {
            return Err(Unsettled::NotClaimed(refusal(&error)));
        }
        match self.claim.acquire(broker).await {
            Ok(Ok(())) => {}
            Ok(Err(held)) => return Err(Unsettled::NotClaimed(taken(address, &held))),
            // It may have been taken although the answer did not come.
            Err(error @ BrokerError::Unreachable(_)) => {
                return Err(Unsettled::Claimed(unusable(&error)));
            }
            Err(error) => return Err(Unsettled::NotClaimed(refusal(&error))),
        }
        let claimed = |error: BrokerError| Unsettled::Claimed(refusal(&error));
        // But for the claim.
        let others = broker.key_count().await.map_err(claimed)?.saturating_sub(1);
        let is_beside = self.claim.ours.is_beside_others();
        if others > 0
            && !is_beside
            && !self.has_but_guests(broker, others).await.map_err(claimed)?
        {
            return Err(Unsettled::Claimed(RedisServerError::NotEmpty {
                address: address.to_string(),
                keys: others,
            }));
        }
        if others > 0 && is_beside {
            self.finds_its_names_free(broker).await?;
        }
        if !self.claim.begin(broker).await.map_err(claimed)? {
            return Err(Unsettled::Claimed(RedisServerError::Refused(format!(
                "{address}: somebody has removed the key {}, which says whose the database is",
                claim::KEY
            ))));
        }
        probe::probe(broker, self.claim.ours.queues())
            .await
            .map_err(claimed)?;
        let found = self
            .claim
            .ours
            .survey(broker, true)
            .await
            .map_err(claimed)?;
        found.remove(broker).await.map_err(claimed)
    }

    /// Whether there is nothing but what workers say of themselves that take part and were there before.
    async fn has_but_guests(&self, broker: &RedisBroker, count: u64) -> Result<bool, BrokerError> {
        Ok(count <= GUESTS_MAX && self.claim.ours.are_of_guests(&broker.keys().await?))
    }

    /// Sees that nobody has queues that are called like ours.
    async fn finds_its_names_free(&self, broker: &RedisBroker) -> Result<(), Unsettled> {
        for queue in self.claim.ours.queues() {
            let mut scan = redis::cmd("SISMEMBER");
            scan.arg(keys::QUEUES).arg(queue);
            let listed = broker.command::<u64>(&scan, "SISMEMBER").await;
            let listed = listed.map_err(|error| Unsettled::Claimed(refusal(&error)))? > 0;
            let mut exist = redis::cmd("EXISTS");
            for part in QUEUE_PARTS {
                exist.arg(Queue(queue).key(part));
            }
            let there = broker.command::<u64>(&exist, "EXISTS").await;
            let there = there.map_err(|error| Unsettled::Claimed(refusal(&error)))? > 0;
            if listed || there {
                let address = &self.address;
                // A claim that has not begun takes nothing with it.
                return Err(Unsettled::Claimed(RedisServerError::Refused(format!(
                    "{address}: there is a queue {queue:?} already; give this load another --name"
                ))));
            }
        }
        Ok(())
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The token of the drill's claim.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.claim.token
    }

    /// Gives the database back and leaves what was written there: somebody wants to look at it.
    ///
    /// # Errors
    /// When Redis does not answer, or the journal cannot be changed.
    pub async fn keep(mut self) -> Result<(), RedisServerError> {
        if let Some(beat) = self.beat.take() {
            beat.abort();
        }
        let broker = RedisBroker::open(&self.address, RedisOptions::at_speed(1.0)).await;
        let broker = broker.map_err(|error| unusable(&error))?;
        let released = self.claim.release(&broker).await;
        released.map_err(|error| unusable(&error))?;
        let forgotten = self.entry().remove(&self.state);
        forgotten.map_err(|error| {
            let state = shown(&self.state);
            RedisServerError::Left(format!("the journal in {state} cannot be changed: {error}"))
        })
    }

    /// Undoes what the drill has done, removes what it has written, and gives the database back; tells what others have
    /// there. Waits no longer than somebody who has stopped the drill would.
    ///
    /// # Errors
    /// When that cannot be done, or not in time: the drill's keys are still there, and the journal says so.
    pub async fn leave(mut self, abort: &Abort) -> Result<Vec<Foreign>, RedisServerError> {
        let settled = self.beat.is_some();
        if let Some(beat) = self.beat.take() {
            beat.abort();
        }
        let undos = undos_of(&self.claim.token, self.journal.open());
        let cleaned = tokio::select! {
            cleaned = clean(&self.address, (&self.claim, &undos), settled) => cleaned,
            () = patience(abort) => Err(BrokerError::Unreachable("does not answer in time".into())),
            () = is_frozen(abort, &self.address) => {
                Err(BrokerError::Unreachable("does not answer".into()))
            }
        };
        let foreign = cleaned.map_err(|error| {
            RedisServerError::Left(format!(
                "the drill's keys are still in {}: {error}\n    type, when it answers again: firedrill clean{}",
                self.address,
                clean_hint(&self.address)
            ))
        })?;
        let forgotten = self.entry().remove(&self.state);
        let marked = forgotten.and_then(|()| self.journal.settle(&undos));
        marked.map_err(|error| {
            let state = shown(&self.state);
            RedisServerError::Left(format!("the journal in {state} cannot be changed: {error}"))
        })?;
        Ok(foreign)
    }
}

impl Drop for GivenRedis {
    fn drop(&mut self) {
        if let Some(beat) = self.beat.take() {
            beat.abort();
        }
    }
}

enum Unsettled {
    /// Nothing was written.
    NotClaimed(RedisServerError),
    /// Something is there.
    Claimed(RedisServerError),
}

/// Arguments that `clean` needs for an address.
fn clean_hint(address: &Address) -> String {
    match address.without_secrets() {
        Some(_) => String::new(),
        None => format!(" --redis '{address}' (with the password)"),
    }
}

/// Waits until somebody has stopped the drill and Redis does not answer.
async fn is_frozen(abort: &Abort, address: &Address) {
    abort.asked().await;
    let mut silent = 0;
    while silent < 2 {
        // On a connection of its own: what is removed may hold up another.
        let ping = RedisBroker::open(address, RedisOptions::at_speed(1.0));
        let pinged = tokio::time::timeout(ANSWERS_WITHIN_ASKED, ping).await;
        if matches!(pinged, Ok(Ok(_))) {
            silent = 0;
            tokio::time::sleep(LOOKS_EVERY).await;
        } else {
            silent += 1;
        }
    }
}

async fn patience(abort: &Abort) {
    tokio::select! {
        () = tokio::time::sleep(CLEANS_WITHIN) => {}
        () = async { abort.asked().await; tokio::time::sleep(CLEANS_WITHIN_ASKED).await } => {}
        () = async { abort.urged().await; tokio::time::sleep(CLEANS_WITHIN_URGED).await } => {}
    }
}

/// Says now and then that the drill goes on.
async fn beats(broker: RedisBroker, claim: Claim) {
    loop {
        tokio::time::sleep(BEAT_EVERY).await;
        // One that does not get through is made up for by the next; a claim that is gone is seen in the end.
        let _ = claim.beat(&broker).await;
    }
}

/// What of a journal is to be undone in the Redis that is claimed with this token, in its order.
#[must_use]
pub fn undos_of(token: &str, open: Vec<Open>) -> Vec<Undo> {
    let undos = open.into_iter().map(|open| open.undo);
    undos.filter(|undo| undo.given() == Some(token)).collect()
}

/// Undoes what is to be undone in a Redis. Nothing is done to a queue that is not of the drill.
async fn undo(broker: &RedisBroker, claim: &Claim, undos: &[Undo]) -> Result<(), BrokerError> {
    for undo in undos {
        match undo {
            Undo::Unpause { queue, .. } if claim.ours.queues().contains(queue) => {
                let queue = queue.clone();
                let unpause = Op::<TaskMessage>::Unpause { queue };
                match broker.call(unpause).await {
                    Ok(_) | Err(BrokerError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
            Undo::Setting { setting, value, .. } => {
                let mut set = redis::cmd("CONFIG");
                set.arg("SET").arg(setting.name()).arg(value);
                let done = broker.command::<redis::Value>(&set, "CONFIG SET");
                done.await?;
            }
            Undo::Unpause { .. }
            | Undo::End { .. }
            | Undo::Continue { .. }
            | Undo::Container { .. }
            | Undo::Thaw { .. }
            | Undo::StartContainer { .. }
            | Undo::Toxics { .. }
            | Undo::Memory { .. }
            | Undo::Replicas { .. }
            | Undo::Images { .. }
            | Undo::TargetsFile { .. } => {}
        }
    }
    Ok(())
}

/// Undoes what is to be undone, removes what a claim says is a drill's, then the claim; tells what others have there.
/// `settled`: the drill has had the database for itself, whatever became of its claim since.
///
/// # Errors
/// When Redis does not answer or refuses, or more keeps coming.
async fn clean(
    address: &Address,
    (claim, undos): (&Claim, &[Undo]),
    settled: bool,
) -> Result<Vec<Foreign>, BrokerError> {
    let broker = RedisBroker::open(address, RedisOptions::at_speed(1.0)).await?;
    let held = claim::held(&broker).await?;
    let own = held.filter(|held| held.token == claim.token);
    if own.as_ref().is_some_and(|held| !held.begun) && !settled {
        // It did not come to writing anything else: what is there is of others.
        claim.release(&broker).await?;
        return Ok(Vec::new());
    }
    // Without its claim others may have taken over its queues since: only what is the drill's beyond doubt goes.
    let alone = settled || own.is_some();
    if own.is_some() {
        shards::end(&broker).await?;
    }
    if !alone && broker.key_count().await? > OTHERS_MAX {
        return Ok(Vec::new());
    }
    if alone {
        undo(&broker, claim, undos).await?;
    }
    for round in 0..ROUNDS_MAX {
        let found = claim.ours.survey(&broker, alone).await?;
        if found.is_clean() && round > 0 {
            claim.release(&broker).await?;
            return Ok(found.foreign);
        }
        found.remove(&broker).await?;
        tokio::time::sleep(LOOKS_AGAIN_AFTER).await;
    }
    Err(BrokerError::Refused(
        "somebody goes on writing what a drill writes".into(),
    ))
}

/// What `firedrill clean` found in a Redis.
#[derive(Debug)]
pub enum Cleaned {
    /// Nothing of any drill.
    Nothing,
    /// A drill that goes on, whose it is.
    Busy(String),
    /// It was removed; what others have there.
    Removed(Vec<Foreign>),
}

/// Removes what drills have left in a Redis: the one that holds its claim if it is over, and those of `entries`, each with
/// what its journal says is to be undone there.
///
/// # Errors
/// When Redis does not answer or refuses.
pub async fn clean_up(
    address: &Address,
    entries: &[(Entry, Vec<Undo>)],
) -> Result<Cleaned, RedisServerError> {
    let left = |error: BrokerError| RedisServerError::Given(error.to_string());
    let broker = RedisBroker::open(address, RedisOptions::at_speed(1.0))
        .await
        .map_err(left)?;
    let held = claim::held(&broker).await.map_err(left)?;
    if let Some(held) = &held
        && !held.is_stale()
    {
        return Ok(Cleaned::Busy(held.describe()));
    }
    let of_entry = |(entry, undos): &(Entry, Vec<Undo>)| (entry.claim.clone(), undos.clone());
    let mut claims: Vec<(Claim, Vec<Undo>)> = entries.iter().map(of_entry).collect();
    if let Some(held) = held {
        match held.claim {
            // It may say more than ours does, e.g. of another machine.
            Some(claim) if claims.iter().all(|(known, _)| *known != claim) => {
                claims.push((claim, Vec::new()));
            }
            Some(_) => {}
            None => {
                claim::release(&broker, &held.token).await.map_err(left)?;
            }
        }
    }
    if claims.is_empty() {
        return Ok(Cleaned::Nothing);
    }
    let mut foreign = Vec::new();
    for (claim, undos) in &claims {
        let cleaned = clean(address, (claim, undos), false).await;
        foreign = cleaned.map_err(left)?;
    }
    Ok(Cleaned::Removed(foreign))
}

/// Why a claimed database is not for us.
fn taken(address: &Address, held: &Held) -> RedisServerError {
    let who = held.describe();
    RedisServerError::Refused(if held.is_stale() {
        format!(
            "{address} holds what a firedrill left behind that was ended before it could clean up ({who})\n    type: \
             firedrill clean --redis '{address}'{}",
            if address.without_secrets().is_none() {
                " (with the password)"
            } else {
                ""
            }
        )
    } else {
        format!(
            "{address} is in use by another firedrill ({who}). Two drills would count and remove each other's tasks: wait \
             for it, or name another database"
        )
    })
}

/// What Redis said to something a drill needs, and what to do about it.
fn refusal(error: &BrokerError) -> RedisServerError {
    let said = error.to_string();
    let hints = [
        (
            "NOPERM",
            "a drill's user needs the keys asynq:* and firedrill:*, the channel asynq:cancel, and the commands of asynq, \
             EVAL and EVALSHA among them",
        ),
        (
            "NOREPLICAS",
            "min-replicas-to-write asks for more replicas than are connected",
        ),
        (
            "OOM",
            "its memory is full (maxmemory): free some, or name another Redis",
        ),
        (
            "MISCONF",
            "it cannot save its data and takes no writes until it can",
        ),
        (
            "READONLY",
            "a drill has to write: name the master, or the sentinels that know it",
        ),
    ];
    let shouted = said.to_uppercase();
    let hint = hints.iter().find(|(word, _)| shouted.contains(word));
    let hint = hint.map_or(String::new(), |(_, hint)| format!("\n    {hint}"));
    RedisServerError::Given(format!("a drill cannot be run on it: {said}{hint}"))
}

/// Refuses a Redis that forgets tasks when its memory is full: a drill would count them as lost.
async fn keeps_what_it_gets(
    broker: &RedisBroker,
    address: &Address,
) -> Result<(), RedisServerError> {
    for info in broker.infos().await.map_err(|error| refusal(&error))? {
        let field = |name: &str| {
            let mut lines = info.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.unwrap_or_default().trim().to_owned()
        };
        let policy = field("maxmemory_policy");
        if policy.starts_with("allkeys-") && !matches!(field("maxmemory").as_str(), "" | "0") {
            return Err(RedisServerError::Refused(format!(
                "{address} evicts keys of any kind when its memory is full (maxmemory-policy {policy}), queued tasks among \
                 them: asynq needs noeviction, and so does a drill that counts tasks"
            )));
        }
    }
    Ok(())
}
