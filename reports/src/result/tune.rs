//! A threshold search for machines.

use super::seconds;
use super::shared::{Share, Weekly};
use crate::tune::{self, Scope, Tuning};
use firedrill_detector::tuning::SettingValue;
use schemars::JsonSchema;
use serde::Serialize;

/// A search. Settings are in the grid's order, the last axis running fastest.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct TuneResult {
    /// What to make of the proposal.
    advice: Advice,
    /// The varied alerts.
    alerts: Vec<String>,
    /// What was judged.
    scope: Judged,
    /// False alarms per week that are acceptable; `null`: as few as any setting has.
    budget_per_week: Option<f64>,
    /// Median latencies that differ by no more are as good as equal.
    slack_seconds: f64,
    drills: usize,
    seeds: usize,
    /// Drills that were not used, and why.
    inconclusive: Vec<Unused>,
    /// Failed evaluations of the varied rules, at most in a drill.
    failed_evaluations: usize,
    axes: Vec<Axis>,
    /// The rules as they stand.
    now: Figures,
    proposal: Proposal,
    /// On drills that had no part in the choice.
    held_out: Option<HeldOut>,
    /// Settings that no other beats.
    front: Vec<FrontPoint>,
    settings: Vec<Setting>,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Advice {
    /// Held-out drills are within the intervals of those it was chosen on.
    Confirmed,
    /// No drills with incidents could be held out.
    NotConfirmed,
    /// No setting with so few false alarms detects any incident by its deadline.
    NotUseful,
    /// Worse on held-out drills.
    Worse,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Judged {
    /// The varied alerts by themselves.
    Varied,
    /// The whole rule pack.
    Pack,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Unused {
    scenario: String,
    seed: u64,
    why: Vec<String>,
}

/// What is varied. Values are numbers, or seconds.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Axis {
    name: String,
    alert: String,
    group: String,
    file: String,
    line: usize,
    now: f64,
    values: Vec<f64>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Proposal {
    /// Position among the settings.
    setting: usize,
    /// One for each axis.
    values: Vec<f64>,
    figures: Figures,
    /// How many settings are within the budget.
    allowed: usize,
    /// How many of those are as good as the best.
    plateau: usize,
    confidence: Confidence,
}

/// What a setting came to.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Figures {
    recall_at_deadline: Option<Share>,
    recall: Option<Share>,
    /// `null`: missed, or no incidents.
    latency_median_seconds: Option<f64>,
    latency_p90_seconds: Option<f64>,
    false_alarms: u64,
    false_alarms_per_week: Option<Weekly>,
    exposure_seconds: f64,
    /// Alarms on incidents of other causes.
    misattributed: u64,
    flaps: u64,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Setting {
    values: Vec<f64>,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct FrontPoint {
    /// Position among the settings.
    setting: usize,
    /// How many settings come to the same.
    alike: usize,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct HeldOut {
    drills: usize,
    now: Figures,
    proposal: Figures,
    recall_is_worse: bool,
    false_alarms_are_worse: bool,
}

/// How sure the proposal is: in how many resamples of the seeds, and the 95 % intervals.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Confidence {
    method: &'static str,
    resamples: u32,
    among_the_best: u32,
    on_the_front: u32,
    recall_at_deadline: Option<Bounds>,
    false_alarms_per_week: Option<Bounds>,
    latency_median_seconds: Latest,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct Bounds {
    lo: f64,
    hi: f64,
}

/// `null`: missed.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct Latest {
    lo: Option<f64>,
    hi: Option<f64>,
}

impl TuneResult {
    pub(super) fn new(tuning: &Tuning) -> Self {
        let inconclusive = tuning.inconclusive.iter();
        let front = tuning.front.iter();
        let settings = tuning.settings.iter().enumerate();
        Self {
            advice: match tuning.advice() {
                tune::Advice::Confirmed => Advice::Confirmed,
                tune::Advice::Unconfirmed => Advice::NotConfirmed,
                tune::Advice::Useless => Advice::NotUseful,
                tune::Advice::Worse => Advice::Worse,
            },
            alerts: tuning.alerts.clone(),
            scope: match tuning.params.scope {
                Scope::Varied => Judged::Varied,
                Scope::Pack => Judged::Pack,
            },
            budget_per_week: tuning.params.budget_per_week,
            slack_seconds: seconds(tuning.params.slack_ms),
            drills: tuning.drills,
            seeds: tuning.seeds,
            inconclusive: inconclusive
                .map(|(scenario, seed, why)| Unused {
                    scenario: scenario.clone(),
                    seed: *seed,
                    why: why.clone(),
                })
                .collect(),
            failed_evaluations: tuning.errors,
            axes: tuning.grid.axes().iter().map(Axis::from).collect(),
            now: (&tuning.before).into(),
            proposal: (&tuning.proposal).into(),
            held_out: tuning.confirmation.as_ref().map(HeldOut::from),
            front: front
                .map(|point| FrontPoint {
                    setting: point.setting,
                    alike: point.alike,
                })
                .collect(),
            settings: settings
                .map(|(number, figures)| Setting {
                    values: numbers(&tuning.grid.values(number)),
                    figures: figures.into(),
                })
                .collect(),
        }
    }
}

fn numbers(values: &[SettingValue]) -> Vec<f64> {
    values.iter().map(|value| number(*value)).collect()
}

/// A number, or seconds.
fn number(value: SettingValue) -> f64 {
    match value {
        SettingValue::Number(number) => number,
        SettingValue::Milliseconds(ms) => seconds(ms),
    }
}

impl From<&tune::Axis> for Axis {
    fn from(axis: &tune::Axis) -> Self {
        let setting = &axis.setting;
        Self {
            name: axis.name.clone(),
            alert: setting.alert.clone(),
            group: setting.group.clone(),
            file: setting.file.clone(),
            line: setting.at.line,
            now: number(setting.value),
            values: numbers(&axis.values),
        }
    }
}

impl From<&tune::Proposal> for Proposal {
    fn from(proposal: &tune::Proposal) -> Self {
        Self {
            setting: proposal.setting,
            values: numbers(&proposal.values),
            figures: (&proposal.figures).into(),
            allowed: proposal.allowed,
            plateau: proposal.plateau,
            confidence: (&proposal.confidence).into(),
        }
    }
}

impl From<&tune::Confirmation> for HeldOut {
    fn from(held: &tune::Confirmation) -> Self {
        Self {
            drills: held.drills,
            now: (&held.before).into(),
            proposal: (&held.proposal).into(),
            recall_is_worse: held.recall_is_worse,
            false_alarms_are_worse: held.false_alarms_are_worse,
        }
    }
}

impl From<&tune::Figures> for Figures {
    fn from(figures: &tune::Figures) -> Self {
        let quantile = |index: usize| {
            let found = figures.latency_ms.and_then(|latency| latency[index]);
            found.map(seconds)
        };
        let weekly = |rate| Weekly::new(rate, figures.false_alarms);
        Self {
            recall_at_deadline: figures.recall().map(Share::from),
            recall: figures.detected_share().map(Share::from),
            latency_median_seconds: quantile(0),
            latency_p90_seconds: quantile(1),
            false_alarms: figures.false_alarms,
            false_alarms_per_week: figures.false_per_week().map(weekly),
            exposure_seconds: seconds(figures.exposure_ms),
            misattributed: figures.misattributed,
            flaps: figures.flaps,
        }
    }
}

impl From<&tune::Confidence> for Confidence {
    fn from(confidence: &tune::Confidence) -> Self {
        let bounds = |(lo, hi): (f64, f64)| Bounds { lo, hi };
        Self {
            method: "cluster bootstrap over seeds, percentile",
            resamples: confidence.resamples,
            among_the_best: confidence.best,
            on_the_front: confidence.on_front,
            recall_at_deadline: confidence.recall.map(bounds),
            false_alarms_per_week: confidence.false_per_week.map(bounds),
            latency_median_seconds: Latest {
                lo: confidence.median_ms.0.map(seconds),
                hi: confidence.median_ms.1.map(seconds),
            },
        }
    }
}
