//! Who may ask for what, and how many at a time.

use super::Token;
use crate::http::names_us;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;

/// What holds nothing of a drill, and may be seen without a token.
const OPEN: [&str; 3] = ["/", "/live.js", "/live.css"];

/// The page needs nothing from elsewhere, is shown in nobody's frame, and runs no script but its own.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Decides who may ask.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    address: SocketAddr,
    token: Option<Token>,
}

impl Guard {
    /// Of a page on this address.
    pub(super) fn new(address: SocketAddr, token: Option<Token>) -> Self {
        Self { address, token }
    }

    /// The pages for those who may see them.
    pub(super) fn around(&self, pages: Router) -> Router {
        let guard = self.clone();
        pages.layer(middleware::from_fn(move |request: Request, next: Next| {
            let refused = guard.refused(&request);
            async move {
                let mut response = match refused {
                    Some(refused) => refused,
                    None => next.run(request).await,
                };
                for (name, value) in HEADERS {
                    let value = HeaderValue::from_static(value);
                    response.headers_mut().insert(name, value);
                }
                response
            }
        }))
    }

    pub(super) fn refused(&self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        if self.address.ip().is_loopback() {
            // A name that somebody else makes lead here is not ours.
            let ours = names_us(headers, self.address.port());
            return (!ours).then(|| StatusCode::MISDIRECTED_REQUEST.into_response());
        }
        let may = OPEN.contains(&request.uri().path()) || self.knows(headers);
        (!may).then(|| (StatusCode::UNAUTHORIZED, "a token is needed\n").into_response())
    }

    /// Whether there is a token at all.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether whoever asks has the token: `Authorization: Bearer TOKEN`.
    pub(super) fn knows(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION);
        let given = given.and_then(|given| given.to_str().ok()?.strip_prefix("Bearer "));
        let token = self.token.as_ref();
        token
            .zip(given)
            .is_some_and(|(token, given)| token.is(given))
    }
}
