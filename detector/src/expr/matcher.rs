//! Label matchers.

use crate::regex::Regex;
use crate::sample::Labels;

/// One `label op "value"`.
#[derive(Debug, Clone)]
pub(crate) struct Matcher {
    pub(crate) label: String,
    pub(crate) test: Test,
}

/// See [`Matcher`]. A label that is not there is tested as the empty string.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Equal(String),
    NotEqual(String),
    Regex(Regex),
    NotRegex(Regex),
}

impl Matcher {
    pub(crate) fn accepts(&self, value: &str) -> bool {
        match &self.test {
            Test::Equal(wanted) => value == wanted,
            Test::NotEqual(unwanted) => value != unwanted,
            Test::Regex(regex) => regex.is_match(value),
            Test::NotRegex(regex) => !regex.is_match(value),
        }
    }

    /// The value that alone is accepted.
    pub(crate) fn equal_to(&self) -> Option<&str> {
        match &self.test {
            Test::Equal(wanted) => Some(wanted),
            Test::NotEqual(_) | Test::Regex(_) | Test::NotRegex(_) => None,
        }
    }

    pub(crate) fn matches(&self, labels: &Labels) -> bool {
        self.accepts(labels.get(&self.label).unwrap_or(""))
    }
}
