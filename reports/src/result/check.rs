//! What was found in files, and of rules in records, for machines.

use crate::alertmanager::Reach;
use crate::check::{self, Checked, RoutedAlert};
use crate::why::{self, Explanation, Grade, RuleExplanation, RuleState};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Files, and all that was found in them.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct CheckResult {
    /// Whether nothing was found that fails the check.
    sound: bool,
    /// The files without errors.
    files: Vec<File>,
    findings: Vec<Finding>,
    /// Whom each alert is sent to, if an Alertmanager file was given.
    routes: Vec<Route>,
    /// The records that rules were held against, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<Vec<String>>,
    /// What the rules saw in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<Vec<Rule>>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct File {
    file: String,
    /// What it is, in a few words.
    what: String,
}

/// Something that was found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Finding {
    file: Option<String>,
    /// From 1.
    line: Option<usize>,
    /// In characters, from 1.
    column: Option<usize>,
    /// Where the part ends, the last line of it.
    end_line: Option<usize>,
    /// Just behind its last character.
    end_column: Option<usize>,
    group: Option<String>,
    rule: Option<String>,
    /// See the list of kinds in `scenarios/rules/README.md`.
    kind: &'static str,
    /// `error`, `warning` or `note`.
    severity: &'static str,
    /// The part of the rule it is about.
    part: Option<String>,
    message: String,
    /// What to do about it.
    hint: Option<String>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Route {
    file: String,
    line: usize,
    group: String,
    rule: String,
    receivers: Vec<Receiver>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Receiver {
    receiver: String,
    pages: bool,
    /// Whether that does not depend on labels that are not known.
    certain: bool,
}

/// What rules saw in records.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Rules {
    /// Whether every rule can fire, and every alert be silent.
    sound: bool,
    /// As scenario and seed.
    records: Vec<String>,
    rules: Vec<Rule>,
}

/// What a rule saw in records.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Rule {
    file: String,
    line: usize,
    group: String,
    rule: String,
    kind: RuleKind,
    expr: String,
    state: State,
    evaluations: u64,
    /// At how many of them the expression had a value.
    held: u64,
    fired_in_records: u64,
    selectors: Vec<Selector>,
    findings: Vec<RuleFinding>,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RuleKind {
    Alert,
    Record,
}

/// What a rule comes to.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    /// None of its selectors matched any series.
    NoData,
    /// Something it needs was never there.
    CannotFire,
    /// It holds whatever happens.
    AlwaysHolds,
    /// It works, with a trap.
    Trap,
    /// Nothing is wrong with it.
    Ok,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Selector {
    selector: String,
    /// How many series, of all records together.
    series: usize,
    /// In how many records there was one.
    records: usize,
    /// The values of each label.
    labels: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct RuleFinding {
    grade: Badness,
    /// See the list of kinds in `scenarios/rules/README.md`.
    kind: &'static str,
    part: String,
    message: String,
    hint: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Badness {
    /// The rule cannot fire as long as this is so.
    Dead,
    /// The alert holds as long as this is so.
    Always,
    /// The rule is silent, or fires, where one would not expect it.
    Trap,
    /// Good to know.
    Note,
}

impl CheckResult {
    pub(super) fn new(checked: &Checked, is_strict: bool) -> Self {
        let files = checked.files.iter();
        let explanation = checked.explanation.as_ref();
        Self {
            sound: checked.is_sound(is_strict),
            files: files
                .map(|file| File {
                    file: file.file.clone(),
                    what: file.what.clone(),
                })
                .collect(),
            findings: checked.all().iter().map(Finding::from).collect(),
            routes: checked.routes.iter().map(Route::from).collect(),
            records: explanation.map(|found| found.records.clone()),
            rules: explanation.map(|found| found.rules.iter().map(Rule::from).collect()),
        }
    }
}

impl From<&check::Finding> for Finding {
    fn from(found: &check::Finding) -> Self {
        let (place, rule) = (found.place.as_ref(), found.rule.as_ref());
        Self {
            file: place.map(|place| place.file.clone()),
            line: place.and_then(|place| place.line),
            column: place.and_then(|place| place.column),
            end_line: place.and_then(|place| Some(place.end?.line)),
            end_column: place.and_then(|place| Some(place.end?.column)),
            group: rule.map(|(group, _)| group.clone()),
            rule: rule.map(|(_, name)| name.clone()),
            kind: found.kind.name(),
            severity: found.severity.name(),
            part: found.part.clone(),
            message: found.message.clone(),
            hint: found.hint.clone(),
        }
    }
}

impl From<&RoutedAlert> for Route {
    fn from(routed: &RoutedAlert) -> Self {
        let receivers = routed.receivers.iter().map(|one| Receiver {
            receiver: one.receiver.clone(),
            pages: one.reach == Reach::Person,
            certain: one.is_certain,
        });
        Self {
            file: routed.file.clone(),
            line: routed.line,
            group: routed.group.clone(),
            rule: routed.alert.clone(),
            receivers: receivers.collect(),
        }
    }
}

impl From<&Explanation> for Rules {
    fn from(explanation: &Explanation) -> Self {
        Self {
            sound: explanation.is_sound(),
            records: explanation.records.clone(),
            rules: explanation.rules.iter().map(Rule::from).collect(),
        }
    }
}

impl From<&RuleExplanation> for Rule {
    fn from(rule: &RuleExplanation) -> Self {
        let selectors = rule.selectors.iter().map(|sight| Selector {
            selector: sight.text.clone(),
            series: sight.series,
            records: sight.records,
            labels: sight.labels.clone(),
        });
        Self {
            file: rule.file.clone(),
            line: rule.line,
            group: rule.group.clone(),
            rule: rule.name.clone(),
            kind: match rule.is_alert {
                true => RuleKind::Alert,
                false => RuleKind::Record,
            },
            expr: rule.expr.clone(),
            state: match rule.state {
                RuleState::NoData => State::NoData,
                RuleState::CannotFire => State::CannotFire,
                RuleState::AlwaysHolds => State::AlwaysHolds,
                RuleState::Trap => State::Trap,
                RuleState::Fine => State::Ok,
            },
            evaluations: rule.evaluations,
            held: rule.held,
            fired_in_records: rule.fired_in,
            selectors: selectors.collect(),
            findings: rule.findings.iter().map(RuleFinding::from).collect(),
        }
    }
}

impl From<&why::Finding> for RuleFinding {
    fn from(finding: &why::Finding) -> Self {
        Self {
            grade: match finding.grade {
                Grade::Dead => Badness::Dead,
                Grade::Always => Badness::Always,
                Grade::Trap => Badness::Trap,
                Grade::Note => Badness::Note,
            },
            kind: finding.kind.name(),
            part: finding.part.clone(),
            message: finding.message.clone(),
            hint: finding.hint.clone(),
        }
    }
}
