//! Counts and measures that belong together.

use super::{at_most, within};
use crate::jsonl::Impossible;
use crate::jsonl::check::DRILL_MS_MAX;
use crate::record::{Audit, Cost, Lag, QueueWaits};
use crate::waits::Waits;
use std::collections::BTreeMap;

pub(super) fn audit_adds_up(audit: &Audit, has_steps: bool) -> Result<(), Impossible> {
    let parts = [
        audit.succeeded,
        audit.archived,
        audit.trimmed,
        audit.deleted,
        audit.still_queued,
        audit.lost,
        audit.untold,
    ];
    let sum = parts
        .iter()
        .try_fold(0_u64, |sum, part| sum.checked_add(*part));
    if sum != Some(audit.enqueued) {
        return Err(Impossible::Sum {
            what: "tasks succeeded, archived, deleted, still queued and lost".into(),
            whole: audit.enqueued,
            of: "enqueued",
        });
    }
    let accepted = audit.enqueued.checked_add(audit.rejected);
    let accepted = accepted.and_then(|sum| sum.checked_add(audit.duplicates));
    // Drills of before left out what was stopped before it was sent.
    if has_steps && accepted != Some(audit.intended) {
        return Err(Impossible::Sum {
            what: "tasks enqueued, rejected and refused as duplicates".into(),
            whole: audit.intended,
            of: "intended",
        });
    }
    let accepted = accepted.unwrap_or(u64::MAX);
    at_most(
        "tasks enqueued, rejected and refused as duplicates",
        accepted,
        audit.intended,
    )?;
    let locked_out = audit.locked_out;
    at_most(
        "tasks refused by locks left behind",
        locked_out,
        audit.duplicates,
    )?;
    at_most("late tasks", audit.late, audit.enqueued)?;
    at_most("tasks run twice", audit.executed_twice, audit.enqueued)?;
    at_most(
        "tasks that succeeded twice",
        audit.succeeded_twice,
        audit.succeeded,
    )?;
    at_most(
        "tasks that succeeded unknown to asynq",
        audit.succeeded_unheard,
        audit.succeeded,
    )?;
    let unstarted = audit.archived_unstarted;
    at_most("tasks archived without a start", unstarted, audit.archived)?;
    at_most("revoked tasks", audit.revoked, audit.archived)?;
    let sum =
        |counts: &BTreeMap<String, u64>| counts.values().fold(0, |a: u64, b| a.saturating_add(*b));
    at_most("tasks in a state", sum(&audit.queued), audit.still_queued)?;
    at_most("orphaned tasks", audit.orphaned, audit.stuck)?;
    at_most("stuck tasks", audit.stuck, audit.still_queued)?;
    at_most(
        "tasks lost with a step's data",
        sum(&audit.lost_in),
        audit.lost,
    )?;
    let costs = |of: fn(&Cost) -> u64| {
        let costs = audit.costs.values().map(of);
        costs.fold(0, u64::saturating_add)
    };
    let gone = [audit.archived, audit.trimmed, audit.deleted];
    at_most(
        "tasks archived and deleted by remedies",
        costs(|cost| cost.archived.saturating_add(cost.deleted)),
        gone.into_iter().fold(0, u64::saturating_add),
    )?;
    at_most("stranded tasks", costs(|cost| cost.stranded), audit.stuck)?;
    let failed = costs(|cost| cost.failed_again);
    at_most(
        "executions that failed again",
        failed,
        audit.failed_executions,
    )?;
    let found = &audit.unexplained;
    at_most("unexplained rejections", found.rejected, audit.rejected)?;
    at_most("unexplained losses", found.lost, audit.lost)?;
    let twice = audit.executed_twice;
    at_most("unexplained repetitions", found.run_twice, twice)?;
    rising("wait_ms", audit.wait_ms)?;
    within("wait_ms", audit.wait_ms[0], 0, i64::MAX)
}

/// What an audit says of waits, and `waits`, those of all queues, are of the same tasks. A ledger that was damaged may
/// tell of an execution's end and not of its beginning.
pub(super) fn waits_agree(
    audit: &Audit,
    waits: &Waits,
    ledgers_whole: bool,
) -> Result<(), Impossible> {
    let started = waits.count();
    at_most("tasks that waited", started, audit.enqueued)?;
    if ledgers_whole {
        at_most("tasks run twice", audit.executed_twice, started)?;
        at_most("tasks that succeeded", audit.succeeded, started)?;
    }
    let quantile = |q| i64::try_from(waits.quantile(q).unwrap_or(0)).unwrap_or(i64::MAX);
    let found = [quantile(0.5), quantile(0.99), quantile(1.0)];
    match audit.wait_ms == found {
        true => Ok(()),
        false => Err(Impossible::Differs {
            what: "wait_ms of the audit".into(),
            found: format!("{:?}", audit.wait_ms),
            planned: format!("{found:?}, as the waits of the queues come to"),
        }),
    }
}

/// The waits of a queue step by step are those of all its tasks; records of before have no steps.
pub(super) fn steps_agree(waits: &QueueWaits) -> Result<(), Impossible> {
    let what = |what: &str| format!("{what} of {}", waits.queue);
    let mut before_ms = 0;
    for step in &waits.over_time {
        within(
            &what("a step of the waits"),
            step.from_ms,
            before_ms,
            DRILL_MS_MAX,
        )?;
        within(
            &what("a step's end"),
            step.to_ms,
            step.from_ms + 1,
            DRILL_MS_MAX,
        )?;
        if step.p50_ms > step.p99_ms || step.started == 0 {
            return Err(Impossible::Quantiles(what("a step of the waits")));
        }
        before_ms = step.to_ms;
    }
    let all = waits.over_time.iter().map(|step| step.started);
    let all = all.fold(0, u64::saturating_add);
    match waits.over_time.is_empty() || all == waits.counts.count() {
        true => Ok(()),
        false => Err(Impossible::Sum {
            what: what("tasks in steps of the waits"),
            whole: waits.counts.count(),
            of: "started",
        }),
    }
}

pub(super) fn lag_is_one(lag: &Lag) -> Result<(), Impossible> {
    rising("enqueue_ms", lag.enqueue_ms)?;
    rising("scrape_ms", lag.scrape_ms)?;
    rising("handler_ms", lag.handler_ms)?;
    rising("redis_ms", lag.redis_ms)?;
    within("fault_ms_max", lag.fault_ms_max, 0, DRILL_MS_MAX)?;
    // Handlers may be given less time than planned, to make up for the harness, but not less than none.
    for (what, value, least) in [
        ("slot_overhead", lag.slot_overhead, -1.0),
        ("busy_turn_ms", lag.busy_turn_ms, 0.0),
        (
            "busy_overrun_ms",
            lag.busy_overrun_ms,
            -(DRILL_MS_MAX as f64),
        ),
        ("taken_off_ms", lag.taken_off_ms, 0.0),
    ] {
        if !(value.is_finite() && value >= least) {
            return Err(Impossible::Measure {
                what: what.to_owned(),
                value,
                least,
            });
        }
    }
    for (at_ms, ms) in &lag.lost_ms {
        within("a minute of lost_ms", *at_ms, 0, DRILL_MS_MAX)?;
        within("lost_ms", *ms, 0, DRILL_MS_MAX)?;
    }
    for gap in &lag.gaps {
        within("a gap", gap.ms, 0, DRILL_MS_MAX)?;
    }
    Ok(())
}

/// Median, 99th percentile and maximum.
fn rising(what: &str, quantiles: [i64; 3]) -> Result<(), Impossible> {
    match quantiles.is_sorted() {
        true => Ok(()),
        false => Err(Impossible::Quantiles(what.to_owned())),
    }
}
