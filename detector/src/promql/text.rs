//! Strings as they are written: in `"`, `'` or `` ` ``, the first two with Go's escapes.

use super::error::ErrorKind;

/// The length of the string that `text` begins with, its quotes included; else what of it is wrong, and why.
pub(super) fn length(text: &str, quote: char) -> Result<usize, (usize, ErrorKind)> {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            _ if char == quote => return Ok(at + 1),
            // Stands for what was no text, and Go cannot tell it from that.
            char::REPLACEMENT_CHARACTER => {
                let until = at + char.len_utf8();
                return Err((until, ErrorKind::NotUtf8(text[..until].to_owned())));
            }
            '\n' if quote != '`' => break,
            '\\' if quote != '`' => {
                let (length, byte_or_char) = escape(&text[at..], quote);
                if byte_or_char.is_none() {
                    let written: String = text[at..].chars().take(length).collect();
                    let until = at + written.len();
                    return Err((until, ErrorKind::Escape(written)));
                }
                for _ in 1..length {
                    chars.next();
                }
            }
            _ => {}
        }
    }
    Err((text.len(), ErrorKind::EndlessString(quote)))
}

/// What an escape stands for.
enum Escaped {
    Byte(u8),
    Char(char),
}

/// How many characters the escape at the beginning has, and what it means, if anything.
fn escape(text: &str, quote: char) -> (usize, Option<Escaped>) {
    let simple = |byte| (2, Some(Escaped::Byte(byte)));
    let mut chars = text.chars().skip(1);
    match chars.next() {
        Some('a') => simple(0x07),
        Some('b') => simple(0x08),
        Some('f') => simple(0x0c),
        Some('n') => simple(b'\n'),
        Some('r') => simple(b'\r'),
        Some('t') => simple(b'\t'),
        Some('v') => simple(0x0b),
        Some('\\') => simple(b'\\'),
        Some(char) if char == quote => (2, Some(Escaped::Char(char))),
        Some('0'..='7') => (4, digits(text, 1..4, 8).and_then(byte)),
        Some('x') => (4, digits(text, 2..4, 16).and_then(byte)),
        Some('u') => (6, digits(text, 2..6, 16).and_then(char_of)),
        Some('U') => (10, digits(text, 2..10, 16).and_then(char_of)),
        _ => (2, None),
    }
}

fn digits(text: &str, range: std::ops::Range<usize>, radix: u32) -> Option<u32> {
    let digits = text.get(range)?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, radix).ok())?
}

fn byte(code: u32) -> Option<Escaped> {
    u8::try_from(code).ok().map(Escaped::Byte)
}

fn char_of(code: u32) -> Option<Escaped> {
    char::from_u32(code).map(Escaped::Char)
}

/// What a string in quotes that [`length`] has accepted stands for.
pub(super) fn unquoted(written: &str) -> Result<String, ErrorKind> {
    let quote = written.chars().next().unwrap_or('"');
    let inside = &written[1..written.len() - 1];
    if quote == '`' || !inside.contains('\\') {
        return Ok(inside.to_owned());
    }
    let mut bytes = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(char) = rest.chars().next() {
        let length = match char {
            '\\' => {
                let (length, escaped) = escape(rest, quote);
                match escaped {
                    Some(Escaped::Byte(byte)) => bytes.push(byte),
                    Some(Escaped::Char(char)) => {
                        bytes.extend(char.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    None => return Err(ErrorKind::Escape(rest.chars().take(length).collect())),
                }
                length
            }
            char => {
                bytes.extend(char.encode_utf8(&mut [0; 4]).as_bytes());
                char.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    String::from_utf8(bytes).map_err(|_| ErrorKind::NotUtf8(written.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, ErrorKind> {
        let quote = text.chars().next().unwrap();
        let length = length(text, quote).map_err(|(_, kind)| kind)?;
        unquoted(&text[..length])
    }

    #[test]
    fn strings_are_bytes() {
        for (text, inside) in [
            (r#""\xc3\xa9\303\251""#, "éé"),
            (r#"'\'"\u00e9\U0001F600\a\\' + 'x'"#, "'\"é😀\u{7}\\"),
            (r#""é\x41\101""#, "éAA"),
            (r"`\xff`", r"\xff"),
            ("`a\r\nb`", "a\r\nb"),
        ] {
            assert_eq!(read(text), Ok(inside.to_owned()), "{text}");
        }
        for text in [
            r#""\xf""#,
            r#""\400""#,
            r#""\08""#,
            r#""\q""#,
            r#""\ä""#,
            r#""\'""#,
            r#""\u12""#,
            r#""\ud800""#,
            r#""\x+1""#,
            r#""\U00110000""#,
        ] {
            assert!(matches!(read(text), Err(ErrorKind::Escape(_))), "{text}");
        }
        for text in ["\"a", "'a\nb'", "`a", "\"a\\\""] {
            assert!(
                matches!(read(text), Err(ErrorKind::EndlessString(_))),
                "{text}"
            );
        }
        for text in [r#""a\xff""#, "\"\u{fffd}\""] {
            assert!(matches!(read(text), Err(ErrorKind::NotUtf8(_))), "{text}");
        }
    }
}
