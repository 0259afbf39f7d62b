//! A Prometheus for a minute: scrapes a fleet and looks at what it sees.

use super::facts::Facts;
use super::live::Named;
use crate::args::MetricsPage;
use crate::commands::targets::{Jobs, PATIENCE, Page, Queues, Targets};
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::inspector::LeftOver;
use firedrill_detector::Labels;
use firedrill_reports::cause::symptom::ORPHANS;
use firedrill_reports::cause::{Looker, Sight};
use firedrill_sim::http::get::Client;
use firedrill_sim::metrics::Value;
use firedrill_sim::world::World;
use std::collections::BTreeMap;
use std::sync::Arc;

/// See the module.
pub(super) struct Scraper {
    clock: ClockOrigin,
    begun: Time,
    span_ms: i64,
    at_ms: i64,
    targets: Targets,
    looker: Looker,
    /// Counters of each queue, processed and failed: when they were read first and last, and what they were.
    counters: BTreeMap<String, [(i64, [f64; 2]); 2]>,
}

impl Scraper {
    /// One that looks for `span_ms`.
    pub(super) fn new(redis: &Named, pages: &[MetricsPage], client: &Client, span_ms: i64) -> Self {
        let clock = ClockOrigin::real_time();
        let begun = clock.now();
        let queues = redis.broker.as_ref().ok().cloned();
        let queues = queues.map_or(Queues::Nowhere, Queues::In);
        let jobs = Jobs {
            redis: "redis".to_owned(),
            asynq: "asynq".to_owned(),
        };
        let named = (redis.shown.as_str(), queues);
        Self {
            targets: Targets::new(
                named,
                pages,
                Arc::new(client.clone()),
                &jobs,
                World::default(),
            ),
            clock,
            begun,
            span_ms,
            at_ms: 0,
            looker: Looker::new(begun.millis(), span_ms),
            counters: BTreeMap::new(),
        }
    }

    /// Scrapes until the time is over, but for the last time.
    pub(super) async fn watch(&mut self, interval_ms: i64) {
        let mut next_ms = 0;
        while next_ms < self.span_ms {
            let at = self.begun.plus_millis(next_ms);
            tokio::time::sleep(self.clock.until(at)).await;
            self.scrape(None).await;
            while next_ms <= self.at_ms {
                next_ms += interval_ms;
            }
        }
        let end = self.begun.plus_millis(self.span_ms);
        tokio::time::sleep(self.clock.until(end)).await;
    }

    /// Scrapes all there is, once. `facts`: what only a longer look into Redis could find.
    pub(super) async fn scrape(&mut self, facts: Option<&Facts>) {
        let at_ms = (self.clock.now().millis() - self.begun.millis()).max(self.at_ms + 1);
        self.at_ms = at_ms;
        let orphans = facts.into_iter().flat_map(orphan_values).collect();
        let answers = self.targets.ask(self.clock, PATIENCE).await;
        let scraped = self.targets.take(answers, self.clock, orphans);
        self.count(&scraped.asynq);
        for (number, labels) in scraped.new {
            self.looker.series(number, &labels);
        }
        self.looker.scrape(at_ms, &scraped.samples);
    }

    /// The processes that were named.
    pub(super) fn pages(&self) -> &[Page] {
        &self.targets.pages
    }

    /// Notes the counters among values.
    fn count(&mut self, values: &[Value]) {
        let names = ["asynq_tasks_processed_total", "asynq_tasks_failed_total"];
        for (labels, value) in values {
            let Some(which) = names.iter().position(|name| *name == labels.name()) else {
                continue;
            };
            let queue = labels.get("queue").unwrap_or_default().to_owned();
            let new = [(self.at_ms, [f64::NAN; 2]); 2];
            let [first, last] = self.counters.entry(queue).or_insert(new);
            if first.1[which].is_nan() {
                first.1[which] = *value;
            }
            last.0 = self.at_ms;
            last.1[which] = *value;
        }
    }

    /// What queues did meanwhile, a sentence each.
    pub(super) fn rates(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (queue, [(first_ms, first), (last_ms, last)]) in &self.counters {
            let span_s = (last_ms - first_ms) as f64 / 1e3;
            let [done, failed] = [0, 1].map(|which| last[which] - first[which]);
            if span_s < 1.0 || done < 0.0 || failed < 0.0 {
                continue;
            }
            lines.push(format!(
                "queue {queue}: {:.2} attempts a second, of which {:.2} failed, in {span_s:.0} s",
                done / span_s,
                failed / span_s
            ));
        }
        if lines.is_empty() {
            lines.push("looked at one moment only".to_owned());
        }
        lines
    }

    /// What is seen now.
    pub(super) fn look(&mut self) -> Sight {
        self.looker.look(self.at_ms)
    }
}

/// Orphans by queue and kind; one that is zero says that there are none, as nobody can say who has not looked at all.
fn orphan_values(facts: &Facts) -> Vec<Value> {
    let Ok(LeftOver { orphans, unseen }) = &facts.orphans else {
        return Vec::new();
    };
    let of = |queue: &str, kind: &str, count: u64| {
        let labels = [("queue", queue), ("kind", kind)];
        (Labels::metric(ORPHANS, labels), count as f64)
    };
    if orphans.is_empty() && unseen.is_empty() {
        return vec![of("", "", 0)];
    }
    let values = orphans.iter();
    values
        .map(|found| of(&found.queue, found.kind.says(), found.count))
        .collect()
}
