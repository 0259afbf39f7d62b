//! What stands in the tables: pages, tickets, and alerts that say nothing.

use super::*;
use std::collections::BTreeSet;

#[test]
fn nothing_to_detect_and_nothing_sent() {
    let quiet = Paper::new(600, 3600).benign(0, 3600).score();
    assert_eq!(quiet.verdict, Verdict::Passed);
    let summary = Scorecard::new(vec![quiet]).summary;
    assert_eq!(
        (summary.recall, summary.precision, summary.latency_ms),
        (None, None, None)
    );
    assert_eq!(summary.benign_trips, stats::Share::new(0, 1));

    let blind = Paper::new(600, 3600)
        .incident("db_slow", 1200, Some(1200), 2400, 1500)
        .score();
    assert_eq!(outcomes(&blind), [Outcome::Missed]);
    assert_eq!(
        blind
            .alerts
            .iter()
            .map(|a| a.did.clone())
            .collect::<Vec<_>>(),
        [Did::Missed, Did::Silent, Did::Silent, Did::Silent]
    );
    assert_eq!(
        Scorecard::new(vec![blind]).summary.recall,
        stats::Share::new(0, 1)
    );
}

#[test]
fn tickets_and_pages_have_tables_of_their_own() {
    let mut paper = Paper::new(600, 9000)
        .incident("db_slow", 1200, None, 2400, 1500)
        .fires("JobLatencyHigh", 1200, 1300, 2400)
        .fires("FailureRatio", 6000, 6000, 6100);
    paper.record.header.incidents[0].wanted = Wanted::Ticket;
    for line in &mut paper.record.lines {
        if let Line::Transition(transition) = line
            && transition.alert == "FailureRatio"
        {
            transition.labels = BTreeMap::from([("severity".into(), "ticket".into())]);
        }
    }
    let card = Scorecard::new(vec![paper.score()]);
    assert_eq!(
        card.verdict(),
        Verdict::Passed,
        "a page does for a ticket, and a needless ticket wakes nobody"
    );
    let pages = &card.summary;
    assert_eq!((pages.recall, pages.precision), (None, None));
    assert_eq!((pages.over_escalated, pages.false_pages), (1, 0));
    let tickets = card.tickets.unwrap();
    assert_eq!(tickets.recall_at_deadline, stats::Share::new(1, 1));
    assert_eq!(tickets.precision, stats::Share::new(1, 2));
    assert!(!card.drills[0].alerts[2].false_alarms[0].page);
}

#[test]
fn a_ticket_is_not_enough_for_an_incident_that_deserves_a_page() {
    let mut paper = Paper::new(600, 9000)
        .incident("db_slow", 1200, None, 2400, 1500)
        .fires("JobLatencyHigh", 1200, 1300, 2400);
    paper.pack.pages = BTreeSet::from(["critical".to_owned()]);
    let score = paper.score();
    assert_eq!(
        (outcomes(&score), classes(&score)),
        (vec![Outcome::Missed], vec![Class::Related])
    );
}

#[test]
fn a_rule_that_fails_is_told_once() {
    let mut paper = Paper::new(600, 3600).incident("db_slow", 1200, None, 2400, 1500);
    for step in 0..200 {
        paper.record.lines.push(Line::RuleError {
            at_ms: step * 15_000,
            rule: "QueueStalled".into(),
            message: "many-to-many matching".into(),
        });
    }
    assert_eq!(
        paper.score().rule_errors,
        [
            "QueueStalled: many-to-many matching (200 times, first in minute 0.0; also while an incident was on)"
        ]
    );
}

#[test]
fn alerts_that_say_nothing_are_listed() {
    let mut paper = Paper::new(600, 3600)
        .benign(0, 3600)
        .fires("QueueStalled", 0, 300, 9000);
    let no_data = Line::NoData {
        rule: "BacklogGrowing".into(),
    };
    paper.record.lines.push(no_data);
    let card = Scorecard::new(vec![paper.score()]);
    assert_eq!(card.never_fired, ["JobLatencyHigh", "FailureRatio"]);
    assert_eq!(card.never_had_data, ["BacklogGrowing"]);
    assert_eq!(card.always_firing, ["QueueStalled"]);
}
