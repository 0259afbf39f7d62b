//! A fleet that is running, looked at: the runbook's diagnosis, steps 1 to 4, without a write.

use super::facts::Facts;
use super::processes::{Processes, Runtime};
use super::prometheus::Prometheus;
use super::scraper::Scraper;
use crate::args::{Live, Redis};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs;
use crate::terminal::Terminal;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::op::BrokerError;
use firedrill_detector::duration::format_ms;
use firedrill_reports::cause::Diagnosis;
use firedrill_reports::render::diagnosis::{self, Looked, Step};

/// The runbook's first step.
pub(super) const WORKERS: &str = "1. Workers";

/// What was named by `--redis`.
pub(super) struct Named {
    /// For people, and to be typed again: without a password.
    pub(super) shown: String,
    /// It, or why it does not answer.
    pub(super) broker: Result<RedisBroker, String>,
}

/// Looks, and names what is wrong.
///
/// # Errors
/// When an address cannot be read, Redis refuses to be looked at, or Prometheus cannot be asked. A Redis that does not answer is a
/// finding.
pub(super) fn run(args: &Live, json: bool, terminal: &Terminal) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    let looked = runtime.block_on(look(args, terminal))?;
    if json {
        terminal.result(&format!("{:#}\n", diagnosis::json(&looked)));
    } else {
        terminal.result(&diagnosis::terminal(&looked, terminal.style()));
    }
    Ok(match &looked.diagnosis {
        found if found.is_blind() => Exit::Inconclusive,
        found if found.is_well() => Exit::Passed,
        _ => Exit::GateFailed,
    })
}

async fn look(args: &Live, terminal: &Terminal) -> Result<Looked, Failure> {
    let client = inputs::http_client(args.http_config.as_deref())?;
    let processes = processes(args).await?;
    let redis = match &args.redis {
        Some(redis) => Some(connect(redis).await?),
        None => None,
    };
    let Some(url) = &args.prometheus else {
        let redis = redis.ok_or_else(|| Failure::usage("name --redis URL or --prometheus URL"))?;
        let span_ms = if redis.broker.is_ok() { args.span.0 } else { 0 };
        if span_ms > 0 {
            terminal.say(format_args!(
                "looking for {}, every {}; with --prometheus URL there is nothing to wait for",
                format_ms(span_ms),
                format_ms(args.scrape_interval.0)
            ));
        }
        let mut scraper = Scraper::new(&redis, &args.metrics, &client, span_ms);
        scraper.watch(args.scrape_interval.0).await;
        return conclude(Some((&redis, scraper)), None, processes).await;
    };
    let asked = Prometheus::new(url, &client)
        .ask()
        .await
        .map_err(Failure::environment)?;
    match redis {
        Some(redis) => {
            let scraper = Scraper::new(&redis, &[], &client, 0);
            conclude(Some((&redis, scraper)), Some(asked), processes).await
        }
        None => conclude(None, Some(asked), processes).await,
    }
}

/// The steps and the cause, from what was scraped and what Prometheus said.
async fn conclude(
    scraped: Option<(&Named, Scraper)>,
    asked: Option<super::prometheus::Told>,
    processes: Option<Processes>,
) -> Result<Looked, Failure> {
    let mut steps: Vec<Step> = Vec::new();
    let mut sight = asked.as_ref().map(|told| told.sight.clone());
    if let Some((redis, mut scraper)) = scraped {
        let facts = Facts::of(redis).await;
        scraper.scrape(Some(&facts)).await;
        let direct = scraper.look();
        steps = facts.steps(redis, &scraper);
        sight = Some(match sight {
            Some(sight) => sight.with(direct),
            None => direct,
        });
    }
    if let Some(told) = asked {
        steps.push(Step {
            name: "Prometheus",
            lines: told.lines,
        });
    }
    let mut sight = sight.unwrap_or_default();
    if let Some(processes) = processes {
        processes.show(&mut sight);
        let lines = processes.lines();
        match steps.iter_mut().find(|step| step.name == WORKERS) {
            Some(step) => step.lines.extend(lines),
            None => steps.insert(
                0,
                Step {
                    name: WORKERS,
                    lines,
                },
            ),
        }
    }
    Ok(Looked {
        steps,
        diagnosis: Diagnosis::of(&sight),
    })
}

/// Asks what runs the processes of workers, if that was named.
async fn processes(args: &Live) -> Result<Option<Processes>, Failure> {
    let (option, runtime, words) = match (&args.docker, &args.kube) {
        (Some(words), _) => ("--docker", Runtime::Docker, words),
        (None, Some(words)) => ("--kube", Runtime::Kubernetes, words),
        (None, None) => return Ok(None),
    };
    let now = ClockOrigin::real_time().now();
    let asked = runtime.ask(words, now.millis()).await;
    let failed = |reason| Failure::environment(format!("{option} {words}: {reason}"));
    asked.map(Some).map_err(failed)
}

/// Connects to what `--redis` names. One that refuses us is no finding: whoever may not look cannot say what is wrong.
async fn connect(redis: &Redis) -> Result<Named, Failure> {
    let address = match redis {
        Redis::Given(address) => address,
        Redis::Unreadable(error) => return Err(Failure::usage(format!("--redis: {error}"))),
        Redis::Auto | Redis::Local | Redis::Docker => {
            return Err(Failure::usage(
                "--redis: name the Redis that holds the queues, such as redis://host:6379/0",
            ));
        }
    };
    let shown = address.place();
    let broker = match RedisBroker::open(address, RedisOptions::at_speed(1.0)).await {
        Ok(broker) => Ok(broker),
        Err(BrokerError::Unreachable(reason)) => Err(reason.into_string()),
        Err(error) => return Err(Failure::environment(format!("{shown}: {error}"))),
    };
    Ok(Named { shown, broker })
}
