//! What a link hears of a connection's commands and replies, and what rules about calls make of it.

use super::resp;
use crate::engine::live::child::{Effect, Told};
use crate::engine::live::watch::Roster;
use crate::engine::points::{At, Hit, Points};
use crate::lever::{PointRule, PointVerdict};
use crate::metrics::kube::Ended;
use firedrill_asynq::broker::redis::seen::call_of;
use firedrill_asynq::call::CallKind;
use firedrill_asynq::clock::ClockOrigin;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::mpsc::{Sender, UnboundedSender};
use tokio::time::Instant;

/// Where rules about calls are kept, for all links of a drill.
pub(super) struct Rules {
    points: Mutex<Points>,
    /// Known since the drill began.
    began: OnceLock<(ClockOrigin, Roster)>,
    told: UnboundedSender<Told>,
}

impl Rules {
    pub(super) fn new(told: UnboundedSender<Told>) -> Self {
        Self {
            points: Mutex::default(),
            began: OnceLock::new(),
            told,
        }
    }

    /// The drill begins.
    pub(super) fn begin(&self, clock: ClockOrigin, roster: Roster) {
        // Drills begin once.
        let _ = self.began.set((clock, roster));
    }

    pub(super) fn set(&self, step: (usize, &str), rule: PointRule, clients: &[String], seed: u64) {
        self.points().set(step, rule, clients, seed);
    }

    pub(super) fn lift(&self, step: usize) -> bool {
        self.points().lift(step)
    }

    fn points(&self) -> std::sync::MutexGuard<'_, Points> {
        self.points.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of a call; its process is dead when the verdict is that.
    fn verdict(&self, client: &str, call: Option<CallKind>, at: At) -> Option<PointVerdict> {
        let (clock, roster) = self.began.get()?;
        let Hit { step, then } = self.points().verdict(client, call?, at)?;
        // Whoever is gone already does not die of this.
        if then.kills() && !roster.dies(client, Ended::Error) {
            return None;
        }
        let _ = self.told.send(Told::Effect(Effect {
            process: client.to_owned(),
            step,
            at: clock.now(),
        }));
        Some(then)
    }
}

/// One connection's conversation.
pub(super) struct Talk {
    rules: Arc<Rules>,
    client: Arc<str>,
    /// Held while something is sent to Redis, so that it is sent in this order.
    open: tokio::sync::Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// Commands that are not answered yet.
    asked: VecDeque<Asked>,
    /// The connection is about to break: nothing new goes out, and what is under way is answered first.
    closing: bool,
    /// It no longer is commands and replies in turn, and goes through as it comes.
    blind: bool,
}

struct Asked {
    call: Option<CallKind>,
    /// As sent, where it may have to be sent again.
    bytes: Vec<u8>,
    /// Whether we have sent it, and nobody waits for its reply.
    ours: bool,
}

/// Pieces on their way, each with the time when it is due.
pub(super) type Pieces = Sender<(Instant, Vec<u8>)>;

/// Commands after which replies come when they will.
const BLINDING: [&[u8]; 4] = [b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE", b"MONITOR"];

/// Whoever has hung up wants nothing more.
async fn send(to: &Pieces, due: Instant, bytes: Vec<u8>) -> ControlFlow<()> {
    if bytes.is_empty() || to.send((due, bytes)).await.is_ok() {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}

impl Talk {
    pub(super) fn new(rules: Arc<Rules>, client: Arc<str>) -> Self {
        Self {
            rules,
            client,
            open: tokio::sync::Mutex::default(),
        }
    }

    /// More of what the client says, to go on to Redis. Breaks when nothing more will.
    pub(super) async fn asks(
        &self,
        heard: &mut Vec<u8>,
        (due, to): (Instant, &Pieces),
    ) -> ControlFlow<()> {
        let mut open = self.open.lock().await;
        let mut passed = 0;
        while !open.blind && !open.closing {
            let rest = &heard[passed..];
            let length = match resp::length(rest) {
                Ok(Some(length)) => length,
                Ok(None) => break,
                Err(resp::Garbled) => {
                    open.blind = true;
                    break;
                }
            };
            let command = &rest[..length];
            let parts = resp::parts(command, 2);
            let call = call_of(&parts);
            let verdict = self.rules.verdict(&self.client, call, At::Client);
            if verdict == Some(PointVerdict::Lose) {
                open.closing = true;
                break;
            }
            if verdict.is_some() {
                let before = heard[..passed].to_vec();
                let _ = send(to, due, before).await;
                return ControlFlow::Break(());
            }
            let is = |name: &&[u8]| {
                parts
                    .first()
                    .is_some_and(|first| first.eq_ignore_ascii_case(name))
            };
            open.blind = BLINDING.iter().any(is);
            open.asked.push_back(Asked {
                call,
                bytes: if call.is_some() {
                    command.to_vec()
                } else {
                    Vec::new()
                },
                ours: false,
            });
            passed += length;
        }
        if open.closing {
            // It never arrives.
            heard.truncate(passed);
        } else if open.blind {
            passed = heard.len();
        }
        let pass = heard.drain(..passed).collect();
        let sent = send(to, due, pass).await;
        // Nobody is left to be answered.
        if open.closing && open.asked.is_empty() {
            return ControlFlow::Break(());
        }
        sent
    }

    /// More of what Redis says, to go on to the client; `again`: the way to Redis. Breaks when nothing more will.
    pub(super) async fn answers(
        &self,
        heard: &mut Vec<u8>,
        (due, to): (Instant, &Pieces),
        again: &Pieces,
    ) -> ControlFlow<()> {
        let mut open = self.open.lock().await;
        let (mut passed, mut pass) = (0, Vec::new());
        while !open.blind {
            let rest = &heard[passed..];
            let length = match resp::length(rest) {
                Ok(Some(length)) => length,
                Ok(None) => break,
                Err(resp::Garbled) => {
                    open.blind = true;
                    break;
                }
            };
            let reply = &rest[..length];
            passed += length;
            // What is pushed answers nobody.
            let asked = match reply.first() {
                Some(b'>') => None,
                _ => open.asked.pop_front(),
            };
            let Some(Asked { call, bytes, ours }) = asked else {
                pass.extend_from_slice(reply);
                continue;
            };
            let acted = resp::has_acted(reply, call == Some(CallKind::Dequeue));
            let verdict = match acted && !ours {
                true => self.rules.verdict(&self.client, call, At::Redis),
                false => None,
            };
            match verdict {
                Some(PointVerdict::DieBefore | PointVerdict::DieAfter | PointVerdict::Lose) => {
                    return ControlFlow::Break(());
                }
                Some(PointVerdict::LoseReply) => open.closing = true,
                Some(PointVerdict::Repeat) => {
                    pass.extend_from_slice(reply);
                    let call = None;
                    let ours = true;
                    open.asked.push_back(Asked {
                        call,
                        bytes: Vec::new(),
                        ours,
                    });
                    let _ = send(again, due, bytes).await;
                }
                None if ours => {}
                None => pass.extend_from_slice(reply),
            }
        }
        if open.blind {
            pass.extend_from_slice(&heard[passed..]);
            passed = heard.len();
        }
        heard.drain(..passed);
        let sent = send(to, due, pass).await;
        if open.closing && open.asked.is_empty() {
            return ControlFlow::Break(());
        }
        sent
    }
}
