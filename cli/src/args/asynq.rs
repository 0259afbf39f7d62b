//! What can be typed after `firedrill asynq`: the grammar of asynq's own command line (`tools/asynq`), its names and
//! short flags. What that command line would refuse is taken here, too, so that the answer can say what was meant.

use clap::{ArgAction, Args, Parser, Subcommand};
use firedrill_asynq::inspector::OrphanKind;

/// `asynq`. Its arguments are parsed apart, because `-q` means `--queue` to asynq and `--quiet` to firedrill.
#[derive(Debug, Args)]
pub struct Asynq {
    /// Command and flags, as asynq's own command line has them
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENT"
    )]
    pub arguments: Vec<String>,
}

/// What the help says beyond the list of commands.
const AFTER_HELP: &str = "\
Commands and flags are those of asynq's own command line, and so are tables and texts. Other than there:
  - a command that fails exits with a code other than 0, also `queue inspect` and `queue history`, which exit with 0 in asynq
  - errors and notes go to standard error
  - looking never changes anything: asynq's `server ls` and `cron ls` remove entries that have expired
  - `queue rm --force` also deletes what was trimmed from the archive, `orphan` finds what is left over
  - what cannot be read is named with its key, and the rest is shown; asynq leaves it out without a word
  - control characters in errors, names and ids are escaped
  - only --redis has a variable, FIREDRILL_REDIS; URI, DB, USERNAME, PASSWORD ... and ~/.asynq.* are not read

Exit codes:
    0  done
    1  not done: no such queue or task, not empty, in progress, refused by Redis
    2  not understood; nothing was done, and the answer says what to type
    7  Redis cannot be reached
   70  internal error";

/// The whole line after `firedrill asynq`.
#[derive(Debug, Parser)]
#[command(
    name = "firedrill asynq",
    bin_name = "firedrill asynq",
    about = "Look at asynq's queues and tasks and put them right, with the grammar of asynq's own command line",
    after_help = AFTER_HELP,
    args_override_self = true,
    disable_help_subcommand = true,
    infer_subcommands = false
)]
pub struct Line {
    /// Where Redis is.
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON value instead of text
    #[arg(long, global = true, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          hide_default_value = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Where Redis is, and how to get in.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Redis")]
pub struct Target {
    /// Server, not as a URL [default: 127.0.0.1:6379]
    #[arg(long, short = 'u', global = true, value_name = "HOST:PORT")]
    pub uri: Option<String>,
    /// Server as a URL: redis://, rediss://, unix://, redis-cluster:// or redis-sentinel://; instead of the other flags
    #[arg(
        long,
        env = "FIREDRILL_REDIS",
        hide_env_values = true,
        global = true,
        value_name = "URL"
    )]
    pub redis: Option<String>,
    /// Database number
    #[arg(long, short = 'n', global = true, value_name = "N")]
    pub db: Option<u32>,
    /// User (ACL)
    #[arg(long, short = 'U', global = true, value_name = "NAME")]
    pub username: Option<String>,
    /// Password
    #[arg(long, short = 'p', global = true, value_name = "PASSWORD")]
    pub password: Option<String>,
    /// Connect to a Redis Cluster
    #[arg(long, global = true, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          hide_default_value = true)]
    pub cluster: bool,
    /// Nodes of the cluster
    #[arg(
        long = "cluster_addrs",
        global = true,
        value_name = "HOST:PORT,...",
        default_value = "127.0.0.1:7000,127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003,127.0.0.1:7004,127.0.0.1:7005"
    )]
    pub cluster_addrs: String,
    /// Connect with TLS
    #[arg(long, global = true, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          hide_default_value = true)]
    pub tls: bool,
    /// Name on the server's certificate, if it is not the host's; means --tls
    #[arg(
        long = "tls_server",
        id = "tls_server",
        global = true,
        value_name = "NAME"
    )]
    pub tls_server: Option<String>,
    /// Take any certificate
    #[arg(long, global = true, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          hide_default_value = true)]
    pub insecure: bool,
    /// asynq's configuration file, which is not read here
    #[arg(long, global = true, hide = true, value_name = "FILE")]
    pub config: Option<String>,
}

impl Target {
    /// Whether TLS is asked for, in so many words or by naming the server.
    #[must_use]
    pub fn uses_tls(&self) -> bool {
        self.tls || self.tls_server.is_some()
    }
}

/// The nouns.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Manage queues
    #[command(subcommand)]
    Queue(Queue),
    /// Manage tasks
    #[command(subcommand)]
    Task(Task),
    /// Manage groups
    #[command(subcommand)]
    Group(Group),
    /// Manage servers
    #[command(subcommand)]
    Server(Server),
    /// Manage periodic tasks
    #[command(subcommand)]
    Cron(Cron),
    /// Find and clear what is left over and goes away by nothing else
    #[command(subcommand)]
    Orphan(Orphan),
    /// Show how many tasks there are in each state and queue, and how Redis is
    Stats,
    /// Print the versions of firedrill and of the asynq it agrees with
    #[command(hide = true)]
    Version,
    /// Anything else, to be answered.
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// `queue`.
#[derive(Debug, Subcommand)]
pub enum Queue {
    /// List queues
    #[command(visible_alias = "ls")]
    List,
    /// Display detailed information on one or more queues
    Inspect {
        /// Queue names
        #[arg(value_name = "QUEUE")]
        queues: Vec<String>,
    },
    /// Display what one or more queues did on the last days
    History {
        /// Queue names
        #[arg(value_name = "QUEUE")]
        queues: Vec<String>,
        /// Number of days
        #[arg(
            long,
            short = 'x',
            default_value_t = 10,
            value_name = "N",
            allow_negative_numbers = true
        )]
        days: i64,
    },
    /// Pause one or more queues
    Pause {
        /// Queue names
        #[arg(value_name = "QUEUE")]
        queues: Vec<String>,
    },
    /// Resume (unpause) one or more queues
    #[command(visible_alias = "unpause")]
    Resume {
        /// Queue names
        #[arg(value_name = "QUEUE")]
        queues: Vec<String>,
    },
    /// Remove one or more queues
    #[command(visible_aliases = ["rm", "delete"])]
    Remove {
        /// Queue names
        #[arg(value_name = "QUEUE")]
        queues: Vec<String>,
        /// Remove the queue with the tasks in it
        #[arg(long, short = 'f', default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
              require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
              hide_default_value = true)]
        force: bool,
    },
    /// Anything else, to be answered.
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// `task`.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// List tasks of a state, the oldest or first due first
    #[command(visible_alias = "ls")]
    List {
        /// Which tasks.
        #[command(flatten)]
        many: Many,
        /// Page of the list
        #[command(flatten)]
        page: Page,
    },
    /// Display detailed information on a task
    Inspect(One),
    /// Make a task pending
    Run(One),
    /// Archive a task
    Archive(One),
    /// Delete a task
    #[command(visible_aliases = ["remove", "rm"])]
    Delete(One),
    /// Ask workers to give up one or more tasks in progress
    Cancel {
        /// Task ids
        #[arg(value_name = "TASK_ID")]
        ids: Vec<String>,
    },
    /// Make all tasks of a state pending: scheduled, retry, archived, or aggregating with --group
    #[command(name = "runall")]
    RunAll(Many),
    /// Archive all tasks of a state: pending, scheduled, retry, or aggregating with --group
    #[command(name = "archiveall")]
    ArchiveAll(Many),
    /// Delete all tasks of a state: pending, scheduled, retry, archived, completed, or aggregating with --group
    #[command(name = "deleteall")]
    DeleteAll(Many),
    /// Enqueue a task
    Enqueue(Box<Enqueue>),
    /// Anything else, to be answered.
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// One task. Both flags are required; what people give instead is taken to be answered.
#[derive(Debug, Args)]
pub struct One {
    /// Queue of the task (required)
    #[arg(long, short = 'q', value_name = "QUEUE")]
    pub queue: Option<String>,
    /// Id of the task (required)
    #[arg(long, short = 'i', value_name = "TASK_ID")]
    pub id: Option<String>,
    /// What asynq takes for whole states only.
    #[arg(long, short = 's', hide = true)]
    pub state: Option<String>,
    /// What asynq takes by flags only.
    #[arg(hide = true)]
    pub bare: Vec<String>,
}

/// The tasks of a state.
#[derive(Debug, Args)]
pub struct Many {
    /// Queue of the tasks (required)
    #[arg(long, short = 'q', value_name = "QUEUE")]
    pub queue: Option<String>,
    /// State of the tasks (required)
    #[arg(long, short = 's', value_name = "STATE")]
    pub state: Option<String>,
    /// Group of the tasks (required for aggregating ones)
    #[arg(long, short = 'g', value_name = "GROUP")]
    pub group: Option<String>,
    /// What asynq takes for single tasks only.
    #[arg(long, short = 'i', hide = true)]
    pub id: Option<String>,
    /// What asynq takes by flags only.
    #[arg(hide = true)]
    pub bare: Vec<String>,
}

/// A page of a list.
#[derive(Debug, Clone, Copy, Args)]
pub struct Page {
    /// Page number
    #[arg(
        long,
        default_value_t = 1,
        value_name = "N",
        allow_negative_numbers = true
    )]
    pub page: i64,
    /// Page size; 0 is all
    #[arg(
        long,
        default_value_t = 30,
        value_name = "N",
        allow_negative_numbers = true
    )]
    pub size: i64,
}

/// `task enqueue`. Durations are written as in Go (`90s`, `1h30m`), times as in RFC 3339.
#[derive(Debug, Args)]
pub struct Enqueue {
    /// Type of the task (required)
    #[arg(long = "type_name", short = 't', value_name = "TYPE")]
    pub type_name: Option<String>,
    /// Payload (required)
    #[arg(long, short = 'l', value_name = "TEXT")]
    pub payload: Option<String>,
    /// Most retries
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub retry: Option<i32>,
    /// Queue
    #[arg(long, value_name = "QUEUE")]
    pub queue: Option<String>,
    /// Id of the task
    #[arg(long, value_name = "TASK_ID")]
    pub id: Option<String>,
    /// Longest processing time
    #[arg(long, value_name = "DURATION")]
    pub timeout: Option<String>,
    /// When processing must be over
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<String>,
    /// How long no equal task is accepted
    #[arg(long, value_name = "DURATION")]
    pub unique: Option<String>,
    /// When to process it
    #[arg(long = "process_at", value_name = "TIME")]
    pub process_at: Option<String>,
    /// When to process it, from now
    #[arg(long = "process_in", value_name = "DURATION")]
    pub process_in: Option<String>,
    /// How long to keep it after success
    #[arg(long, value_name = "DURATION")]
    pub retention: Option<String>,
    /// Group to aggregate it with
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
}

/// `group`.
#[derive(Debug, Subcommand)]
pub enum Group {
    /// List groups
    #[command(visible_alias = "ls")]
    List {
        /// Queue of the groups (required)
        #[arg(long, short = 'q', value_name = "QUEUE")]
        queue: Option<String>,
        /// What asynq takes by flags only.
        #[arg(hide = true)]
        bare: Vec<String>,
    },
    /// Anything else, to be answered.
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// `server`.
#[derive(Debug, Subcommand)]
pub enum Server {
    /// List running worker servers
    #[command(visible_alias = "ls")]
    List,
    /// Anything else, to be answered.
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// `orphan`; asynq's own command line has no such noun.
#[derive(Debug, Subcommand)]
pub enum Orphan {
    /// List tasks in no state, active ones without a lease, leases and locks of nothing, pending entries without a task
    #[command(visible_alias = "ls")]
    List {
        /// Only this queue
        #[arg(long, short = 'q', value_name = "QUEUE")]
        queue: Option<String>,
    },
    /// Clear the orphans of one kind in one queue
    Clear {
        /// Queue of the orphans
        #[arg(long, short = 'q', value_name = "QUEUE")]
        queue: String,
        /// Kind of the orphans: task, active, lease, lock or pending
        #[arg(long, short = 'k', value_name = "KIND", value_parser = orphan_kind)]
        kind: OrphanKind,
    },
    /// Anything else, to be answered.
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// Reads `--kind`.
fn orphan_kind(text: &str) -> Result<OrphanKind, String> {
    let names = OrphanKind::ALL.map(OrphanKind::name);
    OrphanKind::named(text).ok_or_else(|| format!("one of {}", names.join(", ")))
}

/// `cron`.
#[derive(Debug, Subcommand)]
pub enum Cron {
    /// List periodic tasks
    #[command(visible_alias = "ls")]
    List,
    /// Show when periodic tasks were enqueued
    History {
        /// Ids of the entries, as `cron ls` shows them
        #[arg(value_name = "ENTRY_ID")]
        entries: Vec<String>,
        /// Page of the list
        #[command(flatten)]
        page: Page,
    },
    /// Anything else, to be answered.
    #[command(external_subcommand)]
    Other(Vec<String>),
}

#[cfg(test)]
mod tests {
    use super::Line;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_consistent() {
        Line::command().debug_assert();
    }
}
