//! The live view as a page: one page, a stream of snapshots, `/metrics`, and, for whoever has the token, a way to act.
//!
//! It has a thread and a runtime of its own, so neither a browser that is stuck nor a command that is busy holds up the other, and it goes
//! when it is dropped.

mod act;
mod guard;
mod stream;

pub use act::{Act, Token};

use super::Board;
use crate::http;
use crate::http::few::Few;
use crate::metrics::exposition::CONTENT_TYPE;
use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use firedrill_detector::text::printable;
use guard::Guard;
use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use stream::Streams;
use tokio::sync::{mpsc, oneshot};

const PAGE: &str = include_str!("web/page.html");
const SCRIPT: &str = include_str!("web/live.js");
const STYLE: &str = include_str!("web/live.css");

/// Where a page is served, and who may act on it.
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// Where; port 0: any.
    pub address: SocketAddr,
    /// What whoever acts must know; `None`: nobody may. Beyond loopback whoever looks must know it, too.
    pub token: Option<Token>,
    /// The causes that may be named; none: any text may.
    pub causes: &'static [&'static str],
}

impl WebOptions {
    /// Whether it may be served so.
    ///
    /// # Errors
    /// When others could look without a token.
    pub fn check(&self) -> Result<(), WebError> {
        match !self.address.ip().is_loopback() && self.token.is_none() {
            true => Err(WebError::Open(self.address)),
            false => Ok(()),
        }
    }
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// Others than this machine could look, and nobody said who may.
    #[error(
        "{0} is not of this machine alone, and whoever can reach it would see the live view; give a token (FIREDRILL_HTTP_TOKEN), or an address such as 127.0.0.1:8080"
    )]
    Open(SocketAddr),
    /// The address cannot be had.
    #[error("the live view cannot be served on {0}: {1}; `--http=127.0.0.1:0` takes any free port")]
    Taken(SocketAddr, io::Error),
    /// Neither a thread nor a runtime can be had.
    #[error("the live view cannot be served: {0}")]
    System(io::Error),
}

/// The page; dropping it ends it.
#[derive(Debug)]
pub struct Web {
    url: String,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
}

impl Web {
    /// Serves a board, with `more` pages beside it. What those who have the token do goes to `acts`; as long as that is full, they are told to
    /// try again.
    ///
    /// # Errors
    /// When others could look without a token, or the address cannot be had.
    pub fn serve(
        options: &WebOptions,
        board: &Board,
        more: Router,
        acts: mpsc::Sender<Act>,
    ) -> Result<Self, WebError> {
        options.check()?;
        let asked = options.address;
        let taken = |error| WebError::Taken(asked, error);
        let listener = TcpListener::bind(asked).map_err(taken)?;
        listener.set_nonblocking(true).map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(WebError::System)?;
        let guard = Guard::new(address, options.token.clone());
        let pages = guard.around(pages(board, &guard, (acts, options.causes)).merge(more));
        let (stop, stopped) = oneshot::channel();
        let serving = std::thread::Builder::new().name("live view".into());
        let serving = serving.spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                    return;
                };
                let serving = axum::serve(Few::of(listener), pages);
                tokio::select! {
                    // Whoever served it is gone: that is a stop, too.
                    _ = stopped => {}
                    _ = serving => {}
                }
            });
        });
        Ok(Self {
            url: format!("http://{address}/"),
            stop: Some(stop),
            serving: Some(serving.map_err(WebError::System)?),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ = stop.send(());
        }
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

fn pages(
    board: &Board,
    guard: &Guard,
    (acts, causes): (mpsc::Sender<Act>, &'static [&'static str]),
) -> Router {
    let text = |path, kind, text: &'static str| {
        http::page_of(path, kind, move || ready(Some(text.to_owned())))
    };
    let metrics = {
        let board = board.clone();
        move |uri: Uri| ready(exposed(&board, &uri))
    };
    let streams = Streams::new(board.clone());
    let guard = guard.clone();
    let runbook = {
        let board = board.clone();
        move || ready(runbook(&board))
    };
    let checklist = {
        let board = board.clone();
        move || {
            board
                .runbook()
                .map_or(0, |runbook| runbook.checklist().len())
        }
    };
    Router::new()
        .route("/metrics", get(metrics))
        .route(
            "/events",
            get(move |uri: Uri| ready(streams.begin(drill_of(&uri)))),
        )
        .route(
            "/act",
            post(move |request: Request| {
                let known = (acts.clone(), causes, checklist());
                act::take(guard.clone(), known, request)
            }),
        )
        .route("/runbook", get(runbook))
        .merge(text("/", "text/html; charset=utf-8", PAGE))
        .merge(text("/live.js", "text/javascript; charset=utf-8", SCRIPT))
        .merge(text("/live.css", "text/css; charset=utf-8", STYLE))
}

/// What a runbook says, for the page to draw.
fn runbook(board: &Board) -> Response {
    match board.runbook() {
        Some(runbook) => {
            let blocks = serde_json::to_string(runbook.blocks()).unwrap_or_default();
            ([(header::CONTENT_TYPE, "application/json")], blocks).into_response()
        }
        None => (StatusCode::NOT_FOUND, "there is no runbook here\n").into_response(),
    }
}

fn exposed(board: &Board, uri: &Uri) -> Response {
    if let Some(asked) = asked_of(uri)
        && drill_of(uri).is_none_or(|drill| drill >= board.count())
    {
        let known = match board.count() {
            1 => "this view has drill 0 alone".to_owned(),
            count => format!("this view has drills 0 to {}", count.saturating_sub(1)),
        };
        let asked = printable(asked);
        return (
            StatusCode::NOT_FOUND,
            format!("there is no drill {asked}; {known}\n"),
        )
            .into_response();
    }
    match board.metrics(drill_of(uri)) {
        Some(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "nothing was scraped yet\n").into_response(),
    }
}

/// The number of a drill that is asked for, as in `?drill=2`.
fn drill_of(uri: &Uri) -> Option<usize> {
    asked_of(uri)?.parse().ok()
}

/// The same as it is written.
fn asked_of(uri: &Uri) -> Option<&str> {
    let mut pairs = uri.query()?.split('&');
    pairs.find_map(|pair| pair.strip_prefix("drill="))
}

#[cfg(test)]
mod tests;
