//! When somebody is told of an alarm by an Alertmanager file: what its receivers were sent.

use super::{Placed, told_by};
use crate::alertmanager::{Config, Labels, Reach, Sent, Silence, Suppressed};
use crate::score::episode::{Episode, Refiring, in_order};
use std::collections::BTreeMap;

/// Alert, severity, and whether it pages.
type Unit = (String, String, Option<bool>);

/// What an Alertmanager made of a drill.
pub(crate) struct Routing<'c> {
    pub(crate) config: &'c Config,
    pub(crate) sent: &'c Sent,
    /// When the drill ended.
    pub(crate) end_ms: i64,
}

/// Tells of episodes as the receivers were notified: of each that pages by what the receivers that page were sent, of each
/// other by what any was. An alert that fires again while the last that was sent of it says that it fires is the same
/// alarm. What would have been sent after the drill's end is cut off, as in [`deliver`](super::deliver).
pub(crate) fn deliver_routed(episodes: &mut Vec<Episode>, routing: &Routing<'_>) {
    let mut units: BTreeMap<Unit, Vec<Episode>> = BTreeMap::new();
    for episode in episodes.drain(..) {
        let unit = (
            episode.alert.clone(),
            episode.severity.clone(),
            episode.page,
        );
        units.entry(unit).or_default().push(episode);
    }
    // When receivers that page, and others, were told of an alert.
    let mut told: [BTreeMap<&Labels, Vec<i64>>; 2] = Default::default();
    for one in &routing.sent.notifications {
        for labels in one.firing.iter().chain(&one.resolved) {
            let own = told[usize::from(one.page)].entry(labels).or_default();
            own.push(one.at_ms);
        }
    }
    let mut kept: BTreeMap<&Labels, Vec<&Suppressed>> = BTreeMap::new();
    for one in &routing.sent.suppressed {
        kept.entry(&one.labels).or_default().push(one);
    }
    for ((alert, _, page), unit) in units {
        let told = &told[usize::from(page == Some(true))];
        let own = told_by(unit, |all, episodes| {
            notify(all, episodes, &alert, told, &kept, routing)
        });
        episodes.extend(own);
    }
    in_order(episodes);
}

fn notify(
    all: Vec<Placed>,
    episodes: usize,
    alert: &str,
    told: &BTreeMap<&Labels, Vec<i64>>,
    kept: &BTreeMap<&Labels, Vec<&Suppressed>>,
    routing: &Routing<'_>,
) -> (Vec<Placed>, Vec<usize>) {
    let mut reach: Vec<usize> = (0..episodes).collect();
    let mut found: Vec<Placed> = Vec::new();
    let mut rest = all.into_iter().peekable();
    while let Some(mut one) = rest.next() {
        let next = rest.peek();
        let next = next.filter(|next| next.firing.labels == one.firing.labels);
        let until_ms = next.map_or(i64::MAX, |next| next.firing.start_ms);
        let mut labels = one.firing.labels.clone();
        let name = || alert.to_owned();
        labels.entry("alertname".to_owned()).or_insert_with(name);
        let from_ms = one.firing.start_ms;
        let before = found.last_mut();
        let before = before.filter(|before| before.firing.labels == one.firing.labels);
        let refires = before.as_ref().filter(|before| before.firing.sent);
        let refires = refires.map(|before| Refiring {
            over_ms: before.firing.end_ms,
            at_ms: from_ms,
            margin_ms: routing
                .sent
                .margin_ms(&labels, before.firing.end_ms, from_ms),
        });
        if let (Some(before), true) = (before, routing.sent.is_known_before(&labels, from_ms)) {
            reach[before.place] = reach[before.place].max(one.place);
            before.firing.again.extend(refires);
            before.firing.goes_on_with(one.firing);
            continue;
        }
        let mut times = told.get(&labels).into_iter().flatten();
        let first = times.find(|at_ms| (from_ms..until_ms).contains(*at_ms));
        let flush_ms = routing.sent.flush_at_or_after(&labels, from_ms);
        let firing = &mut one.firing;
        firing.after = refires;
        firing.delivered_ms = first.copied().or(flush_ms).unwrap_or(from_ms);
        firing.cut_off = first.is_some_and(|at_ms| *at_ms > routing.end_ms);
        firing.sent = first.is_some() && !firing.cut_off;
        if first.is_none() {
            let mut own = kept.get(&labels).into_iter().flatten();
            let own = own.find(|kept| kept.from_ms < until_ms && kept.to_ms >= from_ms);
            firing.kept_back = own.map(|kept| kept.why.clone()).or_else(|| {
                let receivers = routing.config.receivers_of(&labels).into_iter();
                let receivers = receivers.map(str::to_owned).collect();
                let is_nobody = routing.config.reach(&labels) == Reach::Nobody;
                is_nobody.then_some(Silence::NoIntegration { receivers })
            });
        }
        found.push(one);
    }
    (found, reach)
}
