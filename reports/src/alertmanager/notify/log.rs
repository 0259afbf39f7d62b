//! The notification log, and what of it makes a notification necessary: `DedupStage.needsUpdate`.

use super::Reason;
use std::collections::BTreeSet;

/// What an integration of a receiver was last notified of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Entry {
    pub(super) at_ms: i64,
    pub(super) firing: BTreeSet<usize>,
    pub(super) resolved: BTreeSet<usize>,
}

/// Whether a flush at `at_ms` is to notify an integration, and why. Those that do not send what is over are logged all the
/// same.
pub(super) fn needs_update(
    entry: Option<&Entry>,
    firing: &BTreeSet<usize>,
    resolved: &BTreeSet<usize>,
    send_resolved: bool,
    repeat_interval_ms: i64,
    at_ms: i64,
) -> Option<Reason> {
    let Some(entry) = entry else {
        return (!firing.is_empty()).then_some(Reason::FirstNotification);
    };
    if !firing.is_subset(&entry.firing) {
        return Some(match entry.firing.is_empty() {
            true => Reason::FirstNotification,
            false => Reason::NewAlertsInGroup,
        });
    }
    if firing.is_empty() {
        return (!entry.firing.is_empty()).then_some(Reason::AllAlertsResolved);
    }
    if send_resolved && !resolved.is_subset(&entry.resolved) {
        return Some(Reason::NewResolvedAlerts);
    }
    // Strictly: an entry is a little younger than its flush.
    let is_due = entry.at_ms < at_ms.saturating_sub(repeat_interval_ms);
    is_due.then_some(Reason::RepeatIntervalElapsed)
}
