//! What all workers share, as a server of the harness: real connections over a socket in the drill's own directory, real waits,
//! and it is gone with the drill. `worker::resources` says how it is spoken to.

use super::child::{Effect, Told};
use super::since_start;
use crate::handler::Handlers;
use crate::plan::Plan;
use crate::worker::gate::Gate;
use firedrill_asynq::clock::ClockOrigin;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Longest line that is read.
const LINE_MAX: usize = 64;

/// The server. Dropping it ends it.
pub(super) struct Downstream {
    path: PathBuf,
    begun: watch::Sender<Option<Arc<Shared>>>,
    decisions: Handlers,
    told: UnboundedSender<Told>,
    task: JoinHandle<()>,
}

/// What its connections have in common.
struct Shared {
    decisions: Handlers,
    clock: ClockOrigin,
    gates: Vec<Option<Arc<Gate>>>,
    told: UnboundedSender<Told>,
}

impl Drop for Downstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Downstream {
    /// Listens on `path`, if the plan has anything that the fleet shares. Nobody is answered before [`Downstream::begin`].
    pub(super) fn open(
        plan: &Plan,
        path: &Path,
        told: UnboundedSender<Told>,
    ) -> io::Result<Option<Self>> {
        if !plan.shares_resources() {
            return Ok(None);
        }
        let listener = UnixListener::bind(path)?;
        let (begun, waits) = watch::channel(None);
        let task = tokio::spawn(async move {
            let mut served = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => drop(served.spawn(serve(stream, waits.clone()))),
                        // Out of descriptors: whoever connects waits.
                        Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
                    },
                    Some(_) = served.join_next() => {}
                }
            }
        });
        Ok(Some(Self {
            path: path.to_owned(),
            begun,
            decisions: Handlers::new(Arc::new(plan.clone())),
            told,
            task,
        }))
    }

    /// Where it listens.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The drill begins.
    pub(super) fn begin(&self, clock: ClockOrigin) {
        let plan = &self.decisions.plan;
        let gates = Gate::all(&self.decisions, clock, |number| {
            plan.resources[number].is_shared()
        });
        let shared = Shared {
            decisions: self.decisions.clone(),
            clock,
            gates,
            told: self.told.clone(),
        };
        self.begun.send_replace(Some(Arc::new(shared)));
    }
}

/// One connection: a request after the other. When it ends, what it held is given back.
async fn serve(stream: UnixStream, mut waits: watch::Receiver<Option<Arc<Shared>>>) {
    let begun = waits.wait_for(Option::is_some).await;
    let Some(shared) = begun.ok().and_then(|begun| begun.clone()) else {
        return;
    };
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut line = String::new();
    loop {
        line.clear();
        match read.read_line(&mut line).await {
            Ok(1..=LINE_MAX) => {}
            _ => return,
        }
        let mut words = line.split_whitespace();
        let resource = words.next().and_then(|word| word.parse().ok());
        let us = words.next().and_then(|word| word.parse().ok());
        let Some(of) = resource.zip(us) else { return };
        let answer = tokio::select! {
            answer = shared.answer(of) => answer,
            // It says no more before it is answered: its process is gone.
            _ = read.fill_buf() => return,
        };
        let Some(answer) = answer else { return };
        if write.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl Shared {
    /// The answer to a request; `None`: there is no such resource here.
    async fn answer(&self, (resource, us): (usize, i64)) -> Option<String> {
        let gate = self.gates.get(resource)?.as_ref()?;
        let since = self.clock.now();
        let name = &self.decisions.plan.resources[resource].name;
        let saw = |step| {
            let effect = Effect {
                process: name.clone(),
                step,
                at: self.clock.now(),
            };
            // Nobody listens any more when the drill is over.
            let _ = self.told.send(Told::Effect(effect));
        };
        if let Some(step) = self.decisions.refuses(resource, since_start(self.clock)) {
            saw(step);
            return Some("refused\n".to_owned());
        }
        let Some(_held) = gate.take(saw).await else {
            return Some("timeout\n".to_owned());
        };
        let begins = self.clock.now();
        let now_ms = since_start(self.clock);
        let (us, by) = self.decisions.held_us(resource, us, now_ms);
        if let Some(step) = by {
            saw(step);
        }
        tokio::time::sleep(self.clock.until(begins.plus_micros(us))).await;
        let waited_us = (begins.0 - since.0) / 1_000;
        Some(format!("ok {waited_us} {us}\n"))
    }
}
