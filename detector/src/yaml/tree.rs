//! Text to a tree of nodes with their places, within bounds: hostile files end as a problem, not as a full memory.

use crate::yaml::merge::merged;
use crate::yaml::{Position, Problems};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use std::collections::BTreeMap;

/// Longest text accepted, bytes.
pub const TEXT_MAX: usize = 8 << 20;
/// Deepest nesting accepted.
const DEPTH_MAX: usize = 64;
/// Most nodes accepted, aliases expanded.
const NODES_MAX: usize = 1_000_000;

/// A YAML node and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it begins.
    pub at: Position,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text; `plain` when written without quotes, so that `5` is a number and `"5"` is not.
    Scalar {
        /// The text.
        text: String,
        /// Whether it was written without quotes.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order written.
    Mapping(Vec<(Node, Node)>),
}

/// A collection that is not closed yet, and the number of its anchor, or 0.
enum Open {
    Sequence(Position, usize, Vec<Node>),
    Mapping(Position, usize, Vec<(Node, Node)>, Option<Node>),
}

impl Open {
    fn anchor(&self) -> usize {
        match self {
            Self::Sequence(_, anchor, _) | Self::Mapping(_, anchor, ..) => *anchor,
        }
    }
}

/// What anchors stand for: a node, how many nodes it is made of, and how deep it is.
type Anchors = BTreeMap<usize, (Node, Size)>;

/// How large a node is.
#[derive(Debug, Clone, Copy)]
struct Size {
    nodes: usize,
    depth: usize,
}

fn size(node: &Node) -> Size {
    let add = |sum: Size, of: Size| Size {
        nodes: sum.nodes + of.nodes,
        depth: sum.depth.max(of.depth + 1),
    };
    let one = Size { nodes: 1, depth: 0 };
    match &node.value {
        Value::Scalar { .. } => one,
        Value::Sequence(items) => items.iter().map(size).fold(one, add),
        Value::Mapping(entries) => {
            let parts = entries.iter().flat_map(|(key, value)| [key, value]);
            parts.map(size).fold(one, add)
        }
    }
}

/// Parses the first document of `text`. `None`, with a problem, when there is none or it is broken; duplicate keys are
/// problems, too, but do not stop the reading.
pub fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    read(text, 1, problems)?.into_iter().next()
}

/// Parses all documents of `text`, empty ones left out. `None`, with a problem, as for [`parse`].
pub fn parse_all(text: &str, problems: &mut Problems) -> Option<Vec<Node>> {
    let mut documents = read(text, usize::MAX, problems)?;
    if documents.len() > 1 {
        documents.retain(|document| !document.is_null());
    }
    Some(documents)
}

/// At least one document, at most `most`.
fn read(text: &str, most: usize, problems: &mut Problems) -> Option<Vec<Node>> {
    let start = Position { line: 1, column: 1 };
    if text.len() > TEXT_MAX {
        problems.push(
            start,
            format!("the file has more than {TEXT_MAX} bytes; split it"),
        );
        return None;
    }
    let mut documents: Vec<Node> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut nodes = 0_usize;
    let mut anchors = Anchors::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                problems.push(place(&error), format!("not valid YAML: {}", error.info()));
                return None;
            }
        };
        let at = mark(&span);
        nodes += 1;
        if !is_within(at, nodes, open.len(), problems) {
            return None;
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let text = text.into_owned();
                let value = Value::Scalar { text, plain };
                (Node { at, value }, anchor)
            }
            Event::SequenceStart(anchor, ..) => {
                open.push(Open::Sequence(at, anchor, Vec::new()));
                continue;
            }
            Event::MappingStart(anchor, ..) => {
                open.push(Open::Mapping(at, anchor, Vec::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop()? {
                Open::Sequence(at, anchor, items) => {
                    let value = Value::Sequence(items);
                    (Node { at, value }, anchor)
                }
                Open::Mapping(at, anchor, entries, _) => {
                    report_duplicates(&entries, problems);
                    let value = Value::Mapping(merged(entries, problems));
                    (Node { at, value }, anchor)
                }
            },
            Event::Alias(anchor) => {
                let Some((node, size)) = anchors.get(&anchor) else {
                    let message = if open.iter().any(|open| open.anchor() == anchor) {
                        "an alias (`*name`) stands within what it names"
                    } else {
                        "an alias (`*name`) names nothing"
                    };
                    problems.push(at, message);
                    return None;
                };
                nodes = nodes.saturating_add(size.nodes);
                if !is_within(at, nodes, open.len() + size.depth, problems) {
                    return None;
                }
                (node.clone(), 0)
            }
            Event::StreamEnd => break,
            Event::DocumentEnd | Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => {
                continue;
            }
        };
        if anchor != 0 {
            let size = size(&node);
            nodes = nodes.saturating_add(size.nodes);
            anchors.insert(anchor, (node.clone(), size));
        }
        match open.last_mut() {
            None => {
                documents.push(node);
                if documents.len() >= most {
                    break;
                }
            }
            Some(Open::Sequence(_, _, items)) => items.push(node),
            Some(Open::Mapping(_, _, entries, key)) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
    }
    if documents.is_empty() {
        problems.push(start, "the file is empty");
        return None;
    }
    Some(documents)
}

/// Where the parser gave up.
fn place(error: &ScanError) -> Position {
    Position {
        line: error.marker().line().max(1),
        column: error.marker().col() + 1,
    }
}

/// Whether so many nodes and levels are accepted; if not, that is a problem.
fn is_within(at: Position, nodes: usize, levels: usize, problems: &mut Problems) -> bool {
    let limit = match (nodes > NODES_MAX, levels > DEPTH_MAX) {
        (true, _) => "too many nodes",
        (_, true) => "nested too deep",
        _ => return true,
    };
    problems.push(
        at,
        format!(
            "{limit}: the limit is {NODES_MAX} nodes and {DEPTH_MAX} levels, aliases written out"
        ),
    );
    false
}

fn mark(span: &Span) -> Position {
    Position {
        line: span.start.line().max(1),
        column: span.start.col() + 1,
    }
}

fn report_duplicates(entries: &[(Node, Node)], problems: &mut Problems) {
    let mut seen: std::collections::BTreeMap<&str, Position> = std::collections::BTreeMap::new();
    for (key, _) in entries {
        let Some(name) = key.text() else { continue };
        if let Some(first) = seen.get(name) {
            problems.push_with_hint(
                key.at,
                format!("duplicate key `{name}`"),
                format!("first at line {}", first.line),
            );
        } else {
            seen.insert(name, key.at);
        }
    }
}

impl Node {
    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether this is `null`, `~`, or nothing at all.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// What is there, for a problem's text.
    #[must_use]
    pub fn found(&self) -> String {
        match &self.value {
            Value::Scalar { text, .. } if text.chars().count() > 60 => {
                format!("`{}...`", text.chars().take(57).collect::<String>())
            }
            Value::Scalar { text, .. } => format!("`{text}`"),
            Value::Sequence(_) => "a sequence".into(),
            Value::Mapping(_) => "a mapping".into(),
        }
    }

    /// Reports that something else was expected here.
    pub fn expected(&self, what: &str, expected: &str, problems: &mut Problems) {
        problems.push(
            self.at,
            format!("{what}: expected {expected}, found {}", self.found()),
        );
    }

    /// A scalar's text, or a problem.
    pub fn as_str(&self, what: &str, problems: &mut Problems) -> Option<&str> {
        let text = self.text();
        if text.is_none() {
            self.expected(what, "text", problems);
        }
        text
    }

    fn number<T: std::str::FromStr>(
        &self,
        what: &str,
        expected: &str,
        problems: &mut Problems,
    ) -> Option<T> {
        let value = match &self.value {
            Value::Scalar { text, plain: true } => text.parse().ok(),
            _ => None,
        };
        if value.is_none() {
            self.expected(what, expected, problems);
        }
        value
    }

    /// A whole number from 0, or a problem.
    pub fn as_u64(&self, what: &str, problems: &mut Problems) -> Option<u64> {
        self.number(what, "a whole number", problems)
    }

    /// A finite number, or a problem.
    pub fn as_f64(&self, what: &str, problems: &mut Problems) -> Option<f64> {
        let value: f64 = self.number(what, "a number", problems)?;
        if !value.is_finite() {
            self.expected(what, "a finite number", problems);
            return None;
        }
        Some(value)
    }

    /// `true` or `false`, or a problem.
    pub fn as_bool(&self, what: &str, problems: &mut Problems) -> Option<bool> {
        self.number(what, "true or false", problems)
    }

    /// The items of a sequence, or a problem.
    pub fn as_seq(&self, what: &str, problems: &mut Problems) -> Option<&[Self]> {
        if let Value::Sequence(items) = &self.value {
            return Some(items);
        }
        self.expected(what, "a sequence", problems);
        None
    }

    /// The entries of a mapping, or a problem.
    pub fn as_map(&self, what: &str, problems: &mut Problems) -> Option<&[(Self, Self)]> {
        if let Value::Mapping(entries) = &self.value {
            return Some(entries);
        }
        self.expected(what, "a mapping", problems);
        None
    }
}
