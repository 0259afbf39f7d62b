//! The series store: samples by series, newest last, with staleness markers and counter resets kept apart.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::compat::Compat;
use crate::go_format;
use crate::intern::{Interner, LabelsId};
use crate::sample::is_stale;

/// One series' samples. Staleness markers are kept beside the values, so that range windows are plain slices.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) labels: LabelsId,
    /// How many series had arrived before it.
    pub(crate) arrival: u64,
    points: Vec<Point>,
    /// Samples before this position are forgotten but not yet moved out.
    head: usize,
    /// How many samples have been moved out.
    moved_out: usize,
    stale: Vec<i64>,
    /// When the value fell below its predecessor, and the predecessor's value.
    resets: Vec<(i64, f64)>,
    newest: i64,
    /// The value (or marker) at `newest`, to tell a repeated sample from a conflicting one.
    newest_value: f64,
}

/// A sample, of whatever series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) at_ms: i64,
    pub(crate) value: f64,
}

/// The samples of one series inside a range window, oldest first, markers left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'s> {
    pub(crate) points: &'s [Point],
    /// The counter resets inside the window, if the store knows them; `None` means "look for them".
    pub(crate) resets: Option<&'s [(i64, f64)]>,
}

/// Where a reader's last window of a series was, as positions that also count what has been moved out.
///
/// Windows mostly move on by a sample or none, so looking there first saves the search. Any cursor is right.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cursor {
    low: usize,
    high: usize,
}

impl Series {
    fn new(labels: LabelsId, arrival: u64) -> Self {
        Self {
            labels,
            arrival,
            points: Vec::new(),
            head: 0,
            moved_out: 0,
            stale: Vec::new(),
            resets: Vec::new(),
            newest: i64::MIN,
            newest_value: f64::NAN,
        }
    }

    /// Appends a sample. False if it is older than the newest one, or contradicts it.
    fn append(&mut self, at_ms: i64, value: f64) -> bool {
        if at_ms <= self.newest && self.newest != i64::MIN {
            return at_ms == self.newest && value.to_bits() == self.newest_value.to_bits();
        }
        self.newest = at_ms;
        self.newest_value = value;
        if is_stale(value) {
            self.stale.push(at_ms);
            return true;
        }
        if let Some(previous) = self.points.last()
            && value < previous.value
        {
            self.resets.push((at_ms, previous.value));
        }
        self.points.push(Point { at_ms, value });
        true
    }

    fn points(&self) -> &[Point] {
        &self.points[self.head..]
    }

    /// The newest sample at or before `at_ms`, unless a marker came after it.
    pub(crate) fn newest_until(&self, at_ms: i64) -> Option<Point> {
        let points = self.points();
        let found = match points.last() {
            Some(last) if last.at_ms <= at_ms => points.len(),
            _ => points.partition_point(|point| point.at_ms <= at_ms),
        };
        let point = points[found.checked_sub(1)?];
        if !self.stale.is_empty() {
            let markers = self.stale.partition_point(|marker| *marker <= at_ms);
            if markers > 0 && self.stale[markers - 1] > point.at_ms {
                return None;
            }
        }
        Some(point)
    }

    /// The samples with `from_ms <= time <= to_ms`, and their place for the next time.
    pub(crate) fn window(&self, from_ms: i64, to_ms: i64, cursor: &mut Cursor) -> Window<'_> {
        let points = self.points();
        let forgotten = self.moved_out + self.head;
        let low = first_from(points, from_ms, cursor.low.saturating_sub(forgotten));
        let high = match points.last() {
            Some(last) if last.at_ms > to_ms => {
                // Not beyond the last time, so there is a next millisecond.
                first_from(points, to_ms + 1, cursor.high.saturating_sub(forgotten))
            }
            _ => points.len(),
        };
        *cursor = Cursor {
            low: forgotten + low,
            high: forgotten + high,
        };
        let points = &points[low..high.max(low)];
        // A fall onto the window's first sample happened outside of the window.
        let resets = match (self.resets.last(), points) {
            (Some((newest, _)), [first, .., last]) if *newest > first.at_ms => {
                let until = |point: &Point| {
                    let at_ms = point.at_ms;
                    self.resets
                        .partition_point(|(reset_ms, _)| *reset_ms <= at_ms)
                };
                let (low, high) = (until(first), until(last));
                &self.resets[low..high]
            }
            _ => &[],
        };
        Window {
            points,
            resets: Some(resets),
        }
    }

    /// Forgets samples older than `before_ms`, but keeps the newest marker and sample's place in time.
    fn trim(&mut self, before_ms: i64) {
        let gone = self
            .points()
            .partition_point(|point| point.at_ms < before_ms);
        self.head += gone;
        if self.head > 64 && self.head * 2 > self.points.len() {
            self.points.drain(..self.head);
            self.moved_out += self.head;
            self.head = 0;
        }
        let gone = self.stale.partition_point(|time| *time < before_ms);
        self.stale.drain(..gone);
        let gone = self.resets.partition_point(|(time, _)| *time < before_ms);
        self.resets.drain(..gone);
    }

    fn is_empty(&self) -> bool {
        self.points().is_empty() && self.stale.is_empty()
    }
}

/// The position of the first time that is not before `from_ms`, looked for near `guess` first.
fn first_from(points: &[Point], from_ms: i64, guess: usize) -> usize {
    /// Further away than this, bisection is faster.
    const NEAR: usize = 4;
    if guess <= points.len() && (guess == 0 || points[guess - 1].at_ms < from_ms) {
        for (place, point) in points.iter().enumerate().skip(guess).take(NEAR) {
            if point.at_ms >= from_ms {
                return place;
            }
        }
    }
    points.partition_point(|point| point.at_ms < from_ms)
}

/// All series of one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    series: Vec<Option<Series>>,
    /// Position in `series` by label set; `u32::MAX` where there is none.
    by_labels: Vec<u32>,
    by_name: HashMap<Arc<str>, Vec<u32>>,
    /// The positions of all series, in order of arrival.
    arrivals: Vec<u32>,
    arrived: u64,
    free: Vec<u32>,
    changes: u64,
    /// Samples before it have been forgotten; none if no sample has.
    trimmed_ms: Option<i64>,
}

const NOWHERE: u32 = u32::MAX;

impl Store {
    /// Appends a sample; false if the series already has a newer or a contradicting one.
    pub(crate) fn append(
        &mut self,
        interner: &Interner,
        labels: LabelsId,
        at_ms: i64,
        value: f64,
    ) -> bool {
        let place = match self.by_labels.get(labels.index()) {
            Some(place) if *place != NOWHERE => *place,
            _ => self.add(interner, labels),
        };
        match &mut self.series[place as usize] {
            Some(series) => series.append(at_ms, value),
            None => false,
        }
    }

    /// Why [`append`](Self::append) did not take a sample, as the storage of Prometheus says it (tsdb/head_append.go,
    /// memSeries.appendable).
    pub(crate) fn refusal(
        &self,
        labels: LabelsId,
        at_ms: i64,
        value: f64,
        compat: Compat,
    ) -> String {
        let place = self.by_labels.get(labels.index());
        let series = place.and_then(|place| self.get(*place));
        match series.filter(|series| series.newest == at_ms) {
            None => "out of order sample".into(),
            Some(_) if compat == Compat::V2 => "duplicate sample for timestamp".into(),
            Some(series) => format!(
                "duplicate sample for timestamp {at_ms}; overrides not allowed: existing {}, new value {}",
                go_format::shortest(series.newest_value),
                go_format::shortest(value)
            ),
        }
    }

    fn add(&mut self, interner: &Interner, labels: LabelsId) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.series.push(None);
            u32::try_from(self.series.len() - 1).expect("fewer than 2^32 series fit in memory")
        });
        self.series[place as usize] = Some(Series::new(labels, self.arrived));
        self.arrived += 1;
        self.changes += 1;
        if self.by_labels.len() <= labels.index() {
            self.by_labels.resize(labels.index() + 1, NOWHERE);
        }
        self.by_labels[labels.index()] = place;
        let name = interner.labels(labels).name();
        match self.by_name.get_mut(name) {
            Some(places) => places.push(place),
            None => drop(self.by_name.insert(name.into(), vec![place])),
        }
        self.arrivals.push(place);
        place
    }

    /// The series at a position taken from [`Store::arrivals`], or none if it has been removed.
    pub(crate) fn get(&self, place: u32) -> Option<&Series> {
        self.series.get(place as usize)?.as_ref()
    }

    /// Positions of all series with the metric name (of all series without one), in order of arrival.
    pub(crate) fn arrivals(&self, name: Option<&str>) -> &[u32] {
        match name {
            Some(name) => self.by_name.get(name).map_or(&[], Vec::as_slice),
            None => &self.arrivals,
        }
    }

    /// How many series have arrived so far, those removed included.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived
    }

    /// How often series were added or removed. While it stays the same, so do positions and arrivals.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// From when on all samples are still there.
    pub(crate) fn trimmed_ms(&self) -> i64 {
        self.trimmed_ms.unwrap_or(i64::MIN)
    }

    /// Forgets samples older than `before_ms` and series that have none left.
    pub(crate) fn trim(&mut self, interner: &Interner, before_ms: i64) {
        self.trimmed_ms = self.trimmed_ms.max(Some(before_ms));
        // Names are seen to once each: a series at a time, many of one name would take for ever.
        let mut thinned = BTreeSet::new();
        for (place, slot) in (0u32..).zip(&mut self.series) {
            let Some(series) = slot else { continue };
            series.trim(before_ms);
            // A sample older than the newest one must stay refused, so a series lives while that could happen.
            if !series.is_empty() || series.newest >= before_ms {
                continue;
            }
            self.by_labels[series.labels.index()] = NOWHERE;
            thinned.insert(interner.labels(series.labels).name());
            *slot = None;
            self.free.push(place);
        }
        if !thinned.is_empty() {
            self.changes += 1;
            let series = &self.series;
            for name in thinned {
                if let Some(places) = self.by_name.get_mut(name) {
                    places.retain(|place| series[*place as usize].is_some());
                }
            }
            self.arrivals
                .retain(|place| series[*place as usize].is_some());
        }
    }

    /// How many samples are held, markers not counted.
    #[cfg(test)]
    pub(crate) fn sample_count(&self) -> usize {
        self.series.iter().flatten().map(|s| s.points().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Labels, stale_marker};

    #[test]
    fn newest_sample_windows_and_resets() {
        let mut interner = Interner::new();
        let id = interner.id(&Labels::metric("c", []));
        let mut store = Store::default();
        for (at_ms, value, accepted) in [
            (10, 5.0, true),
            (20, 7.0, true),
            (20, 7.0, true),
            (20, 8.0, false),
            (15, 6.0, false),
            (30, 1.0, true),
            (40, stale_marker(), true),
            (60, 2.0, true),
        ] {
            assert_eq!(
                store.append(&interner, id, at_ms, value),
                accepted,
                "{at_ms} {value}"
            );
        }
        let series = store.get(store.arrivals(Some("c"))[0]).unwrap();
        for (at_ms, newest) in [
            (9, None),
            (10, Some((10, 5.0))),
            (39, Some((30, 1.0))),
            (40, None),
            (59, None),
            (60, Some((60, 2.0))),
        ] {
            let found = series.newest_until(at_ms);
            assert_eq!(found.map(|p| (p.at_ms, p.value)), newest, "{at_ms}");
        }
        let mut cursor = Cursor::default();
        let window = series.window(20, 60, &mut cursor);
        let points: Vec<_> = window.points.iter().map(|p| (p.at_ms, p.value)).collect();
        assert_eq!(points, [(20, 7.0), (30, 1.0), (60, 2.0)]);
        assert_eq!(window.resets, Some(&[(30, 7.0)][..]));
        // The fall onto the first sample is outside of the window.
        assert_eq!(series.window(30, 60, &mut cursor).resets, Some(&[][..]));
        assert!(series.window(61, 90, &mut cursor).points.is_empty());
        assert!(series.window(90, 61, &mut cursor).points.is_empty());
    }

    #[test]
    fn any_hint_finds_the_same() {
        let point = |n: i64| Point {
            at_ms: n * n,
            value: 0.0,
        };
        let points: Vec<Point> = (0..20).map(point).collect();
        for from_ms in -1..400 {
            let expected = points.partition_point(|point| point.at_ms < from_ms);
            for guess in 0..25 {
                assert_eq!(
                    first_from(&points, from_ms, guess),
                    expected,
                    "{from_ms} {guess}"
                );
            }
        }
    }

    #[test]
    fn memory_is_bounded_and_vanished_series_come_back() {
        let mut interner = Interner::new();
        let id = interner.id(&Labels::metric("c", []));
        let other = interner.id(&Labels::metric("d", []));
        let mut store = Store::default();
        store.append(&interner, other, 0, 1.0);
        for at_ms in 0..10_000 {
            store.append(&interner, id, at_ms, at_ms as f64);
            store.trim(&interner, at_ms - 100);
            assert!(store.sample_count() <= 102);
        }
        assert!(store.arrivals(Some("d")).is_empty());
        // Two arrivals and a removal.
        assert_eq!(store.changes(), 3);
        store.append(&interner, other, 10_000, 2.0);
        let place = store.arrivals(Some("d"))[0];
        assert_eq!(
            store.get(place).unwrap().newest_until(10_000),
            Some(Point {
                at_ms: 10_000,
                value: 2.0
            })
        );
    }
}
