//! Workers of the team's own: a command that is started for each process of the plan, told by its environment where Redis is,
//! and known to work when its asynq server has registered there.
//!
//! They are members like ours: whatever is done to a process is done to them. What only handlers of ours can do is refused
//! before ([`Plan::needs_our_workers`](crate::plan::Plan::needs_our_workers)), and of executions nothing is known but what
//! Redis counts.

mod container;
mod pods;
mod template;

pub(crate) use container::{Beyond, Done};
pub use pods::Crew;
pub(crate) use pods::Rollout;
pub use template::{Template, TemplateError};

use crate::engine::live::account::ends;
use crate::engine::live::child::{ChildError, Group, WorkerChild};
use crate::engine::live::scraper::Page;
use crate::files::shown;
use crate::guard;
use crate::http::get::Url;
use crate::redis_server::docker::guest::Guest;
use crate::toxiproxy::Proxy;
use crate::undo::Journal;
use crate::worker::WorkerSpec;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::inspector::Inspector;
use firedrill_asynq::message::ServerInfo;
use firedrill_detector::text::printable;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use template::Where;
use tokio::process::{Child, Command};

/// How long its server may take to register, real time.
const REGISTERS_WITHIN: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long one is waited for that the plan has cut off from Redis: it works, and nobody sees it.
const UNSEEN_AFTER: Duration = Duration::from_secs(2);
/// As much of the end of its log is looked at for its last words.
const LOG_END: usize = 4 << 10;

/// Who works in a live drill.
#[derive(Debug, Clone, Default)]
pub enum Workers {
    /// Processes of ours, whose handlers behave as the plan says.
    #[default]
    Ours,
    /// Processes of the team's own.
    Theirs(Box<Theirs>),
}

/// Workers of the team's own.
#[derive(Debug, Clone)]
pub struct Theirs {
    /// What they are.
    pub how: How,
    /// Where the metrics of each process are, in the plan's order; none: nobody scrapes them.
    pub metrics: Vec<Url>,
    /// The proxy that they all go through to Redis; `None`: nothing is done to their links, unless those are ours.
    pub proxy: Option<Proxy>,
}

/// What workers of the team's own are.
#[derive(Debug, Clone)]
pub enum How {
    /// Processes that we start.
    Command(Started),
    /// Containers that run already, one for each process, in the plan's order.
    Containers(Vec<Guest>),
    /// The pods of a deployment, as many as there are processes at the start.
    Pods(Crew),
}

/// How a process is started.
#[derive(Debug, Clone)]
pub struct Started {
    /// The program, and its arguments.
    pub command: (PathBuf, Vec<String>),
    /// Variables of its environment, by name; they go before [`DEFAULTS`].
    pub env: Vec<(String, Template)>,
}

/// What a worker's environment says where nothing else was asked for.
pub const DEFAULTS: [(&str, &str); 2] = [("REDIS_URL", "{redis}"), ("REDIS_ADDR", "{host}:{port}")];

impl Workers {
    /// For people, and for the record: never the command line, in which there may be secrets.
    #[must_use]
    pub fn describe(&self) -> Option<&'static str> {
        match self {
            Self::Ours => None,
            Self::Theirs(theirs) => Some(match theirs.how {
                How::Command(_) => "the team's own, by a command",
                How::Containers(_) => "the team's own, in containers",
                How::Pods(_) => "the team's own, in the pods of a deployment",
            }),
        }
    }

    /// The same for another drill.
    pub(crate) fn afresh(&self) -> Self {
        match (self, self.crew()) {
            (Self::Theirs(theirs), Some(crew)) => Self::Theirs(Box::new(Theirs {
                how: How::Pods(crew.afresh()),
                metrics: theirs.metrics.clone(),
                proxy: theirs.proxy.clone(),
            })),
            _ => self.clone(),
        }
    }

    /// The pods that work, if they are in pods.
    pub(crate) fn crew(&self) -> Option<&Crew> {
        match self {
            Self::Ours => None,
            Self::Theirs(theirs) => match &theirs.how {
                How::Pods(crew) => Some(crew),
                How::Command(_) | How::Containers(_) => None,
            },
        }
    }

    /// Whether their executions are seen: ours write them down.
    #[must_use]
    pub fn are_ours(&self) -> bool {
        matches!(self, Self::Ours)
    }
}

impl Theirs {
    /// Where the metrics of a process are, by its number.
    pub(crate) fn page(&self, index: usize) -> Option<Page> {
        self.metrics.get(index).cloned().map(Page::Named)
    }

    /// The container of a process, by its number, if they are in containers.
    pub(crate) fn guest(&self, index: usize) -> Option<&Guest> {
        match &self.how {
            How::Command(_) | How::Pods(_) => None,
            How::Containers(guests) => guests.get(index),
        }
    }

    /// What their processes are.
    pub(crate) fn are(&self) -> &'static str {
        match self.how {
            How::Command(_) => "processes",
            How::Containers(_) => "containers",
            How::Pods(_) => "pods",
        }
    }

    /// Whether they are here before the drill, and stay.
    pub(crate) fn stay(&self) -> bool {
        !matches!(self.how, How::Command(_))
    }

    /// Starts the process of `spec`, number `index` of the plan's, unless it runs or its deployment does so, and waits until its asynq server has registered, which is answered, too.
    /// What it prints goes to `log`, if we have started it. `is_cut_off`: whether by plan it cannot register now; then it is there all
    /// the same, or has ended of it.
    ///
    /// # Errors
    /// When it cannot be started, ends at once, does not register within 20 s, or does not serve what the plan's process does.
    pub(crate) async fn start(
        &self,
        exe: &Path,
        (spec, index): (&WorkerSpec, usize),
        (asks, journal, is_cut_off): (&RedisBroker, &Journal, IsCutOff<'_>),
        log: &Path,
    ) -> Result<(WorkerChild, Option<ServerInfo>), ChildError> {
        let failed = |reason: String| ChildError {
            process: spec.process.clone(),
            reason,
        };
        let page = self.page(index);
        let (server, child) = match &self.how {
            How::Command(started) => {
                // What it has started ends with it, also if it does not register.
                let (group, mut child) = {
                    let child = started.spawn(exe, (spec, index), log).map_err(failed)?;
                    (Group::of(&child), child)
                };
                // Who kills us before it has registered leaves it to the reaper.
                let noted = journal.note(None, &ends(child.id().into_iter()));
                noted.map_err(|error| failed(error.to_string()))?;
                let server = registered(&mut child, asks, is_cut_off).await;
                let server = server.map_err(|why| failed(format!("{why}{}", last_words(log))))?;
                let child = WorkerChild::of_team((child, group), &spec.process, page);
                (server, child)
            }
            How::Containers(guests) => {
                let guest = guests.get(index);
                let guest = guest.ok_or_else(|| failed("there is no container for it".into()))?;
                let server = container::started(guest, asks, is_cut_off)
                    .await
                    .map_err(failed)?;
                container::renew(guest, journal).await.map_err(failed)?;
                let child = WorkerChild::of_guest(guest.clone(), &spec.process, page);
                (server, child)
            }
            How::Pods(crew) => {
                let server = crew.start(index, asks, is_cut_off).await.map_err(failed)?;
                let child = WorkerChild::of_pod((crew.clone(), index), &spec.process, page);
                (server, child)
            }
        };
        let Some(server) = server else {
            return Ok((child, None));
        };
        let mut processes = spec.plan.processes().into_iter();
        let plans = processes.find(|(name, _)| *name == spec.process);
        let mut wanted = plans.iter().flat_map(|(_, worker)| worker.serves());
        if let Some(queue) = wanted.find(|queue| !server.queues.contains_key(*queue)) {
            let served: Vec<&str> = server.queues.keys().map(String::as_str).collect();
            return Err(failed(format!(
                "it serves {}, and in the scenario it serves {queue}, too; nobody would take its tasks",
                served.join(", ")
            )));
        }
        Ok((child, Some(server)))
    }
}

impl Started {
    fn spawn(
        &self,
        exe: &Path,
        (spec, index): (&WorkerSpec, usize),
        log: &Path,
    ) -> Result<Child, String> {
        let (program, args) = &self.command;
        let mut command = Command::from(guard::command(exe, program, args));
        let place = Where::of(&spec.redis, index);
        let is_own = |name: &str| self.env.iter().any(|(own, _)| own == name);
        for (name, template) in &self.env {
            let value = template.filled(&place);
            command.env(name, value.map_err(|error| format!("{name}: {error}"))?);
        }
        for (name, text) in DEFAULTS.into_iter().filter(|(name, _)| !is_own(name)) {
            let template: Result<Template, _> = text.parse();
            // A cluster has no one address; whoever needs it says so.
            if let Ok(value) = template.and_then(|template| template.filled(&place)) {
                command.env(name, value);
            }
        }
        let output = |error: io::Error| format!("{}: {error}", log.display());
        let file = File::create(log).map_err(output)?;
        let same = file.try_clone().map_err(output)?;
        command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(same)
            .kill_on_drop(true);
        let spawned = command.spawn();
        spawned.map_err(|error| format!("cannot start: {error}"))
    }
}

/// Whether a worker is cut off from Redis by plan.
pub(crate) type IsCutOff<'a> = &'a (dyn Fn() -> bool + Send + Sync);

/// Waits until the server of this process is in Redis; `None`: the plan has cut it off from that.
async fn registered(
    child: &mut Child,
    asks: &RedisBroker,
    is_cut_off: IsCutOff<'_>,
) -> Result<Option<ServerInfo>, String> {
    let inspector = Inspector::new(asks.clone());
    let began = tokio::time::Instant::now();
    let real = ClockOrigin::real_time();
    let mut trouble = String::new();
    loop {
        match child.try_wait() {
            Ok(None) => {}
            // Without Redis some do.
            Ok(Some(_)) if is_cut_off() => return Ok(None),
            Ok(Some(status)) => return Err(format!("it ended at once ({status})")),
            Err(error) => return Err(error.to_string()),
        }
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let asked = inspector.servers(real.now());
        match tokio::time::timeout(UNSEEN_AFTER, asked).await {
            Ok(Ok(list)) => {
                let mut infos = list.servers.into_iter().map(|server| server.info);
                if let Some(info) = infos.find(|info| Some(info.pid) == pid) {
                    return Ok(Some(info));
                }
            }
            Ok(Err(error)) => trouble = format!("; Redis: {error}"),
            Err(_) => trouble = "; Redis does not answer".to_owned(),
        }
        if began.elapsed() >= UNSEEN_AFTER && is_cut_off() {
            return Ok(None);
        }
        if began.elapsed() >= REGISTERS_WITHIN {
            return Err(format!(
                "no asynq server of process {} has registered within {} s{trouble}: does the worker take its address from \
                 REDIS_ADDR or REDIS_URL (see --worker-env), and is the command the worker itself, not a shell or `go run` \
                 around it?",
                pid.unwrap_or(0),
                REGISTERS_WITHIN.as_secs()
            ));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The last line of its log, as the end of a sentence.
fn last_words(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let end = &text[text.len().saturating_sub(LOG_END)..];
    let end = String::from_utf8_lossy(end);
    let last = end.lines().rfind(|line| !line.trim().is_empty());
    let said = last.map_or("nothing".into(), |line| printable(line.trim()).to_string());
    format!("; it said last: {said}; all of it is in {}", shown(log))
}
