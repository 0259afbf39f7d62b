//! The observer of a live drill: it looks at the drill's processes, its Redis and the harness itself all the time, from a
//! thread of its own, and tells what no step of the plan did.
//!
//! Processes are asked after with `waitid`: the kernel remembers that a child was stopped or went on until its parent has
//! been told, so that a stop between two looks is not missed. Redis is asked who it is. What the plan does to a process or
//! to Redis is told to the [`Roster`] before it is done, and again when it is over.

mod books;
mod children;
mod gaps;
mod server;

pub(crate) use books::{Before, Sizes};
pub(crate) use gaps::Gaps;

use crate::audit::{Absences, ByHand, REDIS, way_of};
use crate::metrics::kube::Ended;
use crate::plan::{Plan, Routes};
use books::Books;
use children::Followed;
use firedrill_asynq::broker::redis::RedisOptions;
use firedrill_asynq::broker::redis::address::Address;
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_reports::record::{GapKind, Interference, Meddling};
use rustix::process::{Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// As much interference is told one by one; a drill that suffers more is no less inconclusive.
const TOLD_MAX: usize = 100;

/// The harness itself, as a subject.
pub(crate) const HARNESS: &str = "firedrill";

/// Who takes part in the drill, who is away by plan, and what was seen of them. Shared by those who act, those who look and
/// those who scrape; cheap to clone.
#[derive(Clone)]
pub(crate) struct Roster {
    clock: ClockOrigin,
    state: Arc<Mutex<State>>,
    told: mpsc::UnboundedSender<Interference>,
    died: mpsc::UnboundedSender<Death>,
}

/// A process has died by itself, and the plan is behind it.
#[derive(Debug)]
pub(crate) struct Death {
    /// Its name.
    pub(crate) process: String,
    /// When.
    pub(crate) at: Time,
    /// What of.
    pub(crate) why: Ended,
}

#[derive(Default)]
struct State {
    followed: BTreeMap<String, Followed>,
    absences: Absences,
    gaps: Gaps,
    books: Books,
    by_hand: Vec<ByHand>,
    told: usize,
    /// Those that have died in the middle of a call, by plan, and when.
    deaths: BTreeMap<String, Time>,
    /// Queues whose tasks may be active without a lease.
    unleased: BTreeSet<String>,
    /// How many have died of each step, by its index.
    deaths_of: BTreeMap<usize, u32>,
    /// How often the plan has changed what users of Redis may do, or is about to.
    changes_of_users: i64,
    /// Whether people take part: who ends a process is told by whoever starts it again.
    is_rehearsal: bool,
    /// Steps that people have ended, by index, and when.
    mended: BTreeMap<usize, i64>,
}

impl Roster {
    fn new(plan: &Plan, clock: ClockOrigin) -> (Self, Heard) {
        let (told, found) = mpsc::unbounded_channel();
        let (died, deaths) = mpsc::unbounded_channel();
        let state = State {
            books: Books::new(plan, clock.virtual_start),
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let roster = Self {
            clock,
            state,
            told,
            died,
        };
        (roster, (found, deaths))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since_start(&self, at: Time) -> i64 {
        at.millis() - self.clock.virtual_start.millis()
    }

    /// What happens to `who` from now on is the plan's doing. To be told before it is done.
    pub(crate) fn leaves(&self, who: &str) {
        let mut state = self.state();
        state.absences.leaves(who, self.clock.now());
        state.followed.remove(who);
    }

    /// From now on, process `pid` is `who`, and nothing happens to it by plan. `ledger`: its open ledger.
    pub(crate) fn is_there(&self, who: &str, pid: Option<u32>, ledger: Option<&File>) {
        let mut state = self.state();
        state.absences.returns(who, self.clock.now());
        if let Some(pid) = pid {
            let ledger = ledger.and_then(|file| file.try_clone().ok());
            state
                .followed
                .insert(who.to_owned(), Followed::new(pid, ledger));
        }
    }

    /// Ends a process with SIGKILL in the middle of its work, by plan; answers whether it was there. Whoever starts processes
    /// again that have died hears of it.
    pub(crate) fn dies(&self, who: &str, why: Ended) -> bool {
        let at = self.clock.now();
        let mut state = self.state();
        let Some(pid) = state.followed.get(who).and_then(Followed::pid) else {
            return false;
        };
        state.absences.leaves(who, at);
        state.followed.remove(who);
        // A child of ours keeps its pid until we have waited for it.
        let killed = kill_process(pid, Signal::KILL).is_ok();
        if killed {
            state.deaths.insert(who.to_owned(), at);
            let process = who.to_owned();
            // Nobody listens any more when the drill has ended.
            let _ = self.died.send(Death { process, at, why });
        }
        killed
    }

    /// A process has died of a step.
    pub(crate) fn died_of(&self, step: usize) {
        *self.state().deaths_of.entry(step).or_default() += 1;
    }

    /// How many have died of a step so far.
    pub(crate) fn deaths_of(&self, step: usize) -> u32 {
        self.state().deaths_of.get(&step).copied().unwrap_or(0)
    }

    /// When a process has died by plan, told once.
    pub(crate) fn take_death(&self, who: &str) -> Option<Time> {
        self.state().deaths.remove(who)
    }

    /// People take part.
    pub(crate) fn is_rehearsal(&self) {
        self.state().is_rehearsal = true;
    }

    /// Whether they do.
    pub(crate) fn has_people(&self) -> bool {
        self.state().is_rehearsal
    }

    /// People have ended a step, so long after the drill's start.
    pub(crate) fn mends(&self, step: usize, at_ms: i64) {
        self.state().mended.entry(step).or_insert(at_ms);
    }

    /// The steps that people have ended.
    pub(crate) fn mended(&self) -> BTreeMap<usize, i64> {
        self.state().mended.clone()
    }

    /// A process was ended from outside; answers whether that is new, and no doing of the plan's.
    pub(crate) fn died_outside(&self, who: &str) -> bool {
        let at = self.clock.now();
        let mut state = self.state();
        if state.deaths.contains_key(who) {
            return false;
        }
        state.absences.leaves(who, at);
        state.followed.remove(who);
        state.deaths.insert(who.to_owned(), at);
        true
    }

    /// Something is done to a client's way to Redis by plan: the process goes on, and is looked after as before.
    pub(crate) fn leaves_way(&self, client: &str) {
        let now = self.clock.now();
        self.state().absences.leaves(&way_of(client), now);
    }

    /// Its way is as before.
    pub(crate) fn has_way(&self, client: &str) {
        let now = self.clock.now();
        self.state().absences.returns(&way_of(client), now);
    }

    /// Prometheus reaches a target by plan, or does not.
    pub(crate) fn reaches(&self, instance: &str, reachable: bool) {
        let now = self.clock.now();
        self.state().absences.reaches(instance, reachable, now);
    }

    /// Whether a target was out of reach by plan at any moment between `from` and `to`.
    pub(crate) fn was_out_of_reach(&self, instance: &str, from: Time, to: Time) -> bool {
        self.state().absences.was_out_of_reach(instance, from, to)
    }

    /// A queue is paused by plan, or no longer.
    pub(crate) fn pauses(&self, queue: &str, paused: bool) {
        let now = self.clock.now();
        self.state().absences.pauses(queue, paused, now);
    }

    /// Whether it was paused by plan at any moment between `from` and `to`.
    pub(crate) fn was_paused(&self, queue: &str, from: Time, to: Time) -> bool {
        self.state().absences.was_paused(queue, from, to)
    }

    /// Redis refuses what it is asked by plan, or some of it, and answers so.
    pub(crate) fn refuses(&self) {
        self.refuses_since(self.clock.now());
    }

    /// It does so since then.
    pub(crate) fn refuses_since(&self, since: Time) {
        let mut state = self.state();
        state.absences.refuses(since);
        state.followed.remove(REDIS);
    }

    /// What users of Redis may do is changed by plan. To be told before it is done; `by`: -1 if it was not done.
    pub(crate) fn changes_users(&self, by: i64) {
        self.state().changes_of_users += by;
    }

    /// How often that was.
    pub(crate) fn changes_of_users(&self) -> i64 {
        self.state().changes_of_users
    }

    /// Redis loses its data by plan.
    pub(crate) fn loses_data(&self) {
        let now = self.clock.now();
        self.state().absences.loses_data(now);
    }

    /// An operator begins to change tasks of a queue by plan: until that is done, its numbers say nothing.
    pub(crate) fn hands_on(&self, queue: &str) {
        self.state().books.hands_on(queue);
    }

    /// That is done. `more`: so many tasks more are there than have come, negative where they were deleted.
    pub(crate) fn hands_off(&self, queue: &str, more: i64, done: Option<ByHand>) {
        let mut state = self.state();
        state.books.hands_off(queue, more);
        state.by_hand.extend(done);
    }

    /// What operators have done to tasks.
    pub(crate) fn by_hand(&self) -> Vec<ByHand> {
        self.state().by_hand.clone()
    }

    /// What was sent to Redis since `from` may be gone by plan.
    pub(crate) fn loses_since(&self, from: Time) {
        let now = self.clock.now();
        self.state().absences.loses_since(from, now);
    }

    /// Tasks of a queue may be active without a lease, by plan, and what is in it may not be what was sent: from now on.
    pub(crate) fn loses_leases(&self, queue: &str) {
        let now = self.clock.now();
        let mut state = self.state();
        state.absences.leaves(REDIS, now);
        state.absences.returns(REDIS, now);
        state.unleased.insert(queue.to_owned());
    }

    /// Whether they may.
    pub(crate) fn has_lost_leases(&self, queue: &str) -> bool {
        self.state().unleased.contains(queue)
    }

    /// Redis evicts keys by plan, or no longer.
    pub(crate) fn evicts(&self, on: bool) {
        let now = self.clock.now();
        self.state().absences.evicts(on, now);
    }

    /// Whether `who` was away by plan at any moment between `from` and `to`.
    pub(crate) fn was_away(&self, who: &str, from: Time, to: Time) -> bool {
        self.state().absences.was_away(who, from, to)
    }

    /// Whether by plan Redis does not do now what a process asks of it, or the process does not reach it.
    pub(crate) fn is_cut_off(&self, process: &str) -> bool {
        let now = self.clock.now();
        let absences = &self.state().absences;
        absences.was_away(REDIS, now, now) || absences.was_away(&way_of(process), now, now)
    }

    /// Whether Redis does not answer now, by plan.
    pub(crate) fn is_silent(&self) -> bool {
        let now = self.clock.now();
        self.state().absences.may_lose_replies(now, now)
    }

    /// Everybody's absences so far.
    pub(crate) fn absences(&self) -> Absences {
        self.state().absences.clone()
    }

    /// Something took longer than it should, from `at` on.
    pub(crate) fn gap(&self, what: GapKind, subject: &str, at: Time, ms: i64) {
        let at_ms = self.since_start(at);
        self.state().gaps.add(what, subject, at_ms, ms);
    }

    /// A task is about to be sent to Redis, on a leg of the plan's [routes](crate::plan::Routes).
    pub(crate) fn sends(&self, leg: usize) {
        self.state().books.sends(leg);
    }

    /// One was accepted.
    pub(crate) fn accepted(&self, leg: usize) {
        self.state().books.accepted(leg);
    }

    /// What is known of a queue so far: to be asked before its numbers are.
    pub(crate) fn before(&self, queue: &str) -> Before {
        self.state().books.before(queue)
    }

    /// Holds the numbers of a queue against what the drill has done.
    pub(crate) fn check(&self, queue: &str, before: Before, sizes: Sizes) {
        let now = self.clock.now();
        let found = {
            let mut state = self.state();
            // Over an outage, calls are lost and repeated.
            if state
                .absences
                .was_away(REDIS, self.clock.virtual_start, now)
            {
                return;
            }
            state.books.check(queue, before, sizes)
        };
        if let Some(saw) = found {
            self.tell(Meddling::ForeignData, queue, now, None, saw);
        }
    }

    /// Holds the age of the task that waits longest in a queue, seconds, against the drill's.
    pub(crate) fn check_age(&self, queue: &str, waits_s: f64) {
        let now = self.clock.now();
        let drill_s = (now.millis() - self.clock.virtual_start.millis()) as f64 / 1e3;
        let found = self.state().books.check_age(queue, waits_s, drill_s);
        if let Some(saw) = found {
            self.tell(Meddling::ForeignData, queue, now, None, saw);
        }
    }

    /// Something happened that no step of the plan did.
    pub(crate) fn tell(
        &self,
        what: Meddling,
        subject: &str,
        at: Time,
        until: Option<Time>,
        saw: String,
    ) {
        let mut state = self.state();
        if state.is_rehearsal && what == Meddling::Ended && subject != REDIS {
            return;
        }
        state.told += 1;
        if state.told <= TOLD_MAX {
            // Nobody listens any more when the drill has ended.
            let _ = self.told.send(Interference {
                at_ms: self.since_start(at),
                until_ms: until.map(|until| self.since_start(until)),
                what,
                subject: subject.to_owned(),
                saw,
            });
        }
    }
}

/// What comes of looking: interference, and deaths by plan.
type Heard = (
    mpsc::UnboundedReceiver<Interference>,
    mpsc::UnboundedReceiver<Death>,
);

/// How far a clock at the speed of real time is behind that, whole seconds: workers of others go by the time of day, and it began before
/// they had been found.
fn behind_s(clock: ClockOrigin) -> i64 {
    let real_ms = ClockOrigin::real_time().now().millis();
    match clock.speed == 1.0 {
        true => ((real_ms - clock.now().millis()).max(0) + 999) / 1_000,
        false => 0,
    }
}

/// The observer. Dropping it ends it.
pub(crate) struct Watch {
    pub(crate) roster: Roster,
    /// Deaths by plan, for whoever starts processes again.
    pub(crate) deaths: Option<mpsc::UnboundedReceiver<Death>>,
    found: mpsc::UnboundedReceiver<Interference>,
    /// Dropped to end the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to look at Redis and at the harness; processes follow with [`Roster::is_there`].
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn start(
        plan: &Plan,
        clock: ClockOrigin,
        redis: Address,
        options: RedisOptions,
    ) -> io::Result<Self> {
        let (roster, (found, deaths)) = Roster::new(plan, clock);
        let (stop, stopped) = oneshot::channel::<()>();
        let queues = Queues {
            known: plan.queues.iter().map(|q| q.name.clone()).collect(),
            used: Routes::of(plan, clock.virtual_start)
                .task_types()
                .map(|(_, queue)| queue)
                .collect(),
            ahead_s: plan.most_skew_ms()[0] / 1_000 + behind_s(clock),
            tasks_change: plan.changes_tasks(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let all = roster.clone();
        let thread = std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => {}
                        () = children::look_after(&all) => {}
                        () = server::look_after(&all, &redis, &options, &queues) => {}
                    }
                });
                children::look(&all);
                children::close(&all);
            })?;
        Ok(Self {
            roster,
            found,
            deaths: Some(deaths),
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The next interference there is.
    pub(crate) async fn next(&mut self) -> Option<Interference> {
        self.found.recv().await
    }

    /// Stops looking, after a last look; gives what was not told yet, and the gaps.
    pub(crate) fn finish(mut self) -> (Vec<Interference>, Gaps) {
        self.end();
        let mut left = Vec::new();
        while let Ok(found) = self.found.try_recv() {
            left.push(found);
        }
        let gaps = std::mem::take(&mut self.roster.state().gaps);
        (left, gaps)
    }

    fn end(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic there is printed; what it has seen until then counts.
            let _ = thread.join();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}

/// Queues of the plan, and those of them that something is enqueued into.
struct Queues {
    known: BTreeSet<String>,
    used: BTreeSet<String>,
    /// How far a clock is ahead by plan, at most.
    ahead_s: i64,
    /// Whether tasks are changed by hand by plan.
    tasks_change: bool,
}
