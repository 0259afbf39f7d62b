//! What a selector that matched nothing was probably meant to be.

use super::VALUES_MAX;
use firedrill_detector::Labels;
use firedrill_detector::anatomy::SeriesSelector;
use firedrill_detector::sample::METRIC_NAME;
use firedrill_detector::yaml::closest;
use std::collections::BTreeSet;

/// What there is instead of what the selector asks for: the closest metric, then the labels that stand in its way.
pub(super) fn for_selector<'k>(
    selector: &SeriesSelector,
    known: impl Iterator<Item = &'k Labels>,
) -> String {
    let known: Vec<&Labels> = known.collect();
    let mut hints = Vec::new();
    let name = match selector.name() {
        Some(name) if known.iter().any(|labels| labels.name() == name) => Some(name),
        Some(name) => {
            let Some(meant) = similar(name, &known) else {
                return format!("there is no metric like {name} in the records");
            };
            hints.push(format!("did you mean {meant}?"));
            Some(meant)
        }
        None => None,
    };
    let candidates: Vec<&Labels> = known
        .into_iter()
        .filter(|labels| name.is_none_or(|name| labels.name() == name))
        .collect();
    let wrong: BTreeSet<&str> = selector
        .labels()
        .filter(|label| {
            !candidates
                .iter()
                .any(|labels| selector.accepts(label, labels))
        })
        .collect();
    hints.extend(
        wrong
            .iter()
            .map(|label| of_label(selector, label, &candidates)),
    );
    if hints.is_empty() {
        hints.push("every label has such a value, but no series has all of them at once".into());
    }
    hints.join(" ")
}

/// What values a label has, and which of them was probably meant.
fn of_label(selector: &SeriesSelector, label: &str, candidates: &[&Labels]) -> String {
    let values: BTreeSet<&str> = candidates
        .iter()
        .filter_map(|labels| labels.get(label))
        .collect();
    if values.is_empty() {
        let others: BTreeSet<&str> = candidates
            .iter()
            .flat_map(|labels| labels.iter().map(|(name, _)| name))
            .filter(|name| *name != METRIC_NAME)
            .collect();
        let there = list(&others).map_or("no labels".into(), |names| format!("the labels {names}"));
        return format!("There is no label {label}; there are {there}.");
    }
    if let Some((written, within)) = selector.unanchored(label, values.iter().copied()) {
        let listed = list(&values).unwrap_or_default();
        return format!(
            "{label} has the values {listed}, and regular expressions are anchored: \"{written}\" has to match all of one. Did you mean \"{within}\"?"
        );
    }
    let wanted: Vec<&str> = selector.wanted(label).collect();
    let close = wanted
        .iter()
        .find_map(|wanted| closest(wanted, values.iter().copied()));
    let listed = list(&values).unwrap_or_default();
    match (wanted.first(), close) {
        (Some(wanted), Some(close)) => {
            format!("{label} has the values {listed}, not {wanted}. Did you mean {close}?")
        }
        // Counters begin with the first event they count.
        (Some(wanted), None) => format!(
            "{label} has the values {listed}, not {wanted}; if {wanted} is right, add a record that brings it about."
        ),
        (None, _) => format!("{label} has the values {listed}."),
    }
}

/// A few words in a row; none of none.
fn list(words: &BTreeSet<&str>) -> Option<String> {
    let mut text: Vec<&str> = words.iter().copied().take(VALUES_MAX).collect();
    if words.len() > VALUES_MAX {
        text.push("...");
    }
    (!text.is_empty()).then(|| text.join(", "))
}

/// A metric written almost alike, or else the one that has most words in common with it, at least half of them.
fn similar<'k>(name: &str, known: &[&'k Labels]) -> Option<&'k str> {
    let names: BTreeSet<&str> = known.iter().map(|labels| labels.name()).collect();
    let words = |name: &'_ str| -> BTreeSet<String> {
        let words = name.split(['_', ':']).filter(|word| !word.is_empty());
        // Plurals are the same word.
        words
            .map(|word| word.trim_end_matches('s').to_owned())
            .collect()
    };
    let own = words(name);
    closest(name, names.iter().copied()).or_else(|| {
        names
            .iter()
            .map(|other| {
                let others = words(other);
                let common = own.intersection(&others).count();
                (common, own.union(&others).count(), *other)
            })
            .filter(|(common, all, _)| common * 2 >= *all)
            // Of equally similar ones the first by name.
            .max_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1)).then(b.2.cmp(a.2)))
            .map(|(_, _, other)| other)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use firedrill_detector::anatomy::PartKind;
    use firedrill_detector::{Compat, RuleFile, RuleSet};

    fn hint(selector: &str) -> String {
        let text = format!("groups: [{{ name: g, rules: [{{ record: r, expr: '{selector}' }}] }}]");
        let file = RuleFile {
            name: "r.yml".into(),
            text,
        };
        let rules = RuleSet::load(&[file], Compat::default())
            .unwrap()
            .anatomies();
        let PartKind::Selector(selector) = &rules[0].parts[0].kind else {
            panic!("{rules:?}");
        };
        let series = [
            Labels::metric(
                "job_processed_total",
                [("status", "success"), ("instance", "w-0")],
            ),
            Labels::metric(
                "job_processed_total",
                [("status", "failed"), ("instance", "w-1")],
            ),
            Labels::metric("up", [("job", "worker")]),
        ];
        for_selector(selector, series.iter())
    }

    #[test]
    fn the_closest_name_label_and_value_are_told() {
        for (selector, wanted) in [
            ("jobs_processed_total", "did you mean job_processed_total?"),
            ("total_jobs_processed", "did you mean job_processed_total?"),
            (
                "node_load1",
                "there is no metric like node_load1 in the records",
            ),
            (
                "job_processed_total{status=\"succes\"}",
                "status has the values failed, success, not succes. Did you mean success?",
            ),
            (
                "jobs_processed_total{status=\"error\"}",
                "did you mean job_processed_total? status has the values failed, success, not error; if error is right, add a record that brings it about.",
            ),
            (
                "job_processed_total{queue=~\"a|b\"}",
                "There is no label queue; there are the labels instance, status.",
            ),
            (
                "job_processed_total{instance=~\"w\"}",
                "instance has the values w-0, w-1, and regular expressions are anchored: \"w\" has to match all of one. Did you mean \".*w.*\"?",
            ),
            (
                "job_processed_total{instance=~\"0|1\", instance!=\"w-0\"}",
                "instance has the values w-0, w-1, and regular expressions are anchored: \"0|1\" has to match all of one. Did you mean \".*(0|1).*\"?",
            ),
            (
                "job_processed_total{instance=~\"0\", instance!=\"w-0\"}",
                "instance has the values w-0, w-1.",
            ),
            (
                "job_processed_total{status=\"failed\", instance=\"w-0\"}",
                "every label has such a value, but no series has all of them at once",
            ),
            (
                "{job=\"x\"}",
                "job has the values worker, not x; if x is right, add a record that brings it about.",
            ),
        ] {
            assert_eq!(hint(selector), wanted, "{selector}");
        }
    }
}
