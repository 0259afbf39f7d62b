//! `firedrill test rules`: what `promtool test rules` does, with its output and exit codes, on all cores.
//!
//! Other words than promtool's stand where a file cannot be read as YAML, as a test or as rules, and why an expression
//! is refused. Problems of files come with line and column, all at once as one error of the test file, and nothing of it
//! is run; promtool tells one problem, of rule files once for each test.

pub(crate) mod glob;
mod junit;

use crate::args::{Test, TestRules, Tested};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::in_order;
use crate::terminal::Terminal;
use firedrill_detector::rules::Reading;
use firedrill_detector::text::printable_lines;
use firedrill_detector::unit_test::{
    Comparison, Keep, NameFilter, Pace, RunOptions, TestFile, TestRun,
};
use firedrill_detector::{Compat, Problem, RuleFile};
use firedrill_sim::files;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

/// Runs the tests of all files, side by side, and tells of them in order.
///
/// # Errors
/// When a test file is not there, with promtool's exit code; when a pattern of `--run` is none; when the JUnit file
/// cannot be written. A file that cannot be read, or is no test file, counts as failed like a test.
pub fn run(args: &Test, terminal: &Terminal) -> Result<Exit, Failure> {
    let Tested::Rules(rules) = &args.what;
    files_are_there(&rules.files)?;
    let options = options(rules)?;
    if let Some(path) = &args.junit {
        files::check_writable(path).map_err(Failure::environment)?;
    }
    let comparison = match rules.diff {
        true => Comparison::Diff,
        false => Comparison::Both,
    };
    let mut reports = Vec::new();
    let mut failed = false;
    side_by_side(&rules.files, &options, |report| {
        failed |= report.failed();
        report.print(options.compat, comparison, terminal);
        if args.junit.is_some() {
            reports.push(report);
        }
    });
    if let Some(path) = &args.junit {
        let document = junit::document(&reports, comparison);
        files::write(path, &document).map_err(Failure::environment)?;
    }
    Ok(if failed {
        Exit::GateFailed
    } else {
        Exit::Passed
    })
}

fn files_are_there(files: &[PathBuf]) -> Result<(), Failure> {
    let problem = |path: &PathBuf| {
        let shown = path.display();
        match path.metadata() {
            Err(_) => Some(format!("path '{shown}' does not exist")),
            Ok(found) if found.is_dir() => Some(format!("'{shown}' is a directory")),
            Ok(_) => None,
        }
    };
    let messages: Vec<String> = files.iter().filter_map(problem).collect();
    if messages.is_empty() {
        return Ok(());
    }
    Err(Failure {
        exit: Exit::GateFailed,
        messages,
    })
}

fn options(args: &TestRules) -> Result<RunOptions, Failure> {
    let reading = args.dialect.of_new_drills();
    let Reading {
        unknown_keys,
        experimental_functions,
    } = reading.into();
    let names = match args.run.as_slice() {
        [] => None,
        patterns => Some(NameFilter::parse(patterns).map_err(Failure::usage)?),
    };
    Ok(RunOptions {
        compat: reading.compat.into(),
        pace: match args.honour_group_interval {
            true => Pace::GroupIntervals,
            false => Pace::Together,
        },
        names,
        unknown_keys,
        experimental_functions,
        keep: match args.debug {
            true => Keep::Data,
            false => Keep::Failures,
        },
    })
}

/// What became of a test file.
struct Report {
    /// The file, as it was named.
    file: String,
    /// Patterns of `rule_files` without a match.
    unmatched: Vec<String>,
    began: Option<SystemTime>,
    keep: Keep,
    ended: Ended,
}

enum Ended {
    /// Nothing could be run, and why.
    Aborted(String),
    Ran(Vec<Timed>),
}

/// A test that was run, and how long that took.
struct Timed {
    run: TestRun,
    took: Duration,
}

impl Report {
    fn failed(&self) -> bool {
        match &self.ended {
            Ended::Aborted(_) => true,
            Ended::Ran(tests) => tests.iter().any(|test| !test.run.failures.is_empty()),
        }
    }

    fn errors(&self, comparison: Comparison) -> Vec<String> {
        match &self.ended {
            Ended::Aborted(message) => vec![message.clone()],
            Ended::Ran(tests) => {
                let failures = tests.iter().flat_map(|test| &test.run.failures);
                let shown = failures.map(|failure| failure.as_promtool(comparison));
                shown.collect()
            }
        }
    }

    /// What promtool tells of tests with `--debug`; the beginning of each, too, since it is told at the end here.
    fn debug_lines(&self) -> Vec<String> {
        let Ended::Ran(tests) = &self.ended else {
            return Vec::new();
        };
        let lines = tests.iter().flat_map(|Timed { run, took }| {
            let name = run.shown_name();
            let data = run.data.as_ref().map(|data| format!("DEBUG: {data}"));
            let begin = format!("DEBUG: Starting test {name}");
            let end = format!("DEBUG: Test {name} finished, took {took:?}");
            [Some(begin), data, Some(end)].into_iter().flatten()
        });
        lines.collect()
    }

    /// Prints as promtool does: failures to standard error, the rest and an empty line for each to standard output.
    fn print(&self, compat: Compat, comparison: Comparison, terminal: &Terminal) {
        let out = |line: &str| terminal.plain_result(&format!("{line}\n"));
        let err = |line: &str| {
            // Differences come in colours of ours.
            let line = match comparison {
                Comparison::Both => printable_lines(line),
                Comparison::Diff => line.into(),
            };
            let _ = writeln!(std::io::stderr(), "{line}");
        };
        // The third generation does not name the file.
        if compat == Compat::V2 {
            out(&format!("Unit Testing:  {}", self.file));
        }
        for pattern in &self.unmatched {
            err(&format!("  WARNING: no file match pattern {pattern}"));
        }
        if self.keep == Keep::Data {
            for line in self.debug_lines() {
                err(&line);
            }
        }
        if self.failed() {
            err("  FAILED:");
            for error in self.errors(comparison) {
                err(&error);
                out("");
            }
        } else {
            out("  SUCCESS");
        }
        out("");
    }
}

/// Tests every file, one a core at a time; `each` gets the reports in the order of the files, as soon as may be.
fn side_by_side(files: &[PathBuf], options: &RunOptions, mut each: impl FnMut(Report) + Send) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let never = AtomicBool::new(false);
    let work = |index: usize| test(&files[index], options);
    in_order::fold(
        files.len(),
        cores.min(files.len()),
        &never,
        &work,
        &mut each,
    );
}

/// Runs one test file.
fn test(path: &Path, options: &RunOptions) -> Report {
    let mut report = Report {
        file: path.display().to_string(),
        unmatched: Vec::new(),
        began: None,
        keep: options.keep,
        ended: Ended::Ran(Vec::new()),
    };
    report.ended = match ran(path, options, &mut report) {
        Ok(tests) => Ended::Ran(tests),
        Err(message) => Ended::Aborted(message),
    };
    report
}

fn ran(path: &Path, options: &RunOptions, report: &mut Report) -> Result<Vec<Timed>, String> {
    let text = read(path)?;
    let file = TestFile::parse_as(&report.file, &text, options.compat).map_err(shown)?;
    let mut rules = Vec::new();
    for named in file.rule_files() {
        let pattern = glob::beside(path, named);
        let found = glob::files(&pattern).map_err(|error| error.to_string())?;
        if found.is_empty() {
            report.unmatched.push(pattern);
        }
        rules.extend(found);
    }
    let tested = file.is_tested(options);
    let rules = rules.into_iter().filter(|_| tested).map(|path| {
        Ok(RuleFile {
            text: read(&path)?,
            name: path.display().to_string(),
        })
    });
    let rules = rules.collect::<Result<Vec<RuleFile>, String>>()?;
    report.began = Some(SystemTime::now());
    let mut runs = file.run_each(&rules, options).map_err(shown)?;
    let mut tests = Vec::new();
    loop {
        let began = Instant::now();
        let Some(run) = runs.next() else {
            return Ok(tests);
        };
        let took = began.elapsed();
        tests.push(Timed { run, took });
    }
}

fn shown(problems: Vec<Problem>) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("open {}: {error}", path.display()))
}
