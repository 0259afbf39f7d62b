//! What is to be said against rules without any data: traps that their text shows, and the [`Surroundings`] they are in.
//!
//! Only what follows from PromQL itself is said, for whatever data there may be; names say something where Prometheus'
//! conventions do (`_total` is a counter), and where it is known what type a metric has.

mod kind;
mod labels;
mod range;
mod scrapes;
mod series;
mod surroundings;

pub use kind::RemarkKind;
pub use surroundings::{Metric, MetricType, Surroundings};

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::compat::Compat;
use crate::promql::{self, Aggregator, MatchingLabels, Operator, Span, ValueType};
use crate::rules::{Group, LabelTemplate, Places, Rule, RuleKind, RuleSet};
use crate::yaml::Region;
use labels::Known;

/// A rule, and what is to be said against it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleRemarks {
    /// The group's name.
    pub group: String,
    /// The alert's name, or the recorded metric's.
    pub name: String,
    /// The rule file's name.
    pub file: String,
    /// The line the rule starts on, from 1.
    pub line: usize,
    /// The column it starts at, in characters, from 1.
    pub column: usize,
    /// What is to be said; nothing: nothing is wrong with it as far as this can be seen without data.
    pub remarks: Vec<Remark>,
}

/// Something to be said of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remark {
    /// What it is.
    pub kind: RemarkKind,
    /// The part of the rule it is about.
    pub part: String,
    /// Where that stands in the file; `None`: that cannot be said exactly.
    pub region: Option<Region>,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl RuleSet {
    /// All rules, recording rules included, in the order of files, groups and rules, each with what is to be said against it
    /// in such surroundings.
    #[must_use]
    pub fn remarks(&self, surroundings: &Surroundings) -> Vec<RuleRemarks> {
        let rules = || {
            let groups = self.groups.iter();
            groups.flat_map(|group| group.rules.iter().map(move |rule| (group, rule)))
        };
        let recorded = rules().filter(|(_, rule)| matches!(rule.kind, RuleKind::Record { .. }));
        let around = Around {
            surroundings,
            compat: self.compat,
            conditional: &self.conditional,
            recorded: recorded.map(|(_, rule)| rule.name.as_str()).collect(),
        };
        let all = rules().map(|(group, rule)| RuleRemarks {
            group: group.name.clone(),
            name: rule.name.clone(),
            file: group.file.clone(),
            line: rule.at.line,
            column: rule.at.column,
            // A rule's text has been compiled before, so that it can be parsed.
            remarks: promql::parse(&rule.text, self.compat)
                .map(|parsed| remarks(group, rule, &parsed, &around))
                .unwrap_or_default(),
        });
        all.collect()
    }
}

/// What is known of all rules and of what they ask.
struct Around<'a> {
    surroundings: &'a Surroundings,
    compat: Compat,
    /// Recorded metrics that come and go with what they say.
    conditional: &'a BTreeSet<String>,
    /// What rules record: its samples are as far apart as evaluations.
    recorded: BTreeSet<&'a str>,
}

/// What is to be said of a rule.
fn remarks(group: &Group, rule: &Rule, parsed: &promql::Expr, around: &Around<'_>) -> Vec<Remark> {
    let mut reading = Reading {
        around,
        group,
        rule,
        places: OnceCell::new(),
        remarks: Vec::new(),
        is_alert: false,
    };
    if let RuleKind::Alert {
        for_ms,
        for_at,
        labels,
        annotations,
        ..
    } = &rule.kind
    {
        reading.is_alert = true;
        reading.condition(parsed);
        match for_ms {
            0 => reading.absence(parsed),
            _ => reading.short_for(*for_ms, *for_at, parsed),
        }
        let known = Known::of(parsed);
        for template in labels.iter().chain(annotations) {
            reading.template(template, &known);
        }
    }
    reading.expr(parsed);
    reading.series(parsed);
    reading.remarks
}

struct Reading<'a> {
    around: &'a Around<'a>,
    group: &'a Group,
    rule: &'a Rule,
    /// Those of its expression, once one is needed.
    places: OnceCell<Places>,
    remarks: Vec<Remark>,
    is_alert: bool,
}

impl Reading<'_> {
    /// Of a part of the expression.
    fn say(&mut self, kind: RemarkKind, part: &promql::Expr, message: String, hint: &str) {
        let region = self.region(part.span());
        self.push(kind, part.to_string(), region, message, hint);
    }

    fn push(
        &mut self,
        kind: RemarkKind,
        part: String,
        region: Option<Region>,
        message: String,
        hint: &str,
    ) {
        self.remarks.push(Remark {
            kind,
            part,
            region,
            message,
            hint: hint.to_owned(),
        });
    }

    fn region(&self, span: Span) -> Option<Region> {
        let places = self.places.get_or_init(|| {
            let source = &self.group.source;
            source.places(self.rule.expr_at, &self.rule.text)
        });
        places.region(span.range())
    }

    /// An alert that has a value whenever there is data.
    fn condition(&mut self, expr: &promql::Expr) {
        if filters(expr, self.around.conditional) {
            return;
        }
        match first_bool(expr) {
            Some(part) => self.say(
                RemarkKind::BoolComparison,
                part,
                "is 0 or 1 and never empty, and an alert fires for any value, 0 included".into(),
                "leave out `bool`",
            ),
            None => self.say(
                RemarkKind::NoComparison,
                expr,
                "compares nothing: an alert fires for any value, 0 included".into(),
                "add a comparison",
            ),
        }
    }

    fn absence(&mut self, expr: &promql::Expr) {
        match expr.bare() {
            promql::Expr::Call(call) if call.function.name == "absent" => self.say(
                RemarkKind::AbsentWithoutFor,
                expr,
                "fires at the first evaluation that finds nothing: after a restart of Prometheus, or while targets move".into(),
                "give the rule a `for` of a few scrapes",
            ),
            promql::Expr::Binary(binary) if binary.op == Operator::Or => {
                self.absence(&binary.lhs);
                self.absence(&binary.rhs);
            }
            _ => {}
        }
    }

    /// Labels that a template asks for and the expression has lost.
    fn template(&mut self, template: &LabelTemplate, known: &Known) {
        for (label, part) in labels_asked_for(&template.text) {
            if known.lacks(label) {
                let places = self.group.source.places(template.at, &template.text);
                self.push(
                    RemarkKind::LabelDropped,
                    format!("{}: {}", template.name, one_line(&template.text)),
                    places.region(part),
                    format!("the expression has no label {label}, so that there will be nothing in its place"),
                    "keep the label in the aggregation, or leave it out of the text",
                );
            }
        }
    }

    fn expr(&mut self, expr: &promql::Expr) {
        if let promql::Expr::Binary(binary) = expr {
            self.binary(expr, binary);
        }
        if let promql::Expr::Aggregate(aggregate) = expr {
            return self.expr(&aggregate.expr);
        }
        for child in expr.children() {
            self.expr(child);
        }
    }

    fn binary(&mut self, expr: &promql::Expr, binary: &promql::Binary) {
        let op = binary.op;
        let are_vectors = [&binary.lhs, &binary.rhs]
            .into_iter()
            .all(|side| side.value_type() == ValueType::Vector);
        if are_vectors && !matches!(op, Operator::Or | Operator::Unless) {
            self.never_match(expr, binary);
        }
        if !binary.filters() {
            return;
        }
        let (side, op, number) = match (binary.lhs.bare(), binary.rhs.bare()) {
            (_, promql::Expr::Number(number)) => (&binary.lhs, op, number.value),
            (promql::Expr::Number(number), _) => (&binary.rhs, mirrored(op), number.value),
            _ => return,
        };
        if side.value_type() != ValueType::Vector {
            return;
        }
        match range::of(side).outcome(op, number) {
            Some(true) => self.say(
                RemarkKind::AlwaysHolds,
                expr,
                format!("holds for every value that `{side}` can have"),
                "is the threshold right?",
            ),
            Some(false) if is_count(side) => self.say(
                RemarkKind::NeverHolds,
                expr,
                format!("never holds: `{side}` is 1 at least, and of nothing it is nothing, not 0"),
                "ask with absent(), or give the count something to fall back on: `(count(...) or vector(0)) == 0`",
            ),
            Some(false) => self.say(
                RemarkKind::NeverHolds,
                expr,
                format!("holds for no value that `{side}` can have"),
                "is the threshold right?",
            ),
            None => {}
        }
        if self.is_alert
            && matches!(
                op,
                Operator::Greater | Operator::GreaterEqual | Operator::NotEqual
            )
            && let Some(name) = self.counter(side)
        {
            self.say(
                RemarkKind::RawCounter,
                expr,
                format!("{name} is a counter: it only grows, so that this goes on holding until its process restarts"),
                "compare what it grew by: increase(...[10m]) or rate(...[5m])",
            );
        }
    }

    /// The name of the counter whose value this is, or a sum or an extreme of it.
    fn counter<'e>(&self, expr: &'e promql::Expr) -> Option<&'e str> {
        match expr.bare() {
            promql::Expr::Selector(selector) => {
                let name = selector.name.as_deref();
                name.filter(|name| self.around.surroundings.is_counter(name))
            }
            promql::Expr::Aggregate(aggregate)
                if matches!(
                    aggregate.op,
                    Aggregator::Sum | Aggregator::Max | Aggregator::Min | Aggregator::Avg
                ) =>
            {
                self.counter(&aggregate.expr)
            }
            _ => None,
        }
    }

    fn never_match(&mut self, expr: &promql::Expr, binary: &promql::Binary) {
        let (left, right) = (Known::of(&binary.lhs), Known::of(&binary.rhs));
        let is_matched = |label: &String| match &binary.matching.labels {
            MatchingLabels::On(labels) => labels.contains(label),
            MatchingLabels::Ignoring(labels) => !labels.contains(label),
        };
        for (one, other, where_one, where_other) in [
            (&left, &right, "left", "right"),
            (&right, &left, "right", "left"),
        ] {
            let mut alone = one
                .has
                .iter()
                .filter(|label| is_matched(label) && other.lacks(label));
            if let Some(label) = alone.next() {
                return self.say(
                    RemarkKind::NeverMatch,
                    expr,
                    format!(
                        "its sides never match: those on the {where_one} have a label {label}, those on the {where_other} none"
                    ),
                    "aggregate both sides by the same labels, or match with on(...)",
                );
            }
        }
    }
}

/// Whether an expression may have no value although there is data.
fn filters(expr: &promql::Expr, conditional: &BTreeSet<String>) -> bool {
    let inner = |expr: &promql::Expr| filters(expr, conditional);
    match expr {
        promql::Expr::Paren(paren) => inner(&paren.expr),
        promql::Expr::Unary(unary) => inner(&unary.expr),
        promql::Expr::Subquery(subquery) => inner(&subquery.expr),
        promql::Expr::Aggregate(aggregate) => inner(&aggregate.expr),
        promql::Expr::Call(call) => {
            call.function.name.starts_with("absent")
                || (call.function.name != "scalar" && call.args.iter().any(inner))
        }
        promql::Expr::Binary(binary) => match binary.op {
            Operator::Or => inner(&binary.lhs) && inner(&binary.rhs),
            Operator::And | Operator::Unless => true,
            _ => binary.filters() || inner(&binary.lhs) || inner(&binary.rhs),
        },
        promql::Expr::Selector(selector) => is_condition(selector, conditional),
        promql::Expr::Range(range) => is_condition(&range.selector, conditional),
        promql::Expr::Number(_) | promql::Expr::String(_) => false,
    }
}

/// Whether a selector's series come and go with a condition; one without a name may mean any.
fn is_condition(selector: &promql::Selector, conditional: &BTreeSet<String>) -> bool {
    match &selector.name {
        None => true,
        Some(name) => crate::alert::WRITTEN.contains(&name.as_str()) || conditional.contains(name),
    }
}

/// The outermost comparison that says 0 or 1.
fn first_bool(expr: &promql::Expr) -> Option<&promql::Expr> {
    match expr.bare() {
        promql::Expr::Binary(binary) => {
            if binary.returns_bool {
                return Some(expr.bare());
            }
            first_bool(&binary.lhs).or_else(|| first_bool(&binary.rhs))
        }
        promql::Expr::Aggregate(aggregate) => first_bool(&aggregate.expr),
        promql::Expr::Unary(unary) => first_bool(&unary.expr),
        _ => None,
    }
}

fn is_count(expr: &promql::Expr) -> bool {
    matches!(expr.bare(), promql::Expr::Aggregate(aggregate) if aggregate.op == Aggregator::Count)
}

fn mirrored(op: Operator) -> Operator {
    match op {
        Operator::Less => Operator::Greater,
        Operator::LessEqual => Operator::GreaterEqual,
        Operator::Greater => Operator::Less,
        Operator::GreaterEqual => Operator::LessEqual,
        same => same,
    }
}

/// The labels that a template's actions take from `$labels`, and where each does so first.
fn labels_asked_for(text: &str) -> BTreeMap<&str, Range<usize>> {
    const ASKED: &str = "$labels.";
    let mut labels = BTreeMap::new();
    for (open, _) in text.match_indices("{{") {
        let action = text[open..].split("}}").next().unwrap_or_default();
        for (at, _) in action.match_indices(ASKED) {
            let start = open + at;
            let after = &text[start + ASKED.len()..open + action.len()];
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let name = &after[..after.find(|c| !is_part(c)).unwrap_or(after.len())];
            if !name.is_empty() {
                let part = start..start + ASKED.len() + name.len();
                labels.entry(name).or_insert(part);
            }
        }
    }
    labels
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
