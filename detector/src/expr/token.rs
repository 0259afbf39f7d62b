//! An expression's text cut into tokens, whitespace and comments included: the tokens put together are the text.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// From `#` to the end of the line.
    Comment,
    /// One character of whitespace.
    Space,
    /// A string with its quotes, of the kind given.
    Quoted(char),
    /// A number or a duration.
    Number,
    /// A name, keyword or function.
    Word,
    /// Any other character by itself: operators of two characters are two tokens.
    Symbol(char),
}

/// One token and where it begins, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) text: &'t str,
}

/// The tokens of `text`; the error is a string that does not end.
pub(super) fn tokens(text: &str) -> Tokens<'_> {
    Tokens { text, at: 0 }
}

/// See [`tokens`].
pub(super) struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Result<Token<'t>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.text[self.at..];
        let char = rest.chars().next()?;
        let (length, kind) = match char {
            '#' => (rest.find('\n').unwrap_or(rest.len()), Kind::Comment),
            '"' | '\'' | '`' => match string_length(rest, char) {
                Some(length) => (length, Kind::Quoted(char)),
                None => {
                    self.at = self.text.len();
                    return Some(Err(format!("string that starts with {char} has no end")));
                }
            },
            '0'..='9' | '.' => (number_length(rest), Kind::Number),
            c if c.is_ascii_alphabetic() || c == '_' || c == ':' => {
                let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':');
                (rest.bytes().take_while(is_part).count(), Kind::Word)
            }
            c if c.is_whitespace() => (c.len_utf8(), Kind::Space),
            c => (c.len_utf8(), Kind::Symbol(c)),
        };
        let token = Token {
            kind,
            start: self.at,
            text: &rest[..length],
        };
        self.at += length;
        Some(Ok(token))
    }
}

/// The length of the quoted string at the start, quotes included.
fn string_length(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if char == quote {
            return Some(at + 1);
        } else if char == '\\' && quote != '`' {
            escaped = true;
        }
    }
    None
}

/// The length of the number or duration at the start.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let hex = bytes.len() > 1 && bytes[0] == b'0' && matches!(bytes[1], b'x' | b'X');
    let mut length = 0;
    while let Some(byte) = bytes.get(length) {
        let exponent_sign = matches!(byte, b'+' | b'-')
            && !hex
            && length > 0
            && matches!(bytes[length - 1], b'e' | b'E')
            && bytes.get(length + 1).is_some_and(u8::is_ascii_digit);
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || exponent_sign) {
            break;
        }
        length += 1;
    }
    length.max(1)
}
