use super::*;
use proptest::prelude::*;

fn teller() -> Teller {
    Teller::new("s", BTreeSet::from(["A".to_owned()]))
}

fn instance(state: ToldState, since_ms: Option<i64>) -> Instance {
    let labels = [("alertname", "A"), ("queue", "q")];
    Instance {
        labels: labels.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
        state,
        since_ms,
        began_ms: since_ms,
        active_ms: None,
        receivers: vec!["pager".to_owned()],
        kept_back: Vec::new(),
        annotations: BTreeMap::new(),
        pages: false,
    }
}

fn told(changes: &Changes) -> Vec<(ToldState, Option<i64>)> {
    let told = changes.told.iter();
    told.map(|told| (told.state, told.since_ms)).collect()
}

use ToldState::{Firing, Inactive, KeptBack, Pending};

#[test]
fn who_is_asked_tells_changes_and_what_is_gone() {
    let mut teller = teller();
    let pending = || vec![instance(Pending, None)];
    assert_eq!(
        told(&teller.all(1, None, pending())),
        [(Pending, None)],
        "the first answer"
    );
    assert!(teller.all(2, Some(1), pending()).told.is_empty());
    let firing = teller.all(3, Some(2), vec![instance(Firing, Some(3))]);
    assert_eq!(told(&firing), [(Firing, Some(3))]);
    assert_eq!(firing.told[0].unsaid_ms, Some(2));
    let kept = teller.all(4, Some(3), vec![instance(KeptBack, Some(3))]);
    assert_eq!(told(&kept), [(KeptBack, Some(3))]);
    assert_eq!(told(&teller.all(5, Some(4), vec![])), [(Inactive, None)]);
    assert!(teller.all(6, Some(5), vec![]).told.is_empty());
}

#[test]
fn alerts_of_others_are_named_and_count_for_nothing() {
    let mut teller = teller();
    let mut theirs = instance(Firing, Some(1));
    theirs.labels.insert("alertname".into(), "Theirs".into());
    assert!(teller.all(1, None, vec![theirs.clone()]).told.is_empty());
    assert!(teller.message(2, vec![theirs]).told.is_empty());
    assert_eq!(teller.foreign, BTreeSet::from(["Theirs".to_owned()]));
}

#[test]
fn a_source_that_forgets_is_told() {
    let mut teller = teller();
    let active = |state| Instance {
        active_ms: Some(10),
        ..instance(state, None)
    };
    teller.all(20, None, vec![active(Firing)]);
    assert!(teller.all(21, Some(20), vec![]).doubts.is_empty());
    let again = teller.all(22, Some(21), vec![active(Firing)]);
    assert_eq!(again.doubts.len(), 1, "{again:?}");
    // One that holds anew is no such thing.
    teller.all(23, Some(22), vec![]);
    let anew = Instance {
        active_ms: Some(24),
        ..instance(Firing, None)
    };
    assert!(teller.all(25, Some(23), vec![anew]).doubts.is_empty());
}

#[test]
fn what_two_senders_repeat_is_one_alarm() {
    let mut teller = teller();
    let firing = || vec![instance(Firing, Some(10))];
    let over = || Instance {
        began_ms: Some(10),
        ..instance(Inactive, Some(50))
    };
    assert_eq!(told(&teller.message(12, firing())), [(Firing, Some(10))]);
    assert!(
        teller.message(13, firing()).told.is_empty(),
        "the other one"
    );
    assert!(teller.message(40, firing()).told.is_empty(), "a reminder");
    assert_eq!(
        told(&teller.message(60, vec![over()])),
        [(Inactive, Some(50))]
    );
    assert!(teller.message(61, vec![over()]).told.is_empty());
    assert!(
        teller.message(62, firing()).told.is_empty(),
        "the other one is behind"
    );
    let anew = teller.message(90, vec![instance(Firing, Some(80))]);
    assert_eq!(told(&anew), [(Firing, Some(80))]);
    // Nobody said that this was over, and it fires since after that.
    let next = teller.message(200, vec![instance(Firing, Some(190))]);
    assert_eq!(told(&next), [(Inactive, Some(190)), (Firing, Some(190))]);
}

#[test]
fn another_receiver_is_told_by_itself() {
    let mut teller = teller();
    let to = |receiver: &str| Instance {
        receivers: vec![receiver.to_owned()],
        ..instance(Firing, Some(10))
    };
    assert_eq!(teller.message(12, vec![to("chat")]).told.len(), 1);
    let later = teller.message(42, vec![to("pager")]);
    assert_eq!((later.told.len(), later.told[0].at_ms), (1, 42));
}

#[test]
fn the_first_word_can_be_that_it_is_over() {
    let mut before = teller();
    let over = |began_ms| Instance {
        began_ms: Some(began_ms),
        ..instance(Inactive, Some(5))
    };
    let changes = before.message(6, vec![over(-100)]);
    assert_eq!(told(&changes), [(Firing, Some(-100)), (Inactive, Some(5))]);
    assert!(changes.doubts.is_empty());
    let mut lost = teller();
    let changes = lost.message(6, vec![over(2)]);
    assert!(changes.told.is_empty());
    assert_eq!(changes.doubts.len(), 1);
}

fn state() -> impl Strategy<Value = ToldState> {
    prop::sample::select(vec![Pending, Firing, KeptBack, Inactive])
}

proptest! {
    /// Whatever comes: each instance goes from one state to another, in order of time, and only one that fires may fire anew.
    #[test]
    fn only_changes_are_told(
        asked in prop::collection::vec((any::<bool>(), prop::option::of(state()), prop::option::of(-5i64..60)), 1..60),
        is_asked in any::<bool>(),
    ) {
        let mut teller = teller();
        let mut now = Inactive;
        for (turn, (is_twice, state, since_ms)) in asked.into_iter().enumerate() {
            let at_ms = turn as i64;
            let mut instances: Vec<Instance> =
                state.map(|state| instance(state, since_ms.map(|ms| ms.min(at_ms)))).into_iter().collect();
            if is_twice && !is_asked {
                instances.extend(instances.clone());
            }
            let changes = match is_asked {
                true => teller.all(at_ms, Some(at_ms), instances),
                false => {
                    instances.retain(|one| matches!(one.state, Firing | Inactive));
                    teller.message(at_ms, instances)
                }
            };
            for told in changes.told {
                prop_assert_eq!(told.at_ms, at_ms);
                prop_assert!(told.state != now, "{:?} after {:?}", told, now);
                now = told.state;
            }
        }
    }
}
