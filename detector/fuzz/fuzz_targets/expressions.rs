//! Any text as an expression: it is read or refused, at a place that is part of it.

#![no_main]

use firedrill_detector::Compat;
use firedrill_detector::promql::{Expr, parse};
use libfuzzer_sys::fuzz_target;

fn within(expr: &Expr, text: &str) {
    let outer = expr.span();
    assert!(text.get(outer.range()).is_some_and(|part| !part.is_empty()));
    for child in expr.children() {
        let inner = child.span();
        assert!(outer.start <= inner.start && inner.end <= outer.end);
        within(child, text);
    }
}

fuzz_target!(|text: &str| {
    for compat in [Compat::V2, Compat::V3] {
        match parse(text, compat) {
            Ok(expr) => {
                within(&expr, text);
                let _ = expr.to_string();
            }
            Err(error) => {
                assert!(text.get(error.span.range()).is_some() && error.at <= text.len());
                let _ = (error.to_string(), error.line_and_column(text));
            }
        }
    }
});
