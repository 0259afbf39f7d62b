//! What expressions that differ in thresholds only have in common.

use crate::expr::{Expr, VectorExpr};

/// Takes the parts without thresholds out of expressions that are the same but for those, and leaves a reference in their
/// places. The parts are evaluated once for all of them; what is inside a subquery stays, since it is evaluated at other
/// times. A single expression stays whole.
pub(super) fn parts(exprs: &mut [Expr]) -> Vec<VectorExpr> {
    let mut shared = Vec::new();
    if exprs.len() < 2 {
        return shared;
    }
    for expr in exprs {
        // Every expression has the same parts in the same order.
        shared.clear();
        if let Expr::Vector(expr) = expr {
            take(expr, &mut shared);
        }
    }
    shared
}

fn take(expr: &mut VectorExpr, shared: &mut Vec<VectorExpr>) {
    if expr.has_no_threshold() {
        let given = VectorExpr::Given(shared.len());
        shared.push(std::mem::replace(expr, given));
        return;
    }
    match expr {
        VectorExpr::VectorScalar(operation) => take(&mut operation.vector, shared),
        VectorExpr::VectorVector(operation) => {
            take(&mut operation.left, shared);
            take(&mut operation.right, shared);
        }
        VectorExpr::Set(operation) => {
            take(&mut operation.left, shared);
            take(&mut operation.right, shared);
        }
        VectorExpr::Map(call) => take(&mut call.of, shared),
        VectorExpr::Aggregate(aggregate) => take(&mut aggregate.of, shared),
        VectorExpr::Relabel(relabel) => take(&mut relabel.of, shared),
        VectorExpr::Absent { of, .. } | VectorExpr::Sort { of, .. } => take(of, shared),
        _ => {}
    }
}
