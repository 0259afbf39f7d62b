//! What is to be said against rules by their text alone: of traps that need no data to be seen.
//!
//! Only what follows from PromQL itself is said, for whatever data there may be; names say something where Prometheus'
//! conventions do (`_total` is a counter).

mod labels;
mod range;

use std::collections::BTreeSet;

use crate::promql::{self, Aggregator, MatchingLabels, Operator, ValueType};
use crate::rules::{LabelTemplate, Rule, RuleKind};
use labels::Known;

/// Something to be said of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remark {
    /// What it is.
    pub kind: RemarkKind,
    /// The part of the rule it is about.
    pub part: String,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// The metric that is meant, where its name alone says what it is: who knows better may disregard this.
    pub metric: Option<String>,
}

/// See [`Remark`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RemarkKind {
    /// An alert without any condition: it fires as long as there is data.
    NoComparison,
    /// An alert on 0 or 1: it fires for both.
    BoolComparison,
    /// A comparison that holds for all values there can be.
    AlwaysHolds,
    /// A comparison that holds for no value there can be.
    NeverHolds,
    /// A counter compared by itself: it only grows.
    RawCounter,
    /// A template asks for a label that the expression has not kept.
    LabelDropped,
    /// Two sides that have no labels in common, whatever the data.
    NeverMatch,
    /// `absent()` that fires at the first evaluation.
    AbsentWithoutFor,
}

impl RemarkKind {
    /// A stable name for machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoComparison => "no_comparison",
            Self::BoolComparison => "bool_comparison",
            Self::AlwaysHolds => "always_holds",
            Self::NeverHolds => "never_holds",
            Self::RawCounter => "raw_counter",
            Self::LabelDropped => "label_dropped",
            Self::NeverMatch => "never_match",
            Self::AbsentWithoutFor => "absent_without_for",
        }
    }
}

/// What is to be said of a rule. `conditional`: recorded metrics that come and go with what they say.
pub(crate) fn remarks(
    rule: &Rule,
    parsed: &promql::Expr,
    conditional: &BTreeSet<String>,
) -> Vec<Remark> {
    let mut reading = Reading {
        remarks: Vec::new(),
        is_alert: false,
    };
    if let RuleKind::Alert {
        for_ms,
        labels,
        annotations,
        ..
    } = &rule.kind
    {
        reading.is_alert = true;
        reading.condition(parsed, conditional);
        if *for_ms == 0 {
            reading.absence(parsed);
        }
        let known = Known::of(parsed);
        for template in labels.iter().chain(annotations) {
            reading.template(template, &known);
        }
    }
    reading.expr(parsed);
    reading.remarks
}

struct Reading {
    remarks: Vec<Remark>,
    is_alert: bool,
}

impl Reading {
    fn say(&mut self, kind: RemarkKind, part: &str, message: String, hint: &str) {
        self.remarks.push(Remark {
            kind,
            part: part.to_owned(),
            message,
            hint: hint.to_owned(),
            metric: None,
        });
    }

    /// An alert that has a value whenever there is data.
    fn condition(&mut self, expr: &promql::Expr, conditional: &BTreeSet<String>) {
        if filters(expr, conditional) {
            return;
        }
        let text = expr.to_string();
        match first_bool(expr) {
            Some(part) => self.say(
                RemarkKind::BoolComparison,
                &part,
                "is 0 or 1 and never empty, and an alert fires for any value, 0 included".into(),
                "leave out `bool`",
            ),
            None => self.say(
                RemarkKind::NoComparison,
                &text,
                "compares nothing: an alert fires for any value, 0 included".into(),
                "add a comparison",
            ),
        }
    }

    fn absence(&mut self, expr: &promql::Expr) {
        match expr.bare() {
            promql::Expr::Call(call) if call.function.name == "absent" => self.say(
                RemarkKind::AbsentWithoutFor,
                &expr.to_string(),
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
        for label in labels_asked_for(&template.text) {
            if known.lacks(&label) {
                self.say(
                    RemarkKind::LabelDropped,
                    &format!("{}: {}", template.name, one_line(&template.text)),
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
        let text = expr.to_string();
        let are_vectors = [&binary.lhs, &binary.rhs]
            .into_iter()
            .all(|side| side.value_type() == ValueType::Vector);
        if are_vectors && !matches!(op, Operator::Or | Operator::Unless) {
            self.never_match(&text, binary);
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
                &text,
                format!("holds for every value that `{side}` can have"),
                "is the threshold right?",
            ),
            Some(false) if is_count(side) => self.say(
                RemarkKind::NeverHolds,
                &text,
                format!("never holds: `{side}` is 1 at least, and of nothing it is nothing, not 0"),
                "ask with absent(), or give the count something to fall back on: `(count(...) or vector(0)) == 0`",
            ),
            Some(false) => self.say(
                RemarkKind::NeverHolds,
                &text,
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
            && let Some(name) = counter(side)
        {
            self.say(
                RemarkKind::RawCounter,
                &text,
                format!("{name} is a counter by its name: it only grows, so that this goes on holding until its process restarts"),
                "compare what it grew by: increase(...[10m]) or rate(...[5m])",
            );
            if let Some(said) = self.remarks.last_mut() {
                said.metric = Some(name.to_owned());
            }
        }
    }

    fn never_match(&mut self, text: &str, binary: &promql::Binary) {
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
                    text,
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
fn first_bool(expr: &promql::Expr) -> Option<String> {
    match expr.bare() {
        promql::Expr::Binary(binary) => {
            if binary.returns_bool {
                return Some(expr.bare().to_string());
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

/// The name of the counter whose value this is, or a sum or an extreme of it.
fn counter(expr: &promql::Expr) -> Option<&str> {
    match expr.bare() {
        promql::Expr::Selector(selector) => selector
            .name
            .as_deref()
            .filter(|name| name.ends_with("_total")),
        promql::Expr::Aggregate(aggregate)
            if matches!(
                aggregate.op,
                Aggregator::Sum | Aggregator::Max | Aggregator::Min | Aggregator::Avg
            ) =>
        {
            counter(&aggregate.expr)
        }
        _ => None,
    }
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

/// The labels that a template's actions take from `$labels`.
fn labels_asked_for(text: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    for action in text.split("{{").skip(1) {
        let action = action.split("}}").next().unwrap_or_default();
        for after in action.split("$labels.").skip(1) {
            let is_part = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
            let name: String = after.chars().take_while(is_part).collect();
            labels.extend((!name.is_empty()).then_some(name));
        }
    }
    labels
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::RemarkKind::{
        AbsentWithoutFor, AlwaysHolds, BoolComparison, LabelDropped, NeverHolds, NeverMatch,
        NoComparison, RawCounter,
    };
    use super::*;
    use crate::compat::Compat;
    use crate::rules::{RuleFile, RuleSet};

    fn kinds(expr: &str, more: &str) -> Vec<RemarkKind> {
        let file = RuleFile {
            name: "r.yml".into(),
            text: format!(
                "groups:\n- name: g\n  rules:\n  - record: c\n    expr: m > 1\n  - alert: A\n    expr: |\n      {expr}\n{more}"
            ),
        };
        let rules = RuleSet::load(&[file], Compat::V3).unwrap_or_else(|e| panic!("{e:?}"));
        let remarks = rules.anatomies().remove(1).remarks;
        remarks.iter().map(|remark| remark.kind).collect()
    }

    #[test]
    fn traps_that_need_no_data() {
        for (expr, expected) in [
            ("m", &[NoComparison][..]),
            ("sum(rate(m[5m])) / sum(n)", &[NoComparison]),
            ("m > 1 or n", &[NoComparison]),
            ("m > 1", &[]),
            ("m and n", &[]),
            ("c", &[]),
            ("ALERTS{alertname=\"B\"}", &[]),
            ("(m > bool 60)", &[BoolComparison]),
            ("sum(m > bool 60) > 3", &[]),
            ("count(up == 1) == 0", &[NeverHolds]),
            ("0 == count(up == 1)", &[NeverHolds]),
            ("(count(up == 1) or vector(0)) == 0", &[]),
            ("count(up) >= 1", &[AlwaysHolds]),
            ("count(up) > 0", &[AlwaysHolds]),
            ("rate(m[5m]) >= 0", &[AlwaysHolds]),
            ("rate(m[5m]) == 0", &[]),
            ("sum(rate(m[5m])) < 0", &[NeverHolds]),
            ("up > 1", &[NeverHolds]),
            ("up == 2", &[NeverHolds]),
            ("up != 1", &[]),
            ("delta(m[5m]) < 0", &[]),
            ("vector(1) > 0", &[]),
            ("errors_total > 0", &[RawCounter]),
            ("sum by (a) (errors_total) > 0", &[RawCounter]),
            ("errors_total < 5", &[]),
            ("increase(errors_total[5m]) > 0", &[]),
            (
                "sum by (a) (rate(m[5m])) == 0 and n{b=\"x\"} > 0",
                &[NeverMatch],
            ),
            (
                "sum by (a) (rate(m[5m])) == 0 and on(a) n{b=\"x\"} > 0",
                &[],
            ),
            ("sum by (a) (m) > ignoring(b) n{b=\"x\"}", &[]),
            ("m{b=\"x\"} / sum without (b) (m) > 2", &[NeverMatch]),
            ("m{b=\"x\"} unless sum(m)", &[]),
            ("m{b=\"x\"} / on() group_left sum(m) > 2", &[]),
            ("absent(up)", &[AbsentWithoutFor]),
            ("m > 1 or absent(up)", &[AbsentWithoutFor]),
        ] {
            assert_eq!(kinds(expr, ""), expected, "{expr}");
        }
        assert_eq!(kinds("absent(up)", "    for: 5m\n"), []);
    }

    #[test]
    fn labels_that_are_gone_from_templates() {
        let annotated = |text: &str| format!("    annotations: {{ a: '{text}' }}\n");
        let instance = annotated("on {{ $labels.instance }}");
        for (expr, is_gone) in [
            ("sum by (queue) (m) > 1", true),
            ("sum by (queue, instance) (m) > 1", false),
            ("sum without (instance) (m) > 1", true),
            ("sum without (queue) (m) > 1", false),
            ("sum(m) > 1", true),
            ("m > 1", false),
            ("m > on(queue) n", true),
            ("sum by (queue) (m) > 1 or n > 1", false),
            (
                "sum by (queue) (m) * on(queue) group_left(instance) n > 1",
                false,
            ),
            ("topk(3, m) > 1", false),
            (
                "label_replace(sum(m), \"instance\", \"x\", \"\", \"\") > 1",
                false,
            ),
            ("absent(up{job=\"x\"}) > 0", true),
            ("absent(up{instance=\"x\"}) > 0", false),
            ("m{instance=\"\"} > 1", true),
            ("sum(m) by (queue) > 1 and on(queue) n", true),
        ] {
            let found = kinds(expr, &instance).contains(&LabelDropped);
            assert_eq!(found, is_gone, "{expr}");
        }
        assert_eq!(
            kinds("sum(m) > 1", &annotated("{{ $value }} $labels.x")),
            []
        );
    }
}
