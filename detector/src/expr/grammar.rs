//! Which token an expression stops being PromQL at, when the parser only says that it is none.
//!
//! A grammar as PromQL's fails at the first token with which no expression goes on. So the beginnings of the text are
//! tried with everything that may complete them: the shortest one that nothing completes ends in the token looked for.

use std::ops::Range;

use promql_parser::parser;

use super::token::{Kind, Token};

/// The parser's words for a text that is no expression.
const INVALID: &str = "invalid promql query";

/// Most tokens of a text that is looked at.
const TOKENS_MAX: usize = 500;

/// What the last token of a beginning may need, before the brackets that are open are closed.
const ENDINGS: [&str; 7] = ["", " x", " 5m", "\"x\"", "=\"x\"", " (x)", "()"];
/// What may have to follow the brackets: the operand of an aggregation or of an operator with labels.
const AFTER: [&str; 4] = ["", " x", " (x)", " (x) (x)"];

/// The bytes of the first token with which `text` cannot go on; its last token if only its end is missing.
/// `tokens` are its tokens without blanks and comments. `None` if the message speaks of something else, or it is too long.
pub(super) fn dead_end(text: &str, tokens: &[Token<'_>], message: &str) -> Option<Range<usize>> {
    if !message.ends_with(INVALID) || tokens.len() > TOKENS_MAX {
        return None;
    }
    let words = words(tokens);
    // Whatever completes a text completes its beginnings, so the longest beginning is found by halving.
    let alive = partition(words.len(), |count| {
        count == 0 || can_go_on(&text[..words[count - 1].end])
    });
    words.get(alive).or(words.last()).cloned()
}

/// How many of the first `count` numbers from 1 on `holds` is true of, if it is true of the first ones only.
fn partition(count: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        match holds(middle) {
            true => low = middle,
            false => high = middle - 1,
        }
    }
    low
}

/// The tokens, those of an operator together.
fn words(tokens: &[Token<'_>]) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut before = None;
    for token in tokens {
        let end = token.start + token.text.len();
        let operator = match token.kind {
            Kind::Symbol(symbol) if "=!<>~".contains(symbol) => Some(symbol),
            _ => None,
        };
        match words.last_mut() {
            Some(last)
                if matches!(
                    (before, operator),
                    (Some('=' | '!'), Some('=' | '~')) | (Some('<' | '>'), Some('='))
                ) && last.len() == 1
                    && last.end == token.start =>
            {
                last.end = end;
            }
            _ => words.push(token.start..end),
        }
        before = operator;
    }
    words
}

/// Whether something follows the text with which it is an expression, as far as the grammar goes.
fn can_go_on(text: &str) -> bool {
    ENDINGS.iter().any(|ending| {
        let begun = format!("{text}{ending}");
        let closed = format!("{begun}{}", closers(&begun));
        AFTER.iter().any(|after| {
            let whole = format!("{closed}{after}");
            // What the grammar accepts may still have wrong types, about which the parser says something else.
            parser::lexer(&whole).is_ok()
                && parser::parse(&whole)
                    .err()
                    .is_none_or(|error| error != INVALID)
        })
    })
}

/// The brackets that close what a text leaves open.
fn closers(text: &str) -> String {
    let mut open = Vec::new();
    for token in super::token::tokens(text).flatten() {
        match token.kind {
            Kind::Symbol('(') => open.push(')'),
            Kind::Symbol('[') => open.push(']'),
            Kind::Symbol('{') => open.push('}'),
            Kind::Symbol(')' | ']' | '}') => drop(open.pop()),
            _ => {}
        }
    }
    open.into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::token::tokens;

    fn found(text: &str) -> Option<(usize, &str)> {
        let read: Vec<Token<'_>> = tokens(text)
            .map(Result::unwrap)
            .filter(|token| !matches!(token.kind, Kind::Comment | Kind::Space))
            .collect();
        let range = dead_end(text, &read, INVALID)?;
        Some((range.start, &text[range]))
    }

    /// The same columns as those of Prometheus' parser (promtool 3.14), which points behind what has no end.
    #[test]
    fn the_token_that_cannot_follow() {
        for (text, wanted) in [
            ("a and", (2, "and")),
            ("m +", (2, "+")),
            ("m > > 1", (4, ">")),
            ("m >== 1", (4, "=")),
            ("m{a=\"b\"} m", (9, "m")),
            ("1 +* 2", (3, "*")),
            ("m{a=}", (4, "}")),
            ("a b", (2, "b")),
            ("sum by job (m)", (7, "job")),
            ("m > 5 for 1m", (6, "for")),
            ("sum by (x m) (m)", (10, "m")),
            ("rate(m[5m]) > bool on(a) b c", (27, "c")),
            ("m offset m", (9, "m")),
            ("m # ) \n )", (8, ")")),
        ] {
            assert_eq!(found(text), Some(wanted), "{text}");
        }
    }

    /// Else a token would be blamed that is right.
    #[test]
    fn every_beginning_of_an_expression_can_go_on() {
        for text in [
            "sum by (job, instance) (rate(http_requests_total{code=~\"5..\", job!=\"x\"}[5m] offset 1h)) / ignoring(code) \
             group_left(team, zone) sum without (code) (rate(a[1h:1m] @ start())) > bool 0.05 unless on() absent(b{c!~\"d\"} @ 5)",
            "topk(5, quantile(0.9, -m ^ 2 % 3 >= 4 or vector(time()) != 1 and m <= 2 == 3)) < +Inf",
            "label_replace(m, \"a\", \"$1\", \"b\", \"(.*)\") * on(a) group_right(c) count_values by (v) (\"v\", n{}) offset -5m",
            "max_over_time((sum(m) by (a) > 1)[1h:] @ end() offset 5m) - stddev(m) without (x)",
            "{__name__=\"a\", b=\"c\",} atan2 x",
        ] {
            let read: Vec<Token<'_>> = tokens(text)
                .map(Result::unwrap)
                .filter(|token| !matches!(token.kind, Kind::Comment | Kind::Space))
                .collect();
            for word in words(&read) {
                assert!(can_go_on(&text[..word.end]), "{}", &text[..word.end]);
            }
        }
    }
}
