//! Scoring: how each alert did on each drill, what each incident came to, and all drills together.

pub mod episode;
pub mod judge;
pub mod stats;
mod summary;

pub use summary::{Scorecard, Summary};

use crate::jsonl::Record;
use crate::pack::{Role, RulePack};
use crate::record::{Audit, Lag, Line, Transition};
use crate::watcher::Replay;
use episode::episodes;
use judge::{Class, Judged, Outcome, Truth, classify, outcome};
use std::collections::BTreeSet;

/// How long after an incident its alerts are neither hits nor false, and how long a page takes to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoreParams {
    /// Grace after an incident's end.
    pub grace_ms: i64,
    /// Alertmanager's `group_wait`: from firing to notification.
    pub group_wait_ms: i64,
}

impl Default for ScoreParams {
    fn default() -> Self {
        Self {
            grace_ms: 600_000,
            group_wait_ms: 30_000,
        }
    }
}

/// What a set of rules came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Every incident was detected by its deadline and nothing cried wolf.
    Passed,
    /// Not so.
    Failed,
    /// The drill proves nothing.
    Inconclusive,
}

/// The detection of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// The alert that saw it first.
    pub alert: String,
    /// When that became pending.
    pub pending_ms: i64,
    /// When it fired.
    pub fired_ms: i64,
    /// When somebody was told.
    pub delivered_ms: i64,
}

/// One incident and what it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentScore {
    /// What really happened.
    pub truth: Truth,
    /// What it came to.
    pub outcome: Outcome,
    /// An expected alert fired, but only after it was over.
    pub seen_after: bool,
    /// Who saw it first, if anybody did.
    pub detection: Option<Detection>,
    /// First page of any kind while it was on: the diagnosis people were given.
    pub first_page: Option<String>,
    /// How many tasks were harmed.
    pub harmed_tasks: u64,
    /// Length of the impact, and how much of it passed before anybody was told.
    pub impact_ms: i64,
    /// Part of the impact that passed before anybody was told.
    pub undetected_ms: i64,
    /// End of the last hit minus end of the incident; negative: let go while it was still on.
    pub reset_ms: Option<i64>,
    /// Time while it was on and detected, with no right alert firing.
    pub gap_ms: i64,
}

/// One alert on one drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertScore {
    /// Alert name.
    pub alert: String,
    /// What it is to the drill's (first) incident; `None` without an incident.
    pub role: Option<Role>,
    /// What it did.
    pub did: Did,
    /// Its episodes, judged.
    pub episodes: Vec<Judged>,
    /// None of its selectors matched any series: its silence says nothing.
    pub no_data: bool,
}

/// What an alert did on a drill, the most telling thing first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Did {
    /// Fired where it must be silent; the first time.
    CriedWolf {
        /// First false firing.
        at_ms: i64,
    },
    /// Saw the incident.
    Detected {
        /// When it became pending.
        pending_ms: i64,
        /// When it fired.
        fired_ms: i64,
        /// Whether that was by the deadline.
        in_time: bool,
        /// When it let go although the incident went on.
        let_go_ms: Option<i64>,
        /// When its last episode was over.
        over_ms: Option<i64>,
        /// Firing episodes beyond the first.
        flaps: u32,
    },
    /// Fired during or after an incident that is not its business.
    Beside {
        /// First such firing.
        at_ms: i64,
        /// As what it counts.
        class: Class,
    },
    /// Should have seen the incident, and did not.
    Missed,
    /// Was firing already when the incident began.
    Masked,
    /// Silent, rightly.
    Silent,
}

/// One drill, scored.
#[derive(Debug, Clone, PartialEq)]
pub struct DrillScore {
    /// Scenario name.
    pub scenario: String,
    /// Family.
    pub family: String,
    /// One sentence.
    pub summary: String,
    /// Seed.
    pub seed: u64,
    /// Engine and speed, for people.
    pub engine: String,
    /// What it came to.
    pub verdict: Verdict,
    /// Why it proves nothing.
    pub inconclusive: Vec<String>,
    /// Incidents.
    pub incidents: Vec<IncidentScore>,
    /// Alerts, in the order of the pack.
    pub alerts: Vec<AlertScore>,
    /// All judged episodes.
    pub episodes: Vec<Judged>,
    /// Start of the first benign window: times of a drill without incident are told from here.
    pub zero_ms: i64,
    /// Benign windows, and how many of them had a page.
    pub benign_windows: u64,
    /// Benign windows with at least one page.
    pub benign_trips: u64,
    /// Scored time outside of all incidents.
    pub exposure_ms: i64,
    /// What happened to every task.
    pub audit: Option<Audit>,
    /// How well time was kept.
    pub lag: Option<Lag>,
    /// Evaluation errors of rules.
    pub rule_errors: Vec<String>,
}

/// Scores a record by what it recorded: its own rules.
#[must_use]
pub fn score_recorded(record: &Record, pack: &RulePack, params: &ScoreParams) -> DrillScore {
    score_drill(record, &Replay::recorded(record), pack, params)
}

/// Scores a record by what rules make of it.
#[must_use]
pub fn score_drill(
    record: &Record,
    replay: &Replay,
    pack: &RulePack,
    params: &ScoreParams,
) -> DrillScore {
    let header = &record.header;
    let end_ms = record.end_ms();
    let truths = truths(record, end_ms);
    let judged = judge_all(record, &replay.transitions, &truths, pack, params);
    let incidents: Vec<IncidentScore> = truths
        .iter()
        .map(|truth| incident(record, truth, &judged, pack, params, end_ms))
        .collect();
    let never: BTreeSet<&str> = replay.never_had_data.iter().map(String::as_str).collect();
    let alerts = pack
        .alerts
        .iter()
        .map(|alert| {
            alert_score(
                alert,
                &judged,
                truths.first(),
                pack,
                never.contains(alert.as_str()),
            )
        })
        .collect();
    let inconclusive = inconclusive(record, &incidents);
    let wolf = judged
        .iter()
        .any(|judged| judged.page && matches!(judged.class, Class::False | Class::BenignFalse));
    let missed = incidents
        .iter()
        .any(|incident| !matches!(incident.outcome, Outcome::Early | Outcome::OnTime));
    let tripped = header.benign.iter().filter(|window| {
        let inside = |judged: &&Judged| {
            (window.starts_ms..window.ends_ms).contains(&judged.episode.start_ms)
        };
        judged
            .iter()
            .filter(|judged| judged.page && judged.class == Class::BenignFalse)
            .any(|judged| inside(&judged))
    });
    let in_incidents: i64 = truths
        .iter()
        .map(|truth| (truth.end_ms + params.grace_ms).min(end_ms) - truth.fault_ms)
        .sum();
    DrillScore {
        scenario: header.scenario.clone(),
        family: header.family.clone(),
        summary: header.summary.clone(),
        seed: header.seed,
        engine: format!("{} at {}x", header.engine, header.speed),
        verdict: match (inconclusive.is_empty(), wolf || missed) {
            (false, _) => Verdict::Inconclusive,
            (true, true) => Verdict::Failed,
            (true, false) => Verdict::Passed,
        },
        inconclusive,
        incidents,
        alerts,
        zero_ms: truths
            .first()
            .map(|truth| truth.fault_ms)
            .or(header.benign.first().map(|window| window.starts_ms))
            .unwrap_or(0),
        benign_windows: header.benign.len() as u64,
        benign_trips: tripped.count() as u64,
        exposure_ms: (end_ms - header.warmup_ms - in_incidents).max(0),
        audit: record.audit().cloned(),
        lag: record.lag().cloned(),
        rule_errors: replay.errors.iter().filter_map(error_text).collect(),
        episodes: judged,
    }
}

fn error_text(line: &Line) -> Option<String> {
    if let Line::RuleError { rule, message, .. } = line {
        Some(format!("{rule}: {message}"))
    } else {
        None
    }
}

/// Incidents as they really happened: the fault starts when its effect was seen, and ends with the last harmed task.
fn truths(record: &Record, end_ms: i64) -> Vec<Truth> {
    let seen = |planned_ms: i64| {
        record
            .marks()
            .find(|mark| mark.verified && mark.planned_ms == planned_ms)
    };
    record
        .header
        .incidents
        .iter()
        .map(|planned| {
            let impact = record.impact(planned.id);
            let fault_ms = seen(planned.starts_ms).map_or(planned.starts_ms, |mark| mark.at_ms);
            let over_ms = seen(planned.ends_ms).map_or(planned.ends_ms, |mark| mark.at_ms);
            let last_ms = impact.and_then(|impact| impact.last_ms).unwrap_or(over_ms);
            Truth {
                id: planned.id,
                cause: planned.cause.clone(),
                wanted: planned.wanted,
                fault_ms,
                // Tasks in flight when the fault struck are harmed with it, not before it.
                impact_ms: impact
                    .and_then(|impact| impact.first_ms)
                    .map(|first_ms| first_ms.max(fault_ms)),
                end_ms: over_ms.max(last_ms).min(end_ms.max(fault_ms)),
                deadline_ms: planned.deadline_ms + (fault_ms - planned.starts_ms),
            }
        })
        .collect()
}

fn judge_all(
    record: &Record,
    transitions: &[Transition],
    truths: &[Truth],
    pack: &RulePack,
    params: &ScoreParams,
) -> Vec<Judged> {
    let header = &record.header;
    let found = episodes(transitions, record.end_ms());
    classify(
        found,
        truths,
        &header.benign,
        pack,
        params,
        header.warmup_ms,
    )
}

fn incident(
    record: &Record,
    truth: &Truth,
    judged: &[Judged],
    pack: &RulePack,
    params: &ScoreParams,
    end_ms: i64,
) -> IncidentScore {
    let of = |class: Class| {
        judged
            .iter()
            .filter(move |judged| judged.class == class && judged.incident == Some(truth.id))
            .map(|j| &j.episode)
    };
    let right: Vec<_> = of(Class::Hit).chain(of(Class::Repeat)).collect();
    let detection = right
        .iter()
        .min_by_key(|episode| episode.start_ms)
        .map(|episode| Detection {
            alert: episode.alert.clone(),
            pending_ms: episode.pending_ms,
            fired_ms: episode.start_ms,
            delivered_ms: episode.start_ms + params.group_wait_ms,
        });
    let around = truth.fault_ms..truth.end_ms + params.grace_ms;
    let first_page = judged
        .iter()
        .filter(|judged| {
            judged.page
                && judged.class != Class::Ignored
                && around.contains(&judged.episode.start_ms)
        })
        .min_by_key(|judged| judged.episode.start_ms)
        .map(|judged| judged.episode.alert.clone());
    let impact_start = truth.impact_ms.unwrap_or(truth.end_ms);
    let impact_ms = (truth.end_ms - impact_start).max(0);
    let undetected_ms = detection.as_ref().map_or(impact_ms, |detection| {
        (detection.delivered_ms - impact_start).clamp(0, impact_ms)
    });
    let last_end = right.iter().map(|episode| episode.end_ms).max();
    let gap_ms = detection.as_ref().map_or(0, |detection| {
        let covered = union_ms(
            right
                .iter()
                .map(|episode| (episode.start_ms, episode.end_ms.min(truth.end_ms))),
        );
        (truth.end_ms - detection.fired_ms - covered).max(0)
    });
    IncidentScore {
        outcome: outcome(truth, judged, pack, record.header.warmup_ms..end_ms),
        seen_after: detection.is_none() && of(Class::Post).next().is_some(),
        detection,
        first_page,
        harmed_tasks: record
            .impact(truth.id)
            .map_or(0, |impact| impact.harmed_tasks),
        impact_ms,
        undetected_ms,
        reset_ms: last_end.map(|end| end - truth.end_ms),
        gap_ms,
        truth: truth.clone(),
    }
}

/// Total length of a union of intervals.
fn union_ms(intervals: impl Iterator<Item = (i64, i64)>) -> i64 {
    let mut sorted: Vec<(i64, i64)> = intervals.filter(|(from, to)| to > from).collect();
    sorted.sort_unstable();
    let (mut total, mut reached) = (0, i64::MIN);
    for (from, to) in sorted {
        total += (to - from.max(reached)).max(0);
        reached = reached.max(to);
    }
    total
}

fn alert_score(
    alert: &str,
    judged: &[Judged],
    truth: Option<&Truth>,
    pack: &RulePack,
    no_data: bool,
) -> AlertScore {
    let own: Vec<Judged> = judged
        .iter()
        .filter(|judged| judged.episode.alert == alert)
        .cloned()
        .collect();
    let role = truth.map(|truth| pack.role(&truth.cause, alert));
    let first = |wanted: &[Class]| own.iter().find(|judged| wanted.contains(&judged.class));
    let did = if let Some(judged) = first(&[Class::False, Class::BenignFalse]) {
        Did::CriedWolf {
            at_ms: judged.episode.start_ms,
        }
    } else if let (Some(hit), Some(truth)) = (first(&[Class::Hit]), truth) {
        let hits = own
            .iter()
            .filter(|judged| matches!(judged.class, Class::Hit | Class::Repeat));
        let last = hits
            .clone()
            .map(|judged| &judged.episode)
            .max_by_key(|episode| episode.end_ms);
        let let_go_ms = last
            .filter(|last| !last.open && last.end_ms < truth.end_ms)
            .map(|last| last.end_ms);
        Did::Detected {
            pending_ms: hit.episode.pending_ms,
            fired_ms: hit.episode.start_ms,
            in_time: hit.episode.start_ms <= truth.deadline_ms,
            let_go_ms,
            over_ms: last.filter(|last| !last.open).map(|last| last.end_ms),
            flaps: u32::try_from(hits.count() - 1).unwrap_or(u32::MAX),
        }
    } else if let Some(judged) = first(&[Class::Misattributed, Class::Related, Class::Post]) {
        Did::Beside {
            at_ms: judged.episode.start_ms,
            class: judged.class,
        }
    } else if role == Some(Role::Expected) {
        let before = |judged: &Judged| {
            truth.is_some_and(|truth| {
                judged.episode.start_ms < truth.fault_ms && judged.episode.end_ms > truth.fault_ms
            })
        };
        if own.iter().any(before) {
            Did::Masked
        } else {
            Did::Missed
        }
    } else {
        Did::Silent
    };
    AlertScore {
        alert: alert.to_owned(),
        role,
        did,
        episodes: own,
        no_data,
    }
}

/// Most capacity of the workers that the harness may cost before queues behave differently.
const SLOT_OVERHEAD_MAX: f64 = 0.25;

/// Why a drill proves nothing. With L the worst of the lags (99th percentile of enqueue and scrape, fault lag, and what
/// handlers overran beyond one scrape interval): it is inconclusive when L exceeds an evaluation interval, for then any
/// firing may be off by one or more evaluations; or when a detection lies within L of its deadline, for then the lag
/// may have decided. It is also inconclusive when the harness cost the workers a quarter of their capacity.
fn inconclusive(record: &Record, incidents: &[IncidentScore]) -> Vec<String> {
    let header = &record.header;
    let mut why = Vec::new();
    if !record.complete {
        why.push("the record is incomplete: the drill was cut short".to_owned());
    }
    if let Some(reason) = record.aborted() {
        why.push(format!("the drill was stopped: {reason}"));
    }
    for mark in record.marks().filter(|mark| !mark.verified) {
        why.push(format!(
            "{} on {} had no effect: {}",
            mark.what, mark.target, mark.note
        ));
    }
    if let Some(lag) = record.lag() {
        let handlers = (lag.handler_ms[1] - header.scrape_interval_ms).max(0);
        let worst = lag.enqueue_ms[1]
            .max(lag.scrape_ms[1])
            .max(lag.fault_ms_max)
            .max(handlers);
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
        for incident in incidents {
            if let Some(detection) = &incident.detection
                && (detection.fired_ms - incident.truth.deadline_ms).abs() <= worst
            {
                why.push(format!(
                    "{} fired within the harness' lag ({:.1} s) of the deadline; try a lower --speed",
                    detection.alert,
                    worst as f64 / 1e3
                ));
            }
        }
    }
    why
}

#[cfg(test)]
mod tests;
