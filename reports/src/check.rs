//! What is found in the files that people wrote, each with its place: what `check` tells machines.

mod gates;

pub use gates::gates;

use crate::alertmanager::{Config, MayReach, Reach};
use crate::pack::{RulePack, known_labels};
use crate::why::{self, Explanation, Grade};
use firedrill_detector::lint::{RemarkKind, RuleRemarks};
use firedrill_detector::rules::AlertRule;
use firedrill_detector::yaml::{Position, Region};
use firedrill_detector::{Problem, RuleSet};

/// Files that were looked at, and all that was found in them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checked {
    /// The files without errors, as they were looked at.
    pub files: Vec<CheckedFile>,
    /// What was found, in the order of files.
    pub findings: Vec<Finding>,
    /// Whom each alert is sent to, if an Alertmanager file was given.
    pub routes: Vec<RoutedAlert>,
    /// What the rules saw in records, if they were held against any.
    pub explanation: Option<Explanation>,
}

/// A file without errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedFile {
    /// Its name.
    pub file: String,
    /// What it is, in a few words.
    pub what: String,
}

/// An alert, and whom it is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutedAlert {
    /// The rule file.
    pub file: String,
    /// The line its rule starts on, from 1.
    pub line: usize,
    /// The rule group.
    pub group: String,
    /// The alert's name.
    pub alert: String,
    /// The receivers, in the order of the routes.
    pub receivers: Vec<MayReach>,
}

/// Whom the alerts of a rule file are sent to by an Alertmanager file, and those that should page by the severities of the
/// pack, and cannot.
#[must_use]
pub fn routed(
    rules: &RuleSet,
    pack: &RulePack,
    config: &Config,
) -> (Vec<RoutedAlert>, Vec<Finding>) {
    let mut found = Vec::new();
    let routes = rules.alerts().map(|alert| {
        let receivers = config.may_reach(&known_labels(&alert));
        let pages = receivers.iter().any(|one| one.reach == Reach::Person);
        if !pages && pack.can_page(&alert) {
            found.push(unpaged(&alert, &receivers, config));
        }
        RoutedAlert {
            file: alert.file.to_owned(),
            line: alert.line,
            group: alert.group.to_owned(),
            alert: alert.name.to_owned(),
            receivers,
        }
    });
    (routes.collect(), found)
}

fn unpaged(alert: &AlertRule<'_>, receivers: &[MayReach], config: &Config) -> Finding {
    let names = receivers.iter().map(|one| one.receiver.as_str());
    let names: Vec<&str> = names.collect();
    let severity = alert.severity();
    let message = format!(
        "should page by its severity `{severity}`, and {} sends it to {} only, which pages nobody",
        config.name(),
        names.join(", ")
    );
    Finding {
        place: Some(Place::line(alert.file, alert.line)),
        rule: Some((alert.group.to_owned(), alert.name.to_owned())),
        hint: Some(
            "route it to a receiver that pages, or say which receivers do: `# firedrill: pages = NAME` in that file".into(),
        ),
        ..Finding::new(Kind::Unpaged, None, message)
    }
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is; what names no file has none.
    pub place: Option<Place>,
    /// The group and the rule it is about.
    pub rule: Option<(String, String)>,
    /// The part of the rule it is about.
    pub part: Option<String>,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name.
    pub file: String,
    /// Line, from 1, where it is known.
    pub line: Option<usize>,
    /// Column in characters, from 1, where it is known.
    pub column: Option<usize>,
    /// The character behind what it is about, where that is known to the letter.
    pub end: Option<Position>,
}

impl Place {
    /// A file as a whole.
    #[must_use]
    pub fn file(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            column: None,
            end: None,
        }
    }

    /// A line of a file.
    #[must_use]
    pub fn line(file: &str, line: usize) -> Self {
        Self {
            line: Some(line),
            ..Self::file(file)
        }
    }

    /// Where something begins.
    #[must_use]
    pub fn position(file: &str, at: Position) -> Self {
        Self {
            column: Some(at.column),
            ..Self::line(file, at.line)
        }
    }

    /// A part of a file, from beginning to end.
    #[must_use]
    pub fn region(file: &str, region: Region) -> Self {
        Self {
            end: Some(region.end),
            ..Self::position(file, region.start)
        }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The check fails.
    Error,
    /// The check fails when it is strict.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// As machines and SARIF call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file cannot be read, or would be refused.
    Invalid,
    /// It is accepted, and something in it is not as it looks.
    Reservation,
    /// A rule file has no rule.
    NoRule,
    /// A rule asks for a metric that the world does not have.
    UnknownMetric,
    /// Something about a scenario that is good to know.
    Scenario,
    /// An alert whose severity pages reaches nobody who is paged.
    Unpaged,
    /// Something in a gate file that does nothing, or never holds.
    Gate,
    /// A trap in a rule, whatever the data.
    Rule(RemarkKind),
    /// What a rule saw in records.
    Record(why::FindingKind),
}

impl Kind {
    /// All there are.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let own = [
            Self::Invalid,
            Self::Reservation,
            Self::NoRule,
            Self::UnknownMetric,
            Self::Scenario,
            Self::Unpaged,
            Self::Gate,
        ];
        let rules = RemarkKind::ALL.into_iter().map(Self::Rule);
        let records = why::FindingKind::ALL.into_iter().map(Self::Record);
        own.into_iter().chain(rules).chain(records).collect()
    }

    /// A stable name for machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Reservation => "reservation",
            Self::NoRule => "no_rule",
            Self::UnknownMetric => "unknown_metric",
            Self::Scenario => "scenario",
            Self::Unpaged => "unpaged",
            Self::Gate => "gate",
            Self::Rule(kind) => kind.name(),
            Self::Record(kind) => kind.name(),
        }
    }

    /// One sentence for people: what is wrong, whatever the file.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Invalid => "A file cannot be read, or what is in it is refused.",
            Self::Reservation => "It is accepted, and something in it is not as it looks.",
            Self::NoRule => "A rule file has no rule in it.",
            Self::UnknownMetric => "A rule asks for a metric that the world does not have.",
            Self::Scenario => "A scenario does something else than it looks like.",
            Self::Unpaged => {
                "An alert should page by its severity, and the Alertmanager file sends it to nobody who is paged."
            }
            Self::Gate => "A gate can never hold, or something in a gate file matches nothing.",
            Self::Rule(kind) => kind.about(),
            Self::Record(kind) => kind.about(),
        }
    }

    /// How bad it is as a rule; in records that depends on the rest of the rule.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Invalid => Severity::Error,
            Self::Reservation
            | Self::NoRule
            | Self::Unpaged
            | Self::Gate
            | Self::Rule(_)
            | Self::Record(_) => Severity::Warning,
            Self::UnknownMetric | Self::Scenario => Severity::Note,
        }
    }
}

impl Finding {
    /// Of this kind, about a file as a whole, or about none.
    #[must_use]
    pub fn new(kind: Kind, file: Option<&str>, message: impl Into<String>) -> Self {
        Self {
            kind,
            severity: kind.severity(),
            place: file.map(Place::file),
            rule: None,
            part: None,
            message: message.into(),
            hint: None,
        }
    }

    /// A problem of a file: an error, or of another kind.
    #[must_use]
    pub fn of_problem(kind: Kind, problem: &Problem) -> Self {
        Self {
            place: Some(Place::position(
                &problem.file,
                Position {
                    line: problem.line,
                    column: problem.column,
                },
            )),
            hint: problem.hint.clone(),
            ..Self::new(kind, None, problem.message.clone())
        }
    }

    /// What is to be said of a rule whatever the data: of the part it is about, or else of the rule.
    #[must_use]
    pub fn of_remarks(rule: &RuleRemarks) -> Vec<Self> {
        let (line, column) = (rule.line, rule.column);
        let whole = Place::position(&rule.file, Position { line, column });
        let remarks = rule.remarks.iter().map(|remark| Self {
            place: Some(match remark.region {
                Some(region) => Place::region(&rule.file, region),
                None => whole.clone(),
            }),
            rule: Some((rule.group.clone(), rule.name.clone())),
            part: Some(remark.part.clone()),
            hint: Some(remark.hint.clone()),
            ..Self::new(Kind::Rule(remark.kind), None, remark.message.clone())
        });
        remarks.collect()
    }
}

impl Checked {
    /// Whether nothing fails the check, strict or not.
    #[must_use]
    pub fn is_sound(&self, is_strict: bool) -> bool {
        let worst = match is_strict {
            true => Severity::Note,
            false => Severity::Warning,
        };
        self.findings.iter().all(|found| found.severity >= worst)
            && self.explanation.as_ref().is_none_or(Explanation::is_sound)
    }

    /// Everything that was found, in files and in records.
    #[must_use]
    pub fn all(&self) -> Vec<Finding> {
        let rules = self.explanation.iter().flat_map(|found| &found.rules);
        let in_records = rules.flat_map(|rule| {
            rule.findings.iter().map(|found| Finding {
                severity: match found.grade {
                    Grade::Dead | Grade::Always => Severity::Error,
                    Grade::Trap => Severity::Warning,
                    Grade::Note => Severity::Note,
                },
                place: Some(match found.region {
                    Some(region) => Place::region(&rule.file, region),
                    None => Place::line(&rule.file, rule.line),
                }),
                rule: Some((rule.group.clone(), rule.name.clone())),
                part: Some(found.part.clone()),
                hint: found.hint.clone(),
                ..Finding::new(Kind::Record(found.kind), None, found.message.clone())
            })
        });
        self.findings.iter().cloned().chain(in_records).collect()
    }
}
