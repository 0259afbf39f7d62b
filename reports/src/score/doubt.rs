//! When a drill proves nothing.

mod delays;
mod flushes;
mod hands;
pub(super) mod heard;
pub(super) mod inhibitors;
mod mishaps;
mod starved;

use crate::jsonl::Record;
use crate::pack::RulePack;
use crate::record::{Audit, Gap, GapKind, Lag, Line, Meddling, Phase, Transition};
use crate::score::judge::{Class, Judged, Outcome};
use crate::score::spans::Spans;
use crate::score::{AlertScore, IncidentScore};
use std::collections::BTreeMap;

/// Most capacity of the workers that the harness may cost, as a share, before queues behave differently.
pub const SLOT_OVERHEAD_MAX: f64 = 0.25;

/// What alerts did on a drill; nothing at all where only the drill itself is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alarms<'a> {
    pub(super) incidents: &'a [IncidentScore],
    pub(super) judged: &'a [Judged],
    pub(super) transitions: &'a [Transition],
    pub(super) pack: &'a RulePack,
}

impl Alarms<'_> {
    /// Whether the verdict rests on an alarm: a page that is false, or what an incident was detected by.
    fn counts(&self, judged: &Judged) -> bool {
        let episode = &judged.episode;
        match judged.class {
            Class::False | Class::BenignFalse | Class::Standing => judged.page,
            Class::Hit => self.incidents.iter().any(|incident| {
                let detection = incident.detection.as_ref();
                judged.is_of(incident.truth.id)
                    && detection.is_some_and(|by| {
                        by.alert == episode.alert && by.fired_ms == episode.start_ms
                    })
            }),
            _ => false,
        }
    }
}

/// Why a drill proves nothing.
///
/// It was cut short, stopped or interfered with; a fault had no effect; tasks came to what no step of the plan explains;
/// nothing came; an incident was cut off before anybody could have seen it. And what the harness was late with:
///
/// * With L the worst of the lags (99th percentile of enqueue and scrape, fault lag, and what handlers overran beyond one
///   scrape interval): L exceeds an evaluation interval, for then any firing may be off by one or more evaluations.
/// * The harness cost the workers a quarter of their capacity.
/// * A detection lies within L of its deadline, or within the longest single delay since its fault, or within the time
///   that the work lost to the harness since then would have taken the whole fleet: a backlog grows by as much. Or within
///   the time that a backlog of the harness' making from before the fault moves what is measured by; see [`starved`].
/// * A single delay may have made an alarm, or kept one from being raised; see [`delays`].
/// * For minutes the machine took a quarter of the workers' capacity, and an alarm came of that or may have; see
///   [`starved`].
/// * An alarm was over within the lag of its notification; see [`flushes`].
/// * An alert that inhibits another began or ended within the lag of the other's notification; see [`inhibitors`], which
///   `inhibited` is from.
pub(super) fn inconclusive(record: &Record, alarms: Alarms<'_>, inhibited: Vec<String>) -> Doubts {
    let mut late = late(record, alarms);
    late.extend(inhibited);
    let (mut why, unreachable) = happened(record, alarms);
    // On a machine that is too slow, targets do not answer in time.
    let too_fast = !late.is_empty() && why.len() == unreachable;
    why.extend(late);
    Doubts { why, too_fast }
}

/// Why a drill proves nothing.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// Each reason.
    pub(super) why: Vec<String>,
    /// Whether all of them are the pace it went at.
    pub(super) too_fast: bool,
}

/// What happened that should not have, and how much of it is targets that could not be scraped.
fn happened(record: &Record, alarms: Alarms<'_>) -> (Vec<String>, usize) {
    let header = &record.header;
    let mut why = Vec::new();
    let mut unreachable = 0;
    if !record.complete {
        why.push("the record is incomplete: the drill was cut short".to_owned());
    }
    if let Some(reason) = record.aborted() {
        why.push(format!("the drill was {reason}"));
    }
    for mark in record.marks().filter(|mark| !mark.verified) {
        why.push(format!(
            "{} on {} had no effect: {}",
            mark.what,
            mark.targets.join(", "),
            mark.saw
        ));
    }
    why.extend(undone(record));
    for found in record.interference() {
        unreachable += usize::from(found.what == Meddling::Unreachable);
        let minute = found.at_ms as f64 / 6e4;
        // What was found when the drill was over may have been done before.
        let when = match found.at_ms < record.end_ms() {
            true => "in",
            false => "by",
        };
        why.push(format!(
            "interference: {}: {} {when} minute {minute:.1}; no step of the plan did that",
            found.subject, found.saw
        ));
    }
    why.extend(unmet(record));
    why.extend(hands::doubts(record, alarms));
    why.extend(mishaps::doubts(record, alarms));
    for incident in alarms
        .incidents
        .iter()
        .filter(|incident| incident.outcome == Outcome::Censored)
    {
        let cause = &incident.truth.cause;
        let may_detect = |judged: &&Judged| judged.may_detect(&incident.truth);
        let cut_off = alarms.judged.iter().filter(may_detect);
        let cut_off = cut_off.min_by_key(|judged| judged.episode.delivered_ms);
        why.push(if incident.truth.fault_ms < header.warmup_ms {
            format!("the {cause} incident began in the warm-up")
        } else if record.end_ms() < incident.truth.fault_ms {
            format!("the drill ended before the {cause} incident began")
        } else if let Some(judged) = cut_off {
            format!(
                "the drill ended before {} was sent for the {cause} incident; make it longer by {}",
                judged.episode.alert,
                missing(record, judged)
            )
        } else {
            format!("the drill ended before the deadline of the {cause} incident")
        });
    }
    if let Some(audit) = record.audit() {
        why.extend(unexplained(
            audit,
            hands::first_ms(record).is_some(),
            &unspoken_of(record),
        ));
    }
    (why, unreachable)
}

/// How much longer the drill must be for an alarm to be sent in it.
fn missing(record: &Record, judged: &Judged) -> String {
    let ms = judged.episode.delivered_ms - record.end_ms();
    format!("{} s", ms.max(0) as u64 / 1000 + 1)
}

/// Why a drill without a false page may have had one: the drill ended before it was sent.
pub(super) fn cut_off(record: &Record, judged: &[Judged]) -> Option<String> {
    let judged = judged.iter().find(|judged| judged.may_be_false())?;
    Some(format!(
        "{} fired {} s before the drill ended, and it ended before that was sent: whether it is a false page is not known; \
         make the drill longer by {}",
        judged.episode.alert,
        (record.end_ms() - judged.episode.start_ms) / 1000,
        missing(record, judged)
    ))
}

/// What the harness was late with.
fn late(record: &Record, alarms: Alarms<'_>) -> Vec<String> {
    let header = &record.header;
    let mut why = Vec::new();
    if let Some(lag) = record.lag() {
        let lag = &with_missing_scrapes(record, lag);
        let worst = worst(record, lag);
        if worst > header.evaluation_interval_ms {
            why.push(format!(
                "the harness lagged by {:.1} s of virtual time, more than an evaluation interval; try a lower --speed",
                worst as f64 / 1e3
            ));
        }
        if lag.slot_overhead > SLOT_OVERHEAD_MAX {
            why.push(format!(
                "the harness held worker slots {:.0} % longer than the handlers worked (round trips of {} ms of \
                 virtual time); try a lower --speed",
                lag.slot_overhead * 100.0,
                lag.redis_ms[0]
            ));
        }
        why.extend(near_deadlines(record, lag, alarms.incidents));
        why.extend(delays::doubts(record, lag, alarms));
        why.extend(starved::doubts(lag, alarms));
        why.extend(flushes::doubts(record, lag, alarms));
    }
    why
}

/// How long a step may be waited for, milliseconds: while others are restarted, it is not its turn.
const TURN_MS: i64 = 120_000;

/// Incidents in which there was nobody to be harmed.
fn unmet(record: &Record) -> impl Iterator<Item = String> {
    let incidents = record.header.incidents.iter();
    let unmet = incidents.filter(|incident| {
        let impact = record.impact(incident.id);
        impact.is_some_and(|impact| impact.unmet) && incident.starts_ms < record.end_ms()
    });
    unmet.map(|incident| {
        let queues = match &incident.queues[..] {
            [] => "any queue".to_owned(),
            queues => queues.join(", "),
        };
        format!(
            "no task was there for the {} incident to harm: none was in {queues} while it was on",
            incident.cause
        )
    })
}

/// The remedy by which processes come and go.
const SCALE: &str = "workers.scale";

/// Steps that were due and left no mark: nothing says that they were done. An end may be waited for when the drill is over; what has
/// not begun by then has harmed nobody, so that nobody can have missed it.
fn undone(record: &Record) -> Vec<String> {
    let end_ms = record.end_ms();
    // One that was stopped or cut short is told as such.
    let is_whole = record.complete && record.aborted().is_none();
    let is_marked = |id: &str, phase: Phase| {
        record
            .marks()
            .any(|mark| mark.step.as_deref() == Some(id) && mark.phase == Some(phase))
    };
    let mut why = Vec::new();
    for step in &record.header.steps {
        let ends = step.ends_ms.map(|ends_ms| (ends_ms, Phase::End));
        for (due_ms, phase) in [(step.starts_ms, Phase::Begin)].into_iter().chain(ends) {
            let by_hand = record.mended_ms(&step.id).is_some();
            if by_hand || is_marked(&step.id, phase) {
                continue;
            }
            if due_ms + TURN_MS < end_ms {
                let what = match phase {
                    Phase::End => "end",
                    Phase::Begin | Phase::During => "beginning",
                };
                why.push(format!(
                    "the record does not say that the {what} of {} (step {}), due in minute {:.1}, was done",
                    step.fault,
                    step.id,
                    due_ms as f64 / 6e4
                ));
            } else if is_whole && phase == Phase::Begin && due_ms < end_ms {
                why.push(format!(
                    "{} (step {}), due in minute {:.1}, was not done: the drill ended first; make it longer, or see what took so long \
                     before",
                    step.fault,
                    step.id,
                    due_ms as f64 / 6e4
                ));
            }
        }
    }
    why
}

/// The lag with what the record itself shows: targets that were not scraped when it was their turn, but for times in which
/// the plan has something broken. Of a gap that goes beyond such a time, what is outside of it counts.
fn with_missing_scrapes(record: &Record, lag: &Lag) -> Lag {
    let interval_ms = record.header.scrape_interval_ms;
    let end_ms = record.end_ms();
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    let mut gaps = Vec::new();
    let planned = Spans::new(record.header.steps.iter().map(|step| {
        let ends_ms = step.ends_ms.map_or(end_ms, |ends_ms| ends_ms + TURN_MS);
        (step.starts_ms, ends_ms)
    }));
    let mut look = |target: &str, from_ms: i64, to_ms: i64| {
        // From the last scrape, or the end of what was planned, to the next.
        let mut since_ms = from_ms;
        for (starts_ms, ends_ms) in planned.intervals().chain([(to_ms, to_ms)]) {
            let until_ms = starts_ms.min(to_ms);
            if until_ms - since_ms > 2 * interval_ms {
                gaps.push(Gap {
                    what: GapKind::Scrape,
                    subject: target.to_owned(),
                    at_ms: since_ms,
                    ms: until_ms - since_ms - interval_ms,
                });
            }
            since_ms = since_ms.max(ends_ms);
        }
    };
    for line in &record.lines {
        if let Line::Scrape { at_ms, target, .. } = line {
            let before_ms = last.insert(target, *at_ms);
            let before_ms = before_ms.unwrap_or_else(|| came_ms(record, target, *at_ms));
            look(target, before_ms, *at_ms);
        }
    }
    for (target, at_ms) in last {
        look(target, at_ms, end_ms);
    }
    let mut lag = lag.clone();
    lag.gaps.extend(gaps);
    lag
}

/// When a target that is scraped for the first time came: with the remedy that scaled its group, or the drill.
fn came_ms(record: &Record, target: &str, scraped_ms: i64) -> i64 {
    let name = target.rsplit_once('/').map_or(target, |(_, name)| name);
    let steps = record.header.steps.iter();
    let scales = steps.filter(|step| step.is_remedy && step.fault == SCALE);
    let of_it = scales.filter(|step| {
        step.starts_ms <= scraped_ms && step.targets.iter().any(|target| target == name)
    });
    of_it.map(|step| step.starts_ms).max().unwrap_or(0)
}

/// The worst lag but for single delays.
fn worst(record: &Record, lag: &Lag) -> i64 {
    let handlers = (lag.handler_ms[1] - record.header.scrape_interval_ms).max(0);
    lag.enqueue_ms[1]
        .max(lag.scrape_ms[1])
        .max(lag.fault_ms_max)
        .max(handlers)
}

/// Detections that lag may have brought to the wrong side of their deadline.
fn near_deadlines(record: &Record, lag: &Lag, incidents: &[IncidentScore]) -> Vec<String> {
    let mut why = Vec::new();
    for incident in incidents {
        let Some(detection) = &incident.detection else {
            continue;
        };
        let since = (incident.truth.fault_ms, detection.delivered_ms);
        let single = delays::longest(record, lag, since);
        let lost = lost(lag, since);
        let before = starved::owed(lag, incident.truth.fault_ms);
        let lag = worst(record, lag).max(single).max(lost).max(before);
        if (detection.delivered_ms - incident.truth.deadline_ms).abs() <= lag {
            why.push(format!(
                "somebody was told of {} within the harness' lag ({:.1} s) of the deadline; try a lower --speed",
                detection.alert,
                lag as f64 / 1e3
            ));
        }
    }
    why
}

/// How much of the whole fleet's work was lost to the harness, milliseconds: a backlog that grows, or one that drains, is
/// as much further on.
fn lost(lag: &Lag, (from_ms, to_ms): (i64, i64)) -> i64 {
    let minute = 60_000;
    let within = lag
        .lost_ms
        .iter()
        .filter(|(at_ms, _)| *at_ms + minute > from_ms && *at_ms <= to_ms);
    let lost: i64 = within.map(|(_, ms)| ms).sum();
    if lost == 0 {
        return 0;
    }
    // Round trips that no busy slot has waited for are lost all the same once slots are busy.
    lost.max(((to_ms - from_ms) as f64 * lag.slot_overhead) as i64)
}

/// Faults of the plan that no incident is about, each with its step.
fn unspoken_of(record: &Record) -> Vec<String> {
    let incidents = &record.header.incidents;
    let is_told = |id: &str| incidents.iter().any(|of| of.step.as_deref() == Some(id));
    let steps = record.header.steps.iter();
    let unspoken_of = steps.filter(|step| !step.is_remedy && !is_told(&step.id));
    unspoken_of.map(|step| format!("`{}`", step.id)).collect()
}

/// Tasks that came to what no step of the plan explains. `by_hand`: people had a hand in the system, which explains it, and what alerts
/// did from then on is in doubt anyway. `unspoken_of`: faults that no incident is about.
fn unexplained(audit: &Audit, by_hand: bool, unspoken_of: &[String]) -> Vec<String> {
    let found = &audit.unexplained;
    let mut why = Vec::new();
    let example = |what: &str| {
        let mut of = found.examples.iter();
        let id = of.find_map(|example| example.strip_prefix(what)?.strip_prefix(' '));
        // The model's tasks have no ids.
        let id = id.filter(|id| !id.is_empty());
        id.map_or_else(String::new, |id| format!(", e.g. {id}"))
    };
    let mut count = |count: u64, what: &str, say: &str| {
        if count > 0 && !by_hand {
            let tasks = if count == 1 { "task was" } else { "tasks were" };
            why.push(format!("{count} {tasks} {say}{}", example(what)));
        }
    };
    count(
        found.rejected,
        "rejected",
        "rejected while no step of the plan had Redis away",
    );
    count(
        found.lost,
        "lost",
        "lost, and no step of the plan loses any",
    );
    count(
        found.run_twice,
        "run twice",
        "run again, and no step of the plan repeats any",
    );
    count(
        found.foreign,
        "foreign",
        "in the drill's queues that nobody in the drill enqueued",
    );
    // Whose workers are not ours has no ledgers, and is told so; alerts are judged all the same.
    if audit.untold > 0 && !by_hand && !audit.unseen {
        why.push(format!(
            "what became of {} tasks is unknown without the ledgers, or with an answer of Redis that may be wrong",
            audit.untold
        ));
    }
    for task in &found.never_came {
        why.push(format!(
            "nothing of the workload `{task}` was ever enqueued"
        ));
    }
    if audit.idle {
        why.push(
            "nothing was enqueued after the warm-up: alerts had nothing to look at while they were judged"
                .to_owned(),
        );
    }
    // Who waits through a fault that no incident is about waits all along.
    for queue in &audit.waiting {
        let waited = format!("tasks of the queue {queue} waited beyond its objective");
        why.push(match unspoken_of {
            [] => format!(
                "{waited} although nothing was wrong by plan: users were harmed all along (is a worker missing, or too slow?)"
            ),
            steps => format!(
                "{waited}, and no incident speaks of what the plan did: {}; write one for it",
                steps.join(", ")
            ),
        });
    }
    if audit.enqueued == 0 {
        why.push("nothing was enqueued: alerts had nothing to look at".to_owned());
    }
    why
}

/// Why the silence of alerts proves nothing: none of them had data. Where there was an incident, it was missed, which is
/// worse.
pub(super) fn without_data(alerts: &[AlertScore], incidents: &[IncidentScore]) -> Option<String> {
    let blind = |alert: &AlertScore| alert.no_data && alert.episodes.is_empty();
    let all = incidents.is_empty() && !alerts.is_empty() && alerts.iter().all(blind);
    all.then(|| "none of the alerts had data: their silence says nothing".to_owned())
}
