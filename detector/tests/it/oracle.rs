//! Whom the tests ask: the `promtool` of Prometheus 2 and that of Prometheus 3.

#![expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where programs are"
)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use firedrill_detector::{Compat, Labels};

/// Where the `promtool` of Prometheus 3 is; `.ci/promtool3` builds the pinned one.
const PROMTOOL_3: &str = "FIREDRILL_PROMTOOL3";

/// Skips a test that asks a Go program where there is no Go, which continuous integration does not allow.
macro_rules! need_go {
    () => {
        if !crate::oracle::has_go() {
            return;
        }
    };
}
pub(crate) use need_go;

pub(crate) fn has_go() -> bool {
    let there = Command::new("go").arg("version").output().is_ok();
    assert!(
        there || std::env::var("CI").as_deref() != Ok("true"),
        "go is needed in continuous integration"
    );
    if !there {
        eprintln!("skipped: needs go");
    }
    there
}

/// What a program of the Go module `tests/oracle` prints when it is asked.
pub(crate) fn ask_go(name: &str, questions: String) -> String {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-oracle"));
    let build = Command::new("go")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle"))
        .args(["build", "-o"])
        .arg(&program)
        .arg(format!("./{name}"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&build.stderr);
    assert!(build.status.success(), "{said}");
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
    String::from_utf8(output.stdout).unwrap()
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

/// A result: values by labels, or an error (whose wording is nobody's business).
pub(crate) type Answer = Option<BTreeMap<Labels, f64>>;

/// An expression at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case {
    pub(crate) expr: String,
    pub(crate) at_ms: i64,
}

/// A `promtool` that can be run, and the generation it stands for.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) compat: Compat,
    program: OsString,
    /// Options before the command.
    options: &'static [&'static str],
}

impl Oracle {
    /// Prometheus 2, from PATH; without it the caller skips, which continuous integration does not allow.
    pub(crate) fn prometheus_2() -> Option<Self> {
        let oracle = Self {
            compat: Compat::V2,
            program: "promtool".into(),
            options: &[],
        };
        if oracle.version().is_some() {
            return Some(oracle);
        }
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "promtool is needed in continuous integration"
        );
        eprintln!("skipped: needs promtool");
        None
    }

    /// Prometheus 3. Building it takes minutes and a Go toolchain, so it is part of the long run (`.ci/long`) and not of
    /// `make test`: without it the caller skips, in continuous integration, too. Once it is named it must be there.
    pub(crate) fn prometheus_3() -> Option<Self> {
        let Some(program) = std::env::var_os(PROMTOOL_3) else {
            eprintln!("skipped: needs promtool 3 (set {PROMTOOL_3}); the long run has it");
            return None;
        };
        let oracle = Self {
            compat: Compat::V3,
            program,
            options: &[],
        };
        let version = oracle.version();
        assert!(
            version
                .as_deref()
                .is_some_and(|text| !text.contains("version 2.")),
            "{PROMTOOL_3} names no promtool of Prometheus 3: {version:?}"
        );
        Some(oracle)
    }

    /// The same with its experimental functions.
    pub(crate) fn with_experimental_functions(self) -> Self {
        Self {
            options: &["--enable-feature=promql-experimental-functions"],
            ..self
        }
    }

    fn version(&self) -> Option<String> {
        let output = Command::new(&self.program).arg("--version").output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        Some(String::from_utf8_lossy(&text).into_owned())
    }

    /// What it says about a test file: whether all is as expected, and its words.
    pub(crate) fn verdict(&self, path: &Path) -> (bool, String) {
        let output = Command::new(&self.program)
            .args(self.options)
            .args(["test", "rules"])
            .arg(path)
            .output()
            .expect("promtool runs");
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    /// What it says about a rule file.
    pub(crate) fn check(&self, path: &Path) -> String {
        let output = Command::new(&self.program)
            .args(["check", "rules"])
            .arg(path)
            .output()
            .expect("promtool runs");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// What it prints of rule files: `Checking` and the path of each, and `SUCCESS` where it loads.
    pub(crate) fn check_rules(&self, paths: &[PathBuf]) -> String {
        let output = Command::new(&self.program)
            .args(["check", "rules", "--lint=none"])
            .args(paths)
            .output()
            .expect("promtool runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The values of expressions of which a test file claims that they have none.
    pub(crate) fn answers(&self, path: &Path, cases: &[Case]) -> BTreeMap<Case, Answer> {
        let (_, output) = self.verdict(path);
        // What promtool does not mention came out empty, as expected.
        let mut answers: BTreeMap<Case, Answer> = cases
            .iter()
            .map(|case| (case.clone(), Some(BTreeMap::new())))
            .collect();
        let mut current = None;
        for line in output.lines() {
            let line = line.trim();
            if let Some(rest) = line.strip_prefix("expr: \"") {
                let (expr, rest) = rest
                    .split_once("\", time: ")
                    .expect("promtool names the time");
                let expr = expr.replace("\\\"", "\"").replace("\\\\", "\\");
                let (time, rest) = rest.split_once(',').expect("promtool goes on");
                let at_ms = millis(time);
                let case = Case { expr, at_ms };
                if rest.trim_start().starts_with("err:") {
                    answers.insert(case, None);
                } else {
                    current = Some(case);
                }
            } else if let Some(got) = line.strip_prefix("got: ") {
                let case = current.take().expect("an expression comes first");
                answers.insert(case, Some(samples(got)));
            } else if line.contains("FAILED")
                || line.contains("SUCCESS")
                || line.starts_with("exp:")
                || line.starts_with("Unit Testing")
                || line.is_empty()
            {
                continue;
            } else {
                panic!("promtool said: {line}\n{output}");
            }
        }
        answers
    }
}

/// Go's way to write a duration: `1h2m3s`, `1.5s`, `14.999s`, `250ms`.
fn millis(text: &str) -> i64 {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .expect("a unit follows");
        let number: f64 = rest[..digits].parse().expect("a number");
        rest = &rest[digits..];
        let (unit, length) = [("ms", 1.0), ("h", 3.6e6), ("m", 6e4), ("s", 1e3)]
            .into_iter()
            .find(|(unit, _)| rest.starts_with(unit))
            .expect("a unit");
        total += number * length;
        rest = &rest[unit.len()..];
    }
    total.round() as i64
}

/// Reads `{__name__="a", i="1"} 1E+00, {…} 2E+00`; `nil` is nothing.
fn samples(text: &str) -> BTreeMap<Labels, f64> {
    let mut samples = BTreeMap::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        // Label values may hold braces, names do not hold quotes.
        let mut quoted = false;
        let ends = |c: char| {
            quoted ^= c == '"';
            c == '}' && !quoted
        };
        let close = open + rest[open..].find(ends).expect("labels end");
        let name = rest[..open].trim_start_matches([',', ' ']);
        let mut pairs: Vec<(&str, String)> = rest[open + 1..close]
            .split(", ")
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name, unquoted(value)))
            .collect();
        if !name.is_empty() {
            pairs.push(("__name__", name.to_owned()));
        }
        rest = rest[close + 1..].trim_start();
        let end = rest.find(',').unwrap_or(rest.len());
        let value = rest[..end].trim().parse().expect("a number");
        samples.insert(Labels::from_pairs(pairs), value);
        rest = &rest[end..];
    }
    samples
}

/// A label value out of its quotes.
fn unquoted(value: &str) -> String {
    let inside = value.trim_matches('"');
    inside.replace("\\n", "\n").replace("\\\\", "\\")
}
