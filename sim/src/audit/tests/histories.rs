//! Random histories of tasks, told by who knows what really happened: an audit says that, or nothing.

use super::*;
use proptest::prelude::*;

/// When Redis loses replies, and when it loses its data: nothing that is sent by those who are in no doubt is near.
const SILENT: (i64, i64) = (100, 103);
const WIPED: (i64, i64) = (300, 301);
/// Between these, an evicting Redis may drop anything.
const EVICTS: (i64, i64) = (200, 260);
const END: i64 = 600;

/// What really became of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Truth {
    Rejected,
    Duplicate,
    Succeeded,
    Archived,
    Deleted,
    Queued,
    Lost,
    /// Whoever sees what an audit sees cannot know.
    Untold,
}

/// Where a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    In(TaskState),
}

/// One task's history, as it goes.
struct History<'d> {
    id: String,
    dice: std::slice::Iter<'d, u8>,
    now: i64,
    place: Place,
    truth: Truth,
    retried: i32,
    producer: Vec<Note<String>>,
    ledger: Vec<Note<String>>,
    by_hand: Vec<ByHand>,
}

impl History<'_> {
    /// A number below `most`; 0 when the dice are used up.
    fn dice(&mut self, most: i64) -> i64 {
        i64::from(self.dice.next().copied().unwrap_or(0)) % most
    }

    /// Time passes, and what happens to all tasks meanwhile happens to this one.
    fn wait(&mut self) {
        let before = self.now;
        self.now += 1 + self.dice(40);
        let passes = |at: i64| before < at && self.now >= at;
        let evicts = passes(EVICTS.0 + 5) && self.now < EVICTS.1;
        let is_lost = passes(WIPED.0) || (evicts && self.dice(3) == 0);
        if is_lost && self.place != Place::Nowhere {
            self.leaves(Truth::Lost);
        }
    }

    fn leaves(&mut self, truth: Truth) {
        self.place = Place::Nowhere;
        if self.truth != Truth::Succeeded {
            self.truth = truth;
        }
    }

    fn comes(&mut self, state: TaskState) {
        self.place = Place::In(state);
        if self.truth != Truth::Succeeded {
            self.truth = match state {
                TaskState::Archived => Truth::Archived,
                _ => Truth::Queued,
            };
        }
    }

    /// It is sent; the answer may be wrong while replies are lost.
    fn is_sent(&mut self, shared: bool) {
        let doubtful = self.dice(3) == 0;
        self.now = match doubtful {
            true => SILENT.0 + self.dice(3),
            // Not near anything: 10 to 89, 110 to 189, 320 to 399.
            false => [10, 110, 320][self.dice(3) as usize] + self.dice(80),
        };
        let (came, answer) = match (doubtful, self.dice(4)) {
            (_, 0 | 1) => (true, Intake::Accepted),
            (true, 2) => (true, Intake::Duplicate),
            (true, _) if shared => (false, Intake::Duplicate),
            (true, _) => (self.dice(2) == 0, Intake::Rejected),
            (false, _) if shared => (false, Intake::Duplicate),
            (false, _) => (true, Intake::Accepted),
        };
        let (id, at) = (self.id.clone(), at(self.now));
        let workload = u32::from(shared);
        self.producer.push(Note::Sent {
            at,
            id: id.clone(),
            workload,
            intended: at,
        });
        self.producer.push(Note::Answered { at, id, answer });
        self.truth = match answer {
            Intake::Rejected => Truth::Rejected,
            // That of another, as far as anybody sees: one of its own that is lost later looks the same.
            _ if doubtful && shared => Truth::Untold,
            _ => Truth::Duplicate,
        };
        if came {
            self.comes(TaskState::Pending);
        } else if doubtful && answer == Intake::Duplicate {
            self.place = Place::Nowhere;
        }
    }

    fn runs(&mut self) {
        self.ledger.push(started(&self.id, self.now, self.retried));
        self.place = Place::In(TaskState::Active);
        self.wait();
        let how = self.dice(4);
        let is_there = self.place != Place::Nowhere;
        let (id, now, retried) = (self.id.clone(), self.now, self.retried);
        match how {
            0 => {
                self.ledger.push(finished(&id, now, retried, Finish::Ok));
                self.truth = Truth::Succeeded;
                self.place = Place::Nowhere;
            }
            // It goes on to the end, or its process does.
            1 => self.now = END,
            2 => {
                self.ledger
                    .push(finished(&id, now, retried, Finish::Failed));
                self.retried += 1;
                if is_there {
                    self.comes(TaskState::Retry);
                }
            }
            _ => {
                self.ledger
                    .push(finished(&id, now, retried, Finish::Failed));
                let at = at(now);
                self.ledger.push(Note::GivenUp { at, id, retried });
                if is_there {
                    self.comes(TaskState::Archived);
                }
            }
        }
    }

    fn by_hand(&mut self, what: Deed) {
        let (at, ids) = (at(self.now), vec![self.id.clone()]);
        self.by_hand.push(ByHand {
            at,
            what: Hand::Did(what),
            ids,
            by: "by hand".into(),
        });
        match what {
            Deed::Run => self.comes(TaskState::Pending),
            Deed::Archive => self.comes(TaskState::Archived),
            Deed::Delete => self.leaves(Truth::Deleted),
        }
    }

    fn goes_on(&mut self) {
        while self.place != Place::Nowhere && self.now < END {
            self.wait();
            let Place::In(state) = self.place else { break };
            if self.now >= END {
                break;
            }
            match (state, self.dice(4)) {
                (TaskState::Pending | TaskState::Retry, 0) => self.by_hand(Deed::Archive),
                (TaskState::Pending | TaskState::Retry | TaskState::Archived, 1) => {
                    self.by_hand(Deed::Delete);
                }
                (TaskState::Retry | TaskState::Archived, 2) => self.by_hand(Deed::Run),
                (TaskState::Archived, _) => {}
                _ => self.runs(),
            }
        }
    }
}

fn history(number: usize, dice: &[u8]) -> History<'_> {
    let mut history = History {
        id: format!("t{number}"),
        dice: dice.iter(),
        now: 0,
        place: Place::Nowhere,
        truth: Truth::Rejected,
        retried: 0,
        producer: Vec::new(),
        ledger: Vec::new(),
        by_hand: Vec::new(),
    };
    let shared = history.dice(2) == 1;
    history.is_sent(shared);
    let doubt = history.truth;
    history.goes_on();
    // Nobody has seen it while it was there.
    let unseen = history.ledger.is_empty() && history.by_hand.is_empty();
    let answered = history.producer.last();
    let said =
        |answer| matches!(answered, Some(Note::Answered { answer: said, .. }) if *said == answer);
    if history.truth == Truth::Lost && unseen {
        if said(Intake::Rejected) {
            // Its sender was told so, and nothing speaks against it.
            history.truth = Truth::Rejected;
        } else if said(Intake::Duplicate) && doubt != Truth::Lost && shared {
            history.truth = Truth::Untold;
        }
    }
    history
}

/// A plan of two kinds of tasks: of the second, one may be refused because of another.
fn two_kinds() -> Plan {
    let text = "version: firedrill/v1\nname: t\nfamily: other\nsummary: s\nduration: 10m\nwarmup: 1m\n\
         queues: { default: { wait_objective: 60s } }\n\
         workload:\n\
         \x20 - { task: a, queue: default, arrivals: { poisson: 1/s }, service: { constant: 1s } }\n\
         \x20 - { task: b, queue: default, arrivals: { poisson: 1/s }, service: { constant: 1s }, unique: { ttl: 1m, keys: 2 } }\n\
         workers: [{ name: w, concurrency: 10 }]\n\
         timeline:\n\
         \x20 - { id: evicts, at: 200s, fault: redis.evict, bytes: 1MB, policy: allkeys-lru, until: { at: 260s } }\n\
         \x20 - { id: wiped, at: 300s, fault: redis.kill, keep_data: false, until: { at: 301s, remedy: redis.start } }\n\
         incidents: [{ cause: redis-down, of: wiped, wanted: page, within: 1m }]\n";
    let scenario = Scenario::parse("s.yaml", text).unwrap();
    Plan::resolve(&scenario, &PlanOptions::default()).unwrap()
}

fn absences() -> Absences {
    let mut absences = Absences::default();
    absences.leaves(REDIS, at(SILENT.0));
    absences.returns(REDIS, at(SILENT.1));
    absences.refuses(at(EVICTS.0));
    absences.evicts(true, at(EVICTS.0));
    absences.evicts(false, at(EVICTS.1));
    absences.returns(REDIS, at(EVICTS.1));
    absences.leaves(REDIS, at(WIPED.0));
    absences.loses_data(at(WIPED.0));
    absences.loses_data(at(WIPED.1));
    absences.returns(REDIS, at(WIPED.1));
    // Whatever is run again is so for a reason.
    absences.leaves("w-0", at(0));
    absences
}

fn audited_of(plan: &Plan, histories: &[History<'_>]) -> Audit {
    let ledgers = [ProcessLedger {
        process: "w-0".into(),
        entries: histories
            .iter()
            .flat_map(|one| one.ledger.clone())
            .collect(),
        killed_at: None,
        ended_by: None,
    }];
    let mut by_hand: Vec<ByHand> = histories
        .iter()
        .flat_map(|one| one.by_hand.clone())
        .collect();
    by_hand.sort_by_key(|done| done.at);
    let left = histories.iter().filter_map(|one| match one.place {
        Place::In(state) => Some((one.id.clone(), state)),
        Place::Nowhere => None,
    });
    let left = Leftover {
        states: left.collect(),
        ..Leftover::default()
    };
    let producer = histories.iter().flat_map(|one| one.producer.clone());
    let producer: Vec<Note<String>> = producer.collect();
    let evidence = Evidence {
        plan,
        origin: at(0),
        end: at(END),
        producer: &producer,
        ledgers: &ledgers,
        left: &left,
        by_hand: &by_hand,
        absences: absences(),
        ledgers_whole: true,
        counted: None,
    };
    audit(&evidence).audit
}

/// How many tasks an audit has of each class.
fn told(audit: &Audit) -> Vec<(Truth, u64)> {
    let told = [
        (Truth::Rejected, audit.rejected),
        (Truth::Duplicate, audit.duplicates),
        (Truth::Succeeded, audit.succeeded),
        (Truth::Archived, audit.archived + audit.trimmed),
        (Truth::Deleted, audit.deleted),
        (Truth::Queued, audit.still_queued),
        (Truth::Lost, audit.lost),
        (Truth::Untold, audit.untold),
    ];
    told.into_iter().filter(|(_, count)| *count > 0).collect()
}

fn happened(histories: &[History<'_>]) -> Vec<(Truth, u64)> {
    let mut counts: BTreeMap<Truth, u64> = BTreeMap::new();
    for one in histories {
        *counts.entry(one.truth).or_default() += 1;
    }
    counts.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_task_has_the_class_of_what_became_of_it(
        dice in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 30), 40)
    ) {
        let plan = two_kinds();
        let histories: Vec<History<'_>> =
            dice.iter().enumerate().map(|(number, dice)| history(number, dice)).collect();
        for one in &histories {
            let audit = audited_of(&plan, std::slice::from_ref(one));
            prop_assert_eq!(
                told(&audit), vec![(one.truth, 1)],
                "{:?} {:?} {:?} {:?}", one.producer, one.ledger, one.by_hand, one.place
            );
            prop_assert_eq!(audit.unexplained.lost, 0);
        }
        let audit = audited_of(&plan, &histories);
        prop_assert_eq!(told(&audit), happened(&histories));
        prop_assert_eq!(audit.intended, audit.enqueued + audit.rejected + audit.duplicates);
        prop_assert_eq!(audit.lost_in.values().sum::<u64>(), audit.lost);
    }
}
