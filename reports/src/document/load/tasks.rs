//! What became of a load's tasks.

use crate::document::Facts;
use crate::load::{Account, Counts, LoadRecord};
use crate::record::Audit;

pub(super) fn tasks(record: &LoadRecord) -> Facts {
    let facts = &record.facts;
    if let Some(audit) = &facts.audit {
        return audited(audit, &facts.counts);
    }
    let counts = &facts.counts;
    let mut told = vec![("due".to_owned(), counts.intended)];
    told.extend([
        ("sent".to_owned(), counts.sent),
        ("enqueued".to_owned(), counts.enqueued + counts.prefilled),
        ("refused as duplicates".to_owned(), counts.duplicates),
        ("refused by Redis".to_owned(), counts.rejected),
        ("without an answer".to_owned(), counts.unanswered),
        ("handlers succeeded".to_owned(), counts.succeeded),
        ("handlers failed".to_owned(), counts.failed),
        ("enqueued by others".to_owned(), counts.foreign),
        ("became part of an aggregate".to_owned(), counts.grouped),
    ]);
    let mut lead = Vec::new();
    if let Some(left) = &facts.left {
        told.extend([
            ("done, by asynq's counters".to_owned(), left.done()),
            ("archived".to_owned(), Account::of(counts, left).archived),
            ("pending at the end".to_owned(), left.pending),
            ("active at the end".to_owned(), left.active),
            ("scheduled at the end".to_owned(), left.scheduled),
            ("to be retried at the end".to_owned(), left.retry),
            ("in groups at the end".to_owned(), left.aggregating),
        ]);
        if left.waiting() > 0 && facts.header.sides.consumes() {
            lead.push(format!(
                "{} tasks were still waiting at the end: how long they will have waited is in none of the figures",
                left.waiting()
            ));
        }
        let account = Account::of(counts, left);
        if facts.header.sides.produces() && counts.foreign == 0 && account.difference() == 0 {
            lead.push(match counts.unanswered {
                0 => "they add up: what was enqueued is done, archived, or there".to_owned(),
                // Each of them may have come, and was then done beside what is known to have been enqueued.
                calls => format!(
                    "nothing is missing of what was enqueued; {calls} more were sent and got no answer, so whether they add up is not known"
                ),
            });
        }
    }
    let told = told.into_iter().filter(|(_, count)| *count > 0);
    let told = told.map(|(what, count)| (what, count.to_string()));
    Facts {
        lead,
        ..Facts::new("Tasks", told)
    }
}

/// What became of the tasks of a drill: each that was enqueued stands in one line.
fn audited(audit: &Audit, counts: &Counts) -> Facts {
    let queued = audit.queued.iter().map(|(state, count)| {
        let what = match state.as_str() {
            "retry" => "to be retried at the end".to_owned(),
            "aggregating" => "in groups at the end".to_owned(),
            state => format!("{state} at the end"),
        };
        (what, *count)
    });
    let told = [
        ("due", audit.intended),
        ("enqueued", audit.enqueued),
        ("refused as duplicates", audit.duplicates),
        ("refused by Redis", audit.rejected),
        ("handlers succeeded", counts.succeeded),
        ("handlers failed", counts.failed),
        ("done", audit.succeeded),
        ("archived", audit.archived),
        ("archived, and forgotten since", audit.trimmed),
        ("deleted by a remedy", audit.deleted),
    ];
    let rest = [
        ("lost", audit.lost),
        ("of which nobody can tell", audit.untold),
    ];
    let owned = |(what, count): (&str, u64)| (what.to_owned(), count);
    let told = told.map(owned).into_iter().chain(queued);
    let told = told.chain(rest.map(owned)).filter(|(_, count)| *count > 0);
    let lead = format!(
        "of {} tasks that were enqueued, {} are done, {} were archived or deleted, {} are still there, and {} are lost",
        audit.enqueued,
        audit.succeeded,
        audit.archived + audit.trimmed + audit.deleted,
        audit.still_queued,
        audit.lost + audit.untold
    );
    Facts {
        lead: vec![lead],
        ..Facts::new("Tasks", told.map(|(what, count)| (what, count.to_string())))
    }
}
