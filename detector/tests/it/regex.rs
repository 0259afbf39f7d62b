//! Random patterns on random subjects: our regular expressions against those of Prometheus.
//!
//! `FIREDRILL_REGEX_CASES` sets how many pairs are compared (default 100,000), `FIREDRILL_DIFF_SEED` where to start.

mod pattern;

use std::fmt::Write as _;

use firedrill_detector::Compat;
use firedrill_detector::regex::{Error, Expanded, Parsed, Regex, Template};

use crate::differential::number;
use crate::oracle::{ask_go, hex, need_go, unhex};
use crate::random::Random;

/// How many subjects a pattern is asked about.
const SUBJECTS: usize = 40;
/// Most of a result here, in bytes.
const LONGEST: usize = 1 << 20;

/// A question.
struct Case {
    pattern: String,
    subject: String,
    replacement: String,
}

#[test]
fn random_patterns_on_random_subjects() {
    need_go!();
    let seed = number("FIREDRILL_DIFF_SEED", 1);
    let wanted = number("FIREDRILL_REGEX_CASES", 100_000) as usize;
    let mut random = Random(seed);
    let mut cases = Vec::with_capacity(wanted + SUBJECTS);
    while cases.len() < wanted {
        let pattern = pattern::pattern(&mut random);
        for _ in 0..SUBJECTS {
            cases.push(Case {
                subject: pattern::subject(&mut random, &pattern),
                replacement: pattern::replacement(&mut random),
                pattern: pattern.clone(),
            });
        }
    }
    let answers = ask(&cases);
    let mut matched = 0;
    let mut refused = 0;
    let mut ours = Ours::default();
    for (case, wanted) in cases.iter().zip(&answers) {
        ours.read(&case.pattern);
        let answer = ours.answer(case);
        for ((answer, wanted), what) in answer.iter().zip(wanted).zip(ANSWERS) {
            assert_eq!(
                answer, wanted,
                "{what}, seed {seed}: pattern {:?}, subject {:?}, replacement {:?}",
                case.pattern, case.subject, case.replacement
            );
        }
        refused += usize::from(answer[0].starts_with("error"));
        matched += usize::from(answer[1] == "true");
    }
    // Else it would compare nothing much.
    assert!(refused > wanted / 20 && refused < wanted / 2, "{refused}");
    assert!(matched > wanted / 20, "{matched}");
}

/// What the fields of an answer say.
const ANSWERS: [&str; 5] = [
    "anywhere",
    "as a matcher",
    "in label_replace",
    "label_replace",
    "reReplaceAll",
];

/// Our side, with the pattern that was asked about last.
#[derive(Default)]
struct Ours {
    pattern: Option<String>,
    compiled: Vec<Result<Regex, Error>>,
}

impl Ours {
    fn read(&mut self, pattern: &str) {
        if self.pattern.as_deref() == Some(pattern) {
            return;
        }
        self.pattern = Some(pattern.to_owned());
        let readings = [Parsed::anywhere, Parsed::matcher, Parsed::whole];
        self.compiled = readings
            .into_iter()
            .map(|read| read(pattern, Compat::V3).and_then(Parsed::compile))
            .collect();
    }

    fn answer(&self, case: &Case) -> [String; 5] {
        let [anywhere, matcher, whole] = &self.compiled[..] else {
            panic!("three readings");
        };
        let with = |regex: &Result<Regex, Error>, answer: &dyn Fn(&Regex) -> String| match regex {
            Ok(regex) => answer(regex),
            Err(error) => error.to_string(),
        };
        let template = |regex: &Regex| Template::new(&case.replacement, regex, Compat::V3);
        let groups = |regex: &Regex| groups(regex, &case.subject);
        [
            with(anywhere, &groups),
            with(matcher, &|regex| regex.is_match(&case.subject).to_string()),
            with(whole, &groups),
            with(
                whole,
                &|regex| match regex.expand(&template(regex), &case.subject, LONGEST) {
                    Expanded::Text(text) => format!("={text}"),
                    Expanded::NoMatch => "-".into(),
                    Expanded::TooLong => "too long".into(),
                },
            ),
            with(anywhere, &|regex| {
                let replaced = regex.replace_all(&case.subject, &template(regex), LONGEST);
                format!("={}", replaced.expect("short"))
            }),
        ]
    }
}

fn groups(regex: &Regex, subject: &str) -> String {
    let Some(groups) = regex.find_groups(subject) else {
        return "-".into();
    };
    let pairs = groups.iter().map(|group| match group {
        Some(span) => format!("{} {}", span.start, span.end),
        None => "-1 -1".into(),
    });
    pairs.collect::<Vec<_>>().join(" ")
}

/// Prometheus' answers, in our form.
fn ask(cases: &[Case]) -> Vec<Vec<String>> {
    let mut questions = String::new();
    for case in cases {
        let fields = [&case.pattern, &case.subject, &case.replacement].map(|text| hex(text));
        writeln!(questions, "{}", fields.join("\t")).unwrap();
    }
    let text = ask_go("regex", questions);
    let answers: Vec<Vec<String>> = text
        .lines()
        .map(|line| line.split('\t').map(in_our_form).collect())
        .collect();
    assert_eq!(answers.len(), cases.len());
    answers
}

fn in_our_form(field: &str) -> String {
    if let Some(error) = field.strip_prefix('E') {
        return unhex(error);
    }
    if let Some(text) = field.strip_prefix('=') {
        return format!("={}", unhex(text));
    }
    field.to_owned()
}
