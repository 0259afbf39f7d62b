//! Which Redis is meant.

use crate::args::asynq::Target;
use firedrill_asynq::broker::redis::address::Address;
use std::fmt::Write;

/// asynq's own default.
const DEFAULT_URI: &str = "127.0.0.1:6379";

/// A Redis that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Where to connect to. May hold a password.
    pub(super) url: String,
    /// For people, without one.
    pub(super) shown: String,
    /// How a command line for the same Redis begins, without password.
    pub(super) typed: String,
}

impl Place {
    /// Whether a cluster was named, by the flag or by the address.
    pub(super) fn is_cluster(&self) -> bool {
        let address = self.url.parse::<Address>();
        address.is_ok_and(|address| address.is_cluster())
    }

    /// What the flags name. The error says what is wrong with them.
    pub(super) fn of(target: &Target) -> Result<Self, String> {
        if target.config.is_some() {
            return Err("no configuration file is read: name Redis with -u, -n, -U and -p, or with --redis URL".into());
        }
        match (&target.redis, &target.uri) {
            // An address on the command line is closer than one in the environment; `run --redis` shares the variable.
            (Some(url), None) if !target.cluster => Self::of_url(target, url),
            _ if target.cluster => Self::of_cluster(target),
            (_, uri) => Self::of_uri(target, uri.as_deref()),
        }
    }

    fn of_url(target: &Target, url: &str) -> Result<Self, String> {
        if matches!(url, "auto" | "local" | "docker") {
            return Err(format!(
                "--redis {url} (or FIREDRILL_REDIS) asks for a private Redis, and here the one to look at is meant\n    \
                 type: firedrill asynq -u {DEFAULT_URI} ..., or --redis redis://host:port"
            ));
        }
        let login = target.username.is_some() || target.password.is_some();
        if login || target.db.is_some() || target.uses_tls() || target.insecure {
            return Err(
                "--redis URL says everything: put user, password, database and TLS into it, e.g. \
                 rediss://user:password@host:6379/2"
                    .into(),
            );
        }
        let shown = without_password(url);
        Ok(Self {
            typed: format!("firedrill asynq --redis {}", quoted(&shown)),
            url: url.to_owned(),
            shown,
        })
    }

    fn of_uri(target: &Target, uri: Option<&str>) -> Result<Self, String> {
        let address = uri.unwrap_or(DEFAULT_URI);
        // As go-redis: a path is a socket.
        let socket = address.starts_with('/');
        if socket && (target.uses_tls() || target.insecure) {
            return Err(format!(
                "{address} is a socket of this machine, where nothing is encrypted: leave the options of TLS out"
            ));
        }
        if !socket {
            has_port(address)?;
        }
        let tls = if target.uses_tls() { "s" } else { "" };
        let mut url = if socket {
            let path: Vec<String> = address.split('/').map(percent_encoded).collect();
            format!("unix://{}{}", login(target), path.join("/"))
        } else {
            format!("redis{tls}://{}{address}", login(target))
        };
        let mut shown = address.to_owned();
        let mut typed = "firedrill asynq".to_owned();
        if uri.is_some() {
            let _ = write!(typed, " -u {}", quoted(address));
        }
        if let Some(db) = target.db.filter(|db| *db != 0) {
            let _ = write!(url, "{}{db}", if socket { "?db=" } else { "/" });
            let _ = write!(shown, ", database {db}");
            let _ = write!(typed, " -n {db}");
        }
        url.push_str(&tls_options(target));
        typed.push_str(&common_flags(target));
        Ok(Self { url, shown, typed })
    }

    fn of_cluster(target: &Target) -> Result<Self, String> {
        if target.db.is_some_and(|db| db != 0) {
            return Err("a Redis Cluster has no database but 0: leave --db out".into());
        }
        for address in target.cluster_addrs.split(',') {
            has_port(address)?;
        }
        let tls = if target.uses_tls() { "s" } else { "" };
        let url = format!(
            "redis{tls}-cluster://{}{}{}",
            login(target),
            target.cluster_addrs,
            tls_options(target)
        );
        let mut typed = format!(
            "firedrill asynq --cluster --cluster_addrs={}",
            quoted(&target.cluster_addrs)
        );
        typed.push_str(&common_flags(target));
        Ok(Self {
            url,
            shown: format!("cluster {}", target.cluster_addrs),
            typed,
        })
    }
}

fn has_port(address: &str) -> Result<(), String> {
    let port = address.rsplit_once(':').map(|(_, port)| port);
    match port.map(str::parse::<u16>) {
        Some(Ok(_)) => Ok(()),
        _ => Err(format!(
            "address {address:?}: missing port\n    type: {}:6379",
            address.trim_end_matches(':')
        )),
    }
}

/// User and password as a part of a URL.
fn login(target: &Target) -> String {
    let encoded = |text: &Option<String>| percent_encoded(text.as_deref().unwrap_or_default());
    match (&target.username, &target.password) {
        (None, None) => String::new(),
        (Some(_), None) => format!("{}@", encoded(&target.username)),
        (user, password) => format!("{}:{}@", encoded(user), encoded(password)),
    }
}

/// The options of TLS as a part of a URL.
fn tls_options(target: &Target) -> String {
    let mut options = Vec::new();
    if let Some(name) = &target.tls_server {
        options.push(format!("sni={}", percent_encoded(name)));
    }
    if target.insecure && target.uses_tls() {
        options.push("insecure=true".to_owned());
    }
    match options.is_empty() {
        true => String::new(),
        false => format!("?{}", options.join("&")),
    }
}

/// The flags that go with any address, in a line to be typed. The password is left to whoever types it.
fn common_flags(target: &Target) -> String {
    let mut flags = String::new();
    if let Some(user) = &target.username {
        let _ = write!(flags, " -U {}", quoted(user));
    }
    if target.password.is_some() {
        flags.push_str(" -p <password>");
    }
    match &target.tls_server {
        Some(name) => {
            let _ = write!(flags, " --tls_server {}", quoted(name));
        }
        None if target.tls => flags.push_str(" --tls"),
        None => {}
    }
    if target.insecure {
        flags.push_str(" --insecure");
    }
    flags
}

/// Everything but letters, digits and `-._~` as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

/// A URL with `***` for the password and without options, which may hold passwords, too.
pub(crate) fn without_password(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['@', ':', '/']) => (format!("{scheme}://"), rest),
        _ => (String::new(), url),
    };
    let at = rest.rfind('@');
    let (login, host) = match at {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None => (None, rest),
    };
    let host = host.split('?').next().unwrap_or_default();
    match login {
        None => format!("{scheme}{host}"),
        // Where the login ends is anybody's guess.
        Some(login) if login.contains(['?', '/', '@']) => format!("{scheme}***"),
        Some(login) => match login.split_once(':') {
            None => format!(
                "{scheme}{}@{host}",
                if scheme.is_empty() { "***" } else { login }
            ),
            Some((user, _)) => format!("{scheme}{user}:***@{host}"),
        },
    }
}

/// An argument as a shell takes it.
pub(crate) fn quoted(argument: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,=@%+".contains(&byte);
    // What stands for something to be filled in stays readable.
    let placeholder = argument.starts_with('<') && argument.ends_with('>');
    if placeholder || (!argument.is_empty() && argument.bytes().all(plain)) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::asynq::Line;
    use clap::Parser;

    fn place(flags: &[&str]) -> Result<Place, String> {
        let words = ["asynq"].iter().chain(flags).chain(&["stats"]);
        Place::of(&Line::try_parse_from(words).unwrap().target)
    }

    #[track_caller]
    fn check(flags: &[&str], url: &str, typed: &str) {
        let place = place(flags).unwrap();
        assert_eq!((place.url.as_str(), place.typed.as_str()), (url, typed));
        for secret in ["s3cret", "s3cr%40t"] {
            assert!(
                !place.shown.contains(secret) && !place.typed.contains(secret),
                "{place:?}"
            );
        }
    }

    #[test]
    fn flags_name_a_redis() {
        check(&[], "redis://127.0.0.1:6379", "firedrill asynq");
        check(
            &["-u", "h:1", "-n", "2"],
            "redis://h:1/2",
            "firedrill asynq -u h:1 -n 2",
        );
        check(
            &["-u", "/run/my redis.sock", "-n", "2", "-p", "s3cret"],
            "unix://:s3cret@/run/my%20redis.sock?db=2",
            "firedrill asynq -u '/run/my redis.sock' -n 2 -p <password>",
        );
        check(
            &["-U", "me", "-p", "s3cr@t"],
            "redis://me:s3cr%40t@127.0.0.1:6379",
            "firedrill asynq -U me -p <password>",
        );
        check(
            &["-p=s3cret"],
            "redis://:s3cret@127.0.0.1:6379",
            "firedrill asynq -p <password>",
        );
        check(
            &["--tls_server", "redis.example", "--insecure=true"],
            "rediss://127.0.0.1:6379?sni=redis.example&insecure=true",
            "firedrill asynq --tls_server redis.example --insecure",
        );
        check(
            &["--uri=[::1]:6379", "--tls=false"],
            "redis://[::1]:6379",
            "firedrill asynq -u '[::1]:6379'",
        );
        check(
            &["--cluster", "--cluster_addrs", "a:1,b:2", "-p", "s3cret"],
            "redis-cluster://:s3cret@a:1,b:2",
            "firedrill asynq --cluster --cluster_addrs=a:1,b:2 -p <password>",
        );
        check(
            &["--redis", "redis://u:s3cret@h:1/2?sentinel_password=s3cret"],
            "redis://u:s3cret@h:1/2?sentinel_password=s3cret",
            "firedrill asynq --redis 'redis://u:***@h:1/2'",
        );
    }

    #[test]
    fn flags_that_name_none() {
        for (flags, part) in [
            (&["-u", "h"][..], "missing port"),
            (&["--cluster", "-n", "2"], "no database but 0"),
            (&["--redis", "redis://h:1", "-n", "2"], "says everything"),
            (&["--redis", "local"], "private Redis"),
            (&["--config", "x"], "no configuration file"),
            (&["-u", "/run/redis.sock", "--tls"], "nothing is encrypted"),
        ] {
            let message = place(flags).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn no_password_is_shown_of_any_url() {
        for (url, shown) in [
            ("redis://h:1/2", "redis://h:1/2"),
            ("redis://u:pw@h:1", "redis://u:***@h:1"),
            ("redis://u@h:1?x=pw", "redis://u@h:1"),
            ("pw@nonsense://", "***@nonsense://"),
            ("redis://u:p?w@h", "redis://***"),
            (
                "redis-sentinel://h:1/m?sentinel_password=p@w",
                "redis-sentinel://***",
            ),
            ("u:pw@h:1", "u:***@h:1"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn arguments_are_quoted_when_a_shell_would_take_them_apart() {
        assert_eq!(quoted("default"), "default");
        assert_eq!(quoted("asynq:{q}:retry"), "'asynq:{q}:retry'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted("<queue>"), "<queue>");
    }
}
