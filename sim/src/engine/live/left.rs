//! What a live drill leaves behind: ledgers, what is in Redis, how well time was kept; and what that proves.

use super::observer::Lags;
use super::stand::Stand;
use super::{LiveError, counters, evidence, lag};
use crate::audit::{self, Absences, Evidence, REDIS};
use crate::engine::{Ended, Observation, Sink};
use crate::plan::Plan;
use crate::redis_server::ours::{Foreign, Ours};
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::Time;
use firedrill_asynq::note::Note;
use firedrill_asynq::op::{Op, Reply, TaskState};
use firedrill_reports::record::{Interference, Lag, Meddling};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a stopped drill looks at what is left in its Redis.
const LOOKS_WITHIN: Duration = Duration::from_millis(300);

/// See the module.
pub(super) struct Left {
    pub(super) producer: Vec<Note<String>>,
    pub(super) ledgers: Vec<evidence::Ended>,
    pub(super) absences: Absences,
    pub(super) stopped_at: Time,
    /// Whether the drill was stopped.
    pub(super) aborted: bool,
}

/// What was found in Redis.
struct Found {
    left: BTreeMap<String, TaskState>,
    foreign: Vec<Foreign>,
    counters: BTreeMap<String, counters::Counters>,
}

impl Left {
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
            true => glance(plan, broker).await,
            false => Some(look(plan, stand, broker).await?),
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
        if ledgers_whole && is_told && !plan.loses_tasks_on_their_way() {
            for (queue, saw) in counters::wrong(plan, &found.counters, (&self.producer, &ledgers)) {
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
            absences,
            ledgers_whole,
        };
        let audited = Box::new(audit::audit(&evidence));
        let lag = Lag {
            gaps: lags.gaps.into_vec(),
            ..lag
        };
        sink(Observation::Ledger { audited, lag }).map_err(LiveError::Sink)?;
        Ok(ended)
    }
}

/// All that is in Redis when a drill has run to its end.
async fn look(plan: &Plan, stand: &mut Stand, broker: &RedisBroker) -> Result<Found, LiveError> {
    stand.let_in().await;
    // One that is stopped goes on, and one that is gone is started: what survived is part of the audit.
    stand.redis.wake().await?;
    let start = stand.clock.virtual_start;
    let span = (start, start.plus_millis(plan.duration_ms));
    Ok(Found {
        left: left_in_redis(plan, broker).await?,
        foreign: Ours::of(plan).survey(broker, true).await?.foreign,
        counters: counters::read(plan, broker, span).await?,
    })
}

/// What can be had at once when a drill was stopped: nothing is started and nobody waited for, a Redis that answers does so
/// soon.
async fn glance(plan: &Plan, broker: &RedisBroker) -> Option<Found> {
    let left = tokio::time::timeout(LOOKS_WITHIN, left_in_redis(plan, broker)).await;
    let left = left.ok()?.ok()?;
    let ours = Ours::of(plan);
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
) -> Result<BTreeMap<String, TaskState>, LiveError> {
    let mut left = BTreeMap::new();
    for queue in &plan.queues {
        if let Reply::Ids(ids) = broker
            .call(Op::ListIds {
                queue: queue.name.clone(),
            })
            .await?
        {
            left.extend(ids);
        }
    }
    Ok(left)
}
