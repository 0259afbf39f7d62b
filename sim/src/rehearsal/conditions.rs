//! Conditions that end a rehearsal: expressions that are evaluated on what is scraped, as alert rules are.

use firedrill_detector::yaml::Problem;
use firedrill_detector::{Compat, RuleFile, RuleSet};

/// Expressions; one that has a result ends the rehearsal.
#[derive(Debug, Clone, Default)]
pub struct AbortWhen(Option<RuleSet>);

impl AbortWhen {
    /// As they were typed, one after the other.
    ///
    /// # Errors
    /// With what is wrong with each; places are those of a rule file with an expression a line.
    pub fn new(expressions: &[String]) -> Result<Self, Vec<Problem>> {
        if expressions.is_empty() {
            return Ok(Self::default());
        }
        let rules = expressions.iter().enumerate().map(|(number, text)| {
            // A string of JSON is one of YAML.
            let text = serde_json::Value::from(text.as_str());
            format!("  - {{ alert: abort-{number}, expr: {text} }}\n")
        });
        let text = format!(
            "groups:\n- name: abort\n  rules:\n{}",
            rules.collect::<String>()
        );
        let files = [RuleFile {
            name: "--abort-when".to_owned(),
            text,
        }];
        RuleSet::load(&files, Compat::default()).map(|set| Self(Some(set)))
    }

    /// The rules that they are; `None`: there are none.
    pub(super) fn rules(&self) -> Option<&RuleSet> {
        self.0.as_ref()
    }
}

/// The place of the expression that a rule was made of, from 0.
pub(super) fn number(alert: &str) -> Option<usize> {
    alert.strip_prefix("abort-")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_taken_as_typed_and_mistakes_are_told() {
        let of = |text: &str| AbortWhen::new(&[text.to_owned()]);
        assert!(of("sum(up{job=\"worker\"}) == 0").is_ok());
        assert!(of("a\n  > 1 # why: \\").is_ok());
        let found = of("sum(up").unwrap_err();
        assert!(found[0].to_string().contains("--abort-when"), "{found:?}");
        assert!(AbortWhen::new(&[]).unwrap().rules().is_none());
        assert_eq!(number("abort-3"), Some(3));
    }
}
