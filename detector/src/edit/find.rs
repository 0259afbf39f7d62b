//! From rule files to the settings in them and their places.

use std::collections::BTreeMap;

use super::{Field, Place, Setting, SettingValue};
use crate::compat::Compat;
use crate::expr::threshold;
use crate::rules::documents::{self, List};
use crate::rules::{AlertRule, RuleFile, RuleSet};
use crate::yaml::source::{Scalar, mark_of, scalars};
use crate::yaml::{Node, Position, Problems, Value};

/// Everything that can be set in files that have been loaded as `rules`.
pub(super) fn settings(files: &[RuleFile], rules: &RuleSet, compat: Compat) -> Vec<Setting> {
    let mut found = Vec::new();
    let mut alerts = rules.alerts().enumerate();
    for (file_index, file) in files.iter().enumerate() {
        // They have been loaded, so that there is nothing to tell.
        let mut told = Problems::new(&file.name);
        let Some(roots) = documents::read(&file.text, &mut told, &mut Problems::default()) else {
            continue;
        };
        let lists = documents::lists(&roots, &mut told, &mut Problems::new(&file.name));
        let scalars = scalars(&file.text);
        // Rules were loaded in the order of the tree.
        for node in lists.iter().flat_map(alert_nodes) {
            let Some((rule, alert)) = alerts.next() else {
                break;
            };
            let written = Written {
                text: &file.text,
                scalars: &scalars,
                node,
            };
            let base = Setting {
                rule,
                group: alert.group.to_owned(),
                alert: alert.name.to_owned(),
                field: Field::For,
                value: SettingValue::Milliseconds(0),
                file: file.name.clone(),
                at: node.at,
                key: String::new(),
                file_index,
                place: Err(String::new()),
            };
            of_alert(&written, &alert, &base, compat, &mut found);
        }
    }
    found
}

fn alert_nodes<'n>(list: &List<'n>) -> impl Iterator<Item = &'n Node> + use<'n> {
    list.groups
        .iter()
        .flat_map(
            |group| match get(group, "rules").map(|(_, value)| &value.value) {
                Some(Value::Sequence(rules)) => rules.as_slice(),
                _ => &[],
            },
        )
        .filter(|rule| get(rule, "alert").is_some_and(|(_, value)| !value.is_null()))
}

/// A key of a mapping and its value.
fn get<'n>(node: &'n Node, name: &str) -> Option<(&'n Node, &'n Node)> {
    let Value::Mapping(entries) = &node.value else {
        return None;
    };
    let named = entries.iter().find(|(key, _)| key.text() == Some(name));
    named.map(|(key, value)| (key, value))
}

fn of_alert(
    written: &Written<'_>,
    alert: &AlertRule<'_>,
    base: &Setting,
    compat: Compat,
    found: &mut Vec<Setting>,
) {
    let Some((_, expr)) = get(written.node, "expr") else {
        return;
    };
    let value = expr.text().unwrap_or_default();
    // Positions below are those of the untrimmed text.
    match threshold::locate(value, compat) {
        Ok(thresholds) => {
            let several = thresholds.len() > 1;
            for (place, threshold) in thresholds.iter().enumerate() {
                let located = written.part(expr, threshold.range.clone());
                found.push(Setting {
                    field: Field::Threshold(place),
                    value: SettingValue::Number(threshold.value),
                    at: mark(written.text, expr.at, &located),
                    key: match several {
                        true => format!("threshold{}", place + 1),
                        false => "threshold".into(),
                    },
                    place: located,
                    ..base.clone()
                });
            }
        }
        Err(reason) => found.push(Setting {
            field: Field::Threshold(0),
            value: SettingValue::Number(f64::NAN),
            at: expr.at,
            key: "threshold".into(),
            place: Err(reason),
            ..base.clone()
        }),
    }
    for (field, key, value_ms) in [
        (Field::For, "for", alert.for_ms),
        (
            Field::KeepFiringFor,
            "keep_firing_for",
            alert.keep_firing_for_ms,
        ),
    ] {
        let place = written.duration(key);
        let at = get(written.node, key).map_or(expr.at, |(_, value)| value.at);
        found.push(Setting {
            field,
            value: SettingValue::Milliseconds(value_ms),
            at: mark(written.text, at, &place),
            key: key.into(),
            place,
            ..base.clone()
        });
    }
}

/// The place of what is replaced; `otherwise` where nothing is.
fn mark(text: &str, otherwise: Position, place: &Result<Place, String>) -> Position {
    match place {
        Ok(Place::Replace(range)) => mark_of(text, range.start),
        _ => otherwise,
    }
}

/// A rule as it stands in its file.
struct Written<'f> {
    text: &'f str,
    scalars: &'f BTreeMap<Position, Scalar>,
    node: &'f Node,
}

impl Written<'_> {
    fn scalar(&self, node: &Node) -> Result<&Scalar, String> {
        let scalar = self.scalars.get(&node.at);
        scalar.ok_or_else(|| "its text cannot be found".into())
    }

    /// The place of a part of a node's value.
    fn part(&self, node: &Node, part: std::ops::Range<usize>) -> Result<Place, String> {
        let value = node.text().unwrap_or_default();
        let range = self.scalar(node)?.find(self.text, value, part)?;
        Ok(Place::Replace(range))
    }

    /// The place of the duration under `key`, or of what has to be added.
    fn duration(&self, key: &str) -> Result<Place, String> {
        match get(self.node, key) {
            Some((_, value)) if value.is_null() => {
                Err(format!("`{key}` is there, but has no value"))
            }
            Some((_, value)) => self.part(value, 0..value.text().unwrap_or_default().len()),
            None => self.insertion(key),
        }
    }

    /// Behind `for` or else `expr`, indented like it.
    fn insertion(&self, key: &str) -> Result<Place, String> {
        let (name, value) = get(self.node, "for")
            .filter(|(_, value)| !value.is_null())
            .or(get(self.node, "expr"))
            .ok_or("it has no expression")?;
        let end = self
            .scalar(value)?
            .end(self.text, value.text().unwrap_or_default())?;
        let rest = &self.text[end..];
        if self.is_flow() {
            return Ok(Place::Insert {
                at: end,
                before: format!(", {key}: "),
                after: String::new(),
            });
        }
        let indent = " ".repeat(name.at.column - 1);
        let line_end = if self.text.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        Ok(match rest.find('\n') {
            Some(at) => Place::Insert {
                at: end + at + 1,
                before: format!("{indent}{key}: "),
                after: line_end.into(),
            },
            None => Place::Insert {
                at: self.text.len(),
                before: format!("{line_end}{indent}{key}: "),
                after: String::new(),
            },
        })
    }

    /// Whether the rule is written in braces.
    fn is_flow(&self) -> bool {
        let mut lines = self.text.split('\n');
        let line = lines.nth(self.node.at.line - 1).unwrap_or_default();
        line.chars().nth(self.node.at.column - 1) == Some('{')
    }
}
