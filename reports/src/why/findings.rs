//! From what was counted to what is said.

use super::tally::{PartTally, RuleTally, Values, low_side};
use super::{Finding, FindingKind, Grade, RuleExplanation, RuleState, SelectorSight, always, hint};
use firedrill_detector::Labels;
use firedrill_detector::anatomy::{Anatomy, Operand, Part, PartKind, SeriesSelector};
use firedrill_detector::duration::format_ms;
use firedrill_detector::rules::Places;
use firedrill_detector::sample::METRIC_NAME;
use std::collections::{BTreeMap, BTreeSet};

/// How long it takes at most until a function of a range has the samples it needs.
const FIRST_SAMPLES_MS: i64 = 60_000;

/// All series there were, by the records they were in.
type Known = BTreeMap<Labels, BTreeSet<usize>>;

pub(super) fn of_rule(
    anatomy: &Anatomy,
    tally: &RuleTally,
    known: &Known,
    longest_ms: i64,
) -> RuleExplanation {
    let mut selectors: Vec<SelectorSight> = Vec::new();
    for selector in anatomy.parts.iter().filter_map(selector_of) {
        if !selectors.iter().any(|sight| sight.text == selector.text()) {
            selectors.push(sight(selector, known));
        }
    }
    // What holds for the want of series, as absent() does, has spoken.
    let no_data =
        tally.held == 0 && !selectors.is_empty() && selectors.iter().all(|sight| sight.series == 0);
    let mut looking = Looking {
        tally,
        known,
        records_ms: longest_ms,
        places: anatomy.places(),
        findings: Vec::new(),
    };
    for (part, counted) in anatomy.parts.iter().zip(&tally.parts) {
        looking.part(part, counted);
    }
    looking.duration(anatomy, longest_ms);
    looking.failures(anatomy);
    let mut findings = std::mem::take(&mut looking.findings);
    findings.extend(always::held(anatomy, tally, &looking.places));
    // Parts that occur twice are told once.
    let mut told = BTreeSet::new();
    findings.retain(|finding| told.insert((finding.kind, finding.part.clone())));
    let apart: Vec<String> = findings
        .iter()
        .filter(|finding| finding.kind == FindingKind::NothingInCommon)
        .map(|finding| finding.part.clone())
        .collect();
    // What is empty because its sides never met has been said with the sides.
    findings.retain(|finding| {
        finding.kind != FindingKind::EmptySide
            || !apart
                .iter()
                .any(|part| finding.part.contains(part.as_str()))
    });
    findings.sort_by_key(|finding| finding.grade);
    RuleExplanation {
        group: anatomy.group.clone(),
        name: anatomy.name.clone(),
        is_alert: anatomy.is_alert,
        file: anatomy.file.clone(),
        line: anatomy.line,
        expr: anatomy.expr.clone(),
        state: match findings.first().map(|finding| finding.grade) {
            _ if no_data => RuleState::NoData,
            Some(Grade::Dead) => RuleState::CannotFire,
            Some(Grade::Always) => RuleState::AlwaysHolds,
            Some(Grade::Trap) => RuleState::Trap,
            Some(Grade::Note) | None => RuleState::Fine,
        },
        evaluations: tally.evaluations,
        held: tally.held,
        fired_in: tally.fired_in.len() as u64,
        selectors,
        findings,
    }
}

fn selector_of(part: &Part) -> Option<&SeriesSelector> {
    match &part.kind {
        PartKind::Selector(selector) => Some(selector),
        PartKind::Operation { .. } | PartKind::Absent { .. } => None,
    }
}

fn sight(selector: &SeriesSelector, known: &Known) -> SelectorSight {
    let matched: Vec<_> = known
        .iter()
        .filter(|(labels, _)| selector.matches(labels))
        .collect();
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (labels, _) in &matched {
        for (name, value) in labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
            values
                .entry(name.to_owned())
                .or_default()
                .insert(value.to_owned());
        }
    }
    let records: BTreeSet<usize> = matched
        .iter()
        .flat_map(|(_, records)| *records)
        .copied()
        .collect();
    SelectorSight {
        text: selector.text().to_owned(),
        series: matched.len(),
        records: records.len(),
        labels: values,
    }
}

struct Looking<'t> {
    tally: &'t RuleTally,
    known: &'t Known,
    /// How long the longest record lasts.
    records_ms: i64,
    places: Places,
    findings: Vec<Finding>,
}

impl Looking<'_> {
    fn say(&mut self, grade: Grade, kind: FindingKind, part: &Part, message: impl Into<String>) {
        self.findings.push(Finding {
            grade,
            kind,
            part: part.text.clone(),
            region: self.places.region(part.span.range()),
            message: message.into(),
            hint: None,
        });
    }

    fn say_with_hint(
        &mut self,
        grade: Grade,
        kind: FindingKind,
        part: &Part,
        message: impl Into<String>,
        hint: String,
    ) {
        self.say(grade, kind, part, message);
        if let Some(said) = self.findings.last_mut() {
            said.hint = Some(hint);
        }
    }

    fn say_of_all(&mut self, grade: Grade, kind: FindingKind, anatomy: &Anatomy, message: String) {
        self.findings.push(Finding {
            grade,
            kind,
            part: one_line(&anatomy.expr),
            region: self.places.region(0..anatomy.expr.len()),
            message,
            hint: None,
        });
    }

    fn has_data(&self, selector: &SeriesSelector) -> bool {
        self.known.keys().any(|labels| selector.matches(labels))
    }

    fn part(&mut self, part: &Part, counted: &PartTally) {
        match &part.kind {
            PartKind::Selector(selector) => self.selector(part, selector),
            PartKind::Operation {
                op, left, right, ..
            } => {
                for (operand, values) in [(left, &counted.left), (right, &counted.right)] {
                    self.side(part, op, operand, values);
                }
                self.pairs(part, op, counted);
                self.quotient(part, op, counted);
                self.vanished(part, counted);
                self.comparison(part, op, counted);
            }
            PartKind::Absent { of, .. } => self.absent(part, of, counted),
        }
    }

    fn selector(&mut self, part: &Part, selector: &SeriesSelector) {
        if self.has_data(selector) {
            return;
        }
        let hint = hint::for_selector(selector, self.known.keys());
        self.say_with_hint(
            dead_if(part.is_needed),
            FindingKind::NothingMatched,
            part,
            "matched no series",
            hint,
        );
    }

    /// A side without values whose selectors all have data, and no condition that might not hold: what stands between has
    /// lost it. What is no operand of a comparison or of arithmetic is said where it stands.
    fn side(&mut self, part: &Part, op: &str, operand: &Operand, values: &Values) {
        let fed = !operand.selectors.is_empty()
            && operand
                .selectors
                .iter()
                .all(|selector| self.has_data(selector));
        let is_operand = is_comparison(op) || is_arithmetic(op);
        if is_operand
            && fed
            && values.seen == 0
            && self.tally.evaluations > 0
            && !operand.has_condition
        {
            if operand.offset_ms > 0 && operand.offset_ms + FIRST_SAMPLES_MS > self.records_ms {
                let message = format!(
                    "{} has no value in drills this short: it is about what was {} before, and the longest lasts {}",
                    operand.text,
                    format_ms(operand.offset_ms),
                    format_ms(self.records_ms)
                );
                // Another branch may fire.
                if part.is_needed {
                    self.say(Grade::Note, FindingKind::DrillTooShort, part, message);
                }
                return;
            }
            self.say(
                dead_if(part.is_needed),
                FindingKind::EmptySide,
                part,
                format!(
                    "{} never had a value although its series are there",
                    operand.text
                ),
            );
        }
    }

    /// Two sides with values at the same time that never met.
    fn pairs(&mut self, part: &Part, op: &str, counted: &PartTally) {
        let meets = op == "and" || is_arithmetic(op);
        if meets && counted.both > 0 && counted.whole.seen == 0 && self.tally.failures == 0 {
            self.say_with_hint(
                dead_if(part.is_needed && is_arithmetic(op)),
                FindingKind::NothingInCommon,
                part,
                "both sides had values, but never of series with the same labels",
                "aggregate both sides by the same labels, or match with on(...)".into(),
            );
        }
    }

    fn quotient(&mut self, part: &Part, op: &str, counted: &PartTally) {
        if op == "/" && counted.whole.not_numbers > 0 {
            let first = counted.whole.first_not_number.map_or(0, |(_, at_ms)| at_ms);
            self.say(
                Grade::Trap,
                FindingKind::ZeroByZero,
                part,
                format!(
                    "was 0/0 at {} of {} evaluations, first in minute {:.1}: that is no number, and <, > and == do not hold \
                     for it",
                    counted.whole.not_numbers,
                    self.tally.evaluations,
                    first as f64 / 6e4
                ),
            );
        }
    }

    fn vanished(&mut self, part: &Part, counted: &PartTally) {
        let Some(first) = counted.vanished.first() else {
            return;
        };
        let PartKind::Operation { left, right, .. } = &part.kind else {
            return;
        };
        let side = if low_side(&part.kind) == Some(true) {
            left
        } else {
            right
        };
        self.say_with_hint(
            Grade::Trap,
            FindingKind::Vanished,
            part,
            format!(
                "cannot hold once its series have vanished with their process: in {} ({}) {} ended, {} after the fault the \
                 compared side was gone, and the alert did not fire",
                first.record,
                first.cause,
                first.series,
                format_ms(first.after_ms / 1000 * 1000),
            ),
            format!(
                "{} was nothing then, not 0: add a branch such as `or absent(...)`, or look at a series that stays, such as \
                 `up == 0`",
                side.text
            ),
        );
    }

    /// How near a comparison came that never held.
    fn comparison(&mut self, part: &Part, op: &str, counted: &PartTally) {
        let PartKind::Operation { left, right, .. } = &part.kind else {
            return;
        };
        if !is_comparison(op) || counted.whole.seen > 0 {
            return;
        }
        let (operand, values) = match (left.number, right.number) {
            (None, Some(_)) => (left, &counted.left),
            (Some(_), None) => (right, &counted.right),
            _ => return,
        };
        let Some((low, high)) = values.range else {
            return;
        };
        let (seen, all) = (values.seen, self.tally.evaluations);
        let always = if seen == all { " always" } else { "" };
        let mut message = match low == high {
            true => format!("never held: {} was{always} {}", operand.text, rounded(low)),
            false => format!(
                "never held: {} was between {} and {}",
                operand.text,
                rounded(low),
                rounded(high)
            ),
        };
        // What was nothing was not 0.
        if seen < all {
            message.push_str(&format!(
                ", and nothing at all at {} of {all} evaluations",
                all - seen
            ));
        }
        self.say(Grade::Note, FindingKind::NeverHeld, part, message);
    }

    fn absent(&mut self, part: &Part, of: &[SeriesSelector], counted: &PartTally) {
        if self.tally.evaluations == 0 {
            return;
        }
        if counted.whole.seen == self.tally.evaluations {
            self.say(
                Grade::Trap,
                FindingKind::AlwaysAbsent,
                part,
                "held at every evaluation: what it looks for is never there",
            );
        } else if counted.scored == 0 && of.iter().any(|selector| self.has_data(selector)) {
            self.say(
                Grade::Trap,
                FindingKind::NeverAbsent,
                part,
                "never held after the warm-up: what it looks for was there at every evaluation",
            );
        }
    }

    fn duration(&mut self, anatomy: &Anatomy, records_ms: i64) {
        if anatomy.for_ms > records_ms && self.tally.evaluations > 0 {
            self.say_of_all(
                Grade::Note,
                FindingKind::DrillTooShort,
                anatomy,
                format!(
                    "cannot fire in drills this short: `for` asks for {}, and the longest lasts {}",
                    format_ms(anatomy.for_ms),
                    format_ms(records_ms)
                ),
            );
        }
        if anatomy.for_ms == 0 || self.tally.held == 0 || !self.tally.fired_in.is_empty() {
            return;
        }
        let longest_ms = self.tally.longest_ms;
        if longest_ms < anatomy.for_ms {
            self.say_of_all(
                Grade::Trap,
                FindingKind::ForTooLong,
                anatomy,
                format!(
                    "held for {} in a row at most, and `for` asks for {}: {} short",
                    format_ms(longest_ms),
                    format_ms(anatomy.for_ms),
                    format_ms(anatomy.for_ms - longest_ms)
                ),
            );
        }
    }

    fn failures(&mut self, anatomy: &Anatomy) {
        if let Some(message) = &self.tally.failure {
            let (failed, all) = (self.tally.failures, self.tally.evaluations);
            // Before there are series to fail on, it is only empty.
            let is_dead = self.tally.held == 0 && failed.saturating_mul(2) >= all;
            self.say_of_all(
                dead_if(is_dead),
                FindingKind::Failed,
                anatomy,
                format!("could not be evaluated at {failed} of {all} evaluations: {message}"),
            );
        }
    }
}

fn dead_if(condition: bool) -> Grade {
    if condition { Grade::Dead } else { Grade::Trap }
}

pub(super) fn is_comparison(op: &str) -> bool {
    matches!(op, "==" | "!=" | "<" | "<=" | ">" | ">=")
}

pub(super) fn is_arithmetic(op: &str) -> bool {
    matches!(op, "+" | "-" | "*" | "/" | "%" | "^")
}

pub(super) fn rounded(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

pub(super) fn one_line(expr: &str) -> String {
    expr.split_whitespace().collect::<Vec<_>>().join(" ")
}
