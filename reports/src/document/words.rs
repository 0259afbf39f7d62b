//! The short texts that documents are made of.

use super::routed::{self, silence};
use super::{Told, Tone};
use crate::alertmanager::Silence;
use crate::pack::Role;
use crate::record::{Audit, Wanted};
use crate::score::judge::{Class, Outcome};
use crate::score::stats::Share;
use crate::score::{AlertScore, Did, DrillScore, FalseAlarm, IncidentScore, OnIncident};
use crate::score::{Delivery, Effect, RemedyScore, Standing};
use crate::waits::Waits;
use crate::{Scorecard, Verdict};
use firedrill_detector::duration::format_ms;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Of an alarm that nobody was told of: why.
fn unsent(kept_back: Option<&Silence>) -> String {
    kept_back.map_or_else(|| "resolved before it was sent".to_owned(), silence)
}

/// `+15:15` after the fault (or the harmless event) began.
pub(crate) fn since(at_ms: i64, zero_ms: i64) -> String {
    let seconds = (at_ms - zero_ms) as f64 / 1e3;
    let sign = if seconds < 0.0 { '-' } else { '+' };
    format!("{sign}{}", clock(seconds.abs().round() as i64))
}

/// `75:03`, or `-0:38`.
pub(crate) fn clock(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.abs();
    format!("{sign}{}:{:02}", seconds / 60, seconds % 60)
}

/// A length of time in minutes and seconds.
pub(crate) fn length(ms: i64) -> String {
    clock((ms as f64 / 1e3).round() as i64)
}

/// `850 ms`, `12.34 s`, `75:03`.
pub(crate) fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.2} s", ms as f64 / 1e3),
        _ => length(i64::try_from(ms).unwrap_or(i64::MAX)),
    }
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
    tell(audit.archived_unstarted, "archived without a start");
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
    if parts.is_empty() {
        return None;
    }
    let bad = audit.jobs_lost() > 0 || audit.jobs_stuck() > 0;
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
        let harm = match remedy.harm_ms {
            Some(ms) => format!("until +{}", length(ms)),
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

/// What an incident wanted: `page by +3:00`.
pub(crate) fn wanted(incident: &IncidentScore) -> String {
    let truth = &incident.truth;
    let class = match truth.wanted {
        Wanted::Page => "page",
        Wanted::Ticket => "ticket",
    };
    format!("{class} by {}", since(truth.deadline_ms, truth.fault_ms))
}

/// What an incident of a drill came to, in a few words.
pub(crate) fn outcome(drill: &DrillScore, incident: &IncidentScore) -> Told {
    if let (Outcome::Missed, true, true) = (
        incident.outcome,
        incident.unsent.is_some(),
        drill.verdict != Verdict::Inconclusive,
    ) {
        let why = unsent(incident.kept_back.as_ref());
        return (format!("MISSED, {why}"), Tone::Bad);
    }
    let (text, tone) = match incident.outcome {
        Outcome::Censored => ("cut short", Tone::Warn),
        _ if drill.verdict == Verdict::Inconclusive => ("not judged", Tone::Warn),
        Outcome::Early if incident.past_deadline => ("early, past deadline", Tone::Warn),
        Outcome::Early => ("early", Tone::Good),
        Outcome::OnTime => ("in time", Tone::Good),
        Outcome::Late => ("LATE", Tone::Bad),
        Outcome::Missed if incident.seen_after => ("MISSED, seen afterwards", Tone::Bad),
        Outcome::Missed => ("MISSED", Tone::Bad),
        Outcome::Masked => ("masked", Tone::Warn),
    };
    (text.to_owned(), tone)
}

/// What was measured of an incident, or what to say where there was nothing of it; where the drill ended too soon, nobody
/// can say that there was nothing.
pub(crate) fn measured(incident: &IncidentScore, text: Option<String>, nothing: &str) -> String {
    match (text, incident.outcome) {
        (Some(text), _) => text,
        (None, Outcome::Censored) => "-".to_owned(),
        (None, _) => nothing.to_owned(),
    }
}

/// From the fault until the alert was pending, from then until it fired, and from then until somebody was told.
pub(crate) fn parts(incident: &IncidentScore) -> String {
    incident.detection.as_ref().map_or("-".into(), |found| {
        let [signal, hold, delivery] = [
            found.pending_ms - incident.truth.fault_ms,
            found.fired_ms - found.pending_ms,
            found.delivered_ms - found.fired_ms,
        ]
        .map(length);
        format!("{signal}+{hold}+{delivery}")
    })
}

/// How pages were delivered: as Alertmanager does with these settings.
fn delivery(delivery: Delivery) -> String {
    let [wait, interval] = [delivery.group_wait_ms, delivery.group_interval_ms].map(format_ms);
    format!("group_wait {wait}, group_interval {interval}")
}

/// An alert that was on before anything was wrong, in a sentence.
pub(crate) fn standing(found: &Standing) -> Told {
    let at = |ms: i64| clock((ms as f64 / 1e3).round() as i64);
    let until = found
        .until_ms
        .map_or("to the end".into(), |ms| format!("until {}", at(ms)));
    let text = format!(
        "{} was on before anything was wrong: its condition held from {} on, it fired at {} and went on {until}",
        found.alert,
        at(found.since_ms),
        at(found.fired_ms)
    );
    match found.page {
        true => (text, Tone::Bad),
        false => (
            format!("{text} (a ticket, which fails no gate)"),
            Tone::Warn,
        ),
    }
}

/// The distinct ways in which pages of all drills were delivered.
fn deliveries(drills: &[DrillScore]) -> String {
    let each = |drill: &DrillScore| match &drill.routed {
        Some(routed) => routed.file.clone(),
        None => delivery(drill.delivery),
    };
    // By their lengths of time, those of files last.
    let all: BTreeSet<(bool, Delivery, String)> = drills
        .iter()
        .map(|drill| (drill.routed.is_some(), drill.delivery, each(drill)))
        .collect();
    let mut all: Vec<String> = all.into_iter().map(|(.., told)| told).collect();
    all.dedup();
    all.join("; ")
}

/// When the last right alert was over, counted from the end of the incident.
pub(crate) fn reset(incident: &IncidentScore) -> String {
    let least = if incident.reset_open { ">= " } else { "" };
    incident
        .reset_ms
        .map_or("-".into(), |ms| format!("{least}{}", since(ms, 0)))
}

/// `2 of 3 = 67 % [21, 94]`.
pub(crate) fn share(share: Option<Share>, nothing: &str) -> String {
    share.map_or_else(
        || format!("n/a ({nothing})"),
        |share| {
            let (low, high) = share.wilson();
            format!(
                "{} of {} = {:.0} % [{:.0}, {:.0}]",
                share.count,
                share.of,
                share.value() * 100.0,
                low * 100.0,
                high * 100.0
            )
        },
    )
}

/// The lines of the summary: what, and how much.
pub(crate) fn summary(card: &Scorecard) -> Vec<(&'static str, String)> {
    let summary = &card.summary;
    let latency = |latency: Option<i64>| latency.map_or("missed".to_owned(), length);
    let mut lines = vec![
        ("incidents detected", share(summary.recall, "no incidents")),
        (
            "detected by the deadline",
            share(summary.recall_at_deadline, "no incidents"),
        ),
        ("page precision", share(summary.precision, "no pages")),
        (
            "incidents detected per page sent",
            share(summary.useful_pages, "no pages"),
        ),
        (
            "fault to notification, median / p90",
            summary
                .latency_ms
                .map_or("n/a (no incidents)".into(), |[median, p90]| {
                    format!("{} / {}", latency(median), latency(p90))
                }),
        ),
    ];
    lines.push(("delivery (Alertmanager)", deliveries(&card.drills)));
    lines.extend(routed::pages(card).map(|told| ("pages sent", told)));
    let (undetected, total) = summary.undetected_ms;
    if total > 0 {
        let percent = undetected as f64 / total as f64 * 100.0;
        lines.push((
            "user impact before any page",
            format!(
                "{} of {} min = {percent:.0} %",
                undetected / 60_000,
                total / 60_000
            ),
        ));
    }
    lines.push((
        "harmless events with a page",
        share(summary.benign_trips, "none rehearsed"),
    ));
    lines.push((
        "false pages per week",
        summary
            .false_pages_per_week()
            .map_or("n/a (no quiet time)".into(), |(rate, low, high)| {
                let hours = summary.exposure_ms as f64 / 3_600_000.0;
                format!(
                    "{rate:.0} [{low:.0}, {high:.0}] ({} in {hours:.1} h)",
                    summary.false_pages
                )
            }),
    ));
    if let Some(tickets) = &card.tickets {
        lines.push((
            "tickets: incidents by the deadline",
            share(tickets.recall_at_deadline, "none deserve just a ticket"),
        ));
        lines.push(("ticket precision", share(tickets.precision, "no tickets")));
    }
    if summary.over_escalated > 0 {
        lines.push((
            "pages where a ticket would have done",
            summary.over_escalated.to_string(),
        ));
    }
    // Of one drill it goes without saying that most alerts are about something else.
    let never_fired: &[String] = if card.drills.len() > 1 {
        &card.never_fired
    } else {
        &[]
    };
    for (what, alerts) in [
        ("never fired", never_fired),
        ("never had data", &card.never_had_data),
        ("rules that fail the gate", &card.dead),
        ("cannot fire in drills this short", &card.cut_short),
        ("always firing", &card.always_firing),
    ] {
        if !alerts.is_empty() {
            lines.push((what, alerts.join(", ")));
        }
    }
    if summary.inconclusive > 0 {
        lines.push((
            "inconclusive drills, not scored",
            summary.inconclusive.to_string(),
        ));
    }
    lines
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let quoter = shlex::Quoter::new().allow_nul(true);
    let quoted = quoter.quote(word).map(Cow::into_owned);
    quoted.unwrap_or_else(|_| word.to_owned())
}
