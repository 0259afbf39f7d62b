//! A record as a whole: what its lines say of each other. One that cannot have been written by a drill is refused; one
//! that lacks its end was cut short.

mod counts;
mod heard;
mod marks;
mod states;

use crate::jsonl::check::DRILL_MS_MAX;
use crate::jsonl::{Impossible, Record, RecordError};
use crate::record::{Audit, Header, Impact, Lag, Line, Meddling, Value};
use crate::waits::Waits;
use firedrill_detector::sample::METRIC_NAME;
use firedrill_detector::sample::is_stale;
use heard::Sources;
use marks::Marks;
use states::States;
use std::collections::{BTreeMap, BTreeSet};

/// Latest start of a drill, Unix milliseconds: the end of the year 9999. Times of a drill can be added to it.
const EPOCH_MS_MAX: i64 = 253_402_300_799_999;

/// Checks a record that has been read; `numbers`: where in the file its lines stand, from 1. True if it has all that the
/// end of a drill leaves.
pub(super) fn check(record: &Record, numbers: &[usize]) -> Result<bool, RecordError> {
    header(&record.header, record.has_steps())
        .map_err(|what| RecordError::Impossible { line: 1, what })?;
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

fn header(header: &Header, has_steps: bool) -> Result<(), Impossible> {
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
    // The virtual engine waits for nothing, and so has no speed.
    match (header.engine.as_str(), header.speed == 0.0) {
        ("live", false) | ("virtual", true) => {}
        ("live" | "virtual", _) => return Err(Impossible::Speed(header.speed)),
        (engine, _) => return Err(Impossible::Engine(engine.to_owned())),
    }
    if has_steps && header.plan.trim().is_empty() {
        return Err(Impossible::Half("the header, which has no plan,".into()));
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
    has_steps: bool,
    series: BTreeSet<&'r BTreeMap<String, String>>,
    /// By number of series: whether it says that its target is up.
    ups: Vec<bool>,
    /// By number of series: the target that exposes it.
    owners: Vec<Option<&'r str>>,
    scraped: BTreeMap<&'r str, i64>,
    /// Of scrapes, transitions and rule errors, which follow each other in time.
    newest_ms: i64,
    /// Latest of all times that are within the drill.
    reached_ms: i64,
    states: States<'r>,
    sources: Sources<'r>,
    marks: Marks<'r>,
    impacts: BTreeMap<u32, &'r Impact>,
    queues: BTreeSet<&'r str>,
    waits: Waits,
    ledgers_whole: bool,
    audit: Option<&'r Audit>,
    lag: Option<&'r Lag>,
    has_footer: bool,
}

impl<'r> Whole<'r> {
    fn new(record: &'r Record) -> Self {
        let header = &record.header;
        Self {
            header,
            has_steps: record.has_steps(),
            series: BTreeSet::new(),
            ups: Vec::new(),
            owners: Vec::new(),
            scraped: BTreeMap::new(),
            newest_ms: i64::MIN,
            reached_ms: i64::MIN,
            states: States::new(header),
            sources: Sources::default(),
            marks: Marks::new(&header.steps),
            impacts: BTreeMap::new(),
            queues: BTreeSet::new(),
            waits: Waits::new(),
            ledgers_whole: true,
            audit: None,
            lag: None,
            has_footer: false,
        }
    }

    /// Whether everything is there that a drill leaves in the end.
    fn is_complete(&self) -> bool {
        let all_impacts = self.impacts.len() == self.header.incidents.len();
        let all_heard = self.sources.are_over();
        let all_counted = self.audit.is_some() && self.lag.is_some() && all_impacts;
        self.has_footer && all_counted && all_heard
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
                let Some(name) = labels.get(METRIC_NAME) else {
                    return Err(Impossible::Nameless(*id));
                };
                self.ups.push(name == "up");
                self.owners.push(None);
                self.before_audit("a series")
            }
            Line::Scrape {
                at_ms,
                target,
                values,
            } => self.scrape(*at_ms, target, values),
            Line::Transition(transition) => {
                self.follows("a transition", transition.at_ms)?;
                self.states.take(transition)
            }
            Line::RuleError { at_ms, .. } => self.follows("a rule's error", *at_ms),
            Line::Mark(mark) => {
                self.reached_ms = self.reached_ms.max(mark.at_ms);
                self.marks.take(mark)
            }
            Line::Action(action) => match (&self.header.rehearsal, &action.step) {
                (None, _) => Err(Impossible::Unknown(
                    "the rehearsal that this action is of".into(),
                )),
                (Some(_), Some(step)) if !self.header.steps.iter().any(|one| one.id == *step) => {
                    Err(Impossible::Unknown(format!("step {step} of an action")))
                }
                _ => Ok(()),
            },
            Line::Interference(found) => {
                self.ledgers_whole &= found.what != Meddling::Ledger;
                let until_ms = found.until_ms.unwrap_or(found.at_ms);
                span("interference", found.at_ms, until_ms)
            }
            Line::Heard(heard) => {
                let told_ms = self.sources.take(heard, self.header.speed)?;
                self.reached_ms = self.reached_ms.max(told_ms.unwrap_or(i64::MIN));
                Ok(())
            }
            Line::Impact(impact) => self.impact(impact),
            Line::Audit(audit) => {
                if self.audit.replace(audit).is_some() {
                    return Err(Impossible::Twice("the audit".into()));
                }
                counts::audit_adds_up(audit, self.has_steps)
            }
            Line::Waits(waits) => {
                if !self.queues.insert(&waits.queue) {
                    return Err(Impossible::Twice(format!("the waits of {}", waits.queue)));
                }
                counts::steps_agree(waits)?;
                let waited = self.waits.count().saturating_add(waits.counts.count());
                at_most("tasks that waited", waited, TASKS_MAX)?;
                self.waits.merge(&waits.counts);
                Ok(())
            }
            Line::Lag(lag) => {
                if self.lag.replace(lag).is_some() {
                    return Err(Impossible::Twice("the lag".into()));
                }
                counts::lag_is_one(lag)
            }
            Line::NoData { .. } => Ok(()),
            Line::Footer {
                at_ms,
                real_seconds,
                aborted,
                lines,
                checksum: _,
            } => {
                self.ends(*at_ms, aborted.is_some(), *real_seconds)?;
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

    fn scrape(
        &mut self,
        at_ms: i64,
        target: &'r str,
        values: &[(u32, Value)],
    ) -> Result<(), Impossible> {
        self.before_audit("a scrape")?;
        self.follows("a scrape", at_ms)?;
        if let Some(last_ms) = self.scraped.insert(target, at_ms)
            && last_ms >= at_ms
        {
            return Err(Impossible::Twice(format!(
                "the scrape of {target} at {at_ms} ms"
            )));
        }
        let mut seen = BTreeSet::new();
        for (id, value) in values {
            if !seen.insert(*id) {
                return Err(Impossible::Twice(format!("series {id} in this scrape")));
            }
            self.belongs(*id, target)?;
            let is_up = self.ups.get(*id as usize) == Some(&true);
            // What is known of a target that is no longer found ends with a staleness marker.
            let is_known = value.0 == 0.0 || value.0 == 1.0 || is_stale(value.0);
            if is_up && !is_known {
                return Err(Impossible::Up(target.to_owned(), value.0));
            }
        }
        Ok(())
    }

    fn ends(&mut self, at_ms: i64, aborted: bool, real_seconds: f64) -> Result<(), Impossible> {
        self.has_footer = true;
        let duration_ms = self.header.duration_ms;
        let least_ms = match aborted {
            // It ended when it was to end.
            false => duration_ms,
            true => self.reached_ms.clamp(0, duration_ms),
        };
        within("the drill's end", at_ms, least_ms, duration_ms)?;
        if self.reached_ms > at_ms {
            return Err(Impossible::Order {
                what: "the drill's end".into(),
                at_ms,
                after_ms: self.reached_ms,
            });
        }
        match real_seconds.is_finite() && real_seconds >= 0.0 {
            true => Ok(()),
            false => Err(Impossible::Speed(real_seconds)),
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

    fn impact(&mut self, impact: &'r Impact) -> Result<(), Impossible> {
        let what = format!("the impact of incident {}", impact.incident);
        if usize::try_from(impact.incident).map_or(true, |id| id >= self.header.incidents.len()) {
            return Err(Impossible::Unknown(what));
        }
        if self.impacts.insert(impact.incident, impact).is_some() {
            return Err(Impossible::Twice(what));
        }
        if impact.unmet && impact.harmed_tasks > 0 {
            return Err(Impossible::Half(what));
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
        if self.has_steps && !self.queues.is_empty() {
            let are_seen = self.ledgers_whole && !audit.unseen;
            return counts::waits_agree(audit, &self.waits, are_seen);
        }
        at_most("tasks that waited", self.waits.count(), audit.enqueued)
    }
}

/// More tasks than any drill has; so many can be added up.
const TASKS_MAX: u64 = u64::MAX / 2;

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
