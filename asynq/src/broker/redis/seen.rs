//! What a command is that somebody sees on its way to Redis.

use super::script;
use crate::call::CallKind;

/// Which call a command is, given as its parts, if it is one that moves a task on: a script of ours, called by its hash or
/// by its text.
#[must_use]
pub fn call_of(command: &[&[u8]]) -> Option<CallKind> {
    let [name, script, ..] = command else {
        return None;
    };
    // No other command adds to leases: scripts do.
    if name.eq_ignore_ascii_case(b"ZADD") && script.ends_with(b":lease") {
        return Some(CallKind::Extend);
    }
    let name = if name.eq_ignore_ascii_case(b"EVALSHA") {
        script::name_of_hash(script)
    } else if name.eq_ignore_ascii_case(b"EVAL") {
        script::name_of_text(script)
    } else {
        None
    }?;
    match name {
        "enqueue" | "enqueue_batch" | "enqueue_unique" | "schedule" | "schedule_unique"
        | "add_to_group" => Some(CallKind::Enqueue),
        "dequeue" | "dequeue_batch" => Some(CallKind::Dequeue),
        "done" | "done_batch" | "mark_as_complete" => Some(CallKind::Done),
        "retry" => Some(CallKind::Retry),
        "archive" => Some(CallKind::Archive),
        "requeue" => Some(CallKind::Requeue),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_known_by_hash_and_by_text() {
        let text = include_str!("../../lua/done.lua");
        let hash = redis::Script::new(text).get_hash().to_owned();
        assert_eq!(
            call_of(&[b"EVALSHA", hash.as_bytes(), b"5"]),
            Some(CallKind::Done)
        );
        assert_eq!(
            call_of(&[b"eval", text.as_bytes(), b"5"]),
            Some(CallKind::Done)
        );
        assert_eq!(call_of(&[b"EVAL", b"return 1", b"0"]), None);
        assert_eq!(call_of(&[b"PING"]), None);
        assert_eq!(
            call_of(&[b"ZADD", b"asynq:{q}:lease", b"XX"]),
            Some(CallKind::Extend)
        );
        assert_eq!(call_of(&[b"ZADD", b"asynq:{q}:retry", b"1"]), None);
        assert_eq!(call_of(&[b"SET", hash.as_bytes(), b"5"]), None);
    }
}
