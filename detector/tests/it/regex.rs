//! Random patterns on random subjects: our regular expressions against those of Prometheus.
//!
//! `FIREDRILL_REGEX_CASES` sets how many pairs are compared (default 100,000), `FIREDRILL_DIFF_SEED` where to start.

mod pattern;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use firedrill_detector::Compat;
use firedrill_detector::regex::{Error, Expanded, Parsed, Regex, Template};

use crate::differential::number;
use crate::oracle::need_go;
use crate::random::Random;

/// How many subjects a pattern is asked about.
const SUBJECTS: usize = 40;
/// Most of a result here, in bytes.
const LONGEST: usize = 1 << 20;
/// The module of the Go side.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle");

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
    let program = build_go("regex");
    let mut questions = String::new();
    for case in cases {
        let fields = [&case.pattern, &case.subject, &case.replacement].map(|text| hex(text));
        writeln!(questions, "{}", fields.join("\t")).unwrap();
    }
    let mut child = Command::new(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(questions.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
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

/// Builds a program of the Go module.
pub(crate) fn build_go(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-oracle"));
    let build = Command::new("go")
        .current_dir(MODULE)
        .args(["build", "-o"])
        .arg(&program)
        .arg(format!("./{name}"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&build.stderr);
    assert!(build.status.success(), "{said}");
    program
}

pub(crate) fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> String {
    let digits = text.as_bytes().chunks(2);
    let bytes = digits.map(|pair| {
        let pair = std::str::from_utf8(pair).unwrap();
        u8::from_str_radix(pair, 16).unwrap()
    });
    String::from_utf8(bytes.collect()).unwrap()
}
