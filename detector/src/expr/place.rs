//! Where in its text an expression is wrong, as far as that can be said exactly.
//!
//! The parser's messages have no place, but most name what they are about. What they name is looked for among the tokens;
//! where it stands more than once, and not every one of them is wrong, nothing is said.

use std::ops::Range;

use super::grammar;
use super::token::{Kind, Token, tokens};

/// The bytes of `text` that `message` is about.
pub(crate) fn offending(text: &str, message: &str) -> Option<Range<usize>> {
    let mut read = Vec::new();
    for token in tokens(text) {
        match token {
            Ok(token) => read.push(token),
            // A string that does not end; nothing after it can be told.
            Err(error) => {
                let start = read
                    .last()
                    .map_or(0, |last: &Token<'_>| last.start + last.text.len());
                return (error == message).then_some(start..text.len());
            }
        }
    }
    read.retain(|token| !matches!(token.kind, Kind::Comment | Kind::Space));
    for (word, pair) in [("parenthesis", "()"), ("bracket", "[]"), ("brace", "{}")] {
        if message.contains(word) {
            return unbalanced(&read).filter(|found| pair.contains(&text[found.clone()]));
        }
    }
    named_function(&read, message)
        .or_else(|| grammar::dead_end(text, &read, message))
        .or_else(|| only(read.iter().filter(|token| is_named(token, message))))
}

/// The first bracket that closes nothing, or else the last one that is not closed.
fn unbalanced(tokens: &[Token<'_>]) -> Option<Range<usize>> {
    let mut open: Vec<(&Token<'_>, char)> = Vec::new();
    for token in tokens {
        let closes = match token.kind {
            Kind::Symbol('(') => ')',
            Kind::Symbol('[') => ']',
            Kind::Symbol('{') => '}',
            Kind::Symbol(symbol @ (')' | ']' | '}')) => {
                if open.pop().is_none_or(|(_, expected)| expected != symbol) {
                    return Some(range(token));
                }
                continue;
            }
            _ => continue,
        };
        open.push((token, closes));
    }
    open.last().map(|(token, _)| range(token))
}

/// A function that is refused wherever it is called: unknown, or not supported.
fn named_function(tokens: &[Token<'_>], message: &str) -> Option<Range<usize>> {
    let is_refused = |name: &str| {
        message.contains(&format!("unknown function with name '{name}'"))
            || (message.starts_with(&format!("{name}() ")) && message.contains("not "))
            || message.starts_with(&format!("{name}() is experimental"))
    };
    let mut calls = tokens.windows(2).filter(|pair| {
        let opens = matches!(pair[1].kind, Kind::Symbol('(')) || pair[1].kind == Kind::Word;
        pair[0].kind == Kind::Word && opens
    });
    calls
        .find(|pair| is_refused(pair[0].text))
        .map(|pair| range(&pair[0]))
}

/// Whether a message speaks of a token like this one.
fn is_named(token: &Token<'_>, message: &str) -> bool {
    let text = token.text;
    match token.kind {
        Kind::Number => {
            message.starts_with(&format!("{text:?} is not "))
                || message.starts_with(&format!("{text:?}: "))
        }
        Kind::Word => {
            message.contains(&format!("function '{text}'"))
                || message.contains(&format!("after '{text}'"))
                || message.contains(&format!("identifier '{text}'"))
        }
        Kind::Quoted(quote) => {
            let inside = &text[1..text.len() - 1];
            let is_plain = quote == '`' || !inside.contains('\\');
            is_plain && message.contains(&format!("regular expression {inside:?}"))
        }
        Kind::Symbol(symbol) => message.contains(&format!("unexpected character: {symbol:?}")),
        Kind::Comment | Kind::Space => false,
    }
}

/// The only one there is.
fn only<'t>(mut found: impl Iterator<Item = &'t Token<'t>>) -> Option<Range<usize>> {
    let first = found.next()?;
    found.next().is_none().then(|| range(first))
}

fn range(token: &Token<'_>) -> Range<usize> {
    token.start..token.start + token.text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::Compat;
    use crate::expr::compile::compile;

    #[test]
    fn what_a_message_is_about_is_found() {
        for (text, wanted) in [
            ("sum(rate(x[5m])", Some((3, "("))),
            ("sum(x)) > 1", Some((6, ")"))),
            ("x{a=\"b\" > 1", Some((1, "{"))),
            ("(x{a > 1}", None),
            ("x{a=\"b\"}}", Some((8, "}"))),
            ("rate(x) > 1 # rate(", Some((0, "rate"))),
            ("rate(x) > rate(x[5m])", None),
            ("x + foo(y)", Some((4, "foo"))),
            ("limitk(1, x)", Some((0, "limitk"))),
            ("x{a=\"info(\"} > info(x)", Some((15, "info"))),
            ("rate(x[5 m])", None),
            ("x offset 5x", Some((9, "5x"))),
            ("x[99999999y]", Some((2, "99999999y"))),
            ("x > 1__0", Some((4, "1__0"))),
            ("x{a=\"b} > 1", Some((4, "\"b} > 1"))),
            ("x{a=~\"b**\", c=\"b**\"}", None),
            ("x{a=~\"b**\", c=\"d\"}", Some((5, "\"b**\""))),
            ("x $ y", Some((2, "$"))),
            ("x y", Some((2, "y"))),
        ] {
            let message = compile(text, Compat::V3).unwrap_err();
            let found = offending(text, &message).map(|range| (range.start, &text[range]));
            assert_eq!(found, wanted, "{text}: {message}");
        }
    }
}
