//! What an alert is due to: nothing that was there before an incident is credited with it, and neither is an instance of
//! another queue.

use super::*;

/// A drill with an outage of the queue `a` from 20:00 to 40:00, by 25:00.
fn outage() -> Paper {
    Paper::new(600, 7200).incident("db_slow", 1200, Some(1200), 2400, 1500)
}

/// The transitions of an instance: when, to what, and whether only its data went or came.
fn instance(paper: &mut Paper, labels: &[(&str, &str)], steps: &[(i64, AlertState, bool)]) {
    let mut from = AlertState::Inactive;
    for (at, to, data) in steps {
        let labels = labels.iter().copied().chain([("severity", "page")]);
        paper.record.lines.push(Line::Transition(Transition {
            at_ms: at * 1000,
            group: "g".into(),
            alert: "JobLatencyHigh".into(),
            labels: labels.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            from,
            to: *to,
            value: None,
            data_gone: *data && *to == AlertState::Inactive,
            data_back: *data && *to != AlertState::Inactive,
        }));
        from = *to;
    }
}

use AlertState::{Firing, Inactive, Pending};

#[test]
fn a_page_that_is_always_on_fails_whatever_happens() {
    for incident in [false, true] {
        let mut paper = match incident {
            true => outage(),
            false => Paper::new(600, 7200).benign(0, 7200),
        };
        instance(&mut paper, &[], &[(3, Firing, false)]);
        let card = Scorecard::new(vec![paper.score()]);
        let drill = &card.drills[0];
        assert_eq!(drill.verdict, Verdict::Failed);
        assert_eq!(classes(drill), [Class::Standing]);
        let standing = &drill.standing[0];
        assert_eq!(
            (standing.alert.as_str(), standing.since_ms, standing.page),
            ("JobLatencyHigh", 3_000, true)
        );
        assert_eq!(card.always_firing, ["JobLatencyHigh"]);
        assert_eq!(card.summary.false_pages, 1);
        if !incident {
            assert_eq!(card.summary.benign_trips, stats::Share::new(1, 1));
        }
    }
}

#[test]
fn data_that_come_back_make_no_new_alarm() {
    // Its series are gone while the outage is on, and it fires again in it.
    let mut paper = outage();
    let steps = [
        (3, Firing, false),
        (1201, Inactive, true),
        (1300, Firing, true),
    ];
    instance(&mut paper, &[], &steps);
    let card = Scorecard::new(vec![paper.score()]);
    assert_eq!(classes(&card.drills[0]), [Class::Standing]);
    assert_eq!(outcomes(&card.drills[0]), [Outcome::Masked]);
    assert_eq!(card.always_firing, ["JobLatencyHigh"]);
    assert_eq!(card.verdict(), Verdict::Failed);
    // The series never come back: that is no end, either.
    let mut paper = outage();
    instance(&mut paper, &[], &steps[..2]);
    let card = Scorecard::new(vec![paper.score()]);
    assert_eq!(card.always_firing, ["JobLatencyHigh"]);
}

#[test]
fn what_waited_before_anything_was_wrong_is_credited_with_nothing() {
    let with = |pending: i64, fires: i64| {
        let mut paper = outage();
        instance(
            &mut paper,
            &[],
            &[(pending, Pending, false), (fires, Firing, false)],
        );
        paper.score()
    };
    let standing = with(300, 1300);
    assert_eq!(classes(&standing), [Class::Standing]);
    assert_eq!(standing.verdict, Verdict::Failed);
    let chance = with(1100, 1300);
    assert_eq!(
        (classes(&chance), outcomes(&chance)),
        (vec![Class::Chance], vec![Outcome::Missed])
    );
    assert_eq!(chance.verdict, Verdict::Inconclusive);
    assert_eq!(
        chance.inconclusive,
        [
            "JobLatencyHigh was pending already when the db_slow incident began (100 s before), and fired in it: whether \
             it saw the incident cannot be told"
        ]
    );
    let seen = with(1200, 1300);
    assert_eq!(classes(&seen), [Class::Hit], "it began with the fault");
}

#[test]
fn before_everything_is_scraped_nothing_stands() {
    let mut paper = outage();
    let steps = [
        (3, Firing, false),
        (18, Inactive, false),
        (1250, Firing, false),
        (2400, Inactive, false),
    ];
    instance(&mut paper, &[], &steps);
    let score = paper.score();
    assert_eq!(classes(&score), [Class::Ignored, Class::Hit]);
    assert_eq!(score.verdict, Verdict::Passed);
}

#[test]
fn an_instance_of_another_queue_does_not_see_an_incident() {
    let with = |queue: &str| {
        let mut paper = outage();
        paper.record.header.incidents[0].queues = vec!["realtime".into()];
        instance(&mut paper, &[("queue", queue)], &[(1300, Firing, false)]);
        paper.score()
    };
    let wrong = with("bulk");
    assert_eq!(
        (classes(&wrong), outcomes(&wrong)),
        (vec![Class::Misattributed], vec![Outcome::Missed])
    );
    assert_eq!(wrong.incidents[0].first_page_role, Some(Role::Other));
    assert_eq!(outcomes(&with("realtime")), [Outcome::OnTime]);
}

#[test]
fn an_instance_that_joins_because_of_a_later_incident_detects_it() {
    let with = |text: &str| {
        let mut paper = outage().incident("poison_job", 3000, Some(3000), 4200, 3400);
        let rules = [RuleText {
            name: "r.yml".into(),
            text: format!("# firedrill: pages = page\n{text}"),
        }];
        paper.pack = RulePack::parse(&rules, &["JobLatencyHigh".into()]).unwrap();
        paper.record.header.incidents[0].queues = vec!["ingest".into()];
        paper.record.header.incidents[1].queues = vec!["realtime".into()];
        instance(&mut paper, &[("queue", "ingest")], &[(1260, Firing, false)]);
        instance(
            &mut paper,
            &[("queue", "realtime")],
            &[(3060, Pending, false), (3120, Firing, false)],
        );
        paper.score()
    };
    for directives in [
        "",
        "# firedrill: cause db_slow expects JobLatencyHigh{queue=\"ingest\"}\n\
         # firedrill: cause poison_job expects JobLatencyHigh{queue=\"realtime\"}\n",
    ] {
        let score = with(directives);
        assert_eq!(classes(&score), [Class::Hit, Class::Hit], "{directives}");
        assert_eq!(outcomes(&score), [Outcome::OnTime, Outcome::OnTime]);
        // The group goes at 1290 s and every five minutes from then on.
        let told = score.incidents[1].detection.as_ref().unwrap().delivered_ms;
        assert_eq!(told, 3_390_000);
        assert_eq!(score.verdict, Verdict::Passed);
    }
    let wrong = with("# firedrill: cause poison_job expects JobLatencyHigh{queue=\"low\"}\n");
    assert_eq!(outcomes(&wrong), [Outcome::OnTime, Outcome::Missed]);
}
