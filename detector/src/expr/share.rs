//! Expressions that several rules have are evaluated once per evaluation time.
//!
//! What is shared must be the same for all its users, so an expression stays where it is if what the rules write
//! themselves could change it in between, or if it asks for subquery steps, which every rule has its own budget of.

use std::collections::{BTreeMap, BTreeSet};

use super::{Expr, ScalarExpr, VectorExpr};
use crate::eval::{Element, Vector};

/// An expression of several rules, and its latest result.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    /// Taken out while it is being evaluated.
    pub(crate) expr: Option<Box<VectorExpr>>,
    pub(crate) result: Vec<Element>,
    /// What the result is for; none if there is none.
    pub(crate) moment: Option<Moment>,
}

/// All that the value of a shared expression depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) now_ms: i64,
    pub(crate) query_ms: i64,
    /// How many samples had been taken in from outside.
    pub(crate) ingested: u64,
}

/// Moves what occurs more than once in the expressions into a list; what others contain comes first.
///
/// `written` are the names of the metrics that the rules themselves write.
pub(crate) fn share<'e>(
    exprs: impl Iterator<Item = &'e mut Expr>,
    written: &BTreeSet<String>,
) -> Vec<Shared> {
    let mut roots: Vec<&mut VectorExpr> = Vec::new();
    for expr in exprs {
        expr.each_root(&mut |root| roots.push(root));
    }
    let mut occurrences = BTreeMap::new();
    for root in &mut roots {
        count(root, written, &mut occurrences);
    }
    let mut sharing = Sharing {
        written,
        occurrences,
        places: BTreeMap::new(),
        list: Vec::new(),
    };
    for root in roots {
        sharing.replace(root, 1);
    }
    sharing.list
}

/// A text that two expressions have in common only if they are the same: the whole compiled tree.
fn identity(expr: &VectorExpr) -> String {
    format!("{expr:?}")
}

fn count(expr: &mut VectorExpr, written: &BTreeSet<String>, found: &mut BTreeMap<String, usize>) {
    if expr.is_sharable(written) {
        *found.entry(identity(expr)).or_default() += 1;
    }
    expr.each_child(&mut |child| count(child, written, found));
}

struct Sharing<'w> {
    written: &'w BTreeSet<String>,
    occurrences: BTreeMap<String, usize>,
    /// By identity: the place in the list.
    places: BTreeMap<String, usize>,
    list: Vec<Shared>,
}

impl Sharing<'_> {
    /// Replaces the expression, or those inside it, that occur more often than what contains them.
    fn replace(&mut self, expr: &mut VectorExpr, outer: usize) {
        let mut own = outer;
        if expr.is_sharable(self.written) {
            let identity = identity(expr);
            let occurrences = self.occurrences.get(&identity).copied().unwrap_or(1);
            if occurrences > outer {
                let place = match self.places.get(&identity) {
                    Some(place) => *place,
                    None => self.add(expr.clone(), identity, occurrences),
                };
                *expr = VectorExpr::Shared(place);
                return;
            }
            own = own.max(occurrences);
        }
        expr.each_child(&mut |child| self.replace(child, own));
    }

    fn add(&mut self, mut expr: VectorExpr, identity: String, occurrences: usize) -> usize {
        expr.each_child(&mut |child| self.replace(child, occurrences));
        self.list.push(Shared {
            expr: Some(Box::new(expr)),
            result: Vector::new(),
            moment: None,
        });
        let place = self.list.len() - 1;
        self.places.insert(identity, place);
        place
    }
}

impl VectorExpr {
    /// Whether it looks at series, and only at such as no rule writes, and takes no subquery steps.
    fn is_sharable(&self, written: &BTreeSet<String>) -> bool {
        let mut selectors = 0;
        let mut sharable = !self.has_subquery();
        self.each_selector(&[], &mut |selector| {
            selectors += 1;
            let name = selector.name.as_deref();
            sharable &= name.is_some_and(|name| !written.contains(name));
        });
        sharable && selectors > 0
    }
}

impl Expr {
    /// Calls `each` with the outermost vectors.
    fn each_root<'e>(&'e mut self, each: &mut dyn FnMut(&'e mut VectorExpr)) {
        match self {
            Self::Scalar(expr) => expr.each_root(each),
            Self::Vector(expr) => each(expr),
        }
    }
}

impl ScalarExpr {
    /// Calls `each` with the outermost vectors inside.
    pub(super) fn each_root<'e>(&'e mut self, each: &mut dyn FnMut(&'e mut VectorExpr)) {
        match self {
            Self::Number(_) | Self::Time => {}
            Self::OfVector(of) => each(of),
            Self::Negate(of) => of.each_root(each),
            Self::Binary { left, right, .. } => {
                left.each_root(each);
                right.each_root(each);
            }
        }
    }
}
