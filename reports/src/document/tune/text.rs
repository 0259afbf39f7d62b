//! The short texts of a search.

use crate::document::{Told, Tone, words};
use crate::score::stats::Share;
use crate::tune::{Advice, Figures, Scope, Tuning};
use firedrill_detector::tuning::SettingValue;

/// Most settings of the front that are listed.
const FRONT_MAX: usize = 15;

/// What was searched, in a sentence.
pub(super) fn about(tuning: &Tuning) -> String {
    let held = match &tuning.confirmation {
        Some(confirmation) => format!(
            "{} were held out to confirm the proposal",
            confirmation.drills
        ),
        None => "none could be held out: that takes incidents under at least three seeds".into(),
    };
    let judged = match tuning.params.scope {
        Scope::Varied => "the varied alerts by themselves",
        Scope::Pack => "the whole rule pack",
    };
    format!(
        "{} settings of {} tried on {} drills ({} seeds); {held}. Judged: {judged}.",
        tuning.settings.len(),
        tuning.alerts.join(" and "),
        tuning.drills,
        tuning.seeds,
    )
}

/// How the proposal was chosen, in a sentence.
pub(super) fn rule(tuning: &Tuning) -> String {
    let allowed = match tuning.params.budget_per_week {
        Some(budget) => {
            format!("within {budget} false alarms a week (or as few as any setting has)")
        }
        None => "with the fewest false alarms".into(),
    };
    format!(
        "of the {} settings {allowed}, those that detect most incidents by the deadline; of them, those whose median \
         latency is within {} of the best; of these {}, the one farthest from any that does worse",
        tuning.proposal.allowed,
        words::length(tuning.params.slack_ms),
        tuning.proposal.plateau
    )
}

/// Name, value now, value proposed.
pub(super) fn values(tuning: &Tuning) -> Vec<[String; 3]> {
    let axes = tuning.grid.axes().iter().zip(&tuning.proposal.values);
    axes.map(|(axis, proposed)| {
        [
            axis.name.clone(),
            axis.setting.value.to_string(),
            proposed.to_string(),
        ]
    })
    .collect()
}

/// Whether the rules stand at the proposal already.
pub(super) fn is_unchanged(tuning: &Tuning) -> bool {
    let axes = tuning.grid.axes().iter().zip(&tuning.proposal.values);
    axes.clone()
        .all(|(axis, proposed)| axis.setting.value == *proposed)
}

/// What, how much now, how much with the proposal, and whether that is better.
pub(super) struct Compared {
    pub(super) what: &'static str,
    pub(super) now: String,
    pub(super) proposed: String,
    pub(super) tone: Tone,
}

/// The figures side by side.
pub(super) fn compared(now: &Figures, proposed: &Figures) -> Vec<Compared> {
    let latency = |figures: &Figures| {
        let quantile = |ms: Option<i64>| ms.map_or("missed".to_owned(), words::length);
        figures
            .latency_ms
            .map_or("n/a (no incidents)".to_owned(), |[median, p90]| {
                format!("{} / {}", quantile(median), quantile(p90))
            })
    };
    let median = |figures: &Figures| {
        figures
            .latency_ms
            .and_then(|[median, _]| median)
            .unwrap_or(i64::MAX)
    };
    let row = |what, text: &dyn Fn(&Figures) -> String, worth: &dyn Fn(&Figures) -> i64| Compared {
        what,
        now: text(now),
        proposed: text(proposed),
        tone: match worth(proposed).cmp(&worth(now)) {
            std::cmp::Ordering::Less => Tone::Good,
            std::cmp::Ordering::Equal => Tone::Muted,
            std::cmp::Ordering::Greater => Tone::Bad,
        },
    };
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    vec![
        row(
            "incidents detected by the deadline",
            &|figures| words::share(figures.recall(), "no incidents"),
            &|figures| -count(figures.in_time),
        ),
        row(
            "incidents detected at all",
            &|figures| words::share(figures.detected_share(), "no incidents"),
            &|figures| -count(figures.detected),
        ),
        row("fault to notification, median / p90", &latency, &median),
        row("false alarms per week", &weekly, &|figures| {
            count(figures.false_alarms)
        }),
        row(
            "alarms on incidents of other causes",
            &|figures| figures.misattributed.to_string(),
            &|figures| count(figures.misattributed),
        ),
        row(
            "flaps: alarms beyond the first",
            &|figures| figures.flaps.to_string(),
            &|figures| count(figures.flaps),
        ),
    ]
}

/// `35 [1, 195] (1 in 4.8 h)`.
fn weekly(figures: &Figures) -> String {
    figures
        .false_per_week()
        .map_or("n/a (no quiet time)".into(), |(rate, low, high)| {
            let hours = figures.exposure_ms as f64 / 3_600_000.0;
            format!(
                "{} [{}, {}] ({} in {hours:.1} h)",
                small(rate),
                small(low),
                small(high),
                figures.false_alarms
            )
        })
}

/// Two digits are enough of a rate.
pub(super) fn small(value: f64) -> String {
    if value >= 10.0 || value == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

/// Header and rows of the front, and how many rows were left out: the ends always stay.
pub(super) fn front(tuning: &Tuning) -> (Vec<String>, Vec<Vec<String>>, usize) {
    let mut header: Vec<String> = tuning
        .grid
        .axes()
        .iter()
        .map(|axis| axis.name.clone())
        .collect();
    header.extend(["alike", "false/week", "by the deadline", "median"].map(str::to_owned));
    let all = &tuning.front;
    let last = all.len().saturating_sub(1);
    let kept: Vec<usize> = if all.len() <= FRONT_MAX {
        (0..all.len()).collect()
    } else {
        (0..FRONT_MAX)
            .map(|index| index * last / (FRONT_MAX - 1))
            .collect()
    };
    let rows = kept.iter().map(|index| {
        let point = all[*index];
        let figures = &tuning.settings[point.setting];
        let mut row: Vec<String> = tuning
            .grid
            .values(point.setting)
            .iter()
            .map(SettingValue::to_string)
            .collect();
        row.push(point.alike.to_string());
        row.push(
            figures
                .false_per_week()
                .map_or("n/a".into(), |(rate, ..)| small(rate)),
        );
        row.push(figures.recall().map_or("n/a".into(), percent));
        let median = figures.latency_ms.and_then(|[median, _]| median);
        row.push(median.map_or("missed".into(), words::length));
        row
    });
    (header, rows.collect(), all.len() - kept.len())
}

fn percent(share: Share) -> String {
    format!("{:.0} %", share.value() * 100.0)
}

/// How sure the proposal is: what, and how much.
pub(super) fn confidence(tuning: &Tuning) -> Vec<(&'static str, String)> {
    let confidence = &tuning.proposal.confidence;
    let of = |count: u32| {
        let share = f64::from(count) / f64::from(confidence.resamples.max(1)) * 100.0;
        format!(
            "in {share:.0} % of {} resamples of the seeds",
            confidence.resamples
        )
    };
    // An interval without width says that these seeds agree, and no more.
    let span = |low: String, high: String| match low == high {
        true => format!("{low} in every resample"),
        false => format!("{low} to {high}"),
    };
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let median = |ms: Option<i64>| ms.map_or("missed".to_owned(), words::length);
    vec![
        ("among the best by this rule", of(confidence.best)),
        (
            "clearly beaten by no other setting",
            of(confidence.on_front),
        ),
        (
            "detected by the deadline",
            confidence
                .recall
                .map_or("n/a (no incidents)".into(), |(low, high)| {
                    span(percent(low), percent(high))
                }),
        ),
        (
            "false alarms per week",
            confidence
                .false_per_week
                .map_or("n/a (no quiet time)".into(), |(low, high)| {
                    span(small(low), small(high))
                }),
        ),
        (
            "fault to notification, median",
            span(
                median(confidence.median_ms.0),
                median(confidence.median_ms.1),
            ),
        ),
    ]
}

/// What to make of the proposal, in a sentence.
pub(super) fn verdict(tuning: &Tuning) -> Told {
    let (text, tone) = match tuning.advice() {
        Advice::Confirmed => (
            "confirmed: held-out drills are within the intervals of those it was chosen on",
            Tone::Good,
        ),
        Advice::Unconfirmed => (
            "not confirmed: no drills with incidents could be held out; run at least three seeds",
            Tone::Warn,
        ),
        Advice::Useless => (
            "NOT USEFUL: no setting with so few false alarms detects any incident by its deadline; accept more false \
             alarms, or vary something else",
            Tone::Bad,
        ),
        Advice::Worse => {
            let held = tuning.confirmation.as_ref();
            let both = held.is_some_and(|held| held.recall_is_worse && held.false_alarms_are_worse);
            let what = match held {
                _ if both => {
                    "fewer incidents were detected by the deadline, and there were more false alarms per week,"
                }
                Some(held) if held.recall_is_worse => {
                    "fewer incidents were detected by the deadline"
                }
                _ => "there were more false alarms per week",
            };
            let text = format!(
                "WORSE on held-out drills: {what} than the 95 % interval of those it was chosen on allows"
            );
            return (text, Tone::Bad);
        }
    };
    (text.to_owned(), tone)
}

/// What a reader must be warned of.
pub(super) fn warnings(tuning: &Tuning) -> Vec<String> {
    let mut found: Vec<String> = tuning
        .inconclusive
        .iter()
        .map(|(scenario, seed, why)| {
            format!(
                "{scenario}, seed {seed}: inconclusive, not used: {}",
                why.join("; ")
            )
        })
        .collect();
    if tuning.errors > 0 {
        found.push(format!(
            "evaluations of the varied rules failed, up to {} in a drill",
            tuning.errors
        ));
    }
    if tuning.before.exposure_ms == 0 {
        found.push("the drills have no quiet time: nothing is known of false alarms".into());
    }
    found
}
