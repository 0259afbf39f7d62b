//! What the rules are asked: many have parts in common, which are asked once.

use firedrill_detector::anatomy::{Anatomy, PartKind};
use firedrill_detector::query::Query;
use std::collections::BTreeMap;

/// Every expression that is asked, once: many rules have parts in common.
pub(super) struct Questions {
    pub(super) queries: Vec<Query>,
    /// Of every rule: the whole, then of every part the whole, the left and the right.
    pub(super) places: Vec<(usize, Vec<[Option<usize>; 3]>)>,
}

impl Questions {
    pub(super) fn new(anatomies: &[Anatomy]) -> Self {
        let mut queries = Vec::new();
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        // Two expressions are the same if their compiled trees are.
        let mut place = |query: &Query| {
            *known.entry(format!("{query:?}")).or_insert_with(|| {
                queries.push(query.clone());
                queries.len() - 1
            })
        };
        let places = anatomies
            .iter()
            .map(|anatomy| {
                let parts = anatomy.parts.iter().map(|part| match &part.kind {
                    PartKind::Selector(_) => [None; 3],
                    PartKind::Operation {
                        query, left, right, ..
                    } => [query, &left.query, &right.query].map(|query| Some(place(query))),
                    PartKind::Absent { query, .. } => [Some(place(query)), None, None],
                });
                let parts = parts.collect();
                (place(&anatomy.query), parts)
            })
            .collect();
        Self { queries, places }
    }
}
