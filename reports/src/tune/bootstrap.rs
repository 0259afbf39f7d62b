//! How sure a proposal is: the drills are drawn again and again, and it has to stand up to the other settings each time.
//!
//! What is drawn are seeds with all their drills, since drills of one seed may have more in common than others (a cluster
//! bootstrap). The generator is keyed with the drills' own outcomes, so that the same drills give the same answer.

use super::TuneParams;
use super::observe::Observed;
use super::search::{alarms_allowed, as_fast};
use crate::resample::{Resample, percentiles};
use crate::score::stats::WEEK_MS;
use std::collections::BTreeMap;

/// How a proposal fares when the drills are drawn again. Intervals hold 95 % of the resamples.
#[derive(Debug, Clone, PartialEq)]
pub struct Confidence {
    /// How often the drills were drawn.
    pub resamples: u32,
    /// In so many of them the proposal was among the best by the same rule.
    pub best: u32,
    /// In so many of them no setting beat it in false alarms, incidents in time and median latency together, where latencies
    /// that differ by no more than the slack are equal.
    pub on_front: u32,
    /// Share of incidents detected by the deadline.
    pub recall: Option<(f64, f64)>,
    /// False alarms per week.
    pub false_per_week: Option<(f64, f64)>,
    /// Median latency; `None` is a miss.
    pub median_ms: (Option<i64>, Option<i64>),
}

/// Resamples the drills.
pub(super) fn confidence(
    records: &[&Observed],
    settings: usize,
    proposal: usize,
    params: &TuneParams,
) -> Confidence {
    let mut table = Table::new(records, settings);
    let proposal = table.column_of[proposal];
    let clusters = table.clusters.len();
    let mut resample = Resample::new(clusters, content(records));
    let (mut best, mut on_front) = (0, 0);
    let (mut recalls, mut rates, mut medians) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..params.resamples {
        let mut weights = vec![0_u32; clusters];
        resample.draw().for_each(|index| weights[index] += 1);
        let drawn = table.draw(&weights);
        let own_median = table.median(proposal, &weights);
        best += u32::from(drawn.is_best(proposal, own_median, &weights, &mut table, params));
        on_front +=
            u32::from(drawn.is_on_front(proposal, own_median, &weights, &mut table, params));
        if drawn.incidents > 0 {
            recalls.push(drawn.in_time[proposal] as f64 / drawn.incidents as f64);
            medians.push(own_median);
        }
        if drawn.exposure_ms > 0 {
            rates.push(drawn.false_alarms[proposal] as f64 * WEEK_MS / drawn.exposure_ms as f64);
        }
    }
    medians.sort_unstable();
    let seen = |ms: i64| (ms < i64::MAX).then_some(ms);
    let median_ms =
        percentiles(&medians).map_or((None, None), |(low, high)| (seen(low), seen(high)));
    Confidence {
        resamples: params.resamples,
        best,
        on_front,
        recall: interval(recalls),
        false_per_week: interval(rates),
        median_ms,
    }
}

fn interval(mut values: Vec<f64>) -> Option<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    percentiles(&values)
}

/// Outcomes by cluster. Settings with the same outcome in every drill share a column.
struct Table<'o> {
    clusters: Vec<Cluster<'o>>,
    column_of: Vec<usize>,
    /// One setting of each column.
    settings: Vec<usize>,
    /// Sorted latencies and their clusters, of the columns that were asked for.
    latencies: BTreeMap<usize, Vec<(i64, usize)>>,
}

/// The drills of a seed.
struct Cluster<'o> {
    records: Vec<&'o Observed>,
    incidents: u64,
    exposure_ms: i64,
    /// By column.
    false_alarms: Vec<u32>,
    in_time: Vec<u32>,
}

impl<'o> Table<'o> {
    fn new(records: &[&'o Observed], settings: usize) -> Self {
        let mut known: BTreeMap<Vec<u32>, usize> = BTreeMap::new();
        let mut representatives = Vec::new();
        let column_of: Vec<usize> = (0..settings)
            .map(|setting| {
                let outcomes = records
                    .iter()
                    .map(|record| record.outcome(setting))
                    .collect();
                *known.entry(outcomes).or_insert_with(|| {
                    representatives.push(setting);
                    representatives.len() - 1
                })
            })
            .collect();
        let mut by_seed: BTreeMap<u64, Vec<&Observed>> = BTreeMap::new();
        for record in records {
            by_seed.entry(record.seed).or_default().push(record);
        }
        let cluster = |records: Vec<&'o Observed>| {
            let sum = |setting: &usize, what: fn(&super::observe::Tally) -> u32| {
                records
                    .iter()
                    .map(|record| what(record.tally(*setting)))
                    .sum()
            };
            Cluster {
                incidents: records
                    .iter()
                    .map(|record| u64::from(record.incidents))
                    .sum(),
                exposure_ms: records.iter().map(|record| record.exposure_ms).sum(),
                false_alarms: representatives
                    .iter()
                    .map(|s| sum(s, |t| t.false_alarms))
                    .collect(),
                in_time: representatives
                    .iter()
                    .map(|s| sum(s, |t| t.in_time))
                    .collect(),
                records,
            }
        };
        Self {
            clusters: by_seed.into_values().map(cluster).collect(),
            column_of,
            settings: representatives,
            latencies: BTreeMap::new(),
        }
    }

    /// The sums over the clusters, each as often as it was drawn.
    fn draw(&self, weights: &[u32]) -> Drawn {
        let mut drawn = Drawn {
            incidents: 0,
            exposure_ms: 0,
            false_alarms: vec![0; self.settings.len()],
            in_time: vec![0; self.settings.len()],
        };
        for (cluster, weight) in self
            .clusters
            .iter()
            .zip(weights)
            .filter(|(_, weight)| **weight > 0)
        {
            drawn.incidents += cluster.incidents * u64::from(*weight);
            drawn.exposure_ms += cluster.exposure_ms * i64::from(*weight);
            let add = |sums: &mut [u64], values: &[u32]| {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += u64::from(*value) * u64::from(*weight);
                }
            };
            add(&mut drawn.false_alarms, &cluster.false_alarms);
            add(&mut drawn.in_time, &cluster.in_time);
        }
        drawn
    }

    /// The median latency of a column by nearest rank; a miss is later than anything.
    fn median(&mut self, column: usize, weights: &[u32]) -> i64 {
        let (clusters, setting) = (&self.clusters, self.settings[column]);
        let latencies = self.latencies.entry(column).or_insert_with(|| {
            let mut all: Vec<(i64, usize)> = Vec::new();
            for (index, cluster) in clusters.iter().enumerate() {
                let of = cluster
                    .records
                    .iter()
                    .flat_map(|record| &record.tally(setting).latencies_ms);
                all.extend(of.map(|latency| (latency.unwrap_or(i64::MAX), index)));
            }
            all.sort_unstable();
            all
        });
        let total: u64 = latencies
            .iter()
            .map(|(_, cluster)| u64::from(weights[*cluster]))
            .sum();
        let rank = total.div_ceil(2).max(1);
        let mut passed = 0;
        for (latency, cluster) in latencies {
            passed += u64::from(weights[*cluster]);
            if passed >= rank {
                return *latency;
            }
        }
        i64::MAX
    }
}

/// One resample, by column.
struct Drawn {
    incidents: u64,
    exposure_ms: i64,
    false_alarms: Vec<u64>,
    in_time: Vec<u64>,
}

impl Drawn {
    /// Whether the rule that chose the proposal would have found it as good as any.
    fn is_best(
        &self,
        own: usize,
        own_median: i64,
        weights: &[u32],
        table: &mut Table<'_>,
        params: &TuneParams,
    ) -> bool {
        let fewest = self.false_alarms.iter().copied().min().unwrap_or(0);
        let limit = alarms_allowed(fewest, self.exposure_ms, params);
        let allowed: Vec<usize> = (0..self.in_time.len())
            .filter(|column| self.false_alarms[*column] <= limit)
            .collect();
        let most = allowed.iter().map(|column| self.in_time[*column]).max();
        if self.false_alarms[own] > limit || Some(self.in_time[own]) != most {
            return false;
        }
        let rivals = allowed
            .into_iter()
            .filter(|column| Some(self.in_time[*column]) == most);
        let fastest = rivals.map(|column| table.median(column, weights)).min();
        fastest.is_none_or(|fastest| as_fast(own_median, fastest, params))
    }

    /// Whether no other column is at least as good in everything and better in something. As in the choice, a median
    /// latency has to differ by more than the slack to count.
    fn is_on_front(
        &self,
        own: usize,
        own_median: i64,
        weights: &[u32],
        table: &mut Table<'_>,
        params: &TuneParams,
    ) -> bool {
        let (alarms, in_time) = (self.false_alarms[own], self.in_time[own]);
        !(0..self.in_time.len()).any(|column| {
            if self.false_alarms[column] > alarms || self.in_time[column] < in_time {
                return false;
            }
            let median = table.median(column, weights);
            let better = self.false_alarms[column] < alarms || self.in_time[column] > in_time;
            let slower = !as_fast(median, own_median, params);
            (better && !slower) || !as_fast(own_median, median, params)
        })
    }
}

/// Everything the records came to, as numbers.
fn content(records: &[&Observed]) -> Vec<u64> {
    let mut held = Vec::new();
    for record in records {
        held.extend(record.scenario.bytes().map(u64::from));
        held.extend([record.seed, record.exposure_ms as u64]);
        held.extend((0..record.settings()).map(|setting| u64::from(record.outcome(setting))));
        for tally in record.tallies() {
            held.extend([u64::from(tally.false_alarms), u64::from(tally.in_time)]);
            let latencies = tally.latencies_ms.iter();
            held.extend(latencies.map(|latency| latency.unwrap_or(i64::MAX) as u64));
        }
    }
    held
}
