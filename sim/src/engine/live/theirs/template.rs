//! Texts with places in them, such as `{host}:{port}`, that are filled for each worker process.

use firedrill_asynq::broker::redis::address::{Address, Way};
use std::str::FromStr;

/// The names of places, each in braces; other braces stand for themselves.
const NAMES: [&str; 4] = ["redis", "host", "port", "index"];

/// A text with places in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(String);

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A place that nobody knows.
    #[error("there is no {{{0}}}; there are {{redis}}, {{host}}, {{port}} and {{index}}")]
    Unknown(String),
    /// A place that is not filled here.
    #[error("{{{0}}} is not known here; only {{index}} is")]
    NotHere(String),
    /// There is no one server.
    #[error(
        "{{{0}}} is of one Redis without TLS, and the address leads elsewhere; write {{redis}}"
    )]
    NoOneServer(&'static str),
}

/// What the places of one process are filled with.
#[derive(Debug, Clone)]
pub(crate) struct Where {
    redis: String,
    /// Host and port, where there is one server.
    server: Option<(String, String)>,
    index: String,
}

impl Where {
    /// Of process number `index`, which finds Redis at `redis`.
    pub(crate) fn of(redis: &Address, index: usize) -> Self {
        let server = match redis.way() {
            Some(Way::Server(place)) => place.rsplit_once(':').map(|(host, port)| {
                let host = host.trim_start_matches('[').trim_end_matches(']');
                (host.to_owned(), port.to_owned())
            }),
            Some(Way::Socket(_)) | None => None,
        };
        Self {
            redis: redis.url().to_owned(),
            server,
            index: index.to_string(),
        }
    }

    fn value(&self, name: &'static str) -> Result<&str, TemplateError> {
        let server = |of: fn(&(String, String)) -> &String| {
            let server = self.server.as_ref().map(of).map(String::as_str);
            server.ok_or(TemplateError::NoOneServer(name))
        };
        match name {
            "redis" => Ok(&self.redis),
            "host" => server(|(host, _)| host),
            "port" => server(|(_, port)| port),
            _ => Ok(&self.index),
        }
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let unknown = places(text).find(|(_, name)| !NAMES.contains(name));
        match unknown {
            Some((_, name)) => Err(TemplateError::Unknown(name.to_owned())),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl Template {
    /// The text with its places filled.
    ///
    /// # Errors
    /// When there is nothing to fill one with.
    pub(crate) fn filled(&self, with: &Where) -> Result<String, TemplateError> {
        let mut filled = String::new();
        let mut rest = 0;
        for (at, found) in places(&self.0) {
            filled.push_str(&self.0[rest..at]);
            for name in NAMES.into_iter().filter(|name| *name == found) {
                filled.push_str(with.value(name)?);
            }
            rest = at + found.len() + "{}".len();
        }
        filled.push_str(&self.0[rest..]);
        Ok(filled)
    }

    /// The same for process number `index`, of a text in which that is all that may be said.
    ///
    /// # Errors
    /// When there is another place in it.
    pub fn numbered(&self, index: usize) -> Result<String, TemplateError> {
        let others = places(&self.0).find(|(_, name)| *name != "index");
        match others {
            Some((_, name)) => Err(TemplateError::NotHere(name.to_owned())),
            None => Ok(self.0.replace("{index}", &index.to_string())),
        }
    }

    /// Whether it is another text for each process.
    #[must_use]
    pub fn is_numbered(&self) -> bool {
        places(&self.0).any(|(_, name)| name == "index")
    }
}

/// The places of a text: where each begins, and its name, a word of small letters.
fn places(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices('{').filter_map(|(at, _)| {
        let (name, _) = text[at + 1..].split_once('}')?;
        let is_word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
        is_word.then_some((at, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, address: &str) -> Result<String, TemplateError> {
        let template: Template = template.parse()?;
        template.filled(&Where::of(&address.parse().unwrap(), 3))
    }

    #[test]
    fn places_are_filled_and_other_braces_stand() {
        let redis = "redis://127.0.0.1:7001/2";
        let text = filled(
            "{\"at\":\"{host}:{port}\",\"n\":{index}} {redis} {} {X}",
            redis,
        );
        let expected = format!("{{\"at\":\"127.0.0.1:7001\",\"n\":3}} {redis} {{}} {{X}}");
        assert_eq!(text.unwrap(), expected);
        assert_eq!(
            filled("{host}|{port}", "redis://[::1]:7001").unwrap(),
            "::1|7001"
        );
        assert_eq!(filled("", redis).unwrap(), "");
    }

    #[test]
    fn what_there_is_not_is_said() {
        let error = filled("{hots}", "redis://h:1").unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no {hots}; there are {redis}, {host}, {port} and {index}"
        );
        for elsewhere in ["redis-cluster://h:1,i:2", "rediss://h:1"] {
            let error = filled("{port}", elsewhere).unwrap_err();
            assert_eq!(error, TemplateError::NoOneServer("port"));
        }
    }

    #[test]
    fn pages_of_metrics_are_numbered_and_nothing_else() {
        let page: Template = "http://127.0.0.1:91{index}/metrics".parse().unwrap();
        assert!(page.is_numbered());
        assert_eq!(page.numbered(4).unwrap(), "http://127.0.0.1:914/metrics");
        let other: Template = "http://{host}/metrics".parse().unwrap();
        assert!(!other.is_numbered());
        assert_eq!(
            other.numbered(0),
            Err(TemplateError::NotHere("host".into()))
        );
    }
}
