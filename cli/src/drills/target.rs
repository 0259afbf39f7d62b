//! Whose workers take part in live drills: what was asked for, held against what the scenarios need, before anything starts.

use crate::args::{Jobs, Speed, Target, ToxiproxyName};
use crate::failure::Failure;
use firedrill_sim::drill;
use firedrill_sim::engine::live::{How, Started, Template, Theirs, Workers};
use firedrill_sim::http::get::Url;
use firedrill_sim::plan::{Ours, Plan};
use firedrill_sim::redis_server::docker;
use firedrill_sim::redis_server::docker::guest::{Guest, GuestError};
use firedrill_sim::redis_server::private::RedisSource;
use firedrill_sim::toxiproxy::{Proxy, ProxyError};
use std::future::Future;
use std::path::PathBuf;

/// Who works in the drills of `plans` on `redis`, and how fast they go. Workers of the team's own know no clock but the real one,
/// and one drill at a time has them.
///
/// # Errors
/// When a scenario needs workers of ours, a speed or a number of drills was asked for that workers of others cannot keep, there
/// are not as many containers or pages of metrics as processes, or the owner of a container has not agreed.
pub(crate) fn workers<'p>(
    target: &Target,
    plans: impl IntoIterator<Item = &'p Plan>,
    (speed, jobs): (Speed, Jobs),
    redis: &RedisSource,
) -> Result<(Workers, Speed), Failure> {
    if !target.is_given() {
        return Ok((Workers::Ours, speed));
    }
    if let Speed::Fixed(asked) = speed
        && !drill::is_in_real_time(asked)
    {
        return Err(Failure::usage(format!(
            "--speed {asked}: your own workers know no clock but the real one; leave --speed away, or make it 1"
        )));
    }
    if let Jobs::Fixed(asked) = jobs
        && asked.get() > 1
    {
        return Err(Failure::usage(format!(
            "--jobs {asked}: your own workers take part in one drill at a time; leave --jobs away"
        )));
    }
    let plans: Vec<&Plan> = plans.into_iter().collect();
    for plan in &plans {
        refuse(plan, "workers of firedrill's", &plan.needs_our_workers())?;
    }
    let how = match &target.worker_cmd {
        Some(command) => How::Command(Started {
            command: (PathBuf::from(&command.program), command.args.clone()),
            env: target
                .worker_env
                .iter()
                .map(|variable| (variable.name.clone(), variable.value.clone()))
                .collect(),
        }),
        None => {
            for plan in &plans {
                refuse(
                    plan,
                    "workers that firedrill has started",
                    &plan.needs_started_workers(target.toxiproxy.is_some()),
                )?;
            }
            How::Containers(containers(&target.worker_docker, &plans, redis)?)
        }
    };
    let theirs = Theirs {
        how,
        metrics: pages(&target.metrics, &plans)?,
        proxy: target
            .toxiproxy
            .as_ref()
            .map(proxy)
            .transpose()?
            .map(Box::new),
    };
    Ok((Workers::Theirs(theirs), Speed::Fixed(1.0)))
}

/// Whether the workers that were asked for can play a scenario.
pub(crate) fn can_play(target: &Target, plan: &Plan) -> bool {
    let runs_already = target.is_given() && target.worker_cmd.is_none();
    (!target.is_given() || plan.needs_our_workers().is_empty())
        && (!runs_already
            || plan
                .needs_started_workers(target.toxiproxy.is_some())
                .is_empty())
}

/// Refuses a scenario that only certain workers can play.
fn refuse(plan: &Plan, whose: &str, needs: &[Ours]) -> Result<(), Failure> {
    if needs.is_empty() {
        return Ok(());
    }
    let lines = needs
        .iter()
        .map(|of| format!("\n    {}: {}; instead: {}", of.what, of.why, of.instead));
    Err(Failure::usage(format!(
        "{}: this scenario needs {whose}, and these are your own:{}",
        plan.name,
        lines.collect::<String>()
    )))
}

/// The containers that are meant, one for each process of each scenario.
fn containers(
    words: &[String],
    plans: &[&Plan],
    redis: &RedisSource,
) -> Result<Vec<Guest>, Failure> {
    if !matches!(redis, RedisSource::Given(_)) {
        return Err(Failure::usage(
            "--worker-docker: containers that run already work on a Redis of yours; name it with --redis, a database with nothing \
             in it but what they say of themselves",
        ));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let docker = docker::find(std::env::split_paths(&path));
    let docker = docker.ok_or_else(|| {
        Failure::environment("--worker-docker: there is no `docker` on PATH that a daemon answers")
    })?;
    let found = asked(Guest::find(&docker, words))?;
    let found = found.map_err(|error| match error {
        GuestError::NoConsent(_) => Failure::refused(error),
        _ => Failure::environment(error),
    })?;
    for plan in plans {
        let (processes, count) = (plan.processes().len(), found.len());
        if processes != count {
            return Err(Failure::usage(format!(
                "--worker-docker: {} has {processes} worker processes, and {count} containers are named",
                plan.name
            )));
        }
    }
    Ok(found)
}

/// The proxy that they go through.
fn proxy(asked_for: &ToxiproxyName) -> Result<Proxy, Failure> {
    let found = asked(Proxy::find(&asked_for.api, &asked_for.name))?;
    found.map_err(|error| match error {
        ProxyError::Busy { .. } => Failure::refused(error),
        _ => Failure::environment(error),
    })
}

/// What comes of asking somebody before anything starts.
fn asked<T>(asking: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    Ok(runtime.map_err(Failure::environment)?.block_on(asking))
}

/// Where the metrics of each process are.
fn pages(asked: &[Template], plans: &[&Plan]) -> Result<Vec<Url>, Failure> {
    let processes = plans.iter().map(|plan| plan.processes().len());
    let most = processes.max().unwrap_or(0);
    let wrong = |why: String| Failure::usage(format!("--metrics: {why}"));
    let texts: Vec<String> = match asked {
        [] => return Ok(Vec::new()),
        [one] if one.is_numbered() => (0..most)
            .map(|index| one.numbered(index))
            .collect::<Result<_, _>>(),
        many => many.iter().map(|one| one.numbered(0)).collect(),
    }
    .map_err(|error| wrong(error.to_string()))?;
    if texts.len() != most {
        return Err(wrong(format!(
            "there are {most} processes, and pages for {}; give one for each, in their order, or one with {{index}} in it",
            texts.len()
        )));
    }
    let urls = texts.iter().map(|text| {
        let url: Url = text
            .parse()
            .map_err(|error| wrong(format!("{text}: {error}")))?;
        Ok(match url.is_bare() {
            true => url.below("/metrics"),
            false => url,
        })
    });
    urls.collect()
}
