//! Tokens to events, in the order of the text.

use super::scan::Scanner;
use super::token::{Broken, Form, Kind, Mark, Token};
use std::collections::BTreeMap;

/// Levels at which the reading ends, whoever listens: each is a call of its own.
const LEVELS_MAX: usize = 200;

/// What happens next in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Scalar {
        text: String,
        form: Form,
        traits: Traits,
    },
    Alias(String),
    SequenceStart(Traits),
    MappingStart(Traits),
    /// Of a sequence or a mapping.
    End,
}

/// What may stand before a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Traits {
    pub(super) anchor: Option<String>,
    /// In full, `tag:yaml.org,2002:str` for `!!str`.
    pub(super) tag: Option<String>,
}

/// Hears events with where they begin and end; false ends the reading.
pub(super) type Listener<'l> = dyn FnMut(Event, Mark, Mark) -> bool + 'l;

/// Why the reading ended before its time.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    ByListener,
    Broken(Broken),
}

impl From<Broken> for Ended {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

type Result<T, E = Ended> = std::result::Result<T, E>;

/// The documents of a text.
#[derive(Debug)]
pub(super) struct Documents<'t> {
    scanner: Scanner<'t>,
    text: &'t str,
    is_first: bool,
    prefixes: BTreeMap<String, String>,
    levels: usize,
}

impl<'t> Documents<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            scanner: Scanner::new(text),
            text,
            is_first: true,
            prefixes: BTreeMap::new(),
            levels: 0,
        }
    }

    /// Tells of the next document; false if there is none.
    pub(super) fn next(&mut self, listener: &mut Listener<'_>) -> Result<bool> {
        if self.is_first {
            no_control_characters(self.text)?;
        }
        if !self.begins()? {
            return Ok(false);
        }
        let token = self.scanner.peek()?;
        let at = token.start;
        match token.kind {
            Kind::Version { .. }
            | Kind::TagPrefix { .. }
            | Kind::DocumentStart
            | Kind::DocumentEnd
            | Kind::StreamEnd => self.nothing(at, listener)?,
            _ => self.node(true, false, listener)?,
        }
        if self.scanner.peek()?.kind == Kind::DocumentEnd {
            self.scanner.take()?;
        }
        Ok(true)
    }

    /// Passes what stands before a document; false at the end.
    fn begins(&mut self) -> Result<bool> {
        let is_first = std::mem::take(&mut self.is_first);
        self.prefixes.clear();
        while !is_first && self.scanner.peek()?.kind == Kind::DocumentEnd {
            self.scanner.take()?;
        }
        let (mut has_version, mut has_directives) = (false, false);
        loop {
            let token = self.scanner.peek()?;
            let at = token.start;
            match &token.kind {
                Kind::StreamEnd if !has_directives => return Ok(false),
                Kind::Version { is_known } => {
                    if !is_known {
                        return broken(at, "found incompatible YAML document");
                    }
                    if std::mem::replace(&mut has_version, true) {
                        return broken(at, "found duplicate %YAML directive");
                    }
                }
                Kind::TagPrefix { handle, prefix } => {
                    let (handle, prefix) = (handle.clone(), prefix.clone());
                    if self.prefixes.insert(handle, prefix).is_some() {
                        return broken(at, "found duplicate %TAG directive");
                    }
                }
                Kind::DocumentStart => {
                    self.scanner.take()?;
                    return Ok(true);
                }
                _ if is_first && !has_directives => return Ok(true),
                _ => return broken(at, "did not find expected <document start>"),
            }
            has_directives = true;
            self.scanner.take()?;
        }
    }

    fn nothing(&mut self, at: Mark, listener: &mut Listener<'_>) -> Result<()> {
        let traits = Traits::default();
        let (text, form) = (String::new(), Form::Plain);
        tell(Event::Scalar { text, form, traits }, at, at, listener)
    }

    /// A node, or nothing if one of `ends` comes next.
    fn node_unless(
        &mut self,
        ends: fn(&Kind) -> bool,
        at: Mark,
        block: bool,
        indentless: bool,
        listener: &mut Listener<'_>,
    ) -> Result<()> {
        match ends(&self.scanner.peek()?.kind) {
            true => self.nothing(at, listener),
            false => self.node(block, indentless, listener),
        }
    }

    /// `block`: one of indentation may come; `indentless`: `-` may stand where the key above it does.
    fn node(&mut self, block: bool, indentless: bool, listener: &mut Listener<'_>) -> Result<()> {
        let start = self.scanner.peek()?.start;
        if let Kind::Alias(name) = &self.scanner.peek()?.kind {
            let name = name.clone();
            let Token { start, end, .. } = self.scanner.take()?;
            return tell(Event::Alias(name), start, end, listener);
        }
        let traits = self.traits()?;
        self.levels += 1;
        if self.levels > LEVELS_MAX {
            return broken(start, "nested too deep");
        }
        let (own, end) = (self.scanner.peek()?.start, self.scanner.peek()?.end);
        // A node begins with its anchor or tag.
        let at = match traits == Traits::default() {
            true => own,
            false => start,
        };
        if matches!(self.scanner.peek()?.kind, Kind::Scalar { .. }) {
            if let Kind::Scalar { text, form } = self.scanner.take()?.kind {
                tell(Event::Scalar { text, form, traits }, at, end, listener)?;
            }
            self.levels -= 1;
            return Ok(());
        }
        match self.scanner.peek()?.kind {
            Kind::BlockEntry if indentless => {
                tell(Event::SequenceStart(traits), at, at, listener)?;
                self.indentless_sequence(listener)?;
            }
            Kind::FlowSequenceStart => {
                self.scanner.take()?;
                tell(Event::SequenceStart(traits), at, end, listener)?;
                self.flow_sequence(listener)?;
            }
            Kind::FlowMappingStart => {
                self.scanner.take()?;
                tell(Event::MappingStart(traits), at, end, listener)?;
                self.flow_mapping(listener)?;
            }
            Kind::BlockSequenceStart if block => {
                self.scanner.take()?;
                tell(Event::SequenceStart(traits), at, end, listener)?;
                self.block_sequence(listener)?;
            }
            Kind::BlockMappingStart if block => {
                self.scanner.take()?;
                tell(Event::MappingStart(traits), at, end, listener)?;
                self.block_mapping(listener)?;
            }
            _ if traits != Traits::default() => {
                let (text, form) = (String::new(), Form::Plain);
                tell(Event::Scalar { text, form, traits }, at, at, listener)?;
            }
            _ => return broken(at, "did not find expected node content"),
        }
        self.levels -= 1;
        Ok(())
    }

    /// The anchor and the tag that stand here, in either order.
    fn traits(&mut self) -> Result<Traits> {
        let mut traits = Traits::default();
        loop {
            if !matches!(
                self.scanner.peek()?.kind,
                Kind::Anchor(_) | Kind::Tag { .. }
            ) {
                return Ok(traits);
            }
            let token = self.scanner.peek()?.clone();
            match token.kind {
                Kind::Anchor(name) if traits.anchor.is_none() => traits.anchor = Some(name),
                Kind::Tag { handle, suffix } if traits.tag.is_none() => {
                    let prefix = match handle.as_str() {
                        "" => "",
                        known => match (self.prefixes.get(known), known) {
                            (Some(prefix), _) => prefix,
                            (None, "!") => "!",
                            (None, "!!") => "tag:yaml.org,2002:",
                            _ => return broken(token.start, "found undefined tag handle"),
                        },
                    };
                    traits.tag = Some(format!("{prefix}{suffix}"));
                }
                _ => return Ok(traits),
            }
            self.scanner.take()?;
        }
    }

    fn end(&mut self, listener: &mut Listener<'_>) -> Result<()> {
        let Token { start, end, .. } = self.scanner.take()?;
        tell(Event::End, start, end, listener)
    }

    fn block_sequence(&mut self, listener: &mut Listener<'_>) -> Result<()> {
        loop {
            let Token { kind, start, end } = self.scanner.peek()?.clone();
            match kind {
                Kind::BlockEntry => {
                    self.scanner.take()?;
                    let ends = |kind: &Kind| matches!(kind, Kind::BlockEntry | Kind::BlockEnd);
                    self.node_unless(ends, end, true, false, listener)?;
                }
                Kind::BlockEnd => return self.end(listener),
                _ => return broken(start, "did not find expected '-' indicator"),
            }
        }
    }

    fn indentless_sequence(&mut self, listener: &mut Listener<'_>) -> Result<()> {
        while let Token {
            kind: Kind::BlockEntry,
            end,
            ..
        } = *self.scanner.peek()?
        {
            self.scanner.take()?;
            let ends = |kind: &Kind| {
                matches!(
                    kind,
                    Kind::BlockEntry | Kind::Key | Kind::Value | Kind::BlockEnd
                )
            };
            self.node_unless(ends, end, true, false, listener)?;
        }
        let at = self.scanner.peek()?.start;
        tell(Event::End, at, at, listener)
    }

    fn block_mapping(&mut self, listener: &mut Listener<'_>) -> Result<()> {
        let ends = |kind: &Kind| matches!(kind, Kind::Key | Kind::Value | Kind::BlockEnd);
        loop {
            let Token { kind, start, end } = self.scanner.peek()?.clone();
            match kind {
                Kind::Key => {
                    self.scanner.take()?;
                    self.node_unless(ends, end, true, true, listener)?;
                }
                Kind::BlockEnd => return self.end(listener),
                _ => return broken(start, "did not find expected key"),
            }
            let Token { kind, start, end } = self.scanner.peek()?.clone();
            match kind {
                Kind::Value => {
                    self.scanner.take()?;
                    self.node_unless(ends, end, true, true, listener)?;
                }
                _ => self.nothing(start, listener)?,
            }
        }
    }

    /// The comma between two entries of brackets; true at the bracket's end.
    fn separated(&mut self, is_first: bool, end: Kind, expected: &str) -> Result<bool> {
        if self.scanner.peek()?.kind == end {
            return Ok(true);
        }
        if !is_first {
            let token = self.scanner.peek()?;
            if token.kind != Kind::FlowEntry {
                return broken(token.start, expected);
            }
            self.scanner.take()?;
        }
        Ok(self.scanner.peek()?.kind == end)
    }

    fn flow_sequence(&mut self, listener: &mut Listener<'_>) -> Result<()> {
        let mut is_first = true;
        let expected = "did not find expected ',' or ']'";
        while !self.separated(is_first, Kind::FlowSequenceEnd, expected)? {
            is_first = false;
            let token = self.scanner.peek()?;
            let (start, end) = (token.start, token.end);
            if token.kind != Kind::Key {
                self.node(false, false, listener)?;
                continue;
            }
            // `[a: b]` is a list of a mapping.
            self.scanner.take()?;
            tell(Event::MappingStart(Traits::default()), start, end, listener)?;
            let ends =
                |kind: &Kind| matches!(kind, Kind::Value | Kind::FlowEntry | Kind::FlowSequenceEnd);
            self.node_unless(ends, end, false, false, listener)?;
            self.flow_value(
                |kind| matches!(kind, Kind::FlowEntry | Kind::FlowSequenceEnd),
                listener,
            )?;
            let at = self.scanner.peek()?.start;
            tell(Event::End, at, at, listener)?;
        }
        self.end(listener)
    }

    fn flow_mapping(&mut self, listener: &mut Listener<'_>) -> Result<()> {
        let mut is_first = true;
        let expected = "did not find expected ',' or '}'";
        while !self.separated(is_first, Kind::FlowMappingEnd, expected)? {
            is_first = false;
            let token = self.scanner.peek()?;
            let end = token.end;
            if token.kind == Kind::Key {
                self.scanner.take()?;
                let ends = |kind: &Kind| {
                    matches!(kind, Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd)
                };
                self.node_unless(ends, end, false, false, listener)?;
                self.flow_value(
                    |kind| matches!(kind, Kind::FlowEntry | Kind::FlowMappingEnd),
                    listener,
                )?;
            } else {
                self.node(false, false, listener)?;
                let at = self.scanner.peek()?.start;
                self.nothing(at, listener)?;
            }
        }
        self.end(listener)
    }

    fn flow_value(&mut self, ends: fn(&Kind) -> bool, listener: &mut Listener<'_>) -> Result<()> {
        let Token { kind, start, end } = self.scanner.peek()?.clone();
        match kind {
            Kind::Value => {
                self.scanner.take()?;
                self.node_unless(ends, end, false, false, listener)
            }
            _ => self.nothing(start, listener),
        }
    }
}

fn tell(event: Event, start: Mark, end: Mark, listener: &mut Listener<'_>) -> Result<()> {
    match listener(event, start, end) {
        true => Ok(()),
        false => Err(Ended::ByListener),
    }
}

fn broken<T>(at: Mark, message: &str) -> Result<T> {
    Err(Broken::new(at, message).into())
}

/// Refuses what YAML has no place for.
fn no_control_characters(text: &str) -> Result<()> {
    let is_refused = |c: &char| {
        matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}'
            | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
    };
    let Some((byte, char)) = text.char_indices().find(|(_, c)| is_refused(c)) else {
        return Ok(());
    };
    let before = &text[..byte];
    let line = before.rsplit('\n').next().unwrap_or_default();
    let at = Mark {
        byte,
        chars: 0,
        line: before.matches('\n').count(),
        column: line.chars().count(),
    };
    broken(
        at,
        &format!("control characters are not allowed ({char:?})"),
    )
}
