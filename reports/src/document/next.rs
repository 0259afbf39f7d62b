//! What to do next about a scorecard: the most urgent first, each with the command that does it or helps.

use super::Step;
use super::words::{self, Named};
use crate::score::IncidentScore;
use crate::score::judge::Outcome;
use crate::why::RuleState;
use crate::{Scorecard, Verdict};

/// Most steps that are told; what is further down comes up when those are done.
const STEPS_MAX: usize = 5;

/// What to do next; nothing where all is well.
pub(super) fn steps(card: &Scorecard) -> Vec<Step> {
    let drills = words::named(card);
    let mut steps = dead_rules(card);
    steps.extend(standing(&drills));
    let rules = rules(card);
    steps.extend(incidents(&drills, Outcome::Missed, &rules));
    steps.extend(false_pages(&drills, &rules));
    steps.extend(incidents(&drills, Outcome::Late, &rules));
    steps.extend(doubts(&drills));
    let left_out = steps.len().saturating_sub(STEPS_MAX);
    steps.truncate(STEPS_MAX);
    if left_out > 0 {
        let text = format!("Then the next {left_out}: they are told when these are done.");
        steps.push(step(text, None));
    }
    steps
}

fn step(text: String, command: Option<String>) -> Step {
    Step { text, command }
}

/// The option that names the rules, with a blank before it; nothing where they are not known.
fn rules(card: &Scorecard) -> String {
    let names = card.rules.iter();
    names
        .map(|name| format!(" --rules {}", words::quoted(name)))
        .collect()
}

/// Rules that cannot fire: what of them is never there.
fn dead_rules(card: &Scorecard) -> Vec<Step> {
    let rules = card.diagnosis.iter().flat_map(|found| &found.rules);
    let dead = rules.filter(|rule| card.dead.contains(&rule.name) && rule.state < RuleState::Trap);
    dead.map(|rule| {
        let why = rule.findings.first().map_or_else(
            || rule.state.name().to_owned(),
            |found| format!("`{}` {}", found.part, found.message),
        );
        let place = format!("{}:{}", rule.file, rule.line);
        step(
            format!(
                "Mend {} ({place}), which can say nothing: {why}.",
                rule.name
            ),
            // A built-in pack is no file that could be checked.
            card.rules
                .contains(&rule.file)
                .then(|| format!("firedrill check {}", words::quoted(&rule.file))),
        )
    })
    .collect()
}

fn standing(drills: &[Named<'_>]) -> Vec<Step> {
    let mut told: Vec<Step> = Vec::new();
    for named in drills {
        for found in named.drill.standing.iter().filter(|found| found.page) {
            let text = format!(
                "Mend {}: it pages before anything is wrong, and hides what comes.",
                found.alert
            );
            if !told.iter().any(|step| step.text == text) {
                told.push(step(text, None));
            }
        }
    }
    told
}

/// The incidents of drills that prove something, with such an outcome.
fn incidents(drills: &[Named<'_>], outcome: Outcome, rules: &str) -> Vec<Step> {
    let scored = drills
        .iter()
        .filter(|named| named.drill.verdict != Verdict::Inconclusive);
    let found: Vec<(String, &str, &IncidentScore)> = scored
        .flat_map(|named| {
            let all = named.drill.incidents.iter().enumerate();
            let such = all.filter(|(_, incident)| incident.outcome == outcome);
            such.map(|(index, incident)| {
                let scenario = named.drill.scenario.as_str();
                (named.incident(index), scenario, incident)
            })
            .collect::<Vec<_>>()
        })
        .collect();
    let Some((first, scenario, incident)) = found.first() else {
        return Vec::new();
    };
    let (cause, more) = (&incident.truth.cause, more(found.len()));
    let scenario = words::quoted(scenario);
    let told = match &incident.detection {
        None => step(
            format!(
                "Nobody is told of {first} ({cause}){more}: the HTML report shows why each rule was silent; mend it, or take a rule \
                 that sees it."
            ),
            Some(format!("firedrill suggest{rules} {scenario}")),
        ),
        Some(found) => step(
            format!(
                "{first} ({cause}){more} is told of too late: search for a threshold and a hold time that are early enough without \
                 false pages."
            ),
            Some(tune(&found.alert, rules, &scenario)),
        ),
    };
    vec![told]
}

/// ` and 2 more`, where there are three.
fn more(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        many => format!(" and {} more", many - 1),
    }
}

/// The command that searches for another hold time; `rules` and `scenario` are quoted already.
fn tune(alert: &str, rules: &str, scenario: &str) -> String {
    let vary = words::quoted(&format!("{alert}.for=0s..10m"));
    format!("firedrill tune{rules} --trials 20 --vary {vary} {scenario}")
}

fn false_pages(drills: &[Named<'_>], rules: &str) -> Vec<Step> {
    let mut told: Vec<(&str, Step)> = Vec::new();
    for named in drills {
        if named.drill.verdict == Verdict::Inconclusive {
            continue;
        }
        let alerts = named.drill.alerts.iter();
        let wolves = alerts.filter(|alert| {
            let mut alarms = alert.false_alarms.iter();
            alarms.any(|alarm| alarm.page && alarm.since_ms.is_none())
        });
        for alert in wolves {
            let name = alert.alert.as_str();
            if told.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let text = format!(
                "Quieten {name}, which pages while nothing is wrong ({}): raise its threshold or how long it must hold.",
                named.name
            );
            let scenario = words::quoted(&named.drill.scenario);
            let command = tune(name, rules, &scenario);
            told.push((name, step(text, Some(command))));
        }
    }
    told.into_iter().map(|(_, step)| step).collect()
}

fn doubts(drills: &[Named<'_>]) -> Vec<Step> {
    let unproven: Vec<&Named<'_>> = drills
        .iter()
        .filter(|named| named.drill.verdict == Verdict::Inconclusive)
        .collect();
    let Some(first) = unproven.first() else {
        return Vec::new();
    };
    let more = more(unproven.len());
    let scenario = words::quoted(&first.drill.scenario);
    let (what, command) = match unproven.iter().any(|named| named.drill.too_fast) {
        true => (
            "the machine was too slow for that speed; repeat it at a lower one",
            format!("firedrill run --speed 20 {scenario}"),
        ),
        false => (
            "what is wrong stands with the drill",
            format!("firedrill run {scenario}"),
        ),
    };
    let name = &first.name;
    vec![step(
        format!("{name}{more} proves nothing: {what}."),
        Some(command),
    )]
}
