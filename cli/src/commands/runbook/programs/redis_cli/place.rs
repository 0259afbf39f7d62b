//! Which Redis a line of redis-cli means, and which one is asked instead.

use crate::commands::runbook::finding::{Finding, Verdict};
use crate::commands::runbook::programs::Tried;
use crate::commands::runbook::stand::{Queues, Stand};
use firedrill_asynq::broker::redis::address::Way;
use percent_encoding::percent_decode_str;

/// What a line says of the Redis it means.
#[derive(Debug, Default, PartialEq, Eq)]
struct Meant {
    host: Option<String>,
    port: Option<String>,
    socket: Option<String>,
    login: Login,
    /// Whether it names a database.
    names_database: bool,
    has_tls: bool,
    /// The words after `redis-cli` but for those that are about its Redis.
    rest: Vec<String>,
}

/// Who goes in, and to which database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Login {
    user: Option<String>,
    password: Option<String>,
    database: u32,
}

/// Where a line is asked.
pub(super) struct Asked {
    /// The words by which redis-cli gets there.
    connects: Vec<String>,
    password: Option<String>,
    rest: Vec<String>,
    /// The database that the line names, if it is another than that of the stand, and asked.
    pub(super) other_database: Option<u32>,
    /// That it is another Redis than the one that is meant.
    instead: Option<String>,
    /// Whether the line has a password that is not the stand's.
    has_own_password: bool,
}

impl Asked {
    /// Of the words of a line.
    ///
    /// # Errors
    /// When redis-cli is not tried on such a Redis as the stand has.
    pub(super) fn of(words: &[String], stand: &Stand, queues: &Queues) -> Result<Self, Finding> {
        let meant = Meant::of(words);
        let mut connects = Vec::new();
        let mut option = |name: &str, value: String| connects.extend([name.to_owned(), value]);
        match queues.address.way() {
            Some(Way::Socket(path)) => option("-s", path.display().to_string()),
            Some(Way::Server(place)) => {
                let (host, port) = place.rsplit_once(':').unwrap_or((&place, "6379"));
                option("-h", host.trim_matches(['[', ']']).to_owned());
                option("-p", port.to_owned());
            }
            None => {
                return Err(Finding::not_tried(
                    "redis-cli is tried on single servers without TLS only; this stand's Redis is another",
                ));
            }
        }
        let login = Login::of(queues.address.url());
        // The queues of a stand of ours are in its first database, wherever the reader has them.
        let named = Some(meant.login.database).filter(|_| meant.names_database);
        let other = named.filter(|named| *named != login.database);
        let other_database = other.filter(|_| !stand.is_ours());
        let database = other_database.unwrap_or(login.database);
        if let Some(user) = &login.user {
            option("--user", user.clone());
        }
        if database != 0 {
            option("-n", database.to_string());
        }
        let is_elsewhere = meant.is_elsewhere(&queues.address.way()) || meant.has_tls;
        let moved = other.filter(|_| stand.is_ours());
        let instead = (is_elsewhere || moved.is_some()).then(|| {
            let mut here = match stand.is_ours() {
                true => vec!["a Redis of our own".to_owned()],
                false => vec![queues.address.place()],
            };
            let mut there = Vec::new();
            if is_elsewhere {
                there.push(meant.told());
            }
            if let Some(moved) = moved {
                here.push(format!("database {database}"));
                there.push(format!("database {moved}"));
            }
            format!(
                "asked at {} instead of {}",
                here.join(", "),
                there.join(", ")
            )
        });
        let is_same = meant.login.password == login.password && meant.login.user == login.user;
        let has_own_password = meant.login.password.is_some() && !is_same;
        Ok(Self {
            connects,
            password: login.password,
            rest: meant.rest,
            other_database,
            instead,
            has_own_password,
        })
    }

    /// The words for redis-cli that ask something there: by default what the line asks.
    pub(super) fn words(&self, instead: Option<&[&str]>) -> Vec<String> {
        let asked = match instead {
            Some(words) => words.iter().map(|word| (*word).to_owned()).collect(),
            None => self.rest.clone(),
        };
        [&self.connects[..], &asked].concat()
    }

    /// The settings that redis-cli takes its password from.
    pub(super) fn settings(&self) -> Vec<(&str, &str)> {
        let password = self.password.iter();
        password
            .map(|password| ("REDISCLI_AUTH", password.as_str()))
            .collect()
    }

    /// What was found, with where it was asked. That it works is not said of a password nobody tried.
    pub(super) fn told(self, tried: Result<Tried, Finding>) -> Result<Tried, Finding> {
        let tried = match tried {
            Ok(tried) if self.has_own_password && tried.odd.is_none() => {
                tried.odd(Some(Finding::not_tried(
                    "its command works; its password is not that of the stand, and was not tried",
                )))
            }
            tried => tried?,
        };
        Ok(match self.instead {
            Some(instead) => tried.note(instead),
            None => tried,
        })
    }

    /// A finding, with where it was asked if it was.
    pub(super) fn told_of(&self, finding: Finding) -> Finding {
        match &self.instead {
            Some(instead) if finding.verdict > Verdict::NotTried => finding.note(instead),
            _ => finding,
        }
    }
}

impl Meant {
    fn of(words: &[String]) -> Self {
        const WITH_VALUE: [&str; 5] = ["--cacert", "--cacertdir", "--sni", "--cert", "--key"];
        const ALONE: [&str; 3] = ["-c", "--insecure", "--no-auth-warning"];
        let mut meant = Self::default();
        let mut words = words.iter().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned();
            match word.as_str() {
                "-h" => meant.host = value(),
                "-p" => meant.port = value(),
                "-s" => meant.socket = value(),
                "-a" | "--pass" => meant.login.password = value(),
                "--user" => meant.login.user = value(),
                "-n" => meant.in_database(value().and_then(|text| text.parse().ok()).unwrap_or(0)),
                "-u" => meant.by_address(&value().unwrap_or_default()),
                "--tls" => meant.has_tls = true,
                word if WITH_VALUE.contains(&word) => drop(value()),
                word if ALONE.contains(&word) => {}
                _ => {
                    meant.rest = [word].into_iter().chain(words).cloned().collect();
                    break;
                }
            }
        }
        meant
    }

    fn in_database(&mut self, database: u32) {
        self.login.database = database;
        self.names_database = true;
    }

    fn by_address(&mut self, url: &str) {
        let login = Login::of(url);
        self.has_tls |= url.starts_with("rediss:");
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let (place, database) = place.split_once('/').unwrap_or((place, ""));
        // The colon of an IPv6 address is none before a port.
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.to_owned())),
            _ => (place, None),
        };
        self.host = Some(host.to_owned()).filter(|host| !host.is_empty());
        self.port = port;
        if !database.is_empty() {
            self.in_database(login.database);
        }
        self.login.user = login.user.or(self.login.user.take());
        self.login.password = login.password.or(self.login.password.take());
    }

    /// `host:port`, as redis-cli completes it.
    fn place(&self) -> String {
        let host = self.host.as_deref().unwrap_or("127.0.0.1");
        format!("{host}:{}", self.port.as_deref().unwrap_or("6379"))
    }

    /// Whether it names a server, and another than this one.
    fn is_elsewhere(&self, way: &Option<Way>) -> bool {
        if let Some(socket) = &self.socket {
            return !matches!(way, Some(Way::Socket(path)) if path.as_os_str() == socket.as_str());
        }
        let by_number = |place: &str| place.replace("localhost:", "127.0.0.1:");
        let is_here =
            matches!(way, Some(Way::Server(place)) if by_number(place) == by_number(&self.place()));
        (self.host.is_some() || self.port.is_some()) && !is_here
    }

    /// What it names, for people.
    fn told(&self) -> String {
        let place = match &self.socket {
            Some(socket) => socket.clone(),
            None => self.place(),
        };
        let tls = if self.has_tls { " with TLS" } else { "" };
        format!("{place}{tls}")
    }
}

impl Login {
    /// Of an address.
    fn of(url: &str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8_lossy().into_owned();
            (!text.is_empty()).then_some(text)
        };
        let asked = query.split('&').find_map(|pair| pair.strip_prefix("db="));
        let path = place.split_once('/').map(|(_, path)| path);
        Self {
            user: decoded(user),
            password: decoded(password),
            database: asked
                .or(path)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_in_is_read_from_the_address() {
        for (url, user, password, database) in [
            ("127.0.0.1:6379", None, None, 0),
            ("redis://h:1/3", None, None, 3),
            ("redis://:p%40ss@h:1", None, Some("p@ss"), 0),
            ("redis://me:s@h:1/2", Some("me"), Some("s"), 2),
            ("unix:///run/redis.sock?db=4", None, None, 4),
        ] {
            let expected = Login {
                user: user.map(str::to_owned),
                password: password.map(str::to_owned),
                database,
            };
            assert_eq!(Login::of(url), expected, "{url}");
        }
    }

    #[test]
    fn which_redis_is_meant_is_read_from_the_line() {
        for (line, place, database, password, rest) in [
            (
                "-h redis -p 7000 -a secret --tls --scan --pattern x",
                "redis:7000 with TLS",
                None,
                Some("secret"),
                "--scan --pattern x",
            ),
            ("LLEN -h", "127.0.0.1:6379", None, None, "LLEN -h"),
            ("-n 7 DBSIZE", "127.0.0.1:6379", Some(7), None, "DBSIZE"),
            (
                "-u redis://me:s@h:1/2 PING",
                "h:1",
                Some(2),
                Some("s"),
                "PING",
            ),
            (
                "-n 3 -u rediss://h PING",
                "h:6379 with TLS",
                Some(3),
                None,
                "PING",
            ),
            (
                "-u redis://[::1]:1/0 PING",
                "[::1]:1",
                Some(0),
                None,
                "PING",
            ),
            (
                "-s /run/redis.sock PING",
                "/run/redis.sock",
                None,
                None,
                "PING",
            ),
        ] {
            let words: Vec<String> = ["redis-cli"]
                .into_iter()
                .chain(line.split(' '))
                .map(str::to_owned)
                .collect();
            let meant = Meant::of(&words);
            let named = meant.names_database.then_some(meant.login.database);
            assert_eq!(meant.told(), place, "{line}");
            assert_eq!(
                (
                    named,
                    meant.login.password.as_deref(),
                    meant.rest.join(" ").as_str()
                ),
                (database, password, rest),
                "{line}"
            );
        }
    }
}
