//! `task enqueue`: a task by hand, as asynq's client would enqueue it.

use crate::args::asynq::Enqueue;
use crate::commands::asynq::connect::quoted;
use crate::commands::asynq::session::{About, Session};
use crate::commands::asynq::shown::safe;
use crate::exit::Exit;
use firedrill_asynq::client::NewTask;
use firedrill_asynq::clock::Time;
use firedrill_asynq::inspector::InspectError;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{Accepted, Op, Reply};
use jiff::Timestamp;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

/// `task enqueue`.
pub(super) async fn enqueue(session: &mut Session<'_>, args: &Enqueue) {
    let task = match new_task(args, session.now()) {
        Ok(task) => task,
        Err(message) => return session.fail(Exit::Usage, message),
    };
    let submission = match task.submission(session.now(), || Uuid::new_v4().to_string()) {
        Ok(submission) => submission,
        Err(error) => {
            return session.fail(Exit::Usage, format!("could not enqueue task: {error}"));
        }
    };
    let (queue, id) = (
        submission.message.queue.clone(),
        submission.message.id.clone(),
    );
    if submission.process_at.is_some() && args.group.is_some() {
        session.note(
            "a task with a group that is not due yet is scheduled, and never aggregated".to_owned(),
        );
    }
    let broker = session.inspector.broker();
    let answer = match broker
        .call(Op::RegisterQueue {
            queue: queue.clone(),
        })
        .await
    {
        Ok(_) => broker.call(submission.op(session.now())).await,
        Err(error) => Err(error),
    };
    let answer = answer.map_err(InspectError::from);
    match answer {
        Ok(reply) => tell(session, &queue, &id, &reply),
        Err(error) => {
            let lead = "could not enqueue task: ";
            session.failed(lead, &error, About::default()).await;
        }
    }
}

fn tell(session: &mut Session<'_>, queue: &str, id: &str, reply: &Reply<TaskMessage>) {
    match reply {
        Reply::Enqueued(Accepted::New) if session.json => {
            session.value(&json!({ "queue": queue, "id": id }));
        }
        Reply::Enqueued(Accepted::New) => {
            session.line(&format!("Enqueued task {} to queue {}", safe(id), safe(queue)));
        }
        Reply::Enqueued(Accepted::Duplicate) => session.fail(
            Exit::GateFailed,
            "could not enqueue task: task already exists\n    another task of this queue, type and payload holds the \
             uniqueness lock"
                .to_owned(),
        ),
        _ => session.fail(
            Exit::GateFailed,
            format!(
                "could not enqueue task: task ID conflicts with another task\n    \
                 type: {} task inspect --queue={} --id={}",
                session.place.typed,
                quoted(queue),
                quoted(id)
            ),
        ),
    }
}

fn new_task(args: &Enqueue, now: Time) -> Result<NewTask, String> {
    let process_in = of(&args.process_in, "process_in", go_duration)?;
    let process_at = of(&args.process_at, "process_at", time)?;
    Ok(NewTask {
        task_type: args.type_name.clone().unwrap_or_default(),
        payload: args.payload.clone().map(String::into_bytes),
        max_retry: args.retry,
        queue: args.queue.clone(),
        task_id: args.id.clone(),
        timeout: of(&args.timeout, "timeout", span)?,
        deadline: of(&args.deadline, "deadline", time)?,
        unique_for: of(&args.unique, "unique", span)?,
        // Of the two asynq takes the latter.
        process_at: process_in
            .map(|ns| Time(now.0.saturating_add(ns)))
            .or(process_at),
        retention: of(&args.retention, "retention", span)?,
        group: args.group.clone(),
        ..NewTask::default()
    })
}

/// The value of a flag that was given; the error names the flag and what it takes.
fn of<T>(
    given: &Option<String>,
    flag: &str,
    parse: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<Option<T>, String> {
    let Some(text) = given else { return Ok(None) };
    let parsed = parse(text).map_err(|wanted| format!("--{flag} {text:?}: expected {wanted}"));
    parsed.map(Some)
}

fn time(text: &str) -> Result<Time, &'static str> {
    let wanted = "a time in RFC 3339, such as 2026-12-14T01:23:45Z";
    let at: Timestamp = text.parse().map_err(|_| wanted)?;
    i64::try_from(at.as_nanosecond())
        .map(Time)
        .map_err(|_| wanted)
}

fn span(text: &str) -> Result<Duration, &'static str> {
    let ns = go_duration(text)?;
    let ns = u64::try_from(ns).map_err(|_| "a duration that is not negative")?;
    Ok(Duration::from_nanos(ns))
}

/// Nanoseconds of a duration in Go's notation: decimal numbers with a unit each, the units in any order.
fn go_duration(text: &str) -> Result<i64, &'static str> {
    const WANTED: &str = "a duration, such as 90s, 1h30m or 1.5h";
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1.0),
        ("us", 1e3),
        ("µs", 1e3),
        ("μs", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 6e10),
        ("h", 3.6e12),
    ];
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(WANTED);
    }
    let mut ns = 0.0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or(WANTED)?;
        let number: f64 = rest[..digits].parse().map_err(|_| WANTED)?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let unit = UNITS
            .iter()
            .find(|(name, _)| *name == &rest[..letters])
            .ok_or(WANTED)?;
        ns += number * unit.1;
        rest = &rest[letters..];
    }
    // Centuries are no duration for Go either.
    match ns < i64::MAX as f64 {
        true => Ok((sign * ns) as i64),
        false => Err(WANTED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, ns) in [
            ("90s", Ok(90_000_000_000)),
            ("1h30m", Ok(5_400_000_000_000)),
            ("1.5h", Ok(5_400_000_000_000)),
            ("100ms", Ok(100_000_000)),
            ("1m0.5s", Ok(60_500_000_000)),
            ("-5s", Ok(-5_000_000_000)),
            ("0", Ok(0)),
            ("2µs", Ok(2_000)),
        ] {
            assert_eq!(go_duration(text), ns, "{text}");
        }
        for text in ["", "5", "s", "1d", "1h 30m", "..s", "9999999h", "-"] {
            assert!(go_duration(text).is_err(), "{text}");
        }
        assert!(span("-5s").is_err());
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(
            time("2023-11-14T23:13:20+01:00"),
            Ok(Time::from_millis(1_700_000_000_000))
        );
        assert!(time("tomorrow").is_err());
    }
}
