//! Whether there are samples enough for what is asked of them.

use super::series::{Ranged, walk};
use super::{Reading, RemarkKind};
use crate::compat::Compat;
use crate::duration;
use crate::promql::Expr;
use crate::yaml::Position;

/// A range should hold so many scrapes: one may be missing, another late, and two are left.
const ENOUGH: i64 = 4;

/// Functions that say nothing of a single sample.
const OF_TWO: [&str; 9] = [
    "rate",
    "increase",
    "irate",
    "delta",
    "idelta",
    "deriv",
    "predict_linear",
    "double_exponential_smoothing",
    "holt_winters",
];

impl Reading<'_> {
    /// How far apart a metric's samples are; `None`: that is not known, or they are no scrape's.
    fn apart_ms(&self, metric: Option<&str>) -> Option<i64> {
        let is_recorded = |name: &str| {
            // Colons are for what rules record.
            name.contains(':')
                || self.around.recorded.contains(name)
                || crate::alert::WRITTEN.contains(&name)
        };
        if metric.is_some_and(is_recorded) {
            return None;
        }
        let apart = self.around.surroundings.scrape_interval_ms(metric);
        apart.filter(|apart| *apart > 0)
    }

    /// A range that holds too few scrapes.
    pub(super) fn range(&mut self, ranged: &Ranged<'_>) {
        let Some(apart_ms) = self.apart_ms(ranged.metric) else {
            return;
        };
        if !OF_TWO.contains(&ranged.function) || ranged.range_ms >= ENOUGH.saturating_mul(apart_ms)
        {
            return;
        }
        let most = most_samples(ranged.range_ms, apart_ms, self.around.compat);
        let range = duration::format_ms(ranged.range_ms);
        let apart = duration::format_ms(apart_ms);
        let enough = duration::format_ms(ENOUGH.saturating_mul(apart_ms));
        let hint = format!("give it a range of four scrapes or more: [{enough}]");
        match most {
            ..2 => self.say(
                RemarkKind::RangeWithoutData,
                ranged.expr,
                format!(
                    "never has a value: with a scrape every {apart}, {range} hold one sample at most, and {}() needs two",
                    ranged.function
                ),
                &hint,
            ),
            _ => self.say(
                RemarkKind::RangeOfFewScrapes,
                ranged.expr,
                format!(
                    "goes by {most} samples at most, with a scrape every {apart}: little or nothing is left where one is missing or late"
                ),
                &hint,
            ),
        }
    }

    /// A `for` during which the same samples are looked at again.
    pub(super) fn short_for(&mut self, for_ms: i64, for_at: Option<Position>, expr: &Expr) {
        let mut soonest: Option<i64> = None;
        let mut is_known = true;
        walk(expr, &mut |part| {
            let name = match part {
                Expr::Selector(selector) => selector.name.as_deref(),
                Expr::Range(range) => range.selector.name.as_deref(),
                _ => return,
            };
            match self.apart_ms(name) {
                Some(apart) => soonest = Some(soonest.map_or(apart, |soonest| soonest.min(apart))),
                None => is_known = false,
            }
        });
        let Some(apart_ms) = soonest.filter(|apart| is_known && for_ms < *apart) else {
            return;
        };
        let apart = duration::format_ms(apart_ms);
        let region = for_at.and_then(|at| self.group.source.whole(at));
        self.push(
            RemarkKind::ForBelowScrape,
            format!("for: {}", duration::format_ms(for_ms)),
            region,
            format!(
                "is shorter than the {apart} between two scrapes: it may be over before there is another sample"
            ),
            "wait for two scrapes or more, or leave out `for`",
        );
    }
}

/// How many samples so far apart a range can hold.
fn most_samples(range_ms: i64, apart_ms: i64, compat: Compat) -> i64 {
    let whole = range_ms / apart_ms;
    // A sample exactly at the left end counts in Prometheus 2 only.
    match compat.left_open() && range_ms % apart_ms == 0 {
        true => whole,
        false => whole + 1,
    }
}
