//! Carries deeds out on the model: the same deeds as for real, with the same marks.

use crate::audit::REDIS;
use crate::engine::virtual_time::dues::{Happening, Who};
use crate::engine::virtual_time::world::World;
use crate::fault::{Deed, Phase, Turn};
use firedrill_asynq::actor::Event;

/// What a worker gets beyond its graceful shutdown before it is killed, as for real.
const STOP_SLACK_MS: i64 = 500;

/// Processes that are being stopped, to be started anew when the last of them has ended.
#[derive(Debug)]
pub(crate) struct Restart {
    turn: Turn,
    targets: Vec<usize>,
    /// Those that have not ended yet.
    stopping: Vec<usize>,
    graceful: usize,
}

impl World<'_> {
    /// Does everything of the agenda that is due. As for real, one deed after the other: while processes are being
    /// restarted, the next one waits.
    pub(crate) fn take_turns(&mut self) {
        while self.restarts.is_empty()
            && let Some(turn) = self.agenda.take(self.stage.since_start_ms())
        {
            self.carry_out(turn);
        }
        if self.restarts.is_empty() {
            self.expect_turn();
        }
    }

    fn carry_out(&mut self, turn: Turn) {
        let step = &self.stage.plan.timeline[turn.step];
        let note = match step.fault.deed(turn.phase) {
            Deed::KillWorkers => {
                let targets = self.numbers(&step.targets);
                for process in &targets {
                    self.leaves(*process);
                    self.kill_process(*process);
                }
                let all = targets.len();
                format!("SIGKILL; {all} of {all} processes gone")
            }
            Deed::RestartWorkers => return self.restart(turn),
            Deed::KillRedis { keep_data } => {
                let now = self.stage.now;
                self.stage.lives.absences().leaves(REDIS, now);
                if !keep_data {
                    self.stage.lives.absences().loses_data(now);
                }
                self.stage.redis.kill();
                let data = if keep_data { "kept" } else { "lost" };
                format!("SIGKILL; data {data}")
            }
            Deed::StartRedis { keep_data } => {
                let now = self.stage.now;
                self.stage.redis.start(now, keep_data);
                self.stage.lives.absences().returns(REDIS, now);
                if !keep_data {
                    self.stage.lives.absences().loses_data(now);
                }
                "answers PING".to_owned()
            }
            Deed::LeaveToHandlers if turn.phase == Phase::Begin => return,
            Deed::LeaveToHandlers => "by itself".to_owned(),
        };
        let mark = turn.mark(step, self.stage.since_start_ms(), true, note);
        self.stage.marks.push(mark);
    }

    /// The numbers of processes.
    fn numbers(&self, names: &[String]) -> Vec<usize> {
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
        self.processes[process].start(self.stage.plan.seed, self.stage.now);
        self.step(self.who(process), Event::Start);
    }

    /// The process is gone, and its handlers with it.
    fn kill_process(&mut self, process: usize) {
        if let Some(life) = self.processes[process].life.take() {
            for task in life.desk.at_work() {
                self.stage.lives.killed(task, self.stage.now);
            }
        }
    }

    /// As `docker restart` does: SIGTERM, a bounded wait, SIGKILL, a new process under the old name.
    fn restart(&mut self, turn: Turn) {
        let targets = self.numbers(&self.stage.plan.timeline[turn.step].targets);
        targets.iter().for_each(|process| self.leaves(*process));
        let alive = |process: &usize| self.processes[*process].life.is_some();
        let stopping: Vec<usize> = targets.iter().copied().filter(alive).collect();
        self.restarts.push(Restart {
            turn,
            targets,
            stopping: stopping.clone(),
            graceful: 0,
        });
        for process in stopping {
            let patience_ms = self.processes[process].shutdown_timeout_ms() + STOP_SLACK_MS;
            let who = self.who(process);
            if let Who::Process(number, incarnation) = who {
                let at = self.stage.now.plus_millis(patience_ms);
                self.stage
                    .dues
                    .push(at, Happening::Kill(number, incarnation));
            }
            self.step(who, Event::Shutdown);
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
        self.kill_process(process);
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

    /// Starts the processes of every restart nothing is waited for any more.
    fn finish_restarts(&mut self) {
        let waiting = std::mem::take(&mut self.restarts);
        let (ready, waiting): (Vec<Restart>, Vec<Restart>) = waiting
            .into_iter()
            .partition(|restart| restart.stopping.is_empty());
        self.restarts = waiting;
        for restart in ready {
            for process in &restart.targets {
                self.start_process(*process);
                let (name, now) = (&self.processes[*process].name, self.stage.now);
                self.stage.lives.absences().returns(name, now);
            }
            let (started, graceful) = (restart.targets.len(), restart.graceful);
            let note = format!("{started} started, {graceful} stopped gracefully before");
            let step = &self.stage.plan.timeline[restart.turn.step];
            let mark = restart
                .turn
                .mark(step, self.stage.since_start_ms(), true, note);
            self.stage.marks.push(mark);
        }
    }
}
