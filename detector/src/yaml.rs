//! YAML with positions, and all problems at once: how every file a person writes is read.
//!
//! ```
//! use firedrill_detector::yaml::{Fields, Problems, parse};
//!
//! let mut problems = Problems::new("alerts.yml");
//! let node = parse("alert: Down\nfro: 5m\n", &mut problems).expect("it is YAML");
//! let mut fields = Fields::new(&node, "alert rule", &mut problems).expect("it is a mapping");
//! fields.take("alert");
//! fields.take("for");
//! fields.finish(&mut problems);
//! let text = problems.into_vec()[0].to_string();
//! assert!(text.starts_with("alerts.yml:2:1: unknown key `fro` in alert rule"));
//! ```

mod cursor;
mod events;
mod merge;
mod problem;
mod scalar;
mod scan;
pub(crate) mod source;
mod token;
mod tree;

pub use problem::{Position, Problem, Problems, Region, UnknownKeys};
pub use source::lines_in_scalars;
pub use tree::{Node, TEXT_MAX, Value, parse, parse_all};
pub(crate) use tree::{parse_first, second_document};

/// The keys of a mapping, taken one by one; what nobody asked for is unknown.
#[derive(Debug)]
pub struct Fields<'n> {
    entries: &'n [(Node, Node)],
    what: String,
    at: Position,
    known: Vec<&'static str>,
    /// Known, and not accepted.
    foreign: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The fields of `node`, which is called `what` in problems. `None`, with a problem, when it is no mapping.
    pub fn new(node: &'n Node, what: impl Into<String>, problems: &mut Problems) -> Option<Self> {
        let what = what.into();
        let entries = node.as_map(&what, problems)?;
        Some(Self {
            entries,
            what,
            at: node.at,
            known: Vec::new(),
            foreign: Vec::new(),
        })
    }

    /// Where the mapping begins.
    #[must_use]
    pub fn at(&self) -> Position {
        self.at
    }

    /// What it is called in problems.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Whether a key is there and not null. Does not make it known.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|(key, value)| key.text() == Some(name) && !value.is_null())
    }

    /// The value of a key that may be missing. An explicit null counts as missing.
    pub fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.known.push(name);
        let entries = self.entries;
        entries
            .iter()
            .find(|(key, _)| key.text() == Some(name))
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    }

    /// Where a key of somebody else's stands, which is then known but not listed as accepted. An explicit null counts.
    pub(crate) fn take_foreign(&mut self, name: &'static str) -> Option<Position> {
        let mut keys = self.entries.iter().map(|(key, _)| key);
        let at = keys.find(|key| key.text() == Some(name))?.at;
        self.foreign.push(name);
        Some(at)
    }

    /// The value of a key that must be there.
    pub fn required(&mut self, name: &'static str, problems: &mut Problems) -> Option<&'n Node> {
        let value = self.take(name);
        if value.is_none() {
            problems.push(self.at, format!("{}: `{name}` is missing", self.what));
        }
        value
    }

    /// Reports every key that was not asked for, with the accepted ones, unless unknown keys are to be ignored.
    pub fn finish(self, problems: &mut Problems) {
        if problems.unknown_keys() == UnknownKeys::Ignored {
            return;
        }
        for (key, _) in self.entries {
            match key.text() {
                Some(name) if self.known.contains(&name) || self.foreign.contains(&name) => {}
                Some(name) => {
                    let accepted = format!("accepted: {}", self.known.join(", "));
                    let hint = match closest(name, self.known.iter().copied()) {
                        Some(close) => format!("did you mean `{close}`? {accepted}"),
                        None => accepted,
                    };
                    problems.push_with_hint(
                        key.at,
                        format!("unknown key `{name}` in {}", self.what),
                        hint,
                    );
                }
                None => problems.push(key.at, format!("a key of {} must be plain text", self.what)),
            }
        }
    }
}

/// Longest name that anything is guessed for, characters.
const NAME_MAX: usize = 256;

/// The accepted name that `name` was probably meant to be.
#[must_use]
pub fn closest<'a>(name: &str, accepted: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Names come from files, and the distance takes the product of both lengths.
    if name.chars().count() > NAME_MAX {
        return None;
    }
    accepted
        .into_iter()
        .map(|candidate| (strsim::levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1) + 1)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(text: &str) -> Vec<String> {
        let mut problems = Problems::new("f.yml");
        if let Some(node) = parse(text, &mut problems)
            && let Some(mut fields) = Fields::new(&node, "thing", &mut problems)
        {
            if let Some(count) = fields.take("count") {
                count.as_u64("count", &mut problems);
            }
            fields.required("name", &mut problems);
            fields.finish(&mut problems);
        }
        problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn all_problems_come_at_once_with_their_place() {
        assert_eq!(
            problems_of("count: many\ncuont: 3\ncount: 4\n"),
            [
                "f.yml:1:1: thing: `name` is missing",
                "f.yml:1:8: count: expected a whole number, found `many`",
                "f.yml:2:1: unknown key `cuont` in thing\n    did you mean `count`? accepted: count, name",
                "f.yml:3:1: duplicate key `count`\n    first at line 1",
            ]
        );
    }

    #[test]
    fn broken_or_hostile_yaml_is_one_problem() {
        assert!(problems_of("a: [1, 2")[0].starts_with("f.yml:"));
        assert_eq!(
            problems_of("- 1\n")[0],
            "f.yml:1:1: thing: expected a mapping, found a sequence"
        );
        assert_eq!(problems_of(&"[".repeat(100_000)).len(), 1);
        let deep = format!("a: {}1{}", "[".repeat(100), "]".repeat(100));
        assert!(problems_of(&deep)[0].contains("nested too deep"));
        assert_eq!(problems_of(""), ["f.yml:1:1: the file is empty"]);
    }
}
