//! Faults of uniqueness locks: whether there are such locks, and for how long.

use crate::fault::Fault;
use crate::lever::Lever;
use crate::scenario::At;
use crate::scenario::resolve::Resolver;
use crate::units;

impl Resolver<'_> {
    /// Whether a task type has the locks that a fault leaves behind for so long.
    pub(super) fn locks_of(&mut self, fault: &At<Fault>, lasts_ms: i64) {
        let Lever::Locks { task, what } = fault.value.begin() else {
            return;
        };
        let name = fault.value.name();
        let of_type = self.scenario.workload.iter();
        let mut of_type = of_type.filter(|entry| entry.task == task).peekable();
        // A task that there is not has been told.
        if of_type.peek().is_none() {
            return;
        }
        let mut locks = of_type.filter_map(|entry| {
            let unique = entry.unique?;
            Some((unique.keys?, unique.ttl_ms))
        });
        let Some((keys, ttl_ms)) = locks.next() else {
            let message = format!("{name}: `{task}` has no locks that are wanted again");
            let hint = "accepted: a task type with `unique: { ttl: 1h, keys: 20 }`, or such";
            self.problems.push_with_hint(fault.at, message, hint);
            return;
        };
        if u64::from(what.count()) > keys {
            let message = format!("count: `{task}` has {keys} payloads");
            let hint = format!("accepted: 1 to {keys}");
            self.problems.push_with_hint(fault.at, message, hint);
        }
        if lasts_ms > ttl_ms {
            let ttl = units::format(ttl_ms);
            let message = format!("{name}: a lock of `{task}` lasts {ttl}, and the fault longer");
            let hint = format!("accepted: an end {ttl} after its beginning, or before");
            self.problems.push_with_hint(fault.at, message, hint);
        }
    }
}
