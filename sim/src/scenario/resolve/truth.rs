//! The ground truth: which step is behind each incident, and when; what is harmless.

use crate::form::Spotted;
use crate::plan::{Incident, Step, Window};
use crate::scenario::resolve::{Resolver, WARMUP_MS};
use crate::scenario::truth;
use crate::units;

/// The step behind an incident, if it has one; or it was found wanting, and that was said.
type Bound<'t> = Result<Option<&'t Step>, Told>;
struct Told;

impl Resolver<'_> {
    pub(super) fn incidents(&mut self, timeline: &[Step], duration_ms: i64) -> Vec<Incident> {
        let scenario = self.scenario;
        let mut incidents = Vec::new();
        // Steps that are not there may be those that incidents are about.
        let is_known = !self.is_misread("timeline");
        for incident in scenario.incidents.iter().filter(|_| is_known) {
            for time in [&incident.at, &incident.until].into_iter().flatten() {
                self.within("incident", time, duration_ms);
            }
            let Ok(step) = self.step_behind(incident, timeline) else {
                continue;
            };
            let Some((at_ms, until_ms)) = self.times(incident, step, timeline, duration_ms) else {
                continue;
            };
            if until_ms <= at_ms {
                self.problems
                    .push(incident.here(), "incident: ends at or before its start");
            }
            incidents.push(Incident {
                cause: incident.cause.value.clone(),
                wanted: incident.wanted,
                step: step.map(|step| step.id.clone()),
                at_ms,
                until_ms,
                deadline_ms: at_ms.saturating_add(incident.within_ms),
            });
        }
        if scenario.incidents.is_empty() && scenario.family.value != "benign" {
            let hint = "write `incidents: [{ cause: ..., wanted: page, within: 3m }]`";
            self.problems.push_with_hint(
                scenario.family.at,
                "a family other than benign needs an incident",
                hint,
            );
        }
        incidents
    }

    /// The step an incident names, or the only one that can be behind it. Nothing is guessed.
    fn step_behind<'t>(
        &mut self,
        incident: &Spotted<truth::Incident>,
        timeline: &'t [Step],
    ) -> Bound<'t> {
        let cause = &incident.cause.value;
        let unusual = incident.unusual_cause.as_ref().filter(|field| field.value);
        if let Some(of) = &incident.of {
            let Some(step) = timeline.iter().find(|step| step.id == of.value) else {
                let known: Vec<String> = timeline.iter().map(|step| step.id.clone()).collect();
                self.unknown(of.at, "step", &of.value, &known);
                return Err(Told);
            };
            if !step.fault.can_be_behind(cause) && unusual.is_none() {
                let name = step.fault.name();
                let message = format!(
                    "cause: {} cannot be behind {cause}",
                    self.names(&[step]).join("")
                );
                let hint = format!(
                    "{name} can be behind {}; write `unusual_cause: true` if this is meant",
                    step.fault.causes().join(", ")
                );
                self.problems
                    .push_with_hint(incident.cause.at, message, hint);
                return Err(Told);
            }
            return Ok(Some(step));
        }
        if let Some(field) = unusual {
            let message = "unusual_cause: goes with `of` only";
            self.problems
                .push_with_hint(field.at, message, "write `of: ID` beside it");
            return Err(Told);
        }
        if incident.at.is_some() || timeline.is_empty() {
            return Ok(None);
        }
        let able = timeline
            .iter()
            .filter(|step| step.fault.can_be_behind(cause));
        match able.collect::<Vec<_>>()[..] {
            [step] => Ok(Some(step)),
            [] => {
                let all: Vec<&Step> = timeline.iter().collect();
                let message = format!("incident: no step can be behind {cause}");
                let hint = format!(
                    "name one with `of: ID, unusual_cause: true`, or write its `at` and `until`; there are {}",
                    self.names(&all).join(", ")
                );
                self.problems.push_with_hint(incident.here(), message, hint);
                Err(Told)
            }
            ref several => {
                let message = format!(
                    "incident: {} steps can be behind {cause}: {}",
                    several.len(),
                    self.names(several).join(", ")
                );
                let hint = format!("name one, such as `of: {}`", several[0].id);
                self.problems.push_with_hint(incident.here(), message, hint);
                Err(Told)
            }
        }
    }

    /// When an incident begins and ends, as planned: as its step, unless it says otherwise.
    fn times(
        &mut self,
        incident: &Spotted<truth::Incident>,
        step: Option<&Step>,
        timeline: &[Step],
        duration_ms: i64,
    ) -> Option<(i64, i64)> {
        let (at, until) = (incident.at.as_ref(), incident.until.as_ref());
        let Some(step) = step else {
            let Some(at) = at else {
                let message = "incident: `at` is needed, the timeline is empty";
                self.problems.push(incident.here(), message);
                return None;
            };
            if until.is_none() && !timeline.is_empty() {
                let message = "incident: has its own `at`, and no `until`";
                let hint = "write its `until`, or name its step with `of: ID`";
                self.problems.push_with_hint(incident.here(), message, hint);
                return None;
            }
            return Some((at.value, until.map_or(duration_ms, |until| until.value)));
        };
        if let Some(at) = at.filter(|at| at.value < step.at_ms) {
            let message = format!(
                "incident: begins before its step, {}, does at {}",
                self.names(&[step]).join(""),
                units::format(step.at_ms)
            );
            self.problems.push(at.at, message);
        }
        let ends = step.until.as_ref().map_or(duration_ms, |until| until.at_ms);
        Some((
            at.map_or(step.at_ms, |at| at.value),
            until.map_or(ends, |until| until.value),
        ))
    }

    /// The harmless windows: every page in one is false, so that no incident may be on in it.
    pub(super) fn benign(&mut self, incidents: &[Incident], duration_ms: i64) -> Vec<Window> {
        let mut windows = Vec::new();
        for window in &self.scenario.benign {
            self.within("benign", &window.at, duration_ms);
            let until_ms = window
                .until
                .as_ref()
                .map_or(duration_ms, |until| until.value);
            if until_ms <= window.at.value {
                self.problems
                    .push(window.at.at, "benign window: ends at or before its start");
            }
            let on = |incident: &&Incident| {
                incident.at_ms < until_ms && window.at.value < incident.until_ms
            };
            if let Some(incident) = incidents.iter().find(on) {
                self.problems.push(
                    window.at.at,
                    format!(
                        "benign window: the {} incident is on in it, from {} to {}; every page in a benign window is false",
                        incident.cause,
                        units::format(incident.at_ms),
                        units::format(incident.until_ms)
                    ),
                );
            }
            windows.push(Window {
                what: window.what.clone(),
                at_ms: window.at.value,
                until_ms,
            });
        }
        let is_harmless = incidents.is_empty() && self.scenario.family.value == "benign";
        if windows.is_empty() && is_harmless {
            windows.push(Window {
                what: self.scenario.summary.clone(),
                at_ms: 0,
                until_ms: duration_ms,
            });
        }
        windows
    }

    /// The warm-up must be over before anything is to be judged.
    pub(super) fn warmup(
        &mut self,
        incidents: &[Incident],
        benign: &[Window],
        duration_ms: i64,
    ) -> i64 {
        let starts = incidents.iter().map(|incident| incident.at_ms);
        let first = starts
            .chain(
                benign
                    .iter()
                    .map(|window| window.at_ms)
                    .filter(|at_ms| *at_ms > 0),
            )
            .min();
        let first = first.unwrap_or(duration_ms);
        match &self.scenario.warmup {
            Some(warmup) if warmup.value > first => {
                let first = units::format(first);
                self.problems.push(
                    warmup.at,
                    format!("warmup: lasts beyond the first incident or window (at {first})"),
                );
                warmup.value
            }
            Some(warmup) => warmup.value,
            None => WARMUP_MS.min(first),
        }
    }
}
