//! The figures of one drill.

use crate::figures::metric::ALERT;
use crate::figures::{Amount, Metric, Point};
use crate::pack::Role;
use crate::record::{Audit, Wanted};
use crate::score::judge::Outcome;
use crate::score::{Did, DrillScore, IncidentScore, right_pages};
use crate::trials::is_false_in_quiet;
use crate::{Scorecard, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a drill came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DrillFigures {
    /// Scenario.
    pub scenario: String,
    /// Seed.
    pub seed: u64,
    /// Whether it proves anything. If not, it has no figures but that.
    pub conclusive: bool,
    /// Its figures.
    pub points: Vec<Point>,
    /// What fails it.
    pub failings: Vec<Failing>,
}

/// Something that fails a drill.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Failing {
    /// What is wrong.
    pub wrong: Wrong,
    /// Cause of the incident, or name of the alert.
    pub name: String,
    /// The scenario it was in; empty: it is about all of them.
    pub scenario: String,
    /// Of an incident that somebody was told of too late: the alert that told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
}

/// Ways to fail.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// Nobody was told of an incident.
    Missed,
    /// Somebody was, after the deadline.
    Late,
    /// A right alert was firing already when it began.
    Masked,
    /// The drill was too short to tell.
    CutShort,
    /// A page with nothing wrong.
    FalsePage,
    /// A rule that cannot fire, or that has no data.
    Unfit,
}

impl Wrong {
    /// Whether it is about an incident; else it is about an alert.
    #[must_use]
    pub fn is_of_incident(self) -> bool {
        !matches!(self, Self::FalsePage | Self::Unfit)
    }
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, scenario, .. } = self;
        match self.wrong {
            Wrong::Missed => write!(f, "{scenario}: nobody was told of {name}"),
            Wrong::Late => write!(f, "{scenario}: somebody was told of {name} too late"),
            Wrong::Masked => write!(
                f,
                "{scenario}: an alert was firing before {name} began, which says nothing of it"
            ),
            Wrong::CutShort => write!(f, "{scenario}: the drill was too short for {name}"),
            Wrong::FalsePage => write!(f, "{scenario}: {name} paged with nothing wrong"),
            Wrong::Unfit => write!(f, "{name} cannot fire, or has no data"),
        }
    }
}

impl DrillFigures {
    /// The figures of a scored drill.
    #[must_use]
    pub fn new(drill: &DrillScore) -> Self {
        let conclusive = drill.verdict != Verdict::Inconclusive;
        let mut points = Points(Vec::new());
        points.put(
            "drills_inconclusive",
            [],
            Amount::Count(u64::from(!conclusive)),
        );
        if conclusive {
            let passed = u64::from(drill.verdict == Verdict::Passed);
            points.put("drills_passed", [], Amount::Share(passed, 1));
            incidents(drill, &mut points);
            alerts(drill, &mut points);
            if let Some(audit) = &drill.audit {
                jobs(audit, &mut points);
            }
            for queue in &drill.waits {
                let labels = [("queue", queue.queue.as_str())];
                points.put(
                    "job_wait_seconds",
                    labels,
                    Amount::Waits((&queue.counts).into()),
                );
            }
        }
        Self {
            scenario: drill.scenario.clone(),
            seed: drill.seed,
            conclusive,
            points: points.0,
            failings: match drill.verdict {
                Verdict::Failed => failings(drill),
                _ => Vec::new(),
            },
        }
    }
}

impl Scorecard {
    /// What fails it.
    #[must_use]
    pub fn failings(&self) -> Vec<Failing> {
        let drills = self.drills.iter();
        let failed = drills.filter(|drill| drill.verdict == Verdict::Failed);
        let mut all: Vec<Failing> = failed.flat_map(failings).collect();
        all.extend(self.dead.iter().map(|alert| Failing::unfit(alert)));
        all
    }
}

impl Failing {
    /// A rule that cannot fire.
    #[must_use]
    pub fn unfit(alert: &str) -> Self {
        Self {
            wrong: Wrong::Unfit,
            name: alert.to_owned(),
            scenario: String::new(),
            alert: None,
        }
    }
}

fn failings(drill: &DrillScore) -> Vec<Failing> {
    let failing = |wrong, name: &str| Failing {
        wrong,
        name: name.to_owned(),
        scenario: drill.scenario.clone(),
        alert: None,
    };
    let incidents = drill.incidents.iter().filter_map(|incident| {
        let wrong = match incident.outcome {
            Outcome::Early | Outcome::OnTime => return None,
            Outcome::Late => Wrong::Late,
            Outcome::Missed => Wrong::Missed,
            Outcome::Masked => Wrong::Masked,
            Outcome::Censored => Wrong::CutShort,
        };
        let told = incident.detection.as_ref();
        let told = told.filter(|_| wrong == Wrong::Late);
        Some(Failing {
            alert: told.map(|detection| detection.alert.clone()),
            ..failing(wrong, &incident.truth.cause)
        })
    });
    let mut all: Vec<Failing> = incidents.collect();
    for judged in &drill.episodes {
        let found = failing(Wrong::FalsePage, &judged.episode.alert);
        if judged.page && judged.is_false() && !all.contains(&found) {
            all.push(found);
        }
    }
    all
}

/// Puts points together.
struct Points(Vec<Point>);

impl Points {
    fn put<'l>(
        &mut self,
        metric: &str,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        amount: Amount,
    ) {
        let metric = Metric::named(metric).expect("figures have names of the table");
        let labels = labels
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.0.push(Point {
            metric,
            labels: labels.collect(),
            amount,
        });
    }
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}

fn incidents(drill: &DrillScore, points: &mut Points) {
    let scored = drill.incidents.iter().enumerate();
    for (index, incident) in scored.filter(|(_, incident)| incident.outcome != Outcome::Censored) {
        let truth = &incident.truth;
        let id = truth.id.to_string();
        let labels = [
            ("cause", truth.cause.as_str()),
            ("incident", &id),
            (
                "wanted",
                match truth.wanted {
                    Wanted::Page => "page",
                    Wanted::Ticket => "ticket",
                },
            ),
        ];
        let flaps = drill.alerts.iter().filter_map(|alert| alert.on.get(index));
        let flaps = flaps.map(|on| match on.did {
            Did::Detected { flaps, .. } => u64::from(flaps),
            _ => 0,
        });
        let any = Sight {
            told_ms: incident.detection.as_ref().map(|seen| seen.delivered_ms),
            in_time: matches!(incident.outcome, Outcome::Early | Outcome::OnTime),
            let_go: incident.let_go_ms.is_some(),
            flaps: flaps.sum(),
        };
        any.put(incident, &labels, points);
        let own = [
            (
                "undetected_impact_seconds",
                Amount::Seconds(Some(seconds(incident.undetected_ms))),
            ),
            ("jobs_harmed", Amount::Count(incident.harmed_tasks)),
        ];
        for (metric, amount) in own {
            points.put(metric, labels, amount);
        }
        for alert in &drill.alerts {
            let on = alert.on.get(index);
            let Some(on) = on.filter(|on| on.role == Role::Expected) else {
                continue;
            };
            let mut labels = labels.to_vec();
            labels.push((ALERT, &alert.alert));
            Sight::of(&on.did).put(incident, &labels, points);
        }
    }
}

/// What was seen of an incident.
struct Sight {
    told_ms: Option<i64>,
    in_time: bool,
    let_go: bool,
    flaps: u64,
}

impl Sight {
    /// By one alert.
    fn of(did: &Did) -> Self {
        match did {
            Did::Detected {
                delivered_ms,
                in_time,
                let_go_ms,
                flaps,
                ..
            } => Self {
                told_ms: Some(*delivered_ms),
                in_time: *in_time,
                let_go: let_go_ms.is_some(),
                flaps: u64::from(*flaps),
            },
            _ => Self {
                told_ms: None,
                in_time: false,
                let_go: false,
                flaps: 0,
            },
        }
    }

    fn put(&self, incident: &IncidentScore, labels: &[(&str, &str)], points: &mut Points) {
        let told = self
            .told_ms
            .map(|told_ms| seconds(told_ms - incident.truth.fault_ms));
        let share = |is: bool| Amount::Share(u64::from(is), 1);
        for (metric, amount) in [
            ("alert_recall", share(told.is_some())),
            ("alert_recall_by_deadline", share(self.in_time)),
            ("detect_seconds", Amount::Seconds(told)),
            ("cleared_early", Amount::Count(u64::from(self.let_go))),
            ("alert_flaps", Amount::Count(self.flaps)),
        ] {
            points.put(metric, labels.iter().copied(), amount);
        }
    }
}

fn alerts(drill: &DrillScore, points: &mut Points) {
    let names = drill.alerts.iter().map(|alert| Some(alert.alert.as_str()));
    for alert in std::iter::once(None).chain(names) {
        let labels = || alert.map(|alert| (ALERT, alert));
        let (right, judged) = right_pages(drill, alert);
        if judged > 0 {
            points.put("alert_precision", labels(), Amount::Share(right, judged));
        }
        let wrong = drill.episodes.iter().filter(|judged| {
            let is_meant = alert.is_none_or(|alert| judged.episode.alert == alert);
            is_meant && judged.page && judged.is_false()
        });
        let wrong = Amount::Count(wrong.count() as u64);
        points.put("false_pages", labels(), wrong);
    }
    let quiet = drill
        .episodes
        .iter()
        .filter(|judged| judged.page && is_false_in_quiet(drill, judged));
    let (quiet, quiet_ms) = (quiet.count() as u64, drill.quiet_ms.unsigned_abs());
    if quiet_ms > 0 {
        points.put("false_pages_per_week", [], Amount::Rate(quiet, quiet_ms));
    }
    if drill.benign_windows > 0 {
        let trips = Amount::Share(drill.benign_trips, drill.benign_windows);
        points.put("harmless_trips", [], trips);
    }
}

fn jobs(audit: &Audit, points: &mut Points) {
    let all: BTreeMap<&str, Option<u64>> = [
        ("jobs_enqueued", Some(audit.enqueued)),
        ("jobs_rejected", Some(audit.rejected)),
        ("jobs_succeeded", audit.jobs_succeeded()),
        ("jobs_archived", Some(audit.archived)),
        ("jobs_lost", audit.jobs_lost()),
        ("jobs_duplicated", audit.jobs_duplicated()),
        ("jobs_stuck", audit.jobs_stuck()),
        ("jobs_late", audit.seen(audit.late)),
    ]
    .into();
    // Of what nobody has seen there is no figure: a gate on it has no data.
    for (metric, count) in all {
        if let Some(count) = count {
            points.put(metric, [], Amount::Count(count));
        }
    }
}
