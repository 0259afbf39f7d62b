//! Reading rule files: strict keys, checked values, compiled expressions, and every problem with its place.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::documents::{self, List, Origin};
use super::foreign::{self, ForeignKey};
use super::places::Source;
use super::{Group, LabelTemplate, Reading, Rule, RuleFile, RuleKind, RuleSet};
use crate::alert;
use crate::compat::Compat;
use crate::duration;
use crate::expr::compile::{Compiled, Reach, compile_rule};
use crate::expr::shadow;
use crate::expr::share::{Shared, share};
use crate::sample::{METRIC_NAME, is_label_name};
use crate::template::Template;
use crate::yaml::{Fields, Node, Position, Problem, Problems, Value};

/// Most rules of all files together.
const RULES_MAX: usize = 20_000;
/// Most labels, and most annotations, of a rule.
const LABELS_MAX: usize = 256;
/// Most text of labels and annotations of all files together, bytes; a group's labels count for each of its rules.
const TEXTS_MAX: usize = 64 << 20;
/// Most parts (selectors, operators, functions, numbers) of the expressions of all files together; each is half a kilobyte.
const PARTS_MAX: usize = 500_000;
/// Largest regular expressions of all files together, states; a few hundred megabytes at worst.
const REGEXES_MAX: usize = 1_500_000;

pub(super) fn rule_set(
    files: &[RuleFile],
    compat: Compat,
    reading: Reading,
) -> Result<RuleSet, Vec<Problem>> {
    let mut groups = Vec::new();
    let mut taken = Taken::default();
    let mut failures = Vec::new();
    let mut warnings = Vec::new();
    let mut reach = Reach::default();
    for file in files {
        let mut loader = Loader {
            taken,
            ..Loader::new(file, compat, reading)
        };
        groups.extend(loader.file());
        taken = loader.taken;
        reach = reach.merge(loader.reach);
        failures.extend(loader.problems.into_vec());
        warnings.extend(loader.warnings.into_vec());
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    let shared = shared(&mut groups);
    let rules = groups.iter().flat_map(|group| &group.rules);
    let recorded = rules
        .filter(|rule| matches!(rule.kind, RuleKind::Record { .. }))
        .map(|rule| (rule.name.as_str(), &rule.expr));
    Ok(RuleSet {
        conditional: shadow::conditional(recorded, &shared).into(),
        shared,
        groups,
        compat,
        reach,
        warnings,
    })
}

/// Moves what several rules have in common out of their expressions.
fn shared(groups: &mut [Group]) -> Vec<Shared> {
    let mut rules: Vec<&mut Rule> = groups
        .iter_mut()
        .flat_map(|group| &mut group.rules)
        .collect();
    let mut written = BTreeSet::from(alert::WRITTEN.map(str::to_owned));
    for rule in &rules {
        if matches!(rule.kind, RuleKind::Record { .. }) {
            written.insert(rule.name.clone());
        }
    }
    share(rules.iter_mut().map(|rule| &mut rule.expr), &written)
}

/// What the rules read so far take, against what hostile files would make of it.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    rules: usize,
    texts: usize,
    parts: usize,
    regexes: usize,
    /// Whether it has been too much, and told.
    full: bool,
}

struct Loader<'f> {
    file: &'f str,
    source: Arc<Source>,
    compat: Compat,
    experimental_functions: bool,
    problems: Problems,
    warnings: Problems,
    reach: Reach,
    taken: Taken,
}

impl<'f> Loader<'f> {
    fn new(file: &'f RuleFile, compat: Compat, reading: Reading) -> Self {
        Self {
            file: &file.name,
            source: Arc::new(Source::new(&file.text)),
            compat,
            experimental_functions: reading.experimental_functions,
            problems: Problems::new(file.name.clone()).with_unknown_keys(reading.unknown_keys),
            warnings: Problems::new(file.name.clone()),
            reach: Reach::default(),
            taken: Taken::default(),
        }
    }

    fn file(&mut self) -> Vec<Group> {
        let Some(roots) =
            documents::read(self.source.text(), &mut self.problems, &mut self.warnings)
        else {
            return Vec::new();
        };
        let lists = documents::lists(&roots, &mut self.problems, &mut self.warnings);
        lists
            .into_iter()
            .flat_map(|list| self.list(&list))
            .collect()
    }

    /// The groups of a rule file or of one resource, within which their names are unique.
    fn list(&mut self, list: &List<'_>) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut names = BTreeSet::new();
        // Items that are nothing are dropped, as in go-yaml.
        for node in list.groups.iter().filter(|node| !node.is_null()) {
            let Some(group) = self.group(node, list.origin) else {
                continue;
            };
            if !names.insert(group.name.clone()) {
                let origin = list.origin.name();
                self.problems.push_with_hint(
                    node.at,
                    format!("group {:?} is in this {origin} twice", group.name),
                    format!("give each group of a {origin} a name of its own"),
                );
            }
            groups.push(group);
        }
        groups
    }

    fn group(&mut self, node: &Node, origin: Origin) -> Option<Group> {
        let mut fields = Fields::new(node, "rule group", &mut self.problems)?;
        let name = fields.required("name", &mut self.problems);
        let interval = fields.take("interval");
        let limit = fields.take("limit");
        let (query_offset, labels) = match self.compat {
            Compat::V2 => (None, None),
            Compat::V3 => (fields.take("query_offset"), fields.take("labels")),
        };
        let rules = fields.take("rules");
        if origin == Origin::Victoria {
            self.only_prometheus(fields.take("type"));
        }
        self.foreign(&mut fields, foreign::OF_GROUPS, origin);
        fields.finish(&mut self.problems);

        let name = name.and_then(|node| self.text(node, "the group's name"));
        let labels = labels.map_or_else(Vec::new, |node| self.labels(node, "label"));
        let interval_ms = self.duration(interval).filter(|ms| *ms > 0);
        let limit = limit.and_then(|node| self.whole_number(node, "limit"));
        let query_offset_ms = self.duration(query_offset).unwrap_or(0);
        let nodes = rules.and_then(|node| node.as_seq("rules", &mut self.problems));
        let mut read = Vec::new();
        for node in nodes
            .unwrap_or_default()
            .iter()
            .filter(|node| !node.is_null())
        {
            if !self.has_room(node) {
                break;
            }
            read.extend(self.rule(node, &labels, origin));
        }
        // The evaluation itself looks this much further back.
        self.reach.back_ms = self.reach.back_ms.saturating_add(query_offset_ms);
        Some(Group {
            name: name?,
            file: self.file.to_owned(),
            source: Arc::clone(&self.source),
            interval_ms,
            limit: limit.unwrap_or(0),
            query_offset_ms,
            rules: read,
        })
    }

    /// Counts a rule. False when there are too many or they take too much, with a problem the first time.
    fn has_room(&mut self, node: &Node) -> bool {
        self.taken.rules += 1;
        let Taken {
            rules,
            texts,
            parts,
            regexes,
            full,
        } = self.taken;
        if full {
            return false;
        }
        for (taken, limit, what) in [
            (rules, RULES_MAX, "rules"),
            (texts, TEXTS_MAX, "bytes of labels and annotations"),
            (parts, PARTS_MAX, "parts of expressions"),
            (regexes, REGEXES_MAX, "states of regular expressions"),
        ] {
            if taken > limit {
                self.taken.full = true;
                self.problems.push_with_hint(
                    node.at,
                    format!("the rule files have more than {limit} {what} together"),
                    "load fewer files at a time; the rules from here on were not read",
                );
                return false;
            }
        }
        true
    }

    fn foreign(&mut self, fields: &mut Fields<'_>, known: &'static [ForeignKey], origin: Origin) {
        let (problems, warnings) = (&mut self.problems, &mut self.warnings);
        foreign::keys(fields, known, origin, problems, warnings);
    }

    /// VictoriaMetrics' groups may ask something else than a Prometheus.
    fn only_prometheus(&mut self, kind: Option<&Node>) {
        if let Some(node) = kind.filter(|node| node.text() != Some("prometheus")) {
            self.problems.push_with_hint(
                node.at,
                format!(
                    "groups of the type {} cannot be evaluated here",
                    node.found()
                ),
                "accepted: prometheus",
            );
        }
    }

    fn rule(
        &mut self,
        node: &Node,
        group_labels: &[(&Node, String, String)],
        origin: Origin,
    ) -> Option<Rule> {
        let mut fields = Fields::new(node, "rule", &mut self.problems)?;
        let record = fields.take("record");
        let alert = fields.take("alert");
        let expr = fields.required("expr", &mut self.problems);
        let wait = fields.take("for");
        let keep = fields.take("keep_firing_for");
        let labels = fields.take("labels");
        let annotations = fields.take("annotations");
        self.foreign(&mut fields, foreign::OF_RULES, origin);
        fields.finish(&mut self.problems);

        let (name, is_alert) = match (record, alert) {
            (Some(_), Some(alert)) => {
                let message = "a rule has either `record` or `alert`, not both";
                self.problems.push(alert.at, message);
                return None;
            }
            (None, None) => {
                let message =
                    "a rule needs `record` (a metric's name) or `alert` (an alert's name)";
                self.problems.push(node.at, message);
                return None;
            }
            (Some(record), None) => (record, false),
            (None, Some(alert)) => (alert, true),
        };
        let what = if is_alert {
            "the alert's name"
        } else {
            "the metric's name"
        };
        let name_text = self.text(name, what);
        if let Some(text) = &name_text
            && !is_alert
            && !is_metric_name(text, self.compat)
        {
            self.problems.push_with_hint(
                name.at,
                format!("{text:?} is not a metric name"),
                "letters, digits, _ and :, not starting with a digit",
            );
        }
        let mut merged = group_labels.to_vec();
        if let Some(labels) = labels {
            let own = self.labels(labels, "label");
            merged.retain(|(_, name, _)| own.iter().all(|(_, other, _)| other != name));
            merged.extend(own);
        }
        merged.sort_by(|a, b| a.1.cmp(&b.1));
        self.take_texts(&merged);
        let kind = if is_alert {
            let mut annotations =
                annotations.map_or_else(Vec::new, |node| self.labels(node, "annotation"));
            annotations.sort_by(|a, b| a.1.cmp(&b.1));
            self.take_texts(&annotations);
            let alert_name = name_text.as_deref().unwrap_or_default();
            RuleKind::Alert {
                for_ms: self.duration(wait).unwrap_or(0),
                for_at: wait.map(|node| node.at),
                keep_firing_for_ms: self.duration(keep).unwrap_or(0),
                labels: merged
                    .into_iter()
                    .map(|label| self.template("label", alert_name, label))
                    .collect(),
                annotations: annotations
                    .into_iter()
                    .map(|annotation| self.template("annotation", alert_name, annotation))
                    .collect(),
            }
        } else {
            for (key, node) in [
                ("for", wait),
                ("keep_firing_for", keep),
                ("annotations", annotations),
            ] {
                if let Some(node) = node {
                    let message = format!("`{key}` has no meaning in a recording rule");
                    self.problems.push(node.at, message);
                }
            }
            let plain = |(_, name, value)| (name, value);
            RuleKind::Record {
                labels: merged.into_iter().map(plain).collect(),
            }
        };
        let expr_node = expr?;
        let text = self.text(expr_node, "expr")?;
        let compiled = self.expression(expr_node, &text)?;
        Some(Rule {
            name: name_text?,
            at: node.at,
            text: text.trim().to_owned(),
            expr_at: expr_node.at,
            expr: compiled.expr,
            kind,
        })
    }

    fn expression(&mut self, node: &Node, text: &str) -> Option<Compiled> {
        let compiled = compile_rule(text, self.compat)
            .and_then(|compiled| compiled.if_enabled(self.experimental_functions));
        match compiled {
            Ok(compiled) => {
                self.reach = self.reach.merge(compiled.reach);
                self.taken.parts = self.taken.parts.saturating_add(compiled.parts);
                self.taken.regexes = self.taken.regexes.saturating_add(compiled.regexes);
                Some(compiled)
            }
            Err(refusal) => {
                let part = refusal.span.range();
                let at = self.place_of(node, text, part).unwrap_or(node.at);
                self.problems.push(at, refusal.message);
                None
            }
        }
    }

    /// Where in the file a part of a scalar's text stands, if that can be said exactly.
    fn place_of(&self, node: &Node, text: &str, part: Range<usize>) -> Option<Position> {
        let region = self.source.places(node.at, text).region(part)?;
        Some(region.start)
    }

    fn take_texts(&mut self, labels: &[(&Node, String, String)]) {
        let bytes: usize = labels
            .iter()
            .map(|(_, name, text)| name.len() + text.len())
            .sum();
        self.taken.texts = self.taken.texts.saturating_add(bytes);
    }

    /// A scalar that is not empty.
    fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = node.as_str(what, &mut self.problems)?;
        if text.trim().is_empty() {
            self.problems.push(node.at, format!("{what} is empty"));
            return None;
        }
        Some(text.to_owned())
    }

    fn whole_number(&mut self, node: &Node, what: &str) -> Option<usize> {
        let number = node.as_u64(what, &mut self.problems)?;
        usize::try_from(number).ok()
    }

    fn duration(&mut self, node: Option<&Node>) -> Option<i64> {
        let node = node?;
        let text = node.as_str("a duration", &mut self.problems)?;
        let parsed = duration::parse_ms(text);
        if parsed.is_none() {
            self.problems.push_with_hint(
                node.at,
                format!("{text:?} is not a duration"),
                duration::ACCEPTED,
            );
        }
        parsed
    }

    /// The names and values of a mapping of labels or annotations.
    fn labels<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(&'n Node, String, String)> {
        let Some(entries) = node.as_map(what, &mut self.problems) else {
            return Vec::new();
        };
        if entries.len() > LABELS_MAX {
            self.problems.push(
                node.at,
                format!("{} {what}s; the limit is {LABELS_MAX}", entries.len()),
            );
            return Vec::new();
        }
        let mut labels = Vec::new();
        for (key, value) in entries {
            let Some(name) = key.as_str("a name", &mut self.problems) else {
                continue;
            };
            let is_metric_name = what == "label" && name == METRIC_NAME;
            if !is_label_name(name, self.compat) || is_metric_name {
                let hint = "letters, digits and _, not starting with a digit, and not __name__";
                let message = format!("{name:?} is not a name for a {what}");
                self.problems.push_with_hint(key.at, message, hint);
                continue;
            }
            let text = match &value.value {
                Value::Scalar { .. } if value.is_null() => String::new(),
                Value::Scalar { text, .. } => text.clone(),
                _ => {
                    let message = format!("the {what} {name:?} must be a text");
                    self.problems.push(value.at, message);
                    continue;
                }
            };
            labels.push((value, name.to_owned(), text));
        }
        labels
    }

    /// A label or annotation of the alert called `alert`, with its template.
    fn template(
        &mut self,
        what: &str,
        alert: &str,
        (node, name, text): (&Node, String, String),
    ) -> LabelTemplate {
        let template = Template::parse(alert, &text, self.compat).unwrap_or_else(|error| {
            let part = error.at..text.len();
            let at = self.place_of(node, &text, part).unwrap_or(node.at);
            self.problems.push(at, format!("{what} {name:?}: {error}"));
            Template::verbatim(&text, self.compat)
        });
        self.reach = self.reach.merge(template.reach());
        for (start, why) in template.wrong_queries() {
            let at = self.place_of(node, &text, start..text.len());
            self.warnings.push_with_hint(
                at.unwrap_or(node.at),
                format!("{what} {name:?}: its query has no answer here: {why}"),
                "the text says so in its place",
            );
        }
        LabelTemplate {
            name,
            text,
            at: node.at,
            template,
        }
    }
}

fn is_metric_name(name: &str, compat: Compat) -> bool {
    match compat {
        Compat::V3 => !name.is_empty() && !name.contains(['{', '}']),
        Compat::V2 => {
            let starts = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b':');
            name.bytes().next().is_some_and(starts)
                && name.bytes().all(|b| starts(b) || b.is_ascii_digit())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_expressions_of_all_rules_are_added_up() {
        let rule = "{ alert: A, expr: 'x{a=~\"(b|c){900}\"}' }";
        let [first, second, third] = ["g", "h", "i"].map(|group| RuleFile {
            name: "rules.yml".into(),
            text: format!("groups: [{{ name: {group}, rules: [{rule}, {rule}] }}]"),
        });
        let mut loader = Loader::new(&first, Compat::V3, Reading::default());
        loader.file();
        let two = loader.taken.regexes;
        assert!((1800..50_000).contains(&two), "{two}");
        // What so many rules more would make, without the time they take.
        loader.taken.regexes *= REGEXES_MAX / two + 1;
        for file in [&second, &third] {
            loader.source = Arc::new(Source::new(&file.text));
            loader.file();
        }
        let problems = loader.problems.into_vec();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0]
                .message
                .contains("states of regular expressions")
        );
    }
}
