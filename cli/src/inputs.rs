//! Reads what people wrote: scenarios, rule files, records. All problems of all files at once.

pub(crate) mod fit;
mod found;
mod kind;
pub(crate) mod loads;
mod named;
pub(crate) mod results;
mod rules;
pub(crate) mod world;

pub(crate) use found::SET_FILE;
pub(crate) use kind::Kind;
pub(crate) use named::{Named, Place, Source};
pub(crate) use rules::{
    Paging, alerts_and_pages, pack, reading_of, rule_file, rule_pack, rule_texts, rules, texts,
    with_alerts,
};

use crate::args;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::failure::{both, pasted};
use crate::terminal::Terminal;
use firedrill_detector::text::printable;
use firedrill_detector::yaml::{Problem, TEXT_MAX};
use firedrill_reports::Record;
use firedrill_reports::alertmanager::Config;
use firedrill_reports::bounds;
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::{RuleReading, RuleText};
use firedrill_sim::agreement;
use firedrill_sim::builtin;
use firedrill_sim::drill::Rules;
use firedrill_sim::files::{self, shown};
use firedrill_sim::http::config::ConfigError;
use firedrill_sim::http::get::Client;
use firedrill_sim::plan::{Part, Plan};
use firedrill_sim::scenario::{PlanOptions, Scenario};
use fit::Worlds;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads a file a person named; of one that is too long, only so much that it is refused.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let failure = |error| Failure::usage(format!("{}: {error}", shown(path)));
    let mut bytes = Vec::new();
    files::open(path)
        .and_then(|file| file.take(TEXT_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(failure)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        // The cut went through a character.
        Err(error) if error.as_bytes().len() > TEXT_MAX => {
            Ok(String::from_utf8_lossy(error.as_bytes()).into_owned())
        }
        Err(error) => Err(Failure::usage(format!("{}: {error}", shown(path)))),
    }
}

/// Who asks servers for pages: as a file of `--http-config` says, or nobody in particular.
pub(crate) fn http_client(config: Option<&Path>) -> Result<Client, Failure> {
    let loaded = config.map_or_else(|| Ok(Client::default()), Client::load);
    loaded.map_err(|error| match error {
        ConfigError::Wrong(found) => Failure::problems(&found),
        error => Failure::usage(error),
    })
}

/// Loads one scenario as a plan.
pub(crate) fn plan(source: &Source, seed: Option<u64>) -> Result<Plan, Failure> {
    planned(source, seed).map_err(|found| Failure::problems(&found))
}

/// The same, with all that is wrong with it.
pub(crate) fn planned(source: &Source, seed: Option<u64>) -> Result<Plan, Vec<Problem>> {
    parsed(source).and_then(|scenario| Plan::resolve(&scenario, &PlanOptions { seed }))
}

/// Where a part of a plan was written, as `file:line:column: `; nothing where it was written nowhere.
pub(crate) fn place(sources: &[Source], plan: &Plan, part: &Part) -> String {
    let mut scenarios = sources.iter().filter_map(|source| parsed(source).ok());
    let scenario = scenarios.find(|scenario| scenario.name() == plan.name);
    let place = scenario.and_then(|scenario| {
        let at = scenario.place(plan, part)?;
        let file = printable(scenario.file()).into_owned();
        Some(format!("{file}:{}:{}: ", at.line, at.column))
    });
    place.unwrap_or_default()
}

/// A scenario in its world.
fn parsed(source: &Source) -> Result<Scenario, Vec<Problem>> {
    let scenario = Scenario::parse(&source.name, &source.text)?;
    Ok(match &source.world {
        Some(world) => scenario.seen_in(world),
        None => scenario,
    })
}

/// The scenarios that the virtual engine can run, or all that is wrong with any of them. One that it cannot run is refused if
/// it was named; if it came with others (`@all`, a folder, a pattern) it is left out, unless nothing is left then.
pub(crate) fn modelled(sources: &[Source], terminal: &Terminal) -> Result<Vec<Scenario>, Failure> {
    let mut left_out: Vec<(&Source, Vec<Problem>)> = Vec::new();
    let found = each(sources, |source| {
        let scenario = parsed(source).map_err(|found| Failure::problems(&found))?;
        match scenario.live_only() {
            why if why.is_empty() => Ok(Some(scenario)),
            why if source.of_set => {
                left_out.push((source, why));
                Ok(None)
            }
            why => Err(Failure::problems(&why)),
        }
    })?;
    let modelled: Vec<Scenario> = found.into_iter().flatten().collect();
    if modelled.is_empty() && !left_out.is_empty() {
        let all: Vec<Problem> = left_out.into_iter().flat_map(|(_, why)| why).collect();
        return Err(Failure::problems(&all));
    }
    for (source, why) in left_out {
        let name = printable(&source.name);
        let why: Vec<&str> = why.iter().map(|why| why.message.as_str()).collect();
        terminal.say(format_args!(
            "{name}: left out: {}; `firedrill run {}` runs it",
            why.join(", "),
            pasted(
                source
                    .name
                    .strip_suffix(builtin::MARK)
                    .unwrap_or(&source.name)
            ),
        ));
    }
    Ok(modelled)
}

/// Loads every scenario, or tells all that is wrong with any of them.
pub(crate) fn plans(sources: &[Source], seed: Option<u64>) -> Result<Vec<Plan>, Failure> {
    each(sources, |source| plan(source, seed))
}

/// Does the same for each, or tells all that is wrong with any of them.
pub(crate) fn each<'a, S, T>(
    all: &'a [S],
    mut load: impl FnMut(&'a S) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut loaded = Vec::new();
    let mut failure = Failure {
        exit: Exit::Usage,
        messages: Vec::new(),
    };
    for one in all {
        match load(one) {
            Ok(value) => loaded.push(value),
            Err(found) => failure.messages.extend(found.messages),
        }
    }
    if failure.messages.is_empty() {
        Ok(loaded)
    } else {
        Err(failure)
    }
}

/// What is named for drills: scenarios, and rules to judge.
pub(crate) fn for_drills(words: &[PathBuf], rules: &args::Rules) -> Named {
    let words = [
        // In the order in which a shell's pattern had them.
        (Place::Rules, rules.files.as_slice()),
        (Place::Scenarios, words),
    ];
    let named = Named::new(&words).without_records();
    named.with_scenarios().with_rules_of(&rules.files)
}

/// The rules of the command line beside another input, or all that is wrong with either, and with what was named. Says
/// which rules they are where that is not what was typed.
pub(crate) fn rules_and<T: Worlds>(
    named: &Named,
    rules: &args::Rules,
    reading: RuleReading,
    (delivery, routing): (args::Delivery, &args::Routing),
    other: Result<T, Failure>,
    terminal: &Terminal,
) -> Result<(Rules, RulePack, T), Failure> {
    let understood = match named.wrong.is_empty() {
        true => Ok(()),
        false => Err(Failure {
            exit: Exit::Usage,
            messages: named.wrong.clone(),
        }),
    };
    let config = alertmanager(routing);
    let load = |texts: Vec<RuleText>| match &config {
        Ok(config) => {
            let paging = Paging::new(&rules.pages, config.clone());
            rule_pack(texts, reading, &paging).map(Some)
        }
        // Who would page is not known, but all else is.
        Err(_) => rule_texts(texts, reading).map(|_| None),
    };
    // Without them there is nothing to say about the default ones.
    let loaded = match (named.rules.is_empty(), &understood) {
        (true, Ok(())) => {
            let default = builtin::rules(builtin::DEFAULT_RULES);
            let default = default.ok_or_else(|| Failure::internal("no built-in rules"))?;
            terminal.say(format_args!(
                "rules: {}; judge your own with --rules FILE...",
                default.shown()
            ));
            let text = RuleText {
                name: default.shown(),
                text: default.text.to_owned(),
            };
            load(vec![text])
        }
        (true, Err(_)) => Ok(None),
        (false, _) => load(texts(&named.rules_for(other.as_ref().ok(), terminal))),
    };
    let given = both(understood, config);
    let (((), config), (loaded, other)) = both(given, both(loaded, other))?;
    let (loaded, pack) = loaded.ok_or_else(|| Failure::internal("no rules"))?;
    for test in &named.tests {
        let path = test.display();
        terminal.say(format_args!(
            "{path}: {}, not used here; `firedrill test rules {path}` runs it",
            Kind::RuleTest.name()
        ));
    }
    let rules = Rules {
        delivery: delivery.of_new_drills(),
        alertmanager: config.map(|config| config.reduced()),
        ..loaded
    };
    Ok((rules, pack, other))
}

/// Reads the Alertmanager file, if there is one.
pub(crate) fn alertmanager(routing: &args::Routing) -> Result<Option<Arc<Config>>, Failure> {
    let Some(path) = &routing.alertmanager else {
        return Ok(None);
    };
    let text = read(path)?;
    configured(&path.display().to_string(), &text).map(Some)
}

/// Reads an Alertmanager file by value.
pub(crate) fn configured(name: &str, text: &str) -> Result<Arc<Config>, Failure> {
    let config = Config::parse(name, text).map_err(|problems| Failure::problems(&problems))?;
    Ok(Arc::new(config))
}

/// Refuses rules that would be evaluated for ever over any of the plans.
pub(crate) fn bounded<'p>(
    rules: &Rules,
    plans: impl IntoIterator<Item = &'p Plan>,
) -> Result<(), Failure> {
    for plan in plans {
        let (interval_ms, length_ms) = (plan.evaluation_interval_ms, plan.duration_ms);
        bounds::check(&rules.set, interval_ms, length_ms, 0)
            .map_err(|error| Failure::usage(error).about(&plan.name))?;
    }
    Ok(())
}

/// Opens records, each named by its file or by a directory: see [`found::records`].
pub(crate) fn records(paths: &[PathBuf]) -> Result<Vec<Record>, Failure> {
    each(&found::records(paths)?, |path| record(path))
}

/// The files of the records that are meant: see [`found::records`].
pub(crate) fn record_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    found::records(paths)
}

/// The files of all records below what is named, the older ones of a scenario, too.
pub(crate) fn all_records(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    found::all_records(paths)
}

/// The records that are meant, and of those that are the same byte for byte only the first: a drill proves no more for
/// being there twice. What is left out is said. Where they cannot be found, they are as they were named: what is wrong
/// with them is told with all else that is wrong.
pub(crate) fn without_copies(paths: &[PathBuf], terminal: &Terminal) -> Vec<PathBuf> {
    let is_drill = |path: &&PathBuf| !found::is_made_of_drills(path);
    let mut drills: Vec<PathBuf> = paths.iter().filter(is_drill).cloned().collect();
    if drills.is_empty() {
        // Somebody means them; what is wrong with that is told.
        drills = paths.to_vec();
    }
    for other in paths.iter().filter(|path| !drills.contains(path)) {
        terminal.say(format_args!(
            "{} is no drill, but what was made of drills: left out",
            shown(other)
        ));
    }
    let Ok(found) = found::records(&drills) else {
        return drills;
    };
    let mut records = Vec::new();
    let mut by_length: BTreeMap<u64, Vec<PathBuf>> = BTreeMap::new();
    for path in found {
        // What is no file, or cannot be read, is told where it is opened.
        let length = std::fs::metadata(&path)
            .ok()
            .filter(std::fs::Metadata::is_file);
        let Some(length) = length.map(|file| file.len()) else {
            records.push(path);
            continue;
        };
        let alike = by_length.entry(length).or_default();
        match alike
            .iter()
            .find(|known| is_copy(known, &path).unwrap_or(false))
        {
            Some(known) => terminal.say(format_args!(
                "{} is a copy of {}: the drill counts once",
                shown(&path),
                shown(known)
            )),
            None => {
                alike.push(path.clone());
                records.push(path);
            }
        }
    }
    records
}

/// Whether two files have the same bytes.
fn is_copy(one: &Path, other: &Path) -> std::io::Result<bool> {
    let open = |path| files::open(path).map(BufReader::new);
    let (mut one, mut other) = (open(one)?, open(other)?);
    loop {
        let (ours, theirs) = (one.fill_buf()?, other.fill_buf()?);
        let length = ours.len().min(theirs.len());
        if length == 0 {
            return Ok(ours.len() == theirs.len());
        }
        if ours[..length] != theirs[..length] {
            return Ok(false);
        }
        one.consume(length);
        other.consume(length);
    }
}

/// Opens one record.
pub(crate) fn record(file: &Path) -> Result<Record, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", shown(file)));
    let open = files::open(file).map_err(|error| wrong(&error))?;
    let record = Record::read(BufReader::new(open)).map_err(|error| wrong(&error))?;
    let found = agreement::check(&record);
    match found.is_empty() {
        true => Ok(record),
        false => Err(Failure {
            exit: Exit::Usage,
            messages: found
                .iter()
                .map(|what| format!("{}: {what}", shown(file)))
                .collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn failure(path: &Path) -> String {
        let failure = read(path).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        failure.messages.join("\n")
    }

    #[test]
    fn no_more_is_read_than_is_needed_to_refuse_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("huge.yml");
        // A hundred megabytes on disk and none in it.
        File::create(&path).unwrap().set_len(100 << 20).unwrap();
        for path in [path.as_path(), Path::new("/dev/zero")] {
            assert_eq!(
                read(path).unwrap().len(),
                TEXT_MAX + 1,
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn a_cut_through_a_character_is_no_wrong_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long.yml");
        std::fs::write(&path, "☃".repeat(TEXT_MAX / 3 + 1)).unwrap();
        assert!(read(&path).unwrap().len() > TEXT_MAX);
    }

    #[test]
    fn what_is_no_text_is_told_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = dir.path().join("bytes.yml");
        std::fs::write(&bytes, b"a: \xff").unwrap();
        assert!(failure(&bytes).contains("bytes.yml: invalid utf-8"));
        assert!(failure(dir.path()).contains("directory"));
        assert!(failure(&dir.path().join("missing.yml")).contains("missing.yml: No such file"));
    }
}
