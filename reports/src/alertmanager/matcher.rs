//! Label matchers in both syntaxes that Alertmanager reads: the classic one, and the UTF-8 one of 0.27 and later.

use firedrill_detector::anatomy::SeriesSelector;
use firedrill_detector::sample::METRIC_NAME;
use firedrill_detector::{Compat, Labels as Series};
use std::collections::BTreeMap;
use std::fmt;

/// Labels of an alert instance, `alertname` among them.
pub type Labels = BTreeMap<String, String>;

/// How a label's value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Regex,
    NotRegex,
}

impl Operator {
    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// One `label op "value"`. A label that is not there is the empty string.
#[derive(Debug, Clone)]
pub(super) struct Matcher {
    pub(super) name: String,
    operator: Operator,
    value: String,
    regex: Option<SeriesSelector>,
}

impl Matcher {
    /// A regular expression is anchored, and `.` does not match a line break, as in `pkg/labels/matcher.go`.
    pub(super) fn new(name: &str, operator: Operator, value: &str) -> Result<Self, String> {
        let regex = match operator {
            Operator::Equal | Operator::NotEqual => None,
            Operator::Regex | Operator::NotRegex => {
                let text = format!("value{{of=~{}}}", quoted(value));
                let read = SeriesSelector::parse(&text, Compat::V2);
                let bad =
                    |_| format!("`{value}` is no regular expression, or one that is too large");
                Some(read.map_err(bad)?)
            }
        };
        Ok(Self {
            name: name.to_owned(),
            operator,
            value: value.to_owned(),
            regex,
        })
    }

    pub(super) fn accepts(&self, labels: &Labels) -> bool {
        self.accepts_value(labels.get(&self.name).map_or("", String::as_str))
    }

    pub(super) fn accepts_value(&self, value: &str) -> bool {
        let is_matched = || {
            let series = Series::from_pairs([(METRIC_NAME, "value"), ("of", value)]);
            self.regex
                .as_ref()
                .is_some_and(|regex| regex.matches(&series))
        };
        match self.operator {
            Operator::Equal => value == self.value,
            Operator::NotEqual => value != self.value,
            Operator::Regex => is_matched(),
            Operator::NotRegex => !is_matched(),
        }
    }

    fn key(&self) -> (&str, &str, Operator) {
        (&self.name, &self.value, self.operator)
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Matcher {}

/// As the UTF-8 syntax has it, which the classic one reads alike unless the name needs quotes.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, value) = (self.operator.sign(), quoted(&self.value));
        match self.name.contains(is_reserved) {
            true => write!(f, "{}{sign}{value}", quoted(&self.name)),
            false => write!(f, "{}{sign}{value}", self.name),
        }
    }
}

/// Whether all accept the labels; none at all accept any.
pub(super) fn all_accept(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.accepts(labels))
}

/// In Alertmanager's order, which is that of the routes' keys.
pub(super) fn sort(matchers: &mut [Matcher]) {
    matchers.sort_by(|a, b| a.key().cmp(&b.key()));
}

/// Reads one or more matchers with commas between, as `matcher/compat` does without feature flags: where only one of the
/// syntaxes reads them, by that; where they disagree, by the classic one.
pub(super) fn parse(text: &str) -> Result<Vec<Matcher>, String> {
    match (utf8(text), classic(text)) {
        (Ok(new), Ok(old)) if new != old => Ok(old),
        (Ok(new), _) => Ok(new),
        (Err(_), old) => old,
    }
}

/// Whether a label may be called so where names must be classic.
pub(super) fn is_classic_name(name: &str) -> bool {
    let mut chars = name.chars();
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    chars.next().is_some_and(first) && chars.all(|c| first(c) || c.is_ascii_digit())
}

fn quoted(text: &str) -> String {
    let text = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{text}\"")
}

/// What Go takes for white space.
fn is_space(c: char) -> bool {
    c.is_whitespace()
}

fn is_reserved(c: char) -> bool {
    is_space(c) || "{}!=~,\\\"'`".contains(c)
}

/// `pkg/labels/parse.go`.
fn classic(text: &str) -> Result<Vec<Matcher>, String> {
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut inside, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            ',' if !inside => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            '"' if escaped => escaped = false,
            '"' => inside = !inside,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
        part.push(c);
    }
    if !part.trim().is_empty() {
        parts.push(part.trim().to_owned());
    }
    parts.iter().map(|part| classic_one(part)).collect()
}

fn classic_one(text: &str) -> Result<Matcher, String> {
    let bad = || format!("`{text}` is no matcher");
    let is_blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c');
    let rest = text.trim_matches(is_blank);
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(bad());
    }
    let (operator, value) = operator(rest.trim_start_matches(is_blank)).ok_or_else(bad)?;
    let raw = value.trim_start_matches(is_blank);
    let (raw, mut open) = match raw.strip_prefix('"') {
        Some(raw) => (raw, true),
        None => (raw, false),
    };
    let unescaped = || format!("`{text}`: the value has a double quote that is not escaped");
    let (mut value, mut escaped) = (String::new(), false);
    for (at, c) in raw.char_indices() {
        let is_last = at + 1 >= raw.len();
        match c {
            'n' if escaped => value.push('\n'),
            '"' | '\\' if escaped => value.push(c),
            _ if escaped => value.extend(['\\', c]),
            '\\' if !is_last => {
                escaped = true;
                continue;
            }
            '"' if !open || !is_last => return Err(unescaped()),
            '"' => open = false,
            _ => value.push(c),
        }
        escaped = false;
    }
    match open {
        true => Err(unescaped()),
        false => Matcher::new(name, operator, &value),
    }
}

/// An operator at the beginning, and what comes after it.
fn operator(text: &str) -> Option<(Operator, &str)> {
    // The longer ones first.
    [
        Operator::Regex,
        Operator::NotEqual,
        Operator::NotRegex,
        Operator::Equal,
    ]
    .into_iter()
    .find_map(|operator| Some((operator, text.strip_prefix(operator.sign())?)))
}

/// `matcher/parse`.
fn utf8(text: &str) -> Result<Vec<Matcher>, String> {
    let bad = || format!("`{text}` is no list of matchers");
    let mut rest = text.trim_start_matches(is_space);
    let in_braces = rest.starts_with('{');
    if in_braces {
        rest = rest[1..].trim_start_matches(is_space);
    }
    let mut found = Vec::new();
    while !rest.is_empty() && !rest.starts_with('}') {
        let (name, after) = word(rest).ok_or_else(bad)?;
        let (operator, after) = operator(after.trim_start_matches(is_space)).ok_or_else(bad)?;
        let (value, after) = word(after.trim_start_matches(is_space)).ok_or_else(bad)?;
        found.push(Matcher::new(&name, operator, &value)?);
        rest = after.trim_start_matches(is_space);
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start_matches(is_space),
            None if rest.is_empty() || rest.starts_with('}') => {}
            None => return Err(bad()),
        }
    }
    let over = match (in_braces, rest.strip_prefix('}')) {
        (true, Some(over)) => over,
        (false, None) => rest,
        _ => return Err(bad()),
    };
    match over.trim_start_matches(is_space).is_empty() {
        true => Ok(found),
        false => Err(bad()),
    }
}

/// A quoted or unquoted word at the beginning, and what comes after it.
fn word(text: &str) -> Option<(String, &str)> {
    if let Some(inside) = text.strip_prefix('"') {
        let mut escaped = false;
        let end = inside.char_indices().find(|(_, c)| {
            let is_end = !escaped && *c == '"';
            escaped = !escaped && *c == '\\';
            is_end
        })?;
        let (quoted, after) = inside.split_at(end.0);
        return Some((unquoted(quoted)?, &after[1..]));
    }
    let end = text.find(is_reserved).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

/// What stands between double quotes in Go's syntax; `None` if that is not valid, or no text.
fn unquoted(text: &str) -> Option<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        at += 1;
        match c {
            '\n' => return None,
            '\\' => {}
            c => {
                bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
                continue;
            }
        }
        let escape = *chars.get(at)?;
        let (digits, radix) = match escape {
            'x' => (at + 1..at + 3, 16),
            'u' => (at + 1..at + 5, 16),
            'U' => (at + 1..at + 9, 16),
            '0'..='7' => (at..at + 3, 8),
            _ => {
                bytes.push(match escape {
                    'a' => 7,
                    'b' => 8,
                    't' => b'\t',
                    'n' => b'\n',
                    'v' => 11,
                    'f' => 12,
                    'r' => b'\r',
                    '\\' => b'\\',
                    '"' => b'"',
                    _ => return None,
                });
                at += 1;
                continue;
            }
        };
        at = digits.end;
        let mut code = 0;
        for digit in chars.get(digits)? {
            code = u32::checked_mul(code, radix)?.checked_add(digit.to_digit(radix)?)?;
        }
        match escape {
            'u' | 'U' => bytes.extend(char::from_u32(code)?.encode_utf8(&mut [0; 4]).bytes()),
            _ => bytes.push(u8::try_from(code).ok()?),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        Ok(parse(text)?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn both_syntaxes_are_read() {
        for (text, meant) in [
            ("foo=bar", vec!["foo=\"bar\""]),
            (
                " {foo = \"bar\", dings != \"bums\", } ",
                vec!["foo=\"bar\"", "dings!=\"bums\""],
            ),
            ("{}", vec![]),
            ("statuscode=~\"5..\"", vec!["statuscode=~\"5..\""]),
            (
                "{quote=\"She said: \\\"Hi, ladies!\\\"\"}",
                vec!["quote=\"She said: \\\"Hi, ladies!\\\"\""],
            ),
            // Only the classic syntax has these.
            ("foo=", vec!["foo=\"\""]),
            ("foo=bar baz", vec!["foo=\"bar baz\""]),
            ("foo=\\d", vec!["foo=\"\\\\d\""]),
            // Only the UTF-8 syntax has these.
            ("\"foo bar\"=baz", vec!["\"foo bar\"=\"baz\""]),
            ("🙂=\"\\xf0\\x9f\\x99\\x82\"", vec!["🙂=\"🙂\""]),
            ("team.name!~a|b", vec!["team.name!~\"a|b\""]),
            // They disagree: a backslash before a letter stays in the classic one, and is refused by the other.
            ("foo=\"\\w\"", vec!["foo=\"\\\\w\""]),
            ("foo=\"\\x41\"", vec!["foo=\"\\\\x41\""]),
        ] {
            let meant: Vec<String> = meant.into_iter().map(str::to_owned).collect();
            assert_eq!(read(text), Ok(meant), "{text}");
        }
        for bad in [
            "foo",
            "=bar",
            "foo==\"bar",
            "{foo=\"a\"b}",
            "\"a\"",
            "foo=~\"(\"",
            "0=1=2 \"",
        ] {
            assert!(read(bad).is_err(), "{bad}: {:?}", read(bad));
        }
    }

    #[test]
    fn a_missing_label_is_empty_and_patterns_are_anchored() {
        let labels: Labels = [("a".to_owned(), "xyz".to_owned())].into();
        for (text, accepts) in [
            ("a=xyz", true),
            ("a=~x.z", true),
            ("a=~x", false),
            ("a!~x", true),
            ("b=\"\"", true),
            ("b=~\"\"", true),
            ("b!=\"\"", false),
            ("a=~\"x|.*z\"", true),
        ] {
            let matchers = parse(text).unwrap();
            assert_eq!(all_accept(&matchers, &labels), accepts, "{text}");
        }
    }
}
