//! A varied alert: what is tried of it, and which of that each setting of the grid asks for.

use super::{Axis, Grid, TuneError};
use firedrill_detector::RuleSet;
use firedrill_detector::tuning::{Field, Holds, Presence, SettingValue, Step, Trial, Tried};
use std::collections::BTreeMap;

/// An alert some of whose settings are varied, with the other rules of its name, which make episodes together with it.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) alert: String,
    /// Position among all alerts, and what is tried: everything of the varied rule, the others as they are.
    pub(super) trials: Vec<(usize, Trial)>,
    /// Which of them is varied.
    pub(super) varied: usize,
    /// How many sets of thresholds are tried, the current one included.
    pub(super) variants: usize,
    /// `for` and `keep_firing_for` that are tried, the current ones last.
    pub(super) holds: Vec<Holds>,
    /// By setting of the grid: which set of thresholds and which holds. The rule as it stands comes last.
    pub(super) cells: Vec<(usize, usize)>,
}

impl Unit {
    /// Which of its courses a setting of the grid asks for: by set of thresholds, then holds.
    pub(super) fn course(&self, setting: usize) -> usize {
        let (variant, holds) = self.cells[setting];
        variant * self.holds.len() + holds
    }

    /// What the rules do under every set of thresholds and holds, which `take` is handed one by one: the steps of each, in
    /// order of time, and with whose they are. Returns the most evaluations that failed in any.
    pub(super) fn courses<'t>(
        &self,
        tried: &'t BTreeMap<usize, Tried>,
        mut take: impl FnMut(Vec<(&'t Tried, Step)>),
    ) -> usize {
        let mut errors = 0;
        let rules: Vec<(&Tried, &Trial)> = self
            .trials
            .iter()
            .filter_map(|(position, trial)| Some((tried.get(position)?, trial)))
            .collect();
        // The other rules of the name do the same whatever the setting is.
        let fixed: Vec<Option<Presence<'_>>> =
            rules.iter().map(|(tried, _)| tried.presence(0)).collect();
        for variant in 0..self.variants {
            let Some(presence) = rules
                .get(self.varied)
                .and_then(|(tried, _)| tried.presence(variant))
            else {
                continue;
            };
            errors = presence.errors().len().max(errors);
            for holds in &self.holds {
                let mut steps: Vec<(&Tried, Step)> = Vec::new();
                for (index, (tried, trial)) in rules.iter().enumerate() {
                    let (presence, holds) = match &fixed[index] {
                        Some(own) if index != self.varied => (own, trial.holds()),
                        _ => (&presence, *holds),
                    };
                    let own = presence.steps(holds).into_iter();
                    steps.extend(own.map(|step| (*tried, step)));
                }
                if rules.len() > 1 {
                    // Stable: at one time, rules go in their order.
                    steps.sort_by_key(|(_, step)| step.at);
                }
                take(steps);
            }
        }
        errors
    }

    /// The varied alerts in the order of the rules.
    pub(super) fn all(rules: &RuleSet, grid: &Grid) -> Result<Vec<Self>, TuneError> {
        let mut varied: Vec<usize> = grid.axes().iter().map(|axis| axis.setting.rule).collect();
        varied.sort_unstable();
        varied.dedup();
        let mut units: Vec<Self> = Vec::new();
        for rule in varied {
            let unit = Self::new(rules, grid, rule)?;
            if units.iter().any(|other| other.alert == unit.alert) {
                return Err(TuneError::SameName(unit.alert));
            }
            units.push(unit);
        }
        Ok(units)
    }

    fn new(rules: &RuleSet, grid: &Grid, rule: usize) -> Result<Self, TuneError> {
        let own = |axis: &&(usize, &Axis)| axis.1.setting.rule == rule;
        let axes: Vec<(usize, &Axis)> = grid.axes().iter().enumerate().collect();
        let (thresholds, holds): (Vec<_>, Vec<_>) = axes
            .iter()
            .filter(own)
            .partition(|(_, axis)| matches!(axis.setting.field, Field::Threshold(_)));
        let current = Trial::new(rules, rule, &[Vec::new()])?.holds();
        let mut sets: Vec<Vec<(usize, f64)>> = combinations(&thresholds)
            .map(|places| set(&thresholds, &places))
            .collect();
        sets.push(Vec::new());
        let mut all_holds: Vec<Holds> = combinations(&holds)
            .map(|places| hold(current, &holds, &places))
            .collect();
        all_holds.push(current);
        let cell = |setting: usize| {
            let places = grid.places(setting);
            (number(&thresholds, &places), number(&holds, &places))
        };
        let mut cells: Vec<(usize, usize)> = (0..grid.len()).map(cell).collect();
        cells.push((sets.len() - 1, all_holds.len() - 1));
        let name = |position: usize| {
            rules
                .alerts()
                .nth(position)
                .map(|alert| alert.name.to_owned())
        };
        let alert = name(rule).unwrap_or_default();
        let mut trials = Vec::new();
        let mut varied = 0;
        let named = rules
            .alerts()
            .enumerate()
            .filter(|(_, other)| other.name == alert);
        for (position, _) in named {
            let trial = if position == rule {
                varied = trials.len();
                Trial::new(rules, position, &sets)?
            } else {
                Trial::new(rules, position, &[Vec::new()])?
            };
            trials.push((position, trial));
        }
        Ok(Self {
            alert,
            trials,
            varied,
            variants: sets.len(),
            holds: all_holds,
            cells,
        })
    }
}

/// Every combination of places on these axes, the last running fastest; one without places where there are no axes.
fn combinations(axes: &[(usize, &Axis)]) -> impl Iterator<Item = Vec<usize>> {
    let lengths: Vec<usize> = axes.iter().map(|(_, axis)| axis.values.len()).collect();
    let count: usize = lengths.iter().product();
    (0..count).map(move |mut rest| {
        let mut places = vec![0; lengths.len()];
        for (place, length) in places.iter_mut().zip(&lengths).rev() {
            *place = rest % length;
            rest /= length;
        }
        places
    })
}

/// The number of the combination that a setting of the whole grid has on these axes.
fn number(axes: &[(usize, &Axis)], places: &[usize]) -> usize {
    let axes = axes.iter();
    axes.fold(0, |number, (index, axis)| {
        number * axis.values.len() + places[*index]
    })
}

fn set(axes: &[(usize, &Axis)], places: &[usize]) -> Vec<(usize, f64)> {
    let values = axes.iter().zip(places);
    values
        .filter_map(
            |((_, axis), place)| match (axis.setting.field, axis.values[*place]) {
                (Field::Threshold(threshold), SettingValue::Number(value)) => {
                    Some((threshold, value))
                }
                _ => None,
            },
        )
        .collect()
}

fn hold(current: Holds, axes: &[(usize, &Axis)], places: &[usize]) -> Holds {
    let mut holds = current;
    for ((_, axis), place) in axes.iter().zip(places) {
        match (axis.setting.field, axis.values[*place]) {
            (Field::For, SettingValue::Milliseconds(ms)) => holds.for_ms = ms,
            (Field::KeepFiringFor, SettingValue::Milliseconds(ms)) => holds.keep_firing_for_ms = ms,
            _ => {}
        }
    }
    holds
}
