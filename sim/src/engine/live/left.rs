//! What a live drill leaves behind: ledgers, what is in Redis, how well time was kept; and what that proves.

use super::fleet::AGAIN_MS;
use super::observer::Lags;
use super::stand::Stand;
use super::{LiveError, Noted, counters, evidence, lag};
use crate::audit::{self, Absences, ByHand, Evidence, Leftover, REDIS};
use crate::engine::{Ended, Observation, Sink};
use crate::plan::Plan;
use crate::redis_server::ours::{Foreign, Ours};
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::Time;
use firedrill_asynq::keys::Queue;
use firedrill_asynq::note::Note;
use firedrill_asynq::op::{Op, Reply};
use firedrill_reports::record::{Interference, Lag, Meddling};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// How long a stopped drill looks at what is left in its Redis.
const LOOKS_WITHIN: Duration = Duration::from_millis(300);

/// See the module.
pub(super) struct Left {
    pub(super) producer: Vec<Note<String>>,
    pub(super) ledgers: Vec<evidence::Ended>,
    pub(super) absences: Absences,
    /// What operators did to which tasks.
    pub(super) by_hand: Vec<ByHand>,
    /// Whether executions are seen: workers of ours write them down.
    pub(super) seen: bool,
    /// Whether people took part.
    pub(super) has_people: bool,
    /// Processes that were there in the end.
    pub(super) living: BTreeSet<String>,
    pub(super) stopped_at: Time,
    /// Whether the drill was stopped.
    pub(super) aborted: bool,
    /// Where to tell all that was noted.
    pub(super) noted: Option<UnboundedSender<Noted>>,
}

/// What was found in Redis.
struct Found {
    left: Leftover<String>,
    foreign: Vec<Foreign>,
    counters: BTreeMap<String, counters::Counters>,
}

impl Left {
    /// What in Redis is the drill's.
    fn ours(&self, plan: &Plan) -> Ours {
        match self.seen {
            true if self.has_people => Ours::of(plan).with_people(plan, AGAIN_MS),
            true => Ours::of(plan),
            // Whether they stay is a matter of what is removed.
            false => Ours::of(plan).with_guests(true),
        }
    }

    /// Looks at what is in Redis, and tells what all of it proves.
    pub(super) async fn prove(
        self,
        plan: &Plan,
        (stand, broker): (&mut Stand, &RedisBroker),
        mut lags: Lags,
        sink: Sink<'_>,
    ) -> Result<Ended, LiveError> {
        let start = stand.clock.virtual_start;
        let ended = Ended {
            at_ms: self.stopped_at.millis() - start.millis(),
            aborted: self.aborted,
        };
        let found = match self.aborted {
            true => glance(plan, &self.ours(plan), (broker, &self.living)).await,
            false => {
                let ours = self.ours(plan);
                Some(look((plan, &ours), stand, (broker, &self.living)).await?)
            }
        };
        let Some(found) = found else {
            // Without it nothing is proven of any task.
            return Ok(ended);
        };
        for thing in found.foreign {
            let what = thing.interference(ended.at_ms);
            sink(Observation::Interference(what)).map_err(LiveError::Sink)?;
        }
        let interference = |what, subject, saw| {
            Observation::Interference(Interference {
                at_ms: ended.at_ms,
                until_ms: None,
                what,
                subject,
                saw,
            })
        };
        let (ledgers, damaged) = evidence::read(self.ledgers);
        let ledgers_whole = damaged.is_empty();
        for (process, saw) in damaged {
            let told = interference(Meddling::Ledger, process, saw);
            sink(told).map_err(LiveError::Sink)?;
        }
        let absences = self.absences;
        let is_told = !absences.was_away(REDIS, start, self.stopped_at);
        // Whose workers write nothing down has nothing to hold against what asynq counts.
        if self.seen && ledgers_whole && is_told && !plan.loses_tasks_on_their_way() {
            for (queue, saw) in counters::wrong(
                plan,
                &found.counters,
                start,
                (&self.producer, &ledgers, &self.by_hand),
            ) {
                let told = interference(Meddling::ForeignData, queue, saw);
                sink(told).map_err(LiveError::Sink)?;
            }
        }
        let lag = lag::lag(
            plan,
            (&self.producer, &ledgers),
            (start, &absences),
            lags.scrape_late_ms,
            lags.fault_ms_max,
            &mut lags.gaps,
        );
        let evidence = Evidence {
            plan,
            origin: start,
            end: self.stopped_at,
            producer: &self.producer,
            ledgers: &ledgers,
            left: &found.left,
            by_hand: &self.by_hand,
            absences,
            ledgers_whole,
            counted: (!self.seen).then(|| counters::successes(&found.counters)),
        };
        let audited = Box::new(audit::audit(&evidence));
        if let Some(noted) = &self.noted {
            let of_workers = ledgers.iter().flat_map(|ledger| &ledger.entries);
            let notes = self.producer.iter().chain(of_workers).cloned().collect();
            let audit = Box::new(audited.audit.clone());
            // Nobody has to listen.
            let _ = noted.send(Noted::Ended { notes, audit });
        }
        let lag = Lag {
            gaps: lags.gaps.into_vec(),
            ..lag
        };
        sink(Observation::Ledger { audited, lag }).map_err(LiveError::Sink)?;
        Ok(ended)
    }
}

/// All that is in Redis when a drill has run to its end.
async fn look(
    (plan, ours): (&Plan, &Ours),
    stand: &mut Stand,
    (broker, living): (&RedisBroker, &BTreeSet<String>),
) -> Result<Found, LiveError> {
    stand.let_in().await;
    // One that is stopped goes on, and one that is gone is started: what survived is part of the audit.
    stand.redis.wake().await?;
    let start = stand.clock.virtual_start;
    let span = (start, start.plus_millis(plan.duration_ms));
    Ok(Found {
        left: left_in_redis(plan, broker, living).await?,
        foreign: ours.survey(broker, true).await?.foreign,
        counters: counters::read(plan, broker, span).await?,
    })
}

/// What can be had at once when a drill was stopped: nothing is started and nobody waited for, a Redis that answers does so
/// soon.
async fn glance(
    plan: &Plan,
    ours: &Ours,
    (broker, living): (&RedisBroker, &BTreeSet<String>),
) -> Option<Found> {
    let left = tokio::time::timeout(LOOKS_WITHIN, left_in_redis(plan, broker, living)).await;
    let left = left.ok()?.ok()?;
    let survey = tokio::time::timeout(LOOKS_WITHIN, ours.survey(broker, true)).await;
    let survey = survey.ok().and_then(Result::ok);
    Some(Found {
        left,
        foreign: survey.map_or_else(Vec::new, |found| found.foreign),
        counters: BTreeMap::new(),
    })
}

async fn left_in_redis(
    plan: &Plan,
    broker: &RedisBroker,
    living: &BTreeSet<String>,
) -> Result<Leftover<String>, LiveError> {
    let mut left = Leftover::default();
    let mut paused = BTreeSet::new();
    for queue in plan.queues.iter().map(|queue| &queue.name) {
        let list = Op::ListIds {
            queue: queue.clone(),
        };
        if let Reply::Ids(ids) = broker.call(list).await? {
            left.states.extend(ids);
        }
        let of = Queue(queue);
        let mut leases = redis::cmd("ZRANGE");
        leases.arg(of.key("lease")).arg(0).arg(-1);
        let leased: BTreeSet<String> = broker.command(&leases, "ZRANGE").await?;
        let mut active = redis::cmd("LRANGE");
        active.arg(of.key("active")).arg(0).arg(-1);
        let active: Vec<String> = broker.command(&active, "LRANGE").await?;
        let leaseless = active.into_iter().filter(|id| !leased.contains(id));
        left.leaseless.extend(leaseless);
        let mut flag = redis::cmd("EXISTS");
        flag.arg(of.key("paused"));
        if broker.command::<u64>(&flag, "EXISTS").await? > 0 {
            paused.insert(queue.clone());
        }
    }
    left.halted = audit::halted(plan, &paused, |process| living.contains(process));
    Ok(left)
}
