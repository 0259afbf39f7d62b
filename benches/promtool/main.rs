//! The runbook's rules over the same samples in `promtool test rules` and here: rule evaluations per second.
//!
//! ```console
//! $ cargo run --profile dist -p firedrill-benches --example promtool -- 20 24      # series, hours
//! ```
//!
//! promtool must say `SUCCESS` to what was firing here every half hour, or the two have not done the same work. Its time
//! goes for starting, for reading the samples and for evaluating; the first two are measured by themselves, by asking
//! for a single evaluation, and are stated. The same file is also run through this project's own reader of promtool's
//! format, so that both read, parse and load alike; `fed` is the detector as drills use it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use firedrill_benches::RUNBOOK;
use firedrill_benches::day::{Day, STEP_MS, detector, drive, runbook};
use firedrill_detector::unit_test::TestFile;
use firedrill_detector::{AlertState, Compat, Emitted, Labels, RuleFile};

const RULES_FILE: &str = "runbook.yml";
const STEPS_PER_HOUR: i64 = 3_600_000 / STEP_MS;
const RULES: i64 = 4;
const RUNS: usize = 3;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: i64| match arguments.next() {
        Some(text) => text.parse::<u16>().map(i64::from),
        None => Ok(default),
    };
    let (series, hours) = (number(20)?, number(24)?);
    let Some(version) = promtool_version() else {
        println!("skipped: needs promtool");
        let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
        return Ok(ExitCode::from(u8::from(required)));
    };
    compare(&version, usize::try_from(series)?, hours)?;
    Ok(ExitCode::SUCCESS)
}

fn promtool_version() -> Option<String> {
    let output = Command::new("promtool").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Some(text.split_whitespace().nth(2)?.to_owned())
}

fn compare(version: &str, series: usize, hours: i64) -> Result<()> {
    let compat = match version.starts_with("2.") {
        true => Compat::V2,
        false => Compat::V3,
    };
    let labels = Day::labels(series);
    // Evaluations at both ends are counted.
    let steps = hours * STEPS_PER_HOUR + 1;
    let rules = runbook(compat);
    let (mut watched, references) = detector(&rules, &labels);
    let outcomes = drive(&mut watched, &references, steps);

    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join(RULES_FILE), RUNBOOK)?;
    let write = |name: &str, steps: i64, hours: i64| -> Result<_> {
        let path = folder.path().join(name);
        fs::write(&path, test_file(&labels, steps, hours, &outcomes)?)?;
        Ok(path)
    };
    let whole = write("whole.yml", steps, hours)?;
    let reading = write("reading.yml", steps, 0)?;
    let starting = write("starting.yml", 1, 0)?;

    let whole_time = median(|| promtool(&whole))?;
    let reading = median(|| promtool(&reading))?;
    let starting = median(|| promtool(&starting))?;
    let file = fs::read_to_string(&whole)?;
    let tested = median(|| run_test_file(&file, compat))?;
    let fed = median(|| {
        let start = Instant::now();
        let (mut detector, references) = detector(&rules, &labels);
        drive(&mut detector, &references, steps);
        Ok(start.elapsed())
    })?;

    let evaluations = (steps * RULES) as f64;
    println!(
        "{series} series, {hours} h of 15 s, {evaluations} rule evaluations, medians of {RUNS}"
    );
    println!(
        "promtool {version} takes {starting:.1?} to start and {reading:.1?} with reading the samples\n"
    );
    println!(
        "{:34}{:>12}{:>16}{:>10}",
        "", "wall", "evaluations/s", "ratio"
    );
    let theirs = evaluations / whole_time.as_secs_f64();
    let row = |what: &str, wall: Duration| {
        let rate = evaluations / wall.as_secs_f64();
        println!(
            "{what:34}{:>12}{rate:>16.0}{:>10.1}",
            format!("{wall:.1?}"),
            rate / theirs
        );
    };
    row("promtool", whole_time);
    row(
        "promtool, evaluating only",
        whole_time.saturating_sub(reading),
    );
    row("firedrill, promtool's file", tested);
    row("firedrill, fed", fed);
    Ok(())
}

/// A test that loads so many scrapes, evaluates for so many hours, and expects what was firing here.
fn test_file(labels: &[Labels], steps: i64, hours: i64, outcomes: &[Emitted]) -> Result<String> {
    let mut values = vec![String::new(); labels.len()];
    let mut day = Day::new(labels.len());
    for _ in 0..steps {
        let (_, scrape) = day.next_scrape();
        for (text, value) in values.iter_mut().zip(scrape) {
            write!(text, "{value} ")?;
        }
    }
    let mut text =
        format!("rule_files: [{RULES_FILE}]\nevaluation_interval: 15s\ntests:\n- interval: 15s\n");
    text.push_str("  input_series:\n");
    for (labels, values) in labels.iter().zip(values) {
        let labels = labels.to_string().replace(", ", ",");
        writeln!(
            text,
            "  - {{ series: '{labels}', values: '{}' }}",
            values.trim_end()
        )?;
    }
    text.push_str("  promql_expr_test:\n");
    for half_hour in 0..=2 * hours {
        let minute = half_hour * 30;
        writeln!(text, "  - eval_time: {minute}m")?;
        text.push_str(
            "    expr: 'count by (alertname) (ALERTS{alertstate=\"firing\"})'\n    exp_samples:\n",
        );
        for (alert, count) in firing(outcomes, minute * 60_000) {
            writeln!(
                text,
                "    - {{ labels: '{{alertname=\"{alert}\"}}', value: {count} }}"
            )?;
        }
    }
    Ok(text)
}

/// How many instances of each alert are firing at the time.
fn firing(outcomes: &[Emitted], at_ms: i64) -> BTreeMap<&str, i32> {
    let mut firing = BTreeMap::new();
    for outcome in outcomes {
        let Emitted::Transition(transition) = outcome else {
            continue;
        };
        if transition.at.0 > at_ms {
            break;
        }
        let count: &mut i32 = firing.entry(transition.alert.as_str()).or_default();
        *count += i32::from(transition.to == AlertState::Firing);
        *count -= i32::from(transition.from == AlertState::Firing);
    }
    firing.retain(|_, count| *count > 0);
    firing
}

fn promtool(file: &Path) -> Result<Duration> {
    let start = Instant::now();
    let output = Command::new("promtool")
        .args(["test", "rules"])
        .arg(file)
        .output()?;
    let elapsed = start.elapsed();
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        return Err(format!("promtool disagrees: {}", String::from_utf8_lossy(&said)).into());
    }
    Ok(elapsed)
}

fn run_test_file(text: &str, compat: Compat) -> Result<Duration> {
    let start = Instant::now();
    let file = TestFile::parse("whole.yml", text).map_err(|problems| format!("{problems:?}"))?;
    let rules = RuleFile {
        name: RULES_FILE.into(),
        text: RUNBOOK.into(),
    };
    let failures = file
        .run(&[rules], compat)
        .map_err(|problems| format!("{problems:?}"))?;
    let elapsed = start.elapsed();
    if !failures.is_empty() {
        return Err(format!("our own reader disagrees: {failures:?}").into());
    }
    Ok(elapsed)
}

fn median(mut run: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut times = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>>>()?;
    times.sort();
    Ok(times[RUNS / 2])
}
