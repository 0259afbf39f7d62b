//! Figures over the last minutes, in bounded memory, and the charts of them.

use super::{Chart, Line};
use std::collections::VecDeque;

/// Most points that are kept.
pub(super) const POINTS_MOST: usize = 240;

/// What is measured, in the order of [`Values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Figure {
    Pending,
    Active,
    Scheduled,
    Retry,
    Archived,
    /// Pending and active together, where nobody tells them apart.
    Backlog,
    Arrivals,
    /// Arrivals less what was removed, where nobody counts arrivals.
    Net,
    Done,
    Failed,
    Retried,
    P50,
    P99,
    Oldest,
}

/// One value each; `None`: nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Values([Option<f64>; 14]);

impl Values {
    pub(super) fn get(&self, figure: Figure) -> Option<f64> {
        self.0[figure as usize]
    }

    pub(super) fn set(&mut self, figure: Figure, value: Option<f64>) {
        self.0[figure as usize] = value.filter(|value| value.is_finite());
    }
}

/// What is drawn together: title, and figures under their names.
type Drawn = (&'static str, &'static [(Figure, &'static str)]);

const CHARTS: [Drawn; 3] = [
    (
        "Tasks in the queues",
        &[
            (Figure::Pending, "pending"),
            (Figure::Active, "active"),
            (Figure::Scheduled, "scheduled"),
            (Figure::Retry, "retry"),
            (Figure::Archived, "archived"),
            (Figure::Backlog, "pending or active"),
        ],
    ),
    (
        "Tasks per second",
        &[
            (Figure::Arrivals, "arrivals"),
            (Figure::Net, "net arrivals"),
            (Figure::Done, "done"),
            (Figure::Failed, "failed"),
            (Figure::Retried, "retried"),
        ],
    ),
    (
        "Waits in seconds",
        &[
            (Figure::P50, "p50 of those that started"),
            (Figure::P99, "p99 of those that started"),
            (Figure::Oldest, "oldest that waits"),
        ],
    ),
];

/// The points that are kept: one for each step of time in which something was measured.
#[derive(Debug)]
pub(super) struct History {
    step_ms: i64,
    points: VecDeque<(i64, Values)>,
}

impl History {
    /// `step_ms`: how often something is measured.
    pub(super) fn new(step_ms: i64) -> Self {
        Self {
            step_ms: step_ms.max(1),
            points: VecDeque::new(),
        }
    }

    /// Whether a time is of another step than one before.
    pub(super) fn is_next(&self, before_ms: i64, at_ms: i64) -> bool {
        at_ms.div_euclid(self.step_ms) > before_ms.div_euclid(self.step_ms)
    }

    /// Adds a point; one that is no later than the last is none.
    pub(super) fn add(&mut self, at_ms: i64, values: Values) {
        if let Some((last_ms, _)) = self.points.back() {
            if at_ms <= *last_ms {
                return;
            }
            // Between two that are far apart nothing is known.
            if at_ms - last_ms > 3 * self.step_ms {
                self.points
                    .push_back((last_ms + self.step_ms, Values::default()));
            }
        }
        self.points.push_back((at_ms, values));
        let surplus = self.points.len().saturating_sub(POINTS_MOST);
        self.points.drain(..surplus);
    }

    /// When the first point is.
    pub(super) fn first_ms(&self) -> Option<i64> {
        self.points.front().map(|(at_ms, _)| *at_ms)
    }

    /// Times and charts, with what is measured now, and when that was, as the last point.
    pub(super) fn charts(&self, now: Option<(i64, Values)>) -> (Vec<i64>, Vec<Chart>) {
        let mut points: Vec<(i64, Values)> = self.points.iter().copied().collect();
        let last_ms = points.last().map(|(at_ms, _)| *at_ms);
        points.extend(now.filter(|(at_ms, _)| Some(*at_ms) > last_ms));
        let charts = CHARTS.map(|(title, figures)| {
            let lines = figures.iter().map(|(figure, name)| Line {
                name,
                points: points
                    .iter()
                    .map(|(_, values)| values.get(*figure).map(rounded))
                    .collect(),
            });
            let known = |line: &Line| line.points.iter().any(Option::is_some);
            Chart {
                title,
                lines: lines.filter(known).collect(),
            }
        });
        let times = points.into_iter().map(|(at_ms, _)| at_ms).collect();
        (times, charts.into())
    }
}

/// To thousandths: more is not to be seen.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pending: f64) -> Values {
        let mut values = Values::default();
        values.set(Figure::Pending, Some(pending));
        values
    }

    #[test]
    fn it_keeps_the_last_points_however_long_it_goes_on() {
        let mut history = History::new(1_000);
        for second in 0..10_000 {
            history.add(second * 1_000, values(second as f64));
        }
        let (times, charts) = history.charts(Some((9_999_500, values(7.0))));
        assert_eq!(times.len(), POINTS_MOST + 1);
        assert_eq!(times[0], (10_000 - POINTS_MOST as i64) * 1_000);
        assert_eq!(charts[0].lines.len(), 1, "what nobody measured is no line");
        assert_eq!(charts[0].lines[0].points.last(), Some(&Some(7.0)));
        assert_eq!(charts[1].lines, []);
    }

    #[test]
    fn a_gap_is_one() {
        let mut history = History::new(1_000);
        for at_ms in [0, 1_000, 60_000] {
            history.add(at_ms, values(1.0));
        }
        let (times, charts) = history.charts(Some((60_000, values(9.0))));
        assert_eq!(times, [0, 1_000, 2_000, 60_000]);
        let points = &charts[0].lines[0].points;
        assert_eq!(points[2], None);
    }
}
