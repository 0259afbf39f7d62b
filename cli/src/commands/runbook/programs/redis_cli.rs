//! `redis-cli`: tried where Redis' own table of commands says that it only looks.

use super::{Shown, Tried};
use crate::commands::asynq::misread::Misread;
use crate::commands::asynq::redis_line::{self, RedisLine};
use crate::commands::runbook::finding::{Finding, Verdict};
use crate::commands::runbook::stand::{Queues, Stand};
use crate::commands::runbook::trial::{self, Output, TrialError};
use firedrill_asynq::broker::redis::address::Way;
use firedrill_detector::yaml::closest;
use percent_encoding::percent_decode_str;

/// Commands that only look, although the table does not call them `readonly`, for they are about no key.
const LOOK: [&str; 9] = [
    "COMMAND", "DBSIZE", "ECHO", "INFO", "LASTSAVE", "PING", "ROLE", "TIME", "PUBSUB",
];

/// The same of commands that have several meanings.
const LOOK_WITH: [(&str, &[&str]); 8] = [
    ("ACL", &["CAT", "LIST", "USERS", "WHOAMI"]),
    ("CLIENT", &["GETNAME", "ID", "INFO", "LIST"]),
    (
        "CLUSTER",
        &[
            "INFO", "KEYSLOT", "LINKS", "MYID", "NODES", "SHARDS", "SLOTS",
        ],
    ),
    ("CONFIG", &["GET"]),
    ("LATENCY", &["DOCTOR", "HISTOGRAM", "HISTORY", "LATEST"]),
    ("MEMORY", &["DOCTOR", "MALLOC-STATS", "STATS", "USAGE"]),
    ("MODULE", &["LIST"]),
    ("SLOWLOG", &["GET", "LEN"]),
];

/// What an error of Redis begins with.
const ERRORS: [&str; 14] = [
    "ERR",
    "WRONGTYPE",
    "NOAUTH",
    "NOPERM",
    "WRONGPASS",
    "MOVED",
    "ASK",
    "CLUSTERDOWN",
    "LOADING",
    "BUSY",
    "MASTERDOWN",
    "NOSCRIPT",
    "UNKILLABLE",
    "CROSSSLOT",
];

/// Tries a command line of redis-cli.
pub(super) async fn tried(words: &[String], stand: &Stand) -> Result<Tried, Finding> {
    let queues = stand.redis.as_ref();
    let queues = queues
        .ok_or_else(|| Finding::not_tried("this stand has no Redis; name one with --redis"))?;
    looks(words, stand, queues).await?;
    let output = asked(words, queues).await?;
    if is_walk(words) {
        judged(&output, None)?;
        return Ok(Tried::new(output, Shown::Other));
    }
    let misread = redis_line::misread(words);
    let command = redis_line::read(words)
        .map(|line| line.command)
        .unwrap_or_default();
    judged(&output, misread.as_ref())?;
    let odd = empty(words, stand, queues, &command, misread);
    let shown = if command == "INFO" {
        Shown::Fields
    } else {
        Shown::Other
    };
    Ok(Tried::new(output, shown).odd(odd.await))
}

/// What is wrong with an answer that is an error.
pub(super) fn judged(output: &Output, misread: Option<&Misread>) -> Result<(), Finding> {
    let said = output.first_line();
    let is_error = said
        .split([' ', ':'])
        .next()
        .is_some_and(|word| ERRORS.contains(&word));
    if is_error || output.code != Some(0) {
        let failed = Finding::fails(format!("Redis answers: {}", output.complaint()));
        return Err(match misread {
            Some(misread) => explained(failed, misread),
            None => failed,
        });
    }
    Ok(())
}

/// What is wrong with a line, and what to type.
pub(super) fn explained(mut finding: Finding, misread: &Misread) -> Finding {
    if finding.what.is_empty() {
        finding.what.clone_from(&misread.what);
    } else {
        finding.notes.push(misread.what.clone());
    }
    finding.typed.extend(misread.typed.iter().cloned());
    finding.notes.extend(misread.note.clone());
    finding
}

/// Whether a line only looks.
///
/// # Errors
/// That it changes something, or that nobody can say.
pub(super) async fn looks(words: &[String], stand: &Stand, queues: &Queues) -> Result<(), Finding> {
    if words.iter().any(|word| is_unsafe(word)) {
        return Err(Finding::not_tried(
            "options that repeat a command, read it from elsewhere or go on without end are not tried",
        ));
    }
    if is_walk(words) {
        return Ok(());
    }
    let Some(line) = redis_line::read(words) else {
        return Err(Finding::not_tried(
            "without a command redis-cli waits for what is typed",
        ));
    };
    let asked = queues
        .inspector
        .redis_command(&line.command.to_lowercase())
        .await;
    let asked = asked.map_err(|error| {
        Finding::not_tried(format!(
            "Redis does not say what {} does: {error}",
            line.command
        ))
    })?;
    let Some(command) = asked else {
        let mut finding = Finding::fails(format!("Redis knows no command {}", line.command));
        let known = [
            "GET", "HGETALL", "INFO", "LLEN", "LRANGE", "PING", "SCARD", "SMEMBERS", "TTL", "TYPE",
            "ZCARD", "ZRANGE",
        ];
        if let Some(close) = closest(&line.command, known) {
            finding = finding.note(format!("did you mean {close}?"));
        }
        return Err(finding);
    };
    if line.command == "KEYS" {
        let finding = Finding::not_tried(
            "KEYS holds up Redis for as long as it walks over all keys: not tried",
        );
        let pattern = line.arguments.first().map_or("*", String::as_str);
        return Err(finding.typed(format!("redis-cli --scan --pattern '{pattern}'")));
    }
    let word = line.arguments.first().map(|word| word.to_uppercase());
    let with = LOOK_WITH.iter().find(|(name, _)| *name == line.command);
    let looks = match with {
        Some((_, words)) => word.is_some_and(|word| words.contains(&word.as_str())),
        None => command.has("readonly") || LOOK.contains(&line.command.as_str()),
    };
    if command.has("write") || !looks {
        return Err(Finding::new(
            Verdict::ChangesSomething,
            format!(
                "{} changes something, or waits: not tried; Redis knows the command",
                line.command
            ),
        ));
    }
    let key = usize::try_from(command.first_key - 1)
        .ok()
        .and_then(|at| line.arguments.get(at));
    if stand.is_ours() && key.is_some_and(|key| !key.starts_with("asynq:")) {
        return Err(Finding::not_tried(
            "the key is none of asynq's, and this stand has no others; name your own with --redis",
        ));
    }
    Ok(())
}

/// Whether redis-cli itself walks over the keys, a few at a time.
fn is_walk(words: &[String]) -> bool {
    let mut words = words.iter();
    words.any(|word| matches!(word.as_str(), "--scan" | "--bigkeys" | "--memkeys"))
}

/// Options of redis-cli that make it do more than one command.
fn is_unsafe(word: &str) -> bool {
    matches!(
        word,
        "-r" | "-i"
            | "-x"
            | "-X"
            | "--eval"
            | "--pipe"
            | "--rdb"
            | "--functions-rdb"
            | "--cluster"
            | "--ldb"
            | "--ldb-sync-mode"
            | "--stat"
            | "--latency"
            | "--latency-history"
            | "--latency-dist"
            | "--intrinsic-latency"
            | "--lru-test"
            | "--replica"
            | "--hotkeys"
            | "--test-memory"
    )
}

/// Asks the stand's Redis by redis-cli itself.
async fn asked(words: &[String], queues: &Queues) -> Result<Output, Finding> {
    let (connects, password) = connects(queues)?;
    let words = [&connects[..], &without_place(words)].concat();
    let settings: Vec<(&str, &str)> = password
        .iter()
        .map(|password| ("REDISCLI_AUTH", password.as_str()))
        .collect();
    let output = trial::run("redis-cli", &words, &settings, &[]).await;
    output.map_err(|error| match error {
        TrialError::NotStarted { .. } => Finding::not_tried(error.to_string()),
        TrialError::Slow { .. } => Finding::fails(error.to_string()),
    })
}

/// The words after `redis-cli` but for those that say which Redis is meant.
fn without_place(words: &[String]) -> Vec<String> {
    const WITH_VALUE: [&str; 11] = [
        "-h", "-p", "-s", "-a", "-n", "-u", "--user", "--pass", "--cacert", "--sni", "--cert",
    ];
    const ALONE: [&str; 4] = ["--tls", "-c", "--insecure", "--no-auth-warning"];
    let mut kept = Vec::new();
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        if kept.is_empty() && WITH_VALUE.contains(&word.as_str()) {
            words.next();
        } else if !(kept.is_empty() && ALONE.contains(&word.as_str())) {
            kept.push(word.clone());
        }
    }
    kept
}

/// How redis-cli gets to the stand's Redis: its words, and the password.
fn connects(queues: &Queues) -> Result<(Vec<String>, Option<String>), Finding> {
    let mut words = match queues.address.way() {
        Some(Way::Socket(path)) => vec!["-s".to_owned(), path.display().to_string()],
        Some(Way::Server(place)) => {
            let (host, port) = place.rsplit_once(':').unwrap_or((&place, "6379"));
            let host = host.trim_matches(['[', ']']).to_owned();
            vec!["-h".to_owned(), host, "-p".to_owned(), port.to_owned()]
        }
        None => {
            return Err(Finding::not_tried(
                "redis-cli is tried on single servers without TLS only; this stand's Redis is another",
            ));
        }
    };
    let login = Login::of(queues.address.url());
    if let Some(user) = login.user {
        words.extend(["--user".to_owned(), user]);
    }
    if login.database != 0 {
        words.extend(["-n".to_owned(), login.database.to_string()]);
    }
    Ok((words, login.password))
}

/// Who goes in, and to which database, by an address.
#[derive(Debug, Default, PartialEq, Eq)]
struct Login {
    user: Option<String>,
    password: Option<String>,
    database: u32,
}

impl Login {
    /// Of an address that was read already.
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

/// What misleads about an answer that is no error: it is as if something were there, or empty, that is not there at all.
async fn empty(
    words: &[String],
    stand: &Stand,
    queues: &Queues,
    command: &str,
    misread: Option<Misread>,
) -> Option<Finding> {
    if let Some(misread) = &misread {
        return Some(explained(Finding::misleads(""), misread));
    }
    let line: RedisLine<'_> = redis_line::read(words)?;
    let key = line.arguments.first()?;
    if let Some(queue) = key
        .strip_prefix("asynq:{")
        .and_then(|rest| rest.split_once("}:"))
    {
        let (queue, _) = queue;
        if !queues.names.iter().any(|name| name == queue) {
            return Some(Finding::misleads(format!(
                "there is no queue {queue:?} here, and {command} answers as if it were empty; queues: {}",
                queues.names.join(", ")
            )));
        }
        return None;
    }
    if stand.is_ours() || key.starts_with("asynq:") {
        return None;
    }
    let asked = queues
        .inspector
        .redis_command(&line.command.to_lowercase())
        .await;
    let takes_key = asked
        .ok()
        .flatten()
        .is_some_and(|command| command.first_key == 1);
    if !takes_key || matches!(command, "EXISTS" | "TYPE" | "TTL") {
        return None;
    }
    let exists = ["redis-cli", "EXISTS", key].map(str::to_owned);
    let exists = self::asked(&exists, queues).await.ok()?;
    (exists.first_line() == "0").then(|| {
        Finding::misleads(format!(
            "there is no key {key:?} here, and {command} answers as if it were empty"
        ))
    })
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
    fn what_says_which_redis_is_meant_is_left_out() {
        let words: Vec<String> = "redis-cli -h redis -p 6379 -a secret --tls --scan --pattern x"
            .split(' ')
            .map(str::to_owned)
            .collect();
        assert_eq!(without_place(&words), ["--scan", "--pattern", "x"]);
    }
}
