//! Toxiproxy, which a team may have between its workers and its Redis: what our own links do is asked of it, by its REST interface.
//!
//! What a drill adds to a proxy is named so that it is known again. One that does something already is somebody's at work, and is
//! left alone.

use crate::http::get::{Client, GetError, Url};
use firedrill_detector::text::printable;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What names of toxics of ours begin with.
const NAMES: &str = "firedrill-";
/// How long Toxiproxy may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// What it answers of a proxy that is not there.
const NOT_FOUND: u16 = 404;

/// A proxy, as a journal names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProxyId {
    /// Where Toxiproxy is asked, e.g. `http://127.0.0.1:8474/`.
    api: String,
    /// What it calls the proxy.
    name: String,
}

/// As people know it.
impl fmt::Display for ProxyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.api)
    }
}

/// A proxy between workers and their Redis.
#[derive(Debug, Clone)]
pub struct Proxy {
    id: ProxyId,
    api: Url,
    client: Client,
    /// Where it listens, as it is reached from here: `host:port`.
    pub place: String,
}

/// Why a proxy cannot take part.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Toxiproxy has no such one.
    #[error("Toxiproxy at {api} has no proxy {name}; it has {has}")]
    Unknown {
        /// Where it was asked.
        api: String,
        /// What is not there.
        name: String,
        /// What is there.
        has: String,
    },
    /// It was there.
    #[error("proxy {0} was deleted")]
    Gone(ProxyId),
    /// It lets nobody through.
    #[error("proxy {0} is disabled; enable it, as the workers have no Redis without it")]
    Off(ProxyId),
    /// Somebody is at work with it.
    #[error(
        "proxy {proxy} has toxics already ({toxics}): whose they are is not known; remove them, or what a drill has left with \
         `firedrill clean`"
    )]
    Busy {
        /// Which one.
        proxy: ProxyId,
        /// Their names.
        toxics: String,
    },
    /// It cannot be asked.
    #[error("Toxiproxy: {0}")]
    Asked(#[from] GetError),
    /// What it said is nothing that Toxiproxy says.
    #[error("Toxiproxy at {0} said what cannot be read: {1}")]
    Unreadable(String, String),
}

/// Which way a toxic works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// On what clients say.
    Upstream,
    /// On what Redis says.
    Downstream,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
        }
    }
}

/// Something that a proxy does to what goes over it, in Toxiproxy's words and units.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Toxic {
    /// Its type, e.g. `latency`.
    pub(crate) kind: &'static str,
    pub(crate) stream: Stream,
    pub(crate) attributes: Value,
}

impl Toxic {
    /// What it is called on a proxy.
    fn name(&self) -> String {
        format!("{NAMES}{}-{}", self.kind, self.stream.name())
    }
}

/// What Toxiproxy says of a proxy.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Described {
    listen: String,
    upstream: String,
    enabled: bool,
    toxics: Vec<Named>,
}

impl Described {
    /// Sees that it lets its clients through, and does nothing to them.
    fn is_idle(&self, id: &ProxyId) -> Result<(), ProxyError> {
        if !self.enabled {
            return Err(ProxyError::Off(id.clone()));
        }
        if self.toxics.is_empty() {
            return Ok(());
        }
        let toxics: Vec<&str> = self.toxics.iter().map(|one| one.name.as_str()).collect();
        Err(ProxyError::Busy {
            proxy: id.clone(),
            toxics: printable(&toxics.join(", ")).into_owned(),
        })
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Named {
    name: String,
    /// What it does, and to what.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Named {
    fn is_ours(&self) -> bool {
        self.name.starts_with(NAMES)
    }
}

/// How a proxy was at a look.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen(Option<Described>);

impl Seen {
    /// What is another than it was at an earlier look, in words.
    pub(crate) fn differs(&self, was: &Self) -> Vec<String> {
        let (is, was) = match (&self.0, &was.0) {
            (Some(is), Some(was)) => (is, was),
            (None, Some(_)) => return vec!["was deleted".to_owned()],
            (Some(_), None) => return vec!["is there again".to_owned()],
            (None, None) => return Vec::new(),
        };
        let mut saw = Vec::new();
        if is.enabled != was.enabled {
            let what = if is.enabled { "enabled" } else { "disabled" };
            saw.push(format!("was {what}"));
        }
        if is.upstream != was.upstream {
            saw.push(format!("was led to {}", printable(&is.upstream)));
        }
        if is.listen != was.listen {
            saw.push(format!("was made to listen at {}", printable(&is.listen)));
        }
        let find = |all: &[Named], name: &str| all.iter().find(|one| one.name == name).cloned();
        for toxic in &is.toxics {
            let name = printable(&toxic.name);
            match find(&was.toxics, &toxic.name) {
                None => saw.push(format!("toxic {name} was added")),
                Some(before) if before != *toxic => saw.push(format!("toxic {name} was changed")),
                Some(_) => {}
            }
        }
        let gone = was.toxics.iter();
        let gone = gone.filter(|toxic| find(&is.toxics, &toxic.name).is_none());
        saw.extend(gone.map(|toxic| format!("toxic {} was removed", printable(&toxic.name))));
        saw
    }

    /// Whether it lets its clients through, and does nothing of ours to them.
    pub(crate) fn is_free_of_ours(&self) -> bool {
        let described = self.0.as_ref();
        described.is_some_and(|is| is.enabled && !is.toxics.iter().any(Named::is_ours))
    }

    /// The same without toxics of ours.
    pub(crate) fn without_ours(&self) -> Self {
        let mut seen = self.clone();
        if let Some(described) = &mut seen.0 {
            described.toxics.retain(|toxic| !toxic.is_ours());
        }
        seen
    }
}

impl Proxy {
    /// The proxy of this name, which does nothing yet.
    ///
    /// # Errors
    /// [`ProxyError`]: there is none, it is disabled, or somebody's toxics are on it.
    pub async fn find(api: &Url, name: &str) -> Result<Self, ProxyError> {
        let client = Client::default();
        let id = ProxyId {
            api: api.to_string(),
            name: name.to_owned(),
        };
        let described = match described(&client, api, name).await? {
            Some(described) => described,
            None => {
                let has = names(&client, api).await?;
                return Err(ProxyError::Unknown {
                    api: id.api,
                    name: id.name,
                    has,
                });
            }
        };
        described.is_idle(&id)?;
        Ok(Self {
            place: reached_at(&described.listen, api),
            id,
            api: api.clone(),
            client,
        })
    }

    /// How a journal names it.
    #[must_use]
    pub fn id(&self) -> &ProxyId {
        &self.id
    }

    /// From now on it does this, and nothing else of ours.
    ///
    /// # Errors
    /// When Toxiproxy cannot be asked, or refuses.
    pub(crate) async fn does(&self, toxics: &[Toxic]) -> Result<(), ProxyError> {
        self.heal().await?;
        let page = page(&self.api, &[&self.id.name, "toxics"]);
        for toxic in toxics {
            let asked = json!({
                "name": toxic.name(),
                "type": toxic.kind,
                "stream": toxic.stream.name(),
                "attributes": toxic.attributes,
            });
            let asked = asked.to_string();
            self.client.post_json(&page, asked, ANSWERS_WITHIN).await?;
        }
        Ok(())
    }

    /// How it is now, when it lets its clients through, and does nothing to them.
    ///
    /// # Errors
    /// [`ProxyError`]: it does not, or is not there any more.
    pub(crate) async fn idle(&self) -> Result<Seen, ProxyError> {
        let seen = self.look().await?;
        match &seen.0 {
            Some(described) => described.is_idle(&self.id)?,
            None => return Err(ProxyError::Gone(self.id.clone())),
        }
        Ok(seen)
    }

    /// How it is now.
    ///
    /// # Errors
    /// When Toxiproxy cannot be asked.
    pub(crate) async fn look(&self) -> Result<Seen, ProxyError> {
        let described = described(&self.client, &self.api, &self.id.name);
        described.await.map(Seen)
    }

    /// Removes what is ours on it; one that is gone has nothing of ours.
    ///
    /// # Errors
    /// When Toxiproxy cannot be asked, or refuses.
    pub(crate) async fn heal(&self) -> Result<(), ProxyError> {
        let healed = heal(&self.client, &self.api, &self.id.name).await;
        healed.map(drop)
    }
}

/// Answers whether there was anything to remove.
async fn heal(client: &Client, api: &Url, name: &str) -> Result<bool, ProxyError> {
    let mut had_any = false;
    let described = described(client, api, name).await?;
    let toxics = described.map_or_else(Vec::new, |described| described.toxics);
    for toxic in toxics.iter().filter(|toxic| toxic.is_ours()) {
        had_any = true;
        let page = page(api, &[name, "toxics", &toxic.name]);
        match client.delete(&page, ANSWERS_WITHIN).await {
            // Somebody was faster.
            Err(GetError::Status {
                status: NOT_FOUND, ..
            }) => {}
            other => other?,
        }
    }
    Ok(had_any)
}

/// Removes what a drill has left on a proxy. For those who have no runtime, and for those who are in one.
///
/// # Errors
/// When Toxiproxy cannot be asked, or refuses.
pub(crate) fn undo(proxy: &ProxyId) -> io::Result<bool> {
    let api: Url = proxy.api.parse().map_err(io::Error::other)?;
    let name = proxy.name.clone();
    let asking = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let healed = runtime.block_on(heal(&Client::default(), &api, &name));
        healed.map_err(io::Error::other)
    });
    let ended = asking.join();
    ended.unwrap_or_else(|_| Err(io::Error::other("whoever asked Toxiproxy has panicked")))
}

/// A page below that of all proxies.
fn page(api: &Url, parts: &[&str]) -> Url {
    let encoded = parts
        .iter()
        .map(|part| format!("/{}", utf8_percent_encode(part, NON_ALPHANUMERIC)));
    api.below(&format!("/proxies{}", encoded.collect::<String>()))
}

/// What there is to know of a proxy; `None`: there is no such one.
async fn described(
    client: &Client,
    api: &Url,
    name: &str,
) -> Result<Option<Described>, ProxyError> {
    let text = match client.get(&page(api, &[name]), ANSWERS_WITHIN).await {
        Err(GetError::Status {
            status: NOT_FOUND, ..
        }) => return Ok(None),
        other => other?,
    };
    let read = serde_json::from_str(&text);
    read.map(Some)
        .map_err(|error| ProxyError::Unreadable(api.to_string(), error.to_string()))
}

/// The names of all proxies, for people.
async fn names(client: &Client, api: &Url) -> Result<String, ProxyError> {
    let text = client.get(&page(api, &[]), ANSWERS_WITHIN).await?;
    let all: BTreeMap<String, Value> = serde_json::from_str(&text)
        .map_err(|error| ProxyError::Unreadable(api.to_string(), error.to_string()))?;
    let all: Vec<String> = all.into_keys().collect();
    Ok(match all.is_empty() {
        true => "none".to_owned(),
        false => all.join(", "),
    })
}

/// Where a proxy that listens there is reached from here: one that listens on loopback or everywhere is on Toxiproxy's own machine.
fn reached_at(listen: &str, api: &Url) -> String {
    let is_local = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    match listen.parse::<SocketAddr>() {
        Ok(address) if is_local(address.ip()) => api.beside(address.port()),
        _ => listen.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_reached_on_the_machine_of_its_toxiproxy() {
        let api: Url = "http://proxies:8474".parse().unwrap();
        for (listen, place) in [
            ("127.0.0.1:26379", "proxies:26379"),
            ("[::]:26379", "proxies:26379"),
            ("0.0.0.0:26379", "proxies:26379"),
            ("10.0.0.7:26379", "10.0.0.7:26379"),
            ("redis-proxy:26379", "redis-proxy:26379"),
        ] {
            assert_eq!(reached_at(listen, &api), place);
        }
    }

    #[test]
    fn what_is_another_than_it_was_is_told() {
        let seen = |text: &str| Seen(serde_json::from_str(text).unwrap());
        let of = |enabled: bool, toxics: &str| {
            seen(&format!(
                r#"{{ "name": "redis", "listen": "127.0.0.1:1", "upstream": "127.0.0.1:2", "enabled": {enabled}, "toxics": [{toxics}] }}"#
            ))
        };
        let ours = r#"{ "name": "firedrill-latency-upstream", "type": "latency", "stream": "upstream", "toxicity": 1, "attributes": { "latency": 61 } }"#;
        let theirs = r#"{ "name": "mine", "type": "timeout", "stream": "upstream", "toxicity": 1, "attributes": {} }"#;
        let was = of(true, ours);
        assert_eq!(was.differs(&was), [""; 0]);
        assert!(!was.is_free_of_ours());
        assert_eq!(
            of(false, theirs).differs(&was),
            [
                "was disabled",
                "toxic mine was added",
                "toxic firedrill-latency-upstream was removed"
            ]
        );
        let less = of(true, &ours.replace("61", "0"));
        let changed = "toxic firedrill-latency-upstream was changed";
        assert_eq!(less.differs(&was), [changed]);
        assert!(of(true, theirs).is_free_of_ours() && !of(false, "").is_free_of_ours());
        assert_eq!(was.without_ours(), of(true, ""));
        assert_eq!(Seen(None).differs(&was), ["was deleted"]);
        assert_eq!(was.differs(&Seen(None)), ["is there again"]);
    }

    #[test]
    fn names_are_no_paths() {
        let api: Url = "http://proxies:8474".parse().unwrap();
        let page = page(&api, &["../all", "toxics"]);
        assert_eq!(
            page.to_string(),
            "http://proxies:8474/proxies/%2E%2E%2Fall/toxics"
        );
    }

    /// A journal is a file: what stands there is no reason to fail in another way than by an error.
    #[test]
    fn a_toxiproxy_that_is_gone_is_an_error() {
        let at = |api: &str| ProxyId {
            api: api.to_owned(),
            name: "redis".to_owned(),
        };
        assert!(undo(&at("nothing")).is_err());
        assert!(undo(&at("http://127.0.0.1:1")).is_err());
    }
}
