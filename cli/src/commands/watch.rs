//! `firedrill watch`: exporter and detector beside a queue that is running, without a fault and without a write, for weeks.

mod alerts;
mod receiver;
mod shown;

use crate::args;
use crate::args::Redis;
use crate::commands::targets::{Jobs, Scraped, Targets};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs::{self, Named, Place, world};
use crate::signals::Signals;
use crate::terminal::Terminal;
use alerts::{Alert, Alerts, Key};
use firedrill_asynq::broker::redis::address::Address;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::op::BrokerError;
use firedrill_detector::detector::SeriesRef;
use firedrill_detector::duration::format_ms;
use firedrill_detector::{AlertState, Detector, Emitted, Labels, RuleSet, Schedule, Timestamp};
use firedrill_sim::abort::Abort;
use firedrill_sim::http::get::{Client, GetError};
use firedrill_sim::world::World;
use receiver::{Message, Receiver};
use shown::{Counts, Page};
use std::sync::Arc;
use tokio::task::JoinHandle;

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
    let watched = runtime.block_on(async {
        let page = Page::serve(args.port).await?;
        let mut watch = Watch::new(args, rules, (address, world), &client, page, terminal);
        watch.go(&signals.abort()).await
    });
    drop(hold);
    watched?;
    Ok(signals.exit().unwrap_or(Exit::Passed))
}

/// What was sent, and what came of it.
type Sent = (Vec<(Key, Alert)>, Result<(), GetError>);
/// The same, under way.
type Sending = JoinHandle<Sent>;

/// A watch that goes on.
struct Watch<'w> {
    address: &'w Address,
    targets: Targets<'w>,
    client: Arc<Client>,
    world: World,
    detector: Detector,
    /// The detector's series by number.
    series: Vec<SeriesRef>,
    alerts: Alerts,
    receiver: Option<Receiver>,
    sending: Option<Sending>,
    /// Nothing is sent before, Unix milliseconds: the receiver did not take what it was sent last.
    not_before_ms: i64,
    page: Page,
    terminal: &'w Terminal,
    clock: Clock,
    scrape_ms: i64,
    evaluation_ms: i64,
    /// Unix milliseconds of the last scrape, and up to where rules were evaluated.
    scraped_ms: i64,
    evaluated_ms: i64,
    last: Scraped,
    counts: Counts,
    /// Whether Redis answered last, and whether the receiver did, so that only changes are said.
    redis_answers: Option<bool>,
    is_taken: Option<bool>,
}

/// The time it is. At the speed of real time it is the machine's own, whatever becomes of that over weeks.
#[derive(Debug, Clone, Copy)]
enum Clock {
    Machine,
    Fast(ClockOrigin),
}

impl Clock {
    fn origin(self) -> ClockOrigin {
        match self {
            Self::Machine => ClockOrigin::real_time(),
            Self::Fast(origin) => origin,
        }
    }

    fn now_ms(self) -> i64 {
        self.origin().now().millis()
    }
}

impl<'w> Watch<'w> {
    fn new(
        args: &args::Watch,
        rules: RuleSet,
        (address, world): (&'w Address, World),
        client: &'w Client,
        page: Page,
        terminal: &'w Terminal,
    ) -> Self {
        let start = ClockOrigin::real_time().now();
        let clock = match args.speed {
            1.0 => Clock::Machine,
            speed => Clock::Fast(ClockOrigin::start(start, speed)),
        };
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
        let named = (address.place(), None);
        Self {
            address,
            targets: Targets::new(
                (&named.0, named.1),
                &args.metrics,
                client,
                &jobs,
                world.clone(),
            ),
            client: Arc::new(client.clone()),
            world,
            detector: Detector::new(rules, schedule),
            series: Vec::new(),
            alerts: Alerts::default(),
            receiver: Receiver::of(&args.receiver),
            sending: None,
            not_before_ms: i64::MIN,
            page,
            terminal,
            clock,
            scrape_ms: args.scrape_interval.0,
            evaluation_ms: args.evaluation_interval.0,
            scraped_ms: i64::MIN,
            evaluated_ms: start.millis(),
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
            None => "what fires is shown only; --alertmanager-url or --webhook names who is told"
                .to_owned(),
        };
        self.terminal.say(format_args!(
            "watching {}, every {}; {to}\nmetrics and alerts: {}/metrics, {}/api/v1/alerts",
            self.address.place(),
            format_ms(self.scrape_ms),
            self.page.url,
            self.page.url
        ));
        let mut next_scrape_ms = self.clock.now_ms();
        loop {
            let evaluations = self.detector.next_evaluations().map(|at| at.0);
            let next_ms = evaluations.min().unwrap_or(i64::MAX).min(next_scrape_ms);
            let wait = self.clock.origin().until(Time::from_millis(next_ms));
            tokio::select! {
                biased;
                () = abort.asked() => return Ok(()),
                ended = ended(&mut self.sending) => self.sent(ended),
                () = tokio::time::sleep(wait) => {}
            }
            // Whoever asks for the page is answered, however far behind this is.
            tokio::task::yield_now().await;
            let now_ms = self.clock.now_ms();
            if now_ms >= next_scrape_ms {
                let scraping = self.scrape();
                if let Some(scraped) = abort.unless_asked(scraping).await {
                    scraped?;
                }
                // Slots stay where they are; those that went by are left out.
                let behind = (self.clock.now_ms() - next_scrape_ms).max(0) / self.scrape_ms;
                next_scrape_ms += (behind + 1) * self.scrape_ms;
            }
            self.evaluate(self.clock.now_ms());
            self.tell();
            self.page
                .show(&self.last, &self.alerts, self.counts, &self.world);
        }
    }

    /// Scrapes all there is, once.
    ///
    /// # Errors
    /// When Redis does not let us look.
    async fn scrape(&mut self) -> Result<(), Failure> {
        if self.targets.broker.is_none() {
            let options = RedisOptions::at_speed(1.0);
            self.targets.broker = match RedisBroker::open(self.address, options).await {
                Ok(broker) => Some(broker),
                Err(BrokerError::Unreachable(_)) => None,
                Err(error) => {
                    let place = self.address.place();
                    return Err(Failure::environment(format!("{place}: {error}")));
                }
            };
        }
        let at_ms = self.clock.now_ms().max(self.scraped_ms.saturating_add(1));
        let scraped = self.targets.scrape(self.clock.origin(), Vec::new()).await;
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
        self.last = scraped;
        Ok(())
    }

    /// Runs the evaluations that are due.
    fn evaluate(&mut self, now_ms: i64) {
        let made_up_ms = MADE_UP_MOST.saturating_mul(self.evaluation_ms);
        if now_ms - self.evaluated_ms > made_up_ms {
            self.counts.missed += self.detector.skip(Timestamp(now_ms - self.evaluation_ms));
        }
        for emitted in self.detector.advance(Timestamp(now_ms)) {
            match emitted {
                Emitted::Transition(transition) => {
                    self.alerts.take(&transition);
                    if transition.to == AlertState::Firing || transition.from == AlertState::Firing
                    {
                        let what = match transition.to {
                            AlertState::Firing => "firing",
                            _ => "resolved",
                        };
                        let labels = told(&transition.labels);
                        self.terminal
                            .say(format_args!("{what}: {} {labels}", transition.alert));
                    }
                }
                Emitted::Error(error) => {
                    self.counts.rule_errors += 1;
                    // Once is enough: the same comes back at each evaluation.
                    if self.counts.rule_errors == 1 {
                        self.terminal.say(format_args!("{error}"));
                    }
                }
            }
        }
        self.evaluated_ms = now_ms;
        self.counts.evaluated_ms = now_ms;
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
        let alerts = format!("{}/api/v1/alerts", self.page.url);
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
                self.alerts.sent(&about, self.clock.now_ms());
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

/// Waits for what is under way; for ever if nothing is. `None`: it was cut off.
async fn ended(sending: &mut Option<Sending>) -> Option<Sent> {
    match sending {
        Some(sending) => sending.await.ok(),
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
