//! Texts for HTML, JavaScript and URLs (Go, text/template/funcs.go and net/url), and their letters' case.

use crate::compat::Compat;
use crate::go_format::{Rune, is_printable, runes};

pub(super) fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            0 => out.extend("\u{fffd}".bytes()),
            b'"' => out.extend(b"&#34;"),
            b'\'' => out.extend(b"&#39;"),
            b'&' => out.extend(b"&amp;"),
            b'<' => out.extend(b"&lt;"),
            b'>' => out.extend(b"&gt;"),
            _ => out.push(*byte),
        }
    }
    out
}

pub(super) fn js(text: &[u8]) -> Vec<u8> {
    let mut out = String::with_capacity(text.len());
    for rune in runes(text) {
        // A byte that is no character counts as U+FFFD, which is printed as it stands.
        let mut raw = None;
        let char = match rune {
            Rune::Char(char) => char,
            Rune::Byte(byte) => {
                raw = Some(byte);
                char::REPLACEMENT_CHARACTER
            }
        };
        match char {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' | '\0'..' ' => {
                out.push_str(&format!("\\u{:04X}", u32::from(char)));
            }
            _ if char.is_ascii() || raw.is_none() && is_printable(char) => out.push(char),
            _ if raw.is_some() => out.push(char),
            _ => out.push_str(&format!("\\u{:04X}", u32::from(char))),
        }
    }
    out.into_bytes()
}

/// `url.QueryEscape`
pub(super) fn url(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            _ if byte.is_ascii_alphanumeric() => out.push(*byte),
            _ => out.extend(format!("%{byte:02X}").bytes()),
        }
    }
    out
}

fn characters(text: &[u8]) -> impl Iterator<Item = char> {
    runes(text).map(|rune| match rune {
        Rune::Char(char) => char,
        Rune::Byte(_) => char::REPLACEMENT_CHARACTER,
    })
}

/// `strings.ToUpper`, which maps each character to one.
pub(super) fn upper(text: &[u8]) -> String {
    characters(text).map(upper_of).collect()
}

fn upper_of(char: char) -> char {
    let mut mapped = char.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(upper), None) => upper,
        // Letters with an iota below have a capital of their own.
        _ => {
            let code = u32::from(char);
            let capital = match code {
                0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7 => code + 8,
                0x1fb3 | 0x1fc3 | 0x1ff3 => code + 9,
                _ => code,
            };
            char::from_u32(capital).unwrap_or(char)
        }
    }
}

/// `strings.ToLower`
pub(super) fn lower(text: &[u8]) -> String {
    let lower_of = |char: char| char.to_lowercase().next().unwrap_or(char);
    characters(text).map(lower_of).collect()
}

/// Words with a capital: `strings.Title` in Prometheus 2, in 3 `cases.Title` of golang.org/x/text without lowering the rest.
pub(super) fn title(text: &[u8], compat: Compat) -> String {
    match compat {
        Compat::V2 => {
            let mut begins = true;
            let capital = |char: char| {
                let first = std::mem::replace(&mut begins, separates(char));
                if first { capital_of(char) } else { char }
            };
            characters(text).map(capital).collect()
        }
        Compat::V3 => words(text),
    }
}

/// Whether a word begins after it, for `strings.Title`.
fn separates(char: char) -> bool {
    match char {
        '_' => false,
        _ if char.is_ascii() => !char.is_ascii_alphanumeric(),
        _ => !char.is_alphanumeric() && char.is_whitespace(),
    }
}

/// Words as Unicode has them: a mark between letters does not end one, two of them do.
fn words(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    let mut after_mark = false;
    for char in characters(text) {
        let is_mark = matches!(char, '\'' | '.' | ':' | '\u{b7}' | '\u{2018}' | '\u{2019}');
        if after_mark && is_mark {
            inside = false;
        }
        after_mark = is_mark;
        if char.is_uppercase() || char.is_lowercase() {
            match (inside, char) {
                (true, _) => out.push(char),
                (false, 'ß') => out.push_str("Ss"),
                (false, _) => out.push(capital_of(char)),
            }
            inside = true;
            continue;
        }
        out.push(char);
        let is_part = char.is_alphanumeric() || char == '_' || is_mark || is_joined(char);
        inside &= is_part;
    }
    out
}

/// Marks that belong to the letter before them.
fn is_joined(char: char) -> bool {
    matches!(u32::from(char), 0x300..=0x36f | 0x200c | 0x200d | 0xfe00..=0xfe0f | 0x20d0..=0x20ff | 0xad)
}

/// The letter at the beginning of a word.
fn capital_of(char: char) -> char {
    match char {
        'ǆ' | 'Ǆ' => 'ǅ',
        'ǉ' | 'Ǉ' => 'ǈ',
        'ǌ' | 'Ǌ' => 'ǋ',
        'ǳ' | 'Ǳ' => 'ǲ',
        _ => upper_of(char),
    }
}
