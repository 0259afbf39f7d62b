//! The longest delays of a drill.

use firedrill_reports::record::{Gap, GapKind};
use std::collections::BTreeMap;

/// So many are kept of each kind and subject: where one delay changes nothing, a shorter one may.
const KEPT: usize = 16;

/// The longest delays of each kind and subject.
#[derive(Debug, Default)]
pub(crate) struct Gaps(BTreeMap<(GapKind, String), Vec<(i64, i64)>>);

impl Gaps {
    /// Adds a delay of `ms` that began at `at_ms`; none is none.
    pub(crate) fn add(&mut self, what: GapKind, subject: &str, at_ms: i64, ms: i64) {
        if ms <= 0 {
            return;
        }
        let kept = self.0.entry((what, subject.to_owned())).or_default();
        let place = kept.partition_point(|(_, longer)| *longer >= ms);
        if place < KEPT {
            kept.insert(place, (at_ms, ms));
            kept.truncate(KEPT);
        }
    }

    /// As a record has them: by kind and subject, the longest first.
    pub(crate) fn into_vec(self) -> Vec<Gap> {
        let all = self.0.into_iter();
        all.flat_map(|((what, subject), kept)| {
            kept.into_iter().map(move |(at_ms, ms)| Gap {
                what,
                subject: subject.clone(),
                at_ms,
                ms,
            })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_are_kept() {
        let mut gaps = Gaps::default();
        for ms in [5, 0, -3, 40, 7].into_iter().chain(100..130) {
            gaps.add(GapKind::Stall, "w-0", ms * 10, ms);
        }
        gaps.add(GapKind::Scrape, "redis/redis", 3, 2);
        let kept = gaps.into_vec();
        assert_eq!(kept.len(), 1 + KEPT);
        let stalls: Vec<i64> = kept[1..].iter().map(|gap| gap.ms).collect();
        assert_eq!(stalls, (114..130).rev().collect::<Vec<_>>());
        assert_eq!((kept[0].at_ms, kept[1].at_ms), (3, 1_290));
    }
}
