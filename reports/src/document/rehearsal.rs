//! The draft of a post-mortem: what happened when, how long people took, and what was missing.

use super::words::{classes, count, length};
use super::{Block, Cell, Document, Facts, Finding, Step, Table, Told, Tone, Verdict};
use crate::jsonl::Record;
use crate::record::{Action, Deed, Mark, Phase};
use crate::rehearsal::{Debrief, Kept, Mended, OURS};
use crate::score::DrillScore;
use firedrill_detector::text::counted;

/// What a rehearsal came to, for people. What alerts came to is the scorecard's: see [`of_scorecard`](super::of_scorecard).
#[must_use]
pub fn of_rehearsal(record: &Record, score: &DrillScore, debrief: &Debrief) -> Document {
    let mut blocks = vec![
        Block::Facts(times(debrief)),
        Block::Facts(cause(record, debrief)),
    ];
    blocks.extend(timeline(record, score).block());
    blocks.extend(tasks(score).map(Block::Facts));
    let lacked = lacked(debrief);
    if !lacked.is_empty() {
        blocks.push(Block::Findings(lacked));
    }
    let (sentence, tone) = verdict(record, debrief);
    let next = debrief.sooner.iter().map(|sooner| {
        let by = match sooner.by_ms {
            Some(by_ms) => format!("{} sooner", length(by_ms)),
            None => "and your rules paged nobody".to_owned(),
        };
        Step {
            text: format!("{} of {} would have paged, {by}", sooner.alert, sooner.pack),
            command: Some(format!("firedrill show {}", sooner.pack)),
        }
    });
    Document {
        title: format!("post-mortem: {}", record.header.scenario),
        verdict: Some(Verdict {
            word: match record.aborted() {
                Some(_) => "stopped".to_owned(),
                None => "rehearsed".to_owned(),
            },
            counts: String::new(),
            sentence,
            tone,
        }),
        next: next.collect(),
        blocks,
    }
}

fn muted(text: impl Into<String>) -> Cell {
    Cell::from((text.into(), Tone::Muted))
}

fn times(debrief: &Debrief) -> Facts {
    let ms = |ms: Option<i64>| match ms {
        Some(ms) => muted(length(ms)),
        None => Cell::from(("never".to_owned(), Tone::Bad)),
    };
    let kept = |kept: Kept, within_ms: i64| {
        let limit = length(within_ms);
        Cell::from(match kept {
            Kept::InTime(ms) => (format!("{} (within {limit})", length(ms)), Tone::Good),
            Kept::Late(ms) => (
                format!("{}, late: due after {limit}", length(ms)),
                Tone::Bad,
            ),
            Kept::Never => (format!("never: due after {limit}"), Tone::Bad),
            Kept::NotDue => ("not due".to_owned(), Tone::Muted),
        })
    };
    let mut facts = Vec::new();
    if debrief.incident.is_some() {
        facts.push(("time to detect", ms(debrief.detect_ms())));
    }
    let paged = debrief
        .paged
        .as_ref()
        .map(|paged| muted(format!("{} at {}", paged.alert, length(paged.at_ms))));
    let nobody = match debrief.is_early {
        true => "none: it ended before anything was broken that could page",
        false => "nobody",
    };
    facts.push(("first page", paged.unwrap_or_else(|| muted(nobody))));
    if debrief.paged.is_some() {
        facts.push(("time to acknowledge", ms(debrief.acknowledged_ms)));
    }
    facts.push((
        "first response",
        kept(debrief.responded, debrief.terms.respond_within_ms),
    ));
    facts.push((
        "escalation",
        kept(debrief.escalated, debrief.terms.escalate_after_ms),
    ));
    if debrief.incident.is_some() {
        let by = match debrief.mended {
            Mended::ByHand => "by people",
            Mended::ByPlan => "by the plan; nobody was seen to mend it",
            Mended::Unseen => "as planned; nobody was seen to mend it",
        };
        let open = || Cell::from(("not before the end".to_owned(), Tone::Bad));
        let mitigated = debrief
            .mitigate_ms()
            .map(|ms| muted(format!("{}, {by}", length(ms))));
        facts.push(("time to mitigate", mitigated.unwrap_or_else(open)));
        let recovered = debrief.recover_ms().map(|ms| muted(length(ms)));
        facts.push(("time to recover", recovered.unwrap_or_else(open)));
    }
    let facts = facts
        .into_iter()
        .map(|(what, cell)| (what.to_owned(), cell));
    Facts {
        title: "Times".to_owned(),
        lead: Vec::new(),
        facts: facts.collect(),
        note: "Detect, mitigate and recover count from the fault; acknowledge, response and escalation from the first page."
            .to_owned(),
    }
}

fn cause(record: &Record, debrief: &Debrief) -> Facts {
    let causes = record
        .header
        .incidents
        .iter()
        .map(|incident| incident.cause.as_str());
    let causes: Vec<&str> = causes.collect();
    let was = match causes.is_empty() {
        true => "nothing was wrong".to_owned(),
        false => causes.join(", "),
    };
    // What was planned for later than its end was not done.
    let begun = |id: &str| {
        record
            .marks()
            .any(|mark| mark.step.as_deref() == Some(id) && mark.phase == Some(Phase::Begin))
    };
    let steps = record.header.steps.iter();
    let steps = steps.filter(|step| !step.is_remedy && begun(&step.id));
    let done: Vec<String> = steps
        .map(|step| match step.targets.is_empty() {
            true => step.fault.clone(),
            false => format!("{} on {}", step.fault, step.targets.join(", ")),
        })
        .collect();
    let done = match done.is_empty() {
        true => "nothing: it ended before".to_owned(),
        false => done.join("; "),
    };
    let mut facts = vec![
        ("cause".to_owned(), muted(was)),
        ("what was done".to_owned(), muted(done)),
    ];
    for (name, is_right) in &debrief.suspected {
        let (word, tone) = if *is_right {
            ("right", Tone::Good)
        } else {
            ("wrong", Tone::Bad)
        };
        let suspected = Cell::from((format!("{name}: {word}"), tone));
        facts.push(("suspected".to_owned(), suspected));
    }
    if debrief.suspected.is_empty() && !debrief.is_early {
        facts.push((
            "suspected".to_owned(),
            Cell::from(("nothing".to_owned(), Tone::Warn)),
        ));
    }
    Facts {
        title: "Cause".to_owned(),
        lead: vec![record.header.summary.clone()],
        facts,
        note: String::new(),
    }
}

/// All that happened, in order of time.
fn timeline(record: &Record, score: &DrillScore) -> Table {
    let mut rows: Vec<(i64, &str, Told)> = Vec::new();
    for mark in record.marks() {
        rows.push((mark.at_ms, "fault", step(mark)));
    }
    for judged in &score.episodes {
        let episode = &judged.episode;
        let fires = format!("{} fires", episode.alert);
        rows.push((episode.start_ms, "alert", (fires, Tone::Warn)));
        if episode.sent && judged.page && episode.delivered_ms <= record.end_ms() {
            let page = format!("page: {}", episode.alert);
            rows.push((episode.delivered_ms, "alert", (page, Tone::Bad)));
        }
        if !episode.open {
            let over = format!("{} is resolved", episode.alert);
            rows.push((episode.end_ms, "alert", (over, Tone::Good)));
        }
    }
    for action in record.actions() {
        rows.push((action.at_ms, who(action), did(action)));
    }
    rows.sort_by_key(|(at_ms, ..)| *at_ms);
    let rows = rows.into_iter().map(|(at_ms, who, what)| {
        vec![
            (length(at_ms), Tone::Muted),
            (who.to_owned(), Tone::Muted),
            what,
        ]
    });
    Table::new("Timeline", "", ["at", "who", "what"], rows.collect())
}

fn step(mark: &Mark) -> Told {
    let what = match mark.phase {
        Some(Phase::End) => "ended",
        Some(Phase::During) => "goes on",
        Some(Phase::Begin) | None => "begun",
    };
    let text = format!(
        "{} on {} ({what}): {}",
        mark.what,
        mark.targets.join(", "),
        mark.saw
    );
    (
        text,
        if mark.verified {
            Tone::Muted
        } else {
            Tone::Warn
        },
    )
}

fn who(action: &Action) -> &'static str {
    match action.what {
        Deed::Reminded => "clock",
        Deed::Seen | Deed::Mended => "seen",
        _ if action.subject == OURS => OURS,
        _ => "people",
    }
}

fn did(action: &Action) -> Told {
    let tone = match action.what {
        Deed::Mended => Tone::Good,
        Deed::Reminded | Deed::Stopped => Tone::Warn,
        _ => Tone::Muted,
    };
    // The column beside it says who it is by.
    let word = (action.what != Deed::Seen).then(|| action.what.words());
    let about = Some(action.subject.as_str()).filter(|subject| *subject != OURS);
    let parts = [word, about, Some(action.text.as_str())];
    let parts = parts.into_iter().flatten().filter(|part| !part.is_empty());
    (parts.collect::<Vec<_>>().join(": "), tone)
}

fn tasks(score: &DrillScore) -> Option<Facts> {
    let audit = score.audit.as_ref()?;
    let mut facts = vec![
        ("enqueued", audit.enqueued.to_string()),
        ("succeeded", audit.succeeded.to_string()),
        ("archived", audit.archived.to_string()),
        ("still queued", audit.still_queued.to_string()),
        ("lost", count(audit.jobs_lost())),
        ("late", count((!audit.unseen).then_some(audit.late))),
    ];
    if let Some((more, _)) = classes(audit) {
        facts.push(("besides", more));
    }
    Some(Facts::new("Tasks", facts))
}

/// What the runbook, the rules or the clock lacked.
fn lacked(debrief: &Debrief) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut warn = |about: &str, text: String| found.push(Finding::new(about, (text, Tone::Warn)));
    if let Some(consulted) = &debrief.consulted {
        for alert in &consulted.without_section {
            warn(
                &consulted.path,
                format!("says nothing about {alert}, which fired"),
            );
        }
        if consulted.checklist.is_empty() {
            warn(&consulted.path, "has no checklist (`- [ ] ...`)".to_owned());
        } else if !debrief.not_done.is_empty() {
            let steps = counted(debrief.not_done.len(), "step");
            warn(
                &consulted.path,
                format!("{steps} not done: {}", debrief.not_done.join("; ")),
            );
        }
    }
    match debrief.responded {
        Kept::Late(_) => warn("response", "came late".to_owned()),
        Kept::Never => warn(
            "response",
            "nobody was seen or said to do anything".to_owned(),
        ),
        Kept::InTime(_) | Kept::NotDue => {}
    }
    match debrief.escalated {
        Kept::Late(_) => warn("escalation", "came late".to_owned()),
        Kept::Never => warn("escalation", "the next in line was never told".to_owned()),
        Kept::InTime(_) | Kept::NotDue => {}
    }
    found
}

fn verdict(record: &Record, debrief: &Debrief) -> Told {
    if let Some(stopped) = record.actions().find(|action| action.what == Deed::Stopped) {
        return (
            format!("stopped at {}: {}", length(stopped.at_ms), stopped.text),
            Tone::Warn,
        );
    }
    let mut parts = Vec::new();
    if debrief.incident.is_some() {
        parts.push(match debrief.detect_ms() {
            Some(ms) => format!("paged {} after the fault", length(ms)),
            None => "nobody was paged for it".to_owned(),
        });
        let over = debrief.mitigate_ms().map_or_else(String::new, length);
        parts.push(match debrief.mended {
            Mended::ByHand => format!("mended after {over}"),
            Mended::ByPlan | Mended::Unseen => "not mended by people".to_owned(),
        });
    }
    let named = debrief.suspected.last().map(|(_, is_right)| *is_right);
    parts.push(match named {
        Some(true) => "the cause was named".to_owned(),
        Some(false) => "another cause was named".to_owned(),
        None => "no cause was named".to_owned(),
    });
    let kept = |kept| !matches!(kept, Kept::Late(_) | Kept::Never);
    let all = kept(debrief.responded) && kept(debrief.escalated) && named == Some(true);
    let tone = if all && debrief.mended == Mended::ByHand {
        Tone::Good
    } else {
        Tone::Warn
    };
    (parts.join(", "), tone)
}
