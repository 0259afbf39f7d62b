//! A record as a whole: what its lines say of each other. One that cannot have been written by a drill is refused; one
//! that lacks its end was cut short.

mod states;

use crate::jsonl::check::DRILL_MS_MAX;
use crate::jsonl::{Impossible, Record, RecordError};
use crate::record::{Audit, Header, Impact, Lag, Line, Mark, Phase, PlannedStep};
use states::States;
use std::collections::{BTreeMap, BTreeSet};

/// Latest start of a drill, Unix milliseconds: the end of the year 9999. Times of a drill can be added to it.
const EPOCH_MS_MAX: i64 = 253_402_300_799_999;

/// Checks a record that has been read; `numbers`: where in the file its lines stand, from 1. True if it has all that the
/// end of a drill leaves.
pub(super) fn check(record: &Record, numbers: &[usize]) -> Result<bool, RecordError> {
    header(&record.header).map_err(|what| RecordError::Impossible { line: 1, what })?;
    let mut whole = Whole::new(record);
    for (line, number) in record.lines.iter().zip(numbers) {
        whole
            .take(line, *number)
            .map_err(|what| RecordError::Impossible {
                line: *number,
                what,
            })?;
    }
    Ok(whole.is_complete())
}

fn header(header: &Header) -> Result<(), Impossible> {
    let duration_ms = header.duration_ms;
    within("epoch_ms", header.epoch_ms, 0, EPOCH_MS_MAX)?;
    within("duration_ms", duration_ms, 1, DRILL_MS_MAX)?;
    within("warmup_ms", header.warmup_ms, 0, duration_ms)?;
    let phase_ms = header.evaluation_phase_ms;
    within(
        "evaluation_phase_ms",
        phase_ms,
        0,
        header.evaluation_interval_ms,
    )?;
    within("group_wait_ms", header.group_wait_ms, 0, DRILL_MS_MAX)?;
    within(
        "group_interval_ms",
        header.group_interval_ms,
        0,
        DRILL_MS_MAX,
    )?;
    if !(header.speed.is_finite() && header.speed >= 0.0) {
        return Err(Impossible::Speed(header.speed));
    }
    let mut steps = BTreeSet::new();
    for step in &header.steps {
        let what = || format!("step {}", step.id);
        if !steps.insert(step.id.as_str()) {
            return Err(Impossible::Twice(what()));
        }
        within(&what(), step.starts_ms, 0, duration_ms)?;
        span(
            &what(),
            step.starts_ms,
            step.ends_ms.unwrap_or(step.starts_ms),
        )?;
    }
    for (place, incident) in header.incidents.iter().enumerate() {
        let what = || format!("incident {}", incident.id);
        if usize::try_from(incident.id) != Ok(place) {
            return Err(Impossible::Unknown(what()));
        }
        within(&what(), incident.starts_ms, 0, duration_ms)?;
        span(&what(), incident.starts_ms, incident.ends_ms)?;
        let deadline = || format!("the deadline of incident {}", incident.id);
        span(&deadline(), incident.starts_ms, incident.deadline_ms)?;
        if let Some(step) = &incident.step
            && !steps.contains(step.as_str())
        {
            return Err(Impossible::Unknown(format!("step {step} of {}", what())));
        }
    }
    for window in &header.benign {
        let what = || format!("window `{}`", window.what);
        within(&what(), window.starts_ms, 0, duration_ms)?;
        span(&what(), window.starts_ms, window.ends_ms)?;
    }
    Ok(())
}

/// What the lines so far come to.
struct Whole<'r> {
    header: &'r Header,
    steps: BTreeMap<&'r str, &'r PlannedStep>,
    series: BTreeSet<&'r BTreeMap<String, String>>,
    /// By number of series: the target that exposes it.
    owners: Vec<Option<&'r str>>,
    scraped: BTreeMap<&'r str, i64>,
    /// Of scrapes, transitions and rule errors, which follow each other in time.
    newest_ms: i64,
    /// Latest of all times that are within the drill.
    reached_ms: i64,
    states: States<'r>,
    marks: Vec<&'r Mark>,
    impacts: BTreeMap<u32, &'r Impact>,
    queues: BTreeSet<&'r str>,
    waited: u64,
    audit: Option<&'r Audit>,
    lag: Option<&'r Lag>,
    has_footer: bool,
}

impl<'r> Whole<'r> {
    fn new(record: &'r Record) -> Self {
        let header = &record.header;
        Self {
            header,
            steps: header
                .steps
                .iter()
                .map(|step| (step.id.as_str(), step))
                .collect(),
            series: BTreeSet::new(),
            owners: Vec::new(),
            scraped: BTreeMap::new(),
            newest_ms: i64::MIN,
            reached_ms: i64::MIN,
            states: States::new(&header.rules),
            marks: Vec::new(),
            impacts: BTreeMap::new(),
            queues: BTreeSet::new(),
            waited: 0,
            audit: None,
            lag: None,
            has_footer: false,
        }
    }

    /// Whether everything is there that a drill leaves in the end.
    fn is_complete(&self) -> bool {
        let all_impacts = self.impacts.len() == self.header.incidents.len();
        self.has_footer && self.audit.is_some() && self.lag.is_some() && all_impacts
    }

    fn take(&mut self, line: &'r Line, number: usize) -> Result<(), Impossible> {
        if self.has_footer {
            return Err(Impossible::AfterFooter);
        }
        match line {
            Line::Series { id, labels } => {
                if !self.series.insert(labels) {
                    return Err(Impossible::Twice(format!("what series {id} is")));
                }
                self.owners.push(None);
                self.before_audit("a series")
            }
            Line::Scrape {
                at_ms,
                target,
                values,
            } => {
                self.before_audit("a scrape")?;
                self.follows("a scrape", *at_ms)?;
                if let Some(last_ms) = self.scraped.insert(target, *at_ms)
                    && last_ms >= *at_ms
                {
                    return Err(Impossible::Twice(format!(
                        "the scrape of {target} at {at_ms} ms"
                    )));
                }
                let mut seen = BTreeSet::new();
                for (id, _) in values {
                    if !seen.insert(*id) {
                        return Err(Impossible::Twice(format!("series {id} in this scrape")));
                    }
                    self.belongs(*id, target)?;
                }
                Ok(())
            }
            Line::Transition(transition) => {
                self.follows("a transition", transition.at_ms)?;
                self.states.take(transition)
            }
            Line::RuleError { at_ms, .. } => self.follows("a rule's error", *at_ms),
            Line::Mark(mark) => self.mark(mark),
            Line::Interference(found) => {
                let until_ms = found.until_ms.unwrap_or(found.at_ms);
                span("interference", found.at_ms, until_ms)
            }
            Line::Impact(impact) => self.impact(impact),
            Line::Audit(audit) => {
                if self.audit.replace(audit).is_some() {
                    return Err(Impossible::Twice("the audit".into()));
                }
                audit_adds_up(audit)
            }
            Line::Waits(waits) => {
                if !self.queues.insert(&waits.queue) {
                    return Err(Impossible::Twice(format!("the waits of {}", waits.queue)));
                }
                self.waited = self.waited.saturating_add(waits.counts.count());
                Ok(())
            }
            Line::Lag(lag) => {
                if self.lag.replace(lag).is_some() {
                    return Err(Impossible::Twice("the lag".into()));
                }
                lag_is_one(lag)
            }
            Line::NoData { .. } => Ok(()),
            Line::Footer {
                at_ms,
                real_seconds,
                aborted,
                lines,
            } => {
                self.has_footer = true;
                let duration_ms = self.header.duration_ms;
                let least_ms = match aborted {
                    // It ended when it was to end.
                    None => duration_ms,
                    Some(_) => self.reached_ms.clamp(0, duration_ms),
                };
                within("the drill's end", *at_ms, least_ms, duration_ms)?;
                if self.reached_ms > *at_ms {
                    return Err(Impossible::Order {
                        what: "the drill's end".into(),
                        at_ms: *at_ms,
                        after_ms: self.reached_ms,
                    });
                }
                if !(real_seconds.is_finite() && *real_seconds >= 0.0) {
                    return Err(Impossible::Speed(*real_seconds));
                }
                if let Some(written) = lines
                    && *written != number as u64
                {
                    return Err(Impossible::Lines {
                        written: *written,
                        found: number as u64,
                    });
                }
                self.adds_up()
            }
        }
    }

    /// Nothing is scraped any more once tasks are counted.
    fn before_audit(&self, what: &str) -> Result<(), Impossible> {
        match self.audit {
            Some(_) => Err(Impossible::AfterAudit(what.to_owned())),
            None => Ok(()),
        }
    }

    /// Takes a time that cannot be before those taken already.
    fn follows(&mut self, what: &str, at_ms: i64) -> Result<(), Impossible> {
        if at_ms < self.newest_ms {
            return Err(Impossible::Order {
                what: what.to_owned(),
                at_ms,
                after_ms: self.newest_ms,
            });
        }
        self.newest_ms = at_ms;
        self.reached_ms = self.reached_ms.max(at_ms);
        Ok(())
    }

    /// A series has the labels of its target, so that no other target exposes it.
    fn belongs(&mut self, series: u32, target: &'r str) -> Result<(), Impossible> {
        let Some(owner) = self.owners.get_mut(series as usize) else {
            return Ok(());
        };
        match owner {
            Some(owner) if *owner != target => Err(Impossible::Elsewhere {
                series,
                target: target.to_owned(),
                owner: (*owner).to_owned(),
            }),
            _ => {
                *owner = Some(target);
                Ok(())
            }
        }
    }

    fn mark(&mut self, mark: &'r Mark) -> Result<(), Impossible> {
        if self.marks.contains(&mark) {
            return Err(Impossible::Twice(format!("the mark of {}", mark.what)));
        }
        if let Some(id) = &mark.step {
            let Some(step) = self.steps.get(id.as_str()) else {
                return Err(Impossible::Unknown(format!("step {id} of a mark")));
            };
            let planned_ms = match mark.phase {
                Some(Phase::Begin) => Some(step.starts_ms),
                Some(Phase::End) => step.ends_ms,
                None => None,
            };
            let planned_ms = planned_ms.unwrap_or(mark.planned_ms);
            within("planned_ms", mark.planned_ms, planned_ms, planned_ms)?;
        }
        let begun = self.marks.iter().filter(|other| {
            mark.step.is_some() && other.step == mark.step && other.phase == Some(Phase::Begin)
        });
        if mark.phase == Some(Phase::End)
            && let Some(begun) = begun.map(|mark| mark.at_ms).min()
        {
            span(&format!("{} and its end", mark.what), begun, mark.at_ms)?;
        }
        self.reached_ms = self.reached_ms.max(mark.at_ms);
        self.marks.push(mark);
        // Marks beyond any plan: looking for doubles would take for ever.
        within("the number of marks", self.marks.len() as i64, 0, MARKS_MAX)
    }

    fn impact(&mut self, impact: &'r Impact) -> Result<(), Impossible> {
        let what = format!("the impact of incident {}", impact.incident);
        if usize::try_from(impact.incident).map_or(true, |id| id >= self.header.incidents.len()) {
            return Err(Impossible::Unknown(what));
        }
        if self.impacts.insert(impact.incident, impact).is_some() {
            return Err(Impossible::Twice(what));
        }
        match (impact.first_ms, impact.last_ms) {
            (Some(first_ms), Some(last_ms)) => {
                span(&what, first_ms, last_ms)?;
                match impact.harmed_tasks {
                    0 => Err(Impossible::Half(what)),
                    _ => Ok(()),
                }
            }
            (None, None) => at_most(&what, impact.harmed_tasks, 0),
            _ => Err(Impossible::Half(what)),
        }
    }

    /// What lines of different kinds say of the same tasks.
    fn adds_up(&self) -> Result<(), Impossible> {
        let Some(audit) = self.audit else {
            return Ok(());
        };
        for impact in self.impacts.values() {
            let what = format!("tasks harmed by incident {}", impact.incident);
            at_most(&what, impact.harmed_tasks, audit.intended)?;
        }
        at_most("tasks that waited", self.waited, audit.enqueued)
    }
}

/// More marks than any timeline has.
const MARKS_MAX: i64 = 10_000;

fn audit_adds_up(audit: &Audit) -> Result<(), Impossible> {
    let parts = [
        audit.succeeded,
        audit.archived,
        audit.still_queued,
        audit.lost,
        audit.untold,
    ];
    let sum = parts
        .iter()
        .try_fold(0_u64, |sum, part| sum.checked_add(*part));
    if sum != Some(audit.enqueued) {
        return Err(Impossible::Sum {
            what: "tasks succeeded, archived, still queued and lost".into(),
            whole: audit.enqueued,
        });
    }
    let accepted = audit.enqueued.saturating_add(audit.rejected);
    at_most("tasks enqueued and rejected", accepted, audit.intended)?;
    at_most("late tasks", audit.late, audit.enqueued)?;
    at_most("tasks run twice", audit.executed_twice, audit.enqueued)?;
    rising("wait_ms", audit.wait_ms)?;
    within("wait_ms", audit.wait_ms[0], 0, i64::MAX)
}

fn lag_is_one(lag: &Lag) -> Result<(), Impossible> {
    rising("enqueue_ms", lag.enqueue_ms)?;
    rising("scrape_ms", lag.scrape_ms)?;
    rising("handler_ms", lag.handler_ms)?;
    rising("redis_ms", lag.redis_ms)?;
    for gap in &lag.gaps {
        within("a gap", gap.ms, 0, DRILL_MS_MAX)?;
    }
    Ok(())
}

/// Median, 99th percentile and maximum.
fn rising(what: &str, quantiles: [i64; 3]) -> Result<(), Impossible> {
    match quantiles.is_sorted() {
        true => Ok(()),
        false => Err(Impossible::Quantiles(what.to_owned())),
    }
}

fn within(what: &str, value: i64, least: i64, most: i64) -> Result<(), Impossible> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(Impossible::Range {
            what: what.to_owned(),
            value,
            least,
            most,
        }),
    }
}

fn span(what: &str, from_ms: i64, to_ms: i64) -> Result<(), Impossible> {
    match from_ms <= to_ms {
        true => Ok(()),
        false => Err(Impossible::Reversed {
            what: what.to_owned(),
            from_ms,
            to_ms,
        }),
    }
}

fn at_most(what: &str, count: u64, most: u64) -> Result<(), Impossible> {
    match count <= most {
        true => Ok(()),
        false => Err(Impossible::TooMany {
            what: what.to_owned(),
            count,
            most,
        }),
    }
}
