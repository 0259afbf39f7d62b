//! What is done to the system, in order of time.

use crate::fault::Harm;
use crate::lever::{Lever, On, Part};
use crate::plan::{PRODUCER, Plan, RemedyStep, Step};
use firedrill_reports::record::Mark;
pub use firedrill_reports::record::Phase;
use std::collections::VecDeque;

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// When, virtual milliseconds since the start of the drill.
    pub at_ms: i64,
    /// What.
    pub what: What,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The fault of this step begins: its index in the plan's timeline.
    Begin(usize),
    /// It ends, by itself or by the remedy that is written beside its end.
    End(usize),
    /// A remedy of its own: its index among the plan's.
    Remedy(usize),
    /// A fault goes on: its index in the timeline, and how many parts of it have been done before.
    Goes(usize, u32),
    /// A remedy of its own goes on, as a fault does.
    RemedyGoes(usize, u32),
    /// What the fault of this step needs is done before it begins.
    Prepare(usize),
}

/// Beginnings and ends of all faults of a plan, and its remedies.
#[derive(Debug)]
pub struct Agenda(VecDeque<Turn>);

impl Agenda {
    /// Of `plan`.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let mut turns: Vec<(u8, Turn)> = Vec::new();
        // At one moment, what ends is ended before anything begins, and Redis is back before the workers that need it.
        let mends = |on: On| u8::from(on != On::Redis);
        for (index, step) in plan.timeline.iter().enumerate() {
            let turn = |at_ms, what| Turn { at_ms, what };
            turns.push((2, turn(step.at_ms, What::Begin(index))));
            if let Some((before_ms, _)) = step.fault.prepare() {
                turns.push((2, turn(step.at_ms - before_ms, What::Prepare(index))));
            }
            if let Some(until) = step.until.as_ref().filter(|until| until.by.is_none()) {
                let rank = mends(step.fault.kind().on);
                turns.push((rank, turn(until.at_ms, What::End(index))));
            }
        }
        for (index, step) in plan.remedies.iter().enumerate() {
            let turn = Turn {
                at_ms: step.at_ms,
                what: What::Remedy(index),
            };
            turns.push((mends(step.remedy.kind().on), turn));
        }
        turns.sort_by_key(|(rank, turn)| (turn.at_ms, *rank));
        Self(turns.into_iter().map(|(_, turn)| turn).collect())
    }

    /// When the next turn is due, virtual milliseconds since the start.
    #[must_use]
    pub fn next_ms(&self) -> Option<i64> {
        self.next_turn().map(|turn| turn.at_ms)
    }

    /// The next turn.
    #[must_use]
    pub fn next_turn(&self) -> Option<Turn> {
        self.0.front().copied()
    }

    /// A turn was taken, and is done: steps that it has ended go on no longer, and its own goes on after a while.
    pub fn done(&mut self, turn: Turn, plan: &Plan, now_ms: i64) {
        let ended = turn.ends(plan);
        self.0
            .retain(|other| !matches!(other.what, What::Goes(step, _) if ended.contains(&step)));
        let what = match turn.what {
            What::Begin(step) => What::Goes(step, 1),
            What::Goes(step, before) => What::Goes(step, before.saturating_add(1)),
            What::Remedy(step) => What::RemedyGoes(step, 1),
            What::RemedyGoes(step, before) => What::RemedyGoes(step, before.saturating_add(1)),
            What::End(_) | What::Prepare(_) => return,
        };
        let Some(part) = what.part(plan) else {
            return;
        };
        let at_ms = now_ms.saturating_add(part.after_ms);
        let place = self.0.partition_point(|other| other.at_ms <= at_ms);
        self.0.insert(place, Turn { at_ms, what });
    }

    /// Moves a turn to now, before all others that are due by then; answers whether there is such a turn.
    pub fn hasten(&mut self, what: What, now_ms: i64) -> bool {
        let Some(place) = self.0.iter().position(|turn| turn.what == what) else {
            return false;
        };
        if let Some(turn) = self.0.remove(place) {
            let at_ms = turn.at_ms.min(now_ms);
            self.0.push_front(Turn { at_ms, what });
        }
        true
    }

    /// Takes the next turn if it is due.
    pub fn take(&mut self, now_ms: i64) -> Option<Turn> {
        if self.next_ms()? > now_ms {
            return None;
        }
        self.0.pop_front()
    }
}

impl What {
    /// The part of its step that it is; `None`: it is no part, or there is no such part.
    fn part(self, plan: &Plan) -> Option<Part> {
        match self {
            Self::Begin(_) | Self::End(_) | Self::Prepare(_) => None,
            Self::Goes(step, before) => {
                let step = &plan.timeline[step];
                step.fault.part(before, &step.targets)
            }
            Self::Remedy(step) => {
                let step = &plan.remedies[step];
                step.remedy.part(0, &step.targets)
            }
            Self::RemedyGoes(step, before) => {
                let step = &plan.remedies[step];
                step.remedy.part(before, &step.targets)
            }
        }
    }
}

impl Turn {
    /// What is to be done; `None`: nothing, it is over by itself.
    #[must_use]
    pub fn lever(&self, plan: &Plan) -> Option<Lever> {
        if let Some(part) = self.what.part(plan) {
            return Some(part.lever);
        }
        match self.what {
            What::Goes(..) | What::RemedyGoes(..) => None,
            What::Begin(step) => Some(plan.timeline[step].fault.begin()),
            What::Prepare(step) => plan.timeline[step].fault.prepare().map(|(_, lever)| lever),
            What::End(step) => plan.timeline[step].undo(),
            What::Remedy(index) => {
                let step = &plan.remedies[index];
                let ended = plan.ended_by(step).next();
                Some(step.remedy.done(ended.map(|ended| &ended.fault)))
            }
        }
    }

    /// Whether it is a remedy that ends no fault: that it finds nothing to do is told, and is no reason to doubt the drill.
    #[must_use]
    pub fn ends_nothing(&self, plan: &Plan) -> bool {
        match self.what {
            What::Remedy(index) => plan.ended_by(&plan.remedies[index]).next().is_none(),
            _ => false,
        }
    }

    /// The step by which reports know the remedy that this turn is, or a part of: its own, or the fault that it ends. `None`: it is
    /// none.
    #[must_use]
    pub fn remedy<'p>(&self, plan: &'p Plan) -> Option<&'p str> {
        match self.what {
            What::Remedy(index) | What::RemedyGoes(index, _) => Some(&plan.remedies[index].id),
            What::End(index) => {
                let step = &plan.timeline[index];
                step.until.as_ref()?.remedy.as_ref()?;
                Some(&step.id)
            }
            What::Begin(_) | What::Goes(..) | What::Prepare(_) => None,
        }
    }

    /// The processes, clients or targets it is done to; empty where that is not a choice. Processes that have left meanwhile are
    /// left alone.
    #[must_use]
    pub fn targets(&self, plan: &Plan) -> Vec<String> {
        if let Some(part) = self.what.part(plan) {
            return part.targets;
        }
        let step = match self.what {
            What::Begin(step) | What::Prepare(step) => {
                return plan.timeline[step].targets.clone();
            }
            What::Remedy(index) => return plan.remedies[index].targets.clone(),
            What::Goes(..) | What::RemedyGoes(..) => return Vec::new(),
            What::End(step) => &plan.timeline[step],
        };
        let mut targets = step.targets.clone();
        if let Some(Lever::Process(_)) = step.undo() {
            let roster = plan.roster(self.at_ms);
            targets.retain(|process| roster.has(process));
        }
        targets
    }

    /// The indices of the steps that end with this turn.
    #[must_use]
    pub fn ends(&self, plan: &Plan) -> Vec<usize> {
        match self.what {
            What::Begin(_) | What::Prepare(_) | What::Goes(..) | What::RemedyGoes(..) => Vec::new(),
            What::End(step) => vec![step],
            What::Remedy(index) => {
                let by = &plan.remedies[index].id;
                let steps = plan.timeline.iter().enumerate();
                let ended = steps.filter(|(_, step)| {
                    let until = step.until.as_ref();
                    until.and_then(|until| until.by.as_ref()) == Some(by)
                });
                ended.map(|(index, _)| index).collect()
            }
        }
    }

    /// The marks of this turn, done at `at_ms` with an effect that was looked at: its own, and the ends of what it ends.
    #[must_use]
    pub fn marks(&self, plan: &Plan, at_ms: i64, verified: bool, saw: String) -> Vec<Mark> {
        let mark = |step: &Step, phase, what: String| Mark {
            step: Some(step.id.clone()),
            phase: Some(phase),
            planned_ms: self.at_ms,
            at_ms,
            what,
            targets: step.on(),
            verified,
            saw: saw.clone(),
        };
        match self.what {
            // Nothing has happened yet: the beginning says whether it could.
            What::Prepare(_) => Vec::new(),
            What::Begin(index) => {
                let step = &plan.timeline[index];
                vec![mark(step, Phase::Begin, step.fault.name().to_owned())]
            }
            What::End(index) => {
                let step = &plan.timeline[index];
                vec![mark(step, Phase::End, step.end_name())]
            }
            What::Goes(index, _) => {
                let step = &plan.timeline[index];
                let mut mark = mark(step, Phase::During, step.fault.name().to_owned());
                mark.targets = self.targets(plan);
                vec![mark]
            }
            What::RemedyGoes(index, _) => {
                let step = &plan.remedies[index];
                vec![Mark {
                    step: Some(step.id.clone()),
                    phase: Some(Phase::During),
                    planned_ms: self.at_ms,
                    at_ms,
                    what: step.remedy.name().to_owned(),
                    targets: self.targets(plan),
                    verified,
                    saw,
                }]
            }
            What::Remedy(index) => {
                let step = &plan.remedies[index];
                let own = Mark {
                    step: Some(step.id.clone()),
                    phase: Some(Phase::Begin),
                    planned_ms: self.at_ms,
                    at_ms,
                    what: step.remedy.name().to_owned(),
                    targets: step.on(),
                    verified,
                    saw: saw.clone(),
                };
                let ends = plan.ended_by(step);
                let ends = ends.map(|ended| mark(ended, Phase::End, ended.end_name()));
                std::iter::once(own).chain(ends).collect()
            }
        }
    }
}

/// What is seen of a step that is over by itself, when so many processes have died of it.
pub(crate) fn over(plan: &Plan, step: usize, deaths: u32) -> (bool, String) {
    let step = &plan.timeline[step];
    let Lever::Life(lever) = step.fault.begin() else {
        return (true, "by itself".to_owned());
    };
    let lasted_ms = step.until.as_ref().map(|until| until.at_ms - step.at_ms);
    // A machine may be late. And memory that is not full by then has grown all the same.
    let were_due = lasted_ms.is_some_and(|ms| ms > lever.lasts_ms() + lever.lasts_ms() / 4);
    let saw = match deaths {
        0 => "by itself; no process has died of it".to_owned(),
        1 => "by itself; a process has died of it".to_owned(),
        _ => format!("by itself; processes have died of it {deaths} times"),
    };
    (deaths > 0 || !were_due, saw)
}

impl Plan {
    /// The steps that a remedy of its own ends.
    pub fn ended_by<'p>(&'p self, remedy: &'p RemedyStep) -> impl Iterator<Item = &'p Step> {
        let is_ended = |step: &&Step| {
            let by = step.until.as_ref().and_then(|until| until.by.as_ref());
            by == Some(&remedy.id)
        };
        self.timeline.iter().filter(is_ended)
    }
}

impl RemedyStep {
    /// The mark that the limit it has raised was met, too: what it was to end goes on. One that was to end nothing was done all the
    /// same.
    #[must_use]
    pub fn not_enough(&self, plan: &Plan, at_ms: i64) -> Mark {
        Mark {
            step: Some(self.id.clone()),
            phase: Some(Phase::During),
            planned_ms: self.at_ms,
            at_ms,
            what: self.remedy.name().to_owned(),
            targets: self.on(),
            verified: plan.ended_by(self).next().is_none(),
            saw: "the new limit was reached, too".to_owned(),
        }
    }

    /// On what it is done, for people.
    fn on(&self) -> Vec<String> {
        if !self.targets.is_empty() {
            return self.targets.clone();
        }
        let group = self.remedy.scale().map(|(group, _)| group);
        let subject = self.remedy.queue().or(group);
        vec![subject.unwrap_or("redis").to_owned()]
    }
}

impl Step {
    /// What is done at its end; `None`: nothing, it is over by itself, or with the drill.
    #[must_use]
    pub fn undo(&self) -> Option<Lever> {
        let until = self.until.as_ref()?;
        match &until.remedy {
            Some(remedy) => Some(remedy.done(Some(&self.fault))),
            None => self.fault.end(),
        }
    }

    /// What its end is called.
    fn end_name(&self) -> String {
        let remedy = self.until.as_ref().and_then(|until| until.remedy.as_ref());
        match remedy {
            Some(remedy) => remedy.name().to_owned(),
            None => format!("{} ends", self.fault.name()),
        }
    }

    /// On what it is done, for people.
    fn on(&self) -> Vec<String> {
        if !self.targets.is_empty() {
            return self.targets.clone();
        }
        let what = match self.fault.kind().on {
            On::Handlers => "handlers",
            On::Resource => match self.fault.harm() {
                Harm::Resource(resource) => resource,
                _ => "resource",
            },
            On::Producer | On::Scheduler => PRODUCER,
            On::Queue => match self.fault.harm() {
                Harm::Queue(queue) => queue,
                _ => "queue",
            },
            On::Locks => match self.fault.harm() {
                Harm::Task(task) => task,
                _ => "locks",
            },
            On::Redis | On::Workers | On::Clients | On::Targets => "redis",
        };
        vec![what.to_owned()]
    }

    /// The mark of a handler fault whose first effect was seen in `process`.
    #[must_use]
    pub fn effect_mark(&self, at_ms: i64, process: &str) -> Mark {
        Mark {
            step: Some(self.id.clone()),
            phase: Some(Phase::Begin),
            planned_ms: self.at_ms,
            at_ms,
            what: self.fault.name().to_owned(),
            targets: self.on(),
            verified: true,
            saw: format!("first effect in {process}"),
        }
    }

    /// The mark of a handler fault that was due by `reached_ms` and had no effect anywhere.
    #[must_use]
    pub fn missing_effect(&self, reached_ms: i64) -> Option<Mark> {
        (self.fault.begins_when_felt() && self.at_ms < reached_ms).then(|| Mark {
            step: Some(self.id.clone()),
            phase: Some(Phase::Begin),
            planned_ms: self.at_ms,
            at_ms: reached_ms,
            what: self.fault.name().to_owned(),
            targets: self.on(),
            verified: false,
            saw: match self.fault.begin() {
                Lever::Point(_) => "no call was affected",
                Lever::Clock(_) => "no process went by it",
                Lever::Load(_) => "no arrival was affected",
                Lever::Redis(_) => "the limit was not reached",
                Lever::Queue { .. } => "there was no lease",
                Lever::Locks { .. } => "no arrival was refused",
                Lever::Again { .. } => "Redis took all that came",
                Lever::Resource { .. } => "nobody who used it was affected",
                Lever::Life(_) => "no process was affected",
                _ => "no handler was affected",
            }
            .into(),
        })
    }
}
