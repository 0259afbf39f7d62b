//! Sets of time: unions of half-open intervals `[from, to)` of milliseconds.

/// Intervals in order, apart from each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Spans(Vec<(i64, i64)>);

impl Spans {
    /// The union of intervals in any order; empty and reversed ones hold nothing.
    pub(crate) fn new(intervals: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let mut sorted: Vec<(i64, i64)> = intervals
            .into_iter()
            .filter(|(from, to)| to > from)
            .collect();
        sorted.sort_unstable();
        let mut joined: Vec<(i64, i64)> = Vec::with_capacity(sorted.len());
        for (from, to) in sorted {
            match joined.last_mut() {
                Some((_, reached)) if from <= *reached => *reached = to.max(*reached),
                _ => joined.push((from, to)),
            }
        }
        Self(joined)
    }

    /// Milliseconds in the set.
    pub(crate) fn total_ms(&self) -> i64 {
        self.0.iter().map(|(from, to)| to - from).sum()
    }

    /// The intervals, in order.
    pub(crate) fn intervals(&self) -> impl Iterator<Item = (i64, i64)> {
        self.0.iter().copied()
    }

    /// What both hold.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let pairs = self
            .0
            .iter()
            .flat_map(|a| other.0.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))));
        Self::new(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_counted_once() {
        let a = Spans::new([(5, 9), (0, 3), (2, 4), (8, 8), (7, 6)]);
        assert_eq!(a, Spans(vec![(0, 4), (5, 9)]));
        assert_eq!(a.total_ms(), 8);
        assert_eq!(a.and(&Spans::new([(3, 6)])).total_ms(), 2);
    }
}
