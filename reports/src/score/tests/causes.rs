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

/// Two causes that overlap from 30:00 to 40:00, and a page in it; what the pack says of them.
fn overlapping(begins: i64, directives: &str, pending: i64, fires: i64) -> DrillScore {
    let mut paper = outage().incident("poison_job", begins, Some(begins), 3600, begins + 600);
    let rules = [RuleText {
        name: "r.yml".into(),
        text: format!("# firedrill: pages = page\n{directives}"),
    }];
    let alerts = ["JobLatencyHigh", "QueueStalled"].map(str::to_owned);
    paper.pack = RulePack::parse(&rules, &alerts).unwrap();
    let steps = [
        (pending, Pending, false),
        (fires, Firing, false),
        (4000, Inactive, false),
    ];
    instance(&mut paper, &[], &steps);
    paper.score()
}

#[test]
fn an_alert_tied_to_one_cause_is_not_credited_to_another() {
    use Outcome::{Late, Missed, OnTime};
    for (directives, wanted) in [
        // Nothing is said of either: the one that began last.
        ("", [Missed, OnTime]),
        // Of one of them: it is that one's, whether or not it is late.
        (
            "# firedrill: cause db_slow expects JobLatencyHigh\n",
            [Late, Missed],
        ),
        (
            "# firedrill: cause poison_job expects JobLatencyHigh\n",
            [Missed, OnTime],
        ),
        (
            "# firedrill: cause poison_job expects QueueStalled\n",
            [Late, Missed],
        ),
        // A fair symptom of one of them is no sign of the other.
        (
            "# firedrill: cause db_slow accepts JobLatencyHigh\n",
            [Missed, Missed],
        ),
        // Of both.
        (
            "# firedrill: cause db_slow expects JobLatencyHigh\n\
             # firedrill: cause poison_job expects JobLatencyHigh\n",
            [Missed, OnTime],
        ),
        // Other instances of it are tied to the other cause.
        (
            "# firedrill: cause db_slow expects JobLatencyHigh{queue=\"a\"}\n",
            [Missed, OnTime],
        ),
    ] {
        assert_eq!(
            outcomes(&overlapping(1800, directives, 1860, 1920)),
            wanted,
            "{directives}"
        );
    }
    // The outage is over, and its traces are still there.
    let tied = "# firedrill: cause db_slow expects JobLatencyHigh\n";
    let after = overlapping(2500, tied, 2560, 2620);
    assert_eq!(outcomes(&after), [Missed, Missed]);
    assert_eq!(classes(&after), [Class::Post]);
}

#[test]
fn one_page_is_right_for_all_that_began_together() {
    use Outcome::{Missed, OnTime};
    let both = "# firedrill: cause db_slow expects JobLatencyHigh\n\
                # firedrill: cause poison_job expects JobLatencyHigh\n";
    for directives in ["", both] {
        let score = overlapping(1200, directives, 1260, 1320);
        assert_eq!(outcomes(&score), [OnTime, OnTime], "{directives}");
        assert_eq!(score.incidents[1].first_page_role, Some(Role::Expected));
        assert_eq!(score.verdict, Verdict::Passed);
        let summary = Scorecard::new(vec![score]).summary;
        assert_eq!(summary.precision, stats::Share::new(1, 1), "one page, once");
        assert_eq!(summary.recall, stats::Share::new(2, 2));
    }
    let one = "# firedrill: cause db_slow expects JobLatencyHigh\n";
    let score = overlapping(1200, one, 1260, 1320);
    assert_eq!(outcomes(&score), [OnTime, Missed]);
    // Not together, but in time for both, and by name.
    assert_eq!(
        outcomes(&overlapping(1260, both, 1300, 1320)),
        [OnTime, OnTime]
    );
    assert_eq!(
        outcomes(&overlapping(1260, "", 1300, 1320)),
        [Missed, OnTime]
    );
    // It would have fired without the second.
    let chance = overlapping(1260, both, 1240, 1290);
    assert_eq!(outcomes(&chance), [OnTime, Missed]);
    assert_eq!(chance.verdict, Verdict::Inconclusive);
    let said =
        "JobLatencyHigh was pending already when the poison_job incident began (20 s before)";
    assert!(chance.inconclusive[0].starts_with(said), "{chance:?}");
}
