//! People's hands in a rehearsal: remedies that they have us do, and what they have done to the system from outside.
//!
//! A remedy that they name ends what it ends in the plan, now instead of later: its turn is moved forward, so that it is done,
//! looked at and settled in the journal as always. What they do themselves is found by looking: whether what a step did is still
//! there, in all that it was done to. From then on the step is over, for the incident's truth, for workers that start, and for
//! the agenda, whose turn at its planned end does nothing more.

mod orders;
mod server;
mod strangers;

use super::LiveError;
use super::director::Done;
use super::stand::Stand;
use crate::agenda::{Turn, What};
use crate::audit::REDIS;
use crate::lever::{Lever, ProcessLever, QueueLever, RedisLever};
use crate::plan::{Plan, Step};
use crate::remedy::KINDS;
use crate::signals;
use firedrill_asynq::keys;
use firedrill_reports::record::{Action, Deed, Mark};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use strangers::Strangers;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// Real time between looks, and between questions that take more, to Docker and Kubernetes a program each.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Whether people name a remedy that firedrill knows.
pub(super) fn is_remedy(name: &str) -> bool {
    KINDS.iter().any(|kind| kind.name == name)
}

/// See the module.
pub(super) struct Hands {
    orders: UnboundedReceiver<String>,
    told: UnboundedSender<Done>,
    look: Interval,
    /// When the drill began, Unix seconds, and when it was asked last what was done to containers since, and who works.
    began: f64,
    asked: Instant,
    /// Steps that are on, and those of their targets that were started again from outside.
    open: BTreeMap<usize, BTreeSet<String>>,
    /// Processes, by their ids, that a step has stopped and that went on at the last look.
    going: BTreeSet<u32>,
    /// Steps that people have ended.
    mended: BTreeSet<usize>,
    /// Turns that people asked for.
    ordered: Vec<What>,
    /// What Redis is set to.
    redis: server::Watched,
    strangers: Strangers,
}

/// What the director hears of people.
pub(super) enum Stir {
    /// They name a remedy.
    Order(String),
    /// It is time to look.
    Look,
}

impl Hands {
    pub(super) fn new(
        orders: UnboundedReceiver<String>,
        told: UnboundedSender<Done>,
        began: f64,
    ) -> Self {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            orders,
            told,
            look,
            began,
            asked: Instant::now(),
            open: BTreeMap::new(),
            going: BTreeSet::new(),
            mended: BTreeSet::new(),
            ordered: Vec::new(),
            redis: server::Watched::default(),
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
        if let Some(Lever::Redis(_)) = turn.lever(plan) {
            self.redis = server::Watched::default();
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
    /// Looks at what people have done from outside.
    ///
    /// # Errors
    /// When a container that people have started again does not register in Redis.
    pub(super) async fn look_behind(&mut self, hands: &mut Hands) -> Result<(), LiveError> {
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
        if hands.asked.elapsed() >= ASK_EVERY {
            hands.asked = Instant::now();
            actions.extend(self.look_at_containers(hands, now_ms).await?);
            actions.extend(self.look_for_strangers(hands, now_ms).await);
        }
        actions.extend(self.look_at_redis(&mut hands.redis, now_ms).await);
        let stops = hands.open.keys().map(|step| &plan.timeline[*step]);
        let stops = stops.filter(|step| is_stop(step));
        let stopped = stops.flat_map(|step| self.fleet.pids(&step.targets));
        let going: BTreeSet<u32> = stopped.filter(|pid| goes_on(*pid)).collect();
        // Who is killed while it is stopped goes on for a moment, to die.
        let twice: BTreeSet<u32> = hands.going.intersection(&going).copied().collect();
        hands.going = going;
        let mut over = Vec::new();
        for (step, restarted) in &hands.open {
            let step_of_plan = &plan.timeline[*step];
            let relieved = hands.strangers.relieved(*step).cloned();
            let saw = match relieved {
                Some(saw) => Some(saw),
                None => {
                    self.is_mended(step_of_plan, restarted, &twice, &hands.redis)
                        .await
                }
            };
            if let Some(saw) = saw {
                over.push(*step);
                let subject = match step_of_plan.fault.begin() {
                    Lever::Redis(_) => REDIS.to_owned(),
                    _ => step_of_plan.targets.join(", "),
                };
                actions.push(Action {
                    at_ms: now_ms,
                    what: Deed::Mended,
                    subject,
                    text: saw,
                    step: Some(step_of_plan.id.clone()),
                });
            }
        }
        for step in over {
            self.roster.mends(step, now_ms);
            hands.open.remove(&step);
            hands.mended.insert(step);
        }
        hands.tell(actions);
        Ok(())
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

    /// What is seen of a step that people have ended in all that it was done to; `None`: it is still on, or nobody can tell.
    async fn is_mended(
        &mut self,
        step: &Step,
        restarted: &BTreeSet<String>,
        going: &BTreeSet<u32>,
        redis: &server::Watched,
    ) -> Option<String> {
        let all = step.targets.len();
        let again = step.targets.iter().filter(|name| restarted.contains(*name));
        let again: Vec<String> = again.cloned().collect();
        if all > 0 && again.len() == all {
            let up = self.fleet.are_up(&again);
            let what = match self.fleet.are() {
                "processes" => "processes were started again from outside".to_owned(),
                what => format!("{what} run again, by what was done from outside"),
            };
            return up.then(|| format!("{all} of {all} {what}"));
        }
        match step.fault.begin() {
            Lever::Process(ProcessLever::Stop) => {
                let go_on = |name: &&String| {
                    let pids = self.fleet.pids(std::slice::from_ref(*name));
                    !again.contains(*name) && pids.iter().any(|pid| going.contains(pid))
                };
                let go_on: Vec<String> = step.targets.iter().filter(go_on).cloned().collect();
                if again.len() + go_on.len() < all || !self.fleet.are_up(&again) {
                    return None;
                }
                self.fleet.go_on(&go_on);
                let more = match again.len() {
                    0 => String::new(),
                    count => format!("; {count} of {all} were started again from outside"),
                };
                Some(format!(
                    "{} of {all} processes go on (SIGCONT from outside){more}",
                    go_on.len()
                ))
            }
            Lever::Queue {
                queue,
                what: QueueLever::Pause,
            } => {
                let mut exists = redis::cmd("EXISTS");
                exists.arg(keys::Queue(&queue).key("paused"));
                let paused = self.control.command::<u64>(&exists, "EXISTS").await.ok()?;
                if paused > 0 {
                    return None;
                }
                self.roster.pauses(&queue, false);
                Some(format!("{queue} is paused no longer"))
            }
            Lever::Redis(RedisLever::Stop) => {
                let pid = self.redis.pid()?;
                if !goes_on(pid) {
                    return None;
                }
                let seen = self.redis.seen().await?;
                signals::forget(pid);
                self.is_there();
                Some(format!("SIGCONT from outside; {seen}"))
            }
            Lever::Redis(lever) => self.is_set_right(lever, redis).await,
            _ => None,
        }
    }
}

/// Whether a step stops processes.
fn is_stop(step: &Step) -> bool {
    matches!(step.fault.begin(), Lever::Process(ProcessLever::Stop))
}

/// Whether what a step did to a container or a pod is over when that runs.
fn is_over_when_it_runs(step: &Step, plan: &Plan) -> bool {
    let begin = step.fault.begin();
    let is_undone = matches!(
        begin,
        Lever::Process(ProcessLever::Stop | ProcessLever::Deploy { boots: false })
    );
    is_undone || ends_by_restart(step, plan)
}

/// Whether the plan ends a fault by starting its processes again.
fn ends_by_restart(step: &Step, plan: &Plan) -> bool {
    let Some(until) = &step.until else {
        return false;
    };
    let own = until
        .by
        .as_ref()
        .and_then(|by| plan.remedies.iter().find(|own| own.id == *by));
    let remedy = until.remedy.as_ref().or(own.map(|own| &own.remedy));
    remedy
        .is_some_and(|remedy| matches!(remedy.name(), "worker.restart" | "worker.rolling-restart"))
}

/// Whether a process is there and neither stopped nor dead, by proc(5).
fn goes_on(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    // The command's name may hold spaces and brackets; the state follows it.
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, after)| after.trim_start().chars().next());
    state.is_some_and(|state| !"TtZXx".contains(state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{PlanOptions, Scenario};

    fn plan(text: &str) -> Plan {
        let scenario = Scenario::parse("s.yaml", text).unwrap();
        Plan::resolve(&scenario, &PlanOptions::default()).unwrap()
    }

    const CRASH: &str = include_str!("../../../../scenarios/worker-crashed/worker-crash-all.yaml");
    #[test]
    fn a_plan_that_people_mend_ends_its_step_and_the_incident_with_it() {
        let plan = plan(CRASH);
        let mended = plan.mended(&BTreeMap::from([(0, 2_000_000)]));
        let until = mended.timeline[0].until.as_ref().unwrap();
        assert_eq!(until.at_ms, 2_000_000);
        assert_eq!(mended.incidents[0].until_ms, 2_000_000);
        // Nobody mends what is over.
        let late = plan.mended(&BTreeMap::from([(0, 9_000_000)]));
        assert_eq!(late, plan);
    }

    #[test]
    fn a_crash_is_ended_by_starting_again() {
        let crash = plan(CRASH);
        assert!(ends_by_restart(&crash.timeline[0], &crash));
    }

    #[test]
    fn a_process_goes_on_or_is_stopped_or_dead_or_is_none() {
        assert!(goes_on(std::process::id()));
        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        while goes_on(child.id()) {
            std::thread::yield_now();
        }
        // Nobody has waited for it yet: it is a zombie in the end.
        child.kill().unwrap();
        let stat = format!("/proc/{}/stat", child.id());
        while !std::fs::read_to_string(&stat).unwrap().contains(") Z ") {
            std::thread::yield_now();
        }
        assert!(!goes_on(child.id()));
        child.wait().unwrap();
        assert!(!goes_on(child.id()));
    }
}
