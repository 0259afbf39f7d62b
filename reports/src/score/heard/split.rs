//! Where the time went from a fault until somebody was told. What nobody can know is left out, not guessed.

use super::{Life, is_like};
use crate::jsonl::Record;
use crate::record::{Header, Line};
use crate::watcher::Watcher;
use firedrill_detector::RuleSet;
use firedrill_detector::query::Query;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Parts of the time from a fault to the word of it, milliseconds. Together they are all of it, if all are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// All of it.
    pub total_ms: i64,
    /// Until the last scrape before the one whose samples show it.
    pub signal_ms: Option<i64>,
    /// From then to that scrape: so long at most it waited to be scraped.
    pub scrape_ms: Option<i64>,
    /// From then until an evaluation found the condition to hold.
    pub evaluation_ms: Option<i64>,
    /// The three together, where they cannot be told apart.
    pub together_ms: Option<i64>,
    /// From then until the alert fired.
    pub for_ms: Option<i64>,
    /// From then until somebody was told.
    pub delivery_ms: Option<i64>,
    /// Whether nobody saw the delivery: the total has what it would take by `group_wait` or the Alertmanager file.
    pub is_delivery_modelled: bool,
}

impl Split {
    /// The parts in order, with their names.
    #[must_use]
    pub const fn parts(&self) -> [(&'static str, Option<i64>); 5] {
        [
            ("signal", self.signal_ms),
            ("scrape", self.scrape_ms),
            ("evaluation", self.evaluation_ms),
            ("for", self.for_ms),
            ("delivery", self.delivery_ms),
        ]
    }

    /// Of an incident whose fault was at `fault_ms`, by the life that told of it at `told_ms`.
    pub(in crate::score) fn new(
        (fault_ms, told_ms): (i64, i64),
        life: &Life<'_>,
        is_delivered: bool,
        shown: Option<Shown>,
    ) -> Self {
        let active_ms = life.active_ms.filter(|at_ms| *at_ms >= fault_ms);
        let fired_ms = life.is_start_told.then_some(life.start_ms);
        // Samples of ours that came after another's do not tell what those showed.
        let shown = shown.filter(|shown| active_ms.is_none_or(|at_ms| shown.at_ms <= at_ms));
        let between = |from: Option<i64>, to: Option<i64>| match (from, to) {
            (Some(from), Some(to)) if from <= to => Some(to - from),
            _ => None,
        };
        let hidden_ms = shown.map(|shown| shown.hidden_ms.clamp(fault_ms, shown.at_ms));
        let shown_ms = shown.map(|shown| shown.at_ms);
        let evaluation_ms = between(shown_ms, active_ms);
        let together_ms = between(Some(fault_ms), active_ms);
        Self {
            total_ms: told_ms - fault_ms,
            signal_ms: between(Some(fault_ms), hidden_ms),
            scrape_ms: between(hidden_ms, shown_ms),
            evaluation_ms,
            together_ms: together_ms.filter(|_| evaluation_ms.is_none()),
            for_ms: between(active_ms, fired_ms),
            delivery_ms: between(fired_ms, Some(told_ms)).filter(|_| is_delivered),
            is_delivery_modelled: !is_delivered,
        }
    }
}

/// The first scrape after a fault whose samples make an alert's condition hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::score) struct Shown {
    /// The scrape before it of the same target.
    hidden_ms: i64,
    at_ms: i64,
}

/// Asks for the condition of an alert after each scrape from a fault on, by our own samples.
pub(in crate::score) fn shown(
    (record, rules): (&Record, &RuleSet),
    life: &Life<'_>,
    (fault_ms, until_ms): (i64, i64),
) -> Option<Shown> {
    let header = &record.header;
    let queries: Vec<(Query, i64)> = queries(header, rules, life.told.alert());
    let mut watcher = Watcher::new(rules.clone(), header);
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    // The scrapes of one moment, and when their targets were scraped before.
    let mut moment: Option<(i64, i64)> = None;
    let mut held_before = false;
    for line in &record.lines {
        let Line::Scrape { at_ms, target, .. } = line else {
            watcher.line(line);
            continue;
        };
        if let Some((then_ms, hidden_ms)) = moment.filter(|(then_ms, _)| then_ms < at_ms) {
            watcher.advance(then_ms);
            let holds = queries.iter().any(|(query, offset_ms)| {
                let found = watcher.query(query, then_ms - offset_ms);
                let found = found.unwrap_or_default().into_iter();
                found.into_iter().any(|(labels, _)| {
                    let pairs = labels.iter().filter(|(name, _)| *name != "__name__");
                    let mut labels: BTreeMap<String, String> =
                        pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
                    labels.insert("alertname".to_owned(), life.told.alert().to_owned());
                    is_like(&labels, life.labels)
                })
            });
            match holds {
                // What held before the fault is not its sign.
                true if then_ms < fault_ms => held_before = true,
                true if !held_before => {
                    return Some(Shown {
                        hidden_ms,
                        at_ms: then_ms,
                    });
                }
                true => {}
                false => held_before = false,
            }
            moment = None;
        }
        if *at_ms > until_ms {
            return None;
        }
        let before_ms = last.insert(target, *at_ms).unwrap_or(0);
        let hidden_ms = moment.map_or(before_ms, |(_, hidden_ms)| hidden_ms.max(before_ms));
        // One moment before the fault is enough to know what held then.
        let is_near = *at_ms + 2 * header.scrape_interval_ms >= fault_ms;
        moment = is_near.then_some((*at_ms, hidden_ms));
        watcher.line(line);
    }
    None
}

/// The expressions of the rules of that name, and by how much each looks back.
fn queries(header: &Header, rules: &RuleSet, alert: &str) -> Vec<(Query, i64)> {
    let anatomies = rules.anatomies().into_iter();
    let own = anatomies.filter(|rule| rule.is_alert && rule.name == alert);
    let compat = header.reading.compat.into();
    own.filter_map(|rule| {
        let query = Query::parse(&rule.expr, compat).ok()?;
        Some((query, rule.query_offset_ms))
    })
    .collect()
}
