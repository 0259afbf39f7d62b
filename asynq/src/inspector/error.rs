//! Why something could not be looked at or done, in asynq's words.

use crate::inspector::oddity::Oddity;
use crate::op::BrokerError;

/// Why an operation of the inspector failed. The texts of the first variants are asynq's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// The name of a queue is blank.
    #[error("queue name must contain one or more characters")]
    BlankQueue,
    /// No producer has published this queue here, or Redis has lost its data since.
    #[error("queue {0:?} does not exist")]
    QueueNotFound(String),
    /// Only an empty queue is removed without force.
    #[error("queue {0:?} is not empty")]
    QueueNotEmpty(String),
    /// A queue with tasks in progress is not removed, not even by force.
    #[error("cannot remove queue with active tasks")]
    QueueActive(String),
    /// It is paused already.
    #[error("queue {0:?} is already paused")]
    AlreadyPaused(String),
    /// It is not paused.
    #[error("queue {0:?} is not paused")]
    NotPaused(String),
    /// No day, or a negative number of them, was asked for.
    #[error("the number of days must be positive")]
    NoDays,
    /// The queue has no such task.
    #[error("cannot find task with id={id} in queue {queue:?}")]
    TaskNotFound {
        /// Queue name.
        queue: String,
        /// Task id.
        id: String,
    },
    /// A task that is to run is in progress.
    #[error("task is already running")]
    Running,
    /// A task that is to run is pending.
    #[error("task is already in pending state")]
    AlreadyPending,
    /// A task that is to be archived is archived.
    #[error("task is already archived: id={id}, queue={queue}")]
    AlreadyArchived {
        /// Queue name.
        queue: String,
        /// Task id.
        id: String,
    },
    /// A task in progress is not archived.
    #[error("cannot archive task in active state. use CancelProcessing instead.")]
    ArchiveActive,
    /// A task in progress is not deleted.
    #[error("cannot delete task in active state. use CancelProcessing instead.")]
    DeleteActive,
    /// Only the payload of a scheduled task can be changed.
    #[error("cannot update task that is not in scheduled state.")]
    NotScheduled,
    /// The hash of a task names a state, and the set of that state does not hold the task.
    #[error("task {id} is not in {key}, where its state says it is")]
    NotListed {
        /// Where it should be.
        key: String,
        /// Task id.
        id: String,
    },
    /// A key holds something else than asynq would have put there.
    #[error("{0}")]
    Foreign(Oddity),
    /// Redis did not do it.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// Why Redis refused a command, of the reasons that say something about a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A key holds another type.
    WrongType,
    /// This is a read-only replica.
    ReadOnly,
    /// Redis is at `maxmemory` and evicts nothing.
    OutOfMemory,
    /// Redis wants a password, or another one.
    Password,
    /// The user may not do this.
    Permission,
    /// Redis cannot save its data and therefore takes no writes.
    Unsaved,
    /// This Redis is no cluster.
    NoCluster,
    /// This Redis is older than the command.
    TooOld,
}

impl Refusal {
    /// Words of Redis' errors, and of what `broker::redis` makes of them.
    const SIGNS: [(&'static str, Self); 14] = [
        ("the wrong kind of value", Self::WrongType),
        ("a read only replica", Self::ReadOnly),
        ("READONLY", Self::ReadOnly),
        ("not allowed when used memory", Self::OutOfMemory),
        ("Authentication required", Self::Password),
        ("asks for a password", Self::Password),
        ("invalid username-password pair", Self::Password),
        ("invalid password", Self::Password),
        ("no permissions to", Self::Permission),
        ("MISCONF", Self::Unsaved),
        ("cluster support disabled", Self::NoCluster),
        ("is not part of a cluster", Self::NoCluster),
        ("unknown command", Self::TooOld),
        ("Unknown Redis command", Self::TooOld),
    ];

    fn of(text: &str) -> Option<Self> {
        let mut signs = Self::SIGNS.into_iter();
        let found = signs.find(|(sign, _)| text.contains(sign));
        found.map(|(_, refusal)| refusal)
    }

    /// What it means for whoever typed the command.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::WrongType => {
                "a key under asynq's names holds something else: another program writes there"
            }
            Self::ReadOnly => {
                "this is a read-only replica: lists can be read here, changes go to its master"
            }
            Self::OutOfMemory => {
                "Redis is at maxmemory: workers cannot take tasks either; deleting tasks and removing queues still works"
            }
            Self::Password => {
                "Redis wants a user or password: -U and -p, or redis://user:password@host:port"
            }
            Self::Permission => {
                "this Redis user may not run the command; asynq needs all its keys and scripts"
            }
            Self::Unsaved => "Redis cannot save its data to disk and takes no writes until it can",
            Self::NoCluster => "this Redis is no cluster: leave --cluster out",
            Self::TooOld => "this Redis is older than asynq needs: 6.2 or later",
        }
    }
}

impl InspectError {
    /// The code that asynq puts before the text.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::QueueNotFound(_) | Self::QueueNotEmpty(_) | Self::TaskNotFound { .. } => {
                Some("NOT_FOUND")
            }
            Self::QueueActive(_)
            | Self::NoDays
            | Self::Running
            | Self::AlreadyPending
            | Self::AlreadyArchived { .. }
            | Self::ArchiveActive
            | Self::DeleteActive
            | Self::NotScheduled => Some("FAILED_PRECONDITION"),
            Self::NotListed { .. } => Some("UNKNOWN"),
            Self::BlankQueue
            | Self::AlreadyPaused(_)
            | Self::NotPaused(_)
            | Self::Foreign(_)
            | Self::Broker(_) => None,
        }
    }

    /// Why Redis refused it, if it did and the reason is a known one.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Broker(BrokerError::Refused(text)) => Refusal::of(text),
            Self::Foreign(_) => Some(Refusal::WrongType),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_from_redis_words() {
        let wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value";
        let out_of_memory = "OOM command not allowed when used memory > 'maxmemory'.";
        for (text, refusal) in [
            (wrong_type, Some(Refusal::WrongType)),
            (out_of_memory, Some(Refusal::OutOfMemory)),
            (
                "ReadOnly: You can't write against a read only replica.",
                Some(Refusal::ReadOnly),
            ),
            ("NOAUTH: Authentication required.", Some(Refusal::Password)),
            (
                "NOPERM User u has no permissions to run the 'get' command",
                Some(Refusal::Permission),
            ),
            (
                "ERR This instance has cluster support disabled",
                Some(Refusal::NoCluster),
            ),
            ("something else", None),
        ] {
            let error = InspectError::from(BrokerError::Refused(text.into()));
            assert_eq!(error.refusal(), refusal, "{text}");
        }
    }

    #[test]
    fn texts_are_asynqs() {
        let not_found = InspectError::TaskNotFound {
            queue: "q".into(),
            id: "x".into(),
        };
        assert_eq!(
            not_found.to_string(),
            "cannot find task with id=x in queue \"q\""
        );
        assert_eq!(
            InspectError::NotPaused("q".into()).to_string(),
            "queue \"q\" is not paused"
        );
    }
}
