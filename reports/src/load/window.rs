//! What happened while a load was measured: after the warm-up, and not while the last tasks were waited for.

use super::account::Counts;
use super::latency::Stage;
use super::series::Row;
use super::{LoadHeader, LoadRecord, Sides};

/// A backlog may grow by this share of what arrived.
const GROWTH_MAX: f64 = 0.02;
/// Or by so many standard deviations of a number of independent arrivals.
const NOISE: f64 = 2.0;

impl LoadHeader {
    /// Whether a stretch of time, seconds since the first possible arrival, is measured. The end may be between two full seconds.
    #[must_use]
    pub fn measures(&self, at_s: f64, width_s: f64) -> bool {
        let end_s = self.warmup_s + self.lasts_s;
        at_s >= self.warmup_s && at_s + width_s <= end_s.max(self.warmup_s + width_s)
    }
}

impl LoadRecord {
    /// The rows that are measured.
    fn window(&self) -> impl DoubleEndedIterator<Item = &Row> + Clone {
        let header = &self.facts.header;
        let rows = self.facts.series.rows.iter();
        rows.filter(|row| header.measures(row.at_s, row.width_s))
    }

    /// How long that was, seconds.
    #[must_use]
    pub fn window_s(&self) -> f64 {
        let rows: f64 = self.window().map(|row| row.width_s).sum();
        // The last second of a load that was over before its time is not a whole one, nor the only one of a shorter load.
        let header = &self.facts.header;
        let ran_s = self.facts.ran_s - header.warmup_s;
        let most = [ran_s, header.lasts_s].into_iter().filter(|s| *s > 0.0);
        most.fold(rows, f64::min)
    }

    /// What was counted in it.
    fn counts_in_window(&self) -> Counts {
        let mut counts = Counts::default();
        self.window().for_each(|row| counts.add(&row.counts));
        counts
    }

    /// How often a stage was measured in it: only tasks that arrived in it count.
    fn measured_in_window(&self, stage: Stage) -> u64 {
        let briefs = self.window().filter_map(|row| row.stages.get(&stage));
        briefs.map(|brief| brief.count).sum()
    }

    /// Tasks that arrived after the warm-up and were worked on per second, or enqueued where nobody of ours worked; `None`: nothing
    /// was measured.
    #[must_use]
    pub fn rate_per_s(&self) -> Option<f64> {
        let count = match self.facts.header.sides.consumes() {
            true => self.measured_in_window(Stage::Service),
            // Duplicates are answered, too.
            false => {
                let enqueued = self.counts_in_window().enqueued;
                self.measured_in_window(Stage::Enqueue).min(enqueued)
            }
        };
        let seconds = self.window_s();
        (seconds > 0.0 && count > 0).then(|| count as f64 / seconds)
    }

    /// The share of the time that the workers' slots were busy with handlers.
    #[must_use]
    pub fn busy_slots(&self) -> Option<f64> {
        let counts = self.counts_in_window();
        let slots = f64::from(self.facts.header.slots) * self.window_s();
        let handled = (counts.succeeded + counts.failed) as f64;
        let busy = self.latencies[Stage::Service].mean()? * handled;
        (slots > 0.0).then(|| (busy / slots).min(1.0))
    }

    /// The share of a core that Redis took (of a cluster: its busiest node); `None`: it could not be asked.
    #[must_use]
    pub fn redis_cpu(&self) -> Option<f64> {
        let known = self
            .window()
            .filter_map(|row| Some((row.width_s, row.redis?.cpu)));
        let seconds: f64 = known.clone().map(|(width_s, _)| width_s).sum();
        let spent: f64 = known.map(|(width_s, cpu)| width_s * cpu).sum();
        (seconds > 0.0).then(|| spent / seconds)
    }

    /// Tasks that were pending or active when arrivals ended.
    #[must_use]
    pub fn backlog_at_end(&self) -> Option<u64> {
        self.window().filter_map(|row| row.backlog).next_back()
    }

    /// By how many tasks the backlog grew, where that is more than chance and a queue that keeps up explain.
    #[must_use]
    pub fn backlog_growth(&self) -> Option<u64> {
        let counts = self.counts_in_window();
        let arrived = (counts.intended + counts.from_groups) as f64;
        let ended = (counts.succeeded + counts.archived + counts.grouped) as f64;
        let slots = f64::from(self.facts.header.slots);
        // Whoever has a free slot keeps up. Tasks that are scheduled or to be retried are not there yet.
        let waiting = self.backlog_at_end()? as f64 - slots;
        let growth = (arrived - ended).max(self.slope()).min(waiting);
        let allowed = (arrived * GROWTH_MAX).max(arrived.sqrt() * NOISE);
        (growth > allowed).then_some(growth as u64)
    }

    /// What the line through the backlogs (least squares) rises by over the window.
    fn slope(&self) -> f64 {
        let points = self
            .window()
            .filter_map(|row| Some((row.at_s, row.backlog? as f64)));
        let count = points.clone().count() as f64;
        if count < 3.0 {
            return 0.0;
        }
        let mean = |of: fn((f64, f64)) -> f64| points.clone().map(of).sum::<f64>() / count;
        let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
        let (mut above, mut below) = (0.0, 0.0);
        for (x, y) in points {
            above += (x - x_mean) * (y - y_mean);
            below += (x - x_mean).powi(2);
        }
        above / below * self.window_s()
    }

    /// Tasks that were measured when they came and had not begun in the end, and the share of all that came: their waits are in no
    /// histogram.
    #[must_use]
    pub fn not_begun(&self) -> Option<(u64, f64)> {
        let (counts, left) = (&self.facts.counts, self.facts.left.as_ref()?);
        if self.facts.header.sides != Sides::Both {
            return None;
        }
        // What is not due yet does not wait, and what became part of an aggregate never begins.
        let others = counts.duplicates + counts.grouped + left.aggregating + left.scheduled;
        let came = self.latencies[Stage::Enqueue]
            .count()
            .saturating_sub(others);
        let missing = came.saturating_sub(self.latencies[Stage::Wait].count());
        (came > 0).then(|| (missing, missing as f64 / came as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Brief, Left, LoadFacts, RedisRow, Series};

    /// Ten measured seconds after one of warm-up, and five of draining: so many tasks arrive and are done in each.
    fn record(arrive: u64, done: u64) -> LoadRecord {
        let mut rows = Vec::new();
        let mut waiting = 0;
        for second in 0..16_u32 {
            let arrived = if second < 11 { arrive } else { 0 };
            let ended = done.min(waiting + arrived);
            waiting = waiting + arrived - ended;
            let measured = if second == 0 { 0 } else { ended };
            rows.push(Row {
                at_s: f64::from(second),
                width_s: 1.0,
                counts: Counts {
                    intended: arrived,
                    succeeded: ended,
                    ..Counts::default()
                },
                backlog: Some(waiting),
                redis: Some(RedisRow {
                    cpu: if second < 11 { 0.95 } else { 0.05 },
                    ..RedisRow::default()
                }),
                stages: [(
                    Stage::Service,
                    Brief {
                        count: measured,
                        ..Brief::default()
                    },
                )]
                .into(),
                ..Row::default()
            });
        }
        LoadRecord {
            facts: LoadFacts {
                header: LoadHeader {
                    lasts_s: 10.0,
                    warmup_s: 1.0,
                    slots: 4,
                    ..LoadHeader::default()
                },
                series: Series { rows },
                left: Some(Left::default()),
                ran_s: 16.0,
                ..LoadFacts::default()
            },
            ..LoadRecord::default()
        }
    }

    #[test]
    fn what_is_drained_afterwards_is_in_no_average() {
        let record = record(100, 80);
        assert_eq!(record.rate_per_s(), Some(80.0));
        assert!((record.redis_cpu().unwrap() - 0.95).abs() < 1e-9);
        assert_eq!(record.backlog_at_end(), Some(220));
    }

    #[test]
    fn a_load_of_less_than_a_second_has_the_rate_of_that_time() {
        let mut short = record(50, 50);
        let header = &mut short.facts.header;
        (header.warmup_s, header.lasts_s, short.facts.ran_s) = (0.0, 0.5, 1.2);
        short.facts.series.rows.drain(..1);
        short.facts.series.rows[0].at_s = 0.0;
        assert_eq!(short.rate_per_s(), Some(100.0));
    }

    #[test]
    fn tasks_of_the_warm_up_are_not_in_the_rate() {
        let mut late = record(100, 100);
        // A backlog of the warm-up is worked off in the second after it.
        late.facts.series.rows[1].counts.succeeded += 500;
        assert_eq!(late.rate_per_s(), Some(100.0));
    }

    #[test]
    fn a_backlog_that_grows_is_told_from_one_that_is_there() {
        assert_eq!(record(483, 432).backlog_growth(), Some(510));
        assert_eq!(record(483, 483).backlog_growth(), None);
        // A queue that keeps up may have many waiting all the time.
        let mut deep = record(483, 483);
        for row in &mut deep.facts.series.rows {
            row.backlog = Some(200);
        }
        assert_eq!(deep.backlog_growth(), None);
        // Retries are worked on, too, and bring nothing further.
        let mut rising = record(483, 483);
        for (second, row) in rising.facts.series.rows.iter_mut().enumerate() {
            row.backlog = Some(50 * second as u64);
        }
        assert!(
            rising
                .backlog_growth()
                .is_some_and(|by| (495..=500).contains(&by))
        );
    }

    #[test]
    fn what_never_began_is_counted() {
        let mut starved = record(10, 10);
        for task in 0..100 {
            starved.latencies[Stage::Enqueue].record(1_000);
            if task < 90 {
                starved.latencies[Stage::Wait].record(1_000);
            }
        }
        assert_eq!(starved.not_begun(), Some((10, 0.1)));
        starved.facts.left.as_mut().unwrap().scheduled = 10;
        assert_eq!(starved.not_begun(), Some((0, 0.0)), "not due yet");
    }
}
