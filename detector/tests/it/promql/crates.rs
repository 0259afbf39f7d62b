//! Expressions against the crate `promql-parser`, for machines without Go. It refuses some that Prometheus takes
//! (`1_000`, `offset 0s`), and takes some that Prometheus refuses; what both take has the same tree.

use firedrill_detector::Compat;
use firedrill_detector::promql::{Expr, parse};
use promql_parser::parser::{self, Expr as Theirs};

use super::grammar;
use super::{node, shape};
use crate::random::Random;

#[test]
fn random_expressions_have_the_tree_that_a_crate_makes_of_them() {
    let mut random = Random(7);
    let (mut accepted, mut same) = (0, 0);
    for _ in 0..20_000 {
        let text = grammar::text(&mut random);
        // What we refuse it may panic at: it computes with lengths of time that overflow, and cuts characters in two.
        let Some(ours) = parse(&text, Compat::V3).ok().filter(|_| text.is_ascii()) else {
            continue;
        };
        accepted += 1;
        if let Ok(theirs) = parser::parse(&text)
            && !has_plus(&ours)
        {
            assert_eq!(shape_of_ours(&ours), shape_of_theirs(&theirs), "{text:?}");
            same += 1;
        }
    }
    assert!(accepted > 3_000, "{accepted}");
    assert!(same > accepted * 7 / 10, "{same} of {accepted}");
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
