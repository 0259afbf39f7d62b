//! Expressions against the crate `promql-parser`, for machines without Go. It reads some of them otherwise than Prometheus does:
//! what it takes and we take must have the same tree, and what it alone refuses or takes is of a few kinds.

use firedrill_detector::Compat;
use firedrill_detector::promql::{Expr, parse};
use promql_parser::parser::{self, Expr as Theirs};

use super::grammar;
use super::{node, shape};
use crate::random::Random;

#[test]
fn random_expressions_have_the_tree_that_a_crate_makes_of_them() {
    let mut random = Random(7);
    let mut both = 0;
    let mut alike = 0;
    const CASES: usize = 20_000;
    for _ in 0..CASES {
        let text = grammar::text(&mut random);
        let ours = parse(&text, Compat::V3);
        // It panics at a backslash before what is not ASCII, and computes with lengths of time that overflow.
        if !text.is_ascii() || text.contains("1e300") || text.contains("e400") {
            continue;
        }
        let theirs = parser::parse(&text);
        alike += usize::from(ours.is_ok() == theirs.is_ok());
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            if has_plus(&ours) {
                continue;
            }
            assert_eq!(shape_of_ours(&ours), shape_of_theirs(&theirs), "{text:?}");
            both += 1;
        }
    }
    assert!(both > CASES / 10, "{both}");
    assert!(alike > CASES * 8 / 10, "{alike}");
}

/// Whether there is a sign that the crate leaves out.
fn has_plus(expr: &Expr) -> bool {
    matches!(expr, Expr::Unary(unary) if !unary.is_negative)
        || expr.children().into_iter().any(has_plus)
}

fn shape_of_ours(expr: &Expr) -> String {
    shape(expr, &|expr| match expr {
        Expr::Aggregate(aggregate) => format!(" {}", aggregate.op),
        Expr::Binary(binary) => format!(" {}", binary.op),
        Expr::Call(call) => format!(" {}", call.function.name),
        Expr::Selector(selector) => format!(" {}", selector.name.as_deref().unwrap_or_default()),
        _ => String::new(),
    })
}

fn shape_of_theirs(expr: &Theirs) -> String {
    match expr {
        Theirs::Aggregate(aggregate) => {
            let below = aggregate.param.iter().chain([&aggregate.expr]);
            let below: Vec<String> = below.map(|child| shape_of_theirs(child)).collect();
            node(&format!("aggregate {}", aggregate.op), &below)
        }
        Theirs::Binary(binary) => {
            let below = [&binary.lhs, &binary.rhs].map(|child| shape_of_theirs(child));
            node(&format!("binary {}", binary.op), &below)
        }
        Theirs::Call(call) => {
            let below: Vec<String> = call
                .args
                .args
                .iter()
                .map(|arg| shape_of_theirs(arg))
                .collect();
            node(&format!("call {}", call.func.name), &below)
        }
        Theirs::Paren(paren) => node("paren", &[shape_of_theirs(&paren.expr)]),
        Theirs::Subquery(subquery) => node("subquery", &[shape_of_theirs(&subquery.expr)]),
        Theirs::Unary(unary) => node("unary", &[shape_of_theirs(&unary.expr)]),
        Theirs::NumberLiteral(_) => "number".into(),
        Theirs::StringLiteral(_) => "string".into(),
        Theirs::VectorSelector(selector) => {
            format!("selector {}", selector.name.as_deref().unwrap_or_default())
        }
        Theirs::MatrixSelector(_) => "range".into(),
        Theirs::Extension(_) => "extension".into(),
    }
}
