//! What the words of a command line mean: built-in names, `@sets`, files, folders and patterns.
//!
//! A built-in name goes before a file or folder of that name in the working directory (`./healthy` is always a path), so
//! that a line means the same everywhere. Files are sorted by what is in them, not by where they stand.

use super::kind::Kind;
use super::read;
use super::world;
use crate::args;
use crate::commands::test_rules::glob;
use crate::exit::Exit;
use crate::failure::Failure;
use firedrill_detector::yaml::closest;
use firedrill_sim::builtin::{self, Builtin};
use firedrill_sim::drill::RECORD_FILE;
use firedrill_sim::files::shown;
use firedrill_sim::world::World;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where a word stands: what a file that does not say what it is, or a folder, is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Among scenarios.
    Scenarios,
    /// After `--rules`.
    Rules,
    /// Among records; names of built-ins are not looked up.
    Records,
    /// Among scenarios and records.
    ScenariosOrRecords,
    /// Among scenarios, rules, worlds and gates.
    ScenariosAndRules,
}

/// A scenario or rule file that was read.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Its path, or the name of a built-in: what messages and records call it.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
    /// Whether it came with others: of a tag, a folder or a pattern.
    pub(crate) of_set: bool,
    /// The world it is seen in, where that is not the scenario's own.
    pub(crate) world: Option<World>,
}

impl Source {
    /// A text of this name.
    pub(crate) fn new(name: String, text: String) -> Self {
        Self {
            name,
            text,
            of_set: false,
            world: None,
        }
    }
}

/// What the words mean, each thing once and in the order of the words.
#[derive(Debug, Default)]
pub(crate) struct Named {
    pub(crate) scenarios: Vec<Source>,
    pub(crate) rules: Vec<Source>,
    /// Test files of promtool.
    pub(crate) tests: Vec<PathBuf>,
    /// World files, where they are asked for.
    pub(crate) worlds: Vec<Source>,
    /// Gate files, where they are asked for.
    pub(crate) gates: Vec<Source>,
    /// Records and their folders.
    pub(crate) records: Vec<PathBuf>,
    /// What is wrong with the words, all of it.
    pub(crate) wrong: Vec<String>,
    known: BTreeSet<PathBuf>,
    /// Whether what is found now comes with others.
    of_set: bool,
}

impl Named {
    /// Looks everything up and reads it.
    pub(crate) fn new(words: &[(Place, &[PathBuf])]) -> Self {
        let mut named = Self::default();
        for (place, words) in words {
            for word in *words {
                named.word(word, *place);
            }
        }
        named
    }

    fn word(&mut self, word: &Path, place: Place) {
        let text = word.to_str().unwrap_or_default();
        self.of_set = false;
        if let Some(tag) = text.strip_prefix('@') {
            return self.tag(tag);
        }
        if place != Place::Records {
            if let Some(scenario) = builtin::scenario(text) {
                return self.built_in(scenario, Kind::Scenario);
            }
            if let Some(rules) = builtin::rules(text) {
                return self.built_in(rules, Kind::Rules);
            }
        }
        match fs::metadata(word) {
            Ok(there) if there.is_dir() => self.folder(word, place),
            Ok(_) => self.file(word, place),
            Err(_) if glob::has_wildcards(text) => self.pattern(text, place),
            Err(error) => self
                .wrong
                .push(format!("{text}: {error}{}", hint(word, place))),
        }
    }

    fn tag(&mut self, tag: &str) {
        let tagged = builtin::tagged(tag);
        if tagged.is_empty() {
            let tags = builtin::tags();
            let close = closest(tag, tags.iter().map(String::as_str));
            let close = close.map_or(String::new(), |close| format!("did you mean `@{close}`? "));
            self.wrong.push(format!(
                "@{tag}: no built-in scenario has this tag\n    {close}tags: @{}",
                tags.join(", @")
            ));
        }
        self.of_set = true;
        for scenario in tagged {
            self.built_in(scenario, Kind::Scenario);
        }
    }

    fn built_in(&mut self, builtin: Builtin, kind: Kind) {
        // No path begins like this.
        let place = PathBuf::from(format!("@{}", builtin.name));
        if !self.known.insert(place) {
            return self.is_known(&builtin.shown());
        }
        let source = Source {
            of_set: self.of_set,
            ..Source::new(builtin.shown(), builtin.text.to_owned())
        };
        match kind {
            Kind::Rules => self.rules.push(source),
            _ => self.scenarios.push(source),
        }
    }

    fn pattern(&mut self, pattern: &str, place: Place) {
        self.of_set = true;
        match glob::files(pattern) {
            Ok(found) if found.is_empty() => {
                self.wrong
                    .push(format!("{}: no file matches", shown(pattern)));
            }
            Ok(found) => {
                for path in found {
                    match path.is_dir() {
                        true => self.folder(&path, place),
                        false => self.file(&path, place),
                    }
                }
            }
            Err(error) => self.wrong.push(format!("{}: {error}", shown(pattern))),
        }
    }

    /// What of a folder is wanted in this place; not what is in folders below it.
    fn folder(&mut self, folder: &Path, place: Place) {
        // A drill's directory holds its plan as a scenario, too.
        let is_drill = place == Place::ScenariosOrRecords && folder.join(RECORD_FILE).is_file();
        if place == Place::Records || is_drill {
            self.records.push(folder.to_path_buf());
            return;
        }
        self.of_set = true;
        let mut found = Vec::new();
        for path in yaml_files(folder) {
            if let Ok(text) = read(&path)
                && let Some(kind) = Kind::of(&text)
            {
                found.push((path, kind, text));
            }
        }
        let wanted: &[Kind] = match place {
            Place::Rules => &[Kind::Rules],
            Place::ScenariosAndRules => &[
                Kind::Scenario,
                Kind::Rules,
                Kind::RuleTest,
                Kind::World,
                Kind::Gates,
            ],
            _ => &[Kind::Scenario],
        };
        let count = |wanted| found.iter().filter(|(_, kind, _)| *kind == wanted).count();
        if wanted.iter().all(|kind| count(*kind) == 0) {
            if place == Place::ScenariosOrRecords {
                self.records.push(folder.to_path_buf());
                return;
            }
            let others =
                [Kind::Scenario, Kind::Rules, Kind::RuleTest].map(|kind| (kind, count(kind)));
            self.wrong.push(nothing(folder, place, &others));
        }
        for (path, kind, text) in found {
            if wanted.contains(&kind) {
                self.keep(&path, kind, text);
            }
        }
    }

    fn file(&mut self, path: &Path, place: Place) {
        let is_regular = fs::metadata(path).is_ok_and(|there| there.is_file());
        let is_record_place = matches!(place, Place::Records | Place::ScenariosOrRecords);
        let named_as_record = path
            .extension()
            .is_some_and(|extension| extension == "jsonl");
        // Records may be huge, or come through a pipe that can be read only once.
        if is_regular && begins_as_record(path)
            || place == Place::Records && !is_regular
            || is_record_place && named_as_record
        {
            return self.keep(path, Kind::Record, String::new());
        }
        let text = match read(path) {
            Ok(text) => text,
            // Opening it as a record says what is wrong with it as one.
            Err(_) if place == Place::Records => String::new(),
            Err(failure) => return self.wrong.extend(failure.messages),
        };
        let kind = Kind::of(&text).unwrap_or(match place {
            Place::Rules => Kind::Rules,
            Place::Records => Kind::Record,
            // A rule file may be empty, as far as Prometheus is concerned; a scenario may not.
            Place::ScenariosAndRules if is_empty(&text) => Kind::Rules,
            _ => Kind::Scenario,
        });
        let used = match kind {
            Kind::World => Some(("--world", "shows drills in it")),
            Kind::Gates => Some(("--gate", "judges drills by it")),
            _ => None,
        };
        if let Some((option, does)) = used.filter(|_| place != Place::ScenariosAndRules) {
            let path = shown(path);
            return self.wrong.push(format!(
                "{path}: this is {}, and no drill by itself\n    {option} {path}   {does}",
                kind.name()
            ));
        }
        self.keep(path, kind, text);
    }

    fn keep(&mut self, path: &Path, kind: Kind, text: String) {
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let (name, of_set) = (path.display().to_string(), self.of_set);
        if kind != Kind::Record && !self.known.insert(real) {
            return self.is_known(&name);
        }
        let source = Source {
            of_set,
            ..Source::new(name, text)
        };
        match kind {
            Kind::Scenario => self.scenarios.push(source),
            Kind::Rules => self.rules.push(source),
            Kind::RuleTest => self.tests.push(path.to_path_buf()),
            Kind::World => self.worlds.push(source),
            Kind::Gates => self.gates.push(source),
            Kind::Record => self.records.push(path.to_path_buf()),
        }
    }

    /// One that is there already is named again, and now perhaps by itself.
    fn is_known(&mut self, name: &str) {
        let of_set = self.of_set;
        let known = self.scenarios.iter_mut().find(|known| known.name == name);
        if let Some(known) = known {
            known.of_set &= of_set;
        }
    }

    /// Itself, or all that is wrong with the words.
    pub(crate) fn understood(self) -> Result<Self, Failure> {
        match self.wrong.is_empty() {
            true => Ok(self),
            false => Err(Failure {
                exit: Exit::Usage,
                messages: self.wrong,
            }),
        }
    }

    /// All scenarios are seen in the world of the command line, if there is one.
    pub(crate) fn in_world(mut self, args: &args::World) -> Self {
        match world::named(args) {
            Ok(None) => {}
            Ok(Some(world)) => {
                for scenario in &mut self.scenarios {
                    scenario.world = Some(world.clone());
                }
            }
            Err(failure) => self.wrong.extend(failure.messages),
        }
        self
    }

    /// Refuses records where drills are to be run.
    pub(crate) fn without_records(mut self) -> Self {
        for record in self.records.drain(..) {
            let path = shown(record);
            self.wrong.push(format!(
                "{path}: this is {}, not a scenario\n    firedrill score {path}   judges it again",
                Kind::Record.name()
            ));
        }
        self
    }

    /// Refuses scenarios where records are wanted.
    pub(crate) fn without_scenarios(mut self, verb: &str) -> Self {
        for scenario in self.scenarios.drain(..) {
            let name = scenario.name;
            let run = name.strip_suffix(builtin::MARK).unwrap_or(&name);
            self.wrong.push(format!(
                "{name}: this is {}, and {verb} takes records\n    firedrill run {run}   makes one",
                Kind::Scenario.name()
            ));
        }
        self
    }

    /// Refuses a line without any scenario.
    pub(crate) fn with_scenarios(mut self) -> Self {
        if self.scenarios.is_empty() && self.wrong.is_empty() {
            let rules: Vec<&str> = self.rules.iter().map(|rules| rules.name.as_str()).collect();
            let what = match rules.as_slice() {
                [] => String::new(),
                [one] => format!("{one} is a rule file, and "),
                [first, ..] => format!("{first} and the others are rule files, and "),
            };
            self.wrong.push(format!(
                "{what}no scenario is named\n    name one (`firedrill list` shows what is built in), a file, a folder, or \
                 `@flagship`"
            ));
        }
        self
    }

    /// Refuses `--rules` without any rule file.
    pub(crate) fn with_rules_of(mut self, given: &[PathBuf]) -> Self {
        if self.rules.is_empty() && !given.is_empty() && self.wrong.is_empty() {
            let given: Vec<String> = given.iter().map(shown).collect();
            self.wrong.push(format!(
                "--rules {}: there is no rule file among these\n    leave --rules out to judge the built-in rules, or name \
                 a file with `groups:`",
                given.join(",")
            ));
        }
        self
    }
}

/// Whether there is nothing in a file but blank lines and comments.
fn is_empty(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    lines.all(|line| line.is_empty() || line.starts_with('#'))
}

/// Whether the file begins as a record does.
fn begins_as_record(path: &Path) -> bool {
    let mut begins = Vec::new();
    let read = File::open(path).and_then(|file| file.take(200).read_to_end(&mut begins));
    read.is_ok() && Kind::of(&String::from_utf8_lossy(&begins)) == Some(Kind::Record)
}

/// The YAML files of a folder by name, hidden ones left out.
fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_yaml = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml")
            && path
                .file_name()
                .is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
            && path.is_file()
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_yaml).collect();
    files.sort();
    files
}

/// What to say of a folder in which nothing is of use here, and what would do.
fn nothing(folder: &Path, place: Place, found: &[(Kind, usize)]) -> String {
    let (what, wanted) = match place {
        Place::Rules => ("rule file", Kind::Rules),
        Place::ScenariosAndRules => ("scenario or rule file", Kind::Scenario),
        _ => ("scenario", Kind::Scenario),
    };
    let mut text = format!("{}: no {what} in this folder", shown(folder));
    let others = found.iter().filter(|(_, count)| *count > 0);
    let others: Vec<String> = others
        .map(|(kind, count)| match (*kind, *count) {
            (kind, 1) => kind.name().to_owned(),
            (Kind::Scenario, count) => format!("{count} scenarios"),
            (Kind::Rules, count) => format!("{count} rule files"),
            (_, count) => format!("{count} test files of promtool"),
        })
        .collect();
    if !others.is_empty() {
        text.push_str(&format!(", but {}", others.join(" and ")));
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut below: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    below.sort();
    let has_some = |folder: &&PathBuf| {
        let mut files = yaml_files(folder).into_iter();
        files.any(|file| read(&file).is_ok_and(|text| Kind::of(&text) == Some(wanted)))
    };
    let has_record = |folder: &Path| folder.join(RECORD_FILE).is_file();
    if has_record(folder) || below.iter().any(|folder| has_record(folder)) {
        let folder = shown(folder);
        text.push_str(&format!(
            "\n    it holds what a drill left: firedrill score {folder}"
        ));
    } else if let Some(below) = below.iter().take(100).find(has_some) {
        text.push_str(&format!("\n    there are some in {}", shown(below)));
    } else if place == Place::Rules {
        text.push_str(
            "\n    leave --rules out to judge the built-in rules, or name a file with `groups:`",
        );
    } else if found.contains(&(Kind::Scenario, 0))
        && others.iter().any(|other| other.contains("rule"))
    {
        text.push_str("\n    name a scenario beside it; rules are given with --rules");
    } else {
        text.push_str(
            "\n    `firedrill init` writes one to begin with; `@flagship` is built in (`firedrill list` shows the rest)",
        );
    }
    text
}

/// What was probably meant by a path at which there is nothing.
fn hint(word: &Path, place: Place) -> String {
    if place == Place::Records {
        let built_in = builtin::scenario(word.to_str().unwrap_or_default());
        return built_in.map_or(String::new(), |scenario| {
            format!(
                "\n    `{0}` is a built-in scenario: firedrill run {0}   makes a record of it",
                scenario.name
            )
        });
    }
    let name = word
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let stem = word
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let built_in: Vec<&str> = match place {
        Place::Rules => builtin::rule_packs()
            .iter()
            .map(|rules| rules.name)
            .collect(),
        _ => builtin::scenarios()
            .iter()
            .map(|scenario| scenario.name)
            .collect(),
    };
    let folder = match word.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let beside = fs::read_dir(folder).into_iter().flatten().flatten();
    let beside: Vec<String> = beside
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let is_yaml = |name: &&str| name.ends_with(".yaml") || name.ends_with(".yml");
    let beside = closest(name, beside.iter().map(String::as_str).filter(is_yaml));
    match (beside, closest(stem, built_in.iter().copied())) {
        (Some(beside), None) => format!(
            "\n    did you mean `{}`?",
            shown(word.with_file_name(beside))
        ),
        (Some(beside), Some(close)) if close != stem => format!(
            "\n    did you mean `{}`, or the built-in `{close}`?",
            shown(word.with_file_name(beside))
        ),
        (_, Some(close)) => format!("\n    did you mean the built-in `{close}`?"),
        (None, None) => match place {
            Place::Rules => String::new(),
            _ => "\n    it is no built-in scenario either: `firedrill list` shows those there are"
                .to_owned(),
        },
    }
}
