//! A scorecard as a document: what every alert did on every drill, what the incidents came to, what happened to the tasks, and
//! the drills themselves where their records are at hand.

use super::words::{self, Named};
use super::{
    Block, Cell, Document, Facts, Finding, Table, Told, Tone, check, drill, gates, heard, next,
    routed, verdict,
};
use crate::jsonl::Record;
use crate::score::Called;
use crate::{Replay, Scorecard};
use firedrill_detector::RuleSet;
use std::collections::BTreeSet;

/// A drill to report on: its record, and what the rules made of it.
#[derive(Debug, Clone)]
pub struct Drill<'r> {
    /// The record.
    pub record: &'r Record,
    /// Transitions under the rules reported on.
    pub replay: &'r Replay,
    /// Those rules.
    pub rules: &'r RuleSet,
}

/// A scorecard for people. `drills` hold records of the card's drills, in any order; of those without one there is no more
/// than the card says.
#[must_use]
pub fn of_scorecard(card: &Scorecard, drills: &[Drill<'_>]) -> Document {
    let named = words::named(card);
    let (incidents, harmless): (Vec<_>, Vec<_>) = named
        .iter()
        .partition(|named| !named.drill.incidents.is_empty());
    let is_shown = |named: &Named<'_>| drills.iter().any(|known| drill::is_of(known, named.drill));
    let matrix = |title, note, head, drills: &[&Named<'_>]| {
        matrix(title, note, head, drills, &is_shown).block()
    };
    let mut blocks = Vec::new();
    blocks.extend(matrix(
        "Incidents",
        "When somebody was told by each alert, counted from the start of the fault.",
        "incident",
        &incidents,
    ));
    blocks.extend(outcomes(&incidents).block());
    blocks.extend(heard::sources(&incidents).block());
    blocks.extend(heard::splits(&incidents).block());
    blocks.extend(matrix(
        "Harmless events",
        "Every alert must stay silent.",
        "harmless",
        &harmless,
    ));
    blocks.extend(audits(&named).block());
    blocks.extend(remedies(&named).block());
    let findings = findings(&named);
    if !findings.is_empty() {
        blocks.push(Block::Findings(findings));
    }
    if let Some(diagnosis) = &card.diagnosis {
        blocks.push(Block::Entries(check::entries(
            "Rules that cannot fire",
            diagnosis,
        )));
    }
    blocks.extend(confusion(&card.called));
    blocks.push(Block::Facts(Facts {
        note: "Brackets are 95 % intervals (Wilson for shares, exact Poisson for rates)."
            .to_owned(),
        ..Facts::new("Summary (95 % intervals)", words::summary(card))
    }));
    blocks.extend(named.iter().filter_map(|named| {
        let known = drills
            .iter()
            .find(|known| drill::is_of(known, named.drill))?;
        Some(Block::Part(drill::part(known, named)))
    }));
    let mut document = Document {
        title: "firedrill report".to_owned(),
        verdict: Some(verdict::verdict(card)),
        next: next::steps(card),
        blocks,
    };
    gates::put(card.gated.as_ref(), &mut document);
    document
}

/// Of more alerts than this, those that did nothing are named below the table and have no column.
const COLUMNS_MAX: usize = 8;

/// Rows are drills, columns are alerts.
fn matrix(
    title: &str,
    note: &str,
    head: &str,
    drills: &[&Named<'_>],
    is_shown: &dyn Fn(&Named<'_>) -> bool,
) -> Table {
    let (names, found) = words::matrix(drills);
    let head = std::iter::once(head).chain(names);
    let mut table = Table::new(title, note, head, Vec::new());
    for row in found {
        let doubt = match row.named.drill.inconclusive.is_empty() {
            true => "",
            false => " (?)",
        };
        let name = (format!("{}{doubt}", row.name), Tone::Muted);
        let cells = std::iter::once(name).chain(row.cells).map(Cell::from);
        let lead = |cell: Cell| match is_shown(row.named) && !cell.text.is_empty() {
            true => cell.leading_to(&row.named.anchor),
            false => cell,
        };
        table.rows.push(cells.map(lead).collect());
    }
    if table.head.len() > 1 + COLUMNS_MAX {
        leave_out_the_silent(&mut table);
    }
    table
}

/// Takes out the columns of alerts that did nothing in any of the drills.
fn leave_out_the_silent(table: &mut Table) {
    let does = |column: usize| {
        let cells = table.rows.iter().filter_map(|row| row.get(column));
        column == 0
            || cells
                .into_iter()
                .any(|cell| !matches!(cell.text.as_str(), "-" | "silent"))
    };
    let does: Vec<bool> = (0..table.head.len()).map(does).collect();
    let kept = |column: usize| does.get(column).copied().unwrap_or(true);
    let silent: Vec<String> = (0..table.head.len())
        .filter(|column| !kept(*column))
        .filter_map(|column| table.head.get(column).cloned())
        .collect();
    if silent.is_empty() {
        return;
    }
    let mut columns = 0..;
    table.head.retain(|_| columns.next().is_none_or(kept));
    for row in &mut table.rows {
        let mut columns = 0..;
        row.retain(|_| columns.next().is_none_or(kept));
    }
    table.more = format!("Silent in all of these: {}.", silent.join(", "));
}

fn muted(text: impl Into<String>) -> Told {
    (text.into(), Tone::Muted)
}

fn outcomes(drills: &[&Named<'_>]) -> Table {
    let head = [
        "incident",
        "wanted",
        "outcome",
        "signal+hold+delivery",
        "first page",
        "first harm",
        "user impact, before any page",
        "tasks harmed",
        "resolved",
    ];
    let mut rows = Vec::new();
    for named in drills {
        for (index, incident) in named.drill.incidents.iter().enumerate() {
            let truth = &incident.truth;
            let (outcome, tone) = words::outcome(named.drill, incident);
            let when = incident.detection.as_ref().map_or_else(
                || outcome.to_owned(),
                |detection| {
                    let told = words::since(detection.delivered_ms, truth.fault_ms);
                    format!("{outcome} {told}")
                },
            );
            let harm = truth.impact_ms.map(|at| words::since(at, truth.fault_ms));
            let lengths = harm.as_ref().map(|_| {
                let [all, before] = [incident.impact_ms, incident.undetected_ms].map(words::length);
                format!("{all}, {before}")
            });
            let tasks = harm.as_ref().map(|_| incident.harmed_tasks.to_string());
            // Who was harmed is told by executions.
            let is_unseen = named.drill.audit.as_ref().is_some_and(|audit| audit.unseen);
            let measured = |text, nothing| muted(words::measured(incident, text, nothing));
            let harmed =
                |text, nothing| measured(text, if is_unseen { "not known" } else { nothing });
            rows.push(vec![
                muted(named.incident(index)),
                muted(words::wanted(incident)),
                (when, tone),
                muted(words::parts(incident)),
                measured(incident.first_page.clone(), "none"),
                harmed(harm, "none"),
                harmed(lengths, "0:00, 0:00"),
                harmed(tasks, "0"),
                muted(words::reset(incident)),
            ]);
        }
    }
    Table::new(
        "What the incidents came to",
        "Times run from the fault; the resolution is counted from the end of the incident.",
        head,
        rows,
    )
}

fn audits(drills: &[Named<'_>]) -> Table {
    let mut audits = drills.iter().filter_map(|named| named.drill.audit.as_ref());
    let has_duplicates = audits.any(|audit| audit.duplicates > 0);
    let mut head = vec![
        "tasks",
        "enqueued",
        "rejected",
        "duplicates",
        "succeeded",
        "archived",
        "queued",
        "lost",
        "run twice",
        "late",
    ];
    let maybe_bad = |count: Option<u64>| {
        let is_bad = count.is_some_and(|count| count > 0);
        let tone = if is_bad { Tone::Bad } else { Tone::Muted };
        (words::count(count), tone)
    };
    let bad = |count: u64| maybe_bad(Some(count));
    let count = |count: u64| muted(count.to_string());
    let of = |named: &Named<'_>| {
        let audit = named.drill.audit.as_ref()?;
        Some(vec![
            muted(named.name.clone()),
            count(audit.enqueued),
            bad(audit.rejected),
            count(audit.duplicates),
            count(audit.succeeded),
            count(audit.archived),
            count(audit.still_queued),
            maybe_bad(audit.jobs_lost().map(|_| audit.lost)),
            maybe_bad(audit.seen(audit.executed_twice)),
            muted(words::count(audit.seen(audit.late))),
        ])
    };
    let mut rows: Vec<Vec<Told>> = drills.iter().filter_map(of).collect();
    // Most plans have none.
    if !has_duplicates {
        head.remove(3);
        for row in &mut rows {
            row.remove(3);
        }
    }
    Table::new("What happened to the tasks", "", head, rows)
}

/// What remedies came to.
fn remedies(drills: &[Named<'_>]) -> Table {
    let head = std::iter::once("remedies").chain(words::REMEDIES);
    let rows = drills.iter().flat_map(|named| {
        let rows = words::remedies(named.drill).into_iter();
        rows.map(|row| {
            let cells = row.map(|(text, tone)| (text, named.judged(tone)));
            let name = muted(named.name.clone());
            std::iter::once(name).chain(cells).collect()
        })
    });
    Table::new("What the remedies came to", "", head, rows.collect())
}

/// What else is to be said of drills, kind by kind.
fn findings(drills: &[Named<'_>]) -> Vec<Finding> {
    let each = |said: &dyn Fn(&Named<'_>) -> Vec<Told>| -> Vec<Finding> {
        let of = |named: &Named<'_>| {
            let said = said(named).into_iter();
            let said = said.map(|told| Finding::new(&named.name, told));
            said.collect::<Vec<_>>()
        };
        drills.iter().flat_map(of).collect()
    };
    let of_tasks = each(&|named| {
        let classes = named.drill.audit.as_ref().and_then(words::classes);
        classes.into_iter().collect()
    });
    let doubts = each(&|named| {
        let doubts = named.drill.inconclusive.iter();
        let told = |why| (format!("inconclusive: {why}"), Tone::Warn);
        doubts.map(told).collect()
    });
    let standing = each(&|named| {
        let found = named.drill.standing.iter().map(words::standing);
        let judged = found.map(|(told, tone)| (told, named.judged(tone)));
        judged.collect()
    });
    let kept_back = each(&|named| {
        let told = routed::kept_back(named.drill).into_iter();
        told.map(muted).collect()
    });
    let sources = each(&|named| heard::notes(named.drill));
    let errors = each(&|named| {
        let errors = named.drill.rule_errors.iter();
        let told = |error| (format!("rule error: {error}"), Tone::Bad);
        errors.map(told).collect()
    });
    [of_tasks, doubts, standing, kept_back, sources, errors].concat()
}

const CALLED: &str = "What the causes were called";
const CALLED_BY: &str = "By the symptoms at the moment somebody was told.";

/// The causes that were named, in a word or several.
fn named_in_words(one: &Called) -> String {
    match one.named.is_empty() {
        true => "nothing known".to_owned(),
        false => one.named.join(" or "),
    }
}

fn tone(one: &Called) -> Tone {
    match one.named == [one.cause.as_str()] {
        true => Tone::Good,
        false => Tone::Bad,
    }
}

/// What each of the runbook's causes was called, and how often.
pub(crate) fn called(called: &[Called]) -> Table {
    let row = |one: &Called| {
        vec![
            muted(&one.cause),
            (named_in_words(one), tone(one)),
            muted(one.incidents.to_string()),
        ]
    };
    let head = ["cause", "called", "incidents"];
    Table::new(CALLED, CALLED_BY, head, called.iter().map(row).collect())
}

/// The same as a grid; nothing where nothing was called.
fn confusion(called: &[Called]) -> Option<Block> {
    let list = self::called(called);
    let causes: BTreeSet<&str> = called.iter().map(|one| one.cause.as_str()).collect();
    let names: BTreeSet<String> = called.iter().map(named_in_words).collect();
    // What is right stands on the diagonal, what was taken for something else beside it.
    let own = causes.iter().map(|cause| (*cause).to_owned());
    let others = names.iter().filter(|name| !causes.contains(name.as_str()));
    let columns: Vec<String> = own.chain(others.cloned()).collect();
    let cell = |cause: &str, name: &String| {
        let is_it = |one: &&Called| one.cause == cause && named_in_words(one) == *name;
        let found = called.iter().find(is_it);
        found.map_or(muted(""), |one| (one.incidents.to_string(), tone(one)))
    };
    let row = |cause: &&str| {
        let cells = columns.iter().map(|name| cell(cause, name));
        std::iter::once(muted(*cause)).chain(cells).collect()
    };
    let rows: Vec<Vec<Told>> = causes.iter().map(row).collect();
    let head = std::iter::once("cause, and what it was called".to_owned()).chain(columns.clone());
    let note = format!("{CALLED_BY} How many incidents of each cause were called what.");
    let grid = Table::new(CALLED, &note, head, rows);
    (!called.is_empty()).then_some(Block::Confusion { grid, list })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_right_stands_on_the_diagonal() {
        let one = |cause: &str, named: &[&'static str], incidents| Called {
            cause: cause.to_owned(),
            named: named.to_vec(),
            incidents,
        };
        let called = [
            one("slow-jobs", &["deadlock"], 1),
            one("deadlock", &["deadlock"], 3),
            one("redis-down", &[], 1),
            one("slow-jobs", &["deadlock", "slow-jobs"], 2),
        ];
        let Some(Block::Confusion { grid, list }) = confusion(&called) else {
            panic!("a grid");
        };
        assert_eq!(
            grid.head[1..],
            [
                "deadlock",
                "redis-down",
                "slow-jobs",
                "deadlock or slow-jobs",
                "nothing known"
            ]
        );
        let rows: Vec<Vec<&str>> = grid
            .rows
            .iter()
            .map(|row| row.iter().map(|cell| cell.text.as_str()).collect())
            .collect();
        assert_eq!(
            rows,
            [
                ["deadlock", "3", "", "", "", ""],
                ["redis-down", "", "", "", "", "1"],
                ["slow-jobs", "1", "", "", "2", ""]
            ]
        );
        assert_eq!(
            (grid.rows[0][1].tone, grid.rows[2][1].tone),
            (Tone::Good, Tone::Bad)
        );
        assert_eq!(list.rows.len(), called.len());
        assert_eq!(confusion(&[]), None);
    }
}
