//! What each alert did on a drill.

use crate::alertmanager::Silence;
use crate::pack::{Role, RulePack};
use crate::score::episode::Episode;
use crate::score::flapping::Starts;
use crate::score::judge::{Class, Judged, Truth};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One alert on one drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertScore {
    /// Alert name.
    pub alert: String,
    /// What it is to the incident that `did` is about; `None` without an incident.
    pub role: Option<Role>,
    /// The most telling thing it did.
    pub did: Did,
    /// What it did on each incident, in the order of the plan.
    pub on: Vec<OnIncident>,
    /// Firings where it must be silent.
    pub false_alarms: Vec<FalseAlarm>,
    /// One of its instances fired again and again in a short time, see `flapping`.
    pub chatters: bool,
    /// Its episodes, judged.
    pub episodes: Vec<Judged>,
    /// None of its selectors matched any series: its silence says nothing.
    pub no_data: bool,
    /// The pack says that it may be without data.
    pub no_data_ok: bool,
}

/// One alert on one incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnIncident {
    /// Number of the incident in the plan.
    pub incident: u32,
    /// What the alert is to its cause.
    pub role: Role,
    /// Whether the pack expects this very alert, and not just any of its alerts.
    pub by_name: bool,
    /// What it did.
    pub did: Did,
}

/// A firing where an alert must be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FalseAlarm {
    /// When somebody was told.
    pub at_ms: i64,
    /// Whether somebody was paged; else it was a ticket, which fails no gate.
    pub page: bool,
    /// Of one that was there before anything was wrong: since when its condition held.
    pub since_ms: Option<i64>,
}

/// What an alert did on a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Did {
    /// Fired where it must be silent; the first time.
    CriedWolf {
        /// When somebody was told of the first false firing.
        at_ms: i64,
    },
    /// Saw the incident.
    Detected {
        /// When it became pending.
        pending_ms: i64,
        /// When it fired.
        fired_ms: i64,
        /// When somebody was told.
        delivered_ms: i64,
        /// Whether that was by the deadline.
        in_time: bool,
        /// When it let go although the fault and its harm went on.
        let_go_ms: Option<i64>,
        /// When its last episode was over.
        over_ms: Option<i64>,
        /// How often its instances fired again after having fired for this incident, all together.
        flaps: u32,
    },
    /// Fired during or after an incident without counting as its detection.
    Beside {
        /// When somebody was told of the first such firing.
        at_ms: i64,
        /// As what it counts.
        class: Class,
        /// Whether somebody was paged.
        page: bool,
        /// Of one that did not page by an Alertmanager file: the receivers that it went to.
        receivers: Vec<String>,
    },
    /// Fired for the incident, and nobody was told: it was over before, or kept back.
    Unsent {
        /// When it fired first.
        at_ms: i64,
        /// What kept it back.
        kept_back: Option<Silence>,
    },
    /// The pack expects it to see the incident, and it did not.
    Missed,
    /// Was firing already when the incident began.
    Masked,
    /// Silent, rightly, or where any other alert would do.
    Silent,
}

impl Did {
    /// The lower, the more a reader must know of it.
    fn rank(&self) -> u8 {
        match self {
            Self::CriedWolf { .. } => 0,
            Self::Missed => 1,
            Self::Masked => 2,
            Self::Detected { in_time: false, .. } => 3,
            Self::Detected { let_go_ms, .. } => 5 - u8::from(let_go_ms.is_some()),
            Self::Beside { .. } => 6,
            Self::Unsent { .. } => 7,
            Self::Silent => 8,
        }
    }
}

/// Scores one alert by the judged episodes of a drill.
pub(super) fn score(
    alert: &str,
    judged: &[Judged],
    truths: &[Truth],
    pack: &RulePack,
    starts: &Starts<'_>,
    no_data: bool,
) -> AlertScore {
    let own: Vec<Judged> = judged
        .iter()
        .filter(|judged| judged.episode.alert == alert)
        .cloned()
        .collect();
    let on: Vec<OnIncident> = truths
        .iter()
        .map(|truth| {
            let role = pack.role(&truth.cause, alert);
            let by_name = pack.expects(&truth.cause, alert);
            OnIncident {
                incident: truth.id,
                role,
                by_name,
                did: on_incident(&own, truth, pack, by_name, starts),
            }
        })
        .collect();
    let false_alarms: Vec<FalseAlarm> = own
        .iter()
        .filter(|judged| judged.is_false())
        .map(|judged| FalseAlarm {
            at_ms: judged.episode.delivered_ms,
            page: judged.page,
            since_ms: (judged.class == Class::Standing).then_some(judged.episode.pending_ms),
        })
        .collect();
    let telling = on.iter().min_by_key(|on| on.did.rank());
    let wolf = false_alarms
        .first()
        .map(|alarm| Did::CriedWolf { at_ms: alarm.at_ms });
    AlertScore {
        alert: alert.to_owned(),
        role: telling.map(|on| on.role),
        did: wolf
            .or_else(|| telling.map(|on| on.did.clone()))
            .unwrap_or(Did::Silent),
        on,
        false_alarms,
        chatters: starts.chatters(alert),
        episodes: own,
        no_data,
        no_data_ok: pack.may_be_without_data(alert),
    }
}

fn on_incident(
    own: &[Judged],
    truth: &Truth,
    pack: &RulePack,
    by_name: bool,
    starts: &Starts<'_>,
) -> Did {
    let mine = || own.iter().filter(|judged| judged.is_of(truth.id));
    let hits: Vec<_> = mine()
        .filter(|judged| matches!(judged.class, Class::Hit | Class::Repeat))
        .map(|judged| &judged.episode)
        .collect();
    let told = |episode: &&&Episode| (episode.delivered_ms, episode.start_ms);
    if let Some(first) = hits.iter().min_by_key(told) {
        let last = hits.iter().max_by_key(|episode| episode.end_ms);
        let over_ms = last.filter(|last| !last.open).map(|last| last.end_ms);
        let severities: BTreeSet<&str> = hits
            .iter()
            .map(|episode| episode.severity.as_str())
            .collect();
        return Did::Detected {
            pending_ms: first.pending_ms,
            fired_ms: first.start_ms,
            delivered_ms: first.delivered_ms,
            in_time: first.delivered_ms <= truth.deadline_ms,
            let_go_ms: over_ms.filter(|over_ms| truth.goes_on_after(*over_ms)),
            over_ms,
            flaps: starts.flaps(&first.alert, &severities, truth.fault_ms..truth.end_ms),
        };
    }
    let beside = [
        Class::Misattributed,
        Class::Related,
        Class::Post,
        Class::Chance,
    ];
    if let Some(judged) = mine().find(|judged| beside.contains(&judged.class)) {
        return Did::Beside {
            at_ms: judged.episode.delivered_ms,
            class: judged.class,
            page: judged.page,
            receivers: receivers(judged, pack),
        };
    }
    if let Some(judged) =
        mine().find(|judged| judged.class == Class::Unsent && judged.cut_off.is_none())
    {
        return Did::Unsent {
            at_ms: judged.episode.start_ms,
            kept_back: judged.episode.kept_back().cloned(),
        };
    }
    let was_on = |judged: &Judged| judged.is_on_at_start(truth, pack);
    if own.iter().any(was_on) {
        Did::Masked
    } else if by_name {
        Did::Missed
    } else {
        Did::Silent
    }
}

/// The receivers of an alarm that does not page, by the pack's Alertmanager.
fn receivers(judged: &Judged, pack: &RulePack) -> Vec<String> {
    let config = pack.alertmanager().filter(|_| !judged.page);
    let own = judged.episode.firings.first();
    let names = config
        .zip(own)
        .map(|(config, own)| config.receivers_of(&own.labels));
    names.into_iter().flatten().map(str::to_owned).collect()
}
