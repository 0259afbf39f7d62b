//! Many drills of the same scenarios under different seeds, put together: how sure is what one drill shows?
//!
//! [`Trials`] takes scored drills one by one and keeps the little it needs of each, so that thousands fit. [`Trials::card`]
//! makes a [`TrialCard`] of them: per scenario and incident, per alert, and per cause. Drills may come in any order and in
//! several [`Trials`] that are merged later; the card is the same.
//!
//! A miss is a latency later than any other, false alarms are counted per week of quiet time, shares come from sums, and
//! inconclusive drills are counted but have no part in anything else.

mod bootstrap;
mod card;
mod estimate;
mod row;

pub use card::{
    AlertOn, AlertTrials, CauseTrials, Detections, IncidentTrials, ScenarioTrials, TrialCard,
};
pub(crate) use estimate::Tally;
pub use estimate::{Estimate, Method, Rate};

use crate::waits::Waits;
use crate::{DrillScore, Verdict};
use row::Row;
pub(crate) use row::is_false_in_quiet;
use std::collections::BTreeMap;

/// What is kept of many drills.
#[derive(Debug, Clone, Default)]
pub struct Trials {
    scenarios: BTreeMap<String, Scenario>,
}

/// What is kept of the drills of one scenario.
#[derive(Debug, Clone, Default)]
struct Scenario {
    /// Family and summary. Where they differ the first in the alphabet, so that the order of the drills does not matter.
    about: Option<(String, String)>,
    /// The conclusive drills.
    rows: Vec<Row>,
    inconclusive: u64,
    /// Why drills were inconclusive, and how many for that reason.
    doubts: BTreeMap<String, u64>,
    /// By queue.
    waits: BTreeMap<String, Waits>,
}

impl Trials {
    /// No drills yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a drill.
    pub fn add(&mut self, drill: &DrillScore) {
        let scenario = self.scenarios.entry(drill.scenario.clone()).or_default();
        scenario.describe((drill.family.clone(), drill.summary.clone()));
        if drill.verdict == Verdict::Inconclusive {
            scenario.inconclusive += 1;
            for why in &drill.inconclusive {
                *scenario.doubts.entry(why.clone()).or_default() += 1;
            }
            return;
        }
        scenario.rows.push(Row::new(drill));
        for queue in &drill.waits {
            scenario.wait(&queue.queue, &queue.counts);
        }
    }

    /// Adds the drills of other trials.
    pub fn merge(&mut self, other: Self) {
        for (name, theirs) in other.scenarios {
            let scenario = self.scenarios.entry(name).or_default();
            if let Some(about) = theirs.about {
                scenario.describe(about);
            }
            scenario.rows.extend(theirs.rows);
            scenario.inconclusive += theirs.inconclusive;
            for (why, count) in theirs.doubts {
                *scenario.doubts.entry(why).or_default() += count;
            }
            for (queue, waits) in &theirs.waits {
                scenario.wait(queue, waits);
            }
        }
    }

    /// What all drills came to.
    #[must_use]
    pub fn card(&self) -> TrialCard {
        card::card(self)
    }
}

impl Scenario {
    fn describe(&mut self, about: (String, String)) {
        self.about = Some(match self.about.take() {
            Some(known) => known.min(about),
            None => about,
        });
    }

    fn wait(&mut self, queue: &str, waits: &Waits) {
        match self.waits.get_mut(queue) {
            Some(known) => known.merge(waits),
            None => {
                self.waits.insert(queue.to_owned(), waits.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
