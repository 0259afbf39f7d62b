//! Inputs shared by the benchmarks, seeded and sized like the jobs people run, and the model that simulators are compared
//! on.

pub mod heap_loop;
pub mod model;
pub mod virtual_engine;

/// Theory and intervals are sim's; the heap loop is held against them, too.
#[cfg(test)]
#[path = "../../sim/tests/it/confidence.rs"]
mod confidence;
#[cfg(test)]
#[path = "../../sim/tests/it/queueing_theory.rs"]
mod queueing_theory;

pub mod day;

use firedrill_asynq::message::TaskMessage;

/// A task as a team's producer would send it: a 100-byte JSON payload and a UUID.
#[must_use]
pub fn task(number: u64) -> TaskMessage {
    TaskMessage {
        r#type: "email:send".into(),
        payload: format!(
            r#"{{"user":{number:>10},"template":"welcome","locale":"en-GB","campaign":"{:>38}"}}"#,
            "x"
        )
        .into_bytes(),
        id: format!("00000000-0000-4000-8000-{number:012}"),
        queue: "default".into(),
        retry: 25,
        timeout: 1800,
        ..TaskMessage::default()
    }
}

/// The runbook's four rules.
pub const RUNBOOK: &str = include_str!("../../scenarios/rules/runbook.yml");
