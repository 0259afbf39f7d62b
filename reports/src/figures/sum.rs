//! Figures of many drills put together.

use crate::figures::{Amount, Kind};
use crate::trials::Tally;
use crate::waits::Waits;
use std::fmt;

/// How figures of many drills become one number; k6's words.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregation {
    /// All of them added up; of shares and rates, how many there were.
    Count,
    /// The share, or the rate, of the sums.
    Value,
    /// Lower bound of its 95 % interval.
    Low,
    /// Upper bound of its 95 % interval.
    High,
    /// Mean.
    Avg,
    /// The least.
    Min,
    /// The middle one.
    Med,
    /// The largest.
    Max,
    /// What so many percent do not exceed.
    P(f64),
}

/// Kinds that are plain numbers.
const NUMBERS: &[Kind] = &[Kind::Count, Kind::Seconds, Kind::PerSecond];

/// Every aggregation: how it is written, what it is for, and what it means. `p(N)` is among them.
pub const AGGREGATIONS: [(&str, &[Kind], &str); 9] = [
    (
        "count",
        &[Kind::Count, Kind::Share, Kind::PerWeek],
        "all drills added up; of a share or a rate, how many there were",
    ),
    (
        "value",
        &[Kind::Share, Kind::PerWeek],
        "the share, or the rate, over all drills",
    ),
    (
        "low",
        &[Kind::Share, Kind::PerWeek],
        "lower bound of its 95 % interval: what is proven",
    ),
    (
        "high",
        &[Kind::Share, Kind::PerWeek],
        "upper bound of its 95 % interval",
    ),
    ("avg", NUMBERS, "mean"),
    ("min", NUMBERS, "the least"),
    ("med", NUMBERS, "the middle one"),
    ("max", NUMBERS, "the largest"),
    (
        "p(N)",
        NUMBERS,
        "what N percent do not exceed, such as `p(95)`",
    ),
];

impl Aggregation {
    /// The one that is written so.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let plain = [
            Self::Count,
            Self::Value,
            Self::Low,
            Self::High,
            Self::Avg,
            Self::Min,
            Self::Med,
            Self::Max,
        ];
        if let Some(found) = plain.into_iter().find(|known| known.to_string() == word) {
            return Some(found);
        }
        let percent = word.strip_prefix("p(")?.strip_suffix(')')?;
        let percent: f64 = percent.trim().parse().ok()?;
        (percent > 0.0 && percent <= 100.0).then_some(Self::P(percent))
    }

    /// Whether figures of this kind can be put together so.
    #[must_use]
    pub fn is_of(self, kind: Kind) -> bool {
        let word = match self {
            Self::P(_) => "p(N)".to_owned(),
            plain => plain.to_string(),
        };
        let found = AGGREGATIONS.iter().find(|(known, ..)| *known == word);
        found.is_some_and(|(_, kinds, _)| kinds.contains(&kind))
    }

    /// The unit of what comes of it.
    #[must_use]
    pub fn kind(self, of: Kind) -> Kind {
        match self {
            Self::Count => Kind::Count,
            _ => of,
        }
    }
}

impl fmt::Display for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::Value => "value",
            Self::Low => "low",
            Self::High => "high",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Med => "med",
            Self::Max => "max",
            Self::P(percent) => return write!(f, "p({percent})"),
        })
    }
}

/// Figures of one kind, as they come in.
#[derive(Debug, Clone, PartialEq)]
pub struct Sum {
    parts: Parts,
}

#[derive(Debug, Clone, PartialEq)]
enum Parts {
    None,
    Numbers(Vec<f64>),
    Waits(Waits),
    /// In microseconds.
    Micros(Waits),
    Share(Tally),
    Rate(Tally),
}

impl Default for Sum {
    fn default() -> Self {
        Self { parts: Parts::None }
    }
}

impl Sum {
    /// Takes one in. Those of one metric are of one kind; what is of another kind than the first is left out.
    pub fn add(&mut self, seed: u64, amount: &Amount) {
        if self.parts == Parts::None {
            self.parts = match amount {
                Amount::Count(_) | Amount::Seconds(_) | Amount::PerSecond(_) => {
                    Parts::Numbers(Vec::new())
                }
                Amount::Share(..) => Parts::Share(Tally::default()),
                Amount::Rate(..) => Parts::Rate(Tally::default()),
                Amount::Waits(_) => Parts::Waits(Waits::new()),
                Amount::Micros(_) => Parts::Micros(Waits::new()),
            };
        }
        match (&mut self.parts, amount) {
            (Parts::Numbers(all), Amount::Count(count)) => all.push(*count as f64),
            (Parts::Numbers(all), Amount::PerSecond(rate)) => all.push(*rate),
            (Parts::Numbers(all), Amount::Seconds(seconds)) => {
                all.push(seconds.unwrap_or(f64::INFINITY));
            }
            (Parts::Share(tally), Amount::Share(count, of))
            | (Parts::Rate(tally), Amount::Rate(count, of)) => tally.add(seed, *count, *of),
            (Parts::Waits(all), Amount::Waits(waits))
            | (Parts::Micros(all), Amount::Micros(waits)) => all.merge(&waits.waits()),
            _ => {}
        }
    }

    /// Of a share: how many of how many.
    pub(super) fn share(&self) -> Option<(u64, u64)> {
        match &self.parts {
            Parts::Share(tally) => tally.share().map(|share| (share.count, share.of)),
            _ => None,
        }
    }

    /// The number they make; `None`: there are none. Infinite: it never came.
    #[must_use]
    pub fn get(&self, how: Aggregation) -> Option<f64> {
        match &self.parts {
            Parts::None => None,
            Parts::Numbers(all) => numbers(all, how),
            Parts::Waits(waits) => seconds(waits, 1e3, how),
            Parts::Micros(waits) => seconds(waits, 1e6, how),
            Parts::Share(tally) => {
                let share = tally.share()?;
                Some(match how {
                    Aggregation::Count => share.count as f64,
                    Aggregation::Low => share.low,
                    Aggregation::High => share.high,
                    _ => share.value(),
                })
            }
            Parts::Rate(tally) => {
                let rate = tally.rate()?;
                Some(match how {
                    Aggregation::Count => rate.count as f64,
                    Aggregation::Low => rate.low_per_week,
                    Aggregation::High => rate.high_per_week,
                    _ => rate.per_week(),
                })
            }
        }
    }
}

fn numbers(all: &[f64], how: Aggregation) -> Option<f64> {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    let sum: f64 = sorted.iter().sum();
    let last = *sorted.last()?;
    let at = |share: f64| {
        let rank = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied()
    };
    match how {
        Aggregation::Min => at(0.0),
        Aggregation::Med => at(0.5),
        Aggregation::P(percent) => at(percent / 100.0),
        Aggregation::Max => Some(last),
        Aggregation::Avg => Some(sum / sorted.len() as f64),
        _ => Some(sum),
    }
}

/// `unit`: how many of the histogram's unit make a second.
fn seconds(waits: &Waits, unit: f64, how: Aggregation) -> Option<f64> {
    let value = match how {
        Aggregation::Avg => waits.mean()?,
        Aggregation::Max => waits.max()? as f64,
        Aggregation::Min => waits.quantile(0.0)? as f64,
        Aggregation::P(percent) => waits.quantile(percent / 100.0)? as f64,
        _ => waits.quantile(0.5)? as f64,
    };
    Some(value / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(amounts: impl IntoIterator<Item = Amount>) -> Sum {
        let mut sum = Sum::default();
        for (seed, amount) in (0..).zip(amounts) {
            sum.add(seed, &amount);
        }
        sum
    }

    #[test]
    fn words_are_read_back() {
        for (word, kinds, _) in AGGREGATIONS {
            let found = Aggregation::named(&word.replace('N', "99.9")).unwrap();
            for kind in [
                Kind::Count,
                Kind::Share,
                Kind::Seconds,
                Kind::PerWeek,
                Kind::PerSecond,
            ] {
                assert_eq!(found.is_of(kind), kinds.contains(&kind), "{word} {kind:?}");
            }
        }
        for wrong in ["p(0)", "p(101)", "p(x)", "p95", "p(NaN)", "mean", ""] {
            assert_eq!(Aggregation::named(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_never_came_is_later_than_anything() {
        let three = sum([Some(30.0), None, Some(10.0)].map(Amount::Seconds));
        assert_eq!(three.get(Aggregation::Min), Some(10.0));
        assert_eq!(three.get(Aggregation::Med), Some(30.0));
        assert_eq!(three.get(Aggregation::P(95.0)), Some(f64::INFINITY));
        assert_eq!(three.get(Aggregation::Avg), Some(f64::INFINITY));
        assert_eq!(Sum::default().get(Aggregation::Max), None);
    }

    #[test]
    fn shares_and_rates_come_of_sums() {
        let shares = sum([
            Amount::Share(1, 1),
            Amount::Share(0, 1),
            Amount::Share(2, 2),
        ]);
        assert_eq!(shares.get(Aggregation::Value), Some(0.75));
        assert_eq!(shares.get(Aggregation::Count), Some(3.0));
        let low = shares.get(Aggregation::Low).unwrap();
        let high = shares.get(Aggregation::High).unwrap();
        assert!(low < 0.75 && 0.75 < high, "{low} {high}");
        let week = 7 * 24 * 3_600_000;
        let rates = sum([Amount::Rate(3, week), Amount::Rate(0, week)]);
        let rate = rates.get(Aggregation::Value).unwrap();
        assert!((rate - 1.5).abs() < 1e-9, "{rate}");
    }

    #[test]
    fn waits_are_of_all_tasks_together() {
        let waits = |all: &[i64]| {
            let mut waits = Waits::new();
            all.iter().for_each(|ms| waits.record(*ms));
            Amount::Waits(waits.into())
        };
        let all = sum([waits(&[1_000, 1_000, 1_000]), waits(&[500])]);
        assert_eq!(all.get(Aggregation::Med), Some(1.0));
        assert_eq!(all.get(Aggregation::Min), Some(0.5));
        assert_eq!(all.get(Aggregation::Avg), Some(0.875));
    }
}
