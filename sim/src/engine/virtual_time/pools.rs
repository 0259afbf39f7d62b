//! Resources of the model, and handlers that wait for them or hold them. Nothing of it is there in a plan without resources.

use crate::engine::virtual_time::event_queue::{Happening, Who};
use crate::engine::virtual_time::world::World;
use crate::handler::{Ending, Without};
use crate::plan::Plan;
use crate::resource::Slots;
use firedrill_asynq::actor::RunId;
use firedrill_asynq::clock::Time;

/// A handler of a process.
type Handler = (Who, RunId);

/// Something that happens between a handler and what it needs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OnResource {
    /// It begins.
    Begins,
    /// It has held its so manieth resource for as long as it does.
    Held(u32),
    /// It has waited for its so manieth resource for as long as it does.
    Waited(u32),
}

/// What a handler needs besides its time.
#[derive(Debug, Clone)]
pub(crate) struct Needs {
    /// Numbers of resources, and for how long, virtual microseconds; the last first.
    left: Vec<(usize, i64)>,
    /// When it began.
    began: Time,
    /// How many it has asked for.
    asked: u32,
    now: State,
}

/// What a handler does with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Nothing,
    /// Waits for the pool at this place, to hold it so long.
    Waits(usize, i64),
    Holds(usize),
    /// It no longer holds or waits for this one, and hears of it when its process goes on.
    Over(usize),
}

impl Needs {
    /// Of a handler that begins at `began`; `None`: nothing.
    pub(crate) fn of(mut uses: Vec<(usize, i64)>, began: Time) -> Option<Box<Self>> {
        uses.reverse();
        let needs = Self {
            left: uses,
            began,
            asked: 0,
            now: State::Nothing,
        };
        (!needs.left.is_empty()).then(|| Box::new(needs))
    }
}

/// All pools: those that the fleet shares, and then those of each process.
#[derive(Debug)]
pub(crate) struct Pools {
    slots: Vec<Slots<Handler>>,
    shared: Vec<bool>,
}

impl Pools {
    /// Of a plan; `None`: there are none.
    pub(crate) fn of(plan: &Plan) -> Option<Self> {
        let shared: Vec<bool> = plan.resources.iter().map(|of| of.is_shared()).collect();
        let count = shared.len() * (plan.processes().len() + 1);
        (!shared.is_empty()).then(|| Self {
            slots: std::iter::repeat_with(Slots::default).take(count).collect(),
            shared,
        })
    }

    /// Where the pool is that a process finds under this number.
    fn place(&self, process: u16, resource: usize) -> usize {
        match self.shared[resource] {
            true => resource,
            false => (usize::from(process) + 1) * self.shared.len() + resource,
        }
    }

    /// Which resource of the plan the pool at a place is.
    fn resource(&self, place: usize) -> usize {
        place % self.shared.len()
    }

    /// The pools that a process has for itself: number of the resource, and the pool.
    pub(crate) fn own(&self, process: usize) -> impl Iterator<Item = (usize, &Slots<Handler>)> {
        let numbers = self
            .shared
            .iter()
            .enumerate()
            .filter(|(_, shared)| !**shared);
        numbers.map(move |(number, _)| {
            let place = (process + 1) * self.shared.len() + number;
            (number, &self.slots[place])
        })
    }
}

impl World<'_> {
    /// When more may hold a resource again, somebody has to look.
    pub(crate) fn expect_growth(&mut self) {
        for (resource, at_ms) in self.stage.handlers.grow() {
            let at = self.stage.epoch.plus_millis(at_ms);
            self.stage.events.push(at, Happening::Grows(resource));
        }
    }

    pub(crate) fn grows(&mut self, resource: usize) {
        let Some(pools) = &self.stage.pools else {
            return;
        };
        let places = (0..pools.slots.len()).filter(|place| pools.resource(*place) == resource);
        for place in places.collect::<Vec<_>>() {
            self.pass_on(place);
        }
    }

    fn needs(&mut self, (who, run): Handler) -> Option<&mut Needs> {
        let Who::Process(index, incarnation) = who else {
            return None;
        };
        let process = &mut self.processes[usize::from(index)];
        if process.incarnation() != incarnation {
            return None;
        }
        let work = process.life.as_mut()?.handlers.work_mut(run)?;
        work.needs.as_deref_mut()
    }

    pub(crate) fn on_resource(&mut self, who: Who, run: RunId, what: OnResource) {
        let handler = (who, run);
        let Some(needs) = self.needs(handler) else {
            return;
        };
        let (asked, state) = (needs.asked, needs.now);
        match (what, state) {
            (OnResource::Begins, _) => self.needs_next(handler),
            (OnResource::Held(nth), State::Holds(place)) if nth == asked => {
                needs.now = State::Nothing;
                self.gives_back(place);
                self.needs_next(handler);
            }
            (OnResource::Waited(nth), State::Waits(place, _)) if nth == asked => {
                needs.now = State::Nothing;
                if let Some(pools) = &mut self.stage.pools {
                    pools.slots[place].leave(|waiting| *waiting == handler);
                    let resource = pools.resource(place);
                    self.goes_without(handler, resource, Without::TimedOut);
                }
            }
            // What happened while its process was stopped.
            (OnResource::Held(nth), State::Over(_)) if nth == asked => {
                needs.now = State::Nothing;
                self.needs_next(handler);
            }
            (OnResource::Waited(nth), State::Over(place)) if nth == asked => {
                needs.now = State::Nothing;
                if let Some(resource) = self.stage.pools.as_ref().map(|of| of.resource(place)) {
                    self.goes_without(handler, resource, Without::TimedOut);
                }
            }
            _ => {}
        }
    }

    /// What the fleet shares is answered whether the process that has asked is stopped or not.
    pub(crate) fn on_shared(&mut self, who: Who, run: RunId, what: OnResource) {
        let handler = (who, run);
        let Some(needs) = self.needs(handler) else {
            return;
        };
        let (asked, state) = (needs.asked, needs.now);
        let place = match (what, state) {
            (OnResource::Held(nth), State::Holds(place))
            | (OnResource::Waited(nth), State::Waits(place, _))
                if nth == asked =>
            {
                place
            }
            _ => return,
        };
        let Some(pools) = &mut self.stage.pools else {
            return;
        };
        if !pools.shared[pools.resource(place)] {
            return;
        }
        pools.slots[place].leave(|waiting| *waiting == handler);
        if let Some(needs) = self.needs(handler) {
            needs.now = State::Over(place);
        }
        if let OnResource::Held(_) = what {
            self.gives_back(place);
        }
    }

    /// The handler asks for the next of what it needs, or begins its work.
    fn needs_next(&mut self, handler: Handler) {
        let (who, run) = handler;
        let (now, at_ms) = (self.stage.now, self.stage.since_start_ms());
        let Who::Process(process, _) = who else {
            return;
        };
        let Some(needs) = self.needs(handler) else {
            return;
        };
        let Some((resource, us)) = needs.left.pop() else {
            return self.has_all(handler);
        };
        needs.asked += 1;
        let asked = needs.asked;
        if let Some(step) = self.stage.handlers.refuses(resource, at_ms) {
            self.feels(step, process, resource);
            return self.goes_without(handler, resource, Without::Refused);
        }
        let (capacity, by) = self.stage.handlers.capacity(resource, at_ms);
        let Some(pools) = &mut self.stage.pools else {
            return;
        };
        let place = pools.place(process, resource);
        let slots = &mut pools.slots[place];
        if slots.take(capacity) {
            return self.holds(handler, place, us);
        }
        let was_free = slots.held() < self.stage.plan.resources[resource].slots();
        slots.wait(handler);
        if let Some(step) = by.filter(|_| was_free) {
            self.feels(step, process, resource);
        }
        if let Some(needs) = self.needs(handler) {
            needs.now = State::Waits(place, us);
        }
        if let Some(timeout_ms) = self.stage.plan.resources[resource].wait_timeout_ms {
            let over = Happening::Resource(who, run, OnResource::Waited(asked));
            self.stage.events.push(now.plus_millis(timeout_ms), over);
        }
    }

    /// The handler has one from the pool at a place.
    fn holds(&mut self, handler: Handler, place: usize, us: i64) {
        let at_ms = self.stage.since_start_ms();
        let Some(pools) = &self.stage.pools else {
            return;
        };
        let resource = pools.resource(place);
        let (us, by) = self.stage.handlers.held_us(resource, us, at_ms);
        if let (Some(step), (Who::Process(process, _), _)) = (by, handler) {
            self.feels(step, process, resource);
        }
        let Some(needs) = self.needs(handler) else {
            // Nobody of those who wait is gone: they leave with their process.
            return self.gives_back(place);
        };
        needs.now = State::Holds(place);
        let held = OnResource::Held(needs.asked);
        let (who, run) = handler;
        let at = self.stage.now.plus_micros(us);
        self.stage
            .events
            .push(at, Happening::Resource(who, run, held));
    }

    fn gives_back(&mut self, place: usize) {
        if let Some(pools) = &mut self.stage.pools {
            pools.slots[place].give_back();
        }
        self.pass_on(place);
    }

    /// Those who waited have what is free now.
    fn pass_on(&mut self, place: usize) {
        let at_ms = self.stage.since_start_ms();
        while let Some(pools) = &mut self.stage.pools {
            let resource = pools.resource(place);
            let (capacity, _) = self.stage.handlers.capacity(resource, at_ms);
            let Some(next) = pools.slots[place].next(capacity) else {
                return;
            };
            let us = match self.needs(next).map(|needs| needs.now) {
                Some(State::Waits(_, us)) => us,
                _ => 0,
            };
            self.holds(next, place, us);
        }
    }

    /// The handler has had all it needs, and works.
    fn has_all(&mut self, (who, run): Handler) {
        let now = self.stage.now;
        if let Some(service_us) = self.ends_after(who, run, None) {
            self.stage.events.push(
                now.plus_micros(service_us),
                Happening::HandlerEnds(who, run),
            );
        }
    }

    /// The handler did not get something, and returns.
    fn goes_without(&mut self, (who, run): Handler, resource: usize, why: Without) {
        let outcome = self.stage.handlers.without(resource, why);
        let now = self.stage.now;
        if self.ends_after(who, run, Some(outcome)).is_some() {
            self.stage
                .events
                .push(now, Happening::HandlerEnds(who, run));
        }
    }

    /// How long a handler works from now on; it returns with `failed`, if that is there.
    fn ends_after(
        &mut self,
        who: Who,
        run: RunId,
        failed: Option<firedrill_asynq::actor::Outcome>,
    ) -> Option<i64> {
        let now = self.stage.now;
        let Who::Process(index, _) = who else {
            return None;
        };
        let life = self.processes[usize::from(index)].life.as_mut()?;
        let work = life.handlers.work_mut(run)?;
        let began = work.needs.take()?.began;
        let service_us = match failed {
            None => work.service_us,
            Some(outcome) => {
                work.outcome = outcome;
                work.ending = Ending::Returns;
                work.children.clear();
                0
            }
        };
        work.service_us = service_us + (now.0 - began.0) / 1_000;
        Some(service_us)
    }

    /// A step has had an effect on a resource, of a process or of all.
    fn feels(&mut self, step: usize, process: u16, resource: usize) {
        let shared = self
            .stage
            .pools
            .as_ref()
            .is_some_and(|pools| pools.shared[resource]);
        let plan = self.stage.plan;
        let place = match shared {
            true => &plan.resources[resource].name,
            false => &self.processes[usize::from(process)].name,
        };
        self.stage.saw(step, place);
    }

    /// A process is gone, with its pools; what it held of others is free, and it waits for nothing.
    pub(crate) fn leaves_resources(
        &mut self,
        process: usize,
        held: impl Iterator<Item = Box<Needs>>,
    ) {
        let Some(pools) = &mut self.stage.pools else {
            return;
        };
        let is_its = |(who, _): &Handler| matches!(who, Who::Process(number, _) if usize::from(*number) == process);
        pools.slots.iter_mut().for_each(|slots| slots.leave(is_its));
        for needs in held {
            if let State::Holds(place) = needs.now {
                self.gives_back(place);
            }
        }
    }
}
