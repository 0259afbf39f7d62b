//! Moves bytes one way and the other: each piece when its time has come, in the order in which it came.

use super::talk::{Pieces, Talk};
use super::{OneWay, State};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{self, WeakSender};
use tokio::sync::watch;
use tokio::time::Instant;

/// What jitter is drawn from.
pub(super) type Dice = ChaCha8Rng;

/// Largest piece.
const PIECE: usize = 16 << 10;
/// Pieces that may be under way; more wait with their sender, as in a full window of TCP.
const PIECES: usize = 256;

/// Dice for a connection's two ways.
pub(super) fn split(dice: &mut Dice) -> [Dice; 2] {
    [(); 2].map(|()| Dice::seed_from_u64(dice.random()))
}

/// There and back.
pub(super) const ASKING: usize = 0;
const ANSWERING: usize = 1;

/// Until when one way of a client's link is taken.
pub(super) type Busy = Arc<Mutex<Option<Instant>>>;

/// Waits until what is sent one way gets through.
pub(super) async fn passes(state: &mut watch::Receiver<State>, way: usize) {
    // A link that is gone lets nothing through: its connections end with it.
    if state.wait_for(|state| !state.ways[way].cut).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Moves bytes both ways until one side has ended, or breaks. `talk`: listens to them.
pub(super) async fn both(
    client: impl AsyncRead + AsyncWrite,
    server: impl AsyncRead + AsyncWrite,
    state: watch::Receiver<State>,
    ([asking, answering], [thin_asking, thin_answering]): ([Dice; 2], [Busy; 2]),
    talk: Option<&Talk>,
) {
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    let to_redis = mpsc::channel(PIECES);
    let to_ask = to_redis.0.clone();
    let answers_to = mpsc::channel(PIECES);
    let asks = Way {
        ear: talk.map_or(Ear::Deaf, Ear::Asks),
        pieces: to_redis,
        dice: asking,
        state: state.clone(),
        number: ASKING,
        busy: thin_asking,
    };
    let answers = Way {
        ear: talk.map_or(Ear::Deaf, |talk| Ear::Answers(talk, to_ask.downgrade())),
        pieces: answers_to,
        dice: answering,
        state,
        number: ANSWERING,
        busy: thin_answering,
    };
    drop(to_ask);
    let asks = asks.run(from_client, to_server);
    let answers = answers.run(from_server, to_client);
    tokio::select! {
        // Whoever has hung up wants no answer any more; what was sent before that has arrived.
        () = asks => {}
        () = answers => {}
    }
}

/// Who listens to what goes one way.
enum Ear<'t> {
    /// Nobody.
    Deaf,
    /// To what the client says.
    Asks(&'t Talk),
    /// To what Redis says; the way back to it.
    Answers(&'t Talk, WeakSender<(Instant, Vec<u8>)>),
}

impl Ear<'_> {
    /// More has come; `heard`: what was not passed on yet.
    async fn hear(&mut self, heard: &mut Vec<u8>, on: (Instant, &Pieces)) -> ControlFlow<()> {
        match self {
            Self::Deaf => match on.1.send((on.0, std::mem::take(heard))).await {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            },
            Self::Asks(talk) => talk.asks(heard, on).await,
            Self::Answers(talk, again) => match again.upgrade() {
                Some(again) => talk.answers(heard, on, &again).await,
                None => ControlFlow::Break(()),
            },
        }
    }
}

/// One way of a connection.
struct Way<'t> {
    ear: Ear<'t>,
    pieces: (Pieces, mpsc::Receiver<(Instant, Vec<u8>)>),
    state: watch::Receiver<State>,
    dice: Dice,
    /// Which way.
    number: usize,
    busy: Busy,
}

/// When a piece that comes now has got over a thin link.
fn got_over(busy: &Busy, rate: Option<f64>, length: usize) -> Instant {
    let now = Instant::now();
    let mut busy = busy.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(rate) = rate else {
        *busy = None;
        return now;
    };
    let takes = Duration::from_secs_f64(length as f64 / rate);
    let over = busy.map_or(now, |busy| busy.max(now)) + takes;
    *busy = Some(over);
    over
}

impl Way<'_> {
    /// Ends when all that came has arrived.
    async fn run(self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let Self {
            mut ear,
            pieces: (sender, mut pieces),
            state,
            mut dice,
            number,
            busy,
        } = self;
        let mut writes = state.clone();
        let read = async move {
            let mut last = Instant::now();
            let mut piece = vec![0; PIECE];
            let mut heard = Vec::new();
            while let Ok(length @ 1..) = from.read(&mut piece).await {
                let OneWay {
                    delay,
                    jitter,
                    rate,
                    ..
                } = state.borrow().ways[number];
                let more = match jitter.as_micros() {
                    0 => Duration::ZERO,
                    most => {
                        let most = u64::try_from(most).unwrap_or(u64::MAX);
                        Duration::from_micros(dice.random_range(0..=most))
                    }
                };
                last = last.max(got_over(&busy, rate, length) + delay + more);
                heard.extend_from_slice(&piece[..length]);
                if ear.hear(&mut heard, (last, &sender)).await.is_break() {
                    return;
                }
            }
        };
        let write = async move {
            while let Some((due, piece)) = pieces.recv().await {
                if due > Instant::now() {
                    tokio::time::sleep_until(due).await;
                }
                passes(&mut writes, number).await;
                let mut rest = &piece[..];
                while !rest.is_empty() {
                    let slice = writes.borrow().ways[number].slice;
                    let length = slice.map_or(rest.len(), |(bytes, _)| bytes.min(rest.len()));
                    let (now, later) = rest.split_at(length);
                    if to.write_all(now).await.is_err() {
                        return;
                    }
                    rest = later;
                    if let Some((_, every)) = slice {
                        tokio::time::sleep(every).await;
                    }
                }
            }
            let _ = to.shutdown().await;
        };
        tokio::select! {
            () = write => {}
            // What was read is still to be written.
            () = async { read.await; std::future::pending::<()>().await } => {}
        }
    }
}
