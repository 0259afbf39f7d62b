//! How the rules of a drill were read.

use super::{RuleText, is_false};
use firedrill_detector::rules::Reading;
use firedrill_detector::yaml::{Problem, UnknownKeys};
use firedrill_detector::{Compat, RuleFile, RuleSet};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What there is a choice about when rule files are read; by default as Prometheus 3 reads them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleReading {
    /// The Prometheus generation to agree with.
    #[serde(default, skip_serializing_if = "Generation::is_default")]
    pub compat: Generation,
    /// Whether unknown keys are nobody's business.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_unknown_fields: bool,
    /// Whether Prometheus' experimental functions are enabled.
    #[serde(default, skip_serializing_if = "is_false")]
    pub experimental_functions: bool,
}

/// A Prometheus generation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Generation {
    /// Prometheus 2.42.
    V2,
    /// Prometheus 3.14.
    #[default]
    V3,
}

impl Generation {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl From<Generation> for Compat {
    fn from(generation: Generation) -> Self {
        match generation {
            Generation::V2 => Self::V2,
            Generation::V3 => Self::V3,
        }
    }
}

impl From<RuleReading> for Reading {
    fn from(reading: RuleReading) -> Self {
        Self {
            unknown_keys: match reading.ignore_unknown_fields {
                true => UnknownKeys::Ignored,
                false => UnknownKeys::Refused,
            },
            experimental_functions: reading.experimental_functions,
        }
    }
}

impl RuleReading {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Reads rule files.
    ///
    /// # Errors
    /// With all that is wrong with them: see [`RuleSet::load_as`].
    pub fn load(self, texts: &[RuleText]) -> Result<RuleSet, Vec<Problem>> {
        let files = texts.iter().map(|rule| RuleFile {
            name: rule.name.clone(),
            text: rule.text.clone(),
        });
        let files: Vec<RuleFile> = files.collect();
        RuleSet::load_as(&files, self.compat.into(), self.into())
    }
}

/// As it is said on a command line.
impl fmt::Display for RuleReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.compat {
            Generation::V2 => "--compat v2",
            Generation::V3 => "--compat v3",
        })?;
        if self.ignore_unknown_fields {
            f.write_str(" --ignore-unknown-fields")?;
        }
        if self.experimental_functions {
            f.write_str(" --enable-feature promql-experimental-functions")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_ever_is_not_written_and_the_rest_is_read_back() {
        let json = |reading: &RuleReading| serde_json::to_string(reading).unwrap();
        assert_eq!(json(&RuleReading::default()), "{}");
        let own = RuleReading {
            compat: Generation::V2,
            ignore_unknown_fields: true,
            experimental_functions: true,
        };
        let text = json(&own);
        assert_eq!(
            text,
            r#"{"compat":"v2","ignore_unknown_fields":true,"experimental_functions":true}"#
        );
        assert_eq!(serde_json::from_str::<RuleReading>(&text).unwrap(), own);
        assert_eq!(
            own.to_string(),
            "--compat v2 --ignore-unknown-fields --enable-feature promql-experimental-functions"
        );
    }
}
