//! `firedrill metrics`: what a Prometheus sees in a drill.

use crate::args::Metrics;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs::world::named;
use crate::terminal::Terminal;
use firedrill_sim::metrics::catalogue::{Row, not_told, rows, targets};
use firedrill_sim::world::{PRESETS, World};
use serde_json::json;
use std::fmt::Write;

/// Lists the metrics of a world.
///
/// # Errors
/// With all that is wrong with the world.
pub fn run(args: &Metrics, terminal: &Terminal) -> Result<Exit, Failure> {
    let world = named(&args.world)?.unwrap_or_default();
    let shown = match args.json {
        true => as_json(&world),
        false => as_text(&world),
    };
    terminal.plain_result(&shown);
    Ok(Exit::Passed)
}

fn as_text(world: &World) -> String {
    let mut text = format!("WORLD {}: {}\n\nTARGETS\n", world.name, world.summary);
    for target in targets(world) {
        let _ = writeln!(text, "    {target}");
    }
    text.push_str("\nMETRICS\n");
    for Row {
        target,
        name,
        kind,
        labels,
        help,
        when,
        moved_by,
    } in rows(world)
    {
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(", ")),
        };
        let when = match when {
            "" => String::new(),
            when => format!(" ({when})"),
        };
        let _ = writeln!(
            text,
            "    {name}{labels}  {kind} of {target}\n        {help}{when}"
        );
        if !moved_by.is_empty() {
            let _ = writeln!(text, "        moved by: {}", moved_by.join(", "));
        }
    }
    text.push_str("\nNOT IN DRILLS\n");
    for line in not_told() {
        let _ = writeln!(text, "    {line}");
    }
    let others = PRESETS.map(|preset| preset.name).join(", ");
    let _ = writeln!(text, "\nWORLDS INSIDE THE BINARY (--world)\n    {others}");
    text
}

fn as_json(world: &World) -> String {
    let metrics = rows(world).into_iter().map(|row| {
        json!({
            "target": row.target,
            "name": row.name,
            "type": row.kind,
            "labels": row.labels,
            "help": row.help,
            "when": row.when,
            "moved_by": row.moved_by,
        })
    });
    let metrics: Vec<serde_json::Value> = metrics.collect();
    let document = json!({ "world": world.name, "targets": targets(world), "metrics": metrics, "not_told": not_told() });
    format!("{document:#}\n")
}
