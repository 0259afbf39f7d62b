//! What handlers of a worker share: pools of its own, and what the whole fleet shares, behind a socket of the harness.
//!
//! A request to that is a line, `NUMBER MICROSECONDS`: which resource of the plan, and for how long it is to be held. So is the
//! answer: `ok WAITED HELD`, both in virtual microseconds, `refused` or `timeout`. A connection is for one request at a time; when it
//! ends, whatever it held is given back.

use crate::handler::{Handlers, Without};
use crate::worker::gate::Gate;
use firedrill_asynq::clock::ClockOrigin;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::UnixStream;

/// See the module.
pub(crate) struct Resources {
    decisions: Handlers,
    clock: ClockOrigin,
    gates: Vec<Option<Arc<Gate>>>,
    /// Where the fleet's are.
    shared: Option<PathBuf>,
    /// Connections to them that nobody uses now.
    idle: Mutex<Vec<BufStream<UnixStream>>>,
}

/// Why a handler returns without what it needs.
pub(crate) enum Failed {
    /// By plan.
    Without(Without),
    /// The harness does not answer.
    Broken(io::Error),
}

impl Resources {
    pub(crate) fn new(decisions: &Handlers, clock: ClockOrigin, shared: Option<PathBuf>) -> Self {
        let is_own = |number: usize| !decisions.plan.resources[number].is_shared();
        Self {
            gates: Gate::all(decisions, clock, is_own),
            decisions: decisions.clone(),
            clock,
            shared,
            idle: Mutex::default(),
        }
    }

    /// Waits for a resource and holds it; answers how long that was to take, virtual microseconds. `saw` is told of steps that
    /// had a part in it here.
    pub(crate) async fn hold(
        &self,
        (resource, us): (usize, i64),
        saw: impl Fn(usize),
    ) -> Result<i64, Failed> {
        let Some(gate) = &self.gates[resource] else {
            return self.ask((resource, us)).await;
        };
        let since = self.clock.now();
        if let Some(step) = self.decisions.refuses(resource, self.since_start_ms()) {
            saw(step);
            return Err(Failed::Without(Without::Refused));
        }
        let Some(_held) = gate.take(&saw).await else {
            return Err(Failed::Without(Without::TimedOut));
        };
        let begins = self.clock.now();
        let (us, by) = self.decisions.held_us(resource, us, self.since_start_ms());
        if let Some(step) = by {
            saw(step);
        }
        tokio::time::sleep(self.clock.until(begins.plus_micros(us))).await;
        Ok((begins.0 - since.0) / 1_000 + us)
    }

    fn since_start_ms(&self) -> i64 {
        self.clock.now().millis() - self.clock.virtual_start.millis()
    }

    /// The same of a resource that the fleet shares.
    async fn ask(&self, (resource, us): (usize, i64)) -> Result<i64, Failed> {
        let mut stream = self.connection().await.map_err(Failed::Broken)?;
        let answer = asked(&mut stream, (resource, us)).await;
        let answer = answer.map_err(Failed::Broken)?;
        self.idle().push(stream);
        let mut words = answer.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("ok"), Some(waited), Some(held)) => {
                let us = waited.parse::<i64>().ok().zip(held.parse::<i64>().ok());
                let us = us.map(|(waited, held)| waited.saturating_add(held));
                us.ok_or_else(|| Failed::Broken(garbled(&answer)))
            }
            (Some("refused"), None, None) => Err(Failed::Without(Without::Refused)),
            (Some("timeout"), None, None) => Err(Failed::Without(Without::TimedOut)),
            _ => Err(Failed::Broken(garbled(&answer))),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<BufStream<UnixStream>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connection(&self) -> io::Result<BufStream<UnixStream>> {
        if let Some(stream) = self.idle().pop() {
            return Ok(stream);
        }
        let Some(path) = &self.shared else {
            return Err(io::ErrorKind::NotFound.into());
        };
        Ok(BufStream::new(UnixStream::connect(path).await?))
    }

    /// Of each pool that this process has for itself: its name, its connections, how many are in use, and how many ever had to
    /// wait for one.
    pub(crate) fn pools(&self) -> Vec<(&str, u32, u32, u64)> {
        let plan = &self.decisions.plan.resources;
        let own = plan.iter().zip(&self.gates);
        own.filter_map(|(resource, gate)| {
            let (held, waits) = gate.as_ref()?.counts();
            Some((resource.name.as_str(), resource.slots(), held, waits))
        })
        .collect()
    }
}

fn garbled(answer: &str) -> io::Error {
    let what = format!("unexpected answer `{}`", answer.trim_end().escape_debug());
    io::Error::new(io::ErrorKind::InvalidData, what)
}

async fn asked(stream: &mut BufStream<UnixStream>, of: (usize, i64)) -> io::Result<String> {
    let line = format!("{} {}\n", of.0, of.1);
    stream.write_all(line.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = String::new();
    if stream.read_line(&mut answer).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}
