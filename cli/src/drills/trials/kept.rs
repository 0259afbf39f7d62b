//! What is kept of many drills.

use firedrill_reports::trials::Trials;
use firedrill_reports::{DrillScore, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// What many drills come to; of each only a little is kept.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) trials: Trials,
    pub(super) drills: usize,
    /// Scenario and seed of the first drill that did not pass.
    pub(super) first_other: Option<(String, u64)>,
    /// Alerts, and whether any had data or needs none.
    alerts: BTreeMap<String, bool>,
    /// Whether any alert had data in any drill.
    any_data: bool,
    /// Alerts that fired in any drill.
    pub(super) fired: BTreeSet<String>,
    /// Whether any drill proves something.
    pub(super) any_proves: bool,
}

impl Kept {
    pub(super) fn add(&mut self, score: &DrillScore) {
        self.trials.add(score);
        self.drills += 1;
        self.any_proves |= score.verdict != Verdict::Inconclusive;
        if score.verdict != Verdict::Passed && self.first_other.is_none() {
            self.first_other = Some((score.scenario.clone(), score.seed));
        }
        for alert in &score.alerts {
            let fine = !alert.no_data || alert.no_data_ok;
            self.any_data |= !alert.no_data;
            if !alert.episodes.is_empty() && !self.fired.contains(&alert.alert) {
                self.fired.insert(alert.alert.clone());
            }
            match self.alerts.get_mut(&alert.alert) {
                Some(known) => *known |= fine,
                None => {
                    self.alerts.insert(alert.alert.clone(), fine);
                }
            }
        }
    }

    /// Alerts that had no data in any of the drills, though others had, and though their pack does not say that they may.
    pub(super) fn dead(&self) -> Vec<String> {
        let dead = self
            .alerts
            .iter()
            .filter(|(_, fine)| self.any_proves && self.any_data && !**fine);
        dead.map(|(name, _)| name.clone()).collect()
    }
}
