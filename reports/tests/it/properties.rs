//! What holds of every record and every score.

use crate::support::{Story, pack, record};
use firedrill_detector::Labels;
use firedrill_reports::record::{
    AlertState, BenignWindow, Impact, Line, PlannedIncident, QueueWaits, Transition, Wanted,
};
use firedrill_reports::score::judge::{Class, Outcome};
use firedrill_reports::trials::Trials;
use firedrill_reports::waits::Waits;
use firedrill_reports::{Record, RecordWriter, ScoreParams, Scorecard, score_recorded};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Length of the drills below.
const END_MS: i64 = 2_400_000;

fn series(number: u8) -> Labels {
    let queue = format!("q\u{e9}\"{number}");
    Labels::metric("depth", [("queue", queue.as_str())])
}

fn incident(id: usize, starts_ms: i64, length_ms: i64, within_ms: i64) -> PlannedIncident {
    PlannedIncident {
        id: id as u32,
        cause: ["deadlock", "retry-storm", "slow-jobs"][id % 3].into(),
        wanted: [Wanted::Page, Wanted::Ticket][id % 2],
        starts_ms,
        ends_ms: starts_ms + length_ms,
        deadline_ms: starts_ms + within_ms,
        step: None,
        queues: vec![],
    }
}

/// A legal life of one alert instance: times at which it goes on to its next state.
fn life(alert: &str, severity: &str, times: &[i64]) -> Vec<Transition> {
    use AlertState::{Firing, Inactive, Pending};
    let states = [Inactive, Pending, Firing];
    let steps = times.iter().enumerate().map(|(step, at_ms)| Transition {
        at_ms: *at_ms,
        group: "g".into(),
        alert: alert.into(),
        labels: BTreeMap::from([("severity".to_owned(), severity.to_owned())]),
        from: states[step % 3],
        to: states[(step + 1) % 3],
        value: None,
        data_gone: false,
        data_back: false,
    });
    steps.collect()
}

prop_compose! {
    fn drills()(
        incidents in prop::collection::vec((0..END_MS, 0..900_000_i64, 0..900_000_i64, any::<bool>()), 0..4),
        benign in prop::collection::vec((0..END_MS, 1..600_000_i64), 0..3),
        lives in prop::collection::vec(
            (0..4_usize, 0..3_usize, prop::collection::btree_set(0..=END_MS, 0..12)),
            0..6,
        ),
    ) -> Record {
        let mut record = record(Story::Quiet);
        record.lines.retain(|line| matches!(line, Line::Footer { .. }));
        record.header.benign = benign
            .iter()
            .map(|(at, length)| BenignWindow { what: "b".into(), starts_ms: *at, ends_ms: at + length })
            .collect();
        let mut lines = Vec::new();
        for (id, (at, length, within, is_felt)) in incidents.iter().enumerate() {
            record.header.incidents.push(incident(id, *at, *length, *within));
            let first_ms = is_felt.then_some(at + length / 3);
            let last_ms = is_felt.then_some(at + length + 60_000);
            lines.push(Line::Impact(Impact { incident: id as u32, first_ms, last_ms, harmed_tasks: 1, queues: Vec::new(), unmet: false }));
        }
        let names = pack().alerts;
        let mut transitions: BTreeMap<(usize, usize), Vec<Transition>> = BTreeMap::new();
        for (alert, severity, times) in &lives {
            let times: Vec<i64> = times.iter().copied().collect();
            let severities = ["warning", "critical", "info"];
            transitions
                .entry((*alert, *severity))
                .or_insert_with(|| life(&names[*alert], severities[*severity], &times));
        }
        let mut transitions: Vec<Transition> = transitions.into_values().flatten().collect();
        transitions.sort_by_key(|transition| transition.at_ms);
        lines.extend(transitions.into_iter().map(Line::Transition));
        record.lines.splice(0..0, lines);
        record
    }
}

proptest! {
    #[test]
    fn scrapes_read_back_as_written(
        scrapes in prop::collection::vec(prop::collection::btree_map(0..20_u8, any::<i32>(), 0..8), 0..20),
    ) {
        let scrapes: Vec<(i64, Vec<(Labels, f64)>)> = (0..)
            .zip(&scrapes)
            .map(|(at, values)| {
                (at, values.iter().map(|(id, value)| (series(*id), f64::from(*value) / 7.0)).collect())
            })
            .collect();
        let mut writer = RecordWriter::new(Vec::new(), &record(Story::Quiet).header).unwrap();
        for (at_ms, samples) in &scrapes {
            writer.scrape(*at_ms, "t\n", samples).unwrap();
        }
        let file = writer.into_inner();
        let back = Record::read(&file[..]).unwrap();
        let read: Vec<_> = back.scrapes().map(|(at_ms, _, samples)| (at_ms, samples)).collect();
        prop_assert_eq!(read, scrapes);
        prop_assert!(!back.complete);
    }

    #[test]
    fn every_score_adds_up(record in drills()) {
        let params = ScoreParams::default();
        let score = score_recorded(&record, &pack(), &params);
        let warmup_ms = record.header.warmup_ms;
        prop_assert!((0..=END_MS - warmup_ms).contains(&score.exposure_ms));
        let mut pairs = BTreeSet::new();
        for judged in &score.episodes {
            let episode = &judged.episode;
            prop_assert!(episode.pending_ms <= episode.start_ms && episode.start_ms <= episode.end_ms);
            let wait_ms = episode.delivered_ms - episode.start_ms;
            prop_assert!((0..=record.header.group_wait_ms.max(record.header.group_interval_ms)).contains(&wait_ms));
            let is_early = matches!(judged.class, Class::Ignored | Class::Standing | Class::Unsent);
            prop_assert!(episode.sent || matches!(judged.class, Class::Ignored | Class::Unsent));
            let held_ms = if episode.open { i64::MAX } else { episode.end_ms - episode.start_ms };
            prop_assert!(episode.sent || episode.cut_off || held_ms <= wait_ms);
            prop_assert!(judged.class != Class::Unsent || !episode.sent);
            prop_assert!(is_early || episode.start_ms >= warmup_ms);
            prop_assert!(judged.class != Class::Ignored || episode.start_ms < warmup_ms);
            if judged.class == Class::Hit {
                prop_assert!(pairs.insert((judged.incident, &episode.alert, &episode.severity)));
            }
        }
        for incident in &score.incidents {
            let detected = matches!(incident.outcome, Outcome::Early | Outcome::OnTime | Outcome::Late);
            prop_assert!(!detected || incident.detection.is_some());
            prop_assert!((0..=incident.impact_ms).contains(&incident.undetected_ms));
            prop_assert!(incident.gap_ms >= 0 && incident.capped_latency_ms() >= 0);
        }
        for time in [score.page_time, score.ticket_time] {
            prop_assert!(time.in_incidents_ms <= time.firing_ms && time.right_ms <= time.incidents_ms);
            prop_assert!(time.firing_ms - time.in_incidents_ms <= score.exposure_ms);
        }
        let in_rows: usize = score.alerts.iter().map(|alert| alert.episodes.len()).sum();
        prop_assert_eq!(in_rows, score.episodes.len());
        let card = Scorecard::new(vec![score]);
        for summary in [Some(&card.summary), card.tickets.as_ref()].into_iter().flatten() {
            let shares = [summary.recall, summary.precision, summary.useful_pages, summary.top1];
            for share in shares.into_iter().flatten() {
                let (low, high) = share.wilson();
                prop_assert!(share.count <= share.of && 0.0 <= low && low <= high && high <= 1.0);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn trials_are_the_same_in_any_order(
        records in prop::collection::vec((drills(), 0..4_u64, 0..3_usize, 0..100_i64), 0..14),
        shuffle in any::<u64>(),
        cut in 0..14_usize,
    ) {
        let scores: Vec<_> = records
            .into_iter()
            .map(|(mut record, seed, scenario, wait_ms)| {
                record.header.seed = seed;
                record.header.scenario = ["a", "b", "c"][scenario].into();
                let mut counts = Waits::new();
                counts.record(wait_ms);
                record.lines.push(Line::Waits(QueueWaits { queue: "q".into(), counts, over_time: Vec::new() }));
                let mut score = score_recorded(&record, &pack(), &ScoreParams::default());
                // Packs may differ in what stands first.
                score.alerts.rotate_left(wait_ms as usize % 4);
                score
            })
            .collect();
        let mut ordered = Trials::new();
        scores.iter().for_each(|score| ordered.add(score));
        let mut shuffled: Vec<_> = scores.iter().enumerate().collect();
        shuffled.sort_by_key(|(index, _)| (*index as u64 + 1).wrapping_mul(shuffle | 1) >> 32);
        let (mut first, mut second) = (Trials::new(), Trials::new());
        for (place, (_, score)) in shuffled.into_iter().enumerate() {
            if place < cut { first.add(score) } else { second.add(score) }
        }
        second.merge(first);
        let card = ordered.card();
        prop_assert_eq!(&card, &second.card());
        for alert in &card.alerts {
            for share in [alert.trips, alert.chatter, alert.detections.as_ref().map(|d| d.detected)].into_iter().flatten() {
                let value = share.value();
                prop_assert!(share.low <= value + 1e-9 && value <= share.high + 1e-9, "{:?}", share);
            }
            if let Some(rate) = alert.false_alarms {
                let value = rate.per_week();
                prop_assert!(rate.low_per_week <= value + 1e-9 && value <= rate.high_per_week + 1e-9, "{:?}", rate);
            }
        }
    }
}
