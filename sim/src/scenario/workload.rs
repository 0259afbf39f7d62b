//! The `workload` of a scenario: what comes when, and how long it takes.

use crate::plan::{Arrivals, RetryDelay, Service};
use crate::scenario::duration::{self, as_duration, as_rate};
use crate::scenario::{At, Task, as_share, count, one_of, positive, read_name, text};
use firedrill_asynq::actor::ErrorKind;
use firedrill_asynq::cron::Spec;
use firedrill_asynq::settings::DEFAULT_MAX_RETRY;
use firedrill_detector::yaml::{Fields, Node, Problems, Value};

/// asynq's default timeout of a task.
const DEFAULT_TIMEOUT_MS: i64 = 30 * 60 * 1_000;
pub(super) fn task(node: &Node, problems: &mut Problems) -> Option<Task> {
    let mut fields = Fields::new(node, "workload entry", problems)?;
    let task = fields
        .required("task", problems)
        .and_then(|node| read_name(node, "task", problems));
    let queue = fields
        .required("queue", problems)
        .and_then(|node| text(node, "queue", problems).map(|value| At { at: node.at, value }));
    let arrivals = fields
        .required("arrivals", problems)
        .and_then(|node| arrivals(node, problems).map(|value| At { at: node.at, value }));
    let service = fields
        .required("service", problems)
        .and_then(|node| service(node, problems));
    let max_retry = fields
        .take("max_retry")
        .map_or(u32::try_from(DEFAULT_MAX_RETRY).ok(), |node| {
            count(node, "max_retry", 0..=10_000, problems)
        });
    let timeout_ms = fields
        .take("timeout")
        .map_or(Some(DEFAULT_TIMEOUT_MS), |node| {
            let ms = positive(node, "timeout", problems)?;
            // asynq stores whole seconds, and takes less than one for "not given".
            if ms < 1_000 {
                node.expected("timeout", "at least 1s", problems);
            }
            Some(ms)
        });
    let fail_share = fields
        .take("fail")
        .map_or(Some(0.0), |node| as_share(node, "fail", problems));
    let fail_as = fields
        .take("fail_as")
        .map_or(Some(ErrorKind::Failure), |node| {
            read_fail_as(node, problems)
        });
    let delay_ms = fields
        .take("delay")
        .map_or(Some(0), |node| as_duration(node, "delay", problems));
    let deadline = fields.take("deadline");
    let deadline_ms = deadline.and_then(|node| positive(node, "deadline", problems));
    let retention_ms = fields
        .take("retention")
        .map_or(Some(0), |node| as_duration(node, "retention", problems));
    let result = fields.take("result");
    let result = result.and_then(|node| text(node, "result", problems));
    fields.finish(problems);
    Some(Task {
        task: task?,
        queue: queue?,
        arrivals: arrivals?,
        service: service?,
        max_retry: max_retry?,
        timeout_ms: timeout_ms?,
        fail_share: fail_share?,
        fail_as: fail_as?,
        delay_ms: delay_ms?,
        deadline_ms,
        retention_ms: retention_ms?,
        result,
    })
}

fn read_fail_as(node: &Node, problems: &mut Problems) -> Option<ErrorKind> {
    let names = ErrorKind::ALL.map(ErrorKind::name);
    let name = one_of(node, "fail_as", &names, problems)?.value;
    ErrorKind::ALL.into_iter().find(|kind| kind.name() == name)
}

fn arrivals(node: &Node, problems: &mut Problems) -> Option<Arrivals> {
    let mut fields = Fields::new(node, "arrivals", problems)?;
    let poisson = fields.take("poisson");
    let constant = fields.take("constant");
    let burst = fields.take("burst");
    let cron = fields.take("cron");
    let (from, until) = (fields.take("from"), fields.take("until"));
    fields.finish(problems);
    if poisson.is_none() && constant.is_none() {
        for (key, node) in [("from", from), ("until", until)] {
            let Some(node) = node else { continue };
            let hint = match (&burst, &cron) {
                (Some(_), _) => "a burst has `at` and `over` of its own",
                (_, Some(_)) => "a cron entry says its times itself",
                _ => continue,
            };
            problems.push_with_hint(
                node.at,
                format!("{key}: only `poisson` and `constant` arrivals have it"),
                hint.to_owned(),
            );
        }
    }
    let from = from.map_or(Some(0), |node| as_duration(node, "from", problems));
    let until = until.map_or(Some(i64::MAX), |node| as_duration(node, "until", problems));
    match (poisson, constant, burst, cron) {
        (Some(node), None, None, None) => {
            let rate_per_sec = as_rate(node, "poisson", problems)?;
            Some(Arrivals::Poisson {
                rate_per_sec,
                from_ms: from?,
                until_ms: until?,
            })
        }
        (None, Some(node), None, None) => {
            let rate_per_sec = as_rate(node, "constant", problems)?;
            Some(Arrivals::Constant {
                rate_per_sec,
                from_ms: from?,
                until_ms: until?,
            })
        }
        (None, None, None, Some(node)) => {
            let spec = node.as_str("cron", problems)?;
            if let Err(error) = Spec::parse(spec) {
                problems.push(node.at, format!("cron: {error}"));
            }
            Some(Arrivals::Cron { spec: spec.into() })
        }
        (None, None, Some(node), None) => {
            let mut fields = Fields::new(node, "burst", problems)?;
            let total = fields
                .required("count", problems)
                .and_then(|node| count(node, "count", 1..=10_000_000, problems));
            let at = fields
                .required("at", problems)
                .and_then(|node| as_duration(node, "at", problems));
            let over = fields
                .take("over")
                .map_or(Some(1_000), |node| as_duration(node, "over", problems));
            fields.finish(problems);
            Some(Arrivals::Burst {
                count: u64::from(total?),
                at_ms: at?,
                over_ms: over?,
            })
        }
        _ => {
            problems.push(
                node.at,
                "arrivals: exactly one of `poisson`, `constant`, `burst` and `cron` is needed",
            );
            None
        }
    }
}

fn service(node: &Node, problems: &mut Problems) -> Option<Service> {
    let mut fields = Fields::new(node, "service", problems)?;
    let (lognormal, exponential, constant) = (
        fields.take("lognormal"),
        fields.take("exponential"),
        fields.take("constant"),
    );
    fields.finish(problems);
    match (lognormal, exponential, constant) {
        (Some(node), None, None) => read_lognormal(node, problems),
        (None, Some(node), None) => {
            let mut fields = Fields::new(node, "exponential", problems)?;
            let mean = fields
                .required("mean", problems)
                .and_then(|node| millis(node, "mean", problems));
            fields.finish(problems);
            Some(Service::Exponential { mean_ms: mean? })
        }
        (None, None, Some(node)) => {
            millis(node, "constant", problems).map(|ms| Service::Constant { ms })
        }
        _ => {
            problems.push(
                node.at,
                "service: exactly one of `lognormal`, `exponential` and `constant` is needed",
            );
            None
        }
    }
}

/// `default`, `{ constant: 5s }`, or `{ exponential: 1s, factor: 2, jitter: 100% }`.
pub(super) fn retry_delay(node: &Node, problems: &mut Problems) -> Option<RetryDelay> {
    if node.text() == Some("default") {
        return Some(RetryDelay::Default);
    }
    if let Value::Scalar { .. } = node.value {
        node.expected(
            "retry_delay",
            "`default`, `{ constant: 5s }` or `{ exponential: 1s, factor: 2, jitter: 100% }`",
            problems,
        );
        return None;
    }
    let mut fields = Fields::new(node, "retry_delay", problems)?;
    let (constant, exponential) = (fields.take("constant"), fields.take("exponential"));
    let (factor, jitter) = (fields.take("factor"), fields.take("jitter"));
    fields.finish(problems);
    if exponential.is_none() {
        for (key, node) in [("factor", factor), ("jitter", jitter)] {
            if let Some(node) = node {
                problems.push(node.at, format!("{key}: only `exponential` has it"));
            }
        }
    }
    let factor = factor.map_or(Some(2.0), |node| {
        let factor = node.as_f64("factor", problems)?;
        if !(1.0..=100.0).contains(&factor) {
            node.expected("factor", "a number from 1 to 100", problems);
            return None;
        }
        Some(factor)
    });
    let jitter = jitter.map_or(Some(0.0), |node| as_share(node, "jitter", problems));
    match (constant, exponential) {
        (Some(node), None) => {
            positive(node, "constant", problems).map(|ms| RetryDelay::Constant { ms })
        }
        (None, Some(node)) => Some(RetryDelay::Exponential {
            base_ms: positive(node, "exponential", problems)?,
            factor: factor?,
            jitter: jitter?,
        }),
        _ => {
            problems.push(
                node.at,
                "retry_delay: exactly one of `constant` and `exponential` is needed",
            );
            None
        }
    }
}

/// By mean and 95th percentile, as people measure it, or by the logarithm's `mu` and `sigma` (of seconds).
fn read_lognormal(node: &Node, problems: &mut Problems) -> Option<Service> {
    let mut fields = Fields::new(node, "lognormal", problems)?;
    let (mean, p95, mu, sigma) = (
        fields.take("mean"),
        fields.take("p95"),
        fields.take("mu"),
        fields.take("sigma"),
    );
    fields.finish(problems);
    match (mean, p95, mu, sigma) {
        (Some(mean), Some(p95), None, None) => {
            let (mean, tail) = (
                millis(mean, "mean", problems)? / 1e3,
                millis(p95, "p95", problems)? / 1e3,
            );
            let service = Service::lognormal(mean, tail);
            if service.is_none() {
                p95.expected(
                    "p95",
                    "more than the mean and less than 3.8 times it",
                    problems,
                );
            }
            service
        }
        (None, None, Some(mu), Some(sigma)) => {
            let (mu, sigma_value) = (mu.as_f64("mu", problems)?, sigma.as_f64("sigma", problems)?);
            if !(0.0..=10.0).contains(&sigma_value) || mu.abs() > 20.0 {
                sigma.expected(
                    "lognormal",
                    "mu from -20 to 20 and sigma from 0 to 10",
                    problems,
                );
                return None;
            }
            Some(Service::Lognormal {
                mu,
                sigma: sigma_value,
            })
        }
        _ => {
            problems.push(
                node.at,
                "lognormal: `mean` and `p95` are needed (or `mu` and `sigma`)",
            );
            None
        }
    }
}

/// A service time above zero in milliseconds, to the microsecond.
fn millis(node: &Node, what: &str, problems: &mut Problems) -> Option<f64> {
    let value = duration::micros(node.as_str(what, problems)?)
        .filter(|us| *us > 0.0)
        .map(|us| us / 1e3);
    if value.is_none() {
        node.expected(what, "a duration above zero such as `500ms`", problems);
    }
    value
}
