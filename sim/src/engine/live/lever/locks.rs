//! Levers on uniqueness locks.

use crate::engine::live::director::Seen;
use crate::engine::live::stand::Stand;
use crate::engine::locks_deleted;
use crate::lever::LockLever;
use crate::producer::Messages;

/// What a lock holds whose task there is not: asynq's have the id of one.
const NOBODY: &str = "no-such-task";

impl Stand {
    /// Locks are taken for a task that there is not, or deleted.
    pub(in crate::engine::live) async fn pull_locks(&self, task: &str, what: LockLever) -> Seen {
        let now = self.clock.now();
        let messages = Messages::new(&self.plan, self.clock.virtual_start);
        let entries = self.plan.locked_entries(task);
        let keys = entries.flat_map(|(entry, _)| {
            let numbers = 0..u64::from(what.count());
            let messages = &messages;
            numbers.map(move |number| messages.lock(entry, number, now))
        });
        let keys: Vec<String> = keys.collect();
        let answer = match what {
            LockLever::Leave { .. } => {
                let mut set = ::redis::cmd("MSET");
                for key in &keys {
                    set.arg(key).arg(NOBODY);
                }
                let answer = self.control.command::<String>(&set, "MSET").await;
                // Whoever is refused says so.
                answer.map(|_| None)
            }
            LockLever::Free { .. } => {
                let mut delete = ::redis::cmd("DEL");
                delete.arg(&keys);
                let answer = self.control.command::<usize>(&delete, "DEL").await;
                answer.map(|deleted| Some((true, locks_deleted(deleted))))
            }
        };
        answer.unwrap_or_else(|error| Some((false, error.to_string())))
    }
}
