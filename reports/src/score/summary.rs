//! All drills together: shares from sums, intervals on every number.

use crate::gate::Gated;
use crate::pack::Role;
use crate::record::Wanted;
use crate::score::judge::{Class, Judged, Outcome};
use crate::score::stats::{Latencies, Latency, Share, median_and_p90, per_week};
use crate::score::{AlertScore, DrillScore, FiringTime, IncidentScore, Verdict};
use crate::why::Explanation;
use std::collections::BTreeMap;

/// The scores of a set of drills.
#[derive(Debug, Clone, PartialEq)]
pub struct Scorecard {
    /// The drills: incidents before harmless ones, by name.
    pub drills: Vec<DrillScore>,
    /// Pages, and the incidents that deserve one. Inconclusive drills have no part in it.
    pub summary: Summary,
    /// Tickets, and the incidents that deserve no more; nothing where there are neither.
    pub tickets: Option<Summary>,
    /// Alerts that had data and fired in no conclusive drill.
    pub never_fired: Vec<String>,
    /// Alerts none of whose selectors matched any series in any drill: their silence says nothing.
    pub never_had_data: Vec<String>,
    /// Alerts with a rule that fails the gate: without data in any drill while others had some, or as
    /// [`judge_rules`](Self::judge_rules) found. The pack may say that one may be without data.
    pub dead: Vec<String>,
    /// Alerts that no drill was long enough for.
    pub cut_short: Vec<String>,
    /// Why those fail, if somebody has asked.
    pub diagnosis: Option<Explanation>,
    /// Alerts that fired through every drill: they say nothing, either.
    pub always_firing: Vec<String>,
    /// What incidents of each cause were called when somebody was told of them first, if somebody has asked.
    pub called: Vec<Called>,
    /// What gates came to, if there are any.
    pub gated: Option<Gated>,
    /// The rules, as `--rules` takes them: files, and names of built-in packs. Empty: they are not known.
    pub rules: Vec<String>,
}

/// Incidents of one cause that were called the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The cause they really had.
    pub cause: String,
    /// The causes that were named: several cannot be told apart, none means that no known cause fitted.
    pub named: Vec<&'static str>,
    /// How many incidents.
    pub incidents: u64,
}

/// What all conclusive drills came to, for one class of alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Incidents scored, and detected at all.
    pub recall: Option<Share>,
    /// The same, counting incidents that a right alert was firing before (masked).
    pub recall_lenient: Option<Share>,
    /// Detected by the deadline.
    pub recall_at_deadline: Option<Share>,
    /// Pages that were right, of those that were right or wrong.
    pub precision: Option<Share>,
    /// The same, leaving out pages for another cause than the one at hand.
    pub precision_lenient: Option<Share>,
    /// Incidents detected per page sent.
    pub useful_pages: Option<Share>,
    /// Incidents whose first page named the right cause.
    pub top1: Option<Share>,
    /// Incidents whose first page named the right cause or a fair symptom.
    pub top1_lenient: Option<Share>,
    /// Harmless windows with at least one page.
    pub benign_trips: Option<Share>,
    /// Fault start to notification, median and 90th percentile; a miss counts as infinite (`None`).
    pub latency_ms: Option<[Option<i64>; 2]>,
    /// Fault start to firing, without the delivery.
    pub latency_fire_ms: Option<[Option<i64>; 2]>,
    /// Mean time undetected: fault start to notification, at most the incident's length, which is also what a miss costs.
    pub mean_undetected_ms: Option<f64>,
    /// Undetected share of all user impact: milliseconds of each.
    pub undetected_ms: (i64, i64),
    /// Mean over incidents of the share of their impact nobody was told of.
    pub mean_undetected_share: Option<f64>,
    /// How long alerts fired, all drills together.
    pub time: FiringTime,
    /// False pages: where an Alertmanager file says what is sent, notifications; else alarms.
    pub false_pages: u64,
    /// Pages that told of nothing new (`repeat_interval`), where an Alertmanager file says what is sent.
    pub repeats: Option<u64>,
    /// Pages for incidents that deserve a ticket: outside precision.
    pub over_escalated: u64,
    /// Scored time outside of incidents.
    pub exposure_ms: i64,
    /// Drills that prove nothing.
    pub inconclusive: u64,
}

impl Scorecard {
    /// Puts drills together.
    #[must_use]
    pub fn new(mut drills: Vec<DrillScore>) -> Self {
        drills.sort_by(|a, b| {
            (a.incidents.is_empty(), &a.scenario, a.seed, a.epoch_ms).cmp(&(
                b.incidents.is_empty(),
                &b.scenario,
                b.seed,
                b.epoch_ms,
            ))
        });
        let has_tickets = drills.iter().any(|drill| {
            drill.episodes.iter().any(|judged| !judged.page)
                || drill
                    .incidents
                    .iter()
                    .any(|incident| incident.truth.wanted == Wanted::Ticket)
        });
        // Where no alert has data, or no drill is conclusive, it is the drills that prove nothing.
        let any_data = drills
            .iter()
            .flat_map(|drill| &drill.alerts)
            .any(|alert| !alert.no_data);
        let proves = conclusive(&drills).next().is_some();
        let dead = names(drills.iter(), |all| {
            proves && any_data && all.iter().all(|alert| alert.no_data && !alert.no_data_ok)
        });
        Self {
            dead,
            cut_short: Vec::new(),
            diagnosis: None,
            called: Vec::new(),
            gated: None,
            rules: Vec::new(),
            summary: Summary::new(&drills, Wanted::Page),
            tickets: has_tickets.then(|| Summary::new(&drills, Wanted::Ticket)),
            never_fired: names(conclusive(&drills), |all| {
                all.iter().all(|alert| alert.episodes.is_empty())
                    && all.iter().any(|alert| !alert.no_data)
            }),
            // That an alert had no data may be why a drill is not conclusive.
            never_had_data: names(drills.iter(), |all| all.iter().all(|alert| alert.no_data)),
            always_firing: names(conclusive(&drills), |all| {
                all.iter().all(|alert| fired_throughout(alert))
            }),
            drills,
        }
    }

    /// Takes in what is wrong with rules that were silent in all drills (see
    /// [`Explainer::of_the_silent`](crate::Explainer::of_the_silent)): one that cannot fire, or that always holds and
    /// never fired, fails the gate. Where no drill proves anything, it is the drills that are wrong.
    pub fn judge_rules(&mut self, diagnosis: Explanation) {
        if conclusive(&self.drills).next().is_none() {
            return;
        }
        let found = diagnosis.of_the_unfit();
        for rule in &found.rules {
            let list = match rule.is_unfit() {
                true => &mut self.dead,
                false => &mut self.cut_short,
            };
            if !list.contains(&rule.name) {
                list.push(rule.name.clone());
            }
        }
        if !found.rules.is_empty() {
            self.diagnosis = Some(found);
        }
    }

    /// Whether every drill proves something.
    #[must_use]
    pub fn is_conclusive(&self) -> bool {
        conclusive(&self.drills).count() == self.drills.len()
    }

    /// Failed if any drill failed or a rule is dead; else inconclusive if any was.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let any = |verdict| self.drills.iter().any(|drill| drill.verdict == verdict);
        if any(Verdict::Failed) || !self.dead.is_empty() {
            Verdict::Failed
        } else if any(Verdict::Inconclusive) {
            Verdict::Inconclusive
        } else {
            Verdict::Passed
        }
    }
}

fn conclusive(drills: &[DrillScore]) -> impl Iterator<Item = &DrillScore> {
    drills
        .iter()
        .filter(|drill| drill.verdict != Verdict::Inconclusive)
}

/// The alerts, in order, whose scores in the drills are such as `fits` says.
fn names<'d>(
    drills: impl Iterator<Item = &'d DrillScore>,
    fits: impl Fn(&[&AlertScore]) -> bool,
) -> Vec<String> {
    let mut order: Vec<&str> = Vec::new();
    let mut scores: BTreeMap<&str, Vec<&AlertScore>> = BTreeMap::new();
    for alert in drills.flat_map(|drill| &drill.alerts) {
        let name = alert.alert.as_str();
        if !scores.contains_key(name) {
            order.push(name);
        }
        scores.entry(name).or_default().push(alert);
    }
    order
        .into_iter()
        .filter(|name| scores.get(name).is_some_and(|all| fits(all)))
        .map(str::to_owned)
        .collect()
}

/// On before anything was wrong, and to the end but for gaps in its data.
fn fired_throughout(alert: &AlertScore) -> bool {
    alert.episodes.iter().any(|judged| {
        judged.class == Class::Standing && (judged.episode.open || judged.episode.data_gone)
    })
}

impl Summary {
    fn new(all: &[DrillScore], wanted: Wanted) -> Self {
        let drills: Vec<&DrillScore> = all
            .iter()
            .filter(|drill| drill.verdict != Verdict::Inconclusive)
            .collect();
        let incidents: Vec<&IncidentScore> = drills
            .iter()
            .flat_map(|drill| &drill.incidents)
            .filter(|incident| {
                incident.truth.wanted == wanted && incident.outcome != Outcome::Censored
            })
            .collect();
        let count = |outcomes: &[Outcome]| {
            let came_to = |incident: &&&IncidentScore| outcomes.contains(&incident.outcome);
            incidents.iter().filter(came_to).count() as u64
        };
        let total = incidents.len() as u64;
        let detected = count(&[Outcome::Early, Outcome::OnTime, Outcome::Late]);
        let sent = Sent::new(&drills, wanted);
        let wrong = sent.of(&[Class::False, Class::BenignFalse, Class::Standing]);
        let right = sent.of(&[Class::Hit]);
        let pages = Pages::new(&drills, wanted);
        let time = |drill: &DrillScore| match wanted {
            Wanted::Page => drill.page_time,
            Wanted::Ticket => drill.ticket_time,
        };
        let trips = |drill: &&DrillScore| match wanted {
            Wanted::Page => drill.benign_trips,
            Wanted::Ticket => drill.benign_ticket_trips,
        };
        let top1 = |roles: &[Role]| {
            let named = |incident: &&&IncidentScore| {
                incident
                    .first_page_role
                    .is_some_and(|role| roles.contains(&role))
            };
            Share::new(incidents.iter().filter(named).count() as u64, total)
        };
        Self {
            recall: Share::new(detected, total),
            recall_lenient: Share::new(detected + count(&[Outcome::Masked]), total),
            recall_at_deadline: Share::new(count(&[Outcome::Early, Outcome::OnTime]), total),
            precision: {
                let (right, judged) = sent.right_of_judged();
                Share::new(right, judged)
            },
            precision_lenient: Share::new(right, right + wrong),
            useful_pages: Share::new(detected.min(pages.all), pages.all),
            top1: top1(&[Role::Expected]),
            top1_lenient: top1(&[Role::Expected, Role::Accepted]),
            benign_trips: Share::new(
                drills.iter().map(trips).sum(),
                drills.iter().map(|drill| drill.benign_windows).sum(),
            ),
            latency_ms: latencies(&incidents, |detection| detection.delivered_ms),
            latency_fire_ms: latencies(&incidents, |detection| detection.fired_ms),
            mean_undetected_ms: mean(
                incidents
                    .iter()
                    .map(|incident| incident.capped_latency_ms() as f64),
            ),
            undetected_ms: (
                incidents
                    .iter()
                    .map(|incident| incident.undetected_ms)
                    .sum(),
                incidents.iter().map(|incident| incident.impact_ms).sum(),
            ),
            mean_undetected_share: mean(
                incidents
                    .iter()
                    .filter(|incident| incident.impact_ms > 0)
                    .map(|incident| incident.undetected_ms as f64 / incident.impact_ms as f64),
            ),
            time: drills
                .iter()
                .fold(FiringTime::default(), |sum, drill| sum.plus(time(drill))),
            false_pages: pages.wrong,
            repeats: pages.repeats,
            over_escalated: sent.over_escalated,
            exposure_ms: drills.iter().map(|drill| drill.exposure_ms).sum(),
            inconclusive: (all.len() - drills.len()) as u64,
        }
    }

    /// False pages per week with the exact 95 % interval; nothing without exposure.
    #[must_use]
    pub fn false_pages_per_week(&self) -> Option<(f64, f64, f64)> {
        per_week(self.false_pages, self.exposure_ms)
    }
}

/// Episodes of one class of alerts, by what they were.
struct Sent {
    classes: Vec<Class>,
    over_escalated: u64,
}

impl Sent {
    fn new(drills: &[&DrillScore], wanted: Wanted) -> Self {
        Self::of_those(drills, wanted, |_| true)
    }

    /// Only of episodes that `are_meant`.
    fn of_those(
        drills: &[&DrillScore],
        wanted: Wanted,
        are_meant: impl Fn(&Judged) -> bool,
    ) -> Self {
        let mut sent = Self {
            classes: Vec::new(),
            over_escalated: 0,
        };
        for drill in drills {
            let for_ticket = |judged: &Judged| {
                let seen = |wanted| {
                    let mut incidents = drill.incidents.iter();
                    incidents.any(|incident| {
                        judged.is_of(incident.truth.id) && incident.truth.wanted == wanted
                    })
                };
                matches!(judged.class, Class::Hit | Class::Repeat)
                    && seen(Wanted::Ticket)
                    && !seen(Wanted::Page)
            };
            let scored = drill.episodes.iter().filter(|judged| {
                are_meant(judged) && !matches!(judged.class, Class::Ignored | Class::Unsent)
            });
            for judged in scored {
                match (wanted, judged.page) {
                    (Wanted::Page, true) if for_ticket(judged) => sent.over_escalated += 1,
                    (Wanted::Page, true) | (Wanted::Ticket, false) => {
                        sent.classes.push(judged.class);
                    }
                    // A page for a ticket's incident has detected it all the same.
                    (Wanted::Ticket, true) if for_ticket(judged) => sent.classes.push(judged.class),
                    _ => {}
                }
            }
        }
        sent
    }

    fn of(&self, classes: &[Class]) -> u64 {
        self.classes
            .iter()
            .filter(|class| classes.contains(class))
            .count() as u64
    }

    fn all(&self) -> u64 {
        self.classes.len() as u64 + self.over_escalated
    }

    /// Those that were right, and those that were right or wrong.
    fn right_of_judged(&self) -> (u64, u64) {
        let right = self.of(&[Class::Hit]);
        let wrong = self.of(&[
            Class::False,
            Class::BenignFalse,
            Class::Standing,
            Class::Misattributed,
        ]);
        (right, right + wrong)
    }
}

/// Pages of a drill that were right, and those that were right or wrong: of one alert, or of all.
pub(crate) fn right_pages(drill: &DrillScore, alert: Option<&str>) -> (u64, u64) {
    let is_meant = |judged: &Judged| alert.is_none_or(|alert| judged.episode.alert == alert);
    Sent::of_those(&[drill], Wanted::Page, is_meant).right_of_judged()
}

/// How many pages, or tickets, there were: notifications where an Alertmanager file says what is sent, of pages alone; else
/// alarms.
#[derive(Default)]
struct Pages {
    all: u64,
    wrong: u64,
    repeats: Option<u64>,
}

impl Pages {
    fn new(drills: &[&DrillScore], wanted: Wanted) -> Self {
        let mut pages = Self::default();
        for drill in drills {
            match &drill.routed {
                Some(routed) if wanted == Wanted::Page => {
                    pages.all += routed.pages;
                    pages.wrong += routed.false_pages;
                    *pages.repeats.get_or_insert(0) += routed.repeats;
                }
                _ => {
                    let sent = Sent::new(&[drill], wanted);
                    pages.all += sent.all();
                    pages.wrong += sent.of(&[Class::False, Class::BenignFalse, Class::Standing]);
                }
            }
        }
        pages
    }
}

/// Median and 90th percentile of the time from each fault to what `at` tells.
fn latencies(
    incidents: &[&IncidentScore],
    at: impl Fn(&crate::score::Detection) -> i64,
) -> Option<[Option<i64>; 2]> {
    let latencies = Latencies::new(incidents.iter().map(|incident| {
        let detection = incident.detection.as_ref();
        detection.map_or(Latency::Missed, |detection| {
            Latency::Ms(at(detection) - incident.truth.fault_ms)
        })
    }));
    median_and_p90(&latencies)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for value in values {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / f64::from(count))
}
