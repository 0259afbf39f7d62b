//! Alerts that should be equal and are not, in colours, as promtool shows them with `--diff` (its JSON differ is
//! github.com/nsf/jsondiff, printing in full).

use std::collections::BTreeMap;

use super::ExpectedAlert;
use crate::go_format;

/// What colours a piece of text on a terminal.
#[derive(Debug, Clone, Copy)]
enum Colour {
    /// What is there and should not be.
    Added,
    /// What should be there and is not.
    Removed,
    /// What should be something else.
    Changed,
}

const RESET: &str = "\u{1b}[0m";

impl Colour {
    fn begin(self) -> &'static str {
        match self {
            Self::Added => "\u{1b}[0;32m",
            Self::Removed => "\u{1b}[0;31m",
            Self::Changed => "\u{1b}[0;33m",
        }
    }
}

/// The lists as a document, from which the second differs where there is colour. `expected` and `found` are in label order.
pub(super) fn alerts(expected: &[ExpectedAlert], found: &[ExpectedAlert]) -> String {
    // As in promtool, an empty list holds one alert without anything, so that all of the other's are shown beside it.
    let nothing = [ExpectedAlert {
        labels: Vec::new(),
        annotations: Vec::new(),
    }];
    let filled = |alerts: &[ExpectedAlert]| match alerts.is_empty() {
        true => nothing.to_vec(),
        false => alerts.to_vec(),
    };
    let (expected, found) = (filled(expected), filled(found));
    let mut out = Out {
        text: String::new(),
        level: 0,
    };
    out.both(&list(&expected), &list(&found));
    out.text
}

/// What a document is made of here.
enum Value<'a> {
    Text(&'a str),
    List(Vec<Self>),
    Map(BTreeMap<&'a str, Self>),
}

fn list(alerts: &[ExpectedAlert]) -> Value<'_> {
    Value::List(alerts.iter().map(alert).collect())
}

fn alert(alert: &ExpectedAlert) -> Value<'_> {
    Value::Map(BTreeMap::from([
        ("Annotations", map(&alert.annotations)),
        ("Labels", map(&alert.labels)),
    ]))
}

fn map(pairs: &[(String, String)]) -> Value<'_> {
    let pairs = pairs.iter();
    let pairs = pairs.map(|(name, value)| (name.as_str(), Value::Text(value)));
    Value::Map(pairs.collect())
}

/// What stands on either side, at least on one.
struct Pair<'a, 'v> {
    key: Option<&'a str>,
    expected: Option<&'v Value<'a>>,
    found: Option<&'v Value<'a>>,
}

struct Out {
    text: String,
    level: usize,
}

impl Out {
    fn both(&mut self, expected: &Value<'_>, found: &Value<'_>) {
        match (expected, found) {
            (Value::Text(expected), Value::Text(found)) if expected == found => {
                self.text.push_str(&go_format::quoted(expected));
            }
            (Value::List(expected), Value::List(found)) => {
                let pairs = (0..expected.len().max(found.len())).map(|place| Pair {
                    key: None,
                    expected: expected.get(place),
                    found: found.get(place),
                });
                self.collection(['[', ']'], pairs.collect());
            }
            (Value::Map(expected), Value::Map(found)) => {
                let mut keys: Vec<&str> = expected.keys().chain(found.keys()).copied().collect();
                keys.sort_unstable();
                keys.dedup();
                let pairs = keys.into_iter().map(|key| Pair {
                    key: Some(key),
                    expected: expected.get(key),
                    found: found.get(key),
                });
                self.collection(['{', '}'], pairs.collect());
            }
            (expected, found) => {
                let (expected, found) = (short(expected), short(found));
                let begin = Colour::Changed.begin();
                self.text
                    .push_str(&format!("{begin}{expected} => {found}{RESET}"));
            }
        }
    }

    fn collection(&mut self, [open, close]: [char; 2], pairs: Vec<Pair<'_, '_>>) {
        self.text.push(open);
        if !pairs.is_empty() {
            self.level += 1;
            self.line(None);
            let count = pairs.len();
            for (place, pair) in pairs.into_iter().enumerate() {
                self.pair(&pair);
                if place + 1 < count {
                    self.text.push(',');
                    self.line(None);
                }
            }
            self.level -= 1;
            self.line(None);
        }
        self.text.push(close);
    }

    fn pair(&mut self, pair: &Pair<'_, '_>) {
        let (value, colour) = match (pair.expected, pair.found) {
            (Some(expected), Some(found)) => {
                self.key(pair.key);
                return self.both(expected, found);
            }
            (Some(expected), None) => (expected, Colour::Removed),
            (None, Some(found)) => (found, Colour::Added),
            (None, None) => return,
        };
        self.text.push_str(colour.begin());
        self.key(pair.key);
        self.whole(value, colour);
        self.text.push_str(RESET);
    }

    fn key(&mut self, key: Option<&str>) {
        if let Some(key) = key {
            self.text.push_str(&go_format::quoted(key));
            self.text.push_str(": ");
        }
    }

    /// A value of one colour.
    fn whole(&mut self, value: &Value<'_>, colour: Colour) {
        let ([open, close], items): (_, Vec<(Option<&str>, &Value<'_>)>) = match value {
            Value::Text(text) => return self.text.push_str(&go_format::quoted(text)),
            Value::List(items) => (['[', ']'], items.iter().map(|item| (None, item)).collect()),
            Value::Map(items) => {
                let items = items.iter().map(|(key, item)| (Some(*key), item));
                (['{', '}'], items.collect())
            }
        };
        self.text.push(open);
        if !items.is_empty() {
            self.level += 1;
            self.line(Some(colour));
            let count = items.len();
            for (place, (key, item)) in items.into_iter().enumerate() {
                self.key(key);
                self.whole(item, colour);
                if place + 1 < count {
                    self.text.push(',');
                    self.line(Some(colour));
                }
            }
            self.level -= 1;
            self.line(Some(colour));
        }
        self.text.push(close);
    }

    /// A new line, over which no colour lasts.
    fn line(&mut self, colour: Option<Colour>) {
        if colour.is_some() {
            self.text.push_str(RESET);
        }
        self.text.push('\n');
        self.text.push_str(&"    ".repeat(self.level));
        if let Some(colour) = colour {
            self.text.push_str(colour.begin());
        }
    }
}

/// A value as far as it fits into a line.
fn short(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) => go_format::quoted(text),
        Value::List(_) => "[]".into(),
        Value::Map(_) => "{}".into(),
    }
}
