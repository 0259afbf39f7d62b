//! Sleeps that end when they should: tokio's own end at full milliseconds, which is much for a handler that works for one or two.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Who is to be woken, and when.
type Sleeper = (Instant, oneshot::Sender<()>);

/// Wakes whoever sleeps, from a thread of its own: as exactly as the kernel does, which is about a tenth of a millisecond.
pub(super) struct Timer(mpsc::Sender<Sleeper>);

impl Timer {
    /// Its thread ends with it.
    pub(super) fn start() -> Self {
        let (tx, rx) = mpsc::channel();
        std::thread::spawn(move || wake(&rx));
        Self(tx)
    }

    /// Sleeps for so long.
    pub(super) async fn sleep(&self, span: Duration) {
        let (tx, rx) = oneshot::channel();
        let asked = self.0.send((Instant::now() + span, tx));
        // The thread goes on for as long as there is somebody to ask.
        if asked.is_ok() {
            let _ = rx.await;
        }
    }
}

fn wake(asked: &Receiver<Sleeper>) {
    let mut asleep: BTreeMap<(Instant, u64), oneshot::Sender<()>> = BTreeMap::new();
    let mut number = 0_u64;
    loop {
        let next = asleep.first_key_value().map(|((at, _), _)| *at);
        let heard = match next {
            Some(at) => asked.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match heard {
            Ok((at, who)) => {
                number += 1;
                asleep.insert((at, number), who);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Instant::now();
        while let Some(first) = asleep.first_entry()
            && first.key().0 <= now
        {
            // Whoever has given up is not told.
            let _ = first.remove().send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_is_woken_and_nobody_early() {
        let timer = Timer::start();
        let spans = [3_000, 100, 0, 1_500, 700].map(Duration::from_micros);
        let woken = std::cell::RefCell::new(Vec::new());
        let each = spans.map(|span| {
            let (timer, woken) = (&timer, &woken);
            async move {
                let began = Instant::now();
                timer.sleep(span).await;
                assert!(began.elapsed() >= span);
                woken.borrow_mut().push(span);
            }
        });
        futures_util::future::join_all(each).await;
        assert_eq!(woken.borrow().len(), spans.len());
    }
}
