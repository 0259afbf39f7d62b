//! Marks belong to steps, and each end of a step has one. What a step does in between has as many as it takes.

use super::{span, within};
use crate::jsonl::Impossible;
use crate::record::{Mark, Phase, PlannedStep};
use std::collections::BTreeMap;

/// More marks than any timeline has.
const MARKS_MAX: i64 = 10_000;

/// The marks so far.
pub(super) struct Marks<'r> {
    steps: BTreeMap<&'r str, &'r PlannedStep>,
    seen: Vec<&'r Mark>,
}

impl<'r> Marks<'r> {
    pub(super) fn new(steps: &'r [PlannedStep]) -> Self {
        Self {
            steps: steps.iter().map(|step| (step.id.as_str(), step)).collect(),
            seen: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, mark: &'r Mark) -> Result<(), Impossible> {
        let what = || format!("the mark of {}", mark.what);
        if self.seen.contains(&mark) {
            return Err(Impossible::Twice(what()));
        }
        if let (Some(id), Some(phase)) = (&mark.step, mark.phase) {
            let Some(step) = self.steps.get(id.as_str()) else {
                return Err(Impossible::Unknown(format!("step {id} of a mark")));
            };
            let (earliest_ms, latest_ms) = match phase {
                Phase::Begin => (Some(step.starts_ms), Some(step.starts_ms)),
                Phase::End => (step.ends_ms, step.ends_ms),
                // The step may end later than planned, and this with it.
                Phase::During => (Some(step.starts_ms), Some(i64::MAX)),
            };
            let (Some(earliest_ms), Some(latest_ms)) = (earliest_ms, latest_ms) else {
                return Err(Impossible::Unknown(format!("the end of step {id}")));
            };
            within("planned_ms", mark.planned_ms, earliest_ms, latest_ms)?;
            is_of(mark, step, phase)?;
            let mut same = self.seen.iter().filter(|other| other.step == mark.step);
            let is_repeated = same.clone().any(|other| other.phase == mark.phase);
            if is_repeated && phase != Phase::During {
                return Err(Impossible::Twice(what()));
            }
            // A fault that nobody felt gets its mark when the drill ends.
            let begun = same.find(|other| other.phase == Some(Phase::Begin));
            if let (Phase::End | Phase::During, Some(begun)) = (phase, begun) {
                let what = format!("{} and its end", mark.what);
                span(&what, begun.at_ms, mark.at_ms)?;
            }
            if mark.at_ms < mark.planned_ms {
                return Err(Impossible::Early {
                    what: mark.what.clone(),
                    at_ms: mark.at_ms,
                    planned_ms: mark.planned_ms,
                });
            }
        }
        self.seen.push(mark);
        // Marks beyond any plan: looking for doubles would take for ever.
        within("the number of marks", self.seen.len() as i64, 0, MARKS_MAX)
    }
}

/// Whether a mark says what is done at that end of its step, and to whom.
fn is_of(mark: &Mark, step: &PlannedStep, phase: Phase) -> Result<(), Impossible> {
    let what = match (phase, &step.remedy) {
        (Phase::Begin | Phase::During, _) => step.fault.clone(),
        (Phase::End, Some(remedy)) => remedy.clone(),
        (Phase::End, None) => format!("{} ends", step.fault),
    };
    let differs = |part: &str, found: &str, planned: &str| Impossible::Differs {
        what: format!("{part} of a mark of step {}", step.id),
        found: found.to_owned(),
        planned: planned.to_owned(),
    };
    if mark.what != what {
        return Err(differs("the kind", &mark.what, &what));
    }
    let is_anybody = step.targets.is_empty() && !mark.targets.is_empty();
    // What is done one after the other is done to some of them each time.
    let mut each = mark.targets.iter();
    let are_some = phase == Phase::During && each.all(|target| step.targets.contains(target));
    if mark.targets != step.targets && !is_anybody && !are_some {
        let (found, planned) = (mark.targets.join(", "), step.targets.join(", "));
        return Err(differs("the target", &found, &planned));
    }
    match mark.targets.is_empty() || mark.saw.trim().is_empty() {
        true => Err(Impossible::Half(format!("the mark of {what}"))),
        false => Ok(()),
    }
}
