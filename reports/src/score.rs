//! Scoring: how each alert did on each drill, what each incident came to, and all drills together.

pub mod alert;
pub mod delivery;
mod doubt;
pub mod episode;
mod flapping;
mod ground;
mod heard;
pub mod incident;
pub mod judge;
pub mod remedy;
mod routing;
mod spans;
pub mod standing;
pub mod stats;
mod summary;

pub use alert::{AlertScore, Did, FalseAlarm, OnIncident};
pub use doubt::SLOT_OVERHEAD_MAX;
pub(crate) use ground::Ground;
pub use heard::{HeardScore, SourceScore, Split, Untold};
pub use incident::{Detection, IncidentScore};

pub use remedy::{Effect, RemedyScore};
pub use routing::Routed;
pub use standing::Standing;
pub(crate) use summary::right_pages;
pub use summary::{Called, Scorecard, Summary};

use crate::alertmanager::{Sent, notify};
use crate::jsonl::Record;
use crate::pack::RulePack;
use crate::record::{Audit, BenignWindow, Header, Lag, Line, QueueWaits, Transition, Wanted};
use crate::record::{GROUP_INTERVAL_MS, GROUP_WAIT_MS};
use crate::watcher::Replay;
use delivery::{Routing, deliver, deliver_routed};
use doubt::inhibitors;
use episode::{Episode, episodes, routed};
use flapping::Starts;
use heard::{Ears, Life, Sourced};
use judge::{Class, Judged, Outcome, Truth, classify};
use serde::{Deserialize, Serialize};
use spans::Spans;
use std::collections::BTreeMap;

/// How long after an incident its alerts are neither hits nor false, and how pages are delivered where that is not as the
/// record's header has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoreParams {
    /// Grace after an incident's end.
    pub grace_ms: i64,
    /// [`Delivery::group_wait_ms`], instead of the header's.
    pub group_wait_ms: Option<i64>,
    /// [`Delivery::group_interval_ms`], instead of the header's.
    pub group_interval_ms: Option<i64>,
}

impl Default for ScoreParams {
    fn default() -> Self {
        Self {
            grace_ms: 600_000,
            group_wait_ms: None,
            group_interval_ms: None,
        }
    }
}

impl ScoreParams {
    /// How pages of a drill with this header are delivered.
    #[must_use]
    pub fn delivery(&self, header: &Header) -> Delivery {
        Delivery {
            group_wait_ms: self.group_wait_ms.unwrap_or(header.group_wait_ms),
            group_interval_ms: self.group_interval_ms.unwrap_or(header.group_interval_ms),
        }
    }
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            group_wait_ms: GROUP_WAIT_MS,
            group_interval_ms: GROUP_INTERVAL_MS,
        }
    }
}

/// How Alertmanager groups notifications; its own defaults. Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Delivery {
    /// `group_wait`: from the first firing of a group to its notification.
    pub group_wait_ms: i64,
    /// `group_interval`: between notifications of a group that is still there.
    pub group_interval_ms: i64,
}

/// What a set of rules came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verdict {
    /// Somebody was told of every incident by its deadline, and nothing cried wolf.
    Passed,
    /// Not so.
    Failed,
    /// The drill proves nothing.
    Inconclusive,
}

/// One drill, scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillScore {
    /// Scenario name.
    pub scenario: String,
    /// Family.
    pub family: String,
    /// One sentence.
    pub summary: String,
    /// Seed.
    pub seed: u64,
    /// Unix time of the drill's start, which tells drills of one scenario and seed apart.
    pub epoch_ms: i64,
    /// Engine and speed, for people.
    pub engine: String,
    /// How pages were delivered, unless an Alertmanager file said it.
    pub delivery: Delivery,
    /// What an Alertmanager file made of it.
    pub routed: Option<Routed>,
    /// What it came to.
    pub verdict: Verdict,
    /// What sources of alerts told that were scored instead of the built-in detector.
    pub heard: Option<HeardScore>,
    /// Why it proves nothing.
    pub inconclusive: Vec<String>,
    /// Whether that is all because of the pace it went at: a lower speed would help.
    pub too_fast: bool,
    /// Incidents.
    pub incidents: Vec<IncidentScore>,
    /// Alerts, in the order of the pack.
    pub alerts: Vec<AlertScore>,
    /// All judged episodes.
    pub episodes: Vec<Judged>,
    /// Alerts that were on before anything was wrong; a page among them fails the gate.
    pub standing: Vec<Standing>,
    /// Start of the first benign window: times of a drill without incident are told from here.
    pub zero_ms: i64,
    /// The scored part of the drill, `[warm-up, end)` in milliseconds.
    pub scored_ms: (i64, i64),
    /// The benign windows themselves.
    pub benign: Vec<BenignWindow>,
    /// Benign windows, and how many of them had a page.
    pub benign_windows: u64,
    /// Benign windows with at least one page.
    pub benign_trips: u64,
    /// Benign windows with at least one ticket.
    pub benign_ticket_trips: u64,
    /// Scored time outside of all incidents.
    pub exposure_ms: i64,
    /// Of it, what is in no harmless event (see [`DrillScore::is_in_event`]).
    pub quiet_ms: i64,
    /// How long pages fired.
    pub page_time: FiringTime,
    /// How long tickets fired.
    pub ticket_time: FiringTime,
    /// What happened to every task.
    pub audit: Option<Audit>,
    /// What remedies came to, in order of time.
    pub remedies: Vec<RemedyScore>,
    /// How long tasks waited, queue by queue; empty for records that do not tell.
    pub waits: Vec<QueueWaits>,
    /// How well time was kept.
    pub lag: Option<Lag>,
    /// Evaluation errors of rules, each kind once: what, how often, when first, and whether an incident was on.
    pub rule_errors: Vec<String>,
}

impl DrillScore {
    /// Whether something harmless but unusual was going on: a benign window that is not the whole drill. One over the
    /// whole drill says that nothing happens at all, so its time is quiet.
    #[must_use]
    pub fn is_in_event(&self, at_ms: i64) -> bool {
        events(&self.benign, self.scored_ms).any(|(from, to)| (from..to).contains(&at_ms))
    }
}

/// The spans of the benign windows that do not take up all of the scored time.
fn events(windows: &[BenignWindow], scored_ms: (i64, i64)) -> impl Iterator<Item = (i64, i64)> {
    windows
        .iter()
        .map(|window| (window.starts_ms, window.ends_ms))
        .filter(move |(from, to)| *from > scored_ms.0 || *to < scored_ms.1)
}

/// How long alerts fired, and how long the right ones did while they should. Milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiringTime {
    /// Scored time with any alert of the class firing.
    pub firing_ms: i64,
    /// Of it, inside incidents (grace included).
    pub in_incidents_ms: i64,
    /// Time in incidents with an alert firing that is right for them.
    pub right_ms: i64,
    /// Length of the incidents, without grace.
    pub incidents_ms: i64,
}

impl FiringTime {
    fn plus(self, other: Self) -> Self {
        Self {
            firing_ms: self.firing_ms + other.firing_ms,
            in_incidents_ms: self.in_incidents_ms + other.in_incidents_ms,
            right_ms: self.right_ms + other.right_ms,
            incidents_ms: self.incidents_ms + other.incidents_ms,
        }
    }
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
    let ground = Ground::new(record, params);
    let (truths, end_ms) = (&ground.truths, ground.end_ms);
    let delivery = params.delivery(header);
    let ears = Ears::new(&replay.heard, header, pack);
    let told = ears.scored().map(heard::transitions);
    let transitions = told.as_ref().unwrap_or(&replay.transitions);
    let judge_found = |found: Vec<Episode>| {
        let judged = classify(found, truths, pack, params, header);
        let incidents: Vec<IncidentScore> = truths
            .iter()
            .map(|truth| incident::score(record, truth, &judged, pack, params, end_ms))
            .collect();
        (judged, incidents)
    };
    let judge = |transitions: &[Transition]| {
        let (found, sent) = delivered(transitions, pack, header, delivery, end_ms);
        let (judged, incidents) = judge_found(found);
        (sent, judged, incidents)
    };
    // What was delivered needs no model of that.
    let (sent, judged, incidents) = match ears.scored().filter(|_| ears.is_delivered()) {
        Some(lives) => {
            let (judged, incidents) = judge_found(heard::delivered(lives, end_ms));
            (None, judged, incidents)
        }
        None => judge(transitions),
    };
    let detections = |transitions: &[Transition]| heard::detections(&judge(transitions).2);
    let by_source = |source: &Sourced<'_>, lives: &[Life<'_>]| match source.is_delivered() {
        true => heard::detections(&judge_found(heard::delivered(lives, end_ms)).1),
        false => detections(&heard::transitions(lives)),
    };
    let heard = ears.scored().map(|_| {
        let by_detector = detections(&replay.transitions);
        let by_detector = (&*replay.transitions, by_detector);
        ears.score((record, pack), &incidents, by_detector, by_source)
    });
    let starts = Starts::new(transitions, header.warmup_ms);
    // Of several rules of one name, each is listed that had none.
    let has_no_data = |alert: &str| {
        let blind = replay.never_had_data.iter().filter(|rule| *rule == alert);
        let rules = pack.alerts.iter().filter(|name| *name == alert);
        blind.count() >= rules.count()
    };
    let alerts: Vec<AlertScore> = pack
        .alerts
        .iter()
        .map(|alert| alert::score(alert, &judged, truths, pack, &starts, has_no_data(alert)))
        .collect();
    let alarms = doubt::Alarms {
        incidents: &incidents,
        judged: &judged,
        transitions,
        pack,
    };
    let inhibited = match (&sent, pack.alertmanager()) {
        (Some(sent), Some(config)) => inhibitors::doubts(
            record,
            &inhibitors::Routed {
                config,
                sent,
                transitions,
                ends: ends(&judged, &incidents),
                judge: &|transitions| {
                    let (_, judged, incidents) = judge(transitions);
                    ends(&judged, &incidents)
                },
            },
        ),
        _ => Vec::new(),
    };
    let doubts = doubt::inconclusive(record, alarms, inhibited);
    let (mut inconclusive, of_pace) = (doubts.why, doubts.too_fast);
    let from_pace = inconclusive.len();
    if let Some(heard) = &heard {
        inconclusive.extend(doubt::heard::doubts(
            record,
            &ears,
            heard,
            (alarms, &replay.transitions),
        ));
    }
    inconclusive.extend(doubt::without_data(&alerts, &incidents));
    let (in_time, wolf) = ends(&judged, &incidents);
    if !wolf {
        inconclusive.extend(standing::undecided(&judged, &incidents));
    }
    let missed = in_time.contains(&false);
    if !wolf && !missed {
        inconclusive.extend(doubt::cut_off(record, &judged));
        if heard.is_some() {
            // What was about to be told as the drill ended came to no source any more.
            let (_, ours, _) = judge(&replay.transitions);
            inconclusive.extend(doubt::cut_off(record, &ours));
        }
    }
    let scored_ms = (header.warmup_ms, end_ms);
    let around = ground.around.intervals();
    let eventful = Spans::new(events(&header.benign, scored_ms).chain(around));
    let time = |wanted| firing_time(&judged, &incidents, pack, wanted, &ground);
    DrillScore {
        scenario: header.scenario.clone(),
        family: header.family.clone(),
        summary: header.summary.clone(),
        seed: header.seed,
        epoch_ms: header.epoch_ms,
        engine: if header.speed > 0.0 {
            format!("{} at {}x", header.engine, header.speed)
        } else {
            header.engine.clone()
        },
        delivery,
        routed: sent.zip(pack.alertmanager()).map(|(sent, config)| {
            Routed::new(config.name(), sent, &judged, header.warmup_ms..end_ms)
        }),
        verdict: match (inconclusive.is_empty(), wolf || missed) {
            (false, _) => Verdict::Inconclusive,
            (true, true) => Verdict::Failed,
            (true, false) => Verdict::Passed,
        },
        too_fast: of_pace && inconclusive.len() == from_pace,
        heard,
        inconclusive,
        standing: standing::standing(&judged),
        alerts,
        zero_ms: truths
            .first()
            .map(|truth| truth.fault_ms)
            .or(header.benign.first().map(|window| window.starts_ms))
            .unwrap_or(0),
        scored_ms,
        benign: header.benign.clone(),
        benign_windows: header.benign.len() as u64,
        benign_trips: trips(&header.benign, &judged, true),
        benign_ticket_trips: trips(&header.benign, &judged, false),
        exposure_ms: ground.exposure_ms(),
        quiet_ms: ground.scored.total_ms() - ground.scored.and(&eventful).total_ms(),
        page_time: time(Wanted::Page),
        ticket_time: time(Wanted::Ticket),
        audit: record.audit().cloned(),
        remedies: remedy::remedies(record),
        waits: record.waits().cloned().collect(),
        lag: record.lag().cloned(),
        rule_errors: rule_errors(&replay.errors, truths),
        incidents,
        episodes: judged,
    }
}

/// What a verdict rests on.
fn ends(judged: &[Judged], incidents: &[IncidentScore]) -> inhibitors::Ends {
    let in_time =
        |incident: &IncidentScore| matches!(incident.outcome, Outcome::Early | Outcome::OnTime);
    let wolf = judged.iter().any(|judged| judged.page && judged.is_false());
    (incidents.iter().map(in_time).collect(), wolf)
}

/// The episodes, and when somebody was told of each: by the pack's Alertmanager, if it has one; else by its severities.
pub(crate) fn delivered(
    transitions: &[Transition],
    pack: &RulePack,
    header: &Header,
    delivery: Delivery,
    end_ms: i64,
) -> (Vec<Episode>, Option<Sent>) {
    let Some(config) = pack.alertmanager() else {
        let mut found = episodes(transitions, end_ms);
        deliver(&mut found, delivery);
        return (found, None);
    };
    let interval_ms = header.evaluation_interval_ms;
    let sent = notify(config, transitions, header.epoch_ms, interval_ms, end_ms);
    let mut found = routed(transitions, end_ms, |labels| Some(pack.is_page(labels)));
    let routing = Routing {
        config,
        sent: &sent,
        end_ms,
    };
    deliver_routed(&mut found, &routing);
    (found, Some(sent))
}

/// How many harmless windows had a page, or a ticket.
fn trips(windows: &[BenignWindow], judged: &[Judged], page: bool) -> u64 {
    let tripped = |window: &&BenignWindow| {
        judged
            .iter()
            .any(|judged| judged.page == page && judged.trips(window))
    };
    windows.iter().filter(tripped).count() as u64
}

fn firing_time(
    judged: &[Judged],
    incidents: &[IncidentScore],
    pack: &RulePack,
    wanted: Wanted,
    ground: &Ground,
) -> FiringTime {
    let spans = |keep: &dyn Fn(&Judged) -> bool| {
        Spans::new(
            judged
                .iter()
                .filter(|judged| keep(judged) && judged.class != Class::Unsent)
                .map(|judged| (judged.episode.start_ms, judged.episode.end_ms)),
        )
        .and(&ground.scored)
    };
    let firing = spans(&|judged| judged.page == (wanted == Wanted::Page));
    let mut time = FiringTime {
        firing_ms: firing.total_ms(),
        in_incidents_ms: firing.and(&ground.around).total_ms(),
        ..FiringTime::default()
    };
    for incident in incidents
        .iter()
        .filter(|incident| incident.truth.wanted == wanted && incident.outcome != Outcome::Censored)
    {
        let truth = &incident.truth;
        let while_on = Spans::new([(truth.fault_ms, truth.end_ms)]);
        // A page does for a ticket, never the other way round.
        let able = judged.iter().filter(|judged| {
            (judged.page || wanted == Wanted::Ticket) && judged.class != Class::Unsent
        });
        let firings = able.flat_map(|judged| judged.right(truth, pack));
        let right = Spans::new(firings.map(|firing| (firing.start_ms, firing.end_ms)));
        let right = right.and(&ground.scored);
        time.right_ms += right.and(&while_on).total_ms();
        time.incidents_ms += while_on.total_ms();
    }
    time
}

/// One line per rule and message: a rule that fails does so at every evaluation.
fn rule_errors(errors: &[Line], truths: &[Truth]) -> Vec<String> {
    let mut found: BTreeMap<(&str, &str), (u64, i64, bool)> = BTreeMap::new();
    for line in errors {
        if let Line::RuleError {
            at_ms,
            rule,
            message,
        } = line
        {
            let on = truths
                .iter()
                .any(|truth| (truth.fault_ms..truth.end_ms).contains(at_ms));
            let (count, _, during) = found.entry((rule, message)).or_insert((0, *at_ms, false));
            *count += 1;
            *during |= on;
        }
    }
    found
        .into_iter()
        .map(|((rule, message), (count, first_ms, during))| {
            let minutes = first_ms as f64 / 6e4;
            let during = if during {
                "; also while an incident was on"
            } else {
                ""
            };
            format!("{rule}: {message} ({count} times, first in minute {minutes:.1}{during})")
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests;
