//! What Prometheus does with a scrape: target labels, `up`, and staleness markers for what vanished. Series go by number.

use crate::metrics::Value;
use firedrill_detector::Labels;
use firedrill_detector::sample::stale_marker;
use std::collections::BTreeMap;

/// Numbers for the series of one drill, in the order in which they were first seen.
#[derive(Debug, Clone, Default)]
pub struct SeriesTable {
    numbers: BTreeMap<Labels, u32>,
    new: Vec<(u32, Labels)>,
}

impl SeriesTable {
    /// The number of a series.
    pub fn number(&mut self, labels: &Labels) -> u32 {
        if let Some(number) = self.numbers.get(labels) {
            return *number;
        }
        let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        self.numbers.insert(labels.clone(), number);
        self.new.push((number, labels.clone()));
        number
    }

    /// The series that are new since the last time this was asked.
    pub fn take_new(&mut self) -> Vec<(u32, Labels)> {
        std::mem::take(&mut self.new)
    }
}

/// A scrape target and what it exposed last.
#[derive(Debug, Clone)]
pub struct Target {
    job: String,
    instance: String,
    /// Its other labels.
    labels: Vec<(String, String)>,
    /// Whether what it exposes goes before its own labels.
    honors_labels: bool,
    up: u32,
    /// Numbers of the series it exposed, ascending.
    exposed: Vec<u32>,
}

impl Target {
    /// A target that was not scraped yet; `labels`: those beside `job` and `instance`.
    #[must_use]
    pub fn new(
        (job, instance): (&str, &str),
        labels: &[(String, String)],
        series: &mut SeriesTable,
    ) -> Self {
        let mut target = Self {
            job: job.to_owned(),
            instance: instance.to_owned(),
            labels: labels.to_vec(),
            honors_labels: false,
            up: 0,
            exposed: Vec::new(),
        };
        target.up = series.number(&target.with_own(&Labels::metric("up", [])));
        target
    }

    /// Labels that it exposes go before its own from now on, or not (`honor_labels`).
    #[must_use]
    pub fn honoring_labels(self, honors_labels: bool) -> Self {
        Self {
            honors_labels,
            ..self
        }
    }

    /// `job/instance`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.job, self.instance)
    }

    /// The number of a series that this target exposes.
    pub fn number(&self, labels: &Labels, series: &mut SeriesTable) -> u32 {
        series.number(&self.with_own(labels))
    }

    /// The samples of one scrape: `Some(values)` as exposed, or `None` when it failed. A series that was there before
    /// and is not now gets a staleness marker; a failed scrape marks every series and writes `up` 0 (prometheus
    /// `scrape/scrape.go`).
    pub fn scraped(&mut self, exposed: Option<Vec<(u32, f64)>>) -> Vec<(u32, f64)> {
        let up = f64::from(u8::from(exposed.is_some()));
        let mut samples = exposed.unwrap_or_default();
        let same = self.exposed.len() == samples.len()
            && self
                .exposed
                .iter()
                .zip(&samples)
                .all(|(before, (now, _))| before == now);
        if !same {
            let mut now: Vec<u32> = samples.iter().map(|(number, _)| *number).collect();
            now.sort_unstable();
            let gone = self.exposed.iter();
            let mut gone: Vec<u32> = gone
                .filter(|number| now.binary_search(number).is_err())
                .copied()
                .collect();
            gone.sort_unstable();
            self.exposed = samples.iter().map(|(number, _)| *number).collect();
            samples.extend(gone.into_iter().map(|number| (number, stale_marker())));
        }
        samples.push((self.up, up));
        samples
    }

    /// The samples written when a target is no longer found (prometheus `scrape/scrape.go`, `endOfRunStaleness`): a
    /// staleness marker for all there was, `up` included.
    pub fn ended(&mut self) -> Vec<(u32, f64)> {
        let mut gone = std::mem::take(&mut self.exposed);
        gone.sort_unstable();
        gone.push(self.up);
        gone.into_iter()
            .map(|number| (number, stale_marker()))
            .collect()
    }

    /// As [`Target::scraped`], of values with their labels.
    pub fn scraped_values(
        &mut self,
        exposed: Option<Vec<Value>>,
        series: &mut SeriesTable,
    ) -> Vec<(u32, f64)> {
        let numbered = exposed.map(|values| {
            let values = values.iter();
            values
                .map(|(labels, value)| (self.number(labels, series), *value))
                .collect()
        });
        self.scraped(numbered)
    }

    /// A series' labels with those of its target. What a target exposes under a name of its target's labels goes by `exported_NAME`
    /// (prometheus `scrape/scrape.go`, `mutateSampleLabels`), unless its labels are honoured.
    fn with_own(&self, labels: &Labels) -> Labels {
        let other = self.labels.iter();
        let other = other.map(|(name, value)| (name.as_str(), value.as_str()));
        let own: Vec<(&str, &str)> = [
            ("job", self.job.as_str()),
            ("instance", self.instance.as_str()),
        ]
        .into_iter()
        .chain(other)
        .collect();
        let is_own = |name: &str| !self.honors_labels && own.iter().any(|(own, _)| *own == name);
        let exposed = labels.iter().map(|(name, value)| {
            let mut name = name.to_owned();
            while is_own(&name) {
                name = format!("exported_{name}");
            }
            (name, value.to_owned())
        });
        let own = own.iter().filter(|(name, _)| {
            let exposed = labels.get(name).unwrap_or_default();
            !self.honors_labels || exposed.is_empty()
        });
        let own = own.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Labels::from_pairs(exposed.chain(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firedrill_detector::sample::is_stale;

    #[test]
    fn labels_of_the_target_go_before_those_it_exposes() {
        let mut series = SeriesTable::default();
        let own = [("pod".to_owned(), "p-0".to_owned())];
        let target = Target::new(("worker", "w-0"), &own, &mut series);
        let exposed = Labels::metric("a", [("pod", "x"), ("job", "y"), ("queue", "q")]);
        target.number(&exposed, &mut series);
        let (_, known) = series.take_new().pop().unwrap();
        let wanted = [
            ("exported_job", "y"),
            ("exported_pod", "x"),
            ("instance", "w-0"),
            ("job", "worker"),
            ("pod", "p-0"),
            ("queue", "q"),
        ];
        assert_eq!(known, Labels::metric("a", wanted));
        let target = target.honoring_labels(true);
        target.number(&exposed, &mut series);
        let (_, known) = series.take_new().pop().unwrap();
        let wanted = [
            ("instance", "w-0"),
            ("job", "y"),
            ("pod", "x"),
            ("queue", "q"),
        ];
        assert_eq!(known, Labels::metric("a", wanted));
    }

    #[test]
    fn what_vanishes_is_marked_once() {
        let mut series = SeriesTable::default();
        let mut target = Target::new(("worker", "w-0"), &[], &mut series);
        let own = |name| Labels::metric(name, [("job", "worker"), ("instance", "w-0")]);
        let a = target.number(&Labels::metric("a", []), &mut series);
        let b = target.number(&Labels::metric("b", []), &mut series);
        let named: Vec<(u32, Labels)> = series.take_new();
        assert_eq!(named, [(0, own("up")), (a, own("a")), (b, own("b"))]);
        assert!(series.take_new().is_empty());
        target.scraped(Some(vec![(b, 2.0), (a, 1.0)]));
        let second = target.scraped(Some(vec![(a, 3.0)]));
        assert_eq!(second[0], (a, 3.0));
        assert!(second[1].0 == b && is_stale(second[1].1));
        assert_eq!(second[2], (0, 1.0));
        let failed = target.scraped(None);
        assert!(failed[0].0 == a && is_stale(failed[0].1));
        assert_eq!(failed[1], (0, 0.0));
        assert_eq!(target.scraped(None), [(0, 0.0)]);
    }
}
