//! One drill on a page: findings, charts, tasks, how it was run, and the command that repeats it.

use super::words::{self, Named};
use super::{
    Block, Cell, Drill, Facts, Figure, Finding, Part, Table, Told, Tone, heard, missed, routed,
};
use crate::plot::{self, Frame};
use crate::record::{Audit, QueueWaits, WORKERS, Wanted};
use crate::score::Did;
use crate::score::judge::Outcome;
use crate::{DrillScore, Verdict};

/// Whether that is the record of this score's drill.
pub(super) fn is_of(known: &Drill<'_>, drill: &DrillScore) -> bool {
    let header = &known.record.header;
    (&header.scenario, header.seed, header.epoch_ms)
        == (&drill.scenario, drill.seed, drill.epoch_ms)
}

/// All there is to say of a drill.
pub(super) fn part(known: &Drill<'_>, named: &Named<'_>) -> Part {
    let drill = named.drill;
    let mut blocks = vec![Block::Note(drill.summary.clone())];
    let findings = findings(drill).into_iter();
    let findings = findings.map(|(text, tone)| Finding::new("", (text, named.judged(tone))));
    blocks.push(Block::Findings(findings.collect()));
    blocks.extend(figures(known, drill).into_iter().map(Block::Figure));
    let missed = missed::parts(known, drill, &named.anchor);
    blocks.extend(missed.into_iter().map(Block::Part));
    blocks.extend(
        drill
            .audit
            .as_ref()
            .map(|audit| Block::Table(audit_table(audit))),
    );
    blocks.extend(waits(drill).block());
    blocks.extend(drill.waits.iter().filter_map(histogram));
    let rows = words::remedies(drill).into_iter();
    let rows = rows.map(|row| row.map(|(text, tone)| (text, named.judged(tone))).to_vec());
    blocks.extend(Table::new("Remedies", "", words::REMEDIES, rows.collect()).block());
    blocks.push(Block::Part(how_it_was_run(known, named)));
    Part {
        anchor: named.anchor.clone(),
        title: named.name.clone(),
        badge: Some(badge(drill.verdict)),
        folded: false,
        blocks,
    }
}

fn badge(verdict: Verdict) -> Cell {
    let (word, tone) = match verdict {
        Verdict::Passed => ("passed", Tone::Good),
        Verdict::Failed => ("failed", Tone::Bad),
        Verdict::Inconclusive => ("inconclusive", Tone::Warn),
    };
    (word.to_owned(), tone).into()
}

fn figures(known: &Drill<'_>, drill: &DrillScore) -> Vec<Figure> {
    let frame = Frame::new(known.record, drill);
    let charts = plot::timeline(&frame, known.record, drill, &known.replay.transitions);
    let figure = |chart: plot::Chart| Figure {
        title: chart.title,
        description: chart.description,
        picture: chart.picture.map_err(|error| error.to_string()),
    };
    charts.into_iter().map(figure).collect()
}

/// The drill in sentences, the worst first.
fn findings(drill: &DrillScore) -> Vec<Told> {
    let mut found: Vec<Told> = drill
        .inconclusive
        .iter()
        .map(|why| (format!("Inconclusive: {why}."), Tone::Warn))
        .collect();
    for incident in &drill.incidents {
        let (outcome, tone) = words::outcome(drill, incident);
        let deadline = words::since(incident.truth.deadline_ms, incident.truth.fault_ms);
        let told = match (&incident.detection, incident.outcome) {
            (Some(d), _) => format!(
                "{} told somebody {} after the fault ({outcome}; wanted by {deadline}): signal, hold and delivery took {}.",
                d.alert,
                words::since(d.delivered_ms, incident.truth.fault_ms),
                words::parts(incident)
            ),
            (None, Outcome::Missed) if drill.verdict != Verdict::Inconclusive => format!(
                "Nobody was {} about this {} incident (wanted by {deadline}); {} tasks were harmed for {} minutes.",
                match incident.truth.wanted {
                    Wanted::Page => "paged",
                    Wanted::Ticket => "told",
                },
                incident.truth.cause,
                incident.harmed_tasks,
                incident.impact_ms / 60_000
            ),
            (None, _) => format!("The {} incident: {outcome}.", incident.truth.cause),
        };
        found.push((told, tone));
    }
    for alert in &drill.alerts {
        for (on, incident) in alert.on.iter().zip(&drill.incidents) {
            if let Did::Detected {
                let_go_ms: Some(ms),
                ..
            } = on.did
            {
                let at = words::since(ms, incident.truth.fault_ms);
                let name = &alert.alert;
                let text =
                    format!("{name} cleared early, at {at}, while the fault and its harm went on.");
                found.push((text, Tone::Bad));
            }
        }
        for alarm in alert.false_alarms.iter().filter(|a| a.since_ms.is_none()) {
            let at = words::since(alarm.at_ms, drill.zero_ms);
            found.push(if alarm.page {
                let text = format!("{} cried wolf at {at}: nothing was wrong.", alert.alert);
                (text, Tone::Bad)
            } else {
                let text = format!("{} sent a needless ticket at {at}.", alert.alert);
                (text, Tone::Warn)
            });
        }
    }
    found.extend(drill.standing.iter().map(words::standing));
    let kept_back = routed::kept_back(drill).into_iter();
    found.extend(kept_back.map(|told| (format!("{told}."), Tone::Muted)));
    found.extend(heard::notes(drill));
    for error in &drill.rule_errors {
        found.push((format!("Rule error: {error}."), Tone::Bad));
    }
    if found.is_empty() {
        found.push(("Every alert stayed silent, rightly.".into(), Tone::Good));
    }
    found
}

/// What happened to every task, a line each: a table of one row would be wider than a telephone.
fn audit_table(audit: &Audit) -> Table {
    let lost = audit.jobs_lost().map(|_| audit.lost);
    let mut counts = vec![
        ("enqueued", Some(audit.enqueued)),
        ("rejected", Some(audit.rejected)),
        ("duplicates", Some(audit.duplicates)),
        ("succeeded", Some(audit.succeeded)),
        ("archived", Some(audit.archived)),
        ("still queued", Some(audit.still_queued)),
        ("lost", lost),
        ("run twice", audit.seen(audit.executed_twice)),
        ("late", audit.seen(audit.late)),
        ("failed runs", audit.seen(audit.failed_executions)),
    ];
    // Most plans have none.
    counts.retain(|(name, count)| *name != "duplicates" || *count != Some(0));
    let row = |(name, count): (&str, Option<u64>)| {
        let is_bad = count > Some(0) && matches!(name, "rejected" | "lost" | "run twice");
        let tone = if is_bad { Tone::Bad } else { Tone::Muted };
        vec![(name.to_owned(), Tone::Muted), (words::count(count), tone)]
    };
    let rows = counts.into_iter().map(row).collect();
    let mut table = Table::new("Tasks", "", ["tasks", "how many"], rows);
    if let Some((classes, _)) = words::classes(audit) {
        table.more = classes;
    }
    table
}

fn waits(drill: &DrillScore) -> Table {
    let row = |queue: &QueueWaits| {
        let cells = words::waits(&queue.counts);
        let name = std::iter::once(queue.queue.clone());
        let cells = name.chain(cells).map(|text| (text, Tone::Muted));
        cells.collect()
    };
    let head = ["queue", "p50", "p90", "p99", "p99.9", "max"];
    let rows = drill.waits.iter().map(row).collect();
    Table::new(
        "Waits",
        "Of tasks, from enqueue to first start.",
        head,
        rows,
    )
}

/// Nothing where no task of the queue started.
fn histogram(queue: &QueueWaits) -> Option<Block> {
    let picture = plot::waits(&queue.queue, &queue.counts)?;
    Some(Block::Figure(Figure {
        title: format!("Waits in {}", queue.queue),
        description: format!(
            "{} tasks started; the table has their quantiles.",
            queue.counts.count()
        ),
        picture: picture.map_err(|error| error.to_string()),
    }))
}

fn how_it_was_run(known: &Drill<'_>, named: &Named<'_>) -> Part {
    let (header, drill) = (&known.record.header, named.drill);
    let mut facts = vec![
        ("to repeat it".to_owned(), command(known)),
        ("engine".to_owned(), drill.engine.clone()),
        ("seed".to_owned(), drill.seed.to_string()),
        (
            "scrape and evaluation".to_owned(),
            format!(
                "every {} s and {} s",
                header.scrape_interval_ms / 1000,
                header.evaluation_interval_ms / 1000
            ),
        ),
    ];
    if let Some(lag) = &drill.lag {
        let of = |values: [i64; 3]| format!("{} / {} / {} ms", values[0], values[1], values[2]);
        let more = [
            ("enqueue lag, p50 / p99 / max (virtual)", of(lag.enqueue_ms)),
            ("scrape lag", of(lag.scrape_ms)),
            ("handlers' timer error", of(lag.handler_ms)),
            ("round trips to Redis", of(lag.redis_ms)),
            (
                "worker capacity the harness cost",
                format!("{:.1} %", lag.slot_overhead * 100.0),
            ),
            ("fault lag, max", format!("{} ms", lag.fault_ms_max)),
        ];
        facts.extend(more.map(|(what, value)| (what.to_owned(), value)));
    }
    let environment = header.environment.iter();
    facts.extend(environment.map(|(what, value)| (what.clone(), value.clone())));
    facts.extend(known.record.marks().map(|mark| {
        (
            format!("{} {}", words::length(mark.at_ms), mark.what),
            format!("{}: {}", mark.targets.join(", "), mark.saw),
        )
    }));
    Part {
        anchor: format!("{}-run", named.anchor),
        title: "How it was run".to_owned(),
        badge: None,
        folded: true,
        blocks: vec![
            Block::Facts(Facts::new("", facts)),
            Block::Code {
                title: "The scenario as meant".to_owned(),
                text: header.plan.clone(),
            },
        ],
    }
}

/// The command that repeats a drill, for a shell; a scenario that is not inside the binary is named by its file instead.
fn command(known: &Drill<'_>) -> String {
    let header = &known.record.header;
    let mut words = vec!["firedrill run".to_owned()];
    match header.engine.as_str() {
        "live" => words.push(format!("--speed {}", header.speed)),
        engine => words.push(format!("--engine {}", words::quoted(engine))),
    }
    words.push(format!("--seed {}", header.seed));
    words.extend(
        header
            .rules
            .iter()
            .map(|rule| format!("--rules {}", words::quoted(&rule.name))),
    );
    if let Some(workers) = header.environment.get(WORKERS) {
        // What starts them is kept nowhere: there may be secrets in it.
        let flag = match workers.contains("container") {
            true => "--worker-docker NAME,...",
            false => "--worker-cmd COMMAND",
        };
        words.push(flag.to_owned());
    }
    words.push(words::quoted(&header.scenario));
    words.join(" ")
}
