//! `/metrics` and `/healthz` over HTTP on loopback: the little that targets and the scraper need.

pub mod config;
pub(crate) mod few;
pub mod get;
mod tls;

use crate::metrics::exposition::{CONTENT_TYPE, MAX_BODY_BYTES};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next, map_response};
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

/// Serves pages until the task is dropped, to whoever asks for them by a name of this machine's own.
pub async fn serve(listener: TcpListener, pages: Router) {
    if let Ok(address) = listener.local_addr() {
        let _ = axum::serve(listener, for_us(address, pages)).await;
    }
}

/// Pages for whoever asks for them by a name of this machine's own.
pub(crate) fn for_us(address: SocketAddr, pages: Router) -> Router {
    let for_us = move |request: Request, next: Next| async move {
        if names_us(request.headers(), address.port()) {
            next.run(request).await
        } else {
            StatusCode::MISDIRECTED_REQUEST.into_response()
        }
    };
    pages.layer(middleware::from_fn(for_us))
}

/// Whether a request's `Host` is loopback and `port`. A page in somebody's browser can make a name of its own lead to
/// this machine (DNS rebinding); the name it asks by stays its own.
pub(crate) fn names_us(headers: &HeaderMap, port: u16) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Some((name, of)) = host.to_str().ok().and_then(|host| host.rsplit_once(':')) else {
        return false;
    };
    of.parse() == Ok(port)
        && (matches!(name, "127.0.0.1" | "[::1]") || name.eq_ignore_ascii_case("localhost"))
}

/// Pages, for whoever serves them.
pub type Pages = Router;

/// No page at all.
pub fn no_pages() -> Pages {
    Pages::new()
}

/// A page that shows `text()`, as metrics are shown; `None` is answered with 503.
pub fn page<F, R>(path: &'static str, text: F) -> Router
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Option<String>> + Send + 'static,
{
    page_of(path, CONTENT_TYPE, text)
}

/// As [`page`], of another content type.
pub fn page_of<F, R>(path: &'static str, content_type: &'static str, text: F) -> Router
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Option<String>> + Send + 'static,
{
    let handler = move || {
        let text = text.clone();
        async move {
            match text().await {
                Some(text) => ([(header::CONTENT_TYPE, content_type)], text).into_response(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn pages_are_for_those_who_ask_by_a_name_of_this_machine() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let text = || std::future::ready(Some("up 1\n".to_owned()));
        tokio::spawn(serve(listener, page("/metrics", text)));
        assert_eq!(fetch(address, "/metrics").await.unwrap(), "up 1\n");

        let port = address.port();
        for (path, host, status) in [
            ("/metrics", format!("Host: localhost:{port}\r\n"), "200"),
            ("/metrics", format!("Host: LocalHost:{port}\r\n"), "200"),
            ("/metrics", format!("Host: [::1]:{port}\r\n"), "200"),
            (
                "/metrics",
                format!("Host: rebound.example:{port}\r\n"),
                "421",
            ),
            (
                "/nothing",
                format!("Host: rebound.example:{port}\r\n"),
                "421",
            ),
            ("/metrics", "Host: 127.0.0.1\r\n".to_owned(), "421"),
            ("/metrics", "Host: 127.0.0.1:1\r\n".to_owned(), "421"),
            ("/metrics", String::new(), "400|421"),
            (
                "/metrics",
                format!("Host: 127.0.0.1:{port}\r\nHost: rebound.example\r\n"),
                "400|421",
            ),
        ] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let said = answer.split(' ').nth(1).unwrap();
            assert!(
                status.split('|').any(|status| status == said),
                "{host}: {answer}"
            );
            assert_eq!(answer.contains("up 1"), status == "200", "{host}: {answer}");
        }
    }
}
