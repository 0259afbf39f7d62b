//! Redis commands on asynq's keys, as runbooks have them: which fit the type of the key, and which to type instead.

use crate::commands::asynq::connect::quoted;
use crate::commands::asynq::misread::Misread;
use crate::commands::asynq::session::{About, Session};
use firedrill_asynq::inspector::KeyType;
use serde_json::json;

/// Commands of redis-cli that take a key of one type.
const TYPED: [(&str, KeyType); 24] = [
    ("LLEN", KeyType::List),
    ("LRANGE", KeyType::List),
    ("LINDEX", KeyType::List),
    ("LPOS", KeyType::List),
    ("LREM", KeyType::List),
    ("ZCARD", KeyType::SortedSet),
    ("ZRANGE", KeyType::SortedSet),
    ("ZREVRANGE", KeyType::SortedSet),
    ("ZRANGEBYSCORE", KeyType::SortedSet),
    ("ZCOUNT", KeyType::SortedSet),
    ("ZSCORE", KeyType::SortedSet),
    ("ZRANK", KeyType::SortedSet),
    ("ZREM", KeyType::SortedSet),
    ("SCARD", KeyType::Set),
    ("SMEMBERS", KeyType::Set),
    ("SISMEMBER", KeyType::Set),
    ("HLEN", KeyType::Hash),
    ("HGETALL", KeyType::Hash),
    ("HGET", KeyType::Hash),
    ("HMGET", KeyType::Hash),
    ("HKEYS", KeyType::Hash),
    ("HVALS", KeyType::Hash),
    ("GET", KeyType::String),
    ("STRLEN", KeyType::String),
];

/// Flags of redis-cli that take a value.
const WITH_VALUE: [&str; 12] = [
    "-h", "-p", "-s", "-a", "-n", "-u", "-r", "-i", "--user", "--pass", "--cacert", "--sni",
];

/// A Redis command, without redis-cli and its flags.
pub(crate) struct RedisLine<'w> {
    /// In capitals.
    pub(crate) command: String,
    /// What follows it.
    pub(crate) arguments: &'w [String],
    /// Whether redis-cli was typed before it.
    by_client: bool,
}

/// Reads a command line of redis-cli, or a Redis command alone.
pub(crate) fn read(words: &[String]) -> Option<RedisLine<'_>> {
    let by_client = words
        .first()
        .is_some_and(|word| word == "redis-cli" || word.ends_with("/redis-cli"));
    let mut at = usize::from(by_client);
    while by_client && words.get(at).is_some_and(|word| word.starts_with('-')) {
        at += 1 + usize::from(WITH_VALUE.contains(&words[at].as_str()));
    }
    let command = words.get(at)?.to_uppercase();
    Some(RedisLine {
        command,
        arguments: &words[at + 1..],
        by_client,
    })
}

/// Whether the words are a Redis command.
pub(super) fn is_one(words: &[String]) -> bool {
    read(words).is_some_and(|line| line.by_client || wanted(&line.command).is_some())
}

fn wanted(command: &str) -> Option<KeyType> {
    let mut typed = TYPED.iter();
    typed
        .find(|(name, _)| *name == command)
        .map(|(_, wanted)| *wanted)
}

/// What asynq keeps under a key, if it is one of asynq's.
fn kept(key: &str) -> Option<KeyType> {
    let rest = key.strip_prefix("asynq:")?;
    if let Some(queue) = rest.strip_prefix('{') {
        // The name of a queue may hold braces; what asynq puts behind it does not begin with one.
        let (_, part) = queue.split_once("}:")?;
        return KeyType::of_part(part);
    }
    Some(match rest {
        "queues" => KeyType::Set,
        "servers" | "workers" | "schedulers" => KeyType::SortedSet,
        _ if rest.starts_with("servers:") => KeyType::String,
        _ if rest.starts_with("workers:") => KeyType::Hash,
        _ if rest.starts_with("schedulers:") => KeyType::List,
        _ if rest.starts_with("scheduler_history:") => KeyType::SortedSet,
        _ => return None,
    })
}

/// What is wrong with a Redis command, if anything is. Those that are no concern of asynq's are right.
pub(crate) fn misread(words: &[String]) -> Option<Misread> {
    let line = read(words)?;
    let wanted = wanted(&line.command)?;
    let Some(key) = line.arguments.first() else {
        return Some(Misread::new(format!("{} needs a key", line.command)));
    };
    let Some(kept) = kept(key) else {
        let like_asynqs = key.starts_with("asynq:");
        let misread = Misread::new(format!(
            "asynq has no key {key:?}, so {} says nothing about it",
            line.command
        ));
        let note = "keys of a queue are asynq:{<queue>}: and one of pending, active, scheduled, retry, archived, completed, \
                    lease, groups, paused, processed, failed; the braces belong to the key";
        return like_asynqs.then(|| Misread {
            note: Some(note.to_owned()),
            ..misread
        });
    };
    if wanted == kept {
        return None;
    }
    let instead = instead(&line, key, kept);
    Some(Misread {
        what: format!(
            "{key} is a {}, and {} is for a {}: Redis answers WRONGTYPE, or, while the key is absent, as if it were empty",
            kept.name(),
            line.command,
            wanted.name()
        ),
        typed: vec![instead],
        ..Misread::default()
    })
}

/// The command that says of this type what was asked.
fn instead(line: &RedisLine<'_>, key: &str, kept: KeyType) -> String {
    let key = quoted(key);
    let range = line.arguments.get(1..).unwrap_or_default();
    match (line.command.as_str(), kept) {
        ("LRANGE" | "ZRANGE" | "ZREVRANGE", KeyType::SortedSet) => {
            format!("redis-cli ZRANGE {key} {} WITHSCORES", range.join(" "))
        }
        ("ZRANGE" | "ZREVRANGE", KeyType::List) => {
            format!("redis-cli LRANGE {key} {}", range.join(" "))
        }
        ("LLEN" | "ZCARD" | "SCARD" | "HLEN" | "STRLEN" | "ZCOUNT", KeyType::String)
        | ("HGETALL", KeyType::String) => {
            format!("redis-cli GET {key}")
        }
        ("GET" | "SMEMBERS", KeyType::Hash) => format!("redis-cli HGETALL {key}"),
        ("GET" | "LRANGE", KeyType::Set) => format!("redis-cli SMEMBERS {key}"),
        _ => format!("redis-cli {} {key}", kept.length_command()),
    }
}

/// A Redis command that was typed and is right: answered if it counts.
pub(super) async fn count(session: &mut Session<'_>, words: &[String]) {
    let Some(line) = read(words) else { return };
    let counted = wanted(&line.command).filter(|wanted| wanted.length_command() == line.command);
    let (Some(kind), Some(key)) = (counted, line.arguments.first()) else {
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let client = if line.by_client { "" } else { "redis-cli " };
        let message = format!(
            "only commands that count are carried out here (LLEN, ZCARD, SCARD, HLEN, STRLEN)\n    type: {client}{}",
            words.join(" ")
        );
        return session.fail(crate::exit::Exit::Usage, message);
    };
    match session.inspector.key_length(key, kind).await {
        Ok(length) if session.json => session.value(&json!({ "key": key, "count": length })),
        Ok(length) => session.line(&length.to_string()),
        Err(error) => session.failed("", &error, About::default()).await,
    }
}

/// The key that a wrong command is about, with the type that asynq keeps there.
pub(super) fn subject(words: &[String]) -> Option<(String, KeyType)> {
    let key = read(words)?.arguments.first()?.clone();
    let kept = kept(&key)?;
    Some((key, kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn commands_that_fit_the_type_are_right() {
        for line in [
            "LLEN asynq:{default}:pending",
            "redis-cli -h redis -p 6379 llen asynq:{default}:active",
            "redis-cli ZCARD asynq:{default}:retry",
            "redis-cli PING",
            "redis-cli INFO memory",
            "redis-cli LLEN some:other:list",
            "redis-cli HGETALL asynq:{default}:t:abc",
            "redis-cli SMEMBERS asynq:queues",
        ] {
            assert_eq!(misread(&words(line)), None, "{line}");
            assert!(is_one(&words(line)), "{line}");
        }
    }

    #[test]
    fn commands_for_another_type_are_told_with_what_to_type() {
        for (line, typed) in [
            (
                "LLEN asynq:{default}:scheduled",
                "redis-cli ZCARD 'asynq:{default}:scheduled'",
            ),
            (
                "redis-cli LLEN asynq:{q}:retry",
                "redis-cli ZCARD 'asynq:{q}:retry'",
            ),
            (
                "redis-cli -n 2 LRANGE asynq:{q}:archived 0 9",
                "redis-cli ZRANGE 'asynq:{q}:archived' 0 9 WITHSCORES",
            ),
            (
                "redis-cli ZCARD asynq:{q}:pending",
                "redis-cli LLEN 'asynq:{q}:pending'",
            ),
            ("GET asynq:{q}:t:1", "redis-cli HGETALL 'asynq:{q}:t:1'"),
            (
                "LLEN asynq:{q}:processed",
                "redis-cli GET 'asynq:{q}:processed'",
            ),
            ("LLEN asynq:queues", "redis-cli SCARD asynq:queues"),
        ] {
            assert_eq!(misread(&words(line)).unwrap().typed, [typed], "{line}");
        }
        let unknown = misread(&words("LLEN asynq:default:pending")).unwrap();
        assert!(unknown.note.unwrap().contains("braces"), "{}", unknown.what);
    }
}
