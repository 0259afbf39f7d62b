//! The detector: samples in, transitions out, at the times a server would evaluate.

use crate::engine::{Engine, Work};
use crate::expr::Selector;
use crate::intern::LabelsId;
use crate::rules::RuleSet;
use crate::sample::{Labels, Sample, Timestamp};
use crate::transition::Emitted;
use crate::trial::{Trial, Tried};

/// When groups are evaluated.
///
/// A group's slots are `start + phase mod interval + k · interval` for k = 0, 1, 2, … A server's phase depends on a
/// hash of the group's name and path, so that it is as good as random: it is a parameter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The earliest evaluation.
    pub start: Timestamp,
    /// The interval of groups that name none (`global.evaluation_interval`), and the default step of subqueries,
    /// in milliseconds. Values below 1 count as 1.
    pub interval_ms: i64,
    /// How long after `start` the first slot is, in milliseconds, modulo the group's interval.
    pub phase_ms: i64,
}

/// Evaluates rules over the samples it is given.
///
/// Series are fed with [`ingest`](Self::ingest), time is moved on with [`advance`](Self::advance). Memory is bounded
/// by the series' samples within the rules' longest look-back.
///
/// `ALERTS` and `ALERTS_FOR_STATE` are written from the first evaluation on, as by a server that has been running for
/// some time (one that has just started holds them back for two evaluations).
///
/// ```
/// use firedrill_detector::{
///     AlertState, Compat, Detector, Labels, Emitted, RuleFile, RuleSet, Sample, Schedule, Timestamp,
/// };
///
/// let file = RuleFile {
///     name: "alerts.yml".into(),
///     text: "groups: [{ name: g, rules: [{ alert: Down, expr: up == 0, for: 1m }] }]".into(),
/// };
/// let rules = RuleSet::load(&[file], Compat::V3).expect("the file is fine");
/// let schedule = Schedule { start: Timestamp(0), interval_ms: 30_000, phase_ms: 0 };
/// let mut detector = Detector::new(rules, schedule);
///
/// let up = Labels::metric("up", [("job", "mail")]);
/// for (minute, value) in [(0, 1.0), (1, 0.0), (2, 0.0), (3, 1.0)] {
///     detector.ingest(&Sample { labels: up.clone(), at: Timestamp(minute * 60_000), value });
/// }
/// let seen: Vec<_> = detector
///     .advance(Timestamp(180_000))
///     .into_iter()
///     .map(|outcome| match outcome {
///         Emitted::Transition(transition) => (transition.at.0, transition.to),
///         Emitted::Error(error) => panic!("{error}"),
///     })
///     .collect();
/// assert_eq!(
///     seen,
///     [(60_000, AlertState::Pending), (120_000, AlertState::Firing), (180_000, AlertState::Inactive)]
/// );
/// ```
#[derive(Debug, Clone)]
pub struct Detector {
    engine: Engine,
    /// Next slot and interval of each group, in milliseconds.
    slots: Vec<(i64, i64)>,
}

/// A series of one [`Detector`], so that a feeder need not name it again with every sample.
///
/// It stays valid for the detector's life and for that of its clones; another detector takes it for some other series,
/// or panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeriesRef(LabelsId);

/// A rule whose selectors have not matched a single series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleWithoutData {
    /// The rule group.
    pub group: String,
    /// The alert's name, or the recorded metric's.
    pub rule: String,
    /// The rule's selectors.
    pub selectors: Vec<String>,
}

impl Detector {
    /// A detector that has seen no samples yet.
    #[must_use]
    pub fn new(rules: RuleSet, schedule: Schedule) -> Self {
        let default_ms = schedule.interval_ms.max(1);
        let engine = Engine::new(rules, default_ms);
        let slots = engine.groups.iter().map(|group| {
            let interval_ms = group.interval_ms.unwrap_or(default_ms).max(1);
            let phase_ms = schedule.phase_ms.rem_euclid(interval_ms);
            (schedule.start.plus_millis(phase_ms).0, interval_ms)
        });
        Self {
            slots: slots.collect(),
            engine,
        }
    }

    /// A detector that tries alerts with several settings. They report nothing while it runs; what became of them is asked
    /// for at the end, with [`into_tried`](Self::into_tried). All other rules are evaluated as always.
    ///
    /// The trials must have been made from these rules.
    #[must_use]
    pub fn trying(rules: RuleSet, schedule: Schedule, trials: &[Trial]) -> Self {
        let mut detector = Self::new(rules, schedule);
        for trial in trials {
            detector.engine.watch(trial);
        }
        detector
    }

    /// What became of the trials, in the order of their alerts.
    #[must_use]
    pub fn into_tried(self) -> Vec<Tried> {
        self.engine.into_tried()
    }

    /// Adds a sample. As in Prometheus, one that is not newer than its series' newest sample is dropped.
    ///
    /// Samples of a time must be in before [`advance`](Self::advance) passes that time.
    pub fn ingest(&mut self, sample: &Sample) {
        self.engine
            .ingest(&sample.labels, sample.at.0, sample.value);
    }

    /// A reference to the series with these labels, for [`append`](Self::append). The series itself begins with its
    /// first sample.
    pub fn series(&mut self, labels: &Labels) -> SeriesRef {
        SeriesRef(self.engine.interner.id(labels))
    }

    /// Adds a sample as [`ingest`](Self::ingest) does, without looking for its series.
    pub fn append(&mut self, series: SeriesRef, at: Timestamp, value: f64) {
        self.engine.append(series.0, at.0, value);
    }

    /// Runs every evaluation slot up to and including `to`, in order of time, then of groups.
    pub fn advance(&mut self, to: Timestamp) -> Vec<Emitted> {
        let mut outcomes = Vec::new();
        while let Some((at_ms, group)) = self.next_slot(to.0) {
            self.engine.evaluate_group(group, at_ms, &mut outcomes);
            let (next_ms, interval_ms) = &mut self.slots[group];
            *next_ms = next_ms.saturating_add(*interval_ms);
            self.engine.trim(at_ms);
        }
        outcomes
    }

    /// Leaves out every evaluation slot up to and including `to`, as a server does that was too busy, or not there, and says
    /// how many those are. Later slots stay where they are.
    ///
    /// [`advance`](Self::advance) never misses a slot: it is a server that keeps up. One whose evaluation takes longer than
    /// the group's interval counts the slots that went by meanwhile as missed and goes on with the next one; a `for` that
    /// has begun goes on through the gap, and series that stopped in it get their markers at the next evaluation (Prometheus,
    /// rules/group.go, Group.run).
    pub fn skip(&mut self, to: Timestamp) -> u64 {
        let mut missed = 0;
        for (next_ms, interval_ms) in &mut self.slots {
            if *next_ms > to.0 {
                continue;
            }
            let slots = to.0.abs_diff(*next_ms) / interval_ms.unsigned_abs().max(1) + 1;
            let length_ms = i64::try_from(slots).unwrap_or(i64::MAX);
            *next_ms = next_ms.saturating_add(length_ms.saturating_mul(*interval_ms));
            missed += slots;
        }
        missed
    }

    /// When each group is evaluated next, in the order of files and groups.
    pub fn next_evaluations(&self) -> impl Iterator<Item = Timestamp> {
        self.slots.iter().map(|(at_ms, _)| Timestamp(*at_ms))
    }

    pub(crate) fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    fn next_slot(&self, to_ms: i64) -> Option<(i64, usize)> {
        let slots = self.slots.iter().enumerate();
        let next = slots.map(|(group, (at_ms, _))| (*at_ms, group)).min()?;
        // A saturated slot would repeat for ever.
        (next.0 <= to_ms && next.0 < i64::MAX).then_some(next)
    }

    /// The rules none of whose selectors has matched a series so far: usually a metric that is not exported, or a
    /// label with another value. Rules without selectors are not listed.
    #[must_use]
    pub fn never_had_data(&self) -> Vec<RuleWithoutData> {
        let mut found = Vec::new();
        for group in &self.engine.groups {
            for rule in &group.rules {
                let mut selectors = Vec::new();
                let mut matched = false;
                let mut note = |selector: &Selector| {
                    matched |= selector.found.ever;
                    selectors.push(selector.text.clone());
                };
                let shared = &self.engine.shared;
                if let Work::Trial(watched) = &rule.work {
                    watched.each_selector(shared, &mut note);
                }
                rule.expr.each_selector(shared, &mut note);
                if !matched && !selectors.is_empty() {
                    let name = match &rule.work {
                        Work::Alert(alerts) => alerts.name(),
                        Work::Trial(watched) => watched.name(),
                        Work::Record { name, .. } => name,
                    };
                    found.push(RuleWithoutData {
                        group: group.name.clone(),
                        rule: name.to_owned(),
                        selectors,
                    });
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::Compat;
    use crate::rules::RuleFile;
    use crate::transition::AlertState;

    #[test]
    fn missed_slots_keep_the_grid_and_what_has_begun() {
        let file = RuleFile {
            name: "r.yml".into(),
            text: "groups: [{ name: g, rules: [{ alert: A, expr: m > 0, for: 5m }] }]".into(),
        };
        let rules = RuleSet::load(&[file], Compat::V3).unwrap();
        let schedule = Schedule {
            start: Timestamp(0),
            interval_ms: 60_000,
            phase_ms: 10_000,
        };
        let mut detector = Detector::new(rules, schedule);
        for minute in 0..20 {
            detector.ingest(&Sample {
                labels: Labels::metric("m", []),
                at: Timestamp(minute * 60_000),
                value: 1.0,
            });
        }
        assert_eq!(detector.skip(Timestamp(9_999)), 0);
        assert_eq!(detector.advance(Timestamp(70_000)).len(), 1);
        // The slots at 130, 190, ... 430 s are missed; that at 490 s is the next.
        assert_eq!(detector.skip(Timestamp(489_999)), 6);
        let outcomes = detector.advance(Timestamp(600_000));
        let [Emitted::Transition(fired)] = outcomes.as_slice() else {
            panic!("{outcomes:?}");
        };
        assert_eq!(
            (fired.at, fired.to),
            (Timestamp(490_000), AlertState::Firing)
        );
        detector.skip(Timestamp(i64::MAX));
        assert_eq!(detector.advance(Timestamp(i64::MAX)), []);
    }
}
