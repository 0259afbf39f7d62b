//! Numbers in rule files: finding those an alert can be tuned by, and changing one without touching anything else.
//!
//! What can be set of an alert is its `for`, its `keep_firing_for`, and its thresholds: the number literals of its
//! expression that are one whole side of a comparison (`bool` or not, nested or not). A change replaces the bytes of the
//! value, or adds the key where it is missing; comments, order, quotes and indentation stay. The changed text is read
//! again, and must say what it said before but for that value.

mod apply;
mod find;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use thiserror::Error;

use crate::compat::Compat;
use crate::duration::format_ms;
use crate::rules::{Reading, RuleFile, RuleSet};
use crate::yaml::{Problem, closest};

/// What can be set of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The number at this place among the expression's thresholds, from 0.
    Threshold(usize),
    /// `for`.
    For,
    /// `keep_firing_for`.
    KeepFiringFor,
}

/// The value of a setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SettingValue {
    /// Of a threshold.
    Number(f64),
    /// Of `for` and `keep_firing_for`, in milliseconds.
    Milliseconds(i64),
}

/// As it is written into a rule file.
impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => write!(f, "{value}"),
            Self::Milliseconds(ms) => f.write_str(&format_ms(*ms)),
        }
    }
}

/// One value of one alert that can be set.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Position of the alert among [`RuleSet::alerts`].
    pub rule: usize,
    /// The rule group.
    pub group: String,
    /// The alert.
    pub alert: String,
    /// Which of its values.
    pub field: Field,
    /// Its value now; zero where the key is missing.
    pub value: SettingValue,
    /// Name of the rule file.
    pub file: String,
    /// Line and column its text begins at; where it is missing, those of the expression.
    pub at: crate::yaml::Position,
    /// `threshold`, `threshold2`, `for` ...
    key: String,
    file_index: usize,
    /// Or why its text cannot be located.
    place: Result<Place, String>,
}

/// What to do to a text for another value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Replace(Range<usize>),
    /// Puts the value between two texts.
    Insert {
        at: usize,
        before: String,
        after: String,
    },
}

impl Setting {
    /// `ALERT.threshold`, `ALERT.for`, ...; thresholds are numbered from 1 where there are several.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.alert, self.key)
    }

    /// `GROUP/ALERT.threshold`, for an alert whose name several groups have.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.group, self.name())
    }
}

/// Why there is no such setting.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FindError {
    /// No alert has it.
    #[error("there is no setting `{name}`")]
    Unknown {
        /// As asked for.
        name: String,
        /// What was probably meant.
        closest: Option<String>,
        /// The settings of the alert, or all of them where there is no such alert.
        accepted: Vec<String>,
    },
    /// Several alerts have it.
    #[error("several alerts have a setting `{name}`: {}", names.join(", "))]
    Ambiguous {
        /// As asked for.
        name: String,
        /// Their names with the group.
        names: Vec<String>,
    },
    /// It is there, but its text cannot be located exactly.
    #[error("{0}")]
    Refused(Problem),
}

/// Rule files with everything that can be set in them.
#[derive(Debug, Clone)]
pub struct Settings {
    files: Vec<RuleFile>,
    rules: RuleSet,
    compat: Compat,
    reading: Reading,
    found: Vec<Setting>,
}

impl Settings {
    /// Reads rule files and looks for what can be set.
    ///
    /// # Errors
    ///
    /// Those of [`RuleSet::load`].
    pub fn load(files: Vec<RuleFile>, compat: Compat) -> Result<Self, Vec<Problem>> {
        Self::load_as(files, compat, Reading::default())
    }

    /// The same, with a say about everything there is a choice about.
    ///
    /// # Errors
    ///
    /// Those of [`RuleSet::load_as`].
    pub fn load_as(
        files: Vec<RuleFile>,
        compat: Compat,
        reading: Reading,
    ) -> Result<Self, Vec<Problem>> {
        let rules = RuleSet::load_as(&files, compat, reading)?;
        let found = find::settings(&files, &rules, compat);
        Ok(Self {
            files,
            rules,
            compat,
            reading,
            found,
        })
    }

    /// The files as they stand.
    #[must_use]
    pub fn files(&self) -> &[RuleFile] {
        &self.files
    }

    /// The rules in them.
    #[must_use]
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// What can be set, in the order of alerts; of each its thresholds, `for`, `keep_firing_for`.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.found.iter()
    }

    /// The setting called `name`, with or without its group.
    ///
    /// # Errors
    ///
    /// See [`FindError`].
    pub fn find(&self, name: &str) -> Result<&Setting, FindError> {
        let named = |setting: &&Setting| setting.name() == name || setting.full_name() == name;
        let found: Vec<&Setting> = self.iter().filter(named).collect();
        match found.as_slice() {
            [setting] => match &setting.place {
                Ok(_) => Ok(setting),
                Err(reason) => Err(FindError::Refused(setting.problem(reason))),
            },
            [] => Err(self.unknown(name)),
            several => Err(FindError::Ambiguous {
                name: name.to_owned(),
                names: several.iter().map(|setting| setting.full_name()).collect(),
            }),
        }
    }

    fn unknown(&self, name: &str) -> FindError {
        let own = |setting: &&Setting| {
            name.starts_with(&format!("{}.", setting.alert))
                || name.starts_with(&format!("{}/{}.", setting.group, setting.alert))
        };
        let mut accepted: Vec<String> = self.iter().filter(own).map(Setting::name).collect();
        if accepted.is_empty() {
            accepted = self.iter().map(Setting::name).collect();
        }
        FindError::Unknown {
            name: name.to_owned(),
            closest: closest(name, accepted.iter().map(String::as_str)).map(str::to_owned),
            accepted,
        }
    }

    /// The same files with another value of one setting, which must be one of these.
    ///
    /// # Errors
    ///
    /// With file, line and reason if the value is none for this setting, its text cannot be located, or the changed text
    /// would say something else than before but for that value.
    pub fn change(&self, setting: &Setting, value: SettingValue) -> Result<Self, Problem> {
        apply::change(self, setting, value)
    }
}

impl Setting {
    fn problem(&self, reason: &str) -> Problem {
        Problem {
            file: self.file.clone(),
            line: self.at.line,
            column: self.at.column,
            message: format!("cannot change {}: {reason}", self.name()),
            hint: Some("write the value out plainly, or change it by hand".into()),
        }
    }
}
