//! The figures of all drills, one number each: what a benchmark keeps from run to run.

use crate::figures::metric::ALERT;
use crate::figures::{Aggregation, DrillFigures, Kind, Metric, Sum};
use std::collections::BTreeMap;

/// Figures by what they are of, those of single alerts left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// By scenario and metric; all scenarios together under no name.
    sums: BTreeMap<(String, &'static str), Sum>,
}

/// One figure of all drills.
#[derive(Debug, Clone, PartialEq)]
pub struct Total {
    /// Which.
    pub metric: &'static Metric,
    /// Of which scenario; empty: of all.
    pub scenario: String,
    /// How those of single drills became one number.
    pub aggregation: Aggregation,
    /// The number; infinite: it never came.
    pub value: f64,
    /// Its 95 % interval, of shares and rates.
    pub interval: Option<(f64, f64)>,
}

impl Kind {
    /// How figures of this kind are told in one number.
    fn usual(self) -> Aggregation {
        match self {
            Self::Count => Aggregation::Avg,
            Self::Seconds | Self::PerSecond => Aggregation::Med,
            Self::Share | Self::PerWeek => Aggregation::Value,
        }
    }
}

impl Totals {
    /// Takes a drill in.
    pub fn add(&mut self, drill: &DrillFigures) {
        let whole = drill.points.iter();
        for point in whole.filter(|point| !point.labels.contains_key(ALERT)) {
            for scenario in ["", &drill.scenario] {
                let key = (scenario.to_owned(), point.metric.name);
                self.sums
                    .entry(key)
                    .or_default()
                    .add(drill.seed, &point.amount);
            }
        }
    }

    /// The figures, those of all scenarios first.
    pub fn all(&self) -> impl Iterator<Item = Total> {
        self.sums.iter().filter_map(|((scenario, name), sum)| {
            let metric = Metric::named(name)?;
            let aggregation = metric.kind.usual();
            let bounds = matches!(metric.kind, Kind::Share | Kind::PerWeek);
            let interval = || Some((sum.get(Aggregation::Low)?, sum.get(Aggregation::High)?));
            Some(Total {
                metric,
                scenario: scenario.clone(),
                aggregation,
                value: sum.get(aggregation)?,
                interval: interval().filter(|_| bounds),
            })
        })
    }

    /// How many of how many, of a share over all scenarios.
    #[must_use]
    pub fn share(&self, metric: &str) -> Option<(u64, u64)> {
        let found = self.sums.iter();
        let mut found =
            found.filter(|((scenario, name), _)| scenario.is_empty() && *name == metric);
        found.next()?.1.share()
    }
}
