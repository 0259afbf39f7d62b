use super::*;
use crate::record::AlertState;

const BASE: &str = "receivers: [{ name: r, webhook_configs: [{}] }, { name: mail, email_configs: [{}] }]\n\
                    # firedrill: pages = r\n";

/// Seconds, instance (`NAME` or `NAME/queue`), and whether it fires from then on.
fn transitions(events: &[(i64, &str, bool)]) -> Vec<Transition> {
    let one = |(at_s, instance, fires): &(i64, &str, bool)| {
        let (alert, queue) = instance.split_once('/').unwrap_or((instance, ""));
        let (from, to) = match fires {
            true => (AlertState::Pending, AlertState::Firing),
            false => (AlertState::Firing, AlertState::Inactive),
        };
        let mut labels = Labels::from([("alertname".to_owned(), alert.to_owned())]);
        if !queue.is_empty() {
            labels.insert("queue".to_owned(), queue.to_owned());
        }
        Transition {
            at_ms: at_s * 1000,
            group: "g".into(),
            alert: alert.into(),
            labels,
            from,
            to,
            value: None,
            data_gone: false,
            data_back: false,
        }
    };
    events.iter().map(one).collect()
}

fn sent(config: &str, events: &[(i64, &str, bool)], end_s: i64) -> Sent {
    let config = Config::parse("am.yml", &format!("{BASE}{config}")).unwrap();
    // 1970-01-01, a Thursday, at midnight.
    notify(&config, &transitions(events), 0, 15_000, end_s * 1000)
}

/// Seconds, receiver, what fires, and what is over.
fn told(sent: &Sent) -> Vec<String> {
    let names = |all: &[Labels]| {
        let each = all.iter().map(|labels| {
            let queue = labels
                .get("queue")
                .map_or(String::new(), |q| format!("/{q}"));
            format!("{}{queue}", labels["alertname"])
        });
        each.collect::<Vec<_>>().join(" ")
    };
    let each = sent.notifications.iter().map(|one| {
        let (firing, resolved) = (names(&one.firing), names(&one.resolved));
        format!(
            "{} {}: {firing} | {resolved}",
            one.at_ms / 1000,
            one.receiver
        )
    });
    each.collect()
}

const ROUTE: &str = "route: { receiver: r, group_by: [alertname], group_wait: 30s, group_interval: 5m, repeat_interval: 1h }\n";

#[test]
fn a_group_is_told_of_after_its_wait_and_of_changes_with_its_interval() {
    let events = [
        (0, "A/x", true),
        (60, "A/y", true),
        (400, "A/x", false),
        (700, "A/y", false),
    ];
    let all = sent(ROUTE, &events, 2000);
    assert_eq!(
        told(&all),
        [
            "30 r: A/x | ",
            "330 r: A/x A/y | ",
            "630 r: A/y | A/x",
            "930 r:  | A/x A/y"
        ],
        "Prometheus sends what is over again for a quarter of an hour"
    );
    let reasons: Vec<Reason> = all.notifications.iter().map(|one| one.reason).collect();
    let (first, new) = (Reason::FirstNotification, Reason::NewAlertsInGroup);
    let (some, over) = (Reason::NewResolvedAlerts, Reason::AllAlertsResolved);
    assert_eq!(reasons, [first, new, some, over]);
    let labels = &transitions(&events)[0].labels;
    assert!(!all.is_known_before(labels, 30_000));
    assert!(all.is_known_before(labels, 630_000));
    assert!(!all.is_known_before(labels, 630_001));
}

#[test]
fn what_is_over_before_its_flush_is_never_told_of() {
    assert!(told(&sent(ROUTE, &[(0, "A", true), (15, "A", false)], 2000)).is_empty());
    let again = [(0, "A", true), (40, "A", false), (45, "A", true)];
    assert_eq!(told(&sent(ROUTE, &again, 1000)), ["30 r: A | "]);
}

#[test]
fn repeats_come_with_the_first_flush_after_the_interval() {
    let all = sent(ROUTE, &[(0, "A", true)], 8000);
    assert_eq!(
        told(&all),
        ["30 r: A | ", "3930 r: A | ", "7830 r: A | "],
        "an hour and five minutes: at the hour, an hour is not over"
    );
    let reason = all.notifications[1].reason;
    assert_eq!(reason, Reason::RepeatIntervalElapsed);
}

#[test]
fn a_receiver_that_is_not_sent_what_is_over_is_told_of_what_fires_alone() {
    let config = ROUTE.replace("receiver: r", "receiver: mail") + "# firedrill: pages = mail\n";
    let events = [
        (0, "A/x", true),
        (0, "A/y", true),
        (100, "A/x", false),
        (400, "A/y", false),
        (1000, "A/x", true),
    ];
    assert_eq!(
        told(&sent(&config, &events, 1200)),
        ["30 mail: A/x A/y | ", "1030 mail: A/x | "]
    );
}

#[test]
fn an_inhibited_alert_is_kept_back_while_its_source_fires() {
    let config = format!(
        "{ROUTE}inhibit_rules:\n- {{ source_matchers: [alertname=Down], target_matchers: [alertname=~\"A|Down\"], equal: [queue] }}\n"
    );
    let events = [
        (0, "Down/x", true),
        (5, "A/x", true),
        (5, "A/y", true),
        (500, "Down/x", false),
    ];
    let all = sent(&config, &events, 1000);
    assert_eq!(
        told(&all),
        [
            "30 r: Down/x | ",
            "35 r: A/y | ",
            "630 r:  | Down/x",
            "635 r: A/x A/y | "
        ],
        "a source is no target of its own"
    );
    let [kept] = all.suppressed.as_slice() else {
        panic!("{:?}", all.suppressed)
    };
    assert_eq!((kept.from_ms, kept.to_ms), (35_000, 335_000));
    assert!(matches!(&kept.why, Silence::Inhibited { by } if by["alertname"] == "Down"));
}

#[test]
fn time_intervals_mute_routes_and_not_groups() {
    let config = "\
route:
  receiver: mail
  routes:
    - { receiver: r, group_wait: 10s, group_interval: 1m, mute_time_intervals: [early], matchers: [alertname=A] }
    - { receiver: r, group_wait: 10s, group_interval: 90s, active_time_intervals: [early], matchers: [alertname=B] }
time_intervals:
  - { name: early, time_intervals: [{ times: [{ start_time: '00:00', end_time: '00:05' }] }] }
";
    let events = [(0, "A", true), (0, "B", true), (280, "B/late", true)];
    let all = sent(config, &events, 900);
    assert_eq!(
        told(&all),
        ["10 r: B | ", "280 r: B B/late | ", "310 r: A | "]
    );
    let whys: Vec<(i64, i64, &Silence)> = all
        .suppressed
        .iter()
        .map(|one| (one.from_ms / 1000, one.to_ms / 1000, &one.why))
        .collect();
    let interval = "early".to_owned();
    assert_eq!(whys[0], (10, 250, &Silence::Muted { interval }));
    let intervals = vec!["early".to_owned()];
    assert_eq!(whys[1].2, &Silence::Inactive { intervals });
}

#[test]
fn a_firing_that_ends_in_a_muted_time_stays_known() {
    let config = "\
route:
  receiver: mail
  routes:
    - { receiver: r, group_wait: 10s, group_interval: 1m, mute_time_intervals: [late], matchers: [alertname=A] }
time_intervals:
  - { name: late, time_intervals: [{ times: [{ start_time: '00:01', end_time: '00:30' }] }] }
";
    let events = [(0, "A", true), (100, "A", false), (1700, "A", true)];
    let all = sent(config, &events, 2400);
    // Whoever was told that it fires was never told that it was over.
    assert_eq!(told(&all), ["10 r: A | "]);
    assert!(all.is_known_before(&transitions(&events)[0].labels, 1_700_000));
}

#[test]
fn no_flush_is_left_out_that_has_something_to_say() {
    // Flushes are skipped while nothing changes; a short interval and a long drill take no longer than a long one.
    let short = ROUTE.replace("5m", "1ms");
    let events = [
        (0, "A/x", true),
        (1000, "A/y", true),
        (500_000, "A/x", false),
    ];
    let mut all = told(&sent(&short, &events, 2_000_000));
    all.retain(|one| one.contains("A/x") && one.contains("A/y"));
    assert_eq!(all[0], "1000 r: A/x A/y | ");
    assert_eq!(all.last().unwrap(), "500000 r: A/y | A/x");
}

#[test]
fn continue_tells_several_and_the_first_match_alone_without_it() {
    let config = "\
route:
  receiver: mail
  group_wait: 10s
  routes:
    - { receiver: r, continue: true, matchers: [alertname=A] }
    - { receiver: mail, group_by: ['...'] }
    - { receiver: r }
";
    let events = [(0, "A/x", true), (0, "A/y", true)];
    assert_eq!(
        told(&sent(config, &events, 60)),
        ["10 r: A/x A/y | ", "10 mail: A/x | ", "10 mail: A/y | "]
    );
}

#[test]
fn routes_with_the_same_matchers_share_the_notification_log() {
    let config = "\
route:
  receiver: mail
  routes:
    - { receiver: r, continue: true, group_wait: 10s, matchers: [alertname=A] }
    - { receiver: r, group_wait: 20s, matchers: [alertname=A] }
";
    assert_eq!(told(&sent(config, &[(0, "A", true)], 60)), ["10 r: A | "]);
}

#[test]
fn what_comes_with_the_first_flush_after_the_end_is_told_apart() {
    let all = sent(ROUTE, &[(0, "A/x", true), (100, "A/y", true)], 200);
    assert_eq!(told(&all), ["30 r: A/x | ", "330 r: A/x A/y | "]);
}
