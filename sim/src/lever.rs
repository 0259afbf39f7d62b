//! What an engine can do, as data: the closed alphabet that faults and remedies are written in.
//!
//! Each engine carries levers out in one place. A lever comes with what there is to be seen when it has taken effect,
//! and a step that is not seen to have taken effect makes its drill inconclusive.

mod redis;
mod wire;

pub(crate) use redis::not_raised;
pub use redis::{BUSY_AFTER_MS, Denied, Eviction, RedisLever};
pub use wire::{LinkLever, PointLever, PointRule, PointVerdict, Ways, Which};

use firedrill_asynq::actor::ErrorKind;
use firedrill_asynq::op::{Deed, TaskState};

/// Something that is done to the system at a moment.
#[derive(Debug, Clone, PartialEq)]
pub enum Lever {
    /// To handlers while the step is on: they know the plan and the time, so nothing is done at a moment.
    Handler(HandlerLever),
    /// To a resource that handlers share, while the step is on: whoever grants it knows the plan and the time.
    Resource {
        /// Its name.
        resource: String,
        /// What is done to it.
        what: ResourceLever,
    },
    /// To the step's processes.
    Process(ProcessLever),
    /// To Redis.
    Redis(RedisLever),
    /// To a queue, by hand, as asynq's inspector does it.
    Queue {
        /// Its name.
        queue: String,
        /// What is done to it.
        what: QueueLever,
    },
    /// To tasks of a queue, by hand.
    Tasks {
        /// The queue's name.
        queue: String,
        /// What is done to them.
        what: TasksLever,
    },
    /// To the uniqueness locks of a task type.
    Locks {
        /// The task type.
        task: String,
        /// What is done to them.
        what: LockLever,
    },
    /// To the links between the step's clients and Redis.
    Link(LinkLever),
    /// To the clocks of the step's processes, which know the plan and the time.
    Clock(ClockLever),
    /// To the lives of the step's processes, which know the plan and the time.
    Life(LifeLever),
    /// To what is enqueued; the producer knows the plan and the time.
    Load(LoadLever),
    /// To what is enqueued and not taken: it is sent again. The producer knows the plan and the time.
    Again {
        /// How long after each refusal, virtual milliseconds.
        every_ms: i64,
    },
    /// To calls of the step's clients, each at a point of asynq's protocol.
    Point(PointLever),
    /// The step's targets cannot be scraped, or can be again.
    Scrape {
        /// Whether Prometheus reaches them.
        reachable: bool,
    },
    /// The step's exporters are gone, or there again.
    Exporters {
        /// Whether they are there.
        there: bool,
    },
    /// The step's targets answer scrapes late.
    SlowScrapes {
        /// How late, virtual milliseconds; 0: at once.
        ms: i64,
    },
    /// The step's processes come, those that are there go gracefully; Prometheus finds those that are there.
    Members {
        /// Prometheus goes on looking for those that have gone, as where targets are written down by hand.
        targets_stay: bool,
    },
}

/// One of the things that a step does one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// How long after the one before was done, virtual milliseconds; the first: after the step begins.
    pub after_ms: i64,
    /// What is done.
    pub lever: Lever,
    /// To whom.
    pub targets: Vec<String>,
}

/// What becomes of handlers.
#[derive(Debug, Clone, PartialEq)]
pub enum HandlerLever {
    /// They return an error.
    Fail {
        /// Task type.
        task: String,
        /// Share of executions that fail, above 0 and up to 1.
        share: f64,
        /// The error's text.
        error: String,
        /// What it asks for.
        fail_as: ErrorKind,
        /// Only the first so many attempts at a task; `None`: all.
        attempts: Option<u32>,
    },
    /// They take longer.
    Slow {
        /// Task type; `None`: all.
        task: Option<String>,
        /// How many times longer.
        factor: f64,
    },
    /// They lock each other out for good, in the step's processes.
    Deadlock,
    /// They panic.
    Panic {
        /// Task type; `None`: all.
        task: Option<String>,
        /// Share of executions that do, above 0 and up to 1.
        share: f64,
        /// Whether the application's own counters see it.
        counted: bool,
    },
    /// They never return, in the step's processes.
    Hang {
        /// Task type; `None`: all.
        task: Option<String>,
        /// Which executions.
        which: Hangs,
    },
    /// They bring their process down.
    Crash {
        /// Task type.
        task: String,
        /// Share of tasks that do, at each attempt, above 0 and up to 1.
        share: f64,
    },
    /// They enqueue the same again and succeed.
    Requeue {
        /// Task type.
        task: String,
        /// Share of executions that do, above 0 and up to 1.
        share: f64,
        /// How much later that is due, virtual milliseconds.
        delay_ms: i64,
    },
}

/// What becomes of a resource.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ResourceLever {
    /// It is held for longer.
    Slow {
        /// How many times longer.
        factor: f64,
    },
    /// Fewer may hold it at a time.
    Shrink {
        /// So many.
        to: u32,
    },
    /// It answers with an error at once.
    Fail,
}

/// Which executions hang.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hangs {
    /// Such a share of them, drawn for each.
    Share(f64),
    /// The first attempt of one task in so many.
    Every(u32),
}

/// What is done to processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessLever {
    /// SIGKILL.
    Kill,
    /// SIGSTOP: they keep their connections, and do nothing.
    Stop,
    /// SIGCONT.
    Continue,
    /// SIGTERM; SIGKILL to what is still there after the grace period.
    Terminate {
        /// Virtual milliseconds; `None`: as long as the server's graceful shutdown takes at most.
        grace_ms: Option<i64>,
    },
    /// As `docker restart` does: SIGTERM, a bounded wait, SIGKILL, and new processes under the old names. Those of a broken
    /// release end at boot again.
    Restart,
    /// SIGTSTP: as asynq's servers do, they fetch nothing more, and go on otherwise.
    Quiet,
    /// They get a share of a processor: of each period they run for so long, and are stopped for the rest, as by a quota of a
    /// control group.
    Throttle {
        /// Virtual milliseconds.
        run_ms: i64,
        /// Virtual milliseconds.
        period_ms: i64,
    },
    /// They get all they want again.
    Unthrottle,
    /// A release: they go gracefully, and new ones come under the old names. Prometheus finds those that are there.
    Deploy {
        /// Whether the new ones boot. Those that do not end at once, with an error.
        boots: bool,
    },
}

/// What is done to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueLever {
    /// No worker takes tasks from it any more.
    Pause,
    /// They do again.
    Unpause,
    /// The set of its leases is deleted, as soon as there is one.
    LoseLeases,
    /// Messages that nobody can decode are put where workers find them next.
    Garble {
        /// How many.
        count: u32,
    },
}

/// What is done to uniqueness locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockLever {
    /// They are taken for tasks that there are not, whoever had them.
    Leave {
        /// Those of so many payloads, the first ones.
        count: u32,
    },
    /// They are deleted.
    Free {
        /// Those of so many payloads.
        count: u32,
    },
}

impl LockLever {
    /// Those of so many payloads, the first ones.
    #[must_use]
    pub fn count(self) -> u32 {
        match self {
            Self::Leave { count } | Self::Free { count } => count,
        }
    }
}

/// What is done to tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TasksLever {
    /// Those of a state are run, archived or deleted, as asynq's inspector does it.
    Change {
        /// Which of these.
        deed: Deed,
        /// Their state.
        state: TaskState,
        /// Task type; `None`: all.
        task: Option<String>,
        /// Only those that have been there for so long, virtual milliseconds.
        older_than_ms: Option<i64>,
    },
    /// Those that are active and have no lease go back to `pending`.
    RepairOrphans,
    /// Those of a type that wait are enqueued into another queue; whoever enqueues knows the plan and the time.
    Move {
        /// Task type.
        task: String,
        /// The other queue.
        to: String,
    },
}

/// What is done to clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockLever {
    /// They are so far ahead, virtual milliseconds; negative: behind.
    Skew {
        /// How far.
        ms: i64,
    },
}

/// What becomes of processes, of each from its start, or from the beginning of the step if that is later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeLever {
    /// They crash.
    Crash {
        /// After so long, virtual milliseconds.
        after_ms: i64,
    },
    /// They take memory, evenly, and never give it back, until they have reached their limit and are killed.
    Leak {
        /// How much that is, beyond what they have at rest.
        limit_bytes: u64,
        /// How long that takes, virtual milliseconds.
        fills_ms: i64,
    },
}

impl LifeLever {
    /// How long a process lives with it, virtual milliseconds.
    #[must_use]
    pub fn lasts_ms(self) -> i64 {
        match self {
            Self::Crash { after_ms } => after_ms,
            Self::Leak { fills_ms, .. } => fills_ms,
        }
    }
}

/// What is done to what is enqueued.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadLever {
    /// Task type; `None`: all.
    pub task: Option<String>,
    /// What of it.
    pub what: Arriving,
    /// So many times as much arrives; 0: nothing does.
    pub factor: f64,
}

/// What arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arriving {
    /// Whatever the producer enqueues; more or less of it only where it has a rate.
    All,
    /// Periodic tasks: the scheduler's.
    Periodic,
}

/// What a lever is pulled on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Worker processes: the step says which.
    Workers,
    /// Handlers of tasks, wherever they run.
    Handlers,
    /// A resource that handlers share.
    Resource,
    /// What enqueues.
    Producer,
    /// What enqueues periodic tasks.
    Scheduler,
    /// Redis.
    Redis,
    /// A queue.
    Queue,
    /// Uniqueness locks.
    Locks,
    /// Clients of Redis: worker processes and the producer.
    Clients,
    /// Targets that Prometheus scrapes.
    Targets,
}

/// What becomes of what was done when nobody undoes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It is gone with the harness: a link, a scrape that fails.
    Reversible,
    /// It stays where it was done until it is undone: a stopped process, a pause, a setting.
    Stored,
    /// It cannot be undone: what was killed has lost what it did not write.
    Irreversible,
}

impl Class {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reversible => "reversible",
            Self::Stored => "stored",
            Self::Irreversible => "irreversible",
        }
    }
}

impl On {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Workers => "worker processes",
            Self::Handlers => "handlers",
            Self::Resource => "a resource",
            Self::Producer => "the producer",
            Self::Scheduler => "the scheduler of periodic tasks",
            Self::Redis => "Redis",
            Self::Queue => "a queue",
            Self::Locks => "uniqueness locks",
            Self::Clients => "clients of Redis",
            Self::Targets => "scrape targets",
        }
    }
}
