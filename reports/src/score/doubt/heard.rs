//! Why what sources told proves nothing: they were not heard, their clocks are wrong, they do not look at the drill, or they told
//! of what the drill's own samples do not show.

use super::Alarms;
use crate::jsonl::Record;
use crate::record::{Likeness, SILENCED, SourceKind, Told, ToldState, Transition};
use crate::score::episode::{Episode, episodes};
use crate::score::heard::{Ears, HeardScore, Life, Sourced, is_like};
use crate::score::judge::{Judged, Outcome};
use crate::score::{Detection, IncidentScore};
use std::collections::{BTreeMap, BTreeSet};

/// By how much a clock may be wrong: times of such a source are put right as far as that is known, and a few seconds change
/// what an alert is due to. Milliseconds.
const AHEAD_MS: i64 = 5_000;

/// Labels that a Prometheus gives what it scrapes: an alert has them from the series that it is about, and none adds them later.
const OF_TARGETS: [&str; 2] = ["job", "instance"];

/// See the module. `ours`: what the detector made of the drill's own samples.
pub(in crate::score) fn doubts(
    record: &Record,
    ears: &Ears<'_>,
    score: &HeardScore,
    (alarms, ours): (Alarms<'_>, &[Transition]),
) -> Vec<String> {
    let mut why: Vec<String> = Vec::new();
    for sourced in &ears.sources {
        why.extend(hearing(record, sourced));
    }
    why.extend(never_heard(ears));
    why.extend(before(ears));
    let by_detector = score.sources.first();
    let by_detector = by_detector.map_or(&[][..], |ours| &ours.detections);
    why.extend(unheard(ears, alarms.incidents, by_detector));
    let own = episodes(ours, record.end_ms());
    for judged in alarms.judged.iter().filter(|judged| alarms.counts(judged)) {
        why.extend(another_rule(ears, judged));
        why.extend(unexplained(record, &own, judged));
    }
    why.extend(near_deadlines(ears, alarms));
    why.extend(silenced(record, ears, alarms));
    why
}

/// How well a source was heard.
fn hearing(record: &Record, sourced: &Sourced<'_>) -> Vec<String> {
    let name = &sourced.source.source;
    let Some(hearing) = sourced.hearing else {
        return vec![format!("the record does not say how well {name} was heard")];
    };
    let header = &record.header;
    let mut why = Vec::new();
    for away in &hearing.away {
        // Within an evaluation interval nothing comes and goes.
        let length_ms = away.until_ms - away.from_ms;
        if length_ms > header.evaluation_interval_ms && away.until_ms > header.warmup_ms {
            why.push(format!(
                "{name} was not heard from {} to {} ({}): what it would have told then is not known",
                at(away.from_ms),
                at(away.until_ms),
                away.why
            ));
        }
    }
    why.extend(
        hearing
            .doubts
            .iter()
            .map(|doubt| format!("{name}: {doubt}")),
    );
    if let Some((least_ms, most_ms)) = hearing.ahead_ms
        && (least_ms > AHEAD_MS || most_ms < -AHEAD_MS)
    {
        let (wrong_ms, way) = match least_ms > 0 {
            true => (least_ms, "ahead of"),
            false => (-most_ms, "behind"),
        };
        why.push(format!(
            "the clock of {name} is {:.1} s {way} ours: when its alerts began cannot be told; set one of them",
            wrong_ms as f64 / 1e3
        ));
    }
    match (sourced.source.of, hearing.targets) {
        (SourceKind::Prometheus, None) => why.push(format!(
            "{name} was never seen to scrape the drill's targets"
        )),
        (SourceKind::Prometheus, Some(found)) => match found.all_ms {
            None => why.push(format!(
                "{name} scraped {} of the drill's {} targets: have it find those in the drill's targets.json \
                 (file_sd_configs)",
                found.found, found.of
            )),
            Some(all_ms) if all_ms > header.warmup_ms => why.push(format!(
                "{name} had found all of the drill's targets only at {}, after the warm-up; refresh_interval of its \
                 file_sd_configs makes that sooner",
                at(all_ms)
            )),
            Some(_) => {}
        },
        _ => {}
    }
    why
}

/// Sources that nothing came to, so that nobody knows whether anything would; where a Prometheus had nothing to tell, nothing
/// had to come.
fn never_heard(ears: &Ears<'_>) -> Vec<String> {
    let mut all = ears.sources.iter().zip(&ears.lives);
    let had_nothing =
        all.any(|(sourced, lives)| sourced.source.of == SourceKind::Prometheus && lives.is_empty());
    if had_nothing {
        return Vec::new();
    }
    let silent = ears.sources.iter().filter_map(|sourced| {
        let (name, hearing) = (&sourced.source.source, sourced.hearing?);
        let what = match sourced.source.of {
            SourceKind::Webhook if hearing.heard == 0 => "was posted",
            SourceKind::Alertmanager if sourced.told.is_empty() && hearing.foreign.is_empty() => {
                "came"
            }
            _ => return None,
        };
        Some(format!(
            "nothing {what} to {name}, not even about others: whether anything would is not known; an alert of any name \
             while the drill runs (amtool alert add) shows that it does"
        ))
    });
    silent.collect()
}

/// Alerts that were on before the drill and did not end in its warm-up.
fn before(ears: &Ears<'_>) -> impl Iterator<Item = String> {
    let all = ears.sources.iter().zip(&ears.lives);
    let known = all.flat_map(|(sourced, lives)| {
        // The first answer of who is asked has what there was before.
        let is_asked = sourced.source.of != SourceKind::Webhook;
        let is_before =
            move |life: &&Life<'_>| life.start_ms < 0 || is_asked && life.told.unsaid_ms.is_none();
        lives.iter().filter(is_before)
    });
    known.map(|life| {
        format!(
            "{} fired by {} before the drill began, and went on: what it would have told of an incident is not known; \
             begin when it is over",
            life.told.alert(),
            life.told.source
        )
    })
}

/// Incidents that nobody was told of, although the drill's own samples raise an alert that sees them: whether that came to
/// nothing on its way, or was never looked at there, has to be known.
fn unheard(
    ears: &Ears<'_>,
    incidents: &[IncidentScore],
    by_detector: &[Option<Detection>],
) -> Vec<String> {
    let mut asked = ears.sources.iter().zip(&ears.lives);
    let asked = asked.find(|(sourced, _)| sourced.source.of == SourceKind::Prometheus);
    let mut why = Vec::new();
    let own = incidents.iter().zip(by_detector);
    for (incident, by_detector) in own {
        let (Outcome::Missed, Some(by)) = (incident.outcome, by_detector) else {
            continue;
        };
        let Some((sourced, lives)) = asked else {
            why.push(format!(
                "the drill's own samples raise {}, and nobody was told: whether the drill is looked at where that should \
                 come from is not known; --prometheus says so",
                by.alert
            ));
            continue;
        };
        let mut rules = sourced.source.rules.iter();
        let is_same = rules.any(|rule| rule.alert == by.alert && rule.how == Likeness::Same);
        let fires = lives
            .iter()
            .any(|life| life.told.alert() == by.alert && life.start_ms >= incident.truth.begun_ms);
        if is_same && !fires {
            why.push(format!(
                "the drill's own samples raise {}, and {}, which has the same rule, never did: it may not see the same",
                by.alert, sourced.source.source
            ));
        }
    }
    why
}

/// A verdict that rests on a rule that is another one in the source.
fn another_rule(ears: &Ears<'_>, judged: &Judged) -> Option<String> {
    let mut sources = ears.sources.iter();
    sources.find_map(|sourced| {
        let mut rules = sourced.source.rules.iter();
        let alert = &judged.episode.alert;
        let known = rules.find(|rule| rule.alert == *alert)?;
        (known.how == Likeness::Other).then(|| {
            format!(
                "{alert} is another rule in {} ({}): judge the drill by the rules that are loaded there",
                sourced.source.source, known.other
            )
        })
    })
}

/// A verdict that rests on an alert that the drill's own samples do not raise.
fn unexplained(record: &Record, own: &[Episode], judged: &Judged) -> Option<String> {
    let header = &record.header;
    // Both look at moments of their own.
    let apart_ms = header.evaluation_interval_ms + 2 * header.scrape_interval_ms;
    let episode = &judged.episode;
    let told = episode.firings.first()?;
    let named = |labels: &BTreeMap<String, String>| {
        let mut labels = labels.clone();
        let name = || episode.alert.clone();
        labels.entry("alertname".to_owned()).or_insert_with(name);
        labels
    };
    let is_seen = own
        .iter()
        .filter(|own| own.alert == episode.alert)
        .any(|own| {
            own.firings.iter().any(|firing| {
                is_like(&named(&firing.labels), &named(&told.labels))
                    && !is_of_others(&firing.labels, &told.labels)
                    && firing.pending_ms - apart_ms <= told.start_ms
                    && told.start_ms <= firing.end_ms + apart_ms
            })
        });
    (!is_seen).then(|| {
        format!(
            "{} fired at {} where it was heard, and the drill's own samples do not raise it: it may be about something \
             else that is looked at there",
            episode.alert,
            at(episode.start_ms)
        )
    })
}

/// Whether an alert is about targets that ours, which has `own` labels, does not tell apart.
fn is_of_others(own: &BTreeMap<String, String>, told: &BTreeMap<String, String>) -> bool {
    let mut labels = OF_TARGETS.iter();
    labels.any(|name| told.contains_key(*name) && !own.contains_key(*name))
}

/// Alerts that somebody had silenced before anybody was told of them: what they would have come to is not known. What others inhibit, or
/// times mute, is as the team's Alertmanager is to do it.
fn silenced(record: &Record, ears: &Ears<'_>, alarms: Alarms<'_>) -> BTreeSet<String> {
    // Those that were so when something was judged.
    let lasts = |all: &[&Told], told: &Told| {
        let mut later = all
            .iter()
            .filter(|other| other.labels == told.labels && other.at_ms > told.at_ms);
        later
            .next()
            .is_none_or(|next| next.at_ms >= record.header.warmup_ms)
    };
    let told = ears.sources.iter().flat_map(|sourced| {
        sourced
            .told
            .iter()
            .filter(|told| lasts(&sourced.told, told))
    });
    let kept_back = told.filter(|told| {
        told.state == ToldState::KeptBack
            && alarms.pack.is_page(&told.labels)
            && told.kept_back.iter().any(|by| by.starts_with(SILENCED))
    });
    let was_told = |told: &Told| {
        let mut judged = alarms.judged.iter().map(|judged| &judged.episode);
        judged.any(|episode| {
            episode.alert == told.alert()
                && episode.sent
                && episode.delivered_ms <= told.at_ms
                && told.at_ms <= episode.end_ms
        })
    };
    let untold = kept_back.filter(|told| !was_told(told));
    untold
        .map(|told| {
            format!(
                "{} was kept back by {} at {} ({}): what it would have told is not known; let the silence expire first",
                told.alert(),
                told.source,
                at(told.at_ms),
                told.kept_back.join(", ")
            )
        })
        .collect()
}

/// Detections that came too late, or may have come in time: the source was not asked in between.
fn near_deadlines(ears: &Ears<'_>, alarms: Alarms<'_>) -> Vec<String> {
    let mut why = Vec::new();
    for incident in alarms.incidents {
        let Some(detection) = &incident.detection else {
            continue;
        };
        let mut lives = ears.lives.last().into_iter().flatten();
        let life = lives.find(|life| {
            life.told.alert() == detection.alert && life.start_ms == detection.fired_ms
        });
        let unsure_ms = life.filter(|life| !life.is_start_told).and_then(|life| {
            let unsaid_ms = life.told.unsaid_ms?;
            Some(life.told.at_ms - unsaid_ms)
        });
        let late_ms = detection.delivered_ms - incident.truth.deadline_ms;
        if unsure_ms.is_some_and(|unsure_ms| (1..=unsure_ms).contains(&late_ms)) {
            why.push(format!(
                "{} was told of within {:.1} s of the deadline, and its source was not asked in between",
                detection.alert,
                unsure_ms.unwrap_or(0) as f64 / 1e3
            ));
        }
    }
    why
}

/// A time of the drill, for people.
fn at(ms: i64) -> String {
    let seconds = ms.div_euclid(1_000);
    format!("{}:{:02}", seconds / 60, seconds.rem_euclid(60))
}
