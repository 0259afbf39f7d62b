//! Whether a record is of the plan whose text it holds: a drill writes its header, targets, queues and marks from its plan,
//! so they agree. Records of before 1.2 said less, and are not asked.

mod scrapes;

use crate::agenda::Phase;
use crate::drill;
use crate::fault::Fault;
use crate::lever::Lever;
use crate::plan::Plan;
use crate::scenario::{PlanOptions, Scenario};
use firedrill_asynq::clock::Time;
use firedrill_asynq::settings::ARCHIVE_MAX;
use firedrill_reports::record::{Action, Header, Line, PlannedIncident, PlannedStep};
use firedrill_reports::{Record, Replay};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What a record says against its plan, or against itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    /// The text of the plan cannot be read.
    #[error("the plan in the record is no scenario: {0}")]
    NoPlan(String),
    /// A field of the header is not what the plan makes it.
    #[error("{what} is {found} in the header, and {planned} in the plan beside it")]
    Header {
        /// The field.
        what: String,
        /// As it stands in the header.
        found: String,
        /// As the plan has it.
        planned: String,
    },
    /// Something else no drill of this plan writes.
    #[error("{0}: no drill of the plan in this record writes that")]
    Impossible(String),
}

/// Everything in a record that its plan contradicts.
#[must_use]
pub fn check(record: &Record) -> Vec<Disagreement> {
    let header = &record.header;
    if !record.has_steps() {
        return Vec::new();
    }
    let plan = match planned(header) {
        Ok(plan) => plan,
        Err(_) if may_be_unreadable(record) => return Vec::new(),
        Err(why) => return vec![Disagreement::NoPlan(why)],
    };
    let mut found = against_header(header, &plan);
    if found.is_empty() {
        let others = tasks(record, &plan)
            .into_iter()
            .chain(late_marks(record, &plan))
            .chain(scrapes::check(record, &plan));
        found.extend(others.map(Disagreement::Impossible));
    }
    found
}

/// Whether the plan's text may be one that does not load: the first records of 1.2, which had no checksum, quoted some
/// characters as Rust does, and those of `fidelity` had steps moved without their incidents.
fn may_be_unreadable(record: &Record) -> bool {
    let is_sealed = |line: &Line| {
        matches!(
            line,
            Line::Footer {
                checksum: Some(_),
                ..
            }
        )
    };
    let text = &record.header.plan;
    let is_scenario = || Scenario::parse("plan", text).is_ok();
    !record.lines.iter().any(is_sealed) && (text.contains("\\u{") || is_scenario())
}

/// The plan in a record's header.
///
/// # Errors
/// With the first thing that is wrong with it.
pub fn planned(header: &Header) -> Result<Plan, String> {
    let first = |problems: Vec<firedrill_detector::yaml::Problem>| {
        let first = problems.first();
        first.map_or_else(String::new, ToString::to_string)
    };
    let scenario = Scenario::parse("plan", &header.plan).map_err(first)?;
    Plan::resolve(&scenario, &PlanOptions { seed: None }).map_err(first)
}

/// Fields of the header that are not as the plan makes them.
fn against_header(header: &Header, plan: &Plan) -> Vec<Disagreement> {
    let meant = drill::virtual_header(plan, None);
    let mut found = Vec::new();
    let mut same =
        |what: &str, here: Value, there: Value| differences(what, &here, &there, &mut found);
    same("scenario", json!(header.scenario), json!(meant.scenario));
    same("family", json!(header.family), json!(meant.family));
    same("summary", json!(header.summary), json!(meant.summary));
    same("seed", json!(header.seed), json!(meant.seed));
    same(
        "duration_ms",
        json!(header.duration_ms),
        json!(meant.duration_ms),
    );
    same("warmup_ms", json!(header.warmup_ms), json!(meant.warmup_ms));
    let (here, there) = (header.scrape_interval_ms, meant.scrape_interval_ms);
    same("scrape_interval_ms", json!(here), json!(there));
    let (here, there) = (header.evaluation_interval_ms, meant.evaluation_interval_ms);
    same("evaluation_interval_ms", json!(here), json!(there));
    let (here, there) = (header.evaluation_phase_ms, meant.evaluation_phase_ms);
    same("evaluation_phase_ms", json!(here), json!(there));
    // Field by field, so that it is told which of them.
    same(
        "the number of steps",
        json!(header.steps.len()),
        json!(meant.steps.len()),
    );
    for (here, there) in header.steps.iter().zip(&meant.steps) {
        same(&format!("step {}", here.id), json!(here), json!(there));
    }
    let (here, there) = (header.incidents.len(), meant.incidents.len());
    same("the number of incidents", json!(here), json!(there));
    for (here, there) in header.incidents.iter().zip(&meant.incidents) {
        // Which queues it reaches, a later release may know better.
        let here = PlannedIncident {
            queues: there.queues.clone(),
            ..here.clone()
        };
        // The plans of some months ago did not name the step behind it; it was one that begins with it.
        let begins = |step: &PlannedStep| {
            here.step.as_ref() == Some(&step.id) && step.starts_ms == here.starts_ms
        };
        let there = match there.step {
            None if header.steps.iter().any(begins) => PlannedIncident {
                step: here.step.clone(),
                ..there.clone()
            },
            _ => there.clone(),
        };
        same(&format!("incident {}", here.id), json!(here), json!(there));
    }
    same(
        "the list of harmless windows",
        json!(header.benign),
        json!(meant.benign),
    );
    same("the list of gates", json!(header.gates), json!(meant.gates));
    let queues: Vec<&str> = plan
        .queues
        .iter()
        .map(|queue| queue.name.as_str())
        .collect();
    for incident in &header.incidents {
        let known = |queue: &&String| queues.contains(&queue.as_str());
        let of_plan: Vec<&String> = incident.queues.iter().filter(known).collect();
        let what = format!("queues of incident {}", incident.id);
        same(&what, json!(incident.queues), json!(of_plan));
    }
    // The plans of some months ago did not say when they start.
    if header.plan.contains("\nstarts:") {
        let epoch = Time::from_millis(header.epoch_ms);
        let starts = match header.engine.as_str() {
            "virtual" => plan.starts.on_the_calendar(),
            _ if drill::is_in_real_time(header.speed) => epoch,
            _ => plan.starts.next_from(epoch),
        };
        same("epoch_ms", json!(header.epoch_ms), json!(starts.millis()));
    }
    found
}

/// Adds each field in which two values differ, by its name; what is no group of fields, as a whole.
fn differences(what: &str, here: &Value, there: &Value, found: &mut Vec<Disagreement>) {
    if here == there {
        return;
    }
    if let (Value::Object(here), Value::Object(there)) = (here, there) {
        let fields: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
        for field in fields {
            let of = |side: &Map<String, Value>| side.get(field).cloned().unwrap_or_default();
            differences(&format!("{field} of {what}"), &of(here), &of(there), found);
        }
        return;
    }
    let told = |value: &Value| match value {
        Value::Null => "missing".to_owned(),
        value => value.to_string(),
    };
    found.push(Disagreement::Header {
        what: what.to_owned(),
        found: told(here),
        planned: told(there),
    });
}

/// What is said of tasks that come to something only where the plan has a reason for it, and of queues.
fn tasks(record: &Record, plan: &Plan) -> Vec<String> {
    let Some(audit) = record.audit() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let queues: BTreeSet<&str> = plan
        .queues
        .iter()
        .map(|queue| queue.name.as_str())
        .collect();
    let waited: BTreeSet<&str> = record.waits().map(|waits| waits.queue.as_str()).collect();
    // They follow the audit, so a record that was cut short may lack them.
    if record.complete {
        let missing = queues.difference(&waited);
        found.extend(missing.map(|queue| format!("the waits of queue {queue} are missing")));
    }
    let unknown = waited.difference(&queues);
    found.extend(
        unknown.map(|queue| format!("there are waits of queue {queue}, which there is not")),
    );
    let has = |reason: fn(&Fault) -> bool| plan.timeline.iter().any(|step| reason(&step.fault));
    let explained = &audit.unexplained;
    // What people had a hand in is no doing of the plan's.
    let by_hand = record.actions().any(Action::is_hand);
    if !by_hand && audit.rejected > explained.rejected && !has(Fault::may_reject) {
        found.push(format!(
            "{} tasks were rejected, {} of them unexplained, and no step has Redis away",
            audit.rejected, explained.rejected
        ));
    }
    if audit.locked_out > 0 && !has(|fault| matches!(fault.begin(), Lever::Locks { .. })) {
        found.push(format!(
            "{} tasks were refused by locks that were left behind, and no step leaves any",
            audit.locked_out
        ));
    }
    for step in audit.lost_in.keys().filter(|id| plan.step(id).is_none()) {
        found.push(format!(
            "tasks were lost by {step}, and there is no such step"
        ));
    }
    for step in audit.costs.keys() {
        let own = plan.remedies.iter().any(|remedy| remedy.id == *step);
        let of_end = plan.step(step).and_then(|step| step.until.as_ref());
        if !own && of_end.is_none_or(|until| until.remedy.is_none()) {
            found.push(format!(
                "a remedy of {step} cost something, and there is no such remedy"
            ));
        }
    }
    // What has left the archive since does not tell how full it was.
    let keeps = plan.remedies.is_empty() && !has(Fault::loses_data);
    if audit.trimmed > 0 && keeps && audit.archived + 1 < u64::from(ARCHIVE_MAX) {
        found.push(format!(
            "{} tasks were dropped from the archive, and {} are archived",
            audit.trimmed, audit.archived
        ));
    }
    // asynq drops the oldest of a full archive.
    let is_full = audit.archived >= u64::from(ARCHIVE_MAX);
    let loses = has(Fault::loses_tasks);
    if !by_hand && audit.lost > explained.lost && !loses && !is_full {
        found.push(format!(
            "{} tasks were lost, {} of them unexplained, and no step loses any",
            audit.lost, explained.lost
        ));
    }
    found
}

/// Longest that a process of a drill takes to die of SIGKILL, in real seconds.
const DIES_WITHIN_S: f64 = 1.0;

/// Beginnings of faults that were done, not waited for, later than the harness says it was.
fn late_marks(record: &Record, plan: &Plan) -> Vec<String> {
    // A stall explains anything, and has been told.
    if record.interference().next().is_some() {
        return Vec::new();
    }
    let Some(lag) = record.lag() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for mark in record.marks().filter(|mark| mark.verified) {
        let step = mark.step.as_deref().and_then(|id| plan.step(id));
        let (Some(step), Some(Phase::Begin)) = (step, mark.phase) else {
            continue;
        };
        if step.fault.begins_when_felt() {
            continue;
        }
        let processes = step.targets.len().max(1) as f64;
        let takes_ms = (DIES_WITHIN_S * 1e3 * record.header.speed * processes) as i64;
        let takes_ms = takes_ms + plan.longest_grace_ms(&step.fault.begin());
        let late_ms = mark.at_ms - mark.planned_ms;
        if late_ms > lag.fault_ms_max.saturating_add(takes_ms) {
            found.push(format!(
                "the mark of {} stands {late_ms} ms after its time, and nothing was later than {} ms",
                mark.what, lag.fault_ms_max
            ));
        }
    }
    found
}

/// Whether a replay of a record under its own rules says anything else than the drill did: both drive the detector in the
/// same way, so either the samples or the transitions are not the drill's. What was cut short or stopped may lack some, and
/// records of before 1.2 were written by other detectors.
#[must_use]
pub fn differs(record: &Record, replayed: &Replay) -> bool {
    record.has_steps() && ran_to_its_end(record) && !record.transitions().eq(&replayed.transitions)
}

/// Whether a record ran to its end and everything is there.
fn ran_to_its_end(record: &Record) -> bool {
    let whole = |line: &Line| matches!(line, Line::Footer { aborted: None, .. });
    record.complete && record.lines.last().is_some_and(whole)
}
