//! Text of others, made fit to be shown: names in files, records and Redis may hold what a terminal would obey.

use crate::go_format::shortest_exponential;
use std::borrow::Cow;

/// A text of others as one line: everything a terminal or a browser would obey rather than show is escaped as in Rust,
/// e.g. `\u{1b}`. That is control characters (C0, C1, NUL, line ends and tabs among them) and what changes the
/// direction of writing or ends a line elsewhere than `\n` does.
///
/// ```
/// use firedrill_detector::text::printable;
///
/// assert_eq!(printable("queue \u{1b}[2J"), "queue \\u{1b}[2J");
/// assert_eq!(printable("Grüße, 世界"), "Grüße, 世界");
/// ```
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_obeyed)
}

/// As [`printable`], of a text in lines: line ends and tabs stay.
#[must_use]
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| !matches!(c, '\n' | '\t') && is_obeyed(c))
}

/// A number of things, with an `s` unless it is one.
///
/// ```
/// use firedrill_detector::text::counted;
///
/// assert_eq!((counted(1, "drill"), counted(0, "page")), ("1 drill".to_owned(), "0 pages".to_owned()));
/// ```
#[must_use]
pub fn counted(count: impl TryInto<u64>, what: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {what}{end}")
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_escaped(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Whether a terminal or a browser would obey a character rather than show it; see [`printable`].
#[must_use]
pub fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            // Direction of writing: marks, embeddings, overrides, isolates; line and paragraph separators among them.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // No characters at all, and what makes a text look like another file's beginning.
            | '\u{fff9}'..='\u{fffb}' | '\u{feff}'
        )
}

/// A number as Prometheus' API has the values of alerts: the shortest digits, always with an exponent, such as `1e+00`.
#[must_use]
pub fn scientific(value: f64) -> String {
    shortest_exponential(value).replace('E', "e")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_obeys_gets_through() {
        for c in (0..=0x9f_u32)
            .chain(0x2000..0x2070)
            .filter_map(char::from_u32)
        {
            let text = format!("a{c}b");
            let shown = printable(&text);
            assert!(!shown.chars().any(is_obeyed), "{shown:?}");
            assert_eq!(shown == text, !is_obeyed(c), "{c:?}");
        }
        assert_eq!(
            printable("\0\u{9b}\r\n\t\u{202e}"),
            r"\u{0}\u{9b}\r\n\t\u{202e}"
        );
        assert_eq!(printable_lines("a\u{7}\n\tb"), "a\\u{7}\n\tb");
    }
}
