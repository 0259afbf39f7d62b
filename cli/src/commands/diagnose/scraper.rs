//! A Prometheus for a minute: scrapes Redis, as asynq's collector and redis_exporter would, and the processes that were named.

use super::facts::Facts;
use super::live::Named;
use crate::args::MetricsPage;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::inspector::{Inspector, LeftOver};
use firedrill_detector::Labels;
use firedrill_detector::sample::stale_marker;
use firedrill_reports::cause::symptom::ORPHANS;
use firedrill_reports::cause::{Looker, Sight};
use firedrill_sim::engine::live::exporter::{asynq_now, redis_facts, redis_values};
use firedrill_sim::http::get::{Client, Url};
use firedrill_sim::metrics::{Value, exposition};
use firedrill_sim::scrape::{SeriesTable, Target};
use firedrill_sim::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a page is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process that was named by `--metrics`.
pub(super) struct Page {
    pub(super) url: Url,
    is_worker: bool,
    target: Target,
    /// How often it was asked, how often it answered, and what was wrong last.
    pub(super) asked: u32,
    pub(super) answered: u32,
    pub(super) trouble: Option<String>,
}

/// See the module.
pub(super) struct Scraper<'c> {
    clock: ClockOrigin,
    begun: Time,
    span_ms: i64,
    at_ms: i64,
    broker: Option<RedisBroker>,
    series: SeriesTable,
    looker: Looker,
    redis: Target,
    asynq: Target,
    pub(super) pages: Vec<Page>,
    /// Who asks for them.
    client: &'c Client,
    /// Counters of each queue, processed and failed: when they were read first and last, and what they were.
    counters: BTreeMap<String, [(i64, [f64; 2]); 2]>,
    /// Series of workers that are known by their heartbeats.
    beating: BTreeSet<u32>,
}

impl<'c> Scraper<'c> {
    /// One that looks for `span_ms`.
    pub(super) fn new(
        redis: &Named,
        pages: &[MetricsPage],
        client: &'c Client,
        span_ms: i64,
    ) -> Self {
        let clock = ClockOrigin::real_time();
        let begun = clock.now();
        let mut series = SeriesTable::default();
        let mut target = |job: &str, instance: &str| Target::new((job, instance), &[], &mut series);
        let pages = pages.iter().map(|page| Page {
            target: target(&page.job, &page.url.place()),
            is_worker: page.job == "worker",
            url: page.url.clone(),
            asked: 0,
            answered: 0,
            trouble: None,
        });
        let pages = pages.collect();
        Self {
            redis: target("redis", &redis.shown),
            asynq: target("asynq", &redis.shown),
            clock,
            begun,
            span_ms,
            at_ms: 0,
            broker: redis.broker.as_ref().ok().cloned(),
            looker: Looker::new(begun.millis(), span_ms),
            series,
            pages,
            client,
            counters: BTreeMap::new(),
            beating: BTreeSet::new(),
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
        let mut samples = Vec::new();
        let (mut info, mut values) = (None, None);
        if let Some(broker) = &self.broker {
            info = broker.info().await.ok();
            values = asynq_now(broker, self.clock).await;
        }
        let facts_of_redis = info.as_deref().map(redis_facts);
        let of_redis = redis_values(&World::default(), facts_of_redis.as_ref(), self.clock.now());
        samples.extend(self.redis.scraped_values(Some(of_redis), &mut self.series));
        self.count(values.as_deref().unwrap_or_default());
        let orphans = facts.into_iter().flat_map(orphan_values);
        let values = values.map(|values: Vec<Value>| values.into_iter().chain(orphans).collect());
        samples.extend(self.asynq.scraped_values(values, &mut self.series));
        let mut worker_answers = false;
        for page in &mut self.pages {
            let values = page.fetch(self.client).await;
            worker_answers |= page.is_worker && values.is_some();
            samples.extend(page.target.scraped_values(values, &mut self.series));
        }
        samples.extend(self.heartbeats(worker_answers).await);
        for (number, labels) in self.series.take_new() {
            self.looker.series(number, &labels);
        }
        self.looker.scrape(at_ms, &samples);
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

    /// Workers as Redis knows them, in the place of those that no page was named of.
    async fn heartbeats(&mut self, worker_answers: bool) -> Vec<(u32, f64)> {
        let mut beating = BTreeSet::new();
        if let (Some(broker), false) = (&self.broker, worker_answers) {
            let inspector = Inspector::new(broker.clone());
            let servers = inspector
                .servers(self.clock.now())
                .await
                .unwrap_or_default();
            for server in servers.servers {
                let info = server.info;
                let name = format!("{}:{}", info.host, info.pid);
                let labels = [("job", "worker"), ("instance", name.as_str())];
                beating.insert(self.series.number(&Labels::metric("up", labels)));
            }
        }
        let gone = self.beating.difference(&beating);
        let mut samples: Vec<(u32, f64)> = gone.map(|gone| (*gone, stale_marker())).collect();
        samples.extend(beating.iter().map(|number| (*number, 1.0)));
        self.beating = beating;
        samples
    }

    /// What is seen now.
    pub(super) fn look(&mut self) -> Sight {
        self.looker.look(self.at_ms)
    }
}

impl Page {
    async fn fetch(&mut self, client: &Client) -> Option<Vec<Value>> {
        self.asked += 1;
        let fetched = client.get(&self.url, PATIENCE).await;
        let values = fetched.map_err(|error| error.to_string()).and_then(|text| {
            exposition::decode(&text).map_err(|error| format!("{}: {error}", self.url))
        });
        match values {
            Ok(values) => {
                self.answered += 1;
                Some(values)
            }
            Err(error) => {
                self.trouble = Some(error);
                None
            }
        }
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
