//! What the sides of a rule's comparisons were over a drill: to be seen beside what they are compared with.

use crate::jsonl::Record;
use crate::record::Line;
use crate::watcher::Watcher;
use firedrill_detector::RuleSet;
use firedrill_detector::anatomy::{Anatomy, Operand, PartKind};
use firedrill_detector::query::Query;

/// Most moments of a drill at which a side is asked: more cannot be told apart in a chart.
const MOMENTS_MAX: i64 = 360;

/// A rule over one drill.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Traced {
    /// The alert's name.
    pub(crate) alert: String,
    /// The rule file.
    pub(crate) file: String,
    /// The line the rule starts on.
    pub(crate) line: usize,
    /// The expression as written.
    pub(crate) expr: String,
    /// How long it must hold.
    pub(crate) for_ms: i64,
    /// Its comparisons, outer ones first.
    pub(crate) comparisons: Vec<Comparison>,
}

/// A comparison, and both of its sides over the drill.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Comparison {
    /// The whole of it, as Prometheus prints it.
    pub(crate) text: String,
    /// What is between its sides.
    op: String,
    /// What stands on the left.
    pub(crate) left: Side,
    /// What stands on the right.
    pub(crate) right: Side,
}

impl Comparison {
    /// Whether it holds of two values.
    pub(crate) fn holds(&self, left: f64, right: f64) -> bool {
        match self.op.as_str() {
            ">" => left > right,
            ">=" => left >= right,
            "<" => left < right,
            "<=" => left <= right,
            "==" => left == right,
            _ => left != right,
        }
    }
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Side {
    /// As Prometheus prints it.
    pub(crate) text: String,
    /// Minutes and value; not a number while there was none. Of several series it is the one nearest to firing.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Of several values of a side, the one that decides first.
type Nearest = fn(f64, f64) -> f64;

/// A side that is asked while the drill goes by.
struct Asked<'a> {
    query: &'a Query,
    number: Option<f64>,
    nearest: Nearest,
    side: Side,
}

impl<'a> Asked<'a> {
    fn new(operand: &'a Operand, nearest: Nearest) -> Self {
        Self {
            query: &operand.query,
            number: operand.number,
            nearest,
            side: Side {
                text: operand.text.clone(),
                points: Vec::new(),
            },
        }
    }

    fn ask(&mut self, watcher: &mut Watcher, at_ms: i64, offset_ms: i64) {
        let values = match self.number {
            Some(number) => vec![number],
            None => {
                let found = watcher.query(self.query, at_ms - offset_ms);
                let found = found.unwrap_or_default().into_iter();
                found.map(|(_, value)| value).collect()
            }
        };
        let known = values.into_iter().filter(|value| !value.is_nan());
        let value = known.reduce(self.nearest).unwrap_or(f64::NAN);
        self.side.points.push((at_ms as f64 / 6e4, value));
    }
}

/// A comparison that is asked: the whole of it, what is between its sides, and those.
type Asking<'a> = (&'a str, &'a str, [Asked<'a>; 2]);

/// Some alerts of a rule set over a drill, in the rules' order.
pub(crate) fn trace(record: &Record, rules: &RuleSet, alerts: &[&str]) -> Vec<Traced> {
    let anatomies = rules.anatomies();
    let wanted: Vec<&Anatomy> = anatomies
        .iter()
        .filter(|rule| rule.is_alert && alerts.contains(&rule.name.as_str()))
        .collect();
    let mut asked: Vec<Vec<Asking<'_>>> = wanted.iter().map(|rule| comparisons(rule)).collect();
    let header = &record.header;
    let end_ms = record.end_ms();
    let step_ms = header
        .evaluation_interval_ms
        .max(end_ms / MOMENTS_MAX)
        .max(1);
    let mut watcher = Watcher::new(rules.clone(), header);
    let mut next_ms = header.evaluation_phase_ms;
    let mut ask = |watcher: &mut Watcher, at_ms: i64| {
        watcher.advance(at_ms);
        for (rule, comparisons) in wanted.iter().zip(&mut asked) {
            for side in comparisons.iter_mut().flat_map(|(.., sides)| sides) {
                side.ask(watcher, at_ms, rule.query_offset_ms);
            }
        }
    };
    for line in &record.lines {
        if let Line::Scrape { at_ms, .. } = line {
            while next_ms < *at_ms {
                ask(&mut watcher, next_ms);
                next_ms += step_ms;
            }
        }
        watcher.line(line);
    }
    while next_ms <= end_ms {
        ask(&mut watcher, next_ms);
        next_ms += step_ms;
    }
    let rules = wanted.iter().zip(asked);
    rules
        .map(|(rule, comparisons)| Traced {
            alert: rule.name.clone(),
            file: rule.file.clone(),
            line: rule.line,
            expr: rule.expr.clone(),
            for_ms: rule.for_ms,
            comparisons: comparisons.into_iter().map(compared).collect(),
        })
        .collect()
}

fn comparisons(rule: &Anatomy) -> Vec<Asking<'_>> {
    let parts = rule.parts.iter().filter_map(|part| {
        let PartKind::Operation {
            op, left, right, ..
        } = &part.kind
        else {
            return None;
        };
        let (low, high): (Nearest, Nearest) = (f64::min, f64::max);
        let [of_left, of_right] = match op.as_str() {
            ">" | ">=" | "!=" => [high, low],
            "<" | "<=" | "==" => [low, high],
            _ => return None,
        };
        Some((
            part.text.as_str(),
            op.as_str(),
            [Asked::new(left, of_left), Asked::new(right, of_right)],
        ))
    });
    parts.collect()
}

fn compared((text, op, [left, right]): Asking<'_>) -> Comparison {
    Comparison {
        text: text.to_owned(),
        op: op.to_owned(),
        left: left.side,
        right: right.side,
    }
}
