//! Rules that no drill shows to be of any use.

use super::Asked;
use super::kept::Kept;
use crate::commands::score;
use crate::failure::Failure;
use firedrill_detector::text::printable;
use firedrill_reports::render::Style;
use firedrill_reports::why::{RuleExplanation, RuleState};
use firedrill_reports::{Explainer, document, render};
use firedrill_sim::drill;
use firedrill_sim::engine::virtual_time::VirtualOptions;
use std::collections::BTreeSet;

/// Rules that were silent in all drills and cannot fire, as seen in one drill of each scenario, and what is to be said of them.
pub(super) fn unfit(
    kept: &Kept,
    asked: &Asked<'_>,
    style: Style,
) -> Result<(Vec<String>, String), Failure> {
    let Asked {
        rules,
        pack,
        seeded,
        ..
    } = *asked;
    let dead = kept.dead();
    let mut explainer = Explainer::of_the_silent(&rules.set, &kept.fired);
    if !kept.any_proves || explainer.is_idle() {
        return Ok((Vec::new(), String::new()));
    }
    for first in (0..seeded.len()).step_by(seeded.trials as usize) {
        let plan = seeded.plan(first)?;
        let options = VirtualOptions::default();
        explainer.observe(&drill::simulate(&plan, rules, options, true));
    }
    let mut found = explainer.finish().of_the_unfit();
    found
        .rules
        .retain(|rule| !score::is_excused(rule, &rules.set, pack));
    // That one had no data in the drills looked at proves less than that it had some in others.
    let in_others = |rule: &RuleExplanation| {
        let alike = rules.set.alerts().filter(|alert| alert.name == rule.name);
        rule.state == RuleState::NoData && !dead.contains(&rule.name) && alike.count() == 1
    };
    found.rules.retain(|rule| !in_others(rule));
    if found.rules.is_empty() {
        return Ok((Vec::new(), String::new()));
    }
    let names = |unfit: bool| {
        let rules = found.rules.iter().filter(|rule| rule.is_unfit() == unfit);
        let names: BTreeSet<_> = rules.map(|rule| rule.name.clone()).collect();
        names.into_iter().collect::<Vec<String>>()
    };
    let (unfit, cut_short) = (names(true), names(false));
    let mut told = String::new();
    for (what, names) in [
        ("rules that cannot fire fail the gate", &unfit),
        ("rules that cannot fire in drills this short", &cut_short),
    ] {
        if !names.is_empty() {
            let names: Vec<_> = names.iter().map(|name| printable(name)).collect();
            told.push_str(&format!("{what}: {}\n", names.join(", ")));
        }
    }
    told.push_str(&render::terminal(&document::of_explanation(&found), style));
    Ok((unfit, told))
}
