//! Expressions that several rules have are evaluated once per evaluation time.
//!
//! What is shared must be the same for all its users, so an expression stays where it is if what the rules write
//! themselves could change it in between, or if it asks for subquery steps, which every rule has its own budget of.

use std::collections::{BTreeMap, BTreeSet};

use super::{Expr, ScalarExpr, VectorExpr};
use crate::eval::{Element, Vector};

/// Most bytes of identities that are compared, against rules made to have long ones. What comes after is not shared, which
/// changes no result.
const IDENTITIES_MAX: usize = 128 << 20;

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
    let mut bytes = 0;
    let mut counted = 0;
    for root in &mut roots {
        if bytes > IDENTITIES_MAX {
            break;
        }
        bytes += count(root, written, &mut occurrences);
        counted += 1;
    }
    roots.truncate(counted);
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

/// Puts references into an expression in the places of what is in the list already. Nothing may have been evaluated yet.
pub(crate) fn reuse(expr: &mut VectorExpr, list: &[Shared]) {
    let known = list.iter().enumerate().filter_map(|(place, shared)| {
        let expr = shared.expr.as_deref()?;
        Some((identity(expr), place))
    });
    reuse_known(expr, &known.collect());
}

/// Inside first, since what the list holds refers to the list as well.
fn reuse_known(expr: &mut VectorExpr, known: &BTreeMap<String, usize>) {
    expr.each_child(&mut |child| reuse_known(child, known));
    if let Some(place) = known.get(&identity(expr)) {
        *expr = VectorExpr::Shared(*place);
    }
}

/// A text that two expressions have in common only if they are the same: the whole compiled tree.
fn identity(expr: &VectorExpr) -> String {
    format!("{expr:?}")
}

/// Counts the expression and those inside it, and says how long their identities are.
fn count(
    expr: &mut VectorExpr,
    written: &BTreeSet<String>,
    found: &mut BTreeMap<String, usize>,
) -> usize {
    let mut bytes = 0;
    if expr.is_sharable(written) {
        let identity = identity(expr);
        bytes += identity.len();
        *found.entry(identity).or_default() += 1;
    }
    expr.each_child(&mut |child| bytes += count(child, written, found));
    bytes
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
    pub(crate) fn each_root<'e>(&'e mut self, each: &mut dyn FnMut(&'e mut VectorExpr)) {
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
            Self::Number(_) | Self::Time | Self::QueryTime => {}
            Self::OfVector(of) => each(of),
            Self::Negate(of) => of.each_root(each),
            Self::Extreme { left, right, .. } | Self::Binary { left, right, .. } => {
                left.each_root(each);
                right.each_root(each);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::Compat;
    use crate::expr::compile::compile;

    /// How many expressions are shared, and how often each selector is left in all of them together.
    fn check(texts: &[&str], shared: usize, selectors: &[(&str, usize)]) {
        let mut exprs: Vec<Expr> = texts
            .iter()
            .map(|text| compile(text, Compat::V3).unwrap().expr)
            .collect();
        let written = BTreeSet::from(["ALERTS".to_owned(), "recorded".to_owned()]);
        let list = share(exprs.iter_mut(), &written);
        assert_eq!(list.len(), shared, "{texts:?}");
        let mut left: BTreeMap<String, usize> = BTreeMap::new();
        let mut note = |selector: &crate::expr::Selector| {
            *left.entry(selector.text.clone()).or_default() += 1;
        };
        exprs.iter().for_each(|e| e.each_selector(&[], &mut note));
        for shared in &list {
            let expr = shared.expr.as_ref().unwrap();
            expr.each_selector(&[], &mut note);
        }
        let selectors = selectors.iter().map(|(text, n)| ((*text).to_owned(), *n));
        assert_eq!(left, selectors.collect(), "{texts:?}");
    }

    #[test]
    fn what_occurs_more_than_once_is_shared() {
        let ok = "sum(rate(c{status=\"ok\"}[5m])) / sum(rate(c[5m])) < 0.9";
        let failed = "sum(rate(c{status=\"failed\"}[5m])) / sum(rate(c[5m]))";
        check(
            &[
                ok,
                &format!("{failed} > 0.1"),
                &format!("{failed} > 0.25"),
                "sum(rate(c[5m])) == 0 and sum(increase(c[1h])) > 0",
            ],
            2,
            &[
                ("c", 2),
                ("c{status=\"failed\"}", 1),
                ("c{status=\"ok\"}", 1),
            ],
        );
        check(&["a > 1", "a > 2", "b"], 1, &[("a", 1), ("b", 1)]);
        check(&["(a - a) / (a - a)"], 2, &[("a", 1)]);
        check(
            &["scalar(sum(a))", "vector(scalar(sum(a)))"],
            1,
            &[("a", 1)],
        );
    }

    #[test]
    fn what_is_shared_already_is_found_again() {
        let texts = [
            "sum(rate(a[5m])) / sum(rate(b[5m])) > 1",
            "sum(rate(a[5m])) / sum(rate(b[5m])) > 2",
            "rate(b[5m]) > 3",
            "vector(scalar(b)) + b",
        ];
        let parse = |text: &str| compile(text, Compat::V3).unwrap().expr;
        let mut exprs: Vec<Expr> = texts.iter().map(|text| parse(text)).collect();
        let list = share(exprs.iter_mut(), &BTreeSet::new());
        assert_eq!(list.len(), 3);
        for (text, shared) in texts.iter().zip(&exprs) {
            let mut again = parse(text);
            again.each_root(&mut |root| reuse(root, &list));
            assert_eq!(format!("{again:?}"), format!("{shared:?}"), "{text}");
        }
        let mut other = parse("sum(rate(a[6m])) / sum(a)");
        other.each_root(&mut |root| reuse(root, &list));
        let mut selectors = 0;
        other.each_selector(&[], &mut |_| selectors += 1);
        assert_eq!(selectors, 2, "nothing of it is shared");
    }

    #[test]
    fn what_differs_or_may_change_in_between_is_not() {
        check(&["rate(a[5m])", "rate(a[6m])"], 0, &[("a", 2)]);
        check(&["a", "a offset 1m", "a @ 5"], 0, &[("a", 3)]);
        check(
            &["a{b=\"c\"}", "a{b!=\"c\"}"],
            0,
            &[("a{b=\"c\"}", 1), ("a{b!=\"c\"}", 1)],
        );
        check(&["ALERTS > 1", "ALERTS > 2"], 0, &[("ALERTS", 2)]);
        check(
            &["recorded + a", "recorded + a"],
            1,
            &[("recorded", 2), ("a", 1)],
        );
        check(&["{b=\"c\"}", "{b=\"c\"}"], 0, &[("{b=\"c\"}", 2)]);
        let subquery = "max_over_time(a[5m:1m])";
        check(&[subquery, subquery], 0, &[("a", 2)]);
        check(&["vector(1)", "vector(1)"], 0, &[]);
    }
}
