//! `redis-cli`: tried where Redis' own table of commands says that it only looks.

mod place;

use super::{Shown, Tried};
use crate::commands::asynq::misread::Misread;
use crate::commands::asynq::redis_line::{self, RedisLine};
use crate::commands::runbook::finding::{Finding, Verdict};
use crate::commands::runbook::stand::{Queues, Stand};
use crate::commands::runbook::trial::{self, Output, TrialError};
use firedrill_detector::yaml::closest;
use place::Asked;

/// Commands that only look, although the table does not call them `readonly`, for they are about no key.
const LOOK: [&str; 9] = [
    "COMMAND", "DBSIZE", "ECHO", "INFO", "LASTSAVE", "PING", "ROLE", "TIME", "PUBSUB",
];

/// The same of commands that have several meanings.
const LOOK_WITH: [(&str, &[&str]); 9] = [
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
    ("OBJECT", &["ENCODING", "FREQ", "IDLETIME", "REFCOUNT"]),
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
    let asked = Asked::of(words, stand, queues)?;
    let answered = answered(words, stand, queues, &asked).await;
    let answered = answered.map_err(|finding| asked.told_of(finding));
    asked.told(answered)
}

async fn answered(
    words: &[String],
    stand: &Stand,
    queues: &Queues,
    asked: &Asked,
) -> Result<Tried, Finding> {
    let output = ask(asked, None).await?;
    let line = redis_line::read(words).filter(|_| !is_walk(words));
    let Some(line) = line else {
        judged(&output, None)?;
        let odd = empty_database(asked, queues, "the walk").await;
        return Ok(Tried::new(output, Shown::Other).odd(odd));
    };
    let misread = redis_line::misread(words);
    judged(&output, misread.as_ref())?;
    let odd = match &misread {
        Some(misread) => Some(explained(Finding::misleads(""), misread)),
        None => empty(&line, stand, queues, asked).await,
    };
    let shown = if line.command == "INFO" {
        Shown::Fields
    } else {
        Shown::Other
    };
    Ok(Tried::new(output, shown).odd(odd))
}

/// What is wrong with an answer that is an error.
pub(super) fn judged(output: &Output, misread: Option<&Misread>) -> Result<(), Finding> {
    let said = output.first_line();
    let is_error = said
        .split([' ', ':'])
        .next()
        .is_some_and(|word| ERRORS.contains(&word));
    // Without the database that was named redis-cli goes on in the first one.
    let complaint = output.complaint();
    let is_astray = complaint.starts_with("SELECT ") && complaint.contains("failed");
    if is_error || is_astray || output.code != Some(0) {
        let failed = Finding::fails(format!("Redis answers: {complaint}"));
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
    let word = word.as_deref();
    let with = LOOK_WITH.iter().find(|(name, _)| *name == line.command);
    let looks = match with {
        Some((_, words)) => word.is_some_and(|word| words.contains(&word)),
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
    if stand.is_ours() && line.command == "OBJECT" && word == Some("FREQ") {
        return Err(Finding::not_tried(
            "OBJECT FREQ takes an LFU maxmemory-policy, and nothing here says which one yours has; name your Redis with --redis",
        ));
    }
    let key = match line.command.as_str() {
        "OBJECT" => line.arguments.get(1),
        _ => usize::try_from(command.first_key - 1)
            .ok()
            .and_then(|at| line.arguments.get(at)),
    };
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

/// Asks the stand's Redis by redis-cli itself: what the line asks, or something else.
async fn ask(asked: &Asked, instead: Option<&[&str]>) -> Result<Output, Finding> {
    let words = asked.words(instead);
    let output = trial::run("redis-cli", &words, &asked.settings(), &[]).await;
    output.map_err(|error| match error {
        TrialError::NotStarted { .. } => Finding::not_tried(error.to_string()),
        TrialError::Slow { .. } => Finding::fails(error.to_string()),
    })
}

/// What misleads about an answer that is no error: it is as if something were there, or empty, that is not there at all.
async fn empty(
    line: &RedisLine<'_>,
    stand: &Stand,
    queues: &Queues,
    asked: &Asked,
) -> Option<Finding> {
    let command = line.command.as_str();
    if command == "DBSIZE" {
        return empty_database(asked, queues, command).await;
    }
    let key = line.arguments.first()?;
    let known = queues
        .inspector
        .redis_command(&command.to_lowercase())
        .await;
    let takes_key = known
        .ok()
        .flatten()
        .is_some_and(|command| command.first_key == 1);
    if takes_key && let Some(empty) = empty_database(asked, queues, command).await {
        return Some(empty);
    }
    if let Some((queue, _)) = key
        .strip_prefix("asynq:{")
        .and_then(|rest| rest.split_once("}:"))
        && asked.other_database.is_none()
    {
        let is_there = queues.names.iter().any(|name| name == queue);
        return (!is_there).then(|| {
            Finding::misleads(format!(
                "there is no queue {queue:?} here, and {command} answers as if it were empty; queues: {}",
                queues.names.join(", ")
            ))
        });
    }
    if stand.is_ours() || key.starts_with("asynq:") {
        return None;
    }
    if !takes_key || matches!(command, "EXISTS" | "TYPE" | "TTL") {
        return None;
    }
    let exists = ask(asked, Some(&["EXISTS", key])).await.ok()?;
    (exists.first_line() == "0").then(|| {
        Finding::misleads(format!(
            "there is no key {key:?} here, and {command} answers as if it were empty"
        ))
    })
}

/// What misleads about an answer from a database that has nothing in it, while the queues are in another.
async fn empty_database(asked: &Asked, queues: &Queues, command: &str) -> Option<Finding> {
    let database = asked.other_database?;
    let size = ask(asked, Some(&["DBSIZE"])).await.ok()?;
    let is_empty = size.first_line() == "0" && !queues.names.is_empty();
    is_empty.then(|| {
        Finding::misleads(format!(
            "database {database} is empty, so {command} finds nothing there; the queues that --redis leads to ({}) are in another",
            queues.names.join(", ")
        ))
    })
}
