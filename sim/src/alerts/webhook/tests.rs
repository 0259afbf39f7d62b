use super::*;
use firedrill_reports::record::ToldState;
use proptest::prelude::*;
use serde_json::json;

fn said(value: &Value) -> Result<Message, MessageError> {
    said_to(&mut Incidents::default(), value)
}

fn said_to(incidents: &mut Incidents, value: &Value) -> Result<Message, MessageError> {
    read(value.to_string().as_bytes(), incidents, &|ms| ms)
}

fn names(message: &Message) -> Vec<(String, ToldState)> {
    let all = message.instances.iter();
    all.map(|one| (one.labels["alertname"].clone(), one.state))
        .collect()
}

#[test]
fn a_group_of_alertmanagers() {
    let message = said(&json!({
        "version": "4", "groupKey": "{}:{}", "status": "firing", "receiver": "pager", "truncatedAlerts": 2,
        "alerts": [
            { "status": "firing", "labels": { "alertname": "A", "queue": "q" },
              "startsAt": "1970-01-01T00:00:01.5Z", "endsAt": "0001-01-01T00:00:00Z" },
            { "status": "resolved", "labels": { "alertname": "B" },
              "startsAt": "1970-01-01T00:00:01Z", "endsAt": "1970-01-01T00:00:02Z" }
        ]
    }))
    .unwrap();
    assert_eq!(
        names(&message),
        [
            ("A".to_owned(), ToldState::Firing),
            ("B".to_owned(), ToldState::Inactive)
        ]
    );
    let [a, b] = &message.instances[..] else {
        panic!("{message:?}")
    };
    assert_eq!(
        (a.since_ms, a.receivers.as_slice()),
        (Some(1_500), &["pager".to_owned()][..])
    );
    assert_eq!((b.began_ms, b.since_ms), (Some(1_000), Some(2_000)));
    assert!(message.doubt.unwrap().contains("left 2 of its alerts out"));
}

#[test]
fn events_of_pagerduty() {
    let mut incidents = Incidents::default();
    let event = |action: &str, firing: &str| {
        json!({
            "routing_key": "secret", "dedup_key": "k", "event_action": action,
            "payload": { "summary": "two", "severity": "critical", "source": "am",
                         "custom_details": { "firing": firing, "resolved": "", "num_firing": "1" } }
        })
    };
    let both = "Labels:\n - alertname = A\n - queue = q = r\nAnnotations:\n - summary = s\nSource: http://p\nLabels:\n - alertname = B\n\
                Annotations:\nSource: http://p\n";
    let message = said_to(&mut incidents, &event("trigger", both)).unwrap();
    assert_eq!(
        names(&message),
        [
            ("A".to_owned(), ToldState::Firing),
            ("B".to_owned(), ToldState::Firing)
        ]
    );
    assert_eq!(message.instances[0].labels["queue"], "q = r");
    assert!(message.instances.iter().all(|one| one.pages));
    let acknowledged = said_to(&mut incidents, &event("acknowledge", "")).unwrap();
    assert!(acknowledged.instances.is_empty());
    let by = acknowledged.acknowledged.unwrap();
    // `source` is who says it, where no `client` is.
    assert_eq!(by.by, "am");
    assert_eq!(by.alerts, ["A", "B"].map(str::to_owned).into());
    let other = json!({ "event_action": "acknowledge", "dedup_key": "another" });
    let other = said_to(&mut incidents, &other).unwrap();
    assert_eq!(other, Message::default());
    let one = "Labels:\n - alertname = B\nAnnotations:\n";
    let message = said_to(&mut incidents, &event("trigger", one)).unwrap();
    assert_eq!(
        names(&message),
        [
            ("A".to_owned(), ToldState::Inactive),
            ("B".to_owned(), ToldState::Firing)
        ]
    );
    let message = said_to(&mut incidents, &event("resolve", "")).unwrap();
    assert_eq!(names(&message), [("B".to_owned(), ToldState::Inactive)]);
    // Others name one alert.
    let other = json!({
        "event_action": "trigger",
        "payload": { "summary": "x", "custom_details": { "alertname": "C", "queue": "q", "value": 3 } }
    });
    let message = said(&other).unwrap();
    assert_eq!(names(&message), [("C".to_owned(), ToldState::Firing)]);
    // A page that could be of anything.
    let nameless = json!({ "event_action": "trigger", "payload": { "summary": "help" } });
    let message = said(&nameless).unwrap();
    assert!(message.instances.is_empty());
    assert!(message.doubt.unwrap().contains("\"help\""));
}

#[test]
fn what_is_of_no_form_is_refused() {
    let refused = [
        json!({}),
        json!([]),
        json!(null),
        json!({ "alerts": [] }),
        json!({ "version": "3", "receiver": "r", "alerts": [] }),
        json!({ "version": "4", "alerts": [] }),
        json!({ "version": "4", "receiver": "r", "alerts": [{ "status": "?", "labels": {} }] }),
        json!({ "version": "4", "receiver": "r", "alerts": [{ "status": "firing", "labels": { "a": 1 } }] }),
        json!({ "event_action": "explode" }),
        json!({ "event_action": 1 }),
        json!({ "event_action": "acknowledge" }),
        json!({ "event_action": "resolve" }),
        json!({ "event_action": "trigger", "payload": "x" }),
    ];
    for value in refused {
        assert!(said(&value).is_err(), "{value}");
    }
    let timed = |starts_at: Value| {
        said(
            &json!({ "version": "4", "receiver": "r", "alerts": [{ "status": "firing", "labels": { "alertname": "A" }, "startsAt": starts_at }] }),
        )
    };
    for no_time in [
        json!("yesterday"),
        json!(""),
        json!(1_764_000_000),
        json!("2026-11-30 05:20"),
    ] {
        let error = timed(no_time.clone()).unwrap_err().to_string();
        assert!(
            error.contains("startsAt") && error.contains("RFC 3339")
                || error.contains("expected a string"),
            "{no_time}: {error}"
        );
    }
    for time in [
        json!("2026-11-30T05:20:08+01:00"),
        json!("0001-01-01T00:00:00Z"),
        Value::Null,
    ] {
        assert!(timed(time.clone()).is_ok(), "{time}");
    }
    let broken = read(b"{\"version\": \"4\", ", &mut Incidents::default(), &|ms| {
        ms
    });
    assert!(matches!(broken, Err(MessageError::Malformed(_))));
}

proptest! {
    /// Whatever is posted: an error or a message, never a panic.
    #[test]
    fn anything_may_be_posted(body in prop::collection::vec(any::<u8>(), 0..300), details in ".{0,200}") {
        let mut incidents = Incidents::default();
        let _ = read(&body, &mut incidents, &|ms| ms);
        let event = json!({ "event_action": "trigger", "payload": { "custom_details": { "firing": details } } });
        let message = said_to(&mut incidents, &event).unwrap();
        prop_assert!(message.instances.iter().all(|one| one.labels.contains_key("alertname")));
    }
}
