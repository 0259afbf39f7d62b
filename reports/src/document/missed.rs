//! Why an alert missed an incident: its rule, the sides of its comparisons over the drill, and what `check` says of it.

use super::check;
use super::nearest::nearest;
use super::{Block, Drill, Entries, Facts, Figure, Part};
use crate::plot::{self, Frame};
use crate::record::AlertState;
use crate::score::Did;
use crate::score::judge::Outcome;
use crate::why::trace::{Traced, trace};
use crate::why::{Explainer, RuleExplanation};
use crate::{DrillScore, Verdict};
use firedrill_detector::duration::format_ms;
use std::collections::BTreeSet;

/// Most alerts of a drill that are told of: a pack may be large, and a page is to be read.
const ALERTS_MAX: usize = 4;
/// Most comparisons of a rule that are drawn.
const COMPARISONS_MAX: usize = 3;

/// A part for each alert that the pack expects to see an incident of this drill, and that did not, or too late; where it expects
/// none by name, for the one that told too late, or that came nearest.
pub(super) fn parts(known: &Drill<'_>, drill: &DrillScore, anchor: &str) -> Vec<Part> {
    if drill.verdict == Verdict::Inconclusive {
        return Vec::new();
    }
    let has_missed = |did: &Did| {
        matches!(
            did,
            Did::Missed | Did::Unsent { .. } | Did::Detected { in_time: false, .. }
        )
    };
    let missed = drill.alerts.iter().filter(|alert| {
        let mut on = alert.on.iter();
        on.any(|on| on.by_name && has_missed(&on.did))
    });
    let mut names: Vec<&str> = missed.map(|alert| alert.alert.as_str()).collect();
    let late = drill
        .incidents
        .iter()
        .filter(|incident| incident.outcome == Outcome::Late);
    for detection in late.filter_map(|incident| incident.detection.as_ref()) {
        if !names.contains(&detection.alert.as_str()) {
            names.push(&detection.alert);
        }
    }
    names.truncate(ALERTS_MAX);
    let nearest = nearest(known, drill);
    if names.is_empty() && nearest.is_empty() {
        return Vec::new();
    }
    let rules: Vec<Traced> = match names.is_empty() {
        true => Vec::new(),
        false => trace(known.record, known.rules, &names),
    };
    let near = nearest.iter().filter_map(|near| near.rule.as_ref());
    let all: Vec<&str> = rules
        .iter()
        .chain(near)
        .map(|rule| rule.alert.as_str())
        .collect();
    let said = said(known, &all);
    let frame = Frame::new(known.record, drill);
    let why = rules.iter().map(|rule| {
        let title = format!("Why {} was not there in time", rule.alert);
        (title, blocks(rule, &frame, &said))
    });
    let near = nearest.iter().map(|near| {
        let rule = near.rule.iter();
        let rule = rule.flat_map(|rule| blocks(rule, &frame, &said));
        let blocks = std::iter::once(near.note()).chain(rule).collect();
        ("Why nobody was told".to_owned(), blocks)
    });
    let parts = why.chain(near).enumerate();
    let parts = parts.map(|(number, (title, blocks))| Part {
        anchor: format!("{anchor}-why-{}", number + 1),
        title,
        badge: None,
        folded: false,
        blocks,
    });
    parts.collect()
}

/// What `check` says of these alerts, held against this drill alone.
fn said(known: &Drill<'_>, names: &[&str]) -> Vec<RuleExplanation> {
    let transitions = known.replay.transitions.iter();
    let fired: BTreeSet<String> = transitions
        .filter(|one| one.to == AlertState::Firing)
        .map(|one| one.alert.clone())
        .collect();
    let mut explainer = Explainer::of_the_silent(known.rules, &fired);
    if explainer.is_idle() {
        return Vec::new();
    }
    explainer.observe(known.record);
    let mut rules = explainer.finish().rules;
    rules.retain(|rule| names.contains(&rule.name.as_str()));
    rules
}

/// A rule, what its comparisons were over the drill, and what `check` says of it.
fn blocks(rule: &Traced, frame: &Frame, said: &[RuleExplanation]) -> Vec<Block> {
    let mut facts = vec![
        ("alert", rule.alert.clone()),
        ("rule", format!("{}:{}", rule.file, rule.line)),
        ("expr", rule.expr.trim().to_owned()),
    ];
    if rule.for_ms > 0 {
        facts.push(("for", format_ms(rule.for_ms)));
    }
    let mut blocks = vec![Block::Facts(Facts::new("", facts))];
    let comparisons = rule.comparisons.iter().take(COMPARISONS_MAX);
    blocks.extend(comparisons.map(|compared| {
        let chart = plot::comparison(frame, compared);
        Block::Figure(Figure {
            title: chart.title,
            description: format!(
                "{} over the drill, against {}: {}",
                compared.left.text, compared.right.text, chart.description
            ),
            picture: chart.picture.map_err(|error| error.to_string()),
        })
    }));
    let own = said
        .iter()
        .filter(|one| (&one.name, one.line) == (&rule.alert, rule.line));
    let entries: Vec<_> = own.map(|one| check::entry(one, 1)).collect();
    if !entries.is_empty() {
        blocks.push(Block::Entries(Entries {
            title: String::new(),
            note: "What check says of it, held against this drill:".to_owned(),
            entries,
            sum: String::new(),
        }));
    }
    blocks
}
