//! Words: texts, names, one of several.

use crate::form::{Shape, Yaml, quote};
use firedrill_detector::yaml::{Node, Problems, closest};
use serde_json::{Value, json};
use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

/// `true` or `false`.
#[derive(Debug, Clone, Copy)]
pub struct Truth;

/// `true` or `false`.
#[must_use]
pub fn truth() -> Truth {
    Truth
}

impl Shape for Truth {
    type Value = bool;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<bool> {
        node.as_bool(what, problems)
    }

    fn write(&self, value: &bool) -> Yaml {
        Yaml::Scalar(value.to_string())
    }

    fn words(&self) -> String {
        "`true` or `false`".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "boolean" })
    }
}

/// Any text.
#[derive(Debug, Clone, Copy)]
pub struct Text;

/// Any text.
#[must_use]
pub fn text() -> Text {
    Text
}

impl Shape for Text {
    type Value = String;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<String> {
        node.as_str(what, problems).map(str::to_owned)
    }

    fn write(&self, value: &String) -> Yaml {
        Yaml::Scalar(quote(value))
    }

    fn words(&self) -> String {
        "text".into()
    }

    fn schema(&self) -> Value {
        // Whatever is written on one line is a text here, numbers too.
        json!({ "type": ["string", "number", "boolean"] })
    }
}

/// A name that can be a file, a label value and a Redis key.
#[derive(Debug, Clone, Copy)]
pub struct Name;

/// A name that can be a file, a label value and a Redis key.
#[must_use]
pub fn name() -> Name {
    Name
}

impl Shape for Name {
    type Value = String;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<String> {
        let name = node.as_str(what, problems)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) || name.starts_with('.') {
            node.expected(what, "1 to 64 letters, digits or `-_.:`", problems);
            return None;
        }
        Some(name.to_owned())
    }

    fn write(&self, value: &String) -> Yaml {
        Yaml::Scalar(quote(value))
    }

    fn words(&self) -> String {
        "name".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": ["string", "number", "boolean"], "pattern": "^[A-Za-z0-9_:-][A-Za-z0-9_.:-]{0,63}$" })
    }
}

/// One of several words, and what each stands for.
#[derive(Debug, Clone)]
pub struct Choice<T>(Vec<(&'static str, T)>);

/// One of several words, and what each stands for.
#[must_use]
pub fn choice<T>(accepted: impl IntoIterator<Item = (&'static str, T)>) -> Choice<T> {
    Choice(accepted.into_iter().collect())
}

/// One of several words.
#[must_use]
pub fn one_of(accepted: &[&'static str]) -> Choice<String> {
    choice(accepted.iter().map(|word| (*word, (*word).to_owned())))
}

impl<T: Clone + PartialEq> Shape for Choice<T> {
    type Value = T;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<T> {
        let word = node.as_str(what, problems)?;
        if let Some((_, value)) = self.0.iter().find(|(known, _)| *known == word) {
            return Some(value.clone());
        }
        let words: Vec<&str> = self.0.iter().map(|(word, _)| *word).collect();
        let all = format!("accepted: {}", words.join(", "));
        let hint = closest(word, words.iter().copied()).map_or(all.clone(), |close| {
            format!("did you mean `{close}`? {all}")
        });
        problems.push_with_hint(node.at, format!("{what}: unknown `{word}`"), hint);
        None
    }

    fn write(&self, value: &T) -> Yaml {
        let entry = self.0.iter().find(|(_, known)| known == value);
        Yaml::Scalar(entry.map_or(String::new(), |(word, _)| (*word).to_owned()))
    }

    fn words(&self) -> String {
        let words: Vec<String> = self.0.iter().map(|(word, _)| format!("`{word}`")).collect();
        match &words[..] {
            [before @ .., last] if !before.is_empty() => {
                format!("{} or {last}", before.join(", "))
            }
            _ => words.concat(),
        }
    }

    fn schema(&self) -> Value {
        let words: Vec<&str> = self.0.iter().map(|(word, _)| *word).collect();
        json!({ "enum": words })
    }
}

/// Always the same word.
#[derive(Debug, Clone, Copy)]
pub struct Only(&'static str);

/// Always the same word, which YAML must read as a text without quotes.
#[must_use]
pub fn only(word: &'static str) -> Only {
    Only(word)
}

impl Shape for Only {
    type Value = ();

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<()> {
        if node.text() == Some(self.0) {
            return Some(());
        }
        node.expected(what, &format!("`{}`", self.0), problems);
        None
    }

    fn write(&self, (): &()) -> Yaml {
        Yaml::Scalar(self.0.into())
    }

    fn words(&self) -> String {
        format!("`{}`", self.0)
    }

    fn schema(&self) -> Value {
        json!({ "const": self.0 })
    }
}

/// What has a notation of its own.
#[derive(Debug, Clone, Copy)]
pub struct Parsed<T> {
    words: &'static str,
    kind: PhantomData<T>,
}

/// What has a notation of its own. Its error says what is expected.
#[must_use]
pub fn parsed<T: FromStr<Err = String> + Display>(words: &'static str) -> Parsed<T> {
    Parsed {
        words,
        kind: PhantomData,
    }
}

impl<T: FromStr<Err = String> + Display> Shape for Parsed<T> {
    type Value = T;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<T> {
        let value = node.as_str(what, problems)?.parse();
        value
            .map_err(|expected: String| node.expected(what, &expected, problems))
            .ok()
    }

    fn write(&self, value: &T) -> Yaml {
        Yaml::Scalar(quote(&value.to_string()))
    }

    fn words(&self) -> String {
        self.words.into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string" })
    }
}
