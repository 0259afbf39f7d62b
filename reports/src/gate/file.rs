//! A gate file: `gates`, and `known` failures.

use super::{Gate, Known, known, read};
use firedrill_detector::yaml::{Fields, Node, Position, Problem, Problems, Value, parse};

/// What a gate file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GateFile {
    /// Where it was read from.
    pub file: String,
    /// The gates and where each stands.
    pub gates: Vec<(Gate, Position)>,
    /// Failures that are known.
    pub known: Vec<Known>,
}

impl GateFile {
    /// Reads a gate file.
    ///
    /// # Errors
    /// With all that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(file);
        let found =
            parse(text, &mut problems).and_then(|node| Self::read(file, &node, &mut problems));
        match found {
            Some(found) if problems.is_empty() => Ok(found),
            _ => Err(problems.into_vec()),
        }
    }

    fn read(file: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::new(node, "gate file", problems)?;
        let written = fields.take("gates");
        let known = fields.take("known");
        let at = fields.at();
        fields.finish(problems);
        if written.is_none() && known.is_none() {
            problems.push(at, "gate file: neither `gates` nor `known` is there");
            return None;
        }
        let gates = written.map_or(Vec::new(), |node| gates(node, problems));
        let known: Vec<Known> = match known {
            Some(node) => {
                let items = node.as_seq("known", problems)?.iter();
                items
                    .filter_map(|item| Known::read(item, problems))
                    .collect()
            }
            None => Vec::new(),
        };
        if problems.is_empty() {
            let names: Vec<String> = gates.iter().map(|(gate, _)| gate.to_string()).collect();
            known::check(&known, &names, problems);
        }
        Some(Self {
            file: file.to_owned(),
            gates,
            known,
        })
    }
}

/// Reads a mapping of figures to what they must be like, one condition or a list of them. What is wrong is told where it
/// stands, and left out.
#[must_use]
pub fn gates(node: &Node, problems: &mut Problems) -> Vec<(Gate, Position)> {
    let Some(entries) = node.as_map("gates", problems) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, value) in entries {
        let Some(figure) = key.as_str("a gate", problems) else {
            continue;
        };
        let conditions = match &value.value {
            Value::Sequence(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        if conditions.is_empty() {
            value.expected(
                figure,
                "at least one condition, such as `count == 0`",
                problems,
            );
        }
        for condition in conditions {
            let Some(text) = condition.as_str(figure, problems) else {
                continue;
            };
            match read::gate(figure.trim(), text.trim()) {
                Ok(gate) => found.push((gate, condition.at)),
                Err(wrong) => {
                    let node = if wrong.of_figure { key } else { condition };
                    let at = within(node, wrong.at);
                    problems.push_with_hint(at, wrong.message, wrong.hint);
                    // The figure is the same for all of them.
                    if wrong.of_figure {
                        break;
                    }
                }
            }
        }
    }
    found
}

/// So many characters into a text; within quotes, behind the first of them.
fn within(node: &Node, characters: usize) -> Position {
    let quoted = !matches!(&node.value, Value::Scalar { plain: true, .. });
    Position {
        column: node.at.column + characters + usize::from(quoted),
        ..node.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let problems = GateFile::parse("gate.yml", text).unwrap_err();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        told.join("\n")
    }

    #[test]
    fn gates_and_known_failures_are_read() {
        let file = GateFile::parse(
            "gate.yml",
            r#"
gates:
  jobs_lost: count == 0
  detect_seconds{alert="X"}: [med < 2m, p(95) < 300]
known:
- { alert: X, scenario: healthy, reason: being rewritten, until: 2027-01-31 }
- { cause: deadlock, reason: see 18, until: 2027-01-31 }
- { incident: deadlock, reason: as it was written at first, until: 2027-01-31 }
- gate: 'jobs_lost: count==0'
  reason: see 17
  until: 2026-12-24
"#,
        )
        .unwrap();
        let gates: Vec<String> = file
            .gates
            .iter()
            .map(|(gate, _)| gate.to_string())
            .collect();
        assert_eq!(
            gates,
            [
                "jobs_lost: count == 0",
                "detect_seconds{alert=\"X\"}: med < 120",
                "detect_seconds{alert=\"X\"}: p(95) < 300",
            ]
        );
        assert_eq!((file.gates[2].1.line, file.gates[2].1.column), (4, 41));
        let known: Vec<String> = file.known.iter().map(ToString::to_string).collect();
        assert_eq!(
            known,
            [
                "alert X in healthy",
                "cause deadlock",
                "cause deadlock",
                "gate `jobs_lost: count == 0`",
            ]
        );
    }

    #[test]
    fn all_that_is_wrong_is_told_with_its_place() {
        insta::assert_snapshot!(told(
            r#"
gates:
  jobs_lots: count == 0
  jobs_lost: ["count == 0", 'cuont == 1', [], count == baseline /]
  detect_seconds{alert="X",quue="q"}: p(95) < 300
  alert_recall: []
  jobs_lost: count == 1
known:
- { cause: deadlok, reason: a, until: 2027-01-31 }
- { alert: X, incident: deadlock, reason: a, until: 2027-01-31 }
- { alert: X, until: next year }
- { gate: "jobs_lots: count == 0", reason: a, until: 2027-01-31 }
- { gate: "jobs_lost: count == 0", scenario: a, reason: a, until: 2027-01-31 }
- { alert: X, reason: a, until: 2027-02-30, whom: me }
know: []
"#
        ));
        insta::assert_snapshot!(told("{}"));
        insta::assert_snapshot!(told(
            "gates: { jobs_lost: count == 0 }\nknown: [{ gate: 'jobs_lost: count == 1', reason: a, until: 2027-01-31 }]"
        ));
        insta::assert_snapshot!(told("[]"));
    }
}
