//! What a plan asks of a machine.

use crate::lever::{HandlerLever, Lever};
use crate::plan::load::Load;
use crate::plan::rates::Varying;
use crate::plan::{Arrivals, MB, Plan, RetryDelay, Service, Step, TaskPlan, arrivals};
use firedrill_asynq::actor::ErrorKind;
use firedrill_asynq::settings::HEARTBEAT_INTERVAL_MS;

/// What an idle poll, a heartbeat or a scrape costs, in tasks.
const POLL: f64 = 0.25;

/// What a heartbeat costs for each task that is under way, in tasks.
const BEAT: f64 = 0.02;

/// What a megabyte of payload costs, in tasks: it is sent, taken and, where it fails, written back, each time over a socket, through a
/// script and through a process' memory. Measured with `firedrill load --payload`, of 50 and of 200 KB beside 100 bytes.
const PAYLOAD_MB: f64 = 25.0;

/// Random bits of the delay in the middle.
const MEDIAN: u64 = 1 << 63;

/// What a drill asks of a machine, per virtual second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// Tasks; idle polls and the like are counted as parts of one, large payloads as more than one.
    pub tasks_per_s: f64,
    /// The same where handlers fail, and tasks come again for their retries: no less.
    pub busiest_per_s: f64,
    /// Mean time of a handler, virtual milliseconds.
    pub handler_ms: f64,
    /// Length, virtual milliseconds.
    pub duration_ms: i64,
    /// Whether it is about how long clients wait: then a moment of theirs must not be a hiccup of the machine.
    pub holds_calls: bool,
}

impl Demand {
    /// Of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let seconds = plan.duration_ms.max(1) as f64 / 1e3;
        let (mut tasks, mut work_ms, mut all_mb) = (0.0, 0.0, 0.0);
        let mut retried = 0.0;
        for (count, task) in expected_tasks(plan).into_iter().zip(&plan.workload) {
            tasks += count;
            let payload_mb = payload_mb(task);
            all_mb += count * payload_mb;
            let again_per_s = count / seconds * retries(plan, task);
            retried += again_per_s * (1.0 + PAYLOAD_MB * payload_mb);
            let for_payload_ms = task.service_per_mb_ms.unwrap_or(0.0) * payload_mb;
            let alone_ms = mean_ms(&task.service) + plan.mean_use_ms(task);
            work_ms += count * (alone_ms + for_payload_ms);
        }
        let polls = plan.workers.iter().map(|worker| {
            let idle = 1e3 / worker.task_check_interval_ms.max(1) as f64;
            // Heartbeats, the forwarder and the others beat every few seconds.
            f64::from(worker.processes) * (idle.min(f64::from(worker.concurrency)) + 0.5)
        });
        // Every beat publishes what is under way, and extends its leases.
        let slots = plan
            .workers
            .iter()
            .map(|worker| f64::from(worker.processes) * f64::from(worker.concurrency));
        let slots: f64 = slots.sum();
        let under_way = (work_ms / 1e3 / seconds).min(slots);
        let beats = BEAT * under_way * 1e3 / HEARTBEAT_INTERVAL_MS as f64;
        let scrapes = plan.scrapes() / seconds;
        // Whoever tries again has all in its hands, at most, that has come while something else kept Redis from taking it.
        let again = plan.timeline.iter().map(|step| match step.fault.begin() {
            Lever::Again { every_ms } => {
                let others = plan.timeline.iter().filter(|other| other.id != step.id);
                let meanwhile = others.map(|other| overlap_ms(plan, step, other)).max();
                tasks / seconds * meanwhile.unwrap_or(0) as f64 / every_ms as f64
            }
            _ => 0.0,
        });
        let handler_ms = work_ms / tasks.max(1.0);
        let tasks_per_s = (tasks + PAYLOAD_MB * all_mb) / seconds
            + again.fold(0.0, f64::max)
            + beats
            + POLL * (polls.sum::<f64>() + scrapes);
        // Slots cannot do more than they can.
        let most_per_s =
            slots / handler_ms.max(1e-3) * 1e3 * (1.0 + PAYLOAD_MB * all_mb / tasks.max(1.0));
        Self {
            tasks_per_s,
            busiest_per_s: tasks_per_s + retried.min((most_per_s - tasks_per_s).max(0.0)),
            handler_ms,
            duration_ms: plan.duration_ms,
            holds_calls: plan.holds_calls(),
        }
    }
}

/// Megabytes of a task's payload, on average.
fn payload_mb(task: &TaskPlan) -> f64 {
    let size = task.payload.as_ref();
    size.map_or(0.0, |size| size.mean_bytes() / MB)
}

/// How often a task is tried again within the step that makes most of its attempts fail, on average over those that arrive meanwhile.
fn retries(plan: &Plan, task: &TaskPlan) -> f64 {
    let retry_delay = plan
        .workers
        .iter()
        .find(|worker| worker.serves().any(|queue| queue == task.queue))
        .map_or_else(RetryDelay::default, |worker| worker.retry_delay);
    let within = |step: &Step| {
        let (of, share, attempts) = match step.fault.begin() {
            Lever::Handler(HandlerLever::Fail {
                task,
                share,
                attempts,
                fail_as: ErrorKind::Failure,
                ..
            }) => (Some(task), share, attempts),
            Lever::Handler(HandlerLever::Panic { task, share, .. }) => (task, share, None),
            _ => return 0.0,
        };
        if of.is_some_and(|of| of != task.task) {
            return 0.0;
        }
        let on_ms = (ends_ms(plan, step) - step.at_ms).max(1) as f64;
        let most = attempts.unwrap_or(u32::MAX).min(task.max_retry);
        let (mut after_ms, mut reaches, mut all) = (0.0, 1.0, 0.0);
        for retried in 0..i32::try_from(most).unwrap_or(i32::MAX) {
            after_ms += retry_delay.draw_ms(retried, MEDIAN) as f64;
            reaches *= share;
            let part = reaches * (1.0 - after_ms / on_ms);
            // Each further one is later, and rarer.
            if part < 1e-3 {
                break;
            }
            all += part;
        }
        all
    };
    plan.timeline.iter().map(within).fold(0.0, f64::max)
}

/// When a step is over, milliseconds since the start.
fn ends_ms(plan: &Plan, step: &Step) -> i64 {
    let until = step.until.as_ref();
    until.map_or(plan.duration_ms, |until| until.at_ms)
}

/// How long two steps are on together.
fn overlap_ms(plan: &Plan, one: &Step, other: &Step) -> i64 {
    let together = ends_ms(plan, one).min(ends_ms(plan, other)) - one.at_ms.max(other.at_ms);
    together.max(0)
}

/// Tasks that are enqueued in a drill, by producers and handlers, on average, for each entry of the workload.
#[must_use]
pub fn expected_tasks(plan: &Plan) -> Vec<f64> {
    let arriving = |(index, task): (usize, &TaskPlan)| match task.arrivals {
        Arrivals::None => 0.0,
        Arrivals::Poisson {
            rate_per_sec,
            from_ms,
            until_ms,
        }
        | Arrivals::Constant {
            rate_per_sec,
            from_ms,
            until_ms,
        } => {
            let factor = Load::of(plan, index).mean_factor(from_ms, until_ms);
            factor * rate_per_sec * (until_ms - from_ms).max(0) as f64 / 1e3
        }
        Arrivals::Burst { count, .. } => count as f64,
        Arrivals::Stages { .. } | Arrivals::Diurnal { .. } | Arrivals::Mmpp { .. } => {
            let load = Load::of(plan, index);
            let varying = Varying::of(plan, index, &load);
            let end_us = plan.duration_ms as f64 * 1e3;
            varying.map_or(0.0, |varying| varying.expected(&load, end_us))
        }
        // Once a second at most, or as many as were recorded.
        Arrivals::Cron { .. } | Arrivals::Trace { .. } => arrivals(plan, index).count() as f64,
    };
    let mut tasks: Vec<f64> = plan.workload.iter().enumerate().map(arriving).collect();
    plan.add_children(&mut tasks);
    tasks
}

/// Mean of a distribution, milliseconds.
pub(super) fn mean_ms(service: &Service) -> f64 {
    match service {
        Service::Lognormal { mu, sigma } => libm::exp(mu + sigma * sigma / 2.0) * 1e3,
        Service::Exponential { mean_ms } => *mean_ms,
        Service::Constant { ms } => *ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::PayloadSize;
    use crate::scenario::tests::plan_with_arrivals;

    #[test]
    fn a_plan_asks_for_its_arrivals_and_its_polls() {
        let plan = plan_with_arrivals("{ poisson: 10/s }");
        let asked = Demand::of(&plan);
        assert!((10.0..12.0).contains(&asked.tasks_per_s), "{asked:?}");
        let quiet = Demand::of(&plan_with_arrivals("{ burst: { count: 1, at: 1m } }"));
        assert!((0.1..2.0).contains(&quiet.tasks_per_s), "{quiet:?}");
    }

    #[test]
    fn tasks_that_fail_are_work_again_and_again_but_no_more_than_slots_can_do() {
        let plan = |rate: u32| {
            let text = crate::builtin::scenario("redis-maxmemory-lockup").unwrap();
            let text = text
                .text
                .replace("poisson: 10/s", &format!("poisson: {rate}/s"));
            let scenario = crate::scenario::Scenario::parse("s.yaml", &text).unwrap();
            Plan::resolve(&scenario, &crate::scenario::PlanOptions::default()).unwrap()
        };
        // 20 minutes: 0:30, 1:15, 2:30, 5, 11 and half of those that came early after 23.
        let some = retries(&plan(2), &plan(2).workload[0]);
        assert!((3.0..5.0).contains(&some), "{some}");
        let few = Demand::of(&plan(2));
        let each = few.tasks_per_s / 2.0;
        assert!(few.busiest_per_s > few.tasks_per_s * 2.5, "{few:?}");
        // 20 slots of 500 ms.
        let many = Demand::of(&plan(10));
        assert!(many.busiest_per_s < 42.0 * each, "{many:?}");
        let healthy = Demand::of(&plan_with_arrivals("{ poisson: 10/s }"));
        assert!((healthy.busiest_per_s - healthy.tasks_per_s).abs() < 1e-9);
    }

    #[test]
    fn large_payloads_are_work_for_the_machine_and_none_for_handlers() {
        let mut plan = plan_with_arrivals("{ poisson: 10/s }");
        let small = Demand::of(&plan);
        plan.workload[0].payload = Some(PayloadSize::Constant { bytes: 1 << 20 });
        let large = Demand::of(&plan);
        let more = large.tasks_per_s - small.tasks_per_s;
        assert!(
            (more - 10.0 * PAYLOAD_MB).abs() < 1.0,
            "{small:?} {large:?}"
        );
        assert_eq!(large.handler_ms, small.handler_ms);
    }
}
