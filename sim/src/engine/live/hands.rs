//! People's hands in a rehearsal: remedies that they have us do, and what they have done to the system from outside.
//!
//! A remedy that they name ends what it ends in the plan, now instead of later: its turn is moved forward, so that it is done,
//! looked at and settled in the journal as always. What they do themselves is found by looking: whether what a step did is still
//! there, in all that it was done to. From then on the step is over, for the incident's truth, for workers that start, and for
//! the agenda, whose turn at its planned end does nothing more.

mod asking;
mod mended;
mod orders;
mod server;
mod strangers;
mod users;

use super::LiveError;
use super::director::Done;
use super::stand::Stand;
use crate::agenda::{Turn, What};
use crate::lever::{Lever, QueueLever};
use crate::plan::Plan;
use crate::remedy::KINDS;
use asking::{Asking, Question, Sight};
use firedrill_detector::yaml::closest;
use firedrill_reports::record::{Action, Deed, Mark};
use mended::{ends_by_restart, goes_on, is_over_when_it_runs, is_stop};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use strangers::Strangers;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// Real time between looks, and between questions that take more: to Docker and Kubernetes a program each, to Redis several.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Whether people name a remedy that firedrill knows, or mean one: a word with a dot, or nearly such a name.
pub(super) fn means_remedy(text: &str) -> bool {
    let is_word = !text.contains(char::is_whitespace);
    is_remedy(text) || is_word && (text.contains('.') || nearly(text).is_some())
}

fn is_remedy(name: &str) -> bool {
    KINDS.iter().any(|kind| kind.name == name)
}

/// The remedy whose name is nearly this.
fn nearly(name: &str) -> Option<&'static str> {
    closest(name, KINDS.iter().map(|kind| kind.name))
}

/// See the module.
pub(super) struct Hands {
    orders: UnboundedReceiver<String>,
    told: UnboundedSender<Done>,
    look: Interval,
    /// When the drill began, Unix seconds, and when it was asked last what was done to containers since.
    began: f64,
    asked: Instant,
    /// What Redis is asked just now, and when it was asked last who works and what it is set to, since the plan did something to it.
    asking: Asking,
    asked_at_large: Option<Instant>,
    /// Steps that are on, and those of their targets that were started again from outside.
    open: BTreeMap<usize, BTreeSet<String>>,
    /// Processes, by their ids, that a step has stopped and that went on at the last look.
    going: BTreeSet<u32>,
    /// Steps that people have ended.
    mended: BTreeSet<usize>,
    /// Turns that people asked for.
    ordered: Vec<What>,
    /// Whether they are not to learn what is on by asking.
    blind: bool,
    /// What Redis is set to.
    redis: server::Watched,
    users: users::Users,
    strangers: Strangers,
}

/// What the director hears of people.
pub(super) enum Stir {
    /// They name a remedy.
    Order(String),
    /// It is time to look.
    Look,
    /// Redis has answered.
    Saw(Sight),
}

impl Hands {
    pub(super) fn new(
        orders: UnboundedReceiver<String>,
        told: UnboundedSender<Done>,
        (began, blind): (f64, bool),
    ) -> Self {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            orders,
            told,
            look,
            began,
            asked: Instant::now(),
            asking: Asking::default(),
            asked_at_large: None,
            open: BTreeMap::new(),
            going: BTreeSet::new(),
            mended: BTreeSet::new(),
            ordered: Vec::new(),
            blind,
            redis: server::Watched::default(),
            users: users::Users::default(),
            strangers: Strangers::default(),
        }
    }

    /// What comes next; never, where nobody takes part.
    pub(super) async fn stir(hands: &mut Option<Self>) -> Stir {
        let Some(hands) = hands else {
            return std::future::pending().await;
        };
        tokio::select! {
            biased;
            Some(order) = hands.orders.recv() => Stir::Order(order),
            sight = hands.asking.answer() => Stir::Saw(sight),
            _ = hands.look.tick() => Stir::Look,
        }
    }

    fn tell(&self, actions: Vec<Action>) {
        if !actions.is_empty() {
            // Nobody listens only when the drill is over.
            let _ = self.told.send(Done::Did(actions));
        }
    }

    /// Whether a turn only ends what people have ended already.
    pub(super) fn is_needless(&self, turn: Turn, plan: &Plan) -> bool {
        let ends = turn.ends(plan);
        !ends.is_empty() && ends.iter().all(|step| self.mended.contains(step))
    }

    /// A needless turn is left out: its remedy, if it is one of its own, had nothing to do.
    pub(super) fn left_out(&self, turn: Turn, plan: &Plan, at_ms: i64) {
        if let What::Remedy(index) = turn.what {
            let step = &plan.remedies[index];
            self.tell(vec![Action {
                at_ms,
                what: Deed::Mended,
                subject: step.remedy.name().to_owned(),
                text: "nothing was left to do".to_owned(),
                step: Some(step.id.clone()),
            }]);
        }
    }

    /// A turn was taken; `marks`: what was seen. Answers the marks that are the plan's own doing.
    pub(super) fn taken(&mut self, turn: Turn, plan: &Plan, marks: Vec<Mark>) -> Vec<Mark> {
        // What was seen before it is not known to be so after it.
        self.asking.forget();
        if let Some(Lever::Redis(_)) = turn.lever(plan) {
            self.redis = server::Watched::default();
            self.asked_at_large = None;
        }
        if let What::Begin(step) = turn.what
            && marks.iter().all(|mark| mark.verified)
        {
            self.open.insert(step, BTreeSet::new());
        }
        for step in turn.ends(plan) {
            self.open.remove(&step);
        }
        if !self.is_ordered(turn.what) {
            let is_new = |mark: &Mark| {
                let step = plan
                    .timeline
                    .iter()
                    .position(|step| Some(&step.id) == mark.step.as_ref());
                let is_end = mark.phase == Some(crate::agenda::Phase::End);
                !(is_end && step.is_some_and(|step| self.mended.contains(&step)))
            };
            return marks.into_iter().filter(is_new).collect();
        }
        let actions = marks.into_iter().map(|mark| Action {
            at_ms: mark.at_ms,
            what: if mark.verified {
                Deed::Mended
            } else {
                Deed::Seen
            },
            subject: mark.targets.join(", "),
            text: format!("{}: {}", mark.what, mark.saw),
            step: mark.step,
        });
        self.tell(actions.collect());
        Vec::new()
    }

    fn is_ordered(&self, what: What) -> bool {
        match what {
            What::RemedyGoes(index, _) => self.ordered.contains(&What::Remedy(index)),
            what => self.ordered.contains(&what),
        }
    }
}

impl Stand {
    /// Looks at what people have done from outside, and begins to ask Redis about it.
    ///
    /// # Errors
    /// When a container that people have started again does not register in Redis.
    pub(super) async fn look_behind(&mut self, hands: &mut Hands) -> Result<(), LiveError> {
        let mut actions = self.look_at_processes(hands);
        if hands.asked.elapsed() >= ASK_EVERY {
            hands.asked = Instant::now();
            let now_ms = super::since_start(self.clock);
            actions.extend(self.look_at_containers(hands, now_ms).await?);
        }
        let plan = self.plan.clone();
        let stops = hands.open.keys().map(|step| &plan.timeline[*step]);
        let stops = stops.filter(|step| is_stop(step));
        let stopped = stops.flat_map(|step| self.fleet.pids(&step.targets));
        let going: BTreeSet<u32> = stopped.filter(|pid| goes_on(*pid)).collect();
        // Who is killed while it is stopped goes on for a moment, to die.
        let twice: BTreeSet<u32> = hands.going.intersection(&going).copied().collect();
        hands.going = going;
        actions.extend(self.ends_what_is_mended(hands, &twice, &Sight::default()));
        hands.tell(actions);
        self.ask(hands);
        Ok(())
    }

    /// Takes in what Redis has told.
    pub(super) async fn has_seen(&mut self, hands: &mut Hands, mut sight: Sight) {
        let now_ms = super::since_start(self.clock);
        let mut actions = Vec::new();
        if let Some(mut set_to) = sight.set_to.take() {
            let ours = self.roster.changes_of_users();
            let counted = set_to.users.take();
            let others = counted.map(|counted| hands.users.see(counted, ours));
            actions.extend(hands.redis.see(set_to, others.unwrap_or(0), now_ms));
        }
        if let Some(servers) = sight.servers.take() {
            let told = self.look_for_strangers(&mut hands.strangers, servers, now_ms);
            actions.extend(told.await);
        }
        for (step, waits_ns) in &sight.waits_ns {
            let queues = strangers::bereft(&self.plan.timeline[*step], &self.plan);
            hands.strangers.see_backlog(*step, &queues, *waits_ns);
        }
        actions.extend(self.ends_what_is_mended(hands, &BTreeSet::new(), &sight));
        hands.tell(actions);
    }

    /// What a proxy of the team's did by plan, somebody has ended.
    pub(super) fn has_healed(&mut self, hands: &mut Hands, saw: String) {
        let sight = Sight {
            healed: Some(saw),
            ..Sight::default()
        };
        let actions = self.ends_what_is_mended(hands, &BTreeSet::new(), &sight);
        hands.tell(actions);
    }

    /// Begins to ask Redis, if it has answered what it was asked before. One that is silent by plan is asked only whether it is so
    /// no longer.
    fn ask(&self, hands: &mut Hands) {
        if !hands.asking.is_idle() {
            return;
        }
        let mut question = Question::default();
        for step in hands.open.keys() {
            match self.plan.timeline[*step].fault.begin() {
                Lever::Redis(lever) => {
                    let proof = self.is_taken_back(lever, &hands.redis);
                    let proof = proof.and_then(|(_, proof)| proof);
                    question.proofs.extend(proof.map(|proof| (*step, proof)));
                }
                Lever::Queue {
                    queue,
                    what: QueueLever::Pause,
                } => {
                    question.paused.insert(queue);
                }
                _ => {}
            }
        }
        let is_due = hands
            .asked_at_large
            .is_none_or(|at| at.elapsed() >= ASK_EVERY);
        if self.roster.is_silent() {
            question.paused.clear();
        } else if is_due {
            hands.asked_at_large = Some(Instant::now());
            let bereft = hands.open.keys().map(|step| {
                let queues = strangers::bereft(&self.plan.timeline[*step], &self.plan);
                (*step, queues)
            });
            question.at_large = Some(bereft.collect());
        }
        if !question.is_empty() {
            let asked = (self.control.clone(), self.redis.address());
            hands.asking.begin(question, asked, self.clock.now());
        }
    }

    /// Processes that were ended from outside: they are started again, and by the plan without the steps that are over by that.
    fn look_at_processes(&mut self, hands: &mut Hands) -> Vec<Action> {
        let (now, now_ms) = (self.clock.now(), super::since_start(self.clock));
        let plan = self.plan.clone();
        let mut actions = Vec::new();
        for process in self.fleet.ended_outside(now) {
            for (step, restarted) in &mut hands.open {
                let step_of_plan = &plan.timeline[*step];
                let is_over = is_stop(step_of_plan) || ends_by_restart(step_of_plan, &plan);
                if is_over && step_of_plan.targets.contains(&process) {
                    let mended = plan.mended(&BTreeMap::from([(*step, now_ms)]));
                    self.fleet.starts_with(&process, &mended);
                    restarted.insert(process.clone());
                }
            }
            actions.push(Action {
                at_ms: now_ms,
                what: Deed::Seen,
                subject: process,
                text: "was ended from outside; it is started again".to_owned(),
                step: None,
            });
        }
        actions
    }

    /// Asks Docker or Kubernetes what people have done to containers or pods; those that run again by it are no longer as
    /// the plan left them.
    async fn look_at_containers(
        &mut self,
        hands: &mut Hands,
        now_ms: i64,
    ) -> Result<Vec<Action>, LiveError> {
        let touched = self.fleet.touched(hands.began, self.clock).await?;
        for of in touched.iter().filter(|of| of.runs_again) {
            for (step, again) in &mut hands.open {
                let step = &self.plan.timeline[*step];
                let is_over = is_over_when_it_runs(step, &self.plan);
                if is_over && step.targets.contains(&of.process) {
                    again.insert(of.process.clone());
                }
            }
        }
        let actions = touched.into_iter().map(|of| Action {
            at_ms: now_ms,
            what: Deed::Seen,
            subject: of.process,
            text: of.saw,
            step: None,
        });
        Ok(actions.collect())
    }
}
