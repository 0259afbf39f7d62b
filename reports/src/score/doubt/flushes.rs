//! Alarms that were over about when their group was notified.
//!
//! What is over before its group's notification is not sent, and is neither a detection nor a false page; a moment later
//! it would have been. Where the lag of the harness reaches from the end of an alarm to the notification, on either side,
//! whether anybody was told is chance. It counts where it could change the verdict: of a page that would be false, and
//! of an alarm that would be, or is, the detection of an incident.
//!
//! So it is with an alarm that fires again: it is one of its own if a flush has found it over in between, and else nobody
//! is told of it.

use crate::jsonl::Record;
use crate::record::{Lag, Wanted};
use crate::score::doubt::delays;
use crate::score::doubt::{Alarms, lost, worst};
use crate::score::episode::{Firing, Refiring};
use crate::score::judge::{Class, Judged, Outcome};
use crate::score::{IncidentScore, ScoreParams};
use std::collections::BTreeMap;

/// What the lag puts in doubt; each alert once.
pub(super) fn doubts(record: &Record, lag: &Lag, alarms: Alarms<'_>) -> Vec<String> {
    let mut why: BTreeMap<&str, String> = BTreeMap::new();
    for judged in alarms.judged {
        for refiring in refirings(judged, alarms) {
            let span = (refiring.over_ms, refiring.at_ms + refiring.margin_ms);
            let reach_ms = reach(record, lag, span);
            if reach_ms > 0 && refiring.margin_ms <= reach_ms {
                why.entry(&judged.episode.alert).or_insert_with(|| {
                    format!(
                        "{} fired again in minute {:.1}, within the harness' lag ({:.1} s) of a notification of its group: \
                         whether anybody is told is chance; try a lower --speed",
                        judged.episode.alert,
                        refiring.at_ms as f64 / 6e4,
                        reach_ms as f64 / 1e3
                    )
                });
            }
        }
    }
    for judged in alarms.judged.iter().filter(|judged| counts(judged, alarms)) {
        let episode = &judged.episode;
        if episode.open {
            continue;
        }
        let span = (episode.pending_ms, episode.end_ms.max(episode.delivered_ms));
        let reach_ms = reach(record, lag, span);
        let apart_ms = (episode.end_ms - episode.delivered_ms).abs();
        if reach_ms > 0 && apart_ms <= reach_ms {
            why.entry(&episode.alert).or_insert_with(|| {
                format!(
                    "{} was over {:.1} s {} its notification in minute {:.1}, within the harness' lag ({:.1} s): whether \
                     it is sent is chance; try a lower --speed",
                    episode.alert,
                    apart_ms as f64 / 1e3,
                    if episode.sent { "after" } else { "before" },
                    episode.delivered_ms as f64 / 6e4,
                    reach_ms as f64 / 1e3
                )
            });
        }
    }
    why.into_values().collect()
}

/// How far the lag between two times reaches, milliseconds.
pub(super) fn reach(record: &Record, lag: &Lag, span: (i64, i64)) -> i64 {
    worst(record, lag)
        .max(delays::longest(record, lag, span))
        .max(lost(lag, span))
}

/// Firings again, on which the verdict depends: that are alarms of their own, or would be.
fn refirings<'j>(judged: &'j Judged, alarms: Alarms<'j>) -> impl Iterator<Item = Refiring> + 'j {
    let own_counts = counts(judged, alarms);
    judged.episode.firings.iter().flat_map(move |firing| {
        let own = firing.after.filter(|_| own_counts);
        let again = firing.again.iter().copied();
        own.into_iter()
            .chain(again.filter(move |again| would_count(judged, firing, again.at_ms, alarms)))
    })
}

/// Whether an alarm of its own at this time would be a false page or the detection of an incident.
fn would_count(judged: &Judged, firing: &Firing, at_ms: i64, alarms: Alarms<'_>) -> bool {
    let grace_ms = ScoreParams::default().grace_ms;
    let mut around = alarms.incidents.iter().filter(|incident| {
        let truth = &incident.truth;
        (truth.begun_ms..truth.end_ms + grace_ms).contains(&at_ms)
    });
    let unseen = |incident: &IncidentScore| {
        at_ms < incident.truth.end_ms
            && !matches!(incident.outcome, Outcome::Early | Outcome::OnTime)
            && (judged.page || incident.truth.wanted == Wanted::Ticket)
            && judged
                .right(&incident.truth, alarms.pack)
                .any(|right| right.labels == firing.labels)
    };
    let is_false = judged.page && around.clone().next().is_none() && !judged.is_false();
    is_false || around.any(unseen)
}

/// Whether the verdict depends on whether it was sent.
fn counts(judged: &Judged, alarms: Alarms<'_>) -> bool {
    let seen_in_time = |outcome| matches!(outcome, Outcome::Early | Outcome::OnTime);
    match judged.class {
        Class::False | Class::BenignFalse | Class::Standing => judged.page,
        // Of several detections, the loss of one changes nothing.
        Class::Hit | Class::Repeat => alarms.incidents.iter().any(|incident| {
            let truth = &incident.truth;
            let others = |other: &&Judged| {
                !std::ptr::eq(*other, judged)
                    && other.detects(truth)
                    && seen_in_time(truth.told_at(other.episode.delivered_ms))
            };
            judged.detects(truth)
                && seen_in_time(incident.outcome)
                && !alarms.judged.iter().any(|other| others(&other))
        }),
        Class::Unsent => {
            let is_false = judged.page && judged.incident.is_none();
            let would_detect = |incident: &IncidentScore| {
                let truth = &incident.truth;
                !seen_in_time(incident.outcome)
                    && (judged.page || truth.wanted == Wanted::Ticket)
                    && judged.was_unsent(truth, alarms.pack)
            };
            is_false || alarms.incidents.iter().any(would_detect)
        }
        _ => false,
    }
}
