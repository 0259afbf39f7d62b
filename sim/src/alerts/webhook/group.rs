//! A group of alerts as Alertmanager posts it to webhooks (`template.Data`, version 4).

use super::{Message, MessageError};
use crate::alerts::clock::moment;
use crate::alerts::teller::Instance;
use firedrill_reports::record::ToldState;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The only version there has been since 2017.
const VERSION: &str = "4";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Posted {
    version: String,
    receiver: String,
    #[serde(default)]
    truncated_alerts: u64,
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    status: String,
    labels: BTreeMap<String, String>,
    annotations: Option<BTreeMap<String, String>>,
    starts_at: Option<String>,
    ends_at: Option<String>,
}

pub(super) fn message(
    posted: Posted,
    since_start: &dyn Fn(i64) -> i64,
) -> Result<Message, MessageError> {
    if posted.version != VERSION {
        let version = posted.version;
        let why = format!("its `version` is {version:?}, and {VERSION:?} is what is known");
        return Err(MessageError::Malformed(why));
    }
    let instance = |alert: Alert| {
        let (starts_ms, ends_ms) = (
            time("startsAt", alert.starts_at.as_deref())?,
            time("endsAt", alert.ends_at.as_deref())?,
        );
        let (state, since_ms) = match alert.status.as_str() {
            "firing" => (ToldState::Firing, starts_ms),
            "resolved" => (ToldState::Inactive, ends_ms),
            other => {
                let why = format!("`status` of an alert is {other:?}, not `firing` or `resolved`");
                return Err(MessageError::Malformed(why));
            }
        };
        Ok(Instance {
            state,
            since_ms: since_ms.map(since_start),
            began_ms: starts_ms.map(since_start),
            active_ms: None,
            labels: alert.labels,
            annotations: alert.annotations.unwrap_or_default(),
            receivers: vec![posted.receiver.clone()],
            kept_back: Vec::new(),
            pages: false,
        })
    };
    let instances: Result<Vec<Instance>, MessageError> =
        posted.alerts.into_iter().map(instance).collect();
    let cut = posted.truncated_alerts;
    Ok(Message {
        instances: instances?,
        acknowledged: None,
        doubt: (cut > 0).then(|| {
            format!("a message left {cut} of its alerts out (`max_alerts` of the receiver): which is not known")
        }),
    })
}

/// A time of an alert, Unix milliseconds; none where there is none, or Go's zero.
fn time(name: &str, text: Option<&str>) -> Result<Option<i64>, MessageError> {
    let Some(text) = text else {
        return Ok(None);
    };
    moment(text).map_err(|_| {
        let why = format!(
            "`{name}` of an alert is {text:?}, and that is no time; accepted: 2026-01-31T09:00:00Z (RFC 3339)"
        );
        MessageError::Malformed(why)
    })
}
