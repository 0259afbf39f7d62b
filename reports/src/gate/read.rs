//! Reads one gate: the figure, and the condition that it must meet.

use super::{Gate, OPS, Op, Target};
use crate::figures::AGGREGATIONS;
use crate::figures::metric::METRICS;
use crate::figures::{Aggregation, Kind, Metric};
use firedrill_detector::Compat;
use firedrill_detector::anatomy::SeriesSelector;
use firedrill_detector::duration;
use firedrill_detector::yaml::closest;
use std::fmt;

/// Longest figure or condition, bytes.
const LENGTH_MAX: usize = 4096;

/// Why something is no gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misread {
    /// Whether it is the figure, before the colon; else it is the condition.
    pub of_figure: bool,
    /// Where in it, in characters from 0.
    pub at: usize,
    /// What is wrong.
    pub message: String,
    /// What is accepted.
    pub hint: String,
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.hint)
    }
}

impl std::error::Error for Misread {}

/// A figure such as `jobs_lost{scenario="a"}`, and a condition such as `count == 0`.
pub(super) fn gate(figure: &str, condition: &str) -> Result<Gate, Misread> {
    let (metric, selector) = selector(figure)?;
    let mut words = Words::new(condition)?;
    let aggregation = aggregation(&mut words, metric)?;
    let op = op(&mut words)?;
    let target = target(&mut words, aggregation.kind(metric.kind))?;
    if let Some((at, word)) = words.next() {
        let hint = "the gate is complete before it; several conditions are a list";
        return Err(words.wrong(at, format!("`{word}` is too much"), hint));
    }
    Ok(Gate {
        metric,
        selector,
        aggregation,
        op,
        target,
    })
}

fn selector(figure: &str) -> Result<(&'static Metric, SeriesSelector), Misread> {
    let wrong = |at: usize, message: String, hint: String| Misread {
        of_figure: true,
        at,
        message,
        hint,
    };
    if figure.len() > LENGTH_MAX {
        let message = format!("a figure has more than {LENGTH_MAX} bytes");
        return Err(wrong(0, message, "name fewer labels".into()));
    }
    let name = figure.split('{').next().unwrap_or_default().trim();
    let Some(metric) = Metric::named(name) else {
        let names = METRICS.iter().map(|metric| metric.name);
        let all = "`firedrill help gates` lists all metrics";
        let hint = match closest(name, names) {
            Some(close) => format!("did you mean `{close}`? {all}"),
            None => all.into(),
        };
        return Err(wrong(0, format!("there is no metric `{name}`"), hint));
    };
    // Regular expressions in matchers are those of Prometheus 3.
    let selector = SeriesSelector::parse(figure, Compat::default()).map_err(|message| {
        let hint = "labels are asked for as in PromQL: `{alert=\"A\"}`, `!=`, `=~`, `!~`";
        wrong(name.chars().count(), message, hint.into())
    })?;
    if let Some(label) = selector.labels().find(|label| !metric.has_label(label)) {
        let known = || std::iter::once("scenario").chain(metric.labels.iter().copied());
        let all = format!("accepted: {}", known().collect::<Vec<_>>().join(", "));
        let hint = match closest(label, known()) {
            Some(close) => format!("did you mean `{close}`? {all}"),
            None => all,
        };
        let at = figure.find(label).unwrap_or_default();
        let at = figure[..at].chars().count();
        return Err(wrong(at, format!("{name} has no label `{label}`"), hint));
    }
    Ok((metric, selector))
}

fn aggregation(words: &mut Words<'_>, metric: &Metric) -> Result<Aggregation, Misread> {
    let (at, word) = words.word("an aggregation, such as `count`")?;
    let fitting = || {
        let all = AGGREGATIONS.iter();
        let fitting = all.filter(|(_, kinds, _)| kinds.contains(&metric.kind));
        fitting.map(|(word, ..)| *word)
    };
    let accepted = || {
        let all: Vec<&str> = fitting().collect();
        format!("accepted for {}: {}", metric.name, all.join(", "))
    };
    match Aggregation::named(word) {
        Some(found) if found.is_of(metric.kind) => Ok(found),
        Some(_) => {
            let message = format!("{} has no `{word}`", metric.name);
            Err(words.wrong(at, message, accepted()))
        }
        None if word.starts_with("p(") => {
            let message = format!("`{word}` is no percentile");
            Err(words.wrong(at, message, "one is `p(N)` with N above 0 and up to 100"))
        }
        None => {
            let hint = match closest(word, fitting()) {
                Some(close) => format!("did you mean `{close}`? {}", accepted()),
                None => accepted(),
            };
            Err(words.wrong(at, format!("unknown aggregation `{word}`"), hint))
        }
    }
}

fn op(words: &mut Words<'_>) -> Result<Op, Misread> {
    let signs: Vec<&str> = OPS.iter().map(|(sign, _)| *sign).collect();
    let accepted = format!("accepted: {}", signs.join(", "));
    let (at, word) = words.word("a comparison, such as `<`")?;
    let found = OPS.iter().find(|(sign, _)| *sign == word);
    found.map(|(_, op)| *op).ok_or_else(|| {
        let accepted = match word {
            "=" => format!("did you mean `==`? {accepted}"),
            _ => accepted,
        };
        words.wrong(at, format!("`{word}` is no comparison"), accepted)
    })
}

fn target(words: &mut Words<'_>, kind: Kind) -> Result<Target, Misread> {
    let (at, word) = words.word("a number, or `baseline`")?;
    if word != "baseline" {
        let number = number(word, kind).ok_or_else(|| {
            let hint = match kind {
                Kind::Seconds => "a number of seconds, a duration such as `5m`, or `baseline`",
                Kind::Share => "a share from 0 to 1, such as `0.9`, or `baseline`",
                _ => "a number, or `baseline`",
            };
            words.wrong(at, format!("`{word}` is no number"), hint)
        })?;
        if kind == Kind::Share && !(0.0..=1.0).contains(&number) {
            let hint = "shares are from 0 to 1, such as `0.9`";
            return Err(words.wrong(at, format!("`{word}` is no share"), hint));
        }
        return Ok(Target::Number(number));
    }
    let (mut times, mut plus) = (1.0, 0.0);
    if let Some((at, sign)) = words.next() {
        let (of_number, word) = words.word("a number")?;
        let hint = "`baseline * 1.1`, `baseline + 30` or `baseline - 0.05`";
        let unit = if sign == "*" { Kind::Count } else { kind };
        let number = number(word, unit)
            .ok_or_else(|| words.wrong(of_number, format!("`{word}` is no number"), hint))?;
        match sign {
            "*" => times = number,
            "+" => plus = number,
            "-" => plus = -number,
            _ => return Err(words.wrong(at, format!("`{sign}` is not known here"), hint)),
        }
    }
    Ok(Target::Baseline { times, plus })
}

/// A finite number; of seconds, also a duration.
fn number(word: &str, kind: Kind) -> Option<f64> {
    let number = word.parse().ok().filter(|number: &f64| number.is_finite());
    number.or_else(|| {
        let ms = duration::parse_ms(word).filter(|_| kind == Kind::Seconds)?;
        Some(ms as f64 / 1e3)
    })
}

/// The words of a condition and where they begin, in characters. Signs need no blanks around them.
struct Words<'t> {
    text: &'t str,
    /// In bytes.
    at: usize,
}

impl<'t> Words<'t> {
    fn new(text: &'t str) -> Result<Self, Misread> {
        let words = Self { text, at: 0 };
        match text.len() > LENGTH_MAX {
            true => Err(words.wrong(
                0,
                format!("a condition has more than {LENGTH_MAX} bytes"),
                "it takes three words",
            )),
            false => Ok(words),
        }
    }

    fn wrong(&self, at: usize, message: String, hint: impl Into<String>) -> Misread {
        Misread {
            of_figure: false,
            at: self.text[..at].chars().count(),
            message,
            hint: hint.into(),
        }
    }

    fn word(&mut self, expected: &str) -> Result<(usize, &'t str), Misread> {
        let missing = || {
            let hint = "a condition is `AGGREGATION OPERATOR NUMBER`, such as `count == 0`";
            self.wrong(self.text.len(), format!("{expected} is missing"), hint)
        };
        let missing = missing();
        self.next().ok_or(missing)
    }
}

impl<'t> Iterator for Words<'t> {
    type Item = (usize, &'t str);

    fn next(&mut self) -> Option<(usize, &'t str)> {
        let is_sign = |c: char| "<>=!*".contains(c);
        let rest = &self.text[self.at..];
        let begin = self.at + rest.find(|c: char| !c.is_whitespace())?;
        let rest = &self.text[begin..];
        let of_signs = rest.starts_with(is_sign);
        let length = rest
            .find(|c: char| c.is_whitespace() || is_sign(c) != of_signs)
            .unwrap_or(rest.len());
        self.at = begin + length;
        Some((begin, &self.text[begin..self.at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Gate, Misread> {
        text.parse()
    }

    #[test]
    fn gates_are_printed_as_they_are_meant() {
        for (written, printed) in [
            ("jobs_lost: count == 0", "jobs_lost: count == 0"),
            ("jobs_lost:count==0", "jobs_lost: count == 0"),
            ("alert_recall: value >= 0.9", "alert_recall: value >= 0.9"),
            (
                "detect_seconds{alert=\"X\"}: p(95) < 5m",
                "detect_seconds{alert=\"X\"}: p(95) < 300",
            ),
            (
                "detect_seconds{scenario=~\"a: b|c\"}: med <= baseline * 1.10",
                "detect_seconds{scenario=~\"a: b|c\"}: med <= baseline * 1.1",
            ),
            (
                "alert_recall: value >= baseline",
                "alert_recall: value >= baseline",
            ),
            (
                "detect_seconds: avg < baseline + 30s",
                "detect_seconds: avg < baseline + 30",
            ),
            (
                "alert_recall: low >= baseline - 0.05",
                "alert_recall: low >= baseline - 0.05",
            ),
        ] {
            let gate = read(written).unwrap_or_else(|wrong| panic!("{written}: {wrong}"));
            assert_eq!(gate.to_string(), printed);
            assert_eq!(read(printed).unwrap(), gate);
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_what_is_meant() {
        let told: String = [
            "jobs_lots: count == 0",
            "jobs_lost: cuont == 0",
            "jobs_lost: p(95) == 0 or so",
            "jobs_lost: value == 0",
            "jobs_lost: count = 0",
            "jobs_lost: count ==",
            "jobs_lost: count == none",
            "jobs_lost: count == 5m",
            "jobs_lost: count == inf",
            "alert_recall: value >= 90",
            "detect_seconds: p(101) < 3",
            "detect_seconds: avg < baseline / 2",
            "detect_seconds{alrt=\"X\"}: avg < 3",
            "detect_seconds{alert=X}: avg < 3",
            "detect_seconds[5m]: avg < 3",
            "jobs_lost",
        ]
        .into_iter()
        .map(|text| {
            let wrong = read(text).unwrap_err();
            let part = if wrong.of_figure {
                "figure"
            } else {
                "condition"
            };
            format!(
                "{text}\n  {part} {}: {}\n  {}\n",
                wrong.at, wrong.message, wrong.hint
            )
        })
        .collect();
        insta::assert_snapshot!(told);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z_{}\"=~: .0-9()<>!*+-]{0,60}|\\PC{0,40}") {
            if let Ok(gate) = read(&text) {
                prop_assert_eq!(read(&gate.to_string()).unwrap(), gate);
            }
        }
    }
}
