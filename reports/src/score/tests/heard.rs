//! Judged by what sources of alerts told: right, or not at all.

use super::*;
use crate::alertmanager::Config;
use crate::record::{
    Away, Found, Heard, Hearing, KnownRule, Likeness, Source, SourceKind, Told, ToldState,
};
use std::sync::Arc;

const ALERT: &str = "JobLatencyHigh";

/// A fault at 1200 s, wanted by 1500 s; our own detector has the alert pending at 1260 s and firing at 1320 s.
fn outage() -> Paper {
    let mut paper = Paper::new(600, 4_000)
        .incident("db_slow", 1200, Some(1200), 2400, 1500)
        .fires(ALERT, 1260, 1320, 2400);
    paper.record.header.speed = 1.0;
    paper
}

fn push(paper: &mut Paper, heard: Heard) {
    paper.record.lines.push(Line::Heard(heard));
}

fn name(of: SourceKind) -> &'static str {
    match of {
        SourceKind::Prometheus => "prometheus",
        SourceKind::Alertmanager => "alertmanager",
        SourceKind::Webhook => "webhook",
    }
}

/// A source that was heard all the time.
fn source(of: SourceKind) -> (Source, Hearing) {
    let found = Found {
        of: 2,
        found: 2,
        all_ms: Some(3_000),
    };
    let rule = KnownRule {
        alert: ALERT.into(),
        how: Likeness::Same,
        other: String::new(),
    };
    let is_prometheus = of == SourceKind::Prometheus;
    let source = Source {
        source: name(of).into(),
        of,
        place: "there".into(),
        rules: is_prometheus.then_some(rule).into_iter().collect(),
    };
    let hearing = Hearing {
        source: name(of).into(),
        heard: 9,
        ahead_ms: (of != SourceKind::Webhook).then_some((-100, 200)),
        targets: is_prometheus.then_some(found),
        ..Hearing::default()
    };
    (source, hearing)
}

/// Word of the alert, heard at `at` and so since `since`, in seconds.
fn told(of: SourceKind, at: i64, since: i64, state: ToldState) -> Told {
    let labels = [("alertname", ALERT), ("severity", "page")];
    Told {
        at_ms: at * 1000,
        unsaid_ms: (of != SourceKind::Webhook).then_some(at * 1000 - 1000),
        source: name(of).into(),
        labels: labels.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
        state,
        since_ms: Some(since * 1000),
        active_ms: None,
        receivers: Vec::new(),
        kept_back: Vec::new(),
        annotations: Default::default(),
        pages: false,
    }
}

fn heard(mut paper: Paper, (source, hearing): (Source, Hearing), told: Vec<Told>) -> Paper {
    push(&mut paper, Heard::Began(source));
    for told in told {
        push(&mut paper, Heard::Told(told));
    }
    push(&mut paper, Heard::Ended(hearing));
    paper
}

use SourceKind::{Alertmanager, Prometheus, Webhook};
use ToldState::{Firing, Inactive, KeptBack, Pending};

fn posted(at: i64) -> Vec<Told> {
    vec![told(Webhook, at, 1320, Firing)]
}

#[test]
fn what_would_have_been_told_after_the_end_is_not_known() {
    let paper = Paper::new(600, 3600)
        .benign(0, 3600)
        .fires(ALERT, 3_585, 3_585, 4_000);
    doubted(
        heard(paper, source(Webhook), vec![]),
        "it ended before that was sent",
    );
}

/// The only reason why it proves nothing.
#[track_caller]
fn doubted(paper: Paper, why: &str) {
    let score = paper.score();
    assert_eq!(
        score.verdict,
        Verdict::Inconclusive,
        "{:?}",
        score.inconclusive
    );
    assert_eq!(score.inconclusive.len(), 1, "{:?}", score.inconclusive);
    assert!(
        score.inconclusive[0].contains(why),
        "{:?}",
        score.inconclusive
    );
}

#[test]
fn a_page_counts_when_it_comes() {
    for (at, outcome, verdict) in [
        (1330, Outcome::OnTime, Verdict::Passed),
        (1500, Outcome::OnTime, Verdict::Passed),
        (1501, Outcome::Late, Verdict::Failed),
    ] {
        let score = heard(outage(), source(Webhook), posted(at)).score();
        assert_eq!(score.inconclusive, [""; 0]);
        assert_eq!((outcomes(&score), score.verdict), (vec![outcome], verdict));
        let detection = score.incidents[0].detection.as_ref().unwrap();
        assert_eq!(
            (detection.fired_ms, detection.delivered_ms),
            (1_320_000, at * 1000)
        );
        let heard = score.heard.unwrap();
        // Ours would have been told of 30 s after it fired.
        let ours = heard.sources[0].detections[0].as_ref().unwrap();
        assert_eq!(
            (heard.by.as_str(), ours.delivered_ms),
            ("webhook", 1_350_000)
        );
        let split = heard.splits[0].unwrap();
        assert_eq!(split.total_ms, (at - 1200) * 1000);
        assert_eq!(split.delivery_ms, Some((at - 1320) * 1000));
        // A webhook does not say when the condition began to hold.
        assert_eq!((split.for_ms, split.evaluation_ms), (None, None));
    }
}

#[test]
fn what_a_prometheus_knows_is_told_by_the_model_and_its_parts_by_itself() {
    let told = vec![
        Told {
            active_ms: Some(1_230_000),
            ..told(Prometheus, 1_231, 1_230, Pending)
        },
        Told {
            active_ms: Some(1_230_000),
            ..told(Prometheus, 1_291, 1_290, Firing)
        },
        told(Prometheus, 2_401, 2_400, Inactive),
    ];
    let score = heard(outage(), source(Prometheus), told.clone()).score();
    assert_eq!(
        (score.verdict, score.inconclusive.len()),
        (Verdict::Passed, 0)
    );
    let detection = score.incidents[0].detection.as_ref().unwrap();
    let times = [
        detection.pending_ms,
        detection.fired_ms,
        detection.delivered_ms,
    ];
    assert_eq!(times, [1_230_000, 1_290_000, 1_320_000]);
    let split = score.heard.unwrap().splits[0].unwrap();
    assert_eq!((split.for_ms, split.delivery_ms), (Some(60_000), None));
    assert_eq!(split.together_ms, Some(30_000));
    assert!(split.is_delivery_modelled);

    // With a webhook beside it, all is known.
    let both = heard(outage(), source(Prometheus), told);
    let score = heard(
        both,
        source(Webhook),
        vec![super::heard::told(Webhook, 1_325, 1_290, Firing)],
    )
    .score();
    assert_eq!(
        (score.verdict, score.inconclusive.len()),
        (Verdict::Passed, 0)
    );
    let split = score.heard.unwrap().splits[0].unwrap();
    let parts = [split.together_ms, split.for_ms, split.delivery_ms];
    assert_eq!(parts, [30_000, 60_000, 35_000].map(Some));
    assert_eq!(parts.iter().flatten().sum::<i64>(), split.total_ms);
}

#[test]
fn an_alert_that_fired_and_was_over_before_anybody_was_told_is_named() {
    let told = vec![
        told(Prometheus, 1_231, 1_230, Firing),
        told(Prometheus, 1_241, 1_240, Inactive),
    ];
    let score = heard(outage(), source(Prometheus), told).score();
    let sources = score.heard.as_ref().unwrap().sources.iter();
    let found: Vec<_> = sources
        .map(|source| (source.detections[0].is_some(), source.untold[0].clone()))
        .collect();
    let untold = Untold {
        alert: ALERT.into(),
        fired_ms: 1_230_000,
    };
    assert_eq!(found, [(true, None), (false, Some(untold))]);
}

#[test]
fn a_source_that_was_away_has_missed_nothing() {
    let away = |from: i64, until: i64| {
        let (source, mut hearing) = source(Prometheus);
        hearing.away.push(Away {
            from_ms: from * 1000,
            until_ms: until * 1000,
            why: "there cannot be reached".into(),
        });
        heard(outage(), (source, hearing), vec![])
    };
    let score = away(1_210, 2_500).score();
    assert_eq!(score.verdict, Verdict::Inconclusive);
    assert!(
        score.inconclusive[0].contains("was not heard from 20:10 to 41:40"),
        "{:?}",
        score.inconclusive
    );
    // In the warm-up nothing is judged, and within an evaluation interval nothing comes and goes.
    for (from, until) in [(0, 590), (1_210, 1_260)] {
        let (source, mut hearing) = source(Webhook);
        hearing.away.push(Away {
            from_ms: from * 1000,
            until_ms: until * 1000,
            why: String::new(),
        });
        let score = heard(outage(), (source, hearing), posted(1330)).score();
        assert_eq!(score.verdict, Verdict::Passed, "{:?}", score.inconclusive);
    }
}

#[test]
fn what_was_heard_badly_proves_nothing() {
    let with = |of: SourceKind, change: &dyn Fn(&mut Source, &mut Hearing)| {
        let (mut source, mut hearing) = source(of);
        change(&mut source, &mut hearing);
        let since = 1320;
        let told = vec![Told {
            active_ms: Some(1_260_000),
            ..told(of, 1_321, since, Firing)
        }];
        heard(outage(), (source, hearing), told)
    };
    assert_eq!(
        with(Prometheus, &|_, _| {}).score().verdict,
        Verdict::Passed
    );
    doubted(
        with(Webhook, &|_, hearing| {
            hearing.doubts.push("a message was refused".into())
        }),
        "webhook: a message was refused",
    );
    doubted(
        with(Prometheus, &|_, hearing| {
            hearing.ahead_ms = Some((7_000, 8_000))
        }),
        "7.0 s ahead of ours",
    );
    doubted(
        with(Alertmanager, &|_, hearing| {
            hearing.ahead_ms = Some((-9_000, -8_000))
        }),
        "8.0 s behind ours",
    );
    let found = |found, all_ms| {
        move |_: &mut Source, hearing: &mut Hearing| {
            hearing.targets = Some(Found {
                of: 2,
                found,
                all_ms,
            });
        }
    };
    doubted(
        with(Prometheus, &found(1, None)),
        "scraped 1 of the drill's 2 targets",
    );
    doubted(
        with(Prometheus, &found(2, Some(700_000))),
        "after the warm-up",
    );
    doubted(
        with(Prometheus, &|_, hearing| hearing.targets = None),
        "never seen to scrape",
    );
    doubted(
        with(Prometheus, &|source, _| {
            source.rules[0].how = Likeness::Other;
            source.rules[0].other = "its `for` is 300 s, not 60 s".into();
        }),
        "another rule in prometheus (its `for` is 300 s, not 60 s)",
    );
}

#[test]
fn silence_says_something_only_where_something_could_be_heard() {
    let (source, mut hearing) = source(Webhook);
    hearing.heard = 0;
    let quiet = || Paper::new(600, 3600).benign(0, 3600);
    doubted(
        heard(quiet(), (source.clone(), hearing), vec![]),
        "nothing was posted to webhook",
    );
    // Where a Prometheus had nothing to tell, nothing had to come; where it had, it should have come.
    let mute = || {
        let (source, mut hearing) = super::heard::source(Webhook);
        hearing.heard = 0;
        (source, hearing)
    };
    let told = |paper: Paper, words: Vec<Told>| {
        heard(
            heard(paper, super::heard::source(Prometheus), words),
            mute(),
            vec![],
        )
    };
    let score = told(quiet(), vec![]).score();
    assert_eq!(score.verdict, Verdict::Passed, "{:?}", score.inconclusive);
    let fires = vec![super::heard::told(Prometheus, 1_321, 1_320, Firing)];
    doubted(told(outage(), fires), "nothing was posted to webhook");
    let am = super::heard::source(Alertmanager);
    doubted(heard(quiet(), am, vec![]), "nothing came to alertmanager");
    let loud = super::heard::source(Webhook);
    assert_eq!(
        heard(quiet(), loud.clone(), vec![]).score().verdict,
        Verdict::Passed
    );
    // Ours raises it, and nobody knows whether anybody else looks at the drill.
    doubted(
        heard(outage(), loud.clone(), vec![]),
        "--prometheus says so",
    );
    // A Prometheus with the same rule that never raises it sees something else.
    doubted(
        heard(outage(), super::heard::source(Prometheus), vec![]),
        "never did: it may not see the same",
    );
    // One that raises it while nothing is posted: nobody was told.
    let fires = heard(
        outage(),
        super::heard::source(Prometheus),
        vec![super::heard::told(Prometheus, 1_321, 1_320, Firing)],
    );
    let score = heard(fires, loud, vec![]).score();
    assert_eq!(
        (outcomes(&score), score.verdict),
        (vec![Outcome::Missed], Verdict::Failed)
    );
    // One that does not have the rule has missed it, too.
    let (mut source, hearing) = super::heard::source(Prometheus);
    source.rules[0].how = Likeness::Missing;
    let score = heard(outage(), (source, hearing), vec![]).score();
    assert_eq!(
        (outcomes(&score), score.verdict),
        (vec![Outcome::Missed], Verdict::Failed)
    );
    let notes = &score.heard.unwrap().sources[1].notes;
    assert!(
        notes.contains(&format!("it does not have {ALERT}")),
        "{notes:?}"
    );
}

#[test]
fn the_same_alert_about_something_else_is_no_detection_and_no_false_page() {
    // It fires at 1800 s where it is heard, and ours is over.
    let mut paper = Paper::new(600, 4_000)
        .incident("db_slow", 1200, Some(1200), 2400, 2000)
        .fires(ALERT, 1210, 1220, 1230);
    paper.record.header.speed = 1.0;
    doubted(
        heard(
            paper,
            source(Webhook),
            vec![told(Webhook, 1_830, 1_800, Firing)],
        ),
        "the drill's own samples do not raise it",
    );
    let quiet = Paper::new(600, 3600).benign(0, 3600);
    doubted(
        heard(
            quiet,
            source(Webhook),
            vec![told(Webhook, 1_830, 1_800, Firing)],
        ),
        "the drill's own samples do not raise it",
    );
    // At the right time, and about a job that our rule does not tell of: another team has an alert of that name.
    let mut theirs = posted(1_350);
    theirs[0].labels.insert("job".into(), "billing".into());
    doubted(
        heard(outage(), source(Webhook), theirs),
        "the drill's own samples do not raise it",
    );
    // A cluster's name is one that a Prometheus adds to whatever it tells.
    let mut ours = posted(1_350);
    ours[0].labels.insert("cluster".into(), "eu-1".into());
    let score = heard(outage(), source(Webhook), ours).score();
    assert_eq!(score.verdict, Verdict::Passed, "{:?}", score.inconclusive);
    // A false page that ours raises, too, is one.
    let wolf = Paper::new(600, 3600)
        .benign(0, 3600)
        .fires(ALERT, 1750, 1810, 1900);
    let score = heard(
        wolf,
        source(Webhook),
        vec![told(Webhook, 1_830, 1_800, Firing)],
    )
    .score();
    assert_eq!(
        (score.verdict, classes(&score)),
        (Verdict::Failed, vec![Class::BenignFalse])
    );
}

#[test]
fn what_was_on_before_the_drill_is_no_matter_once_it_is_over() {
    let before = |over: Option<i64>| {
        let over = over.map(|at| told(Webhook, at, at, Inactive));
        let words = [told(Webhook, 5, -40, Firing)].into_iter().chain(over);
        heard(
            outage(),
            source(Webhook),
            words.chain(posted(1330)).collect(),
        )
    };
    let score = before(Some(30)).score();
    assert_eq!(
        (score.verdict, outcomes(&score)),
        (Verdict::Passed, vec![Outcome::OnTime])
    );
    let score = before(None).score();
    assert_eq!(score.verdict, Verdict::Inconclusive);
    let why = "fired by webhook before the drill began";
    assert!(
        score.inconclusive.iter().any(|told| told.contains(why)),
        "{:?}",
        score.inconclusive
    );
}

#[test]
fn a_condition_that_held_before_the_fault_tells_of_no_fault() {
    let told = Told {
        active_ms: Some(1_190_000),
        ..told(Prometheus, 1_251, 1_250, Firing)
    };
    let score = heard(outage(), source(Prometheus), vec![told]).score();
    assert_eq!(classes(&score), [Class::Chance]);
    assert_ne!(score.verdict, Verdict::Passed);
}

#[test]
fn word_to_a_chat_pages_nobody() {
    let file = "
# firedrill: pages = phone
route: { receiver: chat, routes: [ { receiver: chat, continue: true }, { receiver: phone } ] }
receivers:
- { name: chat, slack_configs: [{}] }
- { name: phone, pagerduty_configs: [{}] }
";
    let to = |receiver: &str, at: i64| Told {
        receivers: vec![receiver.to_owned()],
        ..told(Webhook, at, 1320, Firing)
    };
    let score = |words: Vec<Told>| {
        let mut paper = heard(outage(), source(Webhook), words);
        let config = Config::parse("am.yml", file).unwrap();
        paper.pack = paper.pack.delivered_by(Arc::new(config));
        paper.score()
    };
    let both = score(vec![to("chat", 1_330), to("phone", 1_400)]);
    assert_eq!(both.verdict, Verdict::Passed, "{:?}", both.inconclusive);
    let detection = both.incidents[0].detection.as_ref().unwrap();
    assert_eq!(detection.delivered_ms, 1_400_000, "when the phone rang");
    let chat = score(vec![to("chat", 1_330)]);
    assert_eq!(outcomes(&chat), [Outcome::Missed]);
}

#[test]
fn what_an_alertmanager_keeps_back_is_told_to_nobody() {
    let kept_back = |at: i64, by: &str| Told {
        kept_back: vec![by.into()],
        ..told(Alertmanager, at, 1_320, KeptBack)
    };
    let of = |words: Vec<Told>| {
        let fires = heard(
            outage(),
            source(Prometheus),
            vec![told(Prometheus, 1_321, 1_320, Firing)],
        );
        heard(fires, source(Alertmanager), words)
    };
    // As the team has told its Alertmanager to.
    let score = of(vec![kept_back(1_321, "inhibited by 1234")]).score();
    assert_eq!(
        (outcomes(&score), score.verdict),
        (vec![Outcome::Missed], Verdict::Failed)
    );
    let notes = &score.heard.unwrap().sources[2].notes;
    let why = format!("{ALERT} was kept back: inhibited by 1234");
    assert!(notes.contains(&why), "{notes:?}");
    // A person has.
    let silenced = "(silenced by 1234): what it would have told is not known";
    doubted(of(vec![kept_back(1_321, "silenced by 1234")]), silenced);
    // Before anybody was told of it, or after.
    let fires = || told(Alertmanager, 1_321, 1_320, Firing);
    let early = vec![fires(), kept_back(1_330, "silenced by 1234")];
    doubted(of(early), silenced);
    let later = vec![fires(), kept_back(1_370, "silenced by 1234")];
    assert_eq!(of(later).score().verdict, Verdict::Passed);
}

#[test]
fn a_moment_nobody_looked_at_may_be_the_one_that_counts() {
    // Heard of at 1473 s, modelled delivery 30 s later: 1503 s, with the deadline at 1500 s.
    let late = |unsaid: i64, since: Option<i64>| {
        let told = Told {
            unsaid_ms: Some(unsaid * 1000),
            since_ms: since.map(|at| at * 1000),
            active_ms: Some(1_300_000),
            ..told(Prometheus, 1_473, 0, Firing)
        };
        heard(outage(), source(Prometheus), vec![told])
    };
    doubted(late(1_460, None), "was not asked in between");
    assert_eq!(late(1_472, None).score().verdict, Verdict::Failed);
    assert_eq!(late(1_460, Some(1_472)).score().verdict, Verdict::Failed);
}
