//! The scenarios and rule packs inside the binary: all of `scenarios/`, so that firedrill works in any folder.

use crate::scenario::Scenario;
use crate::world::{self, PRESETS};

/// Every embedded file: its path below `scenarios/`, and its text.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// Name of the rule pack that is judged when none is given.
pub const DEFAULT_RULES: &str = "runbook";

/// Added to a built-in's name wherever one is shown beside files.
pub const MARK: &str = " (built in)";

/// A scenario or rule pack inside the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// What it is called on the command line: a scenario's `name`, a rule pack's file name without `.yml`.
    pub name: &'static str,
    /// Folder below `scenarios/`: `rules`, or a scenario's family.
    folder: &'static str,
    /// The file, comments included.
    pub text: &'static str,
}

impl Builtin {
    /// For messages and records: which one, and that it is no file.
    #[must_use]
    pub fn shown(&self) -> String {
        match self.folder {
            RULES => format!("{}.yml{MARK}", self.name),
            _ => format!("{}{MARK}", self.name),
        }
    }

    /// Whether it belongs to the flagship set, which the scorecard of the README shows.
    #[must_use]
    pub fn is_flagship(&self) -> bool {
        self.has_tag(FLAGSHIP)
    }

    /// Whether `@tag` means this scenario.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        match tag {
            "all" => true,
            _ => {
                let scenario = Scenario::parse(self.name, self.text);
                scenario.is_ok_and(|scenario| scenario.has_tag(tag))
            }
        }
    }
}

/// Tag of the flagship set.
const FLAGSHIP: &str = "flagship";

/// Folder of the rule packs.
const RULES: &str = "rules";

/// Folder of the worlds, which are `world`'s.
const WORLDS: &str = "worlds";

fn all() -> impl Iterator<Item = Builtin> {
    FILES.iter().map(|(path, text)| {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let name = file.rsplit_once('.').map_or(file, |(name, _)| name);
        Builtin { name, folder, text }
    })
}

/// All scenarios: the flagship set by name, then the others by folder and name.
#[must_use]
pub fn scenarios() -> Vec<Builtin> {
    let mut scenarios: Vec<Builtin> = all()
        .filter(|file| ![RULES, WORLDS].contains(&file.folder))
        .collect();
    scenarios.sort_by_cached_key(|file| match file.is_flagship() {
        true => ("", file.name),
        false => (file.folder, file.name),
    });
    scenarios
}

/// All rule packs, by name.
#[must_use]
pub fn rule_packs() -> Vec<Builtin> {
    let mut packs: Vec<Builtin> = all().filter(|file| file.folder == RULES).collect();
    packs.sort_by_key(|pack| pack.name);
    packs
}

/// The scenario of this name.
#[must_use]
pub fn scenario(name: &str) -> Option<Builtin> {
    scenarios().into_iter().find(|file| file.name == name)
}

/// The rule pack of this name.
#[must_use]
pub fn rules(name: &str) -> Option<Builtin> {
    rule_packs().into_iter().find(|file| file.name == name)
}

/// What the variant of a rule pack for a world inside the binary is called: as the pack in the default one, else with the world's name.
#[must_use]
pub fn variant(pack: &str, world: &str) -> String {
    match world {
        world::DEFAULT => pack.to_owned(),
        _ => format!("{pack}-{world}"),
    }
}

/// The variants of a rule pack in the order of [`PRESETS`], those that ask for more before those that ask for less; none: it has only
/// itself.
#[must_use]
pub fn variants(pack: &str) -> Vec<Builtin> {
    let all = PRESETS.iter();
    let all: Vec<Builtin> = all
        .filter_map(|preset| rules(&variant(pack, preset.name)))
        .collect();
    match all.len() {
        0 | 1 => Vec::new(),
        _ => all,
    }
}

/// The scenarios that `@tag` means, in the order of [`scenarios`]; none: there is no such tag.
#[must_use]
pub fn tagged(tag: &str) -> Vec<Builtin> {
    let mut tagged = scenarios();
    tagged.retain(|file| file.has_tag(tag));
    tagged
}

/// Every tag that means a scenario: `all`, and what the scenarios say of themselves.
#[must_use]
pub fn tags() -> Vec<String> {
    let mut tags: Vec<String> = vec!["all".to_owned()];
    let mut said: Vec<String> = scenarios()
        .iter()
        .filter_map(|file| Scenario::parse(file.name, file.text).ok())
        .flat_map(|scenario| scenario.tags())
        .collect();
    said.sort();
    said.dedup();
    tags.extend(said);
    tags
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_those_the_scenarios_have_and_each_is_there_once() {
        let mut names = BTreeSet::new();
        for file in scenarios() {
            let scenario = Scenario::parse(file.name, file.text);
            let scenario = scenario.unwrap_or_else(|found| panic!("{found:#?}"));
            assert_eq!(scenario.name(), file.name);
            assert_eq!(scenario.family(), file.folder, "{}", file.name);
            assert!(names.insert(file.name), "{} twice", file.name);
            assert!(rules(file.name).is_none(), "{} is both", file.name);
        }
        assert!(rules(DEFAULT_RULES).is_some());
    }

    #[test]
    fn tags_are_sets_of_scenarios() {
        let names = |tag: &str| -> Vec<&str> { tagged(tag).iter().map(|file| file.name).collect() };
        assert_eq!(names("all").len(), scenarios().len());
        assert_eq!(names("flagship").len(), 8);
        assert!(names("benign").contains(&"healthy"));
        assert_eq!(names("worker-crashed")[0], "worker-crash-all");
        assert!(names("nonsense").is_empty());
        for tag in tags() {
            assert!(!names(&tag).is_empty(), "@{tag}");
        }
    }
}
