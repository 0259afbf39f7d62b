//! What forms are printed as.

use firedrill_detector::text::is_obeyed;
use std::fmt::Write;

/// YAML to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Yaml {
    /// As it stands in the file, quoted where it must be.
    Scalar(String),
    /// A list.
    List(Vec<Self>),
    /// A mapping.
    Map {
        /// Whether each entry has a line of its own, where the mapping is not within one line itself.
        block: bool,
        /// Keys, quoted where they must be, and values.
        entries: Vec<(String, Self)>,
    },
}

impl Yaml {
    /// On one line.
    #[must_use]
    pub fn flow(&self) -> String {
        match self {
            Self::Scalar(text) => text.clone(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::flow).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Map { entries, .. } if entries.is_empty() => "{}".into(),
            Self::Map { entries, .. } => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{key}: {}", value.flow()))
                    .collect();
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }

    /// As a document, on as many lines as it takes.
    #[must_use]
    pub fn document(&self) -> String {
        let mut text = String::new();
        self.put(0, &mut text);
        text
    }

    /// Whether it needs lines of its own.
    fn is_block(&self) -> bool {
        match self {
            Self::Scalar(_) => false,
            Self::List(items) => items.iter().any(|item| matches!(item, Self::Map { .. })),
            Self::Map { block, entries } => *block && !entries.is_empty(),
        }
    }

    fn put(&self, indent: usize, text: &mut String) {
        match self {
            Self::Map { entries, .. } if self.is_block() => {
                for (index, (key, value)) in entries.iter().enumerate() {
                    // The first line of an item of a list stands behind its dash.
                    let is_behind = index == 0 && text.ends_with("- ");
                    let before = if is_behind { 0 } else { indent };
                    let _ = write!(text, "{:before$}{key}:", "");
                    if value.is_block() {
                        text.push('\n');
                        value.put(indent + 2, text);
                    } else {
                        let _ = writeln!(text, " {}", value.flow());
                    }
                }
            }
            Self::List(items) if self.is_block() => {
                for item in items {
                    let _ = write!(text, "{:indent$}- ", "");
                    item.put(indent + 2, text);
                }
            }
            _ => {
                let _ = writeln!(text, "{}", self.flow());
            }
        }
    }
}

/// A string that YAML reads back as itself: plain where nothing could take it for anything else.
#[must_use]
pub fn quote(text: &str) -> String {
    // Plain, these are other things than strings, here or in other readers.
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if plain && !is_word && text.parse::<f64>().is_err() {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if is_obeyed(c) || matches!(c, '\u{85}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
