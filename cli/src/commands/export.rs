//! `firedrill export`: recorded drills in the files of other tools.

use crate::args::{Export, ExportKind, ExportPromtool, Recorded, Table};
use crate::commands::plots;
use crate::commands::report::{self, spares};
use crate::commands::score::{self, Replayed};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs::{self, Paging};
use crate::terminal::Terminal;
use firedrill_detector::text::counted;
use firedrill_reports::export::{csv, grafana, openmetrics, promtool};
use firedrill_reports::record::RuleText;
use firedrill_reports::{Record, Replay};
use firedrill_sim::agreement;
use firedrill_sim::files::{self, shown};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// Writes the file.
///
/// # Errors
/// When a record or rule file cannot be read, what is in them does not go into such a file, or it cannot be written.
pub fn run(args: &Export, terminal: &Terminal) -> Result<Exit, Failure> {
    match &args.kind {
        ExportKind::Promtool(args) => tests(args, terminal)?,
        ExportKind::Plots(args) => {
            let scored = score::scored(&args.judged, terminal)?;
            let document = report::document(&scored);
            let count =
                plots::write(&document, args.format, &args.out).map_err(Failure::environment)?;
            let charts = counted(count, "chart");
            terminal.say(format_args!("wrote {charts} to {}", shown(&args.out)));
        }
        ExportKind::Openmetrics(args) => {
            let text = openmetrics::openmetrics(&record(&args.run)?);
            spares(("-o", &args.out), [&args.run].into_iter())?;
            put(&args.out, &text, terminal)?;
        }
        ExportKind::Grafana(args) => {
            let record = record(&args.run)?;
            spares(("-o", &args.out), [&args.run].into_iter())?;
            let header = &record.header;
            let world = agreement::planned(header).map_err(Failure::usage)?.world;
            let known = inputs::world::surroundings(&world, header.scrape_interval_ms, 1);
            let (rules, _) = inputs::pack(
                header.rules.clone(),
                header.reading,
                &Paging::new(&[], None),
            )?;
            let text = grafana::grafana(&record, &rules.set, &known);
            put(&args.out, &text, terminal)?;
        }
        ExportKind::Csv(args) => {
            let record = record(&args.run)?;
            spares(("-o", &args.out), [&args.run].into_iter())?;
            let text = match args.of {
                Table::Samples => csv::samples(&record),
                Table::Alerts => csv::alerts(&Replay::recorded(&record)),
            };
            put(&args.out, &text, terminal)?;
        }
    }
    Ok(Exit::Passed)
}

/// The one record that is meant.
fn record(run: &Path) -> Result<Record, Failure> {
    let mut records = inputs::records(&[run.to_owned()])?;
    match (records.pop(), records.len()) {
        (Some(record), 0) => Ok(record),
        (_, others) => Err(Failure::usage(format!(
            "{}: there are {} records; name one of them",
            shown(run),
            others + 1
        ))),
    }
}

fn put(out: &Path, text: &str, terminal: &Terminal) -> Result<(), Failure> {
    if out == Path::new("-") {
        terminal.result(text);
        return Ok(());
    }
    files::write(out, text).map_err(Failure::environment)?;
    terminal.say(format_args!("wrote {}", shown(out)));
    Ok(())
}

/// The test file, and the rule files beside it that it needs.
fn tests(args: &ExportPromtool, terminal: &Terminal) -> Result<(), Failure> {
    let all = replayed(&args.recorded, terminal)?;
    let Some(first) = all.first() else {
        return Err(Failure::usage("there is no record"));
    };
    let is_other = |one: &&Replayed| one.texts != first.texts || one.reading != first.reading;
    if let Some(other) = all.iter().find(is_other) {
        return Err(Failure::usage(format!(
            "{} and {} were judged by different rules, and a test file has one set of `rule_files`; export them apart, or name the \
             rules with --rules FILE",
            first.record.header.scenario, other.record.header.scenario
        )));
    }
    let folder = match args.out == Path::new("-") {
        true => None,
        false => Some(args.out.parent().unwrap_or_else(|| Path::new(""))),
    };
    let placed: Vec<Placed> = first
        .texts
        .iter()
        .map(|text| Placed::of(text, folder))
        .collect::<Result<_, _>>()?;
    let names: Vec<String> = placed.iter().map(|placed| placed.name.clone()).collect();
    let mut seen = BTreeSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
        return Err(Failure::usage(format!(
            "two rule files would both be {twice} beside the tests; name them with --rules FILE where they are"
        )));
    }
    let recorded = &args.recorded;
    let own = first.texts.iter().map(|rules| PathBuf::from(&rules.name));
    let own: Vec<PathBuf> = own.chain(placed.iter().filter_map(Placed::path)).collect();
    spares(
        ("-o", &args.out),
        recorded.runs.iter().chain(&recorded.rules).chain(&own),
    )?;
    if own.contains(&args.out) {
        return Err(Failure::usage(format!(
            "-o {}: this is what a rule file is called; name another file",
            shown(&args.out)
        )));
    }
    let drills: Vec<promtool::Drill<'_>> = all
        .iter()
        .map(|one| promtool::Drill {
            record: &one.record,
            replay: &one.replay,
        })
        .collect();
    let rules = promtool::Rules {
        texts: &first.texts,
        set: &first.rules,
        names: &names,
        compat: first.reading.compat.into(),
        reading: first.reading.into(),
    };
    let suite = promtool::promtool(&drills, rules).map_err(Failure::usage)?;
    for difference in &suite.differences {
        terminal.say(format_args!("warning: {difference}"));
    }
    put(&args.out, &suite.text, terminal)?;
    terminal.say(format_args!("the tests are for {}", rules.promtool()));
    for (path, text) in placed.into_iter().filter_map(|placed| placed.missing) {
        files::write(&path, &text).map_err(Failure::environment)?;
        terminal.say(format_args!("wrote {}", shown(&path)));
    }
    Ok(())
}

/// The records with what rules made of them; who would page does not matter.
fn replayed(recorded: &Recorded, terminal: &Terminal) -> Result<Vec<Replayed>, Failure> {
    score::replayed(recorded, |_| Ok(Paging::new(&[], None)), terminal)
}

/// A rule file as a test file names it.
struct Placed {
    name: String,
    /// Where it has to be written, as it is nowhere yet.
    missing: Option<(PathBuf, String)>,
}

impl Placed {
    /// Where it will be written.
    fn path(&self) -> Option<PathBuf> {
        self.missing.as_ref().map(|(path, _)| path.clone())
    }

    /// One that is there as it was in the drill is named where it is, seen from the test file's folder; otherwise it goes into
    /// that folder. `None`: there is no such folder, and it is named as it was.
    fn of(rules: &RuleText, folder: Option<&Path>) -> Result<Self, Failure> {
        let Some(folder) = folder else {
            return Ok(Self {
                name: rules.name.clone(),
                missing: None,
            });
        };
        let is_same =
            |path: &Path| std::fs::read_to_string(path).is_ok_and(|text| text == rules.text);
        let own = Path::new(&rules.name);
        if is_same(own) {
            return Ok(Self {
                name: from(folder, own),
                missing: None,
            });
        }
        // Of a built-in one, `runbook.yml (built in)`, the file name.
        let name = rules.name.split(" (").next().unwrap_or_default();
        let name = Path::new(name).file_name().unwrap_or_default();
        let (beside, name) = (folder.join(name), name.to_string_lossy().into_owned());
        if is_same(&beside) {
            return Ok(Self {
                name,
                missing: None,
            });
        }
        if beside.exists() {
            return Err(Failure::usage(format!(
                "{} is there, and is not what the drill was judged by; write the tests to another folder, or name the rules to test with --rules FILE",
                shown(&beside)
            )));
        }
        Ok(Self {
            name,
            missing: Some((beside, rules.text.clone())),
        })
    }
}

/// A path as it is seen from a folder; both are as seen from here.
fn from(folder: &Path, path: &Path) -> String {
    let is_plain = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    let down = |path: &Path| -> Option<Vec<PathBuf>> {
        let mut parts = path.components();
        let plain = parts.clone().all(|part| is_plain(&part));
        let normal = parts.by_ref().filter(|part| *part != Component::CurDir);
        plain.then(|| normal.map(|part| PathBuf::from(part.as_os_str())).collect())
    };
    match (down(folder), down(path)) {
        (Some(folder), Some(path)) => {
            let same = folder.iter().zip(&path).take_while(|(a, b)| a == b).count();
            let up = folder[same..].iter().map(|_| PathBuf::from(".."));
            let way: PathBuf = up.chain(path[same..].iter().cloned()).collect();
            way.display().to_string()
        }
        _ => std::path::absolute(path)
            .unwrap_or_else(|_| path.to_owned())
            .display()
            .to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_seen_from_a_folder() {
        let seen = |folder: &str, path: &str| from(Path::new(folder), Path::new(path));
        assert_eq!(seen("", "alerts/a.yml"), "alerts/a.yml");
        assert_eq!(seen("tests", "alerts/a.yml"), "../alerts/a.yml");
        assert_eq!(seen("alerts/tests", "./alerts/a.yml"), "../a.yml");
        assert_eq!(seen("alerts", "alerts/a.yml"), "a.yml");
        assert_eq!(seen("tests", "/etc/a.yml"), "/etc/a.yml");
    }
}
