//! Alarms of which nobody is told: they fire again before a flush has found them over, or the drill ends before it.

use super::*;

#[test]
fn what_fires_again_before_it_was_called_over_is_no_new_page() {
    // Told at 21:40; flushed every 5 min from then on, and on until the flush at 46:40.
    let drill = |refires: i64| {
        Paper::new(600, 9000)
            .incident("db_slow", 1200, Some(1200), 2400, 1500)
            .incident("db_slow", 2500, Some(2500), 3600, 2800)
            .fires("JobLatencyHigh", 1270, 1270, 2480)
            .fires("JobLatencyHigh", refires, refires, 3600)
            .score()
    };
    let score = drill(2500);
    assert_eq!(
        (classes(&score), outcomes(&score)),
        (vec![Class::Hit,], vec![Outcome::OnTime, Outcome::Masked]),
        "the flush at 2500 s finds it firing"
    );
    assert_eq!(score.verdict, Verdict::Failed);
    let score = drill(2501);
    assert_eq!(
        (classes(&score), outcomes(&score)),
        (
            vec![Class::Hit, Class::Hit],
            vec![Outcome::OnTime, Outcome::OnTime]
        )
    );
    assert_eq!(score.verdict, Verdict::Passed);

    // One that is always on but for a moment stays so.
    let score = Paper::new(600, 9000)
        .incident("db_slow", 1200, Some(1200), 2400, 1500)
        .fires("JobLatencyHigh", 30, 30, 1190)
        .fires("JobLatencyHigh", 1210, 1210, 9001)
        .score();
    assert_eq!(
        (classes(&score), outcomes(&score)),
        (vec![Class::Standing], vec![Outcome::Masked])
    );
}

/// Fires at 1270 s, is flushed every 5 min from 1300 s on, and fires again in the second incident, with `lag_s` of scrapes.
fn refires(over: i64, at: i64, lag_s: i64) -> DrillScore {
    let mut paper = Paper::new(600, 9000)
        .incident("db_slow", 1200, Some(1200), 2300, 1500)
        .incident("db_slow", 2350, Some(2350), 3600, 2800)
        .fires("JobLatencyHigh", 1270, 1270, over)
        .fires("JobLatencyHigh", at, at, 3600);
    paper.record.lines.push(Line::Lag(crate::record::Lag {
        scrape_ms: [0, lag_s * 1000, lag_s * 1000],
        ..crate::record::Lag::default()
    }));
    paper.score()
}

#[test]
fn a_refiring_about_when_its_group_is_flushed_proves_nothing_under_lag() {
    use Verdict::{Failed, Inconclusive, Passed};
    let verdict = |over, at, lag_s| refires(over, at, lag_s).verdict;
    // The flush at 2500 s finds it over, or does not.
    assert_eq!(verdict(2495, 2520, 4), Passed);
    assert_eq!(verdict(2495, 2520, 5), Inconclusive);
    assert_eq!(verdict(2420, 2503, 2), Passed);
    assert_eq!(verdict(2420, 2503, 3), Inconclusive);
    assert_eq!(verdict(2420, 2496, 3), Failed);
    assert_eq!(verdict(2420, 2496, 4), Inconclusive);
    assert_eq!(verdict(2502, 2560, 1), Failed);
    assert_eq!(verdict(2502, 2560, 2), Inconclusive);
    let why = &refires(2502, 2560, 2).inconclusive;
    assert!(
        why.iter().any(|why| why.contains(
            "JobLatencyHigh fired again in minute 42.7, within the harness' lag (2.0 s)"
        )),
        "{why:?}"
    );
}

#[test]
fn what_would_be_sent_after_the_end_is_neither_a_detection_nor_a_false_page() {
    // The drill ends at 2400 s, and the notification is due 30 s after the firing.
    let detects = |fires: i64, deadline: i64| {
        Paper::new(600, 2400)
            .incident("db_slow", 2300, Some(2400), 2400, deadline)
            .fires("JobLatencyHigh", fires, fires, 9000)
            .score()
    };
    let score = detects(2371, 2500);
    assert_eq!(
        (classes(&score), outcomes(&score), score.verdict),
        (
            vec![Class::Unsent],
            vec![Outcome::Censored],
            Verdict::Inconclusive
        )
    );
    assert_eq!(
        score.inconclusive,
        [
            "the drill ended before JobLatencyHigh was sent for the db_slow incident; make it longer by 2 s"
        ]
    );
    assert_eq!(
        detects(2370, 2500).verdict,
        Verdict::Passed,
        "sent at the end"
    );
    assert_eq!(
        outcomes(&detects(2371, 2399)),
        [Outcome::Missed],
        "nobody was told by the deadline, whatever came"
    );
    let cries = |fires: i64| {
        Paper::new(600, 2400)
            .benign(0, 2400)
            .fires("JobLatencyHigh", fires, fires, 9000)
            .score()
    };
    assert_eq!(cries(2370).verdict, Verdict::Failed);
    let score = cries(2371);
    assert_eq!(score.verdict, Verdict::Inconclusive);
    assert!(
        score.inconclusive[0].starts_with("JobLatencyHigh fired 29 s before the drill ended"),
        "{:?}",
        score.inconclusive
    );
}
