//! What the facilitator knows from the beginning, and the team does not.

use super::facilitator::BEGINS;
use super::steps;
use crate::args;
use firedrill_reports::pack::{Role, RulePack};
use firedrill_reports::record::{Rehearsed, Wanted};
use firedrill_sim::drill::Rules;
use firedrill_sim::metrics::catalogue;
use firedrill_sim::plan::{Incident, Plan};
use firedrill_sim::redis_server::private::RedisSource;
use firedrill_sim::rehearsal::clock;

/// All of it but where the live view is, which is known when that is shown.
pub(super) fn told(
    plan: &Plan,
    args: &args::Rehearse,
    redis: &RedisSource,
    (rules, pack): (&Rules, &RulePack),
    terms: Rehearsed,
) -> String {
    let mut lines = vec![
        BEGINS.to_owned(),
        format!("{}: {} (seed {})", plan.name, plan.summary, plan.seed),
        String::new(),
        "What is done, and what undoes it".to_owned(),
    ];
    // Its first line is the second one above.
    let steps = steps::told(plan, args, redis);
    lines.extend(steps.lines().skip(1).map(str::to_owned));
    for step in &plan.timeline {
        let kind = step.fault.kind();
        lines.push(String::new());
        lines.push(format!("{}: {}", step.id, kind.summary.trim_start()));
        let metrics = catalogue::rows(&plan.world).into_iter();
        let moved = metrics.filter(|row| row.moved_by.contains(&kind.name));
        let mut moved: Vec<String> = moved.map(|row| row.name).collect();
        moved.sort();
        moved.dedup();
        lines.push(match moved.is_empty() {
            true => "    to be seen in: no metric that is known to move".to_owned(),
            false => format!("    to be seen in: {}", moved.join(", ")),
        });
        let ends = step.until.as_ref().and_then(|until| {
            let by = until.by.as_ref();
            let own = by.and_then(|by| plan.remedies.iter().find(|own| own.id == *by));
            until.remedy.as_ref().or(own.map(|own| &own.remedy))
        });
        let names = match ends {
            Some(remedy) => vec![remedy.name()],
            None => kind.remedies.to_vec(),
        };
        if !names.is_empty() {
            let typed = names.iter().map(|name| format!("`remedy {name}`"));
            let typed: Vec<String> = typed.collect();
            lines.push(format!(
                "    ended by: {}, typed in the room, or what the team does itself",
                typed.join(" or ")
            ));
        }
    }
    for incident in &plan.incidents {
        lines.push(String::new());
        lines.extend(wanted(incident, rules, pack));
    }
    lines.extend([
        String::new(),
        format!(
            "From the first page on: a first response within {}, escalation after {}",
            clock(terms.respond_within_ms),
            clock(terms.escalate_after_ms)
        ),
        "To stop: `abort` or Ctrl-C in the room; what is on is undone. If firedrill is killed, its reaper does that, or `firedrill clean`"
            .to_owned(),
    ]);
    lines.join("\n") + "\n"
}

/// What should tell of an incident, and until when.
fn wanted(incident: &Incident, rules: &Rules, pack: &RulePack) -> Vec<String> {
    let class = match incident.wanted {
        Wanted::Page => "a page",
        Wanted::Ticket => "a ticket",
    };
    let named = |role: Role| {
        let alerts = rules.set.alerts();
        let own = alerts.filter(|alert| pack.role(&incident.cause, alert.name) == role);
        let own = own.map(|alert| match pack.can_page(&alert) {
            true => format!("{} (pages)", alert.name),
            false => alert.name.to_owned(),
        });
        let mut own: Vec<String> = own.collect();
        own.sort();
        own.dedup();
        own
    };
    let mut lines = vec![format!(
        "Incident: {}, from {} to {}; wanted: {class} by {}",
        incident.cause,
        clock(incident.at_ms),
        clock(incident.until_ms),
        clock(incident.deadline_ms)
    )];
    for (what, role) in [("expected", Role::Expected), ("also fair", Role::Accepted)] {
        let alerts = named(role);
        if !alerts.is_empty() {
            lines.push(format!("    {what}: {}", alerts.join(", ")));
        }
    }
    lines
}
