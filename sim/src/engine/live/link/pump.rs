//! Moves bytes one way and the other: each piece when its time has come, in the order in which it came.

use super::State;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
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

/// Waits until what is sent gets through.
pub(super) async fn passes(state: &mut watch::Receiver<State>) {
    // A link that is gone lets nothing through: its connections end with it.
    if state.wait_for(|state| !state.cut).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Moves bytes both ways until one side has ended, or breaks.
pub(super) async fn both(
    client: impl AsyncRead + AsyncWrite,
    server: impl AsyncRead + AsyncWrite,
    state: watch::Receiver<State>,
    [asking, answering]: [Dice; 2],
) {
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    let asks = one_way(from_client, to_server, state.clone(), asking);
    let answers = one_way(from_server, to_client, state, answering);
    tokio::select! {
        // Whoever has hung up wants no answer any more; what was sent before that has arrived.
        () = asks => {}
        () = answers => {}
    }
}

/// Ends when all that came has arrived.
async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    state: watch::Receiver<State>,
    mut dice: Dice,
) {
    let (sender, mut pieces) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES);
    let mut writes = state.clone();
    let read = async move {
        let mut last = Instant::now();
        let mut piece = vec![0; PIECE];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            let State { delay, jitter, .. } = *state.borrow();
            let more = match jitter.as_micros() {
                0 => Duration::ZERO,
                most => {
                    let most = u64::try_from(most).unwrap_or(u64::MAX);
                    Duration::from_micros(dice.random_range(0..=most))
                }
            };
            last = last.max(Instant::now() + delay + more);
            if sender.send((last, piece[..length].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = pieces.recv().await {
            if due > Instant::now() {
                tokio::time::sleep_until(due).await;
            }
            passes(&mut writes).await;
            if to.write_all(&piece).await.is_err() {
                return;
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
