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
    /// With what is wrong with each; places are those in the expression.
    pub fn new(expressions: &[String]) -> Result<Self, Vec<Problem>> {
        if expressions.is_empty() {
            return Ok(Self::default());
        }
        let rules = expressions.iter().enumerate().map(|(number, text)| {
            let before = before(number);
            format!("{before}{} }}\n", quoted(text))
        });
        let text = format!("{BEFORE_ALL}{}", rules.collect::<String>());
        let files = [RuleFile {
            name: "--abort-when".to_owned(),
            text,
        }];
        let loaded = RuleSet::load(&files, Compat::default());
        loaded.map(|set| Self(Some(set))).map_err(|found| {
            let placed = found.into_iter().map(|found| placed(found, expressions));
            placed.collect()
        })
    }

    /// The rules that they are; `None`: there are none.
    pub(super) fn rules(&self) -> Option<&RuleSet> {
        self.0.as_ref()
    }
}

/// A rule file is made of the expressions: this, and a line for each.
const BEFORE_ALL: &str = "groups:\n- name: abort\n  rules:\n";

/// What stands in its line before an expression.
fn before(number: usize) -> String {
    format!("  - {{ alert: abort-{number}, expr: ")
}

/// A string of JSON is one of YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A problem of that file, as one of the expression that it is about.
fn placed(found: Problem, expressions: &[String]) -> Problem {
    let number = found.line.checked_sub(BEFORE_ALL.lines().count() + 1);
    let expression = number.and_then(|number| Some((number, expressions.get(number)?)));
    let Some((number, expression)) = expression else {
        return found;
    };
    // Behind the quote; what is escaped takes more room there.
    let mut left = found
        .column
        .saturating_sub(before(number).chars().count() + 2);
    let (mut line, mut column) = (1, 1);
    for c in expression.chars() {
        let room = quoted(&c.to_string()).chars().count() - 2;
        if left < room {
            break;
        }
        left -= room;
        (line, column) = match c {
            '\n' => (line + 1, 1),
            _ => (line, column + 1),
        };
    }
    Problem {
        file: match expressions.len() {
            1 => found.file,
            _ => format!("{} {}", found.file, quoted(expression)),
        },
        line,
        column,
        ..found
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
        let place = |text: &str| {
            let found = of(text).unwrap_err();
            (found[0].line, found[0].column)
        };
        assert_eq!(place("sum(up) >> 1"), (1, 10));
        assert_eq!(place("up{job=\"a\\\\b\"} >> 1"), (1, 17));
        assert_eq!(place("up == 0\n  or foo(up)"), (2, 6));
        let two = ["up == 0".to_owned(), "up >> 0".to_owned()];
        let found = AbortWhen::new(&two).unwrap_err();
        let told = found[0].to_string();
        assert!(told.starts_with("--abort-when \"up >> 0\":1:5: "), "{told}");
        assert!(AbortWhen::new(&[]).unwrap().rules().is_none());
        assert_eq!(number("abort-3"), Some(3));
    }
}
