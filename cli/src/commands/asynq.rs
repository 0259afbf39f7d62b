//! `firedrill asynq`: what asynq's own command line does, with its grammar, its tables and its texts.
//!
//! Where that command line misleads, this one does not: a failure is never exit code 0, what is not understood is
//! answered with what to type instead, and looking changes nothing. What is printed is made as values first
//! ([`Answer`]), so that all of it can be tested.

mod bulk;
pub(crate) mod connect;
mod enqueue;
mod json;
pub(crate) mod misread;
pub(crate) mod orphans;
mod processes;
mod queues;
pub(crate) mod redis_line;
mod session;
mod shown;
mod stats;
mod tasks;
mod understand;

use crate::args::asynq::{Asynq, Command, Cron, Group, Line, Orphan, Queue, Server, Target, Task};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::Terminal;
use connect::Place;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::Time;
use firedrill_asynq::inspector::{Inspector, KeyType};
use jiff::tz::TimeZone;
use misread::Misread;
use session::Session;
use std::time::SystemTime;
use understand::{Understood, understand};

/// What an answer depends on beside the arguments and Redis.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Now.
    pub now: Time,
    /// Where times are shown in.
    pub zone: TimeZone,
    /// Whether headings are bold.
    pub bold: bool,
}

/// What a command line came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The result, for standard output.
    pub out: String,
    /// What is worth knowing beside it, for standard error.
    pub notes: Vec<String>,
    /// What could not be done, for standard error.
    pub errors: Vec<String>,
    /// How it ends.
    pub exit: Exit,
}

impl Answer {
    fn result(out: String) -> Self {
        Self {
            out,
            notes: Vec::new(),
            errors: Vec::new(),
            exit: Exit::Passed,
        }
    }

    fn error(exit: Exit, message: String) -> Self {
        Self {
            exit,
            errors: vec![message],
            ..Self::result(String::new())
        }
    }
}

/// Carries out what was typed after `firedrill asynq`.
///
/// # Errors
/// When no runtime can be had. What asynq or Redis refuse is printed, and is the exit code.
pub fn run(args: &Asynq, terminal: &Terminal) -> Result<Exit, Failure> {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now_ns = since_epoch.map_or(0, |span| span.as_nanos());
    let setting = Setting {
        now: Time(i64::try_from(now_ns).unwrap_or(i64::MAX)),
        zone: TimeZone::system(),
        bold: terminal.style().colour,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    let answer = runtime.block_on(answer(&args.arguments, &setting));
    if !answer.out.is_empty() {
        terminal.result(&answer.out);
    }
    for note in &answer.notes {
        terminal.say(format_args!("note: {note}"));
    }
    for error in answer.errors {
        terminal.error(&Failure {
            exit: answer.exit,
            messages: vec![error],
        });
    }
    Ok(answer.exit)
}

/// What to say to the words after `firedrill asynq`.
pub async fn answer(words: &[String], setting: &Setting) -> Answer {
    let line = match understand(words) {
        Understood::Line(line) => *line,
        Understood::Help(text) => return Answer::result(text),
        Understood::Not(misread, line) => return explain(&misread, line.as_deref(), words).await,
    };
    carried_out(&line, setting).await
}

async fn carried_out(line: &Line, setting: &Setting) -> Answer {
    if matches!(line.command, Command::Version) {
        return Answer::result(version());
    }
    let place = match Place::of(&line.target) {
        Ok(place) => place,
        Err(message) => return Answer::error(Exit::Usage, message),
    };
    let inspector = match connect(&place).await {
        Ok(inspector) => inspector,
        Err(answer) => return answer,
    };
    let mut session = Session::new(inspector, place, setting, line.json);
    carry_out(&mut session, line).await;
    session.finish()
}

/// What the words after `asynq` in somebody's runbook come to. Nothing is asked.
pub(crate) enum Reading {
    /// A line that only looks.
    Looks(Box<Line>),
    /// A line that changes something.
    Changes,
    /// One that prints help.
    Help,
    /// One that is not understood.
    Wrong(Box<Misread>),
    /// One that `firedrill asynq` takes, and asynq's own command line does not; what it has.
    OursAlone(&'static str),
}

/// Reads the words after `asynq`, as asynq's own command line would.
pub(crate) fn read(words: &[String]) -> Reading {
    match understand(words) {
        Understood::Help(_) => Reading::Help,
        Understood::Not(misread, _) => Reading::Wrong(misread),
        Understood::Line(line) if matches!(line.command, Command::Orphan(_)) => {
            Reading::OursAlone("`orphan`")
        }
        Understood::Line(line) if matches!(line.command, Command::Other(_)) => {
            Reading::OursAlone("commands of Redis")
        }
        Understood::Line(line) if line.json => Reading::OursAlone("`--json`"),
        Understood::Line(line) if looks(&line.command) => Reading::Looks(line),
        Understood::Line(_) => Reading::Changes,
    }
}

/// Answers a line that only looks, on the Redis at `url` instead of the one it names.
pub(crate) async fn look(mut line: Line, url: &str, setting: &Setting) -> Answer {
    line.target = Target {
        redis: Some(url.to_owned()),
        ..Target::default()
    };
    carried_out(&line, setting).await
}

fn looks(command: &Command) -> bool {
    match command {
        Command::Queue(command) => matches!(
            command,
            Queue::List | Queue::Inspect { .. } | Queue::History { .. }
        ),
        Command::Task(command) => matches!(command, Task::List { .. } | Task::Inspect(_)),
        Command::Orphan(command) => matches!(command, Orphan::List { .. }),
        Command::Group(_)
        | Command::Server(_)
        | Command::Cron(_)
        | Command::Stats
        | Command::Version => true,
        Command::Other(_) => false,
    }
}

async fn connect(place: &Place) -> Result<Inspector, Answer> {
    let connected = RedisBroker::connect(&place.url, RedisOptions::at_speed(1.0)).await;
    connected.map(Inspector::new).map_err(|error| {
        let error = error.into();
        let mut message = format!("{}: {error}", place.shown);
        session::append_meaning(&mut message, &error);
        Answer::error(Exit::Environment, message)
    })
}

async fn carry_out(session: &mut Session<'_>, line: &Line) {
    match &line.command {
        Command::Queue(command) => match command {
            Queue::List => queues::list(session).await,
            Queue::Inspect { queues } => queues::inspect(session, queues).await,
            Queue::History { queues, days } => queues::history(session, queues, *days).await,
            Queue::Pause { queues } => queues::pause(session, queues).await,
            Queue::Resume { queues } => queues::resume(session, queues).await,
            Queue::Remove { queues, force } => queues::remove(session, queues, *force).await,
            Queue::Other(_) => {}
        },
        Command::Task(command) => match command {
            Task::List { many, page } => tasks::list(session, many, *page).await,
            Task::Inspect(one) => tasks::inspect(session, one).await,
            Task::Run(one) => tasks::run(session, one).await,
            Task::Archive(one) => tasks::archive(session, one).await,
            Task::Delete(one) => tasks::delete(session, one).await,
            Task::Cancel { ids } => tasks::cancel(session, ids).await,
            Task::RunAll(many) => bulk::run(session, many).await,
            Task::ArchiveAll(many) => bulk::archive(session, many).await,
            Task::DeleteAll(many) => bulk::delete(session, many).await,
            Task::Enqueue(task) => enqueue::enqueue(session, task).await,
            Task::Other(_) => {}
        },
        Command::Group(Group::List { queue, .. }) => {
            queues::groups(session, queue.as_deref().unwrap_or_default()).await;
        }
        Command::Server(Server::List) => processes::servers(session).await,
        Command::Cron(Cron::List) => processes::entries(session).await,
        Command::Cron(Cron::History { entries, page }) => {
            processes::events(session, entries, *page).await;
        }
        Command::Orphan(Orphan::List { queue }) => orphans::list(session, queue.as_deref()).await,
        Command::Orphan(Orphan::Clear { queue, kind }) => {
            orphans::clear(session, queue, *kind).await
        }
        Command::Stats => stats::stats(session).await,
        Command::Other(words) => redis_line::count(session, words).await,
        Command::Group(Group::Other(_))
        | Command::Server(Server::Other(_))
        | Command::Cron(Cron::Other(_))
        | Command::Orphan(Orphan::Other(_))
        | Command::Version => {}
    }
}

/// The answer to what was not understood: what is wrong and what to type, with the queue of a task looked up where it is
/// missing.
async fn explain(misread: &Misread, line: Option<&Line>, words: &[String]) -> Answer {
    let place = line.and_then(|line| Place::of(&line.target).ok());
    let begin = place
        .as_ref()
        .map_or("firedrill asynq", |place| place.typed.as_str());
    let mut message = misread.what.clone();
    let mut queues = Vec::new();
    if let (Some(id), Some(place)) = (&misread.lookup, &place) {
        match look_up(id, place).await {
            Ok(found) if found.is_empty() => {
                message.push_str(&format!(
                    "\n    no queue of {} has a task {id:?}",
                    place.shown
                ));
            }
            Ok(found) => {
                for (queue, state) in found {
                    message.push_str(&format!("\n    {id} is in queue {queue:?}, state {state}"));
                    queues.push(queue);
                }
            }
            Err(reason) => message.push_str(&format!(
                "\n    which queue it is in could not be looked up: {reason}"
            )),
        }
    }
    for typed in misread.lines(&queues) {
        let line = match &misread.instead_of_uri {
            Some(_) => misread::with_redis(words),
            None if typed.starts_with("redis-cli ") => typed,
            None => format!("{begin} {typed}"),
        };
        message.push_str(&format!("\n    type: {line}"));
    }
    if let (Some((key, kind)), Some(place)) = (subject(line), &place) {
        let holds = match connect(place).await {
            Ok(inspector) => inspector.key_length(&key, kind).await.ok(),
            Err(_) => None,
        };
        if let Some(count) = holds {
            message.push_str(&format!("\n    {key} on {} holds {count} now", place.shown));
        }
    }
    if let Some(note) = &misread.note {
        message.push_str(&format!("\n    {note}"));
    }
    Answer::error(Exit::Usage, message)
}

/// The key of a Redis command that was typed for another type, if it is one whose elements are counted.
fn subject(line: Option<&Line>) -> Option<(String, KeyType)> {
    let Command::Other(words) = &line?.command else {
        return None;
    };
    redis_line::subject(words).filter(|(_, kind)| *kind != KeyType::String)
}

async fn look_up(id: &str, place: &Place) -> Result<Vec<(String, String)>, String> {
    let inspector = connect(place)
        .await
        .map_err(|answer| answer.errors.join("; "))?;
    let found = inspector.find_task(id).await;
    let found = found.map_err(|error| error.to_string())?;
    let found = found.into_iter();
    Ok(found.map(|found| (found.queue, found.state)).collect())
}

fn version() -> String {
    format!(
        "firedrill version {}, agrees with asynq version 0.26.0\n",
        env!("CARGO_PKG_VERSION")
    )
}
