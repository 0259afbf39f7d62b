//! When a page reaches somebody, by the real Alertmanager: what fires again before a flush, is over before one, or joins
//! others is told of then, and only then, when the model of it says so.

use super::peer::{Alertmanager, LATE, need};
use firedrill_reports::record::{AlertState, Transition};
use firedrill_reports::score::Delivery;
use firedrill_reports::score::delivery::deliver;
use firedrill_reports::score::episode::episodes;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const WAIT_MS: i64 = 1_000;
const INTERVAL_MS: i64 = 4_000;
const END_MS: i64 = 14_000;

/// When which instance of which alert begins to fire, or is over; none within a second before a flush, at 1, 5, 9, 13 s.
const EVENTS: [(i64, &str, &str, bool); 13] = [
    (0, "Again", "a", true),
    (2_500, "Again", "a", false),
    (3_500, "Again", "a", true),
    (7_000, "Again", "a", false),
    (0, "Over", "a", true),
    (0, "Over", "b", true),
    (2_500, "Over", "a", false),
    (6_500, "Over", "a", true),
    (0, "Brief", "a", true),
    (100, "Brief", "b", true),
    (300, "Brief", "b", false),
    (2_000, "Brief", "b", true),
    (3_500, "Brief", "b", false),
];

/// Alert, instance, and at which flush somebody was told of it.
type Told = BTreeSet<(String, String, i64)>;

/// The flush at or about a time, counted from the first.
fn flush(at_ms: i64) -> i64 {
    (at_ms - WAIT_MS + INTERVAL_MS / 2).div_euclid(INTERVAL_MS)
}

/// By the model that drills are scored by.
fn modelled() -> Told {
    let labels = |alert: &str, q: &str| {
        let all = [("alertname", alert), ("q", q), ("severity", "page")];
        all.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    };
    let mut transitions: Vec<Transition> = Vec::new();
    for (at_ms, alert, q, on) in in_order() {
        let (from, to) = match on {
            true => (AlertState::Inactive, AlertState::Firing),
            false => (AlertState::Firing, AlertState::Inactive),
        };
        transitions.push(Transition {
            at_ms,
            group: "g".into(),
            alert: alert.into(),
            labels: labels(alert, q),
            from,
            to,
            value: None,
            data_gone: false,
            data_back: false,
        });
    }
    let mut found = episodes(&transitions, END_MS);
    let delivery = Delivery {
        group_wait_ms: WAIT_MS,
        group_interval_ms: INTERVAL_MS,
    };
    deliver(&mut found, delivery);
    let firings = found.iter().flat_map(|episode| &episode.firings);
    let sent = firings.filter(|firing| firing.sent);
    sent.map(|firing| {
        let label = |name: &str| firing.labels[name].clone();
        (label("alertname"), label("q"), flush(firing.delivered_ms))
    })
    .collect()
}

fn in_order() -> Vec<(i64, &'static str, &'static str, bool)> {
    let mut events = EVENTS.to_vec();
    events.sort_by_key(|(at_ms, ..)| *at_ms);
    events
}

/// By a real one; `None`: this machine was too slow for it to mean anything.
fn real() -> Option<Told> {
    let manager = Alertmanager::start(&format!(
        "route: {{ receiver: r, group_by: [alertname], group_wait: {WAIT_MS}ms, group_interval: {INTERVAL_MS}ms, \
         repeat_interval: 4h }}\nreceivers: [{{ name: r, webhook_configs: [{{ url: 'URL' }}] }}]\n"
    ));
    let begun = Instant::now();
    let at = |at_ms: i64| begun + Duration::from_millis(at_ms.unsigned_abs());
    let stamp = |ahead_s| {
        let time = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(ahead_s);
        time.to_string()
    };
    let mut since: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for (at_ms, alert, q, on) in in_order() {
        std::thread::sleep(at(at_ms).saturating_duration_since(Instant::now()));
        if on {
            since.insert((alert, q), stamp(0));
        }
        let posted = json!([{
            "labels": { "alertname": alert, "q": q, "severity": "page" },
            "startsAt": since[&(alert, q)],
            "endsAt": stamp(if on { 60 } else { 0 }),
        }]);
        let code = manager.ask("POST", "/api/v2/alerts", &posted.to_string());
        assert_eq!(code.unwrap(), 200);
        if at(at_ms).elapsed() > LATE {
            return None;
        }
    }
    std::thread::sleep(at(END_MS).saturating_duration_since(Instant::now()));
    let mut told = Told::new();
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (when, sent) in manager.sent.try_iter() {
        let alert = sent["groupLabels"]["alertname"].as_str().unwrap();
        let at_ms = i64::try_from((when - begun).as_millis()).unwrap();
        let listed = sent["alerts"].as_array().unwrap().iter();
        let listed = listed.map(|one| {
            let q = one["labels"]["q"].as_str().unwrap().to_owned();
            (q, one["status"] == "firing")
        });
        let listed: BTreeMap<String, bool> = listed.collect();
        let firing = listed.iter().filter(|(_, firing)| **firing);
        let firing = firing.map(|(q, _)| q.clone()).collect();
        let before = known.insert(alert.to_owned(), firing).unwrap_or_default();
        // One that is over already and was never heard of is heard of, too.
        for q in listed.into_keys().filter(|q| !before.contains(q)) {
            told.insert((alert.to_owned(), q, flush(at_ms)));
        }
    }
    Some(told)
}

#[test]
fn people_are_told_when_alertmanager_tells_them() {
    if !need("prometheus-alertmanager") {
        return;
    }
    let real = (0..5).find_map(|_| real());
    let real = real.expect("five times this machine took too long over a request");
    assert_eq!(real, modelled());
    // Something is told at once, something later, something never.
    let flushes: BTreeSet<i64> = real.iter().map(|(_, _, flush)| *flush).collect();
    assert!(flushes.contains(&0) && flushes.len() > 1, "{real:?}");
    assert!(!real.contains(&("Again".into(), "a".into(), 1)));
}
