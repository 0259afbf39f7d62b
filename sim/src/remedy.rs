//! Every remedy there is, a file each: what an operator does. One that does not help is a legitimate part of a drill.
//!
//! To add one, write its file and a line in the list below.

use crate::fault::{Fault, properties};
use crate::form::{Form, Row, Yaml};
use crate::lever::{Class, Lever, On, Part, TasksLever};
use firedrill_asynq::op::{Deed, TaskState};
use firedrill_detector::yaml::{Fields, Problems};
use serde::{Deserialize, Serialize};

/// What a remedy is: said in its own file, once. Its name, what it is in a sentence, and its parameters are its form's.
pub trait Definition: Form {
    /// What it is done to.
    const ON: On;
    /// What becomes of it when nobody undoes it.
    const CLASS: Class;
    /// Why the model cannot have it; empty: it can.
    const LIVE_ONLY: &'static str = "";

    /// What is done; `ends`: the fault it ends, if it ends one.
    fn done(&self, ends: Option<&Fault>) -> Lever;

    /// The remedy that ends `fault`, where it is written beside the fault's end.
    fn of(fault: &Fault) -> Option<Self>;

    /// What it is done to first, and how; `None`: to all at once, and that is all. When so many parts have been done before, 0 or
    /// more, the next one; `targets`: those the step is done to.
    fn part(&self, _number: u32, _targets: &[String]) -> Option<Part> {
        None
    }

    /// How long it takes until all is done, at least, when it is done to so many, virtual milliseconds.
    fn takes_ms(&self, _targets: usize) -> i64 {
        0
    }

    /// The queue it is done to, if it is one.
    fn queue(&self) -> Option<&str> {
        None
    }

    /// The task type it is done to, if it is one.
    fn task(&self) -> Option<&str> {
        None
    }

    /// The task type that it moves, from which queue and to which, if it does that.
    fn moves(&self) -> Option<(&str, &str, &str)> {
        None
    }

    /// What is wrong with it, whatever stands beside it, and what is accepted.
    fn wrong(&self) -> Option<(String, &'static str)> {
        None
    }

    /// The group of workers that it gives so many processes, if it does that.
    fn scale(&self) -> Option<(&str, u32)> {
        None
    }
}

/// The lever of remedies that change tasks of a state.
fn tasks_changed(
    deed: Deed,
    queue: &str,
    state: &str,
    (task, older_than_ms): (Option<&String>, Option<i64>),
) -> Lever {
    Lever::Tasks {
        queue: queue.to_owned(),
        what: TasksLever::Change {
            deed,
            // The form accepts no other words.
            state: TaskState::named(state).unwrap_or(TaskState::Pending),
            task: task.cloned(),
            older_than_ms,
        },
    }
}

/// What is wrong with an age of tasks of a state, if one is given.
fn unknown_age(state: &str, older_than_ms: Option<i64>) -> Option<(String, &'static str)> {
    let is_known = matches!(state, "pending" | "archived");
    (older_than_ms.is_some() && !is_known).then(|| {
        let message = format!("older_than: Redis does not know since when a task is {state}");
        (
            message,
            "it goes with `state: pending` and `state: archived`",
        )
    })
}

/// A remedy as it is described to people.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub summary: &'static str,
    /// What it is done to.
    pub on: On,
    /// What becomes of it when nobody undoes it.
    pub class: Class,
    /// Its parameters.
    pub rows: fn() -> Vec<Row>,
    /// Their JSON Schema, as an object's `properties`.
    pub schema: fn() -> serde_json::Value,
    /// Why the model cannot have it; empty: it can.
    pub live_only: &'static str,
}

impl Kind {
    const fn of<D: Definition>() -> Self {
        Self {
            name: D::WHAT,
            summary: D::SENTENCE,
            on: D::ON,
            class: D::CLASS,
            rows: D::rows,
            schema: properties::<D>,
            live_only: D::LIVE_ONLY,
        }
    }
}

macro_rules! remedies {
    ($($name:literal $module:ident $remedy:ident;)*) => {
        $(
            mod $module;
            pub use $module::$remedy;
            const _: () = assert!(crate::fault::is_same($name, $remedy::WHAT), "a remedy has one name");
        )*

        /// A remedy and its parameters.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        #[expect(missing_docs, reason = "each stands in a file of its own")]
        pub enum Remedy {
            $(#[serde(rename = $name)] $remedy($remedy),)*
        }

        /// All remedies, in the order of the list.
        pub const KINDS: &[Kind] = &[$(Kind::of::<$remedy>(),)*];

        impl Remedy {
            /// How it is described to people.
            #[must_use]
            pub fn kind(&self) -> &'static Kind {
                match self { $(Self::$remedy(_) => const { &Kind::of::<$remedy>() },)* }
            }

            /// Takes the parameters of the remedy called `name` from an entry. `None`, without a problem, when there is none.
            pub(crate) fn read(
                name: &str,
                fields: &mut Fields<'_>,
                problems: &mut Problems,
            ) -> Option<Option<Self>> {
                match name {
                    $($name => Some($remedy::take(fields, problems).map(Self::$remedy)),)*
                    _ => None,
                }
            }

            /// The remedy called `name`, done to what `fault` is done to. `None` when there is none, or it needs to be told
            /// more.
            pub(crate) fn of(name: &str, fault: &Fault) -> Option<Self> {
                match name {
                    $($name => $remedy::of(fault).map(Self::$remedy),)*
                    _ => None,
                }
            }

            /// Adds its parameters as they are printed.
            pub(crate) fn put_entries(&self, entries: &mut Vec<(String, Yaml)>) {
                match self { $(Self::$remedy(remedy) => remedy.put_entries(entries),)* }
            }

            /// What is done; `ends`: the fault it ends, if it ends one.
            #[must_use]
            pub fn done(&self, ends: Option<&Fault>) -> Lever {
                match self { $(Self::$remedy(remedy) => remedy.done(ends),)* }
            }

            /// What is done when so many parts of it have been done before; `None`: nothing, or all at once.
            #[must_use]
            pub fn part(&self, number: u32, targets: &[String]) -> Option<Part> {
                match self { $(Self::$remedy(remedy) => remedy.part(number, targets),)* }
            }

            /// How long it takes until all is done, at least, when it is done to so many, virtual milliseconds.
            #[must_use]
            pub fn takes_ms(&self, targets: usize) -> i64 {
                match self { $(Self::$remedy(remedy) => remedy.takes_ms(targets),)* }
            }

            /// The queue it is done to, if it is one.
            #[must_use]
            pub fn queue(&self) -> Option<&str> {
                match self { $(Self::$remedy(remedy) => remedy.queue(),)* }
            }

            /// The task type it is done to, if it is one.
            #[must_use]
            pub fn task(&self) -> Option<&str> {
                match self { $(Self::$remedy(remedy) => remedy.task(),)* }
            }

            /// The task type that it moves, from which queue and to which, if it does that.
            #[must_use]
            pub fn moves(&self) -> Option<(&str, &str, &str)> {
                match self { $(Self::$remedy(remedy) => remedy.moves(),)* }
            }

            /// What is wrong with it, whatever stands beside it, and what is accepted.
            #[must_use]
            pub fn wrong(&self) -> Option<(String, &'static str)> {
                match self { $(Self::$remedy(remedy) => remedy.wrong(),)* }
            }

            /// The group of workers that it gives so many processes, if it does that.
            #[must_use]
            pub fn scale(&self) -> Option<(&str, u32)> {
                match self { $(Self::$remedy(remedy) => remedy.scale(),)* }
            }
        }
    };
}

impl Remedy {
    /// The name used in scenarios and records.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind().name
    }
}

remedies! {
    "worker.restart" worker_restart WorkerRestart;
    "worker.rolling-restart" worker_rolling_restart WorkerRollingRestart;
    "worker.rollback" worker_rollback WorkerRollback;
    "workers.scale" workers_scale WorkersScale;
    "redis.start" redis_start RedisStart;
    "redis.raise-maxmemory" redis_raise_maxmemory RedisRaiseMaxmemory;
    "queue.unpause" queue_unpause QueueUnpause;
    "tasks.run" tasks_run TasksRun;
    "tasks.archive" tasks_archive TasksArchive;
    "tasks.delete" tasks_delete TasksDelete;
    "task.move" task_move TaskMove;
    "orphans.repair" orphans_repair OrphansRepair;
}
