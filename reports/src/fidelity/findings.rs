//! What the rules came to, side by side: without times, which are the transitions' part.

use crate::Verdict;
use crate::fidelity::Agreement;
use crate::score::judge::Outcome;
use crate::score::{Did, DrillScore};
use std::collections::BTreeSet;

/// One thing the scoring found in the drills, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Of what: the drill, an incident, an alert.
    pub what: String,
    /// In the live drill.
    pub live: String,
    /// In the model's.
    pub model: String,
    /// In a drill of the model's on the live drill's terms: one that says the same, if any does.
    pub on_terms: Option<String>,
    /// Same: word for word.
    pub agreement: Agreement,
}

/// The verdict of the drill, the outcome of every incident, and what every alert did.
pub(super) fn findings(
    live: &DrillScore,
    model: &DrillScore,
    on_terms: &[&DrillScore],
) -> Vec<Finding> {
    let mut names: Vec<String> = vec!["verdict".into()];
    let (of_live, of_model) = (words(live), words(model));
    let of_terms: Vec<_> = on_terms.iter().map(|score| words(score)).collect();
    for (name, _) in of_live.iter().chain(&of_model) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let find = |words: &[(String, String)], name: &str| {
        let found = words.iter().find(|(known, _)| known == name);
        found.map_or("-".to_owned(), |(_, word)| word.clone())
    };
    // A drill that proves nothing has no verdict; why is told by itself.
    let proves = |score: &DrillScore| score.verdict != Verdict::Inconclusive;
    names.retain(|name| name != "verdict" || (proves(live) && proves(model)));
    names
        .into_iter()
        .map(|name| {
            let (live, model) = (find(&of_live, &name), find(&of_model, &name));
            let mut on_terms = of_terms.iter().map(|words| find(words, &name));
            let first = on_terms.next();
            let agrees = first.as_ref() == Some(&live) || on_terms.any(|word| word == live);
            let on_terms = first.map(|first| if agrees { live.clone() } else { first });
            Finding {
                agreement: Agreement::of(live == model, agrees),
                what: name,
                live,
                model,
                on_terms,
            }
        })
        .collect()
}

fn words(score: &DrillScore) -> Vec<(String, String)> {
    let verdict = match score.verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Inconclusive => "inconclusive",
    };
    let mut words = vec![("verdict".to_owned(), verdict.to_owned())];
    for incident in &score.incidents {
        let outcome = match incident.outcome {
            Outcome::Early => "early",
            Outcome::OnTime => "in time",
            Outcome::Late => "late",
            Outcome::Missed if incident.seen_after => "missed, seen afterwards",
            Outcome::Missed => "missed",
            Outcome::Masked => "masked",
            Outcome::Censored => "cut short",
        };
        let name = format!(
            "incident {} {}",
            incident.truth.id + 1,
            incident.truth.cause
        );
        words.push((name, outcome.to_owned()));
    }
    for alert in &score.alerts {
        let on: BTreeSet<String> = alert.on.iter().map(|on| did(&on.did)).collect();
        let mut parts: Vec<String> = on.into_iter().collect();
        if !alert.false_alarms.is_empty() {
            parts.push("cried wolf".into());
        }
        if alert.no_data {
            parts.push("no data".into());
        }
        if parts.is_empty() {
            parts.push("silent".into());
        }
        words.push((alert.alert.clone(), parts.join(", ")));
    }
    words
}

fn did(did: &Did) -> String {
    let word = match did {
        Did::CriedWolf { .. } => "cried wolf",
        Did::Detected {
            in_time, let_go_ms, ..
        } => match (in_time, let_go_ms.is_some()) {
            (true, false) => "in time",
            (true, true) => "in time, cleared early",
            (false, false) => "late",
            (false, true) => "late, cleared early",
        },
        Did::Beside { .. } => "beside",
        Did::Missed => "missed",
        Did::Masked => "masked",
        Did::Unsent { .. } => "over before it was sent",
        Did::Silent => "silent",
    };
    word.to_owned()
}
