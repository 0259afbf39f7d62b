//! What happened to tasks, and what remedies did about it.

use super::{Told, Tone, length, span};
use crate::record::Audit;
use crate::score::{DrillScore, Effect, RemedyScore};
use crate::waits::Waits;

/// A count, or that nobody can tell.
pub(crate) fn count(count: Option<u64>) -> String {
    count.map_or_else(|| "not known".to_owned(), |count| count.to_string())
}

/// What a drill's audit says beyond its table: classes that are rare, and where tasks were left; `None` where there is
/// nothing more to say.
pub(crate) fn classes(audit: &Audit) -> Option<Told> {
    let mut parts: Vec<String> = Vec::new();
    let mut tell = |count: u64, what: &str| {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    };
    tell(audit.locked_out, "refused by locks without a task");
    tell(audit.succeeded_twice, "succeeded more than once");
    tell(
        audit.succeeded_unheard,
        "succeeded unknown to asynq, which archived them or is to run them again",
    );
    tell(audit.archived_unstarted, "archived without a start");
    tell(
        audit.revoked,
        "revoked by their handlers, which no archive keeps",
    );
    tell(audit.trimmed, "dropped from a full archive");
    tell(audit.deleted, "deleted by a remedy");
    for (step, count) in &audit.lost_in {
        tell(*count, &format!("lost by {step}"));
    }
    tell(
        audit.orphaned,
        "orphaned (active, without a lease, in no worker's hands)",
    );
    let waiting = audit.stuck.saturating_sub(audit.orphaned);
    tell(waiting, "stuck in queues that nobody takes from");
    if audit.unseen {
        let untold = match audit.untold {
            0 => String::new(),
            count => format!("; {count} are gone, and Redis has not counted that they succeeded"),
        };
        parts.push(format!(
            "the workers were your own: what became of tasks is what Redis has and has counted, and when they were begun, and how \
             often, is not known{untold}"
        ));
    }
    if parts.is_empty() {
        return None;
    }
    let bad = audit.jobs_lost() > Some(0) || audit.jobs_stuck() > Some(0);
    let tone = if bad { Tone::Bad } else { Tone::Warn };
    Some((parts.join("; "), tone))
}

/// What the columns of [`remedies`] are.
pub(crate) const REMEDIES: [&str; 7] = [
    "remedy",
    "done at",
    "backlog then",
    "drained",
    "users harmed",
    "effect",
    "cost",
];

/// What a drill's remedies came to, a row each.
pub(crate) fn remedies(drill: &DrillScore) -> Vec<[Told; 7]> {
    let row = |remedy: &RemedyScore| {
        let (effect, tone) = match remedy.effect {
            Some(Effect::Helped) => ("helped", Tone::Good),
            Some(Effect::DidNotHelp) => ("did not help", Tone::Warn),
            Some(Effect::MadeWorse) => ("made it worse", Tone::Bad),
            None if remedy.ends.is_empty() => ("ended no fault", Tone::Muted),
            None => ("-", Tone::Muted),
        };
        let by_hand = ["tasks.", "task.", "orphans."];
        let is_of_tasks = by_hand.iter().any(|kind| remedy.what.starts_with(kind));
        let effect = match (is_of_tasks, remedy.effect) {
            (true, None) => remedy.saw.clone(),
            (true, Some(_)) => format!("{effect}; {}", remedy.saw),
            (false, _) => effect.to_owned(),
        };
        let ms = |ms: Option<i64>, nothing: &str| {
            ms.map_or_else(|| nothing.to_owned(), |ms| format!("+{}", length(ms)))
        };
        let name = format!("{} on {}", remedy.what, remedy.targets.join(", "));
        let backlog = remedy
            .backlog
            .map_or("-".to_owned(), |count| count.to_string());
        let is_unseen = drill.audit.as_ref().is_some_and(|audit| audit.unseen);
        let harm = match remedy.harm_ms {
            Some(ms) => format!("until +{}", length(ms)),
            None if is_unseen => "not known".to_owned(),
            None => "no longer".to_owned(),
        };
        [
            (name, Tone::Muted),
            (length(remedy.at_ms), Tone::Muted),
            (backlog, Tone::Muted),
            (ms(remedy.drained_ms, "-"), Tone::Muted),
            (harm, Tone::Muted),
            (effect, tone),
            cost(remedy),
        ]
    };
    drill.remedies.iter().map(row).collect()
}

/// What a remedy threw away.
fn cost(remedy: &RemedyScore) -> Told {
    let Some(cost) = &remedy.cost else {
        return ("-".to_owned(), Tone::Muted);
    };
    let mut parts: Vec<String> = Vec::new();
    let mut tell = |count: u64, one: &str, more: &str| match count {
        0 => {}
        1 => parts.push(format!("1 {one}")),
        _ => parts.push(format!("{count} {more}")),
    };
    tell(cost.harmed, "task harmed", "tasks harmed");
    let (one, more) = (
        "task run before it was due",
        "tasks run before they were due",
    );
    tell(cost.run_early, one, more);
    tell(cost.cut_off, "execution cut off", "executions cut off");
    tell(
        cost.failed_again,
        "execution failed again",
        "executions failed again",
    );
    let (one, more) = (
        "task archived with attempts left",
        "tasks archived with attempts left",
    );
    tell(cost.archived, one, more);
    let (one, more) = (
        "task deleted with attempts left",
        "tasks deleted with attempts left",
    );
    tell(cost.deleted, one, more);
    let (one, more) = (
        "task moved to where nobody takes it",
        "tasks moved to where nobody takes them",
    );
    tell(cost.stranded, one, more);
    if cost.work_lost_ms > 0 {
        parts.push(format!("{} of work lost", span(cost.work_lost_ms)));
    }
    (parts.join(", "), Tone::Bad)
}

/// The quantiles of waits that people read: p50, p90, p99, p99.9 and the longest.
pub(crate) fn waits(waits: &Waits) -> [String; 5] {
    let [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map(|q| waits.quantile(q));
    [p50, p90, p99, p999, waits.max()].map(|wait| wait.map_or("-".into(), span))
}
