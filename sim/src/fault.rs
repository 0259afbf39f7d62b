//! Every fault there is: what it is called, what it hits, what ends it, and what is done about it.
//!
//! A fault is one definition with two effects. What it does to the system is a [`Deed`], and each engine carries deeds out
//! in one place: `engine::live::deeds` on real processes, `engine::virtual_time::deeds` on the model. What it does to
//! handlers is [`crate::handler`]'s, the same for both. So a new fault is added here and in `scenario::fault`, where it
//! is written; a new kind of deed also in the two places that carry deeds out, where the compiler asks for it.

mod agenda;

pub use agenda::{Agenda, Phase, Turn};

use serde::{Deserialize, Serialize};

/// A fault and its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
pub enum Fault {
    /// SIGKILL of worker processes.
    #[serde(rename = "worker.kill")]
    WorkerKill,
    /// Handlers of a task type return an error.
    #[serde(rename = "handler.fail")]
    HandlerFail {
        /// Task type.
        task: String,
        /// Share of executions that fail, 0 to 1.
        share: f64,
        /// The error's text.
        error: String,
    },
    /// Handlers take longer.
    #[serde(rename = "handler.slow")]
    HandlerSlow {
        /// Task type; `None`: all.
        task: Option<String>,
        /// How many times longer.
        factor: f64,
    },
    /// Handlers lock each other out for good.
    #[serde(rename = "handler.deadlock")]
    HandlerDeadlock,
    /// SIGKILL of Redis.
    #[serde(rename = "redis.kill")]
    RedisKill {
        /// Whether its data is there when it is started again.
        keep_data: bool,
    },
}

impl Fault {
    /// The causes, as the runbook knows them, that it can be behind; any fault can be behind `other`.
    #[must_use]
    pub fn causes(&self) -> &'static [&'static str] {
        match self {
            // Processes are killed when memory runs out, too.
            Self::WorkerKill => &["worker-crashed", "resource-exhaustion", "other"],
            // A pool without connections makes handlers fail, or wait.
            Self::HandlerFail { .. } => &["retry-storm", "resource-exhaustion", "other"],
            Self::HandlerSlow { .. } => &["slow-jobs", "resource-exhaustion", "other"],
            Self::HandlerDeadlock => &["deadlock", "other"],
            Self::RedisKill { .. } => &["redis-down", "other"],
        }
    }

    /// Whether it can be behind an incident of this cause.
    #[must_use]
    pub fn can_be_behind(&self, cause: &str) -> bool {
        self.causes().contains(&cause)
    }

    /// Whether it needs a Redis that may be stopped.
    #[must_use]
    pub fn is_of_redis(&self) -> bool {
        matches!(self, Self::RedisKill { .. })
    }
}

/// What an operator does about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remedy {
    /// Restart the worker processes.
    #[serde(rename = "worker.restart")]
    WorkerRestart,
    /// Start Redis again.
    #[serde(rename = "redis.start")]
    RedisStart,
}

/// What is done to the system, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// SIGKILL of the step's processes.
    KillWorkers,
    /// The step's processes are stopped, gracefully if they still can, and started anew.
    RestartWorkers,
    /// SIGKILL of Redis.
    KillRedis {
        /// Whether its data is kept.
        keep_data: bool,
    },
    /// Redis is started.
    StartRedis {
        /// Whether it finds its data.
        keep_data: bool,
    },
    /// Nothing: the handlers know the plan and the time.
    LeaveToHandlers,
}

impl Fault {
    /// The name used in scenarios and records.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::WorkerKill => "worker.kill",
            Self::HandlerFail { .. } => "handler.fail",
            Self::HandlerSlow { .. } => "handler.slow",
            Self::HandlerDeadlock => "handler.deadlock",
            Self::RedisKill { .. } => "redis.kill",
        }
    }

    /// The only remedy that ends it; `None`: it ends by itself.
    #[must_use]
    pub fn ended_by(&self) -> Option<Remedy> {
        match self {
            Self::WorkerKill | Self::HandlerDeadlock => Some(Remedy::WorkerRestart),
            Self::RedisKill { .. } => Some(Remedy::RedisStart),
            Self::HandlerFail { .. } | Self::HandlerSlow { .. } => None,
        }
    }

    /// Whether the workers bring it about themselves, knowing the plan and the time.
    #[must_use]
    pub fn is_in_handlers(&self) -> bool {
        self.deed(Phase::Begin) == Deed::LeaveToHandlers
    }

    /// What is done at its beginning, or to end it.
    #[must_use]
    pub fn deed(&self, phase: Phase) -> Deed {
        match (self, phase) {
            (Self::WorkerKill, Phase::Begin) => Deed::KillWorkers,
            (Self::WorkerKill | Self::HandlerDeadlock, Phase::End) => Deed::RestartWorkers,
            (Self::RedisKill { keep_data }, Phase::Begin) => Deed::KillRedis {
                keep_data: *keep_data,
            },
            (Self::RedisKill { keep_data }, Phase::End) => Deed::StartRedis {
                keep_data: *keep_data,
            },
            (Self::HandlerDeadlock, Phase::Begin)
            | (Self::HandlerFail { .. } | Self::HandlerSlow { .. }, _) => Deed::LeaveToHandlers,
        }
    }
}

impl Remedy {
    /// The name used in scenarios and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WorkerRestart => "worker.restart",
            Self::RedisStart => "redis.start",
        }
    }
}
