//! A scenario as written: strict YAML, every problem with its place, all at once.

pub mod duration;
mod fault;
mod resolve;
mod truth;
mod workload;

use crate::actor::ErrorKind;
use crate::asynq::settings::{SHUTDOWN_TIMEOUT_MS, TASK_CHECK_INTERVAL_MS};
use crate::fault::Fault;
use crate::plan::{Arrivals, GroupPlan, RetryDelay, Service, Start};
use duration::{as_duration, as_share};
use firedrill_detector::yaml::{Fields, Node, Problem, Problems, closest, parse};

pub use crate::form::At;
pub use fault::Select;
pub use resolve::PlanOptions;
use truth::{Benign, Incident};

/// The only version there is.
const VERSION: &str = "firedrill/v1";

/// Causes of the runbook's table, and the two that are in none.
pub const FAMILIES: [&str; 8] = [
    "worker-crashed",
    "redis-down",
    "slow-jobs",
    "retry-storm",
    "resource-exhaustion",
    "deadlock",
    "other",
    "benign",
];

/// A scenario file. What was left out is `None`; [`crate::plan::Plan::resolve`] fills it in.
#[derive(Debug, Clone)]
pub struct Scenario {
    file: String,
    name: String,
    family: At<String>,
    summary: String,
    tags: Vec<String>,
    seed: u64,
    starts: Start,
    duration: At<i64>,
    warmup: Option<At<i64>>,
    queues: Vec<Queue>,
    workload: Vec<Task>,
    workers: Vec<Worker>,
    scrape_interval_ms: Option<i64>,
    scrape_timeout_ms: Option<i64>,
    evaluation_interval_ms: Option<i64>,
    timeline: Vec<Step>,
    incidents: Vec<Incident>,
    benign: Vec<Benign>,
}

#[derive(Debug, Clone)]
struct Queue {
    name: String,
    priority: u32,
    wait_objective_ms: i64,
}

#[derive(Debug, Clone)]
struct Task {
    task: At<String>,
    queue: At<String>,
    /// `until` is `i64::MAX` where it was left out.
    arrivals: At<Arrivals>,
    service: Service,
    max_retry: u32,
    timeout_ms: i64,
    fail_share: f64,
    fail_as: ErrorKind,
    delay_ms: i64,
    deadline_ms: Option<i64>,
    retention_ms: i64,
    result: Option<String>,
}

#[derive(Debug, Clone)]
struct Worker {
    name: At<String>,
    processes: u32,
    concurrency: u32,
    queues: Option<Vec<At<String>>>,
    strict_priority: bool,
    shutdown_timeout_ms: i64,
    task_check_interval_ms: i64,
    retry_delay: RetryDelay,
    groups: Option<GroupPlan>,
}

#[derive(Debug, Clone)]
struct Step {
    /// As named; `None`: after its fault.
    id: Option<At<String>>,
    at: At<i64>,
    fault: At<Fault>,
    select: Option<At<Select>>,
    until: Option<fault::Until>,
}

impl Scenario {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file, or the built-in, that it was read from.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Its cause, or `benign`.
    #[must_use]
    pub fn family(&self) -> &str {
        &self.family.value
    }

    /// What it can be chosen by: its family, the causes of its incidents, and the tags it names. Each once.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        let causes = self.incidents.iter().map(Incident::cause);
        let all = std::iter::once(self.family())
            .chain(causes)
            .chain(self.tags.iter().map(String::as_str));
        let mut tags: Vec<String> = Vec::new();
        for tag in all {
            if !tags.iter().any(|known| known == tag) {
                tags.push(tag.to_owned());
            }
        }
        tags
    }

    /// Whether it can be chosen by this tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags().iter().any(|known| known == tag)
    }

    /// Reads a scenario file.
    ///
    /// # Errors
    /// With all problems of its form. Whether the parts fit together is found by [`crate::plan::Plan::resolve`].
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(file);
        let scenario =
            parse(text, &mut problems).and_then(|node| Self::read(file, &node, &mut problems));
        match scenario {
            Some(scenario) if problems.is_empty() => Ok(scenario),
            _ => Err(problems.into_vec()),
        }
    }

    fn read(file: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::new(node, "scenario", problems)?;
        if let Some(version) = fields.required("version", problems)
            && version.text() != Some(VERSION)
        {
            version.expected("version", &format!("`{VERSION}`"), problems);
        }
        let name = fields
            .required("name", problems)
            .and_then(|node| read_name(node, "name", problems));
        let family = fields
            .required("family", problems)
            .and_then(|node| one_of(node, "family", &FAMILIES, problems));
        let summary = fields
            .required("summary", problems)
            .and_then(|node| text(node, "summary", problems));
        let tags = fields.take("tags").map(|node| {
            list(node, "tags", problems, |node, problems| {
                read_name(node, "tag", problems).map(|name| name.value)
            })
        });
        let seed = fields
            .take("seed")
            .map_or(Some(1), |node| node.as_u64("seed", problems));
        let starts = fields
            .take("starts")
            .map_or(Some(Start::default()), |node| {
                let starts = node.as_str("starts", problems)?.parse();
                let expected = |expected: String| node.expected("starts", &expected, problems);
                starts.map_err(expected).ok()
            });
        let duration = fields
            .required("duration", problems)
            .and_then(|node| time(node, "duration", problems));
        let warmup = fields
            .take("warmup")
            .and_then(|node| time(node, "warmup", problems));
        let queues = fields
            .required("queues", problems)
            .map(|node| read_queues(node, problems));
        let workload = fields
            .required("workload", problems)
            .map(|node| list(node, "workload", problems, workload::task));
        let workers = fields
            .required("workers", problems)
            .map(|node| list(node, "workers", problems, read_worker));
        let (scrape_interval_ms, scrape_timeout_ms) = fields
            .take("scrape")
            .map_or((None, None), |node| read_scrape(node, problems));
        let evaluation_interval_ms = fields.take("evaluation").and_then(|node| {
            let mut fields = Fields::new(node, "evaluation", problems)?;
            let interval = fields
                .take("interval")
                .and_then(|node| positive(node, "interval", problems));
            fields.finish(problems);
            interval
        });
        let timeline = fields
            .take("timeline")
            .map(|node| list(node, "timeline", problems, fault::step));
        let incidents = fields
            .take("incidents")
            .map(|node| list(node, "incidents", problems, truth::incident));
        let benign = fields
            .take("benign")
            .map(|node| list(node, "benign", problems, truth::benign));
        fields.finish(problems);
        Some(Self {
            file: file.to_owned(),
            name: name?.value,
            family: family?,
            summary: summary?,
            tags: tags.unwrap_or_default(),
            seed: seed?,
            starts: starts?,
            duration: duration?,
            warmup,
            queues: queues?,
            workload: workload?,
            workers: workers?,
            scrape_interval_ms,
            scrape_timeout_ms,
            evaluation_interval_ms,
            timeline: timeline.unwrap_or_default(),
            incidents: incidents.unwrap_or_default(),
            benign: benign.unwrap_or_default(),
        })
    }
}

/// Reads each item of a sequence; those with problems are left out.
fn list<T>(
    node: &Node,
    what: &str,
    problems: &mut Problems,
    mut item: impl FnMut(&Node, &mut Problems) -> Option<T>,
) -> Vec<T> {
    let items = node.as_seq(what, problems).unwrap_or_default();
    items
        .iter()
        .filter_map(|node| item(node, problems))
        .collect()
}

fn text(node: &Node, what: &str, problems: &mut Problems) -> Option<String> {
    node.as_str(what, problems).map(str::to_owned)
}

/// A name that can be a file, a label value and a Redis key.
fn read_name(node: &Node, what: &str, problems: &mut Problems) -> Option<At<String>> {
    let name = node.as_str(what, problems)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) || name.starts_with('.') {
        node.expected(what, "1 to 64 letters, digits or `-_.:`", problems);
        return None;
    }
    Some(At {
        at: node.at,
        value: name.to_owned(),
    })
}

fn one_of(
    node: &Node,
    what: &str,
    accepted: &[&str],
    problems: &mut Problems,
) -> Option<At<String>> {
    let value = node.as_str(what, problems)?;
    if accepted.contains(&value) {
        return Some(At {
            at: node.at,
            value: value.to_owned(),
        });
    }
    let all = format!("accepted: {}", accepted.join(", "));
    let hint = closest(value, accepted.iter().copied()).map_or(all.clone(), |close| {
        format!("did you mean `{close}`? {all}")
    });
    problems.push_with_hint(node.at, format!("{what}: unknown `{value}`"), hint);
    None
}

fn time(node: &Node, what: &str, problems: &mut Problems) -> Option<At<i64>> {
    as_duration(node, what, problems).map(|value| At { at: node.at, value })
}

/// A duration above zero.
fn positive(node: &Node, what: &str, problems: &mut Problems) -> Option<i64> {
    let value = as_duration(node, what, problems)?;
    if value <= 0 {
        node.expected(what, "a duration above zero", problems);
        return None;
    }
    Some(value)
}

/// A whole number in a range.
fn count(
    node: &Node,
    what: &str,
    range: std::ops::RangeInclusive<u32>,
    problems: &mut Problems,
) -> Option<u32> {
    let value = node.as_u64(what, problems)?;
    let fits = u32::try_from(value)
        .ok()
        .filter(|value| range.contains(value));
    if fits.is_none() {
        node.expected(
            what,
            &format!("a whole number from {} to {}", range.start(), range.end()),
            problems,
        );
    }
    fits
}

fn read_queues(node: &Node, problems: &mut Problems) -> Vec<Queue> {
    let entries = node.as_map("queues", problems).unwrap_or_default();
    if entries.is_empty() {
        node.expected("queues", "at least one queue", problems);
    }
    let mut queues = Vec::new();
    for (key, value) in entries {
        let Some(name) = read_name(key, "queue name", problems) else {
            continue;
        };
        let mut queue = Queue {
            name: name.value,
            priority: 1,
            wait_objective_ms: 60_000,
        };
        if !value.is_null()
            && let Some(mut fields) = Fields::new(value, "queue", problems)
        {
            if let Some(priority) = fields
                .take("priority")
                .and_then(|node| count(node, "priority", 1..=1_000, problems))
            {
                queue.priority = priority;
            }
            if let Some(ms) = fields
                .take("wait_objective")
                .and_then(|node| positive(node, "wait_objective", problems))
            {
                queue.wait_objective_ms = ms;
            }
            fields.finish(problems);
        }
        queues.push(queue);
    }
    queues
}

fn read_worker(node: &Node, problems: &mut Problems) -> Option<Worker> {
    let mut fields = Fields::new(node, "worker", problems)?;
    let name = fields
        .required("name", problems)
        .and_then(|node| read_name(node, "name", problems));
    let processes = fields
        .take("processes")
        .map_or(Some(1), |node| count(node, "processes", 1..=64, problems));
    let concurrency = fields
        .required("concurrency", problems)
        .and_then(|node| count(node, "concurrency", 1..=1_000, problems));
    let queues = fields.take("queues").map(|node| {
        list(node, "queues", problems, |node, problems| {
            text(node, "queue", problems).map(|value| At { at: node.at, value })
        })
    });
    let strict = fields.take("strict_priority").map_or(Some(false), |node| {
        node.as_bool("strict_priority", problems)
    });
    let shutdown = fields
        .take("shutdown_timeout")
        .map_or(Some(SHUTDOWN_TIMEOUT_MS), |node| {
            as_duration(node, "shutdown_timeout", problems)
        });
    let task_check = fields
        .take("task_check_interval")
        .map_or(Some(TASK_CHECK_INTERVAL_MS), |node| {
            positive(node, "task_check_interval", problems)
        });
    let retry_delay = fields
        .take("retry_delay")
        .map_or(Some(RetryDelay::Default), |node| {
            workload::retry_delay(node, problems)
        });
    let groups = match fields.take("groups") {
        Some(node) => Some(read_groups(node, problems)?),
        None => None,
    };
    fields.finish(problems);
    Some(Worker {
        name: name?,
        processes: processes?,
        concurrency: concurrency?,
        queues,
        strict_priority: strict?,
        shutdown_timeout_ms: shutdown?,
        task_check_interval_ms: task_check?,
        retry_delay: retry_delay?,
        groups,
    })
}

/// asynq's `GroupGracePeriod`.
const GRACE_PERIOD_MS: i64 = 60_000;

fn read_groups(node: &Node, problems: &mut Problems) -> Option<GroupPlan> {
    let mut fields = Fields::new(node, "groups", problems)?;
    let grace_period = fields
        .take("grace_period")
        .map_or(Some(GRACE_PERIOD_MS), |node| {
            let ms = positive(node, "grace_period", problems)?;
            // asynq panics.
            if ms < 1_000 {
                node.expected("grace_period", "at least 1s", problems);
            }
            Some(ms)
        });
    let max_delay = fields
        .take("max_delay")
        .map_or(Some(0), |node| as_duration(node, "max_delay", problems));
    let max_size = fields.take("max_size").map_or(Some(0), |node| {
        count(node, "max_size", 0..=100_000, problems)
    });
    let into = fields
        .required("into", problems)
        .and_then(|node| read_name(node, "into", problems));
    fields.finish(problems);
    Some(GroupPlan {
        grace_period_ms: grace_period?,
        max_delay_ms: max_delay?,
        max_size: max_size?,
        into: into?.value,
    })
}

fn read_scrape(node: &Node, problems: &mut Problems) -> (Option<i64>, Option<i64>) {
    let Some(mut fields) = Fields::new(node, "scrape", problems) else {
        return (None, None);
    };
    let interval = fields
        .take("interval")
        .and_then(|node| positive(node, "interval", problems));
    let timeout = fields
        .take("timeout")
        .and_then(|node| positive(node, "timeout", problems));
    fields.finish(problems);
    (interval, timeout)
}

#[cfg(test)]
pub(crate) mod tests;
