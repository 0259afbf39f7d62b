//! Text to tokens, by the rules of YAML 1.1 as libyaml and go-yaml, which Prometheus reads its files with, understand them.
//!
//! What starts a mapping is known only at the `:` behind its first key, so tokens wait in a queue while their first may be
//! one. Nothing here recurses; a key is at most a thousand characters long, so the queue stays short.

use super::cursor::Cursor;
use super::scalar;
use super::token::{Broken, Kind, Mark, Token};
use std::collections::VecDeque;

/// Most characters of a key without `?`.
const KEY_MAX: usize = 1024;
/// Most levels of blocks or brackets, as in go-yaml.
const LEVELS_MAX: usize = 10_000;

type Result<T> = std::result::Result<T, Broken>;

/// Where a key without `?` may have begun, at one level of brackets.
#[derive(Debug, Clone, Copy, Default)]
struct SimpleKey {
    is_possible: bool,
    /// Nothing but a key can stand there.
    is_required: bool,
    /// Its place among all tokens.
    token: usize,
    at: Mark,
}

/// The tokens of a text, one after the other.
#[derive(Debug)]
pub(super) struct Scanner<'t> {
    cursor: Cursor<'t>,
    queue: VecDeque<Token>,
    /// How many tokens were taken from the queue.
    taken: usize,
    /// Indentation of the block, -1 outside of all.
    indent: isize,
    indents: Vec<isize>,
    /// One for each level of brackets, and the block around them.
    keys: Vec<SimpleKey>,
    may_be_key: bool,
    is_over: bool,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            cursor: Cursor::new(text),
            queue: VecDeque::new(),
            taken: 0,
            indent: -1,
            indents: Vec::new(),
            keys: vec![SimpleKey::default()],
            may_be_key: true,
            is_over: false,
        }
    }

    /// The next token, which stays.
    pub(super) fn peek(&mut self) -> Result<&Token> {
        while self.needs_more()? {
            self.fetch()?;
        }
        let at = self.cursor.mark;
        self.queue.front().ok_or_else(|| unexpected_end(at))
    }

    /// The next token. The end of the text is never taken.
    pub(super) fn take(&mut self) -> Result<Token> {
        if self.peek()?.kind == Kind::StreamEnd {
            return self.peek().cloned();
        }
        self.taken += 1;
        let at = self.cursor.mark;
        self.queue.pop_front().ok_or_else(|| unexpected_end(at))
    }

    fn needs_more(&mut self) -> Result<bool> {
        // Behind the end there is no `:` that could make a key of what was begun.
        if self.is_over || self.queue.is_empty() {
            return Ok(!self.is_over);
        }
        let taken = self.taken;
        let first = self
            .keys
            .iter()
            .position(|key| key.is_possible && key.token == taken);
        match first {
            Some(place) => self.still_holds(place),
            None => Ok(false),
        }
    }

    fn in_flow(&self) -> bool {
        self.keys.len() > 1
    }

    /// Whether what was begun may still be a key.
    fn still_holds(&mut self, place: usize) -> Result<bool> {
        let now = self.cursor.mark;
        let Some(key) = self.keys.get_mut(place).filter(|key| key.is_possible) else {
            return Ok(false);
        };
        if key.at.line >= now.line && key.at.chars + KEY_MAX >= now.chars {
            return Ok(true);
        }
        if key.is_required {
            return Err(no_colon(key.at));
        }
        key.is_possible = false;
        Ok(false)
    }

    fn save_key(&mut self) -> Result<()> {
        if !self.may_be_key {
            return Ok(());
        }
        self.drop_key()?;
        let at = self.cursor.mark;
        let key = SimpleKey {
            is_possible: true,
            is_required: !self.in_flow() && self.indent == at.column.cast_signed(),
            token: self.taken + self.queue.len(),
            at,
        };
        if let Some(last) = self.keys.last_mut() {
            *last = key;
        }
        Ok(())
    }

    fn drop_key(&mut self) -> Result<()> {
        match self.keys.last_mut() {
            Some(key) if key.is_possible && key.is_required => Err(no_colon(key.at)),
            Some(key) => {
                key.is_possible = false;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Opens a block if this column is further in; `place`: where in the queue it begins.
    fn roll(&mut self, at: Mark, kind: Kind, place: Option<usize>) -> Result<()> {
        if self.in_flow() || self.indent >= at.column.cast_signed() {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = at.column.cast_signed();
        check_levels(self.indents.len(), at)?;
        let (start, end) = (at, at);
        let place = place.map_or(self.queue.len(), |token| token.saturating_sub(self.taken));
        self.queue
            .insert(place.min(self.queue.len()), Token { kind, start, end });
        Ok(())
    }

    /// Closes the blocks that are further in than `column`.
    fn unroll(&mut self, column: isize) {
        while !self.in_flow() && self.indent > column {
            self.mark(Kind::BlockEnd, self.cursor.mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    /// Adds a token that ends here.
    fn mark(&mut self, kind: Kind, start: Mark) {
        let end = self.cursor.mark;
        self.queue.push_back(Token { kind, start, end });
    }

    /// Adds a token of so many characters.
    fn indicator(&mut self, kind: Kind, length: usize) {
        let start = self.cursor.mark;
        self.cursor.skip(length);
        self.mark(kind, start);
    }

    fn fetch(&mut self) -> Result<()> {
        self.pass_gap();
        self.unroll(self.cursor.mark.column.cast_signed());
        if self.cursor.is_at_end() {
            self.unroll(-1);
            self.drop_key()?;
            self.may_be_key = false;
            self.is_over = true;
            self.mark(Kind::StreamEnd, self.cursor.mark);
            return Ok(());
        }
        if self.cursor.mark.column == 0 && self.cursor.byte(0) == b'%' {
            return self.directive();
        }
        if self.cursor.is_document_mark() {
            self.unroll(-1);
            self.drop_key()?;
            self.may_be_key = false;
            let kind = match self.cursor.byte(0) {
                b'-' => Kind::DocumentStart,
                _ => Kind::DocumentEnd,
            };
            self.indicator(kind, 3);
            return Ok(());
        }
        let (in_flow, before_gap) = (self.in_flow(), self.cursor.is_gap(1));
        match self.cursor.byte(0) {
            b'[' => self.open(Kind::FlowSequenceStart),
            b'{' => self.open(Kind::FlowMappingStart),
            b']' => self.close(Kind::FlowSequenceEnd),
            b'}' => self.close(Kind::FlowMappingEnd),
            b',' => {
                self.drop_key()?;
                self.may_be_key = true;
                self.indicator(Kind::FlowEntry, 1);
                Ok(())
            }
            b'-' if before_gap => self.block_entry(),
            b'?' if in_flow || before_gap => self.key(),
            b':' if in_flow || before_gap => self.value(),
            letter @ (b'*' | b'&') => self.anchor(letter),
            b'!' => self.tag(),
            b'|' | b'>' if !in_flow => {
                self.drop_key()?;
                self.may_be_key = true;
                let token = scalar::block(&mut self.cursor, self.indent)?;
                self.queue.push_back(token);
                Ok(())
            }
            b'\'' | b'"' => {
                self.save_key()?;
                self.may_be_key = false;
                let token = scalar::quoted(&mut self.cursor)?;
                self.queue.push_back(token);
                Ok(())
            }
            b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => self.cannot_start(),
            b'-' if self.cursor.is_blank(1) => self.cannot_start(),
            _ => {
                self.save_key()?;
                self.may_be_key = false;
                let (token, line_begun) = scalar::plain(&mut self.cursor, self.indent, in_flow)?;
                self.may_be_key = line_begun;
                self.queue.push_back(token);
                Ok(())
            }
        }
    }

    fn cannot_start(&self) -> Result<()> {
        let message = "found character that cannot start any token";
        Err(Broken::new(self.cursor.mark, message))
    }

    /// Passes blanks, comments and line breaks. Tabs separate only where no block can begin.
    fn pass_gap(&mut self) {
        loop {
            if self.cursor.mark.column == 0 && self.cursor.starts_with("\u{feff}") {
                self.cursor.skip(1);
            }
            let has_tabs = self.in_flow() || !self.may_be_key;
            while self.cursor.byte(0) == b' ' || (has_tabs && self.cursor.byte(0) == b'\t') {
                self.cursor.skip(1);
            }
            if self.cursor.byte(0) == b'#' {
                while !self.cursor.is_break(0) && !self.cursor.is_at_end() {
                    self.cursor.skip(1);
                }
            }
            if !self.cursor.is_break(0) {
                return;
            }
            self.cursor.read_break();
            if !self.in_flow() {
                self.may_be_key = true;
            }
        }
    }

    fn open(&mut self, kind: Kind) -> Result<()> {
        self.save_key()?;
        self.keys.push(SimpleKey::default());
        check_levels(self.keys.len(), self.cursor.mark)?;
        self.may_be_key = true;
        self.indicator(kind, 1);
        Ok(())
    }

    fn close(&mut self, kind: Kind) -> Result<()> {
        self.drop_key()?;
        if self.in_flow() {
            self.keys.pop();
        }
        self.may_be_key = false;
        self.indicator(kind, 1);
        Ok(())
    }

    fn block_entry(&mut self) -> Result<()> {
        let at = self.cursor.mark;
        if !self.in_flow() {
            if !self.may_be_key {
                let message = "block sequence entries are not allowed in this context";
                return Err(Broken::new(at, message));
            }
            self.roll(at, Kind::BlockSequenceStart, None)?;
        }
        self.drop_key()?;
        self.may_be_key = true;
        self.indicator(Kind::BlockEntry, 1);
        Ok(())
    }

    fn key(&mut self) -> Result<()> {
        let at = self.cursor.mark;
        if !self.in_flow() {
            if !self.may_be_key {
                return Err(Broken::new(
                    at,
                    "mapping keys are not allowed in this context",
                ));
            }
            self.roll(at, Kind::BlockMappingStart, None)?;
        }
        self.drop_key()?;
        self.may_be_key = !self.in_flow();
        self.indicator(Kind::Key, 1);
        Ok(())
    }

    fn value(&mut self) -> Result<()> {
        let last = self.keys.len() - 1;
        if self.still_holds(last)? {
            let SimpleKey { token, at, .. } = self.keys[last];
            let place = token.saturating_sub(self.taken).min(self.queue.len());
            let (kind, start, end) = (Kind::Key, at, at);
            self.queue.insert(place, Token { kind, start, end });
            self.roll(at, Kind::BlockMappingStart, Some(token))?;
            self.keys[last].is_possible = false;
            self.may_be_key = false;
        } else {
            let at = self.cursor.mark;
            if !self.in_flow() {
                if !self.may_be_key {
                    let message = "mapping values are not allowed in this context";
                    return Err(Broken::new(at, message));
                }
                self.roll(at, Kind::BlockMappingStart, None)?;
            }
            self.may_be_key = !self.in_flow();
        }
        self.indicator(Kind::Value, 1);
        Ok(())
    }

    /// `&name` or `*name`
    fn anchor(&mut self, letter: u8) -> Result<()> {
        self.save_key()?;
        self.may_be_key = false;
        let start = self.cursor.mark;
        self.cursor.skip(1);
        let name = self.word();
        let follows = self.cursor.is_gap(0)
            || matches!(
                self.cursor.byte(0),
                b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'
            );
        if name.is_empty() || !follows {
            let what = if letter == b'*' {
                "an alias"
            } else {
                "an anchor"
            };
            let message = format!(
                "while scanning {what}, did not find expected alphabetic or numeric character"
            );
            return Err(Broken::new(start, message));
        }
        let kind = if letter == b'*' {
            Kind::Alias(name)
        } else {
            Kind::Anchor(name)
        };
        self.mark(kind, start);
        Ok(())
    }

    /// Letters, digits, `_` and `-`.
    fn word(&mut self) -> String {
        let mut word = String::new();
        while matches!(self.cursor.byte(0), b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'-') {
            word.extend(self.cursor.read());
        }
        word
    }

    /// What an address may be made of, escapes as they are written.
    fn address(&mut self) -> String {
        let mut address = String::new();
        while self.cursor.byte(0).is_ascii_alphanumeric()
            || b"_-;/?:@&=+$,.!~*'()[]%".contains(&self.cursor.byte(0))
        {
            address.extend(self.cursor.read());
        }
        address
    }

    /// `!name`, `!!name`, `!handle!name` or `!<address>`
    fn tag(&mut self) -> Result<()> {
        self.save_key()?;
        self.may_be_key = false;
        let start = self.cursor.mark;
        let broken = |message: &str| {
            Err(Broken::new(
                start,
                format!("while scanning a tag, {message}"),
            ))
        };
        self.cursor.skip(1);
        let (handle, suffix) = if self.cursor.byte(0) == b'<' {
            self.cursor.skip(1);
            let suffix = self.address();
            if suffix.is_empty() {
                return broken("did not find expected tag URI");
            }
            if self.cursor.byte(0) != b'>' {
                return broken("did not find the expected '>'");
            }
            self.cursor.skip(1);
            (String::new(), suffix)
        } else {
            let word = self.word();
            if self.cursor.byte(0) == b'!' {
                self.cursor.skip(1);
                let suffix = self.address();
                if suffix.is_empty() {
                    return broken("did not find expected tag URI");
                }
                (format!("!{word}!"), suffix)
            } else {
                match word + &self.address() {
                    suffix if suffix.is_empty() => (String::new(), "!".to_owned()),
                    suffix => ("!".to_owned(), suffix),
                }
            }
        };
        if !self.cursor.is_gap(0) {
            return broken("did not find expected whitespace or line break");
        }
        self.mark(Kind::Tag { handle, suffix }, start);
        Ok(())
    }

    /// `%YAML 1.1` or `%TAG handle prefix`
    fn directive(&mut self) -> Result<()> {
        self.unroll(-1);
        self.drop_key()?;
        self.may_be_key = false;
        let start = self.cursor.mark;
        self.cursor.skip(1);
        let mut line = String::new();
        while !self.cursor.is_break(0) && !self.cursor.is_at_end() {
            line.extend(self.cursor.read());
        }
        let line = line
            .split_once(" #")
            .map_or(line.as_str(), |(line, _)| line);
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let kind = match words.as_slice() {
            ["YAML", version] => Kind::Version {
                is_known: *version == "1.1",
            },
            ["TAG", handle, prefix]
                if *handle == "!"
                    || (handle.len() > 1 && handle.starts_with('!') && handle.ends_with('!')) =>
            {
                Kind::TagPrefix {
                    handle: (*handle).to_owned(),
                    prefix: (*prefix).to_owned(),
                }
            }
            _ => {
                let message = "while scanning a directive, found unknown or unfinished directive";
                return Err(Broken::new(start, message));
            }
        };
        self.mark(kind, start);
        Ok(())
    }
}

fn unexpected_end(at: Mark) -> Broken {
    Broken::new(at, "found unexpected end of stream")
}

fn no_colon(at: Mark) -> Broken {
    Broken::new(
        at,
        "while scanning a simple key, could not find expected ':'",
    )
}

fn check_levels(levels: usize, at: Mark) -> Result<()> {
    match levels > LEVELS_MAX {
        true => Err(Broken::new(at, "nested too deep")),
        false => Ok(()),
    }
}
