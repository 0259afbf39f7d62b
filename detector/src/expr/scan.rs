//! A look at an expression's text before the parser sees it.
//!
//! The parser accepts a little more and a little less than Prometheus, and computes with durations that overflow;
//! this pass refuses, bounds or rewrites those places.

use super::token::{Kind, Token, tokens};
use crate::compat::Compat;
use crate::duration;
use crate::number;
use promql_parser::label::MatchOp;
use promql_parser::parser;
use promql_parser::util::unquote_string;

/// Longest accepted expression, in bytes.
const MAX_LENGTH: usize = 64 * 1024;
/// Most operators and brackets in one expression: the parser recurses over them.
const MAX_TOKENS: usize = 1500;

/// What stood before the current token, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Before {
    Other,
    /// `{` or `,`
    MatcherStart,
    /// `offset`, or a sign after it
    Offset,
    /// `by`, `on` and the like
    Grouping,
    /// `=~`, `!~`
    Regex,
}

/// The text to hand to the parser, or why not to.
pub(super) fn prepare(text: &str, compat: Compat) -> Result<String, String> {
    let whole = text;
    if text.len() > MAX_LENGTH {
        return Err(format!("expression is longer than {MAX_LENGTH} bytes"));
    }
    let mut out = String::with_capacity(text.len());
    let mut before = Before::Other;
    let mut brackets = 0usize;
    let mut in_braces = false;
    let mut in_grouping = false;
    let mut counted = 0;
    for token in tokens(text) {
        let Token { kind, text, start } = token?;
        match kind {
            Kind::Comment | Kind::Space => out.push_str(text),
            Kind::Quoted(quote) => {
                let names = in_grouping || (in_braces && before == Before::MatcherStart);
                if names && compat == Compat::V2 {
                    return Err("names in quotes are not known to Prometheus 2".into());
                }
                check_escapes(quote, text)?;
                match unquoted(quote, text)? {
                    Some(inside) if before == Before::Regex => {
                        // The parser would read it in Rust's dialect; it gets one that means its text, and [`shown`] undoes that.
                        push_as_quoted(&mut out, &regex_syntax::escape(&inside));
                    }
                    Some(inside) => push_as_quoted(&mut out, &inside),
                    // The parser says what is wrong with the string.
                    None => out.push_str(text),
                }
                before = Before::Other;
            }
            Kind::Number => {
                let as_duration = brackets > 0 || before == Before::Offset;
                out.push_str(&number(text, as_duration, compat)?);
                before = Before::Other;
            }
            Kind::Word => {
                counted += 1;
                let called = whole[start + text.len()..].trim_start().starts_with('(');
                out.push_str(if called {
                    function(text, compat)?
                } else {
                    text
                });
                before = after_word(text);
            }
            Kind::Symbol(symbol) => {
                counted += 1;
                out.push_str(text);
                match symbol {
                    '[' => brackets += 1,
                    ']' => brackets = brackets.saturating_sub(1),
                    '{' => in_braces = true,
                    '}' => in_braces = false,
                    '(' => in_grouping = before == Before::Grouping,
                    ')' => in_grouping = false,
                    _ => {}
                }
                before = match symbol {
                    '{' | ',' => Before::MatcherStart,
                    '~' => Before::Regex,
                    '+' | '-' if before == Before::Offset => Before::Offset,
                    _ => Before::Other,
                };
            }
        }
        if counted > MAX_TOKENS {
            return Err(format!(
                "expression has more than {MAX_TOKENS} names, operators and brackets"
            ));
        }
    }
    Ok(out)
}

/// Refuses a backslash before a character that is not ASCII: no such escape is known, and the parser panics on it.
fn check_escapes(quote: char, text: &str) -> Result<(), String> {
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char == '\\'
            && quote != '`'
            && let Some(escaped) = chars.next().filter(|escaped| !escaped.is_ascii())
        {
            return Err(format!("a string has the unknown escape \\{escaped}"));
        }
    }
    Ok(())
}

/// A function's name as the parser knows it: that of Prometheus 3.
fn function(name: &str, compat: Compat) -> Result<&str, String> {
    match (name, compat) {
        ("holt_winters", Compat::V2) => Ok("double_exponential_smoothing"),
        ("double_exponential_smoothing", Compat::V2) => {
            Err(format!("unknown function with name '{name}'"))
        }
        _ => Ok(name),
    }
}

fn after_word(word: &str) -> Before {
    match word.to_ascii_lowercase().as_str() {
        "offset" => Before::Offset,
        "by" | "without" | "on" | "ignoring" | "group_left" | "group_right" => Before::Grouping,
        _ => Before::Other,
    }
}

/// Writes the raw string in double quotes: the parser would look for escapes in backquotes, Prometheus does not.
fn push_as_quoted(out: &mut String, raw: &str) {
    out.push('"');
    for char in raw.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            // Go drops carriage returns from raw strings; Prometheus' own unquoting keeps them.
            '\r' => out.push_str("\\r"),
            char => out.push(char),
        }
    }
    out.push('"');
}

/// What a string in quotes means; `None` if it means nothing. The parser takes `\xc3\xa9` for two characters, Prometheus for
/// the bytes of one.
fn unquoted(quote: char, text: &str) -> Result<Option<String>, String> {
    let inside = &text[1..text.len() - 1];
    if quote == '`' || !inside.contains('\\') {
        return Ok((!inside.contains('\n') || quote == '`').then(|| inside.to_owned()));
    }
    let mut bytes = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(char) = rest.chars().next() {
        let (escape, code) = match rest.as_bytes() {
            [b'\\', b'x', digits @ ..] => (2, code(digits, 2, 16)),
            [b'\\', b'0'..=b'7', ..] => (1, code(&rest.as_bytes()[1..], 3, 8)),
            _ => (0, None),
        };
        let length = match (char, code) {
            ('\\', Some(code)) => {
                // More than a byte is no escape; the parser says so.
                let Ok(byte) = u8::try_from(code) else {
                    return Ok(None);
                };
                bytes.push(byte);
                escape + if escape == 2 { 2 } else { 3 }
            }
            ('\\', None) => {
                let length = match rest.as_bytes().get(1) {
                    Some(b'u') => 6,
                    Some(b'U') => 10,
                    _ => 2,
                };
                let Some(escape) = rest.get(..length) else {
                    return Ok(None);
                };
                let Ok(unquoted) = unquote_string(&format!("{quote}{escape}{quote}")) else {
                    return Ok(None);
                };
                bytes.extend(unquoted.into_bytes());
                length
            }
            ('\n', _) => return Ok(None),
            _ => {
                bytes.extend(char.encode_utf8(&mut [0; 4]).as_bytes());
                char.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    let text = String::from_utf8(bytes).map(Some);
    text.map_err(|_| format!("the string {quote}{inside}{quote} is not valid UTF-8"))
}

/// The number of so many digits at the beginning.
fn code(digits: &[u8], count: usize, radix: u32) -> Option<u32> {
    let digits = std::str::from_utf8(digits.get(..count)?).ok()?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, radix).ok())?
}

/// Puts the regular expressions of a tree back in their place. The tree may be deeper than a stack of calls.
pub(super) fn shown(expr: &mut parser::Expr) {
    let mut left = vec![expr];
    while let Some(expr) = left.pop() {
        match expr {
            parser::Expr::Aggregate(aggregate) => {
                left.push(&mut aggregate.expr);
                left.extend(aggregate.param.as_deref_mut());
            }
            parser::Expr::Unary(unary) => left.push(&mut unary.expr),
            parser::Expr::Binary(binary) => left.extend([&mut *binary.lhs, &mut *binary.rhs]),
            parser::Expr::Paren(paren) => left.push(&mut paren.expr),
            parser::Expr::Subquery(subquery) => left.push(&mut subquery.expr),
            parser::Expr::VectorSelector(selector) => show_matchers(selector),
            parser::Expr::MatrixSelector(matrix) => show_matchers(&mut matrix.vs),
            parser::Expr::Call(call) => left.extend(call.args.args.iter_mut().map(AsMut::as_mut)),
            parser::Expr::NumberLiteral(_)
            | parser::Expr::StringLiteral(_)
            | parser::Expr::Extension(_) => {}
        }
    }
}

fn show_matchers(selector: &mut parser::VectorSelector) {
    let matchers = &mut selector.matchers;
    let alternatives = matchers.or_matchers.iter_mut().flatten();
    for matcher in matchers.matchers.iter_mut().chain(alternatives) {
        if matches!(matcher.op, MatchOp::Re(_) | MatchOp::NotRe(_)) {
            let mut chars = matcher.value.chars();
            let mut pattern = String::with_capacity(matcher.value.len());
            while let Some(char) = chars.next() {
                pattern.extend(if char == '\\' {
                    chars.next()
                } else {
                    Some(char)
                });
            }
            matcher.value = pattern;
        }
    }
}

/// Checks a number or duration literal and writes it as the parser likes it.
fn number(token: &str, as_duration: bool, compat: Compat) -> Result<String, String> {
    let is_unit = |b: u8| matches!(b, b'y' | b'w' | b'd' | b'h' | b'm' | b's');
    let looks_like_duration =
        token.bytes().all(|b| b.is_ascii_digit() || is_unit(b)) && token.bytes().any(is_unit);
    if looks_like_duration {
        if duration::parse_ms(token).is_none() {
            return Err(format!(
                "{token:?} is not a duration; accepted are {}",
                duration::ACCEPTED
            ));
        }
        if !as_duration && compat == Compat::V2 {
            return Err(format!(
                "{token:?}: a duration cannot stand for a number in Prometheus 2"
            ));
        }
        return Ok(token.into());
    }
    let refused = || format!("{token:?} is not a number");
    let plain = number::without_separators(token, compat).ok_or_else(refused)?;
    if as_duration {
        // Bounded here because the parser would panic on what does not fit into a duration.
        let seconds: Option<f64> = plain.parse().ok();
        let fits = seconds.is_some_and(|seconds| seconds > 0.0 && seconds < 9e9);
        if compat == Compat::V2 || !fits {
            return Err(format!(
                "{token:?} is not a duration; accepted are {}",
                duration::ACCEPTED
            ));
        }
    }
    // Go's parser refuses what is out of range, the parser here makes infinity of it.
    if plain.parse().is_ok_and(f64::is_infinite) {
        return Err(format!("{token:?} is too large for a number"));
    }
    Ok(plain.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, v2: Result<&str, &str>, v3: Result<&str, &str>) {
        for (compat, expected) in [(Compat::V2, v2), (Compat::V3, v3)] {
            match (prepare(text, compat), expected) {
                (Ok(out), Ok(wanted)) => assert_eq!(out, wanted),
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                (got, _) => panic!("{text} with {compat:?}: {got:?}"),
            }
        }
    }

    #[test]
    fn regular_expressions_come_out_of_the_parser_as_they_were_written() {
        for pattern in [r"\\d[[a]|{{.*", r#"\"a\n"#, "é(", ""] {
            let text = format!(
                "sum(a{{b=~\"{pattern}\"}} offset 5m) + max_over_time(a{{b!~\"{pattern}\"}}[5m])"
            );
            let parsed = crate::expr::compile::parse(&text, Compat::V3).unwrap();
            let shown = parsed.to_string();
            let again = crate::expr::compile::parse(&shown, Compat::V3).unwrap();
            assert_eq!(again.to_string(), shown, "{text}");
            assert_eq!(again, parsed, "{text}");
        }
    }

    #[test]
    fn strings_are_bytes() {
        for (text, inside) in [
            (r#""\xc3\xa9\303\251""#, "éé"),
            (r#"'\'"\u00e9\U0001F600\a\\'"#, "'\"é😀\u{7}\\"),
            (r#""é\x41\101""#, "éAA"),
            (r"`\xff`", r"\xff"),
        ] {
            let quote = text.chars().next().unwrap();
            assert_eq!(unquoted(quote, text), Ok(Some(inside.to_owned())), "{text}");
        }
        for text in [
            r#""\xf""#,
            r#""\400""#,
            r#""\08""#,
            r#""\q""#,
            r#""\u12""#,
            r#""\ud800""#,
            r#""\x+1""#,
        ] {
            assert_eq!(unquoted('"', text), Ok(None), "{text}");
        }
        assert!(unquoted('"', r#""a\xff""#).is_err());
        let bad = r#"label_replace(x, "\xff", "y", "z", "")"#;
        check(bad, Err("not valid UTF-8"), Err("not valid UTF-8"));
    }

    #[test]
    fn rewrites_and_refusals() {
        let same = |text: &str| {
            assert_eq!(prepare(text, Compat::V2).unwrap(), text);
            assert_eq!(prepare(text, Compat::V3).unwrap(), text);
        };
        same(r#"sum by (job) (rate(a{b!="x|y"}[5m] offset -1h30m)) > 1e-3 # 5_"#);
        let strings = r#"a{b="'5_"} + .5 - 0x1F + a{b="ä\\ä"}"#;
        check(
            r"a{b='\'5_'} + .5 - 0x1F + a{b='ä\\ä'}",
            Ok(strings),
            Ok(strings),
        );
        check(
            r#"a{b=`\d"+`}"#,
            Ok(r#"a{b="\\d\"+"}"#),
            Ok(r#"a{b="\\d\"+"}"#),
        );
        // What the parser gets of a regular expression is its text.
        check(
            r#"a{b=~`\d"+`}"#,
            Ok(r#"a{b=~"\\\\d\"\\+"}"#),
            Ok(r#"a{b=~"\\\\d\"\\+"}"#),
        );
        check("a > 1_000", Err("not a number"), Ok("a > 1000"));
        check("a > 0x_1F", Err("not a number"), Ok("a > 0x1F"));
        check("a > 1_e3", Err("not a number"), Err("not a number"));
        check("a > 1e400", Err("too large"), Err("too large"));
        check("a > 5m", Err("stand for a number"), Ok("a > 5m"));
        check("rate(a[60])", Err("not a duration"), Ok("rate(a[60])"));
        check("a offset -5", Err("not a duration"), Ok("a offset -5"));
        check(r#"{"a"}"#, Err("in quotes"), Ok(r#"{"a"}"#));
        check(
            r#"sum by ("a") (b)"#,
            Err("in quotes"),
            Ok(r#"sum by ("a") (b)"#),
        );
        for (text, part) in [
            ("a[1e300]", "not a duration"),
            ("a[99999999y]", "not a duration"),
            ("a[5m1h]", "not a duration"),
            ("a{b=\"c}", "has no end"),
            ("a{b=\"\\ä\"}", "unknown escape \\ä"),
            ("a{b=~'\\\\\\琍_'}", "unknown escape \\琍"),
        ] {
            check(text, Err(part), Err(part));
        }
        let deep = "(".repeat(2000);
        check(&deep, Err("more than"), Err("more than"));
    }
}
