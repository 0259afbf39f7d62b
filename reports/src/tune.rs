//! Threshold search: many settings of alerts judged on recorded drills, without a new drill per setting.
//!
//! [`Axis::parse_all`] reads what is to be varied, a [`Grid`] holds every combination, and a [`Tuner`] judges records under
//! all of them. Of each record, everything that the settings do not change is evaluated once; the results are those of
//! replaying the record under a rule file with the setting written into it, one by one. [`Tuner::search`] then lays the
//! settings side by side, finds the trade-off between missing and crying wolf, proposes a setting, says how sure that is,
//! and confirms it on drills that had no part in the choice. [`Tuner::edited`] writes it into the rule files.
//!
//! ```
//! use firedrill_detector::RuleFile;
//! use firedrill_detector::tuning::Settings;
//! use firedrill_reports::Record;
//! use firedrill_reports::document::of_tuning;
//! use firedrill_reports::pack::RulePack;
//! use firedrill_reports::render::{Style, terminal};
//! use firedrill_reports::tune::{Axis, Grid, JUDGEMENTS_MAX, TuneParams, Tuner};
//! use std::error::Error;
//!
//! /// What a search says, and the rule files with the setting it proposes.
//! fn tuned(
//!     settings: Settings,
//!     pack: RulePack,
//!     vary: &[&str],
//!     records: impl ExactSizeIterator<Item = Record>,
//! ) -> Result<(String, Vec<RuleFile>), Box<dyn Error>> {
//!     let axes = Axis::parse_all(&settings, vary, 15_000).map_err(|found| found[0].clone())?;
//!     let grid = Grid::new(axes);
//!     grid.check(records.len(), JUDGEMENTS_MAX)?;
//!     let tuner = Tuner::new(settings, pack, grid, TuneParams::default())?;
//!     let observed: Vec<_> = records.map(|record| tuner.observe(&record)).collect();
//!     let found = tuner.search(&observed)?;
//!     let edited = tuner.edited(&found.proposal.values)?;
//!     Ok((terminal(&of_tuning(&found), Style { colour: false, width: 100 }), edited))
//! }
//! # let rules = firedrill_detector::RuleFile {
//! #     name: "r.yml".into(),
//! #     text: "groups: [{ name: g, rules: [{ alert: Down, expr: up == 0 }] }]".into(),
//! # };
//! # let settings = Settings::load(vec![rules], Default::default()).unwrap();
//! # let pack = RulePack::parse(&[], &["Down".into()]).unwrap();
//! # let error = tuned(settings, pack, &["Down.for=1m..15m"], std::iter::empty()).unwrap_err();
//! # assert!(error.to_string().starts_with("there is no conclusive drill"));
//! ```

mod axis;
mod bootstrap;
mod decimal;
mod digest;
mod figures;
mod grid;
mod observe;
mod plateau;
mod routed;
mod search;
mod unit;

pub use axis::{Axis, AxisProblem};
pub use bootstrap::Confidence;
pub use figures::Figures;
pub use grid::{Grid, JUDGEMENTS_MAX, ROUTED_JUDGEMENTS_MAX, TooLarge};
pub use observe::Observed;
pub use search::{Advice, Confirmation, FrontPoint, Proposal, SearchError, Tuning};

use crate::pack::RulePack;
use crate::score::ScoreParams;
use firedrill_detector::tuning::{SettingValue, Settings, TrialError};
use firedrill_detector::yaml::Problem;
use firedrill_detector::{RuleFile, RuleSet};
use std::collections::BTreeMap;
use thiserror::Error;
use unit::Unit;

/// What is judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// The varied alerts by themselves: incidents they are expected to see, and their own false alarms, tickets included.
    #[default]
    Varied,
    /// The whole rule pack: incidents that deserve a page, whoever sees them first, and all false pages.
    Pack,
}

/// How settings are judged and chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TuneParams {
    /// How episodes are scored.
    pub score: ScoreParams,
    /// What is judged.
    pub scope: Scope,
    /// False alarms per week of quiet time that are acceptable; `None`: as few as any setting has.
    pub budget_per_week: Option<f64>,
    /// Median latencies that differ by no more than this are as good as equal. Milliseconds.
    pub slack_ms: i64,
    /// How often the drills are drawn again to see how sure the proposal is.
    pub resamples: u32,
}

impl Default for TuneParams {
    fn default() -> Self {
        Self {
            score: ScoreParams::default(),
            scope: Scope::default(),
            budget_per_week: None,
            slack_ms: 60_000,
            resamples: 1_000,
        }
    }
}

/// Why settings cannot be tried.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TuneError {
    /// An alert cannot be tried by itself.
    #[error(transparent)]
    Trial(#[from] TrialError),
    /// Two rules of one name are varied: scores tell alerts apart by their names.
    #[error("{0} is the name of several varied rules; vary one of them at a time")]
    SameName(String),
}

/// Judges records under every setting of a grid.
#[derive(Debug, Clone)]
pub struct Tuner {
    settings: Settings,
    rules: RuleSet,
    pack: RulePack,
    params: TuneParams,
    grid: Grid,
    units: Vec<Unit>,
    /// Position of each alert's name among all names in order.
    ranks: BTreeMap<String, u32>,
}

impl Tuner {
    /// A tuner for the settings in `grid`, which belong to `settings`; `pack` says who should see what.
    ///
    /// # Errors
    /// See [`TuneError`].
    pub fn new(
        settings: Settings,
        pack: RulePack,
        grid: Grid,
        params: TuneParams,
    ) -> Result<Self, TuneError> {
        let rules = settings.rules().clone();
        let mut names: Vec<String> = rules.alerts().map(|alert| alert.name.to_owned()).collect();
        names.sort();
        names.dedup();
        Ok(Self {
            units: Unit::all(&rules, &grid)?,
            ranks: names.into_iter().zip(0..).collect(),
            settings,
            rules,
            pack,
            params,
            grid,
        })
    }

    /// What is varied.
    #[must_use]
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// How settings are judged and chosen.
    #[must_use]
    pub fn params(&self) -> &TuneParams {
        &self.params
    }

    /// The rule files with other values, one per axis, and every other byte as it was.
    ///
    /// # Errors
    /// With file, line and reason if a value cannot be written.
    pub fn edited(&self, values: &[SettingValue]) -> Result<Vec<RuleFile>, Problem> {
        let mut settings = self.settings.clone();
        for (axis, value) in self.grid.axes().iter().zip(values) {
            // A change moves what is behind it, so the setting is looked up again.
            let current = settings
                .iter()
                .find(|setting| {
                    (setting.rule, setting.field) == (axis.setting.rule, axis.setting.field)
                })
                .cloned();
            if let Some(current) = current.filter(|current| current.value != *value) {
                settings = settings.change(&current, *value)?;
            }
        }
        Ok(settings.files().to_vec())
    }

    /// The varied alerts.
    fn varied(&self) -> impl Iterator<Item = &str> {
        self.units.iter().map(|unit| unit.alert.as_str())
    }
}
