//! A plan for people: `firedrill plan`, and the `scenario.resolved.yaml` beside a record.

use crate::plan::{Arrivals, Incident, Plan, RemedyStep, RetryDelay, Service, Step, Z95};
use crate::scenario::duration;
use firedrill_asynq::actor::ErrorKind;
use firedrill_detector::text::is_obeyed;
use std::fmt::Write;

impl Plan {
    /// The plan as a scenario file with nothing left out: it loads again and means the same.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut text = String::new();
        let d = duration::format;
        let mut line = |content: String| {
            text.push_str(&content);
            text.push('\n');
        };
        line("version: firedrill/v1".into());
        line(format!("name: {}", self.name));
        line(format!("family: {}", self.family));
        line(format!("summary: {}", quote(&self.summary)));
        line(format!("seed: {}", self.seed));
        line(format!("starts: {}", quote(&self.starts.to_string())));
        line(format!("duration: {}", d(self.duration_ms)));
        line(format!("warmup: {}", d(self.warmup_ms)));
        line("queues:".into());
        for queue in &self.queues {
            let (name, objective) = (quote(&queue.name), d(queue.wait_objective_ms));
            line(format!(
                "  {name}: {{ priority: {}, wait_objective: {objective} }}",
                queue.priority
            ));
        }
        line("workload:".into());
        for task in &self.workload {
            line(format!("  - task: {}", quote(&task.task)));
            line(format!("    queue: {}", quote(&task.queue)));
            line(format!("    arrivals: {}", arrivals(&task.arrivals)));
            line(format!("    service: {}", service(&task.service)));
            line(format!("    max_retry: {}", task.max_retry));
            line(format!("    timeout: {}", d(task.timeout_ms)));
            line(format!("    fail: {}%", task.fail_share * 100.0));
            if task.fail_as != ErrorKind::Failure {
                line(format!("    fail_as: {}", task.fail_as.name()));
            }
            if task.delay_ms > 0 {
                line(format!("    delay: {}", d(task.delay_ms)));
            }
            if let Some(ms) = task.deadline_ms {
                line(format!("    deadline: {}", d(ms)));
            }
            if task.retention_ms > 0 {
                line(format!("    retention: {}", d(task.retention_ms)));
            }
            if let Some(result) = &task.result {
                line(format!("    result: {}", quote(result)));
            }
        }
        line("workers:".into());
        for worker in &self.workers {
            let queues: Vec<String> = worker.queues.iter().map(|(name, _)| quote(name)).collect();
            line(format!("  - name: {}", quote(&worker.name)));
            line(format!("    processes: {}", worker.processes));
            line(format!("    concurrency: {}", worker.concurrency));
            line(format!("    queues: [{}]", queues.join(", ")));
            line(format!("    strict_priority: {}", worker.strict_priority));
            line(format!(
                "    shutdown_timeout: {}",
                d(worker.shutdown_timeout_ms)
            ));
            line(format!(
                "    task_check_interval: {}",
                d(worker.task_check_interval_ms)
            ));
            line(format!(
                "    retry_delay: {}",
                retry_delay(worker.retry_delay)
            ));
            if let Some(groups) = &worker.groups {
                line(format!(
                    "    groups: {{ grace_period: {}, max_delay: {}, max_size: {}, into: {} }}",
                    d(groups.grace_period_ms),
                    d(groups.max_delay_ms),
                    groups.max_size,
                    quote(&groups.into)
                ));
            }
        }
        line(format!(
            "scrape: {{ interval: {}, timeout: {} }}",
            d(self.scrape_interval_ms),
            d(self.scrape_timeout_ms)
        ));
        line(format!(
            "evaluation: {{ interval: {} }}",
            d(self.evaluation_interval_ms)
        ));
        if !self.timeline.is_empty() || !self.remedies.is_empty() {
            line("timeline:".into());
        }
        for step in &self.timeline {
            line(format!("  - {{ {} }}", as_written(step)));
        }
        for step in &self.remedies {
            line(format!("  - {{ {} }}", remedy_as_written(step)));
        }
        if !self.incidents.is_empty() {
            line("incidents:".into());
        }
        for incident in &self.incidents {
            let wanted = format!("{:?}", incident.wanted).to_lowercase();
            let (at, until) = (d(incident.at_ms), d(incident.until_ms));
            let within = d(incident.deadline_ms - incident.at_ms);
            let step = incident.step.as_deref().and_then(|id| self.step(id));
            let of = step.map_or(String::new(), |step| {
                let unusual = if step.fault.can_be_behind(&incident.cause) {
                    ""
                } else {
                    ", unusual_cause: true"
                };
                format!(", of: {}{unusual}", quote(&step.id))
            });
            line(format!(
                "  - {{ cause: {}{of}, wanted: {wanted}, at: {at}, until: {until}, within: {within} }}",
                incident.cause
            ));
        }
        if !self.benign.is_empty() {
            line("benign:".into());
        }
        for window in &self.benign {
            let (at, until) = (d(window.at_ms), d(window.until_ms));
            line(format!(
                "  - {{ what: {}, at: {at}, until: {until} }}",
                quote(&window.what)
            ));
        }
        text
    }

    /// An incident in a few words: its cause, and the step behind it.
    #[must_use]
    pub fn told(&self, incident: &Incident) -> String {
        match &incident.step {
            Some(step) => format!("{} of step {step}", incident.cause),
            None => format!("{} with times of its own", incident.cause),
        }
    }

    /// The plan with its timeline in words: what would be done, undone, and expected.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut events: Vec<(i64, String)> = Vec::new();
        for step in &self.timeline {
            let on = if step.targets.is_empty() {
                String::new()
            } else {
                format!(" on {}", step.targets.join(", "))
            };
            let on = format!("{on}{}", named(step));
            events.push((step.at_ms, format!("do    {}{on}", step.fault.name())));
            match &step.until {
                Some(until) => {
                    let remedy = until.remedy.as_ref();
                    let undo = remedy.map_or("ends by itself", |remedy| remedy.name());
                    events.push((
                        until.at_ms,
                        format!("undo  {}{on}: {undo}", step.fault.name()),
                    ));
                }
                None => events.push((
                    self.duration_ms,
                    format!("undo  {}{on}: the drill ends", step.fault.name()),
                )),
            }
        }
        for step in &self.remedies {
            let on = match step.targets.is_empty() {
                true => String::new(),
                false => format!(" on {}", step.targets.join(", ")),
            };
            let ends: Vec<&str> = self.ended_by(step).map(|step| step.id.as_str()).collect();
            let ends = match ends.is_empty() {
                true => ", which ends nothing".to_owned(),
                false => format!(", which ends {}", ends.join(", ")),
            };
            events.push((
                step.at_ms,
                format!("do    {}{on}{ends}", step.remedy.name()),
            ));
        }
        for incident in &self.incidents {
            let wanted = format!("{:?}", incident.wanted).to_lowercase();
            events.push((
                incident.deadline_ms,
                format!("want  a {wanted} for {} by now", self.told(incident)),
            ));
        }
        for window in &self.benign {
            events.push((window.at_ms, format!("want  silence: {}", window.what)));
        }
        events.push((
            self.duration_ms,
            "end   workers and Redis are stopped, every task is accounted for".into(),
        ));
        events.sort_by_key(|(at_ms, _)| *at_ms);
        let mut text = self.to_yaml();
        text.push_str("\n# What happens, in minutes and seconds of the drill's clock:\n");
        for (at_ms, what) in events {
            let _ = writeln!(
                text,
                "#   {:>3}:{:02}  {what}",
                at_ms / 60_000,
                at_ms / 1_000 % 60
            );
        }
        text
    }
}

/// A step as an entry of a timeline.
fn as_written(step: &Step) -> String {
    let mut text = format!(
        "id: {}, at: {}, fault: {}",
        quote(&step.id),
        duration::format(step.at_ms),
        step.fault.name()
    );
    if !step.targets.is_empty() {
        let names: Vec<String> = step.targets.iter().map(|name| quote(name)).collect();
        let _ = write!(text, ", select: [{}]", names.join(", "));
    }
    for (key, value) in step.fault.written() {
        let _ = write!(text, ", {key}: {value}");
    }
    if let Some(until) = step.until.as_ref().filter(|until| until.by.is_none()) {
        let remedy = until.remedy.as_ref().map_or(String::new(), |remedy| {
            format!(", remedy: {}", remedy.name())
        });
        let _ = write!(
            text,
            ", until: {{ at: {}{remedy} }}",
            duration::format(until.at_ms)
        );
    }
    text
}

/// A remedy of its own as an entry of a timeline.
fn remedy_as_written(step: &RemedyStep) -> String {
    let (at, name) = (duration::format(step.at_ms), step.remedy.name());
    let mut text = format!("id: {}, at: {at}, remedy: {name}", quote(&step.id));
    if !step.targets.is_empty() {
        let names: Vec<String> = step.targets.iter().map(|name| quote(name)).collect();
        let _ = write!(text, ", select: [{}]", names.join(", "));
    }
    for (key, value) in step.remedy.written() {
        let _ = write!(text, ", {key}: {value}");
    }
    text
}

/// The id of a step, where its fault does not say it.
fn named(step: &Step) -> String {
    if step.id == step.fault.name() {
        String::new()
    } else {
        format!(" (step {})", step.id)
    }
}

fn arrivals(arrivals: &Arrivals) -> String {
    let d = duration::format;
    match arrivals {
        Arrivals::Poisson {
            rate_per_sec,
            from_ms,
            until_ms,
        } => {
            format!(
                "{{ poisson: {rate_per_sec}/s, from: {}, until: {} }}",
                d(*from_ms),
                d(*until_ms)
            )
        }
        Arrivals::Constant {
            rate_per_sec,
            from_ms,
            until_ms,
        } => {
            format!(
                "{{ constant: {rate_per_sec}/s, from: {}, until: {} }}",
                d(*from_ms),
                d(*until_ms)
            )
        }
        Arrivals::Cron { spec } => format!("{{ cron: {} }}", quote(spec)),
        Arrivals::Burst {
            count,
            at_ms,
            over_ms,
        } => {
            format!(
                "{{ burst: {{ count: {count}, at: {}, over: {} }} }}",
                d(*at_ms),
                d(*over_ms)
            )
        }
    }
}

/// As people write it, where that means the same to the last bit.
fn service(service: &Service) -> String {
    match service {
        Service::Lognormal { mu, sigma } => {
            let [mean, p95] = [
                libm::exp(mu + sigma * sigma / 2.0),
                libm::exp(mu + Z95 * sigma),
            ]
            .map(|seconds| span(seconds * 1e6));
            let seconds = |text: &str| duration::micros(text).map(|us| us / 1e3 / 1e3);
            let same = seconds(&mean)
                .zip(seconds(&p95))
                .and_then(|(mean, p95)| Service::lognormal(mean, p95));
            if same.as_ref() == Some(service) {
                format!("{{ lognormal: {{ mean: {mean}, p95: {p95} }} }}")
            } else {
                format!("{{ lognormal: {{ mu: {mu}, sigma: {sigma} }} }}")
            }
        }
        Service::Exponential { mean_ms } => {
            format!("{{ exponential: {{ mean: {} }} }}", span(mean_ms * 1e3))
        }
        Service::Constant { ms } => format!("{{ constant: {} }}", span(ms * 1e3)),
    }
}

/// Microseconds in the largest unit in which the whole part is not 0, such as `1.3s`.
fn span(us: f64) -> String {
    let us = us.round();
    match us {
        1e6.. => format!("{}s", us / 1e6),
        1e3.. => format!("{}ms", us / 1e3),
        _ => format!("{us}us"),
    }
}

fn retry_delay(delay: RetryDelay) -> String {
    let d = duration::format;
    match delay {
        RetryDelay::Default => "default".into(),
        RetryDelay::Constant { ms } => format!("{{ constant: {} }}", d(ms)),
        RetryDelay::Exponential {
            base_ms,
            factor,
            jitter,
        } => format!(
            "{{ exponential: {}, factor: {factor}, jitter: {}% }}",
            d(base_ms),
            jitter * 100.0
        ),
    }
}

/// A string that YAML reads back as itself: plain where nothing could take it for anything else.
pub(crate) fn quote(text: &str) -> String {
    // Plain, these are other things than strings, here or in other readers.
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if plain && !is_word && text.parse::<f64>().is_err() {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if is_obeyed(c) || c == '\u{85}' => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{PlanOptions, Scenario};
    use firedrill_detector::yaml::{Problems, parse};
    use proptest::prelude::*;

    fn read_back(text: &str) -> Option<String> {
        let mut problems = Problems::new("f");
        let written = format!("- {{ a: {} }}\n", quote(text));
        let node = parse(&written, &mut problems)?;
        let items = node.as_seq("list", &mut problems)?;
        let (_, value) = items.first()?.as_map("map", &mut problems)?.first()?;
        value.text().map(str::to_owned)
    }

    #[test]
    fn strings_are_quoted_by_yamls_rules() {
        for (text, quoted) in [
            ("w-0", "w-0"),
            ("on", "\"on\""),
            ("-", "\"-\""),
            ("1e3", "\"1e3\""),
            ("it's {{ .x }} # ☃", "\"it's {{ .x }} # ☃\""),
            (
                "a\"b\\c\n\u{1b}\u{85}",
                "\"a\\\"b\\\\c\\n\\U0000001b\\U00000085\"",
            ),
        ] {
            assert_eq!(quote(text), quoted);
            assert_eq!(read_back(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_quoted_is_read_back_as_it_was() {
        for c in (0..0x300_u32)
            .chain(0x2000..0x2070)
            .chain(0xfff0..0x10000)
            .filter_map(char::from_u32)
        {
            let text = format!("a{c}: '\"\\ #\u{301}\u{1f525}");
            let scenario = include_str!("../../../scenarios/healthy.yaml");
            let line = scenario.lines().find(|line| line.starts_with("summary:"));
            let edited = scenario.replace(line.unwrap(), &format!("summary: {}", quote(&text)));
            let read = Scenario::parse("s.yaml", &edited).unwrap();
            let plan = Plan::resolve(&read, &PlanOptions::default()).unwrap();
            assert_eq!(plan.summary, text, "{c:?}");
        }
    }

    #[test]
    fn service_times_are_printed_as_they_were_written() {
        for (mean, p95) in [
            ("500ms", "1.3s"),
            ("3s", "8s"),
            ("250us", "0.7ms"),
            ("1.234567s", "2m"),
        ] {
            let seconds = |text| duration::micros(text).unwrap() / 1e3 / 1e3;
            let Some(written) = Service::lognormal(seconds(mean), seconds(p95)) else {
                continue;
            };
            let shown = service(&written);
            assert!(shown.contains("mean: "), "{mean} {p95}: {shown}");
        }
        assert_eq!(
            service(&Service::Constant { ms: 300.0 }),
            "{ constant: 300ms }"
        );
        assert_eq!(
            service(&Service::Exponential { mean_ms: 1_500.0 }),
            "{ exponential: { mean: 1.5s } }"
        );
        let odd = Service::Lognormal {
            mu: 0.1,
            sigma: 0.2,
        };
        assert_eq!(service(&odd), "{ lognormal: { mu: 0.1, sigma: 0.2 } }");
    }

    proptest! {
        #[test]
        fn any_string_reads_back(text in any::<String>()) {
            prop_assert_eq!(read_back(&text), Some(text));
        }
    }
}
