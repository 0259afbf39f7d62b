//! Text to a tree of nodes with their places, within bounds: hostile files end as a problem, not as a full memory.

use super::events::{Documents, Ended, Event, Traits};
use super::merge::merged;
use super::token::{Form, Mark};
use super::{Position, Problems};
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

/// A collection that is not closed yet, and its anchor.
enum Open {
    Sequence(Position, Option<String>, Vec<Node>),
    Mapping(Position, Option<String>, Vec<(Node, Node)>, Option<Node>),
}

impl Open {
    fn anchor(&self) -> Option<&str> {
        match self {
            Self::Sequence(_, anchor, _) | Self::Mapping(_, anchor, ..) => anchor.as_deref(),
        }
    }
}

/// What anchors stand for: a node, how many nodes it is made of, and how deep it is.
type Anchors = BTreeMap<String, (Node, Size)>;

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
    let first = parse_first(text, problems)?;
    if first.is_none() {
        problems.push(START, "the file is empty");
    }
    first
}

/// The same for files that may be empty: `Some(None)` when there is no document, as in a file of comments.
pub(crate) fn parse_first(text: &str, problems: &mut Problems) -> Option<Option<Node>> {
    Some(read(text, 1, problems)?.into_iter().next())
}

/// Parses all documents of `text`, empty ones left out. `None`, with a problem, as for [`parse`].
pub fn parse_all(text: &str, problems: &mut Problems) -> Option<Vec<Node>> {
    let mut documents = read(text, usize::MAX, problems)?;
    if documents.is_empty() {
        problems.push(START, "the file is empty");
        return None;
    }
    if documents.len() > 1 {
        documents.retain(|document| !document.is_null());
    }
    Some(documents)
}

/// Where a second document of `text` begins, if there is one; also if it is broken.
pub(crate) fn second_document(text: &str) -> Option<Position> {
    // Each but the first begins with such a line.
    if !text.lines().any(|line| line.starts_with("---")) {
        return None;
    }
    let mut documents = Documents::new(text);
    if !matches!(documents.next(&mut |_, _, _| true), Ok(true)) {
        return None;
    }
    let mut found = None;
    let ended = documents.next(&mut |_, start, _| {
        found = Some(position(start));
        false
    });
    match ended {
        Ok(false) => None,
        Err(Ended::Broken(broken)) => Some(found.unwrap_or(position(broken.at))),
        Ok(true) | Err(Ended::ByListener) => found,
    }
}

/// The first place of all.
const START: Position = Position { line: 1, column: 1 };

/// At most `most` documents.
fn read(text: &str, most: usize, problems: &mut Problems) -> Option<Vec<Node>> {
    if text.len() > TEXT_MAX {
        problems.push(
            START,
            format!("the file has more than {TEXT_MAX} bytes; split it"),
        );
        return None;
    }
    let mut found = Vec::new();
    let mut documents = Documents::new(text);
    // What earlier documents name is not known to later ones, but their nodes count.
    let mut nodes = 0;
    while found.len() < most {
        let mut building = Building {
            problems,
            nodes,
            open: Vec::new(),
            anchors: Anchors::new(),
            root: None,
        };
        let told = documents.next(&mut |event, start, _| building.take(event, start).is_some());
        nodes = building.nodes;
        found.extend(building.root);
        match told {
            Ok(true) => {}
            Ok(false) => break,
            Err(Ended::ByListener) => return None,
            Err(Ended::Broken(broken)) => {
                let message = format!("not valid YAML: {}", broken.message);
                problems.push(position(broken.at), message);
                return None;
            }
        }
    }
    Some(found)
}

/// A document that is being read.
struct Building<'p> {
    problems: &'p mut Problems,
    /// How many nodes there are, aliases written out.
    nodes: usize,
    open: Vec<Open>,
    anchors: Anchors,
    root: Option<Node>,
}

impl Building<'_> {
    /// Takes in what comes next; `None`, with a problem, ends the reading.
    fn take(&mut self, event: Event, start: Mark) -> Option<()> {
        let at = position(start);
        self.nodes += 1;
        self.check(at, self.open.len())?;
        let (node, anchor) = match event {
            Event::Scalar { text, form, traits } => {
                let value = self.scalar(text, form, &traits, at)?;
                (Node { at, value }, traits.anchor)
            }
            Event::SequenceStart(traits) => {
                self.open
                    .push(Open::Sequence(at, traits.anchor, Vec::new()));
                return Some(());
            }
            Event::MappingStart(traits) => {
                self.open
                    .push(Open::Mapping(at, traits.anchor, Vec::new(), None));
                return Some(());
            }
            Event::End => match self.open.pop()? {
                Open::Sequence(at, anchor, items) => {
                    let value = Value::Sequence(items);
                    (Node { at, value }, anchor)
                }
                Open::Mapping(at, anchor, mut entries, _) => {
                    // What has no key is dropped, as in go-yaml.
                    entries.retain(|(key, _)| !key.is_null());
                    report_duplicates(&entries, self.problems);
                    let value = Value::Mapping(merged(entries, self.problems));
                    (Node { at, value }, anchor)
                }
            },
            Event::Alias(name) => (self.named(&name, at)?, None),
        };
        if let Some(anchor) = anchor {
            let size = size(&node);
            self.nodes = self.nodes.saturating_add(size.nodes);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::Sequence(_, _, items)) => items.push(node),
            Some(Open::Mapping(_, _, entries, key)) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
        Some(())
    }

    /// What a tag says of a text goes before how it is written.
    fn scalar(&mut self, text: String, form: Form, traits: &Traits, at: Position) -> Option<Value> {
        let plain = match traits.tag.as_deref() {
            None => form == Form::Plain,
            Some("!" | "tag:yaml.org,2002:str") => false,
            Some("tag:yaml.org,2002:binary") => {
                self.problems
                    .push(at, "`!!binary` is not read here; write the text itself");
                return None;
            }
            Some(_) => true,
        };
        Some(Value::Scalar { text, plain })
    }

    /// A copy of what an alias names.
    fn named(&mut self, name: &str, at: Position) -> Option<Node> {
        let Some((node, size)) = self.anchors.get(name) else {
            let is_open = self.open.iter().any(|open| open.anchor() == Some(name));
            let message = match is_open {
                true => "an alias (`*name`) stands within what it names".to_owned(),
                false => {
                    format!("the alias `*{name}` names nothing: there is no `&{name}` before it")
                }
            };
            self.problems.push(at, message);
            return None;
        };
        let (node, size) = (node.clone(), *size);
        self.nodes = self.nodes.saturating_add(size.nodes);
        self.check(at, self.open.len() + size.depth)?;
        Some(node)
    }

    /// Whether so many levels, and the nodes there are, are accepted; if not, that is a problem.
    fn check(&mut self, at: Position, levels: usize) -> Option<()> {
        let limit = match (self.nodes > NODES_MAX, levels > DEPTH_MAX) {
            (true, _) => "too many nodes",
            (_, true) => "nested too deep",
            _ => return Some(()),
        };
        self.problems.push(
            at,
            format!(
                "{limit}: the limit is {NODES_MAX} nodes and {DEPTH_MAX} levels, aliases written out"
            ),
        );
        None
    }
}

/// A mark as people count.
pub(super) fn position(mark: Mark) -> Position {
    Position {
        line: mark.line + 1,
        column: mark.column + 1,
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
