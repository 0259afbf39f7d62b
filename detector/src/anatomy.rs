//! What an expression is made of, for those who want to know why it says nothing: every part can be asked on its own.

use crate::compat::Compat;
use crate::expr::compile::{compile, compile_parsed};
use crate::expr::matcher::{Matcher, Test};
use crate::expr::{Expr, Selector, VectorExpr};
use crate::promql::{self, Span};
use crate::query::Query;
use crate::regex::Parsed;
use crate::rules::{Places, RuleKind, RuleSet, Source};
use crate::sample::Labels;
use crate::yaml::Position;
use std::sync::Arc;

/// A rule of any kind, and the parts of its expression.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Anatomy {
    /// Position of its group among all groups, in the order of files and groups.
    pub group_place: usize,
    /// The group's name.
    pub group: String,
    /// The alert's name, or the recorded metric's.
    pub name: String,
    /// Whether it is an alert.
    pub is_alert: bool,
    /// How long an alert's expression must hold, in milliseconds; 0 for a recording rule.
    pub for_ms: i64,
    /// How long an alert stays firing once its expression no longer holds, in milliseconds; 0 for a recording rule.
    pub keep_firing_for_ms: i64,
    /// Label names and values, unexpanded, in order of names.
    pub labels: Vec<(String, String)>,
    /// The group's evaluation interval, in milliseconds, if it has one of its own.
    pub interval_ms: Option<i64>,
    /// Most elements the group lets a rule have; 0 is no limit.
    pub limit: usize,
    /// How much earlier than its evaluation time it looks, in milliseconds.
    pub query_offset_ms: i64,
    /// The rule file's name.
    pub file: String,
    /// The line the rule starts on.
    pub line: usize,
    /// The expression as written.
    pub expr: String,
    source: Arc<Source>,
    expr_at: Position,
    /// The whole of it, to be asked.
    pub query: Query,
    /// Its parts, outer ones first.
    pub parts: Vec<Part>,
}

/// A part of an expression.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Part {
    /// As Prometheus prints it.
    pub text: String,
    /// Which part of the rule's expression it is.
    pub span: Span,
    /// What it is.
    pub kind: PartKind,
    /// The whole expression has no value where this part has none.
    pub is_needed: bool,
}

/// See [`Part`]. Operations inside of subqueries are left out: they are evaluated at other times than the rule.
#[derive(Debug, Clone)]
pub enum PartKind {
    /// A selector, of a range or not.
    Selector(SeriesSelector),
    /// Two operands and the operator between them.
    Operation {
        /// `==`, `/`, `and` ...
        op: String,
        /// The whole of it.
        query: Query,
        /// What stands on the left.
        left: Box<Operand>,
        /// What stands on the right.
        right: Box<Operand>,
    },
    /// `absent(...)` or `absent_over_time(...)`.
    Absent {
        /// The whole of it.
        query: Query,
        /// What is or is not there.
        of: Vec<SeriesSelector>,
    },
}

/// One side of an operation.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Operand {
    /// As Prometheus prints it.
    pub text: String,
    /// To be asked.
    pub query: Query,
    /// Its value if it is a literal.
    pub number: Option<f64>,
    /// The selectors inside.
    pub selectors: Vec<SeriesSelector>,
    /// Whether a condition inside may take away all it has.
    pub has_condition: bool,
    /// The longest `offset` in it, milliseconds, with those of the subqueries around it: it has no value until there are samples for
    /// so long.
    pub offset_ms: i64,
}

/// Which series a selector means.
#[derive(Debug, Clone)]
pub struct SeriesSelector {
    text: String,
    name: Option<String>,
    matchers: Vec<Matcher>,
    compat: Compat,
}

impl SeriesSelector {
    fn new(selector: &Selector, compat: Compat) -> Self {
        Self {
            text: selector.text.clone(),
            name: selector.name.as_deref().map(str::to_owned),
            matchers: selector.matchers.clone(),
            compat,
        }
    }

    /// Reads a selector like `name{label="value"}`, without range and modifiers.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str, compat: Compat) -> Result<Self, String> {
        match compile(text, compat)
            .map_err(|refusal| refusal.message)?
            .expr
        {
            Expr::Vector(VectorExpr::Selector(selector)) => Ok(Self::new(&selector, compat)),
            _ => Err("it is no selector".into()),
        }
    }

    /// As Prometheus prints it, without range and modifiers.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The metric name it asks for, if it asks for one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The labels it looks at besides the name, in the order written.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.matchers.iter().map(|matcher| matcher.label.as_str())
    }

    /// Whether it means this series.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.name
            .as_deref()
            .is_none_or(|name| name == labels.name())
            && self.matchers.iter().all(|matcher| matcher.matches(labels))
    }

    /// Whether its matchers of one label accept this series, whatever its name.
    #[must_use]
    pub fn accepts(&self, label: &str, labels: &Labels) -> bool {
        let mut own = self
            .matchers
            .iter()
            .filter(|matcher| matcher.label == label);
        own.all(|matcher| matcher.matches(labels))
    }

    /// The values it asks one label to be equal to.
    pub fn wanted<'s>(&'s self, label: &'s str) -> impl Iterator<Item = &'s str> {
        self.matchers
            .iter()
            .filter(move |matcher| matcher.label == label)
            .filter_map(Matcher::equal_to)
    }

    /// The regular expression that one label has to match, as it was written, and as it would match within a value: `.*x.*`
    /// for `x`. `None` unless all of its matchers of the label would accept one of the values then.
    #[must_use]
    pub fn unanchored<'v>(
        &self,
        label: &str,
        values: impl IntoIterator<Item = &'v str>,
    ) -> Option<(&str, String)> {
        let own = || self.matchers.iter().filter(|m| m.label == label);
        let (matcher, written) = own().find_map(|matcher| match &matcher.test {
            Test::Regex(regex) => Some((matcher, regex.as_str())),
            _ => None,
        })?;
        let whole = match written {
            // An alternative by itself would be cut in two.
            _ if written.contains('|') => format!(".*({written}).*"),
            _ if written.starts_with(".*") => format!("{written}.*"),
            _ if written.ends_with(".*") && !written.ends_with("\\.*") => format!(".*{written}"),
            _ => format!(".*{written}.*"),
        };
        let within = Parsed::matcher(&whole, self.compat).and_then(Parsed::compile);
        let within = within.ok()?;
        let mut values = values.into_iter();
        let is_meant = values.any(|value| {
            let mut others = own().filter(|other| !std::ptr::eq(*other, matcher));
            within.is_match(value) && others.all(|other| other.accepts(value))
        });
        is_meant.then_some((written, whole))
    }
}

impl Anatomy {
    /// Where the parts of its expression stand in the file.
    #[must_use]
    pub fn places(&self) -> Places {
        self.source.places(self.expr_at, &self.expr)
    }
}

impl RuleSet {
    /// All rules, recording rules included, in the order of files, groups and rules, with the parts of their expressions.
    #[must_use]
    pub fn anatomies(&self) -> Vec<Anatomy> {
        let mut all = Vec::new();
        for (group_place, group) in self.groups.iter().enumerate() {
            for rule in &group.rules {
                // A rule's text has been compiled before, so that there always is something.
                let Ok(parsed) = promql::parse(&rule.text, self.compat) else {
                    continue;
                };
                let Some((query, parts)) = parts(&parsed, self.compat) else {
                    continue;
                };
                all.push(Anatomy {
                    group_place,
                    group: group.name.clone(),
                    name: rule.name.clone(),
                    is_alert: matches!(rule.kind, RuleKind::Alert { .. }),
                    for_ms: match rule.kind {
                        RuleKind::Alert { for_ms, .. } => for_ms,
                        RuleKind::Record { .. } => 0,
                    },
                    keep_firing_for_ms: match rule.kind {
                        RuleKind::Alert {
                            keep_firing_for_ms, ..
                        } => keep_firing_for_ms,
                        RuleKind::Record { .. } => 0,
                    },
                    labels: rule.kind.labels(),
                    interval_ms: group.interval_ms,
                    limit: group.limit,
                    query_offset_ms: group.query_offset_ms,
                    file: group.file.clone(),
                    line: rule.at.line,
                    expr: rule.text.clone(),
                    source: Arc::clone(&group.source),
                    expr_at: rule.expr_at,
                    query,
                    parts,
                });
            }
        }
        all
    }
}

fn parts(parsed: &promql::Expr, compat: Compat) -> Option<(Query, Vec<Part>)> {
    let mut walk = Walk {
        compat,
        parts: Vec::new(),
    };
    walk.expr(parsed, Standing::NEEDED);
    Some((walk.query(parsed)?, walk.parts))
}

/// What is known of the place an expression stands at.
#[derive(Debug, Clone, Copy)]
struct Standing {
    is_needed: bool,
    in_subquery: bool,
}

impl Standing {
    const NEEDED: Self = Self {
        is_needed: true,
        in_subquery: false,
    };

    fn needed_if(self, also: bool) -> Self {
        Self {
            is_needed: self.is_needed && also,
            ..self
        }
    }
}

struct Walk {
    compat: Compat,
    parts: Vec<Part>,
}

impl Walk {
    fn expr(&mut self, expr: &promql::Expr, standing: Standing) {
        match expr {
            promql::Expr::Paren(paren) => self.expr(&paren.expr, standing),
            promql::Expr::Unary(unary) => self.expr(&unary.expr, standing),
            promql::Expr::Aggregate(aggregate) => {
                if let Some(parameter) = &aggregate.param {
                    self.expr(parameter, standing.needed_if(false));
                }
                self.expr(&aggregate.expr, standing);
            }
            promql::Expr::Selector(selector) => self.selector(selector, standing),
            promql::Expr::Range(range) => self.selector(&range.selector, standing),
            promql::Expr::Subquery(subquery) => {
                let inside = Standing {
                    in_subquery: true,
                    ..standing
                };
                self.expr(&subquery.expr, inside);
            }
            promql::Expr::Binary(binary) => self.operation(expr, binary, standing),
            promql::Expr::Call(call) => self.call(expr, call, standing),
            promql::Expr::Number(_) | promql::Expr::String(_) => {}
        }
    }

    fn push(&mut self, text: String, span: Span, kind: PartKind, standing: Standing) {
        self.parts.push(Part {
            text,
            span,
            kind,
            is_needed: standing.is_needed,
        });
    }

    fn selector(&mut self, selector: &promql::Selector, standing: Standing) {
        let whole = promql::Expr::Selector(selector.clone());
        for found in self.selectors(&whole) {
            let text = found.text.clone();
            self.push(text, selector.span, PartKind::Selector(found), standing);
        }
    }

    fn operation(&mut self, expr: &promql::Expr, binary: &promql::Binary, standing: Standing) {
        let op = binary.op;
        if !standing.in_subquery
            && let (Some(query), Some(left), Some(right)) = (
                self.query(expr),
                self.operand(&binary.lhs),
                self.operand(&binary.rhs),
            )
        {
            let kind = PartKind::Operation {
                op: op.to_string(),
                query,
                left: Box::new(left),
                right: Box::new(right),
            };
            self.push(expr.to_string(), expr.span(), kind, standing);
        }
        self.expr(&binary.lhs, standing.needed_if(op != promql::Operator::Or));
        let right = !matches!(op, promql::Operator::Or | promql::Operator::Unless);
        self.expr(&binary.rhs, standing.needed_if(right));
    }

    fn call(&mut self, expr: &promql::Expr, call: &promql::Call, standing: Standing) {
        let is_absent = call.function.name.starts_with("absent");
        if is_absent
            && !standing.in_subquery
            && let Some(query) = self.query(expr)
        {
            let of = self.selectors(expr);
            let kind = PartKind::Absent { query, of };
            self.push(expr.to_string(), expr.span(), kind, standing);
        }
        // scalar() of nothing is NaN, which is a value.
        let inside = standing.needed_if(!is_absent && call.function.name != "scalar");
        // What follows are the labels that it takes, and no series.
        let vectors = if call.function.name == "info" {
            1
        } else {
            call.args.len()
        };
        for argument in call.args.iter().take(vectors) {
            self.expr(argument, inside);
        }
    }

    fn query(&self, expr: &promql::Expr) -> Option<Query> {
        let compiled = compile_parsed(expr, self.compat).ok()?;
        Some(Query::new(compiled.expr))
    }

    fn operand(&self, expr: &promql::Expr) -> Option<Operand> {
        let query = self.query(expr)?;
        Some(Operand {
            offset_ms: offset_ms(expr),
            text: expr.bare().to_string(),
            number: query.number(),
            selectors: self.selectors(expr),
            has_condition: has_condition(expr),
            query,
        })
    }

    fn selectors(&self, expr: &promql::Expr) -> Vec<SeriesSelector> {
        let mut found = Vec::new();
        if let Ok(compiled) = compile_parsed(expr, self.compat) {
            let mut note =
                |selector: &Selector| found.push(SeriesSelector::new(selector, self.compat));
            compiled.expr.each_selector(&[], &mut note);
        }
        found
    }
}

/// Whether there is a comparison that filters, or a set operator, anywhere inside; the parameter of an aggregation is no
/// condition.
fn has_condition(expr: &promql::Expr) -> bool {
    match expr {
        promql::Expr::Aggregate(aggregate) => has_condition(&aggregate.expr),
        promql::Expr::Call(call) if call.function.name.starts_with("absent") => true,
        promql::Expr::Binary(binary) if binary.filters() || binary.op.is_set() => true,
        other => other.children().into_iter().any(has_condition),
    }
}

/// The longest offset in an expression; one that lies ahead is none.
fn offset_ms(expr: &promql::Expr) -> i64 {
    let own = match expr {
        promql::Expr::Selector(selector) => Some(&selector.moment),
        promql::Expr::Range(range) => Some(&range.selector.moment),
        promql::Expr::Subquery(subquery) => Some(&subquery.moment),
        _ => None,
    };
    let own_ms = own.and_then(|moment| moment.offset.ms().ok()).unwrap_or(0);
    let inside = expr.children().into_iter().map(offset_ms);
    own_ms.saturating_add(inside.max().unwrap_or(0)).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::RuleFile;

    fn parts_of(expr: &str) -> Vec<String> {
        let file = RuleFile {
            name: "r.yml".into(),
            text: format!("groups: [{{ name: g, rules: [{{ alert: A, expr: '{expr}' }}] }}]"),
        };
        let rules = RuleSet::load(&[file], Compat::V3).unwrap();
        let anatomy = rules.anatomies().remove(0);
        let described = anatomy.parts.iter().map(|part| {
            let kind = match &part.kind {
                PartKind::Selector(_) => "selector".to_owned(),
                PartKind::Operation {
                    op, left, right, ..
                } => {
                    format!("{op} of {} and {}", left.text, right.text)
                }
                PartKind::Absent { of, .. } => format!("absent, {} selectors", of.len()),
            };
            let needed = if part.is_needed { "" } else { " (not needed)" };
            format!("{}: {kind}{needed}", part.text)
        });
        described.collect()
    }

    #[test]
    fn an_offset_is_the_longest_with_those_around_it() {
        let offset = |expr: &str| offset_ms(&promql::parse(expr, Compat::V3).unwrap());
        assert_eq!(offset("rate(a[1h])"), 0);
        assert_eq!(offset("a offset 5m > b offset 30m"), 1_800_000);
        let nested = "max_over_time((a offset 5m)[1h:] offset 10m)";
        assert_eq!(offset(nested), 900_000);
        assert_eq!(offset("a offset -5m"), 0);
    }

    #[test]
    fn what_is_needed_depends_on_the_operators() {
        assert_eq!(
            parts_of("sum(rate(a[5m])) / (b) < 0.9 or absent(c)"),
            [
                "sum(rate(a[5m])) / (b) < 0.9 or absent(c): or of sum(rate(a[5m])) / (b) < 0.9 and absent(c)",
                "sum(rate(a[5m])) / (b) < 0.9: < of sum(rate(a[5m])) / (b) and 0.9 (not needed)",
                "sum(rate(a[5m])) / (b): / of sum(rate(a[5m])) and b (not needed)",
                "a: selector (not needed)",
                "b: selector (not needed)",
                "absent(c): absent, 1 selectors (not needed)",
                "c: selector (not needed)",
            ]
        );
        assert_eq!(
            parts_of("max_over_time((a > 1)[1h:1m]) unless b > scalar(c)"),
            [
                "max_over_time((a > 1)[1h:1m]) unless b > scalar(c): unless of max_over_time((a > 1)[1h:1m]) and b > scalar(c)",
                "a: selector",
                "b > scalar(c): > of b and scalar(c) (not needed)",
                "b: selector (not needed)",
                "c: selector (not needed)",
            ]
        );
    }

    #[test]
    fn selectors_say_which_series_they_mean() {
        let file = RuleFile {
            name: "r.yml".into(),
            text: "groups: [{ name: g, rules: [{ record: r, expr: 'a{b=\"x\", c=~\"y.*\"}' }] }]"
                .into(),
        };
        let anatomies = RuleSet::load(&[file], Compat::V3).unwrap().anatomies();
        let PartKind::Selector(selector) = &anatomies[0].parts[0].kind else {
            panic!("{anatomies:?}");
        };
        let series = |b, c| Labels::metric("a", [("b", b), ("c", c)]);
        assert!(selector.matches(&series("x", "yes")));
        assert!(!selector.matches(&series("x", "no")));
        assert!(selector.accepts("b", &series("x", "no")));
        assert_eq!(selector.wanted("b").collect::<Vec<_>>(), ["x"]);
        assert_eq!(selector.wanted("c").count(), 0);
        let within = selector.unanchored("c", ["x", "oh yes"]);
        assert_eq!(within, Some(("y.*", ".*y.*".to_owned())));
        assert_eq!(selector.unanchored("c", ["x"]), None);
        assert_eq!(selector.unanchored("b", ["x"]), None);
    }
}
