//! Events as PagerDuty's API takes them (Events API, version 2): a pager's own form, without room for labels. Alertmanager
//! lists those of a group's alerts in `custom_details`, as text; others may name one alert there, as `alertname`.

use super::{Message, MessageError};
use crate::alerts::Acknowledged;
use crate::alerts::teller::Instance;
use firedrill_reports::record::ToldState;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What is said for the receiver, which the form does not name.
const RECEIVER: &str = "pagerduty";
/// So many incidents are remembered.
const INCIDENTS_MAX: usize = 10_000;

#[derive(Deserialize)]
pub(super) struct Event {
    event_action: String,
    #[serde(default)]
    dedup_key: Option<String>,
    #[serde(default)]
    payload: Option<Payload>,
    /// Who says it.
    #[serde(default)]
    client: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    summary: String,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    custom_details: Option<Map<String, Value>>,
}

type Labels = BTreeMap<String, String>;

/// What fires in each incident, by its `dedup_key`.
#[derive(Debug, Default)]
pub(super) struct Incidents(BTreeMap<String, BTreeSet<Labels>>);

impl Incidents {
    pub(super) fn take(&mut self, event: Event) -> Result<Message, MessageError> {
        let key = event.dedup_key.unwrap_or_default();
        let action = event.event_action.as_str();
        if key.is_empty() && matches!(action, "acknowledge" | "resolve") {
            let why = format!(
                "`event_action` is {action:?}, and there is no `dedup_key` that says of what"
            );
            return Err(MessageError::Malformed(why));
        }
        if action == "acknowledge" {
            let source = event.payload.and_then(|payload| payload.source);
            return Ok(self.acknowledged(&key, event.client.or(source)));
        }
        let summary = event
            .payload
            .as_ref()
            .map(|payload| payload.summary.clone());
        let summary = summary.unwrap_or_default();
        let details = event.payload.and_then(|payload| payload.custom_details);
        let listed = details.map(|details| fire(&details)).unwrap_or_default();
        let fires = match action {
            "trigger" if listed.is_empty() => {
                let why = format!(
                    "a page names no alert, and nobody can tell which it is of: {summary:?}"
                );
                return Ok(Message {
                    doubt: Some(why),
                    ..Message::default()
                });
            }
            "trigger" => listed,
            "resolve" => BTreeSet::new(),
            other => {
                let why = format!(
                    "`event_action` is {other:?}, not `trigger`, `acknowledge` or `resolve`"
                );
                return Err(MessageError::Malformed(why));
            }
        };
        let before = self.0.remove(&key).unwrap_or_default();
        let over = before.difference(&fires);
        let over = over.map(|labels| instance(labels, ToldState::Inactive, ""));
        let firing = fires
            .iter()
            .map(|labels| instance(labels, ToldState::Firing, &summary));
        let instances = over.chain(firing).collect();
        // Without a key, each event is an incident of its own that nobody can resolve.
        if !fires.is_empty() && !key.is_empty() && self.0.len() < INCIDENTS_MAX {
            self.0.insert(key, fires);
        }
        Ok(Message {
            instances,
            ..Message::default()
        })
    }

    /// Somebody is on it; the alerts go on. What was not posted here was no page here.
    fn acknowledged(&self, key: &str, by: Option<String>) -> Message {
        let alerts = self.0.get(key).map(|fires| {
            let names = fires.iter().filter_map(|labels| labels.get("alertname"));
            names.cloned().collect::<BTreeSet<String>>()
        });
        Message {
            acknowledged: alerts.map(|alerts| Acknowledged {
                by: by.unwrap_or_default(),
                alerts,
            }),
            ..Message::default()
        }
    }
}

/// Labels of the alerts that an event says fire.
fn fire(details: &Map<String, Value>) -> BTreeSet<Labels> {
    let text = |name: &str| details.get(name).and_then(Value::as_str);
    match (text("firing"), text("alertname")) {
        (Some(firing), _) => listed(firing),
        (None, Some(_)) => {
            let texts = details.iter();
            let texts =
                texts.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
            BTreeSet::from([texts.collect()])
        }
        (None, None) => BTreeSet::new(),
    }
}

/// The alerts in Alertmanager's list of them (`__text_alert_list` of its default templates).
fn listed(text: &str) -> BTreeSet<Labels> {
    let mut found = BTreeSet::new();
    let mut open: Option<Labels> = None;
    for line in text.lines() {
        match line.trim_end() {
            "Labels:" => {
                found.extend(open.take());
                open = Some(Labels::new());
            }
            "Annotations:" => found.extend(open.take()),
            line => {
                let pair = line
                    .strip_prefix(" - ")
                    .and_then(|pair| pair.split_once(" = "));
                if let (Some(labels), Some((name, value))) = (&mut open, pair) {
                    labels.insert(name.to_owned(), value.to_owned());
                }
            }
        }
    }
    found.extend(open);
    found.retain(|labels| labels.contains_key("alertname"));
    found
}

/// `summary`: what the event says in a sentence, which is all that the form has for that.
fn instance(labels: &Labels, state: ToldState, summary: &str) -> Instance {
    let says = (!summary.is_empty()).then(|| ("summary".to_owned(), summary.to_owned()));
    Instance {
        labels: labels.clone(),
        annotations: says.into_iter().collect(),
        state,
        since_ms: None,
        began_ms: None,
        active_ms: None,
        receivers: vec![RECEIVER.to_owned()],
        kept_back: Vec::new(),
        pages: true,
    }
}
