use super::*;
use crate::record::{AlertState, Transition};
use crate::score::episode::episodes;
use proptest::prelude::*;

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
    // The group goes at 630 s, so the third begins one of its own.
    assert_eq!(
        told(fires("a", &spans), DELIVERY),
        [(30, true), (330, true), (691, true), (2_030, true)]
    );
}

#[test]
fn what_is_over_by_the_flush_is_not_sent() {
    let one = |from, to| told(fires("a", &[(from, to)]), DELIVERY);
    assert_eq!(one(100, 129), [(130, false)]);
    assert_eq!(one(100, 130), [(130, false)], "over as it is flushed");
    assert_eq!(one(100, 131), [(130, true)]);
    // Told at 30 s; the group is there until 330 s, and what fires in between is over by then.
    let within = fires("a", &[(0, 40), (100, 320)]);
    assert_eq!(told(within, DELIVERY), [(30, true), (330, false)]);
    // Nobody was told of the first, but its group makes the next wait.
    let both = fires("a", &[(0, 10), (20, 400)]);
    assert_eq!(told(both, DELIVERY), [(30, true), (30, true)]);
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
    assert_eq!(
        told(again, at_once),
        [(100, true), (400, false), (500, true)]
    );
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
        let mut flush: Option<i64> = None;
        let mut told: BTreeMap<i64, (i64, bool)> = BTreeMap::new();
        let mut waiting: Vec<i64> = Vec::new();
        for now in 0..400_i64 {
            let on = |at: i64| found.iter().any(|e| e.start_ms <= at * 1000 && at * 1000 < e.end_ms);
            if found.iter().any(|e| e.start_ms == now * 1000) {
                waiting.push(now);
                flush.get_or_insert(now + wait_s);
            }
            if flush == Some(now) {
                for start in waiting.drain(..) {
                    told.insert(start, (now, on(now)));
                }
                flush = on(now).then_some(now + interval_s);
            }
        }
        for episode in &found {
            let expected = told.get(&(episode.start_ms / 1000)).copied();
            prop_assert_eq!(Some((episode.delivered_ms / 1000, episode.sent)), expected);
        }
    }
}
