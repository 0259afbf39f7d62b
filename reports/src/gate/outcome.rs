//! What gates come to.

use super::{Gate, Known, Of, Target};
use crate::compare::{Change, Comparison, Row};
use crate::figures::metric::ALERT;
use crate::figures::{DrillFigures, Failing, Results, Sum, Totals};
use firedrill_detector::yaml::Position;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// Takes figures of drills in, and judges them in the end.
#[derive(Debug, Clone, Default)]
pub struct Judge {
    asked: Vec<Asked>,
    failings: BTreeMap<Failing, u64>,
    scenarios: BTreeMap<String, Scenario>,
    totals: Totals,
}

/// The drills of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scenario {
    /// How many.
    pub drills: u64,
    /// Of these: how many prove nothing.
    pub inconclusive: u64,
    /// Causes of its incidents that were judged.
    pub causes: BTreeSet<String>,
    /// Alerts that were judged.
    pub alerts: BTreeSet<String>,
}

/// A gate, and what has come in for it.
#[derive(Debug, Clone)]
struct Asked {
    gate: Gate,
    place: Option<(String, Position)>,
    /// It stands in this scenario, and is about its drills alone.
    scenario: Option<String>,
    found: Found,
}

/// The figures that a gate is about.
#[derive(Debug, Clone, Default)]
struct Found {
    sum: Sum,
    /// Drills that may have some.
    conclusive: u64,
    /// The same, had they proven anything.
    inconclusive: u64,
}

/// A gate that was judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The gate.
    pub gate: Gate,
    /// The file in which it stands, and where; `None`: in a record.
    pub place: Option<(String, Position)>,
    /// The scenario about whose drills alone it is.
    pub scenario: Option<String>,
    /// What the figure came to; infinite: it never came; `None`: there is no such figure.
    pub value: Option<f64>,
    /// What it was compared with; `None`: the baseline has no such figure.
    pub target: Option<f64>,
    /// What it came to.
    pub status: Status,
    /// The known failure that it is, by its place in [`Gated::known`].
    pub known: Option<usize>,
}

/// What a gate came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// There is nothing to judge, or nothing to compare it with: it has failed.
    NoData,
    /// All drills that it is about prove nothing.
    Unproven,
}

/// A known failure, and whether it was one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excuse {
    /// The failure.
    pub known: Known,
    /// The file that says so.
    pub file: String,
    /// Its last day is over.
    pub expired: bool,
    /// There was such a failure.
    pub used: bool,
    /// There were drills in which there could have been one.
    pub judged: bool,
}

/// What gates, and what else fails drills, came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Gated {
    /// The gates, in the order they stand.
    pub checks: Vec<Check>,
    /// What fails drills, in how many, and the known failure that it is.
    pub failings: Vec<(Failing, u64, Option<usize>)>,
    /// Failures that are known.
    pub known: Vec<Excuse>,
    /// The drills, by scenario.
    pub scenarios: BTreeMap<String, Scenario>,
    /// What all drills came to.
    pub totals: Totals,
    /// How it is beside a baseline, if one was given.
    pub comparison: Option<Comparison>,
    /// Missed incidents and false pages fail nothing (`--no-gate`).
    pub excused: bool,
}

impl Judge {
    /// Adds a gate; `place`: the file in which it stands; `scenario`: whose drills alone it is about.
    pub fn ask(&mut self, gate: Gate, place: Option<(String, Position)>, scenario: Option<&str>) {
        let scenario = scenario.map(str::to_owned);
        let is_known =
            |asked: &Asked| asked.gate == gate && asked.scenario == scenario && scenario.is_some();
        // Each drill of a scenario says the same.
        if !self.asked.iter().any(is_known) {
            self.asked.push(Asked {
                gate,
                place,
                scenario,
                found: Found::default(),
            });
        }
    }

    /// The first gate that needs a baseline.
    #[must_use]
    pub fn first_with_baseline(&self) -> Option<(&Gate, Option<&(String, Position)>)> {
        let mut asked = self.asked.iter();
        let found = asked.find(|asked| asked.gate.needs_baseline())?;
        Some((&found.gate, found.place.as_ref()))
    }

    /// Takes a drill in.
    pub fn add(&mut self, drill: &DrillFigures) {
        let scenario = self.scenarios.entry(drill.scenario.clone()).or_default();
        scenario.drills += 1;
        scenario.inconclusive += u64::from(!drill.conclusive);
        for (label, names) in [
            ("cause", &mut scenario.causes),
            (ALERT, &mut scenario.alerts),
        ] {
            let found = drill.points.iter();
            let found = found.filter_map(|point| point.labels.get(label));
            for name in found {
                if !names.contains(name) {
                    names.insert(name.clone());
                }
            }
        }
        self.totals.add(drill);
        for failing in &drill.failings {
            *self.failings.entry(failing.clone()).or_default() += 1;
        }
        self.asked.iter_mut().for_each(|asked| asked.add(drill));
    }

    /// Whether there were drills that could have had such a failure.
    fn could_have(&self, known: &Known) -> bool {
        let meant = self.scenarios.iter().filter(|(name, _)| {
            known
                .scenario
                .as_ref()
                .is_none_or(|scenario| scenario == *name)
        });
        let mut meant = meant.map(|(_, scenario)| scenario);
        match &known.of {
            Of::Gate(_) => true,
            Of::Alert(alert) => meant.any(|scenario| scenario.alerts.contains(alert)),
            Of::Cause(cause) => meant.any(|scenario| scenario.causes.contains(cause)),
        }
    }

    /// Something that fails all of it, not a single drill.
    pub fn fail(&mut self, failing: Failing) {
        *self.failings.entry(failing).or_default() += 1;
    }

    /// What it comes to: `baseline` are drills of the same scenarios, `today` is the day by which known failures are.
    #[must_use]
    pub fn judge(
        self,
        known: &[(String, Known)],
        baseline: Option<(&Results, Comparison)>,
        today: Date,
    ) -> Gated {
        let mut excuses: Vec<Excuse> = known
            .iter()
            .map(|(file, known)| Excuse {
                expired: today > known.until,
                known: known.clone(),
                file: file.clone(),
                used: false,
                judged: self.could_have(known),
            })
            .collect();
        let mut excuse = |is_it: &dyn Fn(&Known) -> bool| {
            let mut found = None;
            let fitting = excuses.iter_mut().enumerate();
            for (index, excuse) in fitting.filter(|(_, excuse)| is_it(&excuse.known)) {
                excuse.used = true;
                // Of several, one whose day has not come.
                if found.is_none() || !excuse.expired {
                    found = Some(index);
                }
            }
            found
        };
        let base = baseline.as_ref().map(|(results, _)| *results);
        let checks = self.asked.into_iter().map(|asked| {
            let mut check = asked.judge(base);
            if check.status == Status::Failed || check.status == Status::NoData {
                let written = check.gate.to_string();
                check.known =
                    excuse(&|known| matches!(&known.of, Of::Gate(gate) if *gate == written));
            }
            check
        });
        let checks: Vec<Check> = checks.collect();
        let failings = self.failings.into_iter().map(|(failing, count)| {
            let known = excuse(&|known| known.is(&failing));
            (failing, count, known)
        });
        let failings = failings.collect();
        Gated {
            checks,
            failings,
            known: excuses,
            scenarios: self.scenarios,
            totals: self.totals,
            comparison: baseline.map(|(_, comparison)| comparison),
            excused: false,
        }
    }
}

impl Asked {
    fn add(&mut self, drill: &DrillFigures) {
        if self
            .scenario
            .as_ref()
            .is_some_and(|own| *own != drill.scenario)
        {
            return;
        }
        if !self.gate.covers(&drill.scenario) {
            return;
        }
        match drill.conclusive {
            true => self.found.conclusive += 1,
            false => self.found.inconclusive += 1,
        }
        let meant = drill.points.iter();
        for point in meant.filter(|point| self.gate.is_about(&drill.scenario, point)) {
            self.found.sum.add(drill.seed, &point.amount);
        }
    }

    fn judge(self, baseline: Option<&Results>) -> Check {
        let value = self.found.sum.get(self.gate.aggregation);
        let target = match self.gate.target {
            Target::Number(number) => Some(number),
            Target::Baseline { times, plus } => baseline.and_then(|results| {
                let mut base = Self {
                    found: Found::default(),
                    ..self.clone()
                };
                results.drills.iter().for_each(|drill| base.add(drill));
                let value = base.found.sum.get(self.gate.aggregation)?;
                Some(value * times + plus)
            }),
        };
        let status = match (value, target) {
            (Some(value), Some(target)) if self.gate.op.holds(value, target) => Status::Passed,
            (Some(_), Some(_)) => Status::Failed,
            (None, _) if self.found.conclusive == 0 && self.found.inconclusive > 0 => {
                Status::Unproven
            }
            _ => Status::NoData,
        };
        Check {
            value,
            target,
            status,
            known: None,
            gate: self.gate,
            place: self.place,
            scenario: self.scenario,
        }
    }
}

impl Gated {
    /// Whether a failure is known, and its day has not come.
    #[must_use]
    pub fn is_excused(&self, known: Option<usize>) -> bool {
        known
            .and_then(|index| self.known.get(index))
            .is_some_and(|excuse| !excuse.expired)
    }

    /// Gates that fail.
    pub fn failed_checks(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| {
            matches!(check.status, Status::Failed | Status::NoData) && !self.is_excused(check.known)
        })
    }

    /// What fails drills and is not known.
    pub fn unknown_failings(&self) -> impl Iterator<Item = &(Failing, u64, Option<usize>)> {
        let all = self.failings.iter();
        all.filter(|(_, _, known)| !self.excused && !self.is_excused(*known))
    }

    /// Figures that are worse than those of the baseline.
    pub fn worse(&self) -> impl Iterator<Item = &Row> {
        let comparison = self.comparison.iter();
        comparison.flat_map(|comparison| comparison.changed(Change::Worse))
    }

    /// Whether all of it passes; `None`: that cannot be told.
    #[must_use]
    pub fn passes(&self) -> Option<bool> {
        let compared = self.comparison.as_ref();
        let compared = compared.map_or(Some(true), Comparison::passes);
        if self.failed_checks().next().is_some()
            || self.unknown_failings().next().is_some()
            || compared == Some(false)
        {
            return Some(false);
        }
        let unproven = self
            .checks
            .iter()
            .any(|check| check.status == Status::Unproven);
        let is_open = unproven || self.inconclusive() > 0 || compared.is_none();
        (!is_open).then_some(true)
    }

    /// How many drills prove nothing.
    #[must_use]
    pub fn inconclusive(&self) -> u64 {
        self.scenarios
            .values()
            .map(|scenario| scenario.inconclusive)
            .sum()
    }

    /// Known failures that there were not.
    pub fn gone(&self) -> impl Iterator<Item = &Excuse> {
        let known = self.known.iter();
        known.filter(|excuse| excuse.judged && !excuse.used)
    }

    /// Known failures that name what was in no drill: an alert, a cause or a scenario.
    pub fn unmatched(&self) -> impl Iterator<Item = &Excuse> {
        let known = self.known.iter();
        known.filter(|excuse| !excuse.judged && !excuse.used)
    }

    /// Whether anything was asked for beyond what always fails a drill.
    #[must_use]
    pub fn is_asked_for(&self) -> bool {
        !self.checks.is_empty() || !self.known.is_empty() || self.comparison.is_some()
    }
}

#[cfg(test)]
mod tests;
