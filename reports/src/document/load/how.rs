//! How a load was run: the command that repeats it, what it ran on, and what was done to it.

use crate::document::{Block, Facts, Part, Table, Tone};
use crate::load::LoadRecord;

/// The faults and remedies that it was under, when each was applied and what was seen of it.
pub(super) fn steps(record: &LoadRecord) -> Table {
    let rows = record.facts.marks.iter().map(|mark| {
        let tone = match mark.verified {
            true => Tone::Muted,
            false => Tone::Warn,
        };
        vec![
            (format!("{:.1} s", mark.at_ms as f64 / 1e3), Tone::Muted),
            (mark.what.clone(), Tone::Muted),
            (mark.targets.join(", "), Tone::Muted),
            (mark.saw.clone(), tone),
        ]
    });
    let note = "Seconds since the first task could arrive; lines in the charts.";
    let head = ["at", "fault or remedy", "on", "seen"];
    Table::new("What was done to it", note, head, rows.collect())
}

/// The command, the machine and the plan.
pub(super) fn part(record: &LoadRecord) -> Part {
    let header = &record.facts.header;
    let counted = |number: u32| match number {
        0 => String::new(),
        number => number.to_string(),
    };
    let facts = [
        ("to repeat it", header.command.clone()),
        ("seed", header.seed.to_string()),
        ("Redis", header.redis.clone()),
        ("processors", counted(header.cpus)),
        ("began", header.started.clone()),
        ("firedrill", header.firedrill.clone()),
    ];
    // Loads of before do not say all of it.
    let known = facts.into_iter().filter(|(_, value)| !value.is_empty());
    let mut blocks = vec![Block::Facts(Facts::new("", known))];
    if !header.plan.is_empty() {
        blocks.push(Block::Code {
            title: "The load as meant".to_owned(),
            text: header.plan.clone(),
        });
    }
    Part {
        anchor: "how-it-was-run".to_owned(),
        title: "How it was run".to_owned(),
        badge: None,
        folded: true,
        blocks,
    }
}
