//! When a drill proves nothing.

use crate::jsonl::Record;
use crate::score::judge::Outcome;
use crate::score::{AlertScore, IncidentScore};

/// Most capacity of the workers that the harness may cost before queues behave differently.
const SLOT_OVERHEAD_MAX: f64 = 0.25;

/// Why a drill proves nothing. With L the worst of the lags (99th percentile of enqueue and scrape, fault lag, and what
/// handlers overran beyond one scrape interval): it is inconclusive when L exceeds an evaluation interval, for then any
/// firing may be off by one or more evaluations; or when a detection lies within L of its deadline, for then the lag
/// may have decided. It is also inconclusive when the harness cost the workers a quarter of their capacity; when it was
/// cut short or stopped; when a fault had no effect; and when an incident was cut off before anybody could have seen it.
pub(super) fn inconclusive(record: &Record, incidents: &[IncidentScore]) -> Vec<String> {
    let header = &record.header;
    let mut why = Vec::new();
    if !record.complete {
        why.push("the record is incomplete: the drill was cut short".to_owned());
    }
    if let Some(reason) = record.aborted() {
        why.push(format!("the drill was stopped: {reason}"));
    }
    for mark in record.marks().filter(|mark| !mark.verified) {
        why.push(format!(
            "{} on {} had no effect: {}",
            mark.what,
            mark.targets.join(", "),
            mark.saw
        ));
    }
    for found in record.interference() {
        why.push(format!("interference: {}: {}", found.subject, found.saw));
    }
    for incident in incidents
        .iter()
        .filter(|incident| incident.outcome == Outcome::Censored)
    {
        let cause = &incident.truth.cause;
        why.push(if incident.truth.fault_ms < header.warmup_ms {
            format!("the {cause} incident began in the warm-up")
        } else {
            format!("the drill ended before the deadline of the {cause} incident")
        });
    }
    if let Some(lag) = record.lag() {
        let handlers = (lag.handler_ms[1] - header.scrape_interval_ms).max(0);
        let worst = lag.enqueue_ms[1]
            .max(lag.scrape_ms[1])
            .max(lag.fault_ms_max)
            .max(handlers);
        if worst > header.evaluation_interval_ms {
            why.push(format!(
                "the harness lagged by {:.1} s of virtual time, more than an evaluation interval; try a lower --speed",
                worst as f64 / 1e3
            ));
        }
        if lag.slot_overhead > SLOT_OVERHEAD_MAX {
            why.push(format!(
                "the harness held worker slots {:.0} % longer than the handlers worked (round trips of {} ms of \
                 virtual time); try a lower --speed",
                lag.slot_overhead * 100.0,
                lag.redis_ms[0]
            ));
        }
        for incident in incidents {
            if let Some(detection) = &incident.detection
                && (detection.delivered_ms - incident.truth.deadline_ms).abs() <= worst
            {
                why.push(format!(
                    "somebody was told of {} within the harness' lag ({:.1} s) of the deadline; try a lower --speed",
                    detection.alert,
                    worst as f64 / 1e3
                ));
            }
        }
    }
    why
}

/// Why the silence of alerts proves nothing: none of them had data. Where there was an incident, it was missed, which is
/// worse.
pub(super) fn without_data(alerts: &[AlertScore], incidents: &[IncidentScore]) -> Option<String> {
    let blind = |alert: &AlertScore| alert.no_data && alert.episodes.is_empty();
    let all = incidents.is_empty() && !alerts.is_empty() && alerts.iter().all(blind);
    all.then(|| "none of the alerts had data: their silence says nothing".to_owned())
}
