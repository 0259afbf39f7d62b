//! From the tree to what the engine compiles.

use regex_syntax::hir::{Capture, Class, Hir, HirKind, Repetition};

use super::tree::{Kind, Node, Operator, Repeat};

/// What a regular expression weighs at least, however short.
const LEAST: usize = 30;

/// The tree in the engine's form. Recursion is bounded by the nesting that the parser accepts.
pub(super) fn translate(node: &Node) -> Hir {
    match &node.kind {
        Kind::Empty => Hir::empty(),
        Kind::Literal(char) => Hir::literal(char.encode_utf8(&mut [0; 4]).as_bytes()),
        Kind::Class(class) => Hir::class(Class::Unicode(class.clone())),
        Kind::Look(look) => Hir::look(*look),
        Kind::Capture { index, of } => Hir::capture(Capture {
            index: *index,
            // The engine wants different names, Go does not; they are kept beside it.
            name: None,
            sub: translate(of).into(),
        }),
        Kind::Repeat { how, of } => repeat(*how, of),
        Kind::Concat(parts) => Hir::concat(parts.iter().map(translate).collect()),
        Kind::Alternate(parts) => Hir::alternation(parts.iter().map(translate).collect()),
    }
}

fn repeat(how: Repeat, of: &Node) -> Hir {
    // Go takes `(?:a*)*` for `a*` before it compiles (`regexp/syntax`, simplify1).
    if let Kind::Repeat { how: inner, .. } = &of.kind
        && *inner == how
        && !matches!(how.operator, Operator::Counted { .. })
    {
        return translate(of);
    }
    let (min, max) = match how.operator {
        Operator::Star => (0, None),
        Operator::Plus => (1, None),
        Operator::Quest => (0, Some(1)),
        Operator::Counted { min, max } => (min, max),
    };
    Hir::repetition(Repetition {
        min,
        max,
        greedy: !how.lazy,
        sub: translate(of).into(),
    })
}

/// About how many states the engine makes of it, known before it does: `.{0,1000}` is short to write only.
pub(super) fn weight(hir: &Hir) -> usize {
    LEAST.saturating_add(states(hir))
}

fn states(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        // A range is some sequences of up to four bytes, but those of many ranges have their ends in common.
        HirKind::Class(Class::Unicode(class)) => class.ranges().len().saturating_add(6),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len(),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1) as usize;
            states(&repetition.sub)
                .saturating_add(1)
                .saturating_mul(times)
        }
        HirKind::Capture(capture) => states(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts
            .iter()
            .fold(1, |sum, part| sum.saturating_add(states(part))),
    }
}
