//! What every alert did in every drill.

use super::{Told, Tone, since, unsent};
use crate::pack::Role;
use crate::score::judge::Class;
use crate::score::{AlertScore, Did, DrillScore, FalseAlarm, IncidentScore, OnIncident};
use crate::{Scorecard, Verdict};

/// What an alert did, in a few words: on one of a drill's incidents, or on a drill without any.
pub(crate) fn alert(drill: &DrillScore, alert: &AlertScore, on: Option<usize>) -> Told {
    let incident = on.and_then(|index| Some((drill.incidents.get(index)?, alert.on.get(index)?)));
    let zero_ms = incident.map_or(drill.zero_ms, |(incident, _)| incident.truth.fault_ms);
    let (text, tone) = match incident {
        Some((_, on)) => on_incident(drill, alert, on, zero_ms),
        None if alert.no_data => ("no data".into(), Tone::Warn),
        None => ("silent".into(), Tone::Good),
    };
    let alarms: Vec<FalseAlarm> = alert
        .false_alarms
        .iter()
        .copied()
        .filter(|alarm| told_with(drill, alarm.at_ms) == on)
        .collect();
    let Some((wolf, wolf_tone)) = false_alarms(&alarms, zero_ms) else {
        let mut own = alert.episodes.iter();
        let was_unsent = own.find(|judged| {
            judged.class == Class::Unsent
                && judged.cut_off.is_none()
                && told_with(drill, judged.episode.start_ms) == on
        });
        return match (text.as_str(), was_unsent) {
            ("silent" | "-", Some(judged)) => (unsent(judged.episode.kept_back()), Tone::Muted),
            _ => (text, tone),
        };
    };
    match text.as_str() {
        "silent" | "-" => (wolf, wolf_tone),
        _ if wolf_tone == Tone::Bad => (format!("{text}, {wolf}"), Tone::Bad),
        _ => (format!("{text}, {wolf}"), tone),
    }
}

/// The incident with which a false alarm is told: the last that began before it, or else the first.
fn told_with(drill: &DrillScore, at_ms: i64) -> Option<usize> {
    let before = |incident: &IncidentScore| incident.truth.fault_ms <= at_ms;
    let last = (0..drill.incidents.len())
        .filter(|index| before(&drill.incidents[*index]))
        .max_by_key(|index| drill.incidents[*index].truth.fault_ms);
    last.or((!drill.incidents.is_empty()).then_some(0))
}

/// `FALSE +15:07`, `3 FALSE from +2:15`; a ticket that was not needed wakes nobody.
fn false_alarms(alarms: &[FalseAlarm], zero_ms: i64) -> Option<Told> {
    let standing = alarms.iter().filter(|alarm| alarm.since_ms.is_some());
    if let Some(FalseAlarm {
        page,
        since_ms: Some(since_ms),
        ..
    }) = standing.max_by_key(|alarm| alarm.page)
    {
        let at = since(*since_ms, zero_ms);
        return Some(match page {
            true => (format!("ON SINCE {at}"), Tone::Bad),
            false => (format!("ticket on since {at}"), Tone::Warn),
        });
    }
    let pages: Vec<i64> = alarms
        .iter()
        .filter(|alarm| alarm.page)
        .map(|alarm| alarm.at_ms)
        .collect();
    match (pages.as_slice(), alarms) {
        ([], []) => None,
        ([], [ticket, ..]) => Some((
            format!("false ticket {}", since(ticket.at_ms, zero_ms)),
            Tone::Warn,
        )),
        ([at], _) => Some((format!("FALSE {}", since(*at, zero_ms)), Tone::Bad)),
        ([at, ..], _) => Some((
            format!("{} FALSE from {}", pages.len(), since(*at, zero_ms)),
            Tone::Bad,
        )),
    }
}

fn on_incident(drill: &DrillScore, alert: &AlertScore, on: &OnIncident, zero_ms: i64) -> Told {
    // Nobody can say of a drill that proves nothing what an alert has missed in it.
    let judged = drill.verdict != Verdict::Inconclusive;
    let at = |ms: i64| since(ms, zero_ms);
    match &on.did {
        Did::CriedWolf { at_ms } => (format!("FALSE {}", at(*at_ms)), Tone::Bad),
        Did::Detected {
            delivered_ms,
            in_time,
            let_go_ms,
            flaps,
            ..
        } => {
            let mut text = at(*delivered_ms);
            if !in_time {
                text.push_str(" late");
            }
            if let Some(ms) = let_go_ms {
                text.push_str(&format!(", CLEARED EARLY {}", at(*ms)));
            }
            match flaps {
                0 => {}
                1 => text.push_str(", 1 flap"),
                many => text.push_str(&format!(", {many} flaps")),
            }
            let tone = match (in_time, let_go_ms) {
                (true, None) => Tone::Good,
                (true, Some(_)) | (false, None) => Tone::Warn,
                (false, Some(_)) => Tone::Bad,
            };
            (text, tone)
        }
        Did::Beside {
            at_ms,
            class,
            page,
            receivers,
        } => match (class, on.role, page) {
            (Class::Post, ..) if !on.by_name || !judged => {
                (format!("{} afterwards", at(*at_ms)), Tone::Warn)
            }
            (Class::Post, ..) => (format!("MISSED, fired {}", at(*at_ms)), Tone::Bad),
            (_, Role::Expected, false) if receivers.is_empty() => {
                (format!("{} only a ticket", at(*at_ms)), Tone::Warn)
            }
            (_, Role::Expected, false) => {
                let text = format!("{} only to {}", at(*at_ms), receivers.join(", "));
                (text, Tone::Warn)
            }
            (Class::Chance, ..) => (format!("{} by chance?", at(*at_ms)), Tone::Warn),
            (Class::Related, ..) => (format!("{} symptom", at(*at_ms)), Tone::Warn),
            _ => (format!("{} wrong alert", at(*at_ms)), Tone::Warn),
        },
        Did::Unsent { kept_back, .. } if on.by_name && judged => {
            (format!("MISSED, {}", unsent(kept_back.as_ref())), Tone::Bad)
        }
        Did::Unsent { kept_back, .. } => (unsent(kept_back.as_ref()), Tone::Muted),
        Did::Missed if !judged => (
            if alert.no_data { "no data" } else { "-" }.into(),
            Tone::Muted,
        ),
        Did::Missed if alert.no_data => ("MISSED, no data".into(), Tone::Bad),
        Did::Missed => ("MISSED".into(), Tone::Bad),
        Did::Masked => ("fired before".into(), Tone::Warn),
        Did::Silent if alert.no_data => ("no data".into(), Tone::Warn),
        Did::Silent => ("-".into(), Tone::Muted),
    }
}

/// A drill and what to call it.
pub(crate) struct Named<'c> {
    pub(crate) drill: &'c DrillScore,
    /// The scenario's name, with seed and number where several drills share it.
    pub(crate) name: String,
    /// Its place on a page.
    pub(crate) anchor: String,
}

impl Named<'_> {
    /// What to call one of its incidents: as the drill, with a number where it has several.
    pub(crate) fn incident(&self, index: usize) -> String {
        match self.drill.incidents.len() {
            0 | 1 => self.name.clone(),
            _ => format!("{} #{}", self.name, index + 1),
        }
    }

    /// How something looks that fails or passes the drill: in one that proves nothing, nothing does.
    pub(crate) fn judged(&self, tone: Tone) -> Tone {
        match (self.drill.verdict, tone) {
            (Verdict::Inconclusive, Tone::Bad | Tone::Good) => Tone::Muted,
            _ => tone,
        }
    }
}

/// All drills of a card, in its order, each with a name of its own.
pub(crate) fn named(card: &Scorecard) -> Vec<Named<'_>> {
    let drills = &card.drills;
    let alike = |same: &dyn Fn(&DrillScore) -> bool| drills.iter().filter(|d| same(d)).count();
    drills
        .iter()
        .enumerate()
        .map(|(index, drill)| {
            let mut name = drill.scenario.clone();
            if alike(&|other| other.scenario == drill.scenario) > 1 {
                name.push_str(&format!(", seed {}", drill.seed));
            }
            let twin = |d: &DrillScore| (&d.scenario, d.seed) == (&drill.scenario, drill.seed);
            if alike(&twin) > 1 {
                let number = drills[..=index].iter().filter(|d| twin(d)).count();
                name.push_str(&format!(", run {number}"));
            }
            let anchor = anchor(drill, index);
            Named {
                drill,
                name,
                anchor,
            }
        })
        .collect()
}

/// A name for links: it says which drill it is, and the drill's number makes it unique.
fn anchor(drill: &DrillScore, index: usize) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = drill.scenario.chars().map(plain).collect();
    format!("{name}-{}-{}", drill.seed, index + 1)
}

/// A row of the matrix of drills and alerts: a drill, or one of its incidents.
pub(crate) struct Row<'c> {
    pub(crate) named: &'c Named<'c>,
    pub(crate) name: String,
    /// The cells, one per alert.
    pub(crate) cells: Vec<Told>,
}

/// The matrix of drills and alerts: alerts in the order of the packs, and a row per drill and incident. Drills may have
/// been judged by different packs.
pub(crate) fn matrix<'c>(drills: &[&'c Named<'c>]) -> (Vec<&'c str>, Vec<Row<'c>>) {
    let mut names: Vec<&str> = Vec::new();
    for alert in drills.iter().flat_map(|named| &named.drill.alerts) {
        if !names.contains(&alert.alert.as_str()) {
            names.push(&alert.alert);
        }
    }
    let mut rows = Vec::new();
    for named in drills {
        let drill = named.drill;
        for index in 0..drill.incidents.len().max(1) {
            let on = (!drill.incidents.is_empty()).then_some(index);
            let cell = |name: &&str| {
                let known = drill.alerts.iter().find(|known| known.alert == *name);
                known.map_or((String::new(), Tone::Muted), |known| {
                    let (text, tone) = alert(drill, known, on);
                    (text, named.judged(tone))
                })
            };
            rows.push(Row {
                named,
                name: named.incident(index),
                cells: names.iter().map(cell).collect(),
            });
        }
    }
    (names, rows)
}
