//! The first line of a record: the plan, the rules it is judged by, and the engine.

use super::{Rules, is_in_real_time};
use crate::engine::live::LiveOptions;
use crate::plan::Plan;
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_reports::record::{
    BenignWindow, FORMAT, Header, PlannedIncident, PlannedStep, Rehearsed, RuleReading, WORKERS,
};
use firedrill_reports::score::Delivery;
use std::collections::BTreeMap;

/// What a record's header says of the engine.
pub(super) struct EngineFacts {
    name: &'static str,
    speed: f64,
    epoch: Time,
    /// When it begins in real time, Unix milliseconds.
    began_ms: Option<i64>,
    rehearsal: Option<Rehearsed>,
    environment: BTreeMap<String, String>,
}

impl EngineFacts {
    pub(super) fn live(plan: &Plan, options: &LiveOptions) -> Self {
        let cpus = std::thread::available_parallelism().map_or(0, usize::from);
        let environment = [
            ("os", std::env::consts::OS.to_owned()),
            ("arch", std::env::consts::ARCH.to_owned()),
            ("cpus", cpus.to_string()),
            ("redis", options.redis.describe()),
            ("clock", clock_told(plan, options.speed)),
        ];
        let workers = options.workers.describe();
        let workers = workers.map(|workers| (WORKERS, workers.to_owned()));
        Self {
            name: "live",
            speed: options.speed,
            epoch: options.epoch,
            began_ms: Some(ClockOrigin::real_time().now().millis()),
            rehearsal: options.rehearsal.as_ref().map(|rehearsal| rehearsal.terms),
            environment: environment
                .into_iter()
                .chain(workers)
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        }
    }

    /// Nothing of the machine: the same drill leaves the same record everywhere.
    pub(super) fn virtual_time(plan: &Plan) -> Self {
        Self {
            name: "virtual",
            speed: 0.0,
            epoch: plan.starts.on_the_calendar(),
            began_ms: None,
            rehearsal: None,
            environment: BTreeMap::new(),
        }
    }
}

/// What is known of a drill before it begins.
pub(super) fn header(plan: &Plan, rules: Option<&Rules>, engine: &EngineFacts) -> Header {
    let delivery = rules.map_or_else(Delivery::default, |rules| rules.delivery);
    let incidents = plan
        .incidents
        .iter()
        .enumerate()
        .map(|(index, incident)| PlannedIncident {
            id: u32::try_from(index).unwrap_or(u32::MAX),
            cause: incident.cause.clone(),
            wanted: incident.wanted,
            starts_ms: incident.at_ms,
            ends_ms: incident.until_ms,
            deadline_ms: incident.deadline_ms,
            step: incident.step.clone(),
            queues: plan.queues_within_reach(incident),
        });
    let faults = plan.timeline.iter().map(|step| PlannedStep {
        id: step.id.clone(),
        fault: step.fault.name().to_owned(),
        remedy: step
            .until
            .as_ref()
            .and_then(|until| until.remedy.as_ref())
            .map(|remedy| remedy.name().to_owned()),
        starts_ms: step.at_ms,
        ends_ms: step.until.as_ref().map(|until| until.at_ms),
        targets: step.targets.clone(),
        is_remedy: false,
    });
    let remedies = plan.remedies.iter().map(|step| PlannedStep {
        id: step.id.clone(),
        fault: step.remedy.name().to_owned(),
        remedy: None,
        starts_ms: step.at_ms,
        ends_ms: None,
        targets: step.targets.clone(),
        is_remedy: true,
    });
    let steps = faults.chain(remedies);
    let benign = plan.benign.iter().map(|window| BenignWindow {
        what: window.what.clone(),
        starts_ms: window.at_ms,
        ends_ms: window.until_ms,
    });
    Header {
        format: FORMAT.to_owned(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: plan.name.clone(),
        family: plan.family.clone(),
        summary: plan.summary.clone(),
        seed: plan.seed,
        engine: engine.name.to_owned(),
        speed: engine.speed,
        epoch_ms: engine.epoch.millis(),
        began_ms: engine.began_ms,
        rehearsal: engine.rehearsal,
        duration_ms: plan.duration_ms,
        warmup_ms: plan.warmup_ms,
        scrape_interval_ms: plan.scrape_interval_ms,
        evaluation_interval_ms: plan.evaluation_interval_ms,
        evaluation_phase_ms: plan.evaluation_phase_ms,
        group_wait_ms: delivery.group_wait_ms,
        group_interval_ms: delivery.group_interval_ms,
        alertmanager: rules.and_then(|rules| rules.alertmanager.clone()),
        rules: rules.map_or_else(Vec::new, |rules| rules.texts.clone()),
        reading: rules.map_or_else(RuleReading::default, |rules| rules.reading),
        plan: plan.to_yaml(),
        steps: steps.collect(),
        incidents: incidents.collect(),
        benign: benign.collect(),
        gates: plan.gates.iter().map(ToString::to_string).collect(),
        environment: engine.environment.clone(),
    }
}

/// What a live record says of its time of day.
fn clock_told(plan: &Plan, speed: f64) -> String {
    if is_in_real_time(speed) {
        format!(
            "real time, as always at speed 1; the scenario starts at {}, which only its arrivals know",
            plan.starts
        )
    } else {
        format!("starts at {} UTC", plan.starts)
    }
}
