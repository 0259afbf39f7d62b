//! Levers on processes of the model.

use super::Pulled;
use crate::agenda::Turn;
use crate::audit::End;
use crate::engine::virtual_time::event_queue::{Happening, Who};
use crate::engine::virtual_time::world::World;
use crate::lever::{Lever, ProcessLever};
use crate::metrics::kube::Ended;
use firedrill_asynq::actor::Event;

/// What a worker gets beyond its graceful shutdown before it is killed, as for real.
const STOP_SLACK_MS: i64 = 500;

/// Processes that are being stopped, and what comes when the last of them has ended.
#[derive(Debug)]
pub(crate) struct Restart {
    turn: Turn,
    targets: Vec<usize>,
    /// Those that have not ended yet.
    stopping: Vec<usize>,
    graceful: usize,
    /// How many were there.
    there: usize,
    /// What comes then.
    then: Then,
}

/// What comes when processes have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing.
    Gone,
    /// They are started anew; those of a broken release end at boot again.
    Again,
    /// Others come under their names, which do not boot.
    Broken,
    /// They are started anew, from a release that works, and Prometheus finds them.
    Mended,
    /// They were members, and so many others have come before.
    Left(usize),
}

impl World<'_> {
    pub(super) fn pull_process(
        &mut self,
        lever: ProcessLever,
        turn: Turn,
        targets: &[String],
    ) -> Pulled {
        let numbers = self.numbers(targets);
        let all = numbers.len();
        let stays = matches!(
            lever,
            ProcessLever::Stop
                | ProcessLever::Continue
                | ProcessLever::Quiet
                | ProcessLever::Throttle { .. }
                | ProcessLever::Unthrottle
        );
        if !stays {
            for process in &numbers {
                self.processes[*process].taken_away();
            }
        }
        match lever {
            ProcessLever::Kill => {
                for process in &numbers {
                    self.leaves(*process);
                    self.kill_process(*process, None);
                    self.is_gone(*process);
                }
                Pulled::Seen(true, format!("SIGKILL; {all} of {all} processes gone"))
            }
            ProcessLever::Stop => {
                for process in &numbers {
                    self.leaves(*process);
                    self.processes[*process].freeze();
                    self.frozen += 1;
                }
                Pulled::Seen(true, format!("SIGSTOP; {all} of {all} processes stopped"))
            }
            ProcessLever::Continue => {
                for process in &numbers {
                    self.thaw(*process);
                    self.returns(*process);
                }
                Pulled::Seen(true, format!("SIGCONT; {all} of {all} processes go on"))
            }
            ProcessLever::Terminate { grace_ms } => {
                self.stop((turn, numbers, Then::Gone), grace_ms);
                Pulled::UnderWay
            }
            ProcessLever::Restart => {
                self.stop((turn, numbers, Then::Again), None);
                Pulled::UnderWay
            }
            ProcessLever::Quiet => {
                for process in &numbers {
                    self.step(self.who(*process), Event::Stop);
                }
                let saw = format!("SIGTSTP; {all} of {all} servers call themselves stopped");
                Pulled::Seen(true, saw)
            }
            ProcessLever::Throttle { run_ms, period_ms } => {
                for process in &numbers {
                    self.leaves(*process);
                    let it = &mut self.processes[*process];
                    it.quota = Some((run_ms, period_ms));
                    self.pods.limits(&it.name, it.quota, self.stage.now);
                    self.throttle(*process);
                }
                let saw = format!("SIGSTOP again and again; {all} of {all} processes stopped");
                Pulled::Seen(true, saw)
            }
            ProcessLever::Unthrottle => {
                Pulled::Seen(true, format!("{all} of {all} processes go on"))
            }
            ProcessLever::Deploy { boots } => {
                for process in &numbers {
                    self.scrapes.find(*process, false);
                    self.processes[*process].broken = !boots;
                    self.pods.deploys(&self.processes[*process].name, boots);
                }
                let then = if boots { Then::Mended } else { Then::Broken };
                self.stop((turn, numbers, then), None);
                Pulled::UnderWay
            }
        }
    }

    /// A throttle begins, with a stop.
    fn throttle(&mut self, process: usize) {
        let it = &mut self.processes[process];
        it.throttles = it.throttles.wrapping_add(1);
        if let Ok(number) = u16::try_from(process) {
            let what = Happening::Throttle(number, it.throttles);
            self.stage.events.push(self.stage.now, what);
        }
    }

    /// A process that is throttled stops, or goes on.
    pub(crate) fn throttles(&mut self, number: u16, throttle: u32) {
        let process = usize::from(number);
        let it = &mut self.processes[process];
        let Some((run_ms, period_ms)) = it.quota.filter(|_| it.throttles == throttle) else {
            return;
        };
        if it.life.is_none() {
            return;
        }
        let again = if it.goes_on.take().is_some() {
            self.thaw(process);
            self.stage.now.plus_millis(run_ms)
        } else {
            let goes_on = self.stage.now.plus_millis(period_ms - run_ms);
            it.goes_on = Some(goes_on);
            it.freeze();
            self.frozen += 1;
            goes_on
        };
        let what = Happening::Throttle(number, throttle);
        self.stage.events.push(again, what);
    }

    /// The throttles of steps that end are taken off.
    pub(super) fn lift_throttles(&mut self, turn: Turn) {
        let plan = self.stage.plan;
        for step in turn.ends(plan) {
            let step = &plan.timeline[step];
            if let Lever::Process(ProcessLever::Throttle { .. }) = step.fault.begin() {
                for process in self.numbers(&step.targets) {
                    self.unthrottle(process);
                    let it = &mut self.processes[process];
                    it.quota = None;
                    self.pods.limits(&it.name, None, self.stage.now);
                    self.returns(process);
                }
            }
        }
    }

    /// It goes on, and is not stopped again.
    fn unthrottle(&mut self, process: usize) {
        let it = &mut self.processes[process];
        it.throttles = it.throttles.wrapping_add(1);
        if it.goes_on.take().is_some() {
            self.thaw(process);
        }
    }

    /// Members come, or go gracefully.
    pub(super) fn scale(&mut self, turn: Turn, targets: &[String], targets_stay: bool) -> Pulled {
        let numbers = self.numbers(targets).into_iter();
        let is_member = |process: &usize| !self.processes[*process].left;
        let (go, come): (Vec<usize>, Vec<usize>) = numbers.partition(is_member);
        for process in &come {
            self.processes[*process].left = false;
            self.leaves(*process);
            let name = &self.processes[*process].name;
            self.pods.starts(name, self.stage.now);
            self.start_process(*process);
            self.returns(*process);
            self.scrapes.find(*process, true);
        }
        for process in &go {
            self.processes[*process].taken_away();
            self.processes[*process].left = true;
            if !targets_stay {
                self.scrapes.find(*process, false);
            }
        }
        if go.is_empty() {
            return Pulled::Seen(true, format!("{} came, 0 went", come.len()));
        }
        self.stop((turn, go, Then::Left(come.len())), None);
        Pulled::UnderWay
    }

    /// The numbers of processes.
    pub(super) fn numbers(&self, names: &[String]) -> Vec<usize> {
        let number = |name: &String| {
            self.processes
                .iter()
                .position(|process| process.name == *name)
        };
        names.iter().filter_map(number).collect()
    }

    /// What happens to a process from now on is the plan's doing.
    fn leaves(&mut self, process: usize) {
        let (name, now) = (&self.processes[process].name, self.stage.now);
        self.stage.lives.absences().leaves(name, now);
    }

    fn who(&self, process: usize) -> Who {
        let number = u16::try_from(process).unwrap_or(u16::MAX);
        Who::Process(number, self.processes[process].incarnation())
    }

    pub(crate) fn start_process(&mut self, process: usize) {
        if self.stage.plan.removes_dead_targets() {
            self.scrapes.find(process, true);
        }
        self.processes[process].start(self.stage.plan.seed, self.stage.now);
        self.step(self.who(process), Event::Start);
        self.processes[process].started_ms = self.stage.since_start_ms();
        for number in 0..self.processes[process].ailments.len() {
            self.expect_ailment(process, number);
        }
        // A new process has the limit of the one before.
        if self.processes[process].quota.is_some() {
            self.throttle(process);
        }
    }

    /// Sets the time of what becomes of a process next by plan, if anything does.
    fn expect_ailment(&mut self, process: usize, number: usize) {
        let it = &self.processes[process];
        let ailment = &it.ailments[number];
        let felt_ms = ailment.grown_ms(it.started_ms, 1);
        let dies_ms = ailment.ends_ms(it.started_ms);
        let now_ms = self.stage.since_start_ms();
        let is_leak = ailment.growths().0 > 0;
        let due_ms = if is_leak && now_ms < felt_ms {
            felt_ms
        } else {
            dies_ms
        };
        if let (Who::Process(index, incarnation), Ok(number)) =
            (self.who(process), u16::try_from(number))
            && due_ms > now_ms
            && ailment.is_on(due_ms)
        {
            let at = self.stage.epoch.plus_millis(due_ms);
            let ails = Happening::Ails(index, incarnation, number);
            self.stage.events.push(at, ails);
        }
    }

    /// It is time for what becomes of a process by plan.
    pub(crate) fn ails(&mut self, index: u16, incarnation: u32, number: usize) {
        let process = usize::from(index);
        let it = &self.processes[process];
        if it.incarnation() != incarnation || it.life.is_none() {
            return;
        }
        let (step, dies_ms, why) = {
            let ailment = &it.ailments[number];
            let why = Ended::of(ailment.lever);
            (ailment.step, ailment.ends_ms(it.started_ms), why)
        };
        self.stage.saw(step, &self.processes[process].name);
        if self.stage.since_start_ms() < dies_ms {
            return self.expect_ailment(process, number);
        }
        self.deaths_of[step] = self.deaths_of[step].saturating_add(1);
        self.dies(index, incarnation, why);
    }

    /// What happens to it from now on needs an explanation again.
    fn returns(&mut self, process: usize) {
        let (name, now) = (&self.processes[process].name, self.stage.now);
        self.stage.lives.absences().returns(name, now);
    }

    /// It goes on, with all that came for it meanwhile.
    fn thaw(&mut self, process: usize) {
        if let Some(held) = self.processes[process].thaw() {
            self.frozen -= 1;
            for happening in held {
                self.stage.events.push(self.stage.now, happening);
            }
        }
    }

    /// The process is gone, and its handlers with it; `by`: the step whose remedy took it away.
    fn kill_process(&mut self, process: usize, by: Option<&str>) {
        self.processes[process].goes_on = None;
        // What was held for it is nobody's any more.
        if self.processes[process].thaw().is_some() {
            self.frozen -= 1;
        }
        if let (Some(wire), Ok(number)) = (&mut self.stage.wire, u16::try_from(process)) {
            wire.gone(number);
        }
        if let Some(mut life) = self.processes[process].life.take() {
            if self.stage.pools.is_some() {
                let held = life.handlers.needs();
                self.leaves_resources(process, held.into_iter());
            }
            let end = End {
                at: self.stage.now,
                process: &self.processes[process].name,
                by,
            };
            for (task, has_slot) in life.handlers.at_work() {
                self.stage.lives.killed(task, has_slot, end);
            }
        }
    }

    /// Nobody starts it again by himself: where dead targets are removed, it is one no longer.
    fn is_gone(&mut self, process: usize) {
        self.pods.gone(&self.processes[process].name);
        if self.stage.plan.removes_dead_targets() {
            self.scrapes.find(process, false);
        }
    }

    /// It dies in the middle of a call, by plan.
    pub(crate) fn dies(&mut self, number: u16, incarnation: u32, why: Ended) {
        let process = usize::from(number);
        let it = &self.processes[process];
        if it.incarnation() == incarnation && it.life.is_some() {
            self.leaves(process);
            let is_stopped = |restart: &Restart| restart.stopping.contains(&process);
            if self.restarts.iter().any(is_stopped) {
                // Whoever waits for its end has it.
                return self.ended(process, false);
            }
            self.kill_process(process, None);
            if self.await_start(process) {
                self.pods.died(&self.processes[process].name, why);
            }
        }
    }

    /// An orchestrator, if it has one, starts it again after a while; answers whether it has.
    fn await_start(&mut self, process: usize) -> bool {
        let (it, now) = (&mut self.processes[process], self.stage.now);
        if let Some(at) = it.died(now)
            && let Ok(number) = u16::try_from(process)
        {
            let again = Happening::StartsAgain(number, it.incarnation());
            self.stage.events.push(at, again);
            true
        } else {
            self.is_gone(process);
            false
        }
    }

    /// It is time to start it again, unless somebody was there before.
    pub(crate) fn starts_again(&mut self, number: u16, incarnation: u32) {
        let process = usize::from(number);
        let it = &self.processes[process];
        if it.incarnation() != incarnation || it.life.is_some() || !it.is_awaited() {
            return;
        }
        let at_ms = self.stage.since_start_ms();
        if !it.broken && self.stage.plan.comes_up(&it.name, at_ms) {
            let name = &self.processes[process].name;
            self.pods.starts_again(name, self.stage.now);
            self.start_process(process);
            self.returns(process);
        } else {
            self.pods.dies_again(&self.processes[process].name);
            self.await_start(process);
        }
    }

    /// SIGTERM, a bounded wait, SIGKILL; and, as `docker restart` does, a new process under the old name.
    fn stop(&mut self, (turn, targets, then): (Turn, Vec<usize>, Then), grace_ms: Option<i64>) {
        for process in &targets {
            self.leaves(*process);
            self.pods.leaves(&self.processes[*process].name);
        }
        let alive = |process: &usize| self.processes[*process].life.is_some();
        let stopping: Vec<usize> = targets.iter().copied().filter(alive).collect();
        self.restarts.push(Restart {
            turn,
            targets,
            stopping: stopping.clone(),
            graceful: 0,
            there: stopping.len(),
            then,
        });
        for process in stopping {
            if self.processes[process].quota.is_some() {
                self.unthrottle(process);
            }
            let longest_ms = self.processes[process].shutdown_timeout_ms() + STOP_SLACK_MS;
            let patience_ms = grace_ms.unwrap_or(longest_ms);
            let who = self.who(process);
            if let Who::Process(number, incarnation) = who {
                let at = self.stage.now.plus_millis(patience_ms);
                self.stage
                    .events
                    .push(at, Happening::Kill(number, incarnation));
            }
            // A stopped process hears of a signal when it goes on.
            self.happen_to(who, Happening::Shutdown(who));
        }
        self.finish_restarts();
    }

    /// A process has ended its graceful shutdown. Handlers that ignore their context die with it, as in asynq.
    pub(crate) fn exited(&mut self, process: usize) {
        self.ended(process, true);
    }

    pub(crate) fn out_of_patience(&mut self, number: u16, incarnation: u32) {
        let process = usize::from(number);
        if self.processes[process].incarnation() == incarnation
            && self.processes[process].life.is_some()
        {
            self.ended(process, false);
        }
    }

    fn ended(&mut self, process: usize, gracefully: bool) {
        let mut restarts = self.restarts.iter();
        let stopped = restarts.find(|restart| restart.stopping.contains(&process));
        let by = stopped.and_then(|restart| restart.turn.remedy(self.stage.plan));
        self.kill_process(process, by);
        self.pods.gone(&self.processes[process].name);
        let waited = !self.restarts.is_empty();
        for restart in &mut self.restarts {
            let before = restart.stopping.len();
            restart.stopping.retain(|stopping| *stopping != process);
            restart.graceful += usize::from(gracefully && restart.stopping.len() < before);
        }
        self.finish_restarts();
        if waited && self.restarts.is_empty() {
            // A turn too many finds nothing to do.
            self.expect_turn();
        }
    }

    /// A process is started anew, if that boots.
    fn start_anew(&mut self, process: usize, then: Then) {
        let (it, now) = (&self.processes[process], self.stage.now);
        if it.broken {
            return self.pods.fails(&it.name, now);
        }
        self.pods.starts(&it.name, now);
        self.start_process(process);
        self.returns(process);
        if then == Then::Mended {
            self.scrapes.find(process, true);
        }
    }

    /// Starts the processes of every restart nothing is waited for any more.
    fn finish_restarts(&mut self) {
        let waiting = std::mem::take(&mut self.restarts);
        let (ready, waiting): (Vec<Restart>, Vec<Restart>) = waiting
            .into_iter()
            .partition(|restart| restart.stopping.is_empty());
        self.restarts = waiting;
        for restart in ready {
            let (graceful, there, all) = (restart.graceful, restart.there, restart.targets.len());
            let gone = format!("SIGTERM; {there} of {all} processes gone, {graceful} gracefully");
            let saw = match restart.then {
                Then::Gone => {
                    let targets = restart.targets.iter();
                    targets.for_each(|process| self.is_gone(*process));
                    gone
                }
                Then::Left(came) => format!("{came} came, {all} went"),
                // It ends before it has talked to anybody.
                Then::Broken => {
                    for process in &restart.targets {
                        self.start_anew(*process, restart.then);
                    }
                    format!("{gone}; {all} of {all} new ones ended at boot")
                }
                Then::Again | Then::Mended => {
                    let is_broken = |process: &&usize| self.processes[**process].broken;
                    let broken = restart.targets.iter().filter(is_broken).count();
                    let started = all - broken;
                    for process in &restart.targets {
                        self.start_anew(*process, restart.then);
                    }
                    let saw = format!("{started} started, {graceful} stopped gracefully before");
                    match broken {
                        0 => saw,
                        _ => format!("{saw}, {broken} of {broken} new ones ended at boot"),
                    }
                }
            };
            let seen = there == all || !matches!(restart.then, Then::Gone | Then::Broken);
            self.mark(restart.turn, seen, saw);
        }
    }
}
