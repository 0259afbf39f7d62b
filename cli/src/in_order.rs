//! Work on all cores whose results are taken in order, while few of them are held.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How far work may be ahead of the result that is due, for each thread: enough that none waits for a slow neighbour, and
/// no more is held.
const AHEAD: usize = 8;

struct Turn<'f, T> {
    /// The next work to be begun.
    next: usize,
    /// The result that is due.
    due: usize,
    /// Results that came before their turn.
    early: BTreeMap<usize, T>,
    take: &'f mut (dyn FnMut(T) + Send),
    /// A thread panicked: what is due may never come.
    broken: bool,
}

/// Does `work` for the numbers below `count`, `threads` at a time, and hands the results to `take` in the order of the
/// numbers, one at a time, as soon as may be. Once `abort` is true no more is begun.
pub(crate) fn fold<T: Send>(
    count: usize,
    threads: usize,
    abort: &AtomicBool,
    work: &(dyn Fn(usize) -> T + Sync),
    take: &mut (dyn FnMut(T) + Send),
) {
    let ahead = threads.saturating_mul(AHEAD).max(1);
    let turn = Mutex::new(Turn {
        next: 0,
        due: 0,
        early: BTreeMap::new(),
        take,
        broken: false,
    });
    let moved = Condvar::new();
    let one = || {
        let _bell = Bell {
            turn: &turn,
            moved: &moved,
        };
        loop {
            let mut state = locked(&turn);
            while state.next >= state.due.saturating_add(ahead) && !state.broken {
                state = moved.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.next == count || state.broken || abort.load(Ordering::Relaxed) {
                return;
            }
            let number = state.next;
            state.next += 1;
            drop(state);
            let result = work(number);
            let mut state = locked(&turn);
            let state = &mut *state;
            state.early.insert(number, result);
            while let Some(result) = state.early.remove(&state.due) {
                (state.take)(result);
                state.due += 1;
            }
            moved.notify_all();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(one);
        }
    });
}

fn locked<'m, 'f, T>(turn: &'m Mutex<Turn<'f, T>>) -> MutexGuard<'m, Turn<'f, T>> {
    turn.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes those who would wait for a thread that panicked.
struct Bell<'a, 'f, T> {
    turn: &'a Mutex<Turn<'f, T>>,
    moved: &'a Condvar,
}

impl<T> Drop for Bell<'_, '_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            locked(self.turn).broken = true;
            self.moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn results_come_in_order_and_few_are_held() {
        let (begun, never) = (AtomicUsize::new(0), AtomicBool::new(false));
        let mut taken = Vec::new();
        let mut most_ahead = 0;
        let work = |number: usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            // The first is the slowest: all others would be done before it.
            if number == 0 {
                std::thread::sleep(std::time::Duration::from_millis(30));
            }
            number
        };
        let mut take = |number: usize| {
            most_ahead = most_ahead.max(begun.load(Ordering::Relaxed) - number);
            taken.push(number);
        };
        fold(500, 4, &never, &work, &mut take);
        assert_eq!(taken, (0..500).collect::<Vec<_>>());
        assert!(most_ahead <= 4 * AHEAD, "{most_ahead}");
        fold(0, 4, &never, &work, &mut |_| panic!("there is no work"));
    }

    #[test]
    fn nothing_is_begun_after_an_abort() {
        let abort = AtomicBool::new(false);
        let mut taken = 0;
        let work = |number: usize| abort.store(number >= 10, Ordering::Relaxed);
        fold(1_000, 1, &abort, &work, &mut |()| taken += 1);
        assert_eq!(taken, 11);
    }

    #[test]
    fn a_panic_ends_all_threads() {
        let never = AtomicBool::new(false);
        let work = |number: usize| assert_ne!(number, 3, "as wanted");
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            fold(10_000, 2, &never, &work, &mut |()| {});
        }));
        assert!(ended.is_err());
    }
}
