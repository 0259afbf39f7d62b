//! Whether a load proves anything, and which side was at its limit.

use super::account::Account;
use super::latency::Stage;
use super::{About, Drive, LoadRecord, Process, Role, Sides, Trouble};

/// Sending may be so late without a word, seconds.
pub const LATE_FLOOR_S: f64 = 0.002;
/// Beyond that, as a share of what is measured at the same percentile.
pub const LATE_SHARE_MAX: f64 = 0.1;
/// A process that takes more of a core has no time left.
pub const PROCESS_CPU_MAX: f64 = 0.9;
/// So much of what was due must have been sent.
const SENT_MIN: f64 = 0.99;
/// Where so many of the tasks that were sent had to wait for answers to others, that is why more were not sent.
const HELD_MIN: f64 = 0.5;
/// So many of the tasks that were sent may be refused or get no answer: they are counted as errors, and in no percentile.
const ERRORS_MAX: f64 = 0.01;
/// So many of the measured tasks may not have begun when the load is over.
const NOT_BEGUN_MAX: f64 = 0.01;
/// Slots that are busy for so much of the time are all busy.
const BUSY_SLOTS: f64 = 0.9;

/// Which side was at its limit.
#[derive(Debug, Clone, PartialEq)]
pub enum Saturated {
    /// Redis: the share of a core it took.
    Redis(f64),
    /// The workers' slots: the share of the time they were busy.
    Slots(f64),
    /// A worker process: its name and the share of a core it took.
    Worker(String, f64),
    /// A producer process, likewise.
    Producer(String, f64),
    /// The producers, which sent too late or too little, whatever kept them.
    Generator,
    /// Redis or the way to it: as many calls as are made at a time had no answer.
    Answers,
    /// Redis was away: nothing else can be told from then on.
    Away,
    /// Nobody knows: no share that was seen explains by how many tasks the backlog grew.
    Unknown(u64),
    /// Nobody; the shares of a core that Redis and the busiest worker took, and of the time that slots were busy, where known.
    Nobody {
        /// Redis.
        redis: Option<f64>,
        /// The busiest worker process.
        worker: Option<f64>,
        /// The slots.
        slots: Option<f64>,
    },
}

impl LoadRecord {
    /// The share of a core that a process took while the load was measured.
    #[must_use]
    pub fn cpu_share(&self, process: &Process) -> f64 {
        let seconds = self.window_s();
        match seconds > 0.0 {
            true => process.cpu_s / seconds,
            false => 0.0,
        }
    }

    /// The largest share of a core that a process took for a second; of a load that was over sooner, for as long as it was measured.
    #[must_use]
    pub fn cpu_share_max(&self, process: &Process) -> f64 {
        process.cpu_most.max(self.cpu_share(process))
    }

    /// The busiest process of a role, and the share of a core it took.
    #[must_use]
    pub fn busiest(&self, role: Role) -> Option<(&Process, f64)> {
        let of_role = self.facts.processes.iter();
        of_role
            .filter(|process| process.role == role)
            .map(|process| (process, self.cpu_share(process)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Why it proves nothing: the generator was the limit, or what was seen does not add up. A sentence each, without a full stop;
    /// none: it does.
    #[must_use]
    pub fn doubts(&self) -> Vec<String> {
        self.doubts_and(self.late())
    }

    /// The same where all that matters is that waits were no longer than they were: who is sent late waits longer, and not less long.
    pub(super) fn doubts_of_a_bound(&self) -> Vec<String> {
        self.doubts_and(self.sent_too_late_for_good().into_iter().collect())
    }

    /// Why it proves nothing, with what the generator did too late.
    fn doubts_and(&self, late: Vec<String>) -> Vec<String> {
        let mut doubts = Vec::new();
        let facts = &self.facts;
        doubts.extend(self.is_a_part());
        if facts.stopped {
            doubts.push(format!("it was stopped after {:.1} s", facts.ran_s));
        }
        doubts
            .extend(self.troubles().map(|trouble| {
                format!("at {:.1} s: {}", trouble.at_ms as f64 / 1e3, trouble.what)
            }));
        doubts.extend(self.not_sent());
        doubts.extend(late);
        if !facts.stopped && self.troubles().next().is_none() {
            doubts.extend(self.does_not_add_up());
        }
        let counts = &facts.counts;
        if counts.sent + counts.started == 0 && !facts.stopped {
            doubts.push("no task was enqueued or worked on".to_owned());
        } else if self.rate_per_s().is_none() && !facts.stopped {
            let what = match facts.header.sides.consumes() {
                true => "worked on",
                false => "enqueued",
            };
            doubts.push(format!(
                "nothing was measured: no task that arrived after the warm-up of {} s was {what} before arrivals ended",
                facts.header.warmup_s
            ));
        }
        doubts.extend(self.starved());
        doubts
    }

    /// What went wrong so that it proves nothing. That a few tasks were refused or got no answer is counted, and no reason.
    pub fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        let counts = &self.facts.counts;
        let errors = counts.rejected + counts.unanswered;
        let few = errors as f64 <= counts.sent as f64 * ERRORS_MAX;
        let troubles = self.facts.troubles.iter();
        troubles.filter(move |trouble| trouble.about != About::Calls || !few)
    }

    /// Why the generator was the limit, if it was.
    #[must_use]
    pub fn generator_was_the_limit(&self) -> Option<String> {
        self.late().into_iter().next()
    }

    /// The same where what was measured is held against so many seconds: being late by less than a part of them is no reason.
    pub(super) fn generator_was_the_limit_in(&self, seconds: f64) -> Option<String> {
        let late = self.latencies[Stage::Lateness].quantile(0.99);
        let matters = self.sent_too_late_for_good().is_some()
            || late.is_some_and(|late| late > seconds * LATE_SHARE_MAX);
        self.generator_was_the_limit().filter(|_| matters)
    }

    /// Whether so many tasks never began that percentiles of the wait say nothing.
    fn starved(&self) -> Option<String> {
        let (count, share) = self.not_begun()?;
        (share > NOT_BEGUN_MAX).then(|| {
            format!(
                "{count} tasks, {:.1} % of those measured, had not begun at the end: how long they will have waited is in none of the figures",
                share * 100.0
            )
        })
    }

    /// Which shard of a load it is: a part of it says nothing about all of it.
    fn is_a_part(&self) -> Option<String> {
        let shard = self.facts.header.shard?;
        Some(format!(
            "this is shard {shard} of a load: `firedrill merge` joins all of them, and judges"
        ))
    }

    /// Whether Redis was away for a while. What is late then is not the generator's doing.
    fn redis_was_away(&self) -> bool {
        self.facts
            .troubles
            .iter()
            .any(|trouble| trouble.about == About::Redis)
    }

    /// Whether so large a share of the tasks that were sent had to wait for answers to others, while the producers had time to send them.
    fn is_held(&self, share: f64) -> bool {
        let counts = &self.facts.counts;
        let busy = self.busiest(Role::Producer).map_or(0.0, |(_, share)| share);
        counts.held > 0
            && counts.held as f64 >= counts.sent as f64 * share
            && busy < PROCESS_CPU_MAX
    }

    /// Whether less was sent than was due.
    fn sent_too_little(&self) -> bool {
        let counts = &self.facts.counts;
        self.facts.header.drive == Drive::Open
            && (counts.sent as f64) < counts.intended as f64 * SENT_MIN
    }

    /// What was not sent because Redis did not answer.
    fn not_sent(&self) -> Option<String> {
        let counts = &self.facts.counts;
        let is_why = self.is_held(HELD_MIN) && !self.redis_was_away();
        (is_why && self.sent_too_little()).then(|| {
            format!(
                "only {} of {} tasks that were due were sent, because Redis did not answer as fast as they came: what the others would have \
                 waited is in none of the figures",
                counts.sent, counts.intended
            )
        })
    }

    /// What the generator did not send although it was due.
    fn sent_too_late_for_good(&self) -> Option<String> {
        let counts = &self.facts.counts;
        let is_why = !self.redis_was_away() && !self.is_held(HELD_MIN);
        (is_why && self.sent_too_little()).then(|| {
            format!(
                "only {} of {} tasks that were due were sent: the generator was the limit",
                counts.sent, counts.intended
            )
        })
    }

    /// What the generator sent too late, or not at all.
    fn late(&self) -> Vec<String> {
        if self.redis_was_away() {
            return Vec::new();
        }
        let open = self.facts.header.drive == Drive::Open;
        let mut late: Vec<String> = self.sent_too_late_for_good().into_iter().collect();
        // Enqueueing consists of lateness for the most part. Where it is not all there is, it has no figure then: see `is_spoilt`.
        let looked_at = match self.facts.header.sides.consumes() {
            true => &[
                (Stage::Wait, 0.5),
                (Stage::EndToEnd, 0.5),
                (Stage::Wait, 0.99),
                (Stage::EndToEnd, 0.99),
            ][..],
            false => &[(Stage::Enqueue, 0.5), (Stage::Enqueue, 0.99)],
        };
        let mut looked_at = looked_at.iter().filter(|_| open);
        let first = looked_at.find_map(|&(stage, q)| Some((stage, q, self.too_late(stage, q)?)));
        if let Some((stage, q, (by, of))) = first {
            late.push(format!(
                "{:.0} % of the tasks were sent {:.1} ms or more late, with {:.1} ms measured ({}, {}): the generator was the limit",
                (1.0 - q) * 100.0,
                by * 1e3,
                of * 1e3,
                stage.name(),
                if q < 0.9 { "median" } else { "99th percentile" }
            ));
        }
        let producer = self.busiest(Role::Producer);
        if let Some((process, share)) = producer.filter(|(_, share)| *share >= PROCESS_CPU_MAX) {
            late.push(format!(
                "{} took {:.0} % of a core: the generator was the limit; give it more --producers",
                process.name,
                share * 100.0
            ));
        }
        late
    }

    /// How late tasks were sent and how long a stage took at a percentile, seconds, if the first is too much of the second.
    fn too_late(&self, stage: Stage, q: f64) -> Option<(f64, f64)> {
        let by = self.latencies[Stage::Lateness].quantile(q)?;
        let of = self.latencies[stage].quantile(q)?;
        let most = LATE_FLOOR_S.max(of * LATE_SHARE_MAX);
        // Who waits for Redis' answers before he is sent waits for Redis: no more tasks are excused than did.
        let is_excused = self.is_held(1.0 - q) && {
            let each = self.latencies[Stage::Lateness].recorded();
            let late = each.filter(|(ns, _)| *ns as f64 / 1e9 > most);
            let late: u64 = late.map(|(_, tasks)| tasks).sum();
            let others = late.saturating_sub(self.facts.counts.held);
            others as f64 <= self.latencies[Stage::Lateness].count() as f64 * (1.0 - q)
        };
        (by > most && !is_excused).then_some((by, of))
    }

    /// Whether a stage is the generator's own doing, so that it has no figure.
    pub(super) fn is_spoilt(&self, stage: Stage) -> bool {
        self.facts.header.drive == Drive::Open
            && stage == Stage::Enqueue
            && [0.5, 0.99]
                .into_iter()
                .any(|q| self.too_late(stage, q).is_some())
    }

    /// Sums that do not agree.
    fn does_not_add_up(&self) -> Option<String> {
        let facts = &self.facts;
        // What others enqueue or do is not counted here.
        let is_a_part = facts.header.shard.is_some();
        if is_a_part || !facts.header.sides.produces() || facts.counts.foreign > 0 {
            return None;
        }
        let account = Account::of(&facts.counts, facts.left.as_ref()?);
        let word = match account.difference() {
            0 => return None,
            missing @ 1.. => format!("{missing} are missing"),
            surplus => format!(
                "{} are too many: a call that is repeated because its answer is late enqueues a task again that is done by then",
                -surplus
            ),
        };
        Some(format!(
            "the tasks do not add up: of {} enqueued, {} were done, {} archived and {} are left, so {word}",
            account.came, account.done, account.archived, account.waiting
        ))
    }

    /// Which side was at its limit.
    #[must_use]
    pub fn saturated(&self) -> Saturated {
        if self.redis_was_away() {
            return Saturated::Away;
        }
        let redis = self.redis_cpu();
        if let Some(share) = redis.filter(|share| *share >= PROCESS_CPU_MAX) {
            return Saturated::Redis(share);
        }
        let over = |busiest: &(&Process, f64)| busiest.1 >= PROCESS_CPU_MAX;
        if let Some((process, share)) = self.busiest(Role::Producer).filter(over) {
            return Saturated::Producer(process.name.clone(), share);
        }
        if let Some((process, share)) = self.busiest(Role::Worker).filter(over) {
            return Saturated::Worker(process.name.clone(), share);
        }
        let slots = self.busy_slots();
        if let Some(share) = slots.filter(|share| *share >= BUSY_SLOTS) {
            return Saturated::Slots(share);
        }
        if self.generator_was_the_limit().is_some() {
            return Saturated::Generator;
        }
        if self.is_held(HELD_MIN) {
            return Saturated::Answers;
        }
        if self.facts.header.sides == Sides::Both
            && let Some(tasks) = self.backlog_growth()
        {
            return Saturated::Unknown(tasks);
        }
        let worker = self.busiest(Role::Worker).map(|(_, share)| share);
        Saturated::Nobody {
            redis,
            worker,
            slots,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Counts, Left, LoadFacts, LoadHeader, RedisRow, Row, Series};

    /// A second at 100 tasks a second, each late, waiting and worked on for so many milliseconds.
    fn record(late_ms: i64, wait_ms: i64, service_ms: i64) -> LoadRecord {
        let mut record = LoadRecord {
            facts: LoadFacts {
                header: LoadHeader {
                    lasts_s: 1.0,
                    slots: 2,
                    ..LoadHeader::default()
                },
                counts: Counts {
                    intended: 100,
                    sent: 100,
                    enqueued: 100,
                    started: 100,
                    succeeded: 100,
                    ..Counts::default()
                },
                left: Some(Left {
                    processed: 100,
                    ..Left::default()
                }),
                ran_s: 1.0,
                ..LoadFacts::default()
            },
            ..LoadRecord::default()
        };
        record.facts.series = Series {
            rows: vec![Row {
                width_s: 1.0,
                counts: record.facts.counts,
                ..Row::default()
            }],
        };
        for _ in 0..100 {
            for (stage, ms) in [
                (Stage::Enqueue, late_ms),
                (Stage::Lateness, late_ms),
                (Stage::Wait, wait_ms),
                (Stage::Service, service_ms),
                (Stage::EndToEnd, wait_ms + service_ms),
            ] {
                record.latencies[stage].record(ms * 1_000_000);
            }
        }
        let measured = record.latencies.clone();
        record.facts.series.rows[0].measured(&measured);
        record
    }

    #[test]
    fn a_load_that_went_as_it_should_has_no_doubts() {
        let fine = record(1, 5, 4);
        assert_eq!(fine.doubts(), Vec::<String>::new());
        assert_eq!(fine.rate_per_s(), Some(100.0));
        assert!((fine.busy_slots().unwrap() - 0.2).abs() < 1e-3);
    }

    #[test]
    fn the_busiest_second_of_a_load_that_was_over_sooner_is_no_less_than_all_of_it() {
        let mut short = record(0, 5, 4);
        short.facts.ran_s = 0.25;
        let process = Process {
            name: "load-w-0".into(),
            role: Role::Worker,
            cpu_s: 0.125,
            cpu_most: 0.125,
            rss_bytes: 1,
            ended_well: true,
        };
        assert_eq!(short.cpu_share(&process), 0.5);
        assert_eq!(short.cpu_share_max(&process), 0.5);
        let whole = record(0, 5, 4);
        assert_eq!(whole.cpu_share_max(&process), 0.125);
    }

    #[test]
    fn a_generator_that_was_the_limit_proves_nothing() {
        assert!(record(3, 5, 4).doubts()[0].contains("sent 3.0 ms or more late"));
        // It is no matter in 100 ms of waiting, but all of what enqueueing takes.
        assert!(record(3, 100, 4).is_spoilt(Stage::Enqueue));
        assert!(!record(1, 100, 4).is_spoilt(Stage::Enqueue));
        let late = record(498, 4_000, 4);
        assert!(
            late.doubts()[0].starts_with("50 % of the tasks were sent 49"),
            "{:?}",
            late.doubts()
        );
        assert_eq!(late.saturated(), Saturated::Generator);
        // All there is of producers alone is how long enqueueing took.
        let mut alone = record(298, 4_000, 4);
        assert_eq!(alone.doubts(), Vec::<String>::new());
        alone.facts.header.sides = Sides::Produce;
        assert!(
            alone.doubts()[0].contains("(enqueue, median)"),
            "{:?}",
            alone.doubts()
        );
        let mut slow = record(0, 5, 4);
        slow.facts.counts.sent = 90;
        assert!(slow.doubts()[0].contains("only 90 of 100"));
        slow.facts.header.drive = Drive::Closed { loops: 3 };
        assert!(slow.doubts().is_empty(), "a closed loop has no times");
        let mut busy = record(0, 5, 4);
        busy.facts.processes.push(Process {
            name: "producer-0".into(),
            role: Role::Producer,
            cpu_s: 0.95,
            cpu_most: 1.0,
            rss_bytes: 1,
            ended_well: true,
        });
        assert!(busy.doubts()[0].contains("producer-0 took 95 % of a core"));
        assert_eq!(
            busy.saturated(),
            Saturated::Producer("producer-0".into(), 0.95)
        );
    }

    #[test]
    fn what_redis_does_not_answer_is_not_the_generators_doing() {
        // A quarter of the tasks was late for another reason than that answers to others were waited for.
        let mut held = record(498, 4_000, 4);
        held.facts.counts.held = 75;
        assert!(held.doubts()[0].contains("1 % of the tasks were sent"));
        held.facts.counts.held = 100;
        assert_eq!(held.doubts(), Vec::<String>::new());
        assert_eq!(held.saturated(), Saturated::Answers);
        assert!(!held.is_spoilt(Stage::Enqueue));
        held.facts.counts.intended = 400;
        assert!(
            held.doubts()[0]
                .starts_with("only 100 of 400 tasks that were due were sent, because Redis"),
            "{:?}",
            held.doubts()
        );
        assert_eq!(held.generator_was_the_limit(), None);
        // A producer without time answers late itself.
        held.facts.processes.push(Process {
            name: "producer-0".into(),
            role: Role::Producer,
            cpu_s: 0.95,
            cpu_most: 1.0,
            rss_bytes: 1,
            ended_well: true,
        });
        assert!(held.generator_was_the_limit().is_some());

        let mut away = record(498, 4_000, 4);
        away.facts.counts.sent = 50;
        away.facts.troubles.push(Trouble {
            at_ms: 500,
            what: "Redis was away".into(),
            about: About::Redis,
        });
        assert_eq!(away.doubts(), ["at 0.5 s: Redis was away"]);
        assert_eq!(away.saturated(), Saturated::Away);
    }

    #[test]
    fn a_few_tasks_without_an_answer_are_errors_and_many_are_a_reason() {
        let mut record = record(0, 5, 4);
        let counts = &mut record.facts.counts;
        (counts.intended, counts.sent, counts.unanswered) = (101, 101, 1);
        record.facts.troubles.push(Trouble {
            at_ms: 500,
            what: "producer-0: Redis did not answer: timed out".into(),
            about: About::Calls,
        });
        assert_eq!(record.doubts(), Vec::<String>::new());
        record.facts.counts.unanswered = 2;
        assert_eq!(
            record.doubts(),
            ["at 0.5 s: producer-0: Redis did not answer: timed out"]
        );
    }

    #[test]
    fn what_does_not_add_up_is_told() {
        let mut lost = record(0, 5, 4);
        lost.facts.left.as_mut().unwrap().processed = 98;
        assert!(
            lost.doubts()[0].ends_with("so 2 are missing"),
            "{:?}",
            lost.doubts()
        );
        lost.facts.header.sides = Sides::Consume;
        assert!(lost.doubts().is_empty(), "others enqueue");
    }

    #[test]
    fn what_is_starved_or_not_measured_proves_nothing() {
        let mut starved = record(0, 5, 4);
        for _ in 0..5 {
            starved.latencies[Stage::Enqueue].record(1_000_000);
        }
        assert!(starved.doubts()[0].starts_with("5 tasks, 4.8 % of those measured, had not begun"));
        let mut warm = record(0, 5, 4);
        warm.facts.series.rows[0].stages.clear();
        assert!(warm.doubts()[0].starts_with("nothing was measured"));
    }

    #[test]
    fn a_backlog_that_nobody_explains_is_said() {
        let mut grew = record(0, 5, 4);
        let row = &mut grew.facts.series.rows[0];
        (row.counts.succeeded, row.backlog) = (10, Some(90));
        assert_eq!(grew.saturated(), Saturated::Unknown(88));
    }

    #[test]
    fn the_side_at_its_limit_is_named() {
        assert_eq!(
            record(0, 5, 19).saturated(),
            Saturated::Slots(record(0, 5, 19).busy_slots().unwrap())
        );
        let mut full = record(0, 5, 19);
        full.facts.series.rows[0].redis = Some(RedisRow {
            cpu: 0.97,
            ..RedisRow::default()
        });
        assert_eq!(full.saturated(), Saturated::Redis(0.97));
        assert!(matches!(
            record(0, 5, 4).saturated(),
            Saturated::Nobody { redis: None, .. }
        ));
    }
}
