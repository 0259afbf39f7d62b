//! A small drill at speed 1 through the real Alertmanager: its receivers are sent what ours are, and in the same order.

use super::peer::{Alertmanager, LATE, need};
use firedrill_reports::alertmanager::{Config, Labels, notify};
use firedrill_reports::record::{AlertState, Transition};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const CONFIG: &str = "
# firedrill: pages = phone
route:
  receiver: mail
  group_by: [alertname]
  group_wait: 1s
  group_interval: 4s
  repeat_interval: 3h
  routes:
  - { receiver: phone, continue: true, matchers: ['severity=\"page\"'] }
  - { receiver: phone, matchers: [alertname = Lone], repeat_interval: 5s }
  - { receiver: mail, matchers: ['severity=~\"page|ticket\"'] }
inhibit_rules:
- { source_matchers: [alertname=Down], target_matchers: ['alertname=~\"Slow|Down\"'], equal: [q] }
receivers:
- { name: phone, webhook_configs: [{ url: 'URL' }] }
- { name: mail, webhook_configs: [{ url: 'URL', send_resolved: false }] }
";
const END_MS: i64 = 14_500;

/// When which instance of which alert begins to fire, or is over; none within two seconds before a flush, at 1, 5, 9, 13 s.
const EVENTS: [(i64, &str, &str, bool); 8] = [
    (0, "Down", "a", true),
    (0, "Slow", "a", true),
    (0, "Slow", "b", true),
    (0, "Lone", "", true),
    (2_500, "Slow", "c", true),
    (6_500, "Down", "a", false),
    (6_600, "Slow", "b", false),
    (10_500, "Slow", "a", false),
];

/// Receiver, group, at which flush, what fires, and what is over.
type Told = BTreeSet<(String, String, i64, BTreeSet<String>, BTreeSet<String>)>;

fn labels(alert: &str, q: &str) -> Labels {
    let severity = if alert == "Lone" { "note" } else { "page" };
    let all = [("alertname", alert), ("q", q), ("severity", severity)];
    let all = all.into_iter().filter(|(_, value)| !value.is_empty());
    all.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The flush at or about a time, counted from the first.
fn flush(at_ms: i64) -> i64 {
    (at_ms - 1_000 + 2_000).div_euclid(4_000)
}

fn modelled() -> Told {
    let config = Config::parse("am.yml", CONFIG).unwrap();
    let one = |(at_ms, alert, q, on): &(i64, &str, &str, bool)| {
        let (from, to) = match on {
            true => (AlertState::Inactive, AlertState::Firing),
            false => (AlertState::Firing, AlertState::Inactive),
        };
        Transition {
            at_ms: *at_ms,
            group: "g".into(),
            alert: (*alert).into(),
            labels: labels(alert, q),
            from,
            to,
            value: None,
            data_gone: false,
            data_back: false,
        }
    };
    let transitions: Vec<Transition> = EVENTS.iter().map(one).collect();
    let sent = notify(&config, &transitions, 1_800_000_000_000, 15_000, END_MS);
    let queues = |all: &[Labels]| -> BTreeSet<String> {
        let each = all.iter();
        each.map(|labels| labels.get("q").cloned().unwrap_or_default())
            .collect()
    };
    let in_time = sent.notifications.iter().filter(|one| one.at_ms <= END_MS);
    in_time
        .map(|one| {
            let group = one.group["alertname"].clone();
            let (firing, resolved) = (queues(&one.firing), queues(&one.resolved));
            (
                one.receiver.clone(),
                group,
                flush(one.at_ms),
                firing,
                resolved,
            )
        })
        .collect()
}

/// By a real one; `None`: this machine was too slow for it to mean anything.
fn real() -> Option<Told> {
    let manager = Alertmanager::start(CONFIG);
    let begun = Instant::now();
    let at = |at_ms: i64| begun + Duration::from_millis(at_ms.unsigned_abs());
    let stamp = |ahead_s| {
        let time = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(ahead_s);
        time.to_string()
    };
    let mut since: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for (at_ms, alert, q, on) in EVENTS {
        std::thread::sleep(at(at_ms).saturating_duration_since(Instant::now()));
        if on {
            since.insert((alert, q), stamp(0));
        }
        let posted = json!([{
            "labels": labels(alert, q),
            "startsAt": since[&(alert, q)],
            // As Prometheus has it: four times its resend delay.
            "endsAt": stamp(if on { 240 } else { 0 }),
        }]);
        let code = manager.ask("POST", "/api/v2/alerts", &posted.to_string());
        assert_eq!(code.unwrap(), 200);
        if at(at_ms).elapsed() > LATE {
            return None;
        }
    }
    std::thread::sleep(at(END_MS).saturating_duration_since(Instant::now()));
    let told = manager.sent.try_iter().map(|(when, sent)| {
        let at_ms = i64::try_from((when - begun).as_millis()).unwrap();
        let of = |status: &str| -> BTreeSet<String> {
            let alerts = sent["alerts"].as_array().unwrap().iter();
            let alerts = alerts.filter(|one| one["status"] == status);
            let queues = alerts.map(|one| one["labels"]["q"].as_str().unwrap_or(""));
            queues.map(str::to_owned).collect()
        };
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let group = text(&sent["groupLabels"]["alertname"]);
        let (firing, resolved) = (of("firing"), of("resolved"));
        (
            text(&sent["receiver"]),
            group,
            flush(at_ms),
            firing,
            resolved,
        )
    });
    Some(told.collect())
}

#[test]
fn receivers_are_sent_what_alertmanager_sends_them() {
    if !need("prometheus-alertmanager") {
        return;
    }
    let real = (0..5).find_map(|_| real());
    let real = real.expect("five times this machine took too long over a request");
    assert_eq!(real, modelled());
    let of = |receiver: &str, group: &str| {
        let own = real
            .iter()
            .filter(|told| told.0 == receiver && told.1 == group);
        own.map(|told| told.2).collect::<Vec<i64>>()
    };
    // It is reminded of, inhibited until its source is over, and told of to those alone who are sent it.
    assert_eq!(of("phone", "Lone"), [0, 2]);
    assert_eq!(of("phone", "Slow"), [0, 1, 2, 3]);
    assert_eq!(of("mail", "Slow"), [0, 1, 2]);
    assert_eq!(of("mail", "Down"), [0]);
}
