//! How servers want to be asked: the file that Prometheus' own tools take as `--http.config.file`.
//!
//! It says who we are (`basic_auth`, `authorization`, `http_headers`) and whom we believe (`tls_config`). Files it names are
//! looked for beside it. What it may say and cannot be done here is refused: an answer to other questions than were meant
//! would be worse than none.

use super::get::Client;
use super::tls::{self, Pem};
use crate::files;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use firedrill_detector::yaml::{Fields, Node, Problem, Problems, Value, parse};
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Largest file that is read, bytes.
const FILE_MAX: u64 = 1 << 20;

/// Keys of Prometheus that ask for what is not done here.
const NOT_HERE: [&str; 6] = [
    "oauth2",
    "proxy_url",
    "no_proxy",
    "proxy_from_environment",
    "proxy_connect_header",
    "jwt_bearer",
];

/// Why servers cannot be asked as a file says.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It, or a file it names, cannot be read.
    #[error("{}: {reason}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// What is in it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Wrong(Vec<Problem>),
    /// Its certificates or keys.
    #[error("{file}: tls_config: {reason}")]
    Tls {
        /// The file.
        file: String,
        /// What is wrong with them.
        reason: String,
    },
}

impl Client {
    /// One that asks as a file says.
    ///
    /// # Errors
    /// All that is wrong with the file, or what cannot be read.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let name = path.display().to_string();
        let mut reader = Reader {
            beside: path.parent().unwrap_or(Path::new("")).to_owned(),
            problems: Problems::new(&name),
            headers: Vec::new(),
        };
        let root = parse(&text, &mut reader.problems);
        let trust = root.and_then(|root| reader.root(&root)).transpose()?;
        let found = reader.problems.into_vec();
        if !found.is_empty() {
            return Err(ConfigError::Wrong(found));
        }
        let trust = trust.flatten().map(|trust| trust.config());
        let trust = trust
            .transpose()
            .map_err(|reason| ConfigError::Tls { file: name, reason })?;
        Ok(Self::new(reader.headers, trust))
    }
}

/// A small file's text.
fn read(path: &Path) -> Result<String, ConfigError> {
    let failed = |reason: String| ConfigError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let file = files::open(path).map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    let read = file.take(FILE_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| failed(error.to_string()))?;
    match text.len() as u64 > FILE_MAX {
        true => Err(failed(format!("it is larger than {FILE_MAX} bytes"))),
        false => Ok(text),
    }
}

struct Reader {
    /// Where the file is, and the files it names.
    beside: PathBuf,
    problems: Problems,
    headers: Vec<(HeaderName, HeaderValue)>,
}

type Readable<T> = Result<T, ConfigError>;

impl Reader {
    fn root(&mut self, node: &Node) -> Option<Readable<Option<tls::Trust>>> {
        let mut fields = Fields::new(node, "the HTTP configuration", &mut self.problems)?;
        let basic = fields.take("basic_auth");
        let authorization = fields.take("authorization");
        let token = fields.take("bearer_token");
        let token_file = fields.take("bearer_token_file");
        let headers = fields.take("http_headers");
        let tls = fields.take("tls_config");
        // HTTP/1.1 is spoken either way; a redirection is told, not followed.
        fields.take("enable_http2");
        fields.take("follow_redirects");
        for name in NOT_HERE {
            if let Some(node) = fields.take(name) {
                let message = format!("`{name}` is not supported");
                let hint =
                    "ask through a port of this machine, such as that of `kubectl port-forward`";
                self.problems.push_with_hint(node.at, message, hint);
            }
        }
        fields.finish(&mut self.problems);
        Some(self.all([basic, authorization, token, token_file], headers, tls))
    }

    fn all(
        &mut self,
        [basic, authorization, token, token_file]: [Option<&Node>; 4],
        headers: Option<&Node>,
        tls: Option<&Node>,
    ) -> Readable<Option<tls::Trust>> {
        let ways = [basic, authorization, token.or(token_file)];
        let mut ways = ways.into_iter().flatten();
        if let (Some(_), Some(second)) = (ways.next(), ways.next()) {
            self.problems.push(
                second.at,
                "only one of `basic_auth`, `authorization` and `bearer_token` can say who asks",
            );
        }
        if let Some(node) = basic {
            self.basic(node)?;
        }
        if let Some(node) = authorization {
            self.authorization(node)?;
        }
        if let Some(node) = token.or(token_file)
            && let Some(secret) = self.secret(token, token_file, "bearer_token")?
        {
            self.authorize(node, format!("Bearer {secret}"));
        }
        if let Some(node) = headers {
            self.headers(node)?;
        }
        tls.map_or(Ok(None), |node| self.tls(node))
    }

    fn basic(&mut self, node: &Node) -> Readable<()> {
        let Some(mut fields) = Fields::new(node, "basic_auth", &mut self.problems) else {
            return Ok(());
        };
        let (user, user_file) = (fields.take("username"), fields.take("username_file"));
        let (password, password_file) = (fields.take("password"), fields.take("password_file"));
        fields.finish(&mut self.problems);
        let user = self.secret(user, user_file, "username")?;
        let password = self.secret(password, password_file, "password")?;
        let login = format!(
            "{}:{}",
            user.unwrap_or_default(),
            password.unwrap_or_default()
        );
        self.authorize(node, format!("Basic {}", STANDARD.encode(login)));
        Ok(())
    }

    fn authorization(&mut self, node: &Node) -> Readable<()> {
        let Some(mut fields) = Fields::new(node, "authorization", &mut self.problems) else {
            return Ok(());
        };
        let kind = fields.take("type");
        let (secret, file) = (fields.take("credentials"), fields.take("credentials_file"));
        fields.finish(&mut self.problems);
        let kind = kind.and_then(|kind| kind.as_str("type", &mut self.problems));
        let kind = kind.unwrap_or("Bearer").trim().to_owned();
        if kind.eq_ignore_ascii_case("basic") {
            let hint = "write `basic_auth`, with `username` and `password`";
            let message = "`authorization` cannot be of the type Basic";
            self.problems.push_with_hint(node.at, message, hint);
        }
        let secret = self.secret(secret, file, "credentials")?;
        self.authorize(node, format!("{kind} {}", secret.unwrap_or_default()));
        Ok(())
    }

    fn authorize(&mut self, node: &Node, text: String) {
        self.header(node, AUTHORIZATION, &text);
    }

    fn header(&mut self, node: &Node, name: HeaderName, text: &str) {
        let Ok(mut value) = HeaderValue::from_str(text) else {
            let message =
                format!("the header {name} cannot have such a value: it has line ends or the like");
            return self.problems.push(node.at, message);
        };
        value.set_sensitive(true);
        self.headers.push((name, value));
    }

    /// `http_headers: { NAME: { values: [...], secrets: [...], files: [...] } }`
    fn headers(&mut self, node: &Node) -> Readable<()> {
        let entries = node.as_map("http_headers", &mut self.problems);
        for (key, node) in entries.unwrap_or_default() {
            let name = key.text().unwrap_or_default();
            let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
                self.problems
                    .push(key.at, format!("{name:?} is no header's name"));
                continue;
            };
            let what = format!("the header {header}");
            let Some(mut fields) = Fields::new(node, what, &mut self.problems) else {
                continue;
            };
            let lists = ["values", "secrets", "files"].map(|name| (name, fields.take(name)));
            fields.finish(&mut self.problems);
            for (list, node) in lists {
                let items = node.and_then(|node| node.as_seq(list, &mut self.problems));
                for item in items.unwrap_or_default() {
                    let Some(text) = item.as_str(list, &mut self.problems) else {
                        continue;
                    };
                    let text = match list {
                        "files" => self.file(text)?.trim().to_owned(),
                        _ => text.to_owned(),
                    };
                    self.header(item, header.clone(), &text);
                }
            }
        }
        Ok(())
    }

    fn tls(&mut self, node: &Node) -> Readable<Option<tls::Trust>> {
        let Some(mut fields) = Fields::new(node, "tls_config", &mut self.problems) else {
            return Ok(None);
        };
        let mut pem = |name, file| (fields.take(name), fields.take(file));
        let ca = pem("ca", "ca_file");
        let cert = pem("cert", "cert_file");
        let key = pem("key", "key_file");
        let server_name = fields.take("server_name");
        let insecure = fields.take("insecure_skip_verify");
        let least = fields.take("min_version");
        let most = fields.take("max_version");
        fields.finish(&mut self.problems);
        let mut versions = tls::Versions::default();
        for (node, bound) in [(least, &mut versions.least), (most, &mut versions.most)] {
            let Some(node) = node else { continue };
            *bound = match node.text() {
                Some("TLS12") => Some(tls::Version::Tls12),
                Some("TLS13") => Some(tls::Version::Tls13),
                // Those are not spoken; as a lower bound they ask for nothing.
                Some("TLS10" | "TLS11") if least.is_some_and(|least| least.at == node.at) => None,
                _ => {
                    let message =
                        format!("{} is no version of TLS that is spoken here", node.found());
                    self.problems
                        .push_with_hint(node.at, message, "accepted: TLS12, TLS13");
                    None
                }
            };
        }
        let is_insecure = insecure.and_then(|node| match &node.value {
            Value::Scalar { text, plain: true } if text == "true" => Some(true),
            Value::Scalar { text, plain: true } if text == "false" => Some(false),
            _ => {
                let message = format!(
                    "insecure_skip_verify: expected true or false, found {}",
                    node.found()
                );
                self.problems.push(node.at, message);
                None
            }
        });
        let server_name =
            server_name.and_then(|node| node.as_str("server_name", &mut self.problems));
        if let (Some(node), None) | (None, Some(node)) = (cert.0.or(cert.1), key.0.or(key.1)) {
            let message = "a certificate of ours needs its key, and a key its certificate";
            self.problems
                .push_with_hint(node.at, message, "write both `cert_file` and `key_file`");
        }
        Ok(Some(tls::Trust {
            ca: self.secret(ca.0, ca.1, "ca")?.map(Pem),
            cert: self.secret(cert.0, cert.1, "cert")?.map(Pem),
            key: self.secret(key.0, key.1, "key")?.map(Pem),
            server_name: server_name.map(str::to_owned),
            is_insecure: is_insecure.unwrap_or(false),
            versions,
        }))
    }

    /// What is written under a key, or in the file under another.
    fn secret(
        &mut self,
        text: Option<&Node>,
        file: Option<&Node>,
        name: &str,
    ) -> Readable<Option<String>> {
        match (text, file) {
            (Some(_), Some(file)) => {
                let message = format!("`{name}` is there already: one of both");
                self.problems.push(file.at, message);
                Ok(None)
            }
            (Some(text), None) => Ok(text.as_str(name, &mut self.problems).map(str::to_owned)),
            (None, Some(file)) => match file.as_str(name, &mut self.problems) {
                Some(path) => Ok(Some(self.file(path)?.trim().to_owned())),
                None => Ok(None),
            },
            (None, None) => Ok(None),
        }
    }

    fn file(&self, path: &str) -> Readable<String> {
        read(&self.beside.join(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::serve;
    use axum::Router;
    use axum::http::HeaderMap;
    use axum::routing::get;
    use std::fs;
    use std::time::Duration;
    use tokio::net::TcpListener;

    /// What is wrong with a file, one a line; nothing: the client it makes.
    fn load(text: &str) -> Result<Client, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("token"), "  from a file\n").unwrap();
        fs::write(dir.path().join("c.yml"), text).unwrap();
        let loaded = Client::load(&dir.path().join("c.yml"));
        let place = format!("{}/", dir.path().display());
        loaded.map_err(|error| error.to_string().replace(&place, ""))
    }

    /// The headers that a server sees.
    async fn headers(text: &str) -> String {
        let client = load(text).unwrap_or_else(|told| panic!("{told}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let shown = |headers: HeaderMap| async move {
            let own = headers
                .iter()
                .filter(|(name, _)| *name == AUTHORIZATION || name.as_str().starts_with("x-"));
            let own = own.map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
            own.collect::<String>()
        };
        tokio::spawn(serve(listener, Router::new().route("/", get(shown))));
        let url = url.parse().unwrap();
        client.get(&url, Duration::from_secs(5)).await.unwrap()
    }

    #[tokio::test]
    async fn servers_are_told_who_asks() {
        for (text, seen) in [
            (
                "basic_auth: { username: me, password: 's:1' }",
                "authorization: Basic bWU6czox\n",
            ),
            (
                "authorization: { credentials_file: token }",
                "authorization: Bearer from a file\n",
            ),
            (
                "authorization: { type: Token, credentials: t }",
                "authorization: Token t\n",
            ),
            ("bearer_token: t", "authorization: Bearer t\n"),
            (
                "http_headers: { X-Scope-OrgID: { values: [a, b] }, X-More: { files: [token] } }",
                "x-scope-orgid: a\nx-scope-orgid: b\nx-more: from a file\n",
            ),
            ("follow_redirects: false\nenable_http2: true", ""),
        ] {
            assert_eq!(headers(text).await, seen, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, told) in [
            ("basic_auht: {}", "c.yml:1:1: unknown key `basic_auht`"),
            (
                "proxy_url: http://p",
                "c.yml:1:12: `proxy_url` is not supported",
            ),
            (
                "basic_auth: { username: a }\nbearer_token: t",
                "c.yml:2:15: only one of",
            ),
            (
                "basic_auth: { password: a, password_file: b }",
                "c.yml:1:43: `password` is there already",
            ),
            (
                "authorization: { type: basic }",
                "c.yml:1:16: `authorization` cannot be",
            ),
            ("bearer_token_file: none", "none: "),
            (
                "bearer_token: \"a\\nb\"",
                "c.yml:1:15: the header authorization cannot",
            ),
            (
                "tls_config: { min_version: SSL3 }",
                "c.yml:1:28: `SSL3` is no version",
            ),
            (
                "tls_config: { max_version: TLS11 }",
                "c.yml:1:28: `TLS11` is no version",
            ),
            (
                "tls_config: { cert_file: token }",
                "c.yml:1:26: a certificate of ours needs its key",
            ),
            (
                "tls_config: { ca: x }",
                "c.yml: tls_config: ca: there is no certificate in it",
            ),
            (
                "tls_config: { min_version: TLS13, max_version: TLS12 }",
                "c.yml: tls_config: min_version is above max_version",
            ),
            ("- a", "c.yml:1:1: "),
        ] {
            let found = load(text).unwrap_err();
            assert!(found.starts_with(told), "{text}: {found}");
            assert!(!found.contains("from a file"), "{found}");
        }
    }
}
