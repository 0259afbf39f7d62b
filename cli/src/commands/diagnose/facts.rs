//! What Redis alone can tell, beside numbers: who works, what waits, what failed tasks say, what is left over.

use super::live::{Named, WORKERS};
use super::scraper::Scraper;
use crate::commands::asynq::orphans;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::inspector::{Inspector, LeftOver, Page, QueueInfo, ServerList};
use firedrill_asynq::op::TaskState;
use firedrill_detector::duration::format_ms;
use firedrill_detector::text::{counted, printable};
use firedrill_reports::render::diagnosis::Step;
use std::collections::BTreeMap;

/// Failed tasks that are read of each queue and state: the next due, and the last archived.
const FAILED_MOST: u32 = 500;

/// Keys and list entries among which orphans are looked for: some seconds of a Redis that others need.
const ORPHANS_AMONG: u64 = 1_000_000;

/// Kinds of failure that are shown.
const FAILURES_SHOWN: usize = 10;

/// Characters of an error that are shown.
const ERROR_MOST: usize = 160;

/// What was found.
pub(super) struct Facts {
    now: Time,
    info: Option<String>,
    servers: ServerList,
    queues: Vec<QueueInfo>,
    failures: Vec<Failures>,
    /// How many failed tasks were read.
    read: usize,
    /// What is left over, or why nobody can say.
    pub(super) orphans: Result<LeftOver, String>,
    /// What could not be read.
    odd: Vec<String>,
}

/// Failed tasks that say the same but for numbers.
struct Failures {
    task_type: String,
    /// What the first of them says.
    says: String,
    count: usize,
    last_s: i64,
}

impl Facts {
    /// Looks; of a Redis that does not answer there is nothing.
    pub(super) async fn of(redis: &Named) -> Self {
        let mut facts = Self {
            now: ClockOrigin::real_time().now(),
            info: None,
            servers: ServerList::default(),
            queues: Vec::new(),
            failures: Vec::new(),
            read: 0,
            orphans: Ok(LeftOver::default()),
            odd: Vec::new(),
        };
        match &redis.broker {
            Ok(broker) => facts.look(broker).await,
            Err(reason) => facts.orphans = Err(reason.clone()),
        }
        facts
    }

    async fn look(&mut self, broker: &RedisBroker) {
        let inspector = Inspector::new(broker.clone());
        self.info = broker.info().await.ok();
        match inspector.servers(self.now).await {
            Ok(servers) => self.servers = servers,
            Err(error) => self.odd.push(error.to_string()),
        }
        let names = inspector.queues().await.unwrap_or_else(|error| {
            self.odd.push(error.to_string());
            Vec::new()
        });
        for name in names {
            match inspector.queue_info(&name, self.now).await {
                Ok(info) => {
                    self.read_failed(&inspector, &info).await;
                    self.queues.push(info);
                }
                Err(error) => self.odd.push(error.to_string()),
            }
        }
        self.failures.sort_by(|a, b| {
            let by_count = b.count.cmp(&a.count);
            by_count.then_with(|| (&a.task_type, &a.says).cmp(&(&b.task_type, &b.says)))
        });
        let orphans = inspector.orphans(None, ORPHANS_AMONG).await;
        self.orphans = orphans.map_err(|error| error.to_string());
    }

    /// Reads what failed tasks of a queue say.
    async fn read_failed(&mut self, inspector: &Inspector, queue: &QueueInfo) {
        let mut groups: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (place, failures) in self.failures.iter().enumerate() {
            groups.insert((failures.task_type.clone(), masked(&failures.says)), place);
        }
        for (state, count) in [
            (TaskState::Retry, queue.retry),
            (TaskState::Archived, queue.archived),
        ] {
            let pages = u32::try_from(count.div_ceil(u64::from(FAILED_MOST))).unwrap_or(u32::MAX);
            let page = Page {
                // Archived ones are listed the oldest first.
                number: if state == TaskState::Archived {
                    pages
                } else {
                    1
                }
                .max(1),
                size: FAILED_MOST,
            };
            let list = inspector.list_tasks(&queue.queue, state, "", page, self.now);
            let list = match list.await {
                Ok(list) => list,
                Err(error) => {
                    self.odd.push(error.to_string());
                    continue;
                }
            };
            let failed = list.tasks.into_iter().map(|task| task.message);
            for message in failed.filter(|message| !message.error_msg.is_empty()) {
                self.read += 1;
                let says = first_line(&message.error_msg);
                let key = (message.r#type.clone(), masked(&says));
                let place = *groups.entry(key).or_insert_with(|| {
                    self.failures.push(Failures {
                        task_type: message.r#type,
                        says,
                        count: 0,
                        last_s: 0,
                    });
                    self.failures.len() - 1
                });
                let failures = &mut self.failures[place];
                failures.count += 1;
                failures.last_s = failures.last_s.max(message.last_failed_at);
            }
        }
    }

    /// The runbook's steps, as sentences.
    pub(super) fn steps(&self, redis: &Named, scraper: &Scraper) -> Vec<Step> {
        let step = |name, lines| Step { name, lines };
        vec![
            step(WORKERS, self.workers(scraper)),
            step("2. Redis", self.redis(redis)),
            step("3. Rates", scraper.rates()),
            step("4. Failed tasks", self.failed()),
            step("Orphans", self.left_over(redis)),
        ]
    }

    fn workers(&self, scraper: &Scraper) -> Vec<String> {
        let mut lines = Vec::new();
        for server in &self.servers.servers {
            let info = &server.info;
            let queues: Vec<&str> = info.queues.keys().map(String::as_str).collect();
            lines.push(format!(
                "{}:{} is {}: {} of {} slots in use, serves {}",
                info.host,
                info.pid,
                info.status,
                server.workers.len(),
                info.concurrency,
                queues.join(", ")
            ));
        }
        if lines.is_empty() && self.info.is_some() {
            lines.push("no worker has a heartbeat in Redis".to_owned());
        }
        for (key, expired_s) in self.servers.silent.iter().take(3) {
            let ago_ms = (self.now.secs() - expired_s) * 1_000;
            lines.push(format!(
                "{key} has not been heard of for {}",
                format_ms(ago_ms)
            ));
        }
        let working = self
            .servers
            .servers
            .iter()
            .flat_map(|server| &server.workers);
        let oldest = working.filter_map(|worker| Some((worker.start_time?.seconds, worker)));
        if let Some((since_s, worker)) = oldest.min_by_key(|(since_s, _)| *since_s) {
            lines.push(format!(
                "the task that has been in progress for longest: {} ({}), {}",
                worker.task_id,
                worker.task_type,
                format_ms((self.now.secs() - since_s) * 1_000)
            ));
        }
        for page in scraper.pages() {
            let trouble = page.trouble.iter().map(|trouble| format!(": {trouble}"));
            lines.push(format!(
                "{} answered {} of {}{}",
                page.url,
                page.answered,
                counted(page.asked, "scrape"),
                trouble.collect::<String>()
            ));
        }
        lines
    }

    fn redis(&self, redis: &Named) -> Vec<String> {
        if let Err(reason) = &redis.broker {
            return vec![format!("{} does not answer: {reason}", redis.shown)];
        }
        let Some(info) = &self.info else {
            return vec![format!("{} has stopped answering", redis.shown)];
        };
        let field = |name: &str| {
            let mut lines = info.lines().filter_map(|line| line.split_once(':'));
            lines
                .find(|(field, _)| *field == name)
                .map(|(_, value)| value.trim())
        };
        let bytes = |name: &str| field(name).and_then(|value| value.parse::<u64>().ok());
        let memory = match (bytes("used_memory"), bytes("maxmemory")) {
            (Some(used), Some(most)) if most > 0 => {
                format!("{} of {} used", mebibytes(used), mebibytes(most))
            }
            (Some(used), _) => format!("{} used, without a limit", mebibytes(used)),
            _ => "its memory is unknown".to_owned(),
        };
        let mut lines = vec![format!(
            "{} answers: {} for {} s, {memory} ({})",
            redis.shown,
            field("role").unwrap_or("up"),
            field("uptime_in_seconds").unwrap_or("?"),
            field("maxmemory_policy").unwrap_or("no policy")
        )];
        for queue in &self.queues {
            let paused = if queue.paused { ", paused" } else { "" };
            lines.push(format!(
                "queue {}: {} pending, the oldest for {}; {} active, {} scheduled, {} retry, {} archived{paused}",
                queue.queue,
                queue.pending,
                format_ms(queue.latency_ns / 1_000_000),
                queue.active,
                queue.scheduled,
                queue.retry,
                queue.archived
            ));
        }
        if self.queues.is_empty() {
            lines.push("no queue is published in it: is this the right database?".to_owned());
        }
        let odd = self.queues.iter().flat_map(|queue| &queue.oddities);
        lines.extend(odd.map(ToString::to_string));
        lines.extend(self.odd.iter().cloned());
        lines
    }

    fn failed(&self) -> Vec<String> {
        if self.failures.is_empty() {
            return vec!["none that waits for a retry or is archived".to_owned()];
        }
        let shown = self.failures.iter().take(FAILURES_SHOWN).map(|failures| {
            let ago_ms = (self.now.secs() - failures.last_s) * 1_000;
            format!(
                "{} x {}: {} (last {} ago)",
                failures.count,
                failures.task_type,
                failures.says,
                format_ms(ago_ms)
            )
        });
        let mut lines: Vec<String> = shown.collect();
        let more = self.failures.len().saturating_sub(FAILURES_SHOWN);
        if more > 0 {
            lines.push(format!("and {} of another kind", counted(more, "failure")));
        }
        let all = self.queues.iter().map(|queue| queue.retry + queue.archived);
        let all: u64 = all.sum();
        if all > self.read as u64 {
            lines.push(format!("{} of {all} were read", self.read));
        }
        lines
    }

    fn left_over(&self, redis: &Named) -> Vec<String> {
        match &self.orphans {
            Err(reason) => vec![format!("could not be looked for: {reason}")],
            Ok(found) => {
                let asynq = format!("firedrill asynq --redis {}", redis.shown);
                let texts = found.orphans.iter();
                let texts = texts.map(|found| orphans::lines(found, &asynq));
                let lines = texts.flat_map(|text| {
                    let lines = text.lines().map(str::to_owned);
                    lines.collect::<Vec<_>>()
                });
                let mut lines: Vec<String> = lines.collect();
                if lines.is_empty() {
                    lines.push("none found".to_owned());
                }
                let unseen = found.unseen.iter().map(ToString::to_string);
                lines.extend(unseen.map(|unseen| printable(&unseen).into_owned()));
                if !found.unseen.is_empty() {
                    lines.push(format!("{asynq} orphan ls looks at more, and takes longer"));
                }
                lines
            }
        }
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(ERROR_MOST).collect()
}

/// An error without its numbers, so that those that differ in an id or a port are the same.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    for c in text.chars() {
        match c.is_ascii_digit() {
            true if masked.ends_with('#') => {}
            true => masked.push('#'),
            false => masked.push(c),
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn errors_that_differ_in_numbers_are_the_same() {
        let of = |port: u32| masked(&format!("dial tcp 10.0.0.7:{port}: refused"));
        assert_eq!(of(6379), of(51_234));
        assert_eq!(of(6379), "dial tcp #.#.#.#:#: refused");
    }
}
