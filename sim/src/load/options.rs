//! What is asked of a load on a command line, as a scenario: so there is one language for what is enqueued and who works on it.

use crate::plan::Plan;
use crate::scenario::{PlanOptions, Scenario};
use crate::units;
use std::fmt::Write;

/// Type of a load's tasks.
pub const TASK: &str = "load:task";
/// Most tasks that one load has.
pub const TASKS_MAX: f64 = 2e9;
/// Largest payload: that of a Redis string, with room for the message around it.
pub const PAYLOAD_MAX: u64 = 64 << 20;
/// How long a handler works that returns at once.
const AT_ONCE: &str = "1us";
/// How long the locks of unique tasks are held at most.
const UNIQUE_FOR: &str = "1m";

/// What is asked. Its fields are checked one by one by whoever reads them; [`Asked::plan`] checks the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Name of the load: its queues are called so, or begin with it.
    pub name: String,
    /// Seed of all that is random.
    pub seed: u64,
    /// Tasks per second and for how long, milliseconds, one after the other.
    pub stages: Vec<(f64, i64)>,
    /// How long the first rate holds before anything is measured, milliseconds.
    pub warmup_ms: i64,
    /// Whether arrivals are at equal distances instead of independent.
    pub evenly: bool,
    /// Names and priorities of the queues; none: one, called as the load.
    pub queues: Vec<(String, u32)>,
    /// Whether these are queues of others, which are called so and nothing else.
    pub taken: bool,
    /// Whether workers look into a queue only when all of higher priority are empty.
    pub strict: bool,
    /// Smallest and largest payload, bytes; `None`: a few bytes.
    pub payload: Option<(u64, u64)>,
    /// How long handlers work.
    pub service: Service,
    /// Share of executions that fail.
    pub fail: f64,
    /// asynq's `MaxRetry`.
    pub max_retry: u32,
    /// Share of tasks that are unique.
    pub unique: f64,
    /// Share of tasks that are scheduled, and how long ahead, milliseconds.
    pub scheduled: (f64, i64),
    /// Share of tasks that come in groups and are aggregated.
    pub grouped: f64,
    /// asynq's `Retention`, milliseconds.
    pub retention_ms: i64,
    /// Worker processes.
    pub workers: u32,
    /// Slots of each.
    pub concurrency: u32,
    /// asynq's `TaskCheckInterval`: pause of a worker that found its queues empty, milliseconds.
    pub poll_ms: i64,
}

/// How long handlers work, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Service {
    /// They return at once.
    None,
    /// Always the same.
    Constant(f64),
    /// Exponentially distributed: the mean.
    Exponential(f64),
    /// Most are short and a few are long: mean and 95th percentile.
    Lognormal(f64, f64),
}

impl std::str::FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ms = |text: &str| {
            let us = units::micros(text.trim()).filter(|us| *us > 0.0);
            us.map(|us| us / 1e3)
        };
        let read = match text.split_once(':') {
            None if matches!(text, "0" | "0s" | "0ms") => Some(Self::None),
            None => ms(text).map(Self::Constant),
            Some(("constant", of)) => ms(of).map(Self::Constant),
            Some(("exponential", mean)) => ms(mean).map(Self::Exponential),
            Some(("lognormal", of)) => of
                .split_once(',')
                .and_then(|(mean, p95)| Some(Self::Lognormal(ms(mean)?, ms(p95)?))),
            Some(_) => None,
        };
        read.ok_or_else(|| {
            "how long handlers work: `20ms`, `exponential:20ms`, `lognormal:20ms,60ms` (mean, 95th percentile), or `0` for at once"
                .to_owned()
        })
    }
}

impl Service {
    fn yaml(self) -> String {
        let text = |ms: f64| units::micros_text(ms * 1e3);
        match self {
            Self::None => format!("{{ constant: {AT_ONCE} }}"),
            Self::Constant(ms) => format!("{{ constant: {} }}", text(ms)),
            Self::Exponential(mean) => format!("{{ exponential: {{ mean: {} }} }}", text(mean)),
            Self::Lognormal(mean, p95) => format!(
                "{{ lognormal: {{ mean: {}, p95: {} }} }}",
                text(mean),
                text(p95)
            ),
        }
    }
}

/// Reads `1000/s:30s,5000/s:1m`: rates and for how long each.
///
/// # Errors
/// What is wrong, and what is meant.
pub fn stages(text: &str) -> Result<Vec<(f64, i64)>, String> {
    let form = "rates and for how long, such as `1000/s:30s,5000/s:1m`";
    let stage = |text: &str| {
        let (rate, span) = text.split_once(':').ok_or(form)?;
        let rate = units::rate(rate.trim())
            .ok_or_else(|| format!("`{rate}` is no rate above 0/s and up to 1000000/s: {form}"))?;
        let span = units::parse(span.trim())
            .filter(|ms| *ms > 0)
            .ok_or_else(|| format!("`{span}` is no time above zero: {form}"))?;
        Ok((rate, span))
    };
    text.split(',').map(stage).collect()
}

/// Reads `256B` or `256B..64KiB`: the smallest and the largest payload.
///
/// # Errors
/// What is wrong, and what is meant.
pub fn payload(text: &str) -> Result<(u64, u64), String> {
    let size = |text: &str| {
        let bytes = units::size(text.trim());
        let bytes =
            bytes.ok_or_else(|| format!("`{text}` is no size such as `256B` or `64KiB`"))?;
        match bytes > PAYLOAD_MAX {
            true => Err(format!(
                "{text} is more than {}MiB, the largest payload that firedrill sends; Redis itself takes no value above 512MiB",
                PAYLOAD_MAX >> 20
            )),
            false => Ok(bytes),
        }
    };
    let Some((least, most)) = text.split_once("..") else {
        return size(text).map(|bytes| (bytes, bytes));
    };
    let (least, most) = (size(least)?, size(most)?);
    match least <= most {
        true => Ok((least, most)),
        false => Err(format!("{text}: the smaller one goes first")),
    }
}

/// Reads `critical:6`: a queue and its priority; `critical` alone has priority 1.
///
/// # Errors
/// What is wrong, and what is meant.
pub fn queue(text: &str) -> Result<(String, u32), String> {
    let (name, priority) = text.split_once(':').unwrap_or((text, "1"));
    let priority = priority.parse().ok().filter(|p| (1..=1_000).contains(p));
    match (is_name(name), priority) {
        (true, Some(priority)) => Ok((name.to_owned(), priority)),
        _ => Err("a queue and its priority from 1 to 1000, such as `critical:6`".to_owned()),
    }
}

/// Reads `orders:6`, a queue of others and its priority; `orders` alone has priority 1.
///
/// # Errors
/// What is wrong, and what is meant.
pub fn taken_queue(text: &str) -> Result<(String, u32), String> {
    let numbered = text.rsplit_once(':').and_then(|(name, priority)| {
        let priority = priority.parse().ok()?;
        Some((name, priority))
    });
    let (name, priority) = numbered.unwrap_or((text, 1));
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '{' | '}');
    match !name.is_empty() && name.chars().all(fits) && (1..=1_000).contains(&priority) {
        true => Ok((name.to_owned(), priority)),
        false => Err(
            "a queue that is there, without blanks, quotes and braces, and its priority from 1 to 1000, such as `orders` or `orders:6`"
                .to_owned(),
        ),
    }
}

/// Whether a load or a queue may be called so.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=40).contains(&text.len()) && text.chars().all(fits)
}

/// One kind of a load's tasks.
struct Kind {
    share: f64,
    keys: String,
}

impl Asked {
    /// Names of its queues, with their priorities.
    fn named_queues(&self) -> Vec<(String, u32)> {
        match self.queues.is_empty() {
            true => vec![(self.name.clone(), 1)],
            false if self.taken => self.queues.clone(),
            false => self
                .queues
                .iter()
                .map(|(queue, priority)| (format!("{}-{queue}", self.name), *priority))
                .collect(),
        }
    }

    /// How many tasks it has on average.
    fn tasks(&self) -> f64 {
        let first = self.stages.first().map_or(0.0, |stage| stage.0);
        let all = self.stages.iter();
        let all: f64 = all.map(|(rate, ms)| rate * *ms as f64 / 1e3).sum();
        all + first * self.warmup_ms as f64 / 1e3
    }

    fn kinds(&self) -> Vec<Kind> {
        let (scheduled, ahead_ms) = self.scheduled;
        let plain = 1.0 - self.unique - scheduled - self.grouped;
        let kind = |share: f64, keys: String| Kind { share, keys };
        let mut kinds = vec![
            kind(plain, String::new()),
            kind(self.unique, format!(", unique: {{ ttl: {UNIQUE_FOR} }}")),
            kind(scheduled, format!(", delay: {}", units::format(ahead_ms))),
            kind(self.grouped, ", group: load".to_owned()),
        ];
        // Shares that add up to all leave nothing plain but a rounding error.
        kinds.retain(|kind| kind.share > 1e-9);
        kinds
    }

    /// The load as a scenario.
    ///
    /// # Errors
    /// What does not go together, a sentence each.
    pub fn scenario(&self) -> Result<String, Vec<String>> {
        let mut wrong = Vec::new();
        let shares = self.unique + self.scheduled.0 + self.grouped;
        if shares > 1.0 + 1e-9 {
            wrong.push(format!(
                "the shares of unique, scheduled and grouped tasks come to {:.0} %: a task is one of them",
                shares * 100.0
            ));
        }
        if self.tasks() > TASKS_MAX {
            wrong.push(format!(
                "that is {:.1e} tasks, and a load has at most {TASKS_MAX:.0e}: shorten it, or lower the rate",
                self.tasks()
            ));
        }
        if let Some((_, most)) = self.payload {
            // What is on its way at a time is some hundreds of tasks.
            let rate = self.stages.iter().map(|stage| stage.0).fold(0.0, f64::max);
            let bytes_per_s = rate * most as f64;
            if bytes_per_s > 1e11 {
                wrong.push(format!(
                    "payloads of {} at {rate}/s are {:.0} GB a second: no machine makes that",
                    units::size_text(most),
                    bytes_per_s / 1e9
                ));
            }
        }
        match wrong.is_empty() {
            true => Ok(self.text()),
            false => Err(wrong),
        }
    }

    fn text(&self) -> String {
        let span = units::format;
        let lasts_ms = self.stages.iter().map(|stage| stage.1).sum::<i64>();
        let mut text = format!(
            "version: firedrill/v1\nname: {}\nfamily: benign\nsummary: A load test.\nseed: {}\nduration: {}\nwarmup: 0s\nqueues:\n",
            self.name,
            self.seed,
            span(lasts_ms + self.warmup_ms)
        );
        let queues = self.named_queues();
        for (queue, priority) in &queues {
            let _ = writeln!(text, "  \"{queue}\": {{ priority: {priority} }}");
        }
        text.push_str("workload:\n");
        let process = if self.evenly { "constant" } else { "poisson" };
        let mut from_ms = 0;
        for (number, (rate, ms)) in self.stages.iter().enumerate() {
            let warmup_ms = if number == 0 { self.warmup_ms } else { 0 };
            let until_ms = from_ms + warmup_ms + ms;
            for (queue, _) in &queues {
                for Kind { share, keys } in self.kinds() {
                    let rate = rate * share / queues.len() as f64;
                    let (from, until) = (span(from_ms), span(until_ms));
                    let _ = writeln!(
                        text,
                        "  - {{ task: \"{TASK}\", queue: \"{queue}\", arrivals: {{ {process}: {rate}/s, from: {from}, until: {until} }}, \
                         service: {}, max_retry: {}, fail: {}{}{}{keys} }}",
                        self.service.yaml(),
                        self.max_retry,
                        self.fail,
                        self.retention(),
                        self.payload_keys(),
                    );
                }
            }
            from_ms = until_ms;
        }
        let _ = writeln!(
            text,
            "workers:\n  - {{ name: {}-w, processes: {}, concurrency: {}, strict_priority: {}, task_check_interval: {}, \
             retry_delay: {{ constant: 1s }} }}",
            self.name,
            self.workers,
            self.concurrency,
            self.strict,
            span(self.poll_ms)
        );
        text
    }

    fn retention(&self) -> String {
        match self.retention_ms {
            0 => String::new(),
            ms => format!(", retention: {}", units::format(ms)),
        }
    }

    fn payload_keys(&self) -> String {
        match self.payload {
            None => String::new(),
            Some((least, most)) if least == most => {
                format!(", payload: {{ constant: {} }}", units::size_text(least))
            }
            Some((least, most)) => format!(
                ", payload: {{ uniform: {{ min: {}, max: {} }} }}",
                units::size_text(least),
                units::size_text(most)
            ),
        }
    }

    /// The load as a plan.
    ///
    /// # Errors
    /// What does not go together, a sentence each.
    pub fn plan(&self) -> Result<Plan, Vec<String>> {
        let text = self.scenario()?;
        let said = |problems: Vec<firedrill_detector::yaml::Problem>| {
            problems
                .into_iter()
                .map(|problem| problem.message)
                .collect::<Vec<_>>()
        };
        let scenario = Scenario::parse("load", &text).map_err(said)?;
        Plan::resolve(&scenario, &PlanOptions::default()).map_err(said)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn asked() -> Asked {
        Asked {
            name: "load".into(),
            seed: 1,
            stages: vec![(100.0, 5_000)],
            warmup_ms: 0,
            evenly: false,
            queues: Vec::new(),
            taken: false,
            strict: false,
            payload: None,
            service: Service::None,
            fail: 0.0,
            max_retry: 0,
            unique: 0.0,
            scheduled: (0.0, 1_000),
            grouped: 0.0,
            retention_ms: 0,
            workers: 1,
            concurrency: 10,
            poll_ms: 1_000,
        }
    }

    #[test]
    fn words_are_read() {
        assert_eq!(
            stages("1000/s:30s, 5000/s:1m"),
            Ok(vec![(1_000.0, 30_000), (5_000.0, 60_000)])
        );
        for (wrong, of) in [
            ("1000/s", "such as"),
            ("0/s:1s", "`0/s` is no rate"),
            ("2000000/s:1s", "up to 1000000/s"),
            ("5/s:0s", "`0s` is no time above zero"),
        ] {
            assert!(stages(wrong).unwrap_err().contains(of), "{wrong}");
        }
        assert_eq!(payload("256B..64KiB"), Ok((256, 65_536)));
        assert_eq!(payload("1KB"), Ok((1_024, 1_024)));
        assert!(payload("1GB").unwrap_err().contains("than 64MiB"));
        assert!(payload("2KB..1KB").unwrap_err().contains("smaller"));
        assert!(payload("many").unwrap_err().contains("no size"));
        assert_eq!("20ms".parse(), Ok(Service::Constant(20.0)));
        assert_eq!(
            "exponential:1.5s".parse(),
            Ok(Service::Exponential(1_500.0))
        );
        assert_eq!("0".parse(), Ok(Service::None));
        assert!("soon".parse::<Service>().is_err());
        assert_eq!(queue("critical:6"), Ok(("critical".into(), 6)));
        assert!(queue("a b").is_err() && queue("a:0").is_err());
        assert_eq!(taken_queue("mail:low"), Ok(("mail:low".into(), 1)));
        assert_eq!(taken_queue("mail:low:6"), Ok(("mail:low".into(), 6)));
        assert!(taken_queue("").is_err() && taken_queue("a b").is_err());
        assert!(taken_queue("a:0").is_err() && taken_queue("a{b}").is_err());
    }

    #[test]
    fn everything_that_can_be_asked_is_a_plan() {
        let all = Asked {
            stages: vec![(1_000.0, 30_000), (5_000.0, 60_000)],
            warmup_ms: 10_000,
            queues: vec![("critical".into(), 6), ("low".into(), 1)],
            payload: Some((256, 65_536)),
            service: Service::Lognormal(20.0, 60.0),
            fail: 0.05,
            max_retry: 3,
            unique: 0.1,
            scheduled: (0.2, 10_000),
            grouped: 0.3,
            retention_ms: 60_000,
            ..asked()
        };
        let plan = all.plan().unwrap();
        assert_eq!(plan.duration_ms, 100_000);
        // Two stages, two queues, four kinds.
        assert_eq!(plan.workload.len(), 16);
        let names: Vec<&str> = plan.queues.iter().map(|queue| &*queue.name).collect();
        assert_eq!(names, ["load-critical", "load-low"]);
        let with = |is: &dyn Fn(&crate::plan::TaskPlan) -> bool| {
            plan.workload.iter().filter(|task| is(task)).count()
        };
        assert_eq!(with(&|task| task.unique.is_some()), 4);
        assert_eq!(with(&|task| task.delay_ms == 10_000), 4);
        assert_eq!(with(&|task| task.group.is_some()), 4);
        assert_eq!(with(&|task| task.payload.is_some()), 16);
    }

    #[test]
    fn what_does_not_go_together_is_told_at_once() {
        let wrong = Asked {
            stages: vec![(1e6, 86_400_000)],
            unique: 0.7,
            grouped: 0.7,
            payload: Some((1 << 20, 1 << 20)),
            ..asked()
        };
        let said = wrong.plan().unwrap_err();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].contains("140 %") && said[2].contains("no machine"));
    }

    #[test]
    fn rates_add_up_to_what_was_asked() {
        let plan = Asked {
            stages: vec![(200.0, 60_000)],
            queues: vec![("a".into(), 1), ("b".into(), 2)],
            unique: 0.25,
            ..asked()
        }
        .plan()
        .unwrap();
        let count: usize = (0..plan.workload.len())
            .map(|entry| crate::plan::arrivals(&plan, entry).count())
            .sum();
        // Six standard deviations of a Poisson variable around 12,000.
        assert!(
            (count as f64 - 12_000.0).abs() < 6.0 * 12_000_f64.sqrt(),
            "{count}"
        );
    }
}
