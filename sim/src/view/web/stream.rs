//! Snapshots as server-sent events, one a second. A client that does not read is not written to, and gets the next when it does.

use crate::view::Board;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};

/// Most that look at a time.
pub(super) const STREAMS_MOST: usize = 24;
/// How often a snapshot is sent.
const EVERY: Duration = Duration::from_secs(1);

/// Those who look.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    board: Board,
    places: Arc<Semaphore>,
}

impl Streams {
    pub(super) fn new(board: Board) -> Self {
        Self {
            board,
            places: Arc::new(Semaphore::new(STREAMS_MOST)),
        }
    }

    /// Somebody begins to look at a drill, or at whichever runs.
    pub(super) fn begin(&self, drill: Option<usize>) -> Response {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            let full = "so many look already that there is no place left\n";
            return (StatusCode::SERVICE_UNAVAILABLE, full).into_response();
        };
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let state = (self.board.clone(), tick, place);
        let events = unfold(state, move |(board, mut tick, place)| async move {
            tick.tick().await;
            let snapshot = board.snapshot(drill);
            let json = serde_json::to_string(&snapshot).unwrap_or_default();
            let event = Ok::<_, Infallible>(Event::default().data(json));
            Some((event, (board, tick, place)))
        });
        Sse::new(events).into_response()
    }
}
