//! Expressions against Prometheus' own parsers and a crate: those of the repository, and random ones.
//!
//! `FIREDRILL_PROMQL_CASES` sets how many random ones are compared (default 30,000), `FIREDRILL_DIFF_SEED` where to start.

#![expect(
    clippy::disallowed_methods,
    reason = "a test reads the repository, and writes a file for promtool"
)]

mod crates;
mod grammar;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use firedrill_detector::promql::{Error, ErrorKind, Expr, Length, parse};
use firedrill_detector::rules::Reading;
use firedrill_detector::{Compat, RuleFile, RuleSet};

use crate::differential::number;
use crate::oracle::{Oracle, ask_go, hex, need_go, unhex};
use crate::random::Random;

/// What Prometheus says of an expression.
#[derive(Debug)]
enum Answer {
    Accepted(Accepted),
    /// The bytes its errors begin at, and the message of the first.
    Refused(Vec<usize>, String),
}

/// What it says of one that it takes.
#[derive(Debug)]
struct Accepted {
    printed: String,
    tree: String,
    /// The milliseconds of its ranges, steps and offsets; `None` where they cannot be computed.
    lengths: Option<Vec<i64>>,
    /// Whether it reads what it prints as the same.
    is_read_back: bool,
}

#[test]
fn random_expressions_are_read_as_prometheus_reads_them() {
    need_go!();
    let seed = number("FIREDRILL_DIFF_SEED", 1);
    let wanted = number("FIREDRILL_PROMQL_CASES", 30_000) as usize;
    let mut random = Random(seed);
    let cases: Vec<String> = (0..wanted).map(|_| grammar::text(&mut random)).collect();
    let tally = compare(&cases);
    // Else it would compare nothing much.
    assert!(tally.accepted > wanted / 6, "{tally:?}");
    assert!(tally.refused > wanted / 6, "{tally:?}");
    assert!(tally.beyond_us < wanted / 50, "{tally:?}");
    assert!(tally.first > tally.refused * 95 / 100, "{tally:?}");
}

/// The generator of whole expressions makes few with durations that can be computed.
#[test]
fn random_durations_come_to_what_prometheus_computes() {
    need_go!();
    let wanted = number("FIREDRILL_PROMQL_CASES", 30_000) as usize / 3;
    let mut random = Random(number("FIREDRILL_DIFF_SEED", 1));
    let cases: Vec<String> = (0..wanted).map(|_| grammar::timed(&mut random)).collect();
    let tally = compare(&cases);
    assert!(tally.computed > wanted / 5, "{tally:?}");
    assert!(tally.misprinted > wanted / 200, "{tally:?}");
    assert_eq!(tally.beyond_us, 0);
}

/// Of the errors of a rule, `promtool` shows the first.
#[test]
fn random_expressions_are_read_as_prometheus_2_reads_them() {
    let Some(promtool) = Oracle::prometheus_2() else {
        return;
    };
    let mut random = Random(number("FIREDRILL_DIFF_SEED", 1));
    let wanted = number("FIREDRILL_PROMQL_CASES", 30_000) as usize / 2;
    let mut cases: Vec<String> = (0..wanted).map(|_| grammar::text(&mut random)).collect();
    cases.retain(|text| !text.is_empty());
    let mut file = String::from("groups:\n- name: g\n  rules:\n");
    for text in &cases {
        writeln!(file, "  - {{ record: r, expr: \"{}\" }}", escaped(text)).unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rules.yml");
    std::fs::write(&path, file).unwrap();
    let mut refused = BTreeMap::new();
    for line in promtool.check(&path).lines() {
        // rules.yml: 4:5: group "g", rule 1, "r": could not parse expression: 1:2: parse error: ...
        if let Some((_, rest)) = line.split_once("group \"g\", rule ")
            && let Some((place, rest)) = rest.split_once(", \"r\": could not parse expression: ")
        {
            refused.insert(place.parse::<usize>().unwrap() - 1, rest.to_owned());
        }
    }
    let mut same_place = 0;
    for (place, text) in cases.iter().enumerate() {
        match (parse(text, Compat::V2), refused.get(&place)) {
            (Ok(_), None) => {}
            (Err(error), None) if is_ours(&error) => {}
            (Err(error), Some(theirs)) => {
                let (line, column) = error.line_and_column(text);
                same_place += usize::from(theirs.starts_with(&format!("{line}:{column}: ")));
            }
            (ours, theirs) => panic!("{text:?}: ours {ours:?}\ntheirs {theirs:?}"),
        }
    }
    assert!(refused.len() > cases.len() / 3, "{}", refused.len());
    assert!(
        same_place > refused.len() * 95 / 100,
        "{same_place} of {}",
        refused.len()
    );
}

#[test]
fn the_repository_s_expressions_are_read_as_prometheus_reads_them() {
    need_go!();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cases = Vec::new();
    for folder in ["scenarios", "detector/tests", "cli/src", "reports/src"] {
        collect(&root.join(folder), &mut cases);
    }
    assert!(cases.len() > 250, "{}", cases.len());
    let tally = compare(&cases);
    assert!(tally.accepted > 200, "{tally:?}");
    assert_eq!(tally.beyond_us, 0);
}

#[derive(Debug, Default)]
struct Tally {
    accepted: usize,
    refused: usize,
    /// Refused with the error that Prometheus reports, and not another one of the same text.
    first: usize,
    /// What only we refuse, and say so.
    beyond_us: usize,
    /// Those with a length of time that is computed, and can be.
    computed: usize,
    /// Those that are no rule because Prometheus prints them as something else.
    misprinted: usize,
}

fn compare(cases: &[String]) -> Tally {
    let answers = ask(cases);
    let mut tally = Tally::default();
    for (text, answer) in cases.iter().zip(answers) {
        match (parse(text, Compat::V3), answer) {
            (Ok(ours), Answer::Accepted(theirs)) => {
                assert_eq!(ours.to_string(), theirs.printed, "{text:?}");
                let place = |expr: &Expr| format!("@{}", expr.span().start);
                assert_eq!(shape(&ours, &place), theirs.tree, "{text:?}");
                well_placed(&ours, text);
                let mut lengths = Vec::new();
                lengths_ms(&ours, &mut lengths);
                let lengths = lengths.into_iter().collect::<Result<Vec<i64>, Error>>();
                let is_inexact = lengths.as_ref().is_err_and(is_ours);
                let lengths = lengths.ok().map(sorted);
                assert!(
                    is_inexact || lengths == theirs.lengths,
                    "{text:?}: {lengths:?}"
                );
                if has_computed(&ours) && lengths.is_some() {
                    tally.computed += 1;
                    tally.misprinted += usize::from(is_misprinted(text, &theirs));
                }
                tally.accepted += 1;
            }
            (Err(error), Answer::Refused(starts, message)) => {
                // What it says of an operator stands at the comment before it, if there is one.
                let at_comment =
                    |start: &usize| text[*start..error.at.max(*start)].starts_with('#');
                let is_same = starts.contains(&error.at) || starts.iter().any(at_comment);
                assert!(
                    is_same || is_ours(&error),
                    "{text:?}: ours at {}: {error}\ntheirs at {starts:?}: {message}",
                    error.at
                );
                tally.refused += 1;
                if starts.first() == Some(&error.at) {
                    let (line, column) = error.line_and_column(text);
                    let place = format!("{line}:{column}: ");
                    let empty = message.starts_with("unknown position: ");
                    assert!(
                        message.starts_with(&place) || empty,
                        "{text:?}: {place}, {message}"
                    );
                    tally.first += 1;
                }
            }
            (Err(error), Answer::Accepted(..)) if is_ours(&error) => tally.beyond_us += 1,
            (ours, theirs) => panic!("{text:?}: ours {ours:?}\ntheirs {theirs:?}"),
        }
    }
    tally
}

/// The milliseconds of ranges, steps and offsets.
fn lengths_ms(expr: &Expr, all: &mut Vec<Result<i64, Error>>) {
    match expr {
        Expr::Selector(selector) => all.push(selector.moment.offset.ms()),
        Expr::Range(range) => {
            all.push(range.range.positive_ms());
            all.push(range.selector.moment.offset.ms());
        }
        Expr::Subquery(subquery) => {
            all.push(subquery.range.positive_ms());
            all.push(subquery.step.as_ref().map_or(Ok(0), Length::positive_ms));
            all.push(subquery.moment.offset.ms());
        }
        _ => {}
    }
    for child in expr.children() {
        lengths_ms(child, all);
    }
}

fn sorted(mut all: Vec<i64>) -> Vec<i64> {
    all.sort_unstable();
    all
}

fn has_computed(expr: &Expr) -> bool {
    let is_computed = |length: &Length| matches!(length, Length::Computed(_));
    expr.lengths().into_iter().any(is_computed) || expr.children().into_iter().any(has_computed)
}

/// Whether an expression is refused as a rule because Prometheus would evaluate something else, and it would; what is not refused at
/// all it does not change.
fn is_misprinted(text: &str, theirs: &Accepted) -> bool {
    let file = RuleFile {
        name: "rules.yml".into(),
        text: format!(
            "groups:\n- name: g\n  rules:\n  - {{ record: r, expr: \"{}\" }}\n",
            escaped(text)
        ),
    };
    let reading = Reading {
        experimental_functions: true,
        ..Reading::default()
    };
    match RuleSet::load_as(&[file], Compat::V3, reading) {
        Ok(_) => {
            assert!(theirs.is_read_back, "{text:?}");
            false
        }
        Err(problems) => {
            let is_misprinted = problems[0].message.contains("as it prints it");
            assert!(!(is_misprinted && theirs.is_read_back), "{text:?}");
            is_misprinted
        }
    }
}

/// In a YAML string in double quotes.
fn escaped(text: &str) -> String {
    text.chars()
        .map(|char| format!("\\U{:08x}", u32::from(char)))
        .collect()
}

/// What a tree is made of, with what is to be said of each node.
fn shape(expr: &Expr, more: &dyn Fn(&Expr) -> String) -> String {
    let kind = match expr {
        Expr::Aggregate(_) => "aggregate",
        Expr::Binary(_) => "binary",
        Expr::Call(_) => "call",
        Expr::Number(_) => "number",
        Expr::Paren(_) => "paren",
        Expr::Range(_) => "range",
        Expr::Selector(_) => "selector",
        Expr::String(_) => "string",
        Expr::Subquery(_) => "subquery",
        Expr::Unary(_) => "unary",
    };
    let below = expr.children();
    let below: Vec<String> = below.iter().map(|child| shape(child, more)).collect();
    node(&format!("{kind}{}", more(expr)), &below)
}

fn node(kind: &str, below: &[String]) -> String {
    match below {
        [] => kind.to_owned(),
        below => format!("{kind}({})", below.join(" ")),
    }
}

/// Every node is a part of the text, and of the node above.
fn well_placed(expr: &Expr, text: &str) {
    let span = expr.span();
    let part = text.get(span.range()).expect("whole characters");
    assert!(
        !part.is_empty() && part == part.trim(),
        "{text:?}: {part:?}"
    );
    for child in expr.children() {
        let inner = child.span();
        assert!(
            span.start <= inner.start && inner.end <= span.end,
            "{text:?}"
        );
        well_placed(child, text);
    }
}

/// Whether it is said of what this crate does not take, whatever Prometheus does.
fn is_ours(error: &Error) -> bool {
    matches!(
        error.kind,
        ErrorKind::NotUtf8(_)
            | ErrorKind::TooDeep(_)
            | ErrorKind::TooMany(_)
            | ErrorKind::TooLong(_)
            | ErrorKind::Power(_)
            | ErrorKind::OutOfBounds("the time after @")
    )
}

fn ask(cases: &[String]) -> Vec<Answer> {
    let mut questions = String::new();
    for case in cases {
        writeln!(questions, "{}", hex(case)).unwrap();
    }
    let text = ask_go("promql", questions);
    let answers: Vec<Answer> = text.lines().map(read).collect();
    assert_eq!(answers.len(), cases.len());
    answers
}

fn read(line: &str) -> Answer {
    let (first, second) = line.split_once('\t').expect("two fields");
    if let Some(printed) = first.strip_prefix('=') {
        let mut fields = second.split('\t');
        let mut next = || fields.next().expect("four fields");
        return Answer::Accepted(Accepted {
            printed: unhex(printed),
            tree: next().to_owned(),
            lengths: read_lengths(next()),
            is_read_back: next() == "true",
        });
    }
    let (starts, message) = (first, second);
    let starts = starts[1..]
        .split(',')
        .map(|start| start.parse().expect("a place"));
    Answer::Refused(starts.collect(), unhex(message))
}

fn read_lengths(field: &str) -> Option<Vec<i64>> {
    let numbers = field.split_whitespace();
    numbers.map(|number| number.parse().ok()).collect()
}

/// The values of all `expr` keys in the YAML files of a folder, and what stands in quotes in its sources as PromQL does.
fn collect(folder: &Path, cases: &mut Vec<String>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, cases);
            continue;
        }
        let is_yaml = path.extension().is_some_and(|extension| extension == "yml");
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        if !is_yaml && !is_rust {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        if is_yaml {
            for line in text.lines() {
                cases.extend(expr_of(line));
            }
        } else {
            // Most strings of the sources are no expressions, and have to be refused at the same place, too.
            let strings = text.split('"').skip(1).step_by(2);
            cases.extend(strings.filter(|text| text.contains('(')).map(str::to_owned));
        }
    }
}

/// What stands behind `expr:` in a line, as far as it stands there in one piece.
fn expr_of(line: &str) -> Option<String> {
    let (_, value) = line.split_once("expr: ")?;
    let text = match value.chars().next()? {
        quote @ ('\'' | '"') => value[1..].split(quote).next()?.to_owned(),
        '|' | '>' => return None,
        _ => value.split([',', '}']).next()?.to_owned(),
    };
    Some(text)
}
