//! What is not a command of asynq's, and what was meant by it: for people who type, and for runbooks.

mod states;

use crate::args::asynq::{
    Command, Cron, Enqueue, Group, Line, Many, One, Orphan, Queue, Server, Task,
};
use crate::commands::asynq::connect::{quoted, without_password};
use crate::commands::asynq::redis_line;
use firedrill_detector::yaml::closest;
use states::{ARCHIVE_ALL, Bulk, DELETE_ALL, LIST, RUN_ALL, bulk, is_placeholder};

/// Something that was not understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Misread {
    /// What is wrong.
    pub(crate) what: String,
    /// What to type, without the name of the program; `<queue>` stands for a queue that was not named.
    pub(crate) typed: Vec<String>,
    /// A task whose queue was not named.
    pub(super) lookup: Option<String>,
    /// What else to know.
    pub(crate) note: Option<String>,
    /// A URL that was given to `--uri`.
    pub(super) instead_of_uri: Option<String>,
}

/// What stands for a queue that was not named.
const SOME_QUEUE: &str = "<queue>";

impl Misread {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            ..Self::default()
        }
    }

    fn typed(mut self, line: String) -> Self {
        self.typed.push(line);
        self
    }

    fn note(mut self, note: &str) -> Self {
        self.note = Some(note.to_owned());
        self
    }

    /// What to type, with the queues that were found; as it is without any.
    pub(super) fn lines(&self, queues: &[String]) -> Vec<String> {
        if queues.is_empty() {
            return self.typed.clone();
        }
        let fill = |queue: &String| {
            let lines = self.typed.iter();
            lines
                .map(|line| line.replace(SOME_QUEUE, &quoted(queue)))
                .collect::<Vec<_>>()
        };
        queues.iter().flat_map(fill).collect()
    }
}

/// What is wrong with a line, if anything is. Redis is not asked.
pub(crate) fn misread(line: &Line) -> Option<Misread> {
    if let Some(uri) = line.target.uri.as_deref().filter(|uri| uri.contains("://")) {
        let mut misread = Misread::new(format!(
            "--uri takes host:port, and {} is a URL (asynq: too many colons in address)",
            without_password(uri)
        ));
        misread.instead_of_uri = Some(uri.to_owned());
        misread.typed.push(String::new());
        return Some(misread);
    }
    match &line.command {
        Command::Queue(command) => queue(command),
        Command::Task(command) => task(command),
        Command::Group(Group::List { queue, bare }) => {
            needs_queue("group ls", queue.as_deref(), bare)
        }
        Command::Cron(Cron::History { entries, page }) => nothing_named(
            entries,
            "cron history",
            "<entry_id>",
            "`cron ls` shows the ids of entries",
        )
        .or_else(|| numbered(*page, "cron history")),
        Command::Group(Group::Other(words)) => Some(unknown(words, "group", &["list", "ls"])),
        Command::Server(Server::Other(words)) => Some(unknown(words, "server", &["list", "ls"])),
        Command::Cron(Cron::Other(words)) => {
            Some(unknown(words, "cron", &["list", "ls", "history"]))
        }
        Command::Orphan(Orphan::Other(words)) => {
            Some(unknown(words, "orphan", &["list", "ls", "clear"]))
        }
        Command::Other(words) if redis_line::is_one(words) => redis_line::misread(words),
        Command::Other(words) => Some(other(words)),
        Command::Server(Server::List)
        | Command::Cron(Cron::List)
        | Command::Orphan(_)
        | Command::Stats
        | Command::Version => None,
    }
}

fn queue(command: &Queue) -> Option<Misread> {
    let names = [
        "list", "ls", "inspect", "history", "pause", "resume", "unpause", "remove", "rm", "delete",
    ];
    let hint = "`queue ls` shows the queues";
    match command {
        Queue::List => None,
        Queue::Inspect { queues } => nothing_named(queues, "queue inspect", SOME_QUEUE, hint),
        Queue::History { queues, .. } => nothing_named(queues, "queue history", SOME_QUEUE, hint),
        Queue::Pause { queues } => nothing_named(queues, "queue pause", SOME_QUEUE, hint),
        Queue::Resume { queues } => nothing_named(queues, "queue resume", SOME_QUEUE, hint),
        Queue::Remove { queues, .. } => nothing_named(queues, "queue rm", SOME_QUEUE, hint),
        Queue::Other(words) => Some(unknown(words, "queue", &names)),
    }
}

fn task(command: &Task) -> Option<Misread> {
    let names = [
        "list",
        "ls",
        "inspect",
        "run",
        "archive",
        "delete",
        "remove",
        "rm",
        "cancel",
        "runall",
        "archiveall",
        "deleteall",
        "enqueue",
    ];
    match command {
        Task::List { many, page } => bulk(many, &LIST).or_else(|| numbered(*page, "task ls")),
        Task::Inspect(given) => one(given, "inspect", &LIST),
        Task::Run(given) => one(given, "run", &RUN_ALL),
        Task::Archive(given) => one(given, "archive", &ARCHIVE_ALL),
        Task::Delete(given) => one(given, "delete", &DELETE_ALL),
        Task::Cancel { ids } => nothing_named(
            ids,
            "task cancel",
            "<task_id>",
            "`server ls --json` shows the tasks in progress",
        ),
        Task::RunAll(many) => bulk(many, &RUN_ALL),
        Task::ArchiveAll(many) => bulk(many, &ARCHIVE_ALL),
        Task::DeleteAll(many) => bulk(many, &DELETE_ALL),
        Task::Enqueue(task) => enqueue(task),
        Task::Other(words) => Some(unknown(words, "task", &names)),
    }
}

fn one(given: &One, name: &str, all: &Bulk) -> Option<Misread> {
    let id = given
        .id
        .as_deref()
        .or_else(|| given.bare.first().map(String::as_str));
    let queue = given.queue.as_deref();
    if let Some(state) = &given.state {
        return Some(one_with_state(given, name, all, state));
    }
    let missing = match (queue, given.id.as_deref()) {
        (Some(_), Some(_)) if given.bare.is_empty() => return None,
        (Some(_), Some(_)) => "nothing but --queue and --id".to_owned(),
        (None, Some(_)) => {
            "the queue by --queue, too (asynq: required flag(s) \"queue\" not set)".to_owned()
        }
        (_, None) if given.bare.is_empty() => {
            "one task by --queue and --id (asynq: required flag(s) not set)".to_owned()
        }
        (_, None) => format!(
            "the queue by --queue and the id by --id (asynq: unknown command {:?} for \"asynq task {name}\")",
            given.bare[0]
        ),
    };
    let line = format!(
        "task {name} --queue={} --id={}",
        quoted(queue.unwrap_or(SOME_QUEUE)),
        quoted(id.unwrap_or("<task_id>"))
    );
    let mut misread = Misread::new(format!("`task {name}` takes {missing}")).typed(line);
    if queue.is_none() {
        misread.lookup = id.filter(|id| !is_placeholder(id)).map(str::to_owned);
    }
    if name == "run" {
        misread = misread.note("tasks in progress and pending ones are refused; the number of retries done is not reset");
    }
    Some(misread)
}

/// `task archive --state=retry` and the like: all of a state were meant.
fn one_with_state(given: &One, name: &str, all: &Bulk, state: &str) -> Misread {
    let many = Many {
        queue: given.queue.clone(),
        state: Some(state.to_owned()),
        group: None,
        id: None,
        bare: Vec::new(),
    };
    let what = format!(
        "`task {name}` takes one task by --id and no --state (asynq: unknown flag: --state); all tasks of a state are `{}`",
        all.name
    );
    let mut misread = match bulk(&many, all) {
        Some(inner) => Misread {
            what: format!("{what}\n    {}", inner.what),
            ..inner
        },
        None => Misread::new(what).typed(format!(
            "{} --queue={} --state={state}",
            all.name,
            quoted(given.queue.as_deref().unwrap_or(SOME_QUEUE)),
        )),
    };
    if name == "delete" && misread.note.is_none() {
        misread = misread
            .note("that deletes all of them, however old they are, and nothing brings them back");
    }
    misread
}

fn enqueue(task: &Enqueue) -> Option<Misread> {
    if task.type_name.is_some() && task.payload.is_some() {
        return None;
    }
    let line = format!(
        "task enqueue --type_name={} --payload={}",
        quoted(task.type_name.as_deref().unwrap_or("<type>")),
        quoted(task.payload.as_deref().unwrap_or("<payload>"))
    );
    let misread = Misread::new(
        "`task enqueue` needs --type_name and --payload (asynq: required flag(s) not set)",
    );
    Some(misread.typed(line))
}

fn needs_queue(name: &str, queue: Option<&str>, bare: &[String]) -> Option<Misread> {
    if queue.is_some() && bare.is_empty() {
        return None;
    }
    let queue = queue
        .or_else(|| bare.first().map(String::as_str))
        .unwrap_or(SOME_QUEUE);
    let misread = Misread::new(format!(
        "`{name}` takes the queue by --queue (asynq: required flag(s) \"queue\" not set)"
    ));
    Some(misread.typed(format!("{name} --queue={}", quoted(queue))))
}

fn nothing_named(names: &[String], command: &str, what: &str, note: &str) -> Option<Misread> {
    if !names.is_empty() {
        return None;
    }
    let misread = Misread::new(format!(
        "`{command}` needs one {what} or more (asynq: requires at least 1 arg(s), only received 0)"
    ));
    Some(misread.typed(format!("{command} {what}")).note(note))
}

fn numbered(page: crate::args::asynq::Page, command: &str) -> Option<Misread> {
    let misread = Misread::new(format!("pages of `{command}` are numbered from 1"));
    (page.page == 0).then_some(misread)
}

/// A subcommand that is not there.
fn unknown(words: &[String], noun: &str, names: &[&str]) -> Misread {
    let word = words.first().map_or("", String::as_str);
    let rest = rest_of(words);
    let misread = Misread::new(format!("unknown command {word:?} for \"asynq {noun}\""));
    let close = match word {
        "show" | "get" | "info" | "describe" | "view" => {
            Some("inspect").filter(|name| names.contains(name))
        }
        "retry" | "rerun" | "requeue" | "start" | "kick" => {
            Some("run").filter(|name| names.contains(name))
        }
        "kill" | "stop" | "abort" if noun == "task" => Some("cancel"),
        "purge" | "clear" | "flush" if noun == "task" => Some("deleteall"),
        _ => closest(word, names.iter().copied()),
    };
    match (close, words.get(1..)) {
        (Some(close @ ("inspect" | "run" | "archive" | "delete")), Some([id]))
            if noun == "task" && !id.starts_with('-') =>
        {
            let mut misread = misread.typed(format!(
                "task {close} --queue={SOME_QUEUE} --id={}",
                quoted(id)
            ));
            misread.lookup = Some(id.clone()).filter(|id| !is_placeholder(id));
            misread
        }
        (Some(close), _) => misread.typed(format!("{noun} {close}{rest}")),
        (None, _) => misread.note(&format!("commands of {noun}: {}", names.join(", "))),
    }
}

/// A noun that is not there.
fn other(words: &[String]) -> Misread {
    let names = [
        "queue", "task", "group", "server", "cron", "orphan", "stats",
    ];
    let word = words.first().map_or("", String::as_str);
    let rest = rest_of(words);
    let misread = Misread::new(format!("unknown command {word:?} for \"asynq\""));
    match word {
        "runbook" => {
            return Misread::new("runbooks are checked by a command of their own")
                .note("firedrill runbook check RUNBOOK.md tries its commands");
        }
        "dash" => {
            let misread =
                Misread::new("there is no `dash` here; asynq's own has an interactive screen");
            return misread
                .typed("stats".to_owned())
                .typed("queue inspect <queue>".to_owned());
        }
        "inspect" | "run" | "archive" | "delete" | "cancel" | "enqueue" | "runall"
        | "archiveall" | "deleteall" => {
            return misread.typed(format!("task {word}{rest}"));
        }
        "pause" | "unpause" | "resume" | "history" => {
            return misread.typed(format!("queue {word}{rest}"));
        }
        _ => {}
    }
    let singular = word.strip_suffix('s').filter(|name| names.contains(name));
    let close = match word {
        "scheduler" | "schedulers" | "periodic" | "schedule" => Some("cron"),
        "worker" | "workers" => Some("server"),
        "job" | "jobs" => Some("task"),
        _ => singular.or_else(|| closest(word, names)),
    };
    match close {
        Some(close) if rest.is_empty() && close != "stats" => misread.typed(format!("{close} ls")),
        Some(close) => misread.typed(format!("{close}{rest}")),
        None => misread.note(&format!("commands: {}", names.join(", "))),
    }
}

/// `task cancel --id=ID`, with or without a queue: the ids are words of their own.
pub(super) fn cancel_by_flags(words: &[String]) -> Misread {
    let mut line: Vec<String> = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (word.as_str(), None),
        };
        match flag {
            "--id" | "-i" => {
                line.extend(value.map(str::to_owned).or_else(|| words.next().cloned()))
            }
            "--queue" | "-q" if value.is_none() => {
                words.next();
            }
            "--queue" | "-q" => {}
            _ => line.push(word.clone()),
        }
    }
    Misread::new("`task cancel` takes ids and no flags (asynq: unknown flag)")
        .typed(repeated(&line))
        .note("it asks the worker that has the task to give it up; an id is enough to find it")
}

/// What was typed after the first word, with a blank before it.
fn rest_of(words: &[String]) -> String {
    match words.get(1..).unwrap_or_default() {
        [] => String::new(),
        rest => format!(" {}", repeated(rest)),
    }
}

/// Words as they were typed, to be typed again: without passwords, which are left to whoever types them.
pub(super) fn repeated(words: &[String]) -> String {
    let mut line = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (flag, value) = word.split_once('=').unwrap_or((word, ""));
        let joined = word.starts_with("-p") && word.len() > 2;
        match flag {
            "-p" | "--password" if value.is_empty() => {
                words.next();
                line.push(format!("{flag} <password>"));
            }
            _ if flag == "--password" || joined => line.push("-p <password>".to_owned()),
            _ if value.contains("://") => {
                line.push(format!("{flag}={}", quoted(&without_password(value))));
            }
            _ if word.contains("://") => line.push(quoted(&without_password(word))),
            _ => line.push(quoted(word)),
        }
    }
    line.join(" ")
}

/// The words of a line with `--redis` in the place of `--uri`, as a line to be typed.
pub(super) fn with_redis(words: &[String]) -> String {
    let swapped = words.iter().map(|word| match word.as_str() {
        "-u" | "--uri" => "--redis".to_owned(),
        word => {
            let short = word.strip_prefix("-u").filter(|_| !word.starts_with("--"));
            match word.strip_prefix("--uri=").or(short) {
                Some(url) => format!("--redis={}", url.trim_start_matches('=')),
                None => word.to_owned(),
            }
        }
    });
    format!("firedrill asynq {}", repeated(&swapped.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn what_is_to_be_typed_again_holds_no_password() {
        for (line, again) in [
            ("-p s3cret task ls", "-p <password> task ls"),
            ("-ps3cret task ls", "-p <password> task ls"),
            ("--password=s3cret stats", "-p <password> stats"),
            ("--password s3cret stats", "--password <password> stats"),
            (
                "--redis redis://u:s3cret@h:1 stats",
                "--redis 'redis://u:***@h:1' stats",
            ),
            (
                "--redis=redis://u:s3cret@h:1 stats",
                "--redis='redis://u:***@h:1' stats",
            ),
        ] {
            assert_eq!(repeated(&words(line)), again);
        }
        for line in [
            "-u redis://u:s3cret@h:1 stats",
            "--uri redis://u:s3cret@h:1 stats",
        ] {
            assert_eq!(
                with_redis(&words(line)),
                "firedrill asynq --redis 'redis://u:***@h:1' stats"
            );
        }
        for line in [
            "-uredis://u:s3cret@h:1 stats",
            "--uri=redis://u:s3cret@h:1 stats",
        ] {
            assert_eq!(
                with_redis(&words(line)),
                "firedrill asynq --redis='redis://u:***@h:1' stats"
            );
        }
    }
}
