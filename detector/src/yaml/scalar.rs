//! Scalars: how their lines are folded, and what escapes stand for.

use super::cursor::Cursor;
use super::token::{Broken, Form, Kind, Mark, Token};

type Result<T> = std::result::Result<T, Broken>;

/// The blanks and line breaks within a scalar, until it is known what they come to.
#[derive(Debug, Default)]
struct Gap {
    blanks: String,
    first_break: String,
    more_breaks: String,
    has_break: bool,
}

impl Gap {
    /// Passes all blanks and line breaks. `least`: the column from which on a line that goes on may have tabs.
    fn pass(&mut self, cursor: &mut Cursor<'_>, least: usize) -> std::result::Result<(), ()> {
        loop {
            if cursor.is_blank(0) {
                if self.has_break && cursor.mark.column < least && cursor.byte(0) == b'\t' {
                    return Err(());
                }
                let blank = cursor.read();
                self.blanks.extend(blank.filter(|_| !self.has_break));
            } else if cursor.is_break(0) {
                let text = cursor.read_break();
                match self.has_break {
                    true => self.more_breaks.push_str(text),
                    false => self.first_break.push_str(text),
                }
                self.has_break = true;
            } else {
                return Ok(());
            }
        }
    }

    /// Writes what it comes to: one break is a blank, further ones stay.
    fn write(&mut self, out: &mut String) {
        let gap = std::mem::take(self);
        if !gap.has_break {
            out.push_str(&gap.blanks);
        } else if gap.first_break != "\n" {
            out.push_str(&gap.first_break);
            out.push_str(&gap.more_breaks);
        } else if gap.more_breaks.is_empty() {
            out.push(' ');
        } else {
            out.push_str(&gap.more_breaks);
        }
    }
}

/// A scalar without quotes, and whether a line began after it. `indent` is that of the block around it, -1 for none.
pub(super) fn plain(
    cursor: &mut Cursor<'_>,
    indent: isize,
    in_flow: bool,
) -> Result<(Token, bool)> {
    let start = cursor.mark;
    let mut end = start;
    let mut text = String::new();
    let mut gap = Gap::default();
    let least = usize::try_from(indent + 1).unwrap_or(0);
    while !cursor.is_document_mark() && cursor.byte(0) != b'#' {
        while !cursor.is_gap(0) {
            let ends_key = cursor.byte(0) == b':' && cursor.is_gap(1);
            let ends_entry =
                in_flow && matches!(cursor.byte(0), b',' | b'?' | b'[' | b']' | b'{' | b'}');
            if ends_key || ends_entry {
                break;
            }
            gap.write(&mut text);
            text.extend(cursor.read());
            end = cursor.mark;
        }
        if cursor.is_at_end() || !cursor.is_gap(0) {
            break;
        }
        gap.pass(cursor, least).map_err(|()| {
            let message =
                "while scanning a plain scalar, found a tab character that violates indentation";
            Broken::new(cursor.mark, message)
        })?;
        if !in_flow && cursor.mark.column < least {
            break;
        }
    }
    let form = Form::Plain;
    let kind = Kind::Scalar { text, form };
    Ok((Token { kind, start, end }, gap.has_break))
}

/// A scalar in quotes, wherever its lines begin.
pub(super) fn quoted(cursor: &mut Cursor<'_>) -> Result<Token> {
    let start = cursor.mark;
    let quote = cursor.byte(0);
    cursor.skip(1);
    let mut text = String::new();
    loop {
        let broken = |message| {
            Err(Broken::new(
                start,
                format!("while scanning a quoted scalar, {message}"),
            ))
        };
        if cursor.is_document_mark() {
            return broken("found unexpected document indicator");
        }
        if cursor.is_at_end() {
            return broken("found unexpected end of stream");
        }
        let mut gap = Gap::default();
        while !cursor.is_gap(0) {
            if cursor.byte(0) == quote {
                if quote != b'\'' || cursor.byte(1) != b'\'' {
                    break;
                }
                text.push('\'');
                cursor.skip(2);
            } else if quote == b'"' && cursor.byte(0) == b'\\' {
                if cursor.is_break(1) {
                    // What follows an escaped break is not the first one.
                    cursor.skip(1);
                    cursor.read_break();
                    gap.has_break = true;
                    break;
                }
                text.push(escape(cursor, start)?);
            } else {
                text.extend(cursor.read());
            }
        }
        if cursor.byte(0) == quote {
            break;
        }
        if gap.pass(cursor, 0).is_ok() {
            gap.write(&mut text);
        }
    }
    cursor.skip(1);
    let form = match quote {
        b'\'' => Form::SingleQuoted,
        _ => Form::DoubleQuoted,
    };
    let (kind, end) = (Kind::Scalar { text, form }, cursor.mark);
    Ok(Token { kind, start, end })
}

/// What the escape here stands for, which is passed.
pub(super) fn escape(cursor: &mut Cursor<'_>, start: Mark) -> Result<char> {
    let broken = |message: &str| {
        Err(Broken::new(
            start,
            format!("while parsing a quoted scalar, {message}"),
        ))
    };
    let digits = match cursor.byte(1) {
        b'x' => 2,
        b'u' => 4,
        b'U' => 8,
        letter => {
            let char = match letter {
                b'0' => '\0',
                b'a' => '\u{7}',
                b'b' => '\u{8}',
                b't' | b'\t' => '\t',
                b'n' => '\n',
                b'v' => '\u{b}',
                b'f' => '\u{c}',
                b'r' => '\r',
                b'e' => '\u{1b}',
                b' ' | b'"' | b'\'' | b'\\' => char::from(letter),
                b'N' => '\u{85}',
                b'_' => '\u{a0}',
                b'L' => '\u{2028}',
                b'P' => '\u{2029}',
                _ => return broken("found unknown escape character"),
            };
            cursor.skip(2);
            return Ok(char);
        }
    };
    let mut code = 0_u32;
    for at in 0..digits {
        let Some(digit) = char::from(cursor.byte(2 + at)).to_digit(16) else {
            return broken("did not find expected hexadecimal number");
        };
        code = code.wrapping_mul(16).wrapping_add(digit);
    }
    let Some(char) = char::from_u32(code) else {
        return broken("found invalid Unicode character escape code");
    };
    cursor.skip(2 + digits);
    Ok(char)
}

/// A block, `|` (literal) or `>`, within a block of the indentation `indent`, -1 for none.
pub(super) fn block(cursor: &mut Cursor<'_>, indent: isize) -> Result<Token> {
    let broken = |at, message: &str| {
        Err(Broken::new(
            at,
            format!("while scanning a block scalar, {message}"),
        ))
    };
    let head = cursor.mark;
    let is_literal = cursor.byte(0) == b'|';
    cursor.skip(1);
    let (mut chomping, mut increment) = (None, None);
    loop {
        match cursor.byte(0) {
            sign @ (b'+' | b'-') if chomping.is_none() => chomping = Some(sign),
            b'0' if increment.is_none() => {
                return broken(head, "found an indentation indicator equal to 0");
            }
            digit @ b'1'..=b'9' if increment.is_none() => increment = Some(digit - b'0'),
            _ => break,
        }
        cursor.skip(1);
    }
    while cursor.is_blank(0) {
        cursor.skip(1);
    }
    if cursor.byte(0) == b'#' {
        while !cursor.is_break(0) && !cursor.is_at_end() {
            cursor.skip(1);
        }
    }
    if !cursor.is_break(0) && !cursor.is_at_end() {
        return broken(head, "did not find expected comment or line break");
    }
    cursor.read_break();
    let base = usize::try_from(indent).unwrap_or(0);
    let mut lines = Lines {
        indent: increment.map(|increment| base + usize::from(increment)),
        least: usize::try_from(indent + 1).unwrap_or(0).max(1),
        breaks: String::new(),
        end: cursor.mark,
    };
    lines.pass(cursor)?;
    let start = match lines.is_content(cursor) {
        true => cursor.mark,
        false => lines.end,
    };
    let mut text = String::new();
    let mut last_break = "";
    let mut was_blank = false;
    while lines.is_content(cursor) {
        let is_blank = cursor.is_blank(0);
        if !is_literal && !was_blank && !is_blank && last_break == "\n" {
            if lines.breaks.is_empty() {
                text.push(' ');
            }
        } else {
            text.push_str(last_break);
        }
        text.push_str(&std::mem::take(&mut lines.breaks));
        was_blank = is_blank;
        while !cursor.is_break(0) && !cursor.is_at_end() {
            text.extend(cursor.read());
        }
        last_break = cursor.read_break();
        lines.pass(cursor)?;
    }
    if chomping != Some(b'-') {
        text.push_str(last_break);
    }
    if chomping == Some(b'+') {
        text.push_str(&lines.breaks);
    }
    let form = Form::Block;
    let (kind, end) = (Kind::Scalar { text, form }, lines.end);
    Ok(Token { kind, start, end })
}

/// The lines of a block that are empty but for its indentation.
struct Lines {
    /// The block's indentation, once known: that of its first line that is not empty, or of a longer one before it.
    indent: Option<usize>,
    least: usize,
    breaks: String,
    /// Where the last line that belongs to the block ends.
    end: Mark,
}

impl Lines {
    fn pass(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        self.end = cursor.mark;
        let mut longest = 0;
        loop {
            let is_inside = |column| self.indent.is_none_or(|indent| column < indent);
            while is_inside(cursor.mark.column) && cursor.byte(0) == b' ' {
                cursor.skip(1);
            }
            longest = longest.max(cursor.mark.column);
            if is_inside(cursor.mark.column) && cursor.byte(0) == b'\t' {
                let message = "while scanning a block scalar, found a tab character where an indentation space is expected";
                return Err(Broken::new(cursor.mark, message));
            }
            if !cursor.is_break(0) {
                break;
            }
            self.breaks.push_str(cursor.read_break());
            self.end = cursor.mark;
        }
        let least = self.least;
        self.indent.get_or_insert(longest.max(least));
        Ok(())
    }

    fn is_content(&self, cursor: &Cursor<'_>) -> bool {
        Some(cursor.mark.column) == self.indent && !cursor.is_at_end()
    }
}
