//! What is posted to us: the forms of Alertmanager's webhooks and of PagerDuty's events, at any path.

mod group;
mod pagerduty;

use super::Acknowledged;
use super::listener::Listener;
use super::teller::Instance;
use crate::http::{self, few::Few};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use pagerduty::Incidents;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;

/// Largest message, bytes.
const MESSAGE_MAX: usize = 4 << 20;
/// How long one may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a message tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Message {
    instances: Vec<Instance>,
    /// Who says that he is on it, of which alerts.
    acknowledged: Option<Acknowledged>,
    /// What it leaves out or leaves open, for people.
    doubt: Option<String>,
}

/// Why a message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum MessageError {
    /// It is no JSON, or not of the form it says it is.
    #[error("{0}")]
    Malformed(String),
    /// It is of no form that is known.
    #[error(
        "it is neither of Alertmanager's form (`version`: \"4\") nor an event of PagerDuty's (`event_action`)"
    )]
    Unknown,
}

struct Receiving {
    listener: Listener,
    incidents: Mutex<Incidents>,
}

/// Takes messages until this is dropped. On loopback, from those who ask for it by a name of this machine.
pub(super) async fn serve(port: TcpListener, listener: Listener) {
    let receiving = Arc::new(Receiving {
        listener,
        incidents: Mutex::default(),
    });
    let pages = Router::new().fallback(take).with_state(receiving);
    let pages = match port.local_addr() {
        Ok(address) if address.ip().is_loopback() => http::for_us(address, pages),
        _ => pages,
    };
    // It can only end with this process.
    let _ = axum::serve(Few::of(port), pages).await;
}

async fn take(State(receiving): State<Arc<Receiving>>, request: Request<Body>) -> Response {
    if request.method() != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let listener = &receiving.listener;
    let refuse = |status: StatusCode, why: String| {
        listener.doubt(&format!("a message was refused: {why}"));
        (status, why).into_response()
    };
    let body = Limited::new(request.into_body(), MESSAGE_MAX).collect();
    let body = match tokio::time::timeout(PATIENCE, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let why = format!("it is larger than {} MiB", MESSAGE_MAX >> 20);
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, why);
        }
        Ok(Err(error)) => return refuse(StatusCode::BAD_REQUEST, error.to_string()),
        Err(_) => {
            let why = format!("it did not come within {} s", PATIENCE.as_secs());
            return refuse(StatusCode::REQUEST_TIMEOUT, why);
        }
    };
    let read = {
        let incidents = receiving.incidents.lock();
        let mut incidents = incidents.unwrap_or_else(PoisonError::into_inner);
        read(&body, &mut incidents, &|unix_ms| {
            listener.since_start(unix_ms)
        })
    };
    match read {
        Ok(message) => {
            message.doubt.iter().for_each(|why| listener.doubt(why));
            listener.posted(message.instances);
            message
                .acknowledged
                .into_iter()
                .for_each(|by| listener.acknowledged(by));
            // As PagerDuty answers; Alertmanager wants any 2xx.
            StatusCode::ACCEPTED.into_response()
        }
        Err(error) => refuse(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

/// `since_start`: a time of theirs, Unix milliseconds, as one of the drill's.
fn read(
    body: &[u8],
    incidents: &mut Incidents,
    since_start: &dyn Fn(i64) -> i64,
) -> Result<Message, MessageError> {
    let malformed = |error: serde_json::Error| MessageError::Malformed(error.to_string());
    let value: Value = serde_json::from_slice(body).map_err(malformed)?;
    if value.get("event_action").is_some() {
        let event = serde_json::from_value(value).map_err(malformed)?;
        return incidents.take(event);
    }
    if value.get("version").is_some() && value.get("alerts").is_some() {
        let posted = serde_json::from_value(value).map_err(malformed)?;
        return group::message(posted, since_start);
    }
    Err(MessageError::Unknown)
}

#[cfg(test)]
mod tests;
