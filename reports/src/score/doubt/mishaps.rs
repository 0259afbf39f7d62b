//! Users who were harmed after a remedy, when no incident was on: somebody was rightly told of that, and no incident says so.

use super::Alarms;
use crate::jsonl::Record;
use crate::record::Cost;
use crate::score::judge::Class;

/// Why pages that look false may be about what a remedy did.
pub(super) fn doubts(record: &Record, alarms: Alarms<'_>) -> Vec<String> {
    let costs = record.audit().into_iter().flat_map(|audit| &audit.costs);
    let doubt = |(id, cost): (&String, &Cost)| {
        let until_ms = cost.harmed_until_ms?;
        let mut marks = record.marks();
        let mark = marks.find(|mark| mark.step.as_ref() == Some(id))?;
        let is_false = |class| matches!(class, Class::False | Class::BenignFalse);
        let mut pages = alarms.judged.iter().filter(|judged| judged.page);
        let page = pages.find(|judged| {
            // It may fire when all is well again, of what held until then.
            let (since_ms, fired_ms) = (judged.episode.pending_ms, judged.episode.start_ms);
            is_false(judged.class) && fired_ms >= mark.at_ms && since_ms <= until_ms
        })?;
        let minute = |ms: i64| ms as f64 / 6e4;
        Some(format!(
            "{} fired in minute {:.1}, while users were harmed by {} on {} (minute {:.1}; {} tasks): no incident says so, and whether that \
             page is false is not known; declare one with `at: {}s, until: {}s`",
            page.episode.alert,
            minute(page.episode.start_ms),
            mark.what,
            mark.targets.join(", "),
            minute(mark.at_ms),
            cost.harmed,
            mark.at_ms / 1_000,
            until_ms / 1_000 + 1
        ))
    };
    costs.filter_map(doubt).collect()
}
