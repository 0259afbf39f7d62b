//! Fetching a page from a server that somebody named, posting to it or deleting one, with TLS or without: with a bounded wait, and an error that says what
//! was wrong.

use super::tls::{Tls, Trust};
use crate::metrics::exposition::MAX_BODY_BYTES;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// Characters of an answer that an error repeats.
const REPEATED: usize = 200;

/// An address as people write it: `http://host:port/path` or `https://...`, maybe with `user:password@`.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    is_tls: bool,
    host: String,
    port: u16,
    path: String,
    /// What goes into `Authorization`.
    login: Option<String>,
}

/// Why a text is no address that can be fetched from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No `http://host`.
    #[error("write http://host:port, https://host or http://host:port/path")]
    Malformed,
}

/// Why a page could not be had. `place` is `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GetError {
    /// Nobody listens there, or there is no such host.
    #[error("{place} cannot be reached: {reason}")]
    Unreachable {
        /// Where.
        place: String,
        /// What the system says.
        reason: String,
    },
    /// No answer in time.
    #[error("{place} did not answer within {} s", .patience.as_secs())]
    Slow {
        /// Where.
        place: String,
        /// How long was waited.
        patience: Duration,
    },
    /// There is no secure connection.
    #[error("{place}: {reason}{}", advice(.reason))]
    Untrusted {
        /// Where.
        place: String,
        /// What TLS says.
        reason: String,
    },
    /// Another status than 200, or, of what was posted or deleted, than 2xx.
    #[error(
        "{place} answered {status}{}{said}{}",
        if .said.is_empty() { "" } else { ": " },
        if *.status == 401 { "\n    name a user or a token: http://USER:PASSWORD@HOST, or a file with --http-config" } else { "" }
    )]
    Status {
        /// Where.
        place: String,
        /// The status' number.
        status: u16,
        /// The beginning of the answer.
        said: String,
    },
    /// It does not speak HTTP, broke off, or said too much.
    #[error("{place} gave no answer that can be read: {reason}")]
    Broken {
        /// Where.
        place: String,
        /// Why.
        reason: String,
    },
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let uri: Uri = text.parse().map_err(|_| UrlError::Malformed)?;
        let (Some(scheme @ ("http" | "https")), Some(host), Some(authority)) =
            (uri.scheme_str(), uri.host(), uri.authority())
        else {
            return Err(UrlError::Malformed);
        };
        let is_tls = scheme == "https";
        let login = authority.as_str().rsplit_once('@').map(|(login, _)| {
            let login: Vec<u8> = percent_decode_str(login).collect();
            format!("Basic {}", STANDARD.encode(login))
        });
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().ends_with(':') => return Err(UrlError::Malformed),
            None if is_tls => 443,
            None => 80,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            is_tls,
            host: host.to_owned(),
            port,
            path: path.to_owned(),
            login,
        })
    }
}

/// Without user and password.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.place(), self.path)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Url {
    /// `host:port`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Another port of the same host.
    #[must_use]
    pub fn beside(&self, port: u16) -> String {
        format!("{}:{port}", self.host)
    }

    /// Whether there is a user in it.
    #[must_use]
    pub fn has_login(&self) -> bool {
        self.login.is_some()
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }

    /// What is asked for there, with its query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same server, with another path: what is given goes after what there is.
    #[must_use]
    pub fn below(&self, path: &str) -> Self {
        Self {
            path: format!("{}{path}", self.path.trim_end_matches('/')),
            ..self.clone()
        }
    }

    /// The same page, asked with a parameter.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let separator = if self.path.contains('?') { '&' } else { '?' };
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        Self {
            path: format!("{}{separator}{name}={value}", self.path),
            ..self.clone()
        }
    }

    /// Whether it names a server and no page.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.path == "/"
    }
}

/// A page, and when the server says that it gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its text.
    pub text: String,
    /// The `Date` of the answer, as it stands there.
    pub date: Option<String>,
}

/// What is asked of a server.
enum Asked {
    /// A page of at most so many bytes.
    Page(usize),
    /// To take this JSON.
    ToTake(String),
    /// That the page goes.
    ToGo,
}

/// Who asks, and whom it believes. By default nobody in particular, and whom this machine does.
#[derive(Clone, Default)]
pub struct Client {
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Found when it is needed first, unless it was said.
    tls: OnceLock<Result<Tls, String>>,
}

/// Without what is secret.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.headers.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl Client {
    pub(super) fn new(headers: Vec<(HeaderName, HeaderValue)>, tls: Option<Tls>) -> Self {
        let known = OnceLock::new();
        if let Some(tls) = tls {
            let _ = known.set(Ok(tls));
        }
        Self {
            headers,
            tls: known,
        }
    }

    /// The text of a page.
    ///
    /// # Errors
    /// [`GetError`].
    pub async fn get(&self, url: &Url, patience: Duration) -> Result<String, GetError> {
        self.get_up_to(url, patience, MAX_BODY_BYTES).await
    }

    /// The same, of a page of at most so many bytes.
    ///
    /// # Errors
    /// [`GetError`].
    pub async fn get_up_to(
        &self,
        url: &Url,
        patience: Duration,
        bytes: usize,
    ) -> Result<String, GetError> {
        let page = self.page(url, patience, bytes).await?;
        Ok(page.text)
    }

    /// The same, with the server's time.
    ///
    /// # Errors
    /// [`GetError`].
    pub async fn page(
        &self,
        url: &Url,
        patience: Duration,
        bytes: usize,
    ) -> Result<Page, GetError> {
        self.within(url, patience, Asked::Page(bytes)).await
    }

    /// Posts JSON to a page; what it answers.
    ///
    /// # Errors
    /// [`GetError`]; a status of 2xx is none.
    pub async fn post_json(
        &self,
        url: &Url,
        json: String,
        patience: Duration,
    ) -> Result<String, GetError> {
        let page = self.within(url, patience, Asked::ToTake(json)).await?;
        Ok(page.text)
    }

    /// Has a page go.
    ///
    /// # Errors
    /// [`GetError`]; a status of 2xx is none.
    pub async fn delete(&self, url: &Url, patience: Duration) -> Result<(), GetError> {
        self.within(url, patience, Asked::ToGo).await.map(drop)
    }

    async fn within(&self, url: &Url, patience: Duration, asked: Asked) -> Result<Page, GetError> {
        let answered = tokio::time::timeout(patience, self.fetched(url, asked)).await;
        answered.unwrap_or_else(|_| {
            Err(GetError::Slow {
                place: url.place(),
                patience,
            })
        })
    }

    async fn fetched(&self, url: &Url, asked: Asked) -> Result<Page, GetError> {
        let host = url.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, url.port)).await;
        let stream = stream.map_err(|error| GetError::Unreachable {
            place: url.place(),
            reason: error.to_string(),
        })?;
        if !url.is_tls {
            return self.asked(url, stream, asked).await;
        }
        let untrusted = |reason: String| GetError::Untrusted {
            place: url.place(),
            reason,
        };
        let tls = self.tls.get_or_init(|| Trust::default().config());
        let tls = tls.as_ref().map_err(|reason| untrusted(reason.clone()))?;
        let name = tls.server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(|error| untrusted(error.to_string()))?;
        let connector = TlsConnector::from(tls.config.clone());
        let stream = connector.connect(name, stream).await;
        let stream = stream.map_err(|error| untrusted(error.to_string()))?;
        self.asked(url, stream, asked).await
    }

    async fn asked(
        &self,
        url: &Url,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        asked: Asked,
    ) -> Result<Page, GetError> {
        let broken = |reason: String| GetError::Broken {
            place: url.place(),
            reason,
        };
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|error| broken(error.to_string()))?;
        let connection = tokio::spawn(connection);
        let (method, body, bytes) = match asked {
            Asked::Page(bytes) => (Method::GET, None, bytes),
            Asked::ToTake(json) => (Method::POST, Some(json), MAX_BODY_BYTES),
            Asked::ToGo => (Method::DELETE, None, MAX_BODY_BYTES),
        };
        let changes = method != Method::GET;
        let mut request = Request::builder()
            .method(method)
            .uri(&url.path)
            .header(header::HOST, url.place())
            .header(header::ACCEPT, "text/plain, application/json");
        if let Some(login) = &url.login {
            request = request.header(header::AUTHORIZATION, login);
        }
        for (name, value) in &self.headers {
            // Who is named in the address goes first.
            if url.login.is_none() || name != header::AUTHORIZATION {
                request = request.header(name, value);
            }
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default())));
        let request = request.map_err(|error| broken(error.to_string()))?;
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| broken(error.to_string()))?;
        let status = response.status();
        let date = response.headers().get(header::DATE);
        let date = date.and_then(|date| date.to_str().ok().map(str::to_owned));
        let body = Limited::new(response.into_body(), bytes);
        let body = body.collect().await;
        connection.abort();
        let body = body.map_err(|error| broken(error.to_string()))?.to_bytes();
        let text = String::from_utf8_lossy(&body);
        if status == StatusCode::OK || changes && status.is_success() {
            return Ok(Page {
                text: text.into_owned(),
                date,
            });
        }
        Err(GetError::Status {
            place: url.place(),
            status: status.as_u16(),
            said: said(&text),
        })
    }
}

/// What an answer says that is none: the error in it where it is as Prometheus' are, or its beginning.
fn said(text: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Refused {
        error: String,
    }
    let refused = serde_json::from_str(text).map(|refused: Refused| refused.error);
    let said = refused.as_deref().unwrap_or(text);
    said.trim().chars().take(REPEATED).collect()
}

/// What to do where TLS says no.
fn advice(reason: &str) -> &'static str {
    if reason.contains("UnknownIssuer") {
        "\n    its certificate is signed by nobody this machine believes: name the signer's in a file with --http-config (tls_config: { ca_file: FILE })"
    } else if reason.contains("corrupt message") {
        "\n    this is no TLS: write http:// if it is meant"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{page, serve};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_read_and_hide_their_passwords() {
        let found = url("http://me:s%3Acret@host:9090/prom/");
        assert_eq!(found.to_string(), "http://host:9090/prom/");
        assert!(!format!("{found:?}").contains("cret"));
        assert_eq!(found.login.as_deref(), Some("Basic bWU6czpjcmV0"));
        assert_eq!(found.below("/api").to_string(), "http://host:9090/prom/api");
        let asked = url("http://host/q").with("query", "up == 1");
        assert_eq!(asked.to_string(), "http://host:80/q?query=up%20%3D%3D%201");
        assert!(url("http://host").is_bare());
        let wrong = [
            "host:9090",
            "ftp://host",
            "http://",
            "",
            "http://host:/",
            "http://a b",
        ];
        for wrong in wrong {
            assert_eq!(wrong.parse::<Url>(), Err(UrlError::Malformed), "{wrong}");
        }
        assert_eq!(url("https://host/x").to_string(), "https://host:443/x");
    }

    #[tokio::test]
    async fn a_page_or_why_there_is_none() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let text = || std::future::ready(Some("up 1\n".to_owned()));
        tokio::spawn(serve(listener, page("/metrics", text)));
        let at = |path: &str| url(&format!("http://{address}{path}"));
        assert_eq!(
            Client::default()
                .get(&at("/metrics"), PATIENCE)
                .await
                .unwrap(),
            "up 1\n"
        );
        let error = Client::default()
            .get(&at("/other"), PATIENCE)
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), format!("{address} answered 404"));

        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = gone.local_addr().unwrap();
        drop(gone);
        let error = Client::default()
            .get(&url(&format!("http://{address}")), PATIENCE)
            .await;
        assert!(
            matches!(error, Err(GetError::Unreachable { .. })),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn silence_and_noise_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let silent = url(&format!("http://{address}"));
        let error = Client::default()
            .get(&silent, Duration::from_millis(100))
            .await
            .unwrap_err();
        assert!(matches!(error, GetError::Slow { .. }), "{error}");
        let client = Client::default();
        let talk = async {
            // The one that gave up waits first.
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.write_all(b"-NOAUTH\r\n\r\n").await;
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        };
        let (error, ()) = tokio::join!(client.get(&silent, PATIENCE), talk);
        assert!(matches!(error, Err(GetError::Broken { .. })), "{error:?}");
    }
}
