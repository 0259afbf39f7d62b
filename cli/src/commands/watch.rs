//! `firedrill watch`: exporter and detector beside a queue that is running, without a fault and without a write, for weeks.

mod alerts;
mod clock;
mod receiver;
mod shown;

use crate::args;
use crate::args::Redis;
use crate::commands::targets::{Answers, Jobs, PATIENCE, Queues, Scraped, Targets};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs::{self, Named, Place, world};
use crate::signals::Signals;
use crate::terminal::Terminal;
use crate::view::{Ear, Showing};
use alerts::{Alert, Alerts, Key};
use clock::Clock;
use firedrill_asynq::broker::redis::address::Address;
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_detector::detector::SeriesRef;
use firedrill_detector::duration::format_ms;
use firedrill_detector::{AlertState, Detector, Emitted, Labels, RuleSet, Schedule, Timestamp};
use firedrill_sim::abort::Abort;
use firedrill_sim::http::get::{Client, GetError};
use firedrill_sim::view::About;
use firedrill_sim::world::World;
use receiver::{Message, Receiver};
use shown::{ALERTS, Counts, Listed};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The job of workers, as their heartbeats have it.
const WORKERS: &str = "worker";

/// Evaluations that may be made up for; more are left out, as Prometheus leaves them out.
const MADE_UP_MOST: i64 = 10;

/// Watches until somebody stops it.
///
/// # Errors
/// When rules cannot be read, Redis refuses to be looked at, or the page's port cannot be had. A Redis that does not answer is
/// waited for.
pub fn run(args: &args::Watch, terminal: &Terminal) -> Result<Exit, Failure> {
    let named = Named::new(&[(Place::Rules, &args.rules)]).in_world(&args.world);
    let rules = inputs::with_alerts(&named.understood()?, &args.dialect, terminal)?;
    let address = match &args.redis {
        Redis::Given(address) => address,
        Redis::Unreadable(error) => return Err(Failure::usage(format!("--redis: {error}"))),
        Redis::Auto | Redis::Local | Redis::Docker => {
            return Err(Failure::usage(
                "--redis: name the Redis that holds the queues, such as redis://host:6379/0",
            ));
        }
    };
    let world = world::named(&args.world)?.unwrap_or_default();
    let client = inputs::http_client(args.http_config.as_deref())?;
    let signals = Signals::listen()?;
    let hold = signals.hold();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    let title = address.place();
    let about = About::of_watch(&title, &world, WORKERS, args.scrape_interval.0);
    let http = args.view.http.or(Some(([127, 0, 0, 1], args.port).into()));
    let view = args::View {
        http,
        ..args.view.clone()
    };
    let listed = Listed::default();
    let showing = Showing::with(&view, [about], listed.page(), (&signals, terminal))?;
    let shown = Shown {
        url: showing.url().unwrap_or_default().to_owned(),
        ear: showing.ear(0),
        listed,
    };
    let watched = runtime.block_on(async {
        let mut watch = Watch::new(args, rules, (address, world), &client, shown, terminal);
        watch.go(&signals.abort()).await
    });
    drop(hold);
    watched?;
    Ok(signals.exit().unwrap_or(Exit::Passed))
}

/// What was sent, and what came of it.
type Sent = (Vec<(Key, Alert)>, Result<(), GetError>);

/// When a scrape began, Unix milliseconds, and what it came to.
type Scrape = (i64, Answers);

/// Where a watch is shown.
struct Shown {
    url: String,
    ear: Ear,
    listed: Listed,
}

/// A watch that goes on.
struct Watch<'w> {
    address: &'w Address,
    targets: Targets,
    client: Arc<Client>,
    world: World,
    detector: Detector,
    /// The detector's series by number.
    series: Vec<SeriesRef>,
    alerts: Alerts,
    receiver: Option<Receiver>,
    sending: Option<JoinHandle<Sent>>,
    /// The scrape under way; one that is due meanwhile is left out.
    scraping: Option<JoinHandle<Scrape>>,
    /// Nothing is sent before, Unix milliseconds: the receiver did not take what it was sent last.
    not_before_ms: i64,
    shown: Shown,
    terminal: &'w Terminal,
    clock: Clock,
    /// When it began, Unix milliseconds.
    start_ms: i64,
    scrape_ms: i64,
    evaluation_ms: i64,
    /// How long a target is waited for.
    patience: Duration,
    /// Unix milliseconds of the last scrape, and when rules were last looked after.
    scraped_ms: i64,
    awake_ms: i64,
    last: Scraped,
    counts: Counts,
    /// Whether Redis answered last, and whether the receiver did, so that only changes are said.
    redis_answers: Option<bool>,
    is_taken: Option<bool>,
}

impl<'w> Watch<'w> {
    fn new(
        args: &args::Watch,
        rules: RuleSet,
        (address, world): (&'w Address, World),
        client: &'w Client,
        shown: Shown,
        terminal: &'w Terminal,
    ) -> Self {
        let start = ClockOrigin::real_time().now();
        let clock = Clock::at_speed(start, args.speed);
        let job =
            |job: &Option<String>, usual: &str| job.clone().unwrap_or_else(|| usual.to_owned());
        let jobs = Jobs {
            redis: job(&world.targets.redis.job, "redis"),
            asynq: job(&world.targets.asynq.job, "asynq"),
        };
        let schedule = Schedule {
            start: Timestamp(start.millis()),
            interval_ms: args.evaluation_interval.0,
            phase_ms: 0,
        };
        let client = Arc::new(client.clone());
        Self {
            address,
            targets: Targets::new(
                (&address.place(), Queues::At(Box::new(address.clone()))),
                &args.metrics,
                client.clone(),
                &jobs,
                world.clone(),
            ),
            client,
            world,
            detector: Detector::new(rules, schedule),
            series: Vec::new(),
            alerts: Alerts::default(),
            receiver: Receiver::of(&args.receiver),
            sending: None,
            scraping: None,
            not_before_ms: i64::MIN,
            shown,
            terminal,
            clock,
            start_ms: start.millis(),
            scrape_ms: args.scrape_interval.0,
            evaluation_ms: args.evaluation_interval.0,
            patience: patience(args.scrape_interval.0, args.speed),
            scraped_ms: i64::MIN,
            awake_ms: start.millis(),
            last: Scraped::default(),
            counts: Counts::default(),
            redis_answers: None,
            is_taken: None,
        }
    }

    /// Scrapes, evaluates and tells, until somebody asks to stop.
    async fn go(&mut self, abort: &Abort) -> Result<(), Failure> {
        let to = match &self.receiver {
            Some(receiver) => format!("what fires is sent to {}", receiver.url()),
            None => {
                "what fires is only shown; --alertmanager-url or --webhook says where to send it"
                    .to_owned()
            }
        };
        self.terminal.say(format_args!(
            "watching {}, every {}; {to}\nmetrics and alerts: {url}metrics, {url}{ALERTS}",
            self.address.place(),
            format_ms(self.scrape_ms),
            url = self.shown.url,
        ));
        self.shown.ear.begins(self.clock.speed(), Arc::default());
        let mut next_scrape_ms = self.clock.now_ms();
        loop {
            let evaluations = self.detector.next_evaluations().map(|at| at.0);
            let next_ms = evaluations.min().unwrap_or(i64::MAX).min(next_scrape_ms);
            let wait = self.clock.origin().until(Time::from_millis(next_ms));
            tokio::select! {
                biased;
                () = abort.asked() => return Ok(()),
                ended = ended(&mut self.sending) => self.sent(ended),
                ended = ended(&mut self.scraping) => {
                    self.scraping = None;
                    if let Some(scrape) = ended {
                        self.scraped(scrape)?;
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
            // Whoever asks for the page is answered, however far behind this is.
            tokio::task::yield_now().await;
            let behind_ms = self.clock.now_ms() - next_scrape_ms;
            if behind_ms >= 0 {
                self.scrape();
                // Slots stay where they are; those that went by are left out.
                next_scrape_ms += (behind_ms / self.scrape_ms + 1) * self.scrape_ms;
            }
            self.evaluate(self.clock.now_ms());
            self.tell();
            self.show();
        }
    }

    /// Begins a scrape of all there is, unless one is under way: rules are evaluated meanwhile.
    fn scrape(&mut self) {
        if self.scraping.is_some() {
            return;
        }
        let begun_ms = self.clock.now_ms();
        let asking = self.targets.ask(self.clock.origin(), self.patience);
        self.scraping = Some(tokio::spawn(async move { (begun_ms, asking.await) }));
    }

    /// Takes in what a scrape came to. Its samples are of the time it began, or of after the evaluation that went by meanwhile.
    ///
    /// # Errors
    /// When Redis does not let us look.
    fn scraped(&mut self, (begun_ms, answers): Scrape) -> Result<(), Failure> {
        if let Some(error) = answers.refused {
            let place = self.address.place();
            return Err(Failure::environment(format!("{place}: {error}")));
        }
        let after_ms = self.scraped_ms.max(self.counts.evaluated_ms);
        let at_ms = begun_ms.max(after_ms.saturating_add(1));
        let clock = self.clock.origin();
        let scraped = self.targets.take(answers, clock, Vec::new());
        self.scraped_ms = at_ms;
        for (number, labels) in &scraped.new {
            // Numbers come one after the other.
            debug_assert_eq!(*number as usize, self.series.len());
            let series = self.detector.series(labels);
            self.series.push(series);
        }
        for (number, value) in &scraped.samples {
            if let Some(series) = self.series.get(*number as usize) {
                self.detector.append(*series, Timestamp(at_ms), *value);
            }
        }
        self.counts.scrapes += 1;
        self.counts.series = self.series.len() as u64;
        let answers = scraped
            .redis
            .iter()
            .any(|(labels, value)| labels.name() == "redis_up" && *value == 1.0);
        let answers = answers || !scraped.asynq.is_empty();
        self.counts.redis_down += u64::from(!answers);
        if self.redis_answers.replace(answers).unwrap_or(true) != answers {
            let place = self.address.place();
            self.terminal.say(match answers {
                true => format!("{place} answers again"),
                false => format!(
                    "{place} does not answer; it is asked again every {}",
                    format_ms(self.scrape_ms)
                ),
            });
        }
        let at_ms = at_ms - self.start_ms;
        self.shown.ear.tell(|view| {
            for (number, labels) in &scraped.new {
                view.series(*number, labels);
            }
            view.scrape(at_ms, &scraped.samples);
        });
        self.last = scraped;
        Ok(())
    }

    /// Shows what is known now.
    fn show(&self) {
        let now_ms = self.clock.now_ms() - self.start_ms;
        self.shown.ear.tell(|view| view.reach(now_ms));
        self.shown
            .ear
            .exposes(|| shown::exposed(&self.last, &self.alerts, &self.counts, &self.world));
        self.shown.listed.show(&self.alerts);
    }

    /// Runs the evaluations that are due.
    fn evaluate(&mut self, now_ms: i64) {
        let is_due = self.detector.next_evaluations().any(|at| at.0 <= now_ms);
        let made_up_ms = MADE_UP_MOST.saturating_mul(self.evaluation_ms);
        if now_ms - self.awake_ms > made_up_ms {
            self.counts.missed += self.detector.skip(Timestamp(now_ms - self.evaluation_ms));
        }
        for emitted in self.detector.advance(Timestamp(now_ms)) {
            match emitted {
                Emitted::Transition(transition) => {
                    self.alerts.take(&transition);
                    self.shown.ear.tell(|view| {
                        let states = (transition.from.into(), transition.to.into());
                        let at_ms = transition.at.0 - self.start_ms;
                        view.changed(&transition.alert, at_ms, states);
                    });
                    if transition.to == AlertState::Firing || transition.from == AlertState::Firing
                    {
                        let what = match transition.to {
                            AlertState::Firing => "firing",
                            _ => "resolved",
                        };
                        let labels = told(&transition.labels);
                        let told = format!("{what}: {} {labels}", transition.alert);
                        let at_ms = transition.at.0 - self.start_ms;
                        self.shown.ear.tell(|view| view.told(at_ms, &told));
                        self.terminal.say(told);
                    }
                }
                Emitted::Error(error) => {
                    let rule = (error.group.clone(), error.rule.clone());
                    let errors = self.counts.rule_errors.entry(rule).or_default();
                    *errors += 1;
                    // Once is enough: the same comes back at each evaluation.
                    if *errors == 1 {
                        self.terminal.say(format_args!("{error}"));
                    }
                }
            }
        }
        self.awake_ms = now_ms;
        if is_due {
            self.counts.evaluated_ms = now_ms;
        }
        self.alerts.forget(now_ms, self.receiver.is_some());
    }

    /// Sends what is due, unless something is under way.
    fn tell(&mut self) {
        let (Some(receiver), None) = (&self.receiver, &self.sending) else {
            return;
        };
        let now_ms = self.clock.now_ms();
        if now_ms < self.not_before_ms {
            return;
        }
        let alerts = format!("{}{ALERTS}", self.shown.url);
        let message = receiver.message(&self.alerts, now_ms, self.evaluation_ms, &alerts);
        let Some(message) = message else { return };
        let client = self.client.clone();
        self.sending = Some(tokio::spawn(async move {
            let sent = message.send(&client).await;
            let Message { about, .. } = message;
            (about, sent)
        }));
    }

    /// Notes what came of what was sent.
    fn sent(&mut self, ended: Option<Sent>) {
        self.sending = None;
        let Some((about, sent)) = ended else { return };
        let taken = sent.is_ok();
        match &sent {
            Ok(()) => {
                self.counts.sent += about.len() as u64;
                let now_ms = self.clock.now_ms();
                self.alerts.sent(&about, now_ms);
                self.shown.ear.tell(|view| {
                    // Whoever is told that it is over was paged before.
                    let fire = about
                        .iter()
                        .filter(|(_, alert)| alert.resolved_ms.is_none());
                    for ((_, labels), _) in fire {
                        let name = labels.get("alertname").unwrap_or_default();
                        view.delivered(name, now_ms - self.start_ms);
                    }
                });
            }
            Err(_) => {
                self.counts.not_sent += about.len() as u64;
                self.not_before_ms = self.clock.now_ms() + self.evaluation_ms;
            }
        }
        if self.is_taken.replace(taken).unwrap_or(true) != taken {
            match sent {
                Ok(()) => self.terminal.say("the receiver takes alerts again"),
                Err(error) => self.terminal.say(format_args!(
                    "not sent, and sent again at the next evaluation: {error}"
                )),
            }
        }
    }
}

/// How long a target is waited for: as Prometheus waits, two thirds of the interval where it is the usual one and 10 s at most, so
/// that what a scrape comes to is there before the next. `speed`: virtual seconds per real second.
fn patience(interval_ms: i64, speed: f64) -> Duration {
    let interval = Duration::from_millis(interval_ms.unsigned_abs());
    // Where weeks are tried, a machine is no faster for it.
    match speed {
        1.0 => (interval * 2 / 3).min(PATIENCE),
        _ => PATIENCE,
    }
}

/// Waits for what is under way; for ever if nothing is. `None`: it was cut off.
async fn ended<T>(under_way: &mut Option<JoinHandle<T>>) -> Option<T> {
    match under_way {
        Some(under_way) => under_way.await.ok(),
        None => std::future::pending().await,
    }
}

/// Labels for people, the name left out.
fn told(labels: &Labels) -> String {
    let labels = labels.iter().filter(|(name, _)| *name != "alertname");
    let labels: Vec<String> = labels
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    format!("{{{}}}", labels.join(", "))
}
