use super::*;
use crate::record::{AlertState, Transition};
use crate::score::episode::episodes;
use proptest::prelude::*;
use std::collections::BTreeSet;

const DELIVERY: Delivery = Delivery {
    group_wait_ms: 30_000,
    group_interval_ms: 300_000,
};

/// The changes of an instance: when (in seconds), to what, and whether only its data went or came.
fn changes(queue: &str, steps: &[(i64, AlertState, bool)]) -> Vec<Transition> {
    let mut from = AlertState::Inactive;
    let steps = steps.iter().map(|(at_s, to, data)| {
        let labels = [("queue", queue), ("severity", "page")];
        let change = Transition {
            at_ms: at_s * 1000,
            group: "g".into(),
            alert: "A".into(),
            labels: labels.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
            from,
            to: *to,
            value: None,
            data_gone: *data && *to == AlertState::Inactive,
            data_back: *data && *to != AlertState::Inactive,
        };
        from = *to;
        change
    });
    steps.collect()
}

/// An instance that fires from and until when, again and again.
fn fires(queue: &str, spans: &[(i64, i64)]) -> Vec<Transition> {
    let steps = spans.iter().flat_map(|(from_s, to_s)| {
        [
            (*from_s, AlertState::Firing, false),
            (*to_s, AlertState::Inactive, false),
        ]
    });
    changes(queue, &steps.collect::<Vec<_>>())
}

/// Each episode's time of delivery in seconds, and whether it was sent.
fn told(mut transitions: Vec<Transition>, delivery: Delivery) -> Vec<(i64, bool)> {
    transitions.sort_by_key(|change| change.at_ms);
    let mut found = episodes(&transitions, 10_000_000);
    deliver(&mut found, delivery);
    let found = found.iter();
    found
        .map(|episode| (episode.delivered_ms / 1000, episode.sent))
        .collect()
}

#[test]
fn a_group_that_is_still_there_makes_wait() {
    let spans = [(0, 40), (100, 350), (661, 700), (2_000, 2_050)];
    // At 330 s it fires as it did at 30 s, so nobody is told. The group goes at 630 s, so the third begins one of its own.
    assert_eq!(
        told(fires("a", &spans), DELIVERY),
        [(30, true), (691, true), (2_030, true)]
    );
    let mut other = fires("a", &[(0, 40)]);
    other.extend(fires("b", &[(100, 350)]));
    assert_eq!(told(other, DELIVERY), [(30, true), (330, true)]);
}

#[test]
fn what_is_over_by_the_flush_is_not_sent() {
    let one = |from, to| told(fires("a", &[(from, to)]), DELIVERY);
    assert_eq!(one(100, 129), [(130, false)]);
    assert_eq!(one(100, 130), [(130, false)], "over as it is flushed");
    assert_eq!(one(100, 131), [(130, true)]);
    // Told at 30 s; the group is there until 330 s, and what fires in between is over by then.
    let mut within = fires("a", &[(0, 40)]);
    within.extend(fires("b", &[(100, 320)]));
    assert_eq!(told(within, DELIVERY), [(30, true), (330, false)]);
    // Nobody was told of the first, but its group makes the next wait.
    let both = fires("a", &[(0, 10), (20, 400)]);
    assert_eq!(told(both, DELIVERY), [(30, false), (30, true)]);
    let group_goes = fires("a", &[(0, 10), (31, 400)]);
    assert_eq!(told(group_goes, DELIVERY), [(30, false), (61, true)]);
}

#[test]
fn whatever_fires_is_sent_at_once_without_a_wait() {
    let at_once = Delivery {
        group_wait_ms: 0,
        ..DELIVERY
    };
    assert_eq!(told(fires("a", &[(100, 100)]), at_once), [(100, true)]);
    assert_eq!(told(fires("a", &[(100, 101)]), at_once), [(100, true)]);
    // The next flush of the same group comes an interval later.
    let again = fires("a", &[(100, 101), (200, 210), (500, 510)]);
    assert_eq!(told(again, at_once), [(100, true), (500, true)]);
}

#[test]
fn what_fires_again_before_a_flush_finds_it_over_is_the_same_alarm() {
    let spans = |spans: &[(i64, i64)]| {
        let mut found = episodes(&fires("a", spans), 10_000_000);
        deliver(&mut found, DELIVERY);
        found
            .iter()
            .map(|e| (e.start_ms / 1000, e.end_ms / 1000, e.delivered_ms / 1000))
            .collect::<Vec<_>>()
    };
    // Flushed at 30, 330 and 630 s.
    assert_eq!(spans(&[(0, 600), (615, 1_200)]), [(0, 1_200, 30)]);
    assert_eq!(spans(&[(0, 600), (630, 1_200)]), [(0, 1_200, 30)]);
    assert_eq!(
        spans(&[(0, 600), (631, 1_200)]),
        [(0, 600, 30), (631, 1_200, 661)]
    );
    assert_eq!(
        spans(&[(0, 630), (640, 1_200)]),
        [(0, 630, 30), (640, 1_200, 670)]
    );
    // Again and again, and never found over.
    assert_eq!(
        spans(&[(0, 60), (100, 110), (200, 329), (330, 331), (500, 700)]),
        [(0, 700, 30)]
    );
    // While another goes on.
    let mut two = fires("b", &[(0, 2_000)]);
    two.extend(fires("a", &[(10, 100), (200, 400), (640, 700)]));
    two.sort_by_key(|change| change.at_ms);
    let mut found = episodes(&two, 10_000_000);
    deliver(&mut found, DELIVERY);
    let firings: Vec<_> = found[0]
        .firings
        .iter()
        .map(|f| (f.start_ms / 1000, f.end_ms / 1000, f.delivered_ms / 1000))
        .collect();
    assert_eq!(firings, [(0, 2_000, 30), (10, 400, 30), (640, 700, 930)]);
}

#[test]
fn how_near_a_flush_an_alarm_fired_again() {
    let found = |spans: &[(i64, i64)]| {
        let mut found = episodes(&fires("a", spans), 10_000_000);
        deliver(&mut found, DELIVERY);
        let last = found.last().unwrap().firings[0].clone();
        let again = last.again.first().map(|again| again.margin_ms / 1000);
        (again, last.after.map(|after| after.margin_ms / 1000))
    };
    assert_eq!(found(&[(0, 600), (615, 1_200)]), (Some(15), None));
    assert_eq!(found(&[(0, 340), (615, 1_200)]), (Some(10), None));
    assert_eq!(found(&[(0, 600), (635, 1_200)]), (None, Some(5)));
    assert_eq!(found(&[(0, 628), (700, 1_200)]), (None, Some(2)));
    assert_eq!(found(&[(0, 628), (1_000, 1_200)]), (None, Some(70)));
    assert_eq!(found(&[(0, 20), (700, 1_200)]), (None, None), "nobody knew");
}

#[test]
fn another_instance_that_fires_at_the_flush_tells_of_both() {
    let mut both = fires("a", &[(0, 10)]);
    both.extend(fires("b", &[(5, 100)]));
    assert_eq!(told(both, DELIVERY), [(30, true)], "one episode");
    let mut apart = fires("a", &[(0, 10)]);
    apart.extend(fires("b", &[(20, 100)]));
    assert_eq!(told(apart, DELIVERY), [(30, true), (30, true)]);
}

#[test]
fn what_has_no_data_at_the_flush_does_not_fire() {
    use AlertState::{Firing, Inactive};
    let gap = |gone: i64, back: i64, over: i64| {
        let steps = [
            (0, Firing, false),
            (gone, Inactive, true),
            (back, Firing, true),
            (over, Inactive, false),
        ];
        told(changes("a", &steps), DELIVERY)
    };
    assert_eq!(gap(10, 20, 600), [(30, true)], "back by the flush");
    assert_eq!(gap(10, 60, 600), [(90, true)], "a group of its own");
    assert_eq!(gap(10, 60, 80), [(30, false)], "never there at a flush");
    assert_eq!(gap(40, 60, 600), [(30, true)], "told before the gap");
}

proptest! {
    /// Second by second, as Alertmanager does it.
    #[test]
    fn told_as_a_group_that_is_walked_through(
        lives in prop::collection::vec(prop::collection::btree_set(0..200_i64, 0..14), 1..4),
        wait_s in 0..20_i64,
        interval_s in 1..40_i64,
    ) {
        let mut transitions = Vec::new();
        for (queue, times) in lives.iter().enumerate() {
            let times: Vec<i64> = times.iter().copied().collect();
            let spans: Vec<_> = times.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
            transitions.extend(fires(&queue.to_string(), &spans));
        }
        transitions.sort_by_key(|change| change.at_ms);
        let found = {
            let delivery = Delivery { group_wait_ms: wait_s * 1000, group_interval_ms: interval_s * 1000 };
            let mut found = episodes(&transitions, 10_000_000);
            deliver(&mut found, delivery);
            found
        };
        let interval_s = interval_s.max(1);
        // Alertmanager's group: the alerts in it, by queue, and since when they fire; and its notification log.
        let mut group: BTreeMap<usize, i64> = BTreeMap::new();
        let mut log: Option<(BTreeSet<usize>, BTreeSet<usize>)> = None;
        let mut flush: Option<i64> = None;
        let mut told: BTreeMap<(usize, i64), (i64, bool)> = BTreeMap::new();
        let fires_at = |queue: usize, at: i64| {
            let spans = lives[queue].iter().copied().collect::<Vec<_>>();
            spans.chunks_exact(2).find(|pair| pair[0] <= at && at < pair[1]).map(|pair| pair[0])
        };
        for now in 0..400_i64 {
            for queue in 0..lives.len() {
                if fires_at(queue, now) == Some(now) {
                    group.insert(queue, now);
                    flush.get_or_insert(now + wait_s);
                }
            }
            if flush != Some(now) {
                continue;
            }
            let (firing, resolved): (BTreeSet<usize>, BTreeSet<usize>) =
                group.keys().partition(|queue| fires_at(**queue, now).is_some());
            let known = |queue: &usize| log.as_ref().is_some_and(|(fired, _)| fired.contains(queue));
            // `DedupStage.needsUpdate`, with `send_resolved`.
            let needs_update = match &log {
                None => !firing.is_empty(),
                Some((fired, _)) if !firing.is_subset(fired) => true,
                Some((fired, _)) if firing.is_empty() => !fired.is_empty(),
                Some((_, over)) => !resolved.is_subset(over),
            };
            for (queue, since) in &group {
                if !known(queue) {
                    told.insert((*queue, *since), (now, needs_update && !firing.is_empty()));
                }
            }
            group.retain(|queue, _| firing.contains(queue));
            flush = (!group.is_empty()).then_some(now + interval_s);
            if needs_update {
                log = Some((firing, resolved));
            }
        }
        let mut sent = 0;
        for episode in &found {
            for firing in &episode.firings {
                let queue: usize = firing.labels["queue"].parse().unwrap();
                let expected = told.get(&(queue, firing.start_ms / 1000)).copied();
                if firing.sent {
                    sent += 1;
                    prop_assert_eq!(Some((firing.delivered_ms / 1000, true)), expected);
                } else {
                    prop_assert!(expected.is_none_or(|(_, sent)| !sent), "{:?} {:?}", firing, expected);
                }
            }
        }
        prop_assert_eq!(sent, told.values().filter(|(_, sent)| *sent).count());
    }
}
