//! What people did in a rehearsal: what alerts do from then on may be about that, and not about the fault.
//!
//! A verdict goes by what was decided before anybody had a hand in the system. From then on:
//!
//! * An alarm that became pending, whether it is taken for a detection or for a false page, may be about what people did: a
//!   worker that they restarted, a queue that they paused.
//! * An incident that nobody was told of by then may have been mended, or hidden, before its alert was due.
//! * One that was mended before it began never was one.

use super::Alarms;
use crate::jsonl::Record;
use crate::record::Action;
use crate::score::judge::Outcome;

/// When people first had a hand in the system, or said so.
pub(super) fn first_ms(record: &Record) -> Option<i64> {
    let hands = record.actions().filter(|action| action.is_hand());
    hands.map(|action| action.at_ms).min()
}

/// Why a rehearsal in which people did something proves nothing of some alarm, or of its absence.
pub(super) fn doubts(record: &Record, alarms: Alarms<'_>) -> Vec<String> {
    let Some(first_ms) = first_ms(record) else {
        return Vec::new();
    };
    let first = |action: &&Action| action.is_hand() && action.at_ms == first_ms;
    let what = record
        .actions()
        .find(first)
        .map_or("", |action| &action.text);
    let minute = first_ms as f64 / 6e4;
    let mut why = Vec::new();
    for incident in alarms.incidents {
        let truth = &incident.truth;
        if first_ms <= truth.begun_ms && truth.fault_over_ms <= truth.fault_ms {
            why.push(format!(
                "people had ended the fault before its {} incident began (minute {minute:.1}: {what})",
                truth.cause
            ));
        } else if incident.outcome == Outcome::Missed && first_ms < truth.deadline_ms {
            why.push(format!(
                "people did something about the {} incident before its alerts were due (minute {minute:.1}: {what}): whether \
                 somebody would have been paged is not known",
                truth.cause
            ));
        }
    }
    for judged in alarms.judged.iter().filter(|judged| alarms.counts(judged)) {
        let episode = &judged.episode;
        if episode.pending_ms >= first_ms {
            why.push(format!(
                "{} began after people had done something (minute {minute:.1}: {what}): whether it is about that is not known",
                episode.alert
            ));
        }
    }
    why.sort();
    why.dedup();
    why
}

#[cfg(test)]
mod tests {
    use crate::record::{Action, Deed, Line, PlannedStep, Rehearsed};
    use crate::score::Verdict;
    use crate::score::tests::Paper;

    /// A drill of an hour whose fault is on from 600 s to 1,800 s, and harms nobody; people mend it at a second, and the right alert
    /// is pending from another on.
    fn mended(at: i64, pending_at: Option<i64>) -> (Verdict, Vec<String>, i64) {
        let mut paper = Paper::new(300, 3_600).incident("worker_stall", 600, None, 1_800, 1_200);
        if let Some(pending) = pending_at {
            paper = paper.fires("QueueStalled", pending, pending + 60, pending + 600);
        }
        let header = &mut paper.record.header;
        header.rehearsal = Some(Rehearsed {
            respond_within_ms: 1,
            escalate_after_ms: 1,
            blind: false,
        });
        header.steps = vec![PlannedStep {
            id: "stall".into(),
            fault: "worker.stop".into(),
            remedy: None,
            starts_ms: 600_000,
            ends_ms: Some(1_800_000),
            targets: vec!["w-0".into()],
            is_remedy: false,
        }];
        header.incidents[0].step = Some("stall".into());
        paper.record.lines.push(Line::Action(Action {
            at_ms: at * 1_000,
            what: Deed::Mended,
            subject: "w-0".into(),
            text: "goes on".into(),
            step: Some("stall".into()),
        }));
        let score = paper.score();
        let over = score.incidents[0].truth.fault_over_ms;
        (score.verdict, score.inconclusive, over)
    }

    #[test]
    fn an_incident_ends_when_people_mend_it() {
        let (_, why, over) = mended(1_000, Some(700));
        assert_eq!(over, 1_000_000);
        assert!(!why.iter().any(|why| why.contains("people")), "{why:#?}");
    }

    #[test]
    fn what_began_after_people_had_a_hand_in_it_proves_nothing() {
        let told = |at, pending| {
            let (verdict, why, _) = mended(at, pending);
            (verdict, why.iter().any(|why| why.contains("people")))
        };
        // Mended before anybody could have been paged, and after the alert was due.
        assert_eq!(told(900, None), (Verdict::Inconclusive, true));
        assert!(!told(1_300, None).1);
        // A right alert that only came after a hand, one that was pending before.
        assert_eq!(told(900, Some(901)), (Verdict::Inconclusive, true));
        assert!(!told(900, Some(800)).1);
        // A false page after it.
        assert_eq!(told(900, Some(3_000)), (Verdict::Inconclusive, true));
    }

    #[test]
    fn a_fault_that_was_mended_before_its_incident_began_made_none() {
        let (verdict, why, _) = mended(500, Some(700));
        assert_eq!(verdict, Verdict::Inconclusive);
        assert!(
            why.iter()
                .any(|why| why.contains("before its worker_stall")),
            "{why:#?}"
        );
    }
}
