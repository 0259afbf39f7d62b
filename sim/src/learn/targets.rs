//! Who is scraped: the targets by what they are, and what Prometheus calls them.

use super::application::Application;
use super::samples::{Samples, interval_ms};
use super::traffic::Traffic;
use crate::world::Discovery;
use firedrill_detector::Labels;
use std::collections::{BTreeMap, BTreeSet};

/// The targets that `up` tells of.
#[derive(Debug)]
pub(super) struct Fleet {
    /// By job: the labels of each target.
    by_job: BTreeMap<String, Vec<Labels>>,
}

/// Targets of one kind, as a world has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) job: String,
    pub(super) instance: String,
    pub(super) labels: Vec<(String, String)>,
    pub(super) interval_ms: Option<i64>,
}

/// The processes that work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Workers {
    pub(super) processes: usize,
    /// Slots of each.
    pub(super) concurrency: usize,
}

/// How many times the slots that are at work on the average a fleet is taken to have, where both are guessed.
const ROOM: f64 = 2.0;
/// The share of its capacity from which a fleet is said to be near its limit.
const FULL: f64 = 0.8;
/// Most processes that a scenario has of one kind.
const PROCESSES_MAX: usize = 64;

impl Fleet {
    pub(super) fn of(samples: &Samples) -> Self {
        let mut by_job: BTreeMap<String, Vec<Labels>> = BTreeMap::new();
        for (labels, _) in samples.named("up") {
            let job = labels.get("job").unwrap_or_default();
            by_job
                .entry(job.to_owned())
                .or_default()
                .push(labels.clone());
        }
        Self { by_job }
    }

    /// Names of labels that series of a job have from their target.
    pub(super) fn target_labels(&self, job: &str) -> BTreeSet<String> {
        let targets = self.by_job.get(job).into_iter().flatten();
        let names = targets.flat_map(|labels| labels.iter().map(|(name, _)| name.to_owned()));
        names
            .chain(["job", "instance"].map(str::to_owned))
            .collect()
    }

    /// The job that exposes a metric.
    pub(super) fn job_of(samples: &Samples, metric: &str) -> Option<String> {
        let (labels, _) = samples.named(metric).next()?;
        labels.get("job").map(str::to_owned)
    }

    /// The targets of a job, as a world has them; `are_many`: although there may be one only.
    pub(super) fn kind(&self, samples: &Samples, job: &str, are_many: bool) -> Option<Kind> {
        let targets = self.by_job.get(job)?;
        let first = targets.first()?;
        let value = |labels: &Labels, name: &str| labels.get(name).unwrap_or_default().to_owned();
        let ports: BTreeSet<String> = targets
            .iter()
            .map(|labels| {
                let instance = value(labels, "instance");
                let port = instance
                    .rsplit_once(':')
                    .map(|(_, port)| format!(":{port}"));
                port.unwrap_or_default()
            })
            .collect();
        let is_alone = targets.len() == 1;
        let instance = match (is_alone && !are_many, ports.len()) {
            (true, _) => value(first, "instance"),
            (false, 1) => format!("{{name}}{}", ports.first().cloned().unwrap_or_default()),
            (false, _) => "{name}".to_owned(),
        };
        let own = self.target_labels(job);
        let own = own
            .iter()
            .filter(|name| !["job", "instance", "__name__"].contains(&name.as_str()));
        let labels = own.filter_map(|name| {
            let values: BTreeSet<String> = targets.iter().map(|of| value(of, name)).collect();
            let own = values.first()?;
            let names_it = are_many && value(first, "instance").split(':').next() == Some(own);
            let value = match values.len() {
                1 if !names_it => own.clone(),
                _ => "{name}".to_owned(),
            };
            (!value.is_empty()).then(|| (name.clone(), value))
        });
        let up = samples
            .named("up")
            .filter(|(labels, _)| labels.get("job") == Some(job));
        let intervals = up.filter_map(|(_, samples)| interval_ms(samples));
        Some(Kind {
            job: job.to_owned(),
            instance,
            labels: labels.collect(),
            interval_ms: intervals
                .min()
                .map(|ms| (ms + 500) / 1_000 * 1_000)
                .filter(|ms| *ms > 0),
        })
    }

    /// What becomes of a dead target; `None`: none has died.
    pub(super) fn discovery(&self, samples: &Samples) -> Option<Discovery> {
        let (_, end) = samples.window();
        let mut ended = false;
        for (_, up) in samples.named("up") {
            if up
                .windows(3)
                .any(|three| three.iter().all(|(_, value)| *value == 0.0))
            {
                return Some(Discovery::Static);
            }
            let gap = interval_ms(up).unwrap_or(60_000);
            ended |= up.last().is_some_and(|(at, _)| *at < end - 4 * gap);
        }
        ended.then_some(Discovery::Kubernetes)
    }

    /// How many processes there are, and how many slots each has, as far as that shows.
    pub(super) fn workers(
        &self,
        samples: &Samples,
        application: &Application,
        traffic: &Traffic,
        unknown: &mut Vec<String>,
    ) -> Workers {
        let mut processes = 0;
        if let Some(job) = application.job.as_deref() {
            let mut changes: BTreeMap<i64, usize> = BTreeMap::new();
            let up = samples
                .named("up")
                .filter(|(labels, _)| labels.get("job") == Some(job));
            let gap = samples
                .named("up")
                .filter_map(|(_, samples)| interval_ms(samples))
                .max()
                .unwrap_or(60_000);
            for (_, up) in up {
                let slots: BTreeSet<i64> = up
                    .iter()
                    .filter(|(_, value)| *value == 1.0)
                    .map(|(at, _)| at / gap)
                    .collect();
                for slot in slots {
                    *changes.entry(slot).or_default() += 1;
                }
            }
            // As many as there were most of the time.
            let mut counts: Vec<usize> = changes.into_values().collect();
            counts.sort_unstable();
            processes = counts.get(counts.len() / 2).copied().unwrap_or(0);
        }
        if processes == 0 {
            unknown.push(
                "workers.processes: no target is known to be a worker; fill in how many processes there are".to_owned(),
            );
        }
        let processes = processes.clamp(1, PROCESSES_MAX);
        let needed = traffic.slots_needed();
        // A guess without room would have queues grow that never did.
        let is_guess = traffic.most_at_work.is_none() || traffic.guesses_service;
        let room = if is_guess { ROOM } else { 1.0 };
        let busy = traffic.most_at_work.unwrap_or(0.0).max(needed * room);
        let concurrency = ((busy / processes as f64).ceil() as usize).clamp(1, 100_000);
        let seen = match traffic.most_at_work {
            Some(most) => format!("at any scrape at most {most:.0} tasks were at work"),
            None => "nor does any tell how many tasks were at work".to_owned(),
        };
        unknown.push(format!(
            "workers.concurrency: no metric tells it; {seen}, and rates and durations come to {needed:.1} on the average; \
             {concurrency} is a guess, fill in asynq's `Config.Concurrency`"
        ));
        let utilisation = needed / (processes * concurrency) as f64;
        if utilisation > FULL {
            unknown.push(format!(
                "workers: by these figures the fleet is at work for {:.0} % of its capacity; so near the limit queues grow that may \
                 not have in truth; see that concurrency and service are right before a drill",
                utilisation * 100.0
            ));
        }
        Workers {
            processes,
            concurrency,
        }
    }
}
