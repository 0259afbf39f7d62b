//! `/metrics` and `/healthz` over HTTP on loopback: the little that targets and the scraper need.

use crate::metrics::exposition::{CONTENT_TYPE, MAX_BODY_BYTES};
use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};

/// Header of every answer of a drill's target, with the token of its process: a stranger on the port of one that is gone
/// does not know it.
const PROCESS: HeaderName = HeaderName::from_static("firedrill-process");

/// A token nobody can guess.
#[must_use]
pub fn new_token() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Pages whose answers carry `token`.
pub fn signed(pages: Router, token: &str) -> Router {
    let token = HeaderValue::from_str(token).ok();
    pages.layer(map_response(move |mut response: Response| {
        let token = token.clone();
        async move {
            if let Some(token) = token {
                response.headers_mut().insert(PROCESS, token);
            }
            response
        }
    }))
}

/// Serves pages until the task is dropped.
pub async fn serve(listener: TcpListener, pages: Router) {
    let _ = axum::serve(listener, pages).await;
}

/// A page that shows `text()`; `None` is answered with 503.
pub fn page<F, R>(path: &'static str, text: F) -> Router
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Option<String>> + Send + 'static,
{
    let handler = move || {
        let text = text.clone();
        async move {
            match text().await {
                Some(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
                None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            }
        }
    };
    Router::new().route(path, get(handler))
}

/// Fetches `path` from `address`; `None` when it cannot be had (refused, not 200, too large, not text). The caller
/// bounds the time.
pub async fn fetch(address: SocketAddr, path: &str) -> Option<String> {
    fetch_from(address, path, None).await
}

/// As [`fetch`]; an answer without `token` (see [`signed`]) is none.
pub async fn fetch_from(address: SocketAddr, path: &str, token: Option<&str>) -> Option<String> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let connection = tokio::spawn(connection);
    let request = hyper::Request::get(path)
        .header(hyper::header::HOST, address.to_string())
        .header(hyper::header::ACCEPT, "text/plain")
        .body(Empty::<Bytes>::new())
        .ok()?;
    let response = sender.send_request(request).await.ok()?;
    let theirs = response.headers().get(PROCESS);
    let known = token.is_none_or(|token| theirs.is_some_and(|theirs| theirs == token));
    let ok = response.status() == hyper::StatusCode::OK && known;
    let body = Limited::new(response.into_body(), MAX_BODY_BYTES)
        .collect()
        .await;
    connection.abort();
    let body = body.ok()?.to_bytes();
    ok.then(|| String::from_utf8(body.to_vec()).ok())?
}
