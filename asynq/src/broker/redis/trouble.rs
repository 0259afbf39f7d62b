//! What can go wrong between us and Redis: what is done about it, and what people are told.

use crate::broker::redis::address::{Address, Place};
use crate::op::BrokerError;
use redis::{ErrorKind, RedisError};

const ASKS_FOR_PASSWORD: &str =
    "Redis asks for a password: write redis://user:password@host:port, or :password without a user";

/// Why a connection could not be made, or a request not be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The connection is gone, or there never was one: another, and again.
    Lost,
    /// No answer in time; the connection can still be used. Again.
    Silent,
    /// Redis asks for patience. Again.
    Busy,
    /// A replica: the master is elsewhere. Another connection, and again.
    Replica,
    /// The task is no longer ours.
    NotFound,
    /// It is as Redis says, and would be the next time.
    Refused,
}

impl Kind {
    /// What asynq's client repeats (go-redis, `shouldRetry`): what got no answer, and the answers `READONLY`, `LOADING`,
    /// `MASTERDOWN`, `CLUSTERDOWN`, `TRYAGAIN` and "max number of clients reached"; never `OOM`, `NOSCRIPT`, `WRONGTYPE`
    /// or what a script says.
    fn of(error: &RedisError) -> Self {
        let text = error.to_string();
        if text.contains("NOT FOUND")
            || (error.code() == Some("NOT") && error.detail() == Some("FOUND"))
        {
            return Self::NotFound;
        }
        if text.contains("max number of clients reached") {
            return Self::Lost;
        }
        match error.code() {
            Some("READONLY") => return Self::Replica,
            Some("LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN") => return Self::Busy,
            _ => {}
        }
        if error.is_timeout() {
            Self::Silent
        } else if error.is_io_error()
            || error.is_connection_dropped()
            || error.is_connection_refusal()
            || error.kind() == ErrorKind::ClusterConnectionNotFound
        {
            Self::Lost
        } else {
            Self::Refused
        }
    }

    /// Whether the request is to be repeated.
    pub(super) fn is_passing(self) -> bool {
        matches!(self, Self::Lost | Self::Silent | Self::Busy | Self::Replica)
    }

    /// Whether the connection is to be given up.
    pub(super) fn is_of_connection(self) -> bool {
        matches!(self, Self::Lost | Self::Replica)
    }
}

impl Trouble {
    /// A request to `address` that failed; `what` names it.
    pub(super) fn asking(address: &Address, what: &str, error: &RedisError) -> Self {
        if address.is_cluster() && matches!(error.code(), Some("MOVED" | "ASK")) {
            // It was followed already: the node it leads to is gone, and the others have not replaced it yet.
            return Self {
                kind: Kind::Busy,
                text: format!("the master of the key is gone ({error})"),
            };
        }
        let kind = Kind::of(error);
        let text = match kind {
            Kind::Silent => "timed out".into(),
            Kind::Lost | Kind::Busy => error.to_string(),
            Kind::Replica | Kind::NotFound | Kind::Refused => match error.code() {
                Some("MOVED" | "ASK") => format!(
                    "{what}: the key is on another node ({error}): this Redis is part of a cluster, so write \
                     redis-cluster://host:port"
                ),
                Some("READONLY") => format!(
                    "{what}: READONLY: this is a replica, which takes no writes; give the address of its master, or of \
                     the sentinels"
                ),
                Some("NOAUTH") => format!("{what}: {ASKS_FOR_PASSWORD}"),
                _ => format!("{what}: {error}"),
            },
        };
        Self { kind, text }
    }

    /// A connection that could not be made.
    pub(super) fn connecting(address: &Address, error: &RedisError) -> Self {
        Self::connecting_to(address, &address.to_string(), error)
    }

    /// A connection to one server of `address` that could not be made; `at` names the server.
    pub(super) fn connecting_to(address: &Address, at: &str, error: &RedisError) -> Self {
        Self {
            kind: Kind::of(error),
            text: format!("{at}: {}", explain(address, error)),
        }
    }

    /// A sentinel that did not answer as one.
    pub(super) fn asking_sentinel(at: &str, error: &RedisError) -> Self {
        let text = if error.to_string().contains("unknown command") {
            format!("{at} is no sentinel: is it the Redis itself? Then write redis://{at}")
        } else if is_about_login(error) {
            format!(
                "the sentinel {at} wants to know who asks ({error}): add ?sentinel_password=... (and sentinel_user=...)"
            )
        } else {
            format!("the sentinel {at} does not answer: {error}")
        };
        Self {
            kind: Kind::of(error),
            text,
        }
    }

    /// Sentinels that do not know the master.
    pub(super) fn unknown_master(at: &str, master: &str, known: &[String]) -> Self {
        let known = if known.is_empty() {
            "none".into()
        } else {
            known.join(", ")
        };
        Self {
            kind: Kind::Refused,
            text: format!("the sentinel {at} knows no master named {master}; it knows: {known}"),
        }
    }
}

impl From<Trouble> for BrokerError {
    fn from(trouble: Trouble) -> Self {
        match trouble.kind {
            Kind::NotFound => Self::NotFound,
            Kind::Lost | Kind::Silent | Kind::Busy => Self::Unreachable(trouble.text.into()),
            Kind::Replica | Kind::Refused => Self::Refused(trouble.text.into()),
        }
    }
}

fn is_about_login(error: &RedisError) -> bool {
    let text = error.to_string();
    error.kind() == ErrorKind::AuthenticationFailed
        || ["NOAUTH", "WRONGPASS", "AUTH"]
            .iter()
            .any(|word| text.contains(word))
}

/// What a failure to connect means, and what to type instead.
fn explain(address: &Address, error: &RedisError) -> String {
    let text = error.to_string();
    let encrypted = address.tls.is_some();
    let socket = matches!(address.place, Place::Socket(_));
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if error.is_timeout() {
        let hint = if encrypted {
            "; if it does not speak TLS, write redis instead of rediss"
        } else {
            ""
        };
        return format!("does not answer in time{hint}");
    }
    if says(&["UnknownIssuer", "BadSignature", "CaUsedAsEndEntity"]) {
        return "its certificate is signed by nobody this machine believes: name the signer's with ?cacert=FILE \
                (or believe anybody: ?insecure=true)"
            .into();
    }
    if says(&["NotValidForName", "not valid for name"]) {
        return format!("its certificate is for another name: say which with ?sni=NAME ({text})");
    }
    if says(&["CertificateRequired", "certificate required"]) {
        return "it asks for a certificate of ours: ?cert=FILE&key=FILE".into();
    }
    if says(&["fatal alert: UnknownCA", "fatal alert: BadCertificate"]) {
        return "does not believe our certificate (?cert=)".into();
    }
    if says(&["invalid peer certificate"]) {
        return format!("its certificate is refused: {text}");
    }
    if encrypted && says(&["corrupt message", "InvalidContentType"]) {
        return "does not speak TLS: write redis instead of rediss".into();
    }
    if says(&["SELECT is not allowed in cluster mode"]) {
        return "is a node of a cluster, which has no database but 0: write redis-cluster:// and leave the number away"
            .into();
    }
    if says(&["DB index is out of range"]) {
        return format!("has no database {}", address.database);
    }
    if says(&["cluster support disabled"]) {
        return "is not part of a cluster: write redis:// instead of redis-cluster://".into();
    }
    if says(&["NOAUTH"]) {
        return ASKS_FOR_PASSWORD.into();
    }
    if is_about_login(error) {
        return "refuses this user or password".into();
    }
    if says(&["max number of clients reached"]) {
        return "has as many clients as it takes".into();
    }
    if says(&["failed to lookup address", "Name or service not known"]) {
        return "no such host is known".into();
    }
    if error.is_connection_refusal() {
        let missing = socket && says(&["No such file", "not found"]);
        return if missing {
            "there is no such socket".into()
        } else {
            "nobody listens there".into()
        };
    }
    if error.is_connection_dropped() && !encrypted && !socket {
        return format!(
            "closes the connection at once ({text}); if it wants TLS, write rediss instead of redis"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::parse_redis_value;
    use std::io;

    fn said(reply: &str) -> RedisError {
        parse_redis_value(format!("-{reply}\r\n").as_bytes())
            .and_then(redis::Value::extract_error)
            .expect_err("an error reply")
    }

    #[test]
    fn what_asynqs_client_repeats_is_repeated_and_nothing_else() {
        for (reply, kind) in [
            (
                "READONLY You can't write against a read only replica.",
                Kind::Replica,
            ),
            ("LOADING Redis is loading the dataset in memory", Kind::Busy),
            ("MASTERDOWN Link with MASTER is down", Kind::Busy),
            ("CLUSTERDOWN The cluster is down", Kind::Busy),
            (
                "TRYAGAIN Multiple keys request during rehashing of slot",
                Kind::Busy,
            ),
            ("ERR max number of clients reached", Kind::Lost),
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                Kind::Refused,
            ),
            (
                "NOSCRIPT No matching script. Please use EVAL.",
                Kind::Refused,
            ),
            ("WRONGTYPE Operation against a key", Kind::Refused),
            ("BUSY Redis is busy running a script", Kind::Refused),
            (
                "MISCONF Redis is configured to save RDB snapshots",
                Kind::Refused,
            ),
            ("NOPERM this user has no permissions", Kind::Refused),
            ("INTERNAL", Kind::Refused),
            ("NOT FOUND", Kind::NotFound),
        ] {
            assert_eq!(Kind::of(&said(reply)), kind, "{reply}");
        }
        for (kind_of_io, kind) in [
            (io::ErrorKind::TimedOut, Kind::Silent),
            (io::ErrorKind::UnexpectedEof, Kind::Lost),
            (io::ErrorKind::ConnectionReset, Kind::Lost),
            (io::ErrorKind::ConnectionRefused, Kind::Lost),
            (io::ErrorKind::BrokenPipe, Kind::Lost),
        ] {
            let error = RedisError::from(io::Error::from(kind_of_io));
            assert_eq!(Kind::of(&error), kind, "{kind_of_io}");
        }
        let passing = [Kind::Replica, Kind::Busy, Kind::Lost, Kind::Silent];
        assert!(passing.iter().all(|kind| kind.is_passing()));
        assert!(!Kind::Refused.is_passing() && !Kind::NotFound.is_passing());
    }

    #[test]
    fn a_key_elsewhere_is_passing_in_a_cluster_and_a_hint_outside() {
        let moved = said("MOVED 5718 127.0.0.1:7001");
        let of = |address: &str| {
            let address = address.parse().expect("an address");
            Trouble::asking(&address, "enqueue", &moved)
        };
        assert_eq!(of("redis-cluster://h:1").kind, Kind::Busy);
        let outside = of("redis://h:1");
        assert_eq!(outside.kind, Kind::Refused);
        assert!(
            outside.text.contains("write redis-cluster://"),
            "{outside:?}"
        );
    }
}
