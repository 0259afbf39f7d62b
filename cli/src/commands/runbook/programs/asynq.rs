//! `asynq`: tried with `firedrill asynq`, which has its grammar.

use super::redis_cli::explained;
use super::{Shown, Tried};
use crate::args::asynq::Line;
use crate::commands::asynq::{Reading, Setting, look, read};
use crate::commands::runbook::finding::{Finding, Verdict};
use crate::commands::runbook::stand::Stand;
use crate::commands::runbook::trial::Output;
use crate::exit::Exit;
use firedrill_asynq::clock::ClockOrigin;
use jiff::tz::TimeZone;

/// Tries the words after `asynq`.
pub(super) async fn tried(words: &[String], stand: &Stand) -> Result<Tried, Finding> {
    match read(words) {
        Reading::OursAlone(what) => Err(Finding::fails(format!(
            "asynq's own command line has no {what}; `firedrill asynq` has"
        ))),
        reading => went(reading, "asynq", stand).await,
    }
}

/// Tries the words after `firedrill asynq`.
pub(super) async fn tried_ours(words: &[String], stand: &Stand) -> Result<Tried, Finding> {
    went(read(words), "firedrill asynq", stand).await
}

async fn went(reading: Reading, program: &str, stand: &Stand) -> Result<Tried, Finding> {
    match reading {
        Reading::Wrong(misread) => {
            let mut finding = explained(Finding::fails(""), &misread);
            for typed in &mut finding.typed {
                if !typed.starts_with("redis-cli ") {
                    *typed = format!("{program} {typed}");
                }
            }
            Err(finding)
        }
        Reading::Changes => Err(Finding::new(
            Verdict::ChangesSomething,
            "changes something: not tried; asynq takes its words and flags",
        )),
        Reading::OursAlone(_) => Err(Finding::not_tried(
            "`firedrill asynq` has it, and it is not tried here",
        )),
        Reading::Help => Err(Finding::misleads(
            "it is not a whole command: asynq prints its help, with exit code 0",
        )),
        Reading::Looks(line) => looked(*line, stand).await,
    }
}

async fn looked(line: Line, stand: &Stand) -> Result<Tried, Finding> {
    let queues = stand.redis.as_ref();
    let queues = queues
        .ok_or_else(|| Finding::not_tried("this stand has no Redis; name one with --redis"))?;
    let setting = Setting {
        now: ClockOrigin::real_time().now(),
        zone: TimeZone::system(),
        bold: false,
    };
    let answer = look(line, queues.address.url(), &setting).await;
    if answer.exit != Exit::Passed {
        return Err(Finding::fails(answer.errors.join("; ")));
    }
    let output = Output {
        out: answer.out.into_bytes(),
        err: Vec::new(),
        code: Some(0),
    };
    Ok(Tried::new(output, Shown::Tasks))
}
