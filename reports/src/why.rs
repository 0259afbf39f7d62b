//! Why rules say nothing: every rule held against records, part by part.
//!
//! A rule that never fires may have had no reason to, or it may be one that cannot: a metric nobody exports, a label with
//! another value, a comparison with a series that vanishes with its process. [`Explainer::observe`] evaluates the rules
//! over records as a drill does and asks every part of every expression at every evaluation; [`Explainer::finish`] says
//! what follows from it. What is said holds for these records: metrics that no scenario in them brings about are missing.

mod always;
mod finding;
mod findings;
mod hint;
mod observe;
mod questions;
mod tally;
pub(crate) mod trace;

pub use finding::FindingKind;

use crate::jsonl::Record;
use firedrill_detector::anatomy::Anatomy;
use firedrill_detector::yaml::Region;
use firedrill_detector::{Labels, RuleSet};
use std::collections::{BTreeMap, BTreeSet};
use tally::RuleTally;

/// Most values of a label that are listed.
const VALUES_MAX: usize = 8;

/// All rules, diagnosed.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The records, as scenario and seed.
    pub records: Vec<String>,
    /// The rules in the order of files, groups and rules, recording rules included.
    pub rules: Vec<RuleExplanation>,
}

/// One rule, diagnosed.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleExplanation {
    /// The rule group.
    pub group: String,
    /// The alert's name, or the recorded metric's.
    pub name: String,
    /// Whether it is an alert.
    pub is_alert: bool,
    /// The rule file.
    pub file: String,
    /// The line the rule starts on.
    pub line: usize,
    /// The expression as written.
    pub expr: String,
    /// What it comes to.
    pub state: RuleState,
    /// At how many evaluations its expression was asked.
    pub evaluations: u64,
    /// At how many of them it had a value, which for an alert means that it held.
    pub held: u64,
    /// In how many records the alert fired.
    pub fired_in: u64,
    /// What its selectors saw, each once.
    pub selectors: Vec<SelectorSight>,
    /// What is to be said, the worst first.
    pub findings: Vec<Finding>,
}

/// What a rule comes to in the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleState {
    /// None of its selectors matched any series: unscorable.
    NoData,
    /// Something it needs was never there.
    CannotFire,
    /// It holds whatever happens.
    AlwaysHolds,
    /// It works, with a trap.
    Trap,
    /// Nothing is wrong with it.
    Fine,
}

/// What a selector matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorSight {
    /// As the parser prints it.
    pub text: String,
    /// How many series, of all records together.
    pub series: usize,
    /// In how many records there was one.
    pub records: usize,
    /// The values of each label but the name.
    pub labels: BTreeMap<String, BTreeSet<String>>,
}

/// Something to be said of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub grade: Grade,
    /// A stable name for machines.
    pub kind: FindingKind,
    /// The part of the expression it is about.
    pub part: String,
    /// Where that stands in the rule file; `None`: that cannot be said exactly.
    pub region: Option<Region>,
    /// What is the matter.
    pub message: String,
    /// What to do about it, if that can be said.
    pub hint: Option<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// The rule cannot fire as long as this is so.
    Dead,
    /// The alert holds as long as this is so, whatever happens.
    Always,
    /// The rule is silent, or fires, where one would not expect it.
    Trap,
    /// Good to know.
    Note,
}

/// Looks at rules over records.
#[derive(Debug)]
pub struct Explainer {
    rules: RuleSet,
    anatomies: Vec<Anatomy>,
    tallies: Vec<RuleTally>,
    records: Vec<String>,
    /// Places of the rules that are looked at; `None`: all.
    only: Option<BTreeSet<usize>>,
    /// The length of the longest record, milliseconds.
    longest_ms: i64,
    /// All series there ever were, those the rules write included, by the records they were in.
    known: BTreeMap<Labels, BTreeSet<usize>>,
}

impl Explainer {
    /// Nothing has been looked at yet.
    #[must_use]
    pub fn new(rules: &RuleSet) -> Self {
        let anatomies = rules.anatomies();
        Self {
            tallies: anatomies.iter().map(RuleTally::new).collect(),
            anatomies,
            rules: rules.clone(),
            only: None,
            longest_ms: 0,
            records: Vec::new(),
            known: BTreeMap::new(),
        }
    }

    /// Looks only at alerts whose silence is to be explained: those that fired in none of the records, and those that share
    /// their name with another rule, which may have fired for them. `fired`: names of alerts.
    #[must_use]
    pub fn of_the_silent(rules: &RuleSet, fired: &BTreeSet<String>) -> Self {
        let mut all = Self::new(rules);
        let mut names: BTreeMap<&str, u64> = BTreeMap::new();
        for rule in all.anatomies.iter().filter(|rule| rule.is_alert) {
            *names.entry(&rule.name).or_default() += 1;
        }
        let is_suspect = |rule: &Anatomy| {
            rule.is_alert
                && (!fired.contains(&rule.name) || names.get(rule.name.as_str()) > Some(&1))
        };
        let rules = all.anatomies.iter().enumerate();
        let suspects = rules.filter(|(_, rule)| is_suspect(rule));
        let only = suspects.map(|(place, _)| place).collect();
        all.only = Some(only);
        all
    }

    /// Whether no rule is looked at.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.only.as_ref().is_some_and(BTreeSet::is_empty)
    }

    fn looks_at(&self, place: usize) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&place))
    }

    /// Evaluates the rules over a record. The record's own rules have no part in it.
    pub fn observe(&mut self, record: &Record) {
        self.longest_ms = self.longest_ms.max(record.end_ms());
        observe::record(self, record);
    }

    /// What follows from all records together.
    #[must_use]
    pub fn finish(self) -> Explanation {
        let rules = self.anatomies.iter().zip(&self.tallies).enumerate();
        let rules = rules.filter(|(place, _)| self.looks_at(*place));
        let rules = rules.map(|(_, (anatomy, tally))| {
            findings::of_rule(anatomy, tally, &self.known, self.longest_ms)
        });
        Explanation {
            rules: rules.collect(),
            records: self.records,
        }
    }
}

impl Explanation {
    /// What is said of those rules only that cannot fire, or that hold whatever happens and never fired all the same, and
    /// of those that the records are too short for.
    #[must_use]
    pub fn of_the_unfit(mut self) -> Self {
        self.rules
            .retain(|rule| rule.is_unfit() || rule.is_cut_short());
        self
    }

    /// Adds what was found in other rules.
    pub fn extend(&mut self, other: Self) {
        self.records.extend(other.records);
        self.rules.extend(other.rules);
    }

    /// Whether every rule can fire, and every alert be silent.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.rules.iter().all(|rule| rule.state >= RuleState::Trap)
    }
}

impl RuleExplanation {
    /// Whether it cannot fire; or it holds whatever happens, and would fire were there time enough.
    #[must_use]
    pub fn is_unfit(&self) -> bool {
        match self.state {
            RuleState::NoData | RuleState::CannotFire => true,
            RuleState::AlwaysHolds => self.fired_in == 0,
            RuleState::Trap | RuleState::Fine => false,
        }
    }

    /// Whether none of the records lasts as long as it must hold, which is not its fault.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        let kinds = self.findings.iter().map(|finding| finding.kind);
        kinds
            .into_iter()
            .any(|kind| kind == FindingKind::DrillTooShort)
    }
}

impl RuleState {
    /// In one word or two.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoData => "unscorable: no data",
            Self::CannotFire => "cannot fire",
            Self::AlwaysHolds => "always holds",
            Self::Trap => "trap",
            Self::Fine => "ok",
        }
    }
}
