//! What a rehearsal came to: how long people took, whether they named the cause, and what their runbook lacked.
//!
//! All of it is read from the record and its score. Times that are not known are absent: nobody is told that something took no time
//! because nobody saw it.

use crate::jsonl::Record;
use crate::record::{Action, Deed, Phase, Rehearsed};
use crate::score::judge::Class;
use crate::score::{DrillScore, IncidentScore};
use std::collections::BTreeSet;

/// The subject of a note that nobody has typed: firedrill says it itself.
pub const OURS: &str = "firedrill";

/// What a team had at hand, as far as it was shown beside the rehearsal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consulted {
    /// Where the runbook is.
    pub path: String,
    /// Alerts that fired and that it does not tell of.
    pub without_section: Vec<String>,
    /// Entries of its checklist.
    pub checklist: Vec<String>,
}

/// A rule of another pack that would have paged sooner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sooner {
    /// The alert, and the pack that it is in.
    pub alert: String,
    /// The pack.
    pub pack: String,
    /// By how much, milliseconds; `None`: the team's own rules paged nobody.
    pub by_ms: Option<i64>,
}

/// What somebody was paged by first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged {
    /// The alert.
    pub alert: String,
    /// When somebody was told, milliseconds since the drill's start.
    pub at_ms: i64,
}

/// How soon something was done that has a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// So long after the page, milliseconds, and in time.
    InTime(i64),
    /// So long after it, and too late.
    Late(i64),
    /// Not at all, and it was due.
    Never,
    /// It was not due.
    NotDue,
}

/// Who ended a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mended {
    /// People.
    ByHand,
    /// The plan, and it was seen to be over.
    ByPlan,
    /// Nobody was seen to: it ends by itself, or was not ended.
    Unseen,
}

/// What a rehearsal came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Debrief {
    /// What was asked of people.
    pub terms: Rehearsed,
    /// Whether it ended before anything was broken, so that nothing could page.
    pub is_early: bool,
    /// Who was paged first, if anybody was.
    pub paged: Option<Paged>,
    /// From the first page until somebody said that he is on it, milliseconds.
    pub acknowledged_ms: Option<i64>,
    /// The first thing that was done about it.
    pub responded: Kept,
    /// Whether the next in line was told.
    pub escalated: Kept,
    /// The incident, if there was one: the first.
    pub incident: Option<IncidentScore>,
    /// When the drill ended, milliseconds since its start.
    pub end_ms: i64,
    /// Who ended its fault.
    pub mended: Mended,
    /// Whether the plan was to end its fault, or have it ended by a remedy, and that was not seen to be so.
    pub is_on: bool,
    /// Causes that people named, in order, and whether each is right.
    pub suspected: Vec<(String, bool)>,
    /// Entries of the checklist that were not ticked.
    pub not_done: Vec<String>,
    /// What was at hand.
    pub consulted: Option<Consulted>,
    /// Which rule would have paged sooner.
    pub sooner: Option<Sooner>,
}

impl Debrief {
    /// From the fault until somebody was told of it, milliseconds.
    #[must_use]
    pub fn detect_ms(&self) -> Option<i64> {
        let incident = self.incident.as_ref()?;
        let detection = incident.detection.as_ref()?;
        Some(detection.delivered_ms - incident.truth.fault_ms)
    }

    /// From the fault until it was over, milliseconds; `None`: it was not, before the drill ended, as far as anybody saw.
    #[must_use]
    pub fn mitigate_ms(&self) -> Option<i64> {
        let truth = &self.incident.as_ref()?.truth;
        if self.is_on {
            return None;
        }
        (truth.fault_over_ms < self.end_ms).then(|| truth.fault_over_ms - truth.fault_ms)
    }

    /// From the fault until nobody was harmed any more, milliseconds; `None`: somebody was until the drill ended.
    #[must_use]
    pub fn recover_ms(&self) -> Option<i64> {
        let truth = &self.incident.as_ref()?.truth;
        let is_over =
            !self.is_on && truth.fault_over_ms < self.end_ms && truth.end_ms < self.end_ms;
        is_over.then(|| truth.end_ms - truth.fault_ms)
    }

    /// Of a rehearsal's record and score; `None`: it was none.
    #[must_use]
    pub fn of(record: &Record, score: &DrillScore, consulted: Option<Consulted>) -> Option<Self> {
        let terms = record.header.rehearsal?;
        let actions: Vec<&Action> = record.actions().collect();
        let pages = score.episodes.iter().filter(|judged| {
            let counts = !matches!(judged.class, Class::Ignored | Class::Unsent);
            judged.page && counts && judged.episode.delivered_ms <= record.end_ms()
        });
        let pages: Vec<_> = pages.map(|judged| &judged.episode).collect();
        let paged = pages.iter().min_by_key(|episode| episode.delivered_ms);
        // Whoever looks sees an alert before he is told of it.
        let seen_ms = paged.map_or(i64::MAX, |episode| episode.start_ms);
        let first = |is: &dyn Fn(&Action) -> bool| {
            let mut found = actions
                .iter()
                .filter(|action| action.at_ms >= seen_ms && is(action));
            found.next().map(|action| action.at_ms)
        };
        let paged = paged.map(|episode| Paged {
            alert: episode.alert.clone(),
            at_ms: episode.delivered_ms,
        });
        let since = |at_ms: Option<i64>| Some((at_ms? - paged.as_ref()?.at_ms).max(0));
        let kept = |at_ms: Option<i64>, within_ms: i64, was_due: &dyn Fn(i64) -> bool| {
            let due_ms = paged.as_ref().map(|paged| paged.at_ms + within_ms);
            match (since(at_ms), due_ms) {
                (Some(after_ms), Some(due_ms)) if after_ms > within_ms && was_due(due_ms) => {
                    Kept::Late(after_ms)
                }
                (Some(after_ms), _) => Kept::InTime(after_ms),
                (None, Some(due_ms)) if due_ms <= record.end_ms() && was_due(due_ms) => Kept::Never,
                (None, _) => Kept::NotDue,
            }
        };
        let responds = |action: &Action| {
            matches!(
                action.what,
                Deed::Noted
                    | Deed::Suspected
                    | Deed::Remedied
                    | Deed::Ticked
                    | Deed::Seen
                    | Deed::Mended
            ) && action.subject != OURS
        };
        let is_on = |due_ms: i64| {
            let mut pages = pages.iter();
            pages.any(|page| page.start_ms <= due_ms && due_ms < page.end_ms)
        };
        let faults = record.header.steps.iter().filter(|step| !step.is_remedy);
        let first_ms = faults.map(|step| step.starts_ms).min();
        let is_early = record.marks().next().is_none()
            && first_ms.is_some_and(|first_ms| first_ms > record.end_ms());
        let incident = score.incidents.first().filter(|_| !is_early).cloned();
        let causes: BTreeSet<&str> = record
            .header
            .incidents
            .iter()
            .map(|incident| incident.cause.as_str())
            .collect();
        let suspected = actions
            .iter()
            .filter(|action| action.what == Deed::Suspected);
        let suspected = suspected.map(|action| {
            let is_right = causes.contains(action.subject.as_str());
            (action.subject.clone(), is_right)
        });
        let ticked: BTreeSet<&str> = actions
            .iter()
            .filter(|action| action.what == Deed::Ticked)
            .map(|action| action.text.as_str())
            .collect();
        let steps = consulted.iter().flat_map(|consulted| &consulted.checklist);
        let not_done = steps.filter(|step| !ticked.contains(step.as_str()));
        let step = record.header.incidents.first();
        let step = step.and_then(|incident| incident.step.as_deref());
        let end = record.marks().find(|mark| {
            step.is_some() && mark.step.as_deref() == step && mark.phase == Some(Phase::End)
        });
        let mended = match step {
            Some(step) if record.mended_ms(step).is_some() => Mended::ByHand,
            _ if end.is_some_and(|end| end.verified) => Mended::ByPlan,
            _ => Mended::Unseen,
        };
        let mut steps_planned = record.header.steps.iter();
        let has_remedy = steps_planned
            .any(|planned| Some(planned.id.as_str()) == step && planned.remedy.is_some());
        let is_to_be_ended = end.is_some() || has_remedy;
        Some(Self {
            terms,
            is_early,
            acknowledged_ms: since(first(&|action| action.what == Deed::Acknowledged)),
            responded: kept(first(&responds), terms.respond_within_ms, &|_| true),
            escalated: kept(
                first(&|action| action.what == Deed::Escalated),
                terms.escalate_after_ms,
                &is_on,
            ),
            end_ms: record.end_ms(),
            is_on: mended == Mended::Unseen && is_to_be_ended,
            mended,
            suspected: suspected.collect(),
            not_done: not_done.filter(|_| !is_early).cloned().collect(),
            incident,
            paged,
            consulted,
            sooner: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Line, Mark, PlannedStep};
    use crate::score::tests::Paper;
    use crate::score::{ScoreParams, score_recorded};

    /// A rehearsal of an hour: a fault from 600 s to 1,800 s, an alert that fires at 760 s and pages at 790 s, and what people do at a
    /// second. `within`: seconds to respond, and to escalate.
    fn debrief(within: (i64, i64), did: &[(i64, Deed, &str)]) -> Debrief {
        debrief_of(within, did, |_| {})
    }

    /// The same of a record that is changed before.
    fn debrief_of(
        within: (i64, i64),
        did: &[(i64, Deed, &str)],
        change: impl FnOnce(&mut Record),
    ) -> Debrief {
        let paper = Paper::new(300, 3_600)
            .incident("worker_stall", 600, Some(660), 1_800, 1_200)
            .fires("QueueStalled", 700, 760, 1_700);
        let (mut record, pack) = (paper.record, paper.pack);
        record.header.rehearsal = Some(Rehearsed {
            respond_within_ms: within.0 * 1_000,
            escalate_after_ms: within.1 * 1_000,
            blind: false,
        });
        for (at, what, subject) in did {
            record.lines.push(Line::Action(Action {
                at_ms: at * 1_000,
                what: *what,
                subject: (*subject).to_owned(),
                text: String::new(),
                step: None,
            }));
        }
        change(&mut record);
        let score = score_recorded(&record, &pack, &ScoreParams::default());
        Debrief::of(&record, &score, None).unwrap()
    }

    #[test]
    fn times_count_from_the_fault_and_from_the_page() {
        let found = debrief(
            (1_800, 3_600),
            &[
                (100, Deed::Noted, ""),
                (800, Deed::Acknowledged, ""),
                (830, Deed::Suspected, "deadlock"),
                (900, Deed::Suspected, "worker_stall"),
            ],
        );
        assert_eq!(found.paged.as_ref().map(|paged| paged.at_ms), Some(790_000));
        assert_eq!(found.detect_ms(), Some(190_000));
        assert_eq!(found.acknowledged_ms, Some(10_000));
        // What was noted before the page answers nothing.
        assert_eq!(found.responded, Kept::InTime(40_000));
        assert_eq!(found.mitigate_ms(), Some(1_200_000));
        let expected = [("deadlock".into(), false), ("worker_stall".into(), true)];
        assert_eq!(found.suspected, expected);
        assert_eq!(found.mended, Mended::Unseen);
    }

    #[test]
    fn by_the_plan_is_only_what_the_plan_was_seen_to_end() {
        // `verified`: of the mark of its end, if there is one.
        let ended = |remedy: Option<&str>, verified: Option<bool>| {
            debrief_of((60, 600), &[], |record| {
                record.header.incidents[0].step = Some("stall".to_owned());
                record.header.steps.push(PlannedStep {
                    id: "stall".to_owned(),
                    fault: "redis.stop".to_owned(),
                    remedy: remedy.map(str::to_owned),
                    starts_ms: 600_000,
                    ends_ms: Some(1_800_000),
                    targets: Vec::new(),
                    is_remedy: false,
                });
                let mark = verified.map(|verified| Mark {
                    step: Some("stall".to_owned()),
                    phase: Some(Phase::End),
                    planned_ms: 1_800_000,
                    at_ms: 1_800_000,
                    what: "redis.stop ends".to_owned(),
                    targets: Vec::new(),
                    verified,
                    saw: String::new(),
                });
                record.lines.extend(mark.map(Line::Mark));
            })
        };
        let seen = ended(None, Some(true));
        let by_plan = (Mended::ByPlan, Some(1_200_000));
        assert_eq!((seen.mended, seen.mitigate_ms()), by_plan);
        for (remedy, verified) in [(None, Some(false)), (Some("redis.continue"), None)] {
            let not = ended(remedy, verified);
            assert_eq!((not.mended, not.mitigate_ms()), (Mended::Unseen, None));
            assert_eq!(not.recover_ms(), None);
        }
        // It ends by itself, and leaves no mark.
        let by_itself = ended(None, None);
        assert_eq!(by_itself.mended, Mended::Unseen);
        assert_eq!(by_itself.mitigate_ms(), Some(1_200_000));
    }

    #[test]
    fn what_came_late_or_never_is_told_where_it_was_due() {
        let late = debrief(
            (60, 600),
            &[(900, Deed::Noted, ""), (1_500, Deed::Escalated, "lead")],
        );
        assert_eq!(late.responded, Kept::Late(110_000));
        assert_eq!(late.escalated, Kept::Late(710_000));
        let never = debrief((60, 600), &[(800, Deed::Noted, OURS)]);
        assert_eq!([never.responded, never.escalated], [Kept::Never; 2]);
        // Over before it was due, and due only after the end.
        let quick = debrief((60, 1_000), &[(800, Deed::Noted, "")]);
        assert_eq!(quick.escalated, Kept::NotDue);
        assert_eq!(debrief((3_000, 3_000), &[]).responded, Kept::NotDue);
    }
}
