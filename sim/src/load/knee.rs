//! Looks for the largest rate that is borne: doubles it until it is not, then halves the distance.

/// Two rates that are no further apart are one: the ratio of the larger to the smaller.
const NEAR: f64 = 1.06;
/// Most trials of a search.
const TRIALS_MAX: usize = 24;
/// Lowest rate that is tried.
const RATE_MIN: f64 = 1.0;
/// Highest rate that is tried.
const RATE_MAX: f64 = 1e6;

/// A search under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// The largest rate that was borne.
    borne: Option<f64>,
    /// The smallest that was not.
    not_borne: Option<f64>,
    first: f64,
    trials: usize,
}

impl Search {
    /// Begins with a rate.
    #[must_use]
    pub fn new(first: f64) -> Self {
        Self {
            borne: None,
            not_borne: None,
            first: first.clamp(RATE_MIN, RATE_MAX),
            trials: 0,
        }
    }

    /// The next rate to try; `None`: it is found, or cannot be.
    #[must_use]
    pub fn next(&self) -> Option<f64> {
        if self.trials >= TRIALS_MAX {
            return None;
        }
        match (self.borne, self.not_borne) {
            (None, None) => Some(self.first),
            (Some(borne), None) => (borne < RATE_MAX).then(|| (borne * 2.0).min(RATE_MAX)),
            (None, Some(not)) => (not > RATE_MIN).then(|| (not / 2.0).max(RATE_MIN)),
            (Some(borne), Some(not)) => (not > borne * NEAR).then(|| (borne * not).sqrt()),
        }
    }

    /// Takes in what came of a rate.
    pub fn tell(&mut self, rate: f64, is_borne: bool) {
        self.trials += 1;
        // Chance may have it that less is not borne than was before: the lower one is believed.
        if is_borne {
            self.borne = Some(self.borne.map_or(rate, |borne| borne.max(rate)));
        } else {
            self.not_borne = Some(self.not_borne.map_or(rate, |not| not.min(rate)));
            self.borne = self.borne.filter(|borne| *borne < rate);
        }
    }

    /// The largest rate that was borne, if a larger one was not.
    #[must_use]
    pub fn found(&self) -> Option<f64> {
        self.borne.filter(|_| self.not_borne.is_some())
    }

    /// The largest rate that was borne, whether there is an end or not.
    #[must_use]
    pub fn at_least(&self) -> Option<f64> {
        self.borne
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn search(first: f64, knee: f64) -> Search {
        let mut search = Search::new(first);
        while let Some(rate) = search.next() {
            search.tell(rate, rate <= knee);
        }
        search
    }

    proptest! {
        #[test]
        fn the_knee_is_found_from_above_and_below(first in 1.0..5e5_f64, knee in 2.0..4e5_f64) {
            let found = search(first, knee).found().unwrap();
            prop_assert!(found <= knee && knee <= found * NEAR * 1.001, "{} {}", found, knee);
        }
    }

    #[test]
    fn what_has_no_end_is_not_found() {
        let endless = search(100.0, f64::INFINITY);
        assert_eq!(
            (endless.found(), endless.at_least()),
            (None, Some(RATE_MAX))
        );
        let nothing = search(100.0, 0.0);
        assert_eq!((nothing.found(), nothing.at_least()), (None, None));
    }

    #[test]
    fn of_two_answers_that_disagree_the_lower_is_believed() {
        let mut search = Search::new(100.0);
        search.tell(100.0, true);
        search.tell(200.0, true);
        search.tell(150.0, false);
        assert_eq!(search.at_least(), None);
        assert_eq!(search.next(), Some(75.0));
    }
}
