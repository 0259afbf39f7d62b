//! Looks at the drill's Redis: whether it answers, whether it is still the same, and whether others have a hand in it.

use crate::audit::REDIS;
use crate::engine::live::watch::{Queues, Roster, Sizes};
use firedrill_asynq::broker::redis::address::Address;
use firedrill_asynq::broker::redis::script::{Call, Named};
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::Time;
use firedrill_asynq::keys;
use firedrill_asynq::op::BrokerError;
use firedrill_asynq::settings::{ARCHIVE_MAX, LEASE_MS};
use firedrill_reports::record::{GapKind, Meddling};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

/// Real time from an answer to the next question.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// How far the clocks of the drill's processes may be apart, in asynq's whole seconds.
const ROUNDING_S: i64 = 2;

static BOOKS: LazyLock<Named> = LazyLock::new(|| Named::new("books", include_str!("books.lua")));

/// What is known of the server.
#[derive(Default)]
struct Known {
    /// The identity Redis gives itself at every start.
    run_id: Option<String>,
    evicted: u64,
    /// Whether the queues that something is enqueued into were there.
    has_queues: bool,
    /// Queues of others that were told of.
    foreign: BTreeSet<String>,
    /// Queues of the drill that somebody paused, and that were told of.
    paused: BTreeSet<String>,
    /// Queues of the drill whose leases were told of.
    leases: BTreeSet<String>,
    /// Of each queue, how many tasks were archived, and asynq's count of failures, when it was looked last.
    archives: BTreeMap<String, (u64, u64)>,
    /// Whether it does not answer.
    silent: bool,
}

/// Looks again and again, and never ends.
pub(super) async fn look_after(
    roster: &Roster,
    address: &Address,
    options: &RedisOptions,
    queues: &Queues,
) {
    let mut known = Known::default();
    let mut broker = None;
    loop {
        let began = roster.clock.now();
        let answer = ask(&mut broker, address, options, (roster, queues)).await;
        let now = roster.clock.now();
        if roster.was_away(REDIS, began, now) {
            known.is_away();
        } else {
            let took_ms = now.millis() - began.millis();
            roster.gap(GapKind::RoundTrip, REDIS, began, took_ms);
            known.take(roster, queues, address, (began, now), answer);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// What Redis said.
struct Answer {
    info: String,
    /// The names of all queues.
    queues: Vec<String>,
    /// Of each of the drill's queues.
    books: Vec<(String, Row)>,
}

/// See `books.lua`.
type Row = (u64, u64, u64, u64, u64, u64, u64, u64, f64, bool);

async fn ask(
    broker: &mut Option<RedisBroker>,
    address: &Address,
    options: &RedisOptions,
    (roster, queues): (&Roster, &Queues),
) -> Result<Answer, BrokerError> {
    let broker = match broker {
        Some(broker) => broker,
        None => broker.insert(RedisBroker::open(address, options.clone()).await?),
    };
    let info = broker.info().await?;
    let mut names = redis::cmd("SMEMBERS");
    let names = broker.command(names.arg(keys::QUEUES), "SMEMBERS").await?;
    let mut books = Vec::new();
    for queue in &queues.known {
        let parts = [
            "pending",
            "active",
            "scheduled",
            "retry",
            "archived",
            "processed",
            "failed",
            "lease",
            "paused",
        ];
        let call = Call::new(&BOOKS).keys(parts.map(|part| keys::Queue(queue).key(part)));
        let before = roster.before(queue);
        let value = broker.script(call).await?;
        let row: Row = redis::from_redis_value_ref(&value).map_err(|_| {
            BrokerError::Refused(format!("the keys of queue {queue} are not asynq's").into())
        })?;
        let (pending, active, scheduled, retry, archived, processed, failed, ..) = row;
        let sizes = Sizes {
            pending,
            active,
            scheduled,
            retry,
            archived,
            processed,
            failed,
        };
        roster.check(queue, before, sizes);
        books.push((queue.clone(), row));
    }
    Ok(Answer {
        info,
        queues: names,
        books,
    })
}

/// What people did to a queue's archive between two looks, each at one moment: how many tasks were in it, and how many had failed.
/// Whoever archives a task because it failed counts it as failed; nothing leaves the archive by itself but what is too much for it.
fn changed_by_hand(
    (archived, failed): (u64, u64),
    (archived_now, failed_now): (u64, u64),
) -> Option<String> {
    // The count begins anew each day.
    let failures = failed_now.checked_sub(failed)?;
    let more = archived_now
        .saturating_sub(archived)
        .saturating_sub(failures);
    let fewer = archived.saturating_sub(archived_now);
    let is_full = archived >= u64::from(ARCHIVE_MAX);
    match (more, fewer) {
        (0, 0) => None,
        (0, fewer) => {
            (!is_full).then(|| format!("{fewer} archived tasks were run or deleted by hand"))
        }
        (more, _) => Some(format!("{more} tasks were archived by hand")),
    }
}

impl Known {
    /// It is stopped and started by plan: the one that comes back is another.
    fn is_away(&mut self) {
        self.run_id = None;
        self.evicted = 0;
        self.silent = false;
    }

    fn take(
        &mut self,
        roster: &Roster,
        queues: &Queues,
        address: &Address,
        (began, now): (Time, Time),
        answer: Result<Answer, BrokerError>,
    ) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                if !std::mem::replace(&mut self.silent, true) {
                    let saw = format!("did not answer: {error}");
                    roster.tell(Meddling::Unreachable, REDIS, began, None, saw);
                }
                return;
            }
        };
        self.silent = false;
        // Each node of a cluster is another.
        if !address.is_cluster() {
            self.is_same(roster, now, &answer.info);
        }
        self.has_all(roster, queues, now, &answer.queues);
        for (queue, (_, active, _, _, archived, _, failed, leases, latest_s, paused)) in
            answer.books
        {
            let last = self.archives.insert(queue.clone(), (archived, failed));
            let changed = last.and_then(|last| changed_by_hand(last, (archived, failed)));
            if let Some(saw) = changed.filter(|_| !queues.tasks_change && roster.has_people()) {
                roster.tell(Meddling::ForeignData, &queue, now, None, saw);
            }
            let by_plan = roster.was_paused(&queue, began, now);
            if paused && !by_plan && self.paused.insert(queue.clone()) {
                let saw = "somebody has paused this queue".to_owned();
                roster.tell(Meddling::ForeignData, &queue, now, None, saw);
            }
            let within_s = now.secs() + LEASE_MS / 1_000 + ROUNDING_S + queues.ahead_s;
            let saw = if active != leases {
                format!("{active} of its tasks are active, and {leases} have a lease")
            } else if latest_s as i64 > within_s {
                "a lease lasts longer than asynq gives one".to_owned()
            } else {
                continue;
            };
            if !roster.has_lost_leases(&queue) && self.leases.insert(queue.clone()) {
                roster.tell(Meddling::ForeignData, &queue, now, None, saw);
            }
        }
    }

    fn is_same(&mut self, roster: &Roster, now: Time, info: &str) {
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
        };
        let run_id = field("run_id").map(str::to_owned);
        let evicted = field("evicted_keys").and_then(|count| count.parse().ok());
        let evicted = evicted.unwrap_or(0);
        let same = run_id == self.run_id;
        if !same && self.run_id.is_some() {
            let saw = "was restarted, or another server answers in its place".to_owned();
            roster.tell(Meddling::Replaced, REDIS, now, None, saw);
        } else if same && evicted > self.evicted {
            let policy = field("maxmemory_policy").unwrap_or("unknown");
            let more = evicted - self.evicted;
            let saw = format!("evicted {more} keys (maxmemory-policy {policy})");
            roster.tell(Meddling::ForeignData, REDIS, now, None, saw);
        }
        (self.run_id, self.evicted) = (run_id, evicted);
    }

    fn has_all(&mut self, roster: &Roster, queues: &Queues, now: Time, names: &[String]) {
        let names: BTreeSet<&String> = names.iter().collect();
        let has_queues = queues.used.iter().all(|queue| names.contains(queue));
        // asynq's clients publish a queue once: the list of a Redis that lost its data by plan stays empty.
        if self.has_queues && !has_queues && !roster.absences().may_lose_all() {
            let saw = format!("the drill's keys are gone: no {} any more", keys::QUEUES);
            roster.tell(Meddling::ForeignData, REDIS, now, None, saw);
        }
        self.has_queues = has_queues;
        for name in names {
            if !queues.known.contains(name) && self.foreign.insert(name.clone()) {
                let saw = "somebody else's queue has come into the drill's Redis".to_owned();
                roster.tell(Meddling::ForeignData, name, now, None, saw);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_failed_was_archived_by_hand() {
        let saw = |last, now| changed_by_hand(last, now);
        assert_eq!(saw((3, 10), (5, 12)), None);
        assert_eq!(saw((3, 10), (3, 14)), None);
        let archived = saw((3, 10), (9, 12)).unwrap();
        assert_eq!(archived, "4 tasks were archived by hand");
        let run = saw((9, 12), (2, 12)).unwrap();
        assert_eq!(run, "7 archived tasks were run or deleted by hand");
        // Another day, and an archive that drops its oldest.
        assert_eq!(saw((3, 10), (9, 1)), None);
        let full = u64::from(ARCHIVE_MAX);
        assert_eq!(saw((full + 2, 10), (full, 11)), None);
    }
}
