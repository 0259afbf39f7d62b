//! Alerts that inhibit others, and begin or end about when a group of those is notified.
//!
//! While an inhibitor fires, its targets are not sent. Where the lag of the harness reaches from its beginning or its end to a
//! notification of a target's group, on either side, whether the target is sent then is chance. It counts where the verdict
//! would be another: the drill is judged again with that one moment on the other side of the notification.

use super::flushes::reach;
use crate::alertmanager::{Config, Labels, Sent};
use crate::jsonl::Record;
use crate::record::{AlertState, Lag, Transition};
use std::collections::{BTreeMap, BTreeSet};

/// What the verdict rests on: whether each incident was told of in time, and whether anything cried wolf.
pub(in crate::score) type Ends = (Vec<bool>, bool);

/// What an Alertmanager made of a drill, and what comes of it.
pub(in crate::score) struct Routed<'r> {
    pub(in crate::score) config: &'r Config,
    pub(in crate::score) sent: &'r Sent,
    /// In order of time.
    pub(in crate::score) transitions: &'r [Transition],
    /// What it came to.
    pub(in crate::score) ends: Ends,
    /// What other transitions would come to.
    pub(in crate::score) judge: &'r dyn Fn(&[Transition]) -> Ends,
}

/// A beginning or an end of an inhibitor's firing.
struct Edge {
    /// Which of the transitions.
    place: usize,
    at_ms: i64,
    labels: Labels,
    /// Since when its condition held.
    pending_ms: i64,
    /// After the one before of the same alert, and until the next.
    within_ms: (i64, i64),
}

/// What the lag puts in doubt; each pair of alerts once.
pub(in crate::score) fn doubts(record: &Record, routed: &Routed<'_>) -> Vec<String> {
    let Some(lag) = record.lag() else {
        return Vec::new();
    };
    let lag = &super::with_missing_scrapes(record, lag);
    let all: BTreeSet<Labels> = routed.transitions.iter().map(labels_of).collect();
    let mut tried = BTreeSet::new();
    let mut why = BTreeMap::new();
    for edge in edges(routed) {
        for target in all
            .iter()
            .filter(|to| routed.config.inhibits(&edge.labels, to))
        {
            for (other_ms, flush_ms) in sides(record, lag, &edge, routed.sent, target) {
                if tried.insert((edge.place, other_ms))
                    && routed.moved(&edge, other_ms) != routed.ends
                {
                    let names = [&edge.labels, target].map(|labels| name(labels).to_owned());
                    let lag_s = (edge.at_ms - other_ms).abs() as f64 / 1e3;
                    let told = format!(
                        "{} inhibits {}, and began or ended {lag_s:.1} s from its notification in minute {:.1}, within the \
                         harness' lag: whether that is sent is chance, and decides the verdict; try a lower --speed",
                        names[0],
                        names[1],
                        flush_ms as f64 / 6e4
                    );
                    why.entry(names).or_insert(told);
                }
            }
        }
    }
    why.into_values().collect()
}

/// Moments within the lag at which an edge would be on the other side of a notification of the target's group, each with
/// that notification.
fn sides(record: &Record, lag: &Lag, edge: &Edge, sent: &Sent, target: &Labels) -> Vec<(i64, i64)> {
    let around = sent.flushes_around(target, edge.at_ms, lag_bound(record, lag, edge));
    // What comes at the moment of a flush comes before it.
    let moved = around.into_iter().flat_map(|(before, after_ms)| {
        let earlier = before.map(|flush_ms| (flush_ms, flush_ms));
        earlier.into_iter().chain([(after_ms + 1, after_ms)])
    });
    let is_within = |(other_ms, flush_ms): &(i64, i64)| {
        let span = (edge.pending_ms, edge.at_ms.max(*flush_ms));
        (edge.at_ms - other_ms).abs() <= reach(record, lag, span)
            && (edge.within_ms.0..edge.within_ms.1).contains(other_ms)
    };
    moved.filter(is_within).collect()
}

/// How far any lag reaches beyond an edge.
fn lag_bound(record: &Record, lag: &Lag, edge: &Edge) -> i64 {
    reach(record, lag, (edge.pending_ms, edge.at_ms))
}

/// The edges of all alerts that may inhibit.
fn edges(routed: &Routed<'_>) -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    // By labels: since when it is pending, and its last edge.
    let mut known: BTreeMap<Labels, (i64, Option<usize>)> = BTreeMap::new();
    for (place, transition) in routed.transitions.iter().enumerate() {
        let labels = labels_of(transition);
        if !routed.config.may_inhibit(&labels) {
            continue;
        }
        let at_ms = transition.at_ms;
        let (pending_ms, last) = known.entry(labels.clone()).or_insert((at_ms, None));
        if transition.from == AlertState::Inactive {
            *pending_ms = at_ms;
        }
        if (transition.from == AlertState::Firing) == (transition.to == AlertState::Firing) {
            continue;
        }
        let after_ms = last.map_or(0, |last: usize| {
            edges[last].within_ms.1 = at_ms;
            edges[last].at_ms + 1
        });
        *last = Some(edges.len());
        edges.push(Edge {
            place,
            at_ms,
            labels,
            pending_ms: *pending_ms,
            within_ms: (after_ms, i64::MAX),
        });
    }
    edges
}

impl Routed<'_> {
    /// What it would have come to with an edge at another time.
    fn moved(&self, edge: &Edge, at_ms: i64) -> Ends {
        let mut transitions = self.transitions.to_vec();
        transitions[edge.place].at_ms = at_ms;
        transitions.sort_by_key(|transition| transition.at_ms);
        (self.judge)(&transitions)
    }
}

/// As Alertmanager sees it.
fn labels_of(transition: &Transition) -> Labels {
    let mut labels = transition.labels.clone();
    let name = || transition.alert.clone();
    labels.entry("alertname".to_owned()).or_insert_with(name);
    labels
}

fn name(labels: &Labels) -> &str {
    labels.get("alertname").map_or("", String::as_str)
}
