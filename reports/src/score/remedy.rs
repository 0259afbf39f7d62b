//! Whether each remedy helped, and how long the queues took to drain: from what was scraped and marked.

use crate::curves::depths;
use crate::jsonl::Record;
use crate::record::{Cost, Mark, Phase};
use serde::{Deserialize, Serialize};

/// What a remedy came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemedyScore {
    /// The step's id.
    pub id: String,
    /// Kind of remedy, e.g. `worker.restart`.
    pub what: String,
    /// On what.
    pub targets: Vec<String>,
    /// When it was done and its effect seen, milliseconds since the drill's start.
    pub at_ms: i64,
    /// What was seen of it, for people.
    pub saw: String,
    /// Ids of the faults that it ended; empty: none was there that it could end.
    pub ends: Vec<String>,
    /// Tasks that were pending or waited for their retry when it was done; `None`: nobody could tell.
    pub backlog: Option<u64>,
    /// How long it took until they were no more than before the first fault, milliseconds; `None`: they never were more, or
    /// still were when the drill ended, or nobody could tell.
    pub drained_ms: Option<i64>,
    /// How long users were still harmed by what it was done about, milliseconds; `None`: they were not.
    pub harm_ms: Option<i64>,
    /// Whether it helped; `None`: that cannot be told.
    pub effect: Option<Effect>,
    /// What it threw away; `None`: nothing that can be proven.
    pub cost: Option<Cost>,
}

/// Whether a remedy helped.
///
/// That can be told of one that was done while a fault was on and tasks had piled up, when neither it nor anything else removed
/// them: by what became of the backlog until something else was done. What was done less than five minutes before may be what
/// helped, and less than five minutes tell of no failure. Only one that ended a fault or added workers can have helped: of others a
/// backlog may have drained by itself. And only where users were still harmed has one not helped; one that ended its fault while
/// another was on may have, and it does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// The backlog was back at what it was before the first fault.
    Helped,
    /// It was as large as before, or larger.
    DidNotHelp,
    /// It was larger, and grew at least twice as fast as in the five minutes before or more, in which nothing else was done.
    MadeWorse,
}

/// Shortest time that tells of a remedy that it did not help.
const TELLS_MS: i64 = 300_000;

/// All remedies of a drill, in order of time. Empty for records before 1.2, whose marks do not tell.
pub(super) fn remedies(record: &Record) -> Vec<RemedyScore> {
    let steps = &record.header.steps;
    let planned = |mark: &Mark| {
        steps
            .iter()
            .find(|step| Some(&step.id) == mark.step.as_ref())
    };
    let is_own = |mark: &Mark| planned(mark).is_some_and(|step| step.is_remedy);
    let ends_one = |mark: &Mark| {
        let remedy = planned(mark).and_then(|step| step.remedy.as_deref());
        mark.phase == Some(Phase::End) && remedy == Some(mark.what.as_str())
    };
    let costs = record.audit().map(|audit| &audit.costs);
    let mut found: Vec<RemedyScore> = Vec::new();
    for mark in record.marks() {
        let Some(id) = mark.step.clone() else {
            continue;
        };
        if !is_own(mark) && !ends_one(mark) {
            continue;
        }
        // One that is done in parts is done with the last of them; what is seen of it later is no part.
        if is_own(mark)
            && let Some(own) = found.iter_mut().find(|own| own.id == id)
        {
            own.saw = mark.saw.clone();
            if planned(mark).is_some_and(|step| mark.planned_ms > step.starts_ms) {
                own.at_ms = mark.at_ms;
            }
            continue;
        }
        // One of its own tells what it ends right after itself.
        if let Some(own) = found.last_mut()
            && !is_own(mark)
            && steps.iter().any(|step| step.is_remedy && step.id == own.id)
            && (&own.what, own.at_ms) == (&mark.what, mark.at_ms)
        {
            own.ends.push(id);
            continue;
        }
        let ends = if is_own(mark) {
            Vec::new()
        } else {
            vec![id.clone()]
        };
        found.push(RemedyScore {
            cost: costs.and_then(|costs| costs.get(&id).copied()),
            id,
            what: mark.what.clone(),
            targets: mark.targets.clone(),
            at_ms: mark.at_ms,
            saw: mark.saw.clone(),
            ends,
            backlog: None,
            drained_ms: None,
            harm_ms: None,
            effect: None,
        });
    }
    if !found.is_empty() {
        let backlog = Backlog::of(record);
        for remedy in &mut found {
            judge(remedy, record, &backlog);
        }
    }
    found
}

fn judge(remedy: &mut RemedyScore, record: &Record, backlog: &Backlog) {
    let at_ms = remedy.at_ms;
    let of = |id: &str, phase| {
        let mut marks = record.marks();
        marks.find(|mark| mark.step.as_deref() == Some(id) && mark.phase == Some(phase))
    };
    let has_begun = |id: &str| of(id, Phase::Begin).is_some_and(|mark| mark.at_ms <= at_ms);
    // A fault that it ends was on until then.
    let was_on =
        |id: &str| has_begun(id) && of(id, Phase::End).is_none_or(|mark| mark.at_ms >= at_ms);
    let faults = record.header.steps.iter().filter(|step| !step.is_remedy);
    let faults = faults.map(|step| step.id.as_str());
    let on: Vec<&str> = faults.filter(|id| was_on(id)).collect();
    let incidents = record.header.incidents.iter();
    let about = incidents.filter(|incident| {
        let step = incident.step.as_deref();
        step.map_or(incident.starts_ms <= at_ms, has_begun)
    });
    let last_ms = about.filter_map(|incident| record.impact(incident.id)?.last_ms);
    remedy.harm_ms = last_ms
        .max()
        .map(|last| last - at_ms)
        .filter(|ms| *ms >= 1_000);
    let Some(then) = backlog.at(at_ms) else {
        return;
    };
    remedy.backlog = Some(then as u64);
    let Some(normal) = backlog.normal else { return };
    if then <= normal {
        return;
    }
    let drained_ms = backlog.back_at(normal, at_ms);
    remedy.drained_ms = drained_ms.map(|ms| ms - at_ms);
    // What is moved waits for its next attempt as a scheduled task, and is no longer in the backlog.
    let removes = matches!(
        remedy.what.as_str(),
        "tasks.archive" | "tasks.delete" | "task.move"
    );
    if on.is_empty() || removes || !was_seen(record, remedy) {
        return;
    }
    let ends = !remedy.ends.is_empty();
    let may_help = ends || remedy.what == "workers.scale";
    let goes_on = on
        .iter()
        .any(|id| !remedy.ends.iter().any(|ended| ended == id));
    let may_fail = remedy.harm_ms.is_some() && !(ends && goes_on);
    let lost = record.audit().map_or(0, |audit| audit.lost);
    if is_in_doubt(record, remedy) || lost as f64 * 10.0 > then {
        return;
    }
    let marked = || record.marks().map(|mark| mark.at_ms);
    let until_ms = marked().filter(|ms| *ms > at_ms).min();
    let until_ms = until_ms.unwrap_or(record.end_ms());
    let lasted_ms = until_ms - at_ms;
    remedy.effect = match (drained_ms, backlog.at(until_ms)) {
        (Some(ms), _) if ms <= until_ms => may_help.then_some(Effect::Helped),
        (_, Some(later)) if lasted_ms >= TELLS_MS && later >= then && may_fail => {
            let since_ms = marked().filter(|ms| *ms < at_ms).max();
            let since_ms = since_ms.unwrap_or(0).max(at_ms - lasted_ms);
            let before_ms = at_ms - since_ms;
            let before = backlog.at(since_ms).filter(|_| before_ms >= TELLS_MS);
            let grew = before.map(|before| (then - before) / before_ms as f64);
            let grows = (later - then) / lasted_ms as f64;
            Some(match grew {
                Some(grew) if grew > 0.0 && grows >= 2.0 * grew => Effect::MadeWorse,
                _ => Effect::DidNotHelp,
            })
        }
        _ => None,
    };
}

/// Whether something else was done, or has ended, just before or at the same time.
fn is_in_doubt(record: &Record, remedy: &RemedyScore) -> bool {
    let just_before = remedy.at_ms - TELLS_MS + 1..=remedy.at_ms;
    let is_remedy = |id: &str| {
        let mut steps = record.header.steps.iter();
        steps.any(|step| step.is_remedy && step.id == id)
    };
    record.marks().any(|mark| {
        let Some(id) = mark.step.as_deref() else {
            return false;
        };
        let is_its_own = id == remedy.id || remedy.ends.iter().any(|ended| ended == id);
        let mends = mark.phase == Some(Phase::End) || is_remedy(id);
        just_before.contains(&mark.at_ms) && !is_its_own && mends
    })
}

fn was_seen(record: &Record, remedy: &RemedyScore) -> bool {
    let mut marks = record.marks();
    let own = marks.find(|mark| {
        mark.step.as_ref() == Some(&remedy.id)
            && (&mark.what, mark.at_ms) == (&remedy.what, remedy.at_ms)
    });
    own.is_some_and(|mark| mark.verified)
}

/// How many tasks were pending or waited for their retry, over a drill.
#[derive(Debug)]
struct Backlog {
    /// Milliseconds and tasks; no number while nobody could tell.
    points: Vec<(i64, f64)>,
    /// The most there were before the first fault began.
    normal: Option<f64>,
    interval_ms: i64,
}

impl Backlog {
    fn of(record: &Record) -> Self {
        let mut points: Vec<(i64, f64)> = Vec::new();
        for (state, line) in depths(record) {
            if state != "pending" && state != "retry" {
                continue;
            }
            let line = line.into_iter();
            let line: Vec<(i64, f64)> = line
                .map(|(minutes, value)| ((minutes * 6e4).round() as i64, value))
                .collect();
            match points.is_empty() {
                true => points = line,
                // Both are in every scrape of the exporter.
                false => {
                    for (point, (_, value)) in points.iter_mut().zip(line) {
                        point.1 += value;
                    }
                }
            }
        }
        let marks = record.marks();
        let first_ms = marks.map(|mark| mark.at_ms).min().unwrap_or(0);
        let before = points
            .iter()
            .filter(|(ms, value)| *ms < first_ms && value.is_finite());
        let normal = before.map(|(_, value)| *value).reduce(f64::max);
        Self {
            points,
            normal,
            interval_ms: record.header.scrape_interval_ms,
        }
    }

    /// As last seen at a moment, or right after it where it was out of sight.
    fn at(&self, ms: i64) -> Option<f64> {
        let near = |at_ms: i64| (ms - at_ms).abs() <= 2 * self.interval_ms;
        let index = self.points.partition_point(|(at_ms, _)| *at_ms <= ms);
        let before = index
            .checked_sub(1)
            .and_then(|index| self.points.get(index));
        let is_seen = |point: &&(i64, f64)| near(point.0) && point.1.is_finite();
        let after = self.points.get(index..)?.iter().find(is_seen);
        before.filter(is_seen).or(after).map(|(_, value)| *value)
    }

    /// When it was no more than `normal` after a moment, in two scrapes one after the other.
    fn back_at(&self, normal: f64, from_ms: i64) -> Option<i64> {
        let after = self.points.partition_point(|(ms, _)| *ms <= from_ms);
        let mut pairs = self.points[after..].windows(2);
        let pair = pairs.find(|pair| pair.iter().all(|(_, value)| *value <= normal));
        pair.map(|pair| pair[0].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Line, PlannedStep, Value};
    use crate::score::tests::Paper;
    use std::collections::BTreeMap;

    /// A drill of an hour: a fault from 600 s to 1,800 s, when a remedy ends it. `depth`: how many tasks are pending at a second.
    fn drill(remedy: &str, depth: impl Fn(i64) -> f64) -> Record {
        let mut record = Paper::new(300, 3_600)
            .incident("worker_stall", 600, Some(660), 2_000, 900)
            .record;
        let footer = record.lines.remove(0);
        let state = |id: u32, state: &str| Line::Series {
            id,
            labels: BTreeMap::from([
                (
                    "__name__".to_owned(),
                    "asynq_tasks_enqueued_total".to_owned(),
                ),
                ("state".to_owned(), state.to_owned()),
            ]),
        };
        record
            .lines
            .extend([state(0, "pending"), state(1, "retry")]);
        record.header.scrape_interval_ms = 15_000;
        for at in (0..3_600).step_by(15) {
            record.lines.push(Line::Scrape {
                at_ms: at * 1_000,
                target: "asynq-exporter/exporter".to_owned(),
                values: vec![(0, Value(depth(at))), (1, Value(0.0))],
            });
        }
        record.header.steps = vec![PlannedStep {
            id: "stall".to_owned(),
            fault: "worker.stop".to_owned(),
            remedy: Some(remedy.to_owned()),
            starts_ms: 600_000,
            ends_ms: Some(1_800_000),
            targets: vec!["w-0".to_owned()],
            is_remedy: false,
        }];
        record.header.incidents[0].step = Some("stall".to_owned());
        for (at, phase, what) in [
            (600, Phase::Begin, "worker.stop"),
            (1_800, Phase::End, remedy),
        ] {
            record.lines.push(mark("stall", at, phase, what));
        }
        record.lines.push(footer);
        record
    }

    fn mark(step: &str, at: i64, phase: Phase, what: &str) -> Line {
        Line::Mark(Mark {
            step: Some(step.to_owned()),
            phase: Some(phase),
            planned_ms: at * 1_000,
            at_ms: at * 1_000,
            what: what.to_owned(),
            targets: vec!["w-0".to_owned()],
            verified: true,
            saw: "seen".to_owned(),
        })
    }

    fn only(record: &Record) -> RemedyScore {
        let mut found = remedies(record);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    /// Grows by one a second from 600 s on; from 1,800 s on by `slope` a second.
    fn growing(slope: f64) -> impl Fn(i64) -> f64 {
        move |at| {
            let grown = (at.clamp(600, 1_800) - 600) as f64 + (at - 1_800).max(0) as f64 * slope;
            grown.max(2.0)
        }
    }

    #[test]
    fn a_backlog_that_drains_was_helped() {
        let found = only(&drill("worker.restart", growing(-2.0)));
        assert_eq!(
            (found.ends, found.backlog),
            (vec!["stall".to_owned()], Some(1_200))
        );
        assert_eq!(found.drained_ms, Some(600_000));
        assert_eq!(found.harm_ms, Some(200_000));
        assert_eq!(found.effect, Some(Effect::Helped));
    }

    #[test]
    fn one_that_grows_on_was_not_and_one_that_grows_faster_was_made_worse() {
        let effect = |slope| only(&drill("worker.restart", growing(slope))).effect;
        assert_eq!(effect(1.0), Some(Effect::DidNotHelp));
        assert_eq!(effect(4.0), Some(Effect::MadeWorse));
        // It shrinks, and is not back when the drill ends.
        assert_eq!(effect(-0.2), None);
    }

    /// The same drill, in which the fault goes on, and a remedy of its own, `what`, comes at 1,200 s.
    fn own(what: &str, depth: impl Fn(i64) -> f64) -> RemedyScore {
        let mut record = drill("worker.restart", depth);
        record.header.steps[0].remedy = None;
        record.header.steps.push(PlannedStep {
            id: "own".to_owned(),
            fault: what.to_owned(),
            remedy: None,
            starts_ms: 1_200_000,
            ends_ms: None,
            targets: Vec::new(),
            is_remedy: true,
        });
        record
            .lines
            .insert(0, mark("own", 1_200, Phase::Begin, what));
        only(&record)
    }

    #[test]
    fn of_what_ends_nothing_and_adds_nobody_a_backlog_drains_by_itself() {
        let drains = |at: i64| {
            if (600..1_500).contains(&at) {
                600.0
            } else {
                2.0
            }
        };
        assert_eq!(own("workers.scale", drains).effect, Some(Effect::Helped));
        assert_eq!(own("queue.unpause", drains).effect, None);
    }

    #[test]
    fn growth_before_the_fault_is_none_to_compare_with() {
        // The fault begins at 600 s: ten minutes in which it grew as fast as in those that followed.
        let found = own("queue.unpause", growing(1.0));
        assert_eq!(found.effect, Some(Effect::DidNotHelp));
    }

    #[test]
    fn what_was_done_just_before_may_be_what_helped() {
        let effect = |at| {
            let mut record = drill("worker.restart", growing(1.0));
            record
                .lines
                .insert(0, mark("other", at, Phase::End, "queue.unpause"));
            only(&record).effect
        };
        assert_eq!(effect(1_000), Some(Effect::DidNotHelp));
        assert_eq!([effect(1_700), effect(1_800)], [None, None]);
    }

    #[test]
    fn what_removes_tasks_or_finds_none_or_comes_when_nothing_is_wrong_is_not_judged() {
        for removes in ["tasks.archive", "tasks.delete", "task.move"] {
            assert_eq!(only(&drill(removes, growing(-1_000.0))).effect, None);
        }
        let found = only(&drill("worker.restart", |_| 2.0));
        assert_eq!(
            (found.backlog, found.drained_ms, found.effect),
            (Some(2), None, None)
        );
        // A remedy of its own, long after the fault.
        let mut record = drill("worker.restart", growing(-2.0));
        record.header.steps.push(PlannedStep {
            id: "again".to_owned(),
            fault: "worker.restart".to_owned(),
            remedy: None,
            starts_ms: 1_900_000,
            ends_ms: None,
            targets: Vec::new(),
            is_remedy: true,
        });
        record
            .lines
            .push(mark("again", 1_900, Phase::Begin, "worker.restart"));
        let found = remedies(&record);
        assert_eq!(found.len(), 2);
        assert_eq!((found[1].ends.len(), found[1].effect), (0, None));
        assert_eq!(
            found[0].effect, None,
            "something else was done before it had drained"
        );
        assert_eq!(found[0].drained_ms, Some(600_000));
    }
}
