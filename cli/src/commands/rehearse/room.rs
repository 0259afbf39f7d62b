//! The room of a rehearsal: the drill on a thread of its own, people at the terminal or a pipe, the clock, and whoever may stop it.

use super::facilitator::Facilitator;
use crate::drills::live::{self, Job, LiveSet, Over};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::signals::{Hold, Signals};
use crate::terminal::Terminal;
use crate::view::{Ear, Showing};
use firedrill_detector::text::printable;
use firedrill_reports::record::{AlertState, Deed, Rehearsed};
use firedrill_reports::rehearsal::Consulted;
use firedrill_sim::abort::Abort;
use firedrill_sim::alerts::Notice;
use firedrill_sim::drill::{Event, Finished, What};
use firedrill_sim::engine::live::{LiveOptions, Noted};
use firedrill_sim::rehearsal::{
    AbortWhen, Desk, Found, OURS, Page, People, Rehearsal, Runbook, Said, Word, clock, help, said,
};
use firedrill_sim::scenario::FAMILIES;
use firedrill_sim::view::About;
use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Real time between looks at the clock.
const TICK: Duration = Duration::from_millis(200);

/// What a rehearsal is to be like.
pub(super) struct Asked {
    pub(super) terms: Rehearsed,
    pub(super) abort_when: AbortWhen,
    /// The same, as typed.
    pub(super) conditions: Vec<String>,
    pub(super) at_most_ms: Option<i64>,
    pub(super) runbook: Option<Runbook>,
    pub(super) facilitator: Option<Facilitator>,
}

/// Why a rehearsal was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Something was not as usual before anything was broken.
    Refused(Vec<String>),
    /// Somebody asked for it: how.
    Asked(&'static str),
    /// A condition or the clock, which had been given before: which.
    Due(String),
}

/// What a rehearsal leaves.
pub(super) struct Left {
    /// A signal does not end the process before what it came to is written.
    pub(super) hold: Hold,
    pub(super) outcome: Result<Finished, Failure>,
    pub(super) stopped: Option<Stopped>,
    pub(super) consulted: Option<Consulted>,
}

/// All that the room listens to: the drill, its end, what is typed, and where its Redis is.
type Heard = (
    mpsc::UnboundedReceiver<(usize, Event)>,
    mpsc::UnboundedReceiver<Over>,
    mpsc::UnboundedReceiver<String>,
    mpsc::UnboundedReceiver<Noted>,
);

/// See the module.
pub(super) struct Room<'r> {
    asked: Asked,
    terminal: &'r Terminal,
    say: mpsc::UnboundedSender<Said>,
    stop: watch::Sender<u32>,
    /// Alerts that can page, and all alerts that ever fired.
    can_page: BTreeSet<String>,
    fired: BTreeSet<String>,
    /// Pages, the clock, the checklist.
    desk: Desk,
    stopped: Option<Stopped>,
    /// How far the drill is, and since when it is there.
    reached_ms: Arc<AtomicI64>,
    reached: (i64, Instant),
    lasts_ms: i64,
    speed: f64,
    /// Who shows it, if anybody does.
    ear: Ear,
}

impl<'r> Room<'r> {
    /// Holds a rehearsal from its beginning to its end.
    ///
    /// # Errors
    /// When it cannot be started. How it ended is part of the result.
    pub(super) fn hold(
        set: &LiveSet,
        job: &Job,
        speed: f64,
        mut asked: Asked,
        signals: &Signals,
        terminal: &'r Terminal,
    ) -> Result<Left, Failure> {
        let exe = std::env::current_exe().map_err(Failure::environment)?;
        let about = About::of_drill(&job.plan);
        let about = match asked.terms.blind {
            true => about.blind(),
            false => about,
        };
        let (typed, lines) = mpsc::unbounded_channel();
        let showing = Showing::in_room(&set.view, about, typed.clone(), (signals, terminal))?;
        let ear = showing.ear(0);
        if let (Some(facilitator), Some(url)) = (&mut asked.facilitator, showing.url()) {
            let token = set.view.http_token.as_deref();
            let token = token.map_or(String::new(), |token| format!("#token={token}"));
            facilitator.hears(&format_args!("live view: {url}{token}"));
        }
        let reaper = set.reaper().map_err(Failure::environment)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::environment)?;
        let hold = signals.hold();
        let (say, people) = People::new();
        let (stop, stops) = watch::channel(0);
        let reached_ms = Arc::new(AtomicI64::new(0));
        let (noted_tx, noted) = mpsc::unbounded_channel();
        let options = LiveOptions {
            reached_ms: reached_ms.clone(),
            noted: Some(noted_tx),
            rehearsal: Some(Rehearsal {
                terms: asked.terms,
                people,
                abort_when: asked.abort_when.clone(),
            }),
            ..live::options((set, job), &exe, speed, Abort::new(stops))
        };
        ear.begins(speed, reached_ms.clone());
        let pages = set.rules.set.alerts();
        let pages = pages.filter(|alert| set.pack.can_page(alert));
        let group_wait_ms = match &set.alerts {
            Some(sources) if sources.are_delivered() => 0,
            _ => set.rules.delivery.group_wait_ms,
        };
        let mut room = Self {
            desk: Desk::new(asked.terms, group_wait_ms, asked.runbook.take()),
            asked,
            terminal,
            say,
            stop,
            can_page: pages.map(|alert| alert.name.to_owned()).collect(),
            ear: ear.clone(),
            fired: BTreeSet::new(),
            stopped: None,
            reached_ms,
            reached: (0, Instant::now()),
            lasts_ms: job.plan.duration_ms,
            speed,
        };
        room.opens(set, job);
        room.lays_out();
        terminal.started();
        let (events_tx, events) = mpsc::unbounded_channel();
        let (ended_tx, ended) = mpsc::unbounded_channel();
        let judged = (set.rules.clone(), set.pack.clone());
        let heard = (events_tx, ended_tx, ear.clone());
        live::spawn_drill(0, job.plan.clone(), judged, options, heard);
        // Where the view has the keyboard, it passes lines on; a pipe is read all the same.
        if !(showing.has_terminal() && std::io::stdin().is_terminal()) {
            listens(typed);
        }
        let outcome = runtime.block_on(room.go((events, ended, lines, noted), &signals.abort()));
        ear.over();
        let is_in_order = outcome
            .as_ref()
            .err()
            .is_none_or(|failure| failure.exit != Exit::Internal);
        if is_in_order {
            // Somebody may have ended it; there is nothing for it to do.
            let _ = reaper.dismiss();
        }
        if outcome
            .as_ref()
            .is_err_and(|failure| failure.exit == Exit::CleanupIncomplete)
        {
            signals.left_something();
        }
        Ok(Left {
            hold,
            consulted: room.consulted(),
            outcome,
            stopped: room.stopped,
        })
    }

    /// Says what is about to happen, as far as everybody may know.
    fn opens(&mut self, set: &LiveSet, job: &Job) {
        let plan = &job.plan;
        let pace = match self.speed {
            1.0 => "in real time".to_owned(),
            speed => format!("at {speed}x, for practice: all times are the drill's"),
        };
        let what = match self.asked.terms.blind {
            true => "a rehearsal".to_owned(),
            false => format!("{}: {}", plan.name, plan.summary),
        };
        // Scenarios are told apart by their lengths.
        let lasts = match self.asked.terms.blind {
            true => String::new(),
            false => format!("{} ", clock(plan.duration_ms)),
        };
        self.terminal.say(format_args!(
            "{what}\n{lasts}{pace}; Redis: {}; `help` lists what can be typed",
            set.redis.describe()
        ));
        let steps = self.desk.checklist().iter().enumerate();
        let steps = steps.map(|(place, step)| format!("  {}. {step}", place + 1));
        let steps: Vec<String> = steps.collect();
        if !steps.is_empty() {
            self.terminal
                .say(format_args!("checklist (done N):\n{}", steps.join("\n")));
        }
    }

    async fn go(
        &mut self,
        (mut events, mut ended, mut lines, mut noted): Heard,
        signalled: &Abort,
    ) -> Result<Finished, Failure> {
        let mut tick = tokio::time::interval(TICK);
        let (mut told, mut urged) = (false, false);
        loop {
            tokio::select! {
                biased;
                Some(over) = ended.recv() => {
                    while let Ok((_, event)) = events.try_recv() {
                        self.happened(&event);
                    }
                    return over.drill.outcome;
                }
                () = signalled.asked(), if !told => {
                    told = true;
                    self.stops(Stopped::Asked("a signal came"));
                }
                () = signalled.urged(), if told && !urged => {
                    urged = true;
                    self.terminal.say("at once: nothing is waited for; what was written is still removed");
                    self.stop.send_modify(|count| *count = 2);
                }
                Some((_, event)) = events.recv() => self.happened(&event),
                Some(line) = lines.recv() => self.typed(&line),
                Some(Noted::Began { redis, .. }) = noted.recv() => self.has_redis(&redis),
                _ = tick.tick() => self.looks_at_the_clock(),
            }
        }
    }

    /// How far the drill is by now, milliseconds.
    fn now_ms(&mut self) -> i64 {
        let reached_ms = self.reached_ms.load(Ordering::Relaxed);
        if reached_ms != self.reached.0 {
            self.reached = (reached_ms, Instant::now());
        }
        let (at_ms, since) = self.reached;
        // Before the first scrape nobody knows whether it has begun.
        match at_ms {
            0 => 0,
            at_ms => {
                let now_ms = at_ms + (since.elapsed().as_secs_f64() * 1e3 * self.speed) as i64;
                now_ms.min(self.lasts_ms.max(at_ms))
            }
        }
    }

    fn looks_at_the_clock(&mut self) {
        let now_ms = self.now_ms();
        self.ear.tell(|view| view.reach(now_ms));
        self.tells_pages(now_ms);
        for due in self.desk.duty_mut().due(now_ms) {
            let text = self.desk.duty().status(now_ms);
            self.says(Deed::Reminded, due.name(), &text);
        }
        if self
            .asked
            .at_most_ms
            .is_some_and(|most_ms| now_ms >= most_ms)
        {
            let why = format!("--at-most: {} of the drill is over", clock(now_ms));
            self.stops(Stopped::Due(why));
        }
    }

    fn happened(&mut self, event: &Event) {
        let at_ms = event.at_ms;
        let is_blind = self.asked.terms.blind;
        match &event.what {
            What::Action(action) => {
                self.ear.notes(&event.what.to_string());
                if action.subject != OURS {
                    self.desk.did(action);
                    self.lays_out();
                }
                self.shows(at_ms, &event.what);
                if action.what == Deed::Mended && is_blind {
                    self.facilitate(at_ms, &event.what.to_string());
                }
            }
            What::Rail(Found::Steady) => self.facilitate(at_ms, "all is as usual; it may begin"),
            What::Rail(Found::Unsteady(why)) => self.stops(Stopped::Refused(why.clone())),
            What::Rail(Found::Abort(number)) => {
                let typed = self.asked.conditions.get(*number);
                let typed = typed.map_or("", String::as_str);
                self.stops(Stopped::Due(format!("--abort-when {typed}")));
            }
            What::Alert {
                alert,
                state,
                notice,
            } => self.alert(at_ms, (alert, notice), *state),
            What::Step { .. } | What::Late { .. } | What::Drained => {
                self.facilitate(at_ms, &event.what.to_string());
                if !is_blind {
                    self.shows(at_ms, &event.what);
                }
            }
        }
    }

    fn alert(&mut self, at_ms: i64, (alert, notice): (&str, &Notice), state: AlertState) {
        let pages = self.can_page.contains(alert);
        // Whoever posts to us names it: it must not look like a line of ours.
        let shown = printable(alert);
        // A blind team hears of pages and tickets, as it would.
        let is_shown = !self.asked.terms.blind;
        match state {
            AlertState::Pending if is_shown => {
                self.shows(at_ms, &format_args!("{shown} is pending"));
            }
            AlertState::Pending => {}
            AlertState::Firing => {
                self.fired.insert(alert.to_owned());
                if !pages {
                    self.shows(
                        at_ms,
                        &format_args!("ticket: {shown} fires{}", self.leads(alert)),
                    );
                    return;
                }
                if is_shown {
                    self.shows(at_ms, &format_args!("{shown} fires"));
                }
                self.desk.fires(at_ms, alert, notice);
                // What was delivered was, however soon it is over.
                self.tells_pages(at_ms);
            }
            AlertState::Inactive => {
                let was_on = self.desk.resolved(at_ms, alert);
                if was_on || is_shown {
                    self.shows(at_ms, &format_args!("{shown} is resolved"));
                }
                self.lays_out();
            }
        }
    }

    /// Pages those whose alerts have fired for as long as their notification waits.
    fn tells_pages(&mut self, now_ms: i64) {
        let pages = self.desk.delivered(now_ms);
        if pages.is_empty() {
            return;
        }
        for Page { at_ms, alert, .. } in &pages {
            self.shows(
                *at_ms,
                &format_args!("PAGE: {} fires{}", printable(alert), self.leads(alert)),
            );
            self.ear.tell(|view| view.delivered(alert, *at_ms));
        }
        self.lays_out();
    }

    /// Shows what lies on the desk by now.
    fn lays_out(&self) {
        self.ear.tell(|view| view.lies(self.desk.clone()));
    }

    /// Where the runbook tells of an alert.
    fn leads(&self, alert: &str) -> String {
        let section = self.desk.runbook().map(|runbook| runbook.section(alert));
        match section {
            None => String::new(),
            Some(Some(section)) => format!("  runbook: {section}"),
            Some(None) => "  the runbook says nothing about it".to_owned(),
        }
    }

    fn typed(&mut self, line: &str) {
        let word = match said(line, &FAMILIES) {
            Ok(Some(word)) => word,
            Ok(None) => return,
            Err(error) => return self.terminal.say(error),
        };
        match word {
            // Shown when the engine has noted it.
            Word::Said(Said {
                what,
                subject,
                text,
            }) => self.says(what, &subject, &text),
            Word::Done(number) => self.ticks(number),
            Word::Help => self.terminal.say(help(&FAMILIES)),
            Word::Status => self.tells_status(),
            Word::Abort => self.stops(Stopped::Asked("`abort` was typed")),
        }
    }

    fn ticks(&self, number: usize) {
        let steps = self.desk.checklist();
        let step = number.checked_sub(1).and_then(|place| steps.get(place));
        match (step, self.desk.ticked_ms(number)) {
            (Some(_), Some(at_ms)) => self.terminal.say(format_args!(
                "entry {number} is done already, since {}",
                clock(at_ms)
            )),
            // Shown when the engine has noted it.
            (Some(step), None) => self.says(Deed::Ticked, &number.to_string(), step),
            (None, _) if steps.is_empty() => self
                .terminal
                .say("there is no checklist; --runbook FILE gives one"),
            (None, _) => self.terminal.say(format_args!(
                "the checklist has entries 1 to {}",
                steps.len()
            )),
        }
    }

    fn tells_status(&mut self) {
        let now_ms = self.now_ms();
        let status = self.desk.duty().status(now_ms);
        let mut lines = vec![format!("{}  {status}", clock(now_ms))];
        if !self.desk.on().is_empty() {
            let on: Vec<&str> = self.desk.on().iter().map(String::as_str).collect();
            lines.push(format!("fires: {}", on.join(", ")));
        }
        let steps = (1..).zip(self.desk.checklist());
        let open = steps.filter(|(number, _)| self.desk.ticked_ms(*number).is_none());
        lines.extend(open.map(|(number, step)| format!("open: {number}. {step}")));
        self.terminal.say(lines.join("\n"));
    }

    /// Has something noted.
    fn says(&self, what: Deed, subject: &str, text: &str) {
        let (subject, text) = (subject.to_owned(), text.to_owned());
        // Nobody listens any more when the drill has ended.
        let _ = self.say.send(Said {
            what,
            subject,
            text,
        });
    }

    /// Stops the drill, once: it ends what it did and heals.
    fn stops(&mut self, why: Stopped) {
        if self.stopped.is_some() {
            return;
        }
        let (by, text) = match &why {
            Stopped::Refused(why) => (
                OURS,
                format!("not as usual, so nothing is broken: {}", why.join("; ")),
            ),
            Stopped::Due(why) => (OURS, why.clone()),
            Stopped::Asked(how) => ("", (*how).to_owned()),
        };
        self.terminal
            .say(format_args!("stopping, {text}: what was done is undone"));
        self.says(Deed::Stopped, by, &text);
        self.stopped = Some(why);
        self.stop.send_modify(|count| *count = (*count).max(1));
    }

    fn shows(&self, at_ms: i64, what: &dyn std::fmt::Display) {
        self.terminal
            .say(format_args!("{:>8}  {what}", clock(at_ms)));
    }

    /// Tells the facilitator.
    fn facilitate(&mut self, at_ms: i64, what: &str) {
        if let Some(facilitator) = &mut self.asked.facilitator {
            facilitator.happened(at_ms, what);
        }
    }

    /// Tells where the drill's queues are.
    fn has_redis(&mut self, redis: &dyn std::fmt::Display) {
        let told = format!("its queues: firedrill asynq --redis {redis} queue ls");
        self.terminal.say(&told);
        if let Some(facilitator) = &mut self.asked.facilitator {
            facilitator.hears(&told);
        }
    }

    fn consulted(&self) -> Option<Consulted> {
        let runbook = self.desk.runbook()?;
        let without = self
            .fired
            .iter()
            .filter(|alert| runbook.section(alert).is_none());
        Some(Consulted {
            path: runbook.path().to_owned(),
            without_section: without.cloned().collect(),
            checklist: runbook.checklist().to_vec(),
        })
    }
}

/// Sends on what is typed, a line at a time. When there is nothing more, the rehearsal goes on without.
fn listens(typed: mpsc::UnboundedSender<String>) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if typed.send(line).is_err() {
                break;
            }
        }
    });
}
