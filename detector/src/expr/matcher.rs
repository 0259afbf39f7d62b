//! Label matchers, with Go's regular expressions on Rust's engine.

use regex::Regex;

use super::weight;
use crate::compat::Compat;
use crate::sample::Labels;

/// One `label op "value"`.
#[derive(Debug, Clone)]
pub(crate) struct Matcher {
    pub(crate) label: String,
    pub(crate) test: Test,
}

/// See [`Matcher`]. A label that is not there is tested as the empty string.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Equal(String),
    NotEqual(String),
    Regex(Regex),
    NotRegex(Regex),
}

impl Matcher {
    pub(crate) fn accepts(&self, value: &str) -> bool {
        match &self.test {
            Test::Equal(wanted) => value == wanted,
            Test::NotEqual(unwanted) => value != unwanted,
            Test::Regex(regex) => regex.is_match(value),
            Test::NotRegex(regex) => !regex.is_match(value),
        }
    }

    /// The value that alone is accepted.
    pub(crate) fn equal_to(&self) -> Option<&str> {
        match &self.test {
            Test::Equal(wanted) => Some(wanted),
            Test::NotEqual(_) | Test::Regex(_) | Test::NotRegex(_) => None,
        }
    }

    pub(crate) fn matches(&self, labels: &Labels) -> bool {
        self.accepts(labels.get(&self.label).unwrap_or(""))
    }
}

/// Compiles a fully anchored pattern in Go's syntax (RE2).
///
/// The two languages differ in a few places, which are translated or refused: `\d \w \s \b` know ASCII only in
/// Go; `[` inside brackets is an ordinary character; `{` that does not start a repetition is one too; `a**` and
/// repetitions beyond 1000 are errors.
pub(crate) fn anchored(pattern: &str, compat: Compat) -> Result<Regex, String> {
    regex(pattern, &translated(pattern, compat)?)
}

/// Compiles a pattern in Go's syntax that may match anywhere; see [`anchored`].
pub(crate) fn unanchored(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern)?;
    let weight = weight::of(&translated).unwrap_or(0);
    if weight > weight::EXPRESSION_MAX {
        return Err(format!(
            "regular expression {pattern:?} is too large: about {weight} states; the limit is {}",
            weight::EXPRESSION_MAX
        ));
    }
    regex(pattern, &translated)
}

fn regex(pattern: &str, translated: &str) -> Result<Regex, String> {
    Regex::new(translated).map_err(|error| {
        // The engine's message quotes the translated pattern over several lines; its last line says why.
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim();
        format!("regular expression {pattern:?} is not supported: {reason}")
    })
}

/// How large the pattern becomes when [`anchored`] compiles it; see [`weight`].
pub(super) fn weigh(pattern: &str, compat: Compat) -> Result<usize, String> {
    // What the engine cannot read it refuses itself, with a reason.
    Ok(weight::of(&translated(pattern, compat)?).unwrap_or(0))
}

/// The pattern in Rust's syntax, with its anchors.
fn translated(pattern: &str, compat: Compat) -> Result<String, String> {
    let translated = translate(pattern)?;
    Ok(match compat {
        Compat::V2 => format!("^(?:{translated})$"),
        Compat::V3 => format!("^(?s:{translated})$"),
    })
}

/// Rewrites Go's syntax in Rust's.
fn translate(pattern: &str) -> Result<String, String> {
    let refuse = |why: &str| Err(format!("regular expression {pattern:?} {why}"));
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut at = 0;
    let mut in_class = false;
    let mut class_start = 0;
    let mut after_repetition = false;
    while at < chars.len() {
        let char = chars[at];
        let next = chars.get(at + 1).copied();
        let mut repetition = false;
        match char {
            '\\' => {
                let Some(next) = next else {
                    return refuse("ends in a backslash");
                };
                match next {
                    'd' => out.push_str("[0-9]"),
                    'D' => out.push_str("[^0-9]"),
                    'w' => out.push_str("[0-9A-Za-z_]"),
                    'W' => out.push_str("[^0-9A-Za-z_]"),
                    's' => out.push_str("[\\t\\n\\f\\r ]"),
                    'S' => out.push_str("[^\\t\\n\\f\\r ]"),
                    'b' | 'B' if !in_class => {
                        out.push_str("(?-u:\\");
                        out.push(next);
                        out.push(')');
                    }
                    'Q' | 'C' | 'E' => {
                        return refuse("uses \\Q, \\E or \\C, which are not supported");
                    }
                    'p' | 'P' | 'x' | 'a' | 'f' | 't' | 'n' | 'r' | 'v' | 'A' | 'z' => {
                        out.push('\\');
                        out.push(next);
                    }
                    next if next.is_ascii_punctuation() => {
                        out.push('\\');
                        out.push(next);
                    }
                    _ => return refuse(&format!("has the unknown escape \\{next}")),
                }
                at += 1;
            }
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                if next == Some('^') {
                    out.push('^');
                    at += 1;
                }
                class_start = at + 1;
                // Right after the bracket, `]` is an ordinary character in both languages.
                if chars.get(at + 1) == Some(&']') {
                    out.push_str("\\]");
                    at += 1;
                }
            }
            '[' if next == Some(':') && chars[at..].windows(2).any(|w| w == [':', ']']) => {
                out.push('[');
            }
            '[' => out.push_str("\\["),
            ']' if in_class => {
                // The end of `[:alpha:]` belongs to the inner bracket.
                let posix =
                    at > class_start && chars[at - 1] == ':' && open_posix(&chars[class_start..at]);
                in_class = posix;
                out.push(']');
            }
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(char);
            }
            _ if in_class => out.push(char),
            '{' => match repetition_end(&chars[at..]) {
                Some((_, true)) => return refuse("repeats more than 1000 times"),
                Some((length, false)) => {
                    repetition = true;
                    out.extend(&chars[at..at + length]);
                    at += length - 1;
                }
                None => out.push_str("\\{"),
            },
            '*' | '+' | '?' => {
                repetition = true;
                out.push(char);
            }
            '(' if next == Some('?') => {
                let flags: String = chars[at + 2..]
                    .iter()
                    .take_while(|c| c.is_ascii_alphabetic() || **c == '-')
                    .collect();
                let ends = chars.get(at + 2 + flags.chars().count());
                if matches!(ends, Some(':' | ')')) && flags.chars().any(|c| !"imsU-".contains(c)) {
                    return refuse("has flags other than i, m, s, U");
                }
                out.push('(');
            }
            _ => out.push(char),
        }
        if repetition {
            // `a**` is an error in Go; `a*?` is the lazy form and may not be repeated either.
            let lazy = chars.get(at + 1) == Some(&'?');
            if after_repetition {
                return refuse("repeats a repetition");
            }
            if lazy {
                out.push('?');
                at += 1;
            }
        }
        // After `(?` the question mark is no repetition.
        if char == '(' && next == Some('?') {
            out.push('?');
            at += 1;
        }
        after_repetition = repetition;
        at += 1;
    }
    Ok(out)
}

/// Whether the class text so far has an unclosed `[:`.
fn open_posix(class: &[char]) -> bool {
    let opened = class.windows(2).filter(|w| *w == ['[', ':']).count();
    let closed = class.windows(2).filter(|w| *w == [':', ']']).count();
    opened > closed
}

/// The length of the repetition `{2}`, `{2,}` or `{2,5}` at the start, and whether it is beyond Go's limit.
fn repetition_end(chars: &[char]) -> Option<(usize, bool)> {
    let end = chars.iter().position(|c| *c == '}')?;
    let inner: String = chars[1..end].iter().collect();
    let (low, high) = inner.split_once(',').unwrap_or((&inner, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if low.is_empty() || !digits(low) || !digits(high) {
        return None;
    }
    let beyond = |text: &str| !text.is_empty() && text.parse::<u32>().map_or(true, |n| n > 1000);
    Some((end + 1, beyond(low) || beyond(high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let regex = anchored(pattern, Compat::V2).unwrap();
        for text in matching {
            assert!(regex.is_match(text), "{pattern} should match {text:?}");
        }
        for text in other {
            assert!(!regex.is_match(text), "{pattern} should not match {text:?}");
        }
    }

    #[test]
    fn go_syntax_on_rusts_engine() {
        check("b", &["b"], &["abc", "xbx", ""]);
        check("b|", &["b", ""], &["bb"]);
        check(r"\d+", &["12"], &["١٢", "1a"]);
        check(r"[\w.]+", &["a.b_1"], &["ä"]);
        check(r"[[]x]", &["[x]"], &["x"]);
        check(r"[]a]+", &["]a"], &["b"]);
        check(r"[^]a]+", &["b"], &["]"]);
        check(r"[[:alpha:]]+", &["ab"], &["a1"]);
        check("{{.*", &["{{x"], &["x"]);
        check("a{2}", &["aa"], &["a"]);
        check("a{,2}", &["a{,2}"], &["aa"]);
        check("(?i)AB", &["ab"], &["ac"]);
        check("(?P<x>a)b*?", &["abb"], &[""]);
        check("[a&&b]+", &["a&b"], &["c"]);
        check(".", &["x"], &["\n"]);
        assert!(anchored(".", Compat::V3).unwrap().is_match("\n"));
        for bad in [
            "a**",
            "a+*",
            "a{1}{2}",
            ".{0,1001}",
            "(",
            r"\Qa\E",
            r"\h",
            "a*?*",
            "(?x)a",
            "\\",
        ] {
            assert!(
                anchored(bad, Compat::V2).is_err(),
                "{bad} should be refused"
            );
        }
    }
}
